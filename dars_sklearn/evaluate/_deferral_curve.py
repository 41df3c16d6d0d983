"""Score against cost of a router, as its cost weight varies."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.metrics import cost_hull
from dars_sklearn.metrics._realised_values import RealisedValues, check_has_costs, check_missing
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._means import column_means, weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import check_models
from dars_sklearn.routing._decision import decide
from dars_sklearn.routing._fingerprints import describe_queries
from dars_sklearn.routing._pipeline import check_is_router, final_step, transform_features
from dars_sklearn.utility._scores import check_score_scale

__all__ = ["DeferralCurve", "curve_from_sweep", "deferral_curve", "realised_with_costs"]

# Cost weights for an estimator with its own decision rule.
_DEFAULT_GRID = np.linspace(0, 0.1, 41)
_UNKNOWN_ROUTE = (
    "some queries are routed to a model that has no outcome for them; a curve needs outcomes of "
    "every model that queries are routed to"
)


class _CurvePoint(NamedTuple):
    """A point of a curve."""

    cost_weight: float
    cost: float
    score: float


@dataclass(frozen=True)
class DeferralCurve:
    """Mean score against mean cost of a router, as its cost weight varies.

    Parameters
    ----------
    cost_weight : ndarray of shape (n_points,)
        Cost weights, increasing. Set one of them on the router to get its point.
    cost, score : ndarray of shape (n_points,)
        Mean cost per query in the user's unit, and mean score.
    models : DataFrame
        Cost and score of sending every query to one model, with the models as index.
    score_error : ndarray of shape (n_points,) or None, default=None
        Standard error of each mean score, over queries.
    current : (cost_weight, cost, score) or None, default=None
        The point of the router's own cost weight, if it was fitted.
    evaluated_on : str, default=""
        On which queries, in words: "held-out queries", "the router's training queries" (on which
        a router looks better than it is), or "out-of-fold predictions". Empty where it is not
        known.

    See Also
    --------
    deferral_curve : Computes it.
    DeferralCurveDisplay : Plots it.
    """

    cost_weight: np.ndarray
    cost: np.ndarray
    score: np.ndarray
    models: pd.DataFrame
    score_error: np.ndarray | None = None
    current: _CurvePoint | None = None
    evaluated_on: str = ""

    @property
    def hull(self):
        """Costs and scores of the corners of the non-decreasing hull."""
        return cost_hull(self.cost, self.score)

    def to_frame(self):
        """Return the points as a table.

        Returns
        -------
        DataFrame
            Columns cost_weight, cost and score.
        """
        return pd.DataFrame(
            {"cost_weight": self.cost_weight, "cost": self.cost, "score": self.score}
        )

    def __repr__(self):
        on = f"; on {self.evaluated_on}" if self.evaluated_on else ""
        return (
            f"<DeferralCurve of {len(self.cost)} points: cost {self.cost.min():.4g} to "
            f"{self.cost.max():.4g}, score {self.score.min():.4g} to {self.score.max():.4g}{on}>"
        )


def deferral_curve(router, X, outcomes, *, cost_weights=None, missing="raise"):
    """Compute mean score against mean cost for all cost weights.

    The router predicts once. The cost weights at which its routes change are then found exactly,
    for all weights together.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Fitted, with a target that does not fix the cost weight at fit time.
    X : array-like of shape (n_queries, ...)
        Queries that the router was not trained on, or their features.
    outcomes : Outcomes
        Their outcomes, with costs.
    cost_weights : array-like or None, default=None
        Cost weights of the points. None uses all at which routes change; for an estimator that
        has its own decision rule (RM-Softmax), 41 weights from 0 to 0.1.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error. With "skip", each
        point is the mean over the queries that have outcomes of the routed model, which is fair
        only where the choice of models to ask did not depend on the query.

    Returns
    -------
    DeferralCurve
        The curve. It says if it is on queries that the router was trained on.

    Raises
    ------
    ValueError
        If X has other queries than the outcomes, the models are not those of fit, there are no
        costs, a routed pair has no outcome, or the cost weight cannot be changed.

    See Also
    --------
    tune_cost_weight : Chooses a cost weight that keeps a budget.
    DeferralCurveDisplay : Plots the curve.

    Notes
    -----
    The queries of the outcomes are compared with those of fit by their texts, if the outcomes have
    texts, and otherwise by their labels and outcomes: another table may give the same labels to
    other queries.

    References
    ----------
    Threshold sweeps of RouteLLM, arXiv 2406.18665; the hull of RouterBench, arXiv 2403.12031.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, deferral_curve
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> router = DistributionalRouter().fit(data.X[:100], data.outcomes[:100])
    >>> curve = deferral_curve(router, data.X[100:], data.outcomes[100:])
    >>> bool(curve.cost[-1] < curve.cost[0])
    True
    """
    check_is_router(router)
    check_is_fitted(router)
    outcomes = as_outcomes(outcomes)
    realised = realised_with_costs(X, outcomes)
    final, features = final_step(router), transform_features(router, X)
    check_models(outcomes, final.models_)
    check_score_scale(outcomes, final.score_range_, final.aggregator_.score_limits_)
    if cost_weights is None and not final.has_own_decision_rule:
        lines = final.utility_lines(features)
        changes = sweep_cost_weight(lines.intercept, lines.slope)
        curve = curve_from_sweep(changes, realised, missing)
        routes = decide(lines.utilities(final.cost_weight))
    else:
        cost_weights = _DEFAULT_GRID if cost_weights is None else np.sort(cost_weights)
        *by_weight, routes = _routes_by_weight(final, features, [*cost_weights, final.cost_weight])
        curve = _curve_from_routes(cost_weights, by_weight, realised, missing)
    current = (weighted_mean(realised.take(name, routes)) for name in ("cost", "score"))
    return replace(
        curve,
        current=_CurvePoint(final.cost_weight, *current),
        evaluated_on=describe_queries(final, outcomes),
    )


def _routes_by_weight(router, features, cost_weights):
    """Return the routes at each cost weight, from one prediction."""
    utilities = router.utilities_by_cost_weight(features, cost_weights)
    return [decide(own) for own in utilities]


def realised_with_costs(X, outcomes):
    """Return what each model achieves; refuse outcomes of other queries or without costs."""
    check_alignment(X, outcomes)
    check_has_costs(outcomes)
    return RealisedValues(outcomes)


def curve_from_sweep(changes, realised, missing="raise"):
    """Return the curve of a sweep over cost weights.

    Parameters
    ----------
    changes : CostSweep
        Changes of routes.
    realised : RealisedValues
        What each model achieves.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error. With "skip", each
        point is the mean over the queries that have outcomes of the routed model.

    Returns
    -------
    DeferralCurve
        The curve.

    Raises
    ------
    ValueError
        If a routed pair has no outcome at some cost weight, unless such pairs are skipped.
    """
    check_missing(missing)
    if missing == "raise" and changes.has_unknown(realised.score):
        raise ValueError(_UNKNOWN_ROUTE)
    return DeferralCurve(
        changes.cost_weight,
        changes.routed_means(realised.cost),
        changes.routed_means(realised.score),
        _single_models(realised),
        changes.standard_errors(realised.score),
    )


def _curve_from_routes(cost_weights, routes, realised, missing):
    check_missing(missing)
    costs, scores = (
        np.stack([realised.take(name, columns) for columns in routes], axis=1)
        for name in ("cost", "score")
    )
    if missing == "raise" and (np.isnan(costs).any() or np.isnan(scores).any()):
        raise ValueError(_UNKNOWN_ROUTE)
    return DeferralCurve(
        np.asarray(cost_weights),
        column_means(costs),
        column_means(scores),
        _single_models(realised),
        _standard_errors(scores),
    )


def _standard_errors(values):
    """Standard error of the mean of the known values in each column, NaN for fewer than two."""
    n = (~np.isnan(values)).sum(axis=0)
    squares = column_means((values - column_means(values)) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)


def _single_models(realised):
    means = {name: column_means(getattr(realised, name)) for name in ("cost", "score")}
    return pd.DataFrame(means, index=pd.Index(realised.models, name="model"))
