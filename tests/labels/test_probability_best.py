"""Posterior probabilities of being the best model."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import normal_scores
from scipy.stats import norm

from dars_sklearn import Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels import _probability_best, probability_best
from dars_sklearn.labels._variance_components import (
    difference_variance_components,
    model_variance_components,
)
from dars_sklearn.outcomes._cells import make_cells
from dars_sklearn.utility import outcome_utilities


def simulated(seed, n_queries, P, K, n_models=3, share=1.0):
    """Draw utilities with normal effects; return outcomes, and the expected utilities."""
    rng = np.random.default_rng(seed)
    truth = 0.5 * rng.normal(size=(n_queries, 1)) + 0.3 * rng.normal(size=(n_queries, n_models))
    truth += [0.1, 0.0, -0.1]
    scores = truth[:, :, None] + 0.4 * rng.normal(size=(n_queries, 1, P))
    scores = scores + 0.2 * rng.normal(size=(n_queries, n_models, P))
    scores = scores[..., None] + 0.5 * rng.normal(size=(n_queries, n_models, P, K))
    drop = rng.random(scores.shape) > share
    drop[:, 0, 0, 0] = False
    scores[drop] = np.nan
    return Outcomes.from_array(scores, score_range=None), truth


# ---- against a slow oracle -------------------------------------------------------


def covariance(models, differences, component):
    """Covariance across models of one component, made positive semidefinite."""
    variances = np.array([getattr(own, component)[0] for own in models])
    variances[np.isnan(variances)] = np.nan_to_num(np.nanmean(variances))
    matrix = np.diag(variances)
    for (i, j), own in differences.items():
        estimate = (variances[i] + variances[j] - getattr(own, component)[0]) / 2
        matrix[i, j] = matrix[j, i] = np.nan_to_num(estimate)
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.maximum(values, 0)) @ vectors.T


def slow_probabilities(outcomes, utilities, n_draws, seed):
    """Condition the utilities of each query on the mean utilities of the observed models."""
    n_queries, n_models = len(outcomes), outcomes.n_models
    cells = make_cells(outcomes, utilities)
    models = model_variance_components(cells, n_queries, n_models)
    differences = difference_variance_components(cells, n_queries, n_models)
    signal = covariance(models, differences, "query")
    wording = covariance(models, differences, "paraphrase")
    samples = np.array([own.sample[0] for own in models])
    samples[np.isnan(samples)] = np.nanmean(samples)

    by_pair = [[{} for _ in range(n_models)] for _ in range(n_queries)]
    for query, model, paraphrase, count, mean, _ in zip(*cells, strict=True):
        by_pair[query][model][paraphrase] = (mean, count)
    means = np.array([
        [np.mean([mean for mean, _ in own.values()]) if own else np.nan for own in row]
        for row in by_pair
    ])  # fmt: skip
    prior = np.nanmean(means, axis=0)
    draws = np.random.RandomState(seed).normal(size=(n_draws, n_models))
    probabilities = np.zeros((n_queries, n_models))
    for query, row in enumerate(by_pair):
        observed = [model for model in range(n_models) if row[model]]
        noise = np.zeros((n_models, n_models))
        for i in observed:
            for j in observed:
                common = set(row[i]) & set(row[j])
                noise[i, j] = wording[i, j] * len(common) / len(row[i]) / len(row[j])
            counts = [count for _, count in row[i].values()]
            noise[i, i] += samples[i] * np.mean([1 / count for count in counts]) / len(counts)
        gain = signal[:, observed] @ np.linalg.inv((signal + noise)[np.ix_(observed, observed)])
        residual = (means[query] - prior)[observed]
        values, vectors = np.linalg.eigh(signal - gain @ signal[observed])
        root = vectors @ np.diag(np.sqrt(np.maximum(values, 0)))
        for draw in draws:
            utility = prior + gain @ residual + root @ draw
            probabilities[query, utility.argmax()] += 1 / n_draws
    return probabilities


@pytest.mark.parametrize(("seed", "share", "missing"), [(0, 1.0, 0), (1, 0.6, 0), (3, 0.6, 0.3)])
def test_probabilities_are_those_of_a_slow_loop(seed, share, missing):
    scores = normal_scores(seed, 14, 3, 3, 2, share)
    drop = np.random.default_rng(seed).random((14, 3)) < missing
    drop[:, 1] = False
    scores[drop] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    found = probability_best(outcomes, cost_weight=0.0, n_draws=400, random_state=5)
    expected = slow_probabilities(outcomes, outcomes.score, 400, 5)
    # Rounding may turn the eigenvectors of a posterior covariance round, but hardly any draws.
    np.testing.assert_allclose(found, expected, atol=0.15)
    assert np.abs(found - expected).mean() < 0.02


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_probabilities_of_two_models_follow_the_normal_distribution(share):
    scores = normal_scores(1, 40, 2, 3, 2, share)
    outcomes = Outcomes.from_array(scores, score_range=None)
    cells = make_cells(outcomes)
    models = model_variance_components(cells, 40, 2)
    differences = difference_variance_components(cells, 40, 2)
    signal, wording = (covariance(models, differences, own) for own in ("query", "paraphrase"))
    samples = [own.sample[0] for own in models]
    found = probability_best(outcomes, cost_weight=0.0, n_draws=20_000)
    n = (~np.isnan(scores)).sum(axis=3)
    means = np.array([
        [np.mean([np.nanmean(cell) for cell in pair if np.isfinite(cell).any()]) for pair in query]
        for query in scores
    ])  # fmt: skip
    prior = means.mean(axis=0)
    for query in range(40):
        own = n[query] > 0
        n_cells = own.sum(axis=1)
        noise = wording * (own[:, None] & own[None]).sum(axis=2) / np.outer(n_cells, n_cells)
        for model in range(2):
            inverse = 1 / n[query, model, own[model]]
            noise[model, model] += samples[model] * inverse.mean() / n_cells[model]
        gain = signal @ np.linalg.inv(signal + noise)
        mean = prior + gain @ (means[query] - prior)
        posterior = signal - gain @ signal
        variance = posterior[0, 0] + posterior[1, 1] - 2 * posterior[0, 1]
        expected = norm.cdf((mean[0] - mean[1]) / np.sqrt(variance))
        # The standard error of a probability is at most 0.0036.
        assert found[query] == pytest.approx([expected, 1 - expected], abs=0.015)


# ---- against a known truth -------------------------------------------------------


@pytest.mark.parametrize(("P", "K", "share"), [(4, 3, 1.0), (3, 2, 0.5), (3, 1, 1.0)])
def test_probabilities_are_calibrated(P, K, share):
    """Of the models with probability p, a share of p is best."""
    outcomes, truth = simulated(0, 3000, P, K, share=share)
    probability = probability_best(outcomes, n_draws=500)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    best = np.eye(3)[truth.argmax(axis=1)]
    bins = np.digitize(probability, [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
    for number in range(7):
        inside = bins == number
        error = probability[inside].mean() - best[inside].mean()
        assert abs(error) < 0.02 + 3 * np.sqrt(0.25 / inside.sum())


def test_shared_effects_make_differences_more_certain_than_each_label():
    """The wording effect that models share is no noise in their difference."""
    outcomes, truth = simulated(1, 3000, 2, 2)
    probability = probability_best(outcomes)
    label = outcomes.to_array().mean(axis=(2, 3))
    signal = 0.3**2 * np.eye(3) + 0.5**2
    noise = (0.4**2 + 0.2**2 * np.eye(3)) / 2 + 0.5**2 / 4 * np.eye(3)
    gain = signal @ np.linalg.inv(signal + noise)
    mean = (label - truth.mean(axis=0)) @ gain.T + truth.mean(axis=0)
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(3), signal - gain @ signal, 2000)
    for query in range(0, 3000, 40):
        best = (mean[query] + draws).argmax(axis=1)
        expected = np.bincount(best, minlength=3) / 2000
        assert probability[query] == pytest.approx(expected, abs=0.08)


def test_many_outcomes_give_certainty_and_none_borrow_from_the_other_models():
    outcomes, truth = simulated(2, 200, 20, 20)
    probability = probability_best(outcomes)
    gap = np.sort(truth, axis=1)
    clear = gap[:, -1] - gap[:, -2] > 0.5
    assert (probability[clear].argmax(axis=1) == truth[clear].argmax(axis=1)).all()
    assert probability[clear].max(axis=1).min() > 0.95
    scores = outcomes.to_array()
    scores[0, 2] = np.nan
    first = probability_best(Outcomes.from_array(scores, score_range=None))[0]
    assert 0.02 < first[2] < 0.98


# ---- costs, order, seeds -----------------------------------------------------------


def priced_outcomes():
    scores = normal_scores(0, 12, 3, 3, 2)
    costs = np.random.default_rng(0).random(scores.shape) * [[[[1.0]], [[3.0]], [[9.0]]]]
    return Outcomes.from_array(scores, costs=costs, score_range=None)


@pytest.mark.parametrize(
    "arguments", [{}, {"cost_weight": 2.0}, {"cost_weight": 0.5, "cost_range": (0, 1)}]
)
def test_probabilities_are_about_utilities(arguments):
    outcomes = priced_outcomes()
    weight, range_ = arguments.get("cost_weight", 0.05), arguments.get("cost_range")
    utilities = outcome_utilities(outcomes, weight, range_)
    by_utility = Outcomes.from_codes(
        {
            "query": (outcomes.pair_indices() // 3, outcomes.queries),
            "model": (outcomes.model_indices(), outcomes.models),
            "paraphrase": (outcomes.paraphrase, np.arange(3)),
            "sample": (outcomes.sample, np.arange(2)),
        },
        utilities,
        score_range=None,
    )
    np.testing.assert_array_equal(
        probability_best(outcomes, **arguments), probability_best(by_utility, cost_weight=0.0)
    )


def test_a_high_cost_weight_makes_the_cheapest_model_best():
    data = make_routing_outcomes(30, 3, 2, 2, random_state=0)
    probability = probability_best(data.outcomes, cost_weight=100.0, cost_range=(0.0, 10.0))
    assert (probability.argmax(axis=1) == 0).all()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_queries_does_not_matter(seed):
    outcomes = make_routing_outcomes(30, 3, 2, 2, random_state=seed).outcomes
    order = np.random.default_rng(seed).permutation(30)
    before, after = probability_best(outcomes), probability_best(outcomes[order])
    np.testing.assert_allclose(after, before[order], atol=1e-9)


def test_draws_depend_on_the_seed_and_their_number():
    outcomes = Outcomes.from_array(normal_scores(0), score_range=None)
    first = probability_best(outcomes)
    np.testing.assert_array_equal(first, probability_best(outcomes, random_state=0, n_draws=1000))
    assert not np.array_equal(first, probability_best(outcomes, random_state=1))
    halves = probability_best(outcomes, n_draws=2)
    np.testing.assert_array_equal(halves * 2, np.round(halves * 2))
    ones = probability_best(outcomes, n_draws=1)
    assert set(ones.ravel()) == {0.0, 1.0}


@pytest.mark.parametrize("block", [1, 3000 * 7, 1000 * 9 * 5])
def test_the_size_of_a_block_does_not_matter(block, monkeypatch):
    outcomes, _ = simulated(3, 50, 3, 2, share=0.7)
    whole = probability_best(outcomes)
    monkeypatch.setattr(_probability_best, "_BLOCK", block)
    np.testing.assert_allclose(probability_best(outcomes), whole, atol=1e-12)


def test_blocks_bound_the_size_of_temporary_arrays(monkeypatch):
    """Of the draws, and of the cells by two models."""
    sizes = []

    def record(block, pair_cells, covariances):
        sizes.append(len(pair_cells.mean))
        return original(block, pair_cells, covariances)

    original = _probability_best.noise_covariances
    monkeypatch.setattr(_probability_best, "noise_covariances", record)
    monkeypatch.setattr(_probability_best, "_BLOCK", 600)
    scores = normal_scores(0, 12, 2, 3, 2, share=1.0)  # six cells per query
    outcomes = Outcomes.from_array(scores, score_range=None)
    probability_best(outcomes, n_draws=60)
    assert sizes == [5, 5, 2]  # 600 / (2 models * 60 draws)
    sizes.clear()
    probability_best(outcomes, n_draws=1)
    assert sizes == [12]  # at most 600 / (2 models * 6 cells * 2 models)
    sizes.clear()
    monkeypatch.setattr(_probability_best, "_BLOCK", 48)
    probability_best(outcomes, n_draws=1)
    assert sizes == [2] * 6


# ---- designs and edge cases ----------------------------------------------------------


def test_one_outcome_per_pair_is_warned_of_and_the_higher_utility_is_best():
    scores = [[1, 0], [0, 1], [1, 1], [1, 0], [0, 0]]
    outcomes = Outcomes.from_array(scores, models=["a", "b"])
    with pytest.warns(SeparabilityWarning) as record:
        probability = probability_best(outcomes)
    assert [str(warning.message) for warning in record] == [
        "a, b has one outcome per query, so that noise cannot be separated from signal: the model "
        "with the higher utility counts as certainly better; collect several outcomes"
    ]
    np.testing.assert_allclose(probability[[0, 1, 3]], [[1, 0], [0, 1], [1, 0]])
    assert probability[2] == pytest.approx([0.5, 0.5], abs=0.05)


def test_only_the_models_with_one_outcome_per_query_are_warned_of():
    scores = normal_scores(0)
    scores[:, 1, 1:] = scores[:, 1, 0, 1:] = np.nan
    outcomes = Outcomes.from_array(scores, models=["a", "b", "c"], score_range=None)
    with pytest.warns(SeparabilityWarning, match="^b has one outcome per query"):
        probability_best(outcomes)


def test_one_paraphrase_per_query_is_warned_of():
    outcomes = make_routing_outcomes(50, 2, 1, 4, random_state=0).outcomes
    with pytest.warns(SeparabilityWarning) as record:
        assert probability_best(outcomes).shape == (50, 2)
    assert [str(warning.message) for warning in record] == [
        "with one paraphrase per query, the effect of its wording counts as an effect of the "
        "query: the probabilities are about that wording, and too certain about others"
    ]


def test_several_paraphrases_of_one_model_are_not_warned_of():
    scores = normal_scores(0)
    scores[:, 1:, 1:] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probability_best(Outcomes.from_array(scores, score_range=None))
        probability_best(Outcomes.from_array(normal_scores(0), score_range=None))


def test_models_that_are_certain_to_tie_share_equally():
    probability = probability_best(Outcomes.from_array(np.ones((4, 3, 2, 2))))
    np.testing.assert_allclose(probability, np.full((4, 3), 1 / 3))
    scores = np.ones((4, 3, 2, 2))
    scores[:, 0] = 0.5
    probability = probability_best(Outcomes.from_array(scores))
    np.testing.assert_allclose(probability, np.tile([0, 0.5, 0.5], (4, 1)))


def test_a_single_model_is_best():
    outcomes = Outcomes.from_array(np.random.default_rng(0).random((4, 1, 2, 2)))
    np.testing.assert_allclose(probability_best(outcomes), 1)


def test_a_model_with_a_single_query_gets_the_mean_variances_of_the_others():
    scores = normal_scores(2, 20)
    scores[1:, 1] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    found = probability_best(outcomes, cost_weight=0.0, n_draws=300)
    expected = slow_probabilities(outcomes, outcomes.score, 300, 0)
    assert np.abs(found - expected).mean() < 0.03


def test_a_model_without_any_outcome_is_as_good_as_the_others_are_on_average():
    scores = 5 + normal_scores(2, 400, 3)
    scores[:, 1] = np.nan
    probability = probability_best(Outcomes.from_array(scores, score_range=None))
    mean = probability.mean(axis=0)
    assert 0.2 < mean[1] < 0.5


def test_arrays_are_accepted_as_outcomes():
    scores = normal_scores(0)
    np.testing.assert_array_equal(
        probability_best(scores), probability_best(Outcomes.from_array(scores, score_range=None))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cost_weight": -1}, "cost_weight must be a finite float >= 0, got -1"),
        ({"n_draws": 0}, "n_draws must be an int of at least 1, got 0"),
        ({"cost_range": (0.0, np.nan)}, "cost_range must be two finite numbers, low then high, got "
                                        "(0.0, nan)"),
    ],
)  # fmt: skip
def test_bad_arguments_of_probabilities_are_refused(arguments, message):
    outcomes = Outcomes.from_array(np.ones((4, 2, 2, 2)), costs=[1.0, 2.0])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        probability_best(outcomes, **arguments)


def test_a_posterior_needs_three_queries():
    outcomes = Outcomes.from_array(np.ones((4, 2, 2, 2)))
    with pytest.raises(ValueError, match="^a posterior needs at least 3 queries, got n_samples=2$"):
        probability_best(outcomes[:2])
    assert probability_best(outcomes[:3]).shape == (3, 2)
