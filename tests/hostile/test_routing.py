"""Routers, encoders and scorers: the right result, or an error that says what to do."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    QueryEncoder,
    compare_supervision,
    deferral_curve,
    evaluate_router,
    explain_routes,
    routing_report,
    routing_scorer,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import ImputationWarning, SeparabilityWarning
from dars_sklearn.labels import probability_best
from dars_sklearn.metrics import routed_score
from dars_sklearn.utility import find_cost_range

pytestmark = pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.DarsWarning")

MODELS = ["a", "b", "c"]
TEXTS = ["red fish", "blue fish", "old fish", "new fish"]


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(60, 3, 2, 2, random_state=0)


@pytest.fixture(scope="module")
def router():
    """A router of four queries by name and text, and of three models."""
    scores = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    outcomes = Outcomes.from_array(scores, queries=TEXTS, models=MODELS)
    nearest = DistributionalRouter(KNeighborsRegressor(1))
    return make_pipeline(QueryEncoder(TfidfVectorizer()), nearest).fit(TEXTS, outcomes)


# ---- 3. models that are available ------------------------------------------------


@pytest.mark.parametrize("columns", [["c", "b", "a"], ["b", "c", "a"]])
def test_columns_of_a_mask_are_models_and_not_positions(router, columns):
    mask = pd.DataFrame(False, index=range(4), columns=columns)
    mask["a"] = True
    assert router.predict(TEXTS, available=mask).tolist() == ["a"] * 4


def test_rows_of_a_mask_that_are_labelled_by_other_queries_are_refused(router):
    mask = pd.DataFrame(np.eye(3, dtype=bool)[[0, 1, 2, 0]], columns=MODELS, index=TEXTS)
    assert router.predict(TEXTS, available=mask).tolist() == ["a", "b", "c", "a"]
    with pytest.raises(
        ValueError, match="row 0 of available is 'new fish', row 0 of X is 'red fish'"
    ):
        router.predict(TEXTS, available=mask[::-1])


@pytest.mark.parametrize(
    ("models", "name"),
    [([1, 2, 3], "1"), ([1, 2, 3], 1.0), (["1", "2", "3"], 1), (["a", "b", "c"], b"a")],
)
def test_a_name_of_another_type_admits_no_model(models, name):
    outcomes = Outcomes.from_array(np.eye(3), models=models)
    router = DistributionalRouter().fit(np.eye(3), outcomes)
    with pytest.raises(ValueError, match=re.escape(f"unknown model {name!r}, not among")):
        router.predict(np.eye(3), available=[name])


@pytest.mark.parametrize(
    "available",
    [
        np.eye(4, 3, dtype=int),
        np.ma.array(np.ones((4, 3), dtype=bool), mask=np.eye(4, 3)),
        [["a"], ["b"], ["c"], ["a"]],
        pd.DataFrame(True, index=range(4), columns=["a", "b"]),
        pd.Series([True, False], index=["a", "b"]),
        {"a": True, "b": False},
    ],
    ids=["0 and 1", "masked", "names per query", "columns missing", "series missing", "dict"],
)
def test_what_might_be_a_mask_is_refused_and_not_guessed(router, available):
    with pytest.raises((TypeError, ValueError), match="available"):
        router.predict(TEXTS, available=available)


def test_models_named_for_each_query_are_refused_with_a_remedy_that_works(router):
    available = [["a"], ["b"], ["c"], ["a", "b"]]
    with pytest.raises(ValueError, match="names for each query become a mask by") as error:
        router.predict(TEXTS, available=available)
    remedy = str(error.value).partition("become a mask by ")[2]
    mask = eval(remedy, {"available": available, "router": router[-1]})  # noqa: S307
    assert router.predict(TEXTS, available=mask).tolist() == ["a", "b", "c", "a"]


def test_a_mask_without_labels_applies_to_labelled_queries_in_their_order(data):
    """The default index labels nothing, also if those of X are the same numbers."""
    router = DistributionalRouter(Ridge()).fit(data.X, data.outcomes)
    queries = pd.DataFrame(data.X[:3], index=[2, 0, 1])
    mask = pd.DataFrame(np.eye(3, dtype=bool), columns=router.models_)
    assert router.predict(queries, available=mask).tolist() == router.models_.tolist()
    with pytest.raises(ValueError, match="row 0 of available is 1, row 0 of X is 2"):
        router.predict(queries, available=mask.set_axis([1, 0, 2]))


@given(
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=4, max_size=4),
    st.permutations(MODELS),
)
@settings(max_examples=40, deadline=None)
def test_a_route_is_always_among_the_available_models(router, rows, columns):
    mask = pd.DataFrame(rows, columns=columns)
    if not mask.any(axis=1).all():
        with pytest.raises(ValueError, match="no model is available for"):
            router.predict(TEXTS, available=mask)
        return
    routes = router.predict(TEXTS, available=mask)
    assert all(mask.loc[row, route] for row, route in enumerate(routes))
    by_position = router.predict(TEXTS, available=mask[MODELS].to_numpy())
    assert routes.tolist() == by_position.tolist()


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.sampled_from([*MODELS, b"a"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(MODELS), inner, max_size=3),
        st.frozensets(st.sampled_from([*MODELS, 1, True]), max_size=3),
    ),
    max_leaves=8,
)


@given(ANYTHING)
@settings(max_examples=150, deadline=None)
def test_any_other_value_of_available_gives_the_right_routes_or_an_error(router, available):
    try:
        routes = router.predict(TEXTS, available=available)
    except (TypeError, ValueError):
        return
    if available is not None:
        names = {available} if isinstance(available, str) else set(available)
        assert set(routes) <= names <= set(MODELS)


# ---- 6. parameters that are changed after fit ------------------------------------

CHANGES = {
    "estimator": [Ridge(), KNeighborsRegressor(2)],
    "target": ["penalised", "utility", "choice"],
    "heads": ["separate", "model"],
    "cost_weight": [0.0, 2.0],
    "risk_aversion": [0.0, 2.0],
    "n_jobs": [1, 2],
    "random_state": [1],
    "label_prior": ["features"],
    "calibration": [None, 3],
    "gain_threshold": [1.0],
    "aggregator": [OutcomeAggregator(smoothing=4.0)],
    "aggregator__smoothing": [4.0, "auto"],
    "aggregator__prior": ["global"],
    "aggregator__risk": ["sample"],
    "aggregator__weighting": ["pooled"],
    "aggregator__cost_scaling": [(0.0, 2.0), None],
}


def test_every_parameter_of_a_router_is_tried():
    params = DistributionalRouter(aggregator=OutcomeAggregator()).get_params()
    assert CHANGES.keys() == params.keys()


@pytest.mark.parametrize("target", ["capability", "penalised", "utility", "choice"])
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in CHANGES for value in CHANGES[name]], ids=str
)
def test_a_change_after_fit_takes_effect_or_is_refused(data, target, name, value):
    settings = {"target": target, "random_state": 0}
    router = DistributionalRouter(**settings).fit(data.X, data.outcomes)
    router.set_params(**{name: value})
    if name == "target" and value == target:
        return
    try:
        found = router.decision_function(data.X)
    except ValueError as error:
        refused = str(error)
    else:
        refused = None
    if refused is not None:
        named = {"aggregator": "aggregator__smoothing"}.get(name, name)
        pattern = (
            f"^{named} was .* in fit and is .* fixed at fit time"
            "|^target='choice' (compares|learns)|^gain_threshold=.* needs standard errors"
        )
        assert re.search(pattern, refused)
        for method in (router.predict, lambda X: router.score(X, data.outcomes)):
            with pytest.raises(ValueError, match=re.escape(refused)):
                method(data.X)
        return
    expected = DistributionalRouter(**settings).set_params(**{name: value})
    expected.fit(data.X, data.outcomes)
    np.testing.assert_array_equal(found, expected.decision_function(data.X))


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", "another/model"), ("keep_weights", True), ("message_text", str)],
)
def test_what_an_encoder_read_in_fit_cannot_be_changed(name, value):
    encoder = QueryEncoder(TfidfVectorizer()).fit(TEXTS).set_params(**{name: value})
    with pytest.raises(ValueError, match=f"^{name} was .*, but it is fixed at fit time; fit again"):
        encoder.transform(TEXTS)


# ---- 24. a model with few rows ---------------------------------------------------


@pytest.fixture(scope="module")
def sparse_log(data):
    """Outcomes in which the best model has those of six queries only."""
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    scores[6:, data.expected_quality.mean(axis=0).argmax()] = np.nan
    return Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)


@pytest.fixture
def eager():
    """A router that often chooses the model with few outcomes."""
    return DistributionalRouter(
        KNeighborsRegressor(3), risk_aversion=0.0, cost_weight=0.02, calibration=None
    )


def test_cross_validation_of_a_model_with_few_rows_names_a_cure_that_works(data, sparse_log, eager):
    with pytest.raises(ValueError, match="was|were routed to a model that has no outcome") as error:
        cross_validate(eager, data.X, sparse_log, error_score="raise")
    assert "scoring=routing_scorer(missing='skip')" in str(error.value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ImputationWarning)
        scores = cross_validate(eager, data.X, sparse_log, scoring=routing_scorer(missing="skip"))
        search = GridSearchCV(
            eager, {"estimator__n_neighbors": [3, 9]}, scoring=routing_scorer(missing="skip")
        ).fit(data.X, sparse_log)
    assert np.isfinite(scores["test_score"]).all()
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_the_score_and_the_scorer_agree_by_default_and_skip_alike(data, sparse_log, eager):
    eager.fit(data.X[:40], sparse_log[:40])
    expected = eager.score(data.X[40:], data.outcomes[40:])
    assert routing_scorer()(eager, data.X[40:], data.outcomes[40:]) == expected
    expected = eager.score(data.X[40:], sparse_log[40:], missing="skip")
    found = routing_scorer(missing="skip")(eager, data.X[40:], sparse_log[40:])
    assert found == expected != eager.score(data.X[40:], data.outcomes[40:])


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda router, X, y, missing: evaluate_router(router, X, y, missing=missing),
        lambda router, X, y, missing: routing_report(
            y, router.fit(X, y).predict(X), missing=missing
        ),
        lambda router, X, y, missing: deferral_curve(router.fit(X, y), X, y, missing=missing),
        lambda router, X, y, missing: tune_cost_weight(router, X, y, budget=9.0, missing=missing),
        lambda router, X, y, missing: compare_supervision(
            router, X, y, X_test=X, outcomes_test=y, n_draws=3, missing=missing
        ),
        lambda router, X, y, missing: router.fit(X, y).score(X, y, missing=missing),
        lambda router, X, y, missing: routed_score(y, router.fit(X, y).predict(X), missing=missing),
    ],
    ids=[
        "evaluate_router",
        "routing_report",
        "deferral_curve",
        "tune",
        "compare",
        "score",
        "routed_score",
    ],
)
def test_missing_outcomes_can_be_skipped_wherever_routes_are_evaluated(
    data, sparse_log, eager, evaluate
):
    with pytest.raises(ValueError, match="routed to a model that has no outcome|missing='skip'"):
        evaluate(eager, data.X, sparse_log, "raise")
    assert evaluate(eager, data.X, sparse_log, "skip") is not None


# ---- 25. classifiers that hold rows out ------------------------------------------

SHUFFLED = StratifiedKFold(5, shuffle=True, random_state=0)
CLASSIFIERS = {
    "SVC": SVC(probability=True, random_state=0),
    "SVC in a pipeline": make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)),
    "calibrated SVC": CalibratedClassifierCV(SVC(), cv=SHUFFLED),
    "calibrated linear SVC": CalibratedClassifierCV(LinearSVC()),
    "calibrated forest": CalibratedClassifierCV(
        RandomForestClassifier(25, random_state=0), cv=SHUFFLED
    ),
    "LogisticRegressionCV": LogisticRegressionCV(Cs=3, cv=SHUFFLED, max_iter=300),
    "GridSearchCV": GridSearchCV(LogisticRegression(), {"C": [0.1, 10.0]}, cv=SHUFFLED),
    "boosting": HistGradientBoostingClassifier(early_stopping=True, max_iter=30, random_state=0),
    "MLP": MLPClassifier(
        (32,), early_stopping=True, learning_rate_init=0.02, n_iter_no_change=20, random_state=0
    ),
    "SGD": SGDClassifier(loss="log_loss", early_stopping=True, random_state=0),
    "kNN without weights": KNeighborsClassifier(16),
    "logistic regression": LogisticRegression(),
}


@pytest.fixture(scope="module")
def choice_data():
    return make_routing_outcomes(700, 4, 2, 2, random_state=0)


@pytest.fixture(scope="module")
def held_out_quality(choice_data):
    return choice_data.expected_quality[200:]


def routed_quality(routes, data, quality):
    columns = [data.outcomes.models.tolist().index(route) for route in routes]
    return np.take_along_axis(quality, np.array(columns)[:, None], axis=1).mean()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_classifier_of_the_choice_routes_better_than_at_random(
    choice_data, held_out_quality, classifier
):
    router = DistributionalRouter(classifier, target="choice", cost_weight=0.0)
    router.fit(choice_data.X[:200], choice_data.outcomes[:200])
    found = routed_quality(router.predict(choice_data.X[200:]), choice_data, held_out_quality)
    assert found > held_out_quality.mean() + 0.04


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_repeated_rows_would_mislead_a_support_vector_machine(choice_data, held_out_quality):
    probability = probability_best(choice_data.outcomes[:200], cost_weight=0.0, random_state=0)
    rows, models = np.nonzero(probability)
    machine = SVC(probability=True, random_state=0)
    machine.fit(choice_data.X[rows], models, sample_weight=probability[rows, models])
    best = machine.predict_proba(choice_data.X[200:]).argmax(axis=1)
    routes = choice_data.outcomes.models[machine.classes_[best]]
    found = routed_quality(routes, choice_data, held_out_quality)
    assert found < held_out_quality.mean() - 0.1


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_if_one_model_is_always_the_best_any_classifier_chooses_it(data, classifier):
    outcomes = Outcomes.from_array(np.tile([1.0, 0.0], (60, 3, 1)).transpose(0, 2, 1))
    router = DistributionalRouter(classifier, target="choice").fit(data.X, outcomes)
    assert set(router.predict(data.X)) == {0}
    np.testing.assert_array_equal(router.predict_proba(data.X[:1]), [[1.0, 0.0]])


# ---- 26. conversations -----------------------------------------------------------


def chat(*turns, system="Answer briefly."):
    """A conversation of turns by the user and the assistant."""
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]
    return [{"role": "system", "content": system}, *messages]


def test_conversations_are_routed_like_the_last_text_of_the_user(router):
    conversations = [
        chat("red fish"),
        chat("old fish", "Which?", "blue fish"),
        chat([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "old fish"}]),
        chat("new fish", "Nice.", [{"type": "image_url", "image_url": {}}]),
    ]
    assert router.predict(conversations).tolist() == router.predict(TEXTS).tolist()
    assert router.predict(pd.Series(conversations)).tolist() == router.predict(TEXTS).tolist()
    as_array = np.array([chat(text) for text in TEXTS], dtype=object)
    assert router.predict(as_array).tolist() == router.predict(TEXTS).tolist()


def test_conversations_in_another_order_than_their_outcomes_are_refused(router):
    outcomes = Outcomes.from_array(np.eye(4, 3), queries=TEXTS, models=MODELS)
    assert np.isfinite(router.score([chat(text) for text in TEXTS], outcomes))
    with pytest.raises(ValueError, match="same queries in another order"):
        router.score([chat(text) for text in TEXTS[::-1]], outcomes)


MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
        optional={
            "content": st.one_of(
                st.none(),
                st.text(max_size=5),
                st.integers(),
                st.lists(
                    st.one_of(
                        st.text(max_size=3),
                        st.none(),
                        st.fixed_dictionaries(
                            {"type": st.sampled_from(["text", "image_url", "audio"])},
                            optional={"text": st.one_of(st.none(), st.text(max_size=4))},
                        ),
                    ),
                    max_size=3,
                ),
            )
        },
    ),
    min_size=1,
    max_size=4,
)


@given(MESSAGES)
@settings(max_examples=100, deadline=None)
def test_any_conversation_is_routed_or_refused_with_the_remedy(router, messages):
    try:
        (route,) = router.predict([messages])
    except (TypeError, ValueError) as error:
        route = str(error)
    pattern = "content of a message must be a text or a list|no message of role 'user' with text"
    assert route in MODELS or re.search(pattern, route)


# ---- 27. from a Pipeline, and why ------------------------------------------------


def test_what_a_router_predicts_is_reachable_from_a_pipeline(router):
    table = explain_routes(router, TEXTS[:2], available={"a", "b"})
    final, features = router[-1], router[:-1].transform(TEXTS[:2])
    first = table.loc["red fish"].loc[MODELS]
    capability = final.predict_capability(features)
    np.testing.assert_array_equal(first["quality"], capability.quality[0])
    np.testing.assert_array_equal(first["risk"], capability.risk[0])
    np.testing.assert_array_equal(first["utility"], final.decision_function(features)[0])
    ranks = final.rank(features, available={"a", "b"})
    assert table.loc["blue fish"].index.tolist() == ranks[1].tolist()
    assert not first.loc["c", "available"]
    routes = router.predict(TEXTS[:2], available={"a", "b"})
    assert table.index[table["route"]].get_level_values("model").tolist() == routes.tolist()


# ---- warnings point at the user's line -------------------------------------------


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize(
    "settings", [{"target": "choice"}, {"aggregator": OutcomeAggregator(smoothing="auto")}], ids=str
)
def test_a_warning_about_labels_points_at_the_call_of_fit(data, settings, in_pipeline):
    router = DistributionalRouter(**settings)
    router = make_pipeline(StandardScaler(), router) if in_pipeline else router
    with pytest.warns(SeparabilityWarning) as recorded:
        router.fit(data.X, data.outcomes.single_shot(0))
    assert {warning.filename for warning in recorded} == {__file__}


# ---- what is evaluated is what is used -------------------------------------------


@pytest.mark.parametrize("scaling", ["minmax", "robust"])
@pytest.mark.parametrize("target", ["capability", "penalised"])
def test_the_router_that_is_evaluated_is_the_one_that_is_used(target, scaling):
    """An estimator that extrapolates costs gives the same routes in both."""
    data = make_routing_outcomes(340, 4, random_state=3)
    noise = np.random.default_rng(3).standard_normal((340, 25))
    X, train, test = np.hstack([data.X, noise]), slice(40), slice(40, None)
    router = DistributionalRouter(
        LinearRegression(),
        target=target,
        cost_weight=1.0,
        aggregator=OutcomeAggregator(cost_scaling=scaling),
    )
    report = evaluate_router(
        router, X[train], data.outcomes[train], X_test=X[test], outcomes_test=data.outcomes[test]
    )
    routes = router.fit(X[train], data.outcomes[train]).predict(X[test])
    expected = routed_score(data.outcomes[test], routes)
    evaluated = report.to_frame().set_index(["strategy", "metric"])["estimate"]
    assert evaluated["router", "score"] == pytest.approx(expected)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("factor", [0.3, 1.0, 5.0])
def test_routes_do_not_depend_on_how_the_cost_range_is_spelled(unit, factor):
    """A range, or no scaling, with the cost weight that means the same gives the same routes."""
    data = make_routing_outcomes(340, 4, random_state=3)
    noise = np.random.default_rng(3).standard_normal((340, 25))
    X, scores = np.hstack([data.X, noise]), data.outcomes.to_array()
    outcomes = Outcomes.from_array(scores, costs=unit * data.outcomes.to_array("cost"))
    low, high = find_cost_range(outcomes[:40])
    wide = (low, low + factor * (high - low))

    def route(cost_scaling, cost_weight):
        aggregator = OutcomeAggregator(cost_scaling=cost_scaling)
        router = DistributionalRouter(
            LinearRegression(), cost_weight=cost_weight, aggregator=aggregator
        )
        return router.fit(X[:40], outcomes[:40]).predict(X[40:]).tolist()

    expected = route("minmax", 1.0)
    assert route(wide, factor) == expected
    assert route(None, 1.0 / (high - low)) == expected
