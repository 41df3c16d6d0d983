"""Graders for answers in a pattern or a JSON field, and for partially correct answers."""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from dars_sklearn.grade._answers import (
    ARTICLES,
    accepted_answers,
    check_which,
    drop_articles,
    equals_answer,
    first_nonempty_line,
    shorten_for,
    split_words,
)
from dars_sklearn.grade._bounded import call_with_timeout
from dars_sklearn.grade._text import ExactMatch

__all__ = ["JSONField", "Regex", "TokenF1"]

# The beginning of a JSON object, as opposed to a brace in a formula or program.
_OBJECT = re.compile(r"\{(?=[ \t\n\r]*[\"}])")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
# Characters from the end of a response that are searched for JSON, and how many may be read in
# attempts to parse an object that is none.
_LONGEST_JSON, _MAX_READ = 200_000, 2_000_000
# What an attempt counts that fails because objects are nested too deeply.
_READ_OF_DEEP_NESTING = 10_000
_MOST_DIGITS = 1000


def _read_float(text):
    """Return a number, or its text if it is beyond the range of floats."""
    return float(text) if math.isfinite(float(text)) else text


def _read_int(text):
    """Return an int, or its text if it has more digits than Python converts."""
    return int(text) if len(text) < _MOST_DIGITS else text


_DECODER = json.JSONDecoder(parse_float=_read_float, parse_int=_read_int)


@dataclass(frozen=True)
class TokenF1:
    """Score the overlap of the words of response and reference, similar to the rules of DROP.

    The score is the F1 of the two sets of normalised words. It is 0 if the reference
    contains numbers and the response contains none of them. If there are several accepted
    answers, the highest score counts. Of a response of more than 100,000 characters, only the
    first and last 50,000 are read.

    Parameters
    ----------
    first_line : bool, default=False
        Whether to compare only the first non-empty line of the response.

    See Also
    --------
    normalize_answer : The normalisation. Other than in DROP, a minus sign is part of a number.

    References
    ----------
    .. [1] Dua et al., "DROP: A Reading Comprehension Benchmark Requiring Discrete Reasoning
       Over Paragraphs", arXiv:1903.00161, for answers of one span.

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
        golds = accepted_answers(reference)
        text = first_nonempty_line(text) if self.first_line else text
        words = split_words(shorten_for(golds, text).lower())
        return max(_score_words(text, words, gold) for gold in golds)


def _score_words(text, words, gold):
    """Score the words of a text; without words to compare, the whole text."""
    gold_words = split_words(gold.lower())
    if not gold_words:
        return float(equals_answer(text, gold))
    if not ARTICLES.issuperset(gold_words):
        words, gold_words = drop_articles(words), drop_articles(gold_words)
    return _f1(set(words), set(gold_words))


def _f1(words, gold_words):
    gold_numbers = {word for word in gold_words if _NUMBER.fullmatch(word)}
    if gold_numbers and not gold_numbers & words:
        return 0.0
    return 2 * len(words & gold_words) / (len(words) + len(gold_words))


@dataclass(frozen=True)
class Regex:
    """Score 1 if the text that a regular expression finds equals the reference.

    Parameters
    ----------
    pattern : str
        A regular expression. The text of its first group, or the whole match if it has no
        group, is compared after normalisation. Flags are part of the pattern, as in "(?i)".
    which : {"last", "first"}, default="last"
        Which match is the answer, if there are several.
    timeout : float, default=5.0
        Seconds that the search may take. It runs in a separate process, which is killed
        after that time; the response then scores 0.

    Raises
    ------
    ValueError
        If a parameter is not valid.

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
                f"pattern {self.pattern!r} is not a valid regular expression: {error}"
            ) from None
        check_which(self.which)

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
        accepted_answers(reference)  # so that one that is not valid raises
        try:
            answer = call_with_timeout(
                "find_match", self.pattern, text, self.which, timeout=self.timeout
            )
        except TimeoutError:
            return 0.0
        return float(answer is not None and equals_answer(answer, reference))


@dataclass(frozen=True)
class JSONField:
    """Grade one field of the JSON object in a response by another grader.

    The response may contain other text around the object. If several objects have the
    field, the last one counts; if none has it, the score is 0. Of a response of more than
    200,000 characters, only the end is searched.

    Parameters
    ----------
    name : str
        Name of the field. A dot leads into a nested object, as in "result.answer".
    grader : callable, default=ExactMatch()
        Grader of the field's value, which is passed as text.

    Examples
    --------
    >>> from dars_sklearn.grade import JSONField, Numeric
    >>> JSONField("answer", Numeric())('Sure: {"why": "3 + 4", "answer": 7}', 7)
    1.0
    """

    name: str
    grader: Any = field(default_factory=ExactMatch)

    @property
    def needs_reference(self):
        """Whether the inner grader needs references."""
        return getattr(self.grader, "needs_reference", True)

    @property
    def needs_query(self):
        """Whether the inner grader needs the query."""
        return getattr(self.grader, "needs_query", False)

    @property
    def settings(self):
        """Everything that determines a score, if the inner grader has settings, else None."""
        inner = getattr(self.grader, "settings", None)
        return None if inner is None else {"grader": "JSONField", "name": self.name, "of": inner}

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : object
            A reference of the inner grader.

        Returns
        -------
        float
            The score of the inner grader, or 0 without the field.
        """
        value = self._find_value(text)
        if value is None:
            self.check_reference(reference)
            return 0.0
        if not isinstance(value, str):
            value = json.dumps(value, ensure_ascii=False)
        return self.grader(value, reference)

    def check_reference(self, reference):
        """Raise unless the inner grader accepts a reference.

        Parameters
        ----------
        reference : object
            A reference.
        """
        check = getattr(self.grader, "check_reference", lambda value: self.grader("", value))
        check(reference)

    def _find_value(self, text):
        """Return the field of the last JSON object that has it, None without one."""
        text, value, n_read = text[-_LONGEST_JSON:], None, 0
        start = _OBJECT.search(text)
        while start:
            try:
                parsed, end = _DECODER.raw_decode(text, start.start())
            except json.JSONDecodeError as error:
                end = start.end()
                # The error itself counts the lines before its position.
                n_read += error.pos - start.start() + error.pos // 50
            except RecursionError:
                end = start.end()
                n_read += _READ_OF_DEEP_NESTING
            else:
                candidate = self._get_field(parsed)
                value = value if candidate is None else candidate
            if n_read > _MAX_READ:
                return None  # the last object may be one that was not reached
            start = _OBJECT.search(text, end)
        return value

    def _get_field(self, value):
        for name in self.name.split("."):
            if not isinstance(value, dict) or name not in value:
                return None
            value = value[name]
        return value
