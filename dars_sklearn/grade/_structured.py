"""Answers that stand in a pattern or a field, or are right in part."""

import json
import re
import string
from dataclasses import dataclass, field
from typing import Any

from dars_sklearn.grade._bounded import call_bounded
from dars_sklearn.grade._text import ExactMatch, accepted, normalize_answer

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
# How much of a response is searched for JSON, and from how many places.
_LONGEST, _MOST_STARTS = 200_000, 200


@dataclass(frozen=True)
class TokenF1:
    """Score the words that response and reference share, by the rules of DROP.

    F1 of the sets of words, normalised; 0 where the reference has numbers and
    the response none of them. Of several accepted answers, the best counts.

    Parameters
    ----------
    first_line : bool, default=False
        Whether only the first line that is not empty counts.

    References
    ----------
    Dua et al., "DROP: A Reading Comprehension Benchmark Requiring Discrete
    Reasoning Over Paragraphs", arXiv 1903.00161, for answers of one span.

    Examples
    --------
    >>> from dars_sklearn.grade import TokenF1
    >>> TokenF1()("the 12 brown foxes", "12 foxes")
    0.8
    """

    first_line: bool = False

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : str, number, or list of them
            The accepted answers.

        Returns
        -------
        float
            From 0 to 1.
        """
        if self.first_line:
            text = text.strip().partition("\n")[0]
        words = _words(text)
        return max(_f1(words, _words(answer)) for answer in accepted(reference))


def _words(text):
    """The normalised words of a text, as a set."""
    words = (_normal_word(word) for word in re.split(r"[ \-\n\t]", text.lower()))
    return {word for word in words if word}


def _normal_word(word):
    if not _is_number(word):
        word = word.translate(_PUNCTUATION)
    if _is_number(word):
        return str(float(word))
    return " ".join(_ARTICLES.sub(" ", word).split())


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _f1(words, gold):
    numbers = {word for word in gold if _is_number(word)}
    shared = len(words & gold)
    if numbers and not numbers & words:
        return 0.0
    if not words or not gold:
        return float(words == gold)
    return 2 * shared / (len(words) + len(gold))


@dataclass(frozen=True)
class Regex:
    """Score 1 where what a pattern finds is the reference.

    Parameters
    ----------
    pattern : str
        A regular expression. What its first group finds, or all of it where it
        has no group, is compared after normalisation; flags go into the
        pattern, as in "(?i)".
    which : {"last", "first"}, default="last"
        Which of several finds is the answer.
    timeout : float, default=5.0
        Seconds for one response, in a process that is killed after them; then
        the pattern has found nothing.

    Examples
    --------
    >>> from dars_sklearn.grade import Regex
    >>> Regex(r"answer is (\\w+)")("Well, the answer is Lima, I think.", "lima")
    1.0
    """

    pattern: str
    which: str = "last"
    timeout: float = 5.0

    def __post_init__(self):
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                f"pattern {self.pattern!r} is no regular expression: {error}"
            ) from None
        if self.which not in ("last", "first"):
            raise ValueError(f"which must be 'last' or 'first', got {self.which!r}")

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : str, number, or list of them
            The accepted answers.

        Returns
        -------
        float
            0 or 1.
        """
        gold = {normalize_answer(answer) for answer in accepted(reference)}
        try:
            found = call_bounded("matches", self.pattern, text, timeout=self.timeout)
        except TimeoutError:
            found = []
        answer = (found or [None])[-1 if self.which == "last" else 0]
        return float(answer is not None and normalize_answer(answer) in gold)


@dataclass(frozen=True)
class JSONField:
    """Grade one field of the JSON object in a response by another grader.

    The last object that stands in the response and has the field counts,
    whatever stands around it. Without one, the score is 0.

    Parameters
    ----------
    name : str
        The field; dots lead into objects within objects.
    grader : callable, default=ExactMatch()
        Grades the field, as text.

    Examples
    --------
    >>> from dars_sklearn.grade import JSONField, Numeric
    >>> JSONField("answer", Numeric())('Sure: {"why": "3 + 4", "answer": 7}', 7)
    1.0
    """

    name: str
    grader: Any = field(default_factory=ExactMatch)

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : object
            What the inner grader takes.

        Returns
        -------
        float
            The inner grader's score, or 0.
        """
        value = self._find(text)
        if value is None:
            self.grader("", reference)  # which refuses a reference that is none
            return 0.0
        return self.grader(value if isinstance(value, str) else json.dumps(value), reference)

    def _find(self, text):
        text, decoder, found = text[-_LONGEST:], json.JSONDecoder(), None
        start = text.find("{")
        for _ in range(_MOST_STARTS):
            if start < 0:
                break
            try:
                value, end = decoder.raw_decode(text, start)
            except (ValueError, RecursionError):
                end = start + 1
            else:
                held = self._field(value)
                found = found if held is None else held
            start = text.find("{", end)
        return found

    def _field(self, value):
        for name in self.name.split("."):
            if not isinstance(value, dict) or name not in value:
                return None
            value = value[name]
        return value
