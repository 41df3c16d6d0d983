"""A scorer of realised utility."""

from functools import partial

from dars_sklearn.metrics import routed_utility
from dars_sklearn.metrics._realised_values import check_missing
from dars_sklearn.routing._pipeline import check_is_router, final_step

__all__ = ["routing_scorer"]


def routing_scorer(*, cost_weight=0.05, cost_range=None, missing="raise"):
    """Make a scorer of realised utility with a fixed cost weight.

    ``DistributionalRouter.score`` weighs cost as the router does, so a grid over ``cost_weight``
    would compare scores on different scales. This scorer has a weight of its own.

    Parameters
    ----------
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float or None, default=None
        Costs that become 0 and 1. None uses the range of the outcomes that the router was
        trained on, which differs between the folds of a cross-validation; (0, 1) leaves costs in
        the user's unit.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error, or left out.

    Returns
    -------
    callable
        ``scorer(router, X, outcomes)``, for the parameter ``scoring`` of scikit-learn.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, Outcomes, routing_scorer
    >>> outcomes = Outcomes.from_array([[1, 0], [0, 1]])
    >>> router = DistributionalRouter().fit([[0.0], [1.0]], outcomes)
    >>> routing_scorer()(router, [[0.0], [1.0]], outcomes)
    1.0
    """
    check_missing(missing)
    if not cost_weight >= 0:
        raise ValueError(f"cost_weight must not be negative, got {cost_weight!r}")
    return partial(_score_routes, cost_weight=cost_weight, cost_range=cost_range, missing=missing)


def _score_routes(router, X, y, *, cost_weight, cost_range, missing):
    if cost_range is None:
        check_is_router(router)
        cost_range = final_step(router).aggregator_.cost_range_
    return routed_utility(
        y, router.predict(X), cost_weight=cost_weight, cost_range=cost_range, missing=missing
    )
