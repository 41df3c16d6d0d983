"""Automatic smoothing, and the measures of risk that need variance components."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import normal_scores, thinned
from sklearn.model_selection import GridSearchCV

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import InformativeCountsWarning, SeparabilityWarning
from dars_sklearn.labels import decompose_variance
from dars_sklearn.labels._empirical_bayes import (
    components_by_model,
    label_noise,
    shrinkage,
    spread_of_kind,
    warn_of_informative_counts,
    warn_of_unidentifiable_noise,
)
from dars_sklearn.outcomes._cells import make_cells, summarise_cells


def pair_cells_of(scores):
    outcomes = Outcomes.from_array(scores, score_range=None)
    return summarise_cells(make_cells(outcomes), *scores.shape[:2])


def observed_cells(cells):
    """Drop unobserved outcomes of one pair, and then paraphrases without any."""
    cells = [cell[~np.isnan(cell)] for cell in cells]
    return [cell for cell in cells if len(cell)]


# ---- the parts -----------------------------------------------------------------


def test_components_are_those_of_the_decomposition_but_not_negative():
    outcomes = Outcomes.from_array(normal_scores(3), models=["a", "b", "c"], score_range=None)
    components = components_by_model(make_cells(outcomes), outcomes)
    decomposition = decompose_variance(outcomes)
    expected = [
        [decomposition.estimate(component, model) for model in "abc"]
        for component in ("query", "paraphrase", "sample")
    ]
    np.testing.assert_array_equal(components.table, expected)
    assert components.table.min() == 0  # the paraphrase component of the last model
    assert components.unidentifiable == []


def test_a_model_with_a_single_query_takes_the_mean_components_of_the_others():
    scores = normal_scores(0)
    scores[1:, 1] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    table, unidentifiable = components_by_model(make_cells(outcomes), outcomes)
    assert table[0, 1] == pytest.approx((table[0, 0] + table[0, 2]) / 2)
    assert unidentifiable == []


def test_models_with_one_outcome_per_query_are_unidentifiable():
    scores = normal_scores(0)
    scores[:, ::2, 1:] = scores[:, ::2, 0, 1:] = np.nan
    outcomes = Outcomes.from_array(scores, models=["a", "b", "c"], score_range=None)
    components = components_by_model(make_cells(outcomes), outcomes)
    assert components.unidentifiable == ["a", "c"]
    assert (components.table[1:, ::2] == 0).all()


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_samples_of_one_paraphrase_share_the_effect_of_its_wording(weighting):
    scores = normal_scores(0)
    scores[2, 1] = np.nan
    counts = (~np.isnan(scores)).sum(axis=(2, 3))
    components = np.array([[9.0, 9, 9], [0.5, 0.25, 0], [2.0, 1.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = label_noise(components, pair_cells_of(scores), counts, weighting)
    for pair in np.ndindex(12, 3):
        n = np.array([len(cell) for cell in observed_cells(scores[pair])])
        _, paraphrase, sample = components[:, pair[1]]
        if len(n) == 0:
            assert not np.isfinite(found[pair])
            continue
        share = np.full(len(n), 1 / len(n)) if weighting == "balanced" else n / n.sum()
        assert found[pair] == pytest.approx((share**2 * (paraphrase + sample / n)).sum())


def test_shrinkage_is_the_share_of_signal():
    signal = np.array([3.0, 0.0, 1.0])
    noise = np.array([[1.0, 1.0, np.inf], [0.0, 0.0, 3.0]])
    assert shrinkage(signal, noise).tolist() == [[0.75, 0, 0], [1, 1, 0.25]]


@pytest.mark.parametrize("kind", ["paraphrase", "sample"])
def test_the_spread_of_a_pair_is_that_of_its_own_paraphrases_or_samples(kind):
    scores = normal_scores(0)
    scores[0, 0, 1:] = np.nan
    scores[1, 0, :, 1:] = np.nan
    scores[2, 0] = np.nan
    fallback = np.array([1.0, 0.01, 0.25])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = spread_of_kind(kind, pair_cells_of(scores), fallback)
    for pair in np.ndindex(12, 3):
        cells = observed_cells(scores[pair])
        freedom = sum(len(cell) - 1 for cell in cells)
        squares = sum(((cell - cell.mean()) ** 2).sum() for cell in cells)
        if kind == "sample":
            expected = np.sqrt(squares / freedom) if freedom else np.nan
        elif len(cells) < 2:
            expected = np.nan
        else:
            sample = squares / freedom if freedom else fallback[pair[1]]
            noise = np.mean([sample / len(cell) for cell in cells])
            between = np.var([cell.mean() for cell in cells], ddof=1)
            expected = np.sqrt(max(between - noise, 0))
        assert found[pair] == pytest.approx(expected, nan_ok=True)


def test_models_that_cannot_be_smoothed_are_named():
    message = (
        "^smoothing='auto' leaves the labels of a, 1 unchanged: with one outcome per query, noise "
        "cannot be separated from signal; collect several outcomes, or choose a float by "
        "cross-validation$"
    )
    with pytest.warns(SeparabilityWarning, match=message):
        warn_of_unidentifiable_noise(["a", 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unidentifiable_noise([])


def correlated_counts(correlation, n=50):
    """Counts, and mean scores of exactly this correlation with their logarithms."""
    log_counts = np.resize([0.0, 1.0, 2.0, 3.0], n)
    counts = (2**log_counts).astype(int)
    noise = np.random.default_rng(0).normal(size=n)
    centred = log_counts - log_counts.mean()
    noise -= noise.mean()
    noise -= centred * (noise @ centred) / (centred @ centred)
    scores = correlation * centred / np.linalg.norm(centred)
    scores += np.sqrt(1 - correlation**2) * noise / np.linalg.norm(noise)
    return counts[:, None], scores[:, None] + 0.5


@pytest.mark.parametrize(
    ("correlation", "n", "warns"),
    [
        (0.6, 50, True),
        (-0.6, 50, True),
        (1.0, 17, True),
        (0.55, 50, False),  # four standard errors are 0.566
        (0.58, 50, True),
        (0.11, 4000, True),
        (-0.09, 4000, False),  # significant, but too weak to matter
        (0.0, 50, False),
    ],
)
def test_counts_correlated_with_scores_are_warned_of(correlation, n, warns):
    counts, scores = correlated_counts(correlation, n)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        warn_of_informative_counts(counts, scores)
    expected = (
        f"numbers of outcomes and mean scores have a correlation of {correlation:.2f}: where the "
        "number of times a query is answered depends on how well it is answered, "
        "smoothing='auto' can be worse than plain means"
    )
    assert [str(warning.message) for warning in record] == [expected] * warns
    assert all(warning.category is InformativeCountsWarning for warning in record)


def test_differences_between_models_are_no_correlation_of_counts_with_scores():
    """A better model that is asked more often says nothing about its queries."""
    counts = np.repeat([[2, 8, 4]], 40, axis=0)
    scores = np.repeat([[0.2, 0.9, 0.5]], 40, axis=0)
    scores[::2] += 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_informative_counts(counts, scores)


def test_pairs_without_outcomes_do_not_count_as_few_outcomes():
    counts, scores = correlated_counts(0.0)
    counts = np.vstack([counts, np.zeros((50, 1), dtype=int)])
    scores = np.vstack([scores, np.full((50, 1), np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_informative_counts(counts, scores)
    counts, scores = correlated_counts(0.6)
    counts = np.hstack([counts, np.zeros_like(counts)])
    scores = np.hstack([scores, np.full_like(scores, np.nan)])
    with pytest.warns(InformativeCountsWarning, match=r"a correlation of 0\.60:"):
        warn_of_informative_counts(counts, scores)


# ---- automatic smoothing ---------------------------------------------------------


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_labels_are_shrunk_to_the_prior_by_the_share_of_noise_in_them(weighting):
    scores = thinned(make_routing_outcomes(60, 2, 4, 3, random_state=0).outcomes.to_array(), 0, 0.5)
    outcomes = Outcomes.from_array(scores)
    components = components_by_model(make_cells(outcomes), outcomes).table
    plain = OutcomeAggregator(weighting=weighting).fit(outcomes).aggregate(outcomes)
    fitted = OutcomeAggregator(smoothing="auto", weighting=weighting).fit(outcomes)
    shrunk = fitted.aggregate(outcomes)
    np.testing.assert_array_equal(fitted.variance_components_, components)
    for query, model in np.ndindex(60, 2):
        signal, paraphrase, sample = components[:, model]
        n = np.array([len(cell) for cell in observed_cells(scores[query, model])])
        share = np.full(len(n), 1 / len(n)) if weighting == "balanced" else n / n.sum()
        noise = (share**2 * (paraphrase + sample / n)).sum()
        weight = signal / (signal + noise)
        expected = weight * plain.quality[query, model]
        expected += (1 - weight) * plain.quality[:, model].mean()
        assert shrunk.shrinkage[query, model] == pytest.approx(weight)
        assert shrunk.quality[query, model] == pytest.approx(expected)
        assert shrunk.standard_error[query, model] == pytest.approx(np.sqrt(weight * noise))


def test_one_outcome_is_shrunk_strongly_and_fifty_hardly():
    scores = make_routing_outcomes(200, 2, 10, 5, random_state=0).outcomes.to_array()
    scores[0, :, 1:], scores[0, :, 0, 1:] = np.nan, np.nan
    outcomes = Outcomes.from_array(scores)
    labels = OutcomeAggregator(smoothing="auto").fit(outcomes).aggregate(outcomes)
    assert labels.shrinkage[0].max() < 0.35
    assert labels.shrinkage[1:].min() > 0.85


def test_another_paraphrase_is_worth_more_than_another_sample():
    scores = make_routing_outcomes(200, 1, 4, 4, paraphrase_effect=2.0, random_state=0)
    scores = scores.outcomes.to_array()
    scores[0, :, 1:] = np.nan  # one paraphrase, four samples
    scores[1, :, :, 1:] = np.nan  # four paraphrases, one sample
    outcomes = Outcomes.from_array(scores)
    labels = OutcomeAggregator(smoothing="auto").fit(outcomes).aggregate(outcomes)
    assert labels.shrinkage[0, 0] < labels.shrinkage[1, 0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["balanced", "pooled"]))
def test_a_shrunk_label_lies_between_the_mean_and_the_prior(seed, weighting):
    rng = np.random.default_rng(seed)
    scores = thinned(rng.random((15, 2, 3, 2)) * rng.random((15, 1, 1, 1)), seed, 0.6)
    outcomes = Outcomes.from_array(scores)
    plain = OutcomeAggregator(weighting=weighting).fit(outcomes).aggregate(outcomes).quality
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InformativeCountsWarning)
        fitted = OutcomeAggregator(smoothing="auto", weighting=weighting).fit(outcomes)
    labels = fitted.aggregate(outcomes)
    low, high = np.minimum(plain, fitted.prior_quality_), np.maximum(plain, fitted.prior_quality_)
    assert (labels.quality >= low - 1e-12).all()
    assert (labels.quality <= high + 1e-12).all()
    assert (labels.shrinkage >= 0).all()
    assert (labels.shrinkage <= 1).all()


@pytest.mark.parametrize(("P", "K"), [(2, 1), (1, 5), (5, 2)])
@pytest.mark.parametrize("full", [True, False])
def test_shrunk_labels_are_nearer_to_the_truth(P, K, full):
    """Few repetitions here; 500, and more designs, in benchmarks/labels.py."""
    ratios = []
    for seed in range(10):
        data = make_routing_outcomes(150, 3, P, K, random_state=seed)
        scores = data.outcomes.to_array()
        outcomes = Outcomes.from_array(scores if full else thinned(scores, seed, 0.6))
        errors = [
            OutcomeAggregator(smoothing=smoothing).fit_aggregate(outcomes).quality
            - data.expected_quality
            for smoothing in ("auto", 0.0)
        ]
        ratios.append((errors[0] ** 2).mean() / (errors[1] ** 2).mean())
    assert np.mean(ratios) < 1


def test_the_standard_error_is_that_of_the_label():
    data = make_routing_outcomes(
        3000, 2, 3, 2, link="identity", difficulty=0.2, interaction=0.2, paraphrase_effect=0.2,
        sampling_noise=0.5, random_state=0,
    )  # fmt: skip
    scores = thinned(data.outcomes.to_array(), 0, 0.6)
    outcomes = Outcomes.from_array(scores, score_range=None)
    for parameters in ({"smoothing": "auto"}, {"risk": "standard_error"}):
        labels = OutcomeAggregator(**parameters).fit_aggregate(outcomes)
        errors = (labels.quality - data.expected_quality) / labels.standard_error
        assert errors.std() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(labels.risk, labels.standard_error)


@pytest.mark.parametrize("smoothing", [0, "auto"])
def test_a_pair_without_outcomes_has_no_error_of_its_own(smoothing):
    scores = make_routing_outcomes(40, 2, 3, 3, random_state=0).outcomes.to_array()
    scores[2, 0] = np.nan
    outcomes = Outcomes.from_array(scores)
    fitted = OutcomeAggregator(smoothing=smoothing, risk="standard_error").fit(outcomes)
    labels = fitted.aggregate(outcomes)
    assert labels.quality[2, 0] == fitted.prior_quality_[0]
    assert labels.shrinkage[2, 0] == 0
    if smoothing == 0:
        assert np.isnan(labels.standard_error[2, 0])
        rest = np.delete(labels.standard_error[:, 0], 2)
        assert fitted.prior_risk_[0] == labels.risk[2, 0] == pytest.approx(rest.mean())
    else:  # the error of the prior
        expected = np.sqrt(fitted.variance_components_[0, 0])
        assert labels.standard_error[2, 0] == labels.risk[2, 0] == pytest.approx(expected)


def test_the_standard_error_needs_no_fit_on_the_same_outcomes():
    fitted = OutcomeAggregator(risk="standard_error").fit(
        Outcomes.from_array(normal_scores(0), score_range=None)
    )
    labels = fitted.aggregate(Outcomes.from_array(np.zeros((1, 3, 2, 2)), score_range=None))
    _, paraphrase, sample = fitted.variance_components_
    np.testing.assert_allclose(labels.risk, [np.sqrt(paraphrase / 2 + sample / 4)])


def test_one_outcome_per_pair_cannot_be_smoothed_and_is_warned_of():
    outcomes = make_routing_outcomes(50, 2, 1, 1, random_state=0).outcomes
    with pytest.warns(SeparabilityWarning, match="the labels of model 0, model 1 unchanged"):
        fitted = OutcomeAggregator(smoothing="auto").fit(outcomes)
    labels = fitted.aggregate(outcomes)
    np.testing.assert_array_equal(labels.quality, outcomes.to_array()[:, :, 0, 0])
    assert (labels.shrinkage == 1).all()


def test_informative_counts_are_warned_of_and_others_are_not():
    data = make_routing_outcomes(200, 3, 4, 4, random_state=0)
    scores = data.outcomes.to_array()
    rng = np.random.default_rng(0)
    drop = rng.random(scores.shape) < 0.9 * data.expected_quality[..., None, None]
    drop[:, :, 0, 0] = False
    informative = Outcomes.from_array(np.where(drop, np.nan, scores))
    for method in ("fit", "fit_aggregate"):
        with pytest.warns(InformativeCountsWarning, match="correlation of -0"):
            getattr(OutcomeAggregator(smoothing="auto"), method)(informative)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(10):
            outcomes = Outcomes.from_array(thinned(scores, seed, 0.5))
            OutcomeAggregator(smoothing="auto").fit(outcomes)
        OutcomeAggregator(smoothing=1.0).fit(informative)
        OutcomeAggregator(risk="sample").fit(informative)


def test_a_model_of_constant_scores_keeps_them():
    scores = make_routing_outcomes(30, 2, 3, 3, random_state=0).outcomes.to_array()
    scores[:, 0] = 1.0
    labels = OutcomeAggregator(smoothing="auto").fit_aggregate(Outcomes.from_array(scores))
    assert (labels.quality[:, 0] == 1).all()


# ---- measures of risk --------------------------------------------------------------


@pytest.mark.parametrize("risk", ["paraphrase", "sample"])
def test_risk_is_the_spread_of_its_kind_or_the_mean_of_the_model(risk):
    scores = normal_scores(0)
    scores[0, 0, 1:] = np.nan
    scores[1, 0, :, 1:] = np.nan
    scores[2, 0] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    fitted = OutcomeAggregator(risk=risk).fit(outcomes)
    expected = spread_of_kind(risk, pair_cells_of(scores), fitted.variance_components_[2])
    unknown = np.isnan(expected)
    assert unknown[2, 0]
    assert unknown[0 if risk == "paraphrase" else 1, 0]
    means = np.nanmean(expected, axis=0)
    np.testing.assert_allclose(fitted.prior_risk_, means)
    found = fitted.aggregate(outcomes).risk
    np.testing.assert_allclose(found, np.where(unknown, means, expected))


def test_risk_by_kind_recovers_the_true_spreads():
    rng = np.random.default_rng(0)
    wording = rng.normal(size=(200, 1, 40, 1)) * 0.3
    scores = wording + rng.normal(size=(200, 1, 40, 20)) * 0.5
    outcomes = Outcomes.from_array(scores, score_range=None)
    between = OutcomeAggregator(risk="paraphrase").fit_aggregate(outcomes).risk
    within = OutcomeAggregator(risk="sample").fit_aggregate(outcomes).risk
    truth = wording[..., 0].std(axis=2, ddof=1)
    assert np.abs(between - truth).mean() < 0.02
    np.testing.assert_allclose(within[:, 0], np.sqrt(scores.var(axis=3, ddof=1).mean(axis=2))[:, 0])


def test_a_router_is_tuned_over_smoothing_with_auto_among_its_values():
    data = make_routing_outcomes(60, 3, 3, 3, random_state=0)
    grid = {"aggregator__smoothing": [0.0, 2.0, "auto"], "aggregator__risk": ["std", "sample"]}
    search = GridSearchCV(DistributionalRouter(), grid, cv=2).fit(data.X, data.outcomes)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
