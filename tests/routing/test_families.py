from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    list_routers,
    make_router,
    single_shot_counterpart,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing.estimators import (
    MIRT,
    AvengersPro,
    EmbedLLM,
    EquiRouter,
    GraphRouter,
    RMSoftmax,
)

# Networks are trained for a moment only.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NEURAL = {
    "embedllm": EmbedLLM,
    "mirt": MIRT,
    "rm-softmax": RMSoftmax,
    "graph-router": GraphRouter,
    "equirouter": EquiRouter,
}
# The tests of the core also run without the optional dependencies.
NEEDS_SKORCH = pytest.mark.skipif(find_spec("skorch") is None, reason="needs skorch")
FAMILIES = [
    pytest.param(name, marks=NEEDS_SKORCH) if name in NEURAL else name for name in list_routers()
]
UNSEEN = np.random.default_rng(1).normal(size=(20, 6))


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(80, 3, 2, 3, n_features=6, random_state=0)


@pytest.fixture(scope="module")
def labels(data):
    capability = OutcomeAggregator().fit_aggregate(data.outcomes)
    return [capability.quality, capability.scaled_cost, capability.risk]


def make_brief_router(name, preset="paper", **settings):
    """A router of a family that is trained for a moment only."""
    router = make_router(name, preset, random_state=0, **settings)
    if name in NEURAL:
        router.set_params(estimator__max_epochs=3)
    if name == "mlp":
        router.set_params(estimator__mlpregressor__max_iter=5, estimator__mlpregressor__tol=1.0)
    return router


def changed_parameters(estimator):
    """Parameters that differ from the defaults of the estimator."""
    defaults = type(estimator)().get_params()
    return {
        name: value for name, value in estimator.get_params().items() if value != defaults[name]
    }


def test_the_families_of_the_paper_and_equirouter_are_listed():
    of_the_paper = ["knn", "mlp", "avengers-pro", "embedllm", "mirt", "rm-softmax", "graph-router"]
    assert list_routers() == ["auto", *of_the_paper, "equirouter"]


# ---- settings --------------------------------------------------------------------


def test_knn_is_the_default_router():
    assert changed_parameters(make_router("knn")) == {}


@pytest.mark.parametrize("name", list_routers())
def test_the_paper_pools_the_outcomes_of_a_pair_and_does_not_calibrate(name):
    assert make_router(name).aggregator is None
    own_decision_rule = name in ("rm-softmax", "equirouter")
    assert make_router(name).calibration == (None if own_decision_rule else "auto")
    router = make_router(name, "paper", aggregator__smoothing="auto")
    assert router.calibration is None
    assert make_router(name, "paper", calibration=3).calibration == 3
    assert changed_parameters(router.aggregator) == {"weighting": "pooled", "smoothing": "auto"}


def test_labels_of_the_paper_are_means_over_all_outcomes_of_ragged_grids():
    cells = [(0, 0, 1), (0, 1, 1), (0, 2, 0), (1, 0, 0)]
    frame = pd.DataFrame(
        [(query, model, *cell) for query in range(4) for model in "ab" for cell in cells],
        columns=["query", "model", "paraphrase", "sample", "score"],
    )
    outcomes = Outcomes.from_frame(frame)
    X = np.arange(4.0)[:, None]
    for preset, quality in [("paper", 0.5), ("default", 1 / 3)]:
        router = make_router("knn", preset, risk_aversion=0.0).fit(X, outcomes)
        np.testing.assert_allclose(router.aggregator_.aggregate(outcomes).quality, quality)


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_avengers_pro_has_its_default_parameters(preset):
    router = make_router("avengers-pro", preset)
    assert isinstance(router.estimator, AvengersPro)
    assert changed_parameters(router.estimator) == {}
    assert (router.target, router.heads) == ("capability", "joint")


@pytest.mark.parametrize(
    ("preset", "stopping"),
    [("default", {"alpha": 0.1, "early_stopping": True, "n_iter_no_change": 20}), ("paper", {})],
)
def test_settings_of_the_mlp(preset, stopping):
    router = make_router("mlp", preset)
    assert (router.target, router.heads) == ("capability", "separate")
    assert changed_parameters(router.estimator[-1]) == {
        "hidden_layer_sizes": (128, 64), "max_iter": 800
    } | stopping  # fmt: skip
    assert isinstance(router.estimator[-2], StandardScaler) == (preset == "paper")


@pytest.mark.parametrize("name", NEURAL)
def test_neural_families_have_their_default_parameters_by_default(name):
    router = make_router(name)
    assert type(router.estimator) is NEURAL[name]
    assert changed_parameters(router.estimator) == {}
    assert router.heads == "joint"


@pytest.mark.parametrize(
    ("name", "training"),
    [
        ("embedllm", {"max_epochs": 20, "batch_size": 2048, "clip": True}),
        ("mirt", {"max_epochs": 30, "batch_size": 256}),
        ("rm-softmax", {"max_epochs": 20, "batch_size": 256}),
        ("graph-router", {"max_epochs": 50, "batch_size": 256}),
    ],
)
def test_the_paper_trains_its_neural_families_for_a_handful_of_epochs(name, training):
    estimator = make_router(name, "paper").estimator
    assert type(estimator) is NEURAL[name]
    assert changed_parameters(estimator) == training | {"early_stopping": False}


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("embedllm", "penalised"),
        ("mirt", "capability"),
        ("rm-softmax", "penalised"),
        ("graph-router", "capability"),
        ("equirouter", "penalised"),
    ],
)
def test_targets_of_neural_families(name, preset, target):
    assert make_router(name, preset).target == target


def test_overrides_reach_the_router_and_its_estimator():
    router = make_router("mirt", cost_weight=0.3, target="utility", estimator__n_latent=4)
    assert (router.cost_weight, router.target) == (0.3, "utility")
    assert router.estimator.n_latent == 4


def test_parameters_of_the_default_neighbours_can_be_overridden():
    estimator = make_router("knn", estimator__p=1, cost_weight=0.3).estimator
    assert isinstance(estimator, KNeighborsRegressor)
    assert changed_parameters(estimator) == {"n_neighbors": 16, "weights": "distance", "p": 1}
    assert make_router("knn", estimator__n_neighbors=3).estimator.n_neighbors == 3
    assert make_router("knn", cost_weight=0.3).estimator is None
    assert make_router("knn", estimator=Ridge(), estimator__alpha=2.0).estimator.alpha == 2.0


def test_unknown_names_are_refused_and_the_known_ones_listed():
    message = (
        r"there is no router family 'bert'; choose one of \['auto', 'knn', 'mlp', .*'equirouter'\]"
    )
    with pytest.raises(ValueError, match=message):
        make_router("bert")
    with pytest.raises(
        ValueError, match=r"preset must be one of \['default', 'paper'\], got 'best'"
    ):
        make_router("knn", "best")
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        make_router("knn", depth=3)


# ---- behaviour -------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_a_router_that_can_be_fitted(data, name, preset):
    router = make_brief_router(name, preset).fit(data.X, data.outcomes)
    assert set(router.predict(data.X)) <= set(data.outcomes.models)
    assert router.score(data.X, data.outcomes) > 0


def test_knn_predicts_like_neighbours_of_scikit_learn(data, labels):
    plain = KNeighborsRegressor(16, weights="distance").fit(data.X, np.hstack(labels))
    quality, cost, risk = np.split(plain.predict(UNSEEN), 3, axis=1)
    router = make_router("knn", "paper")
    found = router.fit(data.X, data.outcomes).decision_function(UNSEEN)
    np.testing.assert_allclose(found, quality - 0.05 * cost - 0.2 * risk)


def test_the_mlp_predicts_like_networks_of_scikit_learn(data, labels):
    router = make_router("mlp", "paper", random_state=3).set_params(
        estimator__mlpregressor__max_iter=30, estimator__mlpregressor__tol=1.0
    )
    router.fit(data.X, data.outcomes)
    seeds = np.random.RandomState(3).randint(2**31 - 1, size=3)
    for block, seed, head in zip(labels, seeds, router.estimators_, strict=True):
        mlp = MLPRegressor(hidden_layer_sizes=(128, 64), max_iter=30, tol=1.0, random_state=seed)
        plain = make_pipeline(StandardScaler(), mlp).fit(data.X, block)
        np.testing.assert_allclose(head.predict(UNSEEN), plain.predict(UNSEEN))


def test_the_mlp_makes_sparse_features_dense(data):
    router = make_brief_router("mlp")
    expected = router.fit(data.X, data.outcomes).decision_function(data.X)
    as_sparse = sparse.csr_array(data.X)
    found = router.fit(as_sparse, data.outcomes).decision_function(as_sparse)
    np.testing.assert_allclose(found, expected)
    found = router.fit(data.X.tolist(), data.outcomes).decision_function(data.X.tolist())
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_sparse_text_features_suit_every_family(data, name):
    queries = [f"word{i % 7} number{i % 5}" for i in range(80)]
    pipeline = make_pipeline(TfidfVectorizer(), make_brief_router(name))
    assert len(pipeline.fit(queries, data.outcomes).predict(queries[:3])) == 3


@pytest.mark.parametrize("name", FAMILIES)
def test_with_one_outcome_per_pair_both_kinds_of_supervision_are_equal(data, name):
    """A property from the paper, for each family."""
    once = data.outcomes.single_shot(0)
    router = make_brief_router(name, risk_aversion=0.0)
    counterpart = single_shot_counterpart(router)
    routes = router.fit(data.X, once).predict(data.X)
    drawn_again = counterpart.fit(data.X, once.single_shot(5)).predict(data.X)
    np.testing.assert_array_equal(routes, drawn_again)


@pytest.mark.parametrize("name", FAMILIES)
def test_fewer_queries_than_neighbours_clusters_or_folds_are_enough(data, name):
    settings = {"estimator__n_neighbors": 4} if name == "knn" else {}
    router = make_brief_router(name, **settings).fit(data.X[:4], data.outcomes[:4])
    assert len(router.predict(data.X)) == 80


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_makes_routers_of_every_family_reproducible(data, name):
    router = make_brief_router(name).fit(data.X, data.outcomes)
    again = make_brief_router(name).fit(data.X, data.outcomes)
    np.testing.assert_array_equal(router.decision_function(UNSEEN), again.decision_function(UNSEEN))
    assert isinstance(router, DistributionalRouter)
