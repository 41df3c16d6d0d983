"""Normal model of the models' expected scores on a query: noise, and its removal."""

import numpy as np

from dars_sklearn.outcomes._cells import tabulate_cells

__all__ = ["nearest_positive_semidefinite", "noise_covariances", "posterior_gains"]


def nearest_positive_semidefinite(matrix):
    """Positive semidefinite matrix that is nearest to a symmetric matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_models, n_models)
        Symmetric matrix.

    Returns
    -------
    ndarray of shape (n_models, n_models)
        The matrix without its negative eigenvalues.
    """
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def noise_covariances(cells, pair_cells, covariances):
    """Covariance of the noise in the mean values of each query.

    Parameters
    ----------
    cells : Cells
        Cells of the queries.
    pair_cells : PairCells
        Their summary.
    covariances : namedtuple with fields "wording" and "sample"
        Covariance of the effects of wordings across models, and variance of each model's samples.

    Returns
    -------
    ndarray of shape (n_queries, n_models, n_models)
        The covariances. Two models share the effects of the wordings that both answered.
    """
    n_queries, n_models = pair_cells.mean.shape
    table = tabulate_cells(cells, n_models)
    observed = (~np.isnan(table.means)).astype(float)
    n_common = np.zeros((n_queries, n_models, n_models))
    np.add.at(n_common, table.query, observed[:, :, None] * observed[:, None, :])
    n_cells = np.maximum(pair_cells.n_cells, 1)
    noise = covariances.wording * n_common / (n_cells[:, :, None] * n_cells[:, None, :])
    diagonal = range(n_models)
    noise[:, diagonal, diagonal] += covariances.sample * pair_cells.mean_inverse_count / n_cells
    return noise


def posterior_gains(unobserved, signal, noise):
    """Weights of the residuals of all models in the posterior mean of each model.

    Parameters
    ----------
    unobserved : ndarray of bool of shape (n_queries, n_models)
        Whether a pair has no outcome, so that its residual has no weight.
    signal : ndarray of shape (n_models, n_models)
        Covariance of the expected values across models.
    noise : ndarray of shape (n_queries, n_models, n_models)
        Covariance of the noise in the mean values of each query.

    Returns
    -------
    ndarray of shape (n_queries, n_models, n_models)
        ``signal @ inverse(signal + noise)``. The posterior covariance is
        ``signal - gain @ signal``.
    """
    # Where there is no outcome, the noise is practically infinite; elsewhere a negligible amount
    # of noise keeps the matrix regular if the estimated noise is zero.
    size = np.trace(signal) + 1e-30
    diagonal = np.where(unobserved, 1e9, 1e-9) * size
    total = signal + noise + diagonal[:, :, None] * np.eye(len(signal))
    return np.linalg.solve(total, np.broadcast_to(signal, total.shape)).transpose(0, 2, 1)
