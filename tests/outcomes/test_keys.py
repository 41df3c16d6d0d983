"""Labels as integer codes, and the order of outcomes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn.outcomes import _keys
from dars_sklearn.outcomes._keys import (
    Key,
    find_labels,
    label_array,
    number_within_groups,
    running_numbers,
    sort_labels,
    sort_outcomes,
    unique_labels,
    with_label_order,
)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (["a", "b"], object),
        ([1, 2], np.int64),
        ([True, False], bool),
        (np.array([1, 2], dtype=np.uint8), np.uint8),
        ([1.5, 2.0], object),
        ([1, "1"], object),
        ([2**64, 1], object),
        ([1, None], object),
        ([("a", 1), ("a", 2)], object),
        ([(1, 2), (3, 4)], object),
        ([("a",), ("a", 2), "a"], object),
        (range(3), np.int64),
        (dict.fromkeys("ab"), object),
        ([], object),
    ],
)
def test_texts_stay_texts_and_numbers_numbers(labels, dtype):
    array = label_array(labels)
    assert array.dtype == dtype
    assert array.ndim == 1
    assert array.tolist() == list(labels)
    assert label_array(iter(labels)).tolist() == list(labels)


def test_labels_given_twice_are_refused():
    assert unique_labels(["b", "a"], "model").tolist() == ["b", "a"]
    message = "each model must be given once; repeated: models 'b', 'a'"
    with pytest.raises(ValueError, match=message):
        unique_labels(["b", "a", "c", "b", "a", "b"], "model")


def test_labels_are_found_among_known_ones():
    known = np.array(["a", "b", "c"], dtype=object)
    assert find_labels(known, ["c", "a", "c"], "query").tolist() == [2, 0, 2]
    assert find_labels(known, np.array([], dtype=object), "query").tolist() == []
    with pytest.raises(
        ValueError, match="^unknown queries 'x', 'y'; the outcomes have queries 'a', 'b', 'c'$"
    ):
        find_labels(known, ["x", "a", "y"], "query")
    with pytest.raises(ValueError, match="^unknown model 'x'; prices have models 'a', 'b', 'c'$"):
        find_labels(known, ["x", "b"], "model", "prices")


def test_a_key_is_renumbered_to_the_labels_given():
    key = Key(np.array([0, 1, 2, 1]), np.array(["a", "b", "c"], dtype=object))
    renumbered = with_label_order(key, ["c", "z", "b", "a"], "query")
    assert renumbered.labels.tolist() == ["c", "z", "b", "a"]
    assert renumbered.codes.tolist() == [3, 2, 0, 2]
    unchanged = with_label_order(key, None, "query")
    assert unchanged.codes is key.codes
    assert unchanged.labels.tolist() == ["a", "b", "c"]
    message = (
        "the table has queries 'a', 'c', not listed in queries=; filter the table first, or list "
        "them"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        with_label_order(key, ["b"], "query")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array(["a"]), object),
        (np.array([1.5]), object),
        (np.array([1], dtype=np.int8), np.int8),
        (np.array([1], dtype=np.uint16), np.uint16),
        (np.array([True]), bool),
        (np.array(["2024-01-01"], dtype="datetime64[ns]"), object),
    ],
)
def test_labels_of_a_key_are_integers_booleans_or_objects(labels, expected):
    key = with_label_order(Key(np.array([0]), labels), None, "model")
    assert key.labels.dtype == expected
    assert key.labels[0] == labels[0]


def test_a_key_is_sorted_by_its_labels():
    key = sort_labels(Key(np.array([0, 1, 2, 0]), np.array([30, 10, 20])))
    assert key.labels.tolist() == [10, 20, 30]
    assert key.codes.tolist() == [2, 0, 1, 2]
    assert key.codes.dtype == np.int32
    mixed = Key(np.array([0, 1]), np.array(["a", 1], dtype=object))
    assert sort_labels(mixed) is mixed


KEY_SIZES = st.tuples(*(st.integers(1, 3) for _ in range(4)))


@st.composite
def keys_in_any_order(draw):
    """Draw the sizes of the keys, and distinct rows of codes."""
    sizes = draw(KEY_SIZES)
    rows = st.tuples(*(st.integers(0, size - 1) for size in sizes))
    return sizes, draw(st.lists(rows, unique=True, max_size=20))


def as_keys(sizes, rows, roles=("query", "model", "paraphrase", "sample")):
    columns = np.array(rows, dtype=np.int32).reshape(-1, 4).T
    return {
        role: Key(column.copy(), np.arange(size))
        for role, column, size in zip(_ROLES, columns, sizes, strict=True)
        if role in roles
    }


_ROLES = ("query", "model", "paraphrase", "sample")


@settings(max_examples=100, deadline=None)
@given(keys_in_any_order(), st.booleans())
def test_outcomes_are_sorted_as_tuples_are(sizes_and_rows, on_grid):
    sizes, rows = sizes_and_rows
    keys = as_keys(sizes, rows)
    with pytest.MonkeyPatch.context() as patch:
        if not on_grid:
            patch.setattr(_keys, "_sort_on_grid", lambda *arguments: None)
        found = sort_outcomes(keys)
    assert keys == {}
    expected = sorted(range(len(rows)), key=rows.__getitem__)
    assert found.order.tolist() == expected
    assert found.paraphrase.tolist() == [rows[row][2] for row in expected]
    assert found.sample.tolist() == [rows[row][3] for row in expected]
    assert found.paraphrase.dtype == found.sample.dtype == np.int32
    assert found.counts.tolist() == [
        sum(row[:2] == pair for row in rows) for pair in np.ndindex(sizes[:2])
    ]


@settings(max_examples=50, deadline=None)
@given(keys_in_any_order())
def test_without_paraphrases_all_are_the_same_one(sizes_and_rows):
    sizes, rows = sizes_and_rows
    rows = list(dict.fromkeys((query, model, 0, sample) for query, model, _, sample in rows))
    found = sort_outcomes(as_keys(sizes, rows, ("query", "model", "sample")))
    assert found.order.tolist() == sorted(range(len(rows)), key=rows.__getitem__)
    assert not found.paraphrase.any()


@settings(max_examples=50, deadline=None)
@given(keys_in_any_order())
def test_without_samples_they_are_numbered_in_the_order_of_the_rows(sizes_and_rows):
    sizes, rows = sizes_and_rows
    found = sort_outcomes(as_keys(sizes, rows, ("query", "model", "paraphrase")))
    expected = sorted(range(len(rows)), key=lambda row: rows[row][:3])  # a stable sort
    assert found.order.tolist() == expected
    cells = [rows[row][:3] for row in expected]
    assert found.sample.tolist() == [cells[:position].count(own) for position, own in
                                     enumerate(cells)]  # fmt: skip
    assert found.sample.dtype == found.paraphrase.dtype == np.int32


def test_the_grid_is_used_unless_it_is_mostly_empty():
    """Where it would be, an array of its size might not fit into memory."""
    pair, code = np.array([0, 1]), np.array([0, 0], dtype=np.int32)
    full = _keys._sort_on_grid(pair, code, code, 2, 2, 2)  # a quarter of the cells is filled
    assert full.order.tolist() == [0, 1]
    assert full.counts.tolist() == [1, 1]
    assert _keys._sort_on_grid(pair, code, code, 2, 1, 5) is None
    assert _keys._sort_on_grid(np.array([0, 0]), code, code, 1, 1, 2) is None  # a duplicate


def test_narrow_codes_do_not_overflow():
    sizes = (3, 100, 2, 100)
    rows = [(2, 99, 1, 99), (2, 99, 0, 99), (0, 0, 0, 0), (2, 0, 1, 50)]
    keys = {
        role: Key(key.codes.astype(np.int8), key.labels)
        for role, key in as_keys(sizes, rows).items()
    }
    found = sort_outcomes(keys)
    assert found.order.tolist() == [2, 3, 1, 0]
    assert np.flatnonzero(found.counts).tolist() == [0, 200, 299]


def test_codes_of_a_large_grid_do_not_overflow():
    n = 40_000
    positions = np.arange(n)
    codes = (positions % 200).astype(np.int16)
    found = _keys._sort_on_grid(np.zeros(n, np.int64), (positions // 200).astype(np.int16), codes,
                                1, 200, 200)  # fmt: skip
    np.testing.assert_array_equal(found.order, positions)
    np.testing.assert_array_equal(found.sample, codes)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            {"paraphrase": ["p", "q"], "sample": [10, 20, 30]},
            "query b, model m, paraphrase q, sample 30 occurs more than once, first in rows 1 and "
            "3 (3 duplicates in all)",
        ),
        (
            {"sample": [10, 20, 30]},
            "query b, model m, sample 30 occurs more than once, first in rows 1 and 3 (3 "
            "duplicates in all)",
        ),
    ],
)
def test_duplicates_are_named_by_their_labels(labels, expected):
    rows = [(1, 1, 1, 2), (1, 0, 1, 2), (0, 0, 1, 0), (1, 0, 1, 2), (1, 0, 1, 2), (1, 1, 1, 2)]
    named = {"query": ["a", "b"], "model": ["m", "n"]} | labels
    keys = {
        role: Key(key.codes, np.array(named[role], dtype=object))
        for role, key in as_keys((2, 2, 2, 3), rows, tuple(named)).items()
    }
    with pytest.raises(ValueError, match=re.escape(expected)):
        sort_outcomes(keys)


@pytest.mark.parametrize("position", range(4))
def test_outcomes_that_differ_in_one_key_are_no_duplicates(position):
    row = [0, 0, 0, 0]
    row[position] = 1
    rows = [(0, 0, 0, 0), tuple(row)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_keys, "_sort_on_grid", lambda *arguments: None)
        assert sort_outcomes(as_keys((2, 2, 2, 2), rows)).order.tolist() == [0, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4))), st.booleans())
def test_codes_are_numbered_within_their_group(members, are_positions):
    group, codes = (np.array([own[column] for own in members], dtype=int) for column in (0, 1))
    labels = np.arange(5) if are_positions else np.array([3, 5, 7, 8, 9])
    positions, n_positions = number_within_groups(group, codes, labels)
    if are_positions:
        assert positions.tolist() == codes.tolist()
        assert n_positions == 5
        return
    expected = [
        sorted({code for other, code in members if other == own}).index(own_code)
        for own, own_code in members
    ]
    assert positions.tolist() == expected
    assert n_positions == max(expected, default=-1) + 1


def test_labels_from_1_or_texts_are_no_positions():
    for labels in (np.array([1, 2]), np.array([0.0, 1.0]), np.array(["0", "1"])):
        positions, n_positions = number_within_groups(np.array([0]), np.array([1]), labels)
        assert positions.tolist() == [0]
        assert n_positions == 1
    unsigned = np.arange(2, dtype=np.uint8)
    assert number_within_groups(np.array([0]), np.array([1]), unsigned)[1] == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3)).map(sorted))
def test_members_of_sorted_groups_are_numbered(groups):
    expected = [groups[:position].count(group) for position, group in enumerate(groups)]
    assert running_numbers(np.array(groups, dtype=int)).tolist() == expected
