"""Mean and spread of every (query, model) pair, in a few passes over sorted outcomes."""

import numpy as np
from scipy.sparse import csr_array

# Outcomes handled at once: what a pass wrote is still in the processor's cache
# for the next, and the overhead of a block is small beside its passes.
_BLOCK = 1 << 18


def summarise(score, cost, offsets, paraphrase=None):
    """Summarise outcomes that are sorted by pair, then by paraphrase.

    Parameters
    ----------
    score : ndarray of shape (n_outcomes,)
        Scores.
    cost : ndarray of shape (n_outcomes,) or None
        Costs, NaN where unknown.
    offsets : ndarray of int of shape (n_pairs + 1,)
        Where the outcomes of each pair begin, and the last ones end.
    paraphrase : ndarray of int of shape (n_outcomes,) or None, default=None
        Codes that make every paraphrase of a pair count the same; None makes
        every outcome count the same.

    Returns
    -------
    tuple of four ndarray of shape (n_pairs,)
        Weighted mean score; weighted mean cost; standard deviation of the
        score (0 for a single outcome); sum of squared weights. NaN, and inf
        for the last, where a pair has nothing to take them from.
    """
    n_pairs = len(offsets) - 1
    quality, mean_cost, spread, weight_squared = np.empty((4, n_pairs))
    mean_cost[:] = np.nan
    for pairs, outcomes, runs in _runs(offsets, paraphrase):
        values = score[outcomes]
        quality[pairs] = centre = runs.mean(values)
        spread[pairs] = runs.mean_square(values, centre)
        weight_squared[pairs] = runs.weight_squared
        if cost is not None:
            mean_cost[pairs] = runs.mean(cost[outcomes])
    # Finding out from the means saves a pass over costs that are all known.
    if cost is not None and np.isnan(mean_cost[offsets[1:] > offsets[:-1]]).any():
        mean_cost = _mean_of_known(cost, offsets, paraphrase)
    # One outcome has no spread, and there 1 - 1 must not divide.
    divisor = 1 - weight_squared
    divisor[weight_squared == 1] = 1
    spread /= divisor
    return quality, mean_cost, np.sqrt(spread, out=spread), weight_squared


def column_means(table, fallback=np.nan):
    """Mean of what is known in each column, without a warning where nothing is.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Values, NaN where unknown.
    fallback : float, default=nan
        Mean of a column of which nothing is known.

    Returns
    -------
    ndarray of shape (n_columns,)
        The means.
    """
    held = ~np.isnan(table)
    n_held = held.sum(axis=0)
    sums = np.where(held, table, 0).sum(axis=0)
    return np.where(n_held > 0, sums / np.maximum(n_held, 1), fallback)


def _mean_of_known(values, offsets, paraphrase):
    known = ~np.isnan(values)
    offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
    values, codes = values[known], None if paraphrase is None else paraphrase[known]
    mean = np.empty(len(offsets) - 1)
    for pairs, outcomes, runs in _runs(offsets, codes):
        mean[pairs] = runs.mean(values[outcomes])
    return mean


def _runs(offsets, paraphrase):
    """Cut pairs into blocks, and yield which pairs, which outcomes, and their runs."""
    counts = np.diff(offsets)
    even = paraphrase is None and len(counts) and counts.min() == counts.max() > 0
    cuts = np.searchsorted(offsets, np.arange(_BLOCK, offsets[-1], _BLOCK))
    cuts = np.unique(np.concatenate([[0], cuts, [len(counts)]])).tolist()
    blocks = [slice(*cut) for cut in zip(cuts[:-1], cuts[1:], strict=True)]
    longest = max((int(offsets[b.stop] - offsets[b.start]) for b in blocks), default=0)
    index, ones = np.arange(longest, dtype=np.int32), np.ones(longest)
    for pairs in blocks:
        outcomes = slice(int(offsets[pairs.start]), int(offsets[pairs.stop]))
        if even:
            yield pairs, outcomes, _EvenRuns(counts[0])
            continue
        edges = (offsets[pairs.start : pairs.stop + 1] - outcomes.start).astype(np.int32)
        n = edges[-1]
        if paraphrase is None:
            weights, divisor, squares = ones[:n], counts[pairs], counts[pairs]
        else:
            weights, divisor, squares = _cell_shares(edges, paraphrase[outcomes], index, ones)
        matrix = csr_array((weights, index[:n], edges), shape=(len(divisor), n))
        yield pairs, outcomes, _Runs(matrix, divisor, squares)


class _EvenRuns:
    """Pairs that all have n outcomes of the same weight: rows of a table."""

    def __init__(self, n):
        self.share = np.full(n, 1 / n)
        self.weight_squared = 1 / n

    def mean(self, values):
        return values.reshape(-1, len(self.share)) @ self.share

    def mean_square(self, values, centre):
        deviation = values.reshape(-1, len(self.share)) - centre[:, None]
        return np.einsum("ij,ij->i", deviation, deviation) / len(self.share)


class _Runs:
    """Pairs of any number of outcomes: a sparse matrix of weights, a row a pair.

    Of all that numpy and scipy have, its product with a vector is the fastest
    loop over many short runs: ``np.add.reduceat`` makes a call a run.
    """

    def __init__(self, matrix, divisor, squares):
        self.matrix, self.divisor = matrix, divisor
        with np.errstate(invalid="ignore", divide="ignore"):
            self.weight_squared = squares / divisor**2
        self.weight_squared[divisor == 0] = np.inf

    def mean(self, values):
        with np.errstate(invalid="ignore"):
            return self.matrix @ values / self.divisor

    def mean_square(self, values, centre):
        deviation = np.repeat(centre, np.diff(self.matrix.indptr))
        np.subtract(values, deviation, out=deviation)
        deviation *= deviation
        return self.mean(deviation)


def _cell_shares(edges, paraphrase, index, ones):
    """Weigh outcomes so that each cell, a paraphrase of a pair, weighs 1.

    Returns the weight of each outcome; the sum of weights and that of squared
    weights of each pair.
    """
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
    return shares.take(cell[:-1], mode="clip"), n_cells, squares
