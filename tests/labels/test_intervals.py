"""Intervals of variance components, against their formulas."""

from math import exp, sqrt

import numpy as np
import pytest
from scipy.stats import t as student

from dars_sklearn.labels._intervals import (
    Interval,
    difference_interval,
    log_interval,
    share_interval,
)

MEAN_SQUARE = np.array([2.0, 1.7, 2.1, 2.5])
NOISE = np.array([0.5, 0.4, 0.65, 0.45])


def standard_error(replicates):
    """Jackknife standard error of the first number from the others."""
    n = len(replicates) - 1
    return sqrt((n - 1) / n * sum((own - replicates[0]) ** 2 for own in replicates[1:]))


def quantile(n, level):
    """Quantile of Student's distribution that leaves half of the rest above it."""
    return student.ppf(1 - (1 - level) / 2, df=n - 1)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_an_interval_is_symmetric_on_the_log_scale(level):
    margin = quantile(3, level) * standard_error(MEAN_SQUARE) / 2.0
    found = log_interval(MEAN_SQUARE, 3, level)
    assert isinstance(found, Interval)
    assert found == pytest.approx((2 * exp(-margin), 2 * exp(margin)))
    assert found.low < 2 < found.high


def test_the_interval_of_an_estimate_that_is_not_positive_is_symmetric_itself():
    for estimate in (-1.0, 0.0):
        replicates = np.array([estimate, estimate - 0.1, estimate + 0.2])
        margin = quantile(2, 0.95) * standard_error(replicates)
        expected = (estimate - margin, estimate + margin)
        assert log_interval(replicates, 2, 0.95) == pytest.approx(expected)


def test_the_number_of_queries_may_be_smaller_than_that_of_replicates():
    """A query without outcomes has the estimate itself as its replicate."""
    with_absent = np.append(MEAN_SQUARE, 2.0)
    assert log_interval(with_absent, 3, 0.9) == log_interval(MEAN_SQUARE, 3, 0.9)


def test_a_very_uncertain_estimate_has_an_endless_interval():
    assert log_interval(np.array([1e-6, 1.0, -1.0]), 2, 0.95) == (0.0, np.inf)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("noise", [NOISE, NOISE[[0, 2, 1, 3]], np.array([0.5, 0.5, 0.5, 0.5])])
def test_the_interval_of_a_difference_combines_two_intervals(level, noise):
    first, second = log_interval(MEAN_SQUARE, 3, level), log_interval(noise, 3, level)
    correlation = 0.0
    if noise.std() > 0:
        deviations = MEAN_SQUARE[1:] - 2.0, noise[1:] - 0.5
        correlation = np.dot(*deviations) / sqrt(np.prod([(own**2).sum() for own in deviations]))
    below = [2.0 - first.low, second.high - 0.5]
    above = [first.high - 2.0, 0.5 - second.low]
    margins = [sqrt(a**2 + b**2 - 2 * correlation * a * b) for a, b in (below, above)]
    found = difference_interval(MEAN_SQUARE, noise, 3, level)
    assert found == pytest.approx((max(1.5 - margins[0], 0), 1.5 + margins[1]))


def test_the_interval_of_a_difference_is_not_below_zero():
    low, high = difference_interval(NOISE, MEAN_SQUARE, 3, 0.5)
    assert low == 0
    assert high == 0
    low, high = difference_interval(np.full(4, 2.0), np.full(4, 0.5), 3, 0.95)
    assert (low, high) == (1.5, 1.5)


def test_perfectly_correlated_parts_have_a_narrow_difference():
    shifted = MEAN_SQUARE - 1.9
    opposite = 2 - MEAN_SQUARE + 0.1
    narrow, wide = (difference_interval(MEAN_SQUARE, own, 3, 0.9) for own in (shifted, opposite))
    assert narrow.high - narrow.low < wide.high - wide.low


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_of_a_share_is_one_less_that_of_the_ratio(level):
    low, high = log_interval(NOISE / MEAN_SQUARE, 3, level)
    expected = (max(1 - high, 0), max(1 - low, 0))
    assert share_interval(NOISE, MEAN_SQUARE, 3, level) == pytest.approx(expected)
    assert share_interval(NOISE, MEAN_SQUARE, 3, 0.5).low > 0


def test_the_interval_of_a_share_is_not_below_zero():
    found = share_interval(3 * MEAN_SQUARE, MEAN_SQUARE, 3, 0.95)
    assert found == (0, 0)
