"""target="choice" and heads="model"."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import ImputationWarning
from dars_sklearn.labels import probability_best


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(300, 3, 3, 2, interaction=2.0, random_state=0)


def best_probability(data, cost_weight=0.05):
    cost = data.outcomes.cost
    return probability_best(
        data.outcomes, cost_weight=cost_weight, cost_range=(cost.min(), cost.max())
    )


def test_a_regressor_learns_the_probabilities(data):
    router = DistributionalRouter(Ridge(), target="choice").fit(data.X, data.outcomes)
    expected = Ridge().fit(data.X, best_probability(data)).predict(data.X)
    expected = np.maximum(expected, 0)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(router.predict_proba(data.X), expected)
    np.testing.assert_array_equal(router.predict(data.X), router.models_[expected.argmax(axis=1)])


@pytest.mark.parametrize("piped", [False, True])
def test_a_classifier_learns_each_query_once_for_each_model_that_may_be_best(data, piped):
    classifier = LogisticRegression()
    if piped:
        classifier = make_pipeline(StandardScaler(), LogisticRegression())
    router = DistributionalRouter(classifier, target="choice").fit(data.X, data.outcomes)
    probability = best_probability(data)
    X, y, weight = [], [], []
    for query, model in np.ndindex(probability.shape):
        if probability[query, model] > 0:
            X.append(data.X[query])
            y.append(model)
            weight.append(probability[query, model])
    name = "logisticregression__sample_weight" if piped else "sample_weight"
    expected = clone(classifier).fit(X, y, **{name: weight}).predict_proba(data.X)
    np.testing.assert_allclose(router.predict_proba(data.X), expected, atol=1e-6)
    np.testing.assert_allclose(router.decision_function(data.X), expected, atol=1e-6)


@pytest.mark.parametrize("estimator", [None, Ridge(), LogisticRegression()])
def test_learning_the_choice_routes_well(data, estimator):
    fresh = make_routing_outcomes(300, 3, 3, 2, interaction=2.0, random_state=0)
    train, test = np.arange(200), np.arange(200, 300)
    router = DistributionalRouter(estimator, target="choice", cost_weight=0.0, random_state=0)
    router.fit(data.X[train], data.outcomes[train])
    routed = np.searchsorted(router.models_, router.predict(data.X[test]))
    achieved = fresh.expected_quality[test, routed].mean()
    assert achieved > fresh.expected_quality[test].mean(axis=0).max() + 0.02
    assert router.score(data.X[test], data.outcomes[test]) > 0


def test_a_model_that_is_never_best_has_no_probability():
    X = np.arange(20.0)[:, None]
    scores = np.zeros((20, 3, 2, 2))
    scores[:10, 0], scores[10:, 2] = 1, 1
    scores[:, 1] = -10
    outcomes = Outcomes.from_array(scores, models=["a", "never", "b"], score_range=None)
    router = DistributionalRouter(LogisticRegression(), target="choice").fit(X, outcomes)
    probability = router.predict_proba(X)
    assert (probability[:, 1] < 0.01).all()
    assert router.predict(X[[0, 19]]).tolist() == ["a", "b"]


def test_what_choice_refuses(data):
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no sample_weight.*Logistic"):
        DistributionalRouter(KNeighborsClassifier(), target="choice").fit(data.X, data.outcomes)
    with pytest.raises(ValueError, match="heads='joint'"):
        DistributionalRouter(target="choice", heads="model").fit(data.X, data.outcomes)
    router = DistributionalRouter(target="choice").fit(data.X, data.outcomes)
    with pytest.raises(ValueError, match="cost_weight was 0.05 in fit"):
        router.set_params(cost_weight=0.1).predict(data.X)
    with pytest.raises(ValueError, match="learns no capability"):
        router.predict_capability(data.X)
    assert not hasattr(DistributionalRouter(), "predict_proba")
    router.set_params(cost_weight=0.05, risk_aversion=0.7).predict(data.X)  # weighs nothing


def test_choice_works_where_scikit_learn_tunes_and_weighs(data):
    grid = {"estimator": [Ridge(), LogisticRegression()], "target": ["choice"]}
    search = GridSearchCV(DistributionalRouter(), grid, cv=3).fit(data.X, data.outcomes)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    with sklearn.config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True)
        router = DistributionalRouter(inner, target="choice")
        weight = np.r_[np.zeros(150), np.ones(150)]
        weighted = router.fit(data.X, data.outcomes, sample_weight=weight)
        coefficients = weighted.estimators_[0].coef_.copy()
        probability = best_probability(data)[150:]
        rows, models = np.nonzero(probability > 0)
        expected = LogisticRegression().fit(
            data.X[150:][rows], models, sample_weight=probability[rows, models]
        )
        np.testing.assert_allclose(coefficients, expected.coef_, atol=1e-3)


# ---- heads="model" ---------------------------------------------------------------


def sparse_log(data, seed=0):
    """Each query went to one model only."""
    scores = data.outcomes.to_array()
    went_to = np.random.default_rng(seed).integers(0, scores.shape[1], len(scores))
    log = np.full(scores[:, :, :1, :1].shape, np.nan)
    rows = np.arange(len(scores))
    log[rows, went_to] = scores[rows, went_to, :1, :1]
    return Outcomes.from_array(log, models=data.outcomes.models), went_to


@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
def test_each_model_is_fitted_on_the_queries_that_have_it(data, target):
    log, went_to = sparse_log(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        router = DistributionalRouter(Ridge(), heads="model", target=target).fit(data.X, log)
    for model, head in enumerate(router.estimators_):
        rows = went_to == model
        scores = log.to_array()[rows, model, 0, 0]
        expected = Ridge().fit(data.X[rows], scores).predict(data.X)
        found = np.asarray(head.predict(data.X)).reshape(300, -1)[:, 0]
        np.testing.assert_allclose(found, expected)
    assert router.decision_function(data.X).shape == (300, 3)


def test_on_a_full_grid_heads_of_models_equal_a_joint_head(data):
    for estimator in (Ridge(), KNeighborsRegressor(5)):
        joint = DistributionalRouter(estimator).fit(data.X, data.outcomes)
        models = DistributionalRouter(estimator, heads="model").fit(data.X, data.outcomes)
        for one, other in zip(
            joint.predict_capability(data.X), models.predict_capability(data.X), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_sparse_logs_are_better_learnt_by_a_head_a_model(data):
    """Imputed means teach a joint head that all queries are average."""
    gains = []
    for seed in range(5):
        log, _ = sparse_log(data, seed)
        settings = {"estimator": Ridge(), "cost_weight": 0.0, "risk_aversion": 0.0}
        with pytest.warns(ImputationWarning, match="heads='model'"):
            joint = DistributionalRouter(**settings).fit(data.X, log)
        apart = DistributionalRouter(**settings, heads="model").fit(data.X, log)
        errors = [
            np.abs(of.predict_capability(data.X).quality - data.expected_quality).mean()
            for of in (joint, apart)
        ]
        gains.append(errors[0] - errors[1])
    assert np.mean(gains) > 0.01


def test_few_queries_lower_the_default_neighbours_and_none_is_warned_of(data):
    log, went_to = sparse_log(data)
    scores = log.to_array()
    scores[went_to == 2] = np.nan
    scores[:20, 0] = 1.0
    scores[3, 2] = 1.0
    outcomes = Outcomes.from_array(scores[:20])
    router = DistributionalRouter(heads="model").fit(data.X[:20], outcomes)
    assert router.estimators_[2].n_neighbors == 1
    outcomes = Outcomes.from_array(np.where(np.arange(3)[:, None, None] == 2, np.nan, scores[:20]))
    with pytest.warns(ImputationWarning, match="no outcomes of 2: .*subset"):
        router = DistributionalRouter(heads="model").fit(data.X[:20], outcomes)
    quality = router.predict_capability(data.X).quality
    assert np.ptp(quality[:, 2]) == 0


def test_cross_validation_of_sparse_logs_skips_what_was_not_asked(data):
    from dars_sklearn import routing_scorer

    log, _ = sparse_log(data)
    router = DistributionalRouter(Ridge(), heads="model")
    scores = cross_val_score(router, data.X, log, scoring=routing_scorer(missing="skip"), cv=3)
    assert not np.isnan(scores).any()


def test_sample_weights_follow_the_queries_of_each_model(data):
    log, went_to = sparse_log(data)
    weight = np.random.default_rng(0).random(300)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = Ridge().set_fit_request(sample_weight=True)
        router = DistributionalRouter(inner, heads="model").fit(data.X, log, sample_weight=weight)
    rows = went_to == 1
    expected = Ridge().fit(data.X[rows], log.to_array()[rows, 1, 0, 0], weight[rows])
    found = router.estimators_[1].predict(data.X)[:, 0]
    np.testing.assert_allclose(found, expected.predict(data.X))
