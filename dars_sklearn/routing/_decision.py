"""The decision rule: choose the available model with the highest utility."""

import numpy as np

from dars_sklearn.outcomes._validation import plural

__all__ = ["decide", "mask_unavailable", "order_models"]


def decide(utilities, available=None):
    """Choose the model with the highest utility, the first one in case of ties.

    Parameters
    ----------
    utilities : ndarray of shape (n_queries, n_models)
        Utilities.
    available : ndarray of bool of shape (n_queries, n_models) or None, default=None
        Which models may be chosen. None allows all.

    Returns
    -------
    ndarray of int of shape (n_queries,)
        Position of the chosen model.

    Raises
    ------
    ValueError
        If no model is available for a query.
    """
    return np.argmax(mask_unavailable(utilities, available), axis=1)


def order_models(utilities, available=None):
    """Order the models by utility, the first one first in case of ties.

    Parameters
    ----------
    utilities : ndarray of shape (n_queries, n_models)
        Utilities.
    available : ndarray of bool of shape (n_queries, n_models) or None, default=None
        Which models may be chosen; the others come last. None allows all.

    Returns
    -------
    ndarray of int of shape (n_queries, n_models)
        Positions of the models, best first.
    """
    return np.argsort(-mask_unavailable(utilities, available), axis=1, kind="stable")


def mask_unavailable(utilities, available):
    """Return utilities with minus infinity for the models that are not available."""
    if available is None:
        return utilities
    without = np.flatnonzero(~available.any(axis=1))
    if len(without):
        n = len(without)
        raise ValueError(
            f"no model is available for {n} {plural('query', n)}, first in row {without[0]}"
        )
    return np.where(available, utilities, -np.inf)
