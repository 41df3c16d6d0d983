"""Whether queries, routes or weights belong to outcomes, in the same order."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from dars_sklearn.outcomes._messages import message_text, parse_conversation
from dars_sklearn.outcomes._validation import check_n_queries

__all__ = [
    "check_alignment",
    "check_index",
    "check_labelled_order",
    "check_same_queries",
    "find_texts",
    "has_default_index",
    "label_features",
    "shares_labels",
]


def check_alignment(X, outcomes, name="X", *, labels_are_texts=False):
    """Refuse queries, or features of queries, that are not those of the outcomes in their order.

    What can be compared is compared: the number of rows; texts, with the texts of the outcomes
    or with query labels that are texts; the labels of a pandas index, with the query labels; the
    columns of texts of a data frame; and the texts that :func:`label_features` left on features.
    A plain array of features has only its length.

    Parameters
    ----------
    X : array-like of shape (n_queries, ...)
        Texts, conversations, or features.
    outcomes : Outcomes
        Outcomes.
    name : str, default="X"
        Name of the argument, for the error.
    labels_are_texts : bool, default=False
        Whether X has to be texts, so that the ids of outcomes that keep their texts are refused.

    Raises
    ------
    ValueError
        If the lengths differ, or texts or labels differ in a row.
    """
    check_n_queries(X, outcomes, name)
    _check_index_of_queries(X, outcomes, name)
    if isinstance(X, pd.DataFrame):
        _check_text_columns(X, outcomes, name)
        return
    texts = find_texts(X)
    if texts is None:
        return
    if not labels_are_texts and _are_labels(texts, outcomes):
        return
    if not _has_columns(X) or _shares_texts(texts, outcomes):
        _check_texts(texts, outcomes, name)


def check_labelled_order(values, outcomes, name):
    """Refuse values, one per query, whose pandas index has the queries in another order.

    Parameters
    ----------
    values : array-like of shape (n_queries,)
        Routes, weights or groups.
    outcomes : Outcomes
        Outcomes.
    name : str
        Name of the argument, for the error.

    Raises
    ------
    ValueError
        If the values have an index of query labels, in another order.
    """
    if isinstance(values, (pd.Series, pd.DataFrame)) and len(values) == len(outcomes):
        _check_index_of_queries(values, outcomes, name)


def check_same_queries(outcomes, queries):
    """Refuse outcomes of other queries than those that were routed, or in another order.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    queries : ndarray of shape (n_queries,)
        Labels of the queries that were routed.

    Raises
    ------
    ValueError
        If the query labels differ.
    """
    check_n_queries(queries, outcomes, "the comparison")
    differ = _differing_rows(outcomes.queries, queries)
    if len(differ):
        row = differ[0]
        raise ValueError(
            f"row {row} of the outcomes is query {outcomes.queries[row]!r}, but the routes were "
            f"computed for {queries[row]!r} ({len(differ)} rows differ); the outcomes "
            "must have the same queries in the same order, see outcomes.reindex"
        )


class _FeaturesOfTexts(np.ndarray):
    """Features that remember the texts they were computed from; results of operations do not."""

    query_texts = None


def label_features(features, texts):
    """Leave the texts of queries on their features, for the check of alignment.

    Within a Pipeline, this is how a router that sees features only can compare the queries of X
    with those of the outcomes.

    Parameters
    ----------
    features : {ndarray, sparse matrix} of shape (n_queries, n_features)
        Features. Those of another type are returned without labels.
    texts : sequence of str of shape (n_queries,)
        Texts that the features were computed from.

    Returns
    -------
    {ndarray, sparse matrix} of shape (n_queries, n_features)
        The same features.
    """
    if isinstance(features, np.ndarray):
        features = features.view(_FeaturesOfTexts)
    elif not issparse(features):
        return features
    features.query_texts = texts
    return features


def find_texts(X):
    """Return the text of each row of X, or None where X is not text.

    Parameters
    ----------
    X : array-like of shape (n_queries, ...)
        Texts, conversations, features that remember their texts, or other features.

    Returns
    -------
    list of (str or None) or None
        The texts; of a row of several paraphrases, the first; None for a row without a text, such
        as a conversation that shows an image only.
    """
    labelled = getattr(X, "query_texts", None)
    if labelled is not None:
        return list(labelled)
    if isinstance(X, np.ndarray):
        rows = list(X) if X.ndim in (1, 2) and X.dtype.kind in "OUT" else []
    elif isinstance(X, Sequence) or hasattr(X, "to_list"):  # series of pandas or polars
        rows = list(X)
    elif hasattr(X, "to_pylist"):  # arrays of Arrow
        rows = X.to_pylist()
    else:
        return None
    return _row_texts(rows)


def _row_texts(rows):
    """Return the texts of rows that are texts, conversations or rows of paraphrases."""
    texts = [_row_text(row) for row in rows]
    return texts if any(text is not None for text in texts) else None


def _row_text(row):
    """Return the text of a row, or None where it has none."""
    conversation = parse_conversation(row)
    if conversation is not None:
        try:
            return message_text(conversation)
        except (TypeError, ValueError):
            return None  # such as an image, which another rule than the default may read
    if isinstance(row, (list, tuple, np.ndarray)) and len(row):
        row = row[0]
    return row if isinstance(row, str) else None


def _check_texts(texts, outcomes, name):
    """Compare texts with those of the outcomes, after stripping, where a row has both."""
    known = _known_texts(outcomes, texts)
    if known is None:
        return
    texts, known = _strip(texts), _strip(known)
    differ = [row for row in _differing_rows(texts, known) if None not in (texts[row], known[row])]
    if not differ:
        return
    shown = _describe_difference(differ, texts, known, name, "the outcomes")
    if _are_same_in_any_order(texts, known):
        raise ValueError(
            f"{name} and the outcomes have the same queries in another order: {shown}; put the "
            "outcomes into the order of X with outcomes.reindex(labels), where labels are the "
            "query labels in that order (the texts themselves, if those are the labels)"
        )
    advice = "outcomes.queries" if outcomes.texts is None else "outcomes.texts"
    raise ValueError(
        f"{name} and the outcomes do not have the same queries: {shown}; the texts of the queries "
        f"are in {advice}. If {name} is another wording on purpose, use "
        "outcomes.with_texts(wording)"
    )


def _are_labels(texts, outcomes):
    """Return whether X consists of the query labels in their order, which need not be texts."""
    return len(_differing_rows(texts, outcomes.queries)) == 0


def _has_columns(X):
    """Return whether X has several columns, which may be paraphrases or features."""
    if hasattr(X, "query_texts") or parse_conversation(next(iter(X))) is not None:
        return False
    return np.ndim(next(iter(X))) == 1 and len(next(iter(X))) > 1


def _shares_texts(texts, outcomes):
    """Return whether any text is that of a query, however it is spelled."""
    known = outcomes.queries if outcomes.texts is None else outcomes.texts
    spelled = {text.strip().casefold() for text in known if isinstance(text, str)}
    return any(text is not None and text.strip().casefold() in spelled for text in texts)


def _known_texts(outcomes, texts):
    """Return the texts of the outcomes, or None where only labels other than texts are known."""
    if outcomes.texts is not None:
        return outcomes.texts
    labels = outcomes.queries
    if labels.dtype.kind != "O" or not all(isinstance(label, str) for label in labels):
        return None
    # Labels are texts if any of them is one, however it is spelled; otherwise they are ids.
    return labels if _shares_texts(texts, outcomes) else None


def _check_text_columns(frame, outcomes, name):
    """Refuse a data frame with a column that holds the texts of the queries in another order."""
    for column in range(frame.shape[1]):
        texts = _row_texts(frame.iloc[:, column].tolist())
        known = None if texts is None else _known_texts(outcomes, texts)
        if known is not None and _are_same_in_any_order(texts, known):
            _check_texts(texts, outcomes, f"column {frame.columns[column]!r} of {name}")


def _are_same_in_any_order(texts, known):
    """Return whether every row has a text and both sides have the same texts."""
    return None not in texts and sorted(_strip(texts)) == sorted(_strip(known))


def _check_index_of_queries(values, outcomes, name):
    """Compare the labels of a pandas index with the labels or the texts of the queries."""
    index = getattr(values, "index", None)
    if not isinstance(index, pd.Index) or outcomes.numbered:
        return
    if isinstance(index, pd.MultiIndex):
        index = index.to_flat_index()
    remedy = f"use {name}.loc[outcomes.queries], or outcomes.reindex({name}.index)"
    for labels in (outcomes.queries, outcomes.texts):
        if labels is not None and shares_labels(index, labels):
            check_index(index, labels, name, "the outcomes", remedy)
            return


def has_default_index(values):
    """Return whether the index of a pandas object is 0, 1, 2, …, which labels nothing.

    Parameters
    ----------
    values : Series, DataFrame or Index
        A pandas object, or its index.

    Returns
    -------
    bool
        Whether the index is the one that pandas makes by default.
    """
    index = values if isinstance(values, pd.Index) else values.index
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def shares_labels(index, labels):
    """Return whether an index consists of some of the same labels, so that it can be compared.

    Parameters
    ----------
    index : Index
        Index of a pandas object.
    labels : array-like of shape (n_labels,)
        Labels of queries.

    Returns
    -------
    bool
        Whether they share a label. Row numbers and ids share integers by chance, so that of
        integers all have to be the same; the default index shares none.
    """
    labels = pd.Index(labels)
    if has_default_index(index):
        return False
    if pd.api.types.is_integer_dtype(index.dtype):
        return pd.api.types.is_integer_dtype(labels.dtype) and np.array_equal(
            np.sort(index.to_numpy()), np.sort(labels.to_numpy())
        )
    return bool(index.isin(labels).any())


def check_index(index, labels, name, other, remedy):
    """Refuse an index that has other labels than expected, or has them in another order.

    Parameters
    ----------
    index : Index
        Index of a pandas object.
    labels : array-like of shape (n_labels,)
        Labels in the order expected.
    name, other : str
        What the index and the labels belong to, for the error.
    remedy : str
        What to do, for the error.

    Raises
    ------
    ValueError
        If a label differs.
    """
    differ = _differing_rows(index, labels)
    if len(differ):
        shown = _describe_difference(differ, index, labels, name, other)
        raise ValueError(f"the index of {name} and {other} differ: {shown}; {remedy}")


def _differing_rows(values, expected):
    """Return the rows in which two sequences differ."""
    pairs = zip(values, expected, strict=True)
    return np.flatnonzero([value != other for value, other in pairs])


def _describe_difference(rows, values, labels, name, other):
    """Describe the first of the rows in which two sequences differ."""
    row = rows[0]
    value, label = (
        own.item() if isinstance(own, np.generic) else own for own in (values[row], labels[row])
    )
    differ = "row differs" if len(rows) == 1 else "rows differ"
    return (
        f"row {row} of {name} is {value!r}, row {row} of {other} is {label!r} "
        f"({len(rows)} {differ})"
    )


def _strip(texts):
    """Return texts without the white space around them."""
    return [text if text is None else text.strip() for text in texts]
