"""Score against cost of a router, as its cost weight varies."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.metrics import cost_hull
from dars_sklearn.metrics._realised_values import RealisedValues, check_has_costs
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import check_models, check_n_queries
from dars_sklearn.routing._decision import decide
from dars_sklearn.routing._pipeline import check_is_router, final_step, transform_features

__all__ = ["DeferralCurve", "curve_from_sweep", "deferral_curve", "realised_with_costs"]

# Cost weights for an estimator with its own decision rule.
_DEFAULT_GRID = np.linspace(0, 0.1, 41)
_UNKNOWN_ROUTE = (
    "some queries are routed to a model that has no outcome for them; a curve needs outcomes of "
    "every model that queries are routed to"
)


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

    See Also
    --------
    deferral_curve : Computes it.
    DeferralCurveDisplay : Plots it.
    """

    cost_weight: np.ndarray
    cost: np.ndarray
    score: np.ndarray
    models: pd.DataFrame

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
        return (
            f"<DeferralCurve of {len(self.cost)} points: cost {self.cost.min():.4g} to "
            f"{self.cost.max():.4g}, score {self.score.min():.4g} to {self.score.max():.4g}>"
        )


def deferral_curve(router, X, outcomes, *, cost_weights=None):
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

    Returns
    -------
    DeferralCurve
        The curve.

    Raises
    ------
    ValueError
        If X and the outcomes differ in length, the models are not those of fit, there are no
        costs, a routed (query, model) pair has no outcome, or the cost weight cannot be changed.

    See Also
    --------
    tune_cost_weight : Chooses a cost weight that keeps a budget.
    DeferralCurveDisplay : Plots the curve.

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
    if cost_weights is None and not final.has_own_decision_rule:
        lines = final.utility_lines(features)
        return curve_from_sweep(sweep_cost_weight(lines.intercept, lines.slope), realised)
    cost_weights = _DEFAULT_GRID if cost_weights is None else np.sort(cost_weights)
    routes = [
        decide(utilities) for utilities in final.utilities_by_cost_weight(features, cost_weights)
    ]
    return _curve_from_routes(cost_weights, routes, realised)


def realised_with_costs(X, outcomes):
    """Return what each model achieves; refuse outcomes of other queries or without costs."""
    check_n_queries(X, outcomes)
    check_has_costs(outcomes)
    return RealisedValues(outcomes)


def curve_from_sweep(changes, realised):
    """Return the curve of a sweep over cost weights.

    Parameters
    ----------
    changes : CostSweep
        Changes of routes.
    realised : RealisedValues
        What each model achieves.

    Returns
    -------
    DeferralCurve
        The curve.

    Raises
    ------
    ValueError
        If a routed pair has no outcome at some cost weight.
    """
    if changes.has_unknown(realised.score):
        raise ValueError(_UNKNOWN_ROUTE)
    return DeferralCurve(
        changes.cost_weight,
        changes.routed_means(np.nan_to_num(realised.cost)),
        changes.routed_means(np.nan_to_num(realised.score)),
        _single_models(realised),
    )


def _curve_from_routes(cost_weights, routes, realised):
    costs = [realised.take("cost", columns) for columns in routes]
    scores = [realised.take("score", columns) for columns in routes]
    if np.isnan(costs).any() or np.isnan(scores).any():
        raise ValueError(_UNKNOWN_ROUTE)
    return DeferralCurve(
        np.asarray(cost_weights),
        np.mean(costs, axis=1),
        np.mean(scores, axis=1),
        _single_models(realised),
    )


def _single_models(realised):
    means = {name: column_means(getattr(realised, name)) for name in ("cost", "score")}
    return pd.DataFrame(means, index=pd.Index(realised.models, name="model"))
