import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    list_routers,
    make_router,
    single_shot_twin,
)
from dars_sklearn.datasets import make_routing_outcomes


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(80, 3, 2, 3, n_features=6, random_state=0)


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("name", list_routers())
def test_every_family_is_a_router_ready_to_fit(data, name, preset):
    router = make_router(name, preset, random_state=0)
    neural = "max_epochs" in getattr(router.estimator, "get_params", dict)()
    if neural and preset == "default":
        router.set_params(estimator__max_epochs=3)
    routes = router.fit(data.X, data.outcomes).predict(data.X)
    assert set(routes) <= set(data.outcomes.models)
    assert router.score(data.X, data.outcomes) > 0


def test_the_paper_trains_for_a_handful_of_epochs(data):
    epochs = {"embedllm": 20, "mirt": 30, "rm-softmax": 20, "graph-router": 50}
    for name, n in epochs.items():
        router = make_router(name, "paper", random_state=0).fit(data.X, data.outcomes)
        assert router.estimators_[0].n_iter_ == n


def labels(data):
    capability = OutcomeAggregator().fit(data.outcomes).aggregate(data.outcomes)
    return [capability.quality, capability.cost, capability.risk]


def test_knn_is_plain_scikit_learn(data):
    plain = KNeighborsRegressor(16, weights="distance").fit(data.X, np.hstack(labels(data)))
    unseen = np.random.default_rng(1).normal(size=(20, 6))
    quality, cost, risk = np.split(plain.predict(unseen), 3, axis=1)
    got = make_router("knn").fit(data.X, data.outcomes).decision_function(unseen)
    np.testing.assert_allclose(got, quality - 0.05 * cost - 0.2 * risk)


def test_mlp_is_plain_scikit_learn(data):
    router = make_router("mlp", "paper", random_state=3).fit(data.X, data.outcomes)
    seeds = np.random.RandomState(3).randint(2**31 - 1, size=3)
    unseen = np.random.default_rng(1).normal(size=(20, 6))
    for block, seed, part in zip(labels(data), seeds, router.estimators_, strict=True):
        plain = make_pipeline(
            StandardScaler(),
            MLPRegressor(hidden_layer_sizes=(128, 64), alpha=1e-4, max_iter=800, random_state=seed),
        ).fit(data.X, block)
        np.testing.assert_allclose(part.predict(unseen), plain.predict(unseen))


def test_sparse_text_features_suit_every_family(data):
    queries = [f"word{i % 7} number{i % 5}" for i in range(80)]
    for name in list_routers():
        pipeline = make_pipeline(TfidfVectorizer(), make_router(name, "paper", random_state=0))
        assert len(pipeline.fit(queries, data.outcomes).predict(queries[:3])) == 3


def test_overrides_reach_the_router_and_its_estimator():
    router = make_router("mirt", cost_weight=0.3, estimator__n_latent=4)
    assert router.cost_weight == 0.3
    assert router.estimator.n_latent == 4
    assert make_router("knn", estimator__n_neighbors=3).estimator.n_neighbors == 3


@pytest.mark.parametrize("name", list_routers())
def test_one_outcome_a_pair_makes_both_supervisions_equal(data, name):
    """PAPER property 3, for each family and seed."""
    once = data.outcomes.single_shot(0)
    for seed in (0, 1):
        router = make_router(name, "paper", random_state=seed, risk_aversion=0.0)
        twin = single_shot_twin(router)
        routes = router.fit(data.X, once).predict(data.X)
        again = twin.fit(data.X, once.single_shot(5)).predict(data.X)
        np.testing.assert_array_equal(routes, again)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="there is no router 'bert'; there are .'knn', 'mlp'"):
        make_router("bert")
    with pytest.raises(ValueError, match="preset must be one of"):
        make_router("knn", "best")
    with pytest.raises(ValueError, match="Invalid parameter"):
        make_router("knn", depth=3)


def test_fewer_queries_than_neighbours_clusters_or_folds_will_do(data):
    for name in list_routers():
        router = make_router(name, "paper", random_state=0)
        assert len(router.fit(data.X[:4], data.outcomes[:4]).predict(data.X)) == 80


def test_a_twin_weighs_no_risk_and_is_unfitted(data):
    router = DistributionalRouter(cost_weight=0.3, risk_aversion=0.4).fit(data.X, data.outcomes)
    twin = single_shot_twin(router)
    assert (twin.cost_weight, twin.risk_aversion) == (0.3, 0.0)
    assert not hasattr(twin, "estimators_")
    pipeline = single_shot_twin(make_pipeline(StandardScaler(), router))
    assert pipeline[-1].risk_aversion == 0.0
    assert router.risk_aversion == 0.4
