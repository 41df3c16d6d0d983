"""Differences of means over queries and runs that are crossed, with known variance components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dars_sklearn.evaluate._crossed_interval import compare_runs


def draw_sides(rng, n_runs, n_queries=60, query=0.2, run=0.05, interaction=0.3):
    """Two sides of equal expectation: a query weighs on both, a run on its own side."""
    first, second = (
        run * rng.normal(size=(n, 1)) + interaction * rng.normal(size=(n, n_queries))
        for n in n_runs
    )
    return first + query * rng.normal(size=n_queries), second


@pytest.mark.parametrize(
    ("n_runs", "components"),
    [
        ((10, 100), {}),
        ((10, 10), {"query": 0.05, "run": 0.1}),
        ((5, 20), {"query": 0.3, "run": 0.01}),
        ((10, 20), {"run": 0.0}),
    ],
)
def test_a_difference_of_zero_is_found_in_about_one_repetition_of_twenty(n_runs, components):
    rng = np.random.default_rng(0)
    intervals = [compare_runs(*draw_sides(rng, n_runs, **components)) for _ in range(600)]
    share = np.mean([not own.low <= 0 <= own.high for own in intervals])
    assert 0.02 <= share <= 0.08


def test_one_run_is_taken_as_fixed_and_its_effect_is_found_too_often():
    rng = np.random.default_rng(0)
    intervals = [compare_runs(*draw_sides(rng, (1, 100), run=0.1)) for _ in range(300)]
    assert np.mean([not own.low <= 0 <= own.high for own in intervals]) > 0.3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), level=st.sampled_from([0.5, 0.9, 0.95]))
def test_two_fixed_sides_have_the_paired_t_interval(seed, level):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, 1, 7))
    found = compare_runs(first, second, level)
    test = stats.ttest_rel(first[0], second[0])
    interval = test.confidence_interval(level)
    assert found.estimate == pytest.approx((first - second).mean())
    assert found[1:] == pytest.approx((interval.low, interval.high))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_first=st.integers(1, 4), n_second=st.integers(1, 4))
def test_order_scale_and_shared_shifts(seed, n_first, n_second):
    rng = np.random.default_rng(seed)
    first, second = draw_sides(rng, (n_first, n_second), n_queries=6)
    found = compare_runs(first, second)
    estimate, low, high = compare_runs(second, first)
    np.testing.assert_allclose((-estimate, -high, -low), found)
    np.testing.assert_allclose(compare_runs(3 * first, 3 * second), 3 * np.array(found))
    shift = rng.normal(size=6)  # what the queries do to both sides alike
    np.testing.assert_allclose(compare_runs(first + shift, second + shift), found)
    assert found.low <= found.estimate <= found.high


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_gaps=st.integers(0, 8))
def test_gaps_are_left_out(seed, n_gaps):
    rng = np.random.default_rng(seed)
    first, second = draw_sides(rng, (3, 4), n_queries=12)
    first.ravel()[rng.permutation(first.size)[:n_gaps]] = np.nan
    second[:, 0] = np.nan  # a query that is unknown on one side is left out of both
    found = compare_runs(first, second)
    assert found == compare_runs(first[:, 1:], second[:, 1:])
    by_query = np.array([
        np.nanmean(first[:, query]) - np.nanmean(second[:, query])
        for query in range(1, 12)
        if not np.isnan(first[:, query]).all()
    ])  # fmt: skip
    assert found.estimate == pytest.approx(by_query.mean())
    assert found.low < found.estimate < found.high


def test_what_is_not_identifiable_is_unknown():
    assert np.isnan(compare_runs(np.full((2, 3), np.nan), np.zeros((1, 3)))).all()
    one_query = compare_runs(np.ones((2, 1)), np.zeros((1, 1)))
    assert one_query.estimate == 1
    assert np.isnan(one_query[1:]).all()
    assert compare_runs(np.ones((2, 5)), np.zeros((3, 5))) == (1, 1, 1)
    # A run without any known value adds nothing.
    values = np.arange(12.0).reshape(3, 4) ** 2
    with_empty = np.vstack([values, np.full(4, np.nan)])
    assert compare_runs(with_empty, np.zeros((1, 4))) == compare_runs(values, np.zeros((1, 4)))
    with_empty[-1, 0] = 1.0  # known for a query only that the other side does not know
    other = np.array([[np.nan, 0.0, 0.0, 0.0]])
    assert compare_runs(with_empty, other) == compare_runs(values, other)
    # Where gaps leave no degree of freedom to separate it, the interaction stays in.
    disjoint = np.array([[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 4.0, 9.0]])
    assert np.isfinite(compare_runs(disjoint, np.zeros((1, 4)))).all()
