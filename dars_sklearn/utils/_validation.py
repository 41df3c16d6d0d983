"""Validation of arguments that several estimators take."""

import numpy as np
from sklearn.utils import check_array

__all__ = ["check_sample_weight"]


def check_sample_weight(sample_weight, n_rows, dtype=np.float64):
    """Validate the sample weights of a fit.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or None
        Weight of each row; None gives every row the weight 1.
    n_rows : int
        Number of rows that are fitted.
    dtype : dtype, default=numpy.float64
        Type of the returned array.

    Returns
    -------
    ndarray of shape (n_rows,)
        Finite weights, at least one of which is not zero.

    Raises
    ------
    ValueError
        If the weights have another shape, are not finite, or are all zero.

    Examples
    --------
    >>> from dars_sklearn.utils._validation import check_sample_weight
    >>> check_sample_weight(None, 2)
    array([1., 1.])
    >>> check_sample_weight([1, 0.5], 2)
    array([1. , 0.5])
    """
    if sample_weight is None:
        return np.ones(n_rows, dtype=dtype)
    weight = np.asarray(sample_weight)
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have shape ({n_rows},), one weight per row of X, got shape "
            f"{weight.shape}"
        )
    weight = check_array(weight, ensure_2d=False, dtype=dtype, input_name="sample_weight")
    if not weight.any():
        raise ValueError(
            "all sample weights are zero; sample_weight must contain at least one non-zero number"
        )
    return weight
