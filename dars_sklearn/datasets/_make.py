"""Synthetic outcomes with a known truth."""

from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state

from dars_sklearn.datasets._truth import EFFECT_SHAPES, ScoreModel, true_variance_components
from dars_sklearn.outcomes import Outcomes

__all__ = ["make_routing_outcomes"]

_LINKS = ("logit", "identity", "clip")


def make_routing_outcomes(
    n_queries=200,
    n_models=4,
    n_paraphrases=5,
    n_samples=5,
    *,
    n_features=16,
    difficulty=1.0,
    interaction=1.0,
    paraphrase_effect=0.5,
    sampling_noise=1.0,
    link="logit",
    effects="normal",
    random_state=None,
):
    """Draw synthetic queries, embeddings and outcomes, whose true quality and cost are known.

    The log-odds that model m answers paraphrase p of query q correctly are ``skill[m] +
    difficulty * d[q] + interaction * g[q, m] + paraphrase_effect * w[q, m, p]``. The effects
    ``d``, ``g`` and ``w`` have unit variance; ``d`` and ``g`` are functions of a linear
    combination of the embedding of q. A score is drawn given this probability. With another
    ``link``, the sum itself is the expected score, with a mean of about 0.5.

    Parameters
    ----------
    n_queries, n_models, n_paraphrases, n_samples : int
        Numbers of queries, models, paraphrases per query and samples per paraphrase.
    n_features : int, default=16
        Number of features of an embedding.
    difficulty : float, default=1.0
        Standard deviation of the query effect, which is the same for all models.
    interaction : float, default=1.0
        Standard deviation of the effect of a (query, model) pair. Without it, one model is the
        best for every query, and routing cannot improve on it.
    paraphrase_effect : float, default=0.5
        Standard deviation of the effect of a paraphrase.
    sampling_noise : float, default=1.0
        Size of the noise between samples of one paraphrase. With the link "logit", a number in
        [0, 1]: at 0, a score is the probability of a correct answer; at 1, it is 1 for a correct
        answer and 0 for an incorrect one; in between, it is the weighted mean of both. With other
        links, the standard deviation of a score over samples.
    link : {"logit", "identity", "clip"}, default="logit"
        How scores follow from the sum of effects. "logit" draws correct and incorrect answers;
        with "identity" a score is the sum of effects and noise, of any size; "clip" clips it to
        [0, 1].
    effects : {"normal", "skewed"}, default="normal"
        Distribution of the effects, and of the sampling noise unless the link is "logit".
        "skewed" is an exponential distribution, shifted to mean 0.
    random_state : int, RandomState instance or None, default=None
        Seed of the random numbers.

    Returns
    -------
    Bunch
        Dictionary-like object with the following attributes.

        queries : ndarray of str of shape (n_queries,)
            Names of the queries.
        X : ndarray of shape (n_queries, n_features)
            Embeddings.
        outcomes : Outcomes
            The outcomes.
        quality : ndarray of shape (n_queries, n_models)
            Expected score over samples, as a mean over the drawn paraphrases.
        expected_quality : ndarray of shape (n_queries, n_models)
            Expected score over samples and all possible paraphrases.
        cost : ndarray of shape (n_queries, n_models)
            Expected cost.
        best : ndarray of int of shape (n_queries,)
            Index of the model with the highest ``quality``.
        variance_components : DataFrame
            True components "query", "paraphrase" and "sample" of the variance of the scores,
            over all possible queries, after link and clipping. The index is (model, other), for
            each model's scores (other is "") and for the differences between two models' scores.

    Raises
    ------
    ValueError
        If a number is too small, ``link`` or ``effects`` is unknown, or ``sampling_noise`` is
        out of range.

    See Also
    --------
    load_smol_outcomes : Load real outcomes.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> data.outcomes.counts().shape
    (50, 3)
    """
    _check_sizes(
        n_queries=n_queries,
        n_models=n_models,
        n_paraphrases=n_paraphrases,
        n_samples=n_samples,
        n_features=n_features,
    )
    _check_distribution(link, effects, sampling_noise)
    rng = check_random_state(random_state)
    score_model = ScoreModel(link, effects, paraphrase_effect, sampling_noise)
    X = rng.normal(size=(n_queries, n_features))
    directions = rng.normal(size=(n_features, n_models + 1))
    directions /= np.linalg.norm(directions, axis=0)
    skill = np.linspace(-0.5, 0.5, n_models)
    if link != "logit":
        skill = 0.5 + 0.2 * skill
    query_effect = difficulty * score_model.shape(X @ directions[:, :1])
    pair_effect = interaction * score_model.shape(X @ directions[:, 1:])
    predictor = skill + query_effect + pair_effect
    paraphrase_effects = score_model.shape(rng.normal(size=(n_queries, n_models, n_paraphrases)))
    with_paraphrase = predictor[:, :, None] + paraphrase_effect * paraphrase_effects
    scores = score_model.draw(with_paraphrase, n_samples, rng)
    expected_cost = np.geomspace(1.0, 10.0, n_models) * rng.lognormal(0.0, 0.2, (n_queries, 1))
    # A log-normal factor with mean 1, so that expected_cost is the expected cost.
    costs = expected_cost[:, :, None, None] * rng.lognormal(-0.02, 0.2, scores.shape)
    quality = score_model.sample_moments(with_paraphrase).mean.mean(axis=2)
    queries = np.array([f"query {number}" for number in range(n_queries)], dtype=object)
    models = np.array([f"model {number}" for number in range(n_models)], dtype=object)
    return Bunch(
        queries=queries,
        X=X,
        outcomes=Outcomes.from_array(
            scores,
            models=models,
            queries=queries,
            costs=costs,
            score_range=None if link == "identity" else (0.0, 1.0),
        ),
        quality=quality,
        expected_quality=score_model.paraphrase_moments(predictor).mean,
        cost=expected_cost,
        best=quality.argmax(axis=1),
        variance_components=true_variance_components(
            score_model, models.tolist(), skill, directions, difficulty, interaction
        ),
    )


def _check_sizes(**sizes):
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} must be an int of at least 1, got {size!r}")


def _check_distribution(link, effects, sampling_noise):
    if link not in _LINKS:
        raise ValueError(f"link must be one of {list(_LINKS)}, got {link!r}")
    if effects not in EFFECT_SHAPES:
        raise ValueError(f"effects must be one of {list(EFFECT_SHAPES)}, got {effects!r}")
    max_noise = 1 if link == "logit" else np.inf
    if not 0 <= sampling_noise <= max_noise:
        raise ValueError(f"sampling_noise must be in [0, {max_noise}], got {sampling_noise!r}")
