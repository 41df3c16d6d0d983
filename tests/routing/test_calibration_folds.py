import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit

from dars_sklearn import Outcomes
from dars_sklearn.routing._calibration_folds import (
    calibration_folds,
    check_calibration,
    number_groups,
)


class Overlapping:
    """A splitter that holds out a row that it also trains on."""

    def split(self, X, y=None, groups=None):
        """Split the rows."""
        yield np.arange(len(X)), np.array([0])

    def __repr__(self):
        """Return the name."""
        return "Overlapping()"


class HalfEmpty:
    """A splitter whose first fold has nothing to learn from."""

    def split(self, X, y=None, groups=None):
        """Split the rows."""
        yield np.array([], dtype=int), np.arange(len(X))
        yield np.arange(1, len(X)), np.array([0])


def outcomes_of(n, **settings):
    return Outcomes.from_array(np.zeros((n, 2)), models=["a", "b"], **settings)


def features(n=6):
    return np.random.default_rng(0).normal(size=(n, 2))


# ---- the parameter ---------------------------------------------------------------


@pytest.mark.parametrize("calibration", ["foo", 1, True, 0, -2, 2.0, np.nan, ["auto"]])
def test_other_values_are_refused(calibration):
    with pytest.raises(ValueError, match="calibration must be None, 'auto', a number of folds"):
        check_calibration(calibration)


@pytest.mark.parametrize("calibration", [None, "auto", 2, np.int64(3), KFold(), GroupKFold(2)])
def test_folds_and_splitters_are_accepted(calibration):
    check_calibration(calibration)


# ---- groups ----------------------------------------------------------------------


def test_different_queries_are_groups_of_their_own():
    assert len(set(number_groups(None, features(), outcomes_of(6)))) == 6


def test_queries_with_the_same_label_are_one_group():
    outcomes = outcomes_of(4, queries=list("abcd"))[[0, 1, 2, 0, 1, 3]]
    assert number_groups(None, features(), outcomes).tolist() == [0, 1, 2, 0, 1, 3]


def test_queries_with_the_same_text_are_one_group():
    texts = ["one", "two", " one ", "three", "four", "two"]
    groups = number_groups(None, features(), outcomes_of(6).with_texts(texts))
    assert groups.tolist() == [0, 1, 0, 2, 3, 1]


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.asfortranarray,
        lambda X: X.astype(np.float32),
        lambda X: (X * 1000).astype(int),
        sparse.csr_array,
        sparse.csc_matrix,
        sparse.coo_array,
        pd.DataFrame,
        lambda X: pd.DataFrame({"text": [str(row) for row in X]}),
    ],
)
def test_equal_rows_of_features_are_one_group(convert):
    X = features()
    X[:, 1] *= [1, 0, 1, 1, 0, 1]  # some entries that a sparse matrix leaves out
    X[4] = X[0]
    groups = number_groups(None, convert(X), outcomes_of(6))
    assert groups.tolist() == [0, 1, 2, 3, 0, 4]


def test_an_explicit_zero_of_a_sparse_matrix_makes_no_difference():
    X = sparse.csr_array(
        (np.array([1.0, 2.0, 1.0, 0.0, 3.0]), np.array([0, 1, 0, 1, 0]), [0, 1, 2, 4, 5]),
        shape=(4, 2),
    )
    groups = number_groups(None, X, outcomes_of(4))
    assert groups.tolist() == number_groups(None, X.toarray(), outcomes_of(4)).tolist()
    assert groups[0] == groups[2]


def test_rows_of_a_sparse_matrix_are_compared_as_they_are_and_not_changed():
    X = sparse.csr_array(features())
    before = X.copy()
    number_groups(None, X, outcomes_of(6))
    assert (before != X).nnz == 0
    swapped = sparse.csr_array([[1.0, 2.0], [2.0, 1.0], [3.0, 0.0]])
    assert len(set(number_groups(None, swapped, outcomes_of(3)))) == 3


@pytest.mark.parametrize(
    "convert", [np.asarray, sparse.csr_array, lambda X: pd.DataFrame(X.astype(str))]
)
def test_categories_that_most_queries_share_are_not_copies(convert):
    X = np.repeat([[1.0, 2.0], [3.0, 1.0]], 4, axis=0)
    assert len(set(number_groups(None, convert(X), outcomes_of(8)))) == 8


@pytest.mark.parametrize(
    "X",
    [
        list("abcdef"),
        np.array(list("aabbcc"), dtype=object),
        np.zeros((6, 0)),
        pd.DataFrame({"list": [[1], [2], [1], [2], [1], [2]]}),
    ],
)
def test_features_that_cannot_be_compared_are_no_groups(X):
    assert len(set(number_groups(None, X, outcomes_of(6)))) == 6


@pytest.mark.parametrize("convert", [list, np.array, pd.Series])
def test_groups_of_the_user_come_first(convert):
    outcomes = outcomes_of(6)[[0, 0, 1, 2, 3, 4]]
    groups = convert(["x", "y", "x", "z", "y", "x"])
    assert number_groups(groups, features(), outcomes).tolist() == [0, 1, 0, 2, 1, 0]


def test_missing_groups_are_a_group():
    groups = number_groups(["x", None, None, "y"], features(4), outcomes_of(4))
    assert groups.tolist() == [0, 1, 1, 2]


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        number_groups(["x"], features(), outcomes_of(6))


# ---- folds -----------------------------------------------------------------------


@settings(max_examples=30)
@given(
    groups=st.lists(st.integers(0, 8), min_size=2, max_size=30),
    calibration=st.sampled_from(["auto", 2, 4]),
    seed=st.integers(0, 3),
)
def test_each_query_is_held_out_once_and_groups_share_a_fold(groups, calibration, seed):
    groups = np.array(groups)
    folds = calibration_folds(calibration, groups, seed=seed)
    n_groups = len(set(groups))
    if n_groups == 1:
        assert folds == []
        return
    assert len(folds) == min(n_groups, 5 if calibration == "auto" else calibration)
    held_out = np.concatenate([rows for _, rows in folds])
    assert sorted(held_out) == list(range(len(groups)))
    for train, rows in folds:
        assert not set(groups[train]) & set(groups[rows])
        assert len(train) + len(rows) == len(groups)


def test_folds_follow_the_seed():
    def held_out(seed):
        return [rows.tolist() for _, rows in calibration_folds(3, np.arange(30), seed=seed)]

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)


def test_a_splitter_makes_the_folds():
    folds = calibration_folds(KFold(3), np.arange(6), seed=0)
    assert [rows.tolist() for _, rows in folds] == [[0, 1], [2, 3], [4, 5]]
    groups = np.array([0, 1, 0, 2])
    folds = calibration_folds(LeaveOneGroupOut(), groups, seed=0)
    assert [rows.tolist() for _, rows in folds] == [[0, 2], [1], [3]]


def test_a_splitter_may_hold_out_some_queries_only():
    folds = calibration_folds(ShuffleSplit(1, test_size=2, random_state=0), np.arange(8), seed=0)
    ((train, rows),) = folds
    assert (len(train), len(rows)) == (6, 2)


def test_a_splitter_that_trains_on_held_out_queries_is_refused():
    with pytest.raises(ValueError, match=r"Overlapping\(\) has held-out queries among"):
        calibration_folds(Overlapping(), np.arange(4), seed=0)


def test_a_fold_without_training_queries_is_left_out():
    folds = calibration_folds(HalfEmpty(), np.arange(4), seed=0)
    assert [rows.tolist() for _, rows in folds] == [[0]]


@pytest.mark.parametrize("calibration", ["auto", 3, GroupKFold(4)])
def test_at_most_5000_queries_are_held_out(calibration):
    groups = np.arange(7001)
    folds = calibration_folds(calibration, groups, seed=0)
    n_held_out = [len(rows) for _, rows in folds]
    assert 4990 <= sum(n_held_out) <= 5000
    assert np.ptp(n_held_out) <= 1
    for train, rows in folds:
        assert not np.isin(rows, train).any()
        assert len(np.unique(rows)) == len(rows)
        assert len(train) >= len(groups) * 0.66
    everything = calibration_folds(calibration, groups, seed=0, limit=False)
    assert sum(len(rows) for _, rows in everything) == 7001
    np.testing.assert_array_equal(folds[0][0], everything[0][0])
