"""Bootstrap over queries, of many columns together."""

import numpy as np
from sklearn.utils import check_random_state

from dars_sklearn.utils._validation import check_count, check_level

__all__ = ["paired_interval", "percentile_interval", "resampled_means", "two_way_means"]

# Queries drawn in one block, which bounds the memory whatever the number of resamples.
_BLOCK = 1 << 22


def resampled_means(values, n_resamples, rng):
    """Means of resamples of the rows, with the same rows for all columns.

    A resample is the number of times that each row is drawn, so its means are the product of that
    vector with the table. A block of resamples is a product of matrices, and no resample needs a
    copy of the table.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_columns)
        Values, NaN where unknown; means are over the known values.
    n_resamples : int
        Number of resamples.
    rng : RandomState
        Source of the draws.

    Returns
    -------
    ndarray of shape (n_resamples, n_columns)
        The means.
    """
    n = len(values)
    known = ~np.isnan(values)
    has_gaps = not known.all()
    filled = np.where(known, values, 0) if has_gaps else values
    block_size = max(_BLOCK // n, 1)
    means = []
    for first in range(0, n_resamples, block_size):
        size = min(block_size, n_resamples - first)
        drawn = rng.randint(n, size=(size, n))
        counts = np.stack([np.bincount(rows, minlength=n) for rows in drawn]).astype(float)
        total = counts @ known.astype(float) if has_gaps else n
        with np.errstate(invalid="ignore"):
            means.append(counts @ filled / total)
    return np.concatenate(means)


def two_way_means(utilities, n_resamples, rng):
    """Means of resamples of both queries and repeats.

    Parameters
    ----------
    utilities : ndarray of shape (n_repeats, n_queries, n_designs)
        Utilities, NaN for all designs where a query is not held out in a repeat.
    n_resamples : int
        Number of resamples.
    rng : RandomState
        Source of the draws.

    Returns
    -------
    ndarray of shape (n_resamples, n_designs)
        The means; NaN for a resample that contains no query that was held out.
    """
    n_repeats, n_queries, n_designs = utilities.shape
    is_test = ~np.isnan(utilities[:, :, 0])
    values = np.where(is_test[:, :, None], utilities, 0).reshape(n_repeats, -1)
    means = np.empty((n_resamples, n_designs))
    for number in range(n_resamples):
        repeats = np.bincount(rng.randint(n_repeats, size=n_repeats), minlength=n_repeats)
        queries = np.bincount(rng.randint(n_queries, size=n_queries), minlength=n_queries)
        total = queries @ (repeats @ values).reshape(n_queries, n_designs)
        with np.errstate(invalid="ignore"):
            means[number] = total / (queries @ (repeats @ is_test))
    return means


def percentile_interval(values, level):
    """Percentile interval of resampled values, ignoring those that are not defined.

    Parameters
    ----------
    values : ndarray of shape (n_resamples,)
        Values, NaN where they are not defined.
    level : float
        Level of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN where no value is defined.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def paired_interval(difference, *, level=0.95, n_resamples=2000, random_state=None):
    """Bootstrap interval of a mean difference, over queries.

    Parameters
    ----------
    difference : array-like of shape (n_queries,)
        Difference of two quantities on each query.
    level : float, default=0.95
        Level of the interval.
    n_resamples : int, default=2000
        Number of resamples.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    tuple of float
        Lower and upper end, by percentiles.

    Raises
    ------
    ValueError
        If there is no query, or no value is known.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> from dars_sklearn.evaluate import paired_interval
    >>> paired_interval([1.0, 1.0, 1.0], random_state=0)
    (1.0, 1.0)
    """
    difference = np.asarray(difference, dtype=np.float64)
    if difference.ndim != 1 or not len(difference):
        raise ValueError(
            "difference must have one value per query, and at least one query, got an array of "
            f"shape {difference.shape}"
        )
    if np.isnan(difference).all():
        raise ValueError("no value of difference is known, so that it has no interval")
    check_level(level)
    check_count(n_resamples, "n_resamples")
    means = resampled_means(difference[:, None], n_resamples, check_random_state(random_state))
    return percentile_interval(means[:, 0], level)
