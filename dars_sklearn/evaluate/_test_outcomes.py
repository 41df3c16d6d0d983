"""Outcomes of an evaluation must fit those that a router is trained on."""

from dars_sklearn.outcomes._validation import check_models
from dars_sklearn.utility import models_without_costs
from dars_sklearn.utility._costs import has_any_cost
from dars_sklearn.utility._scores import check_score_scale, score_limits
from dars_sklearn.utility._unknown_costs import check_costs_known, check_costs_to_weigh

__all__ = ["check_test_outcomes"]


def check_test_outcomes(outcomes_test, outcomes, cost_weight):
    """Refuse test outcomes on which routes cannot be evaluated; call it before anything is fitted.

    Parameters
    ----------
    outcomes_test : Outcomes
        Outcomes of the evaluation.
    outcomes : Outcomes
        Training outcomes.
    cost_weight : float
        Quality given up for one unit of scaled cost.

    Raises
    ------
    ValueError
        If the models or the scale of scores differ, or costs that weigh in utilities are unknown.
    """
    check_models(outcomes_test, outcomes.models, "the training outcomes have")
    check_score_scale(outcomes_test, outcomes.score_range, score_limits(outcomes))
    check_costs_to_weigh(outcomes_test, cost_weight, trained_with_costs=has_any_cost(outcomes))
    if cost_weight > 0 and has_any_cost(outcomes_test):
        check_costs_known(models_without_costs(outcomes_test))
