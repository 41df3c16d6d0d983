"""Posterior labels: expected scores from a prior mean and the outcomes of a query.

The expected scores of the models on a query are the prior mean (an out-of-fold prediction from
the query's features) plus a residual, the *signal*, whose covariance across models is estimated.
Outcomes observe it with noise: effects of wordings, which models share, and of samples, which are
independent. All deviations are divided by ``sqrt(prior * (1 - prior))`` on the unit scale, because
both signal and noise are smaller where the prior mean is near a bound of the scores.
"""

from typing import NamedTuple

import numpy as np

from dars_sklearn.labels._normal_model import (
    nearest_positive_semidefinite,
    noise_covariances,
    posterior_gains,
)
from dars_sklearn.labels._shrunk_covariance import (
    estimate_covariance,
    fill_with_mean,
    shrink_covariance,
)
from dars_sklearn.outcomes._cells import make_cells, summarise_cells, tabulate_cells

__all__ = ["PosteriorLabels", "PosteriorModel", "fit_posterior_model", "posterior_labels"]

# Numbers in the largest temporary array, so that memory does not grow with the queries.
_BLOCK = 1 << 22
# Prior means nearer to a bound of the scores count as this near, on the unit scale.
_MARGIN = 0.05
# Share of the variance that the other models do not explain that counts as noise, where there is
# one outcome per pair.
_NOISE_SHARE = 0.5


class PosteriorModel(NamedTuple):
    """What is learnt about residuals, in units of ``sqrt(prior * (1 - prior))``.

    Parameters
    ----------
    signal, wording : ndarray of shape (n_models, n_models)
        Covariance across models of the expected scores around their prior means, and of the
        effects of wordings; both are positive semidefinite.
    sample : ndarray of shape (n_models,)
        Variance of the samples of one wording. Where a pair has one sample per wording, it is
        part of the diagonal of ``wording``.
    noise_identifiable : ndarray of bool of shape (n_models,)
        Whether the noise of a model was estimated from repeated outcomes, and not assumed.
    """

    signal: np.ndarray
    wording: np.ndarray
    sample: np.ndarray
    noise_identifiable: np.ndarray


class PosteriorLabels(NamedTuple):
    """Posterior of the expected scores.

    Parameters
    ----------
    mean : ndarray of shape (n_queries, n_models)
        Posterior mean, within the range of scores.
    standard_error : ndarray of shape (n_queries, n_models)
        Posterior standard deviation.
    """

    mean: np.ndarray
    standard_error: np.ndarray


def fit_posterior_model(outcomes, prior):
    """Estimate the covariances of signal and noise around prior means.

    Parameters
    ----------
    outcomes : Outcomes
        Raw outcomes; numbers of outcomes may differ, and pairs may have none.
    prior : ndarray of shape (n_queries, n_models)
        Prior means in the unit of the scores. They must not depend on the outcomes of the same
        query: out-of-fold predictions.

    Returns
    -------
    PosteriorModel
        The covariances.

    See Also
    --------
    posterior_labels : Labels from prior means, outcomes and these covariances.

    Notes
    -----
    Noise is estimated from second wordings and samples; a model without any takes the mean of the
    others, and a second outcome of a few queries is enough. With one outcome per pair throughout,
    noise and signal of a single model are not identifiable. Covariances between models are then
    still all signal, since noise is independent; of the variance that the other models do not
    explain, half is assumed to be noise. With this half, the expected squared error of the part
    that is not explained is a quarter of its variance, and the standard error is right, whatever
    its true division; every other assumption has a larger error in the worst case. Plain means
    are better than that where noise is less than a quarter of that variance: where answers hardly
    vary.

    With one wording per query, the labels are about that wording.

    References
    ----------
    Ledoit & Wolf, "Honey, I shrunk the sample covariance matrix", Journal of Portfolio Management
    30 (2004) 110-119, for shrinkage towards a common correlation.
    Guttman, "Image theory for the structure of quantitative variates", Psychometrika 18 (1953)
    277-296, for the variance that other variables do not explain.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels._posterior_labels import fit_posterior_model
    >>> outcomes = make_routing_outcomes(100, 3, 2, 2, random_state=0).outcomes
    >>> fit_posterior_model(outcomes, np.full((100, 3), 0.5)).noise_identifiable
    array([ True,  True,  True])
    """
    cells = _residual_cells(outcomes, prior)
    pair_cells = summarise_cells(cells, *prior.shape)
    total = _total_covariance(pair_cells.mean)
    sample, wording = _noise_components(cells, pair_cells)
    has_wording = ~np.isnan(np.diag(wording.estimate))
    identifiable = ~np.isnan(sample) | has_wording
    if not identifiable.any():
        return _model_of_single_outcomes(total)
    # Where wordings have one sample each, the variance of samples is part of that of wordings.
    sample = np.where(np.isnan(sample) & has_wording, 0, fill_with_mean(sample))
    wording_covariance = shrink_covariance(wording)
    shares = _mean_shares(cells, pair_cells)
    noise = wording_covariance * shares.wording + np.diag(sample * shares.sample)
    signal = shrink_covariance(total._replace(estimate=total.estimate - noise))
    return PosteriorModel(signal, wording_covariance, sample, identifiable)


def posterior_labels(outcomes, prior, model):
    """Posterior of the expected scores of queries, given prior means and their own outcomes.

    Parameters
    ----------
    outcomes : Outcomes
        Raw outcomes of the models seen in the fit, in the same order. A pair without outcomes
        gets its prior mean, moved by what the outcomes of the other models say.
    prior : ndarray of shape (n_queries, n_models)
        Prior means in the unit of the scores.
    model : PosteriorModel
        What :func:`fit_posterior_model` returned.

    Returns
    -------
    PosteriorLabels
        Means and standard errors in the unit of the scores.

    See Also
    --------
    fit_posterior_model : Estimate the covariances.

    References
    ----------
    Efron & Morris, "Empirical Bayes on vector observations: an extension of Stein's method",
    Biometrika 59 (1972) 335-347.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels._posterior_labels import fit_posterior_model, posterior_labels
    >>> outcomes = make_routing_outcomes(100, 3, 2, 2, random_state=0).outcomes
    >>> prior = np.full((100, 3), 0.5)
    >>> labels = posterior_labels(outcomes, prior, fit_posterior_model(outcomes, prior))
    >>> labels.mean.shape, labels.standard_error.shape
    ((100, 3), (100, 3))
    """
    cells = _residual_cells(outcomes, prior)
    deviation, spread = np.empty((2, *prior.shape))
    for block in _blocks(cells, prior.shape):
        deviation[block.rows], spread[block.rows] = _posterior_residuals(block, model)
    scale = _scale(prior, outcomes.score_range)
    low, high = outcomes.score_range or (-np.inf, np.inf)
    return PosteriorLabels(np.clip(prior + scale * deviation, low, high), scale * spread)


# ---- residuals on one scale ----------------------------------------------------------------


def _scale(prior, score_range):
    """Standard deviation of a binary score by prior mean; 1 where scores have no range."""
    if score_range is None:
        return np.ones_like(prior)
    low, high = score_range
    unit = np.clip((prior - low) / (high - low), _MARGIN, 1 - _MARGIN)
    return (high - low) * np.sqrt(unit * (1 - unit))


def _residual_cells(outcomes, prior):
    """Cells of the scaled deviations of the scores from their prior means."""
    cells = make_cells(outcomes)
    scale = _scale(prior, outcomes.score_range)[cells.query, cells.model]
    residual = (cells.mean - prior[cells.query, cells.model]) / scale
    return cells._replace(mean=residual, within=cells.within / scale**2)


class _Block(NamedTuple):
    """Consecutive queries and their cells."""

    rows: slice
    cells: object
    n_models: int

    def table(self, values):
        """Values of the cells by query, wording and model, NaN where there is no outcome.

        Parameters
        ----------
        values : ndarray of shape (n_cells,)
            Values.

        Returns
        -------
        ndarray of shape (n_queries, n_wordings, n_models)
            The values, of the wordings that any model answered.
        """
        table = tabulate_cells(self.cells._replace(mean=values), self.n_models)
        n_queries = self.rows.stop - self.rows.start
        n_wordings = np.bincount(table.query, minlength=n_queries)
        position = np.arange(len(table.query)) - (np.cumsum(n_wordings) - n_wordings)[table.query]
        values_by_query = np.full((n_queries, n_wordings.max(initial=1), self.n_models), np.nan)
        values_by_query[table.query, position] = table.means
        return values_by_query


def _blocks(cells, shape):
    """Cut the queries into blocks whose arrays by query and two models have a bounded size."""
    n_queries, n_models = shape
    most_cells = np.bincount(cells.query, minlength=n_queries).max(initial=1)
    size = max(_BLOCK // (n_models * max(n_models, most_cells)), 1)
    for first in range(0, n_queries, size):
        rows = slice(first, min(first + size, n_queries))
        own = slice(*np.searchsorted(cells.query, [rows.start, rows.stop]))
        yield _Block(rows, cells.take(own)._replace(query=cells.query[own] - first), n_models)


# ---- estimation ----------------------------------------------------------------------------


class _Shares(NamedTuple):
    """Shares of wording and sample components in the mean scores, averaged over queries."""

    wording: np.ndarray
    sample: np.ndarray


def _total_covariance(residual):
    """Mean product of the mean residuals of two models over the queries that both answered."""
    observed = (~np.isnan(residual)).astype(float)
    residual = np.nan_to_num(residual)
    return estimate_covariance(residual.T @ residual, observed.T @ observed)


def _noise_components(cells, pair_cells):
    """Estimate the sample component of each model and the wording component of each two.

    Returns
    -------
    sample : ndarray of shape (n_models,)
        Variances of samples, NaN where fewer than two queries have a second sample of a wording.
    wording : CovarianceEstimate
        NaN where two models have no two common wordings of a query. Where samples are not
        identifiable, their variance is part of the diagonal.
    """
    repeated = (pair_cells.within_freedom > 0).sum(axis=0) > 1
    freedom = np.where(repeated, pair_cells.within_freedom.sum(axis=0), 1)
    sample = np.where(repeated, pair_cells.within.sum(axis=0) / freedom, np.nan)
    n_models = len(sample)
    products, freedom = np.zeros((2, n_models, n_models))
    if (pair_cells.n_cells > 1).any():
        for block in _blocks(cells, pair_cells.mean.shape):
            values = block.table(block.cells.mean)
            observed = (~np.isnan(values)).astype(float)
            deviation = np.nan_to_num(values - pair_cells.mean[block.rows, None, :])
            flat = deviation.reshape(-1, n_models)
            products += flat.T @ flat
            freedom += _wording_freedom(observed)
    spread = (pair_cells.n_cells - 1) * pair_cells.mean_inverse_count
    spread = np.where(pair_cells.n_cells > 1, spread, 0).sum(axis=0)
    products -= np.diag(np.nan_to_num(sample) * spread)
    return sample, estimate_covariance(products, np.where(freedom > 1e-9, freedom, 0))


def _wording_freedom(observed):
    """Expected sum of products of deviations from means over wordings, per unit of covariance."""
    n_common = observed.transpose(0, 2, 1) @ observed
    share = 1 / np.maximum(observed.sum(axis=1), 1)
    first, second = share[:, :, None], share[:, None, :]
    return (n_common * (1 - first - second + n_common * first * second)).sum(axis=0)


def _mean_shares(cells, pair_cells):
    """Average the shares of the noise components over the queries that two models answered."""
    n_models = pair_cells.mean.shape[1]
    wording, n_queries = np.zeros((2, n_models, n_models))
    for block in _blocks(cells, pair_cells.mean.shape):
        observed = (~np.isnan(block.table(block.cells.mean))).astype(float)
        share = 1 / np.maximum(observed.sum(axis=1), 1)
        n_common = observed.transpose(0, 2, 1) @ observed
        wording += (n_common * share[:, :, None] * share[:, None, :]).sum(axis=0)
        answered = observed.any(axis=1).astype(float)
        n_queries += answered.T @ answered
    sample = (pair_cells.mean_inverse_count / np.maximum(pair_cells.n_cells, 1)).sum(axis=0)
    return _Shares(wording / np.maximum(n_queries, 1), sample / np.maximum(np.diag(n_queries), 1))


def _model_of_single_outcomes(total):
    """Assume how the variance that the other models do not explain divides into signal and noise.

    Noise is independent across models, so that covariances are all signal.
    """
    total = shrink_covariance(total)
    n_models = len(total)
    ridge = 1e-9 * np.trace(total) / n_models + 1e-30
    unexplained = 1 / np.diag(np.linalg.inv(total + ridge * np.eye(n_models)))
    sample = _NOISE_SHARE * unexplained
    return PosteriorModel(
        nearest_positive_semidefinite(total - np.diag(sample)),
        np.zeros((n_models, n_models)),
        sample,
        np.zeros(n_models, dtype=bool),
    )


# ---- the posterior -------------------------------------------------------------------------


def _posterior_residuals(block, model):
    """Posterior means and standard deviations of the scaled residuals of a block of queries."""
    cells, shape = block.cells, (block.rows.stop - block.rows.start, block.n_models)
    # Queries with the same numbers of outcomes of the same wordings share a matrix.
    counts = np.nan_to_num(block.table(cells.count)).reshape(shape[0], -1)
    _, example, design = np.unique(counts, axis=0, return_index=True, return_inverse=True)
    design = design.ravel()
    own = cells.take(np.isin(cells.query, example))
    own = own._replace(query=design[own.query])
    pair_cells = summarise_cells(own, len(example), block.n_models)
    noise = noise_covariances(own, pair_cells, model)
    gains = posterior_gains(np.isnan(pair_cells.mean), model.signal, noise)
    variance = np.diag(model.signal) - np.einsum("dij,ji->di", gains, model.signal)
    residual = np.nan_to_num(summarise_cells(cells, *shape).mean)
    if len(example) == 1:
        mean = residual @ gains[0].T
    else:
        mean = (gains[design] @ residual[:, :, None])[:, :, 0]
    return mean, np.sqrt(np.maximum(variance, 0))[design]
