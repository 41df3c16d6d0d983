"""Bootstrap over queries, against resamples that are drawn and averaged one by one."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn.evaluate import paired_interval
from dars_sklearn.evaluate._bootstrap import percentile_interval, resampled_means

NAN = float("nan")


def slow_means(values, n_resamples, seed):
    """Draw the rows of each resample, and average the known values of each column."""
    rng = np.random.RandomState(seed)
    means = []
    for _ in range(n_resamples):
        rows = values[rng.randint(len(values), size=len(values))]
        known = [[value for value in column if not np.isnan(value)] for column in rows.T]
        means.append([sum(column) / len(column) if column else NAN for column in known])
    return np.array(means)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 9), st.sampled_from([0, 0.3]))
def test_resampled_means_are_those_of_the_rows_drawn(seed, n_queries, n_resamples, unknown):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_queries, 3))
    values[rng.random(values.shape) < unknown] = NAN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = resampled_means(values, n_resamples, np.random.RandomState(seed))
    np.testing.assert_allclose(found, slow_means(values, n_resamples, seed), atol=1e-12)


@pytest.mark.parametrize("block", [1, 29, 30, 70, 1500, 1530])
def test_the_size_of_a_block_does_not_change_the_resamples(monkeypatch, block):
    values = np.random.default_rng(0).normal(size=(30, 2))
    monkeypatch.setattr("dars_sklearn.evaluate._bootstrap._BLOCK", block)
    found = resampled_means(values, 50, np.random.RandomState(5))
    assert found.shape == (50, 2)
    np.testing.assert_allclose(found, slow_means(values, 50, 5))


def test_a_percentile_interval_leaves_the_same_share_on_both_sides():
    values = np.random.default_rng(0).permutation(np.arange(101.0))
    assert percentile_interval(values, 0.9) == pytest.approx((5, 95))
    assert percentile_interval(values, 0.5) == pytest.approx((25, 75))
    with_gaps = np.concatenate([values, [NAN] * 50])
    assert percentile_interval(with_gaps, 0.9) == pytest.approx((5, 95))


def test_a_percentile_interval_of_nothing_is_not_defined():
    assert np.isnan(percentile_interval(np.array([NAN, NAN]), 0.9)).tolist() == [True, True]


def test_a_paired_interval_is_that_of_the_resampled_means():
    difference = np.random.default_rng(0).normal(size=20)
    means = slow_means(difference[:, None], 150, 3)[:, 0]
    found = paired_interval(difference.tolist(), level=0.8, n_resamples=150, random_state=3)
    assert found == pytest.approx(tuple(np.quantile(means, [0.1, 0.9])))


def test_a_paired_interval_has_a_level_of_95_percent_and_2000_resamples_by_default():
    difference = np.random.default_rng(0).normal(size=7)
    means = slow_means(difference[:, None], 2000, 1)[:, 0]
    expected = tuple(np.quantile(means, [0.025, 0.975]))
    assert paired_interval(difference, random_state=1) == pytest.approx(expected)


def test_unknown_differences_are_left_out_of_an_interval():
    assert paired_interval([1.0, NAN, 1.0], random_state=0) == (1.0, 1.0)


def test_a_seed_and_a_random_state_give_the_same_interval():
    difference = np.random.default_rng(0).normal(size=9)
    seeded = paired_interval(difference, random_state=4)
    assert seeded == paired_interval(difference, random_state=np.random.RandomState(4))
    assert seeded != paired_interval(difference, random_state=5)


def test_an_interval_needs_a_known_difference():
    with pytest.raises(ValueError, match=r"at least one query, got an array of shape \(0,\)"):
        paired_interval([])
    with pytest.raises(ValueError, match=r"one value per query.*shape \(1, 2\)"):
        paired_interval([[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"shape \(\)"):
        paired_interval(1.0)
    with pytest.raises(ValueError, match="no value of difference is known"):
        paired_interval([NAN, NAN])


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, NAN])
def test_a_level_that_is_not_a_share_is_refused(level):
    with pytest.raises(ValueError, match=rf"level must be in \(0, 1\), got {level}"):
        paired_interval([1.0], level=level)


def test_an_interval_needs_a_resample():
    with pytest.raises(ValueError, match="n_resamples must be an int of at least 1, got 0"):
        paired_interval([1.0], n_resamples=0)
    assert paired_interval([1.0], n_resamples=1) == (1.0, 1.0)


def test_paired_intervals_cover_the_true_mean_at_their_rate():
    """With 400 repetitions, the standard error of the rate is 0.011."""
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(400):
        low, high = paired_interval(rng.normal(0.3, 1.0, 80), random_state=seed, n_resamples=200)
        covered.append(low <= 0.3 <= high)
    assert 0.91 <= np.mean(covered) <= 0.975
