"""Cells: the outcomes of one paraphrase of a (query, model) pair."""

from typing import NamedTuple

import numpy as np

__all__ = [
    "CellTable",
    "Cells",
    "PairCells",
    "make_cells",
    "summarise_cells",
    "tabulate_cells",
]


class Cells(NamedTuple):
    """Cells that have outcomes, one row per cell.

    Parameters
    ----------
    query, model, paraphrase : ndarray of int of shape (n_cells,)
        Codes.
    count : ndarray of int of shape (n_cells,)
        Number of outcomes.
    mean : ndarray of shape (n_cells,)
        Mean score.
    within : ndarray of shape (n_cells,)
        Sum of squared deviations from the mean.
    """

    query: np.ndarray
    model: np.ndarray
    paraphrase: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    within: np.ndarray

    def take(self, rows):
        """Return the cells of some rows."""
        return Cells(*(column[rows] for column in self))


class CellTable(NamedTuple):
    """Cell means by wording and model.

    Parameters
    ----------
    query : ndarray of int of shape (n_wordings,)
        Query of each row; a row is a paraphrase of a query that some model has outcomes for.
    means : ndarray of shape (n_wordings, n_models)
        Mean score, NaN where a model has no outcome.
    """

    query: np.ndarray
    means: np.ndarray


class PairCells(NamedTuple):
    """Summary of the cells of each (query, model) pair.

    Parameters
    ----------
    n_cells : ndarray of int of shape (n_queries, n_models)
        Number of cells.
    mean : ndarray of shape (n_queries, n_models)
        Mean of the cell means, NaN where there are none.
    between : ndarray of shape (n_queries, n_models)
        Sum of squared deviations of the cell means from their mean.
    within : ndarray of shape (n_queries, n_models)
        Sum of squared deviations within cells.
    within_freedom : ndarray of int of shape (n_queries, n_models)
        Degrees of freedom of ``within``.
    mean_inverse_count : ndarray of shape (n_queries, n_models)
        Mean over cells of one by their count.
    sum_squared_shares : ndarray of shape (n_queries, n_models)
        Sum over cells of the squared share of the pair's outcomes.
    """

    n_cells: np.ndarray
    mean: np.ndarray
    between: np.ndarray
    within: np.ndarray
    within_freedom: np.ndarray
    mean_inverse_count: np.ndarray
    sum_squared_shares: np.ndarray


def make_cells(outcomes, values=None, paraphrase=None):
    """Group outcomes into cells.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    values : ndarray of shape (n_outcomes,) or None, default=None
        Values to use instead of the scores.
    paraphrase : ndarray of int of shape (n_outcomes,) or None, default=None
        Codes to use instead of the paraphrases, non-decreasing within each pair.

    Returns
    -------
    Cells
        In the order of the outcomes.
    """
    values = outcomes.score if values is None else values
    paraphrase = outcomes.paraphrase if paraphrase is None else paraphrase
    pair = outcomes.pair_indices()
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = (pair[1:] != pair[:-1]) | (paraphrase[1:] != paraphrase[:-1])
    first = np.flatnonzero(starts)
    count = np.diff(np.append(first, len(values)))
    cell = np.cumsum(starts) - 1
    mean = np.bincount(cell, values, len(first)) / np.maximum(count, 1)
    within = np.bincount(cell, (values - mean[cell]) ** 2, len(first))
    query, model = np.divmod(pair[first], max(outcomes.n_models, 1))
    return Cells(query, model, paraphrase[first], count, mean, within)


def tabulate_cells(cells, n_models):
    """Arrange cell means by wording and model.

    Parameters
    ----------
    cells : Cells
        Cells.
    n_models : int
        Number of models.

    Returns
    -------
    CellTable
        One row per paraphrase of a query.
    """
    width = int(cells.paraphrase.max(initial=0)) + 1
    wordings, row = np.unique(cells.query * width + cells.paraphrase, return_inverse=True)
    means = np.full((len(wordings), n_models), np.nan)
    means[row, cells.model] = cells.mean
    return CellTable(wordings // width, means)


def summarise_cells(cells, n_queries, n_models):
    """Summarise cells by (query, model) pair.

    Parameters
    ----------
    cells : Cells
        Cells.
    n_queries, n_models : int
        Numbers of queries and of models.

    Returns
    -------
    PairCells
        Zeros where a pair has no cell, but NaN for its mean.
    """
    pair = cells.query * n_models + cells.model
    n_pairs = n_queries * n_models
    n_cells = np.bincount(pair, minlength=n_pairs)
    divisor = np.maximum(n_cells, 1)
    centre = np.bincount(pair, cells.mean, n_pairs) / divisor
    n_outcomes = np.bincount(pair, cells.count, n_pairs)
    columns = (
        n_cells,
        np.where(n_cells > 0, centre, np.nan),
        np.bincount(pair, (cells.mean - centre[pair]) ** 2, n_pairs),
        np.bincount(pair, cells.within, n_pairs),
        n_outcomes - n_cells,
        np.bincount(pair, 1 / cells.count, n_pairs) / divisor,
        np.bincount(pair, (cells.count / n_outcomes[pair]) ** 2, n_pairs),
    )
    return PairCells(*(column.reshape(n_queries, n_models) for column in columns))
