import numpy as np
import pytest
from sklearn.linear_model import Ridge

from dars_sklearn import DistributionalRouter
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing._calibration import BlockCalibration
from dars_sklearn.routing._gain import gain_standard_errors, mean_difference_variances

DATA = make_routing_outcomes(60, 3, 2, 2, random_state=0)


def test_standard_errors_add_those_of_means_and_slopes():
    means, own = np.zeros(2), np.ones(1)
    variances = np.array([[0.0, 0.09], [0.09, 0.0]])
    block = BlockCalibration(means, 1.0, own, own, 0.1, np.array([[0.04]]), variances)
    errors = gain_standard_errors(block, np.array([[[0.5, 2.5]]]), default=0)
    np.testing.assert_allclose(errors, [[0, np.sqrt(0.09 + 4 * 0.04)]])


def test_variances_of_differences_are_those_of_common_queries():
    rng = np.random.default_rng(0)
    values, precision = rng.normal(size=(20, 3)), (rng.random((20, 3)) < 0.7).astype(float)
    means = values.mean(axis=0)
    variances = mean_difference_variances(values, means, precision)
    for i in range(3):
        for j in range(3):
            squares = [
                (values[q, i] - means[i] - values[q, j] + means[j]) ** 2
                for q in range(20)
                if precision[q, i] and precision[q, j]
            ]
            expected = sum(squares) / (len(squares) * (len(squares) - 1))
            assert variances[i, j] == pytest.approx(expected)


def test_gains_are_over_the_best_model_on_average():
    router = DistributionalRouter(Ridge()).fit(DATA.X, DATA.outcomes)
    predicted = router.predict_gain(DATA.X)
    default = router.models_.tolist().index(predicted.default_model)
    utilities = router.decision_function(DATA.X)
    np.testing.assert_allclose(predicted.gain, utilities - utilities[:, [default]])
    assert not predicted.standard_error[:, default].any()
    router.set_params(gain_threshold=1e9)
    assert set(router.predict(DATA.X)) == {predicted.default_model}


def test_gains_need_a_calibration():
    router = DistributionalRouter(Ridge(), calibration=None).fit(DATA.X, DATA.outcomes)
    with pytest.raises(ValueError, match="calibration='auto'"):
        router.predict_gain(DATA.X)
    with pytest.raises(ValueError, match="gain_threshold=1"):
        router.set_params(gain_threshold=1).predict(DATA.X)
