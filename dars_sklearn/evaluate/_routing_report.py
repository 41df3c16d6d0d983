"""Evaluate routes from any source."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from dars_sklearn.evaluate._bootstrap import percentile_interval, resampled_means
from dars_sklearn.evaluate._cost_notes import cost_notes
from dars_sklearn.evaluate._curve_metrics import curve_metrics
from dars_sklearn.evaluate._identifiability import hide_unidentifiable, shared_query_notes
from dars_sklearn.evaluate._repeated_queries import copies_notes
from dars_sklearn.evaluate._report import RoutingReport
from dars_sklearn.evaluate._report_columns import (
    BEST,
    CHEAPEST,
    CONTROLS,
    RESERVED,
    STRONG,
    ReportColumns,
)
from dars_sklearn.evaluate._report_notes import known_query_notes, scale_notes
from dars_sklearn.metrics import (
    best_single_model,
    cheapest_model,
    oracle_label,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)
from dars_sklearn.metrics._oracle import oracle_utilities, warn_of_undefined_oracle
from dars_sklearn.metrics._realised_values import (
    RealisedValues,
    check_missing,
    has_known_costs,
)
from dars_sklearn.outcomes._means import column_means, weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._query_identities import query_identities
from dars_sklearn.outcomes._validation import check_models
from dars_sklearn.utility._costs import has_any_cost, resolve_cost_range
from dars_sklearn.utility._scores import check_score_scale, score_limits
from dars_sklearn.utility._unknown_costs import check_costs_to_weigh, fill_unknown_costs
from dars_sklearn.utils._validation import check_count, check_level, is_finite_number

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
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes of the training
        outcomes, if there are any, so that one very expensive outcome changes what
        ``cost_weight`` means; "robust" uses the lowest and the highest median cost of a model in
        them; (0, 1) leaves costs in the user's unit.
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
    check_models(train_outcomes, outcomes.models, "the evaluation has")
    check_score_scale(outcomes, train_outcomes.score_range, score_limits(train_outcomes))
    check_costs_to_weigh(outcomes, cost_weight, trained_with_costs=has_any_cost(train_outcomes))
    routes = routes if isinstance(routes, dict) else {"router": routes}
    taken = sorted(set(map(str, routes)) & set(RESERVED))
    if taken:
        raise ValueError(f"routes are named {taken}, which are names of rows of the report")
    settings = ReportSettings(
        cost_weight,
        resolve_cost_range(train_outcomes, cost_range),
        missing,
        n_resamples,
        level,
        random_state,
    )
    settings.check(horizon)
    fixed = single_model_routes(train_outcomes, settings, len(outcomes))
    routes_to_report = RoutesToReport(routes, fixed, in_hindsight=train is None)
    report = make_report(outcomes, routes_to_report, settings)
    report = report.with_notes(copies_notes(query_identities(outcomes)))
    if train is None:
        return report
    report = report.with_notes(shared_query_notes(train_outcomes, outcomes))
    return add_supervision_costs(report, routes, train_outcomes, horizon)


class ReportSettings(NamedTuple):
    """How a report is computed; see the parameters of :func:`routing_report`."""

    cost_weight: float
    cost_range: tuple
    missing: str
    n_resamples: int
    level: float
    random_state: object

    def check(self, horizon):
        """Refuse settings that no report can have, before anything is computed."""
        check_missing(self.missing)
        check_count(self.n_resamples, "n_resamples")
        check_level(self.level)
        if not is_finite_number(horizon) or horizon < 1:
            raise ValueError(f"horizon must be a finite number of at least 1, got {horizon!r}")

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
    in_hindsight : bool, default=False
        Whether the single models were chosen on the outcomes of the evaluation.
    """

    evaluated: dict
    fixed: dict
    fold: np.ndarray | None = None
    changes: object = None
    in_hindsight: bool = False


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
    realised = RealisedValues(outcomes, **settings.scale)
    oracle = oracle_utilities(outcomes, **settings.scale)
    warn_of_undefined_oracle(oracle)
    fold = np.zeros(len(outcomes), dtype=int) if routes.fold is None else routes.fold
    columns = ReportColumns(
        realised, oracle.crossfitted, routes.evaluated, routes.fixed, fold, settings.missing
    )
    rng = check_random_state(settings.random_state)
    resamples = _Resamples(
        column_means(columns.table)[None],
        resampled_means(columns.table, settings.n_resamples, rng),
        settings.level,
    )
    rows = _rows_with_intervals(columns, resamples)
    curve_notes = []
    rows.append(("oracle_naive", "utility", weighted_mean(oracle.naive), np.nan, np.nan))
    if CHEAPEST in routes.fixed and has_known_costs(outcomes):
        rows += _collapse_rows(outcomes, routes)
        if routes.changes is not None:
            curve_rows, curve_notes = curve_metrics(realised, routes)
            rows += curve_rows
    names = {
        name: _most_common(routes.fixed[name])
        for name in (BEST, CHEAPEST, STRONG)
        if name in routes.fixed
    }
    table = pd.DataFrame(rows, columns=["strategy", "metric", "estimate", "low", "high"])
    notes = known_query_notes(realised, routes) + scale_notes(outcomes)
    notes += cost_notes(outcomes, settings.cost_weight, settings.cost_range)
    gap = resamples.row(columns.score_gap) if CHEAPEST in routes.fixed else None
    notes += hide_unidentifiable(table, oracle, gap, outcomes, routes.in_hindsight) + curve_notes
    return RoutingReport(
        table,
        pd.DataFrame(columns.shares, index=realised.models).T,
        names,
        len(outcomes),
        settings.level,
        oracle_label(outcomes),
        routes.in_hindsight,
        cost_weight=settings.cost_weight,
        cost_range=settings.cost_range,
        notes=tuple(notes),
        score_range=outcomes.score_range,
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
        The report with more rows, if the training outcomes have known costs of every model. An
        unknown cost counts as the mean cost of its model.
    """
    if not has_known_costs(train):
        return report
    supervision = float(fill_unknown_costs(train).sum())
    baseline = report.get("cost", BEST)[0]
    if np.isnan(baseline):
        return report
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


class _Resamples(NamedTuple):
    """Column means over all queries, and over resamples of the queries.

    Parameters
    ----------
    estimate : ndarray of shape (1, n_columns)
        Means over all queries.
    resampled : ndarray of shape (n_resamples, n_columns)
        Means over resamples.
    level : float
        Level of the intervals.
    """

    estimate: np.ndarray
    resampled: np.ndarray
    level: float

    def row(self, compute):
        """Return estimate, low and high of what is computed from column means."""
        estimate = float(compute(self.estimate)[0])
        return estimate, *percentile_interval(compute(self.resampled), self.level)


def _rows_with_intervals(columns, resamples):
    estimates, resampled = map(columns.metrics, (resamples.estimate, resamples.resampled))
    return [
        (*key, float(estimate[0]), *percentile_interval(resampled[key], resamples.level))
        for key, estimate in estimates.items()
    ]


def _collapse_rows(outcomes, routes):
    return [
        (name, "collapse_index", routing_collapse_index(outcomes, own), np.nan, np.nan)
        for name, own in routes.evaluated.items()
        if name not in CONTROLS
    ]


def _most_common(models):
    return pd.Series(models).mode()[0]
