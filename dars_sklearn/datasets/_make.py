"""Outcomes drawn from a known truth."""

from numbers import Integral

import numpy as np
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state

from dars_sklearn.outcomes import Outcomes

__all__ = ["make_routing_outcomes"]


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
    random_state=None,
):
    """Draw queries, embeddings and outcomes, and return the truth with them.

    The log-odds that model m answers paraphrase p of query q rightly are
    ``skill[m] + difficulty * d[q] + interaction * g[q, m] + paraphrase_effect
    * w[q, m, p]``, with ``d`` and ``g`` linear in the embedding of q, and all
    four of unit variance. A score is drawn from that probability.

    Parameters
    ----------
    n_queries, n_models, n_paraphrases, n_samples : int
        Numbers of each.
    n_features : int, default=16
        Length of an embedding.
    difficulty : float, default=1.0
        Standard deviation of what makes a query hard for all models.
    interaction : float, default=1.0
        Standard deviation of what makes models differ by query: all that
        routing can win.
    paraphrase_effect : float, default=0.5
        Standard deviation of what the wording does.
    sampling_noise : float, default=1.0
        From 0, where a score is its probability of being right, to 1, where
        it is a right or a wrong answer: a score is off its probability by
        this share of a Bernoulli draw's deviation.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    Bunch
        With ``queries`` (texts), ``X`` (n_queries, n_features), ``outcomes``,
        and the truth: ``quality``, the expected score over wordings that were
        drawn, ``cost``, both (n_queries, n_models), and ``best``, the number of
        the model of highest quality.

    Examples
    --------
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> data.outcomes
    <Outcomes: 50 queries x 3 models, 3750 outcomes, 25 a pair>
    """
    sizes = {
        "n_queries": n_queries,
        "n_models": n_models,
        "n_paraphrases": n_paraphrases,
        "n_samples": n_samples,
        "n_features": n_features,
    }
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} must be an int of at least 1, got {size!r}")
    if not 0 <= sampling_noise <= 1:
        raise ValueError(f"sampling_noise must be in [0, 1], got {sampling_noise!r}")
    rng = check_random_state(random_state)
    X = rng.normal(size=(n_queries, n_features))
    directions = rng.normal(size=(n_features, n_models + 1))
    directions /= np.linalg.norm(directions, axis=0)
    skill = np.linspace(-0.5, 0.5, n_models)
    log_odds = skill + difficulty * (X @ directions[:, :1]) + interaction * (X @ directions[:, 1:])
    wording = rng.normal(size=(n_queries, n_models, n_paraphrases))
    probability = expit(log_odds[:, :, None] + paraphrase_effect * wording)[..., None]
    shape = (n_queries, n_models, n_paraphrases, n_samples)
    right = (rng.random_sample(shape) < probability).astype(float)
    scores = probability + sampling_noise * (right - probability)
    price = np.geomspace(1.0, 10.0, n_models)
    mean_cost = price * rng.lognormal(0.0, 0.2, size=(n_queries, 1))
    # A lognormal of mean 1, so that mean_cost is the true mean.
    costs = mean_cost[:, :, None, None] * rng.lognormal(-0.02, 0.2, size=shape)
    quality = probability[..., 0].mean(axis=2)
    queries = np.array([f"query {number}" for number in range(n_queries)], dtype=object)
    models = np.array([f"model {number}" for number in range(n_models)], dtype=object)
    return Bunch(
        queries=queries,
        X=X,
        outcomes=Outcomes.from_array(scores, models=models, queries=queries, costs=costs),
        quality=quality,
        cost=mean_cost,
        best=quality.argmax(axis=1),
    )
