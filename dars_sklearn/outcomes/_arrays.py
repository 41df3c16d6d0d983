"""Read arrays of scores and costs."""

import numpy as np

from dars_sklearn.outcomes._keys import unique_labels
from dars_sklearn.outcomes._validation import check_costs, plural

__all__ = ["array_costs", "array_labels", "score_grid"]


def score_grid(scores):
    """Return scores as an array of (query, model, paraphrase, sample), NaN where there is none.

    Parameters
    ----------
    scores : array-like of 2 to 4 dimensions
        Scores by (query, model), (query, model, sample) or (query, model, paraphrase, sample).

    Returns
    -------
    ndarray of shape (n_queries, n_models, n_paraphrases, n_samples)
        The scores.
    """
    if np.iscomplexobj(scores):
        raise ValueError("Complex data not supported: a score is a real number")
    grid = np.asarray(scores, dtype=np.float64)
    if grid.ndim not in (2, 3, 4):
        raise ValueError(
            "scores must have shape (query, model), (query, model, sample) or "
            f"(query, model, paraphrase, sample), got shape {grid.shape}"
        )
    if 0 in grid.shape:
        raise ValueError(f"an array of shape {grid.shape} has no outcomes")
    missing_axes = ((1, 1), (1,), ())[grid.ndim - 2]
    return grid.reshape(grid.shape[:2] + missing_axes + grid.shape[2:])


def array_labels(labels, n, noun):
    """Return the labels of one axis of an array: those given, or 0, 1, 2, …."""
    if labels is None:
        return np.arange(n)
    labels = unique_labels(labels, noun)
    if len(labels) != n:
        nouns = plural(noun)
        raise ValueError(f"{nouns} has {len(labels)} labels, but scores has {n} {nouns}")
    return labels


def array_costs(costs, shape, present):
    """Return the costs of the outcomes that are present in an array of scores.

    Parameters
    ----------
    costs : array-like of the shape of the scores, or of shape (n_models,)
        Cost of each outcome, or of each model.
    shape : tuple of int
        Shape of the scores as given.
    present : ndarray of bool of shape (n_queries, n_models, n_paraphrases, n_samples)
        Which outcomes there are.

    Returns
    -------
    ndarray of shape (n_outcomes,)
        The costs.
    """
    costs = np.asarray(costs, dtype=np.float64)
    if costs.shape == shape:
        return check_costs(costs.reshape(present.shape)[present])
    if costs.shape == (shape[1],):
        by_model = np.broadcast_to(costs[None, :, None, None], present.shape)
        return check_costs(by_model[present])
    raise ValueError(
        f"costs must have the shape of scores, {shape}, or one value per model, "
        f"({shape[1]},), got {costs.shape}"
    )
