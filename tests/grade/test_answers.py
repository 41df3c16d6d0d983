import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.grade import normalize_answer
from dars_sklearn.grade._answers import (
    accepted_answers,
    check_which,
    find_numbers,
    first_nonempty_line,
    select_match,
    shorten,
)


@pytest.mark.parametrize(
    ("text", "normal_form"),
    [
        ("The 1,000.0 men.", "1000 men"),
        ("  A   cat  and an  OWL ", "cat and owl"),
        ("it's", "its"),
        ("007", "7"),
        ("+3", "3"),
        ("−3.50", "-3.5"),
        ("-0.0", "-0"),
        ("1.5E3", "1.5e3"),
        ("well-known", "well known"),
        ("covid-19", "covid 19"),
        ("1,23", "1 23"),
        (".5", "0.5"),
        ("!?", ""),
    ],
)
def test_answers_are_normalized(text, normal_form):
    assert normalize_answer(text) == normal_form


@given(st.text())
def test_normal_forms_are_in_lower_case_without_superfluous_spaces(text):
    normal_form = normalize_answer(text)
    assert normal_form == normal_form.lower()
    assert normal_form == " ".join(normal_form.split())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3 + 4 = 7", [3, 4, 7]),
        ("$1,250.50 and −12", [1250.5, -12]),
        ("2e3 or .25", [2000, 0.25]),
        ("x2 and 3rd", []),
        ("no number", []),
    ],
)
def test_numbers_are_found_in_order(text, numbers):
    assert find_numbers(text) == numbers


@pytest.mark.parametrize(
    ("reference", "answers"),
    [
        ("Rome", ["Rome"]),
        (7, ["7"]),
        (2.5, ["2.5"]),
        (["Roma", 1], ["Roma", "1"]),
        (("a", "b"), ["a", "b"]),
        ({"x"}, ["x"]),
    ],
)
def test_accepted_answers_are_listed_as_texts(reference, answers):
    assert accepted_answers(reference) == answers


@pytest.mark.parametrize("reference", [None, {"answer": "x"}, ["x", None]])
def test_references_that_are_neither_text_nor_number_are_rejected(reference):
    with pytest.raises(TypeError, match="must be a text or a number, got "):
        accepted_answers(reference)


def test_an_empty_list_of_accepted_answers_is_rejected():
    with pytest.raises(ValueError, match="list of accepted answers is empty"):
        accepted_answers([])


def test_only_last_and_first_are_valid():
    assert check_which("last") is None
    assert check_which("first") is None
    with pytest.raises(ValueError, match="which must be 'last' or 'first', got 'middle'"):
        check_which("middle")


def test_the_last_or_the_first_match_is_selected():
    assert select_match([1, 2, 3], "last") == 3
    assert select_match([1, 2, 3], "first") == 1
    assert select_match([], "last") is None


def test_the_first_line_that_is_not_blank_is_found():
    assert first_nonempty_line("\n \nRome\nis nice") == "Rome"
    assert first_nonempty_line(" \n") == ""


def test_long_texts_keep_their_beginning_and_end():
    assert shorten("abcdefgh", 8) == "abcdefgh"
    assert shorten("abcdefghi", 8) == "abcd\nfghi"
    assert shorten("abcdefghi", 4, separator="…") == "ab…hi"
