"""The unit scale of scores."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn import Outcomes
from dars_sklearn.utility import scale_score, unscale_score
from dars_sklearn.utility._scores import check_score_scale, score_limits, score_width


def test_the_ends_of_the_range_become_zero_and_one():
    np.testing.assert_array_equal(scale_score(np.array([-1.0, 1.0, 3.0]), (-1, 3)), [0, 0.5, 1])
    assert score_width((-1, 3)) == 4


def test_scores_without_a_declared_range_are_left_as_they_are():
    score = np.array([-7.0, 80.0])
    assert scale_score(score, None) is score
    assert unscale_score(score, None) is score
    assert score_width(None) == 1


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1))
def test_the_range_from_zero_to_one_changes_no_bit(score):
    assert scale_score(np.float64(score), (0.0, 1.0)) == score
    assert unscale_score(np.float64(score), (0.0, 1.0)) == score


@settings(max_examples=60, deadline=None)
@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.01, 100))
def test_unscaling_is_the_inverse_of_scaling(score, low, width):
    score_range = low, low + width
    found = unscale_score(scale_score(np.array(score), score_range), score_range)
    assert found == pytest.approx(score, abs=1e-9)


def outcomes_on(score_range, score=0.5):
    return Outcomes.from_array([[score]], score_range=score_range)


@pytest.mark.parametrize(
    ("given", "training"),
    [
        ((0, 1), (0.0, 1.0)),
        ((0, 100), (0.0, 100.0)),
        (None, None),
        (None, (0.0, 1.0)),
        ((0, 1), None),
    ],
)
def test_scores_on_the_same_scale_are_accepted(given, training):
    assert check_score_scale(outcomes_on(given), training, (0.0, 1.0)) is None


@pytest.mark.parametrize(
    ("given", "training"), [((0, 100), (0.0, 1.0)), ((0, 1), (0.0, 100.0)), (None, (0.0, 100.0))]
)
def test_scores_on_another_scale_are_refused(given, training):
    outcomes = outcomes_on(given)
    own = "None with scores from 0.5 to 0.5" if given is None else str(outcomes.score_range)
    message = (
        f"these outcomes have score_range={own}, and the training outcomes have "
        f"score_range={training}, so that"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_score_scale(outcomes, training, (0.0, 1.0))


def test_undeclared_scores_outside_the_range_of_training_are_refused():
    with pytest.raises(ValueError, match="on different scales"):
        check_score_scale(outcomes_on(None, score=80.0), (0.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize("limits", [(0.0, 100.0), (-1.0, 1.0)])
def test_undeclared_scores_of_training_outside_the_range_of_the_evaluation_are_refused(limits):
    low, high = limits
    message = (
        "these outcomes have score_range=(0.0, 1.0), and the training outcomes have "
        f"score_range=None with scores from {low:g} to {high:g}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_score_scale(outcomes_on((0, 1)), None, limits)


def test_the_limits_are_those_of_the_observed_scores():
    outcomes = Outcomes.from_array([[3.0, -1.0], [2.0, 7.0]], score_range=None)
    assert score_limits(outcomes) == (-1.0, 7.0)
    assert [type(limit) for limit in score_limits(outcomes)] == [float, float]
    nothing = Outcomes.from_array([[1.0, np.nan]]).subset(models=[1])
    assert score_limits(nothing) == (0.0, 1.0)
