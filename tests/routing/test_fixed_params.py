import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from dars_sklearn.routing._fixed_params import check_fixed_params


@pytest.mark.parametrize(
    ("value", "current"),
    [
        (1, 1.0),
        ("auto", "auto"),
        (np.nan, np.nan),
        ((0, 1), [0.0, 1.0]),
        ((0, 1), np.array([0, 1])),
        (Ridge(2.0), Ridge(2.0)),
        (make_pipeline(Ridge(2.0)), make_pipeline(Ridge(2.0))),
        (len, len),
    ],
    ids=repr,
)
def test_equal_values_are_not_a_change(value, current):
    assert check_fixed_params({"a": value}, {"a": current, "b": 3}) is None


@pytest.mark.parametrize(
    ("value", "current"),
    [
        (1, 2),
        ("auto", 0.0),
        (None, 0),
        (0, np.array([0, 0])),
        (np.array([0, 0]), 0),
        ((0, 1), (0, 2)),
        ((0, 1), (0, 1, 2)),
        ("minmax", (0, 1)),
        (Ridge(2.0), Ridge(1.0)),
        (Ridge(2.0), None),
        (None, Ridge(2.0)),
        (make_pipeline(Ridge(2.0)), make_pipeline(Ridge(1.0))),
        (len, max),
    ],
    ids=repr,
)
def test_other_values_are_a_change(value, current):
    with pytest.raises(
        ValueError, match="^a was .* in fit and is .* fixed at fit time; fit again$"
    ):
        check_fixed_params({"a": value}, {"a": current})


def test_a_parameter_that_is_gone_is_a_change():
    with pytest.raises(ValueError, match="a was 1 in fit and is None now"):
        check_fixed_params({"a": 1}, {})


def test_another_remedy_may_be_given():
    with pytest.raises(ValueError, match="fixed at fit time, or do that$"):
        check_fixed_params({"a": 1}, {"a": 2}, {"a": ", or do that"})
