"""Intervals of variance parts, by the delete-one-query jackknife.

A part is a difference of two mean squares. Each of these has an interval on the
log scale, where its distribution is nearly symmetric; the two are put together
by the method of variance estimates recovery, which needs no log of a difference
that may be near zero, or below it.

References
----------
Zou & Donner, "Construction of confidence limits about effect measures: a
general approach", Statistics in Medicine 27 (2008) 1693-1702; for variance
parts, Ting, Burdick, Graybill, Jeyaratnam & Lu, "Confidence intervals on linear
combinations of variance components that are unrestricted in sign", Journal of
Statistical Computation and Simulation 35 (1990) 135-143.
"""

import numpy as np
from scipy.stats import t as student

__all__ = ["difference_interval", "log_interval", "remainder_interval"]


def log_interval(values, n, level):
    """Interval of something positive, on the log scale.

    Parameters
    ----------
    values : ndarray of shape (1 + n_queries,)
        The estimate, then the one without each query.
    n : int
        Queries that it is from.
    level : float
        Share of intervals that hold the truth.

    Returns
    -------
    tuple of float
        Lower and upper end; linear where the estimate is not positive.
    """
    margin = _quantile(n, level) * _standard_error(values, n)
    if values[0] <= 0:
        return values[0] - margin, values[0] + margin
    with np.errstate(over="ignore"):
        factor = np.exp(margin / values[0])
    return values[0] / factor, values[0] * factor


def difference_interval(minuend, subtrahend, n, level):
    """Interval of a difference of two correlated positive things, not below 0.

    Parameters
    ----------
    minuend, subtrahend : ndarray of shape (1 + n_queries,)
        The estimates, then those without each query.
    n : int
        Queries that they are from.
    level : float
        Share of intervals that hold the truth.

    Returns
    -------
    tuple of float
        Lower and upper end.
    """
    low, high = log_interval(minuend, n, level)
    noise_low, noise_high = log_interval(subtrahend, n, level)
    difference = minuend[0] - subtrahend[0]
    correlation = _correlation(minuend, subtrahend)
    below = _combine(minuend[0] - low, noise_high - subtrahend[0], correlation)
    above = _combine(high - minuend[0], subtrahend[0] - noise_low, correlation)
    return max(difference - below, 0.0), max(difference + above, 0.0)


def remainder_interval(part, whole, n, level):
    """Interval of ``1 - part / whole``, not below 0.

    Parameters
    ----------
    part, whole : ndarray of shape (1 + n_queries,)
        The estimates, then those without each query.
    n : int
        Queries that they are from.
    level : float
        Share of intervals that hold the truth.

    Returns
    -------
    tuple of float
        Lower and upper end.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = log_interval(part / whole, n, level)
    return max(1 - high, 0.0), max(1 - low, 0.0)


def _standard_error(values, n):
    return np.sqrt((n - 1) / n * ((values[1:] - values[0]) ** 2).sum())


def _quantile(n, level):
    return student.ppf((1 + level) / 2, n - 1)


def _correlation(one, other):
    one, other = one[1:] - one[0], other[1:] - other[0]
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return (one * other).sum() / scale if scale > 0 else 0.0


def _combine(one, other, correlation):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))
