"""Curves of score against cost, against routing at one cost weight after another."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, Outcomes, deferral_curve
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.metrics import cost_hull, routed_cost, routed_score


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(240, 4, 3, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def held_out(data):
    return data.X[120:], data.outcomes[120:]


class DecidingRegressor(RegressorMixin, BaseEstimator):
    """Has its own decision rule: no model but the last, from a cost weight of 0.05 on."""

    def fit(self, X, y):
        self.n_models_ = y.shape[1] // 3
        return self

    def predict(self, X):
        return np.zeros((len(X), 3 * self.n_models_))

    def decision_function(self, X, cost_weight):
        utilities = np.tile(X[:, :1], self.n_models_) * np.arange(self.n_models_)
        if cost_weight >= 0.05:
            utilities[:, -1] = np.inf
        return utilities


@pytest.mark.parametrize("target", ["capability", "penalised"])
def test_points_are_what_the_router_achieves_at_their_weights(data, held_out, target):
    router = DistributionalRouter(Ridge(), target=target).fit(data.X[:120], data.outcomes[:120])
    X, outcomes = held_out
    curve = deferral_curve(router, X, outcomes)
    assert router.cost_weight == 0.05
    assert len(curve.cost_weight) == len(curve.cost) == len(curve.score) > 50
    routes = None
    for point in range(0, len(curve.cost), 5):
        routes = router.set_params(cost_weight=curve.cost_weight[point]).predict(X)
        assert curve.cost[point] == pytest.approx(routed_cost(outcomes, routes))
        assert curve.score[point] == pytest.approx(routed_score(outcomes, routes))
    before = router.set_params(cost_weight=curve.cost_weight[point - 1]).predict(X)
    assert (routes != before).any()


def test_weights_can_be_given(data, held_out):
    router = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    X, outcomes = held_out
    curve = deferral_curve(router, X, outcomes, cost_weights=[0.3, 0.0, 0.1])
    assert curve.cost_weight.tolist() == [0.0, 0.1, 0.3]
    assert router.cost_weight == 0.05
    for weight, cost, score in curve.to_frame().to_numpy():
        routes = router.set_params(cost_weight=weight).predict(X)
        assert cost == pytest.approx(routed_cost(outcomes, routes))
        assert score == pytest.approx(routed_score(outcomes, routes))
    router.set_params(cost_weight=0.05)


def test_every_model_alone_is_listed_beside_the_curve(data, held_out):
    router = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    X, outcomes = held_out
    for cost_weights in (None, [0.0]):
        models = deferral_curve(router, X, outcomes, cost_weights=cost_weights).models
        assert models.index.tolist() == outcomes.models.tolist()
        assert (models.index.name, list(models)) == ("model", ["cost", "score"])
        for model in outcomes.models:
            assert models.loc[model, "cost"] == pytest.approx(routed_cost(outcomes, [model] * 120))
            assert models.loc[model, "score"] == pytest.approx(
                routed_score(outcomes, [model] * 120)
            )


def test_how_a_curve_is_shown(data, held_out):
    router = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    curve = deferral_curve(router, *held_out)
    np.testing.assert_array_equal(curve.hull, cost_hull(curve.cost, curve.score))
    frame = curve.to_frame()
    assert list(frame) == ["cost_weight", "cost", "score"]
    np.testing.assert_array_equal(frame["cost"], curve.cost)
    low, high = curve.cost.min(), curve.cost.max()
    assert f"<DeferralCurve of {len(frame)} points: cost {low:.4g} to {high:.4g}" in repr(curve)
    scores = f"score {curve.score.min():.4g} to {curve.score.max():.4g}"
    assert f"{scores}; on held-out queries>" in repr(curve)


@pytest.mark.parametrize("cost_weights", [None, [0.0, 0.1, 0.2]])
def test_the_router_predicts_once_for_all_weights(data, held_out, cost_weights):
    class Counting(Ridge):
        calls = 0

        def predict(self, X):
            Counting.calls += 1
            return super().predict(X)

    router = DistributionalRouter(Counting(), calibration=None).fit(
        data.X[:120], data.outcomes[:120]
    )
    deferral_curve(router, *held_out, cost_weights=cost_weights)
    assert Counting.calls == 1


def test_an_estimator_with_its_own_decision_rule_is_asked_at_41_weights(data, held_out):
    router = DistributionalRouter(DecidingRegressor(), calibration=None).fit(
        data.X[:120], data.outcomes[:120]
    )
    X, outcomes = held_out
    curve = deferral_curve(router, X, outcomes)
    np.testing.assert_allclose(curve.cost_weight, np.arange(41) * 0.0025)
    cheap = outcomes.models[np.where(X[:, 0] > 0, 3, 0)]
    for rows, routes in ((slice(0, 20), cheap), (slice(20, 41), outcomes.models[[3] * 120])):
        np.testing.assert_allclose(curve.cost[rows], routed_cost(outcomes, routes))
        np.testing.assert_allclose(curve.score[rows], routed_score(outcomes, routes))


def test_a_pipeline_encodes_the_queries_of_its_curve(data, held_out):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter(Ridge()))
    pipeline.fit(data.X[:120], data.outcomes[:120])
    X, outcomes = held_out
    curve = deferral_curve(pipeline, X, outcomes)
    point = len(curve.cost) // 2
    pipeline.set_params(distributionalrouter__cost_weight=curve.cost_weight[point])
    assert curve.cost[point] == pytest.approx(routed_cost(outcomes, pipeline.predict(X)))


def test_a_curve_of_one_model_has_one_point():
    data = make_routing_outcomes(20, 1, 2, 2, random_state=0)
    router = DistributionalRouter().fit(data.X, data.outcomes)
    curve = deferral_curve(router, data.X, data.outcomes)
    assert curve.cost_weight.tolist() == [0]
    assert curve.cost.tolist() == pytest.approx([data.outcomes.cost.mean()])


def with_gap(outcomes, query, model):
    """Drop the outcomes of one (query, model) pair."""
    scores, costs = outcomes.to_array(), outcomes.to_array("cost")
    scores[query, model] = np.nan
    return Outcomes.from_array(scores, models=outcomes.models, costs=costs)


def test_a_gap_matters_only_where_some_weight_routes_to_it(data, held_out):
    router = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    X, outcomes = held_out
    weights = deferral_curve(router, X, outcomes).cost_weight
    routed = {
        model
        for weight in weights
        for model in [router.set_params(cost_weight=weight).predict(X[:1])[0]]
    }
    router.set_params(cost_weight=0.05)
    assert 0 < len(routed) < 4
    for column, model in enumerate(outcomes.models):
        gap = with_gap(outcomes, 0, column)
        if model in routed:
            with pytest.raises(ValueError, match="routed to a model that has no outcome for them"):
                deferral_curve(router, X, gap)
            with pytest.raises(ValueError, match="routed to a model that has no outcome for them"):
                deferral_curve(router, X, gap, cost_weights=weights)
        else:
            found = deferral_curve(router, X, gap)
            np.testing.assert_allclose(found.cost, deferral_curve(router, X, outcomes).cost)
            deferral_curve(router, X, gap, cost_weights=weights)


def test_bad_input_is_named(data, held_out):
    X, outcomes = held_out
    fitted = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        deferral_curve(Ridge(), X, outcomes)
    with pytest.raises(NotFittedError):
        deferral_curve(DistributionalRouter(), X, outcomes)
    with pytest.raises(ValueError, match="X has 10 queries and the outcomes have 120"):
        deferral_curve(fitted, X[:10], outcomes)
    with pytest.raises(ValueError, match=r"use outcomes.subset\(models=\)"):
        deferral_curve(fitted, X, outcomes.subset(models=outcomes.models[::-1]))
    no_costs = Outcomes.from_array(outcomes.to_array(), models=outcomes.models)
    with pytest.raises(ValueError, match="these outcomes have no costs"):
        deferral_curve(fitted, X, no_costs)
    unknown = Outcomes.from_array(
        outcomes.to_array(), models=outcomes.models, costs=[np.nan] * 4
    )  # fmt: skip
    with pytest.raises(ValueError, match="all costs of these outcomes are unknown"):
        deferral_curve(fitted, X, unknown)
    fixed = DistributionalRouter(Ridge(), target="utility", calibration=None)
    fixed.fit(data.X[:120], data.outcomes[:120])
    with pytest.raises(
        ValueError, match="the cost weight is fixed at fit time for target='utility'"
    ):
        deferral_curve(fixed, X, outcomes)


@pytest.mark.parametrize("estimator", [Ridge(), DecidingRegressor()])
def test_the_point_of_the_current_weight_is_what_the_router_achieves(data, held_out, estimator):
    X, outcomes = held_out
    router = DistributionalRouter(estimator, cost_weight=0.07)
    router.fit(data.X[:120], data.outcomes[:120])
    curve, routes = deferral_curve(router, X, outcomes), router.predict(X)
    assert curve.current.cost_weight == 0.07
    assert curve.current.cost == pytest.approx(routed_cost(outcomes, routes))
    assert curve.current.score == pytest.approx(routed_score(outcomes, routes))


@pytest.mark.parametrize("cost_weights", [None, [0.0, 0.1, 0.2]])
def test_scores_have_standard_errors_over_queries(data, held_out, cost_weights):
    X, outcomes = held_out
    router = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    curve = deferral_curve(router, X, outcomes, cost_weights=cost_weights)
    scores = outcomes.to_array().mean(axis=(2, 3))
    for point in range(0, len(curve.cost), 20 if cost_weights is None else 1):
        routes = router.set_params(cost_weight=curve.cost_weight[point]).predict(X)
        columns = [outcomes.models.tolist().index(model) for model in routes]
        routed = scores[np.arange(120), columns]
        assert curve.score_error[point] == pytest.approx(routed.std(ddof=1) / np.sqrt(120))


@pytest.mark.parametrize("cost_weights", [None, [0.0, 0.1, 0.2]])
def test_pairs_without_outcomes_can_be_skipped(data, held_out, cost_weights):
    X, outcomes = held_out
    router = DistributionalRouter(Ridge()).fit(data.X[:120], data.outcomes[:120])
    scores, costs = outcomes.to_array(), outcomes.to_array("cost")
    scores[::2, 1:] = np.nan
    sparse = Outcomes.from_array(
        scores, costs=costs, models=outcomes.models, queries=outcomes.queries
    )
    options = {"cost_weights": cost_weights}
    with pytest.raises(ValueError, match="routed to a model that has no outcome"):
        deferral_curve(router, X, sparse, **options)
    curve = deferral_curve(router, X, sparse, **options, missing="skip")
    for point in (0, len(curve.cost) - 1):
        routes = router.set_params(cost_weight=curve.cost_weight[point]).predict(X)
        assert curve.score[point] == pytest.approx(routed_score(sparse, routes, missing="skip"))
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        deferral_curve(router, X, outcomes, **options, missing="drop")


@pytest.mark.parametrize("n_queries", [30, 135])
def test_the_intervals_of_scores_cover_what_they_claim(n_queries):
    data = make_routing_outcomes(6000, 3, 1, 2, random_state=0)
    router = DistributionalRouter().fit(data.X[:200], data.outcomes[:200])
    X, outcomes = data.X[200:], data.outcomes[200:]
    weights = [0.0, 0.05, 0.5]
    expected = deferral_curve(router, X, outcomes, cost_weights=weights).score
    rng = np.random.RandomState(1)
    covered = []
    for _ in range(200):
        rows = rng.choice(len(outcomes), n_queries, replace=False)
        curve = deferral_curve(router, X[rows], outcomes[rows], cost_weights=weights)
        covered.append(np.abs(curve.score - expected) <= 1.96 * curve.score_error)
    assert 0.92 < np.mean(covered) < 0.98
