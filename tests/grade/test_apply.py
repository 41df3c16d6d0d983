import math
from asyncio import CancelledError
from collections import Counter

import pytest

from dars_sklearn.generate import BackendError
from dars_sklearn.grade._apply import (
    Grade,
    add_queries,
    apply_grader,
    describe_grading_errors,
)

TEXTS, REFERENCES = ["a", "b", "c"], ["x", "y", "z"]


def test_each_response_is_graded_with_its_own_reference():
    pairs = []

    def grader(text, reference):
        pairs.append((text, reference))
        return 0.5

    grades = apply_grader(grader, TEXTS, REFERENCES)
    assert grades == [Grade(0.5, None)] * 3
    assert pairs == [("a", "x"), ("b", "y"), ("c", "z")]


def test_a_grader_that_raises_does_not_affect_other_responses():
    def grader(text, reference):
        if text == "b":
            raise KeyError("missing")
        return 1

    assert apply_grader(grader, TEXTS, REFERENCES) == [
        Grade(1.0, None),
        Grade(None, "KeyError: 'missing'"),
        Grade(1.0, None),
    ]


@pytest.mark.parametrize(
    ("score", "error"),
    [
        (-0.001, "score -0.001 is not in [0, 1]"),
        (1.001, "score 1.001 is not in [0, 1]"),
        (math.nan, "score nan is not in [0, 1]"),
        (None, "score None is not a number"),
        ("good", "score 'good' is not a number"),
        (10**400, "score 1000"),
        (BackendError("judge is down"), "judge is down"),
    ],
)
def test_scores_that_are_not_in_the_unit_interval_become_errors(score, error):
    (grade,) = apply_grader(lambda text, reference: score, ["a"], ["x"])
    assert grade.score is None
    assert grade.error.startswith(error)


@pytest.mark.parametrize("score", [0, 1, True, 0.25, "0.25"])
def test_scores_in_the_unit_interval_become_floats(score):
    (grade,) = apply_grader(lambda text, reference: score, ["a"], ["x"])
    assert grade == Grade(float(score), None)
    assert type(grade.score) is float


class BatchGrader:
    def __init__(self, scores):
        self.scores = scores
        self.calls = []

    def __call__(self, text, reference):
        raise AssertionError("grade_many should be called instead")

    def grade_many(self, texts, references):
        self.calls.append((texts, references))
        if isinstance(self.scores, BaseException):
            raise self.scores
        return self.scores


def test_grade_many_is_called_once_for_all_responses():
    grader = BatchGrader([1.0, ValueError("no number"), 7])
    assert apply_grader(grader, TEXTS, REFERENCES) == [
        Grade(1.0, None),
        Grade(None, "ValueError: no number"),
        Grade(None, "score 7.0 is not in [0, 1]"),
    ]
    assert grader.calls == [(TEXTS, REFERENCES)]


def test_if_grade_many_raises_no_response_of_the_call_has_a_score():
    grades = apply_grader(BatchGrader(RuntimeError("down")), TEXTS, REFERENCES)
    assert grades == [Grade(None, "RuntimeError: down")] * 3


@pytest.mark.parametrize("scores", [[1.0, 1.0], [1.0] * 4])
def test_if_grade_many_returns_another_number_of_scores_no_response_has_one(scores):
    grades = apply_grader(BatchGrader(scores), TEXTS, REFERENCES)
    error = f"grade_many returned {len(scores)} scores for 3 responses"
    assert grades == [Grade(None, error)] * 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_a_grading_error(error):
    def grader(text, reference):
        raise error

    with pytest.raises(error):
        apply_grader(grader, TEXTS, REFERENCES)
    with pytest.raises(error):
        apply_grader(BatchGrader(error()), TEXTS, REFERENCES)


def test_a_cancelled_task_is_a_grading_error():
    def grader(text, reference):
        raise CancelledError("gone")

    expected = [Grade(None, "CancelledError: gone")]
    assert apply_grader(grader, ["a"], ["x"]) == expected
    assert apply_grader(BatchGrader(CancelledError("gone")), ["a"], ["x"]) == expected
    assert apply_grader(BatchGrader([CancelledError("gone")]), ["a"], ["x"]) == expected


def test_queries_are_added_for_graders_that_need_them():
    def grader(text, reference):
        raise AssertionError

    references = ["x", None, {"reference": "z", "level": 1}, {"query": "own"}]
    queries = ["q", "r", "s", "t"]
    assert add_queries(grader, references, queries) == references
    grader.needs_query = True
    assert add_queries(grader, references, queries) == [
        {"query": "q", "reference": "x"},
        {"query": "r"},
        {"query": "s", "reference": "z", "level": 1},
        {"query": "own"},
    ]


def test_grading_errors_are_described_with_their_number_and_reasons():
    message = describe_grading_errors(Counter({"score 7.0 is not in [0, 1]": 2, "other": 1}))
    assert message == (
        "3 of the responses could not be graded, so outcomes are missing: "
        "score 7.0 is not in [0, 1] (2 times); other (1 time)"
    )
