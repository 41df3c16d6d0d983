import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.grade import normalize_answer
from dars_sklearn.grade._answers import (
    accepted_answers,
    check_which,
    contains_answer,
    drop_articles,
    equals_answer,
    first_nonempty_line,
    select_match,
    shorten,
    shorten_for,
    split_words,
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
        ("-0.0", "0"),
        ("1.5E3", "1500"),
        ("well-known", "well known"),
        ("covid-19", "covid 19"),
        ("1,23", "1.23"),
        (".5", "0.5"),
        ("!?", "!?"),
        (" \t", ""),
        ("A", "a"),
        ("the vitamin A", "vitamin a"),
        ("C++, C# and .NET", "c++ c# and .net"),
        ("an A- or O-, well- known", "a- or o- well known"),
        ("U.S.A. e.g. U.S.", "usa eg us"),
        ("a.b", "b"),
        ("-$5 and 5 €", "-5 $ and 5 €"),
        ("$5$ \\(x\\)", "5 x"),
        ("$5 $6", "5 $ 6 $"),
        ("5% 30°C", "5 % 30 ° c"),
        ("x<5 y != 2", "x < 5 y != 2"),
        ("1/2 km/h", "1 / 2 km h"),
        ("1.10.0", "1 10 0"),
        ("٣ ５", "3 5"),
        ("a\x00b\x1fc", "a\x00b\x1fc"),
        ("'tis the dog's", "tis dogs"),
    ],
)
def test_answers_are_normalized(text, normal_form):
    assert normalize_answer(text) == normal_form


@given(st.text())
def test_normal_forms_are_in_lower_case_without_superfluous_spaces(text):
    normal_form = normalize_answer(text)
    assert normal_form == normal_form.lower()
    assert normal_form == " ".join(filter(None, normal_form.split(" ")))


def test_words_keep_the_case_of_the_text():
    assert split_words("The C++ of Rome, 1,000.0") == ["The", "C++", "of", "Rome", "1000"]


def test_the_last_word_is_no_article():
    assert drop_articles(["The", "a", "cat", "A"]) == ["cat", "A"]
    assert drop_articles(["the"]) == ["the"]
    assert drop_articles([]) == []


@pytest.mark.parametrize(
    ("text", "reference", "is_equal"),
    [
        ("The Rome.", ["x", "rome"], True),
        ("a cat", "the cat", True),
        ("vitamin", "vitamin A", False),
        ("Vitamin a", "vitamin A", True),
        ("-", "- ", True),
        ("-", "+", False),
        ("...", "", False),
        (" ", "", True),
    ],
)
def test_answers_are_equal_after_normalisation(text, reference, is_equal):
    assert equals_answer(text, reference) is is_equal


@pytest.mark.parametrize(
    ("text", "reference", "is_contained"),
    [
        ("It is Rome.", ["x", "rome"], True),
        ("A is right", "A", True),
        ("it is a cat", "A", False),
        ("I choose a", "A", True),
        ("vitamin A is good", "vitamin A", True),
        ("the old man", "a man", True),
        ("see a man", "the man", True),
        ("so ... yes", "...", True),
        ("so... yes", "...", False),
    ],
)
def test_answers_are_contained_as_whole_words(text, reference, is_contained):
    assert contains_answer(text, reference) is is_contained


@pytest.mark.parametrize("reference", ["", " \n", ["x", ""]])
def test_a_blank_answer_cannot_be_contained(reference):
    with pytest.raises(ValueError, match="contains a blank answer"):
        contains_answer("x", reference)


def test_a_response_is_never_shortened_below_an_answer_that_it_may_equal():
    text = "word " * 50_000
    assert len(shorten_for(["x"], text)) == 100_001
    assert shorten_for(["x", text], text) == text
    assert equals_answer(text, text)
    assert not equals_answer(text, text.replace("word", "ward"))


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
    assert first_nonempty_line("\x1f\nRome") == "\x1f"


def test_long_texts_keep_their_beginning_and_end():
    assert shorten("abcdefgh", 8) == "abcdefgh"
    assert shorten("abcdefghi", 8) == "abcd\nfghi"
    assert shorten("abcdefghi", 4, separator="…") == "ab…hi"
