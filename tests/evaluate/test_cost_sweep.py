"""All routes that a router gives as its cost weight rises, against trying out weights."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn.evaluate._cost_sweep import CostSweep, route_all_to, sweep_cost_weight


def slow_routes(intercept, slope, cost_weight):
    return (intercept - cost_weight * slope).argmax(axis=1)


def slow_crossings(intercept, slope):
    """Positive cost weights at which two models of some query are equally good."""
    crossings = set()
    for own, price in zip(intercept, slope, strict=True):
        for first, second in combinations(range(len(own)), 2):
            if price[first] != price[second]:
                crossings.add((own[first] - own[second]) / (price[first] - price[second]))
    return sorted(weight for weight in crossings if weight > 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_the_sweep_finds_exactly_the_routes_that_weights_give(seed, n_models):
    rng = np.random.default_rng(seed)
    intercept, slope, table = rng.random((3, 5, n_models))
    sweep = sweep_cost_weight(intercept, slope)
    means = sweep.routed_means(table)
    assert sweep.start.tolist() == slow_routes(intercept, slope, 0).tolist()
    assert sweep.cost_weight[0] == 0
    assert (np.diff(sweep.cost_weight) > 0).all()
    # Between two neighbouring crossings no route changes, so these weights give all routes.
    crossings = [0, *slow_crossings(intercept, slope)]
    weights = [(a + b) / 2 for a, b in zip(crossings, [*crossings[1:], 1e6], strict=True)]
    rows = np.arange(5)
    expected = [slow_routes(intercept, slope, weight).tolist() for weight in weights]
    distinct = [
        own for own, before in zip(expected, [None, *expected], strict=False) if own != before
    ]
    assert len(means) == len(distinct)
    np.testing.assert_allclose(means, [table[rows, own].mean() for own in distinct], atol=1e-12)
    at_points = [slow_routes(intercept, slope, weight).tolist() for weight in sweep.cost_weight]
    assert at_points == distinct


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_ties_are_broken_as_the_router_breaks_them(seed, n_models):
    rng = np.random.default_rng(seed)
    intercept, slope = rng.integers(0, 4, (2, 6, n_models)) / 4.0
    sweep = sweep_cost_weight(intercept, slope)
    table = rng.random((6, n_models))
    for weight, mean in zip(sweep.cost_weight, sweep.routed_means(table), strict=True):
        utilities = intercept - weight * slope
        best = utilities.max(axis=1, keepdims=True)
        # Points lie between changes, where only models with the same line tie.
        tied = utilities > best - 1e-12
        if (tied.sum(axis=1) == 1).all():
            assert mean == pytest.approx(table[np.arange(6), utilities.argmax(axis=1)].mean())
        else:
            lowest = np.where(tied, table, np.inf).min(axis=1).mean()
            highest = np.where(tied, table, -np.inf).max(axis=1).mean()
            assert lowest - 1e-12 <= mean <= highest + 1e-12


def test_a_query_moves_to_its_cheapest_model_step_by_step():
    sweep = sweep_cost_weight(np.array([[1.0, 0.8, 0.5]]), np.array([[1.0, 0.5, 0.0]]))
    # Model 1 overtakes at (1 - 0.8) / 0.5 = 0.4, and model 2 at (0.8 - 0.5) / 0.5 = 0.6.
    np.testing.assert_allclose(sweep.cost_weight, [0, 0.5, 1.4])
    assert (sweep.start.tolist(), sweep.query.tolist()) == ([0], [0, 0])
    assert (sweep.old.tolist(), sweep.new.tolist()) == ([0, 1], [1, 2])
    assert sweep.last_change.tolist() == [0, 1]
    np.testing.assert_allclose(sweep.routed_means(np.array([[5.0, 3.0, 2.0]])), [5, 3, 2])


def test_a_model_that_is_never_the_best_is_left_out():
    sweep = sweep_cost_weight(np.array([[1.0, 0.6, 0.5]]), np.array([[1.0, 0.5, 0.0]]))
    # Model 1 would overtake at 0.8, and model 2 does at 0.5 already.
    np.testing.assert_allclose(sweep.cost_weight, [0, 1.25])
    assert sweep.new.tolist() == [2]


def test_the_cheapest_of_the_models_that_overtake_at_one_weight_is_next():
    sweep = sweep_cost_weight(np.array([[1.0, 0.75, 0.5]]), np.array([[1.0, 0.5, 0.0]]))
    assert sweep.new.tolist() == [2]
    np.testing.assert_allclose(sweep.cost_weight, [0, 1.25])


def test_a_cheaper_model_of_the_same_quality_takes_over_at_once():
    sweep = sweep_cost_weight(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    assert sweep.start.tolist() == [0]
    np.testing.assert_allclose(sweep.cost_weight, [0, 0.5])
    np.testing.assert_allclose(sweep.routed_means(np.array([[3.0, 1.0]])), [3, 1])


def test_changes_of_several_queries_are_in_the_order_of_their_weights():
    intercept = np.array([[1.0, 0.4], [1.0, 0.8], [0.5, 1.0]])
    slope = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    sweep = sweep_cost_weight(intercept, slope)  # query 1 changes at 0.2, query 0 at 0.6
    assert sweep.start.tolist() == [0, 0, 1]
    assert sweep.query.tolist() == [1, 0]
    np.testing.assert_allclose(sweep.cost_weight, [0, 0.4, 1.4])
    table = np.array([[3.0, 0.0], [6.0, 0.0], [9.0, 1.0]])
    np.testing.assert_allclose(sweep.routed_means(table), [10 / 3, 4 / 3, 1 / 3])


def test_weights_that_differ_by_rounding_are_one_point():
    intercept = np.array([[0.3, 0.0], [0.1 + 0.2, 0.0], [0.6, 0.0]])
    sweep = sweep_cost_weight(intercept, np.array([[1.0, 0.0]] * 3))
    np.testing.assert_allclose(sweep.cost_weight, [0, 0.45, 1.4])
    assert sweep.last_change.tolist() == [1, 2]


def test_weights_that_are_close_but_distinct_are_two_points():
    intercept = np.array([[0.3, 0.0], [0.3 * (1 + 1e-7), 0.0]])
    assert len(sweep_cost_weight(intercept, np.array([[1.0, 0.0]] * 2)).cost_weight) == 3


@pytest.mark.parametrize(
    ("intercept", "slope"),
    [
        ([[0.3], [0.5]], [[1.0], [2.0]]),  # one model
        ([[0.9, 0.5], [0.4, 0.3]], [[0.0, 1.0], [0.5, 0.5]]),  # the best model is the cheapest
    ],
)
def test_without_a_change_there_is_one_point(intercept, slope):
    intercept, slope = np.array(intercept), np.array(slope)
    sweep = sweep_cost_weight(intercept, slope)
    assert sweep.cost_weight.tolist() == [0]
    assert sweep.start.tolist() == [0, 0]
    table = np.arange(intercept.size, dtype=float).reshape(intercept.shape)
    assert sweep.routed_means(table).tolist() == [table[:, 0].mean()]
    assert not sweep.has_unknown(table)


def test_an_unknown_value_matters_only_where_some_weight_routes_to_it():
    sweep = sweep_cost_weight(
        np.array([[1.0, 0.6, 0.5]] * 2), np.array([[1.0, 0.5, 0.0]] * 2)
    )  # fmt: skip
    assert isinstance(sweep, CostSweep)
    known = np.ones((2, 3))
    for model, matters in ((0, True), (1, False), (2, True)):
        table = known.copy()
        table[1, model] = np.nan
        assert sweep.has_unknown(table) is matters


# ---- means and standard errors of known values -------------------------------------


def slow_error(values, n_new):
    """Standard error of the mean of the known values as a forecast of new values."""
    known = [value for value in values if not np.isnan(value)]
    if len(known) < 2:
        return np.nan
    variance = np.var(known, ddof=1)
    return np.sqrt(variance / len(known) + (0 if n_new is None else variance / n_new))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 7, 1000]), st.sampled_from([0.0, 0.3, 0.8]))
def test_means_and_standard_errors_are_those_of_the_known_routed_values(seed, n_new, unknown):
    rng = np.random.default_rng(seed)
    intercept, slope = rng.random((2, 8, 3))
    table = 100 + 3 * rng.normal(size=(8, 3))
    table[rng.random(table.shape) < unknown] = np.nan
    table[0, 0] = 100  # some value is known
    sweep = sweep_cost_weight(intercept, slope)
    routed = [table[np.arange(8), slow_routes(intercept, slope, w)] for w in sweep.cost_weight]
    known = [own[~np.isnan(own)] for own in routed]
    means = [own.mean() if len(own) else np.nan for own in known]
    np.testing.assert_allclose(sweep.routed_means(table), means)
    assert sweep.n_known(table).tolist() == [len(own) for own in known]
    errors = [slow_error(own, n_new) for own in routed]
    np.testing.assert_allclose(sweep.standard_errors(table, n_new), errors)


def test_a_value_that_no_weight_routes_to_does_not_change_standard_errors():
    sweep = sweep_cost_weight(np.array([[1.0, 0.5]] * 3), np.array([[0.0, 1.0]] * 3))
    table = np.array([[1.0, np.nan], [2.0, 5.0], [6.0, np.nan]])
    expected = np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(sweep.standard_errors(table), [expected])


def test_constant_values_have_no_error_and_that_of_one_value_is_not_known():
    sweep = sweep_cost_weight(np.array([[1.0]] * 3), np.array([[1.0]] * 3))
    assert sweep.standard_errors(np.full((3, 1), 0.1), 5).tolist() == [0]
    sweep = sweep_cost_weight(np.array([[1.0, 0.5]]), np.array([[1.0, 0.0]]))
    assert np.isnan(sweep.standard_errors(np.array([[3.0, 5.0]]))).all()


# ---- comparison with a baseline ------------------------------------------------------


def slow_difference(values, baseline):
    """Difference of the means of what is known, and its standard error by small changes.

    The error is that of the mean of influences: how the difference changes with the weight of
    each query, by numerical derivatives.
    """
    n = len(values)

    def weighted(weights):
        first, second = (
            (weights[~np.isnan(own)] * own[~np.isnan(own)]).sum() / weights[~np.isnan(own)].sum()
            for own in (values, baseline)
        )
        return first - second

    step = 1e-6
    influences = []
    for row in range(n):
        weights = np.ones(n)
        weights[row] += step
        influences.append(n * (weighted(weights) - weighted(np.ones(n))) / step)
    return weighted(np.ones(n)), np.sqrt(np.sum(np.square(influences)) / (n - 1) / n)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_a_comparison_is_that_of_the_routes_of_each_point(seed, has_gaps):
    rng = np.random.default_rng(seed)
    intercept, slope, table = rng.random((3, 12, 3))
    baseline = rng.random(12)
    if has_gaps:
        table[rng.random((12, 3)) < 0.2] = np.nan
        baseline[rng.random(12) < 0.2] = np.nan
    sweep = sweep_cost_weight(intercept, slope)
    difference, error = sweep.compare_with(table, baseline)
    for point, weight in enumerate(sweep.cost_weight):
        values = table[np.arange(12), slow_routes(intercept, slope, weight)]
        if (~np.isnan(values)).sum() > 1 and (~np.isnan(baseline)).sum() > 1:
            expected = slow_difference(values, baseline)
            assert difference[point] == pytest.approx(expected[0], abs=1e-9)
            assert error[point] == pytest.approx(expected[1], abs=1e-5)
    if not has_gaps:
        paired = table[np.arange(12), slow_routes(intercept, slope, 0)] - baseline
        assert error[0] == pytest.approx(paired.std(ddof=1) / np.sqrt(12))
        of_new = sweep.compare_with(table, baseline, n_new=6)[1][0]
        assert of_new == pytest.approx(paired.std(ddof=1) * np.sqrt(1 / 12 + 1 / 6))


def test_routes_to_one_model_are_compared_with_themselves_without_an_error():
    table = np.random.default_rng(0).random((200, 2))
    difference, error = route_all_to(1, 200).compare_with(table, table[:, 1])
    assert abs(difference[0]) < 1e-12
    assert error[0] < 1e-9
    assert np.isnan(route_all_to(0, 1).compare_with(table[:1], table[:1, 1])[1]).all()
