import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.collect._rewrites import find_rewrites, reason_for_rejection


@pytest.mark.parametrize(
    "text",
    [
        "1. How old is Bo?\n2. What is Bo's age?",
        "Sure! Here are two rewrites:\n\n1) How old is Bo?\n2) What is Bo's age?\n\nLet me know!",
        '- "How old is Bo?"\n- “What is Bo\'s age?”',
        "* **How old is Bo?**\n* **What is Bo's age?**",
        "Here you go:\nHow old is Bo?\nWhat is Bo's age?\nLet me know if you need more.",
        '```json\n["How old is Bo?", "What is Bo\'s age?"]\n```',
        '["not" "JSON"] or\n["How old is Bo?", "What is  Bo\'s age?"]',
        "<think>1. A question\n2. About Bo</think>\n1. How old is Bo?\n2. What is Bo's age?",
        "1. How old is Bo?\n2. What is Bo's age?\n<think>3. never closed",
        "Rewrite 1: How old is Bo?\nRewrite 2: What is Bo's age?",
        "(1) How old is Bo?\n(2) What is Bo's age?",
        "Two rewrites:\n1. Rewrites:\n2. How old is Bo?\n3. What is Bo's age?",
    ],
)
def test_rewrites_are_found_in_the_usual_formats(text):
    assert find_rewrites(text) == ["How old is Bo?", "What is Bo's age?"]


def test_lists_in_json_that_are_not_lists_of_texts_are_ignored():
    assert find_rewrites('["a", 1, "b"]') == ['["a", 1, "b"]']


def test_quotation_marks_within_a_line_are_kept():
    assert find_rewrites('1. "Emma" and "Persuasion"') == ['"Emma" and "Persuasion"']
    assert find_rewrites('1. "') == ['"']
    assert find_rewrites('1. ""') == [""]
    assert find_rewrites('1. """') == ['"""']


@given(st.text())
def test_any_text_can_be_searched_for_rewrites(text):
    assert all("\n" not in rewrite for rewrite in find_rewrites(text))


def test_a_list_in_json_after_an_open_one_is_found():
    assert find_rewrites('["open\n["How old is Bo?", "What is Bo\\"s age?"]') == [
        "How old is Bo?",
        'What is Bo"s age?',
    ]


def test_the_number_of_rewrites_and_the_text_that_is_read_are_bounded():
    assert find_rewrites("a\n" * 2000) == ["a"] * 1000
    assert find_rewrites(json.dumps(["a"] * 2000)) == ["a"] * 1000
    assert find_rewrites("a" * 2_000_000) == ["a" * 1_000_000]
    assert find_rewrites("<think>" + "1. x\n" * 400_000 + "</think>1. a") == ["a"]


QUERY = 'Who wrote "Emma" in 1815?'


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        ('In 1815, who was the author of "Emma"?', None),
        ("", "empty"),
        ('who wrote "emma" in 1815', "duplicate"),
        ('Tell me who wrote Emma in 1815: "Emma"!', "duplicate"),
        ("Who?", "length"),
        ('Who wrote "Emma" in 1816?', "numbers changed"),
        ('Who wrote "Emma" in 1815, not 1816?', "numbers changed"),
        ('Who wrote "Persuasion" in 1815?', "quotation changed"),
    ],
)
def test_a_rewrite_is_rejected_for_a_reason(rewrite, reason):
    accepted = ['Tell me who wrote "Emma" in 1815: "Emma".']
    assert reason_for_rejection(rewrite, QUERY, accepted, (0.5, 3)) == reason


def test_both_kinds_of_quotation_marks_are_recognised():
    query = 'Who wrote “Emma” and "Persuasion"?'
    assert reason_for_rejection("Who wrote Emma, Persuasion?", query, [], (0.1, 9)) is None
    for rewrite in ("Who wrote Emma and Lady Susan?", "Who wrote Lady Susan, Persuasion?"):
        assert reason_for_rejection(rewrite, query, [], (0.1, 9)) == "quotation changed"


@pytest.mark.parametrize(
    ("n_characters", "reason"), [(4, "length"), (5, None), (20, None), (21, "length")]
)
def test_the_limits_of_the_length_ratio_are_valid(n_characters, reason):
    assert reason_for_rejection("b" * n_characters, "a" * 10, [], (0.5, 2)) == reason


def test_curly_quotation_marks_that_are_never_closed_enclose_nothing():
    assert reason_for_rejection("Who?", "“Who “wrote it?", [], (0.1, 9)) is None
    assert reason_for_rejection("Who?", "“Who “wrote” it?", [], (0.1, 9)) == "quotation changed"
