import numpy as np
import pytest
from sklearn.utils import check_random_state

from dars_sklearn import OutcomeAggregator
from dars_sklearn.datasets import make_routing_outcomes


def scores(**settings):
    return make_routing_outcomes(30, 3, random_state=1, **settings).outcomes.to_array()


def test_sizes_are_as_requested():
    data = make_routing_outcomes(7, 3, 2, 4, n_features=5, random_state=0)
    assert data.outcomes.to_array().shape == (7, 3, 2, 4)
    assert data.X.shape == (7, 5)
    assert data.queries.tolist() == data.outcomes.queries.tolist()
    assert data.queries[:2].tolist() == ["query 0", "query 1"]
    assert data.outcomes.models.tolist() == ["model 0", "model 1", "model 2"]
    for name in ("quality", "expected_quality", "cost"):
        assert data[name].shape == (7, 3)
    assert data.variance_components.index.names == ["model", "other"]
    assert data.variance_components.columns.tolist() == ["query", "paraphrase", "sample"]


def test_the_same_seed_gives_the_same_data():
    def draw(seed):
        return make_routing_outcomes(10, 2, random_state=seed)

    np.testing.assert_array_equal(draw(0).X, draw(0).X)
    np.testing.assert_array_equal(draw(0).outcomes.score, draw(0).outcomes.score)
    np.testing.assert_array_equal(draw(check_random_state(0)).outcomes.cost, draw(0).outcomes.cost)
    assert (draw(0).outcomes.cost != draw(1).outcomes.cost).all()


def test_many_samples_converge_to_the_true_quality_and_cost():
    data = make_routing_outcomes(20, 3, 5, 2000, random_state=0)
    capability = OutcomeAggregator(cost_scaling=None).fit(data.outcomes).aggregate(data.outcomes)
    np.testing.assert_allclose(capability.quality, data.quality, atol=0.02)
    np.testing.assert_allclose(capability.cost, data.cost, rtol=0.02)
    np.testing.assert_array_equal(data.best, data.quality.argmax(axis=1))


@pytest.mark.parametrize("link", ["logit", "identity", "clip"])
@pytest.mark.parametrize("effects", ["normal", "skewed"])
def test_many_samples_converge_to_the_true_quality_for_each_link(link, effects):
    data = make_routing_outcomes(
        4, 2, 2, 20_000, link=link, effects=effects, sampling_noise=0.5, random_state=0
    )
    np.testing.assert_allclose(data.outcomes.to_array().mean(axis=(2, 3)), data.quality, atol=0.02)


def test_many_paraphrases_converge_to_the_expected_quality():
    data = make_routing_outcomes(5, 2, 20_000, 1, sampling_noise=0, random_state=0)
    np.testing.assert_allclose(data.quality, data.expected_quality, atol=0.01)
    few = make_routing_outcomes(5, 2, 2, 1, sampling_noise=0, random_state=0)
    assert np.abs(few.quality - few.expected_quality).max() > 0.02


def test_the_cost_is_ten_times_higher_for_the_last_model_than_for_the_first():
    data = make_routing_outcomes(50, 3, random_state=0)
    np.testing.assert_allclose(data.cost[:, 2] / data.cost[:, 0], 10)
    np.testing.assert_allclose(data.cost[:, 1] / data.cost[:, 0], np.sqrt(10))


def test_each_effect_can_be_switched_off():
    assert np.ptp(scores(sampling_noise=0), axis=3).max() == 0
    assert np.ptp(scores(sampling_noise=0, paraphrase_effect=0), axis=2).max() == 0
    quiet = scores(sampling_noise=0, paraphrase_effect=0, interaction=0)
    assert (np.diff(quiet[:, :, 0, 0], axis=1) > 0).all()  # the same order of models everywhere
    quiet = scores(sampling_noise=0, paraphrase_effect=0, interaction=0, difficulty=0)
    assert np.ptp(quiet, axis=0).max() < 1e-12


def test_scores_of_the_logit_link_are_between_probabilities_and_answers():
    np.testing.assert_array_equal(np.unique(scores(sampling_noise=1)), [0, 1])
    probability, half, answer = (scores(sampling_noise=noise) for noise in (0, 0.5, 1))
    assert ((probability > 0) & (probability < 1)).all()
    np.testing.assert_allclose(half, (probability + answer) / 2)


def test_scores_of_the_other_links_are_centred_at_one_half_and_clipped_or_not():
    identity = make_routing_outcomes(200, 3, link="identity", random_state=0).outcomes
    clipped = make_routing_outcomes(200, 3, link="clip", random_state=0).outcomes
    np.testing.assert_array_equal(np.clip(identity.score, 0, 1), clipped.score)
    assert abs(identity.score.mean() - 0.5) < 0.2
    assert identity.score.max() > 1
    assert identity.score_range is None
    assert clipped.score_range == (0.0, 1.0)
    quiet = {"sampling_noise": 0, "paraphrase_effect": 0, "interaction": 0, "difficulty": 0}
    skill = scores(link="identity", **quiet)[0, :, 0, 0]
    np.testing.assert_allclose(skill, [0.4, 0.5, 0.6])


def test_skewed_effects_have_a_long_tail_of_high_scores():
    settings = {"link": "identity", "sampling_noise": 0, "paraphrase_effect": 0, "interaction": 0}
    skewed = scores(effects="skewed", **settings)[:, 0, 0, 0]
    assert skewed.min() >= 0.4 - 1
    assert skewed.max() - np.median(skewed) > 1.5 * (np.median(skewed) - skewed.min())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_queries": 0}, "n_queries must be an int of at least 1, got 0"),
        ({"n_models": 0}, "n_models must be an int of at least 1, got 0"),
        ({"n_paraphrases": -1}, "n_paraphrases must be an int of at least 1, got -1"),
        ({"n_samples": 2.0}, "n_samples must be an int of at least 1, got 2.0"),
        ({"n_features": "3"}, "n_features must be an int of at least 1, got '3'"),
        ({"link": "probit"}, r"link must be one of \['logit', 'identity', 'clip'\], got 'probit'"),
        ({"effects": "flat"}, r"effects must be one of \['normal', 'skewed'\], got 'flat'"),
        ({"sampling_noise": 2}, r"sampling_noise must be in \[0, 1\], got 2"),
        ({"sampling_noise": -1, "link": "clip"}, r"sampling_noise must be in \[0, inf\], got -1"),
    ],
)
def test_an_invalid_parameter_is_named_with_its_value(settings, message):
    with pytest.raises(ValueError, match=message):
        make_routing_outcomes(**settings)


def test_parameters_at_their_limits_are_accepted():
    data = make_routing_outcomes(1, 1, 1, np.int64(1), n_features=1, link="clip", sampling_noise=2)
    assert len(data.outcomes) == 1
    assert data.best.tolist() == [0]
