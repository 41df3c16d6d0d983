"""The decision rule: choose the available model with the highest utility."""

import numpy as np

__all__ = ["available_mask", "decide", "mask_unavailable"]


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


def available_mask(available, models, n_queries):
    """Return the models that may be chosen as a mask.

    Parameters
    ----------
    available : array-like or None
        Names of the models that may be chosen, a mask of shape (n_queries, n_models), or None.
    models : ndarray of shape (n_models,)
        All model names.
    n_queries : int
        Number of queries.

    Returns
    -------
    ndarray of bool of shape (n_queries, n_models), or None
        Which models may be chosen, or None if all of them may.

    Raises
    ------
    ValueError
        If the mask has another shape, or a name is unknown.
    """
    if available is None:
        return None
    mask, shape = np.asarray(available), (n_queries, len(models))
    if mask.dtype == bool:
        if mask.shape != shape:
            raise ValueError(f"available must have shape {shape}, got {mask.shape}")
        return mask
    # Names stay objects, so that 1 and "1" are two models.
    names = set(np.asarray(available, dtype=object).ravel().tolist())
    unknown = names - set(models.tolist())
    if unknown:
        raise ValueError(
            f"available names {sorted(map(str, unknown))}, not among {models.tolist()}"
        )
    return np.broadcast_to([model in names for model in models.tolist()], shape)


def mask_unavailable(utilities, available):
    """Return utilities with minus infinity for the models that are not available."""
    if available is None:
        return utilities
    without = np.flatnonzero(~available.any(axis=1))
    if len(without):
        raise ValueError(
            f"no model is available for {len(without)} queries, first in row {without[0]}"
        )
    return np.where(available, utilities, -np.inf)
