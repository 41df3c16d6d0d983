"""Short answers: exact, contained, numeric, or one of several options."""

import math
import re
import string
from dataclasses import dataclass
from numbers import Real

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(
    dict.fromkeys(string.punctuation + "‘’“”«»…–—¡¿", " ") | {"'": None, "’": None}
)
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])|"
    r"(?<![\w.])[-+]?\.\d+(?![\w])",
    re.IGNORECASE,
)
_MINUS = str.maketrans("−–", "--")
# An answer longer than twice this is looked at by its beginning and its end.
_LONGEST = 50_000


def normalize_answer(text):
    """Bring a short answer to the form in which answers are compared.

    Lower case, without punctuation, articles and needless spaces, and numbers
    in one format, so that "The 1,000.0 men." and "1000 men" are the same.

    Parameters
    ----------
    text : str
        An answer.

    Returns
    -------
    str
        Its normal form, which may be empty.

    References
    ----------
    The answer normalisation of SQuAD (arXiv 1606.05250), and number formats.

    Examples
    --------
    >>> from dars_sklearn.grade import normalize_answer
    >>> normalize_answer("  The answer: 1,000.50!")
    'answer 1000.5'
    """
    # Numbers are told apart by a mark that the punctuation rule leaves alone.
    text = _NUMBER.sub(_canonical_number, text.translate(_MINUS).lower())
    text = text.translate(_PUNCTUATION).replace(_POINT, ".").replace(_NEGATIVE, "-")
    return " ".join(_ARTICLES.sub(" ", text).split())


_POINT, _NEGATIVE = "\x00", "\x01"


def _canonical_number(match):
    text = match[0].replace(",", "").removeprefix("+")
    if "e" not in text:
        whole, _, decimals = text.partition(".")
        sign = "-" if whole.startswith("-") else ""
        whole = whole.removeprefix("-").lstrip("0") or "0"
        decimals = decimals.rstrip("0")
        text = sign + whole + ("." + decimals if decimals else "")
    # A hyphen in front of a number is a sign only where no word precedes it.
    return text.replace(".", _POINT).replace("-", _NEGATIVE)


@dataclass(frozen=True)
class ExactMatch:
    """Score 1 where the response is the reference, after normalisation.

    Parameters
    ----------
    first_line : bool, default=False
        Whether only the first line that is not empty counts.

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
        if self.first_line:
            text = text.strip().partition("\n")[0]
        answer = normalize_answer(_ends(text))
        return float(any(answer == normalize_answer(gold) for gold in accepted(reference)))


@dataclass(frozen=True)
class Contains:
    """Score 1 where the reference stands in the response, as whole words.

    Parameters
    ----------
    first_line : bool, default=False
        Whether only the first line that is not empty counts.

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
        if self.first_line:
            text = text.strip().partition("\n")[0]
        answer = f" {normalize_answer(_ends(text))} "
        return float(any(f" {normalize_answer(gold)} " in answer for gold in accepted(reference)))


@dataclass(frozen=True)
class Numeric:
    """Score 1 where the number in the response equals the reference.

    Parameters
    ----------
    which : {"last", "first"}, default="last"
        Which number of the response is its answer: the last suits responses
        that reason first.
    tolerance : float, default=1e-9
        Largest difference, relative to the reference.

    Examples
    --------
    >>> from dars_sklearn.grade import Numeric
    >>> Numeric()("3 times 400 is $1,200.00", 1200)
    1.0
    """

    which: str = "last"
    tolerance: float = 1e-9

    def __post_init__(self):
        if self.which not in ("last", "first"):
            raise ValueError(f"which must be 'last' or 'first', got {self.which!r}")
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
        gold = [_number(answer) for answer in accepted(reference)]
        found = [_to_float(match[0]) for match in _NUMBER.finditer(_ends(text).translate(_MINUS))]
        if not found:
            return 0.0
        number = found[-1 if self.which == "last" else 0]
        # An absolute tolerance, too, since nothing is relatively close to 0.
        return float(
            any(
                math.isclose(number, answer, rel_tol=self.tolerance, abs_tol=self.tolerance)
                for answer in gold
            )
        )


@dataclass(frozen=True)
class MultipleChoice:
    """Score 1 where the response names the letter of the right option.

    Finds the last "answer is B" or "answer: (B)" of a response; failing that a
    letter in brackets or bold, then one that opens the response or a line, then
    one that ends it. The article "A" in running text is not taken for an option.
    Where the reference has the texts of the options, and no letter is named, the
    one option whose text stands in the response counts.

    Parameters
    ----------
    options : str, default="ABCDE"
        The letters of the options.

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
            The accepted letters; or ``{"answer": letters, "options": {letter:
            text}}``.

        Returns
        -------
        float
            0 or 1.
        """
        texts = {}
        if isinstance(reference, dict):
            if not {"answer", "options"} <= set(reference):
                raise ValueError(f"the reference needs 'answer' and 'options', got {reference!r}")
            texts, reference = reference["options"], reference["answer"]
        gold = {str(answer).strip(" ().").upper() for answer in accepted(reference)}
        unknown = gold - set(self.options.upper())
        if unknown:
            raise ValueError(
                f"the reference {sorted(unknown)[0]!r} is not one of the options {self.options!r}"
            )
        text = _ends(text)
        return float((self._choice(text) or _option_named(text, texts)) in gold)

    def _choice(self, text):
        letter = f"[{self.options.upper()}{self.options.lower()}]"
        upper = f"[{self.options.upper()}]"
        said = r"(?:answer|option|choice)\s*(?:is|:|=)?\s*:?\s*"
        patterns = (  # the surest first; of several finds of one kind the last
            rf"(?i:{said})[*(\[\s]*({letter})(?![\w'’])(?!\s+[a-z])",
            rf"(?:\(|\[|\*\*)({letter})(?:\)|\]|\*\*|[.:)])",
            rf"(?m:^\s*({letter})(?:[.:)\],]|\s*$))",
            rf"(?<![\w'’])({upper})[.!)\s]*$",
        )
        for pattern in patterns:
            found = re.findall(pattern, text)
            if found:
                return found[-1].upper()
        return None


def _option_named(text, options):
    """The letter of the one option whose text stands in a response."""
    words = f" {normalize_answer(text)} "
    named = {
        str(letter).upper(): f" {normalize_answer(str(option))} "
        for letter, option in options.items()
    }
    found = [letter for letter, option in named.items() if option.strip() and option in words]
    # "New York" names York, too: what stands within another find does not count.
    longest = [
        letter
        for letter in found
        if not any(named[letter] in named[other] for other in found if other != letter)
    ]
    return longest[0] if len(longest) == 1 else None


def _ends(text):
    """The beginning and the end of a text that is too long to be an answer."""
    if len(text) <= 2 * _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n{text[-_LONGEST:]}"


def accepted(reference):
    """List the accepted answers of a reference."""
    answers = list(reference) if isinstance(reference, (list, tuple, set)) else [reference]
    if not answers:
        raise ValueError("the list of accepted answers is empty")
    for answer in answers:
        if not isinstance(answer, (str, Real)):
            raise TypeError(f"a reference must be text or a number, got {answer!r}")
    return [answer if isinstance(answer, str) else f"{answer}" for answer in answers]


def _number(answer):
    found = _NUMBER.search(answer.translate(_MINUS))
    if found is None:
        raise ValueError(f"the reference {answer!r} holds no number")
    return _to_float(found[0])


def _to_float(text):
    return float(text.replace(",", ""))
