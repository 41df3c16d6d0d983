"""Helpers shared by the graders: reading references, and comparing short answers."""

import re
import string
from numbers import Real

from dars_sklearn.grade._numbers import CURRENCIES, NUMERAL, parse_numeral, to_ascii_digits

__all__ = [
    "ARTICLES",
    "LONGEST_RESPONSE",
    "accepted_answers",
    "check_which",
    "contains_answer",
    "drop_articles",
    "equals_answer",
    "first_nonempty_line",
    "normalize_answer",
    "select_match",
    "shorten",
    "shorten_for",
    "split_words",
]

# Characters of a response that are read: half from its beginning, half from its end.
LONGEST_RESPONSE = 100_000
ARTICLES = {"a", "an", "the"}
# White space, without the control characters that str.split() and \s also take for it.
_SPACES = " \t\n\r\f\v\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PLAIN_WORD = re.compile(f"[^{_SPACES}]+")
_FIRST_LINE = re.compile(rf"[^{_SPACES}][^\n]*")
_SYMBOLS = "%‰°±×÷√∞≤≥≠≈→"
_SEPARATORS = f"{_SPACES}{re.escape(string.punctuation)}‘’“”«»…–—¡¿{_SYMBOLS}{CURRENCIES}"
_CHARACTER = f"[^{_SEPARATORS}]"
_WORD = re.compile(
    # Most separators begin no word; to say so makes the search several times faster.
    rf"(?![{_SPACES}\"#&'()*,:;?@[\\\]_`{{|}}~])(?:"
    rf"{NUMERAL}(?P<unit>[ \u00a0\u202f]?[{CURRENCIES}](?![ \u00a0\u202f]?\d))?"
    # "U.S." is "US".
    r"|(?P<initials>(?<![\w.])(?:[^\W\d_]\.){2,}[^\W\d_]?(?!\w))"
    # "A-" and "O-" are a mark and a blood group; ".NET", "C++" and "C#" are names.
    r"|(?P<word>(?<![\w.-])[^\W\d_]{1,2}-(?![\w>-])"
    rf"|(?:(?<![\w.])\.(?=[^\W\d_]))?{_CHARACTER}(?:{_CHARACTER}|['’](?={_CHARACTER}))*"
    r"(?:(?:\+\+|[+#])(?![\w+#]))?)"
    # Other symbols that distinguish answers.
    rf"|(?P<symbol>!=|[<>=^+{_SYMBOLS}]|(?<=\d)/(?=\d)))",
    re.IGNORECASE,
)


def normalize_answer(text):
    """Normalise a short answer, so that equivalent answers compare equal.

    The text is put in lower case; punctuation, articles and superfluous spaces are removed;
    and numbers are written in one format, so that "The 1,000.0 men." and "1000 men" have
    the same normal form. What distinguishes answers stays: "C", "C++" and "C#" are different,
    and so are "$5", "5 %" and "5". An article at the end stays, since it is a name, as in
    "vitamin A". A text of punctuation alone keeps it.

    Parameters
    ----------
    text : str
        An answer.

    Returns
    -------
    str
        The normal form, which is empty only if the text is blank.

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
    words = drop_articles(split_words(text.lower()))
    return " ".join(words) or _collapse_spaces(text.lower())


def split_words(text):
    """Split a text into words without punctuation, and write numbers in one format.

    Parameters
    ----------
    text : str
        A text.

    Returns
    -------
    list of str
        The words, in the case of the text. Symbols that distinguish answers are words.
    """
    words = []
    for match in _WORD.finditer(to_ascii_digits(text)):
        kind, word = match.lastgroup, match[0]
        if kind == "word":
            words.append(word.replace("'", "").replace("’", ""))
        elif kind == "symbol":
            words.append(word)
        elif kind == "initials":
            words.append(word.replace(".", ""))
        elif word.isdecimal():
            words.append(word.lstrip("0") or "0")
        else:
            words += _split_numeral(match)
    return words


def _split_numeral(match):
    """List a matched number and its currency, which follows it in the normal form."""
    numbers = [numeral.canonical for numeral in parse_numeral(match)]
    if not numbers:  # a date or a version
        numbers = re.findall(r"\d+", match["digits"])
    currency, unit = match["currency"], (match["unit"] or "").strip()
    if currency == unit == "$":  # a formula in LaTeX
        return numbers
    return numbers + [symbol for symbol in (currency, unit) if symbol]


def drop_articles(words):
    """Leave out the articles among words, but not the last word, which is a name."""
    return [word for word in words[:-1] if word.lower() not in ARTICLES] + words[-1:]


def _collapse_spaces(text):
    return " ".join(_PLAIN_WORD.findall(text))


def equals_answer(text, reference):
    """Return whether a response equals an accepted answer after normalisation.

    Parameters
    ----------
    text : str
        The response.
    reference : str, number, or list of them
        The accepted answers.

    Returns
    -------
    bool
        True if one of them is equal, with or without its articles.
    """
    golds = accepted_answers(reference)
    text = shorten_for(golds, text).lower()
    words = split_words(text)
    without_articles = drop_articles(words)
    for gold in map(str.lower, golds):
        gold_words = split_words(gold)
        if not gold_words:
            is_equal = _collapse_spaces(text) == _collapse_spaces(gold)
        else:
            is_equal = words == gold_words or without_articles == drop_articles(gold_words)
        if is_equal:
            return True
    return False


def contains_answer(text, reference):
    """Return whether a response contains an accepted answer as whole words.

    Parameters
    ----------
    text : str
        The response.
    reference : str, number, or list of them
        The accepted answers. One that consists of an article alone, such as "A", is found in the
        same case, or as the last word.

    Returns
    -------
    bool
        True if one of them is contained, with or without its articles.

    Raises
    ------
    ValueError
        If an accepted answer is blank.
    """
    golds = accepted_answers(reference)
    if any(not _collapse_spaces(gold) for gold in golds):
        raise ValueError(f"the reference {reference!r} contains a blank answer")
    text = shorten_for(golds, text)
    cased = split_words(text)
    words = [word.lower() for word in cased]
    without_articles = drop_articles(words)
    for gold in golds:
        gold_words = split_words(gold)
        lower = [word.lower() for word in gold_words]
        if not gold_words:
            found = _is_within([_collapse_spaces(gold)], [_collapse_spaces(text)])
        elif ARTICLES.issuperset(lower):
            found = _is_within(gold_words, cased) or _is_within(lower, without_articles)
        else:
            found = _is_within(lower, words) or _is_within(drop_articles(lower), without_articles)
        if found:
            return True
    return False


def _is_within(words, text_words):
    return f" {' '.join(words)} " in f" {' '.join(text_words)} "


def shorten_for(golds, text):
    """Bound the length of a response, but not below that of an answer which it may equal."""
    return shorten(text, max(LONGEST_RESPONSE, 2 * max(map(len, golds))))


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
    line = _FIRST_LINE.search(text)
    return line[0] if line else ""


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
