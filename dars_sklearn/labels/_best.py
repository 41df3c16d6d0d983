"""How sure the outcomes make us of which model is best."""

from warnings import warn

import numpy as np
from sklearn.utils import check_random_state

from dars_sklearn._components import (
    difference_parts,
    make_cells,
    make_pairs,
    model_parts,
    tabulate_cells,
)
from dars_sklearn._summarise import column_means
from dars_sklearn.decision import outcome_utilities
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.outcomes import as_outcomes

__all__ = ["probability_best"]

# Numbers drawn at once, so that memory does not grow with the queries.
_BLOCK = 1 << 22


def probability_best(
    outcomes, *, cost_weight=0.0, cost_range=None, n_draws=1000, random_state=0
):  # fmt: skip
    """Posterior probability that a model has the highest utility on a query.

    Expected utilities of the models on a query are jointly normal: what a query
    does to all models alike, and what a wording does, is shared. Means and
    covariances are found from the outcomes (empirical Bayes, from the variance
    parts of each model and of each difference); given its outcomes, a query
    then has a posterior, from which ``n_draws`` utilities are drawn.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes. A pair may have none: its posterior comes from the query's
        other models.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    n_draws : int, default=1000
        Draws; the error of a probability is at most ``0.5 / sqrt(n_draws)``.
    random_state : int, RandomState instance or None, default=0
        Seed.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Probabilities; rows sum to 1. Models that are sure to be equal share.

    Raises
    ------
    ValueError
        If there are fewer than three queries.

    Warns
    -----
    SeparabilityWarning
        If there is one outcome a pair: noise cannot be told from signal, and
        the model of the higher utility in that one draw counts as surely best.
        If there is one paraphrase a query: the answer is about that wording.

    Notes
    -----
    The normal shape is the model's, not the data's: with few draws of right
    and wrong answers, probabilities are calibrated in the mean, not for every
    query.

    References
    ----------
    Efron & Morris, "Empirical Bayes on vector observations: an extension of
    Stein's method", Biometrika 59 (1972) 335-347.

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
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws!r}")
    utilities = outcome_utilities(outcomes, cost_weight, cost_range)
    cells = make_cells(outcomes, utilities)
    signal, wording, sample = _covariances(cells, outcomes)
    draws = check_random_state(random_state).normal(size=(n_draws, outcomes.n_models))
    prior = column_means(make_pairs(cells, *outcomes.counts().shape).mean, fallback=0.0)
    best = np.empty((len(outcomes), outcomes.n_models))
    n_keys = np.bincount(cells.query, minlength=len(outcomes)).max()
    at_once = max(_BLOCK // (outcomes.n_models * max(n_draws, n_keys * outcomes.n_models)), 1)
    for first in range(0, len(best), at_once):
        rows = slice(first, min(first + at_once, len(best)))
        within = slice(*np.searchsorted(cells.query, [rows.start, rows.stop]))
        block = cells.take(within)._replace(query=cells.query[within] - first)
        pairs = make_pairs(block, *best[rows].shape)
        noise = _noise(block, pairs, wording, sample)
        best[rows] = _share_best(*_posterior(pairs.mean, prior, signal, noise), draws)
    return best


def _covariances(cells, outcomes):
    """Covariances of the models' expected utilities, of what wordings do, and sample parts.

    The variance of a difference gives the covariance: ``2 cov(a, b) = var(a) +
    var(b) - var(a - b)``.
    """
    shape = len(outcomes), outcomes.n_models
    own = model_parts(cells, *shape)
    _warn(own, outcomes.models)
    signal = np.diag(_known([of.query[0] for of in own]))
    wording = np.diag(_known([of.paraphrase[0] for of in own]))
    for (i, j), of in difference_parts(cells, *shape).items():
        for table, difference in ((signal, of.query[0]), (wording, of.paraphrase[0])):
            covariance = (table[i, i] + table[j, j] - difference) / 2
            table[i, j] = table[j, i] = 0.0 if np.isnan(covariance) else covariance
    return _nearest(signal), _nearest(wording), _known([of.sample[0] for of in own])


def _known(parts):
    """Parts of the models; a model that has none takes the others' mean."""
    parts = np.array(parts)
    return np.where(np.isnan(parts), column_means(parts[:, None], fallback=0.0), parts)


def _nearest(covariance):
    """The nearest matrix that is a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def _noise(cells, pairs, wording, sample):
    """Covariance of the noise in the means of each query, (n_queries, n_models, n_models)."""
    query, means = tabulate_cells(cells, len(sample))
    asked = (~np.isnan(means)).astype(float)
    both = np.zeros((len(pairs.mean), len(sample), len(sample)))
    np.add.at(both, query, asked[:, :, None] * asked[:, None, :])
    n_cells = np.maximum(pairs.n_cells, 1)
    noise = wording * both / (n_cells[:, :, None] * n_cells[:, None, :])
    noise[:, range(len(sample)), range(len(sample))] += sample * pairs.inverse / n_cells
    return noise


def _posterior(mean, prior, signal, noise):
    """Means, and roots of the covariances, of the expected utilities given the outcomes."""
    # What has no outcome is known to within anything; and a trifle of noise
    # keeps the matrix regular where there is none.
    absent = np.isnan(mean)
    size = np.trace(signal) + 1e-30
    diagonal = np.where(absent, 1e9, 1e-9) * size
    total = signal + noise + diagonal[:, :, None] * np.eye(len(signal))
    gain = np.linalg.solve(total, np.broadcast_to(signal, total.shape)).transpose(0, 2, 1)
    surprise = np.where(absent, 0, mean - prior)
    values, vectors = np.linalg.eigh(signal - gain @ signal)
    root = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return prior + np.einsum("qij,qj->qi", gain, surprise), root


def _share_best(mean, root, draws):
    """Share of draws in which each model is best; ties are shared."""
    utilities = mean[:, None, :] + draws @ root.transpose(0, 2, 1)
    best = utilities >= utilities.max(axis=2, keepdims=True) - 1e-12
    return (best / best.sum(axis=2, keepdims=True)).mean(axis=1)


def _warn(parts, models):
    """Say what the design cannot tell."""
    pairs = list(zip(models, parts, strict=True))
    once = [str(model) for model, of in pairs if of.single_outcomes]
    if once:
        warn(
            f"with one outcome a query of {', '.join(once)}, luck cannot be told from ability: "
            "the better draw counts as surely better; collect several",
            SeparabilityWarning,
            stacklevel=4,
        )
    elif not any(of.queries_separable for _, of in pairs):
        warn(
            "with one paraphrase a query, what its wording does counts as the query's: "
            "probabilities are about that wording, and too sure about others",
            SeparabilityWarning,
            stacklevel=4,
        )
