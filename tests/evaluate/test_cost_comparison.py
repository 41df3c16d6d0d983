"""Cost and score of routes beside a single model, computed by hand and in words."""

import numpy as np
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.evaluate._cost_comparison import (
    CostComparison,
    EstimateWithInterval,
    compare_costs,
    compare_means,
    describe_max_loss,
)
from dars_sklearn.metrics._realised_values import RealisedValues

NAN = float("nan")


def compare(scores, costs, routed, best, **options):
    realised = RealisedValues(Outcomes.from_array(scores, costs=costs, **options))
    (found,) = compare_costs(
        realised, [np.array(routed)], np.array(best), n_resamples=500, level=0.8, random_state=0
    )
    return found


def test_a_comparison_by_hand():
    # The router saves 3 of 4 on the first query, and loses the whole score on the second one.
    scores, costs = [[1, 1], [0, 1], [0, 1], [1, 1]], [1.0, 4.0]
    found = compare(scores, costs, [0, 0, 1, 1], [1, 1, 1, 1])
    assert found.cost_ratio.estimate == pytest.approx(10 / 16)
    assert found.score_difference.estimate == pytest.approx(-1 / 4)
    assert found.cost_ratio.low < 10 / 16 < found.cost_ratio.high
    assert found.score_difference[1:] == (-0.5, 0.0)


def test_routes_to_the_model_itself_do_not_differ_from_it():
    found = compare([[1, 0], [0, 1], [1, 1]], [1.0, 2.0], [1, 1, 1], [1, 1, 1])
    assert found.cost_ratio == (1, 1, 1)
    assert found.score_difference == (0, 0, 0)
    assert found.is_within(0)


def test_intervals_are_those_of_resamples_of_the_queries_for_both_figures_together():
    rng = np.random.default_rng(0)
    scores, costs = rng.random((20, 2)), rng.random((20, 2))
    routed, best = rng.integers(0, 2, 20), np.ones(20, dtype=int)
    found = compare(scores, costs, routed, best)
    realised = RealisedValues(Outcomes.from_array(scores, costs=costs))
    draws, rows = np.random.RandomState(0), np.arange(20)
    ratios, differences = [], []
    for _ in range(500):
        own = draws.randint(20, size=20)
        values = [
            table[rows, columns][own].mean()
            for table in (realised.cost, realised.score)
            for columns in (routed, best)
        ]
        ratios.append(values[0] / values[1])
        differences.append(values[2] - values[3])
    assert found.cost_ratio[1:] == pytest.approx(tuple(np.quantile(ratios, [0.1, 0.9])))
    assert found.score_difference[1:] == pytest.approx(tuple(np.quantile(differences, [0.1, 0.9])))


def test_scores_are_compared_on_the_unit_scale():
    found = compare([[50, 100]] * 3, [1.0, 2.0], [0] * 3, [1] * 3, score_range=(0, 100))
    assert found.score_difference == (-0.5, -0.5, -0.5)
    found = compare([[50, 100]] * 3, [1.0, 2.0], [0] * 3, [1] * 3, score_range=None)
    assert found.score_difference == (-50, -50, -50)


def test_each_mean_is_over_the_queries_that_are_known():
    found = compare([[1, NAN], [0, 1], [NAN, 0]], [1.0, 4.0], [0, 0, 1], [1, 1, 1])
    assert found.score_difference.estimate == pytest.approx(1 / 3 - 1 / 2)
    assert found.cost_ratio.estimate == pytest.approx(6 / 3 / 4)


def test_a_cost_relative_to_nothing_is_unknown():
    ratio, difference = compare_means(np.array([[0.5, 1.0, 0.25, 0.0]]))
    assert np.isnan(ratio).all()
    assert difference.tolist() == [0.25]


@pytest.mark.parametrize(
    ("ratio", "difference", "saving", "loss"),
    [
        ((0.69, 0.66, 0.72), (-0.004, -0.009, 0.001), "31 % cheaper", "within one point of"),
        ((0.69, 0.66, 1.02), (0, 0, 0), "not shown to be cheaper", "within 0 points of"),
        ((1.5, 1.2, 1.9), (0.1, 0.05, 0.2), "50 % more expensive", "scores more than"),
        ((0.996, 0.992, 0.999), (0.0, -0.02, 0.1), "less than 1 % cheaper", "within two points of"),
        ((0.5, 0.4, 0.6), (0.1, -0.021, 0.3), "50 % cheaper", "not shown to be within two points"),
    ],
)
def test_figures_in_words(ratio, difference, saving, loss):
    comparison = CostComparison(
        EstimateWithInterval(*ratio), EstimateWithInterval(*difference)
    )  # fmt: skip
    assert comparison.describe_saving() == saving
    assert comparison.describe_loss().startswith(loss)


def test_how_figures_are_written():
    comparison = CostComparison((0.69, 0.66, 0.72), (-0.004, -0.009, 0.0011))
    assert comparison.describe_figures() == (
        "cost ratio 0.69 [0.66, 0.72], score difference -0.004 [-0.009, +0.001]"
    )
    nothing = CostComparison((1.0, 1.0, 1.0), (-1e-17, -2e-17, 0.0))
    assert nothing.describe_figures().endswith("score difference +0.000 [+0.000, +0.000]")


def test_losses_in_words():
    losses = (0.0, 0.01, 0.02, 0.005, 0.1)
    assert [describe_max_loss(loss) for loss in losses] == [
        "0 points", "one point", "two points", "0.5 points", "10 points"
    ]  # fmt: skip
    assert describe_max_loss(0.01, None) == "0.01"
