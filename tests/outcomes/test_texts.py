"""Queries as texts."""

import re

import numpy as np
import pandas as pd
import pytest

from dars_sklearn.outcomes._texts import check_texts


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        (["a", "b"], [["a"], ["b"]]),
        (np.array(["a", "b"]), [["a"], ["b"]]),
        (pd.Series(["a", "b"], index=[5, 6]), [["a"], ["b"]]),
        ([["a", "b"], ["c", None]], [["a", "b"], ["c", None]]),
        ([["a", None, "b"]], [["a", None, "b"]]),
        ([" a "], [[" a "]]),
        ([["a", float("nan"), pd.NA]], [["a", None, None]]),
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
        ([[float("nan"), "a"]], "the query in row 0 is not a text, or is blank: nan"),
    ],
)  # fmt: skip
def test_bad_queries_are_refused(queries, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_texts(queries)


def test_conversations_become_their_texts():
    conversations = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
        "a text",
        ({"role": "user", "content": [{"type": "text", "text": "What is this?"}]},),
    ]
    assert check_texts(conversations).tolist() == [["2 + 2?"], ["a text"], ["What is this?"]]
    series = pd.Series(conversations)
    assert check_texts(series).tolist() == check_texts(conversations).tolist()
    equal_lengths = [conversations[0], conversations[0]]
    assert check_texts(equal_lengths).tolist() == [["2 + 2?"], ["2 + 2?"]]


def test_the_text_of_a_conversation_can_be_chosen():
    conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    texts = check_texts([conversation, "a text"], lambda messages: messages[0]["content"])
    assert texts.tolist() == [["Be brief."], ["a text"]]


def test_a_single_conversation_is_refused():
    with pytest.raises(TypeError, match="must be a list of conversations, got a single one"):
        check_texts([{"role": "user", "content": "Hi"}])
