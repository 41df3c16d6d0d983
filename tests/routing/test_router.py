import copy
import pickle
import re
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from known_estimators import (
    FeaturesAsPredictions,
    LayoutRecorder,
    NonlinearRule,
    OneColumnRecorder,
    Recorder,
)
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_validate,
    learning_curve,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    cross_val_capability,
    routing_scorer,
)
from dars_sklearn.exceptions import ImputationWarning
from dars_sklearn.metrics import oracle_utility
from dars_sklearn.routing.estimators import NeighborsRegressorCV

SPARSE = "expects predictions of shape (n, 1) from several outputs; a router predicts names"


def copies_by_pickle(router):
    """Return a router that was saved and loaded."""
    return pickle.loads(pickle.dumps(router))


@parametrize_with_checks(
    [
        DistributionalRouter(),
        DistributionalRouter(Ridge(), heads="separate"),
        DistributionalRouter(target="penalised"),
        DistributionalRouter(target="utility"),
        DistributionalRouter(target="choice"),
        DistributionalRouter(heads="model"),
    ],
    expected_failed_checks=lambda estimator: {
        "check_estimator_sparse_array": SPARSE,
        "check_estimator_sparse_matrix": SPARSE,
    },
)
@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.SeparabilityWarning")
def test_a_router_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    p = 1 / (1 + np.exp(-3 * X[:, :3]))
    scores = (rng.random((60, 3, 5, 2)) < p[:, :, None, None]).astype(float)
    costs = rng.random((60, 3, 5, 2)) + np.arange(3)[:, None, None]
    return X, Outcomes.from_array(scores, models=["a", "b", "c"], costs=costs)


# ---- by hand: labels, predictions, utilities and routes --------------------------

# Three queries, two models, two paraphrases. Outcomes of "a" cost 2, and those of "b" cost 6.
SCORES = np.array([[[1, 0], [1, 1]], [[0, 0], [1, 0]], [[1, 1], [0, 1]]])[..., None]
OUTCOMES = Outcomes.from_array(SCORES, models=["a", "b"], costs=[2.0, 6.0])
ROOT = np.sqrt(0.5)
QUALITY = np.array([[0.5, 1.0], [0.0, 0.5], [1.0, 0.5]])
SCALED_COST = np.array([[0.0, 1.0]] * 3)
RISK = np.array([[ROOT, 0.0], [0.0, ROOT], [0.0, ROOT]])
# Predicted quality, scaled cost and risk of "a" and "b", out of range for the second query.
PREDICTED = np.array([[0.9, 0.6, 0.5, 0.25, 0.1, 0.3], [1.2, -0.3, 1.7, -0.4, -0.5, 0.2]])


def fixed_router(n_columns=6, outcomes=OUTCOMES, **settings):
    """A fitted router whose predictions are its features."""
    settings = {
        "estimator": FeaturesAsPredictions(), "risk_aversion": 0.5, "calibration": None
    } | settings  # fmt: skip
    router = DistributionalRouter(settings.pop("estimator"), **settings)
    return router.fit(np.zeros((len(outcomes), n_columns)), outcomes)


def test_a_joint_head_learns_quality_scaled_cost_and_risk_side_by_side():
    X = np.arange(6.0).reshape(3, 2)
    router = DistributionalRouter(LayoutRecorder()).fit(X, OUTCOMES)
    (head,) = router.estimators_
    np.testing.assert_array_equal(head.X_, X)
    np.testing.assert_allclose(head.y_, np.hstack([QUALITY, SCALED_COST, RISK]))
    assert head.blocks_ == ("quality", "cost", "risk")
    assert head.models_.tolist() == ["a", "b"]


def test_separate_heads_learn_one_block_each():
    router = DistributionalRouter(LayoutRecorder(), heads="separate", random_state=3)
    router.fit(np.zeros((3, 2)), OUTCOMES)
    for head, labels in zip(router.estimators_, [QUALITY, SCALED_COST, RISK], strict=True):
        np.testing.assert_allclose(head.y_, labels)
    assert [head.blocks_ for head in router.estimators_] == [("quality",), ("cost",), ("risk",)]
    seeds = np.random.RandomState(3).randint(2**31 - 1, size=3)
    assert [head.random_state for head in router.estimators_] == seeds.tolist()


def test_a_head_per_model_learns_its_own_rows():
    gappy = SCORES.astype(float)
    gappy[2, 0] = np.nan
    outcomes = Outcomes.from_array(gappy, models=["a", "b"], costs=[2.0, 6.0])
    X = np.arange(6.0).reshape(3, 2)
    router = DistributionalRouter(LayoutRecorder(), heads="model", random_state=3).fit(X, outcomes)
    first, second = router.estimators_
    np.testing.assert_array_equal(first.X_, X[:2])
    np.testing.assert_allclose(first.y_, [[0.5, 0.0, ROOT], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(second.X_, X)
    np.testing.assert_allclose(second.y_, [[1.0, 1.0, 0.0], [0.5, 1.0, ROOT], [0.5, 1.0, ROOT]])
    assert [head.models_.tolist() for head in router.estimators_] == [["a"], ["b"]]
    seeds = np.random.RandomState(3).randint(2**31 - 1, size=2)
    assert [head.random_state for head in router.estimators_] == seeds.tolist()


@pytest.mark.parametrize("target", ["penalised", "utility"])
def test_labels_use_the_weights_of_the_router(target):
    router = DistributionalRouter(Recorder(), target=target, cost_weight=0.1, risk_aversion=0.4)
    (head,) = router.fit(np.zeros((3, 2)), OUTCOMES).estimators_
    expected = {
        "penalised": np.hstack([QUALITY - 0.4 * RISK, SCALED_COST]),
        "utility": QUALITY - 0.1 * SCALED_COST - 0.4 * RISK,
    }
    np.testing.assert_allclose(head.y_, expected[target])


def test_the_aggregator_makes_the_labels_and_stays_unfitted():
    aggregator = OutcomeAggregator(smoothing=2.0, prior=0.5, cost_scaling=(0.0, 12.0))
    router = DistributionalRouter(Recorder(), aggregator=aggregator)
    (head,) = router.fit(np.zeros((3, 2)), OUTCOMES).estimators_
    np.testing.assert_allclose(head.y_[:, :2], (QUALITY + 0.5) / 2)
    np.testing.assert_allclose(head.y_[:, 2:4], [[1 / 6, 1 / 2]] * 3)
    assert router.aggregator_.cost_range_ == (0.0, 12.0)
    assert not hasattr(aggregator, "cost_range_")


def test_predicted_capability_stays_in_range_and_has_costs_in_the_unit_of_the_user():
    capability = fixed_router().predict_capability(PREDICTED)
    np.testing.assert_allclose(capability.quality, [[0.9, 0.6], [1.0, 0.0]])
    np.testing.assert_allclose(capability.cost, [[4.0, 3.0], [6.0, 2.0]])
    np.testing.assert_allclose(capability.scaled_cost, [[0.5, 0.25], [1.0, 0.0]])
    np.testing.assert_allclose(capability.risk, [[0.1, 0.3], [0.0, 0.2]])


@pytest.mark.parametrize(
    ("cost_scaling", "scaled_cost"),
    [
        ("minmax", [0.0, 0.0, 0.5, 1.0, 1.0]),
        ((2.0, 6.0), [0.0, 0.0, 0.5, 1.0, 1.0]),
        ((2.0, 4.0), [0.0, 0.0, 0.5, 1.7, 2.0]),
        ((0.0, 10.0), [0.2, 0.2, 0.5, 0.6, 0.6]),
        ((0.0, 1.0), [2.0, 2.0, 2.0, 2.0, 3.0]),
        (None, [2.0, 2.0, 2.0, 2.0, 3.0]),
        ("robust", [-1.0, -0.4, 0.5, 1.7, 3.0]),
    ],
)
def test_costs_stay_within_those_of_the_training_however_they_are_scaled(cost_scaling, scaled_cost):
    # One training outcome costs 2, most cost 3 or 4, and one costs 6.
    costs = [[[2.0, 3.0], [4.0, 4.0]], [[3.0, 3.0], [4.0, 4.0]], [[3.0, 3.0], [4.0, 6.0]]]
    outcomes = Outcomes.from_array(
        SCORES, models=["a", "b"], costs=np.array(costs).reshape(SCORES.shape)
    )
    aggregator = OutcomeAggregator(cost_scaling=cost_scaling)
    router = fixed_router(outcomes=outcomes, aggregator=aggregator)
    predicted = np.zeros((5, 6))
    predicted[:, 2:4] = np.array([[-9.0], [-0.4], [0.5], [1.7], [3.0]])
    found = router.predict_capability(predicted)
    np.testing.assert_allclose(found.scaled_cost, np.column_stack([scaled_cost] * 2))
    assert found.cost.min() >= 2.0
    assert found.cost.max() <= 6.0


def test_without_costs_predicted_costs_are_unknown():
    router = fixed_router(outcomes=Outcomes.from_array(SCORES))
    capability = router.predict_capability(PREDICTED)
    assert np.isnan(capability.cost).all()
    assert (capability.scaled_cost == 0).all()


@pytest.mark.parametrize(
    ("score_range", "quality"), [((-1.0, 2.0), [[2.0, -1.0]]), (None, [[1.2, -0.3]])]
)
def test_predicted_quality_stays_within_the_range_of_the_training_scores(score_range, quality):
    # The estimator predicts 1.2 and -0.3 on the unit scale of the range.
    outcomes = Outcomes.from_array(SCORES, score_range=score_range)
    capability = fixed_router(outcomes=outcomes).predict_capability(PREDICTED[1:])
    np.testing.assert_allclose(capability.quality, quality)


def test_utilities_are_quality_less_weighted_cost_less_weighted_risk():
    router = fixed_router(cost_weight=0.1)
    expected = [[0.9 - 0.05 - 0.05, 0.6 - 0.025 - 0.15], [1.0 - 0.1, 0.0 - 0.1]]
    np.testing.assert_allclose(router.decision_function(PREDICTED), expected)
    router.set_params(cost_weight=1.0, risk_aversion=0.0)
    expected = [[0.9 - 0.5, 0.6 - 0.25], [1.0 - 1.0, 0.0]]
    np.testing.assert_allclose(router.decision_function(PREDICTED), expected)


def test_utilities_at_several_cost_weights_are_those_of_the_lines():
    router = fixed_router(cost_weight=0.1)
    lines = router.utility_lines(PREDICTED)
    np.testing.assert_allclose(lines.intercept, [[0.85, 0.45], [1.0, -0.1]])
    np.testing.assert_allclose(lines.slope, [[0.5, 0.25], [1.0, 0.0]])
    found = router.utilities_by_cost_weight(PREDICTED, [0.0, 2.0])
    np.testing.assert_allclose(found, [lines.intercept, lines.intercept - 2.0 * lines.slope])


@pytest.mark.parametrize(
    ("target", "features", "utilities"),
    [
        ("penalised", [[1.2, 0.6, 1.7, 0.25]], [[1.2 - 0.1, 0.6 - 0.025]]),
        ("utility", [[1.2, -0.3]], [[1.2, -0.3]]),
        ("choice", [[0.9, 0.3]], [[0.75, 0.25]]),
    ],
)
def test_utilities_of_the_other_targets(target, features, utilities):
    router = fixed_router(len(features[0]), target=target, cost_weight=0.1)
    np.testing.assert_allclose(router.decision_function(features), utilities)


def test_the_highest_utility_is_chosen_and_ties_go_to_the_first_model():
    router = fixed_router(2, target="utility")
    utilities = [[0.1, 0.2], [0.2, 0.1], [0.3, 0.3]]
    assert router.predict(utilities).tolist() == ["b", "a", "a"]
    assert router.rank(utilities).tolist() == [["b", "a"], ["a", "b"], ["a", "b"]]


def test_tied_models_are_ranked_in_their_order():
    outcomes = Outcomes.from_array(np.tile([1, 0], (3, 4, 1)), models=list("abcd"))
    router = fixed_router(4, outcomes, target="utility")
    ranks = router.rank([[0.1, 0.5, 0.1, 0.5], [-0.1, -0.5, -0.3, -0.2]])
    assert ["".join(row) for row in ranks] == ["bdac", "adcb"]


def test_many_tied_models_are_ranked_in_their_order():
    outcomes = Outcomes.from_array(np.tile([1, 0], (3, 50, 1)))
    router = fixed_router(50, outcomes, target="utility")
    (rank,) = router.rank([[0.5] * 20 + [0.7] * 30])
    assert rank.tolist() == [*range(20, 50), *range(20)]


def test_unavailable_models_are_not_chosen_and_come_last():
    outcomes = Outcomes.from_array(np.tile([1, 0], (3, 3, 1)), models=list("abc"))
    router = fixed_router(3, outcomes, target="utility")
    utilities = [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]]
    mask = np.array([[True, True, False], [False, True, True]])
    assert router.predict(utilities, available=mask).tolist() == ["b", "b"]
    assert router.predict(utilities, available=["c", "a"]).tolist() == ["c", "a"]
    assert router.predict(utilities, available="b").tolist() == ["b", "b"]
    assert router.predict(utilities, None).tolist() == ["c", "a"]
    ranks = router.rank(utilities, available=mask)
    assert ["".join(row) for row in ranks] == ["bac", "bca"]
    assert ["".join(row) for row in router.rank(utilities, ["a"])] == ["abc", "abc"]


def test_queries_without_an_available_model_are_refused(data):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes)
    mask = np.ones((60, 3), dtype=bool)
    mask[7] = False
    for method in (router.predict, router.rank):
        with pytest.raises(ValueError, match="no model is available for 1 query, first in row 7"):
            method(X, available=mask)
        with pytest.raises(ValueError, match=re.escape("unknown model 'd', not among ['a', 'b'")):
            method(X, available=["d"])


def test_the_score_is_the_mean_realised_utility_of_the_routes():
    aggregator = OutcomeAggregator(smoothing=5.0)
    router = fixed_router(cost_weight=0.1, risk_aversion=0.2, aggregator=aggregator)
    # The first query is routed to "b", the second to "a"; training costs were from 2 to 6.
    features = [[0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    costs = np.array([[[2.0, 2.0], [6.0, 8.0]], [[3.0, 3.0], [2.0, 2.0]]])
    tested = Outcomes.from_array(
        [[[1, 1], [1, 0]], [[1, 0], [1, 1]]], models=["a", "b"], costs=costs
    )
    expected = np.mean([0.5 - 0.1 * (7.0 - 2.0) / 4.0, 0.5 - 0.1 * (3.0 - 2.0) / 4.0])
    assert router.score(features, tested) == pytest.approx(expected)


def test_the_score_needs_outcomes_of_the_routed_pairs():
    router = fixed_router(2, target="utility", cost_weight=0.0)
    tested = Outcomes.from_array([[1, np.nan], [np.nan, 1]], models=["a", "b"])
    with pytest.raises(ValueError, match="1 of 2 queries were routed to a model that has no"):
        router.score([[1.0, 0.0], [1.0, 0.0]], tested)
    assert routing_scorer(missing="skip")(router, [[1.0, 0.0], [1.0, 0.0]], tested) == 1.0


def test_queries_without_outcomes_of_their_route_can_be_left_out_of_the_score():
    router = fixed_router(2, target="utility", cost_weight=0.0)
    tested = Outcomes.from_array([[1, np.nan], [np.nan, 1], [0, 1]], models=["a", "b"])
    features = [[1.0, 0.0]] * 3
    assert router.score(features, tested, missing="skip") == 0.5
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        router.score(features, tested, missing="drop")


def test_the_score_refuses_outcomes_of_other_models():
    router = fixed_router(2, target="utility")
    with pytest.raises(ValueError, match=r"have the models \['b', 'a'\], but fit saw \['a', 'b'\]"):
        router.score(np.zeros((3, 2)), OUTCOMES.subset(["b", "a"]))


# ---- estimators with a decision rule of their own --------------------------------


def test_an_estimator_with_its_own_rule_decides_at_the_cost_weight_of_the_router():
    router = fixed_router(4, estimator=NonlinearRule(), target="penalised", cost_weight=0.5)
    features = [[0.9, 0.5, 0.8, -0.4]]
    np.testing.assert_allclose(router.decision_function(features), [[0.7, 0.6]])
    assert router.predict(features).tolist() == ["a"]
    assert router.set_params(cost_weight=2.0).predict(features).tolist() == ["b"]
    found = router.utilities_by_cost_weight(features, [0.0, 2.0])
    np.testing.assert_allclose(found, [[[0.9, 0.5]], [[-2.3, 2.1]]])
    assert router.has_own_decision_rule
    assert not router.has_utility_lines


def test_utilities_of_an_own_decision_rule_become_an_array_of_floats():
    class Whole(FeaturesAsPredictions):
        def decision_function(self, X, cost_weight):
            return [[1, 2]] * len(X)

    utilities = fixed_router(4, estimator=Whole(), target="penalised").decision_function([[0] * 4])
    assert utilities.dtype == float
    assert utilities.tolist() == [[1.0, 2.0]]


def test_utilities_of_an_own_decision_rule_are_not_lines():
    router = fixed_router(4, estimator=NonlinearRule(), target="penalised")
    with pytest.raises(ValueError, match="has its own decision rule, and its utilities are not"):
        router.utility_lines([[0.9, 0.5, 0.8, -0.4]])


def test_an_own_decision_rule_receives_features_of_the_right_number_only():
    router = fixed_router(4, estimator=NonlinearRule(), target="penalised")
    with pytest.raises(ValueError, match="X has 6 features, but DistributionalRouter is expecting"):
        router.predict(PREDICTED)


@pytest.mark.parametrize(
    "settings",
    [
        {"estimator": Ridge()},
        {"estimator": LogisticRegression(), "target": "choice"},  # its rule knows no cost weight
        {"estimator": NonlinearRule(), "heads": "separate"},
        {"estimator": NonlinearRule(), "heads": "model"},
    ],
    ids=str,
)
def test_other_estimators_have_no_decision_rule_of_their_own(settings):
    router = DistributionalRouter(settings.pop("estimator"), calibration=None, **settings)
    router.fit(np.arange(12.0).reshape(3, 4), OUTCOMES)
    assert router.has_own_decision_rule is False


@pytest.mark.parametrize(
    ("target", "has_lines"),
    [("capability", True), ("penalised", True), ("utility", False), ("choice", False)],
)
def test_utilities_are_lines_unless_the_cost_weight_is_fixed_at_fit_time(data, target, has_lines):
    X, outcomes = data
    router = DistributionalRouter(target=target).fit(X, outcomes)
    assert router.has_utility_lines == has_lines
    if has_lines:
        lines = router.utility_lines(X)
        np.testing.assert_allclose(lines.utilities(0.05), router.decision_function(X))
        return
    message = f"cost weight is fixed at fit time for target='{target}'; use target='capability'"
    with pytest.raises(ValueError, match=message):
        router.utility_lines(X)
    with pytest.raises(ValueError, match=message):
        router.utilities_by_cost_weight(X, [0.05, 0.1])
    (utilities,) = router.utilities_by_cost_weight(X, [0.05])
    np.testing.assert_array_equal(utilities, router.decision_function(X))


# ---- parameters ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("target", "quality", r"target must be one of \['capability', 'penalised', 'utility', "
         r"'choice'\], got 'quality'"),
        ("heads", "each", r"heads must be one of \['joint', 'separate', 'model'\], got 'each'"),
        ("cost_weight", -1, "cost_weight must be a finite float >= 0, got -1"),
        ("cost_weight", np.inf, "cost_weight must be a finite float >= 0, got inf"),
        ("cost_weight", "0.1", "cost_weight must be a finite float >= 0, got '0.1'"),
        ("risk_aversion", np.nan, "risk_aversion must be a finite float >= 0, got nan"),
        ("risk_aversion", -0.1, "risk_aversion must be a finite float >= 0, got -0.1"),
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused_in_fit_and_after_it(parameter, value, message):
    router = DistributionalRouter(FeaturesAsPredictions(), **{parameter: value})
    with pytest.raises(ValueError, match=f"^{message}$"):
        router.fit(np.zeros((3, 6)), OUTCOMES)
    with pytest.raises(ValueError, match=f"^{message}$"):
        fixed_router().set_params(**{parameter: value}).predict(PREDICTED)


@pytest.mark.parametrize("weight", [0, 0.0, np.float32(0.5)])
def test_weights_may_be_any_real_number(weight):
    router = fixed_router(cost_weight=weight, risk_aversion=0)
    assert router.predict(PREDICTED).shape == (2,)


def test_weights_by_default_are_those_of_the_paper():
    router = DistributionalRouter(FeaturesAsPredictions(), calibration=None)
    router.fit(np.zeros((3, 6)), OUTCOMES)
    utilities = router.decision_function(PREDICTED[:1])
    np.testing.assert_allclose(
        utilities, [[0.9 - 0.05 * 0.5 - 0.2 * 0.1, 0.6 - 0.05 * 0.25 - 0.2 * 0.3]]
    )


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        ("capability", {"cost_weight": 100.0, "risk_aversion": 0.0}),
        ("penalised", {"cost_weight": 100.0}),
        ("choice", {"risk_aversion": 0.9}),
    ],
)
def test_weights_change_without_a_new_fit_where_the_target_allows_it(data, target, changes):
    X, outcomes = data
    router = DistributionalRouter(Ridge(), target=target, random_state=0).fit(X, outcomes)
    before = router.predict(X)
    routes = router.set_params(**changes).predict(X)
    np.testing.assert_array_equal(routes, clone(router).fit(X, outcomes).predict(X))
    assert (set(routes) == {"a"}) == ("cost_weight" in changes)
    assert len(set(before)) > 1


@pytest.mark.parametrize(
    ("target", "parameter", "old", "new", "remedy"),
    [
        ("penalised", "risk_aversion", 0.2, 0.0, " for target='penalised'; fit again, or use "),
        ("utility", "risk_aversion", 0.2, 0.0, " for target='utility'; fit again, or use "),
        ("utility", "cost_weight", 0.05, 1, " for target='utility'; fit again, or use "),
        ("choice", "cost_weight", 0.05, 1, " for target='choice'; fit again, or use "),
        ("capability", "heads", "joint", "model", "; fit again$"),
        ("capability", "target", "capability", "penalised", "; fit again$"),
        ("utility", "target", "utility", "capability", "; fit again$"),
        ("capability", "random_state", None, 3, "; fit again$"),
        ("choice", "random_state", None, 3, "; fit again$"),
        ("capability", "estimator", None, Ridge(), "; fit again$"),
        ("capability", "aggregator__smoothing", 0.0, "auto", "; fit again$"),
        ("capability", "aggregator__prior", "model", 0.5, "; fit again$"),
        ("capability", "aggregator__risk", "std", "sample", "; fit again$"),
        ("capability", "aggregator__weighting", "balanced", "pooled", "; fit again$"),
        ("utility", "aggregator__cost_scaling", "minmax", (0, 9), "; fit again$"),
    ],
)
def test_what_is_fixed_at_fit_time_cannot_be_changed(data, target, parameter, old, new, remedy):
    X, outcomes = data
    router = DistributionalRouter(target=target).fit(X, outcomes).set_params(**{parameter: new})
    message = f"{parameter} was {old!r} in fit and is {new!r} now, but it is fixed at fit time"
    message = f"^{re.escape(message)}"
    methods = [router.predict, router.rank, router.decision_function, router.utility_lines]
    if router.target == "capability":
        methods.append(router.predict_capability)
    if router.target == "choice":
        methods.append(router.predict_proba)
    for method in methods:
        with pytest.raises(ValueError, match=message + remedy):
            method(X)
    with pytest.raises(ValueError, match=message + remedy):
        router.score(X, outcomes)
    router.set_params(**{parameter: old}).predict(X)


@pytest.mark.parametrize(
    ("target", "free"),
    [
        ("capability", {"cost_weight", "risk_aversion", "n_jobs", "gain_threshold"}),
        ("penalised", {"cost_weight", "n_jobs", "gain_threshold"}),
        ("utility", {"n_jobs", "gain_threshold"}),
        ("choice", {"risk_aversion", "n_jobs", "gain_threshold"}),
    ],
)
def test_every_other_parameter_is_fixed_at_fit_time(data, target, free):
    X, outcomes = data
    router = DistributionalRouter(target=target).fit(X, outcomes)
    params = router.get_params().keys() - {"aggregator"}
    params |= {f"aggregator__{name}" for name in OutcomeAggregator().get_params()}
    assert router._fixed_at_fit.keys() == params - free


@pytest.mark.parametrize(
    "changes",
    [
        {"n_jobs": 2},
        {"aggregator": OutcomeAggregator()},
        {"aggregator": None},
        {"aggregator__cost_scaling": "minmax"},
        {"estimator__alpha": 3.0},  # scikit-learn's habit: it has no effect before the next fit
        {"estimator": Ridge(alpha=2.0)},
    ],
    ids=str,
)
def test_what_stays_the_same_or_has_no_effect_may_be_set(data, changes):
    X, outcomes = data
    router = DistributionalRouter(Ridge(alpha=2.0)).fit(X, outcomes)
    expected = router.decision_function(X)
    np.testing.assert_array_equal(router.set_params(**changes).decision_function(X), expected)


@pytest.mark.parametrize("copy_router", [copy.copy, copy.deepcopy, copies_by_pickle], ids=str)
def test_a_copy_of_a_fitted_router_has_the_same_parameters_fixed(data, copy_router):
    X, outcomes = data
    router = DistributionalRouter(
        make_pipeline(StandardScaler(), Ridge()), random_state=np.random.RandomState(0)
    ).fit(X, outcomes)
    copied = copy_router(router)
    np.testing.assert_array_equal(copied.predict(X), router.predict(X))
    copied.set_params(aggregator__smoothing=1.0)
    with pytest.raises(ValueError, match="aggregator__smoothing was 0.0 in fit and is 1.0 now"):
        copied.predict(X)


def test_probabilities_are_refused_after_the_target_was_changed_to_choice(data):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes).set_params(target="choice")
    with pytest.raises(ValueError, match="target was 'capability' in fit and is 'choice' now"):
        router.predict_proba(X)


@pytest.mark.parametrize("target", ["penalised", "utility", "choice"])
def test_only_a_router_of_capability_predicts_it(data, target):
    X, outcomes = data
    router = DistributionalRouter(target=target).fit(X, outcomes)
    with pytest.raises(ValueError, match=f"target='{target}' does not learn capability; fit it"):
        router.predict_capability(X)


def test_parameters_of_the_default_aggregator_can_be_set():
    router = DistributionalRouter()
    assert router.set_params(aggregator__smoothing=2.0, cost_weight=0.3) is router
    assert (router.aggregator.smoothing, router.cost_weight) == (2.0, 0.3)
    router.set_params(aggregator__risk="sample")
    assert (router.aggregator.smoothing, router.aggregator.risk) == (2.0, "sample")
    given = OutcomeAggregator(prior="global")
    router.set_params(aggregator=given, aggregator__smoothing=1.0)
    assert router.aggregator is given
    assert (given.smoothing, given.prior) == (1.0, "global")


@pytest.mark.parametrize("aggregator", [None, OutcomeAggregator(risk="sample")])
def test_an_aggregator_set_to_none_is_the_default_one(aggregator):
    router = DistributionalRouter(aggregator=aggregator)
    router.set_params(aggregator=None, aggregator__smoothing=2.0)
    assert router.aggregator.get_params() == OutcomeAggregator(smoothing=2.0).get_params()
    assert router.set_params(aggregator=None).aggregator is None


def test_other_parameters_leave_the_default_aggregator_alone():
    router = DistributionalRouter().set_params(cost_weight=0.3)
    assert router.aggregator is None
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        router.set_params(depth=3)


def test_a_clone_has_the_parameters_and_is_not_fitted(data):
    X, outcomes = data
    router = DistributionalRouter(
        Ridge(2.0), aggregator=OutcomeAggregator(smoothing=1.0), target="penalised",
        cost_weight=0.3, risk_aversion=0.1, heads="separate", n_jobs=1, random_state=4,
    ).fit(X, outcomes)  # fmt: skip
    copied = clone(router)
    assert repr(copied) == repr(router)
    assert not hasattr(copied, "estimators_")
    assert copied.estimator is not router.estimator
    assert not hasattr(router.estimator, "coef_")
    np.testing.assert_array_equal(copied.fit(X, outcomes).predict(X), router.predict(X))


@pytest.mark.parametrize("n_queries", [60, 5])
def test_the_default_estimator_chooses_its_number_of_neighbours(data, n_queries):
    X, outcomes = data
    router = DistributionalRouter().fit(X[:n_queries], outcomes[:n_queries])
    (head,) = router.estimators_
    assert isinstance(head, NeighborsRegressorCV)
    assert head.get_params() == NeighborsRegressorCV().get_params()
    assert router.estimator is None


# ---- input -----------------------------------------------------------------------


def test_bad_input_is_named(data):
    X, outcomes = data
    with pytest.raises(ValueError, match="X has 59 queries and the outcomes have 60"):
        DistributionalRouter().fit(X[:59], outcomes)
    with pytest.raises(ValueError, match="NaN"):
        DistributionalRouter().fit(np.where(X > 2, np.nan, X), outcomes)
    with pytest.raises(TypeError, match="an instance of scikit-learn estimator"):
        DistributionalRouter(StandardScaler).fit(X, outcomes)
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        DistributionalRouter().fit(X, None)


def test_a_tidy_table_is_refused_with_the_remedy(data):
    X, outcomes = data
    with pytest.raises(TypeError, match=r"use Outcomes\.from_frame\(table\)"):
        DistributionalRouter().fit(X, outcomes.to_frame())


def test_an_array_of_scores_is_accepted_as_outcomes():
    router = DistributionalRouter(KNeighborsRegressor(1), calibration=None)
    router.fit(np.eye(3), [[3, 1], [1, 2], [0, 5]])
    assert router.models_.tolist() == [0, 1]
    assert router.predict(np.eye(3)).tolist() == [0, 1, 1]
    np.testing.assert_allclose(router.predict_capability(np.eye(3)).quality[2], [0, 5])
    assert router.score(np.eye(3), [[3, 1], [1, 2], [0, 5]]) == pytest.approx(10 / 3)


def test_predictions_that_are_nan_are_refused_and_counted():
    features = PREDICTED[[0, 1, 1]].copy()
    features[0, 5] = np.nan
    features[2, :3] = np.nan
    router = fixed_router()
    for method in (router.predict, router.predict_capability, router.utility_lines):
        with pytest.raises(ValueError, match="^the estimator predicted NaN for 2 queries$"):
            method(features)


def test_another_number_of_features_is_refused(data):
    X, outcomes = data
    router = DistributionalRouter(target="choice").fit(X, outcomes)
    assert router.n_features_in_ == 4
    for method in (router.predict, router.rank, router.decision_function, router.predict_proba):
        with pytest.raises(ValueError, match="X has 3 features, but DistributionalRouter is expec"):
            method(X[:, :3])


def test_a_single_query_as_a_vector_is_refused_with_the_remedy(data):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes)
    with pytest.raises(ValueError, match=r"got a 1-D array\. Reshape .* X\.reshape\(1, -1\)"):
        router.predict(X[0])


def test_names_of_features_are_checked(data):
    X, outcomes = data
    frame = pd.DataFrame(X, columns=["w", "x", "y", "z"])
    for router in (DistributionalRouter(Ridge()), DistributionalRouter(Ridge(), heads="model")):
        router.fit(frame, outcomes)
        assert router.feature_names_in_.tolist() == ["w", "x", "y", "z"]
        assert router.estimators_[0].feature_names_in_.tolist() == ["w", "x", "y", "z"]
        expected = DistributionalRouter(Ridge()).fit(X, outcomes).decision_function(X)
        np.testing.assert_allclose(router.decision_function(frame), expected)
        with pytest.raises(ValueError, match="feature names should match"):
            router.predict(frame[["x", "w", "y", "z"]])
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            router.predict(X)
        assert not hasattr(router.fit(X, outcomes), "feature_names_in_")


@pytest.mark.parametrize("heads", ["joint", "separate", "model"])
def test_sparse_features_give_the_same_utilities(data, heads):
    X, outcomes = data
    dense = DistributionalRouter(Ridge(), heads=heads).fit(X, outcomes).decision_function(X)
    as_sparse = sparse.csr_array(X)
    router = DistributionalRouter(Ridge(solver="sparse_cg", tol=1e-10), heads=heads)
    found = router.fit(as_sparse, outcomes).decision_function(as_sparse)
    np.testing.assert_allclose(found, dense, atol=1e-5)


# ---- text ------------------------------------------------------------------------

QUERIES = [f"word{i % 7} number{i % 5}" for i in range(60)]
TEXTS = {
    "list": QUERIES,
    "tuple": tuple(QUERIES),
    "array": np.array(QUERIES),
    "object array": np.array(QUERIES, dtype=object),
    "series": pd.Series(QUERIES, index=range(60, 120)),
    "data frame": pd.DataFrame({"query": QUERIES}),
}


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("settings", [{}, {"heads": "model"}, {"target": "choice"}], ids=str)
def test_text_without_an_encoder_is_refused_with_the_remedy(data, texts, settings):
    _, outcomes = data
    with pytest.raises(ValueError, match="X is text; .* put a QueryEncoder before the router"):
        DistributionalRouter(**settings).fit(texts, outcomes)


def test_text_is_recognised_by_its_first_row(data):
    _, outcomes = data
    texts = np.array(QUERIES[:59] + [None], dtype=object)
    with pytest.raises(ValueError, match="put a QueryEncoder before the router"):
        DistributionalRouter().fit(texts, outcomes)


def test_the_error_of_an_estimator_that_takes_text_is_not_hidden(data):
    _, outcomes = data
    router = DistributionalRouter(make_pipeline(TfidfVectorizer(min_df=1.0), Ridge()))
    with pytest.raises(
        ValueError, match="error of the estimator: After pruning, no terms"
    ) as error:
        router.fit(QUERIES, outcomes)
    assert "After pruning" in str(error.value.__cause__)
    router = DistributionalRouter(make_pipeline(TfidfVectorizer(), LinearSVC()), target="choice")
    with pytest.raises(
        ValueError, match="error of the estimator: .* Pipeline has no predict_proba"
    ):
        router.fit(QUERIES, outcomes)


@pytest.mark.parametrize(
    "X",
    [
        np.full((60, 1), np.nan),
        pd.DataFrame({"x": [np.nan] * 60, "text": QUERIES}),
        [[np.nan, "a"]] * 60,
        sparse.csr_array(np.full((60, 1), np.nan)),
    ],
    ids=["array", "data frame", "list", "sparse"],
)
def test_the_error_about_features_that_are_not_text_is_unchanged(data, X):
    _, outcomes = data
    with pytest.raises(ValueError, match="NaN|could not convert|Convert your data") as error:
        DistributionalRouter().fit(X, outcomes)
    assert "QueryEncoder" not in str(error.value)


@pytest.mark.parametrize("texts", list(TEXTS.values())[:5], ids=list(TEXTS)[:5])
@pytest.mark.parametrize("heads", ["joint", "separate", "model"])
def test_an_estimator_that_takes_text_works_inside_the_router(data, texts, heads):
    _, outcomes = data
    estimator = make_pipeline(TfidfVectorizer(), Ridge())
    router = DistributionalRouter(estimator, heads=heads, calibration=None)
    found = router.fit(texts, outcomes).predict_capability(texts).quality
    quality = OutcomeAggregator().fit_aggregate(outcomes).quality
    expected = make_pipeline(TfidfVectorizer(), Ridge()).fit(QUERIES, quality).predict(QUERIES)
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-9)
    assert not hasattr(router, "n_features_in_")


CONVERSATIONS = [
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    for text in QUERIES
]


@pytest.mark.parametrize("heads", ["joint", "model"])
@pytest.mark.parametrize(
    "container", [list, tuple, pd.Series, lambda rows: np.array(rows, dtype=object)]
)
def test_conversations_are_read_as_their_last_message_of_the_user(data, heads, container):
    _, outcomes = data
    router = DistributionalRouter(make_pipeline(TfidfVectorizer(), Ridge()), heads=heads)
    expected = router.fit(QUERIES, outcomes).decision_function(QUERIES)
    conversations = container(CONVERSATIONS)
    found = router.fit(conversations, outcomes).decision_function(conversations)
    np.testing.assert_array_equal(found, expected)


def test_conversations_without_an_encoder_are_refused_with_the_remedy(data):
    _, outcomes = data
    with pytest.raises(ValueError, match="X is text; .* put a QueryEncoder before the router"):
        DistributionalRouter().fit(CONVERSATIONS, outcomes)


def test_a_router_can_be_fitted_on_features_and_then_on_text(data):
    X, outcomes = data
    router = DistributionalRouter(Ridge()).fit(X, outcomes)
    router.set_params(estimator=make_pipeline(TfidfVectorizer(), Ridge())).fit(QUERIES, outcomes)
    assert set(router.predict(QUERIES)) <= {"a", "b", "c"}


# ---- scikit-learn: tags, metadata, model selection, persistence ------------------


def test_tags_of_input_are_those_of_the_estimator():
    for estimator in (KNeighborsRegressor(), Ridge()):
        sparse_is_accepted = get_tags(estimator).input_tags.sparse
        assert get_tags(DistributionalRouter(estimator)).input_tags.sparse == sparse_is_accepted
    assert not get_tags(DistributionalRouter(HistGradientBoostingRegressor())).input_tags.sparse
    assert get_tags(DistributionalRouter(HistGradientBoostingRegressor())).input_tags.allow_nan
    assert not get_tags(DistributionalRouter()).input_tags.allow_nan


def test_tags_say_that_a_router_needs_outcomes_and_is_neither_regressor_nor_classifier():
    tags = get_tags(DistributionalRouter())
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    assert not tags.target_tags.single_output
    assert not tags.non_deterministic
    assert not is_classifier(DistributionalRouter(target="choice"))
    assert not is_regressor(DistributionalRouter())


def test_an_estimator_that_is_not_deterministic_makes_the_router_so():
    class Random(Ridge):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.non_deterministic = True
            return tags

    assert get_tags(DistributionalRouter(Random())).non_deterministic


@pytest.mark.parametrize("heads", ["joint", "separate", "model"])
@pytest.mark.parametrize("estimator", [Recorder(), OneColumnRecorder()])
def test_metadata_of_fit_is_routed_to_every_head(data, estimator, heads):
    X, outcomes = data
    weight = np.random.default_rng(0).random(60)
    with sklearn.config_context(enable_metadata_routing=True):
        requesting = clone(estimator).set_fit_request(sample_weight=True)
        router = DistributionalRouter(requesting, heads=heads)
        router.fit(X, outcomes, sample_weight=weight)
    for head in router.estimators_:
        for fitted in getattr(head, "estimators_", [head]):
            np.testing.assert_array_equal(fitted.sample_weight_, weight)


def test_metadata_passes_through_a_pipeline_to_the_estimator(data):
    X, outcomes = data
    weight = np.random.default_rng(0).random(60)
    with sklearn.config_context(enable_metadata_routing=True):
        router = DistributionalRouter(Recorder().set_fit_request(sample_weight=True))
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        scaler.set_transform_request(copy=False)
        pipeline = make_pipeline(scaler, router).fit(X, outcomes, sample_weight=weight)
    np.testing.assert_array_equal(pipeline[-1].estimators_[0].sample_weight_, weight)


def test_metadata_that_the_estimator_did_not_request_is_refused(data):
    X, outcomes = data
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"\[sample_weight\] are passed but are not explicitly set"),
    ):
        DistributionalRouter(Recorder()).fit(X, outcomes, sample_weight=np.ones(60))


@pytest.mark.parametrize("enabled", [False, True])
def test_a_pipeline_passes_the_available_models_to_the_router(data, enabled):
    X, outcomes = data
    with sklearn.config_context(enable_metadata_routing=enabled):
        router = DistributionalRouter()
        if enabled:
            router.set_predict_request(available=True)
        pipeline = make_pipeline(StandardScaler(), router).fit(X, outcomes)
        assert set(pipeline.predict(X, available=["b"])) == {"b"}


@pytest.mark.parametrize("heads", ["joint", "separate"])
@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
@pytest.mark.parametrize(
    "estimator",
    [
        None,
        RandomForestRegressor(5),
        HistGradientBoostingRegressor(max_iter=5),
        GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [3, 9]}),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_any_regressor_routes_better_than_one_model(data, estimator, target, heads):
    X, outcomes = data
    router = DistributionalRouter(estimator, target=target, heads=heads, random_state=0)
    routes = router.fit(X, outcomes).predict(X)
    assert set(routes) <= {"a", "b", "c"}
    best_single = OutcomeAggregator().fit_aggregate(outcomes).quality.mean(axis=0).max()
    assert routing_scorer()(router, X, outcomes) > best_single
    np.testing.assert_array_equal(routes, clone(router).fit(X, outcomes).predict(X))
    np.testing.assert_array_equal(router.rank(X)[:, 0], routes)


@pytest.mark.parametrize("heads", ["joint", "separate", "model"])
@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(
            StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, tol=1.0)
        ),
        SGDRegressor(),
        RandomForestRegressor(3),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_one_seed_gives_the_same_utilities_for_every_number_of_jobs(data, estimator, heads):
    X, outcomes = data
    settings = {"heads": heads, "random_state": 0}
    expected = DistributionalRouter(estimator, **settings).fit(X, outcomes).decision_function(X)
    with parallel_config("threading"):
        parallel = DistributionalRouter(estimator, n_jobs=2, **settings).fit(X, outcomes)
        np.testing.assert_array_equal(parallel.decision_function(X), expected)
    settings["random_state"] = 1
    other = DistributionalRouter(estimator, **settings).fit(X, outcomes).decision_function(X)
    assert (other != expected).any()


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_heads_are_fitted_by_the_number_of_jobs(data, n_jobs):
    X, outcomes = data
    routers = [DistributionalRouter(Recorder(), heads=heads) for heads in ("separate", "model")]
    routers.append(DistributionalRouter(OneColumnRecorder()))
    with parallel_config("threading"):
        for router in routers:
            router.set_params(n_jobs=n_jobs).fit(X, outcomes)
    *parallel_heads, joint = [head for router in routers for head in router.estimators_]
    for fitted in [*parallel_heads, *joint.estimators_]:
        assert fitted.in_main_thread_ == (n_jobs is None)


def test_a_grid_reaches_the_aggregator_in_a_text_pipeline(data):
    _, outcomes = data
    router = DistributionalRouter(calibration=None)
    pipeline = Pipeline([("encode", TfidfVectorizer()), ("route", router)])
    grid = {"route__aggregator__smoothing": [0.0, 2.0], "route__risk_aversion": [0.0, 0.2]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(QUERIES, outcomes)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    halving = HalvingGridSearchCV(pipeline, grid, cv=3, min_resources=20, error_score="raise")
    assert halving.fit(QUERIES, outcomes).best_score_ > 0


def test_processes_in_parallel_give_the_same_search(data):
    X, outcomes = data
    grid = {"heads": ["joint", "separate", "model"], "cost_weight": [0.0, 0.1]}
    router = DistributionalRouter(RandomForestRegressor(2), random_state=0)
    scores = [
        GridSearchCV(router, grid, cv=2, n_jobs=n_jobs, error_score="raise")
        .fit(X, outcomes)
        .cv_results_["mean_test_score"]
        for n_jobs in (None, 2)
    ]
    np.testing.assert_array_equal(*scores)
    by_model = clone(router).set_params(heads="model").fit(X, outcomes).decision_function(X)
    router.set_params(heads="model", n_jobs=2)
    np.testing.assert_array_equal(router.fit(X, outcomes).decision_function(X), by_model)


def test_model_selection_takes_outcomes(data):
    X, outcomes = data
    result = cross_validate(
        DistributionalRouter(),
        X,
        outcomes,
        cv=KFold(3),
        scoring=routing_scorer(cost_weight=0.1, cost_range=(0, 3)),
        error_score="raise",
    )
    fitted = DistributionalRouter().fit(X[20:], outcomes[20:])
    expected = routing_scorer(cost_weight=0.1, cost_range=(0, 3))(fitted, X[:20], outcomes[:20])
    assert result["test_score"][0] == pytest.approx(expected)
    _, train, test = learning_curve(
        DistributionalRouter(), X, outcomes, cv=3, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert train.shape == test.shape == (2, 3)
    out_of_fold = cross_val_capability(DistributionalRouter(), X, outcomes, cv=KFold(3))
    np.testing.assert_allclose(out_of_fold.quality[:20], fitted.predict_capability(X[:20]).quality)


def test_a_saved_router_predicts_the_same_in_another_process(data, tmp_path):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes)
    joblib.dump((router, X), tmp_path / "router")
    code = "import joblib, sys; r, X = joblib.load(sys.argv[1]); print(*r.predict(X))"
    arguments = [sys.executable, "-c", code, str(tmp_path / "router")]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert printed.split() == router.predict(X).tolist()


# ---- properties from the paper ---------------------------------------------------


def test_with_one_outcome_per_pair_both_kinds_of_supervision_are_equal(data):
    X, outcomes = data
    once = outcomes.single_shot(0)
    routes = DistributionalRouter(risk_aversion=0).fit(X, once).predict(X)
    drawn_again = DistributionalRouter(risk_aversion=0).fit(X, once.single_shot(1)).predict(X)
    np.testing.assert_array_equal(routes, drawn_again)


def test_the_naive_oracle_is_at_least_as_good_as_all_others(data):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes)
    naive = oracle_utility(outcomes, crossfit=False, cost_weight=0.0)
    assert naive >= oracle_utility(outcomes, cost_weight=0.0)
    assert naive >= OutcomeAggregator().fit_aggregate(outcomes).quality.mean(axis=0).max()
    assert naive >= routing_scorer(cost_weight=0.0)(router, X, outcomes)


def test_missing_pairs_are_warned_of_and_their_routes_cannot_be_scored(data):
    X, outcomes = data
    gaps = outcomes.to_array()
    gaps[:30, 0] = np.nan
    log = Outcomes.from_array(gaps, models=["a", "b", "c"])
    with pytest.warns(ImputationWarning, match="17% of"):
        router = DistributionalRouter(cost_weight=0).fit(X, log)
    with pytest.raises(ValueError, match="of 60 queries were routed to a model that has no"):
        router.score(X, log)
    assert routing_scorer(missing="skip")(router, X, log) > 0
