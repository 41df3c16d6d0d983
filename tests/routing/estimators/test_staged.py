import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_estimators import LayoutRecorder
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter, Outcomes, QueryEncoder
from dars_sklearn.routing.estimators import NeighborsRegressorCV, StagedRegressor

COUNTED = "a query of weight 2 is one neighbour, and a query that occurs twice is two"


@parametrize_with_checks(
    [StagedRegressor(), StagedRegressor(Ridge())],
    expected_failed_checks=lambda estimator: (
        {}
        if estimator.estimator is not None
        else {
            "check_sample_weight_equivalence_on_dense_data": COUNTED,
            "check_sample_weight_equivalence_on_sparse_data": COUNTED,
        }
    ),
)
def test_it_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def make_frame(n_queries=120, seed=0):
    """Queries with a task, a language and two features, and labels of three models."""
    rng = np.random.default_rng(seed)
    task, language = rng.integers(0, 3, n_queries), rng.integers(0, 2, n_queries)
    x = rng.normal(size=(n_queries, 2))
    effects = rng.normal(size=(3, 3))[task] + rng.normal(size=(2, 3))[language]
    y = effects + x @ rng.normal(size=(2, 3)) + 0.1 * rng.normal(size=(n_queries, 3))
    frame = pd.DataFrame(
        {
            "task": np.array(["add", "sort", "write"])[task],
            "language": np.array(["de", "fr"])[language],
            "length": x[:, 0],
            "depth": x[:, 1],
        }
    )
    return frame, y


def make_texts(n_queries=90, seed=0):
    """Queries of three tasks, whose text says which of two models is right; and outcomes."""
    rng = np.random.default_rng(seed)
    task, word = rng.integers(0, 3, n_queries), rng.integers(0, 2, n_queries)
    frame = pd.DataFrame(
        {
            "query": [f"{['red', 'blue'][w]} {i}" for i, w in enumerate(word)],
            "task": np.array(["add", "sort", "write"])[task],
        }
    )
    right = np.where(task == 0, 0, np.where(task == 1, 1, word))
    scores = np.full((n_queries, 2), 0.2)
    scores[np.arange(n_queries), right] = 0.9
    noise = 0.05 * rng.normal(size=scores.shape)
    return frame, Outcomes.from_array(np.clip(scores + noise, 0, 1), models=["a", "b"])


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([None, "task", ["task"], ["task", "language"], ["task", ("task", "language")]]),
    st.booleans(),
    st.integers(0, 50),
)
def test_predictions_are_the_mean_and_the_sum_of_the_stages(groups, weighted, seed):
    frame, y = make_frame(60, seed)
    columns = ["length", "depth"]
    weight = np.random.default_rng(seed).random(60) if weighted else None
    model = StagedRegressor(Ridge(), groups=groups, columns=columns)
    model.fit(frame, y, sample_weight=weight)
    components = model.predict_components(frame)
    assert components.shape == (len(model.components_), *y.shape)
    np.testing.assert_allclose(model.mean_, np.average(y, axis=0, weights=weight))
    np.testing.assert_allclose(model.predict(frame), model.mean_ + components.sum(axis=0))


def test_each_stage_is_fitted_on_what_the_stages_before_it_leave():
    frame, y = make_frame()
    model = StagedRegressor(LinearRegression(), groups=["task", "language"]).fit(frame, y)
    assert model.components_ == ["task", "language", "features"]
    task, language, features = model.predict_components(frame)
    residuals = y - y.mean(axis=0)
    pairs = zip((task, language), ("task", "language"), model.group_effects_, strict=True)
    for stage, column, effects in pairs:
        means = pd.DataFrame(residuals).groupby(frame[column]).transform("mean").to_numpy()
        shrinkage = effects.shrinkage[[effects.levels[(level,)] for level in frame[column]]]
        np.testing.assert_allclose(stage, shrinkage * means)
        residuals = residuals - stage
    linear = LinearRegression().fit(frame[["length", "depth"]], residuals)
    np.testing.assert_allclose(features, linear.predict(frame[["length", "depth"]]))
    assert model.score(frame, y) > 0.95


def test_without_groups_it_is_the_regressor_itself():
    frame, y = make_frame()
    X = frame[["length", "depth"]]
    found = StagedRegressor(LinearRegression()).fit(X, y)
    expected = LinearRegression().fit(X, y).predict(X)
    np.testing.assert_allclose(found.predict(X), expected)
    assert found.components_ == ["features"]


def test_groups_alone_predict():
    frame, y = make_frame()
    model = StagedRegressor(groups=["task"]).fit(frame[["task"]], y)
    assert model.estimator_ is None
    assert model.components_ == ["task"]
    assert len(np.unique(model.predict(frame[["task"]]), axis=0)) == 3
    same = StagedRegressor(groups=["task"], columns=[]).fit(frame, y)
    np.testing.assert_array_equal(same.predict(frame), model.predict(frame[["task"]]))


def test_one_output_has_one_dimension():
    frame, y = make_frame()
    model = StagedRegressor(Ridge(), groups="task", columns=["length"]).fit(frame, y[:, 0])
    assert model.predict(frame).shape == (len(frame),)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "unseen", 7])
def test_missing_and_unseen_categories_fall_back_to_the_stage_above(missing):
    frame, y = make_frame()
    model = StagedRegressor(Ridge(), groups=["task", ("task", "language")]).fit(frame, y)
    new = frame[:2].astype({"task": object, "language": object})
    new.loc[0, "language"] = missing
    new.loc[1, "task"] = missing
    found, known = model.predict_components(new), model.predict_components(frame[:2])
    np.testing.assert_array_equal(found[0, 0], known[0, 0])
    np.testing.assert_array_equal(found[1, 0], 0)  # and so for the next stage, a level of both
    np.testing.assert_array_equal(found[0], np.vstack([known[0, 0], 0 * known[0, 1]]))
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_array_equal(found[2], known[2])


def test_missing_categories_of_training_queries_take_no_part_in_their_stage():
    frame, y = make_frame()
    holes = frame.astype({"task": object})
    holes.loc[:9, "task"] = None
    model = StagedRegressor(groups=["task"], columns=[]).fit(holes, y)
    np.testing.assert_array_equal(model.predict_components(holes)[0, :10], 0)
    assert list(model.group_effects_[0].levels) == [(t,) for t in holes.task[10:].unique()]


@pytest.mark.parametrize("convert", ["category", "string", object])
def test_any_type_of_category_gives_the_same(convert):
    frame, y = make_frame()
    expected = StagedRegressor(Ridge(), groups=["task"], columns=["length"]).fit(frame, y)
    other = frame.astype({"task": convert})
    found = clone(expected).fit(other, y)
    np.testing.assert_array_equal(found.predict(other), expected.predict(frame))


def test_a_number_and_its_text_are_different_categories():
    frame = pd.DataFrame({"task": pd.Series([1, 1, "1", "1"], dtype=object)})
    model = StagedRegressor(groups=["task"]).fit(frame, [0.0, 0.1, 1.0, 1.1])
    assert len(model.group_effects_[0].levels) == 2


def test_columns_of_an_array_are_given_by_their_indices():
    frame, y = make_frame()
    by_name = StagedRegressor(Ridge(), groups=["task", "language"]).fit(frame, y)
    array = frame.to_numpy(dtype=object)
    for groups in ([0, 1], [-4, -3]):
        by_index = StagedRegressor(Ridge(), groups=groups).fit(array, y)
        np.testing.assert_allclose(by_index.predict(array), by_name.predict(frame))


def test_weights_reach_the_stages_and_the_regressor():
    frame, y = make_frame()
    weight = np.ones(len(y))
    weight[:30] = 0
    weighted = StagedRegressor(
        make_pipeline(StandardScaler(), Ridge()), groups=["task"], columns=["length", "depth"]
    )
    # The scaler sees all rows, so that a penalty would tell the two apart.
    weighted.set_params(estimator__ridge__alpha=0)
    expected = clone(weighted).fit(frame[30:], y[30:])
    found = weighted.fit(frame, y, sample_weight=weight)
    np.testing.assert_allclose(found.predict(frame), expected.predict(frame))


def test_a_regressor_that_accepts_no_weights_receives_none():
    frame, y = make_frame()
    model = StagedRegressor(NoWeights(), groups=["task"], columns=["length"])
    model.fit(frame, y, sample_weight=np.arange(1.0, len(y) + 1))
    assert np.isfinite(model.predict(frame)).all()


class NoWeights(LinearRegression):
    """A regressor whose fit accepts no weights."""

    def fit(self, X, y):
        """Fit."""
        return super().fit(X, y)


def test_a_router_passes_its_layout_to_the_regressor_within():
    frame, outcomes = make_texts()
    inner = make_pipeline(QueryEncoder(TfidfVectorizer()), NeighborsRegressorCV())
    router = DistributionalRouter(StagedRegressor(inner, groups=["task"], columns="query"))
    router.fit(frame, outcomes)
    neighbors = router.estimators_[0].estimator_[-1]
    assert list(neighbors.n_neighbors_)[0] == "quality: differences"
    staged = StagedRegressor(LayoutRecorder(), groups=["task"], columns=["query"])
    router = DistributionalRouter(staged, calibration=None).fit(frame, outcomes)
    assert router.estimators_[0].estimator_.models_.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "vectorizer", [TfidfVectorizer(token_pattern="[a-z]+"), QueryEncoder(TfidfVectorizer())]
)
def test_a_router_uses_category_and_text(vectorizer):
    frame, outcomes = make_texts(150)
    train, test = slice(0, 100), slice(100, 150)
    text = make_pipeline(vectorizer, Ridge())
    scores = {}
    for name, staged in {
        "text": StagedRegressor(text, columns="query"),
        "task": StagedRegressor(groups="task", columns=[]),
        "both": StagedRegressor(text, groups="task", columns="query"),
    }.items():
        router = DistributionalRouter(staged).fit(frame[train], outcomes[train])
        scores[name] = router.score(frame[test], outcomes[test])
    assert scores["both"] > max(scores["text"], scores["task"]) - 0.02
    assert scores["task"] > 0.6


def test_a_calibrated_router_has_a_slope_for_each_stage():
    frame, outcomes = make_texts()
    text = make_pipeline(TfidfVectorizer(), Ridge())
    router = DistributionalRouter(StagedRegressor(text, groups="task", columns="query"))
    router.fit(frame, outcomes)
    slopes = router.calibration_.slopes.loc["quality"]
    assert slopes.index.tolist() == ["task", "features"]
    assert slopes.loc["task", "own"] > 0.8


def test_the_default_regressor_encodes_texts():
    frame, outcomes = make_texts(150)
    train, test = slice(0, 100), slice(100, 150)
    for columns in (None, "query", ["query"]):
        staged = StagedRegressor(groups="task", columns=columns)
        router = DistributionalRouter(staged).fit(frame[train], outcomes[train])
        assert router.score(frame[test], outcomes[test]) > 0.6


def test_groups_and_texts_are_found_in_a_data_frame():
    frame, outcomes = make_texts(100)
    y = outcomes.score.reshape(100, 2)
    frame["length"] = frame["query"].str.len()
    named = StagedRegressor(groups=["task"]).fit(frame, y)
    found = StagedRegressor(groups="auto").fit(frame, y)
    assert found.components_ == ["groups", "features"]
    np.testing.assert_array_equal(found.predict(frame), named.predict(frame))
    router = DistributionalRouter(StagedRegressor(groups="auto")).fit(frame, outcomes)
    assert router.calibration_.slopes.loc["quality"].index.tolist() == ["groups", "features"]


def test_groups_may_be_found_in_some_folds_only():
    frame, outcomes = make_texts(60)
    frame["tenant"] = [f"tenant {i}" for i in np.repeat(np.arange(29), 2)] + ["a", "a"]
    router = DistributionalRouter(StagedRegressor(groups="auto")).fit(frame, outcomes)
    assert router.predict(frame).shape == (60,)
    alone = frame[["tenant"]]  # a group here, and a text in the folds
    router = DistributionalRouter(StagedRegressor(groups="auto")).fit(alone, outcomes)
    assert router.estimators_[0].estimator_ is None
    assert router.predict(alone).shape == (60,)


@pytest.mark.parametrize("X", [np.arange(40.0)[:, None], pd.DataFrame({"x": np.arange(40.0)})])
def test_without_groups_to_find_there_are_features_only(X):
    y = np.random.default_rng(0).random((40, 3))
    found = StagedRegressor(groups="auto").fit(X, y).predict(X)
    np.testing.assert_allclose(found, NeighborsRegressorCV().fit(X, y).predict(X))


def test_columns_in_use_are_no_groups():
    frame, y = make_frame()
    model = StagedRegressor(Ridge(), groups="auto", columns=["length"]).fit(frame, y)
    assert len(model.group_effects_) == 2
    text = make_pipeline(TfidfVectorizer(), Ridge())
    model = StagedRegressor(text, groups="auto", columns="task").fit(frame, y)
    assert len(model.group_effects_) == 1


def test_copies_pickles_and_searches_work():
    frame, y = make_frame()
    model = StagedRegressor(Ridge(), groups=["task"], columns=["length"]).fit(frame, y)
    expected = model.predict(frame)
    np.testing.assert_array_equal(clone(model).fit(frame, y).predict(frame), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(frame), expected)
    grid = {"groups": [["task"], ["task", "language"]], "estimator__alpha": [0.1, 10]}
    search = GridSearchCV(model, grid, cv=3).fit(frame, y)
    assert search.best_params_["groups"] == ["task", "language"]


def test_what_cannot_work_is_refused():
    frame, y = make_frame()
    with pytest.raises(ValueError, match=r"X has no columns \['topic'\]"):
        StagedRegressor(groups=["topic"]).fit(frame, y)
    with pytest.raises(ValueError, match="names columns, but X is a ndarray"):
        StagedRegressor(groups=["task"]).fit(frame.to_numpy(), y)
    with pytest.raises(ValueError, match="neither groups nor columns"):
        StagedRegressor(columns=[]).fit(frame, y)
    with pytest.raises(ValueError, match="columns of a sparse matrix"):
        StagedRegressor(groups=[0]).fit(sparse.csr_array(np.eye(len(y))), y)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        StagedRegressor(groups=["task"], columns=[]).fit(frame, np.full(len(y), np.nan))
    model = StagedRegressor(Ridge(), groups=["task"], columns=["length"]).fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.drop(columns="task"))


def frame_of_texts():
    frame = pd.DataFrame(
        {
            "query": [f"question {i} about {'adding' if i % 2 else 'rhymes'}" for i in range(40)],
            "task": ["sum", "poem"] * 20,
            "kind": pd.Categorical(["a", "b", "c", "d"] * 10),
            "is_long": [True, False] * 20,
        }
    )
    return frame, np.arange(40.0)


def test_what_is_found_in_a_frame_is_what_a_user_would_name():
    frame, y = frame_of_texts()
    model = StagedRegressor(groups="auto").fit(frame, y)
    by_hand = StagedRegressor(groups=["task", "is_long", "kind"], columns="query").fit(frame, y)
    np.testing.assert_allclose(model.predict(frame), by_hand.predict(frame))
    assert by_hand.components_ == ["task", "is_long", "kind", "features"]


def test_groups_are_found_beside_numbers_and_alone():
    frame, y = frame_of_texts()
    numbers = frame[["task"]].assign(length=np.arange(40), words=np.arange(40.0))
    model = StagedRegressor(groups="auto").fit(numbers, y)
    assert model.components_ == ["groups", "features"]
    assert model.estimator_.n_features_in_ == 2
    alone = StagedRegressor(groups="auto").fit(frame[["task"]], y)
    assert alone.components_ == ["groups", "features"]
    np.testing.assert_array_equal(alone.predict_components(frame[["task"]])[1], 0)
