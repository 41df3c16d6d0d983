import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from dars_sklearn import DistributionalRouter, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.routing._query_effects import fit_slopes
from dars_sklearn.routing.estimators import StagedRegressor

DATA = make_routing_outcomes(60, 3, 2, 2, random_state=0)


def fitted(X=DATA.X, outcomes=DATA.outcomes, estimator=None, fit=None, **settings):
    estimator = Ridge() if estimator is None else estimator
    return DistributionalRouter(estimator, **settings).fit(X, outcomes, **(fit or {}))


def test_slopes_of_noise_are_about_0_and_the_best_model_is_chosen_where_they_are():
    slopes = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 4))
        router = fitted(X, cost_weight=0, risk_aversion=0, random_state=seed)
        block = router.calibration_.blocks["quality"]
        held_out = router._make_learner(X, DATA.outcomes, None, {}).hold_out()["quality"]
        own = held_out.deviations - held_out.deviations.mean(axis=2, keepdims=True)
        observed = held_out.observed.values[held_out.rows] - held_out.means
        fit = fit_slopes(own, observed, np.ones(observed.shape), np.arange(60))
        slopes.append(fit.unbounded[0])
        if block.own[0] == 0:
            assert set(router.predict(X)) == {router.models_[block.means.argmax()]}
    assert np.mean(slopes) == pytest.approx(0, abs=3 * np.std(slopes) / np.sqrt(20))
    assert np.mean(np.array(slopes) <= 0) > 0.3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_fits_are_reproducible(n_jobs):
    first = fitted(random_state=0)
    second = fitted(random_state=0, n_jobs=n_jobs)
    np.testing.assert_array_equal(first.decision_function(DATA.X), second.decision_function(DATA.X))
    third = fitted(random_state=1)
    assert (
        third.calibration_.slopes.to_numpy().tolist()
        != first.calibration_.slopes.to_numpy().tolist()
    )


def test_queries_of_weight_0_do_not_count_in_the_means_of_models():
    weight = np.ones(60)
    weight[:30] = 0
    with sklearn.config_context(enable_metadata_routing=True):
        ridge = Ridge().set_fit_request(sample_weight=True)
        weighted = fitted(estimator=ridge, fit={"sample_weight": weight}).calibration_
    half = DATA.outcomes[np.arange(30, 60)]
    expected = fitted(DATA.X[30:], half).calibration_.blocks["quality"].means
    np.testing.assert_allclose(weighted.blocks["quality"].means, expected)


def test_groups_make_the_folds():
    groups = np.arange(60) % 3
    assert fitted(fit={"groups": groups}).calibration_.n_folds == 3


@pytest.mark.parametrize("n", [1, 2])
def test_few_queries(n):
    router = fitted(DATA.X[:n], DATA.outcomes[np.arange(n)])
    assert router.calibration_.n_folds == (0 if n == 1 else 2)
    assert len(router.predict(DATA.X)) == 60


def test_one_model_and_constant_scores():
    alone = fitted(outcomes=DATA.outcomes.subset(models=DATA.outcomes.models[:1]))
    assert set(alone.predict(DATA.X)) == set(DATA.outcomes.models[:1])
    constant = fitted(outcomes=Outcomes.from_array(np.ones((60, 2)), models=["a", "b"]))
    assert len(constant.predict(DATA.X)) == 60


@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
@pytest.mark.parametrize("heads", ["joint", "separate", "model"])
@pytest.mark.parametrize("label_prior", ["aggregator", "features"])
def test_all_targets_heads_and_label_priors(target, heads, label_prior):
    router = fitted(target=target, heads=heads, label_prior=label_prior, calibration=2)
    assert list(router.calibration_.blocks) == list(router._target.blocks)
    assert np.isfinite(router.decision_function(DATA.X)).all()


def test_posterior_labels_are_refused_for_choice():
    with pytest.raises(ValueError, match="label_prior"):
        fitted(target="choice", label_prior="features", calibration=None)


def test_each_stage_has_a_slope():
    X = np.column_stack([np.arange(60) % 3, DATA.X])
    router = fitted(X, estimator=StagedRegressor(Ridge(), groups=[0]))
    assert router.calibration_.components == ["0", "features"]
    assert router.calibration_.blocks["quality"].own.shape == (2,)


def test_a_router_can_be_cloned_and_pickled():
    router = fitted(calibration=3, random_state=0)
    expected = router.decision_function(DATA.X)
    again = clone(router).fit(DATA.X, DATA.outcomes)
    for copy in (again, pickle.loads(pickle.dumps(router))):
        np.testing.assert_array_equal(copy.decision_function(DATA.X), expected)


def test_a_grid_search_over_calibration():
    grid = {"calibration": [None, "auto", 3]}
    search = GridSearchCV(DistributionalRouter(Ridge()), grid, cv=2).fit(DATA.X, DATA.outcomes)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_choice_cannot_be_calibrated(recwarn):
    fitted(target="choice", calibration=None)
    assert not any(issubclass(w.category, UsageWarning) for w in recwarn)
    with pytest.warns(UsageWarning, match="not calibrated"):
        assert fitted(target="choice").calibration_ is None
