"""Compare designs of equal price: more queries, more paraphrases or more samples."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn.evaluate._bootstrap import two_way_means
from dars_sklearn.evaluate._budgets import (
    DESIGN_COLUMNS,
    afford_designs,
    list_budgets,
    suggest_budget,
)
from dars_sklearn.evaluate._cross_val import run_folds
from dars_sklearn.metrics._realised_values import RealisedValues, has_known_costs
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._keys import find_labels
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._query_identities import query_identities
from dars_sklearn.outcomes._validation import list_values, plural
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    with_cost_range,
)
from dars_sklearn.utility import models_without_costs
from dars_sklearn.utils._html import html_table, html_view
from dars_sklearn.utils._validation import (
    check_count,
    check_level,
    is_count,
    is_finite_number,
)
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["DesignPlan", "plan_design"]

_PRICES = ("query", "paraphrase", "sample")
# Numbers of paraphrases and samples that are compared by default.
_DEFAULT_NUMBERS = (1, 2, 3, 5)
_LEVEL = 0.95


@dataclass(frozen=True)
class DesignPlan:
    """Designs of equal price, by the utility of the routers that they train.

    Parameters
    ----------
    table : DataFrame
        One row per design, best first: ``n_paraphrases``, ``n_samples``, ``n_queries``,
        ``price``; ``utility``, the mean over held-out queries and repeats, ``low`` and ``high``;
        ``behind``, the difference from the best design, with ``behind_low`` and ``behind_high``;
        and ``p_best``, the share of resamples in which it is the best. Designs that need more
        queries than the pilot can train on come last, without figures.
    budget : float
        Highest price of a design.
    n_test : int
        Number of queries held out in each repeat.
    budgets : DataFrame or None, default=None
        If the budget was suggested, the budgets that were tried: ``budget``, its best design, the
        ``utility`` of that, and its ``gain`` over random routing.
    notes : tuple of str, default=()
        How the budget was suggested, and how many queries are copies of others.

    Attributes
    ----------
    recommended : Series
        The first row.

    See Also
    --------
    plan_design : Computes it.
    """

    table: pd.DataFrame
    budget: float
    n_test: int
    budgets: pd.DataFrame | None = None
    notes: tuple = ()

    @property
    def recommended(self):
        """The design with the highest utility."""
        return self.table.iloc[0]

    def to_frame(self):
        """Return the designs as a table.

        Returns
        -------
        DataFrame
            One row per design.
        """
        return self.table.copy()

    def _title(self):
        best = self.recommended
        counts = {noun: int(best[f"n_{plural(noun)}"]) for noun in _PRICES}
        description = " x ".join(f"{n} {plural(noun, n)}" for noun, n in counts.items())
        n_similar = (self.table["behind_low"] <= 0).sum() - 1
        similar = f"; {n_similar} more cannot be distinguished from it" if n_similar > 0 else ""
        p_best = f"p_best {best['p_best']:.2f}"
        return f"DesignPlan for {self.budget:.4g}: {description} ({p_best}){similar}"

    def __repr__(self):
        notes = "".join(f"\n{note}" for note in self.notes)
        table = self.table.to_string(index=False, float_format="{:.4g}".format)
        return f"<{self._title()}>{notes}\n{table}"

    def _repr_html_(self):
        return html_view(self._title(), html_table(self.table, index=False), notes=self.notes)


def plan_design(
    outcomes,
    X,
    router,
    budget=None,
    prices=None,
    *,
    designs=None,
    gain_share=0.95,
    n_repeats=20,
    test_size=0.3,
    n_resamples=2000,
    n_jobs=None,
    random_state=0,
    verbose=None,
):
    """Compare numbers of queries, paraphrases and samples that cost the same.

    The pilot must have more of everything than the designs to compare. Each design is drawn from
    it repeatedly, a router is trained on the draw, and evaluated on held-out queries by all of
    their outcomes. The answer may well be one sample per query, and more queries.

    Parameters
    ----------
    outcomes : Outcomes
        The pilot.
    X : array-like of shape (n_queries, ...)
        Its queries, or their features.
    router : DistributionalRouter, or Pipeline that ends in one
        Router to train.
    budget : float or None, default=None
        Highest price of a design. None suggests one: the smallest budget from which the expected
        gain of more is small, see ``gain_share``.
    prices : dict or None, default=None
        Price of a "query" (to find it, and to write its reference), of a "paraphrase" of it, and
        of a "sample" of every model together. What is not named is free, except for samples,
        whose price is the sum over models of their mean cost in the pilot.
    designs : sequence of (int, int) or None, default=None
        Numbers of paraphrases and of samples to compare. None uses all combinations of 1, 2, 3
        and 5 that the pilot has.
    gain_share : float, default=0.95
        Without a budget, share of the gain in utility over random routing that the suggested
        budget must reach, relative to the highest gain at any budget that the pilot can evaluate.
    n_repeats : int, default=20
        Number of random splits, on each of which every design is drawn once.
    test_size : float, default=0.3
        Share of the pilot's queries that is held out.
    n_resamples : int, default=2000
        Number of bootstrap resamples of queries and repeats.
    n_jobs : int or None, default=None
        Number of repeats run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    DesignPlan
        The designs, and the recommended one.

    Raises
    ------
    ValueError
        If X has other queries than the outcomes, a price is unknown or negative, no design fits
        the budget and the pilot, or no budget can be suggested.

    See Also
    --------
    dars_sklearn.labels.reliability_curve : Reliability of labels, without training routers.

    Notes
    -----
    A pilot gives no information about designs larger than itself; these are listed without
    figures. Intervals are over both the queries and the repeats (Owen's pigeonhole bootstrap,
    Annals of Applied Statistics 1, 2007, 386-411). The utility of the best of many designs is a
    little optimistic, as any maximum is; ``p_best`` shows how certain the choice is. Designs with
    one outcome per (query, model) pair show no risk, and their routers have no risk aversion.

    To suggest a budget, the largest design on all training queries of the pilot, and a half, a
    quarter and so on of its price are tried, each with its best design. What a router gains per
    query is worth the more, the more queries it will serve, which the suggestion does not know:
    it says where the pilot's gains level off, and the table ``budgets`` shows how.

    References
    ----------
    Section "Evaluation" of arXiv 2606.06924 compares supervision at equal numbers of queries, and
    not of generations. D studies: Brennan, "Generalizability Theory" (2001).

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, plan_design
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> pilot = make_routing_outcomes(200, 3, 3, 3, random_state=0)
    >>> plan = plan_design(pilot.outcomes, pilot.X, DistributionalRouter(), budget=100,
    ...                    prices={"sample": 1.0}, n_repeats=3)
    >>> int(plan.recommended["n_queries"]) > 10
    True
    """
    check_is_router(router)
    outcomes = as_outcomes(outcomes)
    check_alignment(X, outcomes)
    # Copies of a query are no further queries, and one that is held out must not be trained on.
    first_rows = np.sort(np.unique(query_identities(outcomes), return_index=True)[1])
    notes = _describe_copies(len(outcomes), len(first_rows))
    X, outcomes = _safe_indexing(X, first_rows), outcomes[first_rows]
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    realised = RealisedValues(outcomes, final_step(router).cost_weight, limits)
    prices = _check_prices(prices, outcomes, realised)
    check_level(test_size, "test_size")
    check_level(gain_share, "gain_share")
    check_count(n_repeats, "n_repeats")
    check_count(n_resamples, "n_resamples")
    n_test = max(int(round(test_size * len(outcomes))), 1)
    n_train = len(outcomes) - n_test
    designs = _price_designs(outcomes, designs, prices)
    if budget is None:
        tried = list_budgets(designs, n_train)
        rows = tried[DESIGN_COLUMNS].drop_duplicates()
    else:
        table = afford_designs(designs, budget, n_train)
        rows = table.loc[table["feasible"], DESIGN_COLUMNS]
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=n_repeats)
    jobs = [
        delayed(_evaluate_designs)(router, X, outcomes, realised, rows.to_numpy(int), n_test, seed)
        for seed in seeds
    ]
    # Utility of each design on each query in each repeat, NaN where the query is not held out.
    utilities = np.full((n_repeats, len(outcomes), len(rows)), np.nan)
    for number, repeat in enumerate(run_folds(jobs, n_jobs, verbose, unit="repeats")):
        utilities[number, repeat.test_rows] = repeat.utilities
    suggested = None
    if budget is None:
        suggested = _suggest_budget(tried, rows, utilities, realised, gain_share)
        budget = suggested.budget
        table = afford_designs(designs, budget, n_train)
        columns = pd.MultiIndex.from_frame(rows)
        wanted = pd.MultiIndex.from_frame(table.loc[table["feasible"], DESIGN_COLUMNS])
        utilities = utilities[:, :, columns.get_indexer(wanted)]
    table = _add_figures(table, utilities, n_resamples, rng)
    if suggested is None:
        return DesignPlan(table, float(budget), n_test, notes=notes)
    return DesignPlan(table, budget, n_test, suggested.table, (*suggested.notes, *notes))


def _describe_copies(n, n_different):
    """Say how many queries of a pilot are left out, if there are any."""
    if n == n_different:
        return ()
    return (f"{n - n_different} of the {n} queries are copies, by label or text, and left out",)


class _Repeat(NamedTuple):
    """Held-out queries of a random split, and what each design achieves on them.

    Parameters
    ----------
    test_rows : ndarray of int of shape (n_test,)
        Held-out queries.
    utilities : ndarray of shape (n_test, n_designs)
        Realised utility of the routes.
    """

    test_rows: np.ndarray
    utilities: np.ndarray


def _check_prices(prices, outcomes, realised):
    prices = dict(prices or {})
    unknown = set(prices) - set(_PRICES)
    if unknown:
        raise ValueError(f"prices may have the keys {_PRICES}, got {sorted(unknown)}")
    if "sample" not in prices:
        if not has_known_costs(outcomes):
            names = list_values(models_without_costs(outcomes), "model")
            raise ValueError(
                f"the pilot has no known cost of the {names}, so prices must include that of a "
                "'sample'"
            )
        prices["sample"] = float(np.nansum(np.nanmean(realised.cost, axis=0)))
    for name, price in prices.items():
        if not is_finite_number(price) or price < 0:
            raise ValueError(
                f"the price of a {name} must be finite and not negative, got {price!r}"
            )
    if sum(prices.values()) == 0:
        raise ValueError("every design is free, so there is nothing to plan")
    return {name: prices.get(name, 0.0) for name in _PRICES}


def _suggest_budget(tried, rows, utilities, realised, gain_share):
    is_test = ~np.isnan(utilities[:, :, 0])
    random = np.where(is_test, column_means(realised.utility.T), np.nan)
    means = pd.Series(np.nanmean(utilities, axis=(0, 1)), index=pd.MultiIndex.from_frame(rows))
    utility = means.loc[pd.MultiIndex.from_frame(tried[DESIGN_COLUMNS])].to_numpy()
    return suggest_budget(tried, utility, np.nanmean(random), gain_share)


def _price_designs(outcomes, designs, prices):
    """List the designs and the price of one query with each."""
    largest = outcomes.to_array().shape[2:]
    if designs is None:
        designs = product(*([n for n in _DEFAULT_NUMBERS if n <= most] for most in largest))
    rows = []
    for P, K in designs:
        if not (is_count(P) and is_count(K)):
            raise ValueError(f"designs must be pairs of ints of at least 1, got {(P, K)!r}")
        if not (1 <= P <= largest[0] and 1 <= K <= largest[1]):
            raise ValueError(
                f"the pilot has {largest[0]} x {largest[1]} outcomes per (query, model) pair, not "
                f"{P} x {K}"
            )
        price = prices["query"] + P * (prices["paraphrase"] + K * prices["sample"])
        rows.append((P, K, price))
    return pd.DataFrame(rows, columns=["n_paraphrases", "n_samples", "query_price"])


def _evaluate_designs(router, X, outcomes, realised, designs, n_test, seed):
    """Train a router on a draw of each design, and evaluate it on the held-out queries."""
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(outcomes))
    test_rows, pool = order[:n_test], order[n_test:]
    utilities = np.empty((n_test, len(designs)))
    X_test = _safe_indexing(X, test_rows)
    for number, (P, K, n) in enumerate(designs):
        labels = outcomes[pool[:n]].subsample(P, K, rng)
        fitted = clone(router)
        if P * K == 1:  # a single outcome has no spread
            final_step(fitted).set_params(risk_aversion=0.0)
        # It is the point of the comparison that small designs do not identify everything.
        with collect_warnings():
            fitted.fit(_safe_indexing(X, pool[:n]), labels)
        columns = find_labels(realised.models, fitted.predict(X_test), "model")
        utilities[:, number] = realised.utility[test_rows, columns]
    if np.isnan(utilities).any():
        raise ValueError(
            "some held-out queries are routed to a model that has no outcome for them; plan with "
            "a pilot that has outcomes of every model"
        )
    return _Repeat(test_rows, utilities)


def _add_figures(table, utilities, n_resamples, rng):
    mean = np.nanmean(utilities, axis=(0, 1))
    means = two_way_means(utilities, n_resamples, rng)
    # In a small pilot, a resample may contain no query that was held out.
    means = means[~np.isnan(means).any(axis=1)]
    behind = means[:, [mean.argmax()]] - means
    ends = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    low, high = np.quantile(means, ends, axis=0)
    behind_low, behind_high = np.quantile(behind, ends, axis=0)
    figures = {
        "utility": mean,
        "low": low,
        "high": high,
        "behind": mean.max() - mean,
        "behind_low": behind_low,
        "behind_high": behind_high,
        "p_best": np.bincount(means.argmax(axis=1), minlength=len(mean)) / len(means),
    }
    rows = np.flatnonzero(table["feasible"])
    table = table.drop(columns="feasible")
    for name, values in figures.items():
        table[name] = pd.Series(values, index=rows)
    return table.sort_values("utility", ascending=False, kind="stable").reset_index(drop=True)
