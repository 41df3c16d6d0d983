import numpy as np
import pandas as pd
import pytest
from known_estimators import NonlinearRule
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, Outcomes, QueryEncoder, explain_routes
from dars_sklearn.datasets import make_routing_outcomes

TEXTS = ["red fish", "blue fish", "old fish", "new fish"]


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(60, 3, 2, 2, random_state=0)


@pytest.fixture(scope="module")
def pipeline(data):
    return make_pipeline(StandardScaler(), DistributionalRouter(Ridge())).fit(data.X, data.outcomes)


def test_a_pipeline_shows_what_its_router_predicts(data, pipeline):
    table = explain_routes(pipeline, data.X[:5])
    features = pipeline[:-1].transform(data.X[:5])
    router = pipeline[-1]
    by_model = {name: table[name].unstack()[router.models_.tolist()] for name in table.columns}
    capability = router.predict_capability(features)
    for name in ("quality", "cost", "risk"):
        np.testing.assert_allclose(by_model[name], getattr(capability, name))
    np.testing.assert_allclose(by_model["utility"], router.decision_function(features))
    assert table["rank"].tolist() == [1, 2, 3] * 5
    assert table["available"].all()
    names = table.index.get_level_values("model").to_numpy().reshape(5, 3)
    np.testing.assert_array_equal(names, router.rank(features))
    chosen = table[table["route"]].index.get_level_values("model")
    assert chosen.tolist() == pipeline.predict(data.X[:5]).tolist()


def test_a_router_alone_is_explained_like_the_pipeline_that_holds_it(data, pipeline):
    features = pipeline[:-1].transform(data.X[:5])
    pd.testing.assert_frame_equal(
        explain_routes(pipeline[-1], features), explain_routes(pipeline, data.X[:5])
    )


def test_models_that_are_not_available_come_last_and_are_not_chosen(data, pipeline):
    best = pipeline.predict(data.X[:1])[0]
    others = set(pipeline[-1].models_) - {best}
    table = explain_routes(pipeline, data.X[:1], available=others).droplevel("query")
    assert table.index[-1] == best
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["available"].tolist() == [True, True, False]
    assert table["route"].tolist() == [True, False, False]
    assert table.index[0] == pipeline.predict(data.X[:1], available=others)[0]


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        ("capability", ["quality", "cost", "risk"]),
        ("penalised", ["cost"]),
        ("utility", []),
        ("choice", []),
    ],
)
def test_what_the_target_does_not_learn_is_left_out(data, target, columns):
    router = DistributionalRouter(Ridge(), target=target).fit(data.X, data.outcomes)
    table = explain_routes(router, data.X[:2])
    assert table.columns.tolist() == [*columns, "utility", "rank", "available", "route"]
    if target == "penalised":
        capability = DistributionalRouter(Ridge()).fit(data.X, data.outcomes)
        expected = explain_routes(capability, data.X[:2])["cost"]
        np.testing.assert_allclose(table["cost"].sort_index(), expected.sort_index())


@pytest.mark.parametrize("target", ["capability", "penalised"])
def test_costs_that_are_not_known_are_not_invented(data, target):
    outcomes = Outcomes.from_array(data.outcomes.to_array())
    router = DistributionalRouter(target=target, cost_weight=0).fit(data.X, outcomes)
    assert explain_routes(router, data.X[:2])["cost"].isna().all()


def test_the_values_of_an_own_decision_rule_are_the_utilities(data):
    outcomes = Outcomes.from_array([[1, 0], [0, 1]], models=["a", "b"])
    router = DistributionalRouter(NonlinearRule(), target="penalised", cost_weight=2.0)
    router.fit(np.zeros((2, 4)), outcomes)
    table = explain_routes(router, [[0.9, 0.5, 0.8, -0.4]])
    assert table.columns.tolist() == ["utility", "rank", "available", "route"]
    assert table.index.tolist() == [(0, "b"), (0, "a")]
    np.testing.assert_allclose(table["utility"], [2.1, -2.3])


@pytest.mark.parametrize(
    ("queries", "names"),
    [
        (TEXTS, TEXTS),
        (np.array(TEXTS), TEXTS),
        (pd.Series(TEXTS), TEXTS),
        (pd.Series(TEXTS, index=list("wxyz")), list("wxyz")),
        (pd.Series(TEXTS, index=pd.RangeIndex(8, 0, -2)), [8, 6, 4, 2]),
        ([[{"role": "user", "content": text}] for text in TEXTS], TEXTS),
    ],
    ids=["list", "array", "series", "labelled series", "series by number", "conversations"],
)
def test_queries_are_named_by_their_label_or_text(queries, names):
    outcomes = Outcomes.from_array(np.tile([[1, 0], [0, 1]], (2, 1)), queries=TEXTS)
    router = make_pipeline(QueryEncoder(TfidfVectorizer()), DistributionalRouter())
    table = explain_routes(router.fit(TEXTS, outcomes), queries)
    assert table.index.names == ["query", "model"]
    assert table.index.get_level_values("query").tolist() == np.repeat(names, 2).tolist()


def test_features_without_labels_are_named_by_their_row(data, pipeline):
    table = explain_routes(pipeline, pd.DataFrame(data.X[:2]).to_numpy())
    assert table.index.get_level_values("query").tolist() == [0, 0, 0, 1, 1, 1]


def test_the_mask_of_a_pipeline_is_compared_with_its_queries(data, pipeline):
    features = pd.DataFrame(data.X[:2], index=["q0", "q1"])
    mask = pd.DataFrame(
        [[True, False, False]] * 2, columns=pipeline[-1].models_, index=["q1", "q0"]
    )
    with pytest.raises(ValueError, match="row 0 of available is 'q1', row 0 of X is 'q0'"):
        explain_routes(pipeline, features, available=mask)


def test_what_is_not_a_fitted_router_is_refused(data, pipeline):
    with pytest.raises(TypeError, match="router must be a DistributionalRouter, or a Pipeline"):
        explain_routes(Ridge(), data.X)
    for router in (clone(pipeline), DistributionalRouter()):
        with pytest.raises(NotFittedError):
            explain_routes(router, data.X)
