import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    fit_clone,
    transform_features,
    with_cost_range,
)

X = np.array([[0.0], [2.0]])
OUTCOMES = Outcomes.from_array([[1, 0], [0, 1]], costs=[1.0, 3.0])


def test_the_final_step_of_a_pipeline_is_the_router():
    router = DistributionalRouter()
    assert final_step(make_pipeline(StandardScaler(), router)) is router
    assert final_step(router) is router


def test_features_are_what_the_steps_before_the_router_return():
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter()).fit(X, OUTCOMES)
    np.testing.assert_allclose(transform_features(pipeline, [[1.0], [3.0]]), [[0.0], [2.0]])


def test_features_are_the_queries_themselves_without_steps_before_the_router():
    assert transform_features(DistributionalRouter(), X) is X
    only_router = Pipeline([("route", DistributionalRouter())]).fit(X, OUTCOMES)
    assert transform_features(only_router, X) is X


@pytest.mark.parametrize(
    "router", [DistributionalRouter(), make_pipeline(StandardScaler(), DistributionalRouter())]
)
def test_a_router_and_a_pipeline_that_ends_in_one_are_accepted(router):
    assert check_is_router(router) is None


@pytest.mark.parametrize("wrong", [Ridge(), make_pipeline(StandardScaler(), Ridge()), "router"])
def test_what_is_not_a_router_is_refused_with_the_remedy(wrong):
    final = "'router'" if wrong == "router" else r"Ridge\(\)"
    message = f"must be a DistributionalRouter, or .*, got {final}; a regressor goes inside"
    with pytest.raises(TypeError, match=message):
        check_is_router(wrong)


def test_an_estimator_with_some_attributes_of_a_router_is_refused():
    class Weighted(Ridge):
        cost_weight = 0.1

    with pytest.raises(TypeError, match="got Weighted"):
        check_is_router(Weighted())


@pytest.mark.parametrize("aggregator", [None, OutcomeAggregator(smoothing=2.0)])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_cost_range_replaces_the_range_of_the_training_outcomes(aggregator, in_pipeline):
    router = DistributionalRouter(aggregator=aggregator, cost_weight=0.3)
    given = make_pipeline(StandardScaler(), router) if in_pipeline else router
    scaled = with_cost_range(given, (0.0, 8.0))
    final = final_step(scaled)
    assert isinstance(scaled, type(given))
    assert final.cost_weight == 0.3
    assert final.aggregator.cost_scaling == (0.0, 8.0)
    assert final.aggregator.smoothing == (0.0 if aggregator is None else 2.0)
    assert scaled.fit(X, OUTCOMES) is scaled
    assert final.aggregator_.cost_range_ == (0.0, 8.0)
    # What was given is unchanged.
    assert router.aggregator is aggregator
    assert aggregator is None or aggregator.cost_scaling == "minmax"


@pytest.mark.parametrize("cost_scaling", [(0.0, 2.0), None])
def test_a_router_with_a_scale_of_its_own_keeps_it(cost_scaling):
    router = DistributionalRouter(aggregator=OutcomeAggregator(cost_scaling=cost_scaling))
    scaled = with_cost_range(router, (0.0, 8.0))
    assert scaled is not router
    assert scaled.aggregator.cost_scaling == cost_scaling


@pytest.mark.parametrize("cost_range", [(3.0, 3.0), (0.0, 0.0)])
def test_a_range_of_width_zero_is_ignored(cost_range):
    assert with_cost_range(DistributionalRouter(), cost_range).aggregator is None


def test_any_wider_range_is_used():
    scaled = with_cost_range(DistributionalRouter(), (3.0, np.nextafter(3.0, 4.0)))
    assert scaled.aggregator.cost_scaling == (3.0, np.nextafter(3.0, 4.0))


@pytest.mark.parametrize("metadata_routing", [False, True])
@pytest.mark.parametrize(
    "make", [lambda router: router, lambda r: make_pipeline(StandardScaler(), r)]
)
def test_groups_reach_the_calibration_of_a_clone(make, metadata_routing):
    data = make_routing_outcomes(60, 3, random_state=0)
    groups = np.repeat(["a", "b", "c"], 20)
    router = make(DistributionalRouter(Ridge()))
    with config_context(enable_metadata_routing=metadata_routing):
        fitted = fit_clone(router, data.X, data.outcomes, groups)
    assert final_step(fitted).calibration_.n_folds == 3  # one fold per group, instead of five
    assert final_step(fit_clone(router, data.X, data.outcomes)).calibration_.n_folds == 5
    assert not hasattr(final_step(router), "calibration_")
