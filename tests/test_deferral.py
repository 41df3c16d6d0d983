"""Deferral curves, and budgets that are kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    DistributionalRouter,
    Outcomes,
    deferral_curve,
    make_router,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._sweep import sweep
from dars_sklearn.metrics import routed_cost, routed_score


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(240, 4, 3, 2, interaction=1.5, random_state=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_the_sweep_finds_every_route_that_a_weight_gives(seed, n_models, ties):
    rng = np.random.default_rng(seed)
    value, price = rng.random((2, 7, n_models))
    if ties:
        value, price = np.round(3 * value) / 3, np.round(3 * price) / 3
    of = sweep(value, price)
    table = rng.random(value.shape)
    means = of.means(table)
    assert (np.diff(of.cost_weight) > 0).all()
    for weight, mean in zip(of.cost_weight, means, strict=True):
        routes = (value - weight * price).argmax(axis=1)
        # Between changes a tie is of models that are equal in both, and the first is taken
        # by one and the other.
        utilities = value - weight * price
        best = utilities.max(axis=1, keepdims=True)
        tied = (utilities > best - 1e-12).sum(axis=1) > 1
        if not tied.any():
            assert mean == pytest.approx(table[np.arange(7), routes].mean())
    # No weight gives routes that the sweep lacks.
    if not ties:
        for weight in rng.random(30) * 5:
            routes = (value - weight * price).argmax(axis=1)
            nearest = table[np.arange(7), routes].mean()
            assert np.isclose(means, nearest).any()


@pytest.mark.parametrize("target", ["capability", "penalised"])
def test_points_are_what_the_router_achieves_at_that_weight(data, target):
    router = DistributionalRouter(Ridge(), target=target).fit(data.X[:120], data.outcomes[:120])
    X, outcomes = data.X[120:], data.outcomes[120:]
    curve = deferral_curve(router, X, outcomes)
    assert router.cost_weight == 0.05
    for place in range(0, len(curve.cost), 15):
        routes = router.set_params(cost_weight=curve.cost_weight[place]).predict(X)
        assert curve.cost[place] == pytest.approx(routed_cost(outcomes, routes))
        assert curve.score[place] == pytest.approx(routed_score(outcomes, routes))
    router.set_params(cost_weight=0.05)
    grid = deferral_curve(router, X, outcomes, cost_weights=[0.3, 0.0])
    assert grid.cost_weight.tolist() == [0.0, 0.3]
    assert router.cost_weight == 0.05
    assert grid.score[0] == pytest.approx(curve.score[0])
    model = "model 2"
    assert curve.models.loc[model, "score"] == pytest.approx(routed_score(outcomes, [model] * 120))
    hull_cost, hull_score = curve.hull
    assert (np.interp(curve.cost, hull_cost, hull_score) >= curve.score - 1e-9).all()
    assert "points" in repr(curve)
    assert list(curve.to_frame()) == ["cost_weight", "cost", "score"]


def test_the_curve_predicts_once(data):
    class Counting(Ridge):
        calls = 0

        def predict(self, X):
            Counting.calls += 1
            return super().predict(X)

    router = DistributionalRouter(Counting()).fit(data.X, data.outcomes)
    deferral_curve(router, data.X, data.outcomes)
    assert Counting.calls == 1


def test_an_estimator_that_decides_itself_is_swept_on_a_grid(data):
    router = make_router("rm-softmax", estimator__max_epochs=2, random_state=0)
    router.fit(data.X[:120], data.outcomes[:120])
    curve = deferral_curve(router, data.X[120:], data.outcomes[120:])
    assert len(curve.cost) == 41
    with pytest.raises(ValueError, match="decides itself"):
        tune_cost_weight(router, data.X, data.outcomes, budget=4.0)


def test_pipelines_have_curves(data):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter())
    pipeline.fit(data.X[:120], data.outcomes[:120])
    assert len(deferral_curve(pipeline, data.X[120:], data.outcomes[120:]).cost) > 10
    choice = tune_cost_weight(pipeline, data.X, data.outcomes, budget=4.0)
    assert pipeline.set_params(distributionalrouter__cost_weight=choice.cost_weight)


def test_a_budget_buys_the_best_quality_within_it(data):
    router = DistributionalRouter(Ridge())
    choice = tune_cost_weight(router, data.X, data.outcomes, budget=4.0)
    assert choice.cost[0] < 4.0
    dearer = choice.curve.cost_weight < choice.cost_weight
    # The next dearer point breaks the margin.
    assert choice.curve.cost[dearer][-1] > choice.cost[0]
    more = tune_cost_weight(router, data.X, data.outcomes, budget=6.0)
    assert more.cost_weight < choice.cost_weight
    assert more.score[0] > choice.score[0]
    safer = tune_cost_weight(router, data.X, data.outcomes, budget=4.0, confidence=0.99)
    assert safer.cost_weight >= choice.cost_weight
    few = tune_cost_weight(router, data.X, data.outcomes, budget=4.0, n_queries=50)
    assert few.cost_weight > choice.cost_weight
    assert "at most 4 at 90%" in repr(choice)


def test_a_floor_of_quality_is_had_as_cheaply_as_can_be(data):
    router = DistributionalRouter(Ridge())
    choice = tune_cost_weight(router, data.X, data.outcomes, min_score=0.55)
    assert choice.score[0] > 0.55
    lower = tune_cost_weight(router, data.X, data.outcomes, min_score=0.5)
    assert lower.cost[0] < choice.cost[0]


@pytest.mark.parametrize("n_queries", [None, 100])
def test_budgets_are_kept_on_fresh_data_at_the_rate_promised(n_queries):
    """60 repetitions here; more in benchmarks/evaluation.py."""
    world = make_routing_outcomes(40000, 3, 2, 2, random_state=0)
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(60):
        order = rng.permutation(40000)
        train = order[:200]
        fresh = order[200 : 200 + (3000 if n_queries is None else n_queries)]
        router = DistributionalRouter(Ridge())
        choice = tune_cost_weight(
            router, world.X[train], world.outcomes[train], budget=4.0, n_queries=n_queries
        )
        router.set_params(cost_weight=choice.cost_weight)
        routes = router.fit(world.X[train], world.outcomes[train]).predict(world.X[fresh])
        kept.append(routed_cost(world.outcomes[fresh], routes) <= 4.0)
    # The rate promised is 0.9; its standard error over 60 repetitions is 0.04.
    assert 0.8 <= np.mean(kept) <= 0.99


def test_bad_input_is_named(data):
    router = DistributionalRouter()
    X, outcomes = data.X, data.outcomes
    for settings_ in ({}, {"budget": 1.0, "min_score": 0.5}):
        with pytest.raises(ValueError, match="either budget or min_score"):
            tune_cost_weight(router, X, outcomes, **settings_)
    with pytest.raises(ValueError, match="budget=0.5 is below what the cheapest routes cost: "):
        tune_cost_weight(router, X, outcomes, budget=0.5)
    with pytest.raises(ValueError, match="min_score=0.99 is above what the best routes score"):
        tune_cost_weight(router, X, outcomes, min_score=0.99)
    with pytest.raises(ValueError, match="confidence"):
        tune_cost_weight(router, X, outcomes, budget=4.0, confidence=90)
    with pytest.raises(ValueError, match="X has 10 queries and the outcomes have 240"):
        tune_cost_weight(router, X[:10], outcomes, budget=4.0)
    with pytest.raises(ValueError, match="no costs"):
        tune_cost_weight(router, X[:5], Outcomes.from_array(np.ones((5, 2))), budget=4.0)
    with pytest.raises(ValueError, match="target='utility' bakes"):
        tune_cost_weight(DistributionalRouter(target="utility"), X, outcomes, budget=4.0)
    fitted = router.fit(X, outcomes)
    with pytest.raises(ValueError, match="X has 10 queries"):
        deferral_curve(fitted, X[:10], outcomes)
    with pytest.raises(ValueError, match=r"subset\(models=\)"):
        deferral_curve(fitted, X, outcomes.subset(models=outcomes.models[::-1]))
    gaps, costs = outcomes.to_array(), outcomes.to_array("cost")
    gaps[:200, 3] = np.nan
    sparse = Outcomes.from_array(gaps, models=outcomes.models, costs=costs)
    with pytest.raises(ValueError, match="no outcome for them"):
        deferral_curve(fitted, X, sparse)


def test_one_model_has_a_curve_of_one_point():
    data = make_routing_outcomes(40, 1, 2, 2, random_state=0)
    router = DistributionalRouter().fit(data.X, data.outcomes)
    curve = deferral_curve(router, data.X, data.outcomes)
    assert curve.cost.shape == (1,)
    assert tune_cost_weight(router, data.X, data.outcomes, budget=99.0).cost_weight == 0.0
