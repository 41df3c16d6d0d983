"""A scorer of realised utility."""

from functools import partial

from dars_sklearn.metrics import routed_utility
from dars_sklearn.metrics._realised_values import check_missing
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.routing._pipeline import check_is_router, final_step
from dars_sklearn.utility._costs import check_cost_weight
from dars_sklearn.utility._scores import check_score_scale
from dars_sklearn.utility._unknown_costs import check_costs_to_weigh

__all__ = ["routing_scorer"]


def routing_scorer(*, cost_weight=None, cost_range=None, missing="raise"):
    """Make a scorer of realised utility, for ``cross_validate`` and searches.

    By default it is ``DistributionalRouter.score``, which weighs cost as the router does. A grid
    over ``cost_weight`` would then compare scores on different scales: give the scorer a weight of
    its own there.

    Parameters
    ----------
    cost_weight : float or None, default=None
        Quality given up for one unit of scaled cost. None uses the weight of the router.
    cost_range : tuple of float or None, default=None
        Costs that become 0 and 1. None uses the range of the outcomes that the router was
        trained on, which differs between the folds of a cross-validation; (0, 1) leaves costs in
        the user's unit.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error, or left out. Routers
        that are compared with "skip" are compared on different queries, so that collecting the
        missing outcomes is better where it can be done.

    Returns
    -------
    callable
        ``scorer(router, X, outcomes)``, for the parameter ``scoring`` of scikit-learn.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    See Also
    --------
    DistributionalRouter.score : The same with the weight and the cost range of the router.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, Outcomes, routing_scorer
    >>> outcomes = Outcomes.from_array([[1, 0], [0, 1]])
    >>> router = DistributionalRouter().fit([[0.0], [1.0]], outcomes)
    >>> routing_scorer()(router, [[0.0], [1.0]], outcomes)
    0.5
    """
    check_missing(missing)
    if cost_weight is not None:
        check_cost_weight(cost_weight)
    if isinstance(cost_range, str):
        raise ValueError(
            f"cost_range={cost_range!r} would be found in each test fold, and differ between "
            "them; give (low, high), or None for the range that the router was trained on"
        )
    return partial(_score_routes, cost_weight=cost_weight, cost_range=cost_range, missing=missing)


def _score_routes(router, X, y, *, cost_weight, cost_range, missing):
    """Return the mean realised utility of a fitted router's routes."""
    outcomes = as_outcomes(y)
    check_alignment(X, outcomes)
    final = final_step(router)
    if cost_weight is None or cost_range is None:
        check_is_router(router)
    cost_weight = final.cost_weight if cost_weight is None else cost_weight
    if hasattr(final, "score_range_"):
        check_score_scale(outcomes, final.score_range_, final.aggregator_.score_limits_)
        check_costs_to_weigh(outcomes, cost_weight, trained_with_costs=final.trained_with_costs)
    return routed_utility(
        outcomes,
        router.predict(X),
        cost_weight=cost_weight,
        cost_range=final.aggregator_.cost_range_ if cost_range is None else cost_range,
        missing=missing,
    )
