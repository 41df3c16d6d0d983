"""Queries as texts, in one wording or several."""

import numpy as np
import pandas as pd

from dars_sklearn.outcomes._messages import is_messages, read_conversations

__all__ = ["check_texts"]


def check_texts(queries, text_of=None, *, allow_blank=False):
    """Return queries as a table of texts.

    Parameters
    ----------
    queries : array-like of shape (n_queries,) or (n_queries, n_paraphrases)
        Texts; None, NaN or NA stands for a missing paraphrase. Or conversations: lists of
        messages, each a dict of role and content.
    text_of : callable or None, default=None
        Called with a conversation, returns its text. None reads the last message of the user.

    allow_blank : bool, default=False
        Whether a text may be empty or blank.

    Returns
    -------
    ndarray of object of shape (n_queries, n_paraphrases)
        The texts, None where a paraphrase is missing.

    Raises
    ------
    TypeError
        If queries is a single text.
    ValueError
        If there are no queries, or one of them is not a text, or is blank without allow_blank.
    """
    if isinstance(queries, (dict, set, frozenset)) or not hasattr(queries, "__len__"):
        raise TypeError(f"queries must be a list of texts, got {type(queries).__name__}")
    if isinstance(queries, str):
        raise TypeError("queries must be a list of texts, got a single str; wrap it in a list")
    if is_messages(queries):
        raise TypeError(
            "queries must be a list of conversations, got a single one; wrap it in a list"
        )
    texts = np.asarray(read_conversations(queries, text_of), dtype=object)
    if texts.ndim == 1:
        texts = texts[:, None]
    if texts.ndim != 2:
        raise ValueError(
            "queries must have shape (n_queries,) or (n_queries, n_paraphrases), got "
            f"{texts.shape}; fill up rows of different lengths with None"
        )
    if texts.size == 0:
        raise ValueError("the list of queries is empty")
    is_missing = pd.isna(texts)
    is_missing[:, 0] = False  # a query without any text is not a query
    for row, column in np.argwhere(~is_missing):
        text = texts[row, column]
        if not isinstance(text, str) or not (allow_blank or text.strip()):
            raise ValueError(f"the query in row {row} is not a text, or is blank: {text!r}")
    return np.where(is_missing, None, texts)
