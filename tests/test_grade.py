import pickle

import pytest

from dars_sklearn.grade import Contains, ExactMatch, MultipleChoice, Numeric


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (ExactMatch(), " The Eiffel Tower! ", "eiffel tower", 1),
        (ExactMatch(), "1,000.0", 1000, 1),
        (ExactMatch(), "$5", "5.00", 1),
        (ExactMatch(), "-3", "3", 0),
        (ExactMatch(), "−3", "-3", 1),
        (ExactMatch(), "", "x", 0),
        (ExactMatch(), "Rome", ["Roma", "Rome"], 1),
        (ExactMatch(first_line=True), "Rome\nis nice", "Rome", 1),
        (Contains(), "It's Paris, of course", "paris", 1),
        (Contains(), "Parisian", "Paris", 0),
        (Contains(), "New   York City", "new york", 1),
        (Contains(first_line=True), "Lyon\nParis", "Paris", 0),
        (Numeric(), "3 + 4 = 7", 7, 1),
        (Numeric("first"), "7, since 3 + 4", 7, 1),
        (Numeric(), "about $1,250.50.", "1250.5", 1),
        (Numeric(), "none", 0, 0),
        (Numeric(), "minus −12", -12, 1),
        (Numeric(tolerance=0.01), "3.14", 3.1416, 1),
        (Numeric(), "3.14", 3.1416, 0),
        (MultipleChoice(), "(B)", "B", 1),
        (MultipleChoice(), "b. dogs", "B", 1),
        (MultipleChoice(), "Not (A) but the answer is **C**", "C", 1),
        (MultipleChoice(), "A cat is an animal", "A", 0),
        (MultipleChoice("AB"), "I choose B.", "B", 1),
    ],
)
def test_grades(grader, text, reference, score):
    assert grader(text, reference) == score
    assert pickle.loads(pickle.dumps(grader)) == grader


def test_references_that_cannot_be_graded_are_refused():
    with pytest.raises(ValueError, match="holds no number"):
        Numeric()("5", "five")
    with pytest.raises(ValueError, match="'F' is not one of the options"):
        MultipleChoice()("A", "F")
    with pytest.raises(TypeError, match="must be text or a number"):
        ExactMatch()("x", {"answer": "x"})
    with pytest.raises(ValueError, match="accepted answers is empty"):
        ExactMatch()("x", [])
