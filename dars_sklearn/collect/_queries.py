"""Check the queries of a collection, and that references belong to them, before money is spent."""

from collections.abc import Mapping, Set

import numpy as np
import pandas as pd

from dars_sklearn.outcomes._alignment import has_default_index
from dars_sklearn.outcomes._texts import check_texts

__all__ = ["check_queries", "check_same_order", "has_surrogates", "is_blank"]

_LISTED_ROWS = 10


def check_queries(queries):
    """Return queries as a table of texts that a store can contain.

    Parameters
    ----------
    queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
        Queries, of which some may be blank; None, NaN or NA stands for a missing paraphrase.

    Returns
    -------
    ndarray of object of shape (n_queries, n_paraphrases)
        The texts, None where a paraphrase is missing.

    Raises
    ------
    TypeError
        If the queries are in a dict or set, or are conversations, which no backend takes.
    ValueError
        If there are no queries, or some are not texts, or contain lone surrogates.
    """
    if isinstance(queries, (Mapping, Set)):
        raise TypeError(
            f"queries must be a list of texts, got {type(queries).__name__!r}, whose order does "
            "not determine which reference belongs to which query"
        )
    texts = check_texts(queries, _refuse_conversation, allow_blank=True)
    rows = sorted({row for (row, _), text in np.ndenumerate(texts) if has_surrogates(text)})
    if rows:
        listed = ", ".join(map(str, rows[:_LISTED_ROWS])) + (", …" * (len(rows) > _LISTED_ROWS))
        raise ValueError(
            f"{len(rows)} of the queries contain lone surrogates, which are not characters and can "
            f"neither be sent nor stored: rows {listed}; read their file with the right encoding, "
            "or use query.encode('utf-8', 'replace').decode()"
        )
    return texts


def is_blank(text):
    """Return whether a text has no visible character, so that there is nothing to ask."""
    return not text.strip()


def has_surrogates(text):
    """Return whether a text, or None, contains lone surrogates."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse_conversation(messages):
    """Raise, since the text of one message is not all that a model would have to be sent."""
    raise TypeError(
        "a query is a conversation, but a backend is sent a text: pass the text of its question, "
        "and what precedes it in the system_prompt or template of a backend; got "
        f"{list(messages)!r:.200}"
    )


def check_same_order(queries, texts, references):
    """Refuse references whose labels say that they belong to other rows.

    Parameters
    ----------
    queries : array-like of shape (n_queries,) or (n_queries, n_paraphrases)
        Queries as the user passed them, perhaps with the index of a Series or DataFrame.
    texts : sequence of str of shape (n_queries,)
        The texts of the queries.
    references : array-like of shape (n_queries,) or None
        References, perhaps with the index of a Series.

    Raises
    ------
    ValueError
        If the index of the references has the labels or texts of the queries in another order,
        or if queries and references both have labels, and these differ.
    """
    labels = getattr(references, "index", None)
    own_labels = getattr(queries, "index", None)
    if not isinstance(labels, pd.Index) or len(labels) != len(texts):
        return
    if not isinstance(own_labels, pd.Index):
        own_labels = pd.Index(texts, dtype=object)
        are_comparable = labels.isin(own_labels).any()
    else:
        # An index that only numbers the rows says nothing about labels of another kind.
        is_numbering = has_default_index(own_labels) or has_default_index(labels)
        are_comparable = not is_numbering or set(own_labels) == set(labels)
    if are_comparable and not own_labels.equals(labels):
        pairs = enumerate(zip(own_labels, labels, strict=True))
        row, (own, other) = next(item for item in pairs if item[1][0] != item[1][1])
        raise ValueError(
            "the references have other labels than the queries, or the same ones in another "
            f"order: row {row} of the queries is {own!r:.80}, but row {row} of the references is "
            f"{other!r:.80}; use references.loc[labels], where labels are those of the queries, "
            "or pass lists, if the labels mean nothing"
        )
