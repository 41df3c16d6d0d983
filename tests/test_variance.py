"""Variance parts: against slow formulas, against a known truth, and where they cannot be told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn import Outcomes
from dars_sklearn._components import difference_parts, make_cells, model_parts
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels import decompose_variance, reliability_curve


def ragged(seed, n_queries=12, n_models=3, n_paraphrases=4, n_samples=3, share=0.6):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_queries, 1, 1, 1)) + 0.7 * rng.normal(
        size=(n_queries, n_models, 1, 1)
    )
    scores = scores + 0.5 * rng.normal(size=(n_queries, 1, n_paraphrases, 1))
    scores = scores + 0.5 * rng.normal(size=(n_queries, n_models, n_paraphrases, 1))
    scores = scores + rng.normal(size=(n_queries, n_models, n_paraphrases, n_samples))
    scores[rng.random(scores.shape) > share] = np.nan
    scores[:, :, 0, 0] = 0.0
    return scores


def sample_part(scores):
    """Of (query, paraphrase, sample): pooled variance within cells."""
    cells = [c[~np.isnan(c)] for q in scores for c in q if np.isfinite(c).any()]
    squares = sum(((c - c.mean()) ** 2).sum() for c in cells)
    return squares / sum(len(c) - 1 for c in cells)


def slow_parts(means, noises):
    """Query and paraphrase parts of lists of cell means and of the noise variance in each."""
    numerator = denominator = 0.0
    for mean, noise in zip(means, noises, strict=True):
        numerator += ((mean - mean.mean()) ** 2).sum() - (len(mean) - 1) * noise.mean()
        denominator += len(mean) - 1
    paraphrase = numerator / denominator
    centres = np.array([mean.mean() for mean in means])
    noise = np.mean([paraphrase / len(v) + v.mean() / len(v) for v in noises])
    return centres.var(ddof=1) - noise, paraphrase


def cell_table(scores, sample):
    means, noises = [], []
    for query in scores:
        counts = (~np.isnan(query)).sum(axis=1)
        held = counts > 0
        means.append(np.nanmean(query[held], axis=1))
        noises.append(sample / counts[held])
    return means, noises


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_a_model_are_those_of_the_slow_formulas(seed):
    scores = ragged(seed)
    parts = decompose_variance(Outcomes.from_array(scores, score_range=None))
    for model in range(3):
        sample = sample_part(scores[:, model])
        query, paraphrase = slow_parts(*cell_table(scores[:, model], sample))
        assert parts.estimate("sample", model) == pytest.approx(sample)
        assert parts.estimate("paraphrase", model) == pytest.approx(max(paraphrase, 0), abs=1e-12)
        assert parts.estimate("query", model) == pytest.approx(max(query, 0), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_a_difference_are_those_of_the_slow_formulas(seed):
    scores = ragged(seed)
    parts = decompose_variance(Outcomes.from_array(scores, score_range=None))
    one, other = scores[:, 0], scores[:, 2]
    of_one, of_other = sample_part(one), sample_part(other)
    means, noises = [], []
    for a, b in zip(one, other, strict=True):
        n_a, n_b = (~np.isnan(a)).sum(axis=1), (~np.isnan(b)).sum(axis=1)
        both = (n_a > 0) & (n_b > 0)
        means.append(np.nanmean(a[both], axis=1) - np.nanmean(b[both], axis=1))
        noises.append(of_one / n_a[both] + of_other / n_b[both])
    query, paraphrase = slow_parts(means, noises)
    assert parts.estimate("sample", 0, 2) == pytest.approx(of_one + of_other)
    assert parts.estimate("sample", 2, 0) == pytest.approx(of_one + of_other)
    assert parts.estimate("paraphrase", 0, 2) == pytest.approx(max(paraphrase, 0), abs=1e-12)
    assert parts.estimate("query", 0, 2) == pytest.approx(max(query, 0), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_parts_scale_with_the_square_of_the_scores(seed, factor):
    scores = ragged(seed)
    one = decompose_variance(Outcomes.from_array(scores, score_range=None)).table
    other = decompose_variance(Outcomes.from_array(factor * scores, score_range=None)).table
    variance = ~one["part"].isin(["icc", "reliability"])
    for column in ("estimate", "low", "high"):
        scale = np.where(variance, factor**2, 1)
        np.testing.assert_allclose(
            other[column].to_numpy(float), scale * one[column].to_numpy(float), rtol=1e-6, atol=1e-9
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_what_all_models_share_is_no_part_of_their_differences(seed):
    rng = np.random.default_rng(seed)
    scores = ragged(seed)
    shared = 5 * rng.normal(size=(12, 1, 1, 1)) + rng.normal(size=(12, 1, 4, 1))
    one = decompose_variance(Outcomes.from_array(scores, score_range=None)).table
    other = decompose_variance(Outcomes.from_array(scores + shared, score_range=None)).table
    difference = one["of"] == "difference"
    np.testing.assert_allclose(
        one.loc[difference, "estimate"].to_numpy(float),
        other.loc[difference, "estimate"].to_numpy(float),
        rtol=1e-6, atol=1e-9,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_queries_and_models_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    outcomes = Outcomes.from_array(ragged(seed), score_range=None)
    models, queries = rng.permutation(3).tolist(), rng.permutation(12)
    one = decompose_variance(outcomes)
    other = decompose_variance(outcomes[queries].subset(models=models))
    for part in ("query", "paraphrase", "sample", "total", "icc", "reliability"):
        for key in ((0,), (1,), (0, 2), (1, 2), ()):
            assert other.estimate(part, *key) == pytest.approx(one.estimate(part, *key), abs=1e-9)


def test_intervals_hold_the_true_parts_as_often_as_they_promise():
    """300 repetitions here; 2,000, and badly unbalanced ones, in benchmarks/labels.py."""
    held = []
    for seed in range(300):
        data = make_routing_outcomes(
            100, 2, 3, 3, link="identity", difficulty=0.2, interaction=0.3,
            paraphrase_effect=0.2, sampling_noise=0.4, random_state=seed,
        )  # fmt: skip
        table = decompose_variance(data.outcomes).table
        table = table[table["model"] != "overall"]
        truth = data.variance_parts.to_numpy()
        for part, column in (("query", 0), ("paraphrase", 1), ("sample", 2)):
            rows = table[table["part"] == part]
            assert len(rows) == len(truth)
            held.append(
                (rows["low"].to_numpy() <= truth[:, column])
                & (truth[:, column] <= rows["high"].to_numpy())
            )
    # 900 intervals of each kind; their standard error is 0.007.
    assert 0.92 < np.mean(held) < 0.98


def test_the_true_parts_of_synthetic_scores_are_those_of_many_draws():
    for settings_ in (
        {},
        {"effects": "skewed"},
        {"link": "clip", "difficulty": 0.2, "interaction": 0.2, "paraphrase_effect": 0.1,
         "sampling_noise": 0.3},
    ):  # fmt: skip
        data = make_routing_outcomes(20000, 2, 3, 3, random_state=0, **settings_)
        parts = decompose_variance(data.outcomes)
        for (model, other), truth in data.variance_parts.iterrows():
            for part in ("query", "paraphrase", "sample"):
                found = parts.estimate(part, model, other or None)
                assert found == pytest.approx(truth[part], rel=0.06, abs=0.002)
        np.testing.assert_allclose(
            data.expected_quality.var(axis=0),
            data.variance_parts["query"].to_numpy()[:2],
            rtol=0.05,
        )


def test_reliability_is_the_squared_correlation_of_labels_with_the_truth():
    data = make_routing_outcomes(20000, 2, 3, 2, random_state=0)
    label = data.outcomes.to_array().mean(axis=(2, 3))
    parts = decompose_variance(data.outcomes)
    for model in range(2):
        truth = np.corrcoef(label[:, model], data.expected_quality[:, model])[0, 1] ** 2
        assert parts.estimate("reliability", f"model {model}") == pytest.approx(truth, abs=0.02)
    difference = np.corrcoef(np.diff(label)[:, 0], np.diff(data.expected_quality)[:, 0])[0, 1] ** 2
    assert parts.estimate("reliability") == pytest.approx(difference, abs=0.02)


def test_predicted_reliability_is_the_one_that_the_other_design_has():
    data = make_routing_outcomes(20000, 2, 4, 4, random_state=1)
    curve = reliability_curve(data.outcomes, (2,), (1,))
    smaller = Outcomes.from_array(data.outcomes.to_array()[:, :, :2, :1])
    with pytest.warns(SeparabilityWarning):
        parts = decompose_variance(smaller)
    assert curve["reliability"][0] == pytest.approx(parts.estimate("reliability"), abs=0.02)
    assert curve["low"][0] < curve["reliability"][0] < curve["high"][0]
    by_model = reliability_curve(data.outcomes, (1, 4), (4,), of="model")
    assert by_model["model"].tolist() == ["model 0"] * 2 + ["model 1"] * 2
    own = decompose_variance(data.outcomes).estimate("reliability", "model 0")
    assert by_model["reliability"][1] == pytest.approx(own)


def test_parts_that_a_design_cannot_tell_apart_are_given_as_their_sum():
    scores = make_routing_outcomes(100, 2, 3, 3, random_state=0).outcomes.to_array()
    whole = decompose_variance(Outcomes.from_array(scores))
    one_paraphrase = Outcomes.from_array(scores[:, :, :1])
    one_sample = Outcomes.from_array(scores[..., :1])
    one_outcome = Outcomes.from_array(scores[:, :, :1, :1])
    with pytest.warns(SeparabilityWarning, match="0, 1 with one paraphrase a query"):
        parts = decompose_variance(one_paraphrase)
    assert parts.estimate("sample", 0) == pytest.approx(whole.estimate("sample", 0), rel=0.2)
    assert parts.estimate("query + paraphrase", 0) > 0
    assert np.isnan(parts.estimate("reliability", 0))
    assert np.isnan(parts.estimate("query", 0))
    with pytest.warns(SeparabilityWarning, match="one sample a paraphrase"):
        parts = decompose_variance(one_sample)
    assert parts.estimate("reliability", 0) > 0
    assert np.isnan(parts.estimate("sample", 0))
    with pytest.warns(SeparabilityWarning, match="one outcome a query"):
        parts = decompose_variance(one_outcome)
    variance = scores[:, 0, 0, 0].var(ddof=1)
    assert parts.estimate("total", 0) == pytest.approx(variance)
    with pytest.raises(ValueError, match="several wordings"):
        reliability_curve(one_paraphrase)
    with pytest.raises(ValueError, match="one sample a paraphrase"):
        reliability_curve(one_sample)
    assert len(reliability_curve(one_sample, (1, 2), (1,))) == 2


def test_odd_outcomes():
    constant = decompose_variance(Outcomes.from_array(np.ones((5, 2, 3, 3))))
    assert constant.estimate("total") == 0
    assert np.isnan(constant.estimate("reliability"))
    single = Outcomes.from_array(ragged(0)[:, :1], score_range=None)
    assert "overall" not in decompose_variance(single).table["model"].tolist()
    with pytest.raises(ValueError, match="one model only"):
        reliability_curve(single)
    with pytest.raises(ValueError, match="at least 3 queries, got 2"):
        decompose_variance(Outcomes.from_array(np.ones((2, 2, 3, 3))))
    with pytest.raises(ValueError, match="level"):
        decompose_variance(single, level=95)
    with pytest.raises(ValueError, match="n_samples"):
        reliability_curve(single, n_samples=(0,), of="model")
    with pytest.raises(ValueError, match="of must be"):
        reliability_curve(single, of="models")
    # Models that share no query have no difference.
    apart = np.full((8, 2, 2, 2), np.nan)
    rng = np.random.default_rng(0)
    apart[:4, 0], apart[4:, 1] = rng.random((2, 4, 2, 2))
    parts = decompose_variance(Outcomes.from_array(apart))
    assert np.isnan(parts.estimate("total", 0, 1))
    assert parts.estimate("total", 0) > 0
    assert "total" in repr(parts)
    assert "<table" in parts._repr_html_()


def test_the_repr_of_many_models_shows_the_mean_difference_only():
    scores = np.random.default_rng(0).random((5, 8, 2, 2))
    parts = decompose_variance(Outcomes.from_array(scores))
    assert len(repr(parts).splitlines()) == 1 + 2 + 8 + 1
    assert len(parts.to_frame().query("of == 'difference'")["model"].unique()) == 8
    few = decompose_variance(Outcomes.from_array(scores[:, :3]))
    assert "0 - 1" in repr(few)


def test_on_a_full_grid_parts_are_those_of_the_nested_analysis_of_variance():
    rng = np.random.default_rng(0)
    Q, P, K = 15, 4, 3
    scores = rng.normal(size=(Q, 1, 1)) + rng.normal(size=(Q, P, 1)) + rng.normal(size=(Q, P, K))
    cells, queries = scores.mean(axis=2), scores.mean(axis=(1, 2))
    between = P * K * ((queries - scores.mean()) ** 2).sum() / (Q - 1)
    wordings = K * ((cells - queries[:, None]) ** 2).sum() / (Q * (P - 1))
    error = ((scores - cells[..., None]) ** 2).sum() / (Q * P * (K - 1))
    parts = decompose_variance(Outcomes.from_array(scores[:, None], score_range=None))
    assert parts.estimate("sample", 0) == pytest.approx(error)
    assert parts.estimate("paraphrase", 0) == pytest.approx((wordings - error) / K)
    assert parts.estimate("query", 0) == pytest.approx((between - wordings) / (P * K))
    reliability = (between - wordings) / between
    assert parts.estimate("reliability", 0) == pytest.approx(reliability)


def test_jackknife_replicates_are_estimates_without_each_query():
    scores = ragged(3)
    outcomes = Outcomes.from_array(scores, score_range=None)
    whole = model_parts(make_cells(outcomes), 12, 3)[1]
    pair = difference_parts(make_cells(outcomes), 12, 3)[0, 2]
    for query in range(12):
        rest = outcomes[np.arange(12) != query]
        for found, expected in (
            (whole, model_parts(make_cells(rest), 11, 3)[1]),
            (pair, difference_parts(make_cells(rest), 11, 3)[0, 2]),
        ):
            for name in ("query", "paraphrase", "sample", "label_noise"):
                value = getattr(found, name)[query + 1]
                assert value == pytest.approx(getattr(expected, name)[0]), name
