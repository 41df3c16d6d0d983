"""Mean and spread of every (query, model) pair, in a few passes over sorted outcomes."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

__all__ = ["PairStatistics", "summarise_pairs"]

# Outcomes handled together: the result of a pass is still in the processor's cache for the
# next one, and the overhead of a block is small beside its passes.
_BLOCK = 1 << 18


class PairStatistics(NamedTuple):
    """Statistics of the outcomes of each (query, model) pair.

    Parameters
    ----------
    mean_score : ndarray of shape (n_queries, n_models)
        Weighted mean score, NaN where a pair has no outcome.
    mean_cost : ndarray of shape (n_queries, n_models)
        Weighted mean of the known costs in the user's unit, NaN where none is known.
    spread : ndarray of shape (n_queries, n_models)
        Standard deviation of the scores (ddof=1); 0 for a single outcome, NaN for none.
    sum_squared_weights : ndarray of shape (n_queries, n_models)
        Sum of the squared weights of the outcomes, which sum to 1; infinite for no outcome.
    n_outcomes : ndarray of int of shape (n_queries, n_models)
        Number of outcomes.
    """

    mean_score: np.ndarray
    mean_cost: np.ndarray
    spread: np.ndarray
    sum_squared_weights: np.ndarray
    n_outcomes: np.ndarray

    def take(self, queries, models):
        """Return the statistics of some queries and models, by position."""
        return PairStatistics(*(table[queries[:, None], models] for table in self))


def summarise_pairs(outcomes, *, balanced):
    """Summarise the outcomes of each (query, model) pair.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    balanced : bool
        Whether every paraphrase of a pair weighs the same, or every outcome.

    Returns
    -------
    PairStatistics
        The statistics.
    """
    score, cost, offsets = outcomes.score, outcomes.cost, outcomes.offsets
    paraphrase = outcomes.paraphrase if balanced else None
    n_pairs = len(offsets) - 1
    mean_score, mean_cost, spread, sum_squared_weights = np.empty((4, n_pairs))
    mean_cost[:] = np.nan
    for block in _blocks(offsets, paraphrase):
        values = score[block.outcomes]
        mean_score[block.pairs] = centre = block.weights.mean(values)
        spread[block.pairs] = block.weights.mean_square(values, centre)
        sum_squared_weights[block.pairs] = block.weights.sum_squares
        if cost is not None:
            mean_cost[block.pairs] = block.weights.mean(cost[block.outcomes])
    # Looking at the means saves a pass over costs where all of them are known.
    if cost is not None and np.isnan(mean_cost[offsets[1:] > offsets[:-1]]).any():
        mean_cost = _mean_of_known(cost, offsets, paraphrase)
    # A single outcome has no spread, and must not be divided by 1 - 1.
    divisor = 1 - sum_squared_weights
    divisor[sum_squared_weights == 1] = 1
    spread /= divisor
    np.sqrt(spread, out=spread)
    shape = outcomes.n_queries, outcomes.n_models
    tables = (mean_score, mean_cost, spread, sum_squared_weights)
    return PairStatistics(*(table.reshape(shape) for table in tables), outcomes.counts())


def _mean_of_known(values, offsets, paraphrase):
    """Mean of the values of each pair that are not NaN."""
    known = ~np.isnan(values)
    offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
    values, codes = values[known], None if paraphrase is None else paraphrase[known]
    mean = np.empty(len(offsets) - 1)
    for block in _blocks(offsets, codes):
        mean[block.pairs] = block.weights.mean(values[block.outcomes])
    return mean


class _Block(NamedTuple):
    """Consecutive pairs, their outcomes, and the weights of these in the pairs' means."""

    pairs: slice
    outcomes: slice
    weights: object


def _blocks(offsets, paraphrase):
    """Cut pairs into blocks of about as many outcomes each."""
    counts = np.diff(offsets)
    equal_counts = paraphrase is None and len(counts) and counts.min() == counts.max() > 0
    cuts = np.searchsorted(offsets, np.arange(_BLOCK, offsets[-1], _BLOCK))
    cuts = np.unique(np.concatenate([[0], cuts, [len(counts)]])).tolist()
    blocks = [slice(*cut) for cut in zip(cuts[:-1], cuts[1:], strict=True)]
    longest = max((int(offsets[b.stop] - offsets[b.start]) for b in blocks), default=0)
    index, ones = np.arange(longest, dtype=np.int32), np.ones(longest)
    for pairs in blocks:
        outcomes = slice(int(offsets[pairs.start]), int(offsets[pairs.stop]))
        if equal_counts:
            yield _Block(pairs, outcomes, _EqualWeights(counts[0]))
            continue
        edges = (offsets[pairs.start : pairs.stop + 1] - outcomes.start).astype(np.int32)
        n = edges[-1]
        if paraphrase is None:
            weights = _SparseWeights(
                csr_array((ones[:n], index[:n], edges), shape=(len(edges) - 1, n)),
                counts[pairs],
                counts[pairs],
            )
        else:
            weights = _balanced_weights(edges, paraphrase[outcomes], index, ones)
        yield _Block(pairs, outcomes, weights)


class _EqualWeights:
    """Weights of pairs that all have n outcomes of the same weight: the rows of a table."""

    def __init__(self, n):
        self.share = np.full(n, 1 / n)
        self.sum_squares = 1 / n

    def mean(self, values):
        """Mean of the values of each pair."""
        return values.reshape(-1, len(self.share)) @ self.share

    def mean_square(self, values, centre):
        """Mean squared deviation of the values of each pair from its centre."""
        deviation = values.reshape(-1, len(self.share)) - centre[:, None]
        return np.einsum("ij,ij->i", deviation, deviation) / len(self.share)


class _SparseWeights:
    """Weights of pairs of any number of outcomes: a sparse matrix with one row per pair.

    Its product with a vector is the fastest loop over many short runs that numpy and scipy
    offer: ``np.add.reduceat`` makes one call per run.

    Parameters
    ----------
    matrix : csr_array of shape (n_pairs, n_outcomes)
        Unnormalised weights.
    total : ndarray of shape (n_pairs,)
        Sum of the weights of each pair.
    total_squares : ndarray of shape (n_pairs,)
        Sum of the squared weights of each pair.
    """

    def __init__(self, matrix, total, total_squares):
        self.matrix, self.total = matrix, total
        with np.errstate(invalid="ignore", divide="ignore"):
            self.sum_squares = total_squares / total**2
        self.sum_squares[total == 0] = np.inf

    def mean(self, values):
        """Weighted mean of the values of each pair."""
        with np.errstate(invalid="ignore"):
            return self.matrix @ values / self.total

    def mean_square(self, values, centre):
        """Weighted mean squared deviation of the values of each pair from its centre."""
        deviation = np.repeat(centre, np.diff(self.matrix.indptr))
        np.subtract(values, deviation, out=deviation)
        deviation *= deviation
        return self.mean(deviation)


def _balanced_weights(edges, paraphrase, index, ones):
    """Weigh outcomes so that every cell (a paraphrase of a pair) weighs 1."""
    starts = np.empty(len(paraphrase) + 1, dtype=bool)
    np.not_equal(paraphrase[1:], paraphrase[:-1], out=starts[1:-1])
    starts[edges] = True
    # Adding up small integers, then widening them, is faster than adding up wide ones.
    cell = np.cumsum(starts, dtype=np.int32).astype(np.intp)
    cell -= 1
    shares = 1 / np.diff(np.flatnonzero(starts))
    cell_edges = cell[edges].astype(np.int32)
    n_cells = np.diff(cell_edges)
    n = len(shares)
    squares = csr_array((ones[:n], index[:n], cell_edges), shape=(len(n_cells), n)) @ shares
    weights = shares.take(cell[:-1], mode="clip")
    matrix = csr_array((weights, index[: edges[-1]], edges), shape=(len(n_cells), edges[-1]))
    return _SparseWeights(matrix, n_cells, squares)
