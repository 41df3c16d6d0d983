"""Compare distribution labels with single-shot labels, over many draws."""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import clone

from dars_sklearn.evaluate._bootstrap import paired_interval
from dars_sklearn.evaluate._cross_val import run_folds
from dars_sklearn.evaluate._identifiability import bound_by_oracle, shared_query_notes
from dars_sklearn.evaluate._test_outcomes import check_test_outcomes
from dars_sklearn.metrics import best_single_model, oracle_label
from dars_sklearn.metrics._oracle import oracle_utilities, warn_of_undefined_oracle
from dars_sklearn.metrics._realised_values import RealisedValues, check_missing
from dars_sklearn.outcomes._alignment import check_alignment, check_same_queries
from dars_sklearn.outcomes._means import column_means, weighted_mean
from dars_sklearn.outcomes._outcomes import Outcomes, as_outcomes
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    with_cost_range,
)
from dars_sklearn.utils._html import html_table, html_view
from dars_sklearn.utils._validation import check_count
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["SupervisionComparison", "compare_supervision", "single_shot_counterpart"]

# Metrics, and the tables of realised values that they are means of.
_METRICS = {
    "score": "score",
    "cost": "cost",
    "utility": "utility",
    "instability": "spread",
    "regret": "utility",
}


class _Training(NamedTuple):
    """What a comparison on other test outcomes needs of the first one."""

    outcomes: Outcomes
    cost_weight: float
    test_queries: np.ndarray
    missing: str


@dataclass(frozen=True)
class SupervisionComparison:
    """Performance of one router under both kinds of supervision.

    Parameters
    ----------
    table : DataFrame
        One row per metric: score, cost (in the user's unit), utility, instability (mean standard
        deviation of the routed model's scores), regret (relative to the cross-fitted oracle, so
        that in expectation it is a lower bound; NaN where the interval of the regret of a router
        or of the best single model is below 0), and agreement (share of queries that two
        single-shot draws route to the same model). Columns: ``distribution``; ``single_shot``,
        the mean over draws, and ``single_shot_std``, the standard deviation over draws;
        ``difference``, with its interval from ``low`` to ``high`` over queries. NaN where a metric
        is not defined, such as costs where there are none.
    baselines : DataFrame
        Score, cost and utility of the best single model (chosen on the training outcomes)
        and of random routing, and the utility of the cross-fitted and of the naive oracle.
    routes : ndarray of shape (n_test_queries,)
        Routes under distribution labels.
    single_shot_routes : ndarray of shape (n_draws, n_test_queries)
        Routes under each single-shot draw.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled: the router's fixed range, or that of the training
        outcomes.
    labels : dict
        Descriptions of the baselines, for display.
    notes : tuple of str
        What to know when reading the comparison: which figures these outcomes do not identify,
        and whether test queries are training queries.

    See Also
    --------
    compare_supervision : Computes it.
    """

    table: pd.DataFrame
    baselines: pd.DataFrame
    routes: np.ndarray
    single_shot_routes: np.ndarray
    cost_range: tuple
    labels: dict
    _training: _Training
    notes: tuple = ()

    def on(self, outcomes_test, *, random_state=42):
        """Evaluate the same routes on other outcomes of the same test queries.

        Parameters
        ----------
        outcomes_test : Outcomes
            Outcomes, such as those of one wording only.
        random_state : int, default=42
            Seed of the intervals.

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
        return _compare_routes(
            self.routes,
            self.single_shot_routes,
            outcomes_test,
            self._training,
            self.cost_range,
            random_state,
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
        n_draws, n_queries = self.single_shot_routes.shape
        return f"SupervisionComparison on {n_queries} queries, {n_draws} single-shot draws"

    def __repr__(self):
        tables = (table.to_string(float_format="{:.4f}".format) for table in self._shown_tables())
        return "\n".join((f"<{self._title()}>", *self.notes, *tables))

    def _repr_html_(self):
        write = "{:.4f}".format
        tables = [html_table(table, float_format=write) for table in self._shown_tables()]
        return html_view(self._title(), *tables, notes=self.notes)


def compare_supervision(
    router,
    X,
    outcomes,
    *,
    X_test,
    outcomes_test,
    n_draws=100,
    missing="raise",
    n_jobs=None,
    random_state=42,
    verbose=None,
):
    """Compare distribution labels with single-shot labels, for one router.

    The router is fitted on all outcomes, and its single-shot counterpart on ``n_draws`` draws of
    one outcome per (query, model) pair. Costs are scaled throughout by the fixed range of the
    router's aggregator, or by the range of the training outcomes.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted; its ``cost_weight`` is that of all utilities.
    X : array-like of shape (n_queries, ...)
        Training queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    X_test : array-like of shape (n_test_queries, ...)
        Queries to route.
    outcomes_test : Outcomes
        Their outcomes.
    n_draws : int, default=100
        Number of single-shot draws.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error. With "skip", each
        figure is over the queries that have outcomes of the model in question, which is fair only
        where the choice of models to ask did not depend on the query.
    n_jobs : int or None, default=None
        Number of draws fitted in parallel.
    random_state : int, default=42
        Seed of the first draw; those of the others follow it, as in the paper.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    SupervisionComparison
        Means, spread over draws, and paired intervals over queries.

    Raises
    ------
    ValueError
        If X or X_test has other queries than its outcomes; if the test outcomes have other models
        or another scale of scores than the training outcomes, or a cost that weighs is unknown;
        or if test queries are routed to models that have no outcomes for them.

    See Also
    --------
    evaluate_router : Evaluates a router against baselines.

    References
    ----------
    Section "Evaluation" of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, compare_supervision
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(120, 3, random_state=0)
    >>> comparison = compare_supervision(
    ...     DistributionalRouter(), data.X[:80], data.outcomes[:80],
    ...     X_test=data.X[80:], outcomes_test=data.outcomes[80:], n_draws=10)
    >>> list(comparison.to_frame().columns[:3])
    ['distribution', 'single_shot', 'single_shot_std']
    """
    check_is_router(router)
    outcomes, outcomes_test = as_outcomes(outcomes), as_outcomes(outcomes_test)
    check_alignment(X, outcomes)
    check_alignment(X_test, outcomes_test, "X_test")
    if not isinstance(random_state, Integral):
        raise ValueError(
            f"random_state must be an int, the seed of the first draw, got {random_state!r}"
        )
    check_count(n_draws, "n_draws")
    check_missing(missing)
    cost_weight = final_step(router).cost_weight
    check_test_outcomes(outcomes_test, outcomes, cost_weight)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    counterpart = single_shot_counterpart(router)
    routes = clone(router).fit(X, outcomes).predict(X_test)
    jobs = [
        delayed(_fit_on_draw)(counterpart, X, outcomes, X_test, seed)
        for seed in range(random_state, random_state + n_draws)
    ]
    draws = run_folds(jobs, n_jobs, verbose, unit="draws")
    return _compare_routes(
        routes,
        np.array(draws, dtype=object),
        outcomes_test,
        _Training(outcomes, cost_weight, outcomes_test.queries, missing),
        limits,
        random_state,
    )


def single_shot_counterpart(router):
    """Create the same router for single-shot supervision.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        A router.

    Returns
    -------
    DistributionalRouter or Pipeline
        A clone without risk aversion, since a single draw shows no risk. Fit it on
        ``outcomes.single_shot(random_state)``.

    References
    ----------
    The single-shot baseline of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, single_shot_counterpart
    >>> single_shot_counterpart(DistributionalRouter(risk_aversion=0.3)).risk_aversion
    0.0
    """
    counterpart = clone(router)
    final_step(counterpart).set_params(risk_aversion=0.0)
    return counterpart


def _fit_on_draw(router, X, outcomes, X_test, seed):
    # The fit on all outcomes has given its warnings, and it is the point of the comparison that
    # one draw does not identify its noise.
    with collect_warnings():
        return clone(router).fit(X, outcomes.single_shot(seed)).predict(X_test)


def _compare_routes(routes, drawn_routes, outcomes_test, training, limits, random_state):
    """Evaluate routes under both kinds of supervision on test outcomes."""
    scale = {"cost_weight": training.cost_weight, "cost_range": limits}
    realised = RealisedValues(outcomes_test, **scale)
    oracle = oracle_utilities(outcomes_test, **scale)
    warn_of_undefined_oracle(oracle)
    best = best_single_model(training.outcomes, **scale)
    columns = realised.column_indices(routes, training.missing)
    drawn = [realised.column_indices(own, training.missing) for own in drawn_routes]
    table = _tabulate_metrics(realised, oracle.crossfitted, columns, drawn, random_state)
    baselines = _tabulate_baselines(realised, oracle, best)
    drawn_utility = np.stack([realised.take("utility", own) for own in drawn])
    achieved = {
        "the router with distribution labels": realised.take("utility", columns),
        "the router with single-shot labels": column_means(drawn_utility),
        "the best single model": realised.utility[:, realised.models.tolist().index(best)],
    }
    regrets = {
        name: _mean_with_interval(oracle.crossfitted - own, random_state)
        for name, own in achieved.items()
    }
    bound = bound_by_oracle(oracle, regrets, outcomes_test)
    if bound.is_informative:
        bound.notes.extend(_describe_regrets(regrets))
    else:
        table.loc["regret"] = np.nan
        baselines.loc["oracle_crossfitted"] = np.nan
    return SupervisionComparison(
        table,
        baselines,
        routes,
        drawn_routes,
        limits,
        {
            "best_single_model": f"best single model ({best})",
            "random_routing": "random routing",
            "oracle_crossfitted": f"{oracle_label(outcomes_test)} (lower bound)",
            "oracle_naive": "oracle, naive (upper bound)",
        },
        training,
        (*bound.notes, *shared_query_notes(training.outcomes, outcomes_test)),
    )


def _mean_with_interval(values, random_state):
    """Return the mean of known values, and its interval; NaN where none is known."""
    if np.isnan(values).all():
        return np.nan, np.nan, np.nan
    return weighted_mean(values), *paired_interval(values, random_state=random_state)


def _describe_regrets(regrets):
    """Write the known regrets with their intervals, in a sentence if there are any."""
    known = {name: own for name, own in regrets.items() if not np.isnan(own[0])}
    written = ["{:.3g} [{:.3g}, {:.3g}] of {}".format(*own, name) for name, own in known.items()]
    return [f"Regrets with 95 % intervals: {', '.join(written)}"] if written else []


def _tabulate_metrics(realised, oracle, columns, drawn_columns, random_state):
    rows = {}
    for metric, table in _METRICS.items():
        distribution = realised.take(table, columns)
        single_shot = np.stack([realised.take(table, own) for own in drawn_columns], axis=1)
        if metric == "regret":
            distribution, single_shot = oracle - distribution, oracle[:, None] - single_shot
        difference = distribution - column_means(single_shot.T)
        by_draw = column_means(single_shot)
        mean, low, high = _mean_with_interval(difference, random_state)
        rows[metric] = {
            "distribution": weighted_mean(distribution),
            "single_shot": by_draw.mean(),
            "single_shot_std": by_draw.std(ddof=1) if len(by_draw) > 1 else np.nan,
            "difference": mean,
            "low": low,
            "high": high,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    agreement = _agreement(np.array(drawn_columns), len(realised.models))
    table.loc["agreement", "single_shot"] = agreement
    table.index.name = "metric"
    return table


def _agreement(drawn_columns, n_models):
    """Share of queries that two different draws route to the same model."""
    n_draws = len(drawn_columns)
    if n_draws < 2:
        return np.nan
    counts = np.stack([(drawn_columns == model).sum(axis=0) for model in range(n_models)])
    return float((counts * (counts - 1)).sum(axis=0).mean() / (n_draws * (n_draws - 1)))


def _tabulate_baselines(realised, oracle, best):
    tables = [getattr(realised, _METRICS[metric]) for metric in ("score", "cost", "utility")]
    column = realised.models.tolist().index(best)
    rows = {
        "best_single_model": [weighted_mean(table[:, column]) for table in tables],
        "random_routing": [weighted_mean(column_means(table)) for table in tables],
        "oracle_crossfitted": [np.nan, np.nan, weighted_mean(oracle.crossfitted)],
        "oracle_naive": [np.nan, np.nan, weighted_mean(oracle.naive)],
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["score", "cost", "utility"])
