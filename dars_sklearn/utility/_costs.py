"""The scale of costs, and cost weights in the unit of the costs."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas as pd

from dars_sklearn.utils._validation import is_finite_number

__all__ = [
    "answer_value",
    "check_cost_range",
    "check_cost_weight",
    "cost_weight_from_value",
    "find_cost_range",
    "has_any_cost",
    "resolve_cost_range",
    "scale_cost",
    "unscale_cost",
]

_COST_RANGES = ("minmax", "robust")


def find_cost_range(outcomes, method="minmax"):
    """Find the costs that become 0 and 1 when scaled.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes, with or without costs.
    method : {"minmax", "robust"}, default="minmax"
        "minmax" is the lowest and the highest cost of a single outcome, as in the paper. One
        very expensive outcome makes this range wider, and the same cost weight then weighs all
        other costs less. "robust" is the lowest and the highest median cost of a model, which a
        few expensive outcomes do not change; the costs of single outcomes may then be scaled
        below 0 or above 1.

    Returns
    -------
    tuple of float
        The range in the user's unit; (0, 0) without costs.

    Raises
    ------
    ValueError
        If the method is unknown.

    See Also
    --------
    cost_weight_from_value : Cost weight for a range, from the value of a right answer.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.utility import find_cost_range
    >>> outcomes = Outcomes.from_array(
    ...     [[1, 0], [0, 1], [1, 1]], costs=[[1.0, 4.0], [2.0, 5.0], [3.0, 900.0]])
    >>> find_cost_range(outcomes), find_cost_range(outcomes, "robust")
    ((1.0, 900.0), (2.0, 5.0))
    """
    if method not in _COST_RANGES:
        raise ValueError(
            f"a cost range must be (low, high) or one of {list(_COST_RANGES)}, got {method!r}"
        )
    if not has_any_cost(outcomes):
        return 0.0, 0.0
    cost = outcomes.cost
    if method == "robust":
        cost = pd.Series(cost).groupby(outcomes.model_indices()).median()
    return float(np.nanmin(cost)), float(np.nanmax(cost))


def resolve_cost_range(outcomes, cost_range):
    """Return the ends of a cost range that may be given by name.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes over which the range is found.
    cost_range : tuple of float, {"minmax", "robust"} or None
        A range, or how to find it; None is "minmax".

    Returns
    -------
    tuple of float
        The range in the user's unit.
    """
    if cost_range is None or isinstance(cost_range, str):
        return find_cost_range(outcomes, "minmax" if cost_range is None else cost_range)
    return check_cost_range(cost_range)


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
    low, high = check_cost_range(cost_range)
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


def check_cost_range(cost_range):
    """Return the ends of a cost range; refuse those that are not finite and in order.

    Parameters
    ----------
    cost_range : tuple of float
        Costs that become 0 and 1.

    Returns
    -------
    tuple of float
        The ends.

    Raises
    ------
    ValueError
        If these are not two finite numbers, low then high.
    """
    is_pair = isinstance(cost_range, Sequence | np.ndarray) and len(cost_range) == 2
    if not is_pair or not all(map(is_finite_number, cost_range)) or cost_range[0] > cost_range[1]:
        raise ValueError(
            f"cost_range must be two finite numbers, low then high, got {cost_range!r}"
        )
    low, high = cost_range
    return float(low), float(high)


def check_cost_weight(cost_weight):
    """Refuse a cost weight that is negative, infinite or not a number.

    Parameters
    ----------
    cost_weight : float
        A cost weight.

    Raises
    ------
    ValueError
        If it is not a finite float of at least 0.
    """
    if not isinstance(cost_weight, Real) or not 0 <= cost_weight < np.inf:
        cost_weight = cost_weight.item() if isinstance(cost_weight, np.generic) else cost_weight
        raise ValueError(f"cost_weight must be a finite float >= 0, got {cost_weight!r}")


def answer_value(cost_weight, cost_range):
    """Convert a cost weight to what a fully right answer is worth, in the unit of the costs.

    Parameters
    ----------
    cost_weight : float
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float
        Costs that become 0 and 1.

    Returns
    -------
    float
        The extra cost at which an answer with the highest possible score is just preferred to
        one with the lowest: ``(high - low) / cost_weight``. Infinite where cost does not weigh.
        For scores without a declared range, the worth of one unit of score.

    Raises
    ------
    ValueError
        If the cost weight is negative, or the range is not finite and in order.

    See Also
    --------
    cost_weight_from_value : The inverse.

    Examples
    --------
    >>> from dars_sklearn.utility import answer_value
    >>> answer_value(0.05, cost_range=(0.0, 2.5))
    50.0
    """
    check_cost_weight(cost_weight)
    low, high = check_cost_range(cost_range)
    return float((high - low) / cost_weight) if cost_weight > 0 and high > low else float("inf")


def cost_weight_from_value(answer_value, cost_range):
    """Convert what a fully right answer is worth, in the unit of the costs, to a cost weight.

    Parameters
    ----------
    answer_value : float
        The extra cost at which an answer with the highest possible score is just preferred to
        one with the lowest. For scores without a declared range, the worth of one unit of score.
    cost_range : tuple of float
        Costs that become 0 and 1, such as :func:`find_cost_range` of the training outcomes.

    Returns
    -------
    float
        The cost weight for this range: ``(high - low) / answer_value``. With
        ``cost_range=(0, 1)``, which leaves costs in the user's unit, it is ``1 / answer_value``.

    Raises
    ------
    ValueError
        If the value is not positive, or the range has no width, so that no cost weight has this
        meaning.

    See Also
    --------
    answer_value : The inverse.

    Examples
    --------
    >>> from dars_sklearn.utility import cost_weight_from_value
    >>> cost_weight_from_value(50.0, cost_range=(0.0, 2.5))
    0.05
    """
    if not answer_value > 0:
        raise ValueError(f"answer_value must be positive, got {answer_value!r}")
    low, high = check_cost_range(cost_range)
    if low == high:
        raise ValueError(
            f"cost_range={cost_range!r} has no width, and makes every scaled cost 0; give a range "
            "with low < high"
        )
    return float((high - low) / answer_value)


def has_any_cost(outcomes):
    """Return whether the cost of any outcome is known.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes, with or without costs.

    Returns
    -------
    bool
        Whether some cost is known.
    """
    return outcomes.cost is not None and not np.isnan(outcomes.cost).all()
