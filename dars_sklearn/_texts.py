"""Queries as texts, in one wording or several."""

import numpy as np


def check_texts(queries):
    """Return queries as an object array of shape (n_queries, n_paraphrases)."""
    if isinstance(queries, str):
        raise TypeError("queries must be a list of texts, got one str; wrap it in a list")
    texts = np.asarray(queries, dtype=object)
    if texts.ndim == 1:
        texts = texts[:, None]
    if texts.ndim != 2:
        raise ValueError(
            "queries must have shape (n_queries,) or (n_queries, n_paraphrases), "
            f"got {texts.shape}; rows of different lengths are filled up with None"
        )
    if texts.size == 0:
        raise ValueError("the list of queries is empty")
    for (row, column), text in np.ndenumerate(texts):
        if text is None and column > 0:
            continue
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"the query in row {row} is not a text: {text!r}")
    return texts
