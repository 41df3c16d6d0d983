"""Costs that are unknown: which models lack them, what is refused then, and what is filled in."""

import numpy as np

from dars_sklearn.utility._costs import check_cost_weight, has_any_cost

__all__ = [
    "check_costs_known",
    "check_costs_to_weigh",
    "fill_unknown_costs",
    "models_without_costs",
]


def models_without_costs(outcomes):
    """Find the models that have outcomes, but no known cost.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes, with or without costs.

    Returns
    -------
    list
        Names of the models.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.utility import models_without_costs
    >>> costs = [2.0, float("nan")]
    >>> models_without_costs(Outcomes.from_array([[1, 0]], models=["a", "b"], costs=costs))
    ['b']
    """
    known = np.zeros(len(outcomes.score), dtype=bool)
    if outcomes.cost is not None:
        known = ~np.isnan(outcomes.cost)
    if known.all():
        return []
    model = outcomes.model_indices()
    observed = np.bincount(model, minlength=outcomes.n_models) > 0
    has_known = np.bincount(model[known], minlength=outcomes.n_models) > 0
    return outcomes.models[observed & ~has_known].tolist()


def check_costs_known(unknown_models, *, can_be_ignored=True):
    """Refuse to compare the costs of models where no cost of some of them is known.

    Parameters
    ----------
    unknown_models : list
        Names of the models without a known cost.
    can_be_ignored : bool, default=True
        Whether ``cost_weight=0`` does without costs, which is then a remedy in the error.

    Raises
    ------
    ValueError
        If there is such a model.
    """
    if not unknown_models:
        return
    remedy = "use cost_weight=0, " if can_be_ignored else ""
    noun = "the model" if len(unknown_models) == 1 else "the models"
    names = ", ".join(map(repr, unknown_models))
    raise ValueError(
        f"no cost of {noun} {names} is known, and costs are not invented; {remedy}"
        "fill in the column of costs (0 for a free model), give prices of tokens with "
        "outcomes.with_prices(...), or leave models out with outcomes.subset(models=...)"
    )


def check_costs_to_weigh(outcomes, cost_weight, *, trained_with_costs):
    """Refuse an evaluation in which cost would weigh nothing, although it did in training.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of an evaluation.
    cost_weight : float
        Quality given up for one unit of scaled cost.
    trained_with_costs : bool
        Whether the training outcomes have costs.

    Raises
    ------
    ValueError
        If the training outcomes have costs, these have none, and the cost weight is positive.
    """
    check_cost_weight(cost_weight)
    if cost_weight > 0 and trained_with_costs and not has_any_cost(outcomes):
        raise ValueError(
            "the training outcomes have costs, and those of the evaluation have none, so that cost "
            "would weigh nothing in their utilities; use cost_weight=0, or give the evaluation "
            "costs, for example with outcomes.with_prices(...)"
        )


def fill_unknown_costs(outcomes):
    """Replace the unknown costs of single outcomes by the mean cost of their model.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with at least one known cost of each model that has outcomes.

    Returns
    -------
    ndarray of shape (n_outcomes,)
        The costs in the user's unit.

    Raises
    ------
    ValueError
        If no cost of some model with outcomes is known.
    """
    check_costs_known(models_without_costs(outcomes), can_be_ignored=False)
    known = ~np.isnan(outcomes.cost)
    if known.all():
        return outcomes.cost
    model = outcomes.model_indices()
    n_known = np.bincount(model[known], minlength=outcomes.n_models)
    total = np.bincount(model[known], outcomes.cost[known], outcomes.n_models)
    return np.where(known, outcomes.cost, total[model] / n_known[model])
