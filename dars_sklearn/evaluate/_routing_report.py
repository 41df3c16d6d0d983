"""Evaluate routes from any source."""

import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from dars_sklearn.evaluate._bootstrap import percentile_interval, resampled_means
from dars_sklearn.evaluate._deferral_curve import curve_from_sweep
from dars_sklearn.evaluate._report import RoutingReport
from dars_sklearn.evaluate._report_columns import (
    BEST,
    CHEAPEST,
    CONTROLS,
    RESERVED,
    STRONG,
    ReportColumns,
)
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    aiq,
    apgr,
    best_single_model,
    call_performance_threshold,
    cheapest_model,
    oracle_label,
    quality_neutral_cost,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)
from dars_sklearn.metrics._oracle import oracle_utilities, warn_of_undefined_oracle
from dars_sklearn.metrics._realised_values import RealisedValues, has_known_costs
from dars_sklearn.outcomes._means import column_means, weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utility import find_cost_range

__all__ = [
    "ReportSettings",
    "RoutesToReport",
    "add_supervision_costs",
    "make_report",
    "single_model_routes",
    "routing_report",
]


def routing_report(
    outcomes,
    routes,
    *,
    train=None,
    cost_weight=0.05,
    cost_range=None,
    horizon=100_000,
    missing="raise",
    n_resamples=2000,
    level=0.95,
    random_state=0,
):
    """Evaluate routes from any source.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries that were routed; every routed (query, model) pair has one.
    routes : array-like of shape (n_queries,), or dict of str to array-like
        Model names. Several routes by name are evaluated on the same resamples.
    train : Outcomes or None, default=None
        Training outcomes, on which the best single and the cheapest model are chosen, and whose
        range scales costs. None chooses in hindsight, on the outcomes of the evaluation, and the
        report says so.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost, in all utilities.
    cost_range : tuple of float or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes of the training
        outcomes, if there are any; (0, 1) leaves costs in the user's unit.
    horizon : int, default=100_000
        Number of queries to be served, for the supervision cost ratio.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error. With "skip", each figure is over the
        queries that have outcomes of the model in question, which is fair only where the choice
        of models to ask did not depend on the query.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the queries.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seed.

    Returns
    -------
    RoutingReport
        The report.

    Raises
    ------
    ValueError
        If routes have another length, a route is not one of the models or has no outcome, or the
        name of routes is that of a row of the report.

    See Also
    --------
    evaluate_router : Trains a router and evaluates it.

    Examples
    --------
    >>> from dars_sklearn import routing_report
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(100, 3, random_state=0)
    >>> best = data.outcomes.models[data.best]  # the routes of an oracle
    >>> report = routing_report(data.outcomes, best)
    >>> bool(report.get("gain_over_matched_random")[1] > 0)
    True
    """
    outcomes = as_outcomes(outcomes)
    train_outcomes = outcomes if train is None else as_outcomes(train)
    routes = routes if isinstance(routes, dict) else {"router": routes}
    taken = sorted(set(map(str, routes)) & set(RESERVED))
    if taken:
        raise ValueError(f"routes are named {taken}, which are names of rows of the report")
    settings = ReportSettings(
        cost_weight,
        find_cost_range(train_outcomes) if cost_range is None else cost_range,
        missing,
        n_resamples,
        level,
        random_state,
    )
    fixed = single_model_routes(train_outcomes, settings, len(outcomes))
    report = make_report(outcomes, RoutesToReport(routes, fixed), settings)
    if train is None:
        return replace(report, in_hindsight=True)
    return add_supervision_costs(report, routes, train_outcomes, horizon)


class ReportSettings(NamedTuple):
    """How a report is computed; see the parameters of :func:`routing_report`."""

    cost_weight: float
    cost_range: tuple
    missing: str
    n_resamples: int
    level: float
    random_state: object

    @property
    def scale(self):
        """The scale of utilities, as keyword arguments of metrics."""
        return {"cost_weight": self.cost_weight, "cost_range": self.cost_range}


class RoutesToReport(NamedTuple):
    """Routes that a report is about.

    Parameters
    ----------
    evaluated : dict of str to array-like of shape (n_queries,)
        Routes to evaluate.
    fixed : dict of str to ndarray of shape (n_queries,)
        Routes that send all queries (of a fold) to one model, by the name of the baseline.
    fold : ndarray of int of shape (n_queries,) or None, default=None
        Fold in which each query was tested.
    changes : CostSweep or None, default=None
        Routes of the router at all cost weights.
    """

    evaluated: dict
    fixed: dict
    fold: np.ndarray | None = None
    changes: object = None


def single_model_routes(train, settings, n_queries):
    """Return routes that send every query to one model, which is chosen on training outcomes.

    Parameters
    ----------
    train : Outcomes
        Training outcomes.
    settings : ReportSettings
        The scale of utilities.
    n_queries : int
        Number of queries.

    Returns
    -------
    dict of str to ndarray of shape (n_queries,)
        Routes by the identifier of the baseline.
    """
    chosen = {
        BEST: best_single_model(train, **settings.scale),
        STRONG: best_single_model(train, cost_weight=0.0),
    }
    if has_known_costs(train):
        chosen[CHEAPEST] = cheapest_model(train)
    return {name: np.full(n_queries, model, dtype=object) for name, model in chosen.items()}


def make_report(outcomes, routes, settings):
    """Compute a report.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the evaluation.
    routes : RoutesToReport
        Routes.
    settings : ReportSettings
        Settings.

    Returns
    -------
    RoutingReport
        The report.
    """
    if not 0 < settings.level < 1:
        raise ValueError(f"level must be in (0, 1), got {settings.level!r}")
    realised = RealisedValues(outcomes, **settings.scale)
    oracle = oracle_utilities(outcomes, **settings.scale)
    warn_of_undefined_oracle(oracle)
    fold = np.zeros(len(outcomes), dtype=int) if routes.fold is None else routes.fold
    columns = ReportColumns(
        realised, oracle.crossfitted, routes.evaluated, routes.fixed, fold, settings.missing
    )
    rows = _rows_with_intervals(columns, settings)
    rows.append(("oracle_naive", "utility", weighted_mean(oracle.naive), np.nan, np.nan))
    if CHEAPEST in routes.fixed:
        rows += _collapse_rows(outcomes, routes)
        # In sparse logs, some cost weight routes to a model without an outcome.
        if routes.changes is not None and not routes.changes.has_unknown(realised.score):
            rows += _curve_rows(realised, routes)
    names = {
        name: _most_common(routes.fixed[name]) for name in (BEST, CHEAPEST) if name in routes.fixed
    }
    return RoutingReport(
        pd.DataFrame(rows, columns=["strategy", "metric", "estimate", "low", "high"]),
        pd.DataFrame(columns.shares, index=realised.models).T,
        names,
        len(outcomes),
        settings.level,
        oracle_label(outcomes),
    )


def add_supervision_costs(report, strategies, train, horizon):
    """Compare the cost of the training outcomes with what routing saves.

    Parameters
    ----------
    report : RoutingReport
        A report.
    strategies : iterable of str
        Evaluated strategies that were trained on these outcomes.
    train : Outcomes
        The training outcomes.
    horizon : int
        Number of queries to be served.

    Returns
    -------
    RoutingReport
        The report with more rows, if the training outcomes have costs.
    """
    if not has_known_costs(train):
        return report
    supervision, baseline = float(np.nansum(train.cost)), report.get("cost", BEST)[0]
    rows = []
    for strategy in strategies:
        cost = report.get("cost", strategy)[0]
        figures = {
            "break_even_queries": supervision_break_even(supervision, baseline, cost),
            "supervision_cost_ratio": supervision_cost_ratio(supervision, baseline, cost, horizon),
        }
        rows += [(strategy, metric, value, np.nan, np.nan) for metric, value in figures.items()]
    rows = pd.DataFrame(rows, columns=report.table.columns)
    return replace(report, table=pd.concat([report.table, rows], ignore_index=True))


def _rows_with_intervals(columns, settings):
    estimates = columns.metrics(column_means(columns.table)[None])
    rng = check_random_state(settings.random_state)
    resampled = columns.metrics(resampled_means(columns.table, settings.n_resamples, rng))
    return [
        (*key, float(estimate[0]), *percentile_interval(resampled[key], settings.level))
        for key, estimate in estimates.items()
    ]


def _collapse_rows(outcomes, routes):
    strong = _most_common(routes.fixed[STRONG])
    return [
        (
            name,
            "collapse_index",
            _nan_if_undefined(routing_collapse_index, outcomes, own, strong=strong),
            np.nan,
            np.nan,
        )
        for name, own in routes.evaluated.items()
        if name not in CONTROLS
    ]


def _curve_rows(realised, routes):
    """Metrics of the router's curve, which have no intervals."""
    curve = curve_from_sweep(routes.changes, realised)
    points, costs = (curve.cost, curve.score), curve.models["cost"]
    ends = {
        "weak": _mean_cost_and_score(realised, routes.fixed[CHEAPEST]),
        "strong": _mean_cost_and_score(realised, routes.fixed[STRONG]),
    }
    rows = {
        "apgr": _nan_if_undefined(apgr, *points, **ends),
        "cpt_50": _nan_if_undefined(call_performance_threshold, *points, 0.5, **ends),
        "cpt_80": _nan_if_undefined(call_performance_threshold, *points, 0.8, **ends),
        "quality_neutral_cost": _nan_if_undefined(
            quality_neutral_cost, *points, strong=ends["strong"]
        ),
    }
    if costs.max() > costs.min():
        rows = {"aiq": aiq(*points, cost_range=(costs.min(), costs.max()))} | rows
    return [("router", name, value, np.nan, np.nan) for name, value in rows.items()]


def _mean_cost_and_score(realised, routes):
    columns = realised.column_indices(routes, "skip")
    return tuple(weighted_mean(realised.take(table, columns)) for table in ("cost", "score"))


def _most_common(models):
    return pd.Series(models).mode()[0]


def _nan_if_undefined(metric, *args, **kwargs):
    """Compute a metric without a warning; the report shows an undefined one as a gap."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return metric(*args, **kwargs)
