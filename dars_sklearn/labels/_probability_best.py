"""Posterior probability that each model is the best one on a query."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels._normal_model import (
    nearest_positive_semidefinite,
    noise_covariances,
    posterior_gains,
)
from dars_sklearn.labels._variance_components import (
    difference_variance_components,
    model_variance_components,
)
from dars_sklearn.outcomes._cells import make_cells, summarise_cells
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utility import outcome_utilities
from dars_sklearn.utils._validation import check_count
from dars_sklearn.utils._warnings import warn_user

__all__ = ["probability_best"]

# Numbers in the largest temporary array, so that memory does not grow with the queries.
_BLOCK = 1 << 22
# Utilities this close are equal, to within rounding.
_TOLERANCE = 1e-12


def probability_best(
    outcomes, *, cost_weight=0.05, cost_range=None, n_draws=1000, random_state=0
):  # fmt: skip
    """Posterior probability that a model has the highest utility on a query.

    The expected utilities of the models on a query are modelled as jointly normal, because
    effects of a query or of a wording on all models alike are shared. Means and covariances are
    estimated from the outcomes (empirical Bayes, from the variance components of each model and
    of each difference). Given its outcomes, a query then has a posterior distribution, from
    which ``n_draws`` vectors of utilities are drawn.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes. A (query, model) pair may have none: its posterior then follows from the
        outcomes of the other models on the query.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes, so that one very
        expensive outcome changes what ``cost_weight`` means; "robust" uses the lowest and the
        highest median cost of a model; (0, 1) leaves costs in the user's unit.
    n_draws : int, default=1000
        Number of draws. The standard error of a probability is at most ``0.5 / sqrt(n_draws)``.
    random_state : int, RandomState instance or None, default=0
        Seed.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Probabilities; each row sums to 1. Models that are certain to tie share equally.

    Raises
    ------
    ValueError
        If there are fewer than three queries.

    Warns
    -----
    SeparabilityWarning
        If there is one outcome per pair: noise cannot be separated from signal, and the model
        with the higher utility in that outcome counts as certainly best. If there is one
        paraphrase per query: the probabilities are about that wording.

    Notes
    -----
    The normal distribution is an assumption. With few outcomes that are right or wrong, the
    probabilities are calibrated on average, and not for every query.

    References
    ----------
    Efron & Morris, "Empirical Bayes on vector observations: an extension of Stein's method",
    Biometrika 59 (1972) 335-347.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> from dars_sklearn.labels import probability_best
    >>> data = make_routing_outcomes(100, 3, random_state=0)
    >>> probability_best(data.outcomes).shape
    (100, 3)
    """
    outcomes = as_outcomes(outcomes)
    if len(outcomes) < 3:
        raise ValueError(f"a posterior needs at least 3 queries, got n_samples={len(outcomes)}")
    check_count(n_draws, "n_draws")
    n_queries, n_models = len(outcomes), outcomes.n_models
    cells = make_cells(outcomes, outcome_utilities(outcomes, cost_weight, cost_range))
    covariances = _estimate_covariances(cells, outcomes)
    draws = check_random_state(random_state).normal(size=(n_draws, n_models))
    prior = _filled(column_means(summarise_cells(cells, n_queries, n_models).mean))
    probabilities = np.empty((n_queries, n_models))
    most_cells = np.bincount(cells.query, minlength=n_queries).max()
    block_size = max(_BLOCK // (n_models * max(n_draws, most_cells * n_models)), 1)
    for first in range(0, n_queries, block_size):
        rows = slice(first, min(first + block_size, n_queries))
        own = slice(*np.searchsorted(cells.query, [rows.start, rows.stop]))
        block = cells.take(own)._replace(query=cells.query[own] - first)
        pair_cells = summarise_cells(block, *probabilities[rows].shape)
        noise = noise_covariances(block, pair_cells, covariances)
        posterior = _posterior(pair_cells.mean, prior, covariances.signal, noise)
        probabilities[rows] = _share_of_draws_best(posterior, draws)
    return probabilities


class _Covariances(NamedTuple):
    """Covariances across models of the three levels of effects.

    Parameters
    ----------
    signal, wording : ndarray of shape (n_models, n_models)
        Covariance of the expected utilities, and of the effects of wordings.
    sample : ndarray of shape (n_models,)
        Sample components, which are independent.
    """

    signal: np.ndarray
    wording: np.ndarray
    sample: np.ndarray


class _Posterior(NamedTuple):
    """Posterior of the expected utilities of each query.

    Parameters
    ----------
    mean : ndarray of shape (n_queries, n_models)
        Means.
    root : ndarray of shape (n_queries, n_models, n_models)
        Matrix square roots of the covariances.
    """

    mean: np.ndarray
    root: np.ndarray


def _estimate_covariances(cells, outcomes):
    """Estimate the covariances from the variances of models and of differences.

    ``2 cov(a, b) = var(a) + var(b) - var(a - b)``.
    """
    shape = len(outcomes), outcomes.n_models
    by_model = model_variance_components(cells, *shape)
    _warn_of_design(by_model, outcomes.models)
    signal = np.diag(_filled([own.query[0] for own in by_model]))
    wording = np.diag(_filled([own.paraphrase[0] for own in by_model]))
    for (i, j), difference in difference_variance_components(cells, *shape).items():
        estimates = ((signal, difference.query[0]), (wording, difference.paraphrase[0]))
        for covariance, variance_of_difference in estimates:
            estimate = (covariance[i, i] + covariance[j, j] - variance_of_difference) / 2
            covariance[i, j] = covariance[j, i] = 0.0 if np.isnan(estimate) else estimate
    return _Covariances(
        nearest_positive_semidefinite(signal),
        nearest_positive_semidefinite(wording),
        _filled([own.sample[0] for own in by_model]),
    )


def _filled(estimates):
    """Estimates of the models; a model that has none gets the mean of the others."""
    estimates = np.array(estimates)
    mean = column_means(estimates[:, None], fallback=0.0)
    return np.where(np.isnan(estimates), mean, estimates)


def _posterior(mean, prior, signal, noise):
    """Posterior of the expected utilities given the mean utilities of each query."""
    unobserved = np.isnan(mean)
    gain = posterior_gains(unobserved, signal, noise)
    residual = np.where(unobserved, 0, mean - prior)
    values, vectors = np.linalg.eigh(signal - gain @ signal)
    root = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return _Posterior(prior + np.einsum("qij,qj->qi", gain, residual), root)


def _share_of_draws_best(posterior, draws):
    """Share of draws in which each model is best; tied models share a draw."""
    utilities = posterior.mean[:, None, :] + draws @ posterior.root.transpose(0, 2, 1)
    best = utilities >= utilities.max(axis=2, keepdims=True) - _TOLERANCE
    return (best / best.sum(axis=2, keepdims=True)).mean(axis=1)


def _warn_of_design(components, models):
    """Warn where the design of the outcomes does not identify what the posterior needs."""
    by_model = list(zip(models, components, strict=True))
    single = [str(model) for model, own in by_model if not own.noise_identifiable]
    if single:
        warn_user(
            f"{', '.join(single)} has one outcome per query, so that noise cannot be separated "
            "from signal: the model with the higher utility counts as certainly better; collect "
            "several outcomes",
            SeparabilityWarning,
        )
    elif not any(own.queries_identifiable for _, own in by_model):
        warn_user(
            "with one paraphrase per query, the effect of its wording counts as an effect of the "
            "query: the probabilities are about that wording, and too certain about others",
            SeparabilityWarning,
        )
