"""A scorer of realised utility with a cost weight of its own."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes, routing_scorer
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import UndefinedMetricWarning
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
    expected = routed_utility(outcomes, routes, cost_weight=0.4, **scale)
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


def test_the_scorer_is_by_default_the_score_of_the_router(data, fitted):
    expected = fitted.score(data.X[40:], data.outcomes[40:])
    for scorer in (routing_scorer(), routing_scorer(cost_weight=0.4)):
        assert scorer(fitted, data.X[40:], data.outcomes[40:]) == pytest.approx(expected)
    changed = clone(fitted).fit(data.X[:40], data.outcomes[:40]).set_params(cost_weight=0.0)
    expected = changed.score(data.X[40:], data.outcomes[40:])
    assert routing_scorer()(changed, data.X[40:], data.outcomes[40:]) == pytest.approx(expected)


def test_missing_outcomes_are_refused_or_left_out(data, fitted):
    routes = fitted.predict(data.X[40:])
    scores = data.outcomes[40:].to_array()
    routed = scores[np.arange(20), [fitted.models_.tolist().index(route) for route in routes]]
    routed[:5] = np.nan
    for query in range(5):
        scores[query, fitted.models_.tolist().index(routes[query])] = np.nan
    gaps = Outcomes.from_array(scores, models=data.outcomes.models)
    with pytest.raises(ValueError, match="5 of 20 queries were routed to a model"):
        routing_scorer(cost_weight=0)(fitted, data.X[40:], gaps)
    found = routing_scorer(cost_weight=0, missing="skip")(fitted, data.X[40:], gaps)
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


def test_what_is_not_a_router_needs_a_cost_weight_and_a_cost_range(data):
    class Constant:
        def predict(self, X):
            return ["model 1"] * len(X)

    for settings in ({}, {"cost_range": (0, 9)}, {"cost_weight": 0.1}):
        with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
            routing_scorer(**settings)(Constant(), data.X, data.outcomes)
    settings = {"cost_weight": 0.1, "cost_range": (0, 9)}
    found = routing_scorer(**settings)(Constant(), data.X, data.outcomes)
    assert found == routed_utility(data.outcomes, ["model 1"] * 60, **settings)


def test_bad_settings_are_refused_when_the_scorer_is_made():
    for weight in (-0.1, np.nan, np.inf, "0.1"):
        with pytest.raises(ValueError, match="cost_weight must be a finite float >= 0, got "):
            routing_scorer(cost_weight=weight)
    with pytest.raises(ValueError, match="cost_range='robust' would be found in each test fold"):
        routing_scorer(cost_range="robust")
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        routing_scorer(missing="drop")
    assert callable(routing_scorer(cost_weight=0))


def test_scores_on_another_scale_than_in_training_are_refused(data, fitted):
    percentages = Outcomes.from_array(
        100 * data.outcomes.to_array(), models=data.outcomes.models, score_range=(0, 100)
    )
    with pytest.raises(ValueError, match=r"score_range=\(0.0, 100.0\), and the training outcomes"):
        routing_scorer(cost_weight=0)(fitted, data.X, percentages)


def test_if_no_routed_pair_has_an_outcome_the_score_is_undefined(data, fitted):
    scores = data.outcomes.to_array()
    routed = [fitted.models_.tolist().index(route) for route in fitted.predict(data.X)]
    scores[np.arange(60), routed] = np.nan
    costs = data.outcomes.to_array("cost")
    unrouted = Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)
    for score in (routing_scorer(missing="skip"), None):
        with pytest.warns(UndefinedMetricWarning, match="all 60 queries were routed to a model"):
            value = (
                score(fitted, data.X, unrouted)
                if score
                else fitted.score(data.X, unrouted, missing="skip")
            )
        assert np.isnan(value)
