"""Queries that are there more than once: in training and test folds, and in intervals."""

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
from dars_sklearn.outcomes._validation import plural

__all__ = ["copies_notes", "fold_notes", "query_identities", "with_known_texts"]


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
    texts = _find_query_texts(outcomes, X)
    if texts is None:
        return by_label
    stripped = [text.strip() or None if isinstance(text, str) else None for text in texts]
    by_text = pd.factorize(np.array(stripped, dtype=object))[0]  # -1 for a row without a text
    rows = np.flatnonzero(by_text >= 0)
    # A graph of labels and texts with an edge per row: what is connected is one query.
    n_labels = by_label.max(initial=-1) + 1
    n_nodes = n_labels + by_text.max(initial=-1) + 1
    # As int32: connected_components of older releases of scipy ignores indices of 64 bits.
    edges = by_label[rows].astype(np.int32), (n_labels + by_text[rows]).astype(np.int32)
    graph = coo_array((np.ones(len(rows)), edges), shape=(n_nodes, n_nodes))
    return connected_components(graph, directed=False)[1][by_label]


def with_known_texts(X, outcomes):
    """Keep the texts of X in the outcomes, if they have none and every row of X has one.

    Parameters
    ----------
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.

    Returns
    -------
    Outcomes
        With the texts, if they are known.
    """
    texts = _find_query_texts(outcomes, X) if outcomes.texts is None else None
    if texts is None or not all(isinstance(text, str) and text.strip() for text in texts):
        return outcomes
    return outcomes.with_texts([text.strip() for text in texts])


def fold_notes(splits, identities):
    """Say how many queries were evaluated by a router that was trained on the same query.

    Parameters
    ----------
    splits : list of (ndarray of int, ndarray of int)
        Training and test rows of each fold.
    identities : ndarray of int of shape (n_queries,)
        Equal for rows that are the same query.

    Returns
    -------
    list of str
        A sentence, if there are any.
    """
    n = len(identities)
    n_shared = sum(
        int(np.isin(identities[test], identities[train]).sum()) for train, test in splits
    )
    if n_shared == 0:
        return []
    are = "is" if n_shared == 1 else "are"
    return [
        f"{n_shared} of the {n} evaluated {plural('query', n)} {are} also among the training "
        "queries of the same fold, by label or text; on these a router looks better than it is. "
        "Pass groups= that copies of a query share, such as their texts, and a splitter that keeps "
        "groups together; or an int cv without groups, and outcomes that have texts (with_texts)"
    ]


def copies_notes(identities):
    """Say that intervals count copies of a query as independent.

    Parameters
    ----------
    identities : ndarray of int of shape (n_queries,)
        Equal for rows that are the same query.

    Returns
    -------
    list of str
        A sentence, if a query is there more than once.
    """
    n, n_different = len(identities), len(np.unique(identities))
    if n_different == n:
        return []
    are = "is" if n_different == 1 else "are"
    return [
        f"Only {n_different} of the {n} queries {are} different, by label and text: intervals "
        "count every copy as another query, and are too narrow"
    ]


def _find_query_texts(outcomes, X):
    """Return the texts by which rows are the same query; None where only labels are known."""
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
