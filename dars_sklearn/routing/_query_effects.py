"""Least squares where all models share an effect of the query: means of models, and slopes.

Some queries are hard for every model. Values of one query are therefore correlated, and a table in
which each query has outcomes of other models cannot be averaged by column: a model that was sent
the easy queries would look good. Both functions here are generalised least squares with a random
effect of the query, which is the mean by column where no value is missing.

References
----------
G. K. Robinson, "That BLUP is a good thing: the estimation of random effects", Statistical Science 6
(1991) 15-32.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import lsq_linear

__all__ = ["Slopes", "estimate_model_means", "fit_slopes", "query_effect_variance"]

# The variance of the query effect needs the means, and the means need the variance.
_N_ITERATIONS = 3


class Slopes(NamedTuple):
    """Slopes of observed on predicted deviations.

    Parameters
    ----------
    values : ndarray of shape (n_slopes,)
        The slopes, within their bounds.
    unbounded : ndarray of shape (n_slopes,)
        The slopes without bounds.
    covariance : ndarray of shape (n_slopes, n_slopes)
        Covariance of the slopes without bounds, robust to correlation within groups.
    """

    values: np.ndarray
    unbounded: np.ndarray
    covariance: np.ndarray


def estimate_model_means(values, precision):
    """Estimate the mean of each model, as if every model had a value for every query.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_models)
        Values; those without precision are ignored.
    precision : ndarray of shape (n_queries, n_models)
        Inverse variances up to a factor, 0 where there is no value.

    Returns
    -------
    ndarray of shape (n_models,)
        The means; a model without values has the mean of the others.
    """
    values = np.where(precision > 0, values, 0.0)
    total = precision.sum(axis=0)
    has_values = total > 0
    if not has_values.any():
        return np.zeros(values.shape[1])
    means = np.divide((precision * values).sum(axis=0), total, where=has_values, out=0 * total)
    if np.ptp(precision, axis=1).max() == 0:
        return means
    for _ in range(_N_ITERATIONS):
        ratio = query_effect_variance(values - means, precision)
        shrink = ratio / (1 + ratio * precision.sum(axis=1))
        gram = np.diag(total) - precision.T @ (shrink[:, None] * precision)
        moment = precision * values
        moment = moment.sum(axis=0) - precision.T @ (shrink * moment.sum(axis=1))
        solve = gram[np.ix_(has_values, has_values)], moment[has_values]
        known = np.linalg.lstsq(*solve, rcond=None)[0]
        means = np.full(len(total), known.mean())
        means[has_values] = known
    return means


def query_effect_variance(residuals, precision):
    """Estimate the variance of the query effect relative to that of a value of unit precision.

    Parameters
    ----------
    residuals : ndarray of shape (n_queries, n_models)
        Values less their means; those without precision are ignored.
    precision : ndarray of shape (n_queries, n_models)
        Inverse variances up to a factor, 0 where there is no value.

    Returns
    -------
    float
        The ratio, at least 0. The mean product of two models' residuals on the same query
        estimates the variance of the effect that both share, and their mean squared difference
        the variance of what they do not share.
    """
    observed = precision > 0
    residuals = np.where(observed, residuals, 0.0)
    n_observed = observed.sum(axis=1)
    n_products = (n_observed * (n_observed - 1)).sum()
    if n_products == 0:
        return 0.0
    squares = (residuals**2).sum(axis=1)
    products = residuals.sum(axis=1) ** 2 - squares
    shared = max(products.sum() / n_products, 0.0)
    # From the same queries as the products: few of them would not be compared with all others.
    n_others = np.maximum(n_observed - 1, 0)
    inverse = np.divide(1.0, precision, where=observed, out=np.zeros_like(residuals))
    own = (n_others * squares - products).sum() / (n_others * inverse.sum(axis=1)).sum()
    # Values that differ by the query alone leave no variance; a huge ratio says so.
    return float(shared / own) if own > 1e-9 * shared else (1e9 if shared > 0 else 0.0)


def fit_slopes(regressors, values, precision, groups):
    """Regress values on regressors, with slopes between 0 and 1 and without an intercept.

    Parameters
    ----------
    regressors : ndarray of shape (n_slopes, n_queries, n_models)
        Regressors.
    values : ndarray of shape (n_queries, n_models)
        Values; those without precision are ignored.
    precision : ndarray of shape (n_queries, n_models)
        Inverse variances up to a factor, 0 where there is no value.
    groups : ndarray of int of shape (n_queries,)
        Queries of one group are not independent, such as copies of one query.

    Returns
    -------
    Slopes
        The slopes; 0 for a regressor that is 0.
    """
    observed = precision > 0
    values = np.where(observed, values, 0.0)
    ratio = query_effect_variance(values, precision)
    target = _whiten(values, precision, ratio)
    design = _whiten(np.where(observed, regressors, 0.0), precision, ratio)
    gram = np.einsum("aqm,bqm->ab", design, design)
    moment = np.einsum("aqm,qm->a", design, target)
    inverse = np.linalg.pinv(gram, hermitian=True)
    unbounded = inverse @ moment
    residuals = target - np.tensordot(unbounded, design, axes=1)
    scores = np.einsum("aqm,qm->qa", design, residuals)
    by_group = np.zeros((groups.max(initial=-1) + 1, len(scores.T)))
    np.add.at(by_group, groups, scores)
    covariance = inverse @ (by_group.T @ by_group) @ inverse
    return Slopes(_bounded(gram, moment, unbounded), unbounded, covariance)


def _whiten(table, precision, ratio):
    """Scale values, and take out the part of the query's mean that its effect explains."""
    root = np.sqrt(precision)
    scaled = table * root
    size = np.maximum((root**2).sum(axis=1), 1e-300)
    share = (1 - 1 / np.sqrt(1 + ratio * size)) / size
    return scaled - (share * (scaled * root).sum(axis=-1))[..., None] * root


def _bounded(gram, moment, unbounded):
    """Minimise the squared error over slopes between 0 and 1."""
    if ((unbounded >= 0) & (unbounded <= 1)).all():
        return unbounded
    values, vectors = np.linalg.eigh(gram)
    is_used = values > values.max() * 1e-12
    root = np.sqrt(values[is_used])
    basis = vectors[:, is_used].T
    solution = lsq_linear(
        root[:, None] * basis, basis @ moment / root, bounds=(0, 1), method="bvls"
    )
    return np.where(np.diag(gram) > 0, solution.x, 0.0)
