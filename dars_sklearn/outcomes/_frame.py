"""Read a tidy data frame, of whichever library, as integer codes and floats."""

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from dars_sklearn.outcomes._keys import Key, sort_labels, with_label_order
from dars_sklearn.outcomes._validation import list_values

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
    """

    keys: dict
    score: np.ndarray
    cost: np.ndarray | None
    extras: dict


def read_frame(frame, names, queries=None, models=None):
    """Read the columns of a tidy table.

    Parameters
    ----------
    frame : data frame
        A pandas, polars, pyarrow or duckdb table.
    names : dict of str to str, bool or None
        Column of each role: "query", "model", "score", "paraphrase", "sample" and "cost".
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
    keys = {
        "query": with_label_order(table.key(names["query"]), queries, "query"),
        "model": with_label_order(table.key(names["model"]), models, "model"),
    }
    for role in ("paraphrase", "sample"):
        if optional[role] is not None:
            keys[role] = sort_labels(table.key(optional[role]))
    return FrameColumns(
        keys,
        table.floats(names["score"]),
        None if optional["cost"] is None else table.floats(optional["cost"]),
        {name: table.floats(name) for name in _EXTRAS if name in table.names},
    )


class _Table:
    """A data frame whose columns are read by name."""

    def __init__(self, frame):
        try:
            table = nw.from_native(frame)
        except TypeError as error:
            raise TypeError(
                "frame must be a pandas, polars, pyarrow or duckdb table, got "
                f"{type(frame).__name__!r}; for arrays use Outcomes.from_array"
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
                f"columns are {', '.join(map(repr, self.names))}. If it has one row per query and "
                "one column per model, use Outcomes.from_array(table.to_numpy(), "
                "queries=table.index, models=table.columns)"
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

    def key(self, name):
        """Return the labels of a column as a key; refuse missing labels."""
        column = self._table[name]
        native = column.to_native()
        key = _encode_labels(native if isinstance(native, pd.Series) else column.to_numpy())
        if key.codes.min(initial=0) < 0:
            rows = np.flatnonzero(key.codes < 0)
            raise ValueError(f"column {name!r} is missing in {list_values(rows, 'row')}")
        return key

    def floats(self, name):
        """Return a column as float64, its missing values as NaN."""
        column = self._table[name]
        native = column.to_native()
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            try:
                return pd.to_numeric(pd.Series(native)).to_numpy(np.float64)
            except (ValueError, TypeError) as error:
                raise ValueError(f"column {name!r} must be numeric: {error}") from error
        if isinstance(native, pd.Series):
            return native.to_numpy(np.float64, na_value=np.nan)
        return column.cast(nw.Float64).to_numpy().astype(np.float64, copy=False)


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
