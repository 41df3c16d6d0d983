import numpy as np
import pytest

from dars_sklearn.utils._validation import check_sample_weight


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
        (["a", "b", "c"], "could not convert string to float"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        check_sample_weight(sample_weight, 3)
