"""Queries as texts."""

import re

import numpy as np
import pandas as pd
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.outcomes._texts import check_alignment, check_texts


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        (["a", "b"], [["a"], ["b"]]),
        (np.array(["a", "b"]), [["a"], ["b"]]),
        (pd.Series(["a", "b"], index=[5, 6]), [["a"], ["b"]]),
        ([["a", "b"], ["c", None]], [["a", "b"], ["c", None]]),
        ([["a", None, "b"]], [["a", None, "b"]]),
        ([" a "], [[" a "]]),
    ],
)
def test_queries_become_a_table_of_texts(queries, expected):
    texts = check_texts(queries)
    assert texts.tolist() == expected
    assert texts.dtype == object


def test_a_single_text_is_refused():
    message = "queries must be a list of texts, got a single str; wrap it in a list"
    with pytest.raises(TypeError, match=f"^{message}$"):
        check_texts("a text")


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([], "the list of queries is empty"),
        (np.zeros((2, 0)), "the list of queries is empty"),
        (np.full((2, 2, 2), "a"), "queries must have shape (n_queries,) or (n_queries, "
                                  "n_paraphrases), got (2, 2, 2); fill up rows of different "
                                  "lengths with None"),
        (np.array("a"), "queries must have shape (n_queries,) or (n_queries, n_paraphrases), got "
                        "(); fill up rows of different lengths with None"),
        (["a", 3], "the query in row 1 is not a text, or is blank: 3"),
        (["a", " \n"], "the query in row 1 is not a text, or is blank: ' \\n'"),
        (["a", None], "the query in row 1 is not a text, or is blank: None"),
        ([["a", "b"], [None, "c"]], "the query in row 1 is not a text, or is blank: None"),
        ([["a", "b"], ["c", ""]], "the query in row 1 is not a text, or is blank: ''"),
        ([["a", float("nan")]], "the query in row 0 is not a text, or is blank: nan"),
    ],
)  # fmt: skip
def test_bad_queries_are_refused(queries, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_texts(queries)


def test_texts_in_the_order_of_the_outcomes_are_accepted():
    outcomes = Outcomes.from_array([[1], [0], [1]], queries=["a", "b", "c"])
    check_alignment(np.array(["a", "b", "c"], dtype=object), outcomes)
    check_alignment(["a", "b", "c"], outcomes)
    check_alignment(["other", "texts", "here"], outcomes)  # the labels need not be the texts
    check_alignment(["a", "b", "a new wording of c"], outcomes)
    check_alignment(["x", "y", "z"], Outcomes.from_array([[1], [0], [1]]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", "c", "b"], "row 1 of X is 'c', row 1 of the outcomes is 'b' (2 rows differ)"),
        (["c", "a", "b"], "row 0 of X is 'c', row 0 of the outcomes is 'a' (3 rows differ)"),
        (["a", "new", "b"], "row 2 of X is 'b', row 2 of the outcomes is 'c' (1 rows differ)"),
    ],
)
def test_texts_in_another_order_are_refused(texts, message):
    outcomes = Outcomes.from_array([[1], [0], [1]], queries=["a", "b", "c"])
    expected = (
        f"X and the outcomes have the same queries in another order: {message}; use "
        "outcomes.reindex(X)"
    )
    for container in (list, lambda own: np.array(own, dtype=object)):
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            check_alignment(container(texts), outcomes)


def test_texts_of_another_length_are_refused():
    with pytest.raises(ValueError, match="X has 2 queries and the outcomes have 1"):
        check_alignment(["a", "b"], Outcomes.from_array([[1]], queries=["a"]))
