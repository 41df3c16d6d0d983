"""Variance components of scores by the method of moments, with jackknife replicates.

A score of one model is ``mean + query + paraphrase (within query) + sample``, with three
independent effects. Query means are weighted equally and not by their counts (the
unweighted-means analysis), so that a single query with many outcomes cannot dominate the
estimate. Every expectation below is exact for any counts.

References
----------
Searle, Casella & McCulloch, "Variance Components" (1992), chapter 3 and section 5.3.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

__all__ = [
    "VarianceComponents",
    "difference_variance_components",
    "model_variance_components",
]


@dataclass(frozen=True)
class VarianceComponents:
    """Variance components, not truncated at zero, and their delete-one-query replicates.

    Each array has shape (1 + n_queries,): the estimate, then the estimate without each query.
    A component that is not identifiable from the coarser one before it is 0, and the coarser
    one is the sum of both.

    Parameters
    ----------
    query_variance, query_noise : ndarray
        Variance of the query means, and the part of it that the other components explain. The
        query component is their difference.
    paraphrase_mean_square, paraphrase_noise : ndarray
        Mean square of cells within queries, and the part of it that the sample component
        explains. The paraphrase component is their difference.
    sample : ndarray
        The sample component.
    label_noise : ndarray
        Variance of the noise in the labels of the present design, averaged over queries.
    queries_identifiable : bool
        Whether the query component can be separated from the paraphrase component.
    samples_identifiable : bool
        Whether the sample component can be separated from the paraphrase component.
    n_queries : int
        Number of queries used.
    """

    query_variance: np.ndarray
    query_noise: np.ndarray
    paraphrase_mean_square: np.ndarray
    paraphrase_noise: np.ndarray
    sample: np.ndarray
    label_noise: np.ndarray
    queries_identifiable: bool
    samples_identifiable: bool
    n_queries: int

    @property
    def noise_identifiable(self):
        """Whether noise can be separated from signal.

        It cannot where fewer than two queries have a second outcome; with a single query,
        nothing is estimated.
        """
        return self.n_queries <= 1 or self.queries_identifiable or self.samples_identifiable

    @property
    def query(self):
        """The query component and its replicates."""
        return self.query_variance - self.query_noise

    @property
    def paraphrase(self):
        """The paraphrase component and its replicates."""
        return self.paraphrase_mean_square - self.paraphrase_noise


class _SampleSquares(NamedTuple):
    """What one sample component is estimated from, and how much of it is in a cell's mean.

    Parameters
    ----------
    within : ndarray of shape (n_queries,)
        Sums of squares within cells, by query.
    freedom : ndarray of int of shape (n_queries,)
        Their degrees of freedom.
    share_in_mean : ndarray of shape (n_cells,)
        Share of the component in the variance of each cell's mean.
    """

    within: np.ndarray
    freedom: np.ndarray
    share_in_mean: np.ndarray


def model_variance_components(cells, n_queries, n_models):
    """Estimate the variance components of each model's scores.

    Parameters
    ----------
    cells : Cells
        Cells of the outcomes.
    n_queries, n_models : int
        Numbers of queries and of models.

    Returns
    -------
    list of VarianceComponents
        One per model.
    """
    components = []
    for model in range(n_models):
        own = cells.take(cells.model == model)
        samples = _SampleSquares(*_squares_by_query(own, n_queries), 1 / own.count)
        components.append(_estimate(own.query, own.mean, [samples], n_queries))
    return components


def difference_variance_components(cells, n_queries, n_models):
    """Estimate the variance components of the difference of each two models' scores.

    Parameters
    ----------
    cells : Cells
        Cells of the outcomes.
    n_queries, n_models : int
        Numbers of queries and of models.

    Returns
    -------
    dict of (int, int) to VarianceComponents
        By the positions of the two models. Effects that a query or a wording has on both models
        alike cancel; paraphrases with outcomes of only one of the two models are left out.
    """
    by_model = [cells.take(cells.model == model) for model in range(n_models)]
    width = int(cells.paraphrase.max(initial=0)) + 1
    wordings = [own.query * width + own.paraphrase for own in by_model]
    squares = [_squares_by_query(own, n_queries) for own in by_model]
    components = {}
    for first, second in combinations(range(n_models), 2):
        _, rows_first, rows_second = np.intersect1d(
            wordings[first], wordings[second], assume_unique=True, return_indices=True
        )
        minuend, subtrahend = by_model[first].take(rows_first), by_model[second].take(rows_second)
        samples = [
            _SampleSquares(*squares[first], 1 / minuend.count),
            _SampleSquares(*squares[second], 1 / subtrahend.count),
        ]
        components[first, second] = _estimate(
            minuend.query, minuend.mean - subtrahend.mean, samples, n_queries
        )
    return components


def _squares_by_query(cells, n_queries):
    """Sums of squares within cells and their degrees of freedom, by query."""
    within = np.bincount(cells.query, cells.within, n_queries)
    return within, np.bincount(cells.query, cells.count - 1, n_queries)


def _estimate(query, mean, samples, n_queries):
    """Solve the expectations of the mean squares for the components.

    Parameters
    ----------
    query : ndarray of int of shape (n_cells,)
        Query of each cell.
    mean : ndarray of shape (n_cells,)
        Mean of each cell, or difference of the means of two models.
    samples : list of _SampleSquares
        One for each model involved.
    n_queries : int
        Number of queries.

    Returns
    -------
    VarianceComponents
        The estimates.
    """
    n_cells = np.bincount(query, minlength=n_queries)
    observed = n_cells > 0
    divisor = np.maximum(n_cells, 1)
    centre = np.bincount(query, mean, n_queries) / divisor
    between = np.bincount(query, (mean - centre[query]) ** 2, n_queries)
    # Mean share of each sample component in the means of a query's cells.
    shares = [np.bincount(query, part.share_in_mean, n_queries) / divisor for part in samples]

    sample_components, identifiable = [], []
    for part in samples:
        identifiable.append((part.freedom > 0).sum() > 1)
        sample_components.append(
            _ratio(_leave_one_out_sums(part.within), _leave_one_out_sums(part.freedom))
            if identifiable[-1]
            else np.zeros(1)
        )
    freedom = _leave_one_out_sums((n_cells - 1) * observed)
    noise = sum(
        component * _leave_one_out_sums((n_cells - 1) * observed * share)
        for component, share in zip(sample_components, shares, strict=True)
    )
    queries_identifiable = bool((n_cells > 1).sum() > 1)
    if queries_identifiable:
        paraphrase_mean_square = _ratio(_leave_one_out_sums(between), freedom)
        paraphrase_noise = _ratio(noise, freedom)
    else:
        paraphrase_mean_square = paraphrase_noise = np.zeros(1)

    # What the finer components add to the variance of a query's mean.
    n = _leave_one_out_sums(observed)
    mean_inverse = _ratio(_leave_one_out_sums(observed / divisor), n)
    sample_noise = sum(
        component * _ratio(_leave_one_out_sums(share * observed / divisor), n)
        for component, share in zip(sample_components, shares, strict=True)
    )
    paraphrase = paraphrase_mean_square - paraphrase_noise
    rows = (
        _leave_one_out_variances(centre, observed, n),
        paraphrase * mean_inverse + sample_noise,
        paraphrase_mean_square,
        paraphrase_noise,
        sum(sample_components),
        np.maximum(paraphrase, 0) * mean_inverse + sample_noise,
    )
    rows = [np.broadcast_to(row, n.shape) for row in rows]
    return VarianceComponents(*rows, queries_identifiable, all(identifiable), int(observed.sum()))


def _leave_one_out_sums(values):
    """Sum of all values, followed by the sum without each of them."""
    total = values.sum()
    return np.append(total, total - values)


def _leave_one_out_variances(values, observed, n):
    """Variance of the observed values, followed by the variance without each of them."""
    centre = values[observed].mean() if observed.any() else 0.0
    deviations = np.where(observed, values - centre, 0.0)
    total, squares = _leave_one_out_sums(deviations), _leave_one_out_sums(deviations**2)
    return _ratio(squares - _ratio(total**2, n), n - 1)


def _ratio(numerator, denominator):
    """Quotient, NaN where the denominator is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
