"""Queries as texts, in one wording or several, and whether they match the outcomes."""

import numpy as np

from dars_sklearn.outcomes._validation import check_n_queries

__all__ = ["check_alignment", "check_texts"]


def check_texts(queries):
    """Return queries as a table of texts.

    Parameters
    ----------
    queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
        Queries; None stands for a missing paraphrase.

    Returns
    -------
    ndarray of object of shape (n_queries, n_paraphrases)
        The texts.
    """
    if isinstance(queries, str):
        raise TypeError("queries must be a list of texts, got a single str; wrap it in a list")
    texts = np.asarray(queries, dtype=object)
    if texts.ndim == 1:
        texts = texts[:, None]
    if texts.ndim != 2:
        raise ValueError(
            "queries must have shape (n_queries,) or (n_queries, n_paraphrases), got "
            f"{texts.shape}; fill up rows of different lengths with None"
        )
    if texts.size == 0:
        raise ValueError("the list of queries is empty")
    for (row, column), text in np.ndenumerate(texts):
        if text is None and column > 0:
            continue
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"the query in row {row} is not a text, or is blank: {text!r}")
    return texts


def check_alignment(texts, outcomes):
    """Refuse texts that are the queries of the outcomes in another order.

    Parameters
    ----------
    texts : ndarray of str of shape (n_queries,)
        The texts of X.
    outcomes : Outcomes
        Outcomes, whose query labels may be the texts.
    """
    check_n_queries(texts, outcomes)
    labels = outcomes.queries
    differ = np.flatnonzero(np.asarray(texts, dtype=object) != labels.astype(object))
    misplaced = differ[np.isin(list(map(str, np.asarray(texts)[differ])), labels.astype(str))]
    if len(misplaced):
        row = misplaced[0]
        raise ValueError(
            f"X and the outcomes have the same queries in another order: row {row} of X is "
            f"{texts[row]!r}, row {row} of the outcomes is {labels[row]!r} "
            f"({len(misplaced)} rows differ); use outcomes.reindex(X)"
        )
