"""Read numbers in a text, in whatever notation they are written."""

import re
import sys
import unicodedata
from functools import cache
from typing import NamedTuple

__all__ = [
    "CURRENCIES",
    "NUMERAL",
    "Numeral",
    "canonical_number",
    "find_numbers",
    "parse_numeral",
    "to_ascii_digits",
    "write_out_powers",
]

CURRENCIES = "$€£¥₹"
# Separators of thousands besides the comma and the point.
_SEPARATORS = "'’_\u00a0\u2009\u202f"
_MINUS_SIGNS = "−–‐‑﹣－"
_POWER = r"(?:e|\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\{?)(?P<power>[-+]?\d{1,9})\}?"
# A sign counts only if no word character or point precedes it, so that "5-3" and "covid-19"
# contain no negative number. What continues as a word, such as "3rd", is no numeral. A currency
# may precede or follow the sign.
NUMERAL = (
    rf"(?<![\w.])(?P<sign>[-+]?)(?P<currency>[{CURRENCIES}]?)(?P<sign_after>[-+]?)"
    rf"(?P<digits>\.?\d+(?:[.,{_SEPARATORS}]\d+)*)(?:{_POWER})?(?!\w)"
)
_NUMERAL = re.compile(NUMERAL, re.IGNORECASE)
# A power of ten above this is not written out in the canonical form of a numeral.
_LARGEST_WRITTEN_POWER = 400
_PLAIN = re.compile(r"(\d*)(?:\.(\d+))?")
_GROUPED = (
    re.compile(r"([1-9]\d{0,2}(?:,\d{3})+)(?:\.(\d+))?"),  # 1,234.5
    re.compile(r"([1-9]\d?(?:,\d{2})+,\d{3})(?:\.(\d+))?"),  # 1,23,456.7 in India
    re.compile(r"([1-9]\d{0,2}(?:\.\d{3})+),(\d+)"),  # 1.234,5
    re.compile(r"([1-9]\d{0,2}(?:\.\d{3}){2,})()"),  # 1.234.567
    re.compile(rf"([1-9]\d{{0,2}}(?:[{_SEPARATORS}]\d{{3}})+)(?:[.,](\d+))?"),  # 1'234.5
)
_DECIMAL_COMMA = re.compile(r"(\d+),(\d+)")
_LIST_SEPARATOR = re.compile(rf"[,{_SEPARATORS}]")
_WITH_EXPONENT = re.compile(r"(?<![\w.])(\d+)(?:\.(\d+))?e([-+]?\d{1,9})(?!\w)", re.IGNORECASE)
_DENOMINATOR = re.compile(r"/(\d+)(?![\w/]|[.,]\d)")


class Numeral(NamedTuple):
    """A number as it is written: its sign, digits and power of ten."""

    sign: str
    whole: str
    decimals: str
    power: int

    @property
    def value(self):
        """The value, infinite if it exceeds the range of floats."""
        return float(f"{self.sign}{self.whole or '0'}.{self.decimals or '0'}e{self.power}")

    @property
    def canonical(self):
        """A text that is the same for all numerals with the same value."""
        if not self.decimals and not self.power:
            whole = self.whole.lstrip("0")
            return self.sign + whole if whole else "0"
        digits = (self.whole + self.decimals).lstrip("0")
        significant = digits.rstrip("0")
        if not significant:
            return "0"
        power = self.power - len(self.decimals) + len(digits) - len(significant)
        point = len(significant) + power
        if max(abs(point), abs(power)) > _LARGEST_WRITTEN_POWER + len(significant):
            return f"{self.sign}{significant}e{power}"
        if power >= 0:
            return self.sign + significant + "0" * power
        if point <= 0:
            return f"{self.sign}0.{'0' * -point}{significant}"
        return f"{self.sign}{significant[:point]}.{significant[point:]}"


@cache
def _digit_table():
    table = dict.fromkeys(map(ord, _MINUS_SIGNS), "-")
    digits = (chr(code) for code in range(128, sys.maxunicode + 1) if chr(code).isdecimal())
    return table | {ord(digit): str(unicodedata.decimal(digit)) for digit in digits}


def to_ascii_digits(text):
    """Write the decimal digits of all scripts, and minus signs, in ASCII.

    Parameters
    ----------
    text : str
        A text.

    Returns
    -------
    str
        A text of the same length.
    """
    return text if text.isascii() else text.translate(_digit_table())


def parse_numeral(match):
    """List the numerals in a match of the pattern ``NUMERAL``.

    Thousands may be separated; a comma that separates no thousands is a decimal comma; and
    several commas separate the numerals of a list, as in "1,2,3".

    Parameters
    ----------
    match : re.Match
        The match, in a text with ASCII digits.

    Returns
    -------
    list of Numeral
        Empty for a date, version or address with several points, which is no number.
    """
    before, after, digits, power = match.group("sign", "sign_after", "digits", "power")
    sign, power = "-" if "-" in before + after else "", int(power or 0)
    if digits.isdecimal():
        return [Numeral(sign, digits, "", power)]
    numeral = _parse_single(digits, _is_enclosed(match))
    if numeral is not None:
        return [Numeral(sign, *numeral, power)]
    parts = [_PLAIN.fullmatch(part) for part in _LIST_SEPARATOR.split(digits)]
    if None in parts:
        return []
    numerals = [Numeral("", part[1], part[2] or "", 0) for part in parts]
    numerals[0] = numerals[0]._replace(sign=sign)
    numerals[-1] = numerals[-1]._replace(power=power)
    return numerals


def _parse_single(digits, is_enclosed):
    """Return the digits before and after the decimal point, None if they are no number."""
    plain = _PLAIN.fullmatch(digits)
    if plain:
        return plain[1], plain[2] or ""
    for pattern in _GROUPED:
        grouped = pattern.fullmatch(digits)
        if grouped:
            return re.sub(r"\D", "", grouped[1]), grouped[2] or ""
    comma = _DECIMAL_COMMA.fullmatch(digits)
    return None if comma is None or is_enclosed else comma.groups()


def _is_enclosed(match):
    """Return whether brackets enclose a match, as in a pair of coordinates "(3,4)"."""
    text, start, end = match.string, match.start(), match.end()
    return text[max(start - 1, 0) : start] + text[end : end + 1] in ("()", "[]", "{}")


def find_numbers(text):
    """List the numbers in a text, in the order in which they occur.

    Parameters
    ----------
    text : str
        A text.

    Returns
    -------
    list of float
        The numbers. A fraction such as "3/4" is one number.
    """
    text = to_ascii_digits(text)
    numbers, position = [], 0
    while match := _NUMERAL.search(text, position):
        position = match.end()
        found = (
            [float(match[0])]
            if match[0].isdecimal()
            else [numeral.value for numeral in parse_numeral(match)]
        )
        denominator = _DENOMINATOR.match(text, position)
        is_chain = text.startswith("/", max(match.start() - 1, 0))  # of a date, for instance
        if denominator and len(found) == 1 and not is_chain and float(denominator[1]):
            found, position = [found[0] / float(denominator[1])], denominator.end()
        numbers += found
    return numbers


def canonical_number(text):
    """Return the canonical form of a text that is one number, and any other text as it is."""
    match = _NUMERAL.fullmatch(to_ascii_digits(text.strip()))
    numerals = parse_numeral(match) if match and not match["currency"] else []
    return numerals[0].canonical if len(numerals) == 1 else text


def write_out_powers(text):
    """Write numerals with an exponent, such as 1.5e3, without it where that is short.

    Parameters
    ----------
    text : str
        A text.

    Returns
    -------
    str
        The text, in which exponents beyond 400 are left as they are.
    """
    return _WITH_EXPONENT.sub(
        lambda match: Numeral("", match[1], match[2] or "", int(match[3])).canonical, text
    )
