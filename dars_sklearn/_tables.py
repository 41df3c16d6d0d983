"""Columns of a data frame, of whichever library, as integer codes and floats."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

# Integer labels within this span are looked up in a table instead of hashed.
_LOOKUP_SPAN = 1 << 16


class Columns:
    """The columns of a pandas, polars, pyarrow or duckdb table, by name.

    Parameters
    ----------
    frame : data frame
        Anything narwhals reads; lazy frames are collected.
    """

    def __init__(self, frame):
        try:
            table = nw.from_native(frame)
        except TypeError as error:
            raise TypeError(
                f"frame must be a pandas, polars, pyarrow or duckdb table, got "
                f"{type(frame).__name__!r}; for arrays use Outcomes.from_array"
            ) from error
        self._table = table.collect() if isinstance(table, nw.LazyFrame) else table
        self.names = self._table.columns

    def __len__(self):
        return len(self._table)

    def require(self, name, role):
        """Raise unless the table has a column of that name."""
        if name not in self.names:
            raise ValueError(
                f"the table has no column {name!r} (for {role}); its columns are "
                f"{', '.join(map(repr, self.names))}"
            )

    def labels(self, name):
        """Return integer codes by first appearance, and what they stand for."""
        column = self._table[name]
        native = column.to_native()
        values = native if isinstance(native, pd.Series) else column.to_numpy()
        codes, uniques = _encode_labels(values)
        if codes.min(initial=0) < 0:
            rows = np.flatnonzero(codes < 0)
            raise ValueError(f"column {name!r} is missing in {shown(rows, 'row')}")
        return codes, uniques

    def floats(self, name):
        """Return a column as float64, its missing values as NaN."""
        column = self._table[name]
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            native = column.to_native()
            try:
                return pd.to_numeric(pd.Series(native)).to_numpy(np.float64)
            except (ValueError, TypeError) as error:
                raise ValueError(f"column {name!r} must be numeric: {error}") from error
        native = column.to_native()
        if isinstance(native, pd.Series):
            return native.to_numpy(np.float64, na_value=np.nan)
        return column.cast(nw.Float64).to_numpy().astype(np.float64, copy=False)


def _encode_labels(values):
    """Number labels by first appearance.

    Parameters
    ----------
    values : array-like of shape (n,)
        Labels.

    Returns
    -------
    codes : ndarray of int of shape (n,)
        Code of each label, -1 where it is missing.
    uniques : ndarray
        The labels, in order of first appearance.
    """
    array = values.to_numpy() if _is_plain_integer(values) else values
    if isinstance(array, np.ndarray) and array.dtype.kind == "i" and len(array):
        low, high = array.min(), array.max()
        if high - low < _LOOKUP_SPAN:
            return _encode_small_integers(array, int(low), int(high))
    codes, uniques = pd.factorize(values)
    return codes, np.asarray(uniques)


def _is_plain_integer(values):
    return isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype)


def _encode_small_integers(array, low, high):
    first = np.full(high - low + 1, -1, dtype=np.int64)
    shifted = array - low
    # Written back to front, so that the first appearance is what stays.
    first[shifted[::-1]] = np.arange(len(array) - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    by_appearance = present[np.argsort(first[present], kind="stable")]
    lookup = np.empty(len(first), dtype=np.int32)
    lookup[by_appearance] = np.arange(len(by_appearance), dtype=np.int32)
    return lookup[shifted], by_appearance + low


def shown(values, noun, limit=5):
    """Say which values an error is about: the first few, and how many in all."""
    values = list(values)
    head = ", ".join(repr(getattr(value, "item", lambda v=value: v)()) for value in values[:limit])
    plural = {"query": "queries"}.get(noun, f"{noun}s") if len(values) != 1 else noun
    rest = f", … ({len(values)} in all)" if len(values) > limit else ""
    return f"{plural} {head}{rest}"


def optional_column(columns, name, role):
    if name is None:
        return role if role in columns.names else None
    if name is False:
        return None
    columns.require(name, role)
    return name


def label_array(labels):
    """Labels as an array: text as text, numbers as numbers, never mixed up."""
    labels = list(labels)
    if all(isinstance(label, str) for label in labels):
        return np.array(labels, dtype=object)
    array = np.asarray(labels)
    return array if array.dtype.kind in "iub" else np.array(labels, dtype=object)


def unique_labels(labels, noun):
    array = label_array(labels)
    repeated = pd.Index(array)[pd.Index(array).duplicated()].unique()
    if len(repeated):
        raise ValueError(f"each {noun} must be given once; repeated: {shown(repeated, noun)}")
    return array


def find_labels(known, wanted, noun):
    positions = pd.Index(known).get_indexer(pd.Index(wanted))
    if (positions < 0).any():
        missing = np.asarray(wanted)[positions < 0]
        raise ValueError(f"unknown {shown(missing, noun)}")
    return positions


def order_labels(codes, labels, wanted, noun):
    """Renumber codes to the order of the labels that were asked for."""
    if labels.dtype.kind not in "iub":
        labels = labels.astype(object)
    if wanted is None:
        return codes, labels
    wanted = unique_labels(wanted, noun)
    positions = pd.Index(wanted).get_indexer(pd.Index(labels))
    if (positions < 0).any():
        unlisted = labels[positions < 0]
        plural = "queries" if noun == "query" else "models"
        raise ValueError(
            f"the table has {shown(unlisted, noun)}, not listed in {plural}=; "
            "filter the table first, or list them"
        )
    return positions[codes], wanted


def sort_labels(codes, labels):
    """Renumber codes to the sorted order of their labels."""
    try:
        order = np.argsort(labels, kind="stable")
    except TypeError:  # labels of several types keep the order they appear in
        return codes, labels
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[codes], labels[order]


def sort_outcomes(keys):
    """Find the order of outcomes by (query, model, paraphrase, sample).

    Parameters
    ----------
    keys : dict
        Codes and labels by role; paraphrase and sample may be absent. Emptied
        on the way: for a large table each is as large as the scores.

    Returns
    -------
    order : ndarray of int of shape (n_outcomes,)
        What sorts the outcomes.
    counts : ndarray of int of shape (n_queries * n_models,)
        Number of outcomes of each pair.
    paraphrase, sample : ndarray of int32 of shape (n_outcomes,)
        Codes, sorted.
    """
    labels = {role: labels for role, (_, labels) in keys.items()}
    sizes = [len(labels.get(role, (0,))) for role in ("query", "model", "paraphrase", "sample")]
    pair = keys.pop("query")[0].astype(np.int64) * sizes[1]
    pair += keys.pop("model")[0]
    n_pairs = sizes[0] * sizes[1]
    paraphrase = np.zeros(len(pair), dtype=np.int32)
    if "paraphrase" in keys:
        paraphrase = keys.pop("paraphrase")[0]
    if "sample" in keys:
        sample = keys.pop("sample")[0]
        sorted_by_slot = _sort_by_slot(pair, paraphrase, sample, n_pairs, *sizes[2:])
        if sorted_by_slot is not None:
            return sorted_by_slot
        order = np.lexsort((sample, paraphrase, pair))
        _check_no_duplicates(order, pair, paraphrase, sample, labels)
        sample = sample[order].astype(np.int32, copy=False)
        paraphrase = paraphrase[order].astype(np.int32, copy=False)
    else:
        order = np.lexsort((paraphrase, pair))
        paraphrase = paraphrase[order].astype(np.int32, copy=False)
        sample = _running_number(pair[order], paraphrase)
    return order, np.bincount(pair, minlength=n_pairs), paraphrase, sample


def _sort_by_slot(pair, paraphrase, sample, n_pairs, n_paraphrases, n_samples):
    """Sort by putting each outcome in its slot of the full grid.

    Linear where a sort is not; None where the grid would be mostly empty, or
    where two outcomes want one slot.
    """
    n_slots = n_pairs * n_paraphrases * n_samples
    if n_slots > 4 * len(pair):
        return None
    slot = pair * (n_paraphrases * n_samples)
    slot += np.multiply(paraphrase, n_samples, dtype=np.int64)
    slot += sample
    outcome_in = np.full(n_slots, -1, dtype=np.int64)
    outcome_in[slot] = np.arange(len(slot))
    del slot
    held = outcome_in >= 0
    if np.count_nonzero(held) < len(pair):
        return None
    counts = held.reshape(n_pairs, -1).sum(axis=1)
    codes = np.indices((n_paraphrases, n_samples), dtype=np.int32).reshape(2, -1)
    if n_slots == len(pair):
        return outcome_in, counts, *(np.tile(code, n_pairs) for code in codes)
    return outcome_in[held], counts, *(np.tile(code, n_pairs)[held] for code in codes)


def _running_number(pair, paraphrase):
    starts = np.flatnonzero(np.diff(pair, prepend=-1) | np.diff(paraphrase, prepend=-1))
    lengths = np.diff(starts, append=len(pair))
    return (np.arange(len(pair)) - np.repeat(starts, lengths)).astype(np.int32)


def _check_no_duplicates(order, pair, paraphrase, sample, labels):
    before, after = order[:-1], order[1:]
    same = pair[before] == pair[after]
    same &= paraphrase[before] == paraphrase[after]
    same &= sample[before] == sample[after]
    if not same.any():
        return
    first, second = before[same][0], after[same][0]
    query, model = divmod(pair[first], len(labels["model"]))
    key = {"query": labels["query"][query], "model": labels["model"][model]}
    for role, codes in (("paraphrase", paraphrase), ("sample", sample)):
        if role in labels:
            key[role] = labels[role][codes[first]]
    named = ", ".join(f"{role} {value!s}" for role, value in key.items())
    raise ValueError(
        f"{named} is there more than once, first in rows {first} and {second} "
        f"({same.sum()} duplicates in all); with sample=False, rows are numbered as they come"
    )


def check_every_query_has_outcomes(counts, queries):
    """Refuse queries that no model has an outcome for."""
    silent = np.flatnonzero(np.asarray(counts) == 0)
    if len(silent):
        raise ValueError(
            f"there is no outcome for any model of {shown(queries[silent], 'query')}; "
            "leave such queries out"
        )


def within_group(group, codes, labels):
    """Positions of codes, and how many there can be.

    Labels 0, 1, 2, … are positions; any other labels are numbered within
    their group, since they may differ from group to group.
    """
    if labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(len(labels))):
        return codes, len(labels)
    keys, inverse = np.unique(group * len(labels) + codes, return_inverse=True)
    rank = _places(keys // len(labels))
    return rank[inverse], int(rank.max(initial=-1)) + 1


def random_rank(group, rng):
    """Number the members of each group in a random order.

    Parameters
    ----------
    group : ndarray of int of shape (n,)
        Group of each member.
    rng : RandomState
        Source of the order.

    Returns
    -------
    ndarray of int of shape (n,)
        From 0 up in each group.
    """
    order = np.lexsort((rng.random_sample(len(group)), group))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = _places(group[order])
    return rank


def _places(groups):
    """Number the members of each of sorted groups, from 0 up."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))


def check_range(score_range):
    """Return a score range as two floats, or None."""
    if score_range is None:
        return None
    low, high = map(float, score_range)
    if not low < high:
        raise ValueError(f"score_range must be (low, high) with low < high, got {score_range!r}")
    return low, high


def check_scores(scores, score_range, named="score"):
    """Refuse scores that are missing, infinite or out of range."""
    missing = np.flatnonzero(np.isnan(scores))
    if len(missing):
        raise ValueError(
            f"{named!r} is NaN in {shown(missing, 'row')}; drop the rows without a score"
        )
    low, high = check_range(score_range) or (-np.finfo(float).max, np.finfo(float).max)
    if len(scores) == 0 or low <= scores.min() and scores.max() <= high:
        return scores
    bad = np.flatnonzero((scores < low) | (scores > high))
    if score_range is None:
        raise ValueError(f"{named!r} is infinite in {shown(bad, 'row')}")
    percent = (low, high) == (0, 1) and scores.min() >= 0 and 1.5 < scores.max() <= 100
    remedy = "divide them by 100 if they are percentages" if percent else "rescale them"
    raise ValueError(
        f"{named!r} must be in [{low:g}, {high:g}], got {shown(scores[bad], 'value')} in "
        f"{shown(bad, 'row')}; {remedy}, or pass score_range="
    )


def check_costs(costs):
    """Refuse costs that are negative or infinite; NaN is an unknown cost."""
    bad = np.flatnonzero((costs < 0) | np.isinf(costs))
    if len(bad):
        raise ValueError(
            f"a cost must be finite and not negative, got {shown(costs[bad], 'value')} in "
            f"{shown(bad, 'row')}"
        )
    return costs


def array_labels(labels, n, noun):
    """Labels for one axis of an array: those given, or 0, 1, 2, …."""
    if labels is None:
        return np.arange(n)
    labels = unique_labels(labels, noun)
    if len(labels) != n:
        plural = "queries" if noun == "query" else "models"
        raise ValueError(f"{plural} has {len(labels)} labels, but scores has {n} {plural}")
    return labels


def array_costs(costs, shape, present):
    """Costs of the outcomes that are present in an array of scores."""
    costs = np.asarray(costs, dtype=np.float64)
    if costs.shape == shape:
        return check_costs(costs.reshape(present.shape)[present])
    if costs.shape == (shape[1],):
        pairs = np.broadcast_to(costs[None, :, None, None], present.shape)
        return check_costs(pairs[present])
    raise ValueError(
        f"costs must have the shape of scores, {shape}, or of the models, "
        f"({shape[1]},), got {costs.shape}"
    )
