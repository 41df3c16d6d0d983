"""Which rows of outcomes are the same query."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dars_sklearn.outcomes._alignment import find_texts
from dars_sklearn.outcomes._messages import (
    conversation_label,
    parse_conversation,
    read_conversations,
)

__all__ = ["connected_rows", "find_query_texts", "query_identities"]


def query_identities(outcomes, X=None):
    """Number the different queries: rows with the same label or the same text are one query.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    X : array-like of shape (n_queries, ...) or None, default=None
        Queries, or their features. Its texts count where the outcomes have none: this is for
        notes and not for folds, because a text of X may also be a category that queries share.

    Returns
    -------
    ndarray of int of shape (n_queries,)
        Equal for rows that are the same query. Texts are compared without the white space around
        them, conversations with all their messages.
    """
    by_label = pd.factorize(outcomes.queries)[0]
    texts = find_query_texts(outcomes, X)
    if texts is None:
        return by_label
    stripped = [text.strip() or None if isinstance(text, str) else None for text in texts]
    by_text = pd.factorize(np.array(stripped, dtype=object))[0]  # -1 for a row without a text
    has_text = by_text >= 0
    return connected_rows(by_label, np.where(has_text, by_text, by_text.max() + 1 + by_label))


def connected_rows(first, second):
    """Number the rows, with one number for rows that are connected by equal codes.

    Parameters
    ----------
    first, second : ndarray of int of shape (n_rows,)
        Codes from 0 on. Rows with the same first or the same second code are connected, and so
        are rows that are connected through others.

    Returns
    -------
    ndarray of int of shape (n_rows,)
        Equal for connected rows.
    """
    # A graph of all codes with an edge per row. As int32: connected_components of older releases
    # of scipy ignores indices of 64 bits.
    n_first = first.max(initial=-1) + 1
    n_nodes = n_first + second.max(initial=-1) + 1
    edges = first.astype(np.int32), (n_first + second).astype(np.int32)
    graph = coo_array((np.ones(len(first)), edges), shape=(n_nodes, n_nodes))
    return connected_components(graph, directed=False)[1][first]


def find_query_texts(outcomes, X):
    """Find the texts by which rows are the same query.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    X : array-like of shape (n_queries, ...) or None
        Queries, or their features.

    Returns
    -------
    sequence of str or None
        One text per query; None where only labels are known.
    """
    if any(parse_conversation(label) is not None for label in outcomes.queries):
        return None  # the labels have all messages, and the texts are those of the last ones
    if outcomes.texts is not None:
        return outcomes.texts
    conversations = read_conversations(X, conversation_label)
    if conversations is not X:
        return conversations
    texts = find_texts(X)
    if texts is None or getattr(X, "query_texts", None) is not None:  # features of an encoder
        return texts
    # Rows of several texts may be categories, which many queries share.
    return None if isinstance(next(iter(X)), (list, tuple, np.ndarray)) else texts
