"""Read arrays of scores and costs."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from dars_sklearn.outcomes._alignment import has_default_index
from dars_sklearn.outcomes._keys import find_labels, unique_labels
from dars_sklearn.outcomes._validation import check_costs, plural

__all__ = ["array_costs", "array_labels", "score_grid", "table_labels"]


def table_labels(scores, queries, models):
    """Return the labels of queries and models, where scores is a labelled table and none are given.

    Parameters
    ----------
    scores : array-like
        Scores; a data frame has its queries as index and its models as columns.
    queries, models : array-like or None
        Labels that were given.

    Returns
    -------
    tuple of (array-like or None, array-like or None)
        Labels of the queries and of the models, None where there are none.

    Raises
    ------
    ValueError
        If the labels given are those of the table in another order.
    """
    index, columns = _own_labels(scores, "index"), _own_labels(scores, "columns")
    return (
        _given_or_own(queries, index, "queries", "the rows"),
        _given_or_own(models, columns, "models", "the columns"),
    )


def _own_labels(table, axis):
    """Return the labels of a table's axis, None where it has none or only 0, 1, 2, …."""
    labels = getattr(table, axis, None)
    if axis == "columns" and isinstance(labels, list):  # polars
        return labels
    return labels if isinstance(labels, pd.Index) and not has_default_index(labels) else None


def _given_or_own(given, own, name, axis):
    """Return the labels given, or else a table's own; refuse its own in another order."""
    if given is None or own is None:
        return own if given is None else given
    given = list(given)
    if given != list(own) and sorted(map(str, given)) == sorted(map(str, own)):
        raise ValueError(
            f"{name}={given!r} are the labels of {axis} of scores in another order; leave "
            f"{name} out, and the labels of the table are used"
        )
    return given


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
    if type(scores).__module__.startswith("pyarrow"):
        raise TypeError("scores is an Arrow table; convert it with to_pandas() first")
    if np.iscomplexobj(scores):
        raise ValueError("Complex data not supported: a score is a real number")
    grid = _as_floats(scores, "scores")
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


def _as_floats(values, name):
    """Return values as an array of floats, NaN where they are masked or missing."""
    if isinstance(values, np.ma.MaskedArray):
        return values.astype(np.float64).filled(np.nan)
    if isinstance(values, pd.DataFrame):
        values = values.astype(object).where(values.notna(), np.nan)
    if issparse(values):
        raise TypeError(
            f"{name} is a sparse matrix, whose zeros are not distinguished from "
            "what is missing; use toarray(), with NaN where there is no outcome"
        )
    if np.asarray(values).dtype.kind in "mM":
        raise TypeError(f"{name} must be numbers, got dates or durations")
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} must be numbers: {error}. A column of labels belongs into the index: "
            "table.set_index(...); a table with one row per outcome is read by Outcomes.from_frame"
        ) from error


def array_costs(costs, shape, present, queries, models):
    """Return the costs of the outcomes that are present in an array of scores.

    Parameters
    ----------
    costs : array-like of the shape of the scores, or of shape (n_models,)
        Cost of each outcome, or of each model.
    shape : tuple of int
        Shape of the scores as given.
    present : ndarray of bool of shape (n_queries, n_models, n_paraphrases, n_samples)
        Which outcomes there are.
    queries, models : ndarray
        Labels of the queries and of the models. Costs that have labels are put into their order.

    Returns
    -------
    ndarray of shape (n_outcomes,)
        The costs.
    """
    costs = _as_floats(_in_order_of_labels(costs, queries, models), "costs")
    if costs.shape == shape:
        return check_costs(costs.reshape(present.shape)[present])
    if costs.shape == (shape[1],):
        by_model = np.broadcast_to(costs[None, :, None, None], present.shape)
        return check_costs(by_model[present])
    raise ValueError(
        f"costs must have the shape of scores, {shape}, or one value per model, "
        f"({shape[1]},), got {costs.shape}"
    )


def _in_order_of_labels(costs, queries, models):
    """Return costs in the order of the queries and models, where they are labelled by these."""
    if isinstance(costs, dict):
        costs = pd.Series(costs)
    if isinstance(costs, pd.Series) and _are_labels(costs.index, models):
        return costs.iloc[find_labels(costs.index, models, "model", "costs")]
    if not isinstance(costs, pd.DataFrame):
        return costs
    if _are_labels(costs.index, queries):
        costs = costs.iloc[find_labels(costs.index, queries, "query", "costs")]
    if _are_labels(costs.columns, models):
        costs = costs.iloc[:, find_labels(costs.columns, models, "model", "costs")]
    return costs


def _are_labels(index, labels):
    """Return whether an index labels something: any but 0, 1, 2, …, unless those are the labels."""
    return not has_default_index(index) or set(index) == set(labels.tolist())
