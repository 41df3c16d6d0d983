"""The decision rule: utility, and the choice by it."""

import numpy as np

from dars_sklearn.aggregate import scale_cost

__all__ = ["available_mask", "decide", "outcome_utilities", "utility"]


def utility(quality, cost, risk, *, cost_weight, risk_aversion):
    """Weigh quality against cost and risk.

    Parameters
    ----------
    quality, cost, risk : array-like of one shape
        Capability.
    cost_weight : float
        Quality given up for a unit of scaled cost.
    risk_aversion : float
        Quality given up for a unit of risk.

    Returns
    -------
    ndarray
        ``quality - cost_weight * cost - risk_aversion * risk``.

    References
    ----------
    The utility of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn.decision import utility
    >>> float(utility(1.0, 0.5, 0.25, cost_weight=1.0, risk_aversion=1.0))
    0.25
    """
    quality, cost, risk = map(np.asarray, (quality, cost, risk))
    return quality - cost_weight * cost - risk_aversion * risk


def decide(utilities, available=None):
    """Choose the model of highest utility; ties go to the first.

    Parameters
    ----------
    utilities : ndarray of shape (n_queries, n_models)
        Utilities.
    available : ndarray of bool of shape (n_queries, n_models) or None, default=None
        Which models may be chosen.

    Returns
    -------
    ndarray of int of shape (n_queries,)
        Number of the model chosen.

    Raises
    ------
    ValueError
        If no model is available for a query.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.decision import decide
    >>> decide(np.array([[0.2, 0.9, 0.9]]))
    array([1])
    """
    return np.argmax(mask_unavailable(utilities, available), axis=1)


def outcome_utilities(outcomes, cost_weight, cost_range):
    """Utility of every single outcome.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None
        What scales costs.

    Returns
    -------
    ndarray of shape (n_outcomes,)
        Score less weighted cost. An unknown cost is its model's mean.

    Raises
    ------
    ValueError
        If cost_weight is negative or not finite.
    """
    if not 0 <= cost_weight < np.inf:
        raise ValueError(f"cost_weight must be a finite float >= 0, got {cost_weight!r}")
    if outcomes.cost is None or cost_weight == 0:
        return outcomes.score
    cost = scale_cost(outcomes.cost, cost_range)
    known, model = ~np.isnan(cost), outcomes.model_of_outcome()
    n_known = np.bincount(model[known], minlength=outcomes.n_models)
    total = np.bincount(model[known], cost[known], outcomes.n_models)
    fallback = cost[known].mean() if known.any() else 0.0
    mean = np.where(n_known > 0, total / np.maximum(n_known, 1), fallback)
    return outcomes.score - cost_weight * np.where(known, cost, mean[model])


def available_mask(available, models, n_queries):
    """Take names of models, or a mask, as a mask.

    Parameters
    ----------
    available : array-like or None
        Names of the models that may be chosen, a mask of shape (n_queries,
        n_models), or None.
    models : ndarray of shape (n_models,)
        All names.
    n_queries : int
        Rows of the mask.

    Returns
    -------
    ndarray of bool of shape (n_queries, n_models), or None
        Which pairs may be chosen; None if all.

    Raises
    ------
    ValueError
        If the mask has another shape, or a name is unknown.
    """
    if available is None:
        return None
    available, shape = np.asarray(available), (n_queries, len(models))
    if available.dtype == bool:
        if available.shape != shape:
            raise ValueError(f"available must have shape {shape}, got {available.shape}")
        return available
    unknown = set(available.ravel().tolist()) - set(models.tolist())
    if unknown:
        raise ValueError(
            f"available names {sorted(map(str, unknown))}, not among {models.tolist()}"
        )
    return np.broadcast_to(np.isin(models.astype(str), available.astype(str)), shape)


def mask_unavailable(utilities, available):
    """Give models that are not available the utility of minus infinity."""
    if available is None:
        return utilities
    none = np.flatnonzero(~available.any(axis=1))
    if len(none):
        raise ValueError(f"no model is available for {len(none)} queries, first in row {none[0]}")
    return np.where(available, utilities, -np.inf)
