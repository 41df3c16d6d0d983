"""Means of the known values of an array with NaN where a value is unknown."""

import numpy as np

from dars_sklearn.outcomes._alignment import check_labelled_order
from dars_sklearn.utils._validation import check_sample_weight

__all__ = ["column_means", "weighted_mean"]


def column_means(table, fallback=np.nan):
    """Mean of the known values of each column, without a warning where none is known.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Values, NaN where unknown.
    fallback : float, default=nan
        Mean of a column without a known value.

    Returns
    -------
    ndarray of shape (n_columns,)
        The means.
    """
    known = ~np.isnan(table)
    n_known = known.sum(axis=0)
    total = np.where(known, table, 0).sum(axis=0)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), fallback)


def weighted_mean(values, sample_weight=None, outcomes=None):
    """Weighted mean of the known values.

    Parameters
    ----------
    values : ndarray of shape (n_queries,)
        Values, NaN where unknown.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    outcomes : Outcomes or None, default=None
        Outcomes of the queries, with which the labels of weights in a pandas Series are compared.

    Returns
    -------
    float
        The mean, NaN where no value with a positive weight is known.

    Raises
    ------
    ValueError
        If there is not one weight per query, a weight is negative, or they are labelled by the
        queries in another order.
    """
    if outcomes is not None:
        check_labelled_order(sample_weight, outcomes, "sample_weight")
    weight = check_sample_weight(sample_weight, len(values))
    if (weight < 0).any():
        raise ValueError(f"sample_weight must not be negative, got {weight.min():g}")
    known = ~np.isnan(values) & (weight != 0)
    return float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")
