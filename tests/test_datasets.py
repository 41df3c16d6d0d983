import numpy as np
import pytest

from dars_sklearn import OutcomeAggregator
from dars_sklearn.datasets import make_routing_outcomes


def test_many_samples_converge_to_the_truth():
    data = make_routing_outcomes(20, 3, 5, 2000, random_state=0)
    capability = OutcomeAggregator(cost_scaling=None).fit(data.outcomes).aggregate(data.outcomes)
    np.testing.assert_allclose(capability.quality, data.quality, atol=0.02)
    np.testing.assert_allclose(capability.cost, data.cost, rtol=0.02)
    np.testing.assert_array_equal(data.best, data.quality.argmax(axis=1))


def test_each_dial_turns_off_its_own_part():
    def scores(**dials):
        return make_routing_outcomes(30, 3, random_state=1, **dials).outcomes.to_array()

    assert np.ptp(scores(sampling_noise=0), axis=3).max() == 0
    assert np.ptp(scores(sampling_noise=0, paraphrase_effect=0), axis=2).max() == 0
    still = scores(sampling_noise=0, paraphrase_effect=0, interaction=0)
    assert (np.diff(still[:, :, 0, 0], axis=1) > 0).all()  # one order of models everywhere
    still = scores(sampling_noise=0, paraphrase_effect=0, interaction=0, difficulty=0)
    assert np.ptp(still, axis=0).max() < 1e-12


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="n_models must be an int of at least 1, got 0"):
        make_routing_outcomes(n_models=0)
    with pytest.raises(ValueError, match=r"sampling_noise must be in \[0, 1\]"):
        make_routing_outcomes(sampling_noise=2)
