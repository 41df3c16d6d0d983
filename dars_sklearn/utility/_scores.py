"""The unit scale of scores: the lowest possible score is 0, and the highest is 1."""

__all__ = [
    "check_score_scale",
    "scale_score",
    "score_limits",
    "score_width",
    "unscale_score",
]


def scale_score(score, score_range):
    """Scale scores to the unit scale of their range.

    Parameters
    ----------
    score : ndarray
        Scores, or qualities, in the user's unit.
    score_range : tuple of float or None
        Scores that become 0 and 1. None leaves scores as they are.

    Returns
    -------
    ndarray
        Scaled scores.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.utility import scale_score
    >>> scale_score(np.array([0.0, 50.0, 100.0]), (0, 100))
    array([0. , 0.5, 1. ])
    """
    if score_range is None:
        return score
    low, high = score_range
    return (score - low) / (high - low)


def unscale_score(scaled_score, score_range):
    """Return scores in the user's unit, the inverse of :func:`scale_score`.

    Parameters
    ----------
    scaled_score : ndarray
        Scores on the unit scale.
    score_range : tuple of float or None
        Scores that are 0 and 1 when scaled. None leaves scores as they are.

    Returns
    -------
    ndarray
        Scores in the user's unit.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.utility import unscale_score
    >>> unscale_score(np.array([0.0, 0.5, 1.0]), (0, 100))
    array([  0.,  50., 100.])
    """
    if score_range is None:
        return scaled_score
    low, high = score_range
    return low + scaled_score * (high - low)


def score_width(score_range):
    """Return how many of the user's units of score one unit of the unit scale is.

    Parameters
    ----------
    score_range : tuple of float or None
        Scores that become 0 and 1. None leaves scores as they are.

    Returns
    -------
    float
        Width of the range, by which standard deviations of scores are scaled; 1 for None.
    """
    if score_range is None:
        return 1.0
    low, high = score_range
    return high - low


def score_limits(outcomes):
    """Return the lowest and the highest score of outcomes.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.

    Returns
    -------
    tuple of float
        The limits; (0, 1) without any outcome.
    """
    if len(outcomes.score) == 0:
        return 0.0, 1.0
    return float(outcomes.score.min()), float(outcomes.score.max())


def check_score_scale(outcomes, training_range, training_limits):
    """Refuse outcomes whose scores are on another scale than those of the training outcomes.

    Scores without a declared range are taken as they are, which is the unit scale only if they
    are from 0 to 1. Where neither side declares a range, nothing is known about the scale.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of an evaluation.
    training_range : tuple of float or None
        Declared range of the scores of the training outcomes.
    training_limits : tuple of float
        The lowest and the highest score of the training outcomes; see :func:`score_limits`.

    Raises
    ------
    ValueError
        If the ranges differ, unless one is from 0 to 1, and the other is not declared, but its
        scores are from 0 to 1, too.
    """
    own_range, own_limits = outcomes.score_range, score_limits(outcomes)
    if own_range == training_range:
        return
    low, high = own_limits if own_range is None else training_limits
    if {own_range, training_range} == {None, (0.0, 1.0)} and 0 <= low <= high <= 1:
        return
    raise ValueError(
        f"these outcomes have {_describe_scale(own_range, own_limits)}, and the training outcomes "
        f"have {_describe_scale(training_range, training_limits)}, so that their utilities would "
        "be on different scales; create both with the same score_range"
    )


def _describe_scale(score_range, limits):
    """Name a declared range, or the scores where none is declared."""
    if score_range is not None:
        return f"score_range={score_range}"
    low, high = limits
    return f"score_range=None with scores from {low:g} to {high:g}"
