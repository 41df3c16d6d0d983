"""Graders for short answers: exact, contained, numeric, or one of several options."""

import math
import re
from dataclasses import dataclass

from dars_sklearn.grade._answers import (
    LONGEST_RESPONSE,
    accepted_answers,
    check_which,
    contains_answer,
    equals_answer,
    first_nonempty_line,
    select_match,
    shorten,
    split_words,
)
from dars_sklearn.grade._numbers import find_numbers

__all__ = ["Contains", "ExactMatch", "MultipleChoice", "Numeric"]


@dataclass(frozen=True)
class ExactMatch:
    """Score 1 if the response equals the reference after normalisation.

    The units and symbols of a number belong to the answer: "$5" is neither "5" nor "5 %". Use
    :class:`Numeric` where they do not matter.

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
        text = first_nonempty_line(text) if self.first_line else text
        return float(equals_answer(text, reference))


@dataclass(frozen=True)
class Contains:
    """Score 1 if the response contains the reference as whole words, after normalisation.

    Of a response of more than 100,000 characters, only the first and last 50,000 are searched.
    A reference that is an article, such as the letter "A", is found only in the same case or as
    the last word; :class:`MultipleChoice` is made for letters.

    Parameters
    ----------
    first_line : bool, default=False
        Whether to search only the first non-empty line of the response.

    Raises
    ------
    ValueError
        If an accepted answer is blank, when the grader is called.

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
        text = first_nonempty_line(text) if self.first_line else text
        return float(contains_answer(text, reference))


@dataclass(frozen=True)
class Numeric:
    """Score 1 if the number in the response equals the reference.

    Units are ignored. Numbers may have separators of thousands (1,234.5, 1.234,5, 1'234.5), a
    decimal comma (0,5; but 1,234 is 1234), an exponent (1e3, 1.5 x 10^3), a true minus sign and
    digits of any script. A fraction such as 3/4 is one number. Dates and versions such as 1.10.0
    are none.

    Of a response of more than 100,000 characters, only the first and last 50,000 are read.

    Parameters
    ----------
    which : {"last", "first"}, default="last"
        Which number of the response is its answer. "last" suits responses that reason
        before they answer.
    tolerance : float, default=1e-9
        Largest difference at which two numbers count as equal, relative to the larger of
        them; for a reference of 0, the largest absolute value.

    Raises
    ------
    ValueError
        If a parameter is not valid; or, when the grader is called, if the reference contains
        no number, several numbers, or one beyond the range of floats.

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
        number = select_match(find_numbers(shorten(text, LONGEST_RESPONSE)), self.which)
        return float(number is not None and any(self._is_close(number, gold) for gold in golds))

    def _is_close(self, number, gold):
        # No number other than 0 is close to 0 by a relative tolerance alone.
        absolute = self.tolerance if gold == 0 else 0.0
        return math.isclose(number, gold, rel_tol=self.tolerance, abs_tol=absolute)


def _read_number(answer):
    """Return the number of an accepted answer."""
    numbers = find_numbers(answer)
    if not numbers:
        raise ValueError(f"the reference {answer!r} contains no number")
    if len(numbers) > 1:
        raise ValueError(
            f"the reference {answer!r} contains {len(numbers)} numbers; pass the one that is the "
            "answer, or a list if each of them is accepted"
        )
    if not math.isfinite(numbers[0]):
        raise ValueError(
            f"the reference {answer!r} exceeds the range of floats; use ExactMatch or Math"
        )
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
        text = _join_lines(shorten(text, LONGEST_RESPONSE))
        return float((self._find_letter(text) or _find_option(text, option_texts)) in golds)

    def _find_letter(self, text):
        """Return the option that a text names, in upper case, None if it names none."""
        capital = f"[{self.options.upper()}]"
        letter = f"[{self.options.upper()}{self.options.lower()}]"
        phrase = r"(?:answer|option|choice) ?(?:is|:|=)?[ \n]?:?"
        # No quantifier may match what the next one matches: the search must stay linear.
        patterns = (  # the most reliable first
            rf"(?i:{phrase})[*(\[ \n]*({letter})(?![\w'’]){_NO_WORD_A_OR_I}",
            rf"(?:\(|\[|\*\*)({letter})(?:\)|\]|\*\*|[.:)])",
            rf"(?m:^({letter})(?:[.:)\],]|$))",
            rf"(?<![\w'’])({capital})[.!) \n]*$",
        )
        for pattern in patterns:
            found = re.findall(pattern, text)
            if found:
                return found[-1].upper()
        return None


# "The answer is a mammal" and "the answer is I think" name no option.
_NO_WORD_A_OR_I = r"(?!(?<=[aAiI])[ \n](?!(?:as|based|because|due|since)\b)[a-z])"
_BLANKS = re.compile(r"[^\S\n\x1c-\x1f\x85]+")
_BLANK_LINES = re.compile(r" ?\n[ \n]*")


def _join_lines(text):
    """Reduce white space to single spaces, and blank lines to single line breaks."""
    return _BLANK_LINES.sub("\n", _BLANKS.sub(" ", text)).strip(" \n")


def _find_option(text, option_texts):
    """Return the letter of the only option whose text a response contains, else None."""
    options = {
        str(letter).upper(): " ".join(split_words(str(option).lower()))
        for letter, option in option_texts.items()
    }
    found = [
        letter for letter, option in options.items() if option and contains_answer(text, option)
    ]
    # An option within a longer one does not count: "New York" contains "York".
    longest = [
        letter
        for letter in found
        if not any(
            f" {options[letter]} " in f" {options[other]} " for other in found if other != letter
        )
    ]
    return longest[0] if len(longest) == 1 else None
