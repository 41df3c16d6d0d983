"""Tables and arrays of any content end in the right outcomes, or in an error that says why."""

import math
import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from dars_sklearn import DistributionalRouter, Outcomes, QueryEncoder
from dars_sklearn.exceptions import DarsWarning

LABELS = st.one_of(
    st.text(max_size=3),
    st.integers(-(2**63), 2**64),
    st.booleans(),
    st.floats(),
    st.binary(max_size=2),
    st.none(),
    st.dates(),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
NUMBERS = st.one_of(
    st.floats(0, 1),
    st.floats(),
    st.integers(-1, 2),
    st.booleans(),
    st.none(),
    st.sampled_from(["0.5", "1e999", "high", "", "NaN", "-0.0"]),
)
COLUMNS = {
    "query": LABELS,
    "model": LABELS,
    "score": NUMBERS,
    "paraphrase": LABELS,
    "sample": LABELS,
    "cost": NUMBERS,
    "input_tokens": NUMBERS,
    "latency": NUMBERS,
}


@st.composite
def tables(draw):
    """Draw columns of equal length, of any content, some of them missing."""
    n_rows = draw(st.integers(0, 5))
    present = ["query", "model", "score"]
    present += draw(st.lists(st.sampled_from(sorted(set(COLUMNS) - set(present))), unique=True))
    columns = {}
    for name in present:
        # Columns of one value are the rule, since a table of distinct labels is never ragged.
        values = st.lists(COLUMNS[name], min_size=n_rows, max_size=n_rows)
        constant = COLUMNS[name].map(lambda value: [value] * n_rows)
        columns[name] = draw(st.one_of(values, constant))
    return columns


def make_or_none(make, columns):
    """Return a table of a library, or None where the library does not take such columns."""
    try:
        return make(columns)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError, pa.ArrowException):
        return None


def read(constructor, data):
    """Return the outcomes of a table or an array, or the message with which it is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DarsWarning)
            return constructor(data), ""
    except (TypeError, ValueError) as error:
        return None, str(error)


def plain_rows(columns):
    """Return (query, model, score) of each row, in an order that does not depend on the table's."""
    rows = zip(columns["query"], columns["model"], map(float, columns["score"]), strict=True)
    return sorted(rows, key=repr)


MAKERS = {
    "objects": lambda columns: pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in columns.items()}
    ),
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_any_table_is_read_as_it_is_or_refused(make):
    @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(tables())
    def check(columns):
        table = make_or_none(make, columns)
        if table is None:
            return
        outcomes, message = read(Outcomes.from_frame, table)
        assert (outcomes is None) == bool(message)
        if outcomes is None:
            return
        frame = outcomes.to_frame()
        assert len(outcomes.score) == len(columns["score"])
        assert np.isfinite(outcomes.score).all()
        assert len(outcomes.queries) == len(set(columns["query"]))
        assert len(outcomes.models) == len(set(columns["model"]))
        found = plain_rows({name: frame[name].tolist() for name in ("query", "model", "score")})
        if make is not MAKERS["objects"]:
            return  # the library may have given the labels another type, such as timestamps
        assert [row[:2] for row in found] == [row[:2] for row in plain_rows(columns)]
        assert all(
            math.isclose(row[2], expected[2])
            for row, expected in zip(found, plain_rows(columns), strict=True)
        )

    check()


@settings(max_examples=150)
@given(
    arrays(
        st.sampled_from([np.float64, np.int8, np.uint64, bool, object]),
        array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3),
    )
)
def test_any_array_is_read_as_it_is_or_refused(scores):
    outcomes, message = read(Outcomes.from_array, scores)
    assert (outcomes is None) == bool(message)
    if outcomes is None:
        return
    values = scores.astype(float).ravel()
    assert outcomes.score.tolist() == values[~np.isnan(values)].tolist()


@pytest.mark.parametrize("column", ["query", "model", "score", "cost", "latency"])
def test_a_value_of_no_use_is_refused_by_name(column):
    table = {"query": ["a", "b"], "model": ["m", "m"], "score": [0.5, 1.0], "cost": [1.0, 2.0],
             "latency": [0.1, 0.2]}  # fmt: skip
    bad = {"query": None, "model": None}.get(column, "much")
    table[column] = [table[column][0], bad]
    with pytest.raises(ValueError, match=column):
        Outcomes.from_frame(pd.DataFrame(table))


# ---- conversations -----------------------------------------------------------------

CONVERSATIONS = [
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
    [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "2 + 2?"}],
    [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi, how can I help?"},
        {"role": "user", "content": "Capital of Peru?"},
    ],
    [{"role": "user", "content": "Translate: casa"}],
]
CONVERSATION_TEXTS = ["2 + 2?", "2 + 2?", "Capital of Peru?", "Translate: casa"]
CONVERSATION_TABLES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
    "duckdb": lambda columns: duckdb.from_arrow(pa.table(columns)),
}


@pytest.mark.parametrize("make", CONVERSATION_TABLES.values(), ids=CONVERSATION_TABLES)
def test_conversations_are_queries(make):
    columns = {
        "query": [messages for messages in CONVERSATIONS for _ in range(2)],
        "model": ["small", "large"] * 4,
        "score": [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.5],
    }
    outcomes = Outcomes.from_frame(make(columns))
    assert outcomes.counts().tolist() == [[1, 1]] * 4
    assert outcomes.texts.tolist() == CONVERSATION_TEXTS
    assert '"Be kind."' in outcomes.queries[1]
    router = DistributionalRouter(Ridge())
    features = QueryEncoder(TfidfVectorizer()).fit_transform(CONVERSATIONS, outcomes)
    router.fit(features, outcomes).score(features, outcomes)
    with pytest.raises(ValueError, match="the same queries in another order"):
        router.fit(QueryEncoder(TfidfVectorizer()).fit_transform(CONVERSATIONS[::-1]), outcomes)


def test_conversations_are_labels_of_arrays():
    outcomes = Outcomes.from_array([[1], [0], [1], [0.5]], queries=CONVERSATIONS)
    assert outcomes.texts.tolist() == CONVERSATION_TEXTS
    assert outcomes.reindex(CONVERSATIONS[::-1]).score.tolist() == [0.5, 1, 0, 1]
    assert len(set(outcomes.queries.tolist())) == 4


def test_conversations_beside_ids_are_texts():
    table = pd.DataFrame(
        {"query": [0, 1, 2, 3], "model": "m", "score": 1.0, "messages": CONVERSATIONS}
    )
    assert Outcomes.from_frame(table, text="messages").texts.tolist() == CONVERSATION_TEXTS


def test_a_conversation_without_a_text_of_the_user_is_refused():
    silent = [{"role": "system", "content": "Be brief."}]
    table = pd.DataFrame({"query": [silent], "model": "m", "score": 1.0})
    with pytest.raises(ValueError, match="no message of role 'user' with text"):
        Outcomes.from_frame(table)
