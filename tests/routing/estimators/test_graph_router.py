import numpy as np
import pytest
from networks import (
    FAILED_FLOAT32_CHECKS,
    FAILED_WEIGHT_CHECKS,
    SEVERAL_BLOCKS,
    check_predicts_and_routes_well,
    fit_briefly,
    linear,
    network_weights,
    relu,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter
from dars_sklearn.routing.estimators import GraphRouter


@parametrize_with_checks(
    [GraphRouter(dim=8, max_epochs=60, lr=0.02)],
    expected_failed_checks=lambda estimator: FAILED_WEIGHT_CHECKS | FAILED_FLOAT32_CHECKS,
)
def test_graph_router_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_predictions_follow_the_formula_of_the_paper(tiny):
    model = fit_briefly(GraphRouter, tiny.X, tiny.targets[3], SEVERAL_BLOCKS, dim=8)
    weights = network_weights(model)
    expected = np.empty((12, 3, 3))
    for i, x in enumerate(tiny.X.astype(np.float64)):
        q = relu(linear(weights, "query", x))
        for m, description in enumerate(weights["descriptions"]):
            d = relu(linear(weights, "model", description))
            edge = [*q, *d]
            edge += [a * b for a, b in zip(q, d, strict=True)]
            edge += [abs(a - b) for a, b in zip(q, d, strict=True)]
            hidden = relu(linear(weights, "edge.2", relu(linear(weights, "edge.0", edge))))
            expected[i, :, m] = linear(weights, "edge.4", hidden)
    np.testing.assert_allclose(model.predict(tiny.X), expected.reshape(12, 9), atol=1e-5)


def test_every_block_has_a_squared_error(tiny):
    model = fit_briefly(GraphRouter, tiny.X, tiny.targets[3], SEVERAL_BLOCKS)
    assert model.net_.criterion_.losses == ["mse"] * 3
    assert model.net_.criterion_.weights == [1.0] * 3


def test_five_queries_can_be_memorised(tiny):
    X, Y = tiny.X[:5], tiny.targets[3][:5]
    model = fit_briefly(GraphRouter, X, Y, SEVERAL_BLOCKS, max_epochs=400, lr=0.003)
    assert np.abs(model.predict(X) - Y).mean() < 0.02


def test_graph_router_predicts_better_than_the_mean_and_routes_better_than_the_best_model(split):
    model = GraphRouter(random_state=0).fit(split.X_train, split.y_train, blocks=SEVERAL_BLOCKS)
    check_predicts_and_routes_well(model.predict(split.X_test)[:, :3], split)


TEXTS = {"model 0": "small and cheap", "model 1": "medium", "model 2": "large and expensive"}
VECTORS = {"model 0": [0.0, 1.0], "model 1": [1.0, 1.0], "model 2": [2.0, 1.0]}


@pytest.mark.parametrize(("descriptions", "n_features"), [(TEXTS, 10), (VECTORS, 2), (None, 3)])
def test_descriptions_are_texts_or_feature_vectors(data, descriptions, n_features):
    router = DistributionalRouter(GraphRouter(descriptions, max_epochs=3))
    assert set(router.fit(data.X, data.outcomes).predict(data.X)) <= set(TEXTS)
    (graph_router,) = router.estimators_
    assert graph_router.net_.module_.descriptions.shape == (3, n_features)


def test_descriptions_belong_to_models_by_name(data):
    names = list(VECTORS)
    model = GraphRouter(VECTORS, max_epochs=1)
    for order in (names, names[::-1]):
        model.fit(data.X, data.quality, models=order)
        expected = [VECTORS[name] for name in order]
        np.testing.assert_array_equal(model.net_.module_.descriptions, expected)


def test_queries_and_descriptions_can_share_the_space_of_one_encoder(data):
    queries = [f"question {i % 7} of kind {i % 3}" for i in range(len(data.X))]
    encoder = TfidfVectorizer(ngram_range=(1, 2)).fit([*queries, *TEXTS.values()])
    X, vectors = encoder.transform(queries), encoder.transform(TEXTS.values()).toarray()
    estimator = GraphRouter(dict(zip(TEXTS, vectors, strict=True)), max_epochs=3)
    (model,) = DistributionalRouter(estimator).fit(X, data.outcomes).estimators_
    assert model.net_.module_.descriptions.shape == (3, X.shape[1])
    np.testing.assert_allclose(model.net_.module_.descriptions, vectors, rtol=1e-6)


def test_models_without_a_description_are_named(data):
    descriptions = {"model 0": "small", "model 1": "large"}
    with pytest.raises(ValueError, match=r"no entry for the models \['model 2'\]"):
        DistributionalRouter(GraphRouter(descriptions)).fit(data.X, data.outcomes)
