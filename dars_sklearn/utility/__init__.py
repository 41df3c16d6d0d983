"""Utility of a model on a query, and the scales of its score and its cost.

Utilities are on the unit scale of the declared range of scores: the lowest possible score is 0 and
the highest is 1. A cost weight thus means the same whether answers are graded from 0 to 1 or from
0 to 100. Scores without a declared range (``score_range=None``) are taken as they are, and the
cost weight is in their unit.
"""

from dars_sklearn.utility._costs import (
    answer_value,
    cost_weight_from_value,
    find_cost_range,
    scale_cost,
    unscale_cost,
)
from dars_sklearn.utility._scores import scale_score, unscale_score
from dars_sklearn.utility._unknown_costs import models_without_costs
from dars_sklearn.utility._utility import outcome_utilities, utility

__all__ = [
    "answer_value",
    "cost_weight_from_value",
    "find_cost_range",
    "models_without_costs",
    "outcome_utilities",
    "scale_cost",
    "scale_score",
    "unscale_cost",
    "unscale_score",
    "utility",
]
