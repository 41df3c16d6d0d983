"""The cost of a router at the quality of the best single model, against a slow nested loop."""

import joblib
import numpy as np
import pytest
from recording_regressor import (
    RecordingRegressor,
    numbered_queries,
    recorded_predictions,
    runs_in_parallel,
)
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    cost_at_quality,
    deferral_curve,
    evaluate_router,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.metrics import best_single_model, routed_cost, routed_score

ROUTER = DistributionalRouter(Ridge(), calibration=None)
NAN = float("nan")


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(160, 3, 3, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def result(data):
    return cost_at_quality(ROUTER, data.X, data.outcomes, cv=4, n_resamples=200)


# ---- against a slow loop -------------------------------------------------------------


def router_on_scale_of(outcomes):
    limits = float(outcomes.cost.min()), float(outcomes.cost.max())
    return DistributionalRouter(
        Ridge(), calibration=None, aggregator=OutcomeAggregator(cost_scaling=limits)
    )


def slow_weight(X, outcomes, router, seed, max_loss):
    """Cost weight that out-of-fold routes of training queries choose, one weight at a time."""
    n = len(outcomes)
    intercept, slope = np.empty((2, n, 3))
    for train, test in KFold(5, shuffle=True, random_state=seed).split(X):
        intercept[test], slope[test] = router.fit(X[train], outcomes[train]).utility_lines(X[test])
    score = outcomes.to_array().mean(axis=(2, 3))
    best = score.mean(axis=0).argmax()
    chosen = NAN
    for weight in sweep_cost_weight(intercept, slope).cost_weight:
        routes = (intercept - weight * slope).argmax(axis=1)
        difference = score[np.arange(n), routes] - score[:, best]
        margin = norm.ppf(0.9) * difference.std(ddof=1) / np.sqrt(n)
        if difference.mean() - margin < -max_loss:
            break
        chosen = weight
    return chosen, outcomes.models[best]


def slow_cheapest(outcomes, max_loss):
    """Cheapest model whose score on the training queries is close to the best one."""
    score, cost = (
        outcomes.to_array(table).mean(axis=(2, 3)) for table in ("score", "cost")
    )  # fmt: skip
    best = score.mean(axis=0).argmax()
    eligible = []
    for model in range(3):
        difference = score[:, model] - score[:, best]
        margin = norm.ppf(0.9) * difference.std(ddof=1) / np.sqrt(len(score))
        if model == best or difference.mean() - margin >= -max_loss:
            eligible.append((cost[:, model].mean(), outcomes.models[model]))
    return min(eligible)[1]


@pytest.mark.parametrize("max_loss", [0.0, 0.02, 0.15])
def test_figures_are_those_of_a_slow_nested_loop(data, max_loss):
    outcomes, splits = data.outcomes, list(KFold(3, shuffle=True, random_state=1).split(data.X))
    found = cost_at_quality(
        ROUTER, data.X, outcomes, max_loss=max_loss, cv=splits, n_resamples=2, random_state=7
    )
    seeds = np.random.RandomState(7).randint(2**31 - 1, size=(3, 2))[:, 0]
    routes, best, single = (np.empty(160, dtype=object) for _ in range(3))
    weights = []
    for (train, test), seed in zip(splits, seeds, strict=True):
        router, known = router_on_scale_of(outcomes), outcomes[train]
        weight, strong = slow_weight(data.X[train], known, router, seed, max_loss)
        weights.append(weight)
        best[test], single[test] = strong, slow_cheapest(known, max_loss)
        if np.isnan(weight):
            routes[test] = strong
        else:
            fitted = router.set_params(cost_weight=weight).fit(data.X[train], known)
            routes[test] = fitted.predict(data.X[test])
    own = found.get(max_loss)
    assert own.cost_weights == pytest.approx(weights, nan_ok=True)
    assert own.cost == pytest.approx(routed_cost(outcomes, routes))
    assert own.score == pytest.approx(routed_score(outcomes, routes))
    assert found.best_cost == pytest.approx(routed_cost(outcomes, best))
    assert found.best_score == pytest.approx(routed_score(outcomes, best))
    for name, figures in (
        ("routes", (own.cost_ratio, own.score_difference)),
        ("single", (own.single_cost_ratio, own.single_score_difference)),
    ):
        chosen = routes if name == "routes" else single
        ratio = routed_cost(outcomes, chosen) / found.best_cost
        assert figures[0].estimate == pytest.approx(ratio)
        difference = routed_score(outcomes, chosen) - found.best_score
        assert figures[1].estimate == pytest.approx(difference)


def test_test_queries_are_routed_by_a_router_trained_on_all_training_queries(data):
    train, test = data.outcomes[:100], data.outcomes[100:]
    found = cost_at_quality(
        ROUTER, data.X[:100], train, X_test=data.X[100:], outcomes_test=test, n_resamples=20
    )
    own = found.get(0.02)
    router = router_on_scale_of(train).set_params(cost_weight=own.cost_weights[0])
    routes = router.fit(data.X[:100], train).predict(data.X[100:])
    assert own.cost == pytest.approx(routed_cost(test, routes))
    assert own.score == pytest.approx(routed_score(test, routes))
    assert found.best_model == best_single_model(train, cost_weight=0)
    assert found.n_queries == 60
    curve = deferral_curve(router, data.X[100:], test)
    np.testing.assert_allclose(found.curve.cost, curve.cost)
    assert found.curve.evaluated_on == "held-out queries"


def test_a_report_begins_with_the_same_figures(data, result):
    report = evaluate_router(ROUTER, data.X, data.outcomes, cv=4, n_resamples=200)
    assert report.cost_at_quality.results == result.results
    assert repr(report).split("\n")[1:4] == list(result.headline)
    assert "<strong>" + result.headline[1] in report._repr_html_().replace("&#x27;", "'")
    without = evaluate_router(
        ROUTER, data.X, data.outcomes, cv=4, inner_cv=None, n_resamples=200
    )  # fmt: skip
    assert without.cost_at_quality is None
    assert without.table.equals(report.table)


def test_the_cheapest_single_model_is_found_where_all_score_the_same(data):
    scores = np.repeat(data.outcomes.to_array()[:, :1], 3, axis=1)
    same = Outcomes.from_array(scores, costs=[3.0, 1.0, 2.0])
    own = cost_at_quality(ROUTER, data.X, same, max_loss=0.0, n_resamples=20).get(0.0)
    assert own.single_model == 1
    assert own.single_cost_ratio == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert own.single_is_within
    assert own.is_within
    assert own.cost_ratio.estimate == pytest.approx(1 / 3)


def test_a_router_that_cannot_keep_within_the_loss_is_the_best_single_model(data):
    noise = np.random.default_rng(0).normal(size=data.X.shape)
    found = cost_at_quality(ROUTER, noise, data.outcomes, max_loss=0.0, n_resamples=20)
    own = found.get(0.0)
    assert np.isnan(own.cost_weights).all()
    assert own.cost_ratio == (1, 1, 1)
    assert own.score_difference == (0, 0, 0)
    (sentence,) = found.headline
    assert sentence.startswith("No saving within 0 points of the best single model (model 2): the")


def test_a_higher_loss_is_cheaper_and_less_confidence_is_cheaper(data, result):
    costs = [own.cost for own in result.results]
    assert costs == sorted(costs, reverse=True)
    bold = cost_at_quality(ROUTER, data.X, data.outcomes, cv=4, confidence=0.5, n_resamples=20)
    assert bold.get(0.01).cost < result.get(0.01).cost


def test_a_loss_is_on_the_unit_scale_of_the_scores(data, result):
    grades = Outcomes.from_array(
        100 * data.outcomes.to_array(), models=data.outcomes.models,
        costs=data.outcomes.to_array("cost"), score_range=(0, 100),
    )  # fmt: skip
    found = cost_at_quality(ROUTER, data.X, grades, cv=4, n_resamples=200)
    for own, expected in zip(found.results, result.results, strict=True):
        np.testing.assert_allclose(own.cost_ratio, expected.cost_ratio)
        np.testing.assert_allclose(own.score_difference, expected.score_difference, atol=1e-12)
    assert found.best_score == pytest.approx(100 * result.best_score)


# ---- what is chosen on what ----------------------------------------------------------


@pytest.mark.parametrize("groups", [None, np.arange(24) // 4])
def test_weights_are_chosen_on_training_queries_that_are_not_of_a_group_of_the_router(groups):
    X, outcomes = numbered_queries(24)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    predictions = recorded_predictions(
        cost_at_quality, router, X, outcomes, cv=3, inner_cv=2, groups=groups, n_resamples=2
    )
    # Of each fold: the test queries, then the two halves of the training queries.
    assert len(predictions) == 9
    tested = [set(own.predicted) for own in predictions[::3]]
    assert set.union(*tested) == set(range(24))
    for number, own in enumerate(predictions):
        assert not set(own.trained_on) & set(own.predicted)
        if number % 3:
            assert not (set(own.trained_on) | set(own.predicted)) & tested[number // 3]
        if groups is not None:
            trained_on, predicted = (
                set(groups[np.array(rows, dtype=int)]) for rows in (own.trained_on, own.predicted)
            )
            assert not trained_on & predicted


def test_there_are_at_most_as_many_inner_folds_as_groups(data):
    groups = np.arange(160) % 3
    found = cost_at_quality(ROUTER, data.X, data.outcomes, cv=3, groups=groups, n_resamples=20)
    assert not np.isnan(found.get(0.02).cost_weights).all()
    # With two groups, one is left to train on, which cannot be split.
    halves = cost_at_quality(
        ROUTER, data.X, data.outcomes, cv=2, groups=groups % 2, n_resamples=20
    )  # fmt: skip
    assert np.isnan(halves.get(0.02).cost_weights).all()


def test_folds_run_in_parallel_and_seeds_decide(data):
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    assert runs_in_parallel(cost_at_quality, router, X, outcomes, n_resamples=2)
    options = {"cv": 3, "n_resamples": 20, "random_state": 3}
    alone = cost_at_quality(ROUTER, data.X, data.outcomes, **options)
    with joblib.parallel_config("threading"):
        parallel = cost_at_quality(ROUTER, data.X, data.outcomes, **options, n_jobs=2)
    assert parallel.results == alone.results


def test_a_pipeline_is_left_unfitted(data, result):
    pipeline = make_pipeline(
        StandardScaler(), DistributionalRouter(Ridge(), cost_weight=0.7, calibration=None)
    )
    found = cost_at_quality(pipeline, data.X, data.outcomes, cv=4, n_resamples=2)
    assert not hasattr(pipeline[-1], "models_")
    assert found.get(0.02).cost == pytest.approx(result.get(0.02).cost, rel=0.2)


# ---- outcomes that are missing -------------------------------------------------------


def test_missing_pairs_can_be_skipped(data, result):
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    dropped = np.random.default_rng(0).random(scores.shape[:2]) < 0.1
    scores[dropped], costs[dropped] = NAN, NAN
    sparse = Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)
    router = DistributionalRouter(Ridge(), heads="model", calibration=None)
    with pytest.raises(ValueError, match=rf"{dropped.sum()} \(query, model\) pairs have no outco"):
        cost_at_quality(router, data.X, sparse)
    found = cost_at_quality(router, data.X, sparse, cv=4, missing="skip", n_resamples=50)
    assert found.get(0.02).cost_ratio.estimate == pytest.approx(
        result.get(0.02).cost_ratio.estimate, abs=0.1
    )
    assert found.notes[0].startswith(f"{dropped.sum()} of 480 (query, model) pairs have no outcome")
    report = evaluate_router(router, data.X, sparse, cv=2, missing="skip", n_resamples=5)
    assert report.cost_at_quality is not None


# ---- bad input -----------------------------------------------------------------------


class DecidingRegressor(RegressorMixin, BaseEstimator):
    """Has its own decision rule."""

    def fit(self, X, y):
        return self

    def decision_function(self, X, cost_weight):
        return np.zeros((len(X), 3))


def test_bad_input_is_named(data):
    X, outcomes = data.X, data.outcomes
    for max_loss in (-0.01, NAN, True, "1", [0.01, -0.5]):
        with pytest.raises(ValueError, match="max_loss must be a finite number of at least 0, got"):
            cost_at_quality(ROUTER, X, outcomes, max_loss=max_loss)
    with pytest.raises(ValueError, match="max_loss=1 allows the loss of the whole range"):
        cost_at_quality(ROUTER, X, outcomes, max_loss=1)
    with pytest.raises(ValueError, match="max_loss is empty"):
        cost_at_quality(ROUTER, X, outcomes, max_loss=[])
    with pytest.raises(ValueError, match="inner_cv must be an int of at least 2, got 1"):
        cost_at_quality(ROUTER, X, outcomes, inner_cv=1)
    with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\), got 95"):
        cost_at_quality(ROUTER, X, outcomes, confidence=95)
    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        cost_at_quality(Ridge(), X, outcomes)
    with pytest.raises(ValueError, match="give X_test and outcomes_test together, or neither"):
        cost_at_quality(ROUTER, X, outcomes, X_test=X)
    with pytest.raises(ValueError, match="X has 10 queries and the outcomes have 160"):
        cost_at_quality(ROUTER, X[:10], outcomes)


def test_outcomes_without_a_cost_relative_to_the_best_single_model_are_refused(data):
    X, outcomes = data.X, data.outcomes
    scores = outcomes.to_array()
    with pytest.raises(ValueError, match="these outcomes have no costs"):
        cost_at_quality(ROUTER, X, Outcomes.from_array(scores))
    with pytest.raises(ValueError, match="all costs of these outcomes are 0.*with_prices"):
        cost_at_quality(ROUTER, X, Outcomes.from_array(scores, costs=[0.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match=r"of one model only \(model 1\)"):
        cost_at_quality(ROUTER, X, outcomes.subset(models=["model 1"]))
    free = Outcomes.from_array(scores, costs=[1.0, 2.0, 0.0])
    with pytest.raises(ValueError, match=r"the best single model \(2\) costs nothing"):
        cost_at_quality(ROUTER, X, free, n_resamples=2)


def test_a_cost_weight_that_is_fixed_at_fit_time_is_refused_and_a_report_says_so(data):
    for router, message in (
        (
            DistributionalRouter(Ridge(), target="utility", calibration=None),
            "fixed at fit time for target='utility'",
        ),
        (DistributionalRouter(DecidingRegressor(), calibration=None), "has its own decision rule"),
    ):
        with pytest.raises(ValueError, match=message):
            cost_at_quality(router, data.X, data.outcomes)
        report = evaluate_router(router, data.X, data.outcomes, cv=2, n_resamples=2)
        assert report.cost_at_quality is None
        assert any("the cost at the quality of the best single" in note for note in report.notes)
        (sentence,) = report.headline
        assert sentence.startswith("router at cost_weight=0.05: ")


def test_a_report_without_a_cost_at_quality_says_why(data):
    scores = data.outcomes.to_array()
    for costs, reason in (
        ([0.0, 0.0, 0.0], "is not shown: all costs of these outcomes are 0"),
        ([1.0, 2.0, 0.0], "is not shown: the best single model (2) costs nothing"),
    ):
        free = Outcomes.from_array(scores, costs=costs)
        report = evaluate_router(ROUTER, data.X, free, cv=2, n_resamples=2)
        assert report.headline == ()
        assert any(reason in note for note in report.notes)
