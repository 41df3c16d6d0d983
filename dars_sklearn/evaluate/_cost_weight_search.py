"""Searches for a cost weight along a sweep, in the order of the weights.

Weights are tried from the safe end, and the search stops at the first one that fails, so that no
correction for multiple tests is needed (fixed sequence testing).
"""

import numpy as np

from dars_sklearn.outcomes._means import column_means
from dars_sklearn.utility import scale_score
from dars_sklearn.utils._validation import is_finite_number

__all__ = [
    "best_scoring_model",
    "check_max_loss",
    "compare_with_model",
    "first_point_within_budget",
    "last_point_with_score",
    "last_point_within_loss",
]

# Differences of scores below it are rounding errors of sums over queries.
_ROUNDING = 1e-8


def check_max_loss(max_loss, score_range):
    """Refuse what is not a loss of score on the unit scale.

    Parameters
    ----------
    max_loss : object
        The loss.
    score_range : tuple of float or None
        Declared range of the scores; without one, losses are in the unit of the scores.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not is_finite_number(max_loss) or max_loss < 0:
        raise ValueError(
            f"max_loss must be a finite number of at least 0, got {max_loss!r}; 0.01 allows a loss "
            "of one hundredth of the range of scores"
        )
    if score_range is not None and max_loss >= 1:
        raise ValueError(
            f"max_loss={max_loss!r} allows the loss of the whole range of scores, because it is on "
            "the unit scale; a loss of one point of a hundred is 0.01"
        )


def first_point_within_budget(cost, margin, budget):
    """Return the first point from which all upper limits of the cost are within the budget.

    Parameters
    ----------
    cost, margin : ndarray of shape (n_points,)
        Mean cost, and the distance to its upper limit.
    budget : float
        Highest mean cost.

    Returns
    -------
    int
        The point.

    Raises
    ------
    ValueError
        If the last point is not within the budget.
    """
    limit = cost + margin
    within = limit <= budget
    point = len(within) - int(np.argmin(np.append(within[::-1], False)))
    if point == len(within):
        raise ValueError(
            f"budget={budget!r} is below the cost of the cheapest routes, which is "
            f"{cost[-1]:.4g} per query, and {limit[-1]:.4g} with its margin"
        )
    return point


def last_point_with_score(score, margin, min_score):
    """Return the last point up to which all lower limits of the score are above a minimum.

    Parameters
    ----------
    score, margin : ndarray of shape (n_points,)
        Mean score, and the distance to its lower limit.
    min_score : float
        Lowest mean score.

    Returns
    -------
    int
        The point.

    Raises
    ------
    ValueError
        If the score of the first point is below the minimum.
    """
    point = _last_point_above(score - margin, min_score)
    if point is None:
        raise ValueError(
            f"min_score={min_score!r} is above the score of the best routes, which is "
            f"{score[0]:.4g}, and {score[0] - margin[0]:.4g} with its margin"
        )
    return point


def last_point_within_loss(difference, margin, max_loss):
    """Return the last point up to which no lower limit of a score difference is below the loss.

    Parameters
    ----------
    difference, margin : ndarray of shape (n_points,)
        By how much routes score more than a single model, and the distance to the lower limit.
    max_loss : float
        Highest loss of score.

    Returns
    -------
    int or None
        The point; None if the loss of the first point may already be higher.
    """
    return _last_point_above(difference - margin, -max_loss - _ROUNDING)


def compare_with_model(sweep, realised, model, n_new=None):
    """Compare the scores of routes with those of one model, at every point of a sweep.

    Parameters
    ----------
    sweep : CostSweep
        Routes.
    realised : RealisedValues
        What each model achieves on each query.
    model : int
        Column of the model.
    n_new : int or None, default=None
        Number of new queries whose mean is predicted. None is about the expected value.

    Returns
    -------
    difference : ndarray of shape (n_points,)
        Difference of the mean scores on the unit scale.
    error : ndarray of shape (n_points,)
        Its standard error.
    """
    score = scale_score(realised.score, realised.outcomes.score_range)
    return sweep.compare_with(score, score[:, model], n_new)


def best_scoring_model(realised):
    """Return the column of the model with the highest mean score, the first in case of ties."""
    return int(np.nanargmax(column_means(realised.score)))


def _last_point_above(limit, lowest):
    """Return the last point up to which all limits are above a bound; None if the first is not."""
    point = int(np.argmin(np.append(limit >= lowest, False))) - 1
    return None if point < 0 else point
