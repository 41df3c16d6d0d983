"""Graders, which turn the text of a response and a reference into a score in [0, 1].

A grader is any callable ``grader(text, reference) -> float``. The graders of this module
only read the text of a response; they never execute any of it. If a query has several
accepted answers, pass them as a list: the list is one reference.
"""

from dars_sklearn.grade._answers import normalize_answer
from dars_sklearn.grade._judge import LLMJudge
from dars_sklearn.grade._math import Math
from dars_sklearn.grade._structured import JSONField, Regex, TokenF1
from dars_sklearn.grade._text import Contains, ExactMatch, MultipleChoice, Numeric

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
