"""The true variance components of synthetic scores, by Gauss-Hermite quadrature."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, gammaln, log_ndtr

__all__ = ["EFFECT_SHAPES", "ScoreModel", "true_variance_components"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()

# Effects with mean 0 and variance 1, as functions of a standard normal variable.
EFFECT_SHAPES = {
    "normal": lambda normal: normal,
    "skewed": lambda normal: -log_ndtr(-normal) - 1,  # a centred exponential
}


class SampleMoments(NamedTuple):
    """Mean and variance of a score over samples."""

    mean: np.ndarray
    variance: np.ndarray


class ParaphraseMoments(NamedTuple):
    """Mean of a score over paraphrases and samples, and its variance over either."""

    mean: np.ndarray
    paraphrase_variance: np.ndarray
    sample_variance: np.ndarray


class ScoreModel:
    """Distribution of a score given its linear predictor, the sum of its effects.

    Parameters
    ----------
    link : {"logit", "identity", "clip"}
        How the linear predictor determines the expected score.
    effects : {"normal", "skewed"}
        Shape of all effects and of the sampling noise.
    paraphrase_effect, sampling_noise : float
        Standard deviations of the paraphrase effect and of the sampling noise; see
        ``make_routing_outcomes``.
    """

    def __init__(self, link, effects, paraphrase_effect, sampling_noise):
        self.link = link
        self.shape = EFFECT_SHAPES[effects]
        self.paraphrase_effect = paraphrase_effect
        self.sampling_noise = sampling_noise

    def draw(self, predictor, n_samples, rng):
        """Draw scores of shape ``(*predictor.shape, n_samples)``."""
        size, predictor = (*predictor.shape, n_samples), predictor[..., None]
        if self.link == "logit":
            probability = expit(predictor)
            is_correct = (rng.random_sample(size) < probability).astype(float)
            return probability + self.sampling_noise * (is_correct - probability)
        scores = predictor + self.sampling_noise * self.shape(rng.normal(size=size))
        return np.clip(scores, 0, 1) if self.link == "clip" else scores

    def sample_moments(self, predictor):
        """Compute the moments of scores over samples, given the predictor with all effects."""
        if self.link == "logit":
            mean = expit(predictor)
            return SampleMoments(mean, self.sampling_noise**2 * mean * (1 - mean))
        if self.link == "identity":
            return SampleMoments(predictor, np.full_like(predictor, self.sampling_noise**2))
        mean, square = np.zeros_like(predictor), np.zeros_like(predictor)
        for node, weight in zip(self.shape(_NODES), _WEIGHTS, strict=True):
            score = np.clip(predictor + self.sampling_noise * node, 0, 1)
            mean += weight * score
            square += weight * score**2
        return SampleMoments(mean, square - mean**2)

    def paraphrase_moments(self, predictor):
        """Compute the moments over paraphrases, given the predictor without their effect."""
        mean, square, sample_variance = (np.zeros_like(predictor) for _ in range(3))
        for node, weight in zip(self.shape(_NODES), _WEIGHTS, strict=True):
            given_paraphrase = self.sample_moments(predictor + self.paraphrase_effect * node)
            mean += weight * given_paraphrase.mean
            square += weight * given_paraphrase.mean**2
            sample_variance += weight * given_paraphrase.variance
        return ParaphraseMoments(mean, square - mean**2, sample_variance)


def true_variance_components(score_model, models, skill, directions, difficulty, interaction):
    """Compute the true variance components of scores and of differences between models.

    Parameters
    ----------
    score_model : ScoreModel
        Distribution of a score given its linear predictor.
    models : sequence of str of length n_models
        Model names.
    skill : ndarray of shape (n_models,)
        Mean of each model's linear predictor.
    directions : ndarray of shape (n_features, 1 + n_models)
        Unit vectors in the space of the embeddings: the direction of the queries' difficulty,
        then the direction of each model's interaction.
    difficulty, interaction : float
        Standard deviations of these two effects.

    Returns
    -------
    DataFrame of shape (n_models + n_models * (n_models - 1) / 2, 3)
        Variance components "query", "paraphrase" and "sample". The index is (model, other),
        where other is "" for a model's own scores.
    """
    correlation = directions.T @ directions
    # A model's direction is a multiple of the difficulty's direction, plus a part orthogonal to it.
    loading, between = correlation[0, 1:], correlation[1:, 1:]
    own_scale = np.sqrt(np.maximum(1 - loading**2, 0))
    # Axes: model, node of the difficulty, node of the orthogonal part.
    interaction_normal = (
        loading[:, None, None] * _NODES[:, None] + own_scale[:, None, None] * _NODES
    )
    predictor = skill[:, None, None] + difficulty * score_model.shape(_NODES)[:, None]
    moments = score_model.paraphrase_moments(
        predictor + interaction * score_model.shape(interaction_normal)
    )
    own_covariance = between - np.outer(loading, loading)
    mean_score = _expectation(moments.mean)
    query = _expected_products(moments.mean, own_covariance, own_scale)
    query -= np.outer(mean_score, mean_score)
    paraphrase = _expectation(moments.paraphrase_variance)
    sample = _expectation(moments.sample_variance)
    rows = {
        (model, ""): (query[m, m], paraphrase[m], sample[m]) for m, model in enumerate(models)
    } | {
        (models[i], models[j]): (
            query[i, i] + query[j, j] - 2 * query[i, j],
            paraphrase[i] + paraphrase[j],
            sample[i] + sample[j],
        )
        for i, j in combinations(range(len(models)), 2)
    }
    index = pd.MultiIndex.from_tuples(rows, names=["model", "other"])
    columns = ["query", "paraphrase", "sample"]
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _expectation(values):
    """Integrate values of shape (n_models, n_nodes, n_nodes) over queries."""
    return np.einsum("mij,i,j->m", values, _WEIGHTS, _WEIGHTS)


def _expected_products(quality, own_covariance, own_scale):
    """Compute the expected product of every two models' qualities, by Mehler's formula.

    Given the difficulty, the orthogonal parts of two models' effects are correlated normal
    variables. With both qualities expanded in Hermite polynomials, the expected product is a
    power series in the correlation.
    """
    scale = np.where(own_scale > 0, own_scale, 1)
    correlation = np.clip(own_covariance / np.outer(scale, scale), -1, 1)
    degrees = np.arange(len(_NODES) // 2)
    basis = np.polynomial.hermite_e.hermevander(_NODES, degrees[-1])
    basis /= np.exp(gammaln(degrees + 1) / 2)
    coefficients = np.einsum("mij,j,jn->min", quality, _WEIGHTS, basis)
    products = np.einsum("min,kin,i->mkn", coefficients, coefficients, _WEIGHTS)
    moments = (products * correlation[..., None] ** degrees).sum(axis=-1)
    # The squares need no expansion.
    np.fill_diagonal(moments, np.einsum("mij,mij,i,j->m", quality, quality, _WEIGHTS, _WEIGHTS))
    return moments
