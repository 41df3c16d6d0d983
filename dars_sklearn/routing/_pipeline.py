"""Routers that stand alone, or at the end of a pipeline."""

from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from dars_sklearn.labels._aggregator import OutcomeAggregator
from dars_sklearn.utility._costs import resolve_cost_range

__all__ = [
    "check_is_router",
    "final_step",
    "find_router_cost_range",
    "fit_clone",
    "transform_features",
    "with_cost_range",
]


def final_step(router):
    """Return the router itself, without the steps that encode its queries."""
    return router[-1] if isinstance(router, Pipeline) else router


def transform_features(router, X):
    """Return the features that a fitted router receives for queries X."""
    has_steps_before = isinstance(router, Pipeline) and len(router) > 1
    return router[:-1].transform(X) if has_steps_before else X


def fit_clone(router, X, outcomes, groups=None):
    """Fit a clone of a router, whose calibration keeps groups of queries together.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        A router.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries.

    Returns
    -------
    DistributionalRouter or Pipeline
        The fitted clone.
    """
    router = clone(router)
    if groups is None:
        return router.fit(X, outcomes)
    if not isinstance(router, Pipeline):
        return router.fit(X, outcomes, groups=groups)
    if get_config()["enable_metadata_routing"]:
        final_step(router).set_fit_request(groups=True)
        return router.fit(X, outcomes, groups=groups)
    return router.fit(X, outcomes, **{f"{router.steps[-1][0]}__groups": groups})


def check_is_router(router):
    """Refuse what is not a router, nor a pipeline that ends in one."""
    final = final_step(router)
    if not all(hasattr(final, name) for name in ("utility_lines", "cost_weight", "aggregator")):
        raise TypeError(
            "router must be a DistributionalRouter, or a Pipeline that ends in one, got "
            f"{final!r}; a regressor goes inside: DistributionalRouter(regressor)"
        )


def find_router_cost_range(router, outcomes):
    """Return the range by which a router that is fitted on some outcomes scales costs.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        A router, fitted or not.
    outcomes : Outcomes
        Training outcomes.

    Returns
    -------
    tuple of float
        The fixed range of the router's aggregator, if it has one; (0, 1), which leaves costs
        unchanged, if it does not scale costs; otherwise the range of the outcomes that its
        aggregator would find.
    """
    aggregator = final_step(router).aggregator
    scaling = "minmax" if aggregator is None else aggregator.cost_scaling
    if scaling is None:
        return 0.0, 1.0
    return tuple(map(float, resolve_cost_range(outcomes, scaling)))


def with_cost_range(router, cost_range):
    """Clone a router so that it scales costs by a given range.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        A router.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled. A range of width zero is ignored, and so is the range
        if the router's own aggregator has a fixed range, or does not scale costs.

    Returns
    -------
    DistributionalRouter or Pipeline
        The clone, not fitted.
    """
    router = clone(router)
    final = final_step(router)
    aggregator = OutcomeAggregator() if final.aggregator is None else final.aggregator
    if cost_range[1] > cost_range[0] and isinstance(aggregator.cost_scaling, str):
        final.set_params(aggregator=clone(aggregator).set_params(cost_scaling=cost_range))
    return router
