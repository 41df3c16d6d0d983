"""Rewrites in what a model wrote, and what makes one invalid."""

import json
import re
from collections import Counter

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_FENCE = re.compile(r"^\s*```.*$", re.MULTILINE)
_LIST = re.compile(r"\[\s*\".*?\"\s*\]", re.DOTALL)
# "1.", "(2)", "3:", "- ", "* ", "• ", "**4.**"
_ITEM = re.compile(r"^\s*(?:\*\*)?(?:\(?\d{1,2}[.):]|[-*•–]\s)(?:\*\*)?\s*(?=\S)")
_LABEL = re.compile(
    r"^(?:\*\*)?(?:rewrite|rewording|paraphrase|version|variant|question|query)"
    r"\s*(?:#?\d+)?\s*(?:\*\*)?:\s*(?:\*\*)?\s*",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here (?:is|are)|here's|below (?:is|are)|note|"
    r"these (?:are|re)|i hope|let me know|the following)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”")
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»", "`": "`"}


def find_rewrites(text):
    """Find the rewrites in what a model wrote.

    A list in JSON counts where there is one; or else the items of a list; or
    else every line that is no chatter.

    Parameters
    ----------
    text : str
        What the model wrote.

    Returns
    -------
    list of str
        Rewrites, without numbers, labels and quotes around them.
    """
    text = _FENCE.sub("", _THOUGHT.sub("", text))
    for match in _LIST.finditer(text):
        try:
            items = json.loads(match[0])
        except ValueError:
            continue
        if all(isinstance(item, str) for item in items):
            return [" ".join(item.split()) for item in items]
    lines = [line for line in text.splitlines() if line.strip()]
    listed = [line for line in lines if _ITEM.match(line)]
    bare = [_strip(line) for line in listed or lines]
    return [
        line for line in bare if not (line.endswith(":") or not listed and _CHATTER.match(line))
    ]


def _strip(line):
    line = _LABEL.sub("", _ITEM.sub("", line).strip()).strip()
    line = line.removeprefix("**").removesuffix("**").strip()
    closing = _QUOTES.get(line[:1])
    if closing and len(line) > 1 and line.endswith(closing) and closing not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def fault_of(rewrite, query, found, length_ratio):
    """Say what makes a rewrite invalid, None where nothing does.

    Parameters
    ----------
    rewrite, query : str
        The rewrite, and what it rewrites.
    found : list of str
        Wordings that there are already.
    length_ratio : tuple of float
        Shortest and longest rewrite, relative to the query.

    Returns
    -------
    str or None
        What is wrong.
    """
    low, high = length_ratio
    if not rewrite:
        return "empty"
    if _plain(rewrite) in {_plain(text) for text in (query, *found)}:
        return "duplicate"
    if not low <= len(rewrite) / len(query) <= high:
        return "length"
    if Counter(_NUMBER.findall(rewrite)) != Counter(_NUMBER.findall(query)):
        return "numbers changed"
    quoted = [a or b for a, b in _QUOTED.findall(query)]
    return None if all(text in rewrite for text in quoted) else "quoted text changed"


def _plain(text):
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())
