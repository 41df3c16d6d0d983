"""Validation of arguments that several estimators take."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array

__all__ = ["check_count", "check_level", "check_sample_weight", "is_count", "is_finite_number"]


def is_finite_number(value):
    """Return whether a value is a finite number; True, False, NaN and texts are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(value))


def is_count(value, low=1):
    """Return whether a value is a whole number of at least ``low``; True is not."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= low


def check_count(value, name, low=1):
    """Refuse what is not a whole number of at least ``low``.

    Parameters
    ----------
    value : object
        The value.
    name : str
        Name of the parameter, for the error.
    low : int, default=1
        The smallest value that is accepted.

    Raises
    ------
    ValueError
        If it is not, which True and 2.0 are not either.

    Examples
    --------
    >>> from dars_sklearn.utils._validation import check_count
    >>> check_count(2, "n_draws")
    >>> check_count(1.5, "n_draws")
    Traceback (most recent call last):
        ...
    ValueError: n_draws must be an int of at least 1, got 1.5
    """
    if not is_count(value, low):
        raise ValueError(f"{name} must be an int of at least {low}, got {value!r}")


def check_level(level, name="level"):
    """Refuse what is not a level of confidence, a number strictly between 0 and 1.

    Parameters
    ----------
    level : object
        The level.
    name : str, default="level"
        Name of the parameter, for the error.

    Raises
    ------
    ValueError
        If it is not.

    Examples
    --------
    >>> from dars_sklearn.utils._validation import check_level
    >>> check_level(95)
    Traceback (most recent call last):
        ...
    ValueError: level must be in (0, 1), got 95
    """
    if not is_finite_number(level) or not 0 < level < 1:
        raise ValueError(f"{name} must be in (0, 1), got {level!r}")


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
        If the weights have another shape, are not finite numbers, or are all zero.

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
    if weight.dtype.kind in "US":
        raise ValueError(f"sample_weight must be numbers, got texts such as {weight[0]!r}")
    weight = check_array(weight, ensure_2d=False, dtype=dtype, input_name="sample_weight")
    if not weight.any():
        raise ValueError(
            "all sample weights are zero; sample_weight must contain at least one non-zero number"
        )
    return weight
