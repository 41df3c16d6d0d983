"""What each model achieves on each query, against plain loops over the outcomes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import pair_summary
from ragged import draw_ragged, pair_means

from dars_sklearn import Outcomes
from dars_sklearn.metrics._realised_values import (
    RealisedValues,
    check_has_costs,
    check_missing,
    has_known_costs,
)

NAN = float("nan")


def known_mean(values):
    """Mean of the values that are not NaN, NaN if there is none."""
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else NAN


def slow_costs(data):
    """Mean cost of every observed pair: its own, else its model's."""
    costs = pair_means(data.costs)
    by_model = [known_mean(column) for column in costs.T]
    observed = ~np.isnan(data.scores).all(axis=(2, 3))
    for query, model in np.ndindex(costs.shape):
        if not observed[query, model]:
            costs[query, model] = NAN
        elif np.isnan(costs[query, model]):
            costs[query, model] = by_model[model]
    return costs


def slow_spreads(scores):
    """Spread of every observed pair; that of its model, or 0, where the pair has one outcome."""
    spreads = np.full(scores.shape[:2], NAN)
    counts = (~np.isnan(scores)).sum(axis=(2, 3))
    for query, model in np.argwhere(counts > 1):
        spreads[query, model] = pair_summary(scores[query, model], "balanced")[1]
    for model, own in enumerate(spreads.T.copy()):
        typical = known_mean(own)
        spreads[counts[:, model] == 1, model] = 0.0 if np.isnan(typical) else typical
    return spreads


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.0, 0.4, 0.9]))
def test_tables_are_those_of_a_slow_loop(seed, every_pair, unknown_costs):
    share = 0.6 if every_pair else 0.3
    data = draw_ragged(seed, share=share, every_pair=every_pair, unknown_costs=unknown_costs)
    for costs, scores in zip(data.costs.swapaxes(0, 1), data.scores.swapaxes(0, 1), strict=True):
        if np.isnan(costs).all():  # of every model, some cost is known
            costs[~np.isnan(scores)] = 0.5
    known = data.costs[~np.isnan(data.costs)]
    realised = RealisedValues(data.outcomes(["a", "b", "c"]), 0.3)
    score, cost = pair_means(data.scores), slow_costs(data)
    width = known.max() - known.min()
    scaled = (cost - known.min()) / width if width else 0 * cost
    assert realised.models.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(realised.score, score)
    np.testing.assert_allclose(realised.cost, cost)
    np.testing.assert_allclose(realised.scaled_cost, scaled, atol=1e-12)
    np.testing.assert_allclose(realised.utility, score - 0.3 * scaled, atol=1e-12)
    np.testing.assert_allclose(realised.spread, slow_spreads(data.scores), atol=1e-12)


def test_a_cost_range_replaces_that_of_the_outcomes():
    outcomes = Outcomes.from_array([[1, 0.5]], costs=[2.0, 6.0])
    np.testing.assert_allclose(RealisedValues(outcomes).scaled_cost, [[0, 1]])
    in_range = RealisedValues(outcomes, 0.1, (0.0, 4.0))
    np.testing.assert_allclose(in_range.scaled_cost, [[0.5, 1.5]])
    np.testing.assert_allclose(in_range.utility, [[0.95, 0.35]])
    in_user_unit = RealisedValues(outcomes, 0.1, (0, 1))
    np.testing.assert_allclose(in_user_unit.utility, [[0.8, -0.1]])


def test_cost_does_not_weigh_by_default():
    outcomes = Outcomes.from_array([[1, 1]], costs=[2.0, 6.0])
    np.testing.assert_allclose(RealisedValues(outcomes).utility, [[1, 1]])


def test_the_robust_range_is_that_of_median_costs():
    outcomes = Outcomes.from_array([[1, 1]] * 3, costs=[[1.0, 4.0], [2.0, 6.0], [3.0, 90.0]])
    realised = RealisedValues(outcomes, 0.5, "robust")
    np.testing.assert_allclose(realised.scaled_cost, [[-0.25, 0.5], [0, 1], [0.25, 22]])


def test_utility_is_on_the_unit_scale_of_scores_and_the_rest_in_the_users_unit():
    percent = Outcomes.from_array(
        [[[80, 60], [0, 20]]], costs=[[[1.0, 3.0], [5.0, 5.0]]], score_range=(0, 100)
    )
    realised = RealisedValues(percent, 0.1)
    np.testing.assert_allclose(realised.utility, [[0.7 - 0.1 / 4, 0.1 - 0.1]])
    np.testing.assert_allclose(realised.score, [[70, 10]])
    np.testing.assert_allclose(realised.spread, [[20 * np.sqrt(0.5)] * 2])


@pytest.mark.parametrize("cost_weight", [-0.1, NAN, np.inf])
def test_a_cost_weight_must_be_finite_and_not_negative(cost_weight):
    with pytest.raises(ValueError, match=f"finite float >= 0, got {cost_weight!r}"):
        RealisedValues([[1, 0]], cost_weight)


@pytest.mark.parametrize("cost_range", [None, (0.5, 1.0), (0, 1)])
@pytest.mark.parametrize("costs", [None, [NAN, NAN]])
def test_without_a_known_cost_cost_weighs_nothing_and_is_not_invented(costs, cost_range):
    outcomes = Outcomes.from_array([[1, 0], [NAN, 1]], costs=costs)
    realised = RealisedValues(outcomes, 10.0, cost_range)
    np.testing.assert_array_equal(realised.utility, [[1, 0], [NAN, 1]])
    np.testing.assert_array_equal(realised.scaled_cost, [[0, 0], [NAN, 0]])
    assert np.isnan(realised.cost).all()


def test_the_cost_of_a_model_without_a_known_cost_is_not_invented():
    outcomes = Outcomes.from_array([[1, 1, 1], [1, 1, 1]], costs=[2.0, NAN, 6.0])
    realised = RealisedValues(outcomes)
    assert np.isnan(realised.cost).all()
    np.testing.assert_array_equal(realised.utility, realised.score)
    with pytest.raises(ValueError, match="no cost of the model 1 is known.*use cost_weight=0"):
        RealisedValues(outcomes, 0.05)


def test_a_model_without_outcomes_needs_no_cost():
    outcomes = Outcomes.from_array([[1, NAN, 1], [1, NAN, 1]], costs=[2.0, NAN, 6.0])
    assert has_known_costs(outcomes)
    np.testing.assert_allclose(RealisedValues(outcomes, 0.1).utility, [[1, NAN, 0.9]] * 2)


def test_a_model_without_repeated_outcomes_has_no_spread():
    scores = [[[1, 0], [1, NAN]], [[1, NAN], [0, NAN]]]
    spread = RealisedValues(Outcomes.from_array(scores)).spread
    np.testing.assert_allclose(spread, [[np.sqrt(0.5), NAN], [np.sqrt(0.5), NAN]])


def test_an_array_of_scores_is_accepted():
    np.testing.assert_array_equal(RealisedValues([[1, 7], [0, 2]]).score, [[1, 7], [0, 2]])


def test_columns_of_routes_are_those_of_their_names():
    realised = RealisedValues(Outcomes.from_array([[1, 0, 0.5]] * 3, models=["b", "a", "c"]))
    for routes in (["a", "c", "b"], np.array(["a", "c", "b"]), pd.Series(["a", "c", "b"])):
        assert realised.column_indices(routes).tolist() == [1, 2, 0]
        assert realised.routed("score", routes).tolist() == [0, 0.5, 1]
    assert realised.take("score", np.array([2, 2, 0])).tolist() == [0.5, 0.5, 1]


def test_names_of_several_types_are_not_confused():
    outcomes = Outcomes.from_array([[1, 0, 0.5]] * 3, models=np.array(["1", 2, "a"], dtype=object))
    assert RealisedValues(outcomes).column_indices(["1", 2, "a"]).tolist() == [0, 1, 2]


def test_integer_names_are_found_whatever_type_of_integer():
    realised = RealisedValues(Outcomes.from_array([[1, 0]] * 2, models=[20, 10]))
    for routes in ([10, 20], np.array([10, 20], dtype=np.int8), pd.Series([10, 20], dtype=object)):
        assert realised.column_indices(routes).tolist() == [1, 0]


@pytest.mark.parametrize("routes", [["a"], ["a", "a", "a"], [["a"], ["a"]], None, "a"])
def test_routes_of_another_shape_are_refused(routes):
    realised = RealisedValues(Outcomes.from_array([[1, 0]] * 2, models=["a", "b"]))
    shape = str(np.shape(np.asarray(routes))).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"each of the 2 queries, got an array of shape {shape}"):
        realised.column_indices(routes)


def test_unknown_routes_are_listed_once_and_in_order():
    realised = RealisedValues(Outcomes.from_array([[1, 0]] * 4, models=["a", "b"]))
    with pytest.raises(
        ValueError, match=r"routed to \['7', 'x'\], not among \['a', 'b'\]; use outcomes of all"
    ):  # fmt: skip
        realised.column_indices(["x", "a", "7", "x"])


def test_routed_pairs_without_outcomes_are_counted_or_left_out():
    outcomes = Outcomes.from_array([[1, NAN], [0, 1], [NAN, 1]])
    realised = RealisedValues(outcomes)
    with pytest.raises(ValueError, match="1 of 3 queries were routed to a model that has no"):
        realised.column_indices([1, 1, 1])
    with pytest.raises(ValueError, match="2 of 3 queries were routed to a model that has no"):
        realised.routed("utility", [1, 0, 0])
    assert realised.column_indices([1, 1, 1], "skip").tolist() == [1, 1, 1]
    np.testing.assert_array_equal(realised.routed("score", [1, 1, 0], "skip"), [NAN, 1, NAN])
    assert realised.column_indices([0, 0, 1]).tolist() == [0, 0, 1]


def test_an_unknown_treatment_of_missing_outcomes_is_refused():
    realised = RealisedValues(Outcomes.from_array([[1, 0]]))
    for check in (check_missing, lambda missing: realised.column_indices([0], missing)):
        with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
            check("drop")
    assert check_missing("raise") is None
    assert check_missing("skip") is None


def test_outcomes_without_a_known_cost_are_refused_where_costs_are_needed():
    with pytest.raises(ValueError, match="no costs; see with_prices and with_latency_cost"):
        check_has_costs(Outcomes.from_array([[1, 0]]))
    unknown = Outcomes.from_array([[1, 0]], costs=[NAN, NAN])
    with pytest.raises(ValueError, match="all costs of these outcomes are unknown"):
        check_has_costs(unknown)
    assert not has_known_costs(unknown)
    of_one_model = Outcomes.from_array([[1, 0]], costs=[NAN, 1.0])
    with pytest.raises(ValueError, match="no cost of the model 0 is known.*give prices"):
        check_has_costs(of_one_model)
    assert not has_known_costs(of_one_model)
    partly_known = Outcomes.from_array([[1, 0], [1, 0]], costs=[[NAN, 1.0], [1.0, NAN]])
    check_has_costs(partly_known)
    assert has_known_costs(partly_known)
