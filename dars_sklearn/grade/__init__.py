"""Graders: the text of a response and a reference, to a score in [0, 1].

A grader is any callable ``(text, reference) -> float``; these are the usual
ones. They only read what a response says, and run none of it. Where a query
has several accepted answers, give its reference as a list of them.
"""

from dars_sklearn.grade._judge import LLMJudge
from dars_sklearn.grade._math import Math
from dars_sklearn.grade._structured import JSONField, Regex, TokenF1
from dars_sklearn.grade._text import (
    Contains,
    ExactMatch,
    MultipleChoice,
    Numeric,
    normalize_answer,
)

__all__ = [
    "Contains",
    "ExactMatch",
    "JSONField",
    "LLMJudge",
    "Math",
    "MultipleChoice",
    "Numeric",
    "Regex",
    "TokenF1",
    "normalize_answer",
]
