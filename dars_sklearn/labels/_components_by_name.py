"""Variance components of the models of some outcomes, and of the differences between them."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dars_sklearn.labels._variance_components import (
    difference_variance_components,
    model_variance_components,
)
from dars_sklearn.outcomes._cells import make_cells
from dars_sklearn.utils._validation import check_level

__all__ = ["OVERALL", "ComponentsByName", "check_components_design", "estimate_components"]

# Names of the mean over the differences between all models.
OVERALL = ("overall", "overall")


class ComponentsByName(NamedTuple):
    """Variance components by the names of models.

    Parameters
    ----------
    models : dict of (label, "") to VarianceComponents
        Components of each model's scores.
    differences : dict of (label, label) to VarianceComponents
        Components of the difference of each two models' scores, and of their mean.
    """

    models: dict
    differences: dict


def check_components_design(outcomes, level):
    """Refuse outcomes without variance components, and levels that are none.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    level : float
        Level of intervals.

    Raises
    ------
    ValueError
        If there are fewer than three queries, or the level is not between 0 and 1.
    """
    if len(outcomes) < 3:
        raise ValueError(f"variance components need at least 3 queries, got {len(outcomes)}")
    check_level(level)


def estimate_components(outcomes):
    """Estimate the variance components of each model, and of the differences between models.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of at least three queries.

    Returns
    -------
    ComponentsByName
        The components. Without two models that have two common queries, there is no mean over
        the differences.
    """
    cells = make_cells(outcomes)
    names, shape = outcomes.models.tolist(), (len(outcomes), outcomes.n_models)
    by_model = model_variance_components(cells, *shape)
    models = {(name, ""): own for name, own in zip(names, by_model, strict=True)}
    differences = {
        (names[i], names[j]): difference
        for (i, j), difference in difference_variance_components(cells, *shape).items()
    }
    with_queries = [difference for difference in differences.values() if difference.n_queries > 1]
    if with_queries:
        differences[OVERALL] = _mean_components(with_queries)
    return ComponentsByName(models, differences)


def _mean_components(components):
    """Average components, and their replicates, over differences of models."""
    arrays = (
        "query_variance",
        "query_noise",
        "paraphrase_mean_square",
        "paraphrase_noise",
        "sample",
        "label_noise",
    )
    return replace(
        components[0],
        **{name: np.mean([getattr(own, name) for own in components], axis=0) for name in arrays},
        queries_identifiable=all(own.queries_identifiable for own in components),
        samples_identifiable=all(own.samples_identifiable for own in components),
        n_queries=max(own.n_queries for own in components),
    )
