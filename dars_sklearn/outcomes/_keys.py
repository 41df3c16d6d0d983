"""Keys: labels of queries, models, paraphrases and samples, as integer codes."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dars_sklearn.outcomes._messages import conversation_label, is_messages
from dars_sklearn.outcomes._validation import list_values, plural

__all__ = [
    "Key",
    "SortedOutcomes",
    "check_label_types",
    "find_labels",
    "label_array",
    "number_within_groups",
    "running_numbers",
    "sort_labels",
    "sort_outcomes",
    "unique_labels",
    "with_label_order",
]


class Key(NamedTuple):
    """One key of a table of outcomes.

    Parameters
    ----------
    codes : ndarray of int of shape (n_outcomes,)
        Position in ``labels`` of each outcome's label.
    labels : ndarray of shape (n_labels,)
        Distinct labels.
    """

    codes: np.ndarray
    labels: np.ndarray


class SortedOutcomes(NamedTuple):
    """The order of outcomes by (query, model, paraphrase, sample).

    Parameters
    ----------
    order : ndarray of int of shape (n_outcomes,)
        Row of each outcome in the unsorted table.
    counts : ndarray of int of shape (n_queries * n_models,)
        Number of outcomes of each (query, model) pair.
    paraphrase, sample : ndarray of int32 of shape (n_outcomes,)
        Codes, sorted.
    """

    order: np.ndarray
    counts: np.ndarray
    paraphrase: np.ndarray
    sample: np.ndarray


def label_array(labels):
    """Return labels as an array in which texts stay texts, numbers numbers and tuples tuples.

    The label of a conversation is its JSON.
    """
    labels = [conversation_label(label) if is_messages(label) else label for label in labels]
    labels = [label.item() if isinstance(label, np.str_) else label for label in labels]
    n_booleans = sum(isinstance(label, (bool, np.bool_)) for label in labels)
    if n_booleans in (0, len(labels)) and all(
        isinstance(label, (int, np.integer, np.bool_)) for label in labels
    ):
        array = np.asarray(labels)
        if array.dtype.kind in "iub":
            return array
    return np.fromiter(labels, dtype=object, count=len(labels))


def unique_labels(labels, noun):
    """Return labels as an array; refuse labels that are given twice, or without an order."""
    if isinstance(labels, (str, bytes, set, frozenset)):
        raise TypeError(
            f"{plural(noun)} must be a list of labels, got {labels!r}, which "
            f"{'is a single one' if isinstance(labels, (str, bytes)) else 'has no order'}"
        )
    array = label_array(labels)
    check_label_types(array, noun)
    _check_unicode(array, noun)
    repeated = pd.Index(array)[pd.Index(array).duplicated()].unique()
    if len(repeated):
        advice = (
            "; if several queries have the same text, label them by ids and keep the texts with "
            "outcomes.with_texts(texts)"
            if noun == "query"
            else ""
        )
        raise ValueError(
            f"each {noun} must be given once; repeated: {list_values(repeated, noun)}{advice}"
        )
    return array


def check_label_types(labels, noun):
    """Refuse labels of bytes, and labels that differ in their type only, such as 1 and "1".

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        Labels, which may be repeated.
    noun : str
        What is labelled.

    Raises
    ------
    ValueError
        If a label is bytes, or two labels of different types are equal or look the same.
    """
    if labels.dtype.kind not in "OS":
        return
    kind = pd.api.types.infer_dtype(labels, skipna=True)
    if kind == "string":
        return
    as_bytes = [label for label in labels.tolist() if isinstance(label, bytes)]
    if as_bytes:
        raise ValueError(
            f"{list_values(as_bytes[:1], noun)} is bytes; decode labels to str, for example with "
            "column.str.decode('utf-8')"
        )
    if kind.startswith("mixed"):
        plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
        # 1 and "1" are printed alike; True and 1 are equal as well.
        for appearance in (str, _numeral):
            _check_one_type_per_appearance(plain, noun, appearance)


def _check_unicode(labels, noun):
    """Refuse texts that cannot be stored or printed: those with half of a surrogate pair."""
    for label in labels.tolist() if labels.dtype.kind == "O" else ():
        if isinstance(label, str) and not label.isascii():
            try:
                label.encode()
            except UnicodeEncodeError as error:
                raise ValueError(
                    f"{noun} {label!r} is not valid Unicode: it contains a lone surrogate; decode "
                    "the labels with errors='replace', or rename it"
                ) from error


def _numeral(label):
    """Return a label as text, equal for equal numbers of different types."""
    return format(label, "g") if isinstance(label, (bool, int, float)) else str(label)


def _check_one_type_per_appearance(labels, noun, appearance):
    """Refuse labels of different types that appear the same."""
    first = {}
    for label in labels:
        other = first.setdefault(appearance(label), label)
        if type(other) is not type(label):
            raise ValueError(
                f"{plural(noun)} {other!r} and {label!r} differ in their type only; give all "
                f"labels of {plural(noun)} one type, for example with .astype(str)"
            )


def find_labels(known, wanted, noun, place="the outcomes"):
    """Return the positions of labels among known ones; refuse unknown labels."""
    positions = pd.Index(known).get_indexer(pd.Index(wanted))
    if (positions < 0).any():
        missing = np.asarray(wanted)[positions < 0]
        raise ValueError(
            f"unknown {list_values(missing, noun)}; {place} have {list_values(known, noun)}"
        )
    return positions


def with_label_order(key, wanted, noun):
    """Renumber a key to the order of the labels given, if any are."""
    codes, labels = key
    _check_unicode(labels, noun)
    if labels.dtype.kind not in "iub":
        labels = pd.Index(labels).astype(object).to_numpy()  # numpy makes integers of dates
    if wanted is None:
        return Key(codes, labels)
    wanted = unique_labels(wanted, noun)
    positions = pd.Index(wanted).get_indexer(pd.Index(labels))
    if (positions < 0).any():
        unlisted = labels[positions < 0]
        raise ValueError(
            f"the table has {list_values(unlisted, noun)}, not listed in {plural(noun)}=; "
            "filter the table first, or list them"
        )
    return Key(positions[codes], wanted)


def sort_labels(key):
    """Renumber a key to the sorted order of its labels."""
    try:
        order = np.argsort(key.labels, kind="stable")
    except TypeError:  # labels of several types keep the order in which they appear
        return key
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return Key(rank[key.codes], key.labels[order])


def sort_outcomes(keys):
    """Find the order of outcomes by (query, model, paraphrase, sample).

    Parameters
    ----------
    keys : dict of str to Key
        Keys by role; "paraphrase" and "sample" may be absent. The dict is emptied on the way,
        because for a large table each key needs as much memory as the scores.

    Returns
    -------
    SortedOutcomes
        The order, and what is sorted by it.
    """
    labels = {role: key.labels for role, key in keys.items()}
    sizes = [len(labels.get(role, (0,))) for role in ("query", "model", "paraphrase", "sample")]
    pair = keys.pop("query").codes.astype(np.int64) * sizes[1]
    pair += keys.pop("model").codes
    n_pairs = sizes[0] * sizes[1]
    paraphrase = np.zeros(len(pair), dtype=np.int32)
    if "paraphrase" in keys:
        paraphrase = keys.pop("paraphrase").codes
    if "sample" in keys:
        sample = keys.pop("sample").codes
        on_grid = _sort_on_grid(pair, paraphrase, sample, n_pairs, *sizes[2:])
        if on_grid is not None:
            return on_grid
        order = np.lexsort((sample, paraphrase, pair))
        _check_no_duplicates(order, pair, paraphrase, sample, labels)
        sample = sample[order].astype(np.int32, copy=False)
        paraphrase = paraphrase[order].astype(np.int32, copy=False)
    else:
        order = np.lexsort((paraphrase, pair))
        paraphrase = paraphrase[order].astype(np.int32, copy=False)
        sample = _running_sample_numbers(pair[order], paraphrase)
    return SortedOutcomes(order, np.bincount(pair, minlength=n_pairs), paraphrase, sample)


def _sort_on_grid(pair, paraphrase, sample, n_pairs, n_paraphrases, n_samples):
    """Sort outcomes by writing each into its cell of the full grid.

    This takes linear time, which a comparison sort does not. Returns None where the grid would
    be mostly empty, or where two outcomes have the same cell.
    """
    n_cells = n_pairs * n_paraphrases * n_samples
    if n_cells > 4 * len(pair):
        return None
    cell = pair * (n_paraphrases * n_samples)
    cell += np.multiply(paraphrase, n_samples, dtype=np.int64)
    cell += sample
    outcome_in_cell = np.full(n_cells, -1, dtype=np.int64)
    outcome_in_cell[cell] = np.arange(len(cell))
    del cell
    filled = outcome_in_cell >= 0
    if np.count_nonzero(filled) < len(pair):
        return None
    counts = filled.reshape(n_pairs, -1).sum(axis=1)
    codes = np.indices((n_paraphrases, n_samples), dtype=np.int32).reshape(2, -1)
    if n_cells == len(pair):
        return SortedOutcomes(outcome_in_cell, counts, *(np.tile(code, n_pairs) for code in codes))
    return SortedOutcomes(
        outcome_in_cell[filled], counts, *(np.tile(code, n_pairs)[filled] for code in codes)
    )


def _running_sample_numbers(pair, paraphrase):
    """Number the samples of each paraphrase of each pair, both sorted, from 0."""
    starts = np.flatnonzero(np.diff(pair, prepend=-1) | np.diff(paraphrase, prepend=-1))
    lengths = np.diff(starts, append=len(pair))
    return (np.arange(len(pair)) - np.repeat(starts, lengths)).astype(np.int32)


def _check_no_duplicates(order, pair, paraphrase, sample, labels):
    """Refuse outcomes whose four keys are the same; name the first two rows."""
    previous, following = order[:-1], order[1:]
    same = pair[previous] == pair[following]
    same &= paraphrase[previous] == paraphrase[following]
    same &= sample[previous] == sample[following]
    if not same.any():
        return
    first, second = previous[same][0], following[same][0]
    query, model = divmod(pair[first], len(labels["model"]))
    key = {"query": labels["query"][query], "model": labels["model"][model]}
    for role, codes in (("paraphrase", paraphrase), ("sample", sample)):
        if role in labels:
            key[role] = labels[role][codes[first]]
    named = ", ".join(f"{role} {value!s}" for role, value in key.items())
    raise ValueError(
        f"{named} occurs more than once, first in rows {first} and {second} "
        f"({same.sum()} {plural('duplicate', same.sum())} in all); to number "
        "the samples in the order of the rows, pass sample=False to from_frame, or "
        "new_samples=True to concat"
    )


def number_within_groups(group, codes, labels):
    """Turn codes into positions within their group, and count the positions needed.

    Labels 0, 1, 2, … are positions already. Any other labels are numbered within their group,
    since they may differ from group to group.

    Parameters
    ----------
    group, codes : ndarray of int of shape (n,)
        Group and code of each member.
    labels : ndarray of shape (n_labels,)
        What the codes stand for.

    Returns
    -------
    positions : ndarray of int of shape (n,)
        Position of each member within its group.
    n_positions : int
        Number of positions.
    """
    if labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(len(labels))):
        return codes, len(labels)
    keys, inverse = np.unique(group * len(labels) + codes, return_inverse=True)
    position = running_numbers(keys // len(labels))
    return position[inverse], int(position.max(initial=-1)) + 1


def running_numbers(groups):
    """Number the members of each of sorted groups, from 0."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
