"""Intervals of variance components, by the delete-one-query jackknife.

A component is a difference of two mean squares. Each of these has an interval on the log scale,
where its distribution is nearly symmetric. The two are combined by the method of variance
estimates recovery, which needs no logarithm of a difference that may be near or below zero.

References
----------
Zou & Donner, "Construction of confidence limits about effect measures: a general approach",
Statistics in Medicine 27 (2008) 1693-1702; for variance components, Ting, Burdick, Graybill,
Jeyaratnam & Lu, "Confidence intervals on linear combinations of variance components that are
unrestricted in sign", Journal of Statistical Computation and Simulation 35 (1990) 135-143.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

__all__ = ["Interval", "difference_interval", "log_interval", "share_interval", "signal_share"]


class Interval(NamedTuple):
    """Lower and upper end of an interval."""

    low: float
    high: float


def log_interval(replicates, n, level):
    """Interval of a positive quantity, on the log scale.

    Parameters
    ----------
    replicates : ndarray of shape (1 + n_queries,)
        The estimate, then the estimate without each query.
    n : int
        Number of queries.
    level : float
        Level of the interval.

    Returns
    -------
    Interval
        The interval; on the linear scale where the estimate is not positive.
    """
    margin = student.ppf((1 + level) / 2, n - 1) * _standard_error(replicates, n)
    estimate = replicates[0]
    if estimate <= 0:
        return Interval(estimate - margin, estimate + margin)
    with np.errstate(over="ignore"):
        factor = np.exp(margin / estimate)
    return Interval(estimate / factor, estimate * factor)


def difference_interval(minuend, subtrahend, n, level):
    """Interval of the difference of two correlated positive quantities, truncated at 0.

    Parameters
    ----------
    minuend, subtrahend : ndarray of shape (1 + n_queries,)
        The estimates, then those without each query.
    n : int
        Number of queries.
    level : float
        Level of the interval.

    Returns
    -------
    Interval
        The interval.
    """
    minuend_interval = log_interval(minuend, n, level)
    subtrahend_interval = log_interval(subtrahend, n, level)
    difference = minuend[0] - subtrahend[0]
    correlation = _correlation(minuend, subtrahend)
    below = _combined_margin(
        minuend[0] - minuend_interval.low, subtrahend_interval.high - subtrahend[0], correlation
    )
    above = _combined_margin(
        minuend_interval.high - minuend[0], subtrahend[0] - subtrahend_interval.low, correlation
    )
    return Interval(max(difference - below, 0.0), max(difference + above, 0.0))


def share_interval(noise, total, n, level):
    """Interval of ``1 - noise / total``, truncated at 0.

    Parameters
    ----------
    noise, total : ndarray of shape (1 + n_queries,)
        The estimates, then those without each query.
    n : int
        Number of queries.
    level : float
        Level of the interval.

    Returns
    -------
    Interval
        The interval.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = log_interval(noise / total, n, level)
    return Interval(max(1 - high, 0.0), max(1 - low, 0.0))


def _standard_error(replicates, n):
    return np.sqrt((n - 1) / n * ((replicates[1:] - replicates[0]) ** 2).sum())


def _correlation(first, second):
    first, second = first[1:] - first[0], second[1:] - second[0]
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return (first * second).sum() / scale if scale > 0 else 0.0


def _combined_margin(first, second, correlation):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(max(first**2 + second**2 - 2 * correlation * first * second, 0.0))


def signal_share(noise, total, n_queries, level):
    """Share of a total variance that is not noise, truncated at 0, with its interval.

    Parameters
    ----------
    noise, total : ndarray of shape (1 + n_queries,)
        The variances, then their replicates without each query.
    n_queries : int
        Number of queries.
    level : float
        Level of the interval.

    Returns
    -------
    tuple of float
        Estimate, low and high; NaN where the total is not positive.
    """
    if not total[0] > 0:  # constant scores have no differences that could be reliable
        return np.nan, np.nan, np.nan
    return max(1 - noise[0] / total[0], 0.0), *share_interval(noise, total, n_queries, level)
