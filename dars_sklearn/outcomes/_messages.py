"""Conversations as queries: which of their text is read."""

import json
from collections.abc import Mapping

import numpy as np

__all__ = [
    "conversation_label",
    "conversation_texts",
    "is_messages",
    "message_text",
    "parse_conversation",
    "read_conversations",
]

# Parts of a message that hold text, by the APIs of OpenAI (chat, responses) and Anthropic.
_TEXT_PARTS = ("text", "input_text")


def is_messages(query):
    """Return whether a query is a conversation: a sequence of messages with a role each.

    Parameters
    ----------
    query : object
        A query.

    Returns
    -------
    bool
        Whether it is a non-empty list, tuple or array of mappings with a "role".
    """
    return (
        (isinstance(query, (list, tuple)) or (isinstance(query, np.ndarray) and query.ndim == 1))
        and len(query) > 0
        and all(isinstance(message, Mapping) and "role" in message for message in query)
    )


def parse_conversation(query):
    """Return the messages of a query that is a conversation, or the JSON text of one.

    Parameters
    ----------
    query : object
        A query.

    Returns
    -------
    sequence of dict or None
        The messages; None for any other query.
    """
    if isinstance(query, str):
        if not query.lstrip().startswith("[") or '"role"' not in query:
            return None
        try:
            query = json.loads(query)
        except (ValueError, RecursionError):
            return None
    return query if is_messages(query) else None


def conversation_label(messages):
    """Return a conversation as JSON, by which it is a label of a query.

    Parameters
    ----------
    messages : sequence of dict
        Messages.

    Returns
    -------
    str
        The label. Two conversations have the same label only if all their messages are equal.
    """
    messages = [_without_missing(message) for message in messages]
    return json.dumps(messages, ensure_ascii=False, sort_keys=True, default=_plain_value)


def _plain_value(value):
    """Return a value that JSON does not know: a number of numpy, or the text of anything else."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _without_missing(value):
    """Return a message as plain dicts and lists, without the fields that it does not have.

    In a column of a table every message has the fields of all messages, None where it has none.
    """
    if isinstance(value, Mapping):
        return {name: _without_missing(own) for name, own in value.items() if own is not None}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_without_missing(own) for own in value]
    return value


def message_text(messages):
    """Return the text by which a conversation is routed: that of the user's last message.

    A system prompt is not read: it is the same for many queries, and says little about any of
    them. Earlier messages are not read, unless the last one has no text, such as one that only
    shows an image.

    Parameters
    ----------
    messages : sequence of dict
        Messages with "role" and "content". A content is a text, or a list of parts, of which
        those of text are joined by line breaks.

    Returns
    -------
    str
        The text.

    Raises
    ------
    TypeError
        If a content is neither a text nor a list of parts.
    ValueError
        If no message of the user has text.
    """
    for message in reversed(messages):
        if message["role"] == "user":
            text = _content_text(message.get("content"))
            if text.strip():
                return text
    roles = ", ".join(repr(message["role"]) for message in messages)
    raise ValueError(
        f"a conversation has no message of role 'user' with text (roles: {roles}); leave it out, "
        "or read another text with QueryEncoder(message_text=...)"
    )


def conversation_texts(queries):
    """Return the texts of queries, None where not all of them are conversations.

    Parameters
    ----------
    queries : array-like of shape (n_queries,) or None
        Conversations, also as JSON texts, or labels of another kind.

    Returns
    -------
    ndarray of str of shape (n_queries,) or None
        The texts.
    """
    conversations = [] if queries is None else [parse_conversation(query) for query in queries]
    if not conversations or any(messages is None for messages in conversations):
        return None
    texts = []
    for row, messages in enumerate(conversations):
        try:
            texts.append(message_text(messages))
        except (TypeError, ValueError) as error:
            raise type(error)(f"row {row}: {error}") from error
    return np.array(texts, dtype=object)


def read_conversations(queries, text_of=None):
    """Replace conversations by their texts.

    Parameters
    ----------
    queries : array-like of shape (n_queries, ...)
        Conversations, also as JSON texts, other texts, or anything else.
    text_of : callable or None, default=None
        Called with a conversation, returns its text. None uses :func:`message_text`.

    Returns
    -------
    array-like of shape (n_queries, ...)
        A list, if any query is a conversation; otherwise the queries themselves.
    """
    if not _may_hold_conversations(queries):
        return queries
    conversations = [parse_conversation(query) for query in queries]
    if all(messages is None for messages in conversations):
        return queries
    text_of = message_text if text_of is None else text_of
    return [
        query if messages is None else text_of(messages)
        for query, messages in zip(queries, conversations, strict=True)
    ]


def _may_hold_conversations(queries):
    """Return whether each query is an object, and not a row of a table of numbers or columns."""
    if isinstance(queries, np.ndarray):  # conversations of one length are a table of messages
        return queries.ndim in (1, 2) and queries.dtype.kind in "OU"
    return isinstance(queries, (list, tuple)) or len(getattr(queries, "shape", ())) == 1


def _content_text(content):
    """Return the text of a message's content."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, (list, tuple, np.ndarray)):
        raise TypeError(
            f"the content of a message must be a text or a list of parts, got {content!r}"
        )
    return "\n".join(filter(None, map(_part_text, content)))


def _part_text(part):
    """Return the text of one part of a content; "" if the part is something else."""
    if isinstance(part, str):
        return part
    is_text = isinstance(part, Mapping) and part.get("type") in _TEXT_PARTS
    return part.get("text") if is_text else ""
