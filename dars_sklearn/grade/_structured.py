"""Graders for answers in a pattern or a JSON field, and for partially correct answers."""

import json
import re
import string
from dataclasses import dataclass, field
from typing import Any

from dars_sklearn.grade._answers import (
    ARTICLES,
    accepted_answers,
    check_which,
    first_nonempty_line,
    normalize_answer,
    select_match,
)
from dars_sklearn.grade._bounded import call_with_timeout
from dars_sklearn.grade._text import ExactMatch

__all__ = ["JSONField", "Regex", "TokenF1"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Characters from the end of a response, and opening braces, that are searched for JSON.
_LONGEST, _MAX_BRACES = 200_000, 200


@dataclass(frozen=True)
class TokenF1:
    """Score the overlap of the words of response and reference, by the rules of DROP.

    The score is the F1 of the two sets of normalised words. It is 0 if the reference
    contains numbers and the response contains none of them. If there are several accepted
    answers, the highest score counts.

    Parameters
    ----------
    first_line : bool, default=False
        Whether to compare only the first non-empty line of the response.

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
        words = _word_set(first_nonempty_line(text) if self.first_line else text)
        return max(_f1(words, _word_set(answer)) for answer in accepted_answers(reference))


def _word_set(text):
    """Return the normalised words of a text, as a set."""
    words = (_normalize_word(word) for word in re.split(r"[ \-\n\t]", text.lower()))
    return {word for word in words if word}


def _normalize_word(word):
    if not _is_number(word):
        word = word.translate(_PUNCTUATION)
    if _is_number(word):
        return str(float(word))
    return " ".join(ARTICLES.sub(" ", word).split())


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _f1(words, gold_words):
    gold_numbers = {word for word in gold_words if _is_number(word)}
    if gold_numbers and not gold_numbers & words:
        return 0.0
    if not words or not gold_words:
        return float(words == gold_words)
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
        gold = {normalize_answer(answer) for answer in accepted_answers(reference)}
        try:
            matches = call_with_timeout("matches", self.pattern, text, timeout=self.timeout)
        except TimeoutError:
            return 0.0
        answer = select_match(matches, self.which)
        return float(answer is not None and normalize_answer(answer) in gold)


@dataclass(frozen=True)
class JSONField:
    """Grade one field of the JSON object in a response by another grader.

    The response may contain other text around the object. If several objects have the
    field, the last one counts; if none has it, the score is 0.

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
            self.grader("", reference)  # so that it rejects a reference that is not valid
            return 0.0
        return self.grader(value if isinstance(value, str) else json.dumps(value), reference)

    def _find_value(self, text):
        """Return the field of the last JSON object that has it, None without one."""
        text, decoder, value = text[-_LONGEST:], json.JSONDecoder(), None
        start = text.find("{")
        for _ in range(_MAX_BRACES):
            if start < 0:
                break
            try:
                parsed, end = decoder.raw_decode(text, start)
            except (ValueError, RecursionError):
                end = start + 1
            else:
                candidate = self._get_field(parsed)
                value = value if candidate is None else candidate
            start = text.find("{", end)
        return value

    def _get_field(self, value):
        for name in self.name.split("."):
            if not isinstance(value, dict) or name not in value:
                return None
            value = value[name]
        return value
