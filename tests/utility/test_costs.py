"""Cost ranges, cost scaling, and cost weights in the unit of the costs."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids

from dars_sklearn import Outcomes
from dars_sklearn.utility import (
    answer_value,
    cost_weight_from_value,
    find_cost_range,
    scale_cost,
    unscale_cost,
)
from dars_sklearn.utility._costs import check_cost_weight, resolve_cost_range

NAN = float("nan")


# ---- ranges ------------------------------------------------------------------


def test_the_cost_range_is_over_single_known_outcomes():
    costs = [[[4.0, np.nan], [0.5, 8.0]]]
    assert find_cost_range(Outcomes.from_array(np.ones((1, 2, 2)), costs=costs)) == (0.5, 8.0)
    assert find_cost_range(Outcomes.from_array([[1, 0]])) == (0.0, 0.0)
    assert find_cost_range(Outcomes.from_array([[1]], costs=[np.nan])) == (0.0, 0.0)
    range_ = find_cost_range(Outcomes.from_array([[1]], costs=[3]))
    assert range_ == (3.0, 3.0)
    assert [type(end) for end in range_] == [float, float]


@settings(max_examples=60, deadline=None)
@given(grids(), st.integers(0, 1000))
def test_the_robust_range_is_over_the_median_costs_of_models(grid, seed):
    rng = np.random.default_rng(seed)
    costs = np.where(rng.random(grid.shape) < 0.3, np.nan, rng.random(grid.shape))
    outcomes = Outcomes.from_array(grid, costs=costs)
    own = [costs[:, model][~np.isnan(grid[:, model])] for model in range(grid.shape[1])]
    medians = [np.median(own[~np.isnan(own)]) for own in own if not np.isnan(own).all()]
    expected = (min(medians), max(medians)) if medians else (0.0, 0.0)
    assert find_cost_range(outcomes, "robust") == expected
    assert [type(end) for end in find_cost_range(outcomes, "robust")] == [float, float]


def test_a_few_expensive_outcomes_do_not_change_the_robust_range():
    costs = np.tile([1.0, 5.0], (20, 1))
    costs[0], costs[1, 1] = 1e6, 0.0
    outcomes = Outcomes.from_array(np.ones((20, 2)), costs=costs)
    assert find_cost_range(outcomes) == (0.0, 1e6)
    assert find_cost_range(outcomes, "robust") == (1.0, 5.0)


def test_a_range_may_be_given_by_its_ends_or_its_name():
    outcomes = Outcomes.from_array([[1, 1], [1, 1], [1, 1]], costs=[[1, 4], [2, 5], [3, 9]])
    assert resolve_cost_range(outcomes, None) == (1.0, 9.0)
    assert resolve_cost_range(outcomes, "minmax") == (1.0, 9.0)
    assert resolve_cost_range(outcomes, "robust") == (2.0, 5.0)
    assert resolve_cost_range(outcomes, (0, 1)) == (0, 1)
    message = "a cost range must be (low, high) or one of ['minmax', 'robust'], got 'log'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        resolve_cost_range(outcomes, "log")


# ---- scales ------------------------------------------------------------------


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
    "cost_range",
    [(2, 1), (0, np.nan), (np.nan, 1), (0, np.inf), (-np.inf, 0), (0, 1, 2), (1,), 5, "01",
     ("0", "1"), (False, True), (None, 1)],
)  # fmt: skip
def test_a_cost_range_must_be_finite_and_in_order(cost_range):
    message = f"cost_range must be two finite numbers, low then high, got {cost_range!r}"
    for use in (
        lambda: scale_cost(np.ones(1), cost_range),
        lambda: answer_value(0.1, cost_range),
        lambda: cost_weight_from_value(10.0, cost_range),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            use()


# ---- cost weights ------------------------------------------------------------


@pytest.mark.parametrize("cost_weight", [0, 0.05, np.float32(0.5), np.int64(3), 1e300])
def test_a_number_of_at_least_zero_is_a_cost_weight(cost_weight):
    assert check_cost_weight(cost_weight) is None


@pytest.mark.parametrize(
    ("cost_weight", "shown"),
    [(-1, "-1"), (np.float64(-0.5), "-0.5"), (NAN, "nan"), (np.inf, "inf"),
     ("1", "'1'"), (None, "None"), ([0.1], "[0.1]"), (1j, "1j")],
)  # fmt: skip
def test_anything_else_is_refused(cost_weight, shown):
    message = f"cost_weight must be a finite float >= 0, got {shown}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cost_weight(cost_weight)


def test_a_right_answer_is_worth_the_cost_at_which_utilities_are_equal():
    """At a cost weight of 0.05, a right answer may cost 20 ranges more than a wrong one."""
    value = answer_value(0.05, (2.0, 6.0))
    assert value == pytest.approx(80)
    right = 1 - 0.05 * scale_cost(np.array(2.0 + value), (2.0, 6.0))
    wrong = 0 - 0.05 * scale_cost(np.array(2.0), (2.0, 6.0))
    assert right == pytest.approx(wrong)
    assert answer_value(0.25, (0, 1)) == 4.0


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0, 100), st.floats(0.01, 100))
def test_the_value_of_an_answer_and_the_cost_weight_are_inverse(value, low, width):
    cost_range = (low, low + width)
    cost_weight = cost_weight_from_value(value, cost_range)
    assert answer_value(cost_weight, cost_range) == pytest.approx(value)
    assert cost_weight_from_value(value, (0, 1)) == pytest.approx(1 / value)


def test_where_cost_weighs_nothing_a_right_answer_is_worth_any_cost():
    assert answer_value(0.0, (0.0, 1.0)) == np.inf
    assert answer_value(0.5, (3.0, 3.0)) == np.inf
    assert cost_weight_from_value(np.inf, (0.0, 1.0)) == 0


@pytest.mark.parametrize("value", [0, -1.0, NAN])
def test_the_value_of_an_answer_must_be_positive(value):
    with pytest.raises(ValueError, match=f"^answer_value must be positive, got {value!r}$"):
        cost_weight_from_value(value, (0.0, 1.0))


def test_a_range_without_width_has_no_cost_weight():
    with pytest.raises(ValueError, match=r"^cost_range=\(2, 2\) has no width"):
        cost_weight_from_value(1.0, (2, 2))
