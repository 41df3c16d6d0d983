"""Folds, and predictions by routers that were not trained on the query."""

import joblib
import numpy as np
import pandas as pd
import pytest
from ragged import draw_ragged
from recording_regressor import (
    RecordingRegressor,
    numbered_queries,
    recorded_predictions,
    runs_in_parallel,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, OutcomeAggregator, cross_val_capability
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._cross_val import inverse_order, make_splits, out_of_fold
from dars_sklearn.outcomes import _outcomes
from dars_sklearn.routing import PredictedCapability


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(40, 3, 2, 2, random_state=0)


def slow_capability(router, X, outcomes, splits):
    """Predict one fold after the other, and write each query's row."""
    tables = [np.full((len(outcomes), outcomes.n_models), np.nan) for _ in range(4)]
    for train, test in splits:
        router.fit(X[train], outcomes[train])
        for row in test:
            own = router.predict_capability(X[[row]])
            for table, values in zip(tables, own[:4], strict=True):
                table[row] = values[0]
    return tables


def assert_same_capability(found, expected):
    assert isinstance(found, PredictedCapability)
    for table, values in zip(found[:4], expected[:4], strict=True):
        np.testing.assert_allclose(table, values)


# ---- what is trained on what ---------------------------------------------------------


@pytest.mark.parametrize("cv", [4, KFold(3), LeaveOneOut()])
def test_every_query_is_predicted_once_by_a_router_trained_on_all_other_folds(cv):
    X, outcomes = numbered_queries(12)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    predictions = recorded_predictions(cross_val_capability, router, X, outcomes, cv=cv)
    predicted = [row for own in predictions for row in own.predicted]
    assert sorted(predicted) == list(range(12))
    for own in predictions:
        assert sorted(own.trained_on + own.predicted) == list(range(12))
        # The labels of a fold are those of its rows: the first column is quality.
        np.testing.assert_allclose(own.labels[:, 0], np.array(own.trained_on) / 12)


def test_queries_of_one_group_stay_in_one_fold():
    X, outcomes = numbered_queries(30)
    groups = np.repeat(list("abcdef"), 5)[np.random.default_rng(0).permutation(30)]
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    for cv in (3, GroupKFold(3), LeaveOneGroupOut()):
        predictions = recorded_predictions(
            cross_val_capability, router, X, outcomes, cv=cv, groups=groups
        )
        for own in predictions:
            trained_on, predicted = (
                set(groups[np.array(rows, dtype=int)]) for rows in (own.trained_on, own.predicted)
            )
            assert not trained_on & predicted
            assert trained_on | predicted == set(groups)


def test_steps_before_the_router_are_fitted_on_the_training_queries_only(data):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter(Ridge()))
    splits = list(KFold(4, shuffle=True, random_state=0).split(data.X))
    found = cross_val_capability(pipeline, data.X, data.outcomes, cv=splits)
    quality = np.empty((40, 3))
    for train, test in splits:
        scaler = StandardScaler().fit(data.X[train])
        router = DistributionalRouter(Ridge())
        router.fit(scaler.transform(data.X[train]), data.outcomes[train])
        quality[test] = router.predict_capability(scaler.transform(data.X[test])).quality
    np.testing.assert_allclose(found.quality, quality)


# ---- capability ----------------------------------------------------------------------


def test_capability_is_that_of_a_slow_loop_over_folds(data):
    router = DistributionalRouter(Ridge())
    splits = list(KFold(3, shuffle=True, random_state=7).split(data.X))
    found = cross_val_capability(router, data.X, data.outcomes, cv=splits)
    assert_same_capability(found, slow_capability(router, data.X, data.outcomes, splits))


def test_five_shuffled_folds_are_the_default(data):
    router = DistributionalRouter(Ridge())
    splits = KFold(5, shuffle=True, random_state=0).split(data.X)
    found = cross_val_capability(router, data.X, data.outcomes)
    assert_same_capability(found, slow_capability(router, data.X, data.outcomes, splits))


def test_the_seed_decides_the_folds_of_an_int(data):
    router = DistributionalRouter(Ridge())
    first, second = (
        cross_val_capability(router, data.X, data.outcomes, cv=3, random_state=4) for _ in range(2)
    )
    assert_same_capability(first, second)
    splits = KFold(3, shuffle=True, random_state=4).split(data.X)
    assert_same_capability(first, slow_capability(router, data.X, data.outcomes, splits))
    other = cross_val_capability(router, data.X, data.outcomes, cv=3, random_state=5)
    assert not np.allclose(first.quality, other.quality)


def test_folds_that_run_in_parallel_give_the_same_capability(data):
    router = DistributionalRouter(Ridge())
    alone = cross_val_capability(router, data.X, data.outcomes)
    with joblib.parallel_config("threading"):
        parallel = cross_val_capability(router, data.X, data.outcomes, n_jobs=2)
    assert_same_capability(parallel, alone)


def test_folds_run_in_parallel():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    assert runs_in_parallel(cross_val_capability, router, X, outcomes)


def test_tables_and_lists_of_features_are_accepted(data):
    router = DistributionalRouter(LinearRegression())
    expected = cross_val_capability(router, data.X, data.outcomes, cv=3)
    for X in (data.X.tolist(), pd.DataFrame(data.X).add_prefix("feature ")):
        assert_same_capability(cross_val_capability(router, X, data.outcomes, cv=3), expected)


def test_the_router_of_the_user_is_left_unfitted(data):
    router = DistributionalRouter(Ridge())
    cross_val_capability(router, data.X, data.outcomes, cv=2)
    assert not hasattr(router, "models_")


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_outcomes_are_summarised_once_for_all_folds(monkeypatch, weighting):
    calls = []
    summarise = _outcomes.summarise_pairs

    def counting(outcomes, *, balanced):
        calls.append(len(outcomes))
        return summarise(outcomes, balanced=balanced)

    monkeypatch.setattr(_outcomes, "summarise_pairs", counting)
    outcomes = draw_ragged(0, n_queries=20, share=0.5).outcomes()
    aggregator = OutcomeAggregator(weighting=weighting)
    router = DistributionalRouter(Ridge(), aggregator=aggregator)
    cross_val_capability(router, np.random.default_rng(0).normal(size=(20, 2)), outcomes)
    assert calls == [20]


def test_features_of_other_queries_are_refused(data):
    with pytest.raises(ValueError, match="X has 39 queries and the outcomes have 40"):
        cross_val_capability(DistributionalRouter(), data.X[:39], data.outcomes)


def test_what_is_not_a_router_is_refused(data):
    with pytest.raises(TypeError, match="a regressor goes inside: DistributionalRouter"):
        cross_val_capability(Ridge(), data.X, data.outcomes)


def test_a_router_without_capability_is_refused(data):
    with pytest.raises(ValueError, match="fit it with target='capability'"):
        cross_val_capability(DistributionalRouter(target="utility"), data.X, data.outcomes)


# ---- folds ---------------------------------------------------------------------------


def test_an_int_shuffles_the_queries_reproducibly(data):
    splits = make_splits(4, data.X, data.outcomes, None, 3)
    expected = KFold(4, shuffle=True, random_state=3).split(data.X)
    for (train, test), (train_expected, test_expected) in zip(splits, expected, strict=True):
        assert train.tolist() == train_expected.tolist()
        assert test.tolist() == test_expected.tolist()
    assert splits[0][1].tolist() != list(range(10))


def test_an_int_with_groups_shuffles_the_groups_reproducibly(data):
    groups = np.repeat(np.arange(8), 5)
    splits = make_splits(4, data.X, data.outcomes, groups, 3)
    expected = GroupKFold(4, shuffle=True, random_state=3).split(data.X, groups=groups)
    assert [test.tolist() for _, test in splits] == [test.tolist() for _, test in expected]


def test_a_splitter_that_needs_groups_asks_for_them(data):
    for splitter in (GroupKFold(4), LeaveOneGroupOut()):
        with pytest.raises(ValueError, match="needs the groups of the queries: pass groups="):
            make_splits(splitter, data.X, data.outcomes, None, 0)


def test_other_errors_of_a_splitter_are_passed_on(data):
    with pytest.raises(ValueError, match="Cannot have number of splits n_splits=41"):
        make_splits(41, data.X, data.outcomes, None, 0)
    with pytest.raises(
        ValueError, match="Cannot have number of splits n_splits=9 greater"
    ) as error:
        make_splits(9, data.X, data.outcomes, np.repeat(np.arange(8), 5), 0)
    assert "pass groups=" not in str(error.value)


@pytest.mark.parametrize(
    "cv",
    [
        [(np.arange(20), np.arange(20, 39))],  # one query is in no fold
        [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(21))],  # one is in two
        ShuffleSplit(2, test_size=0.5, random_state=0),
        PredefinedSplit([-1] + [0, 1, 2] * 13),
    ],
)
def test_every_query_must_be_in_exactly_one_test_fold(data, cv):
    with pytest.raises(ValueError, match="cv must put every query in exactly one test fold"):
        make_splits(cv, data.X, data.outcomes, None, 0)


def test_the_inverse_order_puts_folds_back_into_the_order_of_the_queries():
    folds = [np.array([4, 1]), np.array([0]), np.array([3, 2])]
    values = np.concatenate(folds) * 10
    assert values[inverse_order(folds)].tolist() == [0, 10, 20, 30, 40]


def test_out_of_fold_arrays_may_be_several_and_of_any_shape(data):
    X, outcomes = numbered_queries(10)

    def predict(router, features):
        return features, features[:, 0] ** 2

    splits = make_splits(3, X, outcomes, None, 0)
    router = DistributionalRouter(Ridge())
    features, squares = out_of_fold(router, X, outcomes, splits, None, predict)
    np.testing.assert_array_equal(features, X)
    np.testing.assert_array_equal(squares, np.arange(10.0) ** 2)


def test_the_calibration_of_a_fold_keeps_groups_together(data):
    groups = np.repeat(np.arange(4), 10)
    splits = make_splits(4, data.X, data.outcomes, groups, 0)
    router = DistributionalRouter(Ridge())

    def n_folds(fitted, features):
        return [np.full((len(features), 1), fitted.calibration_.n_folds)]

    (by_group,) = out_of_fold(router, data.X, data.outcomes, splits, None, n_folds, False, groups)
    assert set(by_group.ravel()) == {3}  # the three groups that are not held out
    (at_random,) = out_of_fold(router, data.X, data.outcomes, splits, None, n_folds, False)
    assert set(at_random.ravel()) == {5}
