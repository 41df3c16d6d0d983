"""Graders for short answers: exact, contained, numeric, or one of several options."""

import math
import re
from dataclasses import dataclass

from dars_sklearn.grade._answers import (
    accepted_answers,
    check_which,
    find_numbers,
    first_nonempty_line,
    normalize_answer,
    select_match,
    shorten,
)

__all__ = ["Contains", "ExactMatch", "MultipleChoice", "Numeric"]

# Characters of a response that are searched: half from its beginning, half from its end.
_LONGEST = 100_000


@dataclass(frozen=True)
class ExactMatch:
    """Score 1 if the response equals the reference after normalisation.

    Parameters
    ----------
    first_line : bool, default=False
        Whether to compare only the first non-empty line of the response.

    See Also
    --------
    normalize_answer : The normalisation.

    Examples
    --------
    >>> from dars_sklearn.grade import ExactMatch
    >>> ExactMatch()("The Nile.", "nile")
    1.0
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
            0 or 1.
        """
        answer = _normalize_response(text, self.first_line)
        return float(any(answer == normalize_answer(gold) for gold in accepted_answers(reference)))


@dataclass(frozen=True)
class Contains:
    """Score 1 if the response contains the reference as whole words, after normalisation.

    Parameters
    ----------
    first_line : bool, default=False
        Whether to search only the first non-empty line of the response.

    See Also
    --------
    normalize_answer : The normalisation.

    Examples
    --------
    >>> from dars_sklearn.grade import Contains
    >>> Contains()("It is the Nile, of course.", "Nile")
    1.0
    >>> Contains()("Romeo", "Rome")
    0.0
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
            0 or 1.
        """
        answer = f" {_normalize_response(text, self.first_line)} "
        golds = [normalize_answer(gold) for gold in accepted_answers(reference)]
        return float(any(f" {gold} " in answer for gold in golds))


def _normalize_response(text, first_line):
    text = first_nonempty_line(text) if first_line else text
    return normalize_answer(shorten(text, _LONGEST))


@dataclass(frozen=True)
class Numeric:
    """Score 1 if the number in the response equals the reference.

    Parameters
    ----------
    which : {"last", "first"}, default="last"
        Which number of the response is its answer. "last" suits responses that reason
        before they answer.
    tolerance : float, default=1e-9
        Largest difference at which two numbers count as equal, both relative to the larger
        number and absolute.

    Raises
    ------
    ValueError
        If a parameter is not valid; or, when the grader is called, if the reference
        contains no number.

    Examples
    --------
    >>> from dars_sklearn.grade import Numeric
    >>> Numeric()("3 times 400 is $1,200.00", 1200)
    1.0
    """

    which: str = "last"
    tolerance: float = 1e-9

    def __post_init__(self):
        check_which(self.which)
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance must not be negative, got {self.tolerance!r}")

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
        golds = [_read_number(answer) for answer in accepted_answers(reference)]
        number = select_match(find_numbers(shorten(text, _LONGEST)), self.which)
        return float(number is not None and any(self._is_close(number, gold) for gold in golds))

    def _is_close(self, number, gold):
        # No number other than 0 is close to 0 by a relative tolerance alone.
        return math.isclose(number, gold, rel_tol=self.tolerance, abs_tol=self.tolerance)


def _read_number(answer):
    numbers = find_numbers(answer)
    if not numbers:
        raise ValueError(f"the reference {answer!r} contains no number")
    return numbers[0]


@dataclass(frozen=True)
class MultipleChoice:
    """Score 1 if the response names the letter of the correct option.

    The answer of a response is the last letter after a phrase such as "answer is B" or
    "answer: (B)". Without such a phrase it is the last letter in brackets or bold, then one
    that begins a line, then one that ends the response. The article "A" in running text is
    not an option. If the reference contains the texts of the options and the response names
    no letter, the answer is the only option whose text the response contains.

    Parameters
    ----------
    options : str, default="ABCDE"
        The letters of the options.

    Raises
    ------
    ValueError
        If ``options`` are not distinct letters; or, when the grader is called, if the
        reference is not one of the options.

    Examples
    --------
    >>> from dars_sklearn.grade import MultipleChoice
    >>> MultipleChoice()("A cat is a mammal, so the answer is (C).", "C")
    1.0
    """

    options: str = "ABCDE"

    def __post_init__(self):
        if not self.options.isalpha() or len(set(self.options.upper())) < len(self.options):
            raise ValueError(f"options must be distinct letters, got {self.options!r}")

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : str, list of str, or dict
            The accepted letters; or a dict with the accepted letters under "answer", and a
            dict from letters to texts under "options".

        Returns
        -------
        float
            0 or 1.
        """
        option_texts = {}
        if isinstance(reference, dict):
            if not {"answer", "options"} <= set(reference):
                raise ValueError(f"the reference needs 'answer' and 'options', got {reference!r}")
            option_texts, reference = reference["options"], reference["answer"]
        golds = {str(answer).strip(" ().").upper() for answer in accepted_answers(reference)}
        unknown = golds - set(self.options.upper())
        if unknown:
            raise ValueError(
                f"the reference {sorted(unknown)[0]!r} is not one of the options {self.options!r}"
            )
        text = shorten(text, _LONGEST)
        return float((self._find_letter(text) or _find_option(text, option_texts)) in golds)

    def _find_letter(self, text):
        letter = f"[{self.options.upper()}{self.options.lower()}]"
        capital = f"[{self.options.upper()}]"
        phrase = r"(?:answer|option|choice)\s*(?:is|:|=)?\s*:?\s*"
        patterns = (  # the most reliable first
            rf"(?i:{phrase})[*(\[\s]*({letter})(?![\w'’])(?!\s+[a-z])",
            rf"(?:\(|\[|\*\*)({letter})(?:\)|\]|\*\*|[.:)])",
            rf"(?m:^\s*({letter})(?:[.:)\],]|\s*$))",
            rf"(?<![\w'’])({capital})[.!)\s]*$",
        )
        for pattern in patterns:
            found = re.findall(pattern, text)
            if found:
                return found[-1].upper()
        return None


def _find_option(text, option_texts):
    """Return the letter of the only option whose text a response contains, else None."""
    words = f" {normalize_answer(text)} "
    options = {
        str(letter).upper(): f" {normalize_answer(str(option))} "
        for letter, option in option_texts.items()
    }
    found = [letter for letter, option in options.items() if option.strip() and option in words]
    # An option within a longer one does not count: "New York" contains "York".
    longest = [
        letter
        for letter in found
        if not any(options[letter] in options[other] for other in found if other != letter)
    ]
    return longest[0] if len(longest) == 1 else None
