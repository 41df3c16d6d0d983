"""OutcomeAggregator: from outcomes to labels."""

import re
import warnings
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids, normal_scores, pair_summary
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from dars_sklearn import OutcomeAggregator, Outcomes
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels import Capability


def labels_of(scores, *, costs=None, score_range=(0, 1), **parameters):
    """Fit an aggregator, and return it and the labels of the same outcomes."""
    outcomes = Outcomes.from_array(scores, costs=costs, score_range=score_range)
    aggregator = OutcomeAggregator(**parameters).fit(outcomes)
    return aggregator, aggregator.aggregate(outcomes)


# ---- quality, risk and their weights -------------------------------------------


def with_outcomes_of_every_model(grid):
    grid[0, :, 0, 0] = np.where(np.isnan(grid[0, :, 0, 0]), 0.5, grid[0, :, 0, 0])
    return grid


@settings(max_examples=100, deadline=None)
@given(
    grids().map(with_outcomes_of_every_model),
    st.sampled_from(["balanced", "pooled"]),
    st.sampled_from([0.0, 0, 1, 2.5]),
)
def test_labels_are_those_of_a_slow_loop_over_ragged_data(grid, weighting, smoothing):
    aggregator, labels = labels_of(grid, weighting=weighting, smoothing=smoothing)
    n_queries, n_models = grid.shape[:2]
    pairs = list(np.ndindex(n_queries, n_models))
    summaries = {pair: pair_summary(grid[pair].tolist(), weighting) for pair in pairs}
    counts = (~np.isnan(grid)).sum(axis=(2, 3))
    np.testing.assert_array_equal(labels.n_outcomes, counts)
    for model in range(n_models):
        observed = [query for query in range(n_queries) if counts[query, model]]
        several = [query for query in observed if counts[query, model] > 1]
        prior = np.mean([summaries[query, model][0] for query in observed])
        prior_risk = np.mean([summaries[query, model][1] for query in several] or [0])
        assert aggregator.prior_quality_[model] == pytest.approx(prior)
        assert aggregator.prior_risk_[model] == pytest.approx(prior_risk)
        for query in range(n_queries):
            pair = query, model
            n, (mean, spread, squared_weights) = counts[pair], summaries[pair]
            if n == 0:
                expected = (prior, prior_risk, np.nan, 0, 0)
            else:
                quality = (n * mean + smoothing * prior) / (n + smoothing)
                risk = spread if n > 1 else prior_risk
                error = risk * np.sqrt(squared_weights)
                expected = (quality, risk, error, n / (n + smoothing), 1 / squared_weights)
            names = ("quality", "risk", "standard_error", "shrinkage", "weights")
            for name, value in zip(names, expected, strict=True):
                found = getattr(labels, name)[pair]
                assert found == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_a_model_without_any_outcome_takes_the_mean_of_the_others():
    scores = np.array([[[1.0, 0.5], [np.nan, np.nan], [0.0, 0.5]]])
    aggregator, labels = labels_of(scores)
    assert aggregator.prior_quality_.tolist() == [0.75, 0.5, 0.25]
    assert aggregator.prior_risk_[1] == 0
    assert labels.quality.tolist() == [[0.75, 0.5, 0.25]]
    assert labels.risk[0, 1] == 0
    assert labels.weights[0, 1] == labels.shrinkage[0, 1] == labels.n_outcomes[0, 1] == 0


@pytest.mark.parametrize(
    ("prior", "expected"),
    [("model", [0.75, 0.0]), ("global", [0.375, 0.375]), (0.9, [0.9, 0.9]), (1, [1, 1])],
)
def test_quality_is_smoothed_towards_the_prior(prior, expected):
    scores = [[[1.0, 1.0], [0.0, 0.0]], [[0.5, 0.5], [0.0, 0.0]]]
    aggregator, labels = labels_of(scores, prior=prior, smoothing=2.0)
    assert aggregator.prior_quality_.tolist() == expected
    np.testing.assert_allclose(labels.quality, (np.mean(scores, axis=2) + expected) / 2)
    assert (labels.shrinkage == 0.5).all()
    unseen = aggregator.aggregate(Outcomes.from_array([[0.25, np.nan]]))
    assert unseen.quality[0, 1] == expected[1]
    assert unseen.quality[0, 0] == pytest.approx((0.25 + 2 * expected[0]) / 3)


@pytest.mark.parametrize("prior", ["model", "global", 0.5])
def test_the_prior_of_each_model_is_a_number_of_its_own(prior):
    aggregator, _ = labels_of([[1, 0]], prior=prior)
    second = aggregator.prior_quality_[1]
    aggregator.prior_quality_[0] = 7
    assert aggregator.prior_quality_.tolist() == [7, second]


def test_defaults_are_the_plain_mean_and_spread():
    """The paper's labels, but for the equal weights of paraphrases."""
    scores = np.array([[[[1.0, 0.0], [1.0, np.nan]], [[0.5, 0.5], [0.5, 0.5]]]])
    _, labels = labels_of(scores)
    assert labels.quality.tolist() == [[0.75, 0.5]]
    _, pooled = labels_of(scores, weighting="pooled")
    assert pooled.quality == pytest.approx(np.array([[2 / 3, 0.5]]))
    assert pooled.risk[0] == pytest.approx([np.std([1, 0, 1], ddof=1), 0])
    parameters = OutcomeAggregator().get_params()
    assert parameters == {
        "smoothing": 0.0, "prior": "model", "risk": "std", "weighting": "balanced",
        "cost_scaling": "minmax",
    }  # fmt: skip


@pytest.mark.parametrize("successes", [0, 1, 7, 13, 25])
def test_the_spread_of_binary_scores_is_that_of_their_success_rate(successes):
    scores = np.r_[np.ones(successes), np.zeros(25 - successes)]
    _, labels = labels_of(scores[None, None])
    p = successes / 25
    assert labels.risk[0, 0] == pytest.approx(np.sqrt(25 / 24 * p * (1 - p)))
    assert labels.risk[0, 0] <= 0.5104


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_the_aggregator_does_not_change_shared_statistics(weighting):
    outcomes = Outcomes.from_array(normal_scores(0), score_range=None)
    before = [table.copy() for table in outcomes.pair_statistics(weighting)]
    OutcomeAggregator(weighting=weighting, smoothing=1.0).fit_aggregate(outcomes)
    for table, expected in zip(outcomes.pair_statistics(weighting), before, strict=True):
        np.testing.assert_array_equal(table, expected)


# ---- costs ---------------------------------------------------------------------


def test_costs_are_in_the_users_unit_and_scaled_by_the_range_of_single_outcomes():
    costs = [[[2.0, 4.0], [10.0, 6.0]], [[3.0, 3.0], [8.0, 8.0]]]
    aggregator, labels = labels_of(np.ones((2, 2, 2)), costs=costs)
    assert aggregator.cost_range_ == (2.0, 10.0)
    assert labels.cost.tolist() == [[3, 8], [3, 8]]
    assert labels.scaled_cost.tolist() == [[0.125, 0.75], [0.125, 0.75]]
    assert aggregator.prior_cost_.tolist() == [3, 8]


@pytest.mark.parametrize(
    ("cost_scaling", "cost_range", "scaled"),
    [(None, (0.0, 1.0), [[3, 8]]), ((0, 4), (0.0, 4.0), [[0.75, 2]]), ([2, 4], (2, 4), [[0.5, 3]])],
)
def test_costs_can_be_scaled_by_a_fixed_range_or_not_at_all(cost_scaling, cost_range, scaled):
    aggregator, labels = labels_of([[1, 0]], costs=[3, 8], cost_scaling=cost_scaling)
    assert aggregator.cost_range_ == cost_range
    assert [type(end) for end in aggregator.cost_range_] == [float, float]
    assert labels.cost.tolist() == [[3, 8]]
    assert labels.scaled_cost.tolist() == scaled


@pytest.mark.parametrize("cost_scaling", ["minmax", (0, 1), None, (1, 5)])
@pytest.mark.parametrize("costs", [None, [np.nan, np.nan]])
def test_without_any_costs_they_are_unknown_and_weigh_nothing(cost_scaling, costs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aggregator, labels = labels_of([[1, 0]], costs=costs, cost_scaling=cost_scaling)
    assert np.isnan(labels.cost).all()
    assert np.isnan(aggregator.prior_cost_).all()
    assert (labels.scaled_cost == 0).all()


def test_unknown_costs_are_left_out_of_means():
    nan = np.nan
    costs = [
        [[1.0, nan, 3.0], [nan, nan, nan], [nan, nan, nan]],
        [[nan, nan, nan], [6.0, nan, nan], [nan, nan, nan]],
    ]
    aggregator, labels = labels_of(np.ones((2, 3, 3)), costs=costs)
    # A pair without a known cost has its model's mean; that of a model without any is not known.
    np.testing.assert_array_equal(labels.cost, [[2, 6, nan], [2, 6, nan]])
    np.testing.assert_array_equal(aggregator.prior_cost_, [2, 6, nan])
    assert aggregator.cost_range_ == (1, 6)
    np.testing.assert_allclose(labels.scaled_cost, [[0.2, 1, nan]] * 2)


def test_a_model_without_outcomes_has_the_mean_cost_of_the_others():
    nan = np.nan
    aggregator, labels = labels_of([[1, 0, nan], [1, 0, nan]], costs=[2, 6, nan])
    assert aggregator.prior_cost_.tolist() == [2, 6, 4]
    assert labels.scaled_cost.tolist() == [[0, 1, 0.5]] * 2


def test_costs_may_be_scaled_by_the_median_costs_of_models():
    costs = [[1.0, 4.0], [2.0, 6.0], [3.0, 90.0]]
    aggregator, labels = labels_of(np.ones((3, 2)), costs=costs, cost_scaling="robust")
    assert aggregator.cost_range_ == (2, 6)
    np.testing.assert_allclose(labels.scaled_cost, [[-0.25, 0.5], [0, 1], [0.25, 22]])


def test_costs_of_new_outcomes_are_scaled_by_the_range_of_fit():
    aggregator, _ = labels_of([[1, 0]], costs=[2, 4])
    labels = aggregator.aggregate(Outcomes.from_array([[1, 0]], costs=[3, 6]))
    assert labels.scaled_cost.tolist() == [[0.5, 2]]
    labels = aggregator.aggregate(Outcomes.from_array([[1, 0]]))
    assert labels.cost.tolist() == [[2, 4]]


def test_a_single_shot_has_no_spread_and_scaled_costs_from_0_to_1():
    rng = np.random.default_rng(0)
    outcomes = Outcomes.from_array(rng.random((20, 3, 4)), costs=rng.random((20, 3, 4)))
    labels = OutcomeAggregator().fit_aggregate(outcomes.single_shot(0))
    assert (labels.risk == 0).all()
    assert labels.scaled_cost.min() == 0
    assert labels.scaled_cost.max() == pytest.approx(1)


# ---- the estimator ---------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"smoothing": "auto", "risk": "paraphrase"},
        {"risk": "standard_error", "weighting": "pooled"},
    ],
)
def test_fitting_and_aggregating_in_one_pass_gives_the_same(parameters):
    outcomes = Outcomes.from_array(normal_scores(0), score_range=None)
    both, separate = OutcomeAggregator(**parameters), OutcomeAggregator(**parameters)
    found = both.fit_aggregate(outcomes)
    expected = separate.fit(outcomes).aggregate(outcomes)
    for field in fields(Capability):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))
    for name in ("models_", "prior_quality_", "prior_cost_", "prior_risk_", "cost_range_"):
        np.testing.assert_array_equal(getattr(both, name), getattr(separate, name))


def test_fit_returns_the_aggregator_and_leaves_its_parameters():
    aggregator = OutcomeAggregator(smoothing=2, risk="sample")
    assert aggregator.fit(Outcomes.from_array([[1, 0]])) is aggregator
    assert clone(aggregator).get_params() == aggregator.get_params()
    assert aggregator.models_.tolist() == [0, 1]


def test_arrays_are_accepted_as_outcomes_of_any_range():
    scores = [[3.0, -1.0]]
    aggregator = OutcomeAggregator().fit(scores)
    assert aggregator.aggregate(scores).quality.tolist() == scores
    assert aggregator.fit_aggregate(scores).quality.tolist() == scores


def test_the_table_has_quality_then_scaled_cost_then_risk():
    outcomes = Outcomes.from_array(
        [[[1.0, 0.0], [0.5, 0.5]]], models=["a", "b"], costs=[[[2.0, 2.0], [4.0, 4.0]]]
    )
    table = OutcomeAggregator().fit_transform(outcomes)
    np.testing.assert_allclose(table, [[0.5, 0.5, 0, 1, np.sqrt(0.5), 0]])
    frame = OutcomeAggregator().set_output(transform="pandas").fit_transform(outcomes)
    names = ["quality_a", "quality_b", "scaled_cost_a", "scaled_cost_b", "risk_a", "risk_b"]
    assert list(frame) == names
    assert isinstance(frame, pd.DataFrame)
    fitted = OutcomeAggregator().fit(outcomes)
    assert fitted.get_feature_names_out().tolist() == names
    assert fitted.get_feature_names_out().dtype == object


def test_tags_say_that_the_input_is_no_table():
    tags = OutcomeAggregator().__sklearn_tags__()
    assert tags.no_validation
    assert not tags.input_tags.two_d_array
    assert tags.transformer_tags is not None


def test_variance_components_are_estimated_only_where_they_are_needed():
    outcomes = Outcomes.from_array(normal_scores(0), score_range=None)
    assert OutcomeAggregator().fit(outcomes).variance_components_ is None
    assert OutcomeAggregator(smoothing=1).fit(outcomes).variance_components_ is None
    for parameters in ({"smoothing": "auto"}, {"risk": "sample"}, {"risk": "standard_error"}):
        fitted = OutcomeAggregator(**parameters).fit(outcomes)
        assert fitted.variance_components_.shape == (3, 3)
        assert (fitted.variance_components_ >= 0).all()


def test_only_automatic_smoothing_warns():
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OutcomeAggregator(risk="sample").fit(outcomes)
    for method in ("fit", "fit_aggregate"):
        with pytest.warns(SeparabilityWarning):
            getattr(OutcomeAggregator(smoothing="auto"), method)(outcomes)


def test_other_models_than_those_of_fit_are_refused():
    aggregator = OutcomeAggregator().fit(Outcomes.from_array([[1, 0]], models=["a", "b"]))
    with pytest.raises(
        ValueError, match=re.escape("the models ['b', 'a'], but fit saw ['a', 'b']")
    ):
        aggregator.aggregate(Outcomes.from_array([[1, 0]], models=["b", "a"]))


@pytest.mark.parametrize("method", ["aggregate", "transform", "get_feature_names_out"])
def test_an_aggregator_must_be_fitted_first(method):
    with pytest.raises(NotFittedError):
        getattr(OutcomeAggregator(), method)(Outcomes.from_array([[1, 0]]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"smoothing": -1}, "smoothing must be a finite float >= 0 or 'auto', got -1"),
        ({"smoothing": "big"}, "smoothing must be a finite float >= 0 or 'auto', got 'big'"),
        ({"smoothing": np.inf}, "smoothing must be a finite float >= 0 or 'auto', got inf"),
        ({"smoothing": np.nan}, "smoothing must be a finite float >= 0 or 'auto', got nan"),
        ({"prior": "mean"}, "prior must be 'model', 'global' or a finite float, got 'mean'"),
        ({"risk": "variance"}, "risk must be one of ['std', 'paraphrase', 'sample', "
                               "'standard_error'], got 'variance'"),
        ({"weighting": "equal"}, "weighting must be 'balanced' or 'pooled', got 'equal'"),
        ({"cost_scaling": "log"}, "cost_scaling must be 'minmax', 'robust', (low, high) or None, "
                                  "got 'log'"),
        ({"cost_scaling": (1, 1)}, "cost_scaling needs low < high, got (1, 1)"),
        *(
            ({"cost_scaling": bad}, "cost_range must be two finite numbers, low then high, got "
                                    f"{bad!r}")
            for bad in [(2, 1), (0, np.nan), (0, np.inf), ("0", "1"), (False, True), (0, 1, 2), 5]
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["fit", "fit_aggregate"])
def test_bad_parameters_are_refused_with_their_values(parameters, message, method):
    aggregator = OutcomeAggregator(**parameters)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(aggregator, method)(Outcomes.from_array([[1, 0]]))


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_labels_of_many_outcomes_are_those_of_a_group_by(weighting):
    """More outcomes than are handled together, some pairs with thousands, some with none."""
    rng = np.random.default_rng(0)
    n = 300_000
    table = pd.DataFrame(
        {
            "query": rng.pareto(0.5, n).astype(int) % 3_000,
            "model": rng.integers(0, 3, n),
            "paraphrase": rng.integers(0, 4, n),
            "score": rng.random(n),
            "cost": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
        }
    )
    outcomes = Outcomes.from_frame(table, models=[0, 1, 2, 3])
    labels = OutcomeAggregator(weighting=weighting).fit_aggregate(outcomes)
    keys = ["query", "model"]
    means = table if weighting == "pooled" else table.groupby([*keys, "paraphrase"]).mean()
    means = means.groupby(keys)[["score", "cost"]].mean()
    rows = pd.Index(outcomes.queries).get_indexer(means.index.get_level_values("query"))
    pairs = rows, means.index.get_level_values("model")
    np.testing.assert_allclose(labels.quality[pairs], means["score"], atol=1e-12)
    known = means["cost"].notna().to_numpy()
    np.testing.assert_allclose(labels.cost[pairs][known], means["cost"][known], atol=1e-12)
    assert (labels.weights[:, 3] == 0).all()
