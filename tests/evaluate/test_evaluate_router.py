"""Routers against controls and baselines on held-out queries, against plain loops over folds."""

import joblib
import numpy as np
import pandas as pd
import pytest
from ragged import draw_ragged
from recording_regressor import (
    RecordingRegressor,
    numbered_queries,
    recorded_predictions,
    runs_in_parallel,
)
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    deferral_curve,
    evaluate_router,
    routing_report,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    aiq,
    apgr,
    best_single_model,
    call_performance_threshold,
    cheapest_model,
    routed_cost,
    routed_score,
    routed_utility,
    supervision_break_even,
    supervision_cost_ratio,
)
from dars_sklearn.outcomes import _outcomes

ROUTER = DistributionalRouter(Ridge(), cost_weight=0.2, calibration=None)
CURVE_METRICS = {"aiq", "apgr", "cpt_50", "cpt_80"}


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(150, 3, 3, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def report(data):
    return evaluate_router(ROUTER, data.X, data.outcomes, n_resamples=200)


def cost_limits(outcomes):
    return float(outcomes.cost.min()), float(outcomes.cost.max())


def router_on_scale_of(outcomes, **settings):
    aggregator = OutcomeAggregator(cost_scaling=cost_limits(outcomes))
    return DistributionalRouter(
        Ridge(), aggregator=aggregator, cost_weight=0.2, calibration=None, **settings
    )


# ---- figures -------------------------------------------------------------------------


def test_out_of_fold_figures_are_those_of_a_slow_loop(data):
    outcomes, cv = data.outcomes, KFold(4, shuffle=True, random_state=3)
    found = evaluate_router(ROUTER, data.X, outcomes, cv=cv, n_resamples=2)
    scale = {"cost_weight": 0.2, "cost_range": cost_limits(outcomes)}
    routes, best, weak, strong = (np.empty(150, dtype=object) for _ in range(4))
    fold = np.empty(150, dtype=int)
    for number, (train, test) in enumerate(cv.split(data.X)):
        router = router_on_scale_of(outcomes).fit(data.X[train], outcomes[train])
        routes[test] = router.predict(data.X[test])
        best[test] = best_single_model(outcomes[train], **scale)
        weak[test] = cheapest_model(outcomes[train])
        strong[test] = best_single_model(outcomes[train], cost_weight=0)
        fold[test] = number
    score, utility = routed_score(outcomes, routes), routed_utility(outcomes, routes, **scale)
    assert found.get("score")[0] == pytest.approx(score)
    assert found.get("utility")[0] == pytest.approx(utility)
    own = routed_utility(outcomes, best, **scale)
    assert found.get("utility", "best_single_model")[0] == pytest.approx(own)
    assert found.get("gain_over_best_single_model")[0] == pytest.approx(utility - own)
    assert found.get("cost", "cheapest_model")[0] == pytest.approx(routed_cost(outcomes, weak))
    gap = routed_score(outcomes, strong) - routed_score(outcomes, weak)
    recovered = (score - routed_score(outcomes, weak)) / gap
    assert found.get("gap_recovered")[0] == pytest.approx(recovered)
    matched = 0.0
    for number in range(4):
        inside = fold == number
        for model in outcomes.models:
            share = np.mean(routes[inside] == model)
            alone = routed_utility(outcomes[inside], [model] * inside.sum(), **scale)
            matched += inside.mean() * share * alone
    assert found.get("gain_over_matched_random")[0] == pytest.approx(utility - matched)
    for name, chosen in (("best_single_model", best), ("cheapest_model", weak)):
        values, counts = np.unique(chosen.astype(str), return_counts=True)
        assert found.names[name] == values[counts.argmax()]
    assert not found.in_hindsight
    costs = outcomes.cost.sum(), routed_cost(outcomes, best), routed_cost(outcomes, routes)
    assert found.get("break_even_queries")[0] == supervision_break_even(*costs)
    ratio = supervision_cost_ratio(*costs, 100_000)
    assert found.get("supervision_cost_ratio")[0] == pytest.approx(ratio)
    shorter = evaluate_router(ROUTER, data.X, outcomes, cv=cv, horizon=300, n_resamples=2)
    ratio = supervision_cost_ratio(*costs, 300)
    assert shorter.get("supervision_cost_ratio")[0] == pytest.approx(ratio)


def test_controls_are_trained_on_shuffled_labels_and_on_random_features(data):
    outcomes = data.outcomes
    splits = list(KFold(3, shuffle=True, random_state=0).split(data.X))
    found = evaluate_router(ROUTER, data.X, outcomes, cv=splits, n_resamples=2, random_state=4)
    seeds = np.random.RandomState(4).randint(2**31 - 1, size=(3, 2))
    shuffled, random = (np.empty(150, dtype=object) for _ in range(2))
    for (train, test), own in zip(splits, seeds, strict=True):
        router, known = router_on_scale_of(outcomes), outcomes[train]
        order = np.random.RandomState(own[0]).permutation(len(train))
        shuffled[test] = router.fit(data.X[train], known[order]).predict(data.X[test])
        rng = np.random.RandomState(own[1])
        noise, noise_test = (rng.normal(size=(len(rows), 16)) for rows in (train, test))
        random[test] = router.fit(noise, known).predict(noise_test)
    scale = {"cost_weight": 0.2, "cost_range": cost_limits(outcomes)}
    for name, routes in (("shuffled_labels", shuffled), ("random_features", random)):
        utility = routed_utility(outcomes, routes, **scale)
        assert found.get("utility", name)[0] == pytest.approx(utility)
        gain = found.get("utility")[0] - utility
        assert found.get(f"gain_over_{name}")[0] == pytest.approx(gain)


def test_test_queries_are_routed_by_a_router_trained_on_all_training_queries(data):
    train, test, X_test = data.outcomes[:100], data.outcomes[100:], data.X[100:]
    found = evaluate_router(
        ROUTER, data.X[:100], train, X_test=X_test, outcomes_test=test, n_resamples=2
    )
    router = router_on_scale_of(train).fit(data.X[:100], train)
    routes = router.predict(X_test)
    expected = routing_report(test, routes, train=train, cost_weight=0.2, n_resamples=2)
    for metric in expected.table["metric"][expected.table["strategy"] == "router"]:
        assert found.get(metric)[0] == pytest.approx(expected.get(metric)[0]), metric
    assert found.get("utility")[0] == pytest.approx(router.score(X_test, test))
    assert found.names == expected.names
    assert found.n_queries == 50


def test_figures_of_the_curve_are_those_of_the_deferral_curve(data):
    train, test, X_test = data.outcomes[:100], data.outcomes[100:], data.X[100:]
    found = evaluate_router(
        ROUTER, data.X[:100], train, X_test=X_test, outcomes_test=test, n_resamples=2
    )
    curve = deferral_curve(router_on_scale_of(train).fit(data.X[:100], train), X_test, test)
    points, models = (curve.cost, curve.score), curve.models
    weak, strong = cheapest_model(train), best_single_model(train, cost_weight=0)
    ends = {"weak": tuple(models.loc[weak]), "strong": tuple(models.loc[strong])}
    expected = {
        "aiq": aiq(*points, cost_range=(models["cost"].min(), models["cost"].max())),
        "apgr": apgr(*points, **ends),
        "cpt_50": call_performance_threshold(*points, 0.5, **ends),
        "cpt_80": call_performance_threshold(*points, 0.8, **ends),
    }
    assert set(expected) == CURVE_METRICS
    for metric, value in expected.items():
        estimate, low, high = found.get(metric)
        assert estimate == pytest.approx(value), metric
        assert np.isnan([low, high]).all()


def test_the_out_of_fold_curve_routes_each_query_by_the_router_of_its_fold(data):
    outcomes, splits = data.outcomes, list(KFold(3, shuffle=True, random_state=0).split(data.X))
    found = evaluate_router(ROUTER, data.X, outcomes, cv=splits, n_resamples=2)
    intercept, slope = np.empty((2, 150, 3))
    weak, strong = (np.empty(150, dtype=object) for _ in range(2))
    for train, test in splits:
        router = router_on_scale_of(outcomes).fit(data.X[train], outcomes[train])
        intercept[test], slope[test] = router.utility_lines(data.X[test])
        weak[test] = cheapest_model(outcomes[train])
        strong[test] = best_single_model(outcomes[train], cost_weight=0)
    changes = sweep_cost_weight(intercept, slope)
    points = []
    for weight in changes.cost_weight:
        routes = outcomes.models[(intercept - weight * slope).argmax(axis=1)]
        points.append((routed_cost(outcomes, routes), routed_score(outcomes, routes)))
    points = np.transpose(points)
    ends = {
        name: (routed_cost(outcomes, own), routed_score(outcomes, own))
        for name, own in (("weak", weak), ("strong", strong))
    }
    alone = [routed_cost(outcomes, [model] * 150) for model in outcomes.models]
    expected = aiq(*points, cost_range=(min(alone), max(alone)))
    assert found.get("aiq")[0] == pytest.approx(expected)
    assert found.get("apgr")[0] == pytest.approx(apgr(*points, **ends))


def test_intervals_are_those_of_the_settings(data, report):
    options = {"n_resamples": 200, "random_state": 0}
    again = evaluate_router(ROUTER, data.X, data.outcomes, cv=5, **options)
    pd.testing.assert_frame_equal(again.table, report.table)
    narrow = evaluate_router(ROUTER, data.X, data.outcomes, **options, level=0.5)
    (_, low, high), (_, narrow_low, narrow_high) = report.get("score"), narrow.get("score")
    assert low < narrow_low < narrow_high < high
    assert (report.level, narrow.level) == (0.95, 0.5)


def test_a_router_that_learns_beats_its_controls_and_one_that_cannot_does_not(data, report):
    gains = ("shuffled_labels", "random_features", "matched_random")
    for rival in gains:
        assert report.get(f"gain_over_{rival}")[1] > 0
    useless = np.random.default_rng(0).normal(size=data.X.shape)
    found = evaluate_router(ROUTER, useless, data.outcomes, n_resamples=200)
    for rival in gains:
        assert found.get(f"gain_over_{rival}")[1] < 0.02


# ---- what is trained on what ---------------------------------------------------------


def rows_of_folds(predictions):
    """Training and test rows of the router of each fold; controls on noise are left out."""
    return [own for own in predictions if all(row == int(row) for row in own.predicted)]


@pytest.mark.parametrize("groups", [None, np.arange(24) // 4])
def test_neither_routers_nor_controls_are_trained_on_test_queries_or_their_groups(groups):
    X, outcomes = numbered_queries(24)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    predictions = recorded_predictions(
        evaluate_router, router, X, outcomes, cv=3, inner_cv=None, groups=groups, n_resamples=2
    )
    folds = rows_of_folds(predictions)
    # Of each fold: the routes of the router and of the control on shuffled labels.
    assert (len(predictions), len(folds)) == (9, 6)
    for number, own in enumerate(folds):
        assert sorted(own.trained_on + own.predicted) == list(range(24))
        own_labels = np.array(own.trained_on) / 24
        is_shuffled = number % 2 == 1
        assert np.allclose(own.labels[:, 0], own_labels) is not is_shuffled
        np.testing.assert_allclose(np.sort(own.labels[:, 0]), np.sort(own_labels))
        if groups is not None:
            trained_on, predicted = (
                set(groups[np.array(rows, dtype=int)]) for rows in (own.trained_on, own.predicted)
            )
            assert not trained_on & predicted
    tested = [row for own in folds[::2] for row in own.predicted]
    assert sorted(tested) == list(range(24))


def test_five_shuffled_folds_are_the_default():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    folds = rows_of_folds(recorded_predictions(evaluate_router, router, X, outcomes, inner_cv=None))
    expected = [test.tolist() for _, test in KFold(5, shuffle=True, random_state=0).split(X)]
    assert [own.predicted for own in folds[::2]] == expected


def test_groups_can_be_passed_to_a_splitter(data):
    groups = np.arange(150) % 10
    by_splitter = evaluate_router(
        ROUTER, data.X, data.outcomes, cv=GroupKFold(5), groups=groups, n_resamples=2
    )
    splits = list(GroupKFold(5).split(data.X, groups=groups))
    by_hand = evaluate_router(ROUTER, data.X, data.outcomes, cv=splits, n_resamples=2)
    assert by_splitter.table.equals(by_hand.table)
    with pytest.raises(ValueError, match="needs the groups of the queries: pass groups="):
        evaluate_router(ROUTER, data.X, data.outcomes, cv=GroupKFold(5))


@pytest.mark.parametrize(("weighting", "n_calls"), [("balanced", 1), ("pooled", 2)])
def test_outcomes_are_summarised_once_for_each_weighting(monkeypatch, weighting, n_calls):
    calls = []
    summarise = _outcomes.summarise_pairs

    def counting(outcomes, *, balanced):
        calls.append((len(outcomes), balanced))
        return summarise(outcomes, balanced=balanced)

    monkeypatch.setattr(_outcomes, "summarise_pairs", counting)
    X = np.random.default_rng(0).normal(size=(30, 2))
    router = DistributionalRouter(Ridge(), aggregator=OutcomeAggregator(weighting=weighting))
    evaluate_router(router, X, draw_ragged(0, n_queries=30).outcomes(), n_resamples=2)
    assert len(calls) == len(set(calls)) == n_calls
    calls.clear()
    train, test = draw_ragged(0, n_queries=30).outcomes(), draw_ragged(1, n_queries=12).outcomes()
    evaluate_router(router, X, train, X_test=X[:12], outcomes_test=test, n_resamples=2)
    assert len(calls) == len(set(calls)) == n_calls + 1


def test_folds_run_in_parallel():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    assert runs_in_parallel(evaluate_router, router, X, outcomes, n_resamples=2)


def test_seeds_decide_whatever_runs_in_parallel(data):
    options = {"n_resamples": 20, "random_state": 3}
    alone = evaluate_router(ROUTER, data.X, data.outcomes, **options)
    with joblib.parallel_config("threading"):
        parallel = evaluate_router(ROUTER, data.X, data.outcomes, **options, n_jobs=2)
    assert parallel.to_frame().equals(alone.to_frame())
    options["random_state"] = 4
    other = evaluate_router(ROUTER, data.X, data.outcomes, **options)
    assert other.get("score") != alone.get("score")


# ---- kinds of routers and features ---------------------------------------------------


def test_a_pipeline_is_fitted_anew_on_each_fold(data):
    splits = list(KFold(3).split(data.X))
    pipeline = make_pipeline(StandardScaler(), ROUTER)
    found = evaluate_router(pipeline, data.X, data.outcomes, cv=splits, n_resamples=2)
    assert not hasattr(pipeline[-1], "models_")
    routes = np.empty(150, dtype=object)
    for train, test in splits:
        own = make_pipeline(StandardScaler(), router_on_scale_of(data.outcomes))
        routes[test] = own.fit(data.X[train], data.outcomes[train]).predict(data.X[test])
    assert found.get("score")[0] == pytest.approx(routed_score(data.outcomes, routes))


@pytest.mark.parametrize("kind", [list, sparse.csr_matrix, pd.DataFrame])
def test_features_may_be_of_any_kind(data, report, kind):
    X = data.X.tolist() if kind is list else kind(data.X)
    router = make_pipeline(StandardScaler(with_mean=False), ROUTER)
    expected = evaluate_router(router, data.X, data.outcomes, cv=2, n_resamples=2)
    found = evaluate_router(router, X, data.outcomes, cv=2, n_resamples=2)
    np.testing.assert_allclose(found.get("score"), expected.get("score"))
    assert len(found.table) == len(report.table)


def test_random_features_are_as_many_as_those_of_the_router_up_to_64(data):
    class Counting(Ridge):
        widths = []

        def fit(self, X, y):
            self.widths.append(np.shape(X)[1])
            return super().fit(X, y)

    for X, expected in ((data.X, 16), (data.X.tolist(), 16), (np.tile(data.X, 5), 64)):
        Counting.widths.clear()
        evaluate_router(
            DistributionalRouter(Counting(), calibration=None),
            X,
            data.outcomes,
            cv=2,
            inner_cv=None,
            n_resamples=2,
        )
        width = np.shape(X)[1]
        assert Counting.widths == [width, width, expected] * 2


class DecidingRegressor(RegressorMixin, BaseEstimator):
    """Has its own decision rule: prefers models at random."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        raise NotImplementedError

    def decision_function(self, X, cost_weight):
        return np.random.default_rng(0).random((len(X), 3))


@pytest.mark.parametrize(
    "router",
    [
        DistributionalRouter(Ridge(), target="utility", calibration=None),
        DistributionalRouter(DecidingRegressor(), calibration=None),
    ],
)
def test_a_router_without_utility_lines_has_no_curve(data, router):
    found = evaluate_router(router, data.X, data.outcomes, cv=2, n_resamples=2)
    assert not CURVE_METRICS & set(found.table["metric"])
    assert "collapse_index" in set(found.table["metric"])


# ---- kinds of outcomes ---------------------------------------------------------------


@pytest.mark.parametrize("costs", [None, [np.nan] * 3])
def test_without_costs_figures_of_costs_are_left_out(data, costs):
    outcomes = Outcomes.from_array(
        data.outcomes.to_array(), models=data.outcomes.models, costs=costs
    )  # fmt: skip
    found = evaluate_router(ROUTER, data.X, outcomes, cv=2, n_resamples=2)
    assert np.isnan(found.get("cost")).all()
    needs_costs = {"gap_recovered", "collapse_index", "break_even_queries"} | CURVE_METRICS
    assert not needs_costs & set(found.table["metric"])
    assert "router" in repr(found)


def test_a_single_model_is_its_own_best_single_model(data):
    single = data.outcomes.subset(models=["model 1"])
    found = evaluate_router(ROUTER, data.X, single, cv=2, n_resamples=2)
    assert found.get("gain_over_best_single_model") == (0, 0, 0)
    assert set(found.names.values()) == {"model 1"}
    assert found.cost_at_quality is None


def test_models_of_one_cost_have_no_average_quality_over_costs(data):
    constant = Outcomes.from_array(np.ones((20, 2, 2, 2)), costs=[1.0, 1.0])
    found = evaluate_router(ROUTER, data.X[:20], constant, cv=2, n_resamples=2)
    assert found.get("score") == (1, 1, 1)
    assert "aiq" not in set(found.table["metric"])
    assert np.isnan(found.get("apgr")[0])


def test_one_outcome_per_pair_leaves_regret_unknown(data):
    once = data.outcomes.single_shot(0)
    with pytest.warns(UndefinedMetricWarning, match="150 of 150 queries have no cross-"):
        found = evaluate_router(ROUTER, data.X, once, cv=2, n_resamples=2)
    assert np.isnan(found.get("regret")[0])


def test_a_sparse_log_is_evaluated_where_it_has_outcomes(data):
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    logged = np.random.default_rng(0).integers(0, 3, 150)
    scores[np.arange(3) != logged[:, None]] = np.nan
    log = Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)
    router = DistributionalRouter(Ridge(), heads="model", calibration=None)
    with pytest.raises(ValueError, match="leave the queries out with missing='skip'"):
        evaluate_router(router, data.X, log, cv=2)
    found = evaluate_router(router, data.X, log, missing="skip", cv=2, n_resamples=20)
    assert not np.isnan(found.get("utility")).any()
    assert not CURVE_METRICS & set(found.table["metric"])


# ---- bad input -----------------------------------------------------------------------


def test_bad_input_is_named(data):
    X, outcomes = data.X, data.outcomes
    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        evaluate_router(Ridge(), X, outcomes)
    with pytest.raises(ValueError, match="X has 10 queries and the outcomes have 150"):
        evaluate_router(ROUTER, X[:10], outcomes)
    for options in ({"X_test": X}, {"outcomes_test": outcomes}):
        with pytest.raises(ValueError, match="give X_test and outcomes_test together, or neither"):
            evaluate_router(ROUTER, X, outcomes, **options)
    with pytest.raises(ValueError, match="X_test has 9 queries and the outcomes have 10"):
        evaluate_router(ROUTER, X, outcomes, X_test=X[:9], outcomes_test=outcomes[:10])
    other = outcomes.subset(models=outcomes.models[::-1])
    with pytest.raises(ValueError, match=r"use outcomes.subset\(models=\)"):
        evaluate_router(ROUTER, X, outcomes, X_test=X, outcomes_test=other)
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 95"):
        evaluate_router(ROUTER, X, outcomes, cv=2, level=95)
    with pytest.raises(ValueError, match="exactly one test fold"):
        evaluate_router(ROUTER, X, outcomes, cv=[(np.arange(100), np.arange(100, 120))])


@pytest.mark.parametrize(
    ("cost_scaling", "limits"), [((0, 1000), (0.0, 1000.0)), (None, (0.0, 1.0))]
)
def test_utilities_use_the_fixed_cost_range_of_the_router(cost_scaling, limits):
    data = make_routing_outcomes(60, 3, 2, 2, random_state=0)
    router = DistributionalRouter(
        aggregator=OutcomeAggregator(cost_scaling=cost_scaling), cost_weight=0.5
    )
    test = {"X_test": data.X[40:], "outcomes_test": data.outcomes[40:]}
    report = evaluate_router(router, data.X[:40], data.outcomes[:40], n_resamples=10, **test)
    fitted = router.fit(data.X[:40], data.outcomes[:40])
    assert report.get("utility")[0] == pytest.approx(fitted.score(data.X[40:], data.outcomes[40:]))
    routes = fitted.predict(data.X[40:])
    expected = routed_utility(data.outcomes[40:], routes, cost_weight=0.5, cost_range=limits)
    assert report.get("utility")[0] == pytest.approx(expected)
