"""Bootstrap over queries, many columns at once."""

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["paired_interval", "resampled_means"]

# Queries drawn at once: bounds memory, whatever the number of resamples.
_BLOCK = 1 << 22


def resampled_means(values, n_resamples, rng):
    """Means of resamples of the rows, the same rows for all columns.

    A resample is a number of times that each row is drawn, so its means are a
    product of that vector with the table; a block of resamples is a product of
    matrices, and neither needs a copy of the table a resample.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_columns)
        Values, NaN where unknown: a mean is over what is known.
    n_resamples : int
        Resamples.
    rng : RandomState
        Source of the draws.

    Returns
    -------
    ndarray of shape (n_resamples, n_columns)
        The means.
    """
    n = len(values)
    known = ~np.isnan(values)
    gaps = not known.all()
    filled = np.where(known, values, 0) if gaps else values
    at_once = max(_BLOCK // n, 1)
    means = []
    for first in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - first)
        drawn = rng.randint(n, size=(size, n))
        times = np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(float)
        total = times @ known.astype(float) if gaps else n
        with np.errstate(invalid="ignore"):
            means.append(times @ filled / total)
    return np.concatenate(means)


def paired_interval(difference, *, level=0.95, n_resamples=2000, random_state=None):
    """Bootstrap interval of a mean difference, over queries.

    Parameters
    ----------
    difference : array-like of shape (n_queries,)
        Of each query, one thing less another.
    level : float, default=0.95
        Share of intervals that hold the true mean.
    n_resamples : int, default=2000
        Resamples.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    tuple of float
        Lower and upper end, by percentiles.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> from dars_sklearn.evaluate import paired_interval
    >>> low, high = paired_interval([1.0, 1.0, 1.0], random_state=0)
    >>> float(low), float(high)
    (1.0, 1.0)
    """
    difference = np.asarray(difference, dtype=np.float64)
    means = resampled_means(difference[:, None], n_resamples, check_random_state(random_state))
    tail = (1 - level) / 2
    return tuple(np.quantile(means[:, 0], [tail, 1 - tail]))
