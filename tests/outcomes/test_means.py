"""Means of known values."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dars_sklearn.outcomes._means import column_means, weighted_mean

TABLES = arrays(
    np.float64,
    st.tuples(st.integers(0, 4), st.integers(0, 3)),
    elements=st.one_of(st.just(np.nan), st.floats(-100, 100)),
)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.sampled_from([np.nan, 0.0, 7.0]))
def test_column_means_are_those_of_the_known_values(table, fallback):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = column_means(table, fallback)
    for column, mean in zip(table.T, found, strict=True):
        known = [value for value in column if not np.isnan(value)]
        expected = sum(known) / len(known) if known else fallback
        assert mean == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_column_without_a_known_value_has_no_mean_by_default():
    np.testing.assert_array_equal(column_means(np.array([[np.nan, 1], [np.nan, 2]])), [np.nan, 1.5])


def test_a_mean_can_have_weights():
    values = np.array([1.0, 5.0, np.nan, 3.0])
    assert weighted_mean(values) == 3
    assert weighted_mean(values, [2, 1, 100, 1]) == 2.5
    assert weighted_mean(values, [0, 1, 1, 0]) == 5
    assert isinstance(weighted_mean(values), float)


def test_a_mean_of_nothing_is_unknown():
    assert np.isnan(weighted_mean(np.array([np.nan, np.nan])))
    assert np.isnan(weighted_mean(np.array([np.nan, 2.0]), [1, 0]))


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(2,\)"):
        weighted_mean(np.ones(2), [1, 2, 3])
    with pytest.raises(ValueError, match="all sample weights are zero"):
        weighted_mean(np.ones(2), [0, 0])
