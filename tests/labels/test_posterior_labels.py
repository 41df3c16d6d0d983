"""Posterior labels: prior means, moved by the outcomes of a query."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn import OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.labels import _posterior_labels
from dars_sklearn.labels._posterior_labels import fit_posterior_model, posterior_labels

# Shapes of scores (queries, models, wordings, samples), shares kept, share of missing pairs.
DESIGNS = {
    "grid": ((20, 3, 3, 2), 1.0, 0.0),
    "ragged": ((20, 3, 3, 2), 0.6, 0.0),
    "ragged, missing pairs": ((30, 4, 2, 3), 0.6, 0.3),
    "one sample": ((20, 3, 4, 1), 0.7, 0.1),
    "one wording": ((20, 3, 1, 4), 0.7, 0.1),
    "one outcome": ((20, 3, 1, 1), 1.0, 0.0),
    "one outcome, missing pairs": ((30, 4, 1, 1), 1.0, 0.3),
    "one model": ((20, 1, 2, 2), 1.0, 0.0),
}


def binary_scores(seed, shape, share=1.0, missing=0.0):
    """Draw scores, and prior means that know a part of the expected scores."""
    rng = np.random.default_rng(seed)
    n_queries, n_models = shape[:2]
    known = 0.5 * rng.normal(size=(n_queries, 1)) + 0.5 * rng.normal(size=(n_queries, n_models))
    effect = known + rng.normal(size=(n_queries, 1)) + rng.normal(size=(n_queries, n_models))
    effect = effect[:, :, None, None] + rng.normal(size=(n_queries, 1, shape[2], 1))
    scores = (rng.random(shape) < 1 / (1 + np.exp(-effect))).astype(float)
    scores[rng.random(shape) > share] = np.nan
    scores[rng.random((n_queries, n_models)) < missing] = np.nan
    empty = np.isnan(scores).all(axis=(1, 2, 3))
    scores[empty, 0, 0, 0] = 1.0
    return scores, 1 / (1 + np.exp(-known / 2))


def normal_scores(seed, n_queries, signal, noise, n_outcomes=1):
    """Draw expected scores with a covariance, and scores around them; the prior mean is 0."""
    rng = np.random.default_rng(seed)
    truth = rng.multivariate_normal(np.zeros(len(signal)), signal, n_queries)
    shape = (*truth.shape, 1, n_outcomes)
    return truth, truth[:, :, None, None] + np.sqrt(noise) * rng.normal(size=shape)


# ---- against a slow oracle -------------------------------------------------------


def by_wording(scores, prior, query, model):
    """Scaled deviations of one pair, by wording."""
    scale = np.sqrt(np.clip(prior[query, model], 0.05, 0.95) * (
        1 - np.clip(prior[query, model], 0.05, 0.95)
    ))  # fmt: skip
    cells = {}
    for wording, row in enumerate(scores[query, model]):
        own = [(score - prior[query, model]) / scale for score in row if not np.isnan(score)]
        if own:
            cells[wording] = own
    return cells


def slow_noise(cells, wording, sample):
    """Covariance of the noise in the mean scores of one query."""
    n_models = len(cells)
    noise = np.zeros((n_models, n_models))
    for i in range(n_models):
        for j in range(n_models):
            if cells[i] and cells[j]:
                common = set(cells[i]) & set(cells[j])
                noise[i, j] = wording[i, j] * len(common) / len(cells[i]) / len(cells[j])
        if cells[i]:
            counts = [1 / len(own) for own in cells[i].values()]
            noise[i, i] += sample[i] * sum(counts) / len(counts) ** 2
    return noise


def slow_shrink(estimate, variance):
    """Shrink variances to their mean and covariances to one correlation."""
    n_models = len(estimate)
    entries = range(n_models)
    known = [i for i in entries if not np.isnan(estimate[i, i])]
    mean = np.mean([estimate[i, i] for i in known]) if known else 0.0
    distance = sum((estimate[i, i] - mean) ** 2 for i in known)
    share = min(sum(variance[i, i] for i in known) / distance, 1) if distance > 0 else 1
    diagonal = np.full(n_models, mean)
    for i in known:
        diagonal[i] = (1 - share) * estimate[i, i] + share * mean
    diagonal = np.maximum(diagonal, 0)
    pairs = [(i, j) for i in entries for j in entries if i != j]
    known = [(i, j) for i, j in pairs if not np.isnan(estimate[i, j])]
    scale = sum(np.sqrt(diagonal[i] * diagonal[j]) for i, j in known)
    correlation = sum(estimate[i, j] for i, j in known) / scale if scale > 0 else 0.0
    correlation = min(max(correlation, 0), 1)
    target = correlation * np.sqrt(np.outer(diagonal, diagonal))
    distance = sum((estimate[i, j] - target[i, j]) ** 2 for i, j in known)
    share = min(sum(variance[i, j] for i, j in known) / distance, 1) if distance > 0 else 1
    shrunk = target.copy()
    for i, j in known:
        shrunk[i, j] = (1 - share) * estimate[i, j] + share * target[i, j]
    shrunk[entries, entries] = diagonal
    return without_negative_eigenvalues(shrunk)


def without_negative_eigenvalues(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.maximum(values, 0)) @ vectors.T


def slow_covariance(products, freedom):
    """Estimates and their sampling variances, NaN where there are none."""
    n_models = len(products)
    estimate, variance = np.full((2, n_models, n_models), np.nan)
    for i in range(n_models):
        for j in range(n_models):
            if freedom[i, j] > 1e-9:
                estimate[i, j] = products[i, j] / freedom[i, j]
    for i in range(n_models):
        for j in range(n_models):
            if freedom[i, j] > 1e-9:
                square = estimate[i, i] * estimate[j, j] + estimate[i, j] ** 2
                variance[i, j] = square / freedom[i, j]
    return estimate, variance


def slow_fit(scores, prior):
    """Estimate signal, wording and sample components by loops."""
    n_queries, n_models = prior.shape
    cells = [[by_wording(scores, prior, q, m) for m in range(n_models)] for q in range(n_queries)]
    means = [[{w: np.mean(own) for w, own in pair.items()} for pair in row] for row in cells]
    centre = [[np.mean(list(own.values())) if own else np.nan for own in row] for row in means]
    sample = np.full(n_models, np.nan)
    for m in range(n_models):
        repeated = [q for q in range(n_queries) if any(len(c) > 1 for c in cells[q][m].values())]
        if len(repeated) > 1:
            groups = [own for q in repeated for own in cells[q][m].values()]
            squares = sum(np.sum((np.array(own) - np.mean(own)) ** 2) for own in groups)
            sample[m] = squares / sum(len(own) - 1 for own in groups)
    known_sample = np.nan_to_num(sample)

    total, n_both, products, freedom = np.zeros((4, n_models, n_models))
    for q in range(n_queries):
        for i in range(n_models):
            for j in range(n_models):
                if not cells[q][i] or not cells[q][j]:
                    continue
                total[i, j] += centre[q][i] * centre[q][j]
                n_both[i, j] += 1
                # The deviations of unit effects of wordings from their means are projections.
                wordings = sorted(set(means[q][i]) | set(means[q][j]))
                projections = []
                for m in (i, j):
                    own = np.array([w in means[q][m] for w in wordings], dtype=float)
                    projections.append(np.diag(own) - np.outer(own, own) / own.sum())
                freedom[i, j] += np.trace(projections[0] @ projections[1])
                common = set(means[q][i]) & set(means[q][j])
                products[i, j] += sum(
                    (means[q][i][w] - centre[q][i]) * (means[q][j][w] - centre[q][j])
                    for w in common
                )
            if len(cells[q][i]) > 1:
                n_cells = len(cells[q][i])
                inverse = np.mean([1 / len(own) for own in cells[q][i].values()])
                products[i, i] -= known_sample[i] * (n_cells - 1) * inverse
    total, total_variance = slow_covariance(total, n_both)
    wording, wording_variance = slow_covariance(products, freedom)
    has_wording = ~np.isnan(np.diag(wording))
    if not has_wording.any() and np.isnan(sample).all():
        shrunk = slow_shrink(total, total_variance)
        unexplained = np.array([unexplained_variance(shrunk, m) for m in range(n_models)])
        signal = without_negative_eigenvalues(shrunk - np.diag(unexplained / 2))
        return signal, np.zeros_like(signal), unexplained / 2
    mean_sample = 0.0 if np.isnan(sample).all() else np.nanmean(sample)
    for m in range(n_models):
        if np.isnan(sample[m]):
            sample[m] = 0.0 if has_wording[m] else mean_sample
    wording = slow_shrink(wording, wording_variance)
    noise = sum(slow_noise(row, wording, sample) for row in cells) / np.maximum(n_both, 1)
    return slow_shrink(total - noise, total_variance), wording, sample


def unexplained_variance(covariance, model):
    """Variance of one model that a regression on the others leaves."""
    others = [m for m in range(len(covariance)) if m != model]
    between = covariance[model, others]
    weights = np.linalg.lstsq(covariance[np.ix_(others, others)], between, rcond=None)[0]
    return covariance[model, model] - weights @ between


def slow_posterior(scores, prior, signal, wording, sample):
    """Condition the expected scores of each query on the mean scores of the observed models."""
    n_queries, n_models = prior.shape
    mean, error = np.empty((2, n_queries, n_models))
    scale = np.sqrt(np.clip(prior, 0.05, 0.95) * (1 - np.clip(prior, 0.05, 0.95)))
    for q in range(n_queries):
        cells = [by_wording(scores, prior, q, m) for m in range(n_models)]
        observed = [m for m in range(n_models) if cells[m]]
        residual = [np.mean([np.mean(own) for own in cells[m].values()]) for m in observed]
        total = (signal + slow_noise(cells, wording, sample))[np.ix_(observed, observed)]
        gain = signal[:, observed] @ np.linalg.pinv(total, hermitian=True)
        mean[q] = np.clip(prior[q] + scale[q] * (gain @ residual), 0, 1)
        variance = np.diag(signal - gain @ signal[observed])
        error[q] = scale[q] * np.sqrt(np.maximum(variance, 0))
    return mean, error


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_labels_are_those_of_slow_loops(name, seed):
    shape, share, missing = DESIGNS[name]
    scores, prior = binary_scores(seed, shape, share, missing)
    outcomes = Outcomes.from_array(scores)
    model = fit_posterior_model(outcomes, prior)
    expected = slow_fit(scores, prior)
    for found, slow in zip(model, expected, strict=False):
        np.testing.assert_allclose(found, slow, atol=1e-7)
    labels = posterior_labels(outcomes, prior, model)
    mean, error = slow_posterior(scores, prior, *expected)
    np.testing.assert_allclose(labels.mean, mean, atol=1e-5)
    np.testing.assert_allclose(labels.standard_error, error, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), name=st.sampled_from(sorted(DESIGNS)))
def test_the_order_of_queries_does_not_matter(seed, name):
    shape, share, missing = DESIGNS[name]
    scores, prior = binary_scores(seed, shape, share, missing)
    outcomes, order = Outcomes.from_array(scores), np.random.default_rng(seed).permutation(shape[0])
    labels = posterior_labels(outcomes, prior, fit_posterior_model(outcomes, prior))
    model = fit_posterior_model(outcomes[order], prior[order])
    shuffled = posterior_labels(outcomes[order], prior[order], model)
    for before, after in zip(labels, shuffled, strict=True):
        np.testing.assert_allclose(after, before[order], atol=1e-6)


@pytest.mark.parametrize("block", [1, 100])
@pytest.mark.parametrize("name", ["grid", "ragged, missing pairs"])
def test_the_size_of_a_block_does_not_matter(block, name, monkeypatch):
    scores, prior = binary_scores(0, *DESIGNS[name])
    outcomes = Outcomes.from_array(scores)
    model = fit_posterior_model(outcomes, prior)
    labels = posterior_labels(outcomes, prior, model)
    monkeypatch.setattr(_posterior_labels, "_BLOCK", block)
    for whole, own in zip(model, fit_posterior_model(outcomes, prior), strict=True):
        np.testing.assert_allclose(own, whole, atol=1e-12)
    for whole, own in zip(labels, posterior_labels(outcomes, prior, model), strict=True):
        np.testing.assert_allclose(own, whole, atol=1e-12)


def test_names_of_paraphrases_do_not_matter():
    """Neither their codes: here each query has paraphrases of its own."""
    scores, prior = binary_scores(0, *DESIGNS["ragged"])
    outcomes = Outcomes.from_array(scores)
    frame = outcomes.to_frame()
    frame["paraphrase"] = [
        f"{q}-{p}" for q, p in zip(frame["query"], frame["paraphrase"], strict=True)
    ]
    renamed = Outcomes.from_frame(
        frame, paraphrase="paraphrase", sample="sample", queries=outcomes.queries,
        models=outcomes.models,
    )  # fmt: skip
    labels = posterior_labels(outcomes, prior, fit_posterior_model(outcomes, prior))
    same = posterior_labels(renamed, prior, fit_posterior_model(renamed, prior))
    for own, other in zip(labels, same, strict=True):
        np.testing.assert_allclose(other, own, atol=1e-9)


def test_labels_are_in_the_unit_of_the_scores():
    scores, prior = binary_scores(0, (40, 3, 2, 2))
    on_unit = Outcomes.from_array(scores)
    in_percent = Outcomes.from_array(100 * scores - 20, score_range=(-20, 80))
    model = fit_posterior_model(on_unit, prior)
    labels = posterior_labels(on_unit, prior, model)
    same = fit_posterior_model(in_percent, 100 * prior - 20)
    for own, other in zip(model, same, strict=True):
        np.testing.assert_allclose(other, own, atol=1e-9)
    scaled = posterior_labels(in_percent, 100 * prior - 20, same)
    np.testing.assert_allclose(scaled.mean, 100 * labels.mean - 20, atol=1e-6)
    np.testing.assert_allclose(scaled.standard_error, 100 * labels.standard_error, atol=1e-6)


# ---- against a known truth -------------------------------------------------------


SIGNAL = 0.5 * np.eye(4) + 1.0


def test_covariances_are_recovered():
    rng = np.random.default_rng(0)
    truth = rng.multivariate_normal(np.zeros(4), SIGNAL, 4000)
    scores = truth[:, :, None] + rng.normal(size=(4000, 1, 3)) + 0.5 * rng.normal(size=(4000, 4, 3))
    scores = scores[..., None] + 0.8 * rng.normal(size=(4000, 4, 3, 2))
    scores[rng.random(scores.shape) < 0.4] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    model = fit_posterior_model(outcomes, np.zeros((4000, 4)))
    np.testing.assert_allclose(model.signal, SIGNAL, atol=0.15)
    np.testing.assert_allclose(model.wording, 1 + 0.25 * np.eye(4), atol=0.1)
    np.testing.assert_allclose(model.sample, 0.64, atol=0.06)
    assert model.noise_identifiable.all()


@pytest.mark.parametrize("design", [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_labels_without_features_are_better_than_those_of_each_model(design):
    """Prior means of pure noise are the models' means: other models' outcomes still help."""
    data = make_routing_outcomes(300, 6, *design, paraphrase_effect=0.0, random_state=0)
    observed = data.outcomes.pair_statistics().mean_score
    prior = np.broadcast_to(observed.mean(axis=0), observed.shape)
    labels = posterior_labels(data.outcomes, prior, fit_posterior_model(data.outcomes, prior))
    error = ((labels.mean - data.expected_quality) ** 2).mean()
    assert error < 0.75 * ((observed - data.expected_quality) ** 2).mean()
    if design != (1, 1):
        auto = OutcomeAggregator(smoothing="auto").fit_aggregate(data.outcomes).quality
        assert error < 0.95 * ((auto - data.expected_quality) ** 2).mean()


@pytest.mark.parametrize("design", [(1, 1), (2, 1), (5, 1), (3, 2)])
def test_a_good_prior_makes_labels_better(design):
    data = make_routing_outcomes(300, 4, *design, random_state=0)
    truth = data.expected_quality
    errors = []
    for share in (1.0, 0.5):
        prior = share * truth.mean(axis=0) + (1 - share) * truth
        model = fit_posterior_model(data.outcomes, prior)
        labels = posterior_labels(data.outcomes, prior, model)
        errors.append(((labels.mean - truth) ** 2).mean())
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize("design", [(1, 1), (2, 1), (5, 1), (2, 5)])
def test_standard_errors_of_other_queries_cover_the_truth(design):
    data = make_routing_outcomes(1200, 5, *design, random_state=0)
    truth = data.expected_quality
    rng = np.random.default_rng(0)
    prior = np.clip(truth + 0.15 * rng.normal(size=truth.shape), 0.02, 0.98)
    model = fit_posterior_model(data.outcomes[:600], prior[:600])
    labels = posterior_labels(data.outcomes[600:], prior[600:], model)
    distance = np.abs(labels.mean - truth[600:]) / labels.standard_error
    assert 0.9 < (distance < 1.96).mean() < 0.98


@pytest.mark.parametrize("noise", [0.05, 0.25, 0.45])
def test_standard_errors_of_single_outcomes_hold_for_every_division_into_signal_and_noise(noise):
    """Half of what other models do not explain counts as noise: the error is a quarter of it."""
    n_models = 40  # so that the others explain everything shared
    signal = 1.0 + (0.5 - noise) * np.eye(n_models)
    truth, scores = normal_scores(0, 1500, signal, noise)
    outcomes = Outcomes.from_array(scores, score_range=None)
    prior = np.zeros(truth.shape)
    model = fit_posterior_model(outcomes, prior)
    labels = posterior_labels(outcomes, prior, model)
    assert not model.noise_identifiable.any()
    error = ((labels.mean - truth) ** 2).mean()
    assert error == pytest.approx(0.5 / 4, rel=0.1)
    assert (labels.standard_error**2).mean() == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize("noise", [0.05, 0.45])
def test_a_second_outcome_of_a_few_queries_identifies_the_noise(noise):
    truth, scores = normal_scores(1, 800, 1.0 + (0.5 - noise) * np.eye(6), noise, n_outcomes=2)
    scores[80:, :, :, 1] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    prior = np.zeros(truth.shape)
    model = fit_posterior_model(outcomes, prior)
    assert model.noise_identifiable.all()
    np.testing.assert_allclose(model.sample, noise, rtol=0.5)
    labels = posterior_labels(outcomes, prior, model)
    single = Outcomes.from_array(scores[..., :1], score_range=None)
    assumed = posterior_labels(single, prior, fit_posterior_model(single, prior))
    errors = [((own.mean - truth)[80:] ** 2).mean() for own in (labels, assumed)]
    assert errors[0] < errors[1]


def test_models_without_repeats_take_the_noise_of_the_others():
    truth, scores = normal_scores(2, 500, SIGNAL, 0.3, n_outcomes=3)
    scores[:, 3, :, 1:] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    model = fit_posterior_model(outcomes, np.zeros(truth.shape))
    assert model.noise_identifiable.tolist() == [True, True, True, False]
    assert model.sample[3] == pytest.approx(model.sample[:3].mean())


def test_missing_pairs_follow_the_outcomes_of_the_other_models():
    truth, scores = normal_scores(3, 2000, SIGNAL, 0.3, n_outcomes=2)
    scores[:800, 3] = np.nan
    outcomes = Outcomes.from_array(scores, score_range=None)
    prior = np.zeros(truth.shape)
    labels = posterior_labels(outcomes, prior, fit_posterior_model(outcomes, prior))
    missing = slice(0, 800)
    assert np.corrcoef(labels.mean[missing, 3], truth[missing, 3])[0, 1] > 0.6
    error = np.sqrt(((labels.mean - truth)[missing, 3] ** 2).mean())
    assert error == pytest.approx(labels.standard_error[missing, 3].mean(), rel=0.1)
    assert (labels.standard_error[missing, 3] > labels.standard_error[800:, 3].max()).all()


def test_many_outcomes_outweigh_the_prior():
    scores, prior = binary_scores(0, (50, 3, 20, 40))
    outcomes = Outcomes.from_array(scores)
    labels = posterior_labels(outcomes, prior, fit_posterior_model(outcomes, prior))
    np.testing.assert_allclose(labels.mean, scores.mean(axis=(2, 3)), atol=0.07)
    assert labels.standard_error.max() < 0.08


# ---- edge cases ------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (1, 3, 2, 2), (2, 2, 1, 1), (20, 1, 1, 1), (200, 200, 1, 1)]
)
@pytest.mark.parametrize("constant", [None, 0.0, 1.0])
def test_labels_are_finite_and_within_the_range_of_scores(shape, constant):
    scores, prior = binary_scores(0, shape)
    if constant is not None:
        scores[:], prior = constant, np.full(prior.shape, constant)
    outcomes = Outcomes.from_array(scores)
    model = fit_posterior_model(outcomes, prior)
    labels = posterior_labels(outcomes, prior, model)
    assert np.isfinite(labels.standard_error).all()
    assert (labels.standard_error >= 0).all()
    assert ((labels.mean >= 0) & (labels.mean <= 1)).all()
    assert np.linalg.eigvalsh(model.signal).min() > -1e-9
    if constant is not None:
        np.testing.assert_array_equal(labels.mean, constant)
        np.testing.assert_array_equal(labels.standard_error, 0)


def test_many_models_and_few_queries():
    data = make_routing_outcomes(200, 200, 1, 3, random_state=0)
    observed = data.outcomes.pair_statistics().mean_score
    prior = np.broadcast_to(observed.mean(axis=0), observed.shape)
    labels = posterior_labels(data.outcomes, prior, fit_posterior_model(data.outcomes, prior))
    truth = data.expected_quality
    assert ((labels.mean - truth) ** 2).mean() < 0.6 * ((observed - truth) ** 2).mean()


def test_a_model_without_any_outcome_is_like_the_others():
    scores, prior = binary_scores(0, (60, 4, 2, 2))
    scores[:, 2] = np.nan
    outcomes = Outcomes.from_array(scores)
    model = fit_posterior_model(outcomes, prior)
    labels = posterior_labels(outcomes, prior, model)
    assert model.noise_identifiable.tolist() == [True, True, False, True]
    assert np.isfinite(labels.mean).all()
    assert np.abs(labels.mean - prior)[:, 2].max() > 0.05
    assert (labels.standard_error[:, 2] > 0).all()


def test_what_is_learnt_can_be_pickled():
    scores, prior = binary_scores(0, (20, 3, 2, 2))
    outcomes = Outcomes.from_array(scores)
    model = fit_posterior_model(outcomes, prior)
    labels = posterior_labels(outcomes, prior, pickle.loads(pickle.dumps(model)))
    np.testing.assert_array_equal(labels.mean, posterior_labels(outcomes, prior, model).mean)
