"""Reports of routes and of routers."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, Outcomes, evaluate_router, routing_report
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._bootstrap import resampled_means
from dars_sklearn.metrics import (
    aiq,
    apgr,
    best_single_model,
    cheapest_model,
    instability,
    oracle_utility,
    performance_gap_recovered,
    random_utility,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(240, 3, 3, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def report(data):
    return evaluate_router(DistributionalRouter(Ridge()), data.X, data.outcomes, n_resamples=400)


def test_figures_are_those_of_the_metrics(data):
    train, test = data.outcomes[:120], data.outcomes[120:]
    routes = data.outcomes.models[data.best[120:]]
    found = routing_report(test, routes, train=train, cost_weight=0.2, n_resamples=100)
    scale = {"cost_weight": 0.2, "cost_range": (train.cost.min(), train.cost.max())}
    best, strong = best_single_model(train, **scale), best_single_model(train)
    weak = cheapest_model(train)
    own = routed_utility(test, routes, **scale)
    expected = {
        "score": routed_score(test, routes),
        "cost": routed_cost(test, routes),
        "utility": own,
        "regret": routed_regret(test, routes, **scale),
        "instability": instability(test, routes),
        "over best single model": own - routed_utility(test, [best] * 120, **scale),
        "gap recovered": performance_gap_recovered(
            routed_score(test, routes),
            routed_score(test, [weak] * 120),
            routed_score(test, [strong] * 120),
        ),
        "collapse": routing_collapse_index(test, routes, strong=strong),
    }
    shares = [(routes == model).mean() for model in test.models]
    alone = [routed_utility(test, [model] * 120, **scale) for model in test.models]
    expected["over same shares"] = own - np.dot(shares, alone)
    costs = train.cost.sum(), routed_cost(test, [best] * 120), routed_cost(test, routes)
    expected["break-even queries"] = supervision_break_even(*costs)
    expected["cost ratio"] = supervision_cost_ratio(*costs, 100_000)
    for metric, value in expected.items():
        assert found.get(metric)[0] == pytest.approx(value), metric
    np.testing.assert_allclose(found.shares.loc["router"], shares)
    assert found.get("utility", "random choice")[0] == pytest.approx(random_utility(test, **scale))
    assert found.get("utility", "oracle, cross-fitted")[0] == pytest.approx(
        oracle_utility(test, **scale)
    )
    assert found.names == {"best single model": best, "cheapest model": weak}


def test_a_router_is_judged_on_queries_that_it_has_not_seen(data):
    train, test = np.arange(120), np.arange(120, 240)
    found = evaluate_router(
        DistributionalRouter(Ridge()), data.X[train], data.outcomes[train], X_test=data.X[test],
        outcomes_test=data.outcomes[test], n_resamples=100,
    )  # fmt: skip
    router = DistributionalRouter(Ridge()).fit(data.X[train], data.outcomes[train])
    routes = router.predict(data.X[test])
    assert found.get("score")[0] == pytest.approx(routed_score(data.outcomes[test], routes))
    assert found.get("utility")[0] == pytest.approx(router.score(data.X[test], data.outcomes[test]))
    from dars_sklearn import deferral_curve

    curve = deferral_curve(router, data.X[test], data.outcomes[test])
    limits = curve.models["cost"].min(), curve.models["cost"].max()
    assert found.get("aiq")[0] == pytest.approx(aiq(curve.cost, curve.score, cost_range=limits))
    ends = {
        name: tuple(curve.models.loc[model])
        for name, model in (
            ("weak", cheapest_model(data.outcomes[train])),
            ("strong", best_single_model(data.outcomes[train])),
        )
    }
    assert found.get("apgr")[0] == pytest.approx(apgr(curve.cost, curve.score, **ends))


def test_out_of_fold_routes_are_those_of_routers_fitted_without_them(data):
    cv = KFold(4, shuffle=True, random_state=3)
    found = evaluate_router(
        DistributionalRouter(Ridge()), data.X, data.outcomes, cv=cv, n_resamples=50
    )
    limits = data.outcomes.cost.min(), data.outcomes.cost.max()
    from dars_sklearn import OutcomeAggregator

    router = DistributionalRouter(Ridge(), aggregator=OutcomeAggregator(cost_scaling=limits))
    routes = np.empty(240, dtype=object)
    for train, test in cv.split(data.X):
        routes[test] = router.fit(data.X[train], data.outcomes[train]).predict(data.X[test])
    assert found.get("score")[0] == pytest.approx(routed_score(data.outcomes, routes))


def test_a_router_that_learns_beats_its_controls_and_one_that_cannot_does_not(data, report):
    for control in ("shuffled labels", "random features"):
        assert report.get(f"over {control}")[1] > 0
    assert report.get("over same shares")[1] > 0
    rng = np.random.default_rng(0)
    useless = evaluate_router(
        DistributionalRouter(Ridge()), rng.normal(size=data.X.shape), data.outcomes, n_resamples=400
    )
    for other in ("over shuffled labels", "over random features", "over same shares"):
        assert useless.get(other)[1] < 0.03


def test_several_routes_are_judged_side_by_side(data):
    rng = np.random.default_rng(0)
    routes = {"a": data.outcomes.models[data.best], "b": rng.choice(data.outcomes.models, 240)}
    both = routing_report(data.outcomes, routes, n_resamples=200)
    one = routing_report(data.outcomes, {"b": routes["b"]}, n_resamples=200)
    assert both.get("utility", "b") == one.get("utility", "b")
    assert "in hindsight" in both.names["best single model"]
    with pytest.raises(KeyError, match="no 'utility' of 'c'"):
        both.get("utility", "c")


def test_the_same_seed_gives_the_same_report_whatever_runs_at_once(data):
    settings = {"n_resamples": 30, "random_state": 3}
    one = evaluate_router(DistributionalRouter(), data.X, data.outcomes, **settings)
    other = evaluate_router(DistributionalRouter(), data.X, data.outcomes, **settings, n_jobs=2)
    assert one.to_frame().equals(other.to_frame())


def test_looks_of_a_report(report):
    text = repr(report)
    for part in ("240 queries", "best single model (model", "over shuffled labels", "aiq"):
        assert part in text
    assert "<table" in report._repr_html_()
    frame = report.to_frame()
    assert list(frame) == ["strategy", "metric", "estimate", "low", "high"]
    inside = frame.dropna()
    assert (inside["low"] <= inside["estimate"] + 1e-9).all()
    assert (inside["estimate"] <= inside["high"] + 1e-9).all()


def test_the_order_of_queries_does_not_matter_to_the_estimates(data):
    routes = data.outcomes.models[data.best]
    order = np.random.default_rng(0).permutation(240)
    one = routing_report(data.outcomes, routes, n_resamples=20).to_frame()
    other = routing_report(data.outcomes[order], routes[order], n_resamples=20).to_frame()
    np.testing.assert_allclose(one["estimate"], other["estimate"])


def test_resampled_means_are_those_of_the_rows_drawn(monkeypatch):
    rng = np.random.RandomState(0)
    values = rng.normal(size=(30, 4))
    values[3, 1] = np.nan
    drawn = np.random.RandomState(5).randint(30, size=(50, 30))
    expected = np.nanmean(values[drawn], axis=1)
    np.testing.assert_allclose(resampled_means(values, 50, np.random.RandomState(5)), expected)
    monkeypatch.setattr("dars_sklearn.evaluate._bootstrap._BLOCK", 70)
    np.testing.assert_allclose(resampled_means(values, 50, np.random.RandomState(5)), expected)


def test_a_useless_routers_interval_covers_zero_at_its_rate():
    """300 repetitions here; 2,000 in benchmarks/evaluation.py."""
    rng = np.random.default_rng(0)
    held = []
    for seed in range(300):
        data = make_routing_outcomes(100, 3, 2, 2, random_state=seed)
        # It prefers a model, but not by the query.
        routes = rng.choice(data.outcomes.models, 100, p=[0.6, 0.3, 0.1])
        _, low, high = routing_report(data.outcomes, routes, n_resamples=300).get(
            "over same shares"
        )
        held.append(low <= 0 <= high)
    assert 0.91 < np.mean(held) < 0.98


def test_intervals_of_differences_hold_the_expected_difference():
    world = make_routing_outcomes(20000, 3, 2, 2, random_state=0)
    routes = world.outcomes.models[(world.X[:, 0] > 0).astype(int)]
    rng = np.random.default_rng(0)
    scale = {"cost_weight": 0.05, "cost_range": (0.0, 20.0)}
    train = world.outcomes[:200]
    best = best_single_model(train, **scale)
    truth = routed_utility(world.outcomes, routes, **scale) - routed_utility(
        world.outcomes, [best] * 20000, **scale
    )
    held = []
    for _ in range(200):
        rows = rng.choice(20000, 150, replace=False)
        found = routing_report(
            world.outcomes[rows], routes[rows], train=train, cost_range=(0.0, 20.0), n_resamples=300
        )
        _, low, high = found.get("over best single model")
        held.append(low <= truth <= high)
    assert 0.90 < np.mean(held) < 0.985


def test_odd_reports(data):
    no_costs = Outcomes.from_array(data.outcomes.to_array(), models=data.outcomes.models)
    found = evaluate_router(DistributionalRouter(), data.X, no_costs, n_resamples=20)
    assert np.isnan(found.get("cost")[0])
    with pytest.raises(KeyError):
        found.get("gap recovered")
    assert "router" in repr(found)
    single = data.outcomes.subset(models=["model 1"])
    found = evaluate_router(DistributionalRouter(), data.X, single, n_resamples=20)
    assert found.get("over best single model")[0] == 0
    constant = Outcomes.from_array(np.ones((40, 2, 2, 2)), costs=[1.0, 1.0])
    found = evaluate_router(DistributionalRouter(), data.X[:40], constant, n_resamples=20)
    assert found.get("score")[0] == 1
    once = data.outcomes.single_shot(0)
    with pytest.warns(UserWarning, match="one outcome a model"):
        found = evaluate_router(DistributionalRouter(), data.X, once, n_resamples=20)
    assert np.isnan(found.get("regret")[0])
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter(target="choice"))
    found = evaluate_router(pipeline, data.X.tolist(), data.outcomes, n_resamples=20)
    with pytest.raises(KeyError):
        found.get("aiq")


def test_a_sparse_log_is_judged_where_it_has_outcomes(data):
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    asked = np.random.default_rng(0).integers(0, 3, 240)
    scores[np.arange(3) != asked[:, None]] = np.nan
    log = Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)
    router = DistributionalRouter(Ridge(), heads="model")
    with pytest.raises(ValueError, match="missing='skip'"):
        evaluate_router(router, data.X, log)
    found = evaluate_router(router, data.X, log, missing="skip", n_resamples=50)
    routes = data.outcomes.models[data.best]
    judged = routing_report(log, routes, missing="skip", n_resamples=50)
    assert judged.get("score")[0] == pytest.approx(routed_score(log, routes, missing="skip"))
    assert not np.isnan(found.get("utility")[0])
    assert "router" in repr(found)


def test_bad_input_is_named(data):
    router = DistributionalRouter()
    with pytest.raises(ValueError, match="X has 10 queries"):
        evaluate_router(router, data.X[:10], data.outcomes)
    with pytest.raises(ValueError, match="X_test and outcomes_test together"):
        evaluate_router(router, data.X, data.outcomes, X_test=data.X)
    other = data.outcomes.subset(models=data.outcomes.models[::-1])
    with pytest.raises(ValueError, match=r"subset\(models=\)"):
        evaluate_router(router, data.X, data.outcomes, X_test=data.X, outcomes_test=other)
    with pytest.raises(ValueError, match="level"):
        evaluate_router(router, data.X, data.outcomes, level=95)
    with pytest.raises(ValueError, match="one model for each of the 240 queries"):
        routing_report(data.outcomes, ["model 0"])
    with pytest.raises(ValueError, match=r"named \['random choice'\]"):
        routing_report(data.outcomes, {"random choice": ["model 0"] * 240})
    with pytest.raises(ValueError, match="exactly one test part"):
        evaluate_router(router, data.X, data.outcomes, cv=[(np.arange(100), np.arange(100, 120))])
