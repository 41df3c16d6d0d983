"""What the costs of a report mean, in words."""

import numpy as np
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.evaluate._cost_notes import cost_notes

NAN = float("nan")


def test_a_cost_weight_is_described_in_the_unit_of_the_costs():
    outcomes = Outcomes.from_array([[1, 0]], costs=[2.0, 6.0])
    assert cost_notes(outcomes, 0.05, (2.0, 6.0)) == [
        "cost_weight=0.05: a fully right answer is worth 80, costs from 2 to 6 are scaled to 0 to 1"
    ]


def test_without_a_declared_range_one_unit_of_score_is_valued():
    outcomes = Outcomes.from_array([[1, 0]], costs=[2.0, 6.0], score_range=None)
    (note,) = cost_notes(outcomes, 0.5, (0, 1))
    assert note.startswith("cost_weight=0.5: one unit of score is worth 2, costs from 0 to 1 ")


@pytest.mark.parametrize(("cost_weight", "cost_range"), [(0.0, (2.0, 6.0)), (0.5, (2.0, 2.0))])
def test_a_weight_or_a_range_of_zero_means_that_cost_weighs_nothing(cost_weight, cost_range):
    outcomes = Outcomes.from_array([[1, 0]], costs=[2.0, 6.0])
    expected = [f"cost_weight={cost_weight:.4g}: cost weighs nothing"]
    assert cost_notes(outcomes, cost_weight, cost_range) == expected


def test_unknown_costs_are_counted():
    outcomes = Outcomes.from_array([[1, 0]] * 3, costs=[[1.0, NAN], [2.0, NAN], [NAN, 4.0]])
    assert cost_notes(outcomes, 0.05, (1.0, 4.0))[1:] == [
        "3 of 6 costs are unknown, and count as the mean cost of their model"
    ]


@pytest.mark.parametrize("costs", [None, [NAN, NAN]])
def test_outcomes_without_costs_have_no_notes(costs):
    outcomes = Outcomes.from_array(np.ones((2, 2)), costs=costs)
    assert cost_notes(outcomes, 0.0, (0.0, 1.0)) == []


def test_a_model_without_known_costs_is_named():
    outcomes = Outcomes.from_array(np.ones((2, 2)), models=["a", "b"], costs=[1.0, NAN])
    (note,) = cost_notes(outcomes, 0.0, (0.0, 1.0))
    assert note.startswith("Costs, and what is computed from them, are not shown: no cost of ")
    assert "no cost of model 'b' is known" in note
