import json
import math

import numpy as np
import pytest

from dars_sklearn.interop._common import as_list, label_query, outcomes_from_rows, select_name


def row(query="q", score=1, **fields):
    return {"query": query, "model": "m", "score": score} | fields


def test_a_single_value_becomes_a_list():
    assert as_list("abc") == ["abc"]
    assert as_list(["a", "b"]) == ["a", "b"]
    assert as_list(("a",)) == ("a",)


def test_the_only_name_need_not_be_requested():
    assert select_name({"only": "log"}, None, "metric") == "only"
    assert select_name({"b": "log", "a": "log"}, "b", "metric") == "b"


@pytest.mark.parametrize(
    ("logs", "name", "message"),
    [
        (
            dict.fromkeys("ba", "log"),
            None,
            r"there are 2 metrics; pass metric= one of \['a', 'b'\]$",
        ),
        (
            dict.fromkeys("ba", "log"),
            "c",
            r"there is no metric 'c'; pass metric= one of \['a', 'b'\]$",
        ),
        (
            {"b": "log 2", "a": "log 1"},
            None,
            r"2 metrics.*\(for instance 'a' in 'log 1', 'b' in 'log 2'",
        ),
        ({"a": "log"}, "c", "there is no metric 'c'"),
        ({}, None, "there are 0 metrics"),
    ],
)
def test_a_name_that_is_missing_or_ambiguous_is_an_error(logs, name, message):
    with pytest.raises(ValueError, match=message):
        select_name(logs, name, "metric")


CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "red?"}]


@pytest.mark.parametrize("value", ["red?", 3, 0.5, True, ("a", "b")])
def test_a_text_or_a_number_is_the_label_of_a_query(value):
    text = value if isinstance(value, str) else None
    assert label_query(value, "the field") == (value, text)


def test_the_label_of_a_conversation_is_its_json_and_its_text_that_of_the_user():
    label, text = label_query(CHAT, "the field")
    assert json.loads(label) == CHAT
    assert text == "red?"
    assert label_query(label, "the field") == (label, "red?")


@pytest.mark.parametrize("value", [None, math.nan, ["a"], [], {"a": 1}, ([1],)])
def test_what_cannot_identify_a_query_is_named(value):
    with pytest.raises(ValueError, match="the field 'k' of doc 3 is .* cannot identify a query"):
        label_query(value, "the field 'k' of doc 3")
    with pytest.raises(ValueError, match="the field 'k': .* no message of role 'user' with text"):
        label_query(CHAT[:1], "the field 'k'")


def test_texts_are_kept_if_each_query_has_one_that_is_not_its_label():
    rows = [row("a", text="red?"), row("b", text="blue?"), row("a", text="red?")]
    assert outcomes_from_rows(rows).texts.tolist() == ["red?", "blue?"]
    for text in ("other?", None):
        assert outcomes_from_rows([*rows, row("a", text=text)]).texts is None
    assert outcomes_from_rows([row("a", text="a"), row("b", text="b")]).texts is None


def test_scores_may_have_another_range():
    rows = [row(score=7), row(score=3)]
    assert outcomes_from_rows(rows, (0, 10)).score_range == (0, 10)
    assert outcomes_from_rows(rows, None).score.tolist() == [7, 3]
    with pytest.raises(ValueError, match="pass the lowest and the highest possible score"):
        outcomes_from_rows(rows)


def test_columns_that_are_unknown_for_all_samples_are_left_out():
    rows = [row(cost=None, latency=None), row(cost=None, latency=2)]
    outcomes = outcomes_from_rows(rows)
    assert outcomes.cost is None
    np.testing.assert_array_equal(outcomes.to_array("latency").ravel(), [np.nan, 2.0])


def test_scores_may_be_integers_or_booleans():
    assert outcomes_from_rows([row(score=True), row(score=0)]).score.tolist() == [1.0, 0.0]


def test_paraphrases_are_numbered_within_each_query():
    rows = [
        row("a", paraphrase="id-1"), row("b", paraphrase="id-2"), row("a", paraphrase="id-3"),
        row("a", paraphrase="id-1"),
    ]  # fmt: skip
    outcomes = outcomes_from_rows(rows)
    assert outcomes.to_array().shape == (2, 1, 2, 2)
    assert outcomes.counts().tolist() == [[3], [1]]
    assert outcomes.paraphrase.tolist() == [0, 0, 1, 0]


def test_without_rows_there_are_no_outcomes():
    with pytest.raises(ValueError, match="there are no scored samples in these logs"):
        outcomes_from_rows([])
