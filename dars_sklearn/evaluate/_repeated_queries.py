"""Queries that are there more than once: in training and test folds, and in intervals."""

import numpy as np

from dars_sklearn.outcomes._query_identities import find_query_texts
from dars_sklearn.outcomes._validation import plural

__all__ = ["copies_notes", "fold_notes", "with_known_texts"]


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
    texts = find_query_texts(outcomes, X) if outcomes.texts is None else None
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
