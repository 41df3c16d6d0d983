import warnings

import numpy as np
import pytest
import sklearn
from known_estimators import ClassifierRecorder, Recorder
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.labels import probability_best
from dars_sklearn.routing._targets import TARGETS, LabelSource, UtilityLines
from dars_sklearn.utility import find_cost_range

ROOT = np.sqrt(0.5)

# Three queries, two models, two paraphrases. Outcomes of "a" cost 2, and those of "b" cost 6.
SCORES = np.array([[[1, 0], [1, 1]], [[0, 0], [1, 0]], [[1, 1], [0, 1]]])
OUTCOMES = Outcomes.from_array(SCORES[..., None], models=["a", "b"], costs=[2.0, 6.0])
QUALITY = np.array([[0.5, 1.0], [0.0, 0.5], [1.0, 0.5]])
SCALED_COST = np.array([[0.0, 1.0]] * 3)
RISK = np.array([[ROOT, 0.0], [0.0, ROOT], [0.0, ROOT]])


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(150, 3, 3, 2, interaction=2.0, random_state=0)


def labels(target, **weights):
    settings = {"cost_weight": 0.1, "risk_aversion": 0.4, "random_state": None} | weights
    source = LabelSource(
        OUTCOMES, OutcomeAggregator().fit_aggregate(OUTCOMES), cost_range=(2.0, 6.0), **settings
    )
    blocks = TARGETS[target].make_blocks(source)
    assert tuple(blocks) == TARGETS[target].blocks
    return blocks


def predicted(target, columns):
    blocks = np.split(np.array(columns, dtype=float), len(TARGETS[target].blocks), axis=1)
    return dict(zip(TARGETS[target].blocks, blocks, strict=True))


# ---- what is learned -------------------------------------------------------------


def test_capability_is_learned_as_quality_scaled_cost_and_risk():
    blocks = labels("capability")
    np.testing.assert_allclose(blocks["quality"], QUALITY)
    np.testing.assert_allclose(blocks["cost"], SCALED_COST)
    np.testing.assert_allclose(blocks["risk"], RISK)


def test_penalised_quality_is_quality_less_weighted_risk():
    blocks = labels("penalised")
    np.testing.assert_allclose(blocks["quality"], QUALITY - 0.4 * RISK)
    np.testing.assert_allclose(blocks["cost"], SCALED_COST)


def test_utility_is_quality_less_weighted_cost_less_weighted_risk():
    expected = QUALITY - 0.1 * SCALED_COST - 0.4 * RISK
    np.testing.assert_allclose(labels("utility")["utility"], expected)


@pytest.mark.parametrize("seed", [None, 3])
def test_the_choice_is_learned_as_the_posterior_probability_of_being_best(seed):
    expected = probability_best(
        OUTCOMES, cost_weight=0.1, cost_range=(2.0, 6.0), random_state=0 if seed is None else seed
    )
    found = labels("choice", random_state=seed)["probability"]
    np.testing.assert_array_equal(found, expected)
    assert (found != labels("choice", random_state=4)["probability"]).any()


def test_the_choice_uses_the_cost_range_and_weight_of_the_router(data):
    aggregator = OutcomeAggregator(cost_scaling=(0.0, 50.0))
    router = DistributionalRouter(
        Recorder(), target="choice", cost_weight=0.8, aggregator=aggregator, random_state=1
    ).fit(data.X, data.outcomes)
    settings = {"cost_weight": 0.8, "cost_range": (0.0, 50.0), "random_state": 1}
    expected = probability_best(data.outcomes, **settings)
    np.testing.assert_array_equal(router.estimators_[0].y_, expected)
    for other in ({"cost_weight": 0.1}, {"cost_range": None}, {"random_state": 2}):
        assert (expected != probability_best(data.outcomes, **settings | other)).any()


def test_each_target_says_which_weights_are_fixed_at_fit_time():
    fixed = {name: target.fixed_weights for name, target in TARGETS.items()}
    assert fixed == {
        "capability": (),
        "penalised": ("risk_aversion",),
        "utility": ("cost_weight", "risk_aversion"),
        "choice": ("cost_weight",),
    }


# ---- predictions within the range of their quantity ------------------------------


@pytest.mark.parametrize(
    ("limits", "quality"), [((0, 1), [[1.0, 0.0]]), ((-np.inf, np.inf), [[1.2, -0.3]])]
)
def test_predicted_quality_stays_within_its_limits(limits, quality):
    columns = predicted("capability", [[1.2, -0.3, 0.5, 0.5, 0.1, 0.1]])
    found = TARGETS["capability"].constrain(columns, limits, (0, 1))
    np.testing.assert_array_equal(found["quality"], quality)


@pytest.mark.parametrize("target", ["capability", "penalised"])
@pytest.mark.parametrize(
    ("limits", "cost"), [((0, 1), [[1.0, 0.0]]), ((-np.inf, np.inf), [[1.7, -0.4]])]
)
def test_predicted_cost_stays_within_its_limits(target, limits, cost):
    columns = {name: np.array([[0.5, 0.5]]) for name in TARGETS[target].blocks}
    columns["cost"] = np.array([[1.7, -0.4]])
    found = TARGETS[target].constrain(columns, (0.0, 1.0), limits)
    np.testing.assert_array_equal(found["cost"], cost)


def test_predicted_risk_is_not_negative():
    columns = predicted("capability", [[0.5, 0.5, 0.5, 0.5, -0.2, 3.0]])
    found = TARGETS["capability"].constrain(columns, (0.0, 1.0), (0, 1))
    assert list(found) == ["quality", "cost", "risk"]
    np.testing.assert_array_equal(found["risk"], [[0.0, 3.0]])


def test_penalised_quality_may_leave_the_range_of_scores():
    columns = predicted("penalised", [[1.2, -0.3, 0.5, 0.5]])
    found = TARGETS["penalised"].constrain(columns, (0.0, 1.0), (0, 1))
    np.testing.assert_array_equal(found["quality"], [[1.2, -0.3]])


def test_predicted_utility_has_no_range():
    columns = predicted("utility", [[1.2, -0.3]])
    found = TARGETS["utility"].constrain(columns, (0.0, 1.0), (0, 1))
    np.testing.assert_array_equal(found["utility"], [[1.2, -0.3]])


def test_probabilities_are_not_negative_and_sum_to_one():
    columns = predicted("choice", [[0.9, 0.3, -0.5], [0.0, 0.0, 2.0], [0.2, 0.1, 0.1]])
    found = TARGETS["choice"].constrain(columns, (0.0, 1.0), (0, 1))
    expected = [[0.75, 0.25, 0.0], [0.0, 0.0, 1.0], [0.5, 0.25, 0.25]]
    np.testing.assert_allclose(found["probability"], expected)


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0, 0.0], [-1.0, -2.0, 0.0, -0.5]])
def test_probabilities_are_equal_where_no_prediction_is_positive(row):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = TARGETS["choice"].constrain(predicted("choice", [row]), None, (0, 1))
    np.testing.assert_array_equal(found["probability"], [[0.25] * 4])


# ---- utilities as lines in the cost weight ---------------------------------------


def test_utility_lines_are_evaluated_at_a_cost_weight():
    lines = UtilityLines(np.array([[0.9, 0.5]]), np.array([[0.5, -0.25]]))
    np.testing.assert_allclose(lines.utilities(0.0), [[0.9, 0.5]])
    np.testing.assert_allclose(lines.utilities(0.4), [[0.7, 0.6]])


@pytest.mark.parametrize(
    ("target", "columns", "intercept", "slope"),
    [
        ("capability", [[0.9, 0.8, 0.5, 0.2, 0.4, 0.1]], [[0.78, 0.77]], [[0.5, 0.2]]),
        ("penalised", [[0.9, 0.8, 0.5, 0.2]], [[0.9, 0.8]], [[0.5, 0.2]]),
        ("utility", [[0.9, 0.8]], [[0.9, 0.8]], [[0.0, 0.0]]),
        ("choice", [[0.6, 0.4]], [[0.6, 0.4]], [[0.0, 0.0]]),
    ],
)
def test_utility_lines_of_each_target(target, columns, intercept, slope):
    lines = TARGETS[target].utility_lines(predicted(target, columns), 0.3)
    np.testing.assert_allclose(lines.intercept, intercept)
    np.testing.assert_allclose(np.broadcast_to(lines.slope, np.shape(slope)), slope)
    np.testing.assert_allclose(lines.utilities(0.7), np.array(intercept) - 0.7 * np.array(slope))


# ---- target="choice" in a router -------------------------------------------------


def best_probability(data, cost_weight=0.05):
    cost_range = find_cost_range(data.outcomes)
    return probability_best(data.outcomes, cost_weight=cost_weight, cost_range=cost_range)


def test_a_regressor_learns_the_probabilities(data):
    router = DistributionalRouter(Ridge(), target="choice").fit(data.X, data.outcomes)
    expected = Ridge().fit(data.X, best_probability(data)).predict(data.X)
    expected = np.maximum(expected, 0)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(router.predict_proba(data.X), expected)
    np.testing.assert_allclose(router.decision_function(data.X), expected)
    np.testing.assert_array_equal(router.predict(data.X), router.models_[expected.argmax(axis=1)])


@pytest.mark.parametrize("heads", ["joint", "separate"])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_classifier_learns_the_probabilities_as_weights(data, in_pipeline, heads):
    classifier = LogisticRegression()
    if in_pipeline:
        classifier = make_pipeline(StandardScaler(), LogisticRegression())
    router = DistributionalRouter(classifier, target="choice", heads=heads)
    router.fit(data.X, data.outcomes)
    probability = best_probability(data)
    rows, models = np.nonzero(probability)
    name = "logisticregression__sample_weight" if in_pipeline else "sample_weight"
    expected = (
        clone(classifier)
        .fit(data.X[rows], models, **{name: probability[rows, models]})
        .predict_proba(data.X)
    )
    np.testing.assert_allclose(router.predict_proba(data.X), expected, atol=1e-6)
    np.testing.assert_allclose(router.decision_function(data.X), expected, atol=1e-6)


def test_a_classifier_receives_the_seed_of_the_router(data):
    router = DistributionalRouter(ClassifierRecorder(), target="choice", random_state=5)
    router.fit(data.X, data.outcomes)
    (seed,) = np.random.RandomState(5).randint(2**31 - 1, size=1)
    assert router.estimators_[0].random_state == seed


@pytest.mark.parametrize("estimator", [None, Ridge(), LogisticRegression()])
def test_learning_the_choice_routes_better_than_the_best_single_model(estimator):
    fresh = make_routing_outcomes(300, 3, 3, 2, interaction=2.0, random_state=0)
    train, test = np.arange(200), np.arange(200, 300)
    router = DistributionalRouter(estimator, target="choice", cost_weight=0.0, random_state=0)
    router.fit(fresh.X[train], fresh.outcomes[train])
    columns = np.searchsorted(router.models_, router.predict(fresh.X[test]))
    routed_quality = fresh.expected_quality[test, columns].mean()
    assert routed_quality > fresh.expected_quality[test].mean(axis=0).max() + 0.02


def test_a_model_that_is_never_best_has_no_probability():
    X = np.arange(20.0)[:, None]
    scores = np.zeros((20, 3, 2, 2))
    scores[:10, 0], scores[10:, 2] = 1, 1
    scores[:, 1] = -10
    outcomes = Outcomes.from_array(scores, models=["a", "never", "b"], score_range=None)
    router = DistributionalRouter(LogisticRegression(), target="choice").fit(X, outcomes)
    assert (router.predict_proba(X)[:, 1] < 0.01).all()
    assert router.predict(X[[0, 19]]).tolist() == ["a", "b"]


def test_what_cannot_learn_a_choice_is_refused(data):
    router = DistributionalRouter(LinearSVC(), target="choice")
    with pytest.raises(ValueError, match="LinearSVC has no predict_proba; wrap it in Calibrated"):
        router.fit(data.X, data.outcomes)
    router = DistributionalRouter(target="choice", heads="model")
    with pytest.raises(ValueError, match="target='choice' compares models .*use heads='joint'"):
        router.fit(data.X, data.outcomes)


def test_a_router_of_choices_does_not_learn_capability(data):
    router = DistributionalRouter(target="choice").fit(data.X, data.outcomes)
    with pytest.raises(ValueError, match="target='choice' does not learn capability"):
        router.predict_capability(data.X)


def test_only_a_router_of_choices_predicts_probabilities():
    assert hasattr(DistributionalRouter(target="choice"), "predict_proba")
    for target in ("capability", "penalised", "utility"):
        assert not hasattr(DistributionalRouter(target=target), "predict_proba")


def test_a_grid_search_compares_regressors_and_classifiers_of_the_choice(data):
    grid = {"estimator": [Ridge(), LogisticRegression()], "target": ["choice"]}
    search = GridSearchCV(DistributionalRouter(), grid, cv=3, error_score="raise")
    search.fit(data.X, data.outcomes)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_sample_weights_of_a_classifier_multiply_the_probabilities(data):
    weight = np.r_[np.zeros(75), np.ones(75)]
    with sklearn.config_context(enable_metadata_routing=True):
        inner = ClassifierRecorder().set_fit_request(sample_weight=True)
        router = DistributionalRouter(inner, target="choice")
        router.fit(data.X, data.outcomes, sample_weight=weight)
    probability = best_probability(data)
    rows, models = np.nonzero(probability)
    found = router.estimators_[0].sample_weight_
    np.testing.assert_array_equal(found, probability[rows, models] * weight[rows])
