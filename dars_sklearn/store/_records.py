"""What a store and its callers exchange: rows of its tables, and counts over them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "Cell",
    "MeanTokens",
    "QueryRow",
    "RegisteredBackend",
    "RequestTexts",
    "SampleCounts",
    "StoredGrade",
    "UngradedSample",
]


class RegisteredBackend(NamedTuple):
    """A model under its settings: its id in the store, and the settings as JSON."""

    id: int
    settings: str


class MeanTokens(NamedTuple):
    """Mean token counts of the stored samples of a model, None where unknown."""

    input_tokens: float | None
    output_tokens: float | None


class RequestTexts(NamedTuple):
    """Stored texts of a request, and the error of its last attempt, None if it succeeded."""

    texts: list
    error: str | None


class QueryRow(NamedTuple):
    """A query of a collection: its label, its reference as JSON, and the key of its grading."""

    label: str
    reference: str | None
    grading: bytes


class Cell(NamedTuple):
    """One paraphrase of a query, sent to one model: positions of these, and the request id."""

    model: int
    row: int
    paraphrase: int
    request: int


class UngradedSample(NamedTuple):
    """A stored response that needs a grade, and the row of its query."""

    request: int
    sample: int
    row: int
    grading: bytes
    response: str


class StoredGrade(NamedTuple):
    """The grade of a stored response: a score, or the reason why there is none."""

    request: int
    sample: int
    grading: bytes
    score: float | None
    error: str | None


@dataclass(frozen=True)
class SampleCounts:
    """Counts over the samples of one model in a collection.

    Parameters
    ----------
    wanted, stored : int, default=0
        Samples that the collection asks for, and those that the store contains.
    cut, refused, empty : int, default=0
        Stored samples that the token limit cut off, that the model refused to give, and
        that are blank.
    repeated, constant : int, default=0
        Prompts with two or more stored samples, and those of them whose samples are all
        equal.
    errors : Counter
        Missing samples by the error of their request.
    """

    wanted: int = 0
    stored: int = 0
    cut: int = 0
    refused: int = 0
    empty: int = 0
    repeated: int = 0
    constant: int = 0
    errors: Counter = field(default_factory=Counter)
