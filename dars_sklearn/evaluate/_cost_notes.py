"""What the costs of a report mean, in words."""

import numpy as np

from dars_sklearn.metrics._realised_values import has_known_costs
from dars_sklearn.outcomes._validation import list_values
from dars_sklearn.utility import answer_value
from dars_sklearn.utility._costs import has_any_cost
from dars_sklearn.utility._unknown_costs import models_without_costs

__all__ = ["cost_notes"]


def cost_notes(outcomes, cost_weight, cost_range):
    """Describe what a cost weight means for some outcomes, and which costs are not their own.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of a report.
    cost_weight : float
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.

    Returns
    -------
    list of str
        Sentences; none where the outcomes have no costs.
    """
    if not has_known_costs(outcomes):
        return _missing_cost_notes(outcomes)
    described = _describe_cost_weight(cost_weight, cost_range, outcomes.score_range)
    return [f"cost_weight={cost_weight:.4g}: {described}", *_unknown_cost_notes(outcomes)]


def _missing_cost_notes(outcomes):
    """Say which models without known costs keep a report from showing costs."""
    if not has_any_cost(outcomes):
        return []
    models = list_values(models_without_costs(outcomes), "model")
    return [
        f"Costs, and what is computed from them, are not shown: no cost of {models} is known; see "
        "with_prices, or leave it out with subset(models=...)"
    ]


def _unknown_cost_notes(outcomes):
    """Say how many costs are unknown, and what they count as.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with costs.

    Returns
    -------
    list of str
        A sentence; none where all costs are known.
    """
    n_unknown = int(np.isnan(outcomes.cost).sum())
    if not n_unknown:
        return []
    return [
        f"{n_unknown} of {len(outcomes.cost)} costs are unknown, and count as the mean cost of "
        "their model"
    ]


def _describe_cost_weight(cost_weight, cost_range, score_range):
    """Say what a cost weight means in the unit of the costs.

    Parameters
    ----------
    cost_weight : float
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.
    score_range : tuple of float or None
        Lowest and highest possible score.

    Returns
    -------
    str
        A sentence without its full stop.
    """
    low, high = cost_range
    value = answer_value(cost_weight, cost_range)
    if np.isinf(value):
        return "cost weighs nothing"
    answer = "one unit of score" if score_range is None else "a fully right answer"
    return f"{answer} is worth {value:.4g}, costs from {low:.4g} to {high:.4g} are scaled to 0 to 1"
