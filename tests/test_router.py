import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
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
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    cross_val_capability,
    routing_scorer,
)
from dars_sklearn.exceptions import ImputationWarning, RiskAversionWarning
from dars_sklearn.metrics import oracle_utility

SPARSE = "expects a multi-output predict of shape (n, 1); a router predicts one name a query"


@parametrize_with_checks(
    [
        DistributionalRouter(),
        DistributionalRouter(target="choice"),
        DistributionalRouter(heads="model"),
        OutcomeAggregator(),
    ],
    expected_failed_checks=lambda estimator: (
        {"check_estimator_sparse_array": SPARSE, "check_estimator_sparse_matrix": SPARSE}
        if isinstance(estimator, DistributionalRouter)
        else {}
    ),
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    p = 1 / (1 + np.exp(-3 * X[:, :3]))
    scores = (rng.random((60, 3, 5, 2)) < p[:, :, None, None]).astype(float)
    costs = rng.random((60, 3, 5, 2)) + np.arange(3)[:, None, None]
    return X, Outcomes.from_array(scores, models=["a", "b", "c"], costs=costs)


@pytest.mark.parametrize("heads", ["joint", "separate"])
@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
@pytest.mark.parametrize(
    "estimator",
    [
        None,
        Ridge(),
        RandomForestRegressor(5),
        make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=2000)),
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
    single = OutcomeAggregator().fit(outcomes).aggregate(outcomes).quality.mean(axis=0).max()
    assert routing_scorer()(router, X, outcomes) > single
    np.testing.assert_array_equal(routes, clone(router).fit(X, outcomes).predict(X))
    np.testing.assert_array_equal(router.rank(X)[:, 0], routes)


def test_sparse_features_give_the_same_routes(data):
    X, outcomes = data
    dense = DistributionalRouter(Ridge()).fit(X, outcomes).decision_function(X)
    as_sparse = sparse.csr_array(X)
    thin = DistributionalRouter(Ridge(solver="sparse_cg", tol=1e-10)).fit(as_sparse, outcomes)
    np.testing.assert_allclose(thin.decision_function(as_sparse), dense, atol=1e-5)


def test_weights_change_routes_without_a_refit_only_where_they_can(data):
    X, outcomes = data
    for target in ("capability", "penalised"):
        router = DistributionalRouter(target=target).fit(X, outcomes)
        assert set(router.set_params(cost_weight=100).predict(X)) == {"a"}
    with pytest.raises(ValueError, match="target='penalised' bakes it"):
        router.set_params(risk_aversion=0).predict(X)
    router = DistributionalRouter(target="utility").fit(X, outcomes)
    with pytest.raises(ValueError, match="cost_weight was 0.05 in fit"):
        router.set_params(cost_weight=1).predict(X)


def test_unavailable_models_are_avoided(data):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes)
    assert set(router.predict(X, available=["b"])) == {"b"}
    mask = np.ones((60, 3), dtype=bool)
    mask[7] = False
    with pytest.raises(ValueError, match="no model is available for 1 queries, first in row 7"):
        router.predict(X, available=mask)
    with pytest.raises(ValueError, match="available names"):
        router.predict(X, available=["d"])


def test_one_outcome_a_pair_makes_both_supervisions_equal(data):
    """PAPER property 3."""
    X, outcomes = data
    once = outcomes.single_shot(0)
    routes = DistributionalRouter(risk_aversion=0).fit(X, once).predict(X)
    again = DistributionalRouter(risk_aversion=0).fit(X, once.single_shot(1)).predict(X)
    np.testing.assert_array_equal(routes, again)


@pytest.mark.parametrize("n", [4, 25])
def test_utility_rises_with_successes_up_to_the_bound_on_risk_aversion(n):
    """PAPER property 2."""
    scores = np.tril(np.ones((n + 1, n)), -1)[:, None]  # row k: k successes
    outcomes = Outcomes.from_array(scores)
    capability = OutcomeAggregator().fit(outcomes).aggregate(outcomes)
    for factor, rising in ((1.0, True), (1.05, False)):
        risk_aversion = factor / np.sqrt(n)
        value = (capability.quality - risk_aversion * capability.risk)[:, 0]
        assert (np.diff(value) >= -1e-12).all() == rising
    with pytest.warns(RiskAversionWarning, match="one success ranks below"):
        DistributionalRouter(risk_aversion=1.05 / np.sqrt(n)).fit(np.eye(n + 1), outcomes)


def test_oracles_are_in_order(data):
    """PAPER property 5."""
    X, outcomes = data
    quality = OutcomeAggregator().fit(outcomes).aggregate(outcomes).quality
    naive = oracle_utility(outcomes, crossfit=False)
    router = DistributionalRouter().fit(X, outcomes)
    assert naive >= oracle_utility(outcomes)
    assert naive >= quality.mean(axis=0).max()
    assert naive >= routing_scorer()(router, X, outcomes)


def test_a_grid_reaches_the_aggregator_in_a_text_pipeline(data):
    _, outcomes = data
    queries = [f"word{i % 7} number{i % 5}" for i in range(60)]
    pipeline = Pipeline([("encode", TfidfVectorizer()), ("route", DistributionalRouter())])
    grid = {"route__aggregator__smoothing": [0.0, 2.0], "route__risk_aversion": [0.0, 0.2]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2, error_score="raise")
    search.fit(queries, outcomes)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    halving = HalvingGridSearchCV(pipeline, grid, cv=3, min_resources=20, error_score="raise")
    assert halving.fit(queries, outcomes).best_score_ > 0


def test_model_selection_takes_outcomes(data):
    X, outcomes = data
    result = cross_validate(
        DistributionalRouter(),
        X,
        outcomes,
        cv=KFold(3),
        n_jobs=2,
        scoring=routing_scorer(cost_weight=0.1, cost_range=(0, 3)),
        error_score="raise",
    )
    assert len(result["test_score"]) == 3
    _, train, test = learning_curve(DistributionalRouter(), X, outcomes, cv=3, n_jobs=2)
    assert train.shape == test.shape
    out_of_fold = cross_val_capability(DistributionalRouter(), X, outcomes, cv=3)
    own = DistributionalRouter().fit(X[20:], outcomes[20:]).predict_capability(X[:20])
    np.testing.assert_allclose(out_of_fold.quality[:20], own.quality)


def test_a_saved_router_predicts_the_same_in_another_process(data, tmp_path):
    X, outcomes = data
    router = DistributionalRouter().fit(X, outcomes)
    joblib.dump((router, X), tmp_path / "router")
    code = "import joblib, sys; r, X = joblib.load(sys.argv[1]); print(*r.predict(X))"
    arguments = [sys.executable, "-c", code, str(tmp_path / "router")]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert printed.split() == router.predict(X).tolist()


def test_bad_input_is_named(data):
    X, outcomes = data
    with pytest.raises(ValueError, match="X has 59 queries and the outcomes have 60"):
        DistributionalRouter().fit(X[:59], outcomes)
    with pytest.raises(ValueError, match="cost_weight must be a finite float >= 0, got -1"):
        DistributionalRouter(cost_weight=-1).fit(X, outcomes)
    with pytest.raises(ValueError, match="NaN"):
        DistributionalRouter().fit(np.where(X > 2, np.nan, X), outcomes)
    with pytest.raises(ValueError, match="each model must be given once"):
        Outcomes.from_array([[1, 0]], models=["a", "a"])
    with pytest.raises(TypeError, match="an instance of scikit-learn estimator"):
        DistributionalRouter(StandardScaler).fit(X, outcomes)
    gaps = outcomes.to_array()
    gaps[:30, 0] = np.nan
    sparse_log = Outcomes.from_array(gaps, models=["a", "b", "c"])
    with pytest.warns(ImputationWarning, match="17% of"):
        router = DistributionalRouter(cost_weight=0).fit(X, sparse_log)
    with pytest.raises(ValueError, match="of 60 queries were routed to a model that has no"):
        router.score(X, sparse_log)
    assert routing_scorer(missing="skip")(router, X, sparse_log) > 0
