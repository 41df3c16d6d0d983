"""Performance of one router under distribution labels and under single-shot labels."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from dars_sklearn.evaluate._crossed_interval import compare_runs
from dars_sklearn.evaluate._identifiability import bound_by_oracle, shared_query_notes
from dars_sklearn.evaluate._test_outcomes import check_test_outcomes
from dars_sklearn.metrics import best_single_model, oracle_label
from dars_sklearn.metrics._oracle import oracle_utilities, warn_of_undefined_oracle
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.outcomes._alignment import check_same_queries
from dars_sklearn.outcomes._means import column_means, weighted_mean
from dars_sklearn.outcomes._outcomes import Outcomes, as_outcomes
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.utils._html import html_table, html_view

__all__ = ["SupervisionComparison", "Training", "compare_routes"]

# Metrics, and the tables of realised values that they are means of.
_METRICS = {
    "score": "score",
    "cost": "cost",
    "utility": "utility",
    "instability": "spread",
    "regret": "utility",
}


class Training(NamedTuple):
    """What a comparison on other test outcomes needs of the first one.

    Parameters
    ----------
    outcomes : Outcomes
        Training outcomes.
    cost_weight : float
        Cost weight of all utilities.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.
    test_queries : ndarray of shape (n_test_queries,)
        Labels of the queries that were routed.
    missing : {"raise", "skip"}
        Whether a routed (query, model) pair without outcomes is an error.
    depends_on_seed : bool
        Whether other training seeds may give other routes.
    """

    outcomes: Outcomes
    cost_weight: float
    cost_range: tuple
    test_queries: np.ndarray
    missing: str
    depends_on_seed: bool


@dataclass(frozen=True)
class SupervisionComparison:
    """Performance of one router under both kinds of supervision.

    Parameters
    ----------
    table : DataFrame
        One row per metric: score, cost (in the user's unit), utility, instability (mean standard
        deviation of the routed model's scores), regret (relative to the cross-fitted oracle, so
        that in expectation it is a lower bound; NaN where the interval of the regret of a router
        or of the best single model is below 0), and agreement (share of queries that two training
        runs with the same kind of labels route to the same model). Columns: ``distribution``, the
        mean over training seeds, and ``distribution_std``, the standard deviation over training
        seeds; ``single_shot`` and ``single_shot_std``, the same over draws, each with its own
        training seed; ``difference``, with its 95 % interval from ``low`` to ``high`` over
        queries, training seeds and draws. NaN where a metric is not defined, such as costs where
        there are none, or a standard deviation of one run.
    baselines : DataFrame
        Score, cost and utility of the best single model (chosen on the training outcomes)
        and of random routing, and the utility of the cross-fitted and of the naive oracle.
    distribution_routes : ndarray of shape (n_training_seeds, n_test_queries)
        Routes under distribution labels, with each training seed.
    single_shot_routes : ndarray of shape (n_draws, n_test_queries)
        Routes under each single-shot draw.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled: the router's fixed range, or that of the training
        outcomes.
    labels : dict
        Descriptions of the baselines, for display.
    notes : tuple of str
        What to know when reading the comparison: which figures these outcomes do not identify,
        how much the routes depend on the training seed, and whether test queries are training
        queries.

    See Also
    --------
    compare_supervision : Computes it.
    """

    table: pd.DataFrame
    baselines: pd.DataFrame
    distribution_routes: np.ndarray
    single_shot_routes: np.ndarray
    cost_range: tuple
    labels: dict
    _training: Training
    notes: tuple = ()

    @property
    def routes(self):
        """Routes under distribution labels with the first training seed."""
        return self.distribution_routes[0]

    def on(self, outcomes_test):
        """Evaluate the same routes on other outcomes of the same test queries.

        Parameters
        ----------
        outcomes_test : Outcomes
            Outcomes, such as those of one wording only.

        Returns
        -------
        SupervisionComparison
            The comparison on these outcomes.

        Raises
        ------
        ValueError
            If the queries are not those that were routed, in the same order; or the models, the
            scale of scores or the costs do not fit those of the training outcomes.
        """
        outcomes_test = as_outcomes(outcomes_test)
        check_same_queries(outcomes_test, self._training.test_queries)
        check_test_outcomes(outcomes_test, self._training.outcomes, self._training.cost_weight)
        return compare_routes(
            self.distribution_routes, self.single_shot_routes, outcomes_test, self._training
        )

    def to_frame(self):
        """Return the metrics as a table.

        Returns
        -------
        DataFrame
            One row per metric.
        """
        return self.table.copy()

    def _shown_tables(self):
        """Return both tables with labels, without the rows that are not identifiable."""
        tables = (self.table, self.baselines.rename(index=self.labels))
        return [table.dropna(how="all") for table in tables]

    def _title(self):
        n_seeds, n_queries = self.distribution_routes.shape
        n_draws = len(self.single_shot_routes)
        return (
            f"SupervisionComparison on {n_queries} {plural('query', n_queries)}, {n_seeds} "
            f"{plural('training seed', n_seeds)}, {n_draws} single-shot {plural('draw', n_draws)}"
        )

    def __repr__(self):
        tables = (table.to_string(float_format="{:.4f}".format) for table in self._shown_tables())
        return "\n".join((f"<{self._title()}>", *self.notes, *tables))

    def _repr_html_(self):
        write = "{:.4f}".format
        tables = [html_table(table, float_format=write) for table in self._shown_tables()]
        return html_view(self._title(), *tables, notes=self.notes)


def compare_routes(distribution_routes, single_shot_routes, outcomes_test, training):
    """Evaluate routes under both kinds of supervision on test outcomes.

    Parameters
    ----------
    distribution_routes : ndarray of shape (n_training_seeds, n_test_queries)
        Routes under distribution labels.
    single_shot_routes : ndarray of shape (n_draws, n_test_queries)
        Routes under single-shot labels.
    outcomes_test : Outcomes
        Outcomes of the routed queries.
    training : Training
        What the routers were trained on.

    Returns
    -------
    SupervisionComparison
        The comparison.
    """
    scale = {"cost_weight": training.cost_weight, "cost_range": training.cost_range}
    realised = RealisedValues(outcomes_test, **scale)
    oracle = oracle_utilities(outcomes_test, **scale)
    warn_of_undefined_oracle(oracle)
    best = best_single_model(training.outcomes, **scale)
    distribution, single_shot = (
        np.array([realised.column_indices(routes, training.missing) for routes in own])
        for own in (distribution_routes, single_shot_routes)
    )
    table = _tabulate_metrics(realised, oracle.crossfitted, distribution, single_shot)
    baselines = _tabulate_baselines(realised, oracle, best)
    achieved = {
        "the router with distribution labels": _take_runs(realised.utility, distribution),
        "the router with single-shot labels": _take_runs(realised.utility, single_shot),
        "the best single model": realised.utility[:, [realised.models.tolist().index(best)]].T,
    }
    regrets = {name: compare_runs(oracle.crossfitted[None], own) for name, own in achieved.items()}
    bound = bound_by_oracle(oracle, regrets, outcomes_test)
    if bound.is_informative:
        bound.notes.extend(_describe_regrets(regrets))
    else:
        table.loc["regret"] = np.nan
        baselines.loc["oracle_crossfitted"] = np.nan
    return SupervisionComparison(
        table,
        baselines,
        distribution_routes,
        single_shot_routes,
        training.cost_range,
        {
            "best_single_model": f"best single model ({best})",
            "random_routing": "random routing",
            "oracle_crossfitted": f"{oracle_label(outcomes_test)} (lower bound)",
            "oracle_naive": "oracle, naive (upper bound)",
        },
        training,
        (
            *bound.notes,
            *_describe_runs(table, len(distribution), len(single_shot), training.depends_on_seed),
            *shared_query_notes(training.outcomes, outcomes_test),
        ),
    )


def _describe_regrets(regrets):
    """Write the known regrets with their intervals, in a sentence if there are any."""
    known = {name: own for name, own in regrets.items() if not np.isnan(own.estimate)}
    written = ["{:.3g} [{:.3g}, {:.3g}] of {}".format(*own, name) for name, own in known.items()]
    return [f"Regrets with 95 % intervals: {', '.join(written)}"] if written else []


def _describe_runs(table, n_seeds, n_draws, depends_on_seed):
    """Say how much the routes depend on the training seed, and what the intervals lack."""
    notes = []
    if n_seeds > 1:
        notes.append(
            "With the same distribution labels, the standard deviation of utility over "
            f"{n_seeds} training seeds is {table.loc['utility', 'distribution_std']:.2g}, and two "
            f"seeds route {table.loc['agreement', 'distribution']:.0%} of the queries alike"
        )
    elif depends_on_seed:
        notes.append(
            "The router was trained once with distribution labels, so the intervals do not contain "
            "their variation over training seeds, and a difference may be that of a seed; raise "
            "n_training_seeds"
        )
    if n_draws == 1:
        notes.append("The intervals do not contain the variation over draws; raise n_draws")
    return notes


def _take_runs(table, columns):
    """Return the values of the routed models, of shape (n_runs, n_queries)."""
    return np.take_along_axis(table, columns.T, axis=1).T


def _tabulate_metrics(realised, oracle, distribution, single_shot):
    """Mean and spread of each metric over the runs of both sides, and their difference."""
    rows = {}
    for metric, name in _METRICS.items():
        values = [_take_runs(getattr(realised, name), own) for own in (distribution, single_shot)]
        if metric == "regret":
            values = [oracle - own for own in values]
        rows[metric] = {}
        for side, own in zip(("distribution", "single_shot"), values, strict=True):
            by_run = column_means(own.T)
            rows[metric][side] = by_run.mean()
            rows[metric][f"{side}_std"] = by_run.std(ddof=1) if len(by_run) > 1 else np.nan
        difference = compare_runs(*values)
        rows[metric] |= {"difference": difference.estimate}
        rows[metric] |= {"low": difference.low, "high": difference.high}
    table = pd.DataFrame.from_dict(rows, orient="index")
    n_models = len(realised.models)
    table.loc["agreement", "distribution"] = _agreement(distribution, n_models)
    table.loc["agreement", "single_shot"] = _agreement(single_shot, n_models)
    table.index.name = "metric"
    return table


def _agreement(columns, n_models):
    """Share of queries that two different runs route to the same model."""
    n_runs = len(columns)
    if n_runs < 2:
        return np.nan
    counts = np.stack([(columns == model).sum(axis=0) for model in range(n_models)])
    return float((counts * (counts - 1)).sum(axis=0).mean() / (n_runs * (n_runs - 1)))


def _tabulate_baselines(realised, oracle, best):
    """Score, cost and utility of the baselines, as far as they are defined."""
    tables = [getattr(realised, _METRICS[metric]) for metric in ("score", "cost", "utility")]
    column = realised.models.tolist().index(best)
    rows = {
        "best_single_model": [weighted_mean(table[:, column]) for table in tables],
        "random_routing": [weighted_mean(column_means(table)) for table in tables],
        "oracle_crossfitted": [np.nan, np.nan, weighted_mean(oracle.crossfitted)],
        "oracle_naive": [np.nan, np.nan, weighted_mean(oracle.naive)],
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["score", "cost", "utility"])
