"""Variance components, against formulas in plain loops, and their jackknife replicates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import normal_scores

from dars_sklearn import Outcomes
from dars_sklearn.labels._variance_components import (
    difference_variance_components,
    model_variance_components,
)
from dars_sklearn.outcomes._cells import make_cells

FIELDS = (
    "query_variance", "query_noise", "paraphrase_mean_square", "paraphrase_noise", "sample",
    "label_noise", "query", "paraphrase",
)  # fmt: skip
FLAGS = ("queries_identifiable", "samples_identifiable", "noise_identifiable", "n_queries")


def components_of(scores):
    """Components of the models and of their differences, of an array of scores."""
    outcomes = Outcomes.from_array(scores, score_range=None)
    shape = scores.shape[:2]
    cells = make_cells(outcomes)
    return model_variance_components(cells, *shape), difference_variance_components(cells, *shape)


def slow_sample_component(scores):
    """Pooled variance within the cells of one model, and whether it can be estimated."""
    squares = freedom = 0
    n_queries_with_freedom = 0
    for query in scores:
        own = [cell[~np.isnan(cell)] for cell in query if not np.isnan(cell).all()]
        squares += sum(((cell - cell.mean()) ** 2).sum() for cell in own)
        own_freedom = sum(len(cell) - 1 for cell in own)
        freedom += own_freedom
        n_queries_with_freedom += own_freedom > 0
    identifiable = n_queries_with_freedom > 1
    return (squares / freedom if identifiable else 0.0), identifiable


def slow_components(means, noises, sample, samples_identifiable):
    """Solve the expectations of the mean squares.

    Parameters
    ----------
    means, noises : list of list of float
        For each query with cells, the mean of each cell, and the sampling variance of it.
    """
    squares = noise_squares = freedom = 0
    for own, noise in zip(means, noises, strict=True):
        squares += sum((mean - np.mean(own)) ** 2 for mean in own)
        noise_squares += (len(own) - 1) * np.mean(noise)
        freedom += len(own) - 1
    queries_identifiable = sum(len(own) > 1 for own in means) > 1
    mean_square = squares / freedom if queries_identifiable else 0.0
    mean_square_noise = noise_squares / freedom if queries_identifiable else 0.0
    paraphrase = mean_square - mean_square_noise
    mean_inverse = np.mean([1 / len(own) for own in means])
    sample_noise = np.mean([np.mean(noise) / len(noise) for noise in noises])
    query_variance = np.var([np.mean(own) for own in means], ddof=1)
    query_noise = paraphrase * mean_inverse + sample_noise
    return {
        "query_variance": query_variance,
        "query_noise": query_noise,
        "paraphrase_mean_square": mean_square,
        "paraphrase_noise": mean_square_noise,
        "sample": sample,
        "label_noise": max(paraphrase, 0) * mean_inverse + sample_noise,
        "query": query_variance - query_noise,
        "paraphrase": paraphrase,
        "queries_identifiable": queries_identifiable,
        "samples_identifiable": samples_identifiable,
        "noise_identifiable": queries_identifiable or samples_identifiable,
        "n_queries": len(means),
    }


def slow_model_components(scores):
    """Components of one model, from an array of (query, paraphrase, sample)."""
    sample, identifiable = slow_sample_component(scores)
    means, noises = [], []
    for query in scores:
        own = [cell[~np.isnan(cell)] for cell in query if not np.isnan(cell).all()]
        if own:
            means.append([cell.mean() for cell in own])
            noises.append([sample / len(cell) for cell in own])
    return slow_components(means, noises, sample, identifiable)


def slow_difference_components(first, second):
    """Components of the difference of two models, on the paraphrases that both answered."""
    first_sample, first_identifiable = slow_sample_component(first)
    second_sample, second_identifiable = slow_sample_component(second)
    means, noises = [], []
    for a, b in zip(first, second, strict=True):
        both = [
            (x[~np.isnan(x)], y[~np.isnan(y)])
            for x, y in zip(a, b, strict=True)
            if not np.isnan(x).all() and not np.isnan(y).all()
        ]
        if both:
            means.append([x.mean() - y.mean() for x, y in both])
            noises.append([first_sample / len(x) + second_sample / len(y) for x, y in both])
    return slow_components(
        means, noises, first_sample + second_sample, first_identifiable and second_identifiable
    )


def drop_pairs(scores, seed):
    """Drop all outcomes of some (query, model) pairs, but never the last model's."""
    drop = np.random.default_rng(seed).random(scores.shape[:2]) < 0.25
    drop[:, -1] = drop[:3] = False
    scores = scores.copy()
    scores[drop] = np.nan
    return scores


DESIGNS = [(4, 3, 0.6), (2, 2, 0.5), (3, 3, 1.0), (1, 4, 0.7), (4, 1, 0.7), (1, 1, 1.0)]


@pytest.mark.parametrize(("n_paraphrases", "n_samples", "share"), DESIGNS)
@pytest.mark.parametrize("seed", range(3))
def test_components_of_a_model_are_those_of_the_formulas(n_paraphrases, n_samples, share, seed):
    scores = drop_pairs(normal_scores(seed, 9, 3, n_paraphrases, n_samples, share), seed)
    models, _ = components_of(scores)
    assert len(models) == 3
    for model, found in enumerate(models):
        expected = slow_model_components(scores[:, model])
        for name in FIELDS:
            assert getattr(found, name).shape == (10,)
            assert getattr(found, name)[0] == pytest.approx(expected[name], abs=1e-12), name
        for name in FLAGS:
            assert getattr(found, name) == expected[name], name


@pytest.mark.parametrize(("n_paraphrases", "n_samples", "share"), DESIGNS)
@pytest.mark.parametrize("seed", range(3))
def test_components_of_a_difference_are_those_of_the_formulas(
    n_paraphrases, n_samples, share, seed
):
    scores = drop_pairs(normal_scores(seed, 9, 3, n_paraphrases, n_samples, share), seed)
    _, differences = components_of(scores)
    assert list(differences) == [(0, 1), (0, 2), (1, 2)]
    for (first, second), found in differences.items():
        expected = slow_difference_components(scores[:, first], scores[:, second])
        for name in FIELDS:
            assert getattr(found, name)[0] == pytest.approx(expected[name], abs=1e-12), name
        for name in FLAGS:
            assert getattr(found, name) == expected[name], name


def test_jackknife_replicates_are_the_estimates_without_each_query():
    scores = normal_scores(3)
    models, differences = components_of(scores)
    for query in range(12):
        rest = np.delete(scores, query, axis=0)
        rest_models, rest_differences = components_of(rest)
        pairs = [*zip(models, rest_models, strict=True)]
        pairs += [(differences[key], rest_differences[key]) for key in differences]
        for found, expected in pairs:
            for name in FIELDS:
                replicate = getattr(found, name)[query + 1]
                assert replicate == pytest.approx(getattr(expected, name)[0], abs=1e-12), name


def test_a_query_without_outcomes_of_a_model_does_not_change_its_estimate():
    scores = normal_scores(1)
    scores[4, 0] = np.nan
    component = components_of(scores)[0][0]
    assert component.n_queries == 11
    for name in FIELDS:
        replicates = getattr(component, name)
        assert replicates[5] == pytest.approx(replicates[0])
        assert replicates[4] != pytest.approx(replicates[0])


def test_on_a_full_grid_components_are_those_of_the_nested_analysis_of_variance():
    rng = np.random.default_rng(0)
    Q, P, K = 15, 4, 3
    scores = rng.normal(size=(Q, 1, 1)) + rng.normal(size=(Q, P, 1)) + rng.normal(size=(Q, P, K))
    cells, queries = scores.mean(axis=2), scores.mean(axis=(1, 2))
    between = P * K * ((queries - scores.mean()) ** 2).sum() / (Q - 1)
    wordings = K * ((cells - queries[:, None]) ** 2).sum() / (Q * (P - 1))
    error = ((scores - cells[..., None]) ** 2).sum() / (Q * P * (K - 1))
    (component,), differences = components_of(scores[:, None])
    assert differences == {}
    assert component.sample[0] == pytest.approx(error)
    assert component.paraphrase[0] == pytest.approx((wordings - error) / K)
    assert component.query[0] == pytest.approx((between - wordings) / (P * K))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_effects_that_all_models_share_cancel_in_their_differences(seed):
    rng = np.random.default_rng(seed)
    scores = normal_scores(seed)
    shared = 5 * rng.normal(size=(12, 1, 1, 1)) + rng.normal(size=(12, 1, 4, 1))
    before, after = components_of(scores)[1], components_of(scores + shared)[1]
    for key in before:
        for name in FIELDS:
            expected = getattr(before[key], name)
            np.testing.assert_allclose(getattr(after[key], name), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("n_second_paraphrases", "n_second_samples", "queries", "samples"),
    [(0, 0, False, False), (1, 0, False, False), (2, 0, True, False), (0, 1, False, False),
     (0, 2, False, True), (2, 2, True, True)],
)  # fmt: skip
def test_a_component_needs_two_queries_with_a_second_outcome(
    n_second_paraphrases, n_second_samples, queries, samples
):
    scores = np.full((5, 1, 2, 2), np.nan)
    scores[:, :, 0, 0] = np.random.default_rng(0).random((5, 1))
    scores[:n_second_paraphrases, :, 1, 0] = 0.3
    scores[:n_second_samples, :, 0, 1] = 0.6
    (component,), _ = components_of(scores)
    assert component.queries_identifiable is queries
    assert component.samples_identifiable is samples
    assert component.noise_identifiable is (queries or samples)
    if not queries:
        assert not component.paraphrase.any()
    if not samples:
        assert not component.sample.any()


def test_a_single_query_has_no_components_and_is_not_blamed():
    scores = np.full((4, 2, 2, 2), np.nan)
    scores[:, 0] = np.random.default_rng(0).random((4, 2, 2))
    scores[1, 1] = [[1.0, 0.0], [0.5, 0.25]]
    single = components_of(scores)[0][1]
    assert single.n_queries == 1
    assert np.isnan(single.query).all()
    assert single.noise_identifiable
    scores[1, 1] = np.nan
    absent = components_of(scores)[0][1]
    assert absent.n_queries == 0
    assert absent.noise_identifiable
    assert np.isnan(absent.query).all()
    assert np.isnan(absent.label_noise).all()
