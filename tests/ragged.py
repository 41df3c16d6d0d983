"""Random ragged outcomes for tests, and their means in plain loops."""

from typing import NamedTuple

import numpy as np
from plain_outcomes import pair_summary

from dars_sklearn import Outcomes


class Ragged(NamedTuple):
    """Scores and costs of shape (query, model, paraphrase, sample), NaN where absent."""

    scores: np.ndarray
    costs: np.ndarray

    def outcomes(self, models=None):
        """Return them as outcomes."""
        return Outcomes.from_array(self.scores, models=models, costs=self.costs)


def draw_ragged(
    seed,
    *,
    n_queries=9,
    n_models=3,
    n_paraphrases=3,
    n_samples=2,
    share=0.7,
    every_pair=True,
    unknown_costs=0.0,
):
    """Draw scores and costs of which about a share is present.

    Every query has an outcome, and so has every (query, model) pair unless ``every_pair`` is
    false. Scores are quarters, so that ties occur. A share of the costs is unknown.
    """
    rng = np.random.default_rng(seed)
    shape = (n_queries, n_models, n_paraphrases, n_samples)
    scores = rng.integers(0, 5, shape) / 4
    costs = rng.random(shape) + np.arange(n_models)[:, None, None] / 2
    present = rng.random(shape) < share
    kept = rng.integers(0, n_paraphrases * n_samples, (n_queries, n_models))
    observed = np.ones((n_queries, n_models), dtype=bool)
    if not every_pair:
        observed = np.arange(n_models) == rng.integers(0, n_models, n_queries)[:, None]
    for query, model in np.argwhere(observed):
        present[(query, model, *np.unravel_index(kept[query, model], shape[2:]))] = True
    scores[~present] = np.nan
    costs[~present | (rng.random(shape) < unknown_costs)] = np.nan
    return Ragged(scores, costs)


def pair_means(values):
    """Mean of every (query, model) pair in which paraphrases weigh the same, NaN for none."""
    means = np.empty(values.shape[:2])
    for query, model in np.ndindex(means.shape):
        means[query, model] = pair_summary(values[query, model], "balanced")[0]
    return means
