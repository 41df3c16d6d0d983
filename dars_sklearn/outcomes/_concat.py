"""Put several outcomes together."""

import numpy as np
import pandas as pd

from dars_sklearn.outcomes._keys import Key, check_label_types, label_array, sort_labels
from dars_sklearn.outcomes._validation import list_values

__all__ = ["concat_columns"]

_ROLES = ("query", "model", "paraphrase", "sample")


def concat_columns(parts, *, new_samples):
    """Return the columns of several outcomes, one after the other.

    Parameters
    ----------
    parts : list of Outcomes
        Outcomes.
    new_samples : bool
        Whether to leave out the samples, so that they are numbered again.

    Returns
    -------
    dict
        Arguments of ``Outcomes.from_codes``.

    Raises
    ------
    ValueError
        If there are no parts, or they do not belong together.
    """
    if not parts:
        raise ValueError("there are no outcomes to put together")
    ranges = list(dict.fromkeys(part.score_range for part in parts))
    if len(ranges) > 1:
        raise ValueError(
            f"the parts differ in score_range: {list_values(ranges, 'range')}; read them again "
            "with one score_range"
        )
    numbered = [position for position, part in enumerate(parts) if part.numbered]
    if numbered and len(parts) > 1:
        raise ValueError(
            f"{list_values(numbered, 'part')}: the queries are only numbered, so that it is not "
            "known which of them are the same; pass queries= to Outcomes.from_array"
        )
    by_part = [part.keys_and_extras() for part in parts]
    roles = ("query", "model", "paraphrase") if new_samples else _ROLES
    lengths = [len(part.score) for part in parts]
    names = sorted({name for _, extras in by_part for name in extras})
    return {
        "keys": {role: _concat_keys([keys[role] for keys, _ in by_part], role) for role in roles},
        "score": np.concatenate([part.score for part in parts]),
        "cost": _concat_values([part.cost for part in parts], lengths),
        "extras": {
            name: _concat_values([extras.get(name) for _, extras in by_part], lengths)
            for name in names
        },
        "texts": _concat_texts([part.texts for part in parts], [part.queries for part in parts]),
        "score_range": ranges[0],
    }


def _concat_keys(keys, noun):
    """Number the labels of several tables together, in the order in which they first appear."""
    labels = [key.labels for key in keys]
    if noun == "query":
        _check_no_repeated_query(labels)
    # As objects: numpy would make floats of signed and unsigned integers.
    every_label = np.concatenate([own.astype(object) for own in labels])
    check_label_types(every_label, noun)
    numbers, distinct = pd.factorize(every_label)
    starts = np.cumsum([0, *(len(own) for own in labels[:-1])])
    key = Key(
        np.concatenate(
            [numbers[start + own] for start, (own, _) in zip(starts, keys, strict=True)]
        ),
        label_array(distinct),
    )
    return key if noun in ("query", "model") else sort_labels(key)


def _check_no_repeated_query(labels):
    """Refuse tables with several rows of one query."""
    for own in labels:
        index = pd.Index(own)
        if index.has_duplicates:
            repeated = index[index.duplicated()].unique()
            raise ValueError(
                f"there are several rows of {list_values(repeated, 'query')}, so that the rows "
                "of one query cannot be put together; select each query once"
            )


def _concat_texts(texts, labels):
    """Return the text of each query of several tables, None where no table has texts."""
    without = [position for position, own in enumerate(texts) if own is None]
    if len(without) == len(texts):
        return None
    if without:
        raise ValueError(
            f"{list_values(without, 'table')} of outcomes keeps no texts of its queries, and "
            "others do; add them with outcomes.with_texts(texts)"
        )
    text_of = {}
    for own_labels, own_texts in zip(labels, texts, strict=True):
        for label, text in zip(own_labels.tolist(), own_texts, strict=True):
            if text_of.setdefault(label, text) != text:
                raise ValueError(
                    f"query {label!r} has different texts, {text_of[label]!r} and {text!r}"
                )
    return np.array(list(text_of.values()), dtype=object)


def _concat_values(values, lengths):
    """Return the values of several tables, NaN for a table without them, None where none has."""
    if all(own is None for own in values):
        return None
    return np.concatenate(
        [
            np.full(length, np.nan) if own is None else own
            for own, length in zip(values, lengths, strict=True)
        ]
    )
