"""Find the rewrites in the response of a model, and check whether they are valid."""

import json
import re
from collections import Counter

__all__ = ["find_rewrites", "reason_for_rejection"]

_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_CODE_FENCE = re.compile(r"^\s*```.*$", re.MULTILINE)
_JSON_LIST = re.compile(r"\[\s*\".*?\"\s*\]", re.DOTALL)
# "1.", "(2)", "3:", "- ", "* ", "• ", "**4.**"
_LIST_ITEM = re.compile(r"^\s*(?:\*\*)?(?:\(?\d{1,2}[.):]|[-*•–]\s)(?:\*\*)?\s*(?=\S)")
_LABEL = re.compile(
    r"^(?:\*\*)?(?:rewrite|rewording|paraphrase|version|variant|question|query)"
    r"\s*(?:#?\d+)?\s*(?:\*\*)?:\s*(?:\*\*)?\s*",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here (?:is|are)|here's|below (?:is|are)|note|"
    r"these (?:are|re)|i hope|let me know|the following)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTATION = re.compile(r"\"([^\"]+)\"|“([^”]+)”")
_CLOSING_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»", "`": "`"}


def find_rewrites(text):
    """Find the rewrites in the response of a model.

    The rewrites are the items of the first JSON list of texts. Without one they are the
    items of a numbered or bulleted list, and without that all lines except remarks such as
    "Here are two rewrites:".

    Parameters
    ----------
    text : str
        The response.

    Returns
    -------
    list of str
        The rewrites, without the numbers, labels and quotation marks around them.
    """
    text = _CODE_FENCE.sub("", _REASONING.sub("", text))
    for match in _JSON_LIST.finditer(text):
        try:
            items = json.loads(match[0])
        except ValueError:
            continue
        if all(isinstance(item, str) for item in items):
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
    if _normalize(rewrite) in {_normalize(text) for text in (query, *accepted)}:
        return "duplicate"
    if not shortest <= len(rewrite) / len(query) <= longest:
        return "length"
    if Counter(_NUMBER.findall(rewrite)) != Counter(_NUMBER.findall(query)):
        return "numbers changed"
    quotations = [straight or curly for straight, curly in _QUOTATION.findall(query)]
    if not all(quotation in rewrite for quotation in quotations):
        return "quotation changed"
    return None


def _normalize(text):
    """Remove case, punctuation and superfluous spaces."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())
