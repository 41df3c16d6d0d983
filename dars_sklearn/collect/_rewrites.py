"""Find the rewrites in the response of a model, and check whether they are valid."""

import json
import re
from collections import Counter

__all__ = ["check_length_ratio", "find_rewrites", "reason_for_rejection"]

# A response may be megabytes of anything. Rewrites are short and few, so what is beyond these
# limits is not read; and no pattern below can match the same characters in two ways (note the
# possessive quantifiers), so that the time is linear in the length of the text.
_LONGEST_TEXT = 1_000_000
_MOST_REWRITES = 1000

_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_CODE_FENCE = re.compile(r"^[^\S\n]*+```.*$", re.MULTILINE)
_JSON_TEXT = r"\"(?:[^\"\\]|\\.)*+\"\s*+"
_JSON_LIST = re.compile(rf"\[\s*+{_JSON_TEXT}(?:,\s*+{_JSON_TEXT})*+\]", re.DOTALL)
# "1.", "(2)", "3:", "- ", "* ", "• ", "**4.**"
_LIST_ITEM = re.compile(r"^\s*(?:\*\*)?(?:\(?\d{1,2}[.):]|[-*•–]\s)(?:\*\*)?\s*(?=\S)")
_LABEL = re.compile(
    r"^(?:\*\*)?(?:rewrite|rewording|paraphrase|version|variant|question|query)"
    r"\s*+(?:#?\d++)?\s*+(?:\*\*)?:\s*(?:\*\*)?\s*",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here (?:is|are)|here's|below (?:is|are)|note|"
    r"these (?:are|re)|i hope|let me know|the following)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTATION = re.compile(r"\"([^\"]+)\"|“([^“”]+)”")
_CLOSING_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»", "`": "`"}


def find_rewrites(text):
    """Find the rewrites in the response of a model.

    The rewrites are the items of the first JSON list of texts. Without one they are the
    items of a numbered or bulleted list, and without that all lines except remarks such as
    "Here are two rewrites:". At most 1000 rewrites are returned, and of a response without its
    reasoning, the first million characters are read.

    Parameters
    ----------
    text : str
        The response.

    Returns
    -------
    list of str
        The rewrites, without the numbers, labels and quotation marks around them.
    """
    text = _CODE_FENCE.sub("", _REASONING.sub("", text)[:_LONGEST_TEXT])
    return _list_rewrites(text)[:_MOST_REWRITES]


def _list_rewrites(text):
    """List the rewrites in a text without reasoning and code fences."""
    for match in _JSON_LIST.finditer(text):
        try:
            items = json.loads(match[0])
        except ValueError:
            continue
        return [" ".join(item.split()) for item in items]
    lines = [line for line in text.splitlines() if line.strip()]
    items = [line for line in lines if _LIST_ITEM.match(line)]
    if items:
        return [rewrite for rewrite in map(_strip_line, items) if not rewrite.endswith(":")]
    return [
        rewrite
        for rewrite in map(_strip_line, lines)
        if not rewrite.endswith(":") and not _REMARK.match(rewrite)
    ]


def _strip_line(line):
    """Remove the number, label, bold type and quotation marks around a line."""
    line = _LABEL.sub("", _LIST_ITEM.sub("", line).strip()).strip()
    line = line.removeprefix("**").removesuffix("**").strip()
    closing = _CLOSING_QUOTES.get(line[:1])
    if closing and len(line) > 1 and line.endswith(closing) and closing not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def check_length_ratio(length_ratio):
    """Raise unless a length ratio is two numbers, of which the first is not larger.

    Parameters
    ----------
    length_ratio : tuple of float
        Smallest and largest valid length of a rewrite, relative to the query.

    Raises
    ------
    ValueError
        If it is not.
    """
    try:
        shortest, longest = length_ratio
        is_valid = 0 <= shortest <= longest
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise ValueError(
            "length_ratio must be the smallest and the largest length of a paraphrase, relative "
            f"to the query, got {length_ratio!r}"
        )


def reason_for_rejection(rewrite, query, accepted, length_ratio):
    """Find the reason why a rewrite is not a valid paraphrase of a query.

    Parameters
    ----------
    rewrite : str
        The rewrite.
    query : str
        The query.
    accepted : list of str
        Paraphrases of the query that were accepted before.
    length_ratio : tuple of float
        Smallest and largest valid length of a rewrite, relative to the query.

    Returns
    -------
    str or None
        The reason, None if the rewrite is valid.
    """
    shortest, longest = length_ratio
    if not rewrite:
        return "empty"
    # The length comes first, since the other checks read the whole query for each rewrite.
    if not shortest <= len(rewrite) / len(query) <= longest:
        return "length"
    if _normalize(rewrite) in {_normalize(text) for text in (query, *accepted)}:
        return "duplicate"
    if Counter(_NUMBER.findall(rewrite)) != Counter(_NUMBER.findall(query)):
        return "numbers changed"
    quotations = [straight or curly for straight, curly in _QUOTATION.findall(query)]
    if not all(quotation in rewrite for quotation in quotations):
        return "quotation changed"
    return None


def _normalize(text):
    """Remove case, punctuation and superfluous spaces."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())
