"""Helpers shared by the graders: reading references, and normalising answers and numbers."""

import re
import string
from numbers import Real

__all__ = [
    "ARTICLES",
    "accepted_answers",
    "check_which",
    "find_numbers",
    "first_nonempty_line",
    "normalize_answer",
    "select_match",
    "shorten",
]

ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(
    dict.fromkeys(string.punctuation + "‘’“”«»…–—¡¿", " ") | {"'": None, "’": None}
)
# A hyphen before a number is its sign only if no word character precedes the hyphen.
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])|"
    r"(?<![\w.])[-+]?\.\d+(?![\w])",
    re.IGNORECASE,
)
_MINUS_SIGNS = str.maketrans("−–", "--")
# Stand-ins for the decimal point and the minus sign of a number, which the removal of
# punctuation must leave in place.
_POINT, _MINUS = "\x00", "\x01"


def normalize_answer(text):
    """Normalise a short answer, so that equivalent answers compare equal.

    The text is put in lower case; punctuation, articles and superfluous spaces are removed;
    and numbers are written in one format, so that "The 1,000.0 men." and "1000 men" have
    the same normal form.

    Parameters
    ----------
    text : str
        An answer.

    Returns
    -------
    str
        The normal form, which may be empty.

    References
    ----------
    .. [1] Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
       arXiv:1606.05250, whose answer normalisation is extended here by number formats.

    Examples
    --------
    >>> from dars_sklearn.grade import normalize_answer
    >>> normalize_answer("  The answer: 1,000.50!")
    'answer 1000.5'
    """
    text = _NUMBER.sub(_canonical_number, text.translate(_MINUS_SIGNS).lower())
    text = text.translate(_PUNCTUATION).replace(_POINT, ".").replace(_MINUS, "-")
    return " ".join(ARTICLES.sub(" ", text).split())


def _canonical_number(match):
    """Write a matched number in one format, with stand-ins for its point and sign."""
    text = match[0].replace(",", "").removeprefix("+")
    if "e" not in text:
        whole, _, decimals = text.partition(".")
        sign = "-" if whole.startswith("-") else ""
        whole = whole.removeprefix("-").lstrip("0") or "0"
        decimals = decimals.rstrip("0")
        text = sign + whole + ("." + decimals if decimals else "")
    return text.replace(".", _POINT).replace("-", _MINUS)


def find_numbers(text):
    """List the numbers in a text, as floats, in the order in which they occur."""
    matches = _NUMBER.finditer(text.translate(_MINUS_SIGNS))
    return [float(match[0].replace(",", "")) for match in matches]


def accepted_answers(reference):
    """List the accepted answers of a reference, as texts.

    Parameters
    ----------
    reference : str, number, or list, tuple or set of them
        One accepted answer, or several.

    Returns
    -------
    list of str
        At least one accepted answer.

    Raises
    ------
    TypeError
        If an accepted answer is neither a text nor a number.
    ValueError
        If there is no accepted answer.
    """
    answers = list(reference) if isinstance(reference, (list, tuple, set)) else [reference]
    if not answers:
        raise ValueError("the list of accepted answers is empty")
    for answer in answers:
        if not isinstance(answer, (str, Real)):
            raise TypeError(f"a reference must be a text or a number, got {answer!r}")
    return [answer if isinstance(answer, str) else f"{answer}" for answer in answers]


def check_which(which):
    """Raise unless ``which`` is "last" or "first"."""
    if which not in ("last", "first"):
        raise ValueError(f"which must be 'last' or 'first', got {which!r}")


def select_match(matches, which):
    """Return the last or the first of some matches, None if there are none."""
    if not matches:
        return None
    return matches[-1 if which == "last" else 0]


def first_nonempty_line(text):
    """Return the first line of a text that is not blank, or an empty text."""
    return text.strip().partition("\n")[0]


def shorten(text, longest, separator="\n"):
    """Keep the beginning and the end of a text of more than ``longest`` characters.

    Parameters
    ----------
    text : str
        A text.
    longest : int
        Number of characters to keep; half of them from each end.
    separator : str, default="\\\\n"
        Text that replaces what is left out.

    Returns
    -------
    str
        The text itself, if it is not longer than ``longest``.
    """
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}{separator}{text[-longest // 2 :]}"
