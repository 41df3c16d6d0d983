"""Baselines of routing, and what supervision costs relative to what it saves."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ragged import draw_ragged, pair_means

from dars_sklearn import Outcomes
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    best_single_model,
    cheapest_model,
    performance_gap_recovered,
    random_utility,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)

NAN = float("nan")
SCALE = {"cost_weight": 0.3, "cost_range": (0.0, 2.0)}


def known_mean(values, weights=None):
    weights = [1] * len(values) if weights is None else weights
    known = [(w, v) for w, v in zip(weights, values, strict=True) if not np.isnan(v)]
    return sum(w * v for w, v in known) / sum(w for w, _ in known)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_baselines_are_those_of_a_slow_loop(seed, every_pair):
    data = draw_ragged(seed, n_queries=12, n_paraphrases=2, share=0.5, every_pair=every_pair)
    score, cost = pair_means(data.scores), pair_means(data.costs)
    assume((~np.isnan(score)).any(axis=0).all())
    weight = np.random.default_rng(seed).random(12)
    utility = score - 0.3 * cost / 2
    outcomes = data.outcomes(["a", "b", "c"])
    means = [known_mean(column) for column in utility.T]
    assert best_single_model(outcomes, **SCALE) == "abc"[int(np.argmax(means))]
    costs = [known_mean(column) for column in cost.T]
    assert cheapest_model(outcomes) == "abc"[int(np.argmin(costs))]
    assert random_utility(outcomes, **SCALE) == pytest.approx(sum(means) / 3)
    weighted = [known_mean(column, weight) for column in utility.T]
    found = random_utility(outcomes, **SCALE, sample_weight=weight)
    assert found == pytest.approx(sum(weighted) / 3)


def test_the_best_single_model_has_the_highest_utility_and_not_the_highest_score():
    # Model "a" scores 0.04 more than "b", and costs one unit of scaled cost more.
    outcomes = Outcomes.from_array([[0.54, 0.5]] * 2, models=["a", "b"], costs=[7.0, 2.0])
    assert best_single_model(outcomes) == "b"  # 0.54 - 0.05 < 0.5
    assert best_single_model(outcomes, cost_weight=0.03) == "a"
    assert best_single_model(outcomes, cost_weight=0.0) == "a"
    assert best_single_model(outcomes, cost_range=(0, 10)) == "a"  # half a unit more
    assert best_single_model(outcomes, cost_weight=0.01, cost_range=(0, 1)) == "b"


def test_the_best_single_model_is_the_best_of_all():
    outcomes = Outcomes.from_array([[0.1, 0.9, 0.5, 0.2]])
    assert best_single_model(outcomes) == 1


def test_ties_go_to_the_first_model():
    outcomes = Outcomes.from_array([[1, 1, 0]], models=["b", "a", "c"], costs=[1.0, 1.0, 1.0])
    assert best_single_model(outcomes) == "b"
    assert cheapest_model(outcomes) == "b"


def test_a_model_without_outcomes_is_no_baseline():
    scores, costs = [[NAN, 1, 0], [NAN, 1, 0]], [NAN, 2.0, 1.0]
    outcomes = Outcomes.from_array(scores, models=["a", "b", "c"], costs=costs)
    assert best_single_model(outcomes) == "b"
    assert cheapest_model(outcomes) == "c"
    assert random_utility(outcomes, cost_weight=0.0) == 0.5


def test_the_cheapest_model_is_chosen_by_known_costs():
    costs = np.array([[NAN, 3.0, 9.0], [8.0, 3.0, NAN]])
    outcomes = Outcomes.from_array(np.ones((2, 3)), costs=costs)
    assert cheapest_model(outcomes) == 1


@pytest.mark.parametrize(
    ("costs", "message"),
    [(None, "no costs; see with_prices"), ([NAN, NAN], "all costs .* unknown")],
)
def test_what_needs_costs_refuses_outcomes_without_any(costs, message):
    outcomes = Outcomes.from_array([[1, 0], [0, 1]], costs=costs)
    with pytest.raises(ValueError, match=message):
        cheapest_model(outcomes)
    with pytest.raises(ValueError, match=message):
        routing_collapse_index(outcomes, [0, 1])


def test_random_utility_weighs_cost_by_a_twentieth_of_its_range_by_default():
    outcomes = Outcomes.from_array([[1, 0.5], [1, 0.5]], costs=[4.0, 2.0])
    assert random_utility(outcomes) == pytest.approx((0.95 + 0.5) / 2)
    assert random_utility(outcomes, cost_weight=0.1) == pytest.approx((0.9 + 0.5) / 2)
    assert random_utility(outcomes, cost_range=(0, 1)) == pytest.approx((0.8 + 0.4) / 2)


def test_random_utility_weighs_models_the_same_whatever_the_number_of_their_outcomes():
    outcomes = Outcomes.from_array([[1, 0], [1, NAN], [1, NAN]])
    assert random_utility(outcomes) == 0.5
    assert random_utility(outcomes, sample_weight=[0, 1, 0]) == 1.0


# ---- share of the gap recovered ------------------------------------------------------


def test_the_gap_recovered_is_0_for_the_weak_and_1_for_the_strong_model():
    assert performance_gap_recovered(0.2, weak=0.2, strong=0.6) == 0
    assert performance_gap_recovered(0.6, weak=0.2, strong=0.6) == 1
    assert performance_gap_recovered(0.3, 0.2, 0.6) == pytest.approx(0.25)
    assert performance_gap_recovered(0.8, 0.2, 0.6) == pytest.approx(1.5)
    assert performance_gap_recovered(np.array([0.4, 0.1]), 0.2, 0.6) == pytest.approx([0.5, -0.25])


@pytest.mark.parametrize("strong", [0.5, 0.25, NAN])
def test_without_a_gap_nothing_can_be_recovered(strong):
    with pytest.warns(UndefinedMetricWarning, match=f"scores {strong:.4g}.* than the 0.5 of"):
        found = performance_gap_recovered(0.5, weak=0.5, strong=strong)
    assert np.isnan(found)
    assert np.ndim(found) == 0
    with pytest.warns(UndefinedMetricWarning, match="no gap to recover"):
        by_router = performance_gap_recovered(np.array([0.1, 0.2]), 0.5, strong)
    np.testing.assert_array_equal(by_router, [NAN, NAN])


# ---- routing collapse ----------------------------------------------------------------


def slow_collapse_loss(scores, choice, costs):
    """The loss of one query as the released code words it, NaN where the choice is unknown."""
    if np.isnan(scores[choice]):
        return NAN
    best = {m for m in range(len(scores)) if scores[m] == np.nanmax(scores)}
    most_expensive = {m for m in range(len(costs)) if costs[m] == max(costs)}
    if choice in best and choice not in most_expensive:
        return 0.0
    if best <= most_expensive and choice in best:
        return 0.0
    return 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_the_collapse_index_is_that_of_a_slow_loop(seed, every_pair):
    data = draw_ragged(seed, n_paraphrases=2, share=0.5, every_pair=every_pair)  # exact in binary
    score, cost = pair_means(data.scores), pair_means(data.costs)
    assume((~np.isnan(score)).any(axis=0).all())
    rng = np.random.default_rng(seed)
    routes, weight = rng.integers(0, 3, 9), rng.random(9)
    costs = [known_mean(column) for column in cost.T]
    losses = [slow_collapse_loss(score[query], routes[query], costs) for query in range(9)]
    assume(not np.isnan(losses).all())
    outcomes = data.outcomes()
    found = routing_collapse_index(outcomes, routes)
    assert found == pytest.approx(known_mean(losses))
    found = routing_collapse_index(outcomes, routes, sample_weight=weight)
    assert found == pytest.approx(known_mean(losses, weight))


def test_the_collapse_index_has_the_values_of_the_released_code():
    scores = [[1, 1], [0, 1], [1, 0], [0, 0]]
    outcomes = Outcomes.from_array(scores, models=["cheap", "expensive"], costs=[1.0, 5.0])
    assert routing_collapse_index(outcomes, ["expensive"] * 4) == 0.75
    assert routing_collapse_index(outcomes, ["cheap"] * 4) == 0.25
    oracle = ["cheap", "expensive", "cheap", "cheap"]
    assert routing_collapse_index(outcomes, oracle) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_choice_of_the_cheapest_of_the_best_models_never_counts_as_collapse(seed):
    rng = np.random.default_rng(seed)
    scores, costs = rng.integers(0, 3, (8, 4)) / 2, rng.permutation(4) + 1.0
    outcomes = Outcomes.from_array(scores, costs=costs)
    best = scores == scores.max(axis=1, keepdims=True)
    oracle = np.where(best, costs, np.inf).argmin(axis=1)
    assert routing_collapse_index(outcomes, oracle) == 0
    always = routing_collapse_index(outcomes, np.full(8, costs.argmax()))
    assert always == np.mean(best.sum(axis=1) - best[:, costs.argmax()] > 0)


def test_models_of_the_same_cost_are_most_expensive_together():
    outcomes = Outcomes.from_array([[1, 1], [0, 1]], costs=[2.0, 2.0])
    assert routing_collapse_index(outcomes, [0, 1]) == 0
    assert routing_collapse_index(outcomes, [0, 0]) == 0.5


def test_means_that_differ_by_rounding_tie():
    first = [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]]  # their means differ in the last digit
    outcomes = Outcomes.from_array(np.array(first)[None, :, None, :], costs=[1.0, 5.0])
    mean = outcomes.pair_statistics().mean_score[0]
    assert mean[0] == pytest.approx(mean[1])
    assert routing_collapse_index(outcomes, [0]) == 0
    assert routing_collapse_index(outcomes, [1]) == 1


def test_queries_without_an_outcome_of_the_routed_model_are_left_out():
    scores, costs = [[1, 1], [1, NAN], [0.5, 1]], [1.0, 5.0]
    outcomes = Outcomes.from_array(scores, costs=costs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert routing_collapse_index(outcomes, [1, 1, 1]) == 0.5
        assert routing_collapse_index(outcomes, [0, 1, 1]) == 0
        assert np.isnan(routing_collapse_index(outcomes[[1]], [1]))


# ---- costs of supervision ------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**4), st.integers(1, 100), st.integers(0, 100))
def test_supervision_has_paid_for_itself_at_the_break_even_and_not_before(total, saved, cost):
    total, baseline, routed = total / 4, (cost + saved) / 8, cost / 8  # exact in binary
    even = supervision_break_even(total, baseline, routed)
    queries = 0
    while total > queries * (saved / 8):  # one query after the other
        queries += 1
    assert even == queries
    if even > 0:
        assert supervision_cost_ratio(total, baseline, routed, even) <= 1
    if even > 1:
        assert supervision_cost_ratio(total, baseline, routed, even - 1) > 1


def test_a_router_that_saves_nothing_never_pays_for_its_supervision():
    assert supervision_break_even(1.0, 0.3, 0.3) == math.inf
    assert supervision_break_even(1.0, 0.3, 0.4) == math.inf
    assert supervision_break_even(0.0, 0.3, 0.2) == 0


def test_the_cost_ratio_is_that_of_its_formula():
    assert supervision_cost_ratio(100.0, 0.5, 0.25, 800) == pytest.approx((100 + 200) / 400)
    assert supervision_cost_ratio(3.0, 2.0, 1.0, 1) == pytest.approx(2.0)


def test_the_cost_ratio_to_a_free_baseline_is_1_or_infinite():
    assert supervision_cost_ratio(0.0, 0.0, 0.0, 5) == 1.0
    assert supervision_cost_ratio(1.0, 0.0, 0.0, 5) == math.inf
    assert supervision_cost_ratio(0.0, 0.0, 0.5, 5) == math.inf


@pytest.mark.parametrize("bad", [-1.0, math.inf, NAN])
@pytest.mark.parametrize("position", range(3))
def test_costs_of_supervision_must_be_finite_and_not_negative(position, bad):
    costs = [1.0, 1.0, 1.0]
    costs[position] = bad
    with pytest.raises(ValueError, match=f"finite and not negative, got {bad}"):
        supervision_break_even(*costs)
    with pytest.raises(ValueError, match=f"finite and not negative, got {bad}"):
        supervision_cost_ratio(*costs, 5)


def test_a_horizon_of_less_than_one_query_is_refused():
    with pytest.raises(ValueError, match="horizon must be at least 1 query, got 0"):
        supervision_cost_ratio(1.0, 1.0, 1.0, 0)
    assert supervision_cost_ratio(1.0, 1.0, 1.0, 1) == 2.0
