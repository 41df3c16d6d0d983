"""The heads of a router: fitted on rows, they predict the blocks of a target."""

import numpy as np
import pytest
from known_estimators import Recorder
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from dars_sklearn import DistributionalRouter
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing._estimator import make_seeds
from dars_sklearn.routing._heads import HEADS, fit_heads
from dars_sklearn.routing.estimators import NeighborsRegressorCV

MODELS = np.array(["a", "b", "c"], dtype=object)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4))
QUALITY, COST = RNG.random((2, 20, 3))
BLOCKS = {"quality": QUALITY, "cost": COST}
PROBABILITY = QUALITY / QUALITY.sum(axis=1, keepdims=True)


def fitted(estimator, blocks=BLOCKS, rows=slice(None), **settings):
    settings = {
        "kind": "joint",
        "observed": np.ones((20, 3), dtype=bool)[rows],
        "random_state": 0,
        "n_jobs": None,
        "fit_params": {},
    } | settings
    labels = {name: block[rows] for name, block in blocks.items()}
    return fit_heads(estimator, X[rows], labels, MODELS, **settings)


@pytest.mark.parametrize("kind", HEADS)
def test_heads_of_every_kind_predict_blocks_by_name(kind):
    heads = fitted(Ridge(), kind=kind)
    assert len(heads.estimators) == {"joint": 1, "separate": 2, "model": 3}[kind]
    predicted = heads.predict(X[:5])
    assert list(predicted) == ["quality", "cost"]
    for name, block in BLOCKS.items():
        np.testing.assert_allclose(predicted[name], Ridge().fit(X, block).predict(X[:5]))


@pytest.mark.parametrize("kind", HEADS)
def test_heads_can_be_fitted_on_some_rows(kind):
    rows = np.arange(0, 20, 2)
    predicted = fitted(Ridge(), rows=rows, kind=kind).predict(X)
    expected = Ridge().fit(X[rows], COST[rows]).predict(X)
    np.testing.assert_allclose(predicted["cost"], expected)


def test_a_classifier_learns_probabilities_with_one_head():
    heads = fitted(LogisticRegression(), {"probability": PROBABILITY})
    (head,) = heads.estimators
    assert isinstance(head, LogisticRegression)
    (probability,) = heads.predict(X).values()
    np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_models_that_are_never_the_best_have_a_column_too():
    always_first = np.tile([1.0, 0.0, 0.0], (20, 1))
    heads = fitted(LogisticRegression(), {"probability": always_first})
    assert isinstance(heads.estimators[0], DummyClassifier)
    np.testing.assert_array_equal(heads.predict(X)["probability"], always_first)


def test_a_regressor_learns_probabilities_as_numbers():
    heads = fitted(Ridge(), {"probability": PROBABILITY})
    expected = Ridge().fit(X, PROBABILITY).predict(X)
    np.testing.assert_allclose(heads.predict(X)["probability"], expected)


def test_the_default_estimator_has_no_more_neighbours_than_other_queries():
    heads = fitted(None, rows=slice(5))
    (head,) = heads.estimators
    assert isinstance(head, NeighborsRegressorCV)
    assert set(head.n_neighbors_.values()) == {4}


@pytest.mark.parametrize("kind", HEADS)
def test_each_head_has_its_own_seed_from_the_random_state(kind):
    heads = fitted(Recorder(), kind=kind, random_state=7)
    seeds = make_seeds(7, len(heads.estimators))
    assert [head.random_state for head in heads.estimators] == seeds
    assert len(set(seeds)) == len(seeds)
    assert [head.random_state for head in fitted(Recorder(), random_state=None).estimators] == [
        Recorder().random_state
    ]


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
def test_a_router_keeps_its_heads_as_estimators(kind, target):
    data = make_routing_outcomes(40, 3, random_state=0)
    inner = DecisionTreeRegressor(max_depth=2)
    router = DistributionalRouter(inner, heads=kind, target=target, random_state=0)
    router.fit(data.X, data.outcomes)
    n_blocks = {"capability": 3, "penalised": 2, "utility": 1}[target]
    assert len(router.estimators_) == {"joint": 1, "separate": n_blocks, "model": 3}[kind]
