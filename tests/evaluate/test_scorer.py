"""A scorer of realised utility with a cost weight of its own."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes, routing_scorer
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.metrics import routed_utility


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(60, 3, 2, 2, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return DistributionalRouter(Ridge(), cost_weight=0.4).fit(data.X[:40], data.outcomes[:40])


def test_costs_are_scaled_by_the_range_that_the_router_was_trained_on(data, fitted):
    X, outcomes, routes = data.X[40:], data.outcomes[40:], fitted.predict(data.X[40:])
    train_cost = data.outcomes[:40].cost
    scale = {"cost_range": (train_cost.min(), train_cost.max())}
    expected = routed_utility(outcomes, routes, cost_weight=0.05, **scale)
    assert routing_scorer()(fitted, X, outcomes) == pytest.approx(expected)
    expected = routed_utility(outcomes, routes, cost_weight=0.2, **scale)
    assert routing_scorer(cost_weight=0.2)(fitted, X, outcomes) == pytest.approx(expected)
    assert expected != pytest.approx(routed_utility(outcomes, routes, cost_weight=0.2))


def test_a_cost_range_can_be_given(data, fitted):
    X, outcomes, routes = data.X[40:], data.outcomes[40:], fitted.predict(data.X[40:])
    for cost_range in ((0, 1), (0.0, 50.0)):
        expected = routed_utility(outcomes, routes, cost_weight=0.2, cost_range=cost_range)
        scorer = routing_scorer(cost_weight=0.2, cost_range=cost_range)
        assert scorer(fitted, X, outcomes) == pytest.approx(expected)


def test_the_range_of_the_routers_own_aggregator_is_used(data):
    aggregator = OutcomeAggregator(cost_scaling=(0.0, 40.0))
    router = DistributionalRouter(Ridge(), aggregator=aggregator)
    pipeline = make_pipeline(StandardScaler(), router).fit(data.X[:40], data.outcomes[:40])
    routes = pipeline.predict(data.X[40:])
    expected = routed_utility(data.outcomes[40:], routes, cost_range=(0.0, 40.0))
    found = routing_scorer()(pipeline, data.X[40:], data.outcomes[40:])
    assert found == pytest.approx(expected)


def test_the_scorer_of_the_routers_own_weight_is_its_score(data, fitted):
    found = routing_scorer(cost_weight=0.4)(fitted, data.X[40:], data.outcomes[40:])
    assert found == pytest.approx(fitted.score(data.X[40:], data.outcomes[40:]))


def test_missing_outcomes_are_refused_or_left_out(data, fitted):
    routes = fitted.predict(data.X[40:])
    scores = data.outcomes[40:].to_array()
    routed = scores[np.arange(20), [fitted.models_.tolist().index(route) for route in routes]]
    routed[:5] = np.nan
    for query in range(5):
        scores[query, fitted.models_.tolist().index(routes[query])] = np.nan
    gaps = Outcomes.from_array(scores, models=data.outcomes.models)
    with pytest.raises(ValueError, match="5 of 20 queries were routed to a model"):
        routing_scorer()(fitted, data.X[40:], gaps)
    found = routing_scorer(missing="skip")(fitted, data.X[40:], gaps)
    assert found == pytest.approx(np.nanmean(routed))


def test_a_grid_over_cost_weights_is_scored_on_one_scale(data):
    grid = GridSearchCV(
        DistributionalRouter(Ridge()),
        {"cost_weight": [0.0, 10.0]},
        scoring=routing_scorer(cost_weight=0.0),
        cv=3,
    ).fit(data.X, data.outcomes)
    assert grid.best_params_ == {"cost_weight": 0.0}
    scores = cross_val_score(
        DistributionalRouter(Ridge(), cost_weight=0.0), data.X, data.outcomes, cv=3,
        scoring=routing_scorer(cost_weight=0.0),
    )  # fmt: skip
    assert grid.cv_results_["mean_test_score"][0] == pytest.approx(scores.mean())


def test_what_is_not_a_router_needs_a_cost_range(data):
    class Constant:
        def predict(self, X):
            return ["model 1"] * len(X)

    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        routing_scorer()(Constant(), data.X, data.outcomes)
    found = routing_scorer(cost_range=(0, 9))(Constant(), data.X, data.outcomes)
    assert found == routed_utility(data.outcomes, ["model 1"] * 60, cost_range=(0, 9))


def test_bad_settings_are_refused_when_the_scorer_is_made():
    with pytest.raises(ValueError, match="cost_weight must not be negative, got -0.1"):
        routing_scorer(cost_weight=-0.1)
    with pytest.raises(ValueError, match="cost_weight must not be negative, got nan"):
        routing_scorer(cost_weight=np.nan)
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        routing_scorer(missing="drop")
    assert callable(routing_scorer(cost_weight=0))
