"""Cost weights that keep a budget or a quality, against plain searches over the curve."""

from functools import cache

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

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes, tune_cost_weight
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._cost_weight_search import (
    first_point_within_budget,
    last_point_with_score,
    last_point_within_loss,
)
from dars_sklearn.metrics import routed_cost
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.utility import find_cost_range

ROUTER = DistributionalRouter(Ridge(), calibration=None)


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(120, 3, 3, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def out_of_fold_routes(data):
    """Route every query at a cost weight by a router that was not trained on the query."""
    outcomes = data.outcomes
    limits = outcomes.cost.min(), outcomes.cost.max()
    router = DistributionalRouter(
        Ridge(), calibration=None, aggregator=OutcomeAggregator(cost_scaling=limits)
    )
    folds = [
        (test, DistributionalRouter(**router.get_params(deep=False)).fit(data.X[train], known))
        for train, test in KFold(10, shuffle=True, random_state=0).split(data.X)
        for known in [outcomes[train]]
    ]

    @cache
    def route(cost_weight):
        columns = np.empty(len(outcomes), dtype=int)
        for test, fitted in folds:
            utilities = fitted.set_params(cost_weight=cost_weight).decision_function(data.X[test])
            columns[test] = utilities.argmax(axis=1)
        return columns

    return route


def slow_limits(values, n_new):
    """Mean of some values, and the standard error of the mean as a forecast of new values."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    new = 0 if n_new is None else variance / n_new
    return mean, np.sqrt(variance / n + new)


# ---- search --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "point"), [(9, 0), (5, 0), (4, 1), (3, 3), (2.5, 3), (2, 3), (1.5, 4), (1, 4)]
)
def test_the_search_for_a_budget_starts_at_the_cheapest_point_and_stops_at_the_first_excess(
    budget, point
):
    cost = np.array([5.0, 3.0, 4.0, 2.0, 1.0])
    assert first_point_within_budget(cost, np.zeros(5), budget) == point
    assert first_point_within_budget(cost - 1, np.ones(5), budget) == point


@pytest.mark.parametrize(
    ("min_score", "point"), [(0.9, 0), (0.85, 0), (0.7, 0), (0.65, 2), (0.6, 2), (0.5, 4), (0, 4)]
)
def test_the_search_for_a_score_starts_at_the_best_point_and_stops_at_the_first_shortfall(
    min_score, point
):
    score = np.array([0.9, 0.65, 0.8, 0.5, 0.6])
    assert last_point_with_score(score, np.zeros(5), min_score) == point
    assert last_point_with_score(score + 0.1, np.full(5, 0.1), min_score - 1e-9) == point


def test_a_budget_below_the_cheapest_routes_is_refused():
    message = "budget=0.9 is below the cost of the cheapest routes, which is 1 per query, and 1.5"
    with pytest.raises(ValueError, match=message):
        first_point_within_budget(np.array([5.0, 1.0]), np.array([0.1, 0.5]), 0.9)
    with pytest.raises(ValueError, match=r"budget=1.2 .* 1 per query, and 1.5 with its margin"):
        first_point_within_budget(np.array([5.0, 1.0]), np.array([0.1, 0.5]), 1.2)


def test_a_score_above_the_best_routes_is_refused():
    message = "min_score=0.8 is above the score of the best routes, which is 0.9, and 0.7 with its"
    with pytest.raises(ValueError, match=message):
        last_point_with_score(np.array([0.9, 0.95]), np.array([0.2, 0.1]), 0.8)


@pytest.mark.parametrize(
    ("max_loss", "point"), [(0, 0), (0.05, 0), (0.15, 1), (0.25, 3), (0.3, 3), (0.9, 4)]
)
def test_the_search_for_a_loss_starts_at_the_best_point_and_stops_at_the_first_excess(
    max_loss, point
):
    difference = np.array([0.1, -0.15, -0.2, -0.25, -0.5])
    expected = point if max_loss != 0.25 else 3
    assert last_point_within_loss(difference, np.zeros(5), max_loss) == expected
    assert last_point_within_loss(difference + 0.1, np.full(5, 0.1), max_loss) == expected


def test_no_point_is_within_a_loss_that_the_first_one_may_exceed():
    difference = np.array([-0.01, 0.2])
    assert last_point_within_loss(difference, np.array([0.01, 0.0]), 0.015) is None
    assert last_point_within_loss(difference, np.full(2, np.nan), 0.5) is None
    assert last_point_within_loss(np.zeros(1) - 1e-12, np.zeros(1), 0.0) == 0


# ---- choice --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("promise", "options"),
    [
        ({"budget": 4.0}, {}),
        ({"budget": 5.0}, {"confidence": 0.7, "n_queries": 30}),
        ({"min_score": 0.6}, {}),
        ({"min_score": 0.55}, {"confidence": 0.99, "n_queries": 500}),
        ({"max_loss": 0.02}, {}),
        ({"max_loss": 0.0}, {"confidence": 0.7, "n_queries": 200}),
    ],
)
def test_the_choice_is_that_of_a_slow_search(data, out_of_fold_routes, promise, options):
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, **promise, **options)
    confidence, n_new = options.get("confidence", 0.9), options.get("n_queries")
    realised, rows, margin = RealisedValues(data.outcomes), np.arange(120), norm.ppf(confidence)
    best = realised.score.mean(axis=0).argmax()
    points = []
    for weight in choice.curve.cost_weight:
        columns = out_of_fold_routes(weight)
        cost = slow_limits(realised.cost[rows, columns].tolist(), n_new)
        score = slow_limits(realised.score[rows, columns].tolist(), n_new)
        above_best = realised.score[rows, columns] - realised.score[:, best]
        points.append((weight, cost, score, slow_limits(above_best.tolist(), n_new)))
    chosen = None
    if "budget" in promise:
        for point in reversed(points):
            if point[1][0] + margin * point[1][1] > promise["budget"]:
                break
            chosen = point
    else:
        number, lowest = (
            (2, promise["min_score"]) if "min_score" in promise else (3, -promise["max_loss"])
        )
        for point in points:
            if point[number][0] - margin * point[number][1] < lowest:
                break
            chosen = point
    weight, *expected = chosen
    assert 0 < weight < points[-1][0]
    assert choice.cost_weight == weight
    half_width = norm.ppf(1 - (1 - confidence) / 2)
    figures = choice.cost, choice.score, choice.score_difference
    for found, (mean, error) in zip(figures, expected, strict=True):
        interval = (mean, mean - half_width * error, mean + half_width * error)
        assert found == pytest.approx(interval)
    assert choice.confidence == confidence
    assert choice.best_model == realised.models[best]


def test_a_larger_budget_buys_quality_and_a_safer_promise_costs_quality(data):
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=4.0)
    larger = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=6.0)
    assert larger.cost_weight < choice.cost_weight
    assert larger.score[0] > choice.score[0]
    safer = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=4.0, confidence=0.99)
    assert safer.cost_weight > choice.cost_weight
    of_few = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=4.0, n_queries=50)
    assert of_few.cost_weight > choice.cost_weight


def test_how_a_choice_is_shown(data):
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=4.0)
    assert choice.promise == "a mean cost of at most 4"
    assert choice.cost == (choice.cost.estimate, choice.cost.low, choice.cost.high)
    cost, low, high = choice.cost
    text = repr(choice)
    assert f"cost_weight={choice.cost_weight:.4g} for a mean cost of at most 4 at 90%" in text
    assert f"; cost {cost:.4g} [{low:.4g}, {high:.4g}], score {choice.score[0]:.4g} [" in text
    low, high = data.outcomes.cost.min(), data.outcomes.cost.max()
    assert choice.cost_range == (low, high)
    assert choice.answer_value == pytest.approx((high - low) / choice.cost_weight)
    (note,) = choice.notes
    assert note.startswith(f"cost_weight={choice.cost_weight:.4g}: a fully right answer is worth ")
    assert text.endswith(f"; {note}>")
    difference = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*choice.score_difference)
    assert f"], {difference} beside the best single model (model 2); " in text
    assert "score less that of the best single model (model 2)" in choice._repr_html_()
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, min_score=0.55)
    assert choice.promise == "a mean score of at least 0.55"
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, max_loss=0.01)
    assert choice.promise == "a mean score within one point of the best single model (model 2)"


@pytest.mark.parametrize(
    ("scaling", "cost_range"), [(None, (0.0, 1.0)), ((1.0, 9.0), (1.0, 9.0)), ("robust", None)]
)
def test_the_value_of_an_answer_is_the_same_however_the_router_scales_costs(
    data, scaling, cost_range
):
    router = DistributionalRouter(
        Ridge(), calibration=None, aggregator=OutcomeAggregator(cost_scaling=scaling)
    )
    choice = tune_cost_weight(router, data.X, data.outcomes, min_score=0.55)
    assert choice.cost_range == (cost_range or find_cost_range(data.outcomes, "robust"))
    as_usual = tune_cost_weight(ROUTER, data.X, data.outcomes, min_score=0.55)
    assert choice.answer_value == pytest.approx(as_usual.answer_value, rel=0.02)


def test_a_loss_is_on_the_unit_scale_of_the_scores(data):
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, max_loss=0.02)
    grades = Outcomes.from_array(
        100 * data.outcomes.to_array(), models=data.outcomes.models,
        costs=data.outcomes.to_array("cost"), score_range=(0, 100),
    )  # fmt: skip
    of_grades = tune_cost_weight(ROUTER, data.X, grades, max_loss=0.02)
    np.testing.assert_allclose(of_grades.score_difference, choice.score_difference)
    assert of_grades.cost == pytest.approx(choice.cost)


def test_a_higher_loss_is_cheaper_and_one_that_cannot_be_promised_is_refused(data):
    cheap, cheaper = (
        tune_cost_weight(ROUTER, data.X, data.outcomes, max_loss=max_loss)
        for max_loss in (0.0, 0.1)
    )
    assert cheaper.cost.estimate < cheap.cost.estimate
    noise = np.random.default_rng(0).normal(size=data.X.shape)
    message = r"max_loss=0.0 cannot be promised: at a cost weight of 0 the routes score -0\.\d+ "
    with pytest.raises(
        ValueError, match=message + r"beside the best single model \(model 2\), and"
    ):
        tune_cost_weight(ROUTER, noise, data.outcomes, max_loss=0.0)


def test_pairs_without_outcomes_can_be_skipped(data):
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    dropped = np.random.default_rng(0).random(scores.shape[:2]) < 0.2
    dropped[dropped.all(axis=1), 0] = False
    scores[dropped], costs[dropped] = np.nan, np.nan
    sparse = Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)
    router = DistributionalRouter(Ridge(), heads="model", calibration=None)
    with pytest.raises(ValueError, match="routed to a model that has no outcome"):
        tune_cost_weight(router, data.X, sparse, budget=4.0)
    choice = tune_cost_weight(router, data.X, sparse, budget=4.0, missing="skip")
    assert choice.cost.estimate < 4.0
    fitted = router.set_params(cost_weight=choice.cost_weight).fit(data.X, sparse)
    cost = routed_cost(sparse, fitted.predict(data.X), missing="skip")
    assert cost == pytest.approx(choice.cost.estimate, rel=0.1)
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        tune_cost_weight(router, data.X, sparse, budget=4.0, missing="drop")


def test_seeds_decide_whatever_runs_in_parallel(data):
    first = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=4.0, cv=3, random_state=1)
    with joblib.parallel_config("threading"):
        second = tune_cost_weight(
            ROUTER, data.X, data.outcomes, budget=4.0, cv=3, random_state=1, n_jobs=2
        )
    np.testing.assert_array_equal(second.curve.cost, first.curve.cost)
    other = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=4.0, cv=3, random_state=2)
    assert other.curve.cost.tolist() != first.curve.cost.tolist()


@pytest.mark.parametrize("groups", [None, np.arange(30) // 5])
def test_queries_are_routed_by_routers_that_were_not_trained_on_them_or_their_group(groups):
    X, outcomes = numbered_queries(30)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    predictions = recorded_predictions(
        tune_cost_weight, router, X, outcomes, budget=3.0, cv=3, groups=groups
    )
    assert sorted(row for own in predictions for row in own.predicted) == list(range(30))
    for own in predictions:
        assert sorted(own.trained_on + own.predicted) == list(range(30))
        if groups is not None:
            trained_on, predicted = (
                set(groups[np.array(rows, dtype=int)]) for rows in (own.trained_on, own.predicted)
            )
            assert not trained_on & predicted


def test_folds_run_in_parallel():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    assert runs_in_parallel(tune_cost_weight, router, X, outcomes, budget=3.0)


def test_ten_folds_are_the_default():
    X, outcomes = numbered_queries(30)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    assert len(recorded_predictions(tune_cost_weight, router, X, outcomes, budget=3.0)) == 10


def test_a_pipeline_is_tuned_and_left_unfitted(data):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter(Ridge()))
    choice = tune_cost_weight(pipeline, data.X, data.outcomes, budget=4.0)
    assert choice.cost[0] < 4.0
    assert pipeline[-1].cost_weight == 0.05
    assert not hasattr(pipeline[-1], "models_")


def test_one_model_needs_no_cost_weight():
    data = make_routing_outcomes(20, 1, 2, 2, random_state=0)
    router = DistributionalRouter(Ridge(), calibration=None)
    assert tune_cost_weight(router, data.X, data.outcomes, budget=99.0).cost_weight == 0.0


def test_budgets_are_kept_on_new_queries_at_the_rate_promised():
    """With 60 repetitions, the standard error of the rate is 0.04; more in the benchmarks."""
    world = make_routing_outcomes(10000, 3, 1, 2, random_state=0)
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(60):
        order = rng.permutation(10000)
        train, new = order[:150], order[150:250]
        router = DistributionalRouter(Ridge(), calibration=None)
        choice = tune_cost_weight(
            router, world.X[train], world.outcomes[train], budget=4.0, n_queries=100, cv=4
        )
        router.set_params(cost_weight=choice.cost_weight)
        routes = router.fit(world.X[train], world.outcomes[train]).predict(world.X[new])
        kept.append(routed_cost(world.outcomes[new], routes) <= 4.0)
    assert 0.8 <= np.mean(kept) <= 0.98


# ---- bad input -----------------------------------------------------------------------


class DecidingRegressor(RegressorMixin, BaseEstimator):
    """Has its own decision rule."""

    def fit(self, X, y):
        return self

    def decision_function(self, X, cost_weight):
        return np.zeros((len(X), 3))


def test_bad_input_is_named(data):
    X, outcomes = data.X, data.outcomes
    for promise, given in (
        ({}, "none of them"),
        ({"budget": 1.0, "min_score": 0.5}, "budget and min_score"),
        ({"budget": 1.0, "max_loss": 0.5}, "budget and max_loss"),
    ):
        message = f"give exactly one of budget, min_score and max_loss, got {given}"
        with pytest.raises(ValueError, match=message):
            tune_cost_weight(ROUTER, X, outcomes, **promise)
    for max_loss in (-0.01, float("nan"), "1", True):
        with pytest.raises(ValueError, match=f"max_loss must be a finite number.*{max_loss!r}"):
            tune_cost_weight(ROUTER, X, outcomes, max_loss=max_loss)
    with pytest.raises(ValueError, match="max_loss=1 allows the loss of the whole range of scores"):
        tune_cost_weight(ROUTER, X, outcomes, max_loss=1)
    for confidence in (0, 1, 90, True):
        with pytest.raises(ValueError, match=rf"confidence must be in \(0, 1\), got {confidence}"):
            tune_cost_weight(ROUTER, X, outcomes, budget=4.0, confidence=confidence)
    for n_queries in (0, 2.5, True, float("nan"), "9"):
        with pytest.raises(ValueError, match=f"n_queries must be an int .* got {n_queries!r}"):
            tune_cost_weight(ROUTER, X, outcomes, budget=4.0, n_queries=n_queries)
    for name in ("budget", "min_score"):
        for value in (float("nan"), float("inf"), True, "4"):
            with pytest.raises(ValueError, match=f"{name} must be a finite number, got {value!r}"):
                tune_cost_weight(ROUTER, X, outcomes, **{name: value})
    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        tune_cost_weight(Ridge(), X, outcomes, budget=4.0)
    with pytest.raises(ValueError, match="X has 10 queries and the outcomes have 120"):
        tune_cost_weight(ROUTER, X[:10], outcomes, budget=4.0)
    with pytest.raises(ValueError, match="these outcomes have no costs"):
        tune_cost_weight(ROUTER, X[:5], Outcomes.from_array(np.ones((5, 2))), budget=4.0)
    with pytest.raises(ValueError, match="budget=0.5 is below the cost of the cheapest routes"):
        tune_cost_weight(ROUTER, X, outcomes, budget=0.5)
    with pytest.raises(ValueError, match="min_score=0.99 is above the score of the best routes"):
        tune_cost_weight(ROUTER, X, outcomes, min_score=0.99)


def test_a_cost_weight_that_is_fixed_at_fit_time_cannot_be_tuned(data):
    fixed = DistributionalRouter(Ridge(), target="utility", calibration=None)
    with pytest.raises(ValueError, match="fixed at fit time for target='utility'"):
        tune_cost_weight(fixed, data.X, data.outcomes, budget=4.0)
    deciding = DistributionalRouter(DecidingRegressor(), calibration=None)
    with pytest.raises(ValueError, match="has its own decision rule"):
        tune_cost_weight(deciding, data.X, data.outcomes, budget=4.0)
