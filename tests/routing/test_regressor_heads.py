import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from known_estimators import (
    FeaturesAsPredictions,
    LayoutRecorder,
    ModelsRecorder,
    OneColumnRecorder,
    Recorder,
)
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, Outcomes, routing_scorer
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import ImputationWarning
from dars_sklearn.routing._regressor_heads import (
    fit_block_heads,
    fit_model_heads,
    predict_blocks,
    predict_blocks_by_model,
)

MODELS = np.array(["a", "b"], dtype=object)
X = np.arange(8.0).reshape(4, 2)
QUALITY = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]])
COST = QUALITY + 10
BLOCKS = {"quality": QUALITY, "cost": COST}
# The first query has no outcome of "b", the last two have none of "a".
OBSERVED = np.array([[True, False], [True, True], [False, True], [False, True]])


class Factory:
    """Create clones of an estimator, and count them."""

    def __init__(self, estimator):
        self.estimator = estimator
        self.n_clones = 0

    def __call__(self):
        self.n_clones += 1
        return clone(self.estimator)


def seeds(n):
    return [100 + i for i in range(n)]


def no_seeds(n):
    return [None] * n


SETTINGS = {"seeds": no_seeds, "n_jobs": None, "fit_params": {}}


# ---- one head for all blocks, or one per block -----------------------------------


def test_a_joint_head_learns_all_blocks_side_by_side():
    factory = Factory(Recorder())
    (head,) = fit_block_heads(factory, X, BLOCKS, MODELS, separate=False, **SETTINGS)
    np.testing.assert_array_equal(head.X_, X)
    np.testing.assert_array_equal(head.y_, np.hstack([QUALITY, COST]))
    assert factory.n_clones == 1


def test_separate_heads_learn_one_block_each():
    factory = Factory(Recorder())
    heads = fit_block_heads(factory, X, BLOCKS, MODELS, separate=True, **SETTINGS)
    for head, labels in zip(heads, [QUALITY, COST], strict=True):
        np.testing.assert_array_equal(head.X_, X)
        np.testing.assert_array_equal(head.y_, labels)
    assert factory.n_clones == 2


@pytest.mark.parametrize(
    ("separate", "blocks"), [(False, [("quality", "cost")]), (True, [("quality",), ("cost",)])]
)
def test_the_layout_reaches_an_estimator_that_has_parameters_for_it(separate, blocks):
    factory = Factory(LayoutRecorder())
    heads = fit_block_heads(factory, X, BLOCKS, MODELS, separate=separate, **SETTINGS)
    assert [head.blocks_ for head in heads] == blocks
    for head in heads:
        np.testing.assert_array_equal(head.models_, MODELS)
        assert head.y_.shape == (4, 2 * len(head.blocks_))


def test_an_estimator_may_have_a_parameter_for_the_models_only():
    factory = Factory(ModelsRecorder())
    (head,) = fit_block_heads(factory, X, BLOCKS, MODELS, separate=False, **SETTINGS)
    np.testing.assert_array_equal(head.models_, MODELS)


def test_each_head_has_a_seed_of_its_own():
    factory = Factory(Recorder(random_state=5, not_a_random_state=6))
    settings = SETTINGS | {"seeds": seeds}
    heads = fit_block_heads(factory, X, BLOCKS, MODELS, separate=True, **settings)
    assert [head.random_state for head in heads] == [100, 101]
    assert [head.not_a_random_state for head in heads] == [6, 6]


def test_seeds_reach_the_steps_of_a_pipeline():
    factory = Factory(make_pipeline(StandardScaler(), Recorder(5, not_a_random_state=6)))
    settings = SETTINGS | {"seeds": seeds}
    (head,) = fit_block_heads(factory, X, BLOCKS, MODELS, separate=False, **settings)
    assert head[-1].random_state == 100
    assert head[-1].not_a_random_state == 6


def test_without_seeds_the_estimator_keeps_its_own():
    factory = Factory(Recorder(random_state=5))
    heads = fit_block_heads(factory, X, BLOCKS, MODELS, separate=True, **SETTINGS)
    assert [head.random_state for head in heads] == [5, 5]


@pytest.mark.parametrize("estimator", [Recorder(), LayoutRecorder(), OneColumnRecorder()])
def test_fit_parameters_reach_every_head(estimator):
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    settings = SETTINGS | {"fit_params": {"sample_weight": weight}}
    for separate in (False, True):
        for head in fit_block_heads(
            Factory(estimator), X, BLOCKS, MODELS, separate=separate, **settings
        ):
            for fitted in getattr(head, "estimators_", [head]):
                np.testing.assert_array_equal(fitted.sample_weight_, weight)


def test_a_single_column_is_passed_as_a_vector():
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    settings = SETTINGS | {"fit_params": {"sample_weight": weight}}
    blocks = {"utility": QUALITY[:, :1]}
    (head,) = fit_block_heads(
        Factory(OneColumnRecorder()), X, blocks, MODELS[:1], separate=False, **settings
    )
    np.testing.assert_array_equal(head.y_, QUALITY[:, 0])
    np.testing.assert_array_equal(head.sample_weight_, weight)


@pytest.mark.parametrize("error", [ValueError, TypeError])
def test_an_estimator_that_refuses_several_columns_is_fitted_once_per_column(error):
    factory = Factory(OneColumnRecorder(error, random_state=5))
    settings = SETTINGS | {"seeds": seeds}
    (head,) = fit_block_heads(factory, X, BLOCKS, MODELS, separate=False, **settings)
    assert isinstance(head, MultiOutputRegressor)
    labels = np.stack([fitted.y_ for fitted in head.estimators_], axis=1)
    np.testing.assert_array_equal(labels, np.hstack([QUALITY, COST]))
    assert [fitted.random_state for fitted in head.estimators_] == [100] * 4


def test_other_errors_of_an_estimator_are_raised():
    factory = Factory(OneColumnRecorder(RuntimeError))
    with pytest.raises(RuntimeError, match="one column only"):
        fit_block_heads(factory, X, BLOCKS, MODELS, separate=False, **SETTINGS)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_several_heads_are_fitted_in_parallel(n_jobs):
    settings = SETTINGS | {"n_jobs": n_jobs}
    with parallel_config("threading"):
        separate = fit_block_heads(
            Factory(Recorder()), X, BLOCKS, MODELS, separate=True, **settings
        )
        by_model = fit_model_heads(
            Factory(Recorder()), X, BLOCKS, MODELS, observed=OBSERVED, **settings
        )
    for head in [*separate, *by_model]:
        assert head.in_main_thread_ == (n_jobs is None)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("separate", [False, True])
def test_columns_of_a_single_head_are_fitted_in_parallel(separate, n_jobs):
    settings = SETTINGS | {"n_jobs": n_jobs, "separate": separate}
    one_block = {"quality": QUALITY}
    with parallel_config("threading"):
        (head,) = fit_block_heads(Factory(Recorder()), X, one_block, MODELS, **settings)
        (columns,) = fit_block_heads(Factory(OneColumnRecorder()), X, one_block, MODELS, **settings)
    assert head.in_main_thread_
    for fitted in columns.estimators_:
        assert fitted.in_main_thread_ == (n_jobs is None)


def test_columns_of_several_heads_are_not_fitted_in_parallel():
    settings = SETTINGS | {"n_jobs": 2}
    with parallel_config("threading"):
        heads = fit_block_heads(
            Factory(OneColumnRecorder()), X, BLOCKS, MODELS, separate=True, **settings
        )
    assert [head.n_jobs for head in heads] == [None, None]


def test_predictions_of_a_joint_head_are_split_into_blocks():
    head = FeaturesAsPredictions().fit(X, None)
    blocks = predict_blocks([head], np.arange(12.0).reshape(2, 6), ("quality", "cost", "risk"))
    assert list(blocks) == ["quality", "cost", "risk"]
    np.testing.assert_array_equal(blocks["quality"], [[0, 1], [6, 7]])
    np.testing.assert_array_equal(blocks["cost"], [[2, 3], [8, 9]])
    np.testing.assert_array_equal(blocks["risk"], [[4, 5], [10, 11]])


def test_predictions_of_separate_heads_are_one_block_each():
    heads = fit_block_heads(Factory(Recorder()), X, BLOCKS, MODELS, separate=True, **SETTINGS)
    blocks = predict_blocks(heads, X[:3], ("quality", "cost"))
    np.testing.assert_allclose(blocks["quality"], [[0.4, 0.5]] * 3)
    np.testing.assert_allclose(blocks["cost"], [[10.4, 10.5]] * 3)


def test_predictions_of_one_column_may_be_vectors():
    heads = [FeaturesAsPredictions().fit(X, None)] * 2
    blocks = predict_blocks(heads, np.array([1, 2, 3]), ("quality", "cost"))
    for block in blocks.values():
        np.testing.assert_array_equal(block, [[1], [2], [3]])
        assert block.dtype == float


# ---- one head per model ----------------------------------------------------------


def test_each_model_is_fitted_on_the_queries_that_have_outcomes_of_it():
    factory = Factory(Recorder())
    first, second = fit_model_heads(factory, X, BLOCKS, MODELS, observed=OBSERVED, **SETTINGS)
    np.testing.assert_array_equal(first.X_, X[:2])
    np.testing.assert_array_equal(first.y_, [[0.1, 10.1], [0.3, 10.3]])
    np.testing.assert_array_equal(second.X_, X[1:])
    np.testing.assert_array_equal(second.y_, [[0.4, 10.4], [0.6, 10.6], [0.8, 10.8]])
    assert factory.n_clones == 2


@pytest.mark.parametrize(
    "features",
    [
        X.tolist(),
        sparse.csr_array(X),
        pd.DataFrame(X, columns=["x", "y"]),
    ],
    ids=["list", "sparse", "data frame"],
)
def test_features_of_any_kind_are_cut_to_the_queries_of_a_model(features):
    head = fit_model_heads(
        Factory(Recorder()), features, BLOCKS, MODELS, observed=OBSERVED, **SETTINGS
    )[1]
    assert isinstance(head.X_, type(features))
    rows = head.X_.toarray() if sparse.issparse(head.X_) else np.asarray(head.X_)
    np.testing.assert_array_equal(rows, X[1:])


def test_a_head_of_a_model_receives_its_blocks_and_its_model():
    heads = fit_model_heads(
        Factory(LayoutRecorder()), X, BLOCKS, MODELS, observed=OBSERVED, **SETTINGS
    )
    assert [head.blocks_ for head in heads] == [("quality", "cost")] * 2
    assert [head.models_.tolist() for head in heads] == [["a"], ["b"]]


def test_heads_of_models_have_seeds_of_their_own():
    settings = SETTINGS | {"seeds": seeds}
    heads = fit_model_heads(Factory(Recorder()), X, BLOCKS, MODELS, observed=OBSERVED, **settings)
    assert [head.random_state for head in heads] == [100, 101]


def test_a_model_without_outcomes_predicts_the_mean_of_its_labels():
    observed = np.array([[True, False]] * 4)
    factory = Factory(FeaturesAsPredictions())
    heads = fit_model_heads(factory, X, BLOCKS, MODELS, observed=observed, **SETTINGS)
    assert factory.n_clones == 1
    blocks = predict_blocks_by_model(heads, X[:1] + 0.5, ("quality", "cost"))
    np.testing.assert_allclose(blocks["quality"], [[0.5, 0.5]])
    np.testing.assert_allclose(blocks["cost"], [[1.5, 10.5]])


def test_one_query_is_enough_for_a_head():
    observed = np.array([[True, False], [True, True], [True, False], [True, False]])
    head = fit_model_heads(Factory(Recorder()), X, BLOCKS, MODELS, observed=observed, **SETTINGS)[1]
    np.testing.assert_array_equal(head.y_, [[0.4, 10.4]])


def test_a_model_of_a_single_block_is_fitted_on_a_vector():
    heads = fit_model_heads(
        Factory(OneColumnRecorder()), X, {"utility": QUALITY}, MODELS, observed=OBSERVED,
        **SETTINGS,
    )  # fmt: skip
    np.testing.assert_array_equal(heads[1].y_, [0.4, 0.6, 0.8])
    utility = predict_blocks_by_model(heads, X[:1], ("utility",))["utility"]
    np.testing.assert_allclose(utility, [[0.2, 0.6]])


@pytest.mark.parametrize(
    ("values", "selected"),
    [
        (np.array([1, 2, 3, 4]), [2, 3, 4]),
        ([1, 2, 3, 4], [2, 3, 4]),
        ((1, 2, 3, 4), [2, 3, 4]),
        (pd.Series([1, 2, 3, 4], index=list("wxyz")), [2, 3, 4]),
        (np.array([[1, 5], [2, 6], [3, 7], [4, 8]]), [[2, 6], [3, 7], [4, 8]]),
        ([1, 2, 3], [1, 2, 3]),
        (np.array([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5]),
        (np.array(7.0), 7.0),
        ("four", "four"),
        (4, 4),
    ],
)
def test_fit_parameters_with_one_value_per_query_are_cut_to_the_queries_of_a_model(
    values, selected
):
    settings = SETTINGS | {"fit_params": {"option": values}}
    head = fit_model_heads(Factory(Recorder()), X, BLOCKS, MODELS, observed=OBSERVED, **settings)[1]
    assert np.asarray(head.option_).tolist() == selected


def test_predictions_by_model_are_put_together_by_block():
    first = FeaturesAsPredictions().fit(X, None)
    second = Recorder().fit(X, np.array([[0.5, 1.5], [0.5, 1.5]]))
    blocks = predict_blocks_by_model([first, second], X[:2], ("quality", "cost"))
    assert list(blocks) == ["quality", "cost"]
    np.testing.assert_array_equal(blocks["quality"], [[0, 0.5], [2, 0.5]])
    np.testing.assert_array_equal(blocks["cost"], [[1, 1.5], [3, 1.5]])


# ---- with estimators of scikit-learn ---------------------------------------------


def test_a_head_per_model_equals_the_estimator_fitted_by_hand():
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    settings = SETTINGS | {"fit_params": {"sample_weight": weight}}
    heads = fit_model_heads(Factory(Ridge()), X, BLOCKS, MODELS, observed=OBSERVED, **settings)
    found = predict_blocks_by_model(heads, X, ("quality", "cost"))
    for model in range(2):
        rows = OBSERVED[:, model]
        labels = np.column_stack([QUALITY[rows, model], COST[rows, model]])
        expected = Ridge().fit(X[rows], labels, weight[rows]).predict(X)
        np.testing.assert_allclose(found["quality"][:, model], expected[:, 0])
        np.testing.assert_allclose(found["cost"][:, model], expected[:, 1])


# ---- heads="model" in a router ---------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(150, 3, 3, 2, interaction=2.0, random_state=0)


def draw_sparse_log(data, seed=0):
    """Return outcomes in which each query was sent to one model, and which model that was."""
    scores = data.outcomes.to_array()
    routed = np.random.default_rng(seed).integers(0, scores.shape[1], len(scores))
    log = np.full(scores[:, :, :1, :1].shape, np.nan)
    rows = np.arange(len(scores))
    log[rows, routed] = scores[rows, routed, :1, :1]
    return Outcomes.from_array(log, models=data.outcomes.models), routed


@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
def test_each_model_is_fitted_on_the_queries_that_were_sent_to_it(data, target):
    log, routed = draw_sparse_log(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        router = DistributionalRouter(Ridge(), heads="model", target=target).fit(data.X, log)
    for model, head in enumerate(router.estimators_):
        rows = routed == model
        expected = Ridge().fit(data.X[rows], log.to_array()[rows, model, 0, 0]).predict(data.X)
        found = np.asarray(head.predict(data.X)).reshape(len(data.X), -1)[:, 0]
        np.testing.assert_allclose(found, expected)
    assert router.decision_function(data.X).shape == (150, 3)


@pytest.mark.parametrize("estimator", [Ridge(), KNeighborsRegressor(5)])
def test_on_a_full_grid_heads_of_models_equal_a_joint_head(data, estimator):
    joint = DistributionalRouter(estimator).fit(data.X, data.outcomes)
    by_model = DistributionalRouter(estimator, heads="model").fit(data.X, data.outcomes)
    capabilities = [router.predict_capability(data.X)[:4] for router in (joint, by_model)]
    for expected, found in zip(*capabilities, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_head_per_model_learns_more_from_sparse_logs_than_a_joint_head():
    """Imputed means teach a joint head that all queries are average."""
    data = make_routing_outcomes(300, 3, 3, 2, interaction=2.0, random_state=0)
    gains = []
    for seed in range(3):
        log, _ = draw_sparse_log(data, seed)
        settings = {"estimator": Ridge(), "cost_weight": 0.0, "risk_aversion": 0.0}
        with pytest.warns(ImputationWarning, match="heads='model'"):
            joint = DistributionalRouter(**settings).fit(data.X, log)
        by_model = DistributionalRouter(**settings, heads="model").fit(data.X, log)
        errors = [
            np.abs(router.predict_capability(data.X).quality - data.expected_quality).mean()
            for router in (joint, by_model)
        ]
        gains.append(errors[0] - errors[1])
    assert np.mean(gains) > 0.01


def test_a_head_has_no_more_default_neighbours_than_queries(data):
    log, routed = draw_sparse_log(data)
    router = DistributionalRouter(heads="model").fit(data.X[:24], log[:24])
    n_queries = np.bincount(routed[:24], minlength=3)
    highest = [max(head.n_neighbors_.values()) for head in router.estimators_]
    assert (np.array(highest) < n_queries).all()


def test_a_model_without_outcomes_has_the_mean_of_the_others(data):
    log, routed = draw_sparse_log(data)
    without = log[np.flatnonzero(routed != 2)]
    with pytest.warns(ImputationWarning, match=r"no outcomes of model 2, .*subset\(models=\)"):
        router = DistributionalRouter(heads="model").fit(data.X[routed != 2], without)
    # Its calibrated mean is that of the other models, as if all had been asked every query.
    means = router.calibration_.blocks["quality"].means
    np.testing.assert_allclose(means[2], means[:2].mean())


def test_cross_validation_of_sparse_logs_skips_routes_without_outcomes(data):
    log, _ = draw_sparse_log(data)
    router = DistributionalRouter(Ridge(), heads="model")
    scores = cross_val_score(router, data.X, log, scoring=routing_scorer(missing="skip"), cv=3)
    assert np.isfinite(scores).all()


def test_sample_weights_follow_the_queries_of_each_model(data):
    log, routed = draw_sparse_log(data)
    weight = np.random.default_rng(0).random(150)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = Ridge().set_fit_request(sample_weight=True)
        router = DistributionalRouter(inner, heads="model").fit(data.X, log, sample_weight=weight)
    rows = routed == 1
    expected = Ridge().fit(data.X[rows], log.to_array()[rows, 1, 0, 0], weight[rows])
    found = router.estimators_[1].predict(data.X)[:, 0]
    np.testing.assert_allclose(found, expected.predict(data.X))
