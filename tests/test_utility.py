"""Utility, cost ranges and cost scaling."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids

from dars_sklearn import Outcomes
from dars_sklearn.utility import (
    find_cost_range,
    outcome_utilities,
    scale_cost,
    unscale_cost,
    utility,
)

NUMBERS = st.floats(-100, 100)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_utility_is_quality_less_weighted_cost_less_weighted_risk(
    quality, cost, risk, cost_weight, risk_aversion
):
    expected = quality - cost_weight * cost - risk_aversion * risk
    found = utility(quality, cost, risk, cost_weight=cost_weight, risk_aversion=risk_aversion)
    assert found == pytest.approx(expected, abs=1e-9)


def test_utility_of_lists_is_an_array():
    found = utility([1.0, 0.5], [0.5, 1.0], [0.25, 0.0], cost_weight=0.5, risk_aversion=2.0)
    np.testing.assert_array_equal(found, [1 - 0.25 - 0.5, 0.5 - 0.5])


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
            own = own or known
            cost = sum(own) / len(own) if own else None
        scaled = 0 if cost is None or low == high else (cost - low) / (high - low)
        utilities.append(score - cost_weight * scaled)
    return utilities


@settings(max_examples=100, deadline=None)
@given(
    grids(),
    st.sampled_from([0.05, 0.5, 3.0]),
    st.sampled_from([None, (0, 1), (1.0, 5.0), (2.0, 2.0)]),
    st.floats(0, 1),
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
    expected = slow_utilities(
        grid[observed].tolist(), costs[observed].tolist(), models, cost_weight, cost_range
    )
    assert outcome_utilities(outcomes, cost_weight, cost_range) == pytest.approx(expected)


def test_an_unknown_cost_is_the_mean_cost_of_its_model():
    """Worked out by hand: means of 3 and 7, and of all known costs for the third model."""
    costs = [[[1.0, 5.0, np.nan], [7.0, np.nan, np.nan], [np.nan, np.nan, np.nan]]]
    outcomes = Outcomes.from_array(np.ones((1, 3, 3)), costs=costs)
    in_the_users_unit = outcome_utilities(outcomes, 0.1, (0, 1))
    mean = (1 + 5 + 7) / 3
    expected = 1 - 0.1 * np.array([1, 5, 3, 7, 7, 7, mean, mean, mean])
    np.testing.assert_allclose(in_the_users_unit, expected, rtol=1e-14)
    over_the_range = outcome_utilities(outcomes, 0.6, None)
    scaled = np.array([0, 4, 2, 6, 6, 6, mean - 1, mean - 1, mean - 1]) / 6
    np.testing.assert_allclose(over_the_range, 1 - 0.6 * scaled, rtol=1e-14)


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


@pytest.mark.parametrize("cost_weight", [-0.1, np.inf, np.nan])
@pytest.mark.parametrize("costs", [None, [1, 2]])
def test_a_cost_weight_must_be_finite_and_not_negative(cost_weight, costs):
    outcomes = Outcomes.from_array([[1, 0]], costs=costs)
    message = f"^cost_weight must be a finite float >= 0, got {cost_weight!r}$"
    with pytest.raises(ValueError, match=message):
        outcome_utilities(outcomes, cost_weight, None)


# ---- ranges and scales -------------------------------------------------------


def test_the_cost_range_is_over_single_known_outcomes():
    costs = [[[4.0, np.nan], [0.5, 8.0]]]
    assert find_cost_range(Outcomes.from_array(np.ones((1, 2, 2)), costs=costs)) == (0.5, 8.0)
    assert find_cost_range(Outcomes.from_array([[1, 0]])) == (0.0, 0.0)
    assert find_cost_range(Outcomes.from_array([[1]], costs=[np.nan])) == (0.0, 0.0)
    range_ = find_cost_range(Outcomes.from_array([[1]], costs=[3]))
    assert range_ == (3.0, 3.0)
    assert [type(end) for end in range_] == [float, float]


def test_costs_are_scaled_linearly():
    costs = np.array([2.0, 4.0, 5.0, 8.0, np.nan])
    np.testing.assert_allclose(scale_cost(costs, (2.0, 6.0)), [0, 0.5, 0.75, 1.5, np.nan])
    np.testing.assert_array_equal(scale_cost(costs, (0, 1)), costs)
    np.testing.assert_array_equal(scale_cost(costs, (3, 3)), [0, 0, 0, 0, np.nan])


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 100))
def test_unscaling_is_the_inverse_of_scaling(cost, low, width):
    range_ = low, low + width
    assert unscale_cost(scale_cost(np.array(cost), range_), range_) == pytest.approx(cost, abs=1e-9)
    assert unscale_cost(np.array([0.0, 1.0]), range_) == pytest.approx(range_)


@pytest.mark.parametrize(
    "cost_range", [(2, 1), (0, np.nan), (np.nan, 1), (0, np.inf), (-np.inf, 0)]
)
def test_a_cost_range_must_be_finite_and_in_order(cost_range):
    message = f"cost_range must be two finite numbers, low then high, got {cost_range!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scale_cost(np.ones(1), cost_range)
    outcomes = Outcomes.from_array([[1, 0]], costs=[2, 3])
    with pytest.raises(ValueError, match="^cost_range must be"):
        outcome_utilities(outcomes, 0.1, cost_range)
