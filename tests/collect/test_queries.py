import numpy as np
import pandas as pd
import pytest

from dars_sklearn.collect._queries import check_queries, check_same_order, is_blank


def test_queries_become_a_table_of_texts():
    assert check_queries(["a", ""]).tolist() == [["a"], [""]]
    assert check_queries([["a", None], ["b", " "]]).tolist() == [["a", None], ["b", " "]]
    frame = pd.DataFrame({"q": ["a", "b"], "p": ["c", np.nan]})
    assert check_queries(frame).tolist() == [["a", "c"], ["b", None]]


@pytest.mark.parametrize("queries", [{"a": 1}, {"a"}, frozenset("a"), {"a": 1}.keys()])
def test_queries_without_an_order_are_refused(queries):
    with pytest.raises(TypeError, match="queries must be a list of texts, got"):
        check_queries(queries)


def test_conversations_are_refused():
    with pytest.raises(TypeError, match="a query is a conversation, but a backend is sent a text"):
        check_queries([[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]])


def test_all_rows_with_lone_surrogates_are_named():
    queries = ["a\udc80" if row % 2 else "a" for row in range(6)]
    with pytest.raises(
        ValueError, match="^3 of the queries contain lone surrogates.* rows 1, 3, 5; read"
    ):
        check_queries(queries)
    with pytest.raises(
        ValueError, match="20 of the queries .* rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …;"
    ):
        check_queries(["\ud800"] * 20)


@pytest.mark.parametrize(("text", "expected"), [("", True), (" \n\u3000", True), (" a ", False)])
def test_a_text_without_visible_characters_is_blank(text, expected):
    assert is_blank(text) is expected


QUERIES = pd.Series(["a", "b", "c"], index=[10, 20, 30])


@pytest.mark.parametrize(
    ("queries", "references"),
    [
        (QUERIES, None),
        (QUERIES, ["x", "y", "z"]),
        (QUERIES, QUERIES),
        (QUERIES, QUERIES.reset_index(drop=True)),
        (QUERIES.reset_index(drop=True), QUERIES),
        (QUERIES.tolist(), QUERIES),
        (QUERIES.tolist(), QUERIES.set_axis(["a", "b", "c"])),
        (QUERIES.tolist(), QUERIES.set_axis(["x", "y", "z"])),
        (QUERIES, QUERIES[:2]),  # another function reports the lengths
    ],
)
def test_labels_that_are_equal_or_mean_nothing_are_accepted(queries, references):
    check_same_order(queries, ["a", "b", "c"], references)


@pytest.mark.parametrize(
    ("queries", "references", "message"),
    [
        (QUERIES, QUERIES[::-1], "row 0 of the queries is 10, but row 0 of the references is 30"),
        (QUERIES, QUERIES.set_axis([10, 99, 30]), "row 1 of the queries is 20, but .* is 99"),
        (QUERIES.tolist(), QUERIES.set_axis(["a", "c", "b"]), "row 1 of the queries is 'b'"),
        (QUERIES.tolist(), QUERIES.set_axis(["a", "b", "x"]), "row 2 of the queries is 'c'"),
        (QUERIES.reset_index(drop=True), QUERIES.set_axis([0, 2, 1]), "row 1 of the queries is 1"),
    ],
)
def test_other_labels_or_another_order_are_refused(queries, references, message):
    with pytest.raises(ValueError, match=message):
        check_same_order(queries, ["a", "b", "c"], references)
