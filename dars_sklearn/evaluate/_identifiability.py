"""What a report cannot know from its outcomes, and a sentence that says why."""

from typing import NamedTuple

import numpy as np

from dars_sklearn.evaluate._report_columns import BEST, CHEAPEST, CONTROLS, ORACLE
from dars_sklearn.outcomes._means import weighted_mean
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.routing._fingerprints import find_shared_queries, fingerprint_queries

__all__ = ["OracleBound", "bound_by_oracle", "hide_unidentifiable", "shared_query_notes"]

# Metrics in units of the gap in score between the strong and the cheapest model.
_METRICS_OF_THE_GAP = ("gap_recovered", "apgr", "cpt_50", "cpt_80")
_STRATEGIES = {
    "router": "the router",
    BEST: "the best single model",
    CHEAPEST: "the cheapest model",
    CONTROLS[0]: "the control with shuffled labels",
    CONTROLS[1]: "the control with random features",
}


class OracleBound(NamedTuple):
    """Whether the cross-fitted oracle says how much better the best choice would be.

    Parameters
    ----------
    is_informative : bool
        Whether it does.
    notes : list of str
        Why it does not, or how to read it.
    """

    is_informative: bool
    notes: list


def bound_by_oracle(oracle, regrets, outcomes):
    """Judge whether the cross-fitted oracle is a useful bound for some outcomes.

    The best possible utility is at least what the cross-fitted oracle achieves in expectation, and
    at least what any strategy achieves that was not chosen on these outcomes. With few outcomes
    per pair, the cross-fitted oracle chooses by noise and may be far below such a strategy. It
    then says nothing. It is judged by the interval of the regret: if every negative estimate were
    hidden, the regrets that are shown would be too large on average.

    Parameters
    ----------
    oracle : OracleUtilities
        Both oracles.
    regrets : dict of str to sequence of float
        Mean regret of each strategy relative to the cross-fitted oracle: estimate, low and high;
        NaN where it is unknown. Leave out strategies that were chosen on these outcomes, which
        look better than they are.
    outcomes : Outcomes
        Outcomes of the evaluation.

    Returns
    -------
    OracleBound
        Whether it is, and what to say of it.
    """
    n_known, n = int((~np.isnan(oracle.crossfitted)).sum()), len(outcomes)
    if n_known == 0:
        note = (
            "The cross-fitted oracle and regret are not shown: they need two outcomes per (query, "
            "model) pair, one to choose a model by and another to evaluate it on"
        )
        return OracleBound(False, [note])
    # The upper limits decide, up to rounding.
    clearly_below = {name: own for name, own in regrets.items() if own[2] < -1e-12}
    if clearly_below:
        name, (estimate, low, high) = min(clearly_below.items(), key=lambda item: item[1][2])
        own = weighted_mean(oracle.crossfitted)
        note = (
            "The cross-fitted oracle and regret are not shown: in expectation, this oracle is a "
            f"lower bound of the best possible utility, and at {own:.4g} it is {-estimate:.3g} "
            f"[{-high:.3g}, {-low:.3g}] below what {_STRATEGIES.get(name, name)} achieves on the "
            f"same queries, because it chooses by noise with {_describe_counts(outcomes)}"
        )
        return OracleBound(False, [note])
    if all(np.isnan(estimate) for estimate, _, _ in regrets.values()):
        note = (
            "Regret is not shown: no query has both a cross-fitted oracle and an outcome of the "
            "model that a strategy chooses"
        )
        return OracleBound(True, [note])
    note = (
        "In expectation, regret is at least what is shown, because the cross-fitted oracle is a "
        "lower bound of the best possible utility"
    )
    if any(estimate < 0 for estimate, _, _ in regrets.values()):
        note += "; an estimate below 0 is within its sampling noise"
    notes = [note]
    if n_known < n:
        notes.append(
            f"The cross-fitted oracle and regret are over the {n_known} of {n} queries with "
            "several outcomes per model"
        )
    return OracleBound(True, notes)


def _describe_counts(outcomes):
    counts = outcomes.counts()
    median = np.median(counts[counts > 0])
    return f"{median:.3g} {plural('outcome', median)} per (query, model) pair"


def hide_unidentifiable(table, oracle, gap, outcomes, in_hindsight=False):
    """Put NaN in the place of figures that the outcomes of a report do not identify.

    Parameters
    ----------
    table : DataFrame
        Table of a report, which is changed.
    oracle : OracleUtilities
        Both oracles.
    gap : tuple of float or None
        By how much the strong model scores more than the cheapest one: estimate, low and high.
        None where the cheapest model is not known.
    outcomes : Outcomes
        Outcomes of the evaluation.
    in_hindsight : bool, default=False
        Whether the single models among the strategies were chosen on these outcomes.

    Returns
    -------
    list of str
        Sentences that say why.
    """
    is_regret = table["metric"] == "regret"
    is_chosen = is_regret & table["strategy"].isin([BEST, CHEAPEST]) & in_hindsight
    rows = table[is_regret & ~is_chosen].itertuples()
    regrets = {row.strategy: (row.estimate, row.low, row.high) for row in rows}
    bound = bound_by_oracle(oracle, regrets, outcomes)
    notes = list(bound.notes)
    if not bound.is_informative:
        _hide(table, is_regret | (table["strategy"] == ORACLE))
    elif is_chosen.any():
        _hide(table, is_chosen)
        notes.append("The regret of models that were chosen in hindsight is not shown")
    is_of_gap = table["metric"].isin(_METRICS_OF_THE_GAP)
    if gap is not None and not gap[1] > 0 and table[is_of_gap]["estimate"].notna().any():
        _hide(table, is_of_gap)
        notes.append(_describe_small_gap(*gap))
    if table[table["metric"] == "instability"]["estimate"].isna().any():
        notes.append(
            "Instability is not shown where no (query, model) pair of the routed models has two "
            "outcomes"
        )
    return notes


def _hide(table, rows):
    table.loc[rows, ["estimate", "low", "high"]] = np.nan


def _describe_small_gap(gap, low, high):
    return (
        "The gap recovered, APGR and CPT are not shown: the model with the best score scores "
        f"{gap:.3g} [{low:.3g}, {high:.3g}] more than the cheapest one, which may be no gap at all"
    )


def shared_query_notes(train, outcomes):
    """Say how many queries of an evaluation are training queries.

    Parameters
    ----------
    train : Outcomes
        Training outcomes.
    outcomes : Outcomes
        Outcomes of the evaluation.

    Returns
    -------
    list of str
        A sentence, if there are any; none where only numbers are shared, which another table may
        give to other queries.
    """
    shared = find_shared_queries(fingerprint_queries(train), outcomes)
    is_numbered = outcomes.queries.dtype.kind in "iu"
    if shared.number == 0 or (is_numbered and not shared.is_certain):
        return []
    evaluated = f"{shared.number} of the {len(outcomes)} evaluated {plural('query', len(outcomes))}"
    if not shared.is_certain:
        return [f"The labels of {evaluated} are also in the training outcomes"]
    return [
        f"The training outcomes include {evaluated}, on which a router and the baselines look "
        "better than they are"
    ]
