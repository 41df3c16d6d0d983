"""Outcomes: construction, export, selection, statistics, prices and display."""

import pickle
import re
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import (
    MODEL_LABELS,
    QUERY_LABELS,
    comparable,
    grids,
    in_order_of_appearance,
    record_lists,
    rows_of,
    sorted_records,
    to_table,
)
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import indexable

from dars_sklearn import Outcomes
from dars_sklearn.outcomes._outcomes import as_outcomes

# ---- construction ------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(record_lists())
def test_a_table_is_read_as_a_loop_over_its_rows_reads_it(records):
    queries = in_order_of_appearance(own.query for own in records)
    models = in_order_of_appearance(own.model for own in records)
    outcomes = Outcomes.from_frame(to_table(records))
    assert outcomes.queries.tolist() == queries
    assert outcomes.models.tolist() == models
    assert list(map(type, outcomes.queries.tolist())) == list(map(type, queries))
    assert list(map(type, outcomes.models.tolist())) == list(map(type, models))
    expected = sorted_records(records, queries, models)
    assert rows_of(outcomes.to_frame()) == comparable(expected)
    counts = [
        [sum((own.query, own.model) == (query, model) for own in records) for model in models]
        for query in queries
    ]
    np.testing.assert_array_equal(outcomes.counts(), counts)
    assert outcomes.model_indices().tolist() == [models.index(own.model) for own in expected]
    assert outcomes.pair_indices().tolist() == [
        queries.index(own.query) * len(models) + models.index(own.model) for own in expected
    ]
    assert outcomes.offsets.tolist() == [0, *np.cumsum(counts).tolist()]


@settings(max_examples=50, deadline=None)
@given(record_lists(), st.data())
def test_labels_can_be_given_in_an_order_of_their_own(records, data):
    queries = data.draw(st.permutations(in_order_of_appearance(own.query for own in records)))
    models = data.draw(st.permutations(in_order_of_appearance(own.model for own in records)))
    outcomes = Outcomes.from_frame(to_table(records), queries=queries, models=[*models, "unused"])
    assert outcomes.queries.tolist() == queries
    assert outcomes.models.tolist() == [*models, "unused"]
    assert (outcomes.counts()[:, -1] == 0).all()
    assert rows_of(outcomes.to_frame()) == comparable(sorted_records(records, queries, models))


@settings(max_examples=50, deadline=None)
@given(record_lists())
def test_a_table_can_be_written_and_read_again(records):
    outcomes = Outcomes.from_frame(to_table(records))
    again = Outcomes.from_frame(
        outcomes.to_frame().sample(frac=1, random_state=0),
        queries=outcomes.queries,
        models=outcomes.models,
    )
    pd.testing.assert_frame_equal(again.to_frame(), outcomes.to_frame())


@settings(max_examples=50, deadline=None)
@given(grids())
def test_an_array_can_be_written_and_read_again(grid):
    costs = np.where(grid == 0.5, np.nan, 3 * grid)
    outcomes = Outcomes.from_array(grid, costs=costs)
    np.testing.assert_array_equal(outcomes.to_array(), grid)
    np.testing.assert_array_equal(outcomes.to_array("score"), grid)
    np.testing.assert_array_equal(
        outcomes.to_array("cost"), np.where(np.isnan(grid), np.nan, costs)
    )
    observed = [key for key in np.ndindex(grid.shape) if not np.isnan(grid[key])]
    assert outcomes.full_grid is (len(observed) == grid.size)
    assert outcomes.counts().sum() == len(observed)
    columns = outcomes.to_frame()[["query", "model", "paraphrase", "sample"]]
    assert [tuple(row) for row in columns.to_numpy().tolist()] == observed


@settings(max_examples=50, deadline=None)
@given(grids())
def test_an_array_and_its_table_are_the_same_outcomes(grid):
    from_array = Outcomes.from_array(grid)
    from_frame = Outcomes.from_frame(
        from_array.to_frame(), queries=range(len(grid)), models=range(grid.shape[1])
    )
    pd.testing.assert_frame_equal(from_frame.to_frame(), from_array.to_frame())
    np.testing.assert_array_equal(from_frame.offsets, from_array.offsets)
    for name in ("score", "offsets", "paraphrase", "sample", "queries", "models"):
        assert getattr(from_frame, name).dtype == getattr(from_array, name).dtype


@pytest.mark.parametrize(
    ("scores", "shape"),
    [
        ([[1, 0], [0, 1]], (2, 2, 1, 1)),
        ([[[1, 0, 1], [0, 1, 1]]], (1, 2, 1, 3)),
        (np.zeros((2, 3, 4, 5)), (2, 3, 4, 5)),
        (np.zeros((2, 3), dtype=bool), (2, 3, 1, 1)),
    ],
)
def test_arrays_of_two_to_four_dimensions_are_read(scores, shape):
    outcomes = Outcomes.from_array(scores)
    assert outcomes.to_array().shape == shape
    np.testing.assert_array_equal(outcomes.to_array().ravel(), np.ravel(scores))
    assert outcomes.score.dtype == np.float64
    assert outcomes.full_grid


def test_labels_of_an_array_are_numbers_or_those_given():
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [0, 0]])
    assert outcomes.queries.tolist() == [0, 1, 2]
    assert outcomes.models.tolist() == [0, 1]
    outcomes = Outcomes.from_array([[1, 0]], models=["b", "a"], queries=["why?"])
    assert outcomes.models.tolist() == ["b", "a"]
    assert outcomes.queries.tolist() == ["why?"]


def test_labels_can_be_tuples():
    """Such as a model under one of several prompts."""
    models = [("small", 1), ("small", 2), ("large",)]
    outcomes = Outcomes.from_array([[0.25, 0.5, 1]], models=models, queries=[("a", "b")])
    assert outcomes.models.tolist() == models
    assert outcomes.subset([("large",), ("small", 2)]).score.tolist() == [1, 0.5]
    assert outcomes.reindex([("a", "b")]).n_models == 3
    assert outcomes.to_frame()["model"].tolist() == models
    with pytest.raises(ValueError, match=r"unknown model \('small', 3\)"):
        outcomes.subset([("small", 3)])


def test_codes_are_accepted_in_any_order_and_queries_may_be_without_an_outcome():
    keys = {
        "query": (np.array([2, 0, 0, 2]), np.array(["a", "b", "c"], dtype=object)),
        "model": (np.array([0, 1, 1, 0]), np.array(["m", "n"], dtype=object)),
        "sample": (np.array([1, 1, 0, 0]), np.array([10, 20])),
    }
    extras = {"latency": np.array([1.0, 2.0, 3.0, 4.0])}
    outcomes = Outcomes.from_codes(
        keys, np.array([0.1, 0.2, 0.3, 0.4]), np.array([5.0, 6.0, 7.0, 8.0]), extras=extras
    )
    assert keys == {}  # emptied, to save memory
    assert outcomes.counts().tolist() == [[0, 2], [0, 0], [2, 0]]
    assert outcomes.score.tolist() == [0.3, 0.2, 0.4, 0.1]
    assert outcomes.cost.tolist() == [7, 6, 8, 5]
    frame = outcomes.to_frame()
    assert frame["latency"].tolist() == [3, 2, 4, 1]
    assert frame["sample"].tolist() == [10, 20, 10, 20]
    assert frame["paraphrase"].tolist() == [0, 0, 0, 0]
    assert frame["query"].tolist() == ["a", "a", "c", "c"]


def test_codes_without_samples_are_numbered_within_their_paraphrase():
    keys = {
        "query": (np.zeros(5, dtype=int), np.array([0])),
        "model": (np.zeros(5, dtype=int), np.array([0])),
        "paraphrase": (np.array([1, 0, 1, 1, 0]), np.array(["a", "b"], dtype=object)),
    }
    outcomes = Outcomes.from_codes(keys, np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert outcomes.score.tolist() == [0.2, 0.5, 0.1, 0.3, 0.4]
    assert outcomes.to_frame()["paraphrase"].tolist() == ["a", "a", "b", "b", "b"]
    assert outcomes.sample.tolist() == [0, 1, 0, 1, 2]
    assert outcomes.cost is None


@pytest.mark.parametrize(("drop", "full"), [([], True), ([3], False)])
@pytest.mark.parametrize("sample", [None, False])
def test_a_full_grid_is_recognised(drop, full, sample):
    frame = Outcomes.from_array(np.zeros((2, 3, 2, 2))).to_frame().drop(index=drop)
    assert Outcomes.from_frame(frame, sample=sample).full_grid is full
    complete = frame.assign(score=0.0).pivot_table(
        index=["query", "model"], columns=["paraphrase", "sample"], values="score", dropna=False
    )
    assert complete.notna().all().all() == full


def test_no_outcomes_at_all_are_accepted_as_codes():
    keys = {
        "query": (np.zeros(0, dtype=int), np.array(["a", "b"], dtype=object)),
        "model": (np.zeros(0, dtype=int), np.array(["m"], dtype=object)),
    }
    outcomes = Outcomes.from_codes(keys, np.zeros(0))
    assert repr(outcomes) == "<Outcomes: 2 queries x 1 model, 0 outcomes, 0 per pair>"
    assert outcomes.counts().tolist() == [[0], [0]]
    statistics = outcomes.pair_statistics()
    assert np.isnan(statistics.mean_score).all()
    assert statistics.n_outcomes.tolist() == [[0], [0]]


def test_scores_may_have_another_range():
    assert Outcomes.from_array([[1.0]]).score_range == (0.0, 1.0)
    assert Outcomes.from_array([[5.0]], score_range=(1, 10)).score_range == (1.0, 10.0)
    assert Outcomes.from_array([[-5e300]], score_range=None).score_range is None
    frame = pd.DataFrame({"query": ["a"], "model": ["m"], "score": [5.0]})
    assert Outcomes.from_frame(frame, score_range=(1, 10)).score_range == (1.0, 10.0)
    assert Outcomes.from_frame(frame.assign(score=1)).score_range == (0.0, 1.0)
    keys = {"query": (np.array([0]), np.arange(1)), "model": (np.array([0]), np.arange(1))}
    assert Outcomes.from_codes(dict(keys), np.array([1.0])).score_range == (0.0, 1.0)
    ranged = Outcomes.from_codes(dict(keys), np.array([5.0]), score_range=(1, 10))
    assert ranged.score_range == (1.0, 10.0)


def test_the_constructor_assumes_no_costs_and_an_unknown_layout():
    outcomes = Outcomes(
        np.array([1.0]), np.array([0, 1]), np.arange(1), np.arange(1),
        paraphrase=np.zeros(1, int), sample=np.zeros(1, int),
        paraphrase_labels=np.arange(1), sample_labels=np.arange(1),
    )  # fmt: skip
    assert outcomes.cost is None
    assert outcomes.score_range == (0.0, 1.0)
    assert outcomes.full_grid is False
    assert list(outcomes.to_frame()) == ["query", "model", "paraphrase", "sample", "score"]


def test_bad_codes_are_refused():
    def keys(sample):
        zeros = np.zeros(3, dtype=int)
        return {
            "query": (zeros, np.array(["a"], dtype=object)),
            "model": (zeros, np.array(["m"], dtype=object)),
            "sample": (np.array(sample), np.array([10, 20, 30])),
        }

    with pytest.raises(ValueError, match="query a, model m, sample 20 occurs more than once"):
        Outcomes.from_codes(keys([0, 1, 1]), np.zeros(3))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got value 2.0 in row 1"):
        Outcomes.from_codes(keys([0, 1, 2]), np.array([0, 2.0, 0]))
    with pytest.raises(ValueError, match=r"finite and not negative, got value -1.0 in row 2"):
        Outcomes.from_codes(keys([0, 1, 2]), np.zeros(3), np.array([0, 0, -1.0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": [[1, 0]], "models": ["a"]}, "models has 1 labels, but scores has 2 models"),
        ({"scores": [[1], [0]], "queries": ["a"]}, "queries has 1 labels, but scores has 2"),
        ({"scores": [[1, 0]], "models": ["a", "a"]}, "each model must be given once; repeated: "
                                                     "model 'a'"),
        ({"scores": [[1], [np.nan], [np.nan]]}, "no model has an outcome for queries 1, 2; leave "
                                                "such queries out"),
        ({"scores": [[1], [np.nan]], "queries": ["a", "b"]}, "no model has an outcome for query "
                                                             "'b'; leave"),
        ({"scores": [[1, 2]]}, r"'score' must be in \[0, 1\], got value 2.0 in row 1; divide"),
        ({"scores": [[1, 0]], "costs": [1, -2]}, "got value -2.0 in row 1"),
        ({"scores": [[1, 0]], "costs": [1, 2, 3]}, "costs must have the shape of scores"),
        ({"scores": [[1, 0]], "score_range": (1, 0)}, r"low < high, got \(1, 0\)"),
        ({"scores": [1, 0]}, r"got shape \(2,\)"),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Outcomes.from_array(**arguments)


# ---- export ------------------------------------------------------------------


def test_an_array_numbers_other_labels_within_their_query_or_paraphrase():
    """Paraphrases of one query have nothing to do with those of another; nor have samples."""
    table = pd.DataFrame(
        [
            ("x", "m", "x one", 7, 0.1),
            ("x", "m", "x one", 9, 0.2),
            ("x", "n", "x two", 9, 0.3),
            ("y", "m", "y one", 8, 0.4),
            ("y", "n", "y one", 7, 0.5),
        ],
        columns=["query", "model", "paraphrase", "sample", "score"],
    )
    outcomes = Outcomes.from_frame(table)
    nan = np.nan
    np.testing.assert_array_equal(
        outcomes.to_array(),
        [
            [[[0.1, 0.2], [nan, nan]], [[nan, nan], [0.3, nan]]],
            [[[0.4, nan], [nan, nan]], [[0.5, nan], [nan, nan]]],
        ],
    )
    np.testing.assert_array_equal(
        outcomes[[1]].to_array(), [[[[0.4]], [[0.5]]]]
    )  # one paraphrase and one sample are left


def test_an_array_of_labels_0_1_2_keeps_their_positions():
    table = pd.DataFrame(
        {"query": ["x"] * 3, "model": ["m"] * 3, "paraphrase": [2, 0, 1], "sample": [1, 0, 1],
         "score": [0.1, 0.2, 0.3]}
    )  # fmt: skip
    nan = np.nan
    np.testing.assert_array_equal(
        Outcomes.from_frame(table).to_array(), [[[[0.2, nan], [nan, 0.3], [nan, 0.1]]]]
    )


@settings(max_examples=50, deadline=None)
@given(record_lists())
def test_an_array_has_each_score_at_the_position_of_its_labels(records):
    outcomes = Outcomes.from_frame(to_table(records))
    queries, models = outcomes.queries.tolist(), outcomes.models.tolist()
    paraphrases, samples = ({own[column] for own in records} for column in (2, 3))
    expected = {}
    for own in records:
        siblings = sorted({other.paraphrase for other in records if other.query == own.query})
        paraphrase = own.paraphrase if _are_positions(paraphrases) else siblings.index(own[2])
        siblings = sorted(other.sample for other in records if other[:3] == own[:3])
        sample = own.sample if _are_positions(samples) else siblings.index(own.sample)
        key = queries.index(own.query), models.index(own.model), paraphrase, sample
        expected[key] = own.score
    grid = outcomes.to_array()
    found = {key: score for key, score in np.ndenumerate(grid) if not np.isnan(score)}
    assert found == expected
    assert grid.shape == (
        len(queries),
        len(models),
        1 + max(key[2] for key in expected),
        1 + max(key[3] for key in expected),
    )


def _are_positions(labels):
    return labels == set(range(len(labels)))


def test_token_counts_and_latencies_are_kept():
    table = pd.DataFrame(
        {"query": ["b", "a"], "model": ["m", "m"], "score": [0, 1], "input_tokens": [10, 20],
         "output_tokens": [1.0, np.nan], "latency": [0.5, 0.25], "remark": ["x", "y"]}
    )  # fmt: skip
    outcomes = Outcomes.from_frame(table, queries=["a", "b"])
    frame = outcomes.to_frame()
    assert list(frame) == [
        "query", "model", "paraphrase", "sample", "score", "input_tokens", "output_tokens",
        "latency",
    ]  # fmt: skip
    assert frame["input_tokens"].tolist() == [20, 10]
    np.testing.assert_array_equal(outcomes.to_array("output_tokens").ravel(), [np.nan, 1])
    assert outcomes[[1]].to_array("latency").ravel().tolist() == [0.5]


@pytest.mark.parametrize("values", ["cost", "latency", "input_tokens", "grade"])
def test_values_that_are_not_there_are_refused(values):
    with pytest.raises(ValueError, match=f"these outcomes have no '{values}'"):
        Outcomes.from_array([[1, 0]]).to_array(values)


def test_a_query_that_occurs_twice_has_its_row_in_the_table():
    outcomes = Outcomes.from_array([[1], [0]], queries=["a", "b"])
    assert "row" not in outcomes.to_frame()
    frame = outcomes[[1, 0, 1]].to_frame()
    assert list(frame)[:3] == ["row", "query", "model"]
    assert frame["row"].tolist() == [0, 1, 2]
    assert frame["query"].tolist() == ["b", "a", "b"]


# ---- sizes -------------------------------------------------------------------


def test_outcomes_are_as_long_as_their_queries():
    outcomes = Outcomes.from_array(np.ones((5, 3, 2, 2)))
    assert len(outcomes) == outcomes.n_queries == 5
    assert outcomes.shape == (5,)
    assert outcomes.n_models == 3
    assert len(outcomes.score) == 60


def test_outcomes_are_not_converted_to_an_array():
    with pytest.raises(TypeError, match=r"use .to_array\(\).*cross_val_capability"):
        np.asarray(Outcomes.from_array([[1, 0]]))


@pytest.mark.parametrize("copy_of", [deepcopy, lambda own: pickle.loads(pickle.dumps(own))])
def test_outcomes_can_be_copied_and_pickled(copy_of):
    outcomes = Outcomes.from_array([[1, 0]], models=["a", "b"], costs=[1, 2])
    outcomes.pair_statistics()
    pd.testing.assert_frame_equal(copy_of(outcomes).to_frame(), outcomes.to_frame())


def test_as_outcomes_accepts_outcomes_and_arrays():
    outcomes = Outcomes.from_array([[1, 0]])
    assert as_outcomes(outcomes) is outcomes
    read = as_outcomes([[1, 7]])
    assert read.score.tolist() == [1, 7]
    assert read.score_range is None
    wide = pd.DataFrame({"model": [1, 0], "other": [0, 1]})
    assert as_outcomes(wide).score.tolist() == [1, 0, 0, 1]
    scores = pd.DataFrame({"score": [1, 0], "other": [0, 1]})
    assert as_outcomes(scores).score.tolist() == [1, 0, 0, 1]
    table = pd.DataFrame({"query": ["a"], "model": ["m"], "score": [1]})
    with pytest.raises(TypeError, match=r"must be Outcomes.*Outcomes.from_frame\(table\)"):
        as_outcomes(table)


# ---- selection ---------------------------------------------------------------


@pytest.fixture
def array():
    scores = np.random.default_rng(0).integers(0, 2, (6, 3, 2, 5)).astype(float)
    scores[0, 0, 1] = np.nan
    scores[1, 2] = np.nan
    return scores


@pytest.fixture
def outcomes(array):
    return Outcomes.from_array(array, models=["a", "b", "c"], costs=[1, 2, 3])


@settings(max_examples=50, deadline=None)
@given(grids(), st.data())
def test_selecting_queries_and_models_is_indexing_the_array(grid, data):
    costs = 3 * grid + np.arange(grid.shape[3])
    outcomes = Outcomes.from_array(grid, costs=costs)
    n_queries, n_models = grid.shape[:2]
    rows = data.draw(st.lists(st.integers(-n_queries, n_queries - 1), max_size=6))
    columns = data.draw(st.lists(st.integers(0, n_models - 1), min_size=1, unique=True))
    selected = outcomes[np.array(rows, dtype=int)].subset(columns)
    np.testing.assert_array_equal(selected.to_array(), grid[rows][:, columns])
    np.testing.assert_array_equal(selected.to_array("cost"), costs[rows][:, columns])
    np.testing.assert_array_equal(selected.queries, np.arange(n_queries)[rows])
    assert selected.models.tolist() == columns
    assert selected.full_grid == outcomes.full_grid


@pytest.mark.parametrize(
    "key",
    [
        [2, 0, 2],
        [-1, -6],
        np.array([True, False, False, True, False, True]),
        [True, False, False, True, False, True],
        slice(None),
        slice(4, 1, -2),
        slice(-2, None),
        np.array([], dtype=int),
        (slice(1, 3), Ellipsis),
        ([0, 1], Ellipsis),
        Ellipsis,
    ],
)
def test_queries_are_selected_as_those_of_an_array_are(array, outcomes, key):
    np.testing.assert_array_equal(outcomes[key].to_array(), array[key])


@pytest.mark.parametrize("key", [3, -1, np.int64(3)])
def test_a_single_position_selects_outcomes_of_one_query(array, outcomes, key):
    np.testing.assert_array_equal(outcomes[key].to_array(), array[[key]])
    assert len(outcomes[key]) == 1


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((0, 1), r"indexed by query only; see subset\(models=\)"),
        ((0, Ellipsis, 1), "indexed by query only"),
        ((slice(None), slice(None)), "indexed by query only"),
        ((Ellipsis,), "indexed by query only"),
        (6, "index 6 is out of bounds"),
        ([0, -7], "index -7 is out of bounds"),
        ([True, False], "boolean index did not match"),
        ([[0, 1], [2, 3]], r"1-D array.*selects an array of shape \(2, 2\)"),
        (None, r"1-D array.*selects an array of shape \(1, 6\)"),
    ],
)
def test_other_indices_are_refused(outcomes, key, message):
    with pytest.raises(IndexError, match=message):
        outcomes[key]


def test_iterating_yields_the_queries_one_by_one(array, outcomes):
    assert [own.queries.tolist() for own in outcomes] == [[query] for query in range(6)]


def test_a_split_never_separates_the_paraphrases_of_a_query(outcomes):
    left, right = train_test_split(outcomes, random_state=0)
    assert len(left) + len(right) == len(outcomes)
    assert not set(left.to_frame()["query"]) & set(right.to_frame()["query"])


def test_scikit_learn_takes_outcomes_for_rows(array, outcomes):
    X = np.arange(6)
    assert indexable(X, outcomes)[1] is outcomes
    for train, test in KFold(3).split(X, outcomes):
        np.testing.assert_array_equal(outcomes[test].to_array(), array[test])
        np.testing.assert_array_equal(outcomes[train].to_array(), array[train])


def test_models_are_selected_in_the_order_given(array, outcomes):
    selected = outcomes.subset(models=["c", "a"])
    assert selected.models.tolist() == ["c", "a"]
    np.testing.assert_array_equal(selected.to_array(), array[:, [2, 0]])
    assert set(selected.cost) == {1, 3}
    assert selected.queries.tolist() == outcomes.queries.tolist()


def test_unknown_or_repeated_models_cannot_be_selected(outcomes):
    with pytest.raises(ValueError, match="^unknown models 'd', 'e'; the outcomes have"):
        outcomes.subset(["d", "a", "e"])
    with pytest.raises(ValueError, match="each model must be given once; repeated: model 'a'"):
        outcomes.subset(["a", "b", "a"])


@settings(max_examples=30, deadline=None)
@given(QUERY_LABELS, st.data())
def test_reindexing_finds_queries_by_their_labels(labels, data):
    outcomes = Outcomes.from_array(np.arange(4)[:, None] / 4, queries=labels)
    order = data.draw(st.lists(st.integers(0, 3)))
    wanted = [labels[position] for position in order]
    reindexed = outcomes.reindex(wanted)
    assert reindexed.queries.tolist() == wanted
    assert reindexed.score.tolist() == [position / 4 for position in order]


def test_reindexing_refuses_unknown_and_repeated_queries():
    outcomes = Outcomes.from_array([[1], [0], [1]], queries=["a", "b", "c"])
    with pytest.raises(ValueError, match="^unknown queries 'd', 'e'; the outcomes have"):
        outcomes.reindex(["d", "a", "e"])
    with pytest.raises(ValueError, match="^unknown query 1; the outcomes have"):
        outcomes.reindex([1])
    repeated = "several rows of queries 'a', 'b'; index by position instead"
    with pytest.raises(ValueError, match=repeated):
        outcomes[[1, 0, 0, 1, 2]].reindex(["c"])


@settings(max_examples=60, deadline=None)
@given(MODEL_LABELS)
def test_texts_and_numbers_are_different_models(labels):
    outcomes = Outcomes.from_array([[0.25, 0.5, 0.75]], models=labels)
    for label, score in zip(labels, [0.25, 0.5, 0.75], strict=True):
        assert outcomes.subset([label]).score.tolist() == [score]


# ---- draws -------------------------------------------------------------------


def test_a_single_shot_has_one_outcome_of_each_pair_that_has_any(array, outcomes):
    drawn = outcomes.single_shot(0)
    np.testing.assert_array_equal(drawn.counts(), outcomes.counts() > 0)
    frame, whole = drawn.to_frame(), outcomes.to_frame()
    assert len(frame.merge(whole)) == len(frame)  # every outcome drawn is one of the outcomes
    np.testing.assert_array_equal(drawn.to_array(), outcomes.single_shot(0).to_array())
    assert not np.array_equal(drawn.paraphrase, outcomes.single_shot(1).paraphrase)
    assert drawn.full_grid is False
    assert drawn.models.tolist() == ["a", "b", "c"]
    assert outcomes[[0, 2]].single_shot(0).full_grid is True


def test_a_single_shot_draws_every_outcome_equally_often():
    outcomes = Outcomes.from_array(np.linspace(0, 1, 5 * 2000).reshape(2000, 1, 5))
    drawn = outcomes.single_shot(0)
    frequencies = np.bincount(drawn.sample, minlength=5) / 2000
    # The standard error of a frequency is 0.009.
    np.testing.assert_allclose(frequencies, 0.2, atol=0.03)


@settings(max_examples=30, deadline=None)
@given(grids(), st.sampled_from([None, 1, 2, 5]), st.sampled_from([None, 1, 2, 5]))
def test_a_smaller_design_has_as_many_paraphrases_and_samples_as_asked_for(grid, P, K):
    outcomes = Outcomes.from_array(grid)
    smaller = outcomes.subsample(P, K, random_state=0)
    kept = smaller[np.arange(len(grid))].to_array()
    kept = np.pad(
        kept, [(0, own - new) for own, new in zip(grid.shape, kept.shape, strict=True)],
        constant_values=np.nan,
    )  # fmt: skip
    is_kept = ~np.isnan(kept)
    np.testing.assert_array_equal(kept[is_kept], grid[is_kept])
    for query in range(len(grid)):
        available = ~np.isnan(grid[query]).all(axis=(0, 2))
        kept_paraphrases = is_kept[query].any(axis=(0, 2))
        assert kept_paraphrases.sum() == min(available.sum(), P or 5)
        for model, paraphrase in np.ndindex(grid.shape[1:3]):
            n_available = (~np.isnan(grid[query, model, paraphrase])).sum()
            n_kept = is_kept[query, model, paraphrase].sum()
            assert n_kept == kept_paraphrases[paraphrase] * min(n_available, K or 5)
    assert smaller.full_grid == outcomes.full_grid


def test_a_smaller_design_depends_on_the_seed_only(outcomes):
    first, again, other = (outcomes.subsample(1, 2, random_state=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.to_frame(), again.to_frame())
    assert not first.to_frame().equals(other.to_frame())
    assert outcomes.subsample().to_frame().equals(outcomes.to_frame())


def test_draws_from_no_queries_are_empty():
    empty = Outcomes.from_array([[1, 0]])[[]]
    assert len(empty.single_shot(0).score) == len(empty.subsample(1, 1).score) == 0


def test_a_design_without_paraphrases_or_samples_is_refused(outcomes):
    with pytest.raises(ValueError, match="n_paraphrases must be an int of at least 1, got 0"):
        outcomes.subsample(n_paraphrases=0)
    with pytest.raises(ValueError, match="n_samples must be an int of at least 1, got -2"):
        outcomes.subsample(n_samples=-2)


# ---- statistics of pairs -----------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(grids(), st.sampled_from(["balanced", "pooled"]), st.data())
def test_statistics_of_a_selection_are_those_computed_from_scratch(grid, weighting, data):
    costs = np.where(grid == 0.5, np.nan, 3 * grid)
    outcomes = Outcomes.from_array(grid, costs=costs)
    outcomes.pair_statistics(weighting)
    rows = data.draw(st.lists(st.integers(0, len(grid) - 1), min_size=1, max_size=6))
    columns = data.draw(st.permutations(range(grid.shape[1])))
    columns = columns[: data.draw(st.integers(1, len(columns)))]
    selected = outcomes[rows].subset(columns)
    computed = Outcomes.from_codes(
        {
            "query": (selected.pair_indices() // len(columns), np.arange(len(rows))),
            "model": (selected.model_indices(), np.arange(len(columns))),
            "paraphrase": (selected.paraphrase, np.arange(grid.shape[2])),
            "sample": (selected.sample, np.arange(grid.shape[3])),
        },
        selected.score,
        selected.cost,
    )
    found, expected = (own.pair_statistics(weighting) for own in (selected, computed))
    for name in found._fields:
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), atol=1e-15, err_msg=name
        )


@pytest.mark.parametrize("weighting", ["balanced", "pooled"])
def test_statistics_are_computed_once(outcomes, weighting, monkeypatch):
    statistics = outcomes.pair_statistics(weighting)
    assert outcomes.pair_statistics(weighting) is statistics

    def fail(*arguments, **keywords):
        raise AssertionError("computed again")

    monkeypatch.setattr("dars_sklearn.outcomes._outcomes.summarise_pairs", fail)
    selected = outcomes[[3, 1]].subset(["c", "b"])[[1]].pair_statistics(weighting)
    np.testing.assert_array_equal(selected.mean_score, statistics.mean_score[[1]][:, [2, 1]])
    np.testing.assert_array_equal(selected.n_outcomes, [[0, 10]])


def test_statistics_of_the_two_weightings_are_kept_apart(array, outcomes):
    balanced, pooled = (outcomes.pair_statistics(own) for own in ("balanced", "pooled"))
    assert outcomes.pair_statistics() is balanced
    assert pooled.mean_score[0, 1] == array[0, 1].mean()
    scores = [0.0, 1.0, 1.0]
    ragged = Outcomes.from_frame(
        pd.DataFrame({"query": 0, "model": 0, "paraphrase": [0, 1, 1], "score": scores})
    )
    assert ragged.pair_statistics("pooled").mean_score == pytest.approx(2 / 3)
    assert ragged.pair_statistics("balanced").mean_score == pytest.approx(1 / 2)
    assert ragged.pair_statistics().mean_score == pytest.approx(1 / 2)


def test_on_a_full_grid_the_two_weightings_share_their_statistics(array):
    full = Outcomes.from_array(array[2:])
    assert full.pair_statistics("balanced") is full.pair_statistics("pooled")
    np.testing.assert_allclose(
        full.pair_statistics().mean_score, array[2:].mean(axis=(2, 3)), rtol=1e-15
    )


def test_an_unknown_weighting_is_refused(outcomes):
    with pytest.raises(ValueError, match="weighting must be 'balanced' or 'pooled', got 'equal'"):
        outcomes.pair_statistics("equal")


def test_statistics_cannot_be_changed(outcomes):
    outcomes.pair_statistics()
    for own in (outcomes, outcomes[[0, 1]], outcomes.subset(["a"]), outcomes.single_shot(0)):
        for table in own.pair_statistics():
            assert not table.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                table[0, 0] = 1


def test_other_draws_do_not_inherit_statistics(outcomes):
    outcomes.pair_statistics("pooled")
    assert (outcomes.single_shot(0).pair_statistics("pooled").n_outcomes <= 1).all()
    smaller = outcomes.subsample(1, 1, random_state=0)
    assert (smaller.pair_statistics("pooled").n_outcomes <= 1).all()


# ---- costs -------------------------------------------------------------------


@pytest.fixture
def priced_table():
    return pd.DataFrame(
        {
            "query": ["x", "x", "y", "y"],
            "model": ["m", "n", "m", "n"],
            "score": [1.0, 0.0, 1.0, 0.5],
            "cost": [9.0, 9.0, 9.0, 9.0],
            "input_tokens": [1000, 2000, 3000, 0],
            "output_tokens": [100, 0, np.nan, 500],
            "latency": [0.5, 1.5, np.nan, 0.0],
        }
    )


def test_prices_are_those_of_a_million_tokens(priced_table):
    outcomes = Outcomes.from_frame(priced_table)
    before = outcomes.pair_statistics()
    priced = outcomes.with_prices({"n": (4.0, 8.0), "m": (0.5, 2.0), "other": (1, 1)})
    expected = [(1000 * 0.5 + 100 * 2.0) / 1e6, 2000 * 4 / 1e6, np.nan, 500 * 8 / 1e6]
    np.testing.assert_allclose(priced.cost, expected, rtol=1e-15)
    np.testing.assert_allclose(
        priced.pair_statistics().mean_cost, np.reshape(expected, (2, 2)), rtol=1e-15
    )
    assert outcomes.cost.tolist() == [9, 9, 9, 9]
    assert outcomes.pair_statistics() is before
    assert before.mean_cost.tolist() == [[9, 9], [9, 9]]
    assert priced.score.tolist() == [1, 0, 1, 0.5]
    np.testing.assert_array_equal(
        priced[[1]].pair_statistics().mean_cost, priced.pair_statistics().mean_cost[[1]]
    )


def test_models_without_a_price_keep_their_costs(priced_table):
    priced = Outcomes.from_frame(priced_table).with_prices({"n": (4.0, 8.0)})
    np.testing.assert_allclose(priced.cost, [9, 2000 * 4 / 1e6, 9, 500 * 8 / 1e6], rtol=1e-15)
    unknown = Outcomes.from_frame(priced_table, cost=False).with_prices({"m": (1, 1), "n": (1, 1)})
    assert np.isnan(unknown.cost).tolist() == [False, False, True, False]


def test_prices_can_be_zero(priced_table):
    free = Outcomes.from_frame(priced_table).with_prices({"m": (0, 0), "n": (0, 1)})
    np.testing.assert_allclose(free.cost, [0, 0, np.nan, 500 / 1e6])


def test_bad_prices_are_refused(priced_table):
    outcomes = Outcomes.from_frame(priced_table)
    message = "^prices has no entry for models 'm', 'n', but for model 'k', which these outcomes do"
    with pytest.raises(ValueError, match=message):
        outcomes.with_prices({"k": (1, 1)})
    without_costs = Outcomes.from_frame(priced_table, cost=False)
    message = "^prices has no entry for models 'm', 'n', and no cost is known$"
    with pytest.raises(ValueError, match=message):
        without_costs.with_prices({"k": (1, 1)})
    partly = Outcomes.from_frame(priced_table.assign(cost=[9.0, np.nan, 9.0, np.nan]))
    for unpriced in (without_costs, partly):
        with pytest.raises(ValueError, match="^prices has no entry for model 'n', and no cost is"):
            unpriced.with_prices({"m": (1, 1)})
    message = r"prices\['n'\] must be .* two finite numbers of at least 0, got \(-1, -8\)"
    with pytest.raises(ValueError, match=message):
        outcomes.with_prices({"m": (1, 1), "n": (-1, -8)})
    for column in ("input_tokens", "output_tokens"):
        without = Outcomes.from_frame(priced_table.drop(columns=column))
        with pytest.raises(ValueError, match="have no input_tokens and output_tokens to price"):
            without.with_prices({"m": (1, 1), "n": (1, 1)})


def test_latencies_can_be_the_costs(priced_table):
    outcomes = Outcomes.from_frame(priced_table)
    outcomes.pair_statistics()
    timed = outcomes.with_latency_cost()
    np.testing.assert_array_equal(timed.cost, [0.5, 1.5, np.nan, 0.0])
    np.testing.assert_array_equal(timed.pair_statistics().mean_cost, [[0.5, 1.5], [np.nan, 0.0]])
    with pytest.raises(ValueError, match="^these outcomes have no latency$"):
        Outcomes.from_frame(priced_table.drop(columns="latency")).with_latency_cost()
    with pytest.raises(ValueError, match="got value -1.0 in row 0"):
        Outcomes.from_frame(priced_table.assign(latency=[-1.0, 0, 0, 0])).with_latency_cost()


# ---- display -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (np.ones((1, 1)), "<Outcomes: 1 query x 1 model, 1 outcomes, 1 per pair>"),
        (np.ones((2, 1, 3)), "<Outcomes: 2 queries x 1 model, 6 outcomes, 3 per pair>"),
        (np.ones((1, 2, 3, 2)), "<Outcomes: 1 query x 2 models, 12 outcomes, 6 per pair>"),
        ([[1, np.nan], [1, 1]], "<Outcomes: 2 queries x 2 models, 3 outcomes, 0 to 1 per pair>"),
    ],
)
def test_a_repr_has_the_sizes(scores, expected):
    assert repr(Outcomes.from_array(scores)) == expected


def test_the_repr_of_no_queries_has_zeros():
    empty = Outcomes.from_array([[1, 0]])[[]]
    assert repr(empty) == "<Outcomes: 0 queries x 2 models, 0 outcomes, 0 per pair>"
    assert empty.to_array().shape == (0, 2, 1, 1)
    assert len(empty.to_frame()) == 0


def test_the_html_summarises_each_model():
    outcomes = Outcomes.from_array(
        [[[1.0, 0.0], [0.25, 0.25]]], models=["x<b>", "a"], costs=[[[1.0, 2.0], [3.0, np.nan]]]
    )
    html = outcomes._repr_html_()
    assert "&lt;Outcomes: 1 query x 2 models, 4 outcomes, 2 per pair&gt;" in html
    assert "<b>" not in html
    rows = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in html.split("<tr")]
    assert rows[-2:] == [
        ["x&lt;b&gt;", "2", "0.5", "0.7071", "1.5"],
        ["a", "2", "0.25", "0", "3"],
    ]
    for header in ("outcomes", "mean score", "std of score", "mean cost"):
        assert f"<th>{header}</th>" in html
    assert "mean cost" not in Outcomes.from_array([[1, 0]])._repr_html_()
