import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter
from dars_sklearn.routing.estimators import NeighborsRegressorCV

LAYOUT = {"blocks": ("quality", "cost"), "models": np.array(["a", "b", "c"])}
COUNTED = "a query of weight 2 is one neighbour, and a query that occurs twice is two"


def make_data(n_queries=40, seed=0, n_features=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_queries, n_features)), rng.random((n_queries, 6))


def columns_and_parts(y):
    """Differences between models and means over models, of two blocks of three models."""
    quality, cost = y[:, :3], y[:, 3:]
    means = [block.mean(axis=1, keepdims=True) for block in (quality, cost)]
    return [quality - means[0], cost - means[1], *means]


def loop_errors(X, y, candidates, weight):
    """Leave-one-out errors by loops, one row per candidate and one column per part."""
    errors = []
    for n_neighbors in candidates:
        row = []
        for columns in columns_and_parts(y):
            total = 0.0
            for i, x in enumerate(X):
                others = [j for j in range(len(X)) if not np.array_equal(X[j], x) and weight[j] > 0]
                others.sort(key=lambda j, x=x: ((X[j] - x) ** 2).sum())
                nearest = others[:n_neighbors]
                predicted = np.average(columns[nearest], axis=0, weights=weight[nearest])
                total += weight[i] * ((columns[i] - predicted) ** 2).mean()
            row.append(total / weight.sum())
        errors.append(row)
    return np.array(errors)


@parametrize_with_checks(
    [NeighborsRegressorCV(), NeighborsRegressorCV([1, 2, 4])],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": COUNTED,
        "check_sample_weight_equivalence_on_sparse_data": COUNTED,
    },
)
def test_it_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 16), st.integers(0, 6), st.booleans(), st.integers(0, 1000))
def test_errors_equal_those_of_a_loop(n_queries, n_copies, weighted, seed):
    X, y = make_data(n_queries, seed)
    X[:n_copies] = X[-1]
    rng = np.random.default_rng(seed)
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], n_queries) if weighted else np.ones(n_queries)
    weight[n_queries // 2] = 1.0
    # Which of several copies is the nearer neighbour is not defined, so they are alike.
    y[:n_copies], weight[:n_copies] = y[-1], weight[-1]
    candidates = [c for c in (1, 2, 3) if c < (weight > 0).sum() - n_copies]
    if not candidates:
        return
    model = NeighborsRegressorCV(candidates).fit(X, y, sample_weight=weight, **LAYOUT)
    expected = loop_errors(X, y, candidates, weight)
    np.testing.assert_allclose(model.errors_.to_numpy(), expected)
    assert list(model.n_neighbors_.values()) == [candidates[i] for i in expected.argmin(axis=0)]


def test_each_part_is_predicted_by_its_own_number_of_neighbours():
    X, y = make_data()
    X[:, 0] = np.linspace(0, 4, 40)
    y += np.sin(X[:, :1])  # all models alike
    model = NeighborsRegressorCV([3, 10, 30]).fit(X, y, **LAYOUT)
    chosen = list(model.n_neighbors_.values())
    assert len(set(chosen)) > 1
    new = make_data(15, seed=1)[0]
    parts = [
        KNeighborsRegressor(n_neighbors).fit(X, columns).predict(new)
        for n_neighbors, columns in zip(chosen, columns_and_parts(y), strict=True)
    ]
    expected = np.hstack([parts[0] + parts[2], parts[1] + parts[3]])
    np.testing.assert_allclose(model.predict(new), expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_predictions_lie_between_the_labels_and_follow_a_shift_and_a_permutation(n_queries, seed):
    X, y = make_data(n_queries, seed)
    new = make_data(5, seed + 1)[0]
    predicted = NeighborsRegressorCV([2, 5]).fit(X, y).predict(new)
    assert (predicted >= y.min(axis=0) - 1e-9).all()
    assert (predicted <= y.max(axis=0) + 1e-9).all()
    order = np.random.default_rng(seed).permutation(n_queries)
    shifted = NeighborsRegressorCV([5, 2]).fit(X[order], y[order] + 7).predict(new)
    np.testing.assert_allclose(shifted, predicted + 7)


def test_the_scale_of_the_weights_does_not_matter_and_weight_zero_is_absence():
    X, y = make_data()
    new = make_data(15, seed=1)[0]
    weight = np.random.default_rng(2).random(40)
    weight[:10] = 0
    fitted = NeighborsRegressorCV([2, 5]).fit(X, y, sample_weight=weight)
    scaled = NeighborsRegressorCV([2, 5]).fit(X, y, sample_weight=9 * weight)
    without = NeighborsRegressorCV([2, 5]).fit(X[10:], y[10:], sample_weight=weight[10:])
    np.testing.assert_allclose(scaled.predict(new), fitted.predict(new))
    np.testing.assert_array_equal(without.predict(new), fitted.predict(new))


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, sparse.coo_array])
def test_sparse_features_are_those_of_a_dense_table(container):
    X, y = make_data()
    X = np.maximum(X, 0)
    is_zero = ~X.any(axis=1)  # rows that are copies of each other
    assert is_zero.sum() > 1
    y[is_zero] = 0.5
    dense = NeighborsRegressorCV([2, 5]).fit(X, y)
    found = NeighborsRegressorCV([2, 5]).fit(container(X), y)
    np.testing.assert_allclose(found.errors_, dense.errors_)


def test_queries_that_occur_twice_do_not_advise_few_neighbours():
    X, y = make_data(100)
    X, y = np.repeat(X, 2, axis=0), np.repeat(y, 2, axis=0)  # the labels are noise
    assert set(NeighborsRegressorCV([1, 50]).fit(X, y).n_neighbors_.values()) == {50}


def test_noise_advises_many_neighbours_and_a_clear_signal_few():
    X, noise = make_data(300)
    signal = np.sin(2 * X[:, :1])
    model = NeighborsRegressorCV([2, 4, 64]).fit(X, np.hstack([noise, signal]))
    numbers = list(model.n_neighbors_.values())
    assert set(numbers[:-1]) == {64}
    assert numbers[-1] < 64


@pytest.mark.parametrize("n_queries", [1, 2, 3])
def test_there_are_no_more_neighbours_than_other_queries(n_queries):
    X, y = make_data(n_queries)
    model = NeighborsRegressorCV().fit(X, y)
    assert set(model.n_neighbors_.values()) == {max(n_queries - 1, 1)}


def test_queries_that_are_all_the_same_are_predicted_by_a_mean_of_labels():
    y = np.arange(10.0)
    model = NeighborsRegressorCV([9]).fit(np.ones((10, 2)), y)
    assert model.errors_.iloc[0, 0] == pytest.approx(np.var(y))
    assert 0 < model.predict([[1.0, 1.0]])[0] < 9


def test_many_queries_are_judged_by_some_of_them():
    X, y = make_data(6000, n_features=1)
    model = NeighborsRegressorCV([4, 64]).fit(X, y[:, 0])
    assert model.n_neighbors_ == {"output 0": 64}


@pytest.mark.parametrize("value", [0, 2.0, [], [4, -1], "many", [[1, 2]], True])
def test_other_numbers_of_neighbours_are_refused(value):
    X, y = make_data()
    with pytest.raises(ValueError, match="n_neighbors must be"):
        NeighborsRegressorCV(value).fit(X, y)


def test_one_number_needs_no_list():
    X, y = make_data()
    found = NeighborsRegressorCV(4).fit(X, y).predict(X)
    np.testing.assert_allclose(found, KNeighborsRegressor(4).fit(X, y).predict(X))


def test_a_router_passes_the_layout_of_its_targets(data):
    router = DistributionalRouter(NeighborsRegressorCV()).fit(data.X, data.outcomes)
    assert list(router.estimators_[0].n_neighbors_)[0] == "quality: differences"
    by_model = DistributionalRouter(NeighborsRegressorCV(), heads="model")
    by_model.fit(data.X, data.outcomes)
    assert list(by_model.estimators_[0].n_neighbors_)[0] == "quality"
    assert router.score(data.X, data.outcomes) > 0.5


def test_copies_pickles_and_searches_work():
    X, y = make_data()
    model = NeighborsRegressorCV([3, 6], metric="cosine").fit(X, y)
    again = clone(model).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    search = GridSearchCV(model, {"n_neighbors": [2, (2, 4)]}, cv=2).fit(X, y)
    assert search.best_estimator_.predict(X).shape == y.shape
