import numpy as np
import pytest

from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.datasets._truth import EFFECT_SHAPES, ScoreModel, true_variance_components

PREDICTOR = np.array([-1.0, 0.3, 0.9, 2.0])


def unit_vectors(n_features, n_models, seed=0):
    directions = np.random.default_rng(seed).normal(size=(n_features, 1 + n_models))
    return directions / np.linalg.norm(directions, axis=0)


@pytest.mark.parametrize("effects", ["normal", "skewed"])
def test_effects_have_mean_0_and_variance_1(effects):
    values = EFFECT_SHAPES[effects](np.random.default_rng(0).normal(size=1_000_000))
    assert values.mean() == pytest.approx(0, abs=0.005)
    assert values.var() == pytest.approx(1, abs=0.01)
    assert (np.diff(EFFECT_SHAPES[effects](np.linspace(-5, 5, 50))) > 0).all()
    skewness = (values**3).mean()
    assert skewness == pytest.approx({"normal": 0, "skewed": 2}[effects], abs=0.1)


@pytest.mark.parametrize("link", ["logit", "identity", "clip"])
@pytest.mark.parametrize("effects", ["normal", "skewed"])
def test_moments_over_samples_are_those_of_many_draws(link, effects):
    model = ScoreModel(link, effects, paraphrase_effect=0.5, sampling_noise=0.4)
    scores = model.draw(PREDICTOR, 400_000, np.random.RandomState(0))
    assert scores.shape == (4, 400_000)
    moments = model.sample_moments(PREDICTOR)
    np.testing.assert_allclose(moments.mean, scores.mean(axis=1), atol=0.005)
    np.testing.assert_allclose(moments.variance, scores.var(axis=1), atol=0.005)


@pytest.mark.parametrize("link", ["logit", "identity", "clip"])
@pytest.mark.parametrize("effects", ["normal", "skewed"])
def test_moments_over_paraphrases_are_those_of_many_draws(link, effects):
    model = ScoreModel(link, effects, paraphrase_effect=0.5, sampling_noise=0.4)
    effect = 0.5 * EFFECT_SHAPES[effects](np.random.default_rng(0).normal(size=(200_000, 1)))
    given_paraphrase = model.sample_moments(PREDICTOR + effect)
    moments = model.paraphrase_moments(PREDICTOR)
    expected = given_paraphrase.mean
    np.testing.assert_allclose(moments.mean, expected.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(moments.paraphrase_variance, expected.var(axis=0), atol=0.01)
    expected = given_paraphrase.variance.mean(axis=0)
    np.testing.assert_allclose(moments.sample_variance, expected, atol=0.01)


@pytest.mark.parametrize("n_features", [1, 2, 8])
def test_components_of_normal_effects_with_the_identity_link_have_a_closed_form(n_features):
    directions = unit_vectors(n_features, 3)
    model = ScoreModel("identity", "normal", paraphrase_effect=0.3, sampling_noise=0.5)
    components = true_variance_components(
        model, ["a", "b", "c"], np.array([0.4, 0.5, 0.6]), directions, 0.7, 0.2
    )
    correlation = directions.T @ directions
    for i, name in enumerate("abc"):
        query = 0.7**2 + 0.2**2 + 2 * 0.7 * 0.2 * correlation[0, 1 + i]
        np.testing.assert_allclose(components.loc[name, ""], [query, 0.09, 0.25])
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        query = 2 * 0.2**2 * (1 - correlation[1 + i, 1 + j])
        row = components.loc["abc"[i], "abc"[j]]
        np.testing.assert_allclose(row, [query, 2 * 0.09, 2 * 0.25], atol=1e-12)


def test_there_is_a_row_for_each_model_and_each_difference():
    components = make_routing_outcomes(2, 3, random_state=0).variance_components
    assert components.index.tolist() == [
        ("model 0", ""), ("model 1", ""), ("model 2", ""), ("model 0", "model 1"),
        ("model 0", "model 2"), ("model 1", "model 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"effects": "skewed"},
        {"link": "clip", "difficulty": 0.2, "interaction": 0.2, "paraphrase_effect": 0.1,
         "sampling_noise": 0.3},
    ],
    ids=["logit", "skewed", "clip"],
)  # fmt: skip
def test_components_of_queries_are_the_variance_of_many_expected_qualities(settings):
    data = make_routing_outcomes(40_000, 3, 1, 1, n_features=4, random_state=0, **settings)
    quality = data.expected_quality
    for (model, other), components in data.variance_components.iterrows():
        values = quality[:, int(model[-1])] - (quality[:, int(other[-1])] if other else 0)
        assert values.var() == pytest.approx(components["query"], rel=0.05)


@pytest.mark.parametrize("effects", ["normal", "skewed"])
def test_components_of_paraphrases_and_samples_are_the_variance_of_many_scores(effects):
    data = make_routing_outcomes(20_000, 2, 4, 4, effects=effects, random_state=0)
    scores = data.outcomes.to_array()
    sample = scores.var(axis=3, ddof=1).mean(axis=(0, 2))
    # The variance of means of 4 samples contains a quarter of the variance over samples.
    paraphrase = scores.mean(axis=3).var(axis=2, ddof=1).mean(axis=0) - sample / 4
    own = data.variance_components.xs("", level="other")
    np.testing.assert_allclose(own["sample"], sample, rtol=0.03)
    np.testing.assert_allclose(own["paraphrase"], paraphrase, rtol=0.1)
