"""Empirical Bayes labels: how much of a mean score is noise, and how far to shrink it."""

from typing import NamedTuple

import numpy as np

from dars_sklearn.exceptions import InformativeCountsWarning, SeparabilityWarning
from dars_sklearn.labels._variance_components import model_variance_components
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.utils._warnings import warn_user

__all__ = [
    "ComponentsByModel",
    "components_by_model",
    "label_noise",
    "shrinkage",
    "spread_of_kind",
    "warn_of_informative_counts",
    "warn_of_unidentifiable_noise",
]


class ComponentsByModel(NamedTuple):
    """Variance components of each model's scores, none below 0.

    Parameters
    ----------
    table : ndarray of shape (3, n_models)
        Query, paraphrase and sample components.
    unidentifiable : list
        Models for which noise cannot be separated from signal.
    """

    table: np.ndarray
    unidentifiable: list


def components_by_model(cells, outcomes):
    """Estimate each model's variance components.

    Parameters
    ----------
    cells : Cells
        The outcomes' cells.
    outcomes : Outcomes
        Outcomes.

    Returns
    -------
    ComponentsByModel
        The components; a model with outcomes for fewer than two queries gets the mean of the
        others.
    """
    components = model_variance_components(cells, len(outcomes), outcomes.n_models)
    table = np.array([[own.query[0], own.paraphrase[0], own.sample[0]] for own in components]).T
    table = np.maximum(table, 0)
    table = np.where(np.isnan(table), column_means(table.T, fallback=0.0)[:, None], table)
    unidentifiable = [
        model
        for model, own in zip(outcomes.models.tolist(), components, strict=True)
        if not own.noise_identifiable
    ]
    return ComponentsByModel(table, unidentifiable)


def label_noise(components, pair_cells, counts, weighting):
    """Variance of the noise in each pair's mean score.

    Parameters
    ----------
    components : ndarray of shape (3, n_models)
        Query, paraphrase and sample components.
    pair_cells : PairCells
        Summary of the cells of each pair.
    counts : ndarray of int of shape (n_queries, n_models)
        Numbers of outcomes.
    weighting : {"balanced", "pooled"}
        Whether paraphrases weigh the same in the mean, or outcomes.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        The variance. Samples of one paraphrase share the effect of that paraphrase.
    """
    _, paraphrase, sample = components
    with np.errstate(divide="ignore", invalid="ignore"):
        if weighting == "pooled":
            return paraphrase * pair_cells.sum_squared_shares + sample / counts
        return (paraphrase + sample * pair_cells.mean_inverse_count) / pair_cells.n_cells


def shrinkage(signal, noise):
    """Weight of an observation relative to its prior.

    Parameters
    ----------
    signal : ndarray of shape (n_models,)
        Variance of the quantity to estimate.
    noise : ndarray of shape (n_queries, n_models)
        Variance of the noise with which it is observed.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        ``signal / (signal + noise)``; 1 where both are 0, since a constant score is its own
        label.
    """
    total = signal + noise
    signal = np.broadcast_to(signal, total.shape)
    return np.divide(signal, total, where=total > 0, out=np.ones(total.shape))


def spread_of_kind(kind, pair_cells, sample_component):
    """Standard deviation between or within paraphrases, NaN where it is not identifiable.

    Parameters
    ----------
    kind : {"paraphrase", "sample"}
        Between paraphrases, corrected for the noise of sampling; or within them.
    pair_cells : PairCells
        Summary of the cells of each pair.
    sample_component : ndarray of shape (n_models,)
        Sample component, for pairs that have no estimate of their own.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        The standard deviation.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = pair_cells.within / pair_cells.within_freedom
        if kind == "sample":
            return np.sqrt(sample)
        sample = np.where(pair_cells.within_freedom > 0, sample, sample_component)
        paraphrase = pair_cells.between / (pair_cells.n_cells - 1)
        paraphrase = paraphrase - sample * pair_cells.mean_inverse_count
    return np.where(pair_cells.n_cells > 1, np.sqrt(np.maximum(paraphrase, 0)), np.nan)


def warn_of_unidentifiable_noise(models):
    """Warn that the labels of some models cannot be smoothed."""
    if models:
        warn_user(
            f"smoothing='auto' leaves the labels of {', '.join(map(str, models))} unchanged: "
            "with one outcome per query, noise cannot be separated from signal; collect several "
            "outcomes, or choose a float by cross-validation",
            SeparabilityWarning,
        )


def warn_of_informative_counts(counts, quality):
    """Warn where the number of outcomes of a query is correlated with its mean score.

    Parameters
    ----------
    counts : ndarray of int of shape (n_queries, n_models)
        Numbers of outcomes.
    quality : ndarray of shape (n_queries, n_models)
        Mean scores.
    """
    observed = counts > 0
    log_counts = np.where(observed, np.log(np.maximum(counts, 1)), np.nan)
    x, y = (table - column_means(table, fallback=0.0) for table in (log_counts, quality))
    x, y = x[observed], y[observed]
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    correlation = (x * y).sum() / scale if scale > 1e-12 else 0.0
    # Four standard errors, so that one fit in 16,000 warns by chance; and not a tiny correlation.
    if abs(correlation) > max(4 / np.sqrt(len(x)), 0.1):
        warn_user(
            f"numbers of outcomes and mean scores have a correlation of {correlation:.2f}: where "
            "the number of times a query is answered depends on how well it is answered, "
            "smoothing='auto' can be worse than plain means",
            InformativeCountsWarning,
        )
