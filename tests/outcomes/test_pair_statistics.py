"""Statistics of (query, model) pairs, against loops over plain lists."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids, pair_summary

from dars_sklearn import Outcomes
from dars_sklearn.outcomes import _pair_statistics
from dars_sklearn.outcomes._pair_statistics import PairStatistics, summarise_pairs


@settings(max_examples=100, deadline=None)
@given(grids(), st.sampled_from(["balanced", "pooled"]), st.sampled_from([1, 2, 3, 7, 1 << 18]))
def test_statistics_are_those_of_a_loop_whatever_the_size_of_a_block(grid, weighting, block):
    rng = np.random.default_rng(0)
    costs = np.where(rng.random(grid.shape) < 0.3, np.nan, rng.random(grid.shape))
    costs[0] = 1.0
    outcomes = Outcomes.from_array(grid, costs=costs)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(_pair_statistics, "_BLOCK", block)
        statistics = summarise_pairs(outcomes, balanced=weighting == "balanced")
    np.testing.assert_array_equal(statistics.n_outcomes, (~np.isnan(grid)).sum(axis=(2, 3)))
    for pair in np.ndindex(grid.shape[:2]):
        mean, spread, squared_weights = pair_summary(grid[pair].tolist(), weighting)
        known_costs = np.where(np.isnan(grid[pair]), np.nan, costs[pair])
        mean_cost, *_ = pair_summary(known_costs.tolist(), weighting)
        assert statistics.mean_score[pair] == pytest.approx(mean, abs=1e-14, nan_ok=True)
        assert statistics.mean_cost[pair] == pytest.approx(mean_cost, abs=1e-14, nan_ok=True)
        assert statistics.spread[pair] == pytest.approx(spread, abs=1e-14, nan_ok=True)
        if np.isnan(mean):
            assert statistics.sum_squared_weights[pair] == np.inf
        else:
            assert statistics.sum_squared_weights[pair] == pytest.approx(squared_weights)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("block", [1, 4, 5, 12, 1 << 18])
def test_equal_numbers_of_outcomes_give_the_statistics_of_numpy(balanced, block, monkeypatch):
    monkeypatch.setattr(_pair_statistics, "_BLOCK", block)
    rng = np.random.default_rng(0)
    scores, costs = rng.random((2, 5, 3, 2, 2))
    statistics = summarise_pairs(Outcomes.from_array(scores, costs=costs), balanced=balanced)
    np.testing.assert_allclose(statistics.mean_score, scores.mean(axis=(2, 3)), rtol=1e-14)
    np.testing.assert_allclose(statistics.mean_cost, costs.mean(axis=(2, 3)), rtol=1e-14)
    flat = scores.reshape(5, 3, 4)
    np.testing.assert_allclose(statistics.spread, flat.std(axis=2, ddof=1), rtol=1e-14)
    assert (statistics.sum_squared_weights == 0.25).all()
    assert (statistics.n_outcomes == 4).all()


@pytest.mark.parametrize("balanced", [True, False])
def test_a_single_outcome_has_no_spread(balanced):
    statistics = summarise_pairs(Outcomes.from_array([[0.25, 1.0]]), balanced=balanced)
    assert statistics.mean_score.tolist() == [[0.25, 1.0]]
    assert statistics.spread.tolist() == [[0, 0]]
    assert statistics.sum_squared_weights.tolist() == [[1, 1]]
    assert np.isnan(statistics.mean_cost).all()


@pytest.mark.parametrize("balanced", [True, False])
def test_a_pair_without_outcomes_is_unknown(balanced):
    outcomes = Outcomes.from_array([[0.5, np.nan], [1.0, 0.0]], costs=[2, 3])
    statistics = summarise_pairs(outcomes, balanced=balanced)
    for name in ("mean_score", "mean_cost", "spread"):
        table = getattr(statistics, name)
        assert np.isnan(table).tolist() == [[False, True], [False, False]], name
    assert statistics.sum_squared_weights.tolist() == [[1, np.inf], [1, 1]]
    assert statistics.n_outcomes.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("balanced", [True, False])
def test_the_mean_cost_of_a_pair_is_that_of_its_known_costs(balanced):
    """With balanced weights, that of its paraphrases with a known cost."""
    costs = [[[[1.0, np.nan], [2.0, 6.0]], [[np.nan, np.nan], [5.0, np.nan]]],
             [[[np.nan] * 2] * 2, [[4.0] * 2] * 2]]  # fmt: skip
    outcomes = Outcomes.from_array(np.ones((2, 2, 2, 2)), costs=costs)
    statistics = summarise_pairs(outcomes, balanced=balanced)
    expected = [[2.5 if balanced else 3.0, 5.0], [np.nan, 4.0]]
    np.testing.assert_allclose(statistics.mean_cost, expected, rtol=1e-15)
    assert (statistics.mean_score == 1).all()


def test_unknown_costs_of_outcomes_are_not_mixed_up_with_pairs_without_outcomes():
    scores = np.array([[[1.0, 1.0], [np.nan, np.nan]], [[1.0, 1.0], [1.0, 1.0]]])
    costs = np.array([[[1.0, 3.0], [np.nan, np.nan]], [[5.0, 7.0], [9.0, 11.0]]])
    statistics = summarise_pairs(Outcomes.from_array(scores, costs=costs), balanced=False)
    np.testing.assert_array_equal(statistics.mean_cost, [[2, np.nan], [6, 10]])
    costs[1, 1] = np.nan
    statistics = summarise_pairs(Outcomes.from_array(scores, costs=costs), balanced=False)
    np.testing.assert_array_equal(statistics.mean_cost, [[2, np.nan], [6, np.nan]])


def test_known_costs_are_averaged_in_one_pass(monkeypatch):
    """The second pass, which leaves out unknown costs, is made only where there are any."""

    def fail(*arguments):
        raise AssertionError("a second pass over the costs")

    monkeypatch.setattr(_pair_statistics, "_mean_of_known", fail)
    scores = [[1.0, np.nan], [1.0, 0.0]]
    statistics = summarise_pairs(Outcomes.from_array(scores, costs=[2, 3]), balanced=True)
    np.testing.assert_array_equal(statistics.mean_cost, [[2, np.nan], [2, 3]])


def test_the_statistics_of_some_queries_and_models_are_taken_by_position():
    tables = [np.arange(6).reshape(2, 3) + 10 * number for number in range(5)]
    taken = PairStatistics(*tables).take(np.array([1, 1, 0]), np.array([2, 0]))
    assert isinstance(taken, PairStatistics)
    for number, table in enumerate(taken):
        assert (table - 10 * number).tolist() == [[5, 3], [5, 3], [2, 0]]


@pytest.mark.parametrize("balanced", [True, False])
def test_many_outcomes_have_the_means_of_a_group_by(balanced):
    """Several blocks, with pairs of one to thousands of outcomes."""
    rng = np.random.default_rng(0)
    n = 300_000
    table = pd.DataFrame(
        {
            "query": rng.pareto(0.5, n).astype(int) % 1_000,
            "model": rng.integers(0, 2, n),
            "paraphrase": rng.integers(0, 4, n),
            "score": rng.random(n),
            "cost": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
        }
    )
    outcomes = Outcomes.from_frame(table, queries=range(1_000), models=[0, 1])
    statistics = summarise_pairs(outcomes, balanced=balanced)
    keys = ["query", "model"]
    means = table.groupby([*keys, "paraphrase"]).mean() if balanced else table
    means = means.groupby(keys)[["score", "cost"]].mean()
    pairs = tuple(np.array(means.index.tolist()).T)
    np.testing.assert_allclose(statistics.mean_score[pairs], means["score"], atol=1e-12)
    np.testing.assert_allclose(statistics.mean_cost[pairs], means["cost"], atol=1e-12)
    assert statistics.n_outcomes.sum() == n
    if not balanced:
        spread = table.groupby(keys)["score"].std().fillna(0)
        np.testing.assert_allclose(statistics.spread[pairs], spread, atol=1e-12)


def test_blocks_cover_all_pairs_once():
    offsets = np.array([0, 3, 3, 4, 9, 10, 10])
    starts = {1: [0, 1, 3, 4], 2: [0, 1, 3, 4], 3: [0, 1, 4], 4: [0, 3, 4], 5: [0, 4], 9: [0, 4],
              10: [0], 11: [0]}  # fmt: skip
    for size, expected in starts.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_pair_statistics, "_BLOCK", size)
            blocks = list(_pair_statistics._blocks(offsets, None))
        pairs = [pair for block in blocks for pair in range(block.pairs.start, block.pairs.stop)]
        assert pairs == [0, 1, 2, 3, 4, 5]
        outcomes = [own for block in blocks for own in range(block.outcomes.start,
                                                             block.outcomes.stop)]  # fmt: skip
        assert outcomes == list(range(10))
        assert [block.pairs.start for block in blocks] == expected
