"""Read a tidy data frame, of whichever library, as integer codes and floats."""

import os
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from dars_sklearn.exceptions import DuplicateRowsWarning
from dars_sklearn.outcomes._keys import Key, check_label_types, sort_labels, with_label_order
from dars_sklearn.outcomes._messages import (
    conversation_label,
    conversation_texts,
    is_messages,
    parse_conversation,
)
from dars_sklearn.outcomes._validation import list_values
from dars_sklearn.utils._warnings import warn_user

__all__ = ["FrameColumns", "read_frame"]

# Integer labels within a span of this size are looked up in a table instead of hashed.
_LOOKUP_SPAN = 1 << 16
_EXTRAS = ("input_tokens", "output_tokens", "latency")


class FrameColumns(NamedTuple):
    """The columns of a tidy table, in the order of its rows.

    Parameters
    ----------
    keys : dict of str to Key
        Keys by role: "query", "model" and, where the table has them, "paraphrase" and "sample".
    score : ndarray of shape (n_outcomes,)
        Scores.
    cost : ndarray of shape (n_outcomes,) or None
        Costs, None where the table has none.
    extras : dict of str to ndarray of shape (n_outcomes,)
        Token counts and latencies.
    texts : ndarray of str of shape (n_queries,) or None
        Texts of the queries, in the order of their labels, None where they are not known.
    """

    keys: dict
    score: np.ndarray
    cost: np.ndarray | None
    extras: dict
    texts: np.ndarray | None


def read_frame(frame, names, queries=None, models=None):
    """Read the columns of a tidy table.

    Parameters
    ----------
    frame : data frame
        A pandas, polars, pyarrow or duckdb table.
    names : dict of str to str, bool or None
        Column of each role: "query", "model", "score", "paraphrase", "sample", "cost" and "text".
    queries, models : array-like or None, default=None
        All labels in the order wanted, or None for the order in which they first appear.

    Returns
    -------
    FrameColumns
        What the table contains.
    """
    table = _Table(frame)
    optional = {
        role: table.optional_name(names[role], role) for role in ("paraphrase", "sample", "cost")
    }
    table.refuse_wide(names)
    for role in ("query", "model", "score"):
        table.require(names[role], role)
    if len(table) == 0:
        raise ValueError("the table is empty: it has no outcomes")
    query, conversations = table.query_key(names["query"])
    keys = {
        "query": with_label_order(query, queries, "query"),
        "model": with_label_order(table.key(names["model"], "model"), models, "model"),
    }
    for role in ("paraphrase", "sample"):
        if optional[role] is not None:
            keys[role] = sort_labels(table.key(optional[role], role))
    score = table.floats(names["score"])
    if optional["sample"] is None and names["sample"] is None and _has_repeated(keys, score):
        table.warn_of_duplicates()
    texts = conversations
    if names["text"] is not None:
        table.require(names["text"], "text")
        texts = table.texts(names["text"])
    return FrameColumns(
        keys,
        score,
        None if optional["cost"] is None else table.floats(optional["cost"]),
        {name: table.floats(name) for name in _EXTRAS if name in table.names},
        None if texts is None else _text_per_query(texts, keys["query"]),
    )


def _has_repeated(keys, score):
    """Return whether any outcomes may have the same keys and score, judged by their hashes."""
    columns = {role: key.codes for role, key in keys.items()} | {"score": score}
    return not pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).is_unique


def _text_per_query(texts, key):
    """Return the text of each query; refuse a query whose rows have different texts."""
    codes, text_labels = pd.factorize(np.asarray(texts, dtype=object))
    if codes.min(initial=0) < 0:
        rows = np.flatnonzero(codes < 0)
        raise ValueError(f"the text of the query is missing in {list_values(rows, 'row')}")
    of_query = np.full(len(key.labels), -1)
    of_query[key.codes] = codes
    different = np.flatnonzero(of_query[key.codes] != codes)
    if len(different):
        row = different[0]
        label = key.labels[key.codes[row]]
        raise ValueError(
            f"query {label!r} has several texts, such as {text_labels[codes[row]]!r} and "
            f"{text_labels[of_query[key.codes[row]]]!r}; keep the wordings of a query in the "
            "column of paraphrases, and one text in the column of texts"
        )
    return np.where(of_query < 0, None, np.asarray(text_labels, dtype=object)[of_query])


class _Table:
    """A data frame whose columns are read by name."""

    def __init__(self, frame):
        try:
            table = nw.from_native(frame)
        except TypeError as error:
            raise TypeError(
                "frame must be a pandas, polars, pyarrow or duckdb table, got "
                f"{type(frame).__name__!r}; {_how_to_make_a_table(frame)}"
            ) from error
        self._table = table.collect() if isinstance(table, nw.LazyFrame) else table
        self.names = self._table.columns

    def __len__(self):
        return len(self._table)

    def refuse_wide(self, names):
        """Refuse a table with one column per model."""
        if names["model"] not in self.names and names["score"] not in self.names:
            raise ValueError(
                f"the table has neither a column {names['model']!r} nor {names['score']!r}; its "
                f"columns are {', '.join(map(repr, self.names))}. If it has one row per outcome, "
                "name its columns with model= and score=; if it has one row per query and one "
                "column per model, use Outcomes.from_array(scores, queries=, models=)"
            )

    def require(self, name, role):
        """Raise unless the table has a column of that name."""
        if name not in self.names:
            raise ValueError(
                f"the table has no column {name!r} (for {role}); its columns are "
                f"{', '.join(map(repr, self.names))}"
            )

    def optional_name(self, name, role):
        """Return the name of an optional column, None where it is not to be read."""
        if name is None:
            return role if role in self.names else None
        if name is False:
            return None
        self.require(name, role)
        return name

    def key(self, name, noun):
        """Return the labels of a column as a key; refuse missing and ambiguous labels."""
        return self._key_of_values(self._values(name), name, noun)

    def query_key(self, name):
        """Return the key of the queries, and the texts of the rows if they are conversations."""
        values = self._values(name)
        if not _may_hold_lists(values):
            key = self._key_of_values(values, name, "query")
            texts = conversation_texts(key.labels)  # of conversations as JSON texts
            return key, None if texts is None else texts[key.codes]
        labels = pd.Series([_conversation_label(value, row) for row, value in enumerate(values)])
        return self._key_of_values(labels, name, "query"), conversation_texts(values)

    def texts(self, name):
        """Return the texts of a column, those of conversations included."""
        values = self._values(name)
        texts = conversation_texts(values)
        return list(values) if texts is None else texts

    def warn_of_duplicates(self):
        """Warn of rows that are equal in every column."""
        n_extra = len(self) - len(self._distinct_rows())
        if n_extra:
            warn_user(
                f"{n_extra} of {len(self)} rows repeat another row exactly, and the table has no "
                "column of samples; each is taken as a further sample. Pass sample=False if that "
                "is what they are, or drop them from the table first, with drop_duplicates() in "
                "pandas or unique(maintain_order=True) in polars",
                DuplicateRowsWarning,
            )

    def _distinct_rows(self):
        try:
            return self._table.unique()
        except Exception:  # each library has its own error for columns of lists and the like
            columns = {name: list(map(str, self._table[name].to_list())) for name in self.names}
            return pd.DataFrame(columns).drop_duplicates()

    def _values(self, name):
        """Return a column as a pandas Series or a numpy array."""
        column = self._table[name]
        native = column.to_native()
        if isinstance(native, pd.Series):
            return native
        # numpy has no dates, and would move times to UTC.
        with_time_zone = column.dtype == nw.Datetime and column.dtype.time_zone is not None
        if column.dtype.is_nested() or column.dtype == nw.Date or with_time_zone:
            return np.fromiter(column.to_list(), dtype=object, count=len(column))
        return column.to_numpy()

    def _key_of_values(self, values, name, noun):
        if not isinstance(values, pd.Series) or values.dtype == object:
            check_label_types(np.asarray(values), noun)
        key = _encode_labels(values)
        check_label_types(key.labels, noun)
        if key.codes.min(initial=0) < 0:
            rows = np.flatnonzero(key.codes < 0)
            raise ValueError(f"column {name!r} is missing in {list_values(rows, 'row')}")
        return key

    def floats(self, name):
        """Return a column as float64, its missing values as NaN."""
        column = self._table[name]
        native = column.to_native()
        if column.dtype == nw.Duration:
            column = column.dt.total_nanoseconds()
            return column.cast(nw.Float64).to_numpy().astype(np.float64, copy=False) / 1e9
        if column.dtype.is_temporal():
            raise ValueError(f"column {name!r} must be numeric, got {column.dtype}")
        if isinstance(native, pd.Series) and np.iscomplexobj(native):
            raise ValueError(f"column {name!r} must be numeric, got complex numbers")
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            try:
                return pd.to_numeric(pd.Series(native)).to_numpy(np.float64)
            except (ValueError, TypeError) as error:
                raise ValueError(f"column {name!r} must be numeric: {error}") from error
        if isinstance(native, pd.Series):
            return native.to_numpy(np.float64, na_value=np.nan)
        return column.cast(nw.Float64).to_numpy().astype(np.float64, copy=False)


def _how_to_make_a_table(frame):
    """Return what to do with something that is not a table."""
    if isinstance(frame, (str, os.PathLike)):
        return "read the file first, for example with pandas.read_parquet or pandas.read_csv"
    if isinstance(frame, (list, dict)) or getattr(getattr(frame, "dtype", None), "names", None):
        return "make one with pandas.DataFrame(...)"
    return "for arrays use Outcomes.from_array"


def _may_hold_lists(values):
    """Return whether a column has values that are neither text nor numbers, such as lists."""
    if values.dtype != object or not pd.api.types.infer_dtype(values).startswith("mixed"):
        return False  # a column of texts, without a loop over them
    return any(isinstance(value, (list, tuple, dict, np.ndarray)) for value in values) and not all(
        isinstance(value, tuple) and not is_messages(value) for value in values
    )


def _conversation_label(value, row):
    """Return the label of a row that is a conversation; refuse a row that is something else."""
    messages = parse_conversation(value)
    if messages is None:
        raise ValueError(
            f"row {row} of the column of queries is {value!r}, and other rows are lists; a query "
            "is a text, a number, or a conversation: a list of messages with 'role' and 'content'"
        )
    return conversation_label(messages)


def _encode_labels(values):
    """Number labels by first appearance, with code -1 where a label is missing."""
    array = values.to_numpy() if _is_plain_series(values) else values
    if isinstance(array, np.ndarray) and array.dtype.kind == "i" and len(array):
        # Python's integers: a difference of int8 or int64 could overflow.
        low, high = int(array.min()), int(array.max())
        if high - low < _LOOKUP_SPAN:
            return _encode_small_integers(array.astype(np.int64, copy=False), low, high)
    codes, labels = pd.factorize(values)
    return Key(codes, np.asarray(labels))


def _is_plain_series(values):
    """Return whether values are a pandas Series over a numpy array."""
    return isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype)


def _encode_small_integers(array, low, high):
    """Number integers of a small span by first appearance, by a table instead of hashing."""
    first = np.full(high - low + 1, -1, dtype=np.int64)
    shifted = array - low
    # Written back to front, so that the first appearance is what stays.
    first[shifted[::-1]] = np.arange(len(array) - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    by_appearance = present[np.argsort(first[present], kind="stable")]
    lookup = np.empty(len(first), dtype=np.int32)
    lookup[by_appearance] = np.arange(len(by_appearance), dtype=np.int32)
    return Key(lookup[shifted], by_appearance + low)
