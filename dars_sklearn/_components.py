"""Variance parts of scores by the method of moments, and their jackknife replicates.

Of one model, a score is ``mean + query + paraphrase (within query) + sample``,
three independent effects. Query means are weighed alike and not by their counts
(the unweighted-means analysis), so that one query with many outcomes cannot
carry the estimate; every expectation below is exact for any counts.

References
----------
Searle, Casella & McCulloch, "Variance Components" (1992), chapter 3 and
section 5.3.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

__all__ = [
    "Cells",
    "Pairs",
    "Parts",
    "difference_parts",
    "make_cells",
    "make_pairs",
    "model_parts",
    "tabulate_cells",
]


class Cells(NamedTuple):
    """One row a cell, a paraphrase of a (query, model) pair that has outcomes."""

    query: np.ndarray
    model: np.ndarray
    paraphrase: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    within: np.ndarray  # sum of squared deviations from the cell's mean

    def take(self, rows):
        """The cells of these rows."""
        return Cells(*(column[rows] for column in self))


@dataclass(frozen=True)
class Parts:
    """Variance parts, not truncated at zero, and the same without each query in turn.

    Each is an array of shape (1 + n_queries,): the estimate, then the one
    without each query. Where a part cannot be told from the coarser one before
    it, it is 0 and that one holds both.

    Parameters
    ----------
    spread, spread_noise : ndarray
        Variance of query means, and what of it the other parts explain: the
        query part is their difference.
    wording, wording_noise : ndarray
        Mean square of cells within queries, and what of it the sample part
        explains: the paraphrase part is their difference.
    sample : ndarray
        The sample part.
    label_noise : ndarray
        Variance of the noise in a label of the design at hand, in the mean
        over queries.
    queries_separable, samples_separable : bool
        Whether paraphrases can be told from queries, and samples from
        paraphrases.
    n_queries : int
        Queries that the estimate is from.
    """

    spread: np.ndarray
    spread_noise: np.ndarray
    wording: np.ndarray
    wording_noise: np.ndarray
    sample: np.ndarray
    label_noise: np.ndarray
    queries_separable: bool
    samples_separable: bool
    n_queries: int

    @property
    def single_outcomes(self):
        """Whether fewer than two queries have a second outcome, so that noise cannot be told."""
        return self.n_queries > 1 and not (self.queries_separable or self.samples_separable)

    @property
    def query(self):
        """The query part."""
        return self.spread - self.spread_noise

    @property
    def paraphrase(self):
        """The paraphrase part."""
        return self.wording - self.wording_noise


def make_cells(outcomes, score=None, paraphrase=None):
    """Cut outcomes into cells.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    score : ndarray of shape (n_outcomes,) or None, default=None
        What takes the place of the scores.
    paraphrase : ndarray of int of shape (n_outcomes,) or None, default=None
        What takes the place of the paraphrases, rising within each pair.

    Returns
    -------
    Cells
        In the order of the outcomes.
    """
    score = outcomes.score if score is None else score
    paraphrase = outcomes.paraphrase if paraphrase is None else paraphrase
    pair = outcomes.pair_of_outcome()
    starts = np.ones(len(score), dtype=bool)
    starts[1:] = (pair[1:] != pair[:-1]) | (paraphrase[1:] != paraphrase[:-1])
    first = np.flatnonzero(starts)
    count = np.diff(np.append(first, len(score)))
    cell = np.cumsum(starts) - 1
    mean = np.bincount(cell, score, len(first)) / np.maximum(count, 1)
    within = np.bincount(cell, (score - mean[cell]) ** 2, len(first))
    query, model = np.divmod(pair[first], max(outcomes.n_models, 1))
    return Cells(query, model, paraphrase[first], count, mean, within)


def tabulate_cells(cells, n_models):
    """Put the cells of one paraphrase beside each other.

    Parameters
    ----------
    cells : Cells
        Cells.
    n_models : int
        Columns.

    Returns
    -------
    tuple of (ndarray of shape (n_rows,), ndarray of shape (n_rows, n_models))
        A row a paraphrase of a query that any model has: its query, and the
        means of the models' cells, NaN where a model has none.
    """
    width = int(cells.paraphrase.max(initial=0)) + 1
    keys, key = np.unique(cells.query * width + cells.paraphrase, return_inverse=True)
    means = np.full((len(keys), n_models), np.nan)
    means[key, cells.model] = cells.mean
    return keys // width, means


class Pairs(NamedTuple):
    """What the cells of each pair say; arrays of shape (n_queries, n_models)."""

    n_cells: np.ndarray
    mean: np.ndarray  # of cell means, NaN where there are none
    between: np.ndarray  # sum of squared deviations of cell means from their mean
    within: np.ndarray  # sum of squared deviations within cells
    freedom: np.ndarray  # degrees of freedom of the latter
    inverse: np.ndarray  # mean over cells of 1 / count
    squares: np.ndarray  # sum over cells of (count / outcomes of the pair)^2


def make_pairs(cells, n_queries, n_models):
    """Sum cells up by pair.

    Parameters
    ----------
    cells : Cells
        Cells.
    n_queries, n_models : int
        Numbers of each.

    Returns
    -------
    Pairs
        Zeros where a pair has no cell, but for the mean.
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
    return Pairs(*(column.reshape(n_queries, n_models) for column in columns))


def model_parts(cells, n_queries, n_models):
    """Estimate the parts of each model's scores.

    Parameters
    ----------
    cells : Cells
        Cells.
    n_queries, n_models : int
        Numbers of each.

    Returns
    -------
    list of Parts
        One a model.
    """
    models = [cells.take(cells.model == model) for model in range(n_models)]
    return [
        _estimate(of.query, of.mean, [1 / of.count], [_spread(of, n_queries)], n_queries)
        for of in models
    ]


def difference_parts(cells, n_queries, n_models):
    """Estimate the parts of the difference of each two models' scores.

    Parameters
    ----------
    cells : Cells
        Cells.
    n_queries, n_models : int
        Numbers of each.

    Returns
    -------
    dict of (int, int) to Parts
        By the numbers of the models. What a query and a wording do to both
        models alike has dropped out; paraphrases that only one of the two has
        are left out.
    """
    models = [cells.take(cells.model == model) for model in range(n_models)]
    width = int(cells.paraphrase.max(initial=0)) + 1
    keys = [of.query * width + of.paraphrase for of in models]
    spreads = [_spread(of, n_queries) for of in models]
    parts = {}
    for pair in combinations(range(n_models), 2):
        first, second = pair
        _, *places = np.intersect1d(
            keys[first], keys[second], assume_unique=True, return_indices=True
        )
        one, other = (models[m].take(at) for m, at in zip(pair, places, strict=True))
        parts[pair] = _estimate(
            one.query,
            one.mean - other.mean,
            [1 / one.count, 1 / other.count],
            [spreads[first], spreads[second]],
            n_queries,
        )
    return parts


def _spread(cells, n_queries):
    """Sums of squares within cells and their degrees of freedom, by query."""
    within = np.bincount(cells.query, cells.within, n_queries)
    return within, np.bincount(cells.query, cells.count - 1, n_queries)


def _estimate(query, mean, shares, spreads, n_queries):
    """Solve the expectations of mean squares for the parts, in all and without each query.

    ``shares`` hold, for each sample part, how much of it is in a cell's mean;
    ``spreads`` what that part is estimated from.
    """
    n_cells = np.bincount(query, minlength=n_queries)
    held = n_cells > 0
    cells_of = np.maximum(n_cells, 1)
    centre = np.bincount(query, mean, n_queries) / cells_of
    between = np.bincount(query, (mean - centre[query]) ** 2, n_queries)
    shares = [np.bincount(query, share, n_queries) / cells_of for share in shares]

    samples, known = [], []
    for within, freedom in spreads:
        known.append((freedom > 0).sum() > 1)
        samples.append(_ratio(_in_turn(within), _in_turn(freedom)) if known[-1] else np.zeros(1))
    freedom = _in_turn((n_cells - 1) * held)
    noise = sum(
        sample * _in_turn((n_cells - 1) * held * share)
        for sample, share in zip(samples, shares, strict=True)
    )
    separable = (n_cells > 1).sum() > 1
    if separable:
        wording, wording_noise = _ratio(_in_turn(between), freedom), _ratio(noise, freedom)
    else:
        wording = wording_noise = np.zeros(1)

    # What the parts below add to the variance of a query's mean.
    n = _in_turn(held)
    inverse = _ratio(_in_turn(held / cells_of), n)
    sample_noise = sum(
        sample * _ratio(_in_turn(share * held / cells_of), n)
        for sample, share in zip(samples, shares, strict=True)
    )
    rows = (
        _variance_in_turn(centre, held, n),
        (wording - wording_noise) * inverse + sample_noise,
        wording,
        wording_noise,
        sum(samples),
        np.maximum(wording - wording_noise, 0) * inverse + sample_noise,
    )
    rows = [np.broadcast_to(row, n.shape) for row in rows]
    return Parts(*rows, bool(separable), all(known), int(held.sum()))


def _in_turn(values):
    """The sum of all, then the sum without each query."""
    total = values.sum()
    return np.append(total, total - values)


def _ratio(numerator, denominator):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _variance_in_turn(values, held, n):
    values = np.where(held, values - values[held].mean() if held.any() else 0.0, 0.0)
    total, square = _in_turn(values), _in_turn(values**2)
    return _ratio(square - _ratio(total**2, n), n - 1)
