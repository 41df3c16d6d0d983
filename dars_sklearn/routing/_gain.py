"""How surely a model is better than the best model on average."""

from typing import NamedTuple

import numpy as np

__all__ = ["PredictedGain", "gain_standard_errors", "mean_difference_variances"]


class PredictedGain(NamedTuple):
    """Predicted gain of each model over the best model on average.

    Parameters
    ----------
    default_model : object
        Name of the best model on average, at the router's weights.
    gain : ndarray of shape (n_queries, n_models)
        Predicted utility less that of the default model.
    standard_error : ndarray of shape (n_queries, n_models)
        Standard error of the expected gain of queries that look alike; 0 for the default model.
        Of queries with outcomes, an upper limit of that of their own gain.
    """

    default_model: object
    gain: np.ndarray
    standard_error: np.ndarray


def gain_standard_errors(block, deviations, default):
    """Compute the standard errors of predicted gains over a default model.

    A gain is the difference of two models' means and of their predicted deviations times the
    slopes. Its variance is that of the difference of means, and that of the slopes times the
    squares of the differences of deviations. It is about the expected gain of queries that look
    alike, and not about the outcome of a single query.

    Parameters
    ----------
    block : BlockCalibration
        Slopes of quality, or of utility.
    deviations : ndarray of shape (n_components, n_queries, n_models)
        Predicted deviations from the means.
    default : int
        Position of the default model.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Standard errors, 0 for the default model.
    """
    differences = deviations - deviations[:, :, [default]]
    by_slopes = np.einsum("aqm,ab,bqm->qm", differences, block.covariance, differences)
    return np.sqrt(block.mean_difference_variance[default] + np.maximum(by_slopes, 0))


def mean_difference_variances(values, means, precision):
    """Estimate the variances of the differences between the means of models.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_models)
        Values; those without precision are ignored.
    means : ndarray of shape (n_models,)
        Means of the models.
    precision : ndarray of shape (n_queries, n_models)
        Inverse variances, 0 where there is no value.

    Returns
    -------
    ndarray of shape (n_models, n_models)
        The variances, from the queries that have values of both models; where there are fewer
        than two, the sum of the variances of both means.
    """
    observed = (precision > 0).astype(float)
    residuals = np.where(observed > 0, values - means, 0.0)
    n_common = observed.T @ observed
    squares = (residuals**2).T @ observed
    total = squares + squares.T - 2 * residuals.T @ residuals
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.diag(squares) / np.maximum(np.diag(n_common), 1) ** 2
        common = total / (n_common * (n_common - 1))
    # Differences of queries that are answered by both models are less noisy, where there are any.
    variances = np.where(n_common > 1, np.maximum(common, 0), own[:, None] + own)
    np.fill_diagonal(variances, 0.0)
    return variances
