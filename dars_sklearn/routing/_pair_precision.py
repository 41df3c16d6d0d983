"""What the mean scores of (query, model) pairs are worth, given their numbers of outcomes."""

import numpy as np

from dars_sklearn.routing._query_effects import estimate_model_means

__all__ = ["differences_over_models", "differences_reliability", "mean_precision"]


def mean_precision(statistics):
    """Compute what the mean score of a pair is worth, from its number of outcomes.

    Parameters
    ----------
    statistics : PairStatistics
        Statistics of the outcomes of each pair.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Inverse variances up to a factor: of what distinguishes a pair from its model's mean, and
        of the noise of its outcomes. 0 for a pair without outcomes; 1 for all others, if no pair
        has two.
    """
    observed = statistics.n_outcomes > 0
    if not (statistics.n_outcomes > 1).any():
        return observed.astype(float)
    noise = _mean_noise(statistics)
    means = np.where(observed, statistics.mean_score, np.nan)
    total = np.nanvar(means - np.nanmean(means), ddof=1) if observed.sum() > 1 else 0.0
    # A tenth of the variance stays, so that a pair with very many outcomes does not decide alone.
    signal = max(total - noise[observed].mean(), 0.1 * total, 1e-12)
    return np.where(observed, signal / (signal + noise), 0.0)


def differences_reliability(statistics):
    """Estimate the share of signal in the variance of differences between models.

    Parameters
    ----------
    statistics : PairStatistics
        Statistics of the outcomes of each pair.

    Returns
    -------
    float
        The share, NaN where no pair has two outcomes or there is one model.
    """
    observed = statistics.n_outcomes > 0
    if not (statistics.n_outcomes > 1).any() or observed.shape[1] < 2:
        return np.nan
    noise = _mean_noise(statistics)
    precision = observed.astype(float)
    values = np.where(observed, statistics.mean_score, 0.0)
    deviations = differences_over_models(
        values - estimate_model_means(values, precision), precision
    )
    n_observed = np.maximum(observed.sum(axis=1, keepdims=True), 1)
    total = (deviations**2).sum()
    return float(np.clip(1 - (noise * (1 - 1 / n_observed)).sum() / total, 0, 1)) if total else 0.0


def differences_over_models(table, precision):
    """Compute deviations from the mean over the models that were observed.

    Parameters
    ----------
    table : ndarray of shape (n_queries, n_models)
        Values.
    precision : ndarray of shape (n_queries, n_models)
        Inverse variances, 0 where nothing was observed.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        The deviations, 0 where nothing was observed.
    """
    observed = precision > 0
    mean = (table * observed).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    return np.where(observed, table - mean[:, None], 0.0)


def _mean_noise(statistics):
    """Return the variance of the noise in each pair's mean, from the mean variance of a pair."""
    repeated = statistics.n_outcomes > 1
    noise = (statistics.spread[repeated] ** 2).mean()
    return noise * np.where(statistics.n_outcomes > 0, statistics.sum_squared_weights, 0.0)
