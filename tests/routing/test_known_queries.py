import numpy as np
import pytest
from sklearn.linear_model import Ridge

from dars_sklearn import DistributionalRouter
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing._fingerprints import match_queries

DATA = make_routing_outcomes(60, 3, 2, 2, random_state=0)


@pytest.fixture(scope="module")
def router():
    return DistributionalRouter(Ridge(), random_state=0).fit(DATA.X, DATA.outcomes)


def test_training_queries_are_recognised_and_do_not_count_twice(router):
    rows = np.array([5, 2])
    known = DATA.outcomes[rows]
    assert match_queries(router._training_fingerprints, known).tolist() == [5, 2]
    capability = router.predict_capability(DATA.X[rows], outcomes=known)
    assert (capability.standard_error > 0).all()
    # The prior is what was predicted out of fold, whatever the features are.
    other = router.predict_capability(DATA.X[:2], outcomes=known)
    np.testing.assert_allclose(other.quality, capability.quality)
    assert router.predict_capability(DATA.X).standard_error is None


def test_outcomes_of_other_queries_or_models_are_refused(router):
    with pytest.raises(ValueError):  # noqa: PT011
        router.predict_capability(DATA.X[:3], outcomes=DATA.outcomes[np.arange(2)])
    fewer = DATA.outcomes.subset(models=DATA.outcomes.models[:2])
    with pytest.raises(ValueError, match="model"):
        router.predict_capability(DATA.X, outcomes=fewer)


def test_outcomes_need_a_calibration():
    router = DistributionalRouter(Ridge(), calibration=None).fit(DATA.X, DATA.outcomes)
    with pytest.raises(ValueError, match="calibration='auto' only"):
        router.predict_capability(DATA.X, outcomes=DATA.outcomes)
