import re

import numpy as np
import pytest

from dars_sklearn.utils._validation import (
    check_count,
    check_level,
    check_sample_weight,
    is_count,
    is_finite_number,
)


def test_without_weights_every_row_has_weight_one():
    weight = check_sample_weight(None, 3, dtype=np.float32)
    np.testing.assert_array_equal(weight, [1, 1, 1])
    assert weight.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_converted_to_the_type(dtype):
    weight = check_sample_weight([1, 0, 2], 3, dtype=dtype)
    np.testing.assert_array_equal(weight, [1, 0, 2])
    assert weight.dtype == dtype


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        ([1, 2], r"shape \(3,\), one weight per row of X, got shape \(2,\)"),
        (np.ones((3, 1)), r"got shape \(3, 1\)"),
        (2.0, r"got shape \(\)"),
        ([1, np.nan, 1], "sample_weight contains NaN"),
        ([1, np.inf, 1], "sample_weight contains infinity"),
        ([0, 0, 0], "all sample weights are zero"),
        (["1", "2", "3"], "sample_weight must be numbers, got texts such as .*'1'"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        check_sample_weight(sample_weight, 3)


@pytest.mark.parametrize("value", [1, np.int8(3), 10**30])
def test_counts_are_whole_numbers_from_1(value):
    assert is_count(value)
    check_count(value, "n")


@pytest.mark.parametrize("value", [0, -1, True, np.True_, 2.0, np.nan, "2", None, [1]])
def test_other_values_are_no_counts(value):
    assert not is_count(value)
    with pytest.raises(
        ValueError, match=f"n must be an int of at least 1, got {re.escape(repr(value))}"
    ):
        check_count(value, "n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, True), (-1.5, True), (np.float32(2), True), (np.int64(2), True), (True, False),
     (np.nan, False), (np.inf, False), (-np.inf, False), ("1", False), (None, False), ([1], False)],
)  # fmt: skip
def test_numbers_are_finite_and_no_booleans(value, expected):
    assert is_finite_number(value) is expected


def test_levels_are_strictly_between_0_and_1():
    check_level(0.5)
    for level in (0, 1, 95, np.nan, True, "0.5", None):
        with pytest.raises(ValueError, match=rf"test_size must be in \(0, 1\), got {level!r}"):
            check_level(level, "test_size")
