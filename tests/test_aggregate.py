import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dars_sklearn import OutcomeAggregator, Outcomes

GRIDS = arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    elements=st.one_of(st.just(np.nan), st.floats(0, 1, width=32)),
)


def slow(cells, weighting):
    """Mean, spread and effective number of one pair, by the definitions."""
    cells = [[s for s in cell if not np.isnan(s)] for cell in cells]
    cells = [cell for cell in cells if cell]
    if weighting == "pooled":
        cells = [[s] for cell in cells for s in cell]
    scores = [s for cell in cells for s in cell]
    weights = [1 / len(cells) / len(cell) for cell in cells for _ in cell]
    mean = sum(w * s for w, s in zip(weights, scores, strict=True))
    squared = sum(w * w for w in weights)
    if len(scores) == 1:
        return mean, 0.0, 1.0
    spread = sum(w * (s - mean) ** 2 for w, s in zip(weights, scores, strict=True))
    return mean, (spread / (1 - squared)) ** 0.5, 1 / squared


@settings(max_examples=150, deadline=None)
@given(GRIDS, st.sampled_from(["balanced", "pooled"]), st.floats(0, 10))
def test_aggregation_equals_a_slow_loop_over_ragged_data(grid, weighting, smoothing):
    grid[:, 0, 0, 0] = np.where(np.isnan(grid[:, 0, 0, 0]), 0.5, grid[:, 0, 0, 0])
    outcomes = Outcomes.from_array(grid)
    fitted = OutcomeAggregator(weighting=weighting, smoothing=smoothing).fit(outcomes)
    capability = fitted.aggregate(outcomes)
    for (query, model), n in np.ndenumerate(outcomes.counts()):
        place = query, model
        if n == 0:
            assert capability.quality[place] == fitted.prior_quality_[model]
            assert capability.weights[place] == 0
            continue
        mean, spread, effective = slow(grid[query, model], weighting)
        smoothed = (n * mean + smoothing * fitted.prior_quality_[model]) / (n + smoothing)
        assert capability.quality[place] == pytest.approx(smoothed, abs=1e-12)
        assert capability.weights[place] == pytest.approx(effective)
        expected = spread if n > 1 else fitted.prior_risk_[model]
        assert capability.risk[place] == pytest.approx(expected, abs=1e-12)


def test_binary_spread_is_that_of_the_success_share():
    """PAPER property 1."""
    for successes in range(26):
        scores = np.r_[np.ones(successes), np.zeros(25 - successes)]
        outcomes = Outcomes.from_array(scores[None, None])
        p = successes / 25
        risk = OutcomeAggregator().fit(outcomes).aggregate(outcomes).risk[0, 0]
        assert risk == pytest.approx(np.sqrt(25 / 24 * p * (1 - p)))
        assert risk <= 0.5104


def test_single_shot_has_no_spread_and_scaled_costs_reach_0_and_1():
    """PAPER property 4."""
    rng = np.random.default_rng(0)
    outcomes = Outcomes.from_array(rng.random((20, 3, 4)), costs=rng.random((20, 3, 4)))
    drawn = outcomes.single_shot(0)
    capability = OutcomeAggregator().fit(drawn).aggregate(drawn)
    assert (capability.risk == 0).all()
    assert capability.cost.min() == 0
    assert capability.cost.max() == pytest.approx(1)


def test_the_table_has_names_and_can_be_a_data_frame():
    outcomes = Outcomes.from_array([[1, 0], [0, 1]], models=["a", "b"])
    table = OutcomeAggregator().set_output(transform="pandas").fit_transform(outcomes)
    assert list(table) == ["quality_a", "quality_b", "cost_a", "cost_b", "risk_a", "risk_b"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"smoothing": -1}, "smoothing must be"),
        ({"smoothing": "big"}, "smoothing must be"),
        ({"prior": "mean"}, "prior must be"),
        ({"risk": "variance"}, "risk must be"),
        ({"weighting": "equal"}, "weighting must be"),
        ({"cost_scaling": "log"}, "cost_scaling must be"),
        ({"cost_scaling": (2, 1)}, "low < high"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        OutcomeAggregator(**parameters).fit(Outcomes.from_array([[1, 0]]))


def test_unknown_costs_are_left_out_of_the_mean():
    costs = np.array([[[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]])
    outcomes = Outcomes.from_array(np.ones((1, 2, 3)), costs=costs)
    capability = OutcomeAggregator(cost_scaling=None).fit(outcomes).aggregate(outcomes)
    np.testing.assert_allclose(capability.cost, [[2.0, 2.0]])  # the gap: the other model's mean


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_many_outcomes_are_aggregated_as_a_group_by_does(weighting):
    """More outcomes than are handled at once, some pairs of thousands, some of none."""
    rng = np.random.default_rng(0)
    n = 700_000
    table = pd.DataFrame(
        {
            "query": (rng.pareto(0.5, n)).astype(int) % 3_000,
            "model": rng.integers(0, 3, n),
            "paraphrase": rng.integers(0, 4, n),
            "score": rng.random(n),
            "cost": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
        }
    )
    outcomes = Outcomes.from_frame(table, models=[0, 1, 2, 3])
    aggregator = OutcomeAggregator(weighting=weighting, cost_scaling=None).fit(outcomes)
    capability = aggregator.aggregate(outcomes)
    pair = ["query", "model"]
    means = table if weighting == "pooled" else table.groupby([*pair, "paraphrase"]).mean()
    means = means.groupby(pair)[["score", "cost"]].mean()
    rows = pd.Index(outcomes.queries).get_indexer(means.index.get_level_values("query"))
    place = rows, means.index.get_level_values("model")
    np.testing.assert_allclose(capability.quality[place], means["score"], atol=1e-12)
    known = means["cost"].notna().to_numpy()
    np.testing.assert_allclose(capability.cost[place][known], means["cost"][known], atol=1e-12)
    assert (capability.weights[:, 3] == 0).all()
    if weighting == "pooled":
        expected = table.groupby(pair)["score"].std()
        several = expected.notna().to_numpy()
        np.testing.assert_allclose(capability.risk[place][several], expected[several], atol=1e-12)
