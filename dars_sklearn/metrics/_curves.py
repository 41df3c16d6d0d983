"""Summaries of a curve of score against cost.

A curve consists of the points (mean cost, mean score) of a router at different cost weights. Some
metrics were defined for a weak and a strong model, with the share of calls to the strong one as
the cost. Here the axis is the cost itself, from the cost of the weak model to that of the strong
one; with two models of constant cost this is the same.
"""

import numpy as np
from scipy.integrate import trapezoid

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.utils._warnings import warn_user

__all__ = ["aiq", "apgr", "call_performance_threshold", "cost_hull"]


def cost_hull(cost, score):
    """Non-decreasing concave hull of points of cost and score.

    Every point on the hull can be reached by sending a random share of the queries along the
    routes of one point, and the rest along those of another.

    Parameters
    ----------
    cost, score : array-like of shape (n_points,)
        Mean cost and mean score of each point.

    Returns
    -------
    tuple of ndarray of shape (n_corners,)
        Costs and scores of the corners, from the cheapest point to the best.

    References
    ----------
    RouterBench, arXiv 2403.12031, section 3.

    Examples
    --------
    >>> from dars_sklearn.metrics import cost_hull
    >>> cost, score = cost_hull([1, 2, 3, 4], [0.5, 0.5, 0.9, 0.8])
    >>> cost.tolist(), score.tolist()
    ([1.0, 3.0], [0.5, 0.9])
    """
    cost, score = _points(cost, score)
    # Keep the best of several points of the same cost, and no point beyond the best of all.
    order = np.lexsort((-score, cost))
    cost, score = cost[order], score[order]
    # Scores that are equal up to rounding are equal: a corner must be worth its cost.
    tolerance = 1e-12 * np.abs(score).max()
    best = np.argmax(score >= score.max() - tolerance)
    keep = np.append(True, np.diff(cost) > 0) & (np.arange(len(cost)) <= best)
    corners = []
    for point in zip(cost[keep].tolist(), score[keep].tolist(), strict=True):
        while len(corners) > 1 and _is_below(corners[-2], corners[-1], point, tolerance):
            corners.pop()
        if not corners or point[1] > corners[-1][1] + tolerance:
            corners.append(point)
    return tuple(np.array(corners).T)


def aiq(cost, score, *, cost_range):
    """Average quality over a range of costs: mean height of the hull.

    Parameters
    ----------
    cost, score : array-like of shape (n_points,)
        Mean cost and mean score of the points of a curve.
    cost_range : tuple of float
        Lowest and highest cost; use the same range for all routers that are compared.

    Returns
    -------
    float
        In the range of scores, higher is better. Beyond its most expensive corner the hull is
        horizontal; before its cheapest one, it follows the line to a score of 0 at no cost.

    Raises
    ------
    ValueError
        If the range is empty.

    References
    ----------
    AIQ of RouterBench, arXiv 2403.12031, section 3.

    Examples
    --------
    >>> from dars_sklearn.metrics import aiq
    >>> aiq([1, 3], [0.5, 0.9], cost_range=(1, 3))
    0.7
    """
    low, high = cost_range
    if not 0 <= low < high < np.inf:
        raise ValueError(f"cost_range must be (low, high) with 0 <= low < high, got {cost_range!r}")
    cost, score = cost_hull(cost, score)
    if cost[0] > 0:
        cost, score = np.append(0, cost), np.append(0, score)
    grid = np.unique(np.concatenate([[low, high], cost[(cost > low) & (cost < high)]]))
    return float(trapezoid(np.interp(grid, cost, score), grid) / (high - low))


def apgr(cost, score, *, weak, strong):
    """Average performance gap recovered, from the cost of the weak model to that of the strong one.

    Parameters
    ----------
    cost, score : array-like of shape (n_points,)
        Mean cost and mean score of the points of a curve.
    weak, strong : tuple of float
        Mean cost and mean score of the weak model (the cheapest), and of the strong one (the
        best single model on training data).

    Returns
    -------
    float
        Mean of the gap recovered, by linear interpolation between the points, which include
        those of the two models. 0.5 for random mixtures of the two models, 1 where the score of
        the strong model is reached at the cost of the weak one. NaN where the strong model is
        not both more expensive and better.

    Warns
    -----
    UndefinedMetricWarning
        If the strong model is not both more expensive and better.

    References
    ----------
    APGR of RouteLLM, arXiv 2406.18665, section 3.

    Examples
    --------
    >>> from dars_sklearn.metrics import apgr
    >>> apgr([1, 2, 3], [0.5, 0.8, 0.9], weak=(1, 0.5), strong=(3, 0.9))
    0.625
    """
    curve = _gap_curve(cost, score, weak, strong)
    return float("nan") if curve is None else float(trapezoid(curve[1], curve[0]))


def call_performance_threshold(cost, score, x, *, weak, strong):
    """Lowest share of the extra cost at which a share x of the gap is recovered: CPT(x).

    Parameters
    ----------
    cost, score : array-like of shape (n_points,)
        Mean cost and mean score of the points of a curve.
    x : float
        Share of the gap between the models, from 0 to 1.
    weak, strong : tuple of float
        Mean cost and mean score of the weak model, and of the strong one.

    Returns
    -------
    float
        From 0, the cost of the weak model, to 1, that of the strong one; lower is better. NaN
        where the strong model is not both more expensive and better.

    Warns
    -----
    UndefinedMetricWarning
        If the strong model is not both more expensive and better.

    References
    ----------
    CPT(x %) of RouteLLM, arXiv 2406.18665, section 3, as a share.

    Examples
    --------
    >>> from dars_sklearn.metrics import call_performance_threshold
    >>> curve = [1, 2, 3], [0.5, 0.875, 1.0]
    >>> call_performance_threshold(*curve, 0.75, weak=(1, 0.5), strong=(3, 1.0))
    0.5
    """
    if not 0 <= x <= 1:
        raise ValueError(f"x must be a share from 0 to 1, got {x!r}")
    curve = _gap_curve(cost, score, weak, strong)
    return float("nan") if curve is None else _first_reach(*curve, x)


def _points(cost, score):
    cost, score = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    if cost.ndim != 1 or cost.shape != score.shape or not len(cost):
        raise ValueError(
            "cost and score must be 1-D arrays of the same length with at least one point, got "
            f"shapes {cost.shape} and {score.shape}"
        )
    if not (np.isfinite(cost).all() and np.isfinite(score).all()):
        raise ValueError("cost and score must be finite")
    return cost, score


def _is_below(left, middle, right, tolerance):
    """Return whether the middle point is on or below the line from left to right."""
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1] - tolerance) * (right[0] - left[0]) <= rise


def _gap_curve(cost, score, weak, strong):
    """Return the share of the gap over the share of the extra cost, None where undefined."""
    if not (strong[0] > weak[0] and strong[1] > weak[1]):
        warn_user(
            f"the strong model (cost {strong[0]:.4g}, score {strong[1]:.4g}) is not both "
            f"more expensive and better than the weak one (cost {weak[0]:.4g}, score "
            f"{weak[1]:.4g})",
            UndefinedMetricWarning,
        )
        return None
    cost, score = _points(cost, score)
    cost = np.concatenate([cost, [weak[0], strong[0]]])
    score = np.concatenate([score, [weak[1], strong[1]]])
    order = np.lexsort((score, cost))
    share = (cost[order] - weak[0]) / (strong[0] - weak[0])
    gap = (score[order] - weak[1]) / (strong[1] - weak[1])
    inside = (share > 0) & (share < 1)
    ends = np.interp([0, 1], share, gap)
    share, gap = np.append(share[inside], [0, 1]), np.append(gap[inside], ends)
    order = np.argsort(share, kind="stable")
    return share[order], gap[order]


def _first_reach(x, y, level):
    """Lowest x at which the line through the points reaches a level, NaN if it never does."""
    reached = np.flatnonzero(y >= level - 1e-12)
    if not len(reached):
        return float("nan")
    first = reached[0]
    if first == 0:
        return float(x[0])
    return float(np.interp(level, [y[first - 1], y[first]], [x[first - 1], x[first]]))
