"""Outcomes as plain Python records: slow and simple, to compare the vectorised code with."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

# Values that are exact in binary, so that sums do not depend on their order.
SCORES = st.integers(0, 16).map(lambda n: n / 16)
COSTS = st.one_of(st.just(np.nan), st.integers(0, 40).map(lambda n: n / 4))

QUERY_LABELS = st.sampled_from([
    ["first", "second", "third", "fourth"],
    [7, -2, 10**12, 0],
    ["1", 2, "true", 2.5],
])  # fmt: skip
MODEL_LABELS = st.sampled_from([["small", "large", "medium"], [2, 0, 1], ["1", 2, 3]])
REPEAT_LABELS = st.sampled_from([[0, 1, 2], [5, 9, 6], ["b", "a", "c"]])


class Record(NamedTuple):
    """One outcome."""

    query: object
    model: object
    paraphrase: object
    sample: object
    score: float
    cost: float


@st.composite
def record_lists(draw):
    """Draw records of ragged outcomes, in any order, with labels of several types."""
    labels = [draw(QUERY_LABELS), draw(MODEL_LABELS), draw(REPEAT_LABELS), draw(REPEAT_LABELS)]
    positions = st.tuples(*(st.integers(0, len(own) - 1) for own in labels))
    keys = draw(st.lists(positions, min_size=1, max_size=24, unique=True))
    return [
        Record(
            *(own[position] for own, position in zip(labels, key, strict=True)),
            draw(SCORES),
            draw(COSTS),
        )
        for key in keys
    ]


def grids(max_queries=4, max_models=3):
    """Draw arrays of scores with gaps, in which each query has an outcome."""
    shapes = st.tuples(
        st.integers(1, max_queries),
        st.integers(1, max_models),
        st.integers(1, 3),
        st.integers(1, 4),
    )
    elements = st.one_of(st.just(np.nan), SCORES)
    return arrays(np.float64, shapes, elements=elements).map(_with_an_outcome_per_query)


def _with_an_outcome_per_query(grid):
    empty = np.isnan(grid).all(axis=(1, 2, 3))
    grid[empty, -1, 0, 0] = 0.5
    return grid


def to_table(records):
    """Return records as a data frame whose columns keep the types of mixed labels."""
    columns = zip(*records, strict=True)
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=_column_type(column))
            for name, column in zip(Record._fields, columns, strict=True)
        }
    )


def _column_type(column):
    if all(isinstance(value, float) for value in column):
        return float
    return int if all(isinstance(value, int) for value in column) else object


def in_order_of_appearance(labels):
    """Return distinct labels in the order in which they first appear."""
    distinct = []
    for label in labels:
        if not any(type(label) is type(known) and label == known for known in distinct):
            distinct.append(label)
    return distinct


def sorted_records(records, queries, models):
    """Sort records by (query, model, paraphrase, sample)."""
    return sorted(
        records,
        key=lambda own: (
            queries.index(own.query), models.index(own.model), own.paraphrase, own.sample
        ),
    )  # fmt: skip


def rows_of(frame):
    """Return a data frame as records, ready to be compared, with unknown costs as None."""
    return [
        Record(*row[:5], None if np.isnan(row[5]) else row[5])
        for row in zip(*(frame[name].tolist() for name in Record._fields), strict=True)
    ]


def comparable(records):
    """Return records with unknown costs as None, because NaN is not equal to itself."""
    return [own._replace(cost=None if np.isnan(own.cost) else own.cost) for own in records]


def pair_summary(cells, weighting):
    """Weights and statistics of one (query, model) pair by the definitions.

    Parameters
    ----------
    cells : list of list of float
        Values by paraphrase; NaN where there is none.
    weighting : {"balanced", "pooled"}
        Whether paraphrases weigh the same, or outcomes.

    Returns
    -------
    tuple of float
        Mean, spread and sum of the squared weights; all NaN without a value.
    """
    cells = [[value for value in cell if not np.isnan(value)] for cell in cells]
    cells = [cell for cell in cells if cell]
    if weighting == "pooled":
        cells = [[value] for cell in cells for value in cell]
    if not cells:
        return np.nan, np.nan, np.nan
    weighted = [(1 / len(cells) / len(cell), value) for cell in cells for value in cell]
    mean = sum(weight * value for weight, value in weighted)
    squared_weights = sum(weight**2 for weight, _ in weighted)
    if len(weighted) == 1:
        return mean, 0.0, 1.0
    variance = sum(weight * (value - mean) ** 2 for weight, value in weighted)
    return mean, (variance / (1 - squared_weights)) ** 0.5, squared_weights


def thinned(scores, seed, share):
    """Drop a share of the outcomes at random, but never the first one of a pair."""
    rng = np.random.default_rng(seed)
    scores = scores.copy()
    drop = rng.random(scores.shape) > share
    drop[:, :, 0, 0] = False
    scores[drop] = np.nan
    return scores


def normal_scores(seed, n_queries=12, n_models=3, n_paraphrases=4, n_samples=3, share=0.6):
    """Draw scores with effects of query, model, paraphrase and sample, at any scale.

    A share of them is kept, among these the first outcome of every (query, model) pair.
    """
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n_queries, 1, 1, 1))
    scores = scores + 0.7 * rng.normal(size=(n_queries, n_models, 1, 1))
    scores = scores + 0.5 * rng.normal(size=(n_queries, 1, n_paraphrases, 1))
    scores = scores + 0.5 * rng.normal(size=(n_queries, n_models, n_paraphrases, 1))
    scores = scores + rng.normal(size=(n_queries, n_models, n_paraphrases, n_samples))
    return thinned(scores, seed, share)
