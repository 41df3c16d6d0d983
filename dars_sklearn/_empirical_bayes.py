"""Empirical Bayes for labels: how much of a mean score is noise, and what to make of it."""

from warnings import warn

import numpy as np

from dars_sklearn._components import model_parts
from dars_sklearn._summarise import column_means
from dars_sklearn.exceptions import InformativeCountsWarning, SeparabilityWarning


def learn_parts(cells, outcomes):
    """Learn each model's variance parts, none below 0.

    Parameters
    ----------
    cells : Cells
        The outcomes' cells.
    outcomes : Outcomes
        Outcomes.

    Returns
    -------
    tuple of (ndarray of shape (3, n_models), list)
        Query, paraphrase and sample parts; a model with outcomes for fewer
        than two queries takes the others' mean. And the models of which noise
        cannot be told from signal.
    """
    parts = model_parts(cells, len(outcomes), outcomes.n_models)
    table = np.array([[of.query[0], of.paraphrase[0], of.sample[0]] for of in parts]).T
    table = np.maximum(table, 0)
    table = np.where(np.isnan(table), column_means(table.T, fallback=0.0)[:, None], table)
    single = [
        model
        for model, of in zip(outcomes.models.tolist(), parts, strict=True)
        if of.single_outcomes
    ]
    return table, single


def label_noise(parts, pairs, counts, weighting):
    """Variance of the noise in each pair's mean score.

    Parameters
    ----------
    parts : ndarray of shape (3, n_models)
        Variance parts.
    pairs : Pairs
        What the cells of each pair say.
    counts : ndarray of int of shape (n_queries, n_models)
        Numbers of outcomes.
    weighting : {"balanced", "pooled"}
        Whether paraphrases count the same in the mean, or outcomes.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        The variance; samples of one paraphrase share that paraphrase's part.
    """
    _, paraphrase, sample = parts
    with np.errstate(divide="ignore", invalid="ignore"):
        if weighting == "pooled":
            return paraphrase * pairs.squares + sample / counts
        return (paraphrase + sample * pairs.inverse) / pairs.n_cells


def shrinkage(signal, noise):
    """Weight of an observation beside its prior.

    Parameters
    ----------
    signal : ndarray of shape (n_models,)
        Variance of what is to be known.
    noise : ndarray of shape (n_queries, n_models)
        Variance of what it is observed with.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        ``signal / (signal + noise)``; 1 where there is neither, since a score
        that is always the same is its own label.
    """
    total = signal + noise
    signal = np.broadcast_to(signal, total.shape)
    return np.divide(signal, total, where=total > 0, out=np.ones(total.shape))


def spread_by_kind(kind, pairs, sample_part):
    """Standard deviation between or within paraphrases, NaN where it cannot be told.

    Parameters
    ----------
    kind : {"paraphrase", "sample"}
        Between paraphrases, the noise of sampling taken out; or within them.
    pairs : Pairs
        What the cells of each pair say.
    sample_part : ndarray of shape (n_models,)
        Noise of sampling for pairs that do not show their own.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        The standard deviation.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = pairs.within / pairs.freedom
        if kind == "sample":
            return np.sqrt(sample)
        sample = np.where(pairs.freedom > 0, sample, sample_part)
        excess = pairs.between / (pairs.n_cells - 1) - sample * pairs.inverse
    return np.where(pairs.n_cells > 1, np.sqrt(np.maximum(excess, 0)), np.nan)


def warn_of_single_outcomes(models):
    """Warn that the labels of some models cannot be smoothed."""
    if models:
        warn(
            f"smoothing='auto' leaves the labels of {', '.join(map(str, models))} as they are: "
            "with one outcome a query, noise cannot be told from signal; collect several, or "
            "choose a float by cross-validation",
            SeparabilityWarning,
            stacklevel=3,
        )


def warn_of_informative_counts(counts, quality):
    """Warn where how often a query was asked goes with how well it was answered."""
    held = counts > 0
    log_counts = np.where(held, np.log(np.maximum(counts, 1)), np.nan)
    x, y = (column - column_means(column, fallback=0.0) for column in (log_counts, quality))
    x, y = x[held], y[held]
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    correlation = (x * y).sum() / scale if scale > 1e-12 else 0.0
    # Four standard errors, so that one fit in 16,000 warns by chance; and no trifle.
    if abs(correlation) > max(4 / np.sqrt(len(x)), 0.1):
        warn(
            f"numbers of outcomes and mean scores have a correlation of {correlation:.2f}: where "
            "how often a query is asked depends on how well it is answered, smoothing='auto' can "
            "be worse than plain means",
            InformativeCountsWarning,
            stacklevel=3,
        )
