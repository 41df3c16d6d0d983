"""Apply a grader to responses, so that a failing grade never affects the other responses."""

from typing import NamedTuple

from dars_sklearn.grade._reasons import format_reason, list_reasons

__all__ = [
    "Grade",
    "add_queries",
    "apply_grader",
    "describe_grading_errors",
    "reference_fields",
]


class Grade(NamedTuple):
    """The result of grading one response: a score, or the reason why there is none."""

    score: float | None
    error: str | None


def add_queries(grader, references, queries):
    """Add the queries to the references of a grader that needs them.

    Parameters
    ----------
    grader : callable
        The grader. Its attribute ``needs_query`` says whether it needs the queries.
    references : sequence of object
        References.
    queries : sequence of str
        The query of each reference.

    Returns
    -------
    list
        The references; for a grader that needs the queries, dicts with the keys "query" and,
        unless the reference is None, "reference". A reference that is a dict keeps its keys.
    """
    if not getattr(grader, "needs_query", False):
        return list(references)
    return [
        {"query": query} | reference_fields(reference)
        for reference, query in zip(references, queries, strict=True)
    ]


def reference_fields(reference):
    """Return a reference as a dict, as a grader gets it that reads several fields.

    Parameters
    ----------
    reference : object
        A reference, or None.

    Returns
    -------
    dict
        The reference itself if it is a dict, else the dict with the key "reference" alone; empty
        for None.
    """
    if isinstance(reference, dict):
        return reference
    return {} if reference is None else {"reference": reference}


def apply_grader(grader, texts, references):
    """Grade responses; a failure to grade becomes a recorded error.

    Parameters
    ----------
    grader : callable
        ``grader(text, reference)`` returns a score in [0, 1]. If it has a method
        ``grade_many(texts, references)``, that is called once instead; it returns a score,
        or an exception instance, for each response.
    texts : sequence of str
        The responses.
    references : sequence of object
        The reference of each response.

    Returns
    -------
    list of Grade
        One grade per response. If ``grade_many`` raises, or returns another number of
        scores, no response of this call has a score.
    """
    grade_many = getattr(grader, "grade_many", None)
    if grade_many is None:
        return [
            _grade_one(grader, text, reference)
            for text, reference in zip(texts, references, strict=True)
        ]
    try:
        scores = list(grade_many(texts, references))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # asyncio.CancelledError, for instance
        return [Grade(None, format_reason(error))] * len(texts)
    if len(scores) != len(texts):
        error = f"grade_many returned {len(scores)} scores for {len(texts)} responses"
        return [Grade(None, error)] * len(texts)
    return [_check_score(score) for score in scores]


def _grade_one(grader, text, reference):
    try:
        score = grader(text, reference)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # asyncio.CancelledError, for instance
        return Grade(None, format_reason(error))
    return _check_score(score)


def _check_score(score):
    """Return a grade: with the score if it is a number in [0, 1], else with an error."""
    if isinstance(score, BaseException):
        return Grade(None, format_reason(score))
    try:
        number = float(score)
    except Exception:  # whatever __float__ of a grader's object may raise
        return Grade(None, f"score {score!r:.100} is not a number")
    if not 0 <= number <= 1:
        return Grade(None, f"score {number!r} is not in [0, 1]")
    return Grade(number, None)


def describe_grading_errors(errors):
    """Say how many responses could not be graded, and why.

    Parameters
    ----------
    errors : Counter
        How often each error occurred.

    Returns
    -------
    str
        The text of a warning.
    """
    return (
        f"{errors.total()} of the responses could not be graded, so outcomes are missing: "
        f"{list_reasons(errors)}"
    )
