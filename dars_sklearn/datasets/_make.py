"""Outcomes drawn from a known truth."""

from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state

from dars_sklearn.datasets._truth import SHAPES, ScoreModel, true_parts
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
    link="logit",
    effects="normal",
    random_state=None,
):
    """Draw queries, embeddings and outcomes, and return the truth with them.

    The log-odds that model m answers paraphrase p of query q rightly are
    ``skill[m] + difficulty * d[q] + interaction * g[q, m] + paraphrase_effect
    * w[q, m, p]``, with ``d`` and ``g`` linear in the embedding of q before
    they are given their shape, and all three of unit variance. A score is
    drawn from that probability. With another link the sum, about 0.5, is the
    expected score itself.

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
        this share of a Bernoulli draw's deviation. With another link, the
        standard deviation of a score over samples.
    link : {"logit", "identity", "clip"}, default="logit"
        Right or wrong answers; scores of any size, which are a plain sum of
        effects; or these cut to [0, 1].
    effects : {"normal", "skewed"}, default="normal"
        Shape of the effects; skewed is an exponential's.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    Bunch
        With ``queries`` (texts), ``X`` (n_queries, n_features), ``outcomes``,
        and the truth: ``quality``, the expected score over the wordings that
        were drawn, ``expected_quality``, that over all wordings, ``cost``, each
        (n_queries, n_models); ``best``, the number of the model of highest
        quality; and ``variance_parts``, a table of the query, paraphrase and
        sample parts of the variance of scores (after link and clipping) of
        each model, and of the differences between models, over all queries
        that could be drawn.

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
    if link not in ("logit", "identity", "clip"):
        raise ValueError(f"link must be 'logit', 'identity' or 'clip', got {link!r}")
    if effects not in SHAPES:
        raise ValueError(f"effects must be one of {list(SHAPES)}, got {effects!r}")
    most = 1 if link == "logit" else np.inf
    if not 0 <= sampling_noise <= most:
        raise ValueError(f"sampling_noise must be in [0, {most}], got {sampling_noise!r}")
    rng = check_random_state(random_state)
    shape = SHAPES[effects]
    X = rng.normal(size=(n_queries, n_features))
    directions = rng.normal(size=(n_features, n_models + 1))
    directions /= np.linalg.norm(directions, axis=0)
    skill = np.linspace(-0.5, 0.5, n_models)
    if link != "logit":
        skill = 0.5 + 0.2 * skill
    total = skill + difficulty * shape(X @ directions[:, :1])
    total = total + interaction * shape(X @ directions[:, 1:])
    score_model = ScoreModel(link, effects, paraphrase_effect, sampling_noise)
    wording = shape(rng.normal(size=(n_queries, n_models, n_paraphrases)))
    worded = total[:, :, None] + paraphrase_effect * wording
    scores = score_model.draw(worded, n_samples, rng)
    price = np.geomspace(1.0, 10.0, n_models)
    mean_cost = price * rng.lognormal(0.0, 0.2, size=(n_queries, 1))
    # A lognormal of mean 1, so that mean_cost is the true mean.
    costs = mean_cost[:, :, None, None] * rng.lognormal(-0.02, 0.2, size=scores.shape)
    quality = score_model.moments(worded)[0].mean(axis=2)
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
        expected_quality=score_model.over_paraphrases(total)[0],
        cost=mean_cost,
        best=quality.argmax(axis=1),
        variance_parts=true_parts(
            score_model, models.tolist(), skill, directions, difficulty, interaction, shape
        ),
    )
