import pickle

import pytest

from dars_sklearn.grade import Contains, ExactMatch, MultipleChoice, Numeric


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (ExactMatch(), " The Eiffel Tower! ", "eiffel tower", 1),
        (ExactMatch(), "1,000.0", 1000, 1),
        (ExactMatch(), "$5", "$5.00", 1),
        (ExactMatch(), "$5", "5.00", 0),
        (ExactMatch(), "-3", "3", 0),
        (ExactMatch(), "−3", "-3", 1),
        (ExactMatch(), "", "x", 0),
        (ExactMatch(), "Rome", ["Roma", "Rome"], 1),
        (ExactMatch(), "Rome\nis nice", "Rome", 0),
        (ExactMatch(first_line=True), "Rome\nis nice", "Rome", 1),
        (Contains(), "It's Paris, of course", "paris", 1),
        (Contains(), "Parisian", "Paris", 0),
        (Contains(), "New   York City", "new york", 1),
        (Contains(), "Lyon\nParis", "Paris", 1),
        (Contains(first_line=True), "Lyon\nParis", "Paris", 0),
        (Numeric(), "3 + 4 = 7", 7, 1),
        (Numeric(), "7, since 3 + 4", 7, 0),
        (Numeric("first"), "7, since 3 + 4", 7, 1),
        (Numeric(), "about $1,250.50.", "1250.5", 1),
        (Numeric(), "none", 0, 0),
        (Numeric(), "0", 0, 1),
        (Numeric(), "0.000000000001", 0, 1),
        (Numeric(), "minus −12", -12, 1),
        (Numeric(), "8", [7, 8], 1),
        (Numeric(tolerance=0.01), "3.14", 3.1416, 1),
        (Numeric(), "3.14", 3.1416, 0),
        (Numeric(tolerance=0), "2", 2, 1),
        (Numeric(), "2e-10", 1e-10, 0),
        (Numeric(), "1e999", 1e308, 0),
        (Numeric(), "half of it, 1/2", 0.5, 1),
    ],
)
def test_short_answers_are_graded(grader, text, reference, score):
    assert grader(text, reference) == score
    assert pickle.loads(pickle.dumps(grader)) == grader


CITIES = {"answer": "B", "options": {"A": "Oslo", "B": "Rome"}}


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (MultipleChoice(), "(B)", "B", 1),
        (MultipleChoice(), "b. dogs", "B", 1),
        (MultipleChoice(), "Not (A) but the answer is **C**", "C", 1),
        (MultipleChoice(), "The answer is B. No, the answer is D.", "D", 1),
        (MultipleChoice(), "A cat is an animal", "A", 0),
        (MultipleChoice(), "The answer is B because it is red", "B", 1),
        (MultipleChoice(), "The answer is A because it is red", "A", 1),
        (MultipleChoice(), "The answer is a mammal", "A", 0),
        (MultipleChoice("ABCDEFGHI"), "the answer is I think unknown", "I", 0),
        (MultipleChoice(), "Answer:\n\n  B", "B", 1),
        (MultipleChoice(), "I thought about it.\n \n \t B \nsince", "B", 1),
        (MultipleChoice("AB"), "I choose B.", "B", 1),
        (MultipleChoice("AB"), "I choose C.", "B", 0),
        (MultipleChoice(), "(B)", ["A", "B"], 1),
        (MultipleChoice(), "It is Rome.", CITIES, 1),
        (MultipleChoice(), "Oslo or Rome", CITIES, 0),
        (
            MultipleChoice(),
            "vitamin A is",
            {"answer": "A", "options": {"A": "vitamin A", "B": "vitamin C"}},
            1,
        ),
        (MultipleChoice(), "Paris", CITIES, 0),
        (MultipleChoice(), "(A), Rome", CITIES, 0),
        (
            MultipleChoice(),
            "New York",
            {"answer": "A", "options": {"A": "New York", "B": "York"}},
            1,
        ),
        (MultipleChoice(), "", {"answer": "A", "options": {"A": "", "B": "York"}}, 0),
    ],
)
def test_multiple_choices_are_graded(grader, text, reference, score):
    assert grader(text, reference) == score
    assert pickle.loads(pickle.dumps(grader)) == grader


def test_only_the_beginning_and_the_end_of_a_very_long_response_count():
    filler = "word " * 50_000
    assert Contains()(f"Lima {filler}", "Lima") == 1
    assert Contains()(f"{filler} Lima", "Lima") == 1
    assert Contains()(f"{filler} Lima {filler}", "Lima") == 0


@pytest.mark.parametrize(
    ("grade", "message"),
    [
        (lambda: Numeric()("5", "five"), "the reference 'five' contains no number"),
        (lambda: Numeric()("5", "3 or 5"), "the reference '3 or 5' contains 2 numbers; pass the"),
        (lambda: Numeric()("5", "1e999"), "'1e999' exceeds the range of floats; use"),
        (lambda: Numeric("middle"), "which must be 'last' or 'first', got 'middle'"),
        (lambda: Numeric(tolerance=-1), "tolerance must not be negative, got -1"),
        (lambda: Numeric(tolerance=float("nan")), "tolerance must not be negative, got nan"),
        (lambda: MultipleChoice()("A", "F"), "'F' is not one of the options 'ABCDE'"),
        (lambda: MultipleChoice()("A", {"answer": "A"}), "needs 'answer' and 'options'"),
        (lambda: MultipleChoice("ABa"), "options must be distinct letters, got 'ABa'"),
        (lambda: MultipleChoice("A1"), "options must be distinct letters, got 'A1'"),
    ],
)
def test_parameters_and_references_that_are_not_valid_are_named(grade, message):
    with pytest.raises(ValueError, match=message):
        grade()
