"""Summaries of curves of score against cost."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    aiq,
    apgr,
    call_performance_threshold,
    cost_hull,
    performance_gap_recovered,
)
from dars_sklearn.utils._warnings import collect_warnings

NAN = float("nan")
# Points on a coarse grid, so that costs and scores tie.
CURVES = st.lists(
    st.tuples(st.integers(1, 20).map(lambda n: n / 2), st.integers(0, 16).map(lambda n: n / 16)),
    min_size=1,
    max_size=12,
).map(lambda points: np.array(points).T)


def height_of_hull(cost, score, budget):
    """Best score of a mixture of two points that costs no more than a budget."""
    best = -np.inf
    for first in zip(cost, score, strict=True):
        for second in zip(cost, score, strict=True):
            (low, low_score), (high, high_score) = sorted([first, second])
            if low > budget:
                continue
            share = 1.0 if high <= budget else (budget - low) / (high - low)
            best = max(best, low_score, low_score + share * (high_score - low_score))
    return best


# ---- hull ----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(CURVES, st.floats(0.1, 10))
def test_the_hull_is_the_best_that_mixtures_of_two_points_reach(curve, budget):
    cost, score = cost_hull(*curve)
    assert (np.diff(cost) > 0).all()
    assert (np.diff(score) > 0).all()
    assert (np.diff(np.diff(score) / np.diff(cost)) < 0).all()
    points = set(zip(*curve, strict=True))
    assert set(zip(cost, score, strict=True)) <= points
    assert cost[0] == curve[0].min()
    assume(budget >= cost[0])
    expected = height_of_hull(*curve, budget)
    assert np.interp(budget, cost, score) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(CURVES)
def test_dominated_points_do_not_change_the_hull(curve):
    cost, score = curve
    more = np.append(cost, cost.max() + 1), np.append(score, score.min())
    np.testing.assert_allclose(cost_hull(*more), cost_hull(*curve))
    assert aiq(*more, cost_range=(0.5, 12)) == pytest.approx(aiq(*curve, cost_range=(0.5, 12)))


@pytest.mark.parametrize(
    ("cost", "score", "corners"),
    [
        ([2], [0.5], ([2], [0.5])),
        ([3, 1, 2], [0.9, 0.1, 0.6], ([1, 2, 3], [0.1, 0.6, 0.9])),  # in the order of cost
        ([1, 2, 3], [0.1, 0.5, 0.9], ([1, 3], [0.1, 0.9])),  # a point on the line is no corner
        ([1, 1, 1], [0.2, 0.7, 0.4], ([1], [0.7])),  # the best of one cost
        ([1, 2], [0.1 + 0.2, 0.3], ([1], [0.1 + 0.2])),
        ([1, 2], [0.3, 0.1 + 0.2], ([1], [0.3])),  # better by rounding only
        ([1, 2, 3], [0.3, 0.6, 0.9 + 1e-15], ([1, 3], [0.3, 0.9 + 1e-15])),
        ([1, 2, 3], [0.5, 0.4, 0.5], ([1], [0.5])),  # nothing that costs more and is not better
        ([1, 2, 3, 4], [0, 0.1, 0.2, 1], ([1, 4], [0, 1])),  # several points below one line
    ],
)
def test_the_corners_of_small_hulls(cost, score, corners):
    found = cost_hull(cost, score)
    np.testing.assert_array_equal(found, corners)


@pytest.mark.parametrize(
    ("cost", "score"), [([], []), ([1], [1, 2]), ([[1]], [[1]]), (1.0, 1.0)]
)  # fmt: skip
def test_curves_must_be_one_dimensional_and_not_empty(cost, score):
    with pytest.raises(ValueError, match="1-D arrays of the same length with at least one point"):
        cost_hull(cost, score)


def test_the_shapes_of_a_bad_curve_are_named():
    with pytest.raises(ValueError, match=r"got shapes \(1,\) and \(2,\)"):
        cost_hull([1], [1, 2])


@pytest.mark.parametrize("curve", [([NAN], [1]), ([1], [NAN]), ([np.inf], [1]), ([1], [np.inf])])
def test_curves_must_be_finite(curve):
    with pytest.raises(ValueError, match="cost and score must be finite"):
        cost_hull(*curve)


def test_numbers_may_be_stored_as_objects():
    cost, score = np.array([1, 3], dtype=object), np.array([0.5, 0.75], dtype=object)
    np.testing.assert_array_equal(cost_hull(cost, [0.5, 0.75]), ([1, 3], [0.5, 0.75]))
    np.testing.assert_array_equal(cost_hull([1, 3], score), ([1, 3], [0.5, 0.75]))


# ---- average quality -----------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(CURVES, st.integers(1, 6), st.integers(7, 18))
def test_aiq_is_the_mean_height_of_the_hull(curve, low, high):
    low, high = low / 2, high / 2
    # The hull has corners at multiples of a half only; before the first it rises from 0.
    grid = np.arange(low, high + 0.25, 0.5)
    cheapest = curve[0].min()
    first = height_of_hull(*curve, cheapest)
    heights = [
        height_of_hull(*curve, cost) if cost >= cheapest else first * cost / cheapest
        for cost in grid
    ]
    expected = trapezoid(heights, grid) / (high - low)
    assert aiq(*curve, cost_range=(low, high)) == pytest.approx(expected)


def test_aiq_of_a_free_point_starts_at_its_score():
    assert aiq([0, 2], [0.5, 0.9], cost_range=(0, 2)) == pytest.approx(0.7)
    assert aiq([0], [0.5], cost_range=(0, 2)) == pytest.approx(0.5)


def test_aiq_is_horizontal_beyond_the_most_expensive_corner():
    assert aiq([1, 2], [0.5, 0.9], cost_range=(2, 9)) == pytest.approx(0.9)
    assert aiq([1, 2], [0.5, 0.9], cost_range=(1, 3)) == pytest.approx((0.7 + 0.9) / 2)


def test_aiq_falls_to_zero_at_no_cost():
    assert aiq([2], [0.8], cost_range=(0, 2)) == pytest.approx(0.4)
    assert aiq([2], [0.8], cost_range=(1, 2)) == pytest.approx(0.6)


@pytest.mark.parametrize("cost_range", [(2, 2), (2, 1), (-1, 1), (0, np.inf), (NAN, 1)])
def test_an_empty_cost_range_is_refused(cost_range):
    low = str(cost_range[0])
    with pytest.raises(ValueError, match=rf"with 0 <= low < high, got \({low}, "):
        aiq([1], [1], cost_range=cost_range)


# ---- gap between a weak and a strong model -------------------------------------------


def test_two_models_of_constant_cost_are_judged_as_in_routellm():
    """The gap recovered against the share of calls to the strong model defines APGR and CPT."""
    rng = np.random.default_rng(0)
    n = 400
    score = np.stack([rng.random(n) < 0.4, rng.random(n) < 0.8], axis=1).astype(float)
    confidence = score[:, 1] - score[:, 0] + 0.8 * rng.normal(size=n)
    order = np.argsort(-confidence)
    share = np.arange(n + 1) / n
    gains = np.append(0, np.cumsum((score[:, 1] - score[:, 0])[order]))
    quality = (gains + score[:, 0].sum()) / n
    weak, strong = quality[0], quality[-1]
    recovered = (quality - weak) / (strong - weak)
    cost = 1.0 + share * 9.0
    ends = {"weak": (1.0, weak), "strong": (10.0, strong)}
    assert apgr(cost, quality, **ends) == pytest.approx(trapezoid(recovered, share))
    for x in (0.2, 0.5, 0.8):
        first = share[np.flatnonzero(recovered >= x)[0]]
        found = call_performance_threshold(cost, quality, x, **ends)
        assert first - 1 / n <= found <= first
    assert performance_gap_recovered(quality, weak, strong) == pytest.approx(recovered)


ENDS = {"weak": (2.0, 0.25), "strong": (8.0, 0.75)}


def slow_line(cost, score):
    """Corners of the line through the points, as shares of the extra cost and of the gap."""
    points = [*zip(cost, score, strict=True), ENDS["weak"], ENDS["strong"]]
    inside = sorted(point for point in points if 2 < point[0] < 8)
    start = (2, max(score for cost, score in points if cost == 2))
    end = (8, max(score for cost, score in points if cost == 8))
    return [((cost - 2) / 6, (score - 0.25) / 0.5) for cost, score in [start, *inside, end]]


@settings(max_examples=40, deadline=None)
@given(CURVES, st.integers(0, 8))
def test_apgr_and_cpt_are_those_of_a_slow_line_through_the_points(curve, level):
    corners, level = slow_line(*curve), level / 8
    area, threshold = 0.0, None if corners[0][1] < level else 0.0
    for (left, low), (right, high) in zip(corners[:-1], corners[1:], strict=True):
        area += (right - left) * (low + high) / 2
        if threshold is None and high >= level:
            threshold = left + (right - left) * (level - low) / (high - low)
    assert apgr(*curve, **ENDS) == pytest.approx(area)
    found = call_performance_threshold(*curve, level, **ENDS)
    assert found == pytest.approx(threshold, abs=1e-9)


def test_random_mixtures_of_the_two_models_recover_half_of_the_gap():
    ends = [2.0, 8.0], [0.25, 0.75]
    assert apgr(*ends, **ENDS) == pytest.approx(0.5)
    assert call_performance_threshold(*ends, 0.5, **ENDS) == pytest.approx(0.5)


def test_a_router_as_cheap_as_the_weak_and_as_good_as_the_strong_model_recovers_all():
    assert apgr([2.0], [0.75], **ENDS) == pytest.approx(1)
    assert call_performance_threshold([2.0], [0.75], 1, **ENDS) == 0
    assert call_performance_threshold([2.0], [0.3], 0, **ENDS) == 0
    assert call_performance_threshold([2.0], [0.3], 1, **ENDS) == 1


def test_points_beyond_the_costs_of_the_two_models_do_not_count():
    assert apgr([1.0, 11.0], [0.25, 1.0], **ENDS) == pytest.approx(0.5)
    assert call_performance_threshold([1.0, 11.0], [1.0, 1.0], 0.5, **ENDS) == pytest.approx(0.5)


@pytest.mark.parametrize("x", [-0.1, 1.1, 80, NAN])
def test_a_level_that_is_not_a_share_is_refused(x):
    with pytest.raises(ValueError, match=f"x must be a share from 0 to 1, got {x}"):
        call_performance_threshold([1], [1], x, weak=(1, 0), strong=(2, 1))


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ((2.0, 0.5), (1.0, 0.9)),
        ((1.0, 0.5), (1.0, 0.9)),
        ((1.0, 0.9), (2.0, 0.5)),
        ((1.0, 0.9), (2.0, 0.9)),
    ],
)
def test_metrics_of_a_gap_need_a_strong_model_that_costs_more_and_is_better(weak, strong):
    message = (
        rf"strong model \(cost {strong[0]:.4g}, score {strong[1]}\) is not both more expensive "
        rf"and better than the weak one \(cost {weak[0]:.4g}, score {weak[1]}\)"
    )
    curve, ends = ([1.0, 2.0], [0.5, 0.6]), {"weak": weak, "strong": strong}
    with pytest.warns(UndefinedMetricWarning, match=message):
        assert np.isnan(apgr(*curve, **ends))
    with pytest.warns(UndefinedMetricWarning, match=message):
        assert np.isnan(call_performance_threshold(*curve, 0.5, **ends))


# ---- all of them ---------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(CURVES, st.floats(0.01, 1000))
def test_the_unit_of_cost_does_not_matter(curve, unit):
    cost, score = curve
    rated = {name: (unit * price, height) for name, (price, height) in ENDS.items()}
    assert aiq(unit * cost, score, cost_range=(0.5 * unit, 2 * unit)) == pytest.approx(
        aiq(cost, score, cost_range=(0.5, 2))
    )
    assert apgr(unit * cost, score, **rated) == pytest.approx(apgr(cost, score, **ENDS))


@pytest.mark.parametrize(
    "function",
    [
        lambda: apgr([1, 2], [0.5, 0.6], weak=(1, 0.5), strong=(2, 0.4)),
        lambda: call_performance_threshold([1, 2], [0.5, 0.6], 0.5, weak=(1, 0.5), strong=(2, 0.4)),
        lambda: performance_gap_recovered(0.5, weak=0.6, strong=0.4),
    ],
)
def test_warnings_point_at_the_user_and_can_be_collected(function):
    with pytest.warns(UndefinedMetricWarning) as caught:
        function()
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with collect_warnings() as collected:
            assert np.isnan(function())
    assert [warning.category for warning in collected] == [UndefinedMetricWarning]
