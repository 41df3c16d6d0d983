"""Utility of a model on a query, and the scale of its cost."""

import numpy as np

__all__ = ["find_cost_range", "outcome_utilities", "scale_cost", "unscale_cost", "utility"]


def utility(quality, cost, risk, *, cost_weight, risk_aversion):
    """Utility of models: quality, less weighted cost, less weighted risk.

    Parameters
    ----------
    quality, cost, risk : array-like of one shape
        Capability, with scaled cost.
    cost_weight : float
        Quality given up for one unit of scaled cost.
    risk_aversion : float
        Quality given up for one unit of risk.

    Returns
    -------
    ndarray
        ``quality - cost_weight * cost - risk_aversion * risk``.

    References
    ----------
    The utility of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn.utility import utility
    >>> float(utility(1.0, 0.5, 0.25, cost_weight=1.0, risk_aversion=1.0))
    0.25
    """
    quality, cost, risk = map(np.asarray, (quality, cost, risk))
    return quality - cost_weight * cost - risk_aversion * risk


def outcome_utilities(outcomes, cost_weight, cost_range):
    """Utility of every single outcome.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float or None
        Costs that become 0 and 1. None uses the range over single outcomes.

    Returns
    -------
    ndarray of shape (n_outcomes,)
        Score less weighted cost. An unknown cost is replaced by the mean cost of its model.

    Raises
    ------
    ValueError
        If cost_weight is negative or not finite.
    """
    if not 0 <= cost_weight < np.inf:
        raise ValueError(f"cost_weight must be a finite float >= 0, got {cost_weight!r}")
    if outcomes.cost is None or cost_weight == 0:
        return outcomes.score
    if cost_range is None:
        cost_range = find_cost_range(outcomes)
    cost = scale_cost(outcomes.cost, cost_range)
    known, model = ~np.isnan(cost), outcomes.model_indices()
    n_known = np.bincount(model[known], minlength=outcomes.n_models)
    total = np.bincount(model[known], cost[known], outcomes.n_models)
    fallback = cost[known].mean() if known.any() else 0.0
    mean = np.where(n_known > 0, total / np.maximum(n_known, 1), fallback)
    return outcomes.score - cost_weight * np.where(known, cost, mean[model])


def find_cost_range(outcomes):
    """Return the lowest and the highest known cost of a single outcome.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes, with or without costs.

    Returns
    -------
    tuple of float
        The range in the user's unit; (0, 0) without costs.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.utility import find_cost_range
    >>> find_cost_range(Outcomes.from_array([[1, 0]], costs=[2.0, 5.0]))
    (2.0, 5.0)
    """
    if outcomes.cost is None or np.isnan(outcomes.cost).all():
        return 0.0, 0.0
    return float(np.nanmin(outcomes.cost)), float(np.nanmax(outcomes.cost))


def scale_cost(cost, cost_range):
    """Scale costs to [0, 1] by a range.

    Parameters
    ----------
    cost : ndarray
        Costs in the user's unit.
    cost_range : tuple of float
        Costs that become 0 and 1; (0, 1) leaves costs unchanged. A range of width zero makes
        every cost 0.

    Returns
    -------
    ndarray
        Scaled costs. Costs outside the range are outside [0, 1].

    Raises
    ------
    ValueError
        If the range is not finite, or the low end is above the high one.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.utility import scale_cost
    >>> scale_cost(np.array([2.0, 3.5, 5.0]), (2.0, 5.0))
    array([0. , 0.5, 1. ])
    """
    low, high = cost_range
    if not np.isfinite([low, high]).all() or low > high:
        raise ValueError(
            f"cost_range must be two finite numbers, low then high, got {cost_range!r}"
        )
    return (cost - low) / (high - low) if high > low else cost * 0.0


def unscale_cost(scaled_cost, cost_range):
    """Return costs in the user's unit, the inverse of :func:`scale_cost`.

    Parameters
    ----------
    scaled_cost : ndarray
        Scaled costs.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.

    Returns
    -------
    ndarray
        Costs in the user's unit.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.utility import unscale_cost
    >>> unscale_cost(np.array([0.0, 0.5, 1.0]), (2.0, 5.0))
    array([2. , 3.5, 5. ])
    """
    low, high = cost_range
    return low + scaled_cost * (high - low)
