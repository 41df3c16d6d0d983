"""The true variance parts of synthetic scores, by Gauss-Hermite quadrature."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import expit, gammaln, log_ndtr

__all__ = ["SHAPES", "ScoreModel", "true_parts"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()

# Effects of mean 0 and variance 1, as functions of a standard normal.
SHAPES = {
    "normal": lambda normal: normal,
    "skewed": lambda normal: -log_ndtr(-normal) - 1,  # an exponential's
}


class ScoreModel:
    """How a score comes from the sum of its effects.

    Parameters
    ----------
    link : {"logit", "identity", "clip"}
        What turns the sum into a score.
    effects : {"normal", "skewed"}
        Shape of the paraphrase effect and of the noise.
    paraphrase_effect, sampling_noise : float
        Their sizes.
    """

    def __init__(self, link, effects, paraphrase_effect, sampling_noise):
        self.link, self.shape = link, SHAPES[effects]
        self.paraphrase_effect, self.sampling_noise = paraphrase_effect, sampling_noise

    def draw(self, total, n_samples, rng):
        """Draw scores of shape total.shape + (n_samples,)."""
        shape, total = (*total.shape, n_samples), total[..., None]
        if self.link == "logit":
            probability = expit(total)
            right = (rng.random_sample(shape) < probability).astype(float)
            return probability + self.sampling_noise * (right - probability)
        scores = total + self.sampling_noise * self.shape(rng.normal(size=shape))
        return np.clip(scores, 0, 1) if self.link == "clip" else scores

    def moments(self, total):
        """Mean and variance of a score over samples, given the sum of the other effects."""
        if self.link == "logit":
            mean = expit(total)
            return mean, self.sampling_noise**2 * mean * (1 - mean)
        if self.link == "identity":
            return total, np.full_like(total, self.sampling_noise**2)
        mean, square = np.zeros_like(total), np.zeros_like(total)
        for node, weight in zip(self.shape(_NODES), _WEIGHTS, strict=True):
            score = np.clip(total + self.sampling_noise * node, 0, 1)
            mean += weight * score
            square += weight * score**2
        return mean, square - mean**2

    def over_paraphrases(self, total):
        """Mean score over paraphrases and samples, and the variance of either kind."""
        mean, square, within = (np.zeros_like(total) for _ in range(3))
        for node, weight in zip(self.shape(_NODES), _WEIGHTS, strict=True):
            score, variance = self.moments(total + self.paraphrase_effect * node)
            mean += weight * score
            square += weight * score**2
            within += weight * variance
        return mean, square - mean**2, within


def true_parts(score_model, models, skill, directions, difficulty, interaction, shape):
    """Integrate the variance parts of scores, and of differences between models.

    Parameters
    ----------
    score_model : ScoreModel
        How scores come about.
    models : sequence
        Model names.
    skill : ndarray of shape (n_models,)
        Mean of the sum of effects.
    directions : ndarray of shape (n_features, 1 + n_models)
        What in an embedding makes a query hard, then what sets each model apart.
    difficulty, interaction : float
        Sizes of these two effects.
    shape : callable
        Their shape.

    Returns
    -------
    DataFrame
        Index (model, other), "" for a model by itself; columns query,
        paraphrase and sample.
    """
    correlation = directions.T @ directions
    shared, between = correlation[0, 1:], correlation[1:, 1:]
    own = np.sqrt(np.maximum(1 - shared**2, 0))
    # Axes: model, node of the difficulty, node of what is the model's own.
    setting = shared[:, None, None] * _NODES[:, None] + own[:, None, None] * _NODES
    total = skill[:, None, None] + difficulty * shape(_NODES)[:, None]
    mean, paraphrase, sample = score_model.over_paraphrases(total + interaction * shape(setting))
    average = np.einsum("mij,i,j->m", mean, _WEIGHTS, _WEIGHTS)
    covariance = _cross_moments(mean, (between - np.outer(shared, shared)), own)
    covariance -= np.outer(average, average)
    paraphrase, sample = (
        np.einsum("mij,i,j->m", part, _WEIGHTS, _WEIGHTS) for part in (paraphrase, sample)
    )
    rows = {
        (model, ""): (covariance[m, m], paraphrase[m], sample[m]) for m, model in enumerate(models)
    } | {
        (models[i], models[j]): (
            covariance[i, i] + covariance[j, j] - 2 * covariance[i, j],
            paraphrase[i] + paraphrase[j],
            sample[i] + sample[j],
        )
        for i, j in combinations(range(len(models)), 2)
    }
    index = pd.MultiIndex.from_tuples(rows, names=["model", "other"])
    columns = ["query", "paraphrase", "sample"]
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _cross_moments(mean, covariance, own):
    """Mean products of two models' qualities, by Mehler's formula.

    Given the difficulty, two models' own effects are correlated normals; in
    Hermite polynomials a product's mean is a power series in the correlation.
    """
    scale = np.where(own > 0, own, 1)
    correlation = np.clip(covariance / np.outer(scale, scale), -1, 1)
    np.fill_diagonal(correlation, 1)
    degrees = np.arange(len(_NODES) // 2)
    basis = np.polynomial.hermite_e.hermevander(_NODES, degrees[-1])
    basis /= np.exp(gammaln(degrees + 1) / 2)
    coefficients = np.einsum("mij,j,jn->min", mean, _WEIGHTS, basis)
    products = np.einsum("min,kin,i->mkn", coefficients, coefficients, _WEIGHTS)
    moments = (products * correlation[..., None] ** degrees).sum(axis=-1)
    exact = np.einsum("mij,mij,i,j->m", mean, mean, _WEIGHTS, _WEIGHTS)
    np.fill_diagonal(moments, exact)
    return moments
