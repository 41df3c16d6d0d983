"""The utility formula, and the utilities of single outcomes."""

import numpy as np

from dars_sklearn.utility._costs import (
    check_cost_weight,
    has_any_cost,
    resolve_cost_range,
    scale_cost,
)
from dars_sklearn.utility._scores import scale_score
from dars_sklearn.utility._unknown_costs import (
    check_costs_known,
    fill_unknown_costs,
    models_without_costs,
)

__all__ = ["outcome_utilities", "utility"]


def utility(quality, cost, risk, *, cost_weight, risk_aversion):
    """Utility of models: quality, less weighted cost, less weighted risk.

    Parameters
    ----------
    quality, cost, risk : array-like of one shape
        Quality and risk on the unit scale of scores, and scaled cost.
    cost_weight : float
        Quality given up for one unit of scaled cost.
    risk_aversion : float
        Quality given up for one unit of risk.

    Returns
    -------
    ndarray
        ``quality - cost_weight * cost - risk_aversion * risk``.

    Raises
    ------
    ValueError
        If cost_weight is negative or not finite.

    See Also
    --------
    answer_value : What a cost weight means in the currency of the costs.

    References
    ----------
    The utility of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn.utility import utility
    >>> float(utility(1.0, 0.5, 0.25, cost_weight=1.0, risk_aversion=1.0))
    0.25
    """
    check_cost_weight(cost_weight)
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
    cost_range : tuple of float, "robust" or None
        Costs that become 0 and 1; see :func:`find_cost_range` for "robust". None uses the range
        over single outcomes.

    Returns
    -------
    ndarray of shape (n_outcomes,)
        Score on the unit scale less weighted cost. An unknown cost is replaced by the mean cost
        of its model. Without any costs, cost weighs nothing.

    Raises
    ------
    ValueError
        If cost_weight is negative or not finite; or if it is positive, and the costs of some
        models are known and no cost of another.

    See Also
    --------
    find_cost_range : The range over single outcomes, or over the median costs of models.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.utility import outcome_utilities
    >>> outcomes = Outcomes.from_array([[1.0, 0.5]], costs=[[4.0, 2.0]])
    >>> outcome_utilities(outcomes, cost_weight=0.5, cost_range=(0, 4))
    array([0.5 , 0.25])
    """
    check_cost_weight(cost_weight)
    score = scale_score(outcomes.score, outcomes.score_range)
    if cost_weight == 0 or not has_any_cost(outcomes):
        return score
    check_costs_known(models_without_costs(outcomes))
    cost = scale_cost(fill_unknown_costs(outcomes), resolve_cost_range(outcomes, cost_range))
    return score - cost_weight * cost
