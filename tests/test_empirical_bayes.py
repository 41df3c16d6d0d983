"""smoothing="auto" and the risks that need variance parts."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import InformativeCountsWarning, SeparabilityWarning
from dars_sklearn.labels import decompose_variance


def thinned(scores, seed, share):
    """Drop outcomes at random, but for the first of each pair."""
    rng = np.random.default_rng(seed)
    scores = scores.copy()
    drop = rng.random(scores.shape) > share
    drop[:, :, 0, 0] = False
    scores[drop] = np.nan
    return scores


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_labels_are_drawn_to_the_prior_by_the_share_of_noise_in_them(weighting):
    scores = thinned(make_routing_outcomes(60, 2, 4, 3, random_state=0).outcomes.to_array(), 0, 0.5)
    outcomes = Outcomes.from_array(scores)
    parts = decompose_variance(outcomes)
    plain = OutcomeAggregator(weighting=weighting).fit(outcomes).aggregate(outcomes)
    fitted = OutcomeAggregator(smoothing="auto", weighting=weighting).fit(outcomes)
    shrunk = fitted.aggregate(outcomes)
    for query, model in np.ndindex(60, 2):
        query_part, paraphrase, sample = (
            parts.estimate(part, model) for part in ("query", "paraphrase", "sample")
        )
        n = (~np.isnan(scores[query, model])).sum(axis=1)
        n = n[n > 0]
        share = np.full(len(n), 1 / len(n)) if weighting == "balanced" else n / n.sum()
        noise = (share**2 * (paraphrase + sample / n)).sum()
        weight = query_part / (query_part + noise)
        expected = weight * plain.quality[query, model]
        expected += (1 - weight) * plain.quality[:, model].mean()
        assert shrunk.shrinkage[query, model] == pytest.approx(weight)
        assert shrunk.quality[query, model] == pytest.approx(expected)
        assert shrunk.standard_error[query, model] == pytest.approx(np.sqrt(weight * noise))


def test_one_outcome_is_shrunk_a_lot_and_fifty_hardly():
    scores = make_routing_outcomes(200, 2, 10, 5, random_state=0).outcomes.to_array()
    scores[0, :, 1:], scores[0, :, 0, 1:] = np.nan, np.nan
    outcomes = Outcomes.from_array(scores)
    shrinkage = OutcomeAggregator(smoothing="auto").fit(outcomes).aggregate(outcomes).shrinkage
    assert shrinkage[0].max() < 0.35
    assert shrinkage[1:].min() > 0.85


def test_a_paraphrase_more_is_worth_more_than_a_sample_more():
    scores = make_routing_outcomes(200, 1, 4, 4, paraphrase_effect=2.0, random_state=0)
    scores = scores.outcomes.to_array()
    scores[0, :, 1:] = np.nan  # one paraphrase, four samples
    scores[1, :, :, 1:] = np.nan  # four paraphrases, one sample
    outcomes = Outcomes.from_array(scores)
    shrinkage = OutcomeAggregator(smoothing="auto").fit(outcomes).aggregate(outcomes).shrinkage
    assert shrinkage[0, 0] < shrinkage[1, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["balanced", "pooled"]))
def test_a_shrunk_label_lies_between_the_mean_and_the_prior(seed, weighting):
    rng = np.random.default_rng(seed)
    scores = thinned(rng.random((15, 2, 3, 2)) * rng.random((15, 1, 1, 1)), seed, 0.6)
    outcomes = Outcomes.from_array(scores)
    plain = OutcomeAggregator(weighting=weighting).fit(outcomes).aggregate(outcomes).quality
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InformativeCountsWarning)
        fitted = OutcomeAggregator(smoothing="auto", weighting=weighting).fit(outcomes)
    label = fitted.aggregate(outcomes)
    low, high = np.minimum(plain, fitted.prior_quality_), np.maximum(plain, fitted.prior_quality_)
    assert (label.quality >= low - 1e-12).all()
    assert (label.quality <= high + 1e-12).all()
    assert (label.shrinkage >= 0).all()
    assert (label.shrinkage <= 1).all()


@pytest.mark.parametrize(("P", "K"), [(2, 1), (1, 5), (5, 1), (5, 2), (5, 5)])
@pytest.mark.parametrize("full", [True, False])
def test_shrunk_labels_are_nearer_to_the_truth(P, K, full):
    """A few repetitions here; 500, and more designs, in benchmarks/labels.py."""
    ratios = []
    for seed in range(20):
        data = make_routing_outcomes(150, 3, P, K, random_state=seed)
        scores = data.outcomes.to_array()
        outcomes = Outcomes.from_array(scores if full else thinned(scores, seed, 0.6))
        errors = [
            (OutcomeAggregator(smoothing=smoothing).fit(outcomes).aggregate(outcomes).quality
             - data.expected_quality) ** 2
            for smoothing in ("auto", 0.0)
        ]  # fmt: skip
        ratios.append(errors[0].mean() / errors[1].mean())
    assert np.mean(ratios) < 1


def test_the_posterior_standard_error_is_that_of_the_label():
    data = make_routing_outcomes(
        3000, 2, 3, 2, link="identity", difficulty=0.2, interaction=0.2, paraphrase_effect=0.2,
        sampling_noise=0.5, random_state=0,
    )  # fmt: skip
    scores = thinned(data.outcomes.to_array(), 0, 0.6)
    outcomes = Outcomes.from_array(scores, score_range=None)
    label = OutcomeAggregator(smoothing="auto").fit(outcomes).aggregate(outcomes)
    z = (label.quality - data.expected_quality) / label.standard_error
    assert z.std() == pytest.approx(1, abs=0.03)
    plain = OutcomeAggregator(risk="standard_error").fit(outcomes).aggregate(outcomes)
    z = (plain.quality - data.expected_quality) / plain.standard_error
    assert z.std() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(plain.risk, plain.standard_error)


def test_risk_by_kind_is_that_of_the_pairs_own_paraphrases():
    rng = np.random.default_rng(0)
    wording = rng.normal(size=(400, 1, 40, 1)) * 0.3
    scores = wording + rng.normal(size=(400, 1, 40, 20)) * 0.5
    outcomes = Outcomes.from_array(scores, score_range=None)
    between = OutcomeAggregator(risk="paraphrase").fit(outcomes).aggregate(outcomes).risk
    within = OutcomeAggregator(risk="sample").fit(outcomes).aggregate(outcomes).risk
    truth = wording[..., 0].std(axis=2, ddof=1)
    assert np.abs(between - truth).mean() < 0.02
    np.testing.assert_allclose(within[:, 0], np.sqrt(scores.var(axis=3, ddof=1).mean(axis=2))[:, 0])


def test_a_pair_with_too_few_outcomes_takes_its_models_mean_risk():
    scores = make_routing_outcomes(40, 2, 3, 3, random_state=0).outcomes.to_array()
    scores[0, 0, 1:], scores[1, 0, :, 1:] = np.nan, np.nan
    scores[2, 0] = np.nan
    outcomes = Outcomes.from_array(scores)
    for risk, few in (("paraphrase", [0, 2]), ("sample", [1, 2]), ("standard_error", [2])):
        fitted = OutcomeAggregator(risk=risk).fit(outcomes)
        table = fitted.aggregate(outcomes).risk
        assert not np.isnan(table).any()
        rest = np.setdiff1d(np.arange(40), few)
        assert table[few, 0] == pytest.approx(table[rest, 0].mean())


def test_a_pair_without_outcomes_has_the_priors_error():
    scores = make_routing_outcomes(40, 2, 3, 3, random_state=0).outcomes.to_array()
    scores[2, 0] = np.nan
    outcomes = Outcomes.from_array(scores)
    fitted = OutcomeAggregator(smoothing="auto", risk="standard_error").fit(outcomes)
    label = fitted.aggregate(outcomes)
    assert label.quality[2, 0] == fitted.prior_quality_[0]
    assert label.shrinkage[2, 0] == 0
    assert label.risk[2, 0] == pytest.approx(np.sqrt(fitted.variance_parts_[0, 0]))


def test_one_outcome_a_pair_cannot_be_smoothed_and_says_so():
    outcomes = make_routing_outcomes(50, 2, 1, 1, random_state=0).outcomes
    with pytest.warns(SeparabilityWarning, match="model 0, model 1 as they are"):
        fitted = OutcomeAggregator(smoothing="auto").fit(outcomes)
    np.testing.assert_array_equal(
        fitted.aggregate(outcomes).quality, outcomes.to_array()[:, :, 0, 0]
    )


def test_counts_that_go_with_scores_are_warned_of_and_others_are_not():
    data = make_routing_outcomes(200, 3, 4, 4, random_state=0)
    scores = data.outcomes.to_array()
    rng = np.random.default_rng(0)
    drop = rng.random(scores.shape) < 0.9 * data.expected_quality[..., None, None]
    drop[:, :, 0, 0] = False
    with pytest.warns(InformativeCountsWarning, match="correlation of -0"):
        OutcomeAggregator(smoothing="auto").fit(Outcomes.from_array(np.where(drop, np.nan, scores)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(20):
            outcomes = Outcomes.from_array(thinned(scores, seed, 0.5))
            OutcomeAggregator(smoothing="auto").fit(outcomes)
            OutcomeAggregator(smoothing=1.0).fit(
                Outcomes.from_array(np.where(drop, np.nan, scores))
            )


def test_a_model_of_constant_scores_keeps_them_and_a_rare_one_borrows():
    scores = make_routing_outcomes(30, 3, 3, 3, random_state=0).outcomes.to_array()
    scores[:, 0] = 1.0
    scores[1:, 1] = np.nan
    outcomes = Outcomes.from_array(scores)
    fitted = OutcomeAggregator(smoothing="auto").fit(outcomes)
    label = fitted.aggregate(outcomes)
    assert (label.quality[:, 0] == 1).all()
    assert fitted.variance_parts_[0, 1] == pytest.approx(
        (fitted.variance_parts_[0, 0] + fitted.variance_parts_[0, 2]) / 2
    )
    assert not np.isnan(label.quality).any()


def test_a_router_is_tuned_over_smoothing_with_auto_among_its_values():
    from sklearn.model_selection import GridSearchCV

    data = make_routing_outcomes(80, 3, 3, 3, random_state=0)
    grid = {"aggregator__smoothing": [0.0, 2.0, "auto"], "aggregator__risk": ["std", "sample"]}
    search = GridSearchCV(DistributionalRouter(), grid, cv=3).fit(data.X, data.outcomes)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
