import numpy as np
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.routing._pair_precision import differences_reliability, mean_precision


def statistics_of(scores):
    return Outcomes.from_array(scores, models=["a", "b"]).pair_statistics("pooled")


def test_precision_is_equal_for_equal_numbers_and_lower_for_fewer():
    scores = np.random.default_rng(0).integers(0, 2, (30, 2, 1, 4)).astype(float)
    equal = mean_precision(statistics_of(scores))
    assert np.ptp(equal) == pytest.approx(0)
    assert 0 < equal[0, 0] < 1
    scores[0, 0, 0, 1:] = scores[1, 1] = np.nan
    fewer = mean_precision(statistics_of(scores))
    assert fewer[1, 1] == 0
    assert 0 < fewer[0, 0] < fewer[0, 1]


def test_precision_of_single_outcomes_is_1():
    scores = np.array([[[[1.0]], [[np.nan]]], [[[0.0]], [[1.0]]]])
    assert mean_precision(statistics_of(scores)).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("signal", [0.0, 0.5, 1.0])
def test_reliability_is_the_share_of_signal_in_differences(signal):
    rng = np.random.default_rng(0)
    effect = signal * rng.normal(size=(20000, 2, 1, 1)) + rng.normal(size=(20000, 1, 1, 1))
    scores = [[[0.3]], [[0.1]]] + effect + rng.normal(size=(20000, 2, 1, 4))
    outcomes = Outcomes.from_array(scores, models=["a", "b"], score_range=None)
    reliability = differences_reliability(outcomes.pair_statistics("pooled"))
    assert reliability == pytest.approx(signal**2 / (signal**2 + 1 / 4), abs=0.04)


def test_reliability_is_unknown_without_repeated_outcomes_or_other_models():
    assert np.isnan(differences_reliability(statistics_of([[0.0, 1.0], [1.0, 0.0]])))
    alone = Outcomes.from_array(np.ones((2, 1, 1, 3)), models=["a"])
    assert np.isnan(differences_reliability(alone.pair_statistics("pooled")))


def test_reliability_of_models_that_never_differ_is_0():
    assert differences_reliability(statistics_of(np.ones((3, 2, 1, 2)))) == 0
