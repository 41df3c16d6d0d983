"""The utility formula, and the utilities of single outcomes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids

from dars_sklearn import Outcomes
from dars_sklearn.utility import outcome_utilities, utility

NUMBERS = st.floats(-100, 100)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, st.floats(0, 100), NUMBERS)
def test_utility_is_quality_less_weighted_cost_less_weighted_risk(
    quality, cost, risk, cost_weight, risk_aversion
):
    expected = quality - cost_weight * cost - risk_aversion * risk
    found = utility(quality, cost, risk, cost_weight=cost_weight, risk_aversion=risk_aversion)
    assert found == pytest.approx(expected, abs=1e-9)


def test_utility_of_lists_is_an_array():
    found = utility([1.0, 0.5], [0.5, 1.0], [0.25, 0.0], cost_weight=0.5, risk_aversion=2.0)
    np.testing.assert_array_equal(found, [1 - 0.25 - 0.5, 0.5 - 0.5])


def test_a_negative_cost_weight_has_no_utility():
    with pytest.raises(ValueError, match="^cost_weight must be a finite float >= 0, got -0.5$"):
        utility(1.0, 1.0, 0.0, cost_weight=-0.5, risk_aversion=0.0)


# ---- utilities of outcomes ---------------------------------------------------


def slow_utilities(scores, costs, models, cost_weight, cost_range):
    """Score less weighted scaled cost, where an unknown cost is its model's mean cost."""
    known = [cost for cost in costs if not np.isnan(cost)]
    low, high = cost_range or ((min(known), max(known)) if known else (0, 0))
    utilities = []
    for score, cost, model in zip(scores, costs, models, strict=True):
        if np.isnan(cost):
            own = [
                other for other, its_model in zip(costs, models, strict=True)
                if its_model == model and not np.isnan(other)
            ]  # fmt: skip
            cost = sum(own) / len(own) if own else None
        scaled = 0 if cost is None or low == high else (cost - low) / (high - low)
        utilities.append(score - cost_weight * scaled)
    return utilities


@settings(max_examples=100, deadline=None)
@given(
    grids(),
    st.sampled_from([0.05, 0.5, 3.0]),
    st.sampled_from([None, (0, 1), (1.0, 5.0), (2.0, 2.0)]),
    st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    st.integers(0, 1000),
)
def test_utilities_of_outcomes_are_those_of_a_loop(
    grid, cost_weight, cost_range, share_unknown, seed
):
    rng = np.random.default_rng(seed)
    costs = np.where(rng.random(grid.shape) < share_unknown, np.nan, 10 * rng.random(grid.shape))
    outcomes = Outcomes.from_array(grid, costs=costs)
    observed = ~np.isnan(grid)
    models = np.nonzero(observed)[1].tolist()
    own_costs = costs[observed]
    with_costs = {
        model for model, cost in zip(models, own_costs, strict=True) if not np.isnan(cost)
    }
    if with_costs and with_costs != set(models):
        with pytest.raises(ValueError, match="no cost of the model"):
            outcome_utilities(outcomes, cost_weight, cost_range)
        return
    expected = slow_utilities(
        grid[observed].tolist(), own_costs.tolist(), models, cost_weight, cost_range
    )
    assert outcome_utilities(outcomes, cost_weight, cost_range) == pytest.approx(expected)


def test_an_unknown_cost_is_the_mean_cost_of_its_model():
    """Worked out by hand: means of 3 and 7."""
    costs = [[[1.0, 5.0, np.nan], [7.0, np.nan, np.nan]]]
    outcomes = Outcomes.from_array(np.ones((1, 2, 3)), costs=costs)
    in_the_users_unit = outcome_utilities(outcomes, 0.1, (0, 1))
    expected = 1 - 0.1 * np.array([1, 5, 3, 7, 7, 7])
    np.testing.assert_allclose(in_the_users_unit, expected, rtol=1e-14)
    over_the_range = outcome_utilities(outcomes, 0.6, None)
    scaled = np.array([0, 4, 2, 6, 6, 6]) / 6
    np.testing.assert_allclose(over_the_range, 1 - 0.6 * scaled, rtol=1e-14)


@pytest.mark.parametrize("cost_range", [None, (0, 1)])
def test_costs_that_are_unknown_for_a_whole_model_are_weighed_only_by_zero(cost_range):
    outcomes = Outcomes.from_array([[1, 0.5]], models=["a", "b"], costs=[2.0, np.nan])
    assert outcome_utilities(outcomes, 0.0, cost_range).tolist() == [1, 0.5]
    with pytest.raises(ValueError, match="no cost of the model 'b' is known.*use cost_weight=0"):
        outcome_utilities(outcomes, 0.05, cost_range)


@pytest.mark.parametrize("costs", [None, np.full((2, 2), np.nan)])
@pytest.mark.parametrize("cost_range", [None, (0, 1), (0.5, 3.0)])
def test_without_any_costs_cost_weighs_nothing(costs, cost_range):
    outcomes = Outcomes.from_array([[1, 0], [0.5, 0.25]], costs=costs)
    np.testing.assert_array_equal(outcome_utilities(outcomes, 2.0, cost_range), outcomes.score)


def test_without_a_weight_utilities_are_the_scores():
    outcomes = Outcomes.from_array([[1, 0]], costs=[2, 3])
    assert outcome_utilities(outcomes, 0, None).tolist() == [1, 0]
    assert outcome_utilities(outcomes, 0.0, (0, 1)).tolist() == [1, 0]
    assert outcome_utilities(outcomes, 1, (0, 1)).tolist() == [-1, -3]


def test_scores_are_on_the_unit_scale_of_their_declared_range():
    percent = Outcomes.from_array([[80, 20]], costs=[1.0, 3.0], score_range=(0, 100))
    np.testing.assert_allclose(outcome_utilities(percent, 0.1, None), [0.8, 0.1])
    np.testing.assert_allclose(outcome_utilities(percent, 0.0, None), [0.8, 0.2])
    undeclared = Outcomes.from_array([[80, 20]], costs=[1.0, 3.0], score_range=None)
    np.testing.assert_allclose(outcome_utilities(undeclared, 0.1, None), [80, 19.9])


@pytest.mark.parametrize("cost_weight", [-0.1, np.inf, np.nan])
@pytest.mark.parametrize("costs", [None, [1, 2]])
def test_a_cost_weight_must_be_finite_and_not_negative(cost_weight, costs):
    outcomes = Outcomes.from_array([[1, 0]], costs=costs)
    message = f"^cost_weight must be a finite float >= 0, got {cost_weight!r}$"
    with pytest.raises(ValueError, match=message):
        outcome_utilities(outcomes, cost_weight, None)


def test_a_cost_range_of_outcomes_must_be_in_order():
    outcomes = Outcomes.from_array([[1, 0]], costs=[2, 3])
    with pytest.raises(ValueError, match="^cost_range must be two finite numbers"):
        outcome_utilities(outcomes, 0.1, (2, 1))
