"""Metrics of a router's curve in a report, and why some are not shown."""

import numpy as np

from dars_sklearn.evaluate._deferral_curve import curve_from_sweep
from dars_sklearn.evaluate._report_columns import CHEAPEST, STRONG
from dars_sklearn.metrics import aiq, apgr, call_performance_threshold
from dars_sklearn.outcomes._means import weighted_mean
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["curve_metrics", "nan_if_undefined"]

_LABELS = {
    "aiq": "AIQ",
    "apgr": "APGR",
    "cpt_50": "CPT(50 %)",
    "cpt_80": "CPT(80 %)",
}


def curve_metrics(realised, routes):
    """Compute the metrics of a router's curve, which have no intervals.

    Parameters
    ----------
    realised : RealisedValues
        What each model achieves, with known costs.
    routes : RoutesToReport
        Routes of the router at all cost weights, and of the single models.

    Returns
    -------
    rows : list of tuple
        Rows of the table of a report.
    notes : list of str
        Sentences that say which metrics are not shown, and why.
    """
    if routes.changes.has_unknown(realised.score):
        reason = "at some cost weight, a query is routed to a model that has no outcome for it"
        return [], [_describe_missing(_LABELS, reason)]
    curve = curve_from_sweep(routes.changes, realised)
    points, costs = (curve.cost, curve.score), curve.models["cost"]
    weak, strong = (
        _mean_cost_and_score(realised, routes.fixed[name]) for name in (CHEAPEST, STRONG)
    )
    ends = {"weak": weak, "strong": strong}
    figures = {
        "apgr": nan_if_undefined(apgr, *points, **ends),
        "cpt_50": nan_if_undefined(call_performance_threshold, *points, 0.5, **ends),
        "cpt_80": nan_if_undefined(call_performance_threshold, *points, 0.8, **ends),
    }
    reasons = {}
    if costs.max() > costs.min():
        figures = {"aiq": (aiq(*points, cost_range=(costs.min(), costs.max())), None)} | figures
    else:
        reasons["all models have the same mean cost"] = ["aiq"]
    for metric, (value, reason) in figures.items():
        if np.isnan(value):
            reasons.setdefault(reason, []).append(metric)
    rows = [("router", metric, value, np.nan, np.nan) for metric, (value, _) in figures.items()]
    return rows, [_describe_missing(metrics, reason) for reason, metrics in reasons.items()]


def nan_if_undefined(metric, *args, **kwargs):
    """Compute a metric without a warning.

    Parameters
    ----------
    metric : callable
        A metric, which warns where it is not defined.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    value : float
        Its value.
    reason : str or None
        Its warning: why the value is NaN.
    """
    with collect_warnings() as collected:
        value = metric(*args, **kwargs)
    return value, collected[0].message if collected else None


def _describe_missing(metrics, reason):
    """Say which metrics are not shown; the first letter is that of a sentence."""
    *first, last = [_LABELS[metric] for metric in metrics]
    listed = f"{', '.join(first)} and {last}" if first else last
    are = "are" if first else "is"
    return f"{listed[0].upper()}{listed[1:]} {are} not shown: {reason}"


def _mean_cost_and_score(realised, routes):
    """Mean cost and mean score of the routes to one model."""
    columns = realised.column_indices(routes, "skip")
    return tuple(weighted_mean(realised.take(table, columns)) for table in ("cost", "score"))
