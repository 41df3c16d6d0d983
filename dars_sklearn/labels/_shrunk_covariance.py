"""Covariances across models, shrunk to one variance and one correlation."""

from typing import NamedTuple

import numpy as np

from dars_sklearn.labels._normal_model import nearest_positive_semidefinite
from dars_sklearn.outcomes._means import column_means

__all__ = ["CovarianceEstimate", "estimate_covariance", "fill_with_mean", "shrink_covariance"]


class CovarianceEstimate(NamedTuple):
    """Estimated covariance across models.

    Parameters
    ----------
    estimate : ndarray of shape (n_models, n_models)
        Unbiased estimates, NaN where there is none.
    variance : ndarray of shape (n_models, n_models)
        Their sampling variances.
    """

    estimate: np.ndarray
    variance: np.ndarray


def estimate_covariance(products, freedom):
    """Estimate a covariance from sums of products.

    Parameters
    ----------
    products : ndarray of shape (n_models, n_models)
        Sums of products of deviations.
    freedom : ndarray of shape (n_models, n_models)
        Their expectations per unit of covariance; 0 where there are no products.

    Returns
    -------
    CovarianceEstimate
        The estimates, with the sampling variances of normal variables.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(freedom > 0, products / freedom, np.nan)
        variances = np.diag(estimate)
        variance = (np.outer(variances, variances) + estimate**2) / freedom
    return CovarianceEstimate(estimate, variance)


def fill_with_mean(estimates):
    """Replace missing estimates with the mean of the others.

    Parameters
    ----------
    estimates : ndarray of shape (n_models,)
        Estimates, NaN where there is none.

    Returns
    -------
    ndarray of shape (n_models,)
        Without NaN; zeros if there is no estimate at all.
    """
    return np.where(np.isnan(estimates), column_means(estimates[:, None], 0.0), estimates)


def shrink_covariance(covariance):
    """Shrink variances to their mean, and covariances to a common correlation.

    Parameters
    ----------
    covariance : CovarianceEstimate
        Estimates and their sampling variances.

    Returns
    -------
    ndarray of shape (n_models, n_models)
        Positive semidefinite matrix. Missing variances are the mean of the others, and missing
        covariances those of the common correlation.

    References
    ----------
    Ledoit & Wolf, "Honey, I shrunk the sample covariance matrix", Journal of Portfolio Management
    30 (2004) 110-119.
    """
    estimate, sampling = covariance
    own = np.diag(estimate)
    variances = np.maximum(_shrink(own, np.diag(sampling), fill_with_mean(own).mean()), 0)
    deviations = np.sqrt(variances)
    scales = np.outer(deviations, deviations)
    off_diagonal = ~np.eye(len(scales), dtype=bool)
    known = off_diagonal & ~np.isnan(estimate)
    correlation = estimate[known].sum() / max(scales[known].sum(), 1e-30)
    target = np.clip(correlation, 0, 1) * scales
    shrunk = target.copy()
    shrunk[off_diagonal] = _shrink(
        estimate[off_diagonal], sampling[off_diagonal], target[off_diagonal]
    )
    np.fill_diagonal(shrunk, variances)
    return nearest_positive_semidefinite(shrunk)


def _shrink(estimates, sampling_variances, target):
    """Move estimates to a target by the share of their squared distance that is sampling noise."""
    known = ~np.isnan(estimates)
    distance = ((estimates - target)[known] ** 2).sum()
    noise = sampling_variances[known].sum()
    share = min(noise / distance, 1.0) if distance > 0 else 1.0
    return np.where(known, (1 - share) * np.nan_to_num(estimates) + share * target, target)
