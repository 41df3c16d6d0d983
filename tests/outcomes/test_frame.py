"""Reading tables of pandas, polars, pyarrow and duckdb."""

import re

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn import Outcomes
from dars_sklearn.outcomes import _frame
from dars_sklearn.outcomes._frame import read_frame
from dars_sklearn.outcomes._validation import plural


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "query": ["b", "b", "a", "a", "a", "c"],
            "model": ["m", "n", "n", "m", "m", "n"],
            "paraphrase": [1, 0, 0, 1, 1, 1],
            "sample": [0, 0, 0, 1, 0, 0],
            "score": [0.5, 1.0, 0.0, 0.25, 0.75, 1.0],
            "cost": [1.0, np.nan, 3.0, 4.0, 5.0, 6.0],
        }
    )


FORMATS = {
    "pandas": lambda frame: frame,
    "pandas with another index": lambda frame: frame.set_axis(range(10, 70, 10)[: len(frame)]),
    "polars": pl.from_pandas,
    "lazy polars": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": duckdb.from_df,
    "categorical": lambda frame: frame.astype({"model": "category", "query": "category"}),
    "object": lambda frame: frame.astype({"model": object, "query": object}),
    "nullable": lambda frame: frame.convert_dtypes(),
    "pyarrow in pandas": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(
        pl.col("query", "model").cast(pl.Categorical)
    ),
    "pyarrow dictionary": lambda frame: pa.Table.from_pandas(
        frame.astype({"query": "category"}), preserve_index=False
    ),
}


@pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
def test_tables_of_every_library_are_read_alike(table, convert):
    outcomes = Outcomes.from_frame(convert(table))
    assert outcomes.queries.tolist() == ["b", "a", "c"]
    assert outcomes.models.tolist() == ["m", "n"]
    assert outcomes.queries.dtype == outcomes.models.dtype == object
    assert outcomes.score.dtype == outcomes.cost.dtype == np.float64
    assert outcomes.score.tolist() == [0.5, 1.0, 0.75, 0.25, 0.0, 1.0]
    np.testing.assert_array_equal(outcomes.cost, [1, np.nan, 5, 4, 3, 6])
    assert outcomes.to_frame()["paraphrase"].tolist() == [1, 0, 1, 1, 0, 1]
    assert outcomes.to_frame()["sample"].tolist() == [0, 0, 0, 1, 0, 0]


def test_columns_can_have_other_names(table):
    names = dict(zip(table, ["prompt", "llm", "wording", "draw", "grade", "usd"], strict=True))
    renamed = table.rename(columns=names)
    outcomes = Outcomes.from_frame(
        renamed, query="prompt", model="llm", score="grade", paraphrase="wording", sample="draw",
        cost="usd",
    )  # fmt: skip
    pd.testing.assert_frame_equal(outcomes.to_frame(), Outcomes.from_frame(table).to_frame())


def test_optional_columns_can_be_left_out(table):
    outcomes = Outcomes.from_frame(table, paraphrase=False, sample=False, cost=False)
    assert outcomes.cost is None
    assert outcomes.to_frame()["paraphrase"].tolist() == [0] * 6
    # Samples are numbered in the order of the rows.
    assert outcomes[[1]].to_frame()[["model", "sample", "score"]].to_numpy().tolist() == [
        ["m", 0, 0.25],
        ["m", 1, 0.75],
        ["n", 0, 0.0],
    ]
    without = Outcomes.from_frame(table.drop(columns=["paraphrase", "sample", "cost"]))
    pd.testing.assert_frame_equal(without.to_frame(), outcomes.to_frame())


def test_the_columns_are_returned_in_the_order_of_the_rows(table):
    names = {name: name for name in table}
    names |= {"paraphrase": None, "sample": False, "cost": None, "text": None}
    table = table.assign(latency=np.arange(6), output_tokens=np.arange(6) + 0.5)
    columns = read_frame(table, names)
    assert list(columns.keys) == ["query", "model", "paraphrase"]
    assert columns.keys["query"].codes.tolist() == [0, 0, 1, 1, 1, 2]
    assert columns.keys["query"].labels.tolist() == ["b", "a", "c"]
    assert columns.keys["model"].codes.tolist() == [0, 1, 1, 0, 0, 1]
    assert columns.keys["paraphrase"].codes.tolist() == [1, 0, 0, 1, 1, 1]
    assert columns.keys["paraphrase"].labels.tolist() == [0, 1]
    assert columns.score.tolist() == table["score"].tolist()
    assert columns.cost[2:].tolist() == [3, 4, 5, 6]
    assert list(columns.extras) == ["output_tokens", "latency"]
    assert columns.extras["latency"].tolist() == [0, 1, 2, 3, 4, 5]
    assert columns.extras["latency"].dtype == np.float64


@pytest.mark.parametrize(
    ("dtype", "labels"),
    [
        (np.int8, [-128, 100, 19, -8]),  # their differences overflow
        (np.int16, [-(2**15), 2**15 - 1, 0, 5]),
        (np.uint8, [255, 0, 7, 254]),
        (np.int32, [70_000, -70_000, 1, 0]),
        (np.int64, [-(2**63), 2**63 - 1, 0, 1]),
        (np.int64, [2**60, 2**60 + 1, 2**60 + 2, 2**60 - 1]),  # floats would merge these
        (np.uint64, [2**64 - 1, 2**63, 0, 2**64 - 2]),
        (np.int64, [0, 65_535, 3, 1]),  # the longest span that is looked up, and the next one
        (np.int64, [0, 65_536, 3, 1]),
        (float, [0.5, -1.5, 2.0, 1e300]),
        (object, [1, "2", 3, "4"]),
        (object, [("a", 1), ("a", 2), ("b", 1), ("b", 2)]),
        ("datetime64[ns]", pd.to_datetime(["2024-02-01", "2024-01-01", "2023-01-01"])),
        (bool, [True, False]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ["query", "model"])
def test_labels_of_every_type_stay_distinct_and_as_they_are(dtype, labels, role):
    column = pd.Series(labels, dtype=dtype)
    expected = list(labels)
    other = "model" if role == "query" else "query"
    scores = np.arange(len(labels)) / 4
    frame = pd.DataFrame({role: column, other: "same", "score": scores})
    outcomes = Outcomes.from_frame(pd.concat([frame, frame]), sample=False)
    found = outcomes.queries if role == "query" else outcomes.models
    assert found.tolist() == expected
    assert outcomes.score.tolist() == np.repeat(scores, 2).tolist()
    select = outcomes.reindex if role == "query" else outcomes.subset
    assert select([expected[-1]]).score.tolist() == [scores[-1]] * 2
    reversed_ = Outcomes.from_frame(frame, **{plural(role): expected[::-1]})
    assert reversed_.score.tolist() == scores[::-1].tolist()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-(10**5), 10**5), min_size=1, max_size=30),
    st.integers(1, 2 * 10**5),
)
def test_a_lookup_of_integers_numbers_them_as_hashing_does(labels, span):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_frame, "_LOOKUP_SPAN", span)
        key = _frame._encode_labels(np.array(labels))
    codes, expected = pd.factorize(np.array(labels))
    assert key.codes.tolist() == codes.tolist()
    assert key.labels.tolist() == expected.tolist()


def test_small_spans_of_integers_are_looked_up_and_others_hashed(monkeypatch):
    spans = []

    def record(array, low, high):
        spans.append((low, high))
        return original(array, low, high)

    original = _frame._encode_small_integers
    monkeypatch.setattr(_frame, "_encode_small_integers", record)
    for labels in ([5, 3, 5], [0, (1 << 16) - 1], [0, 1 << 16], [], [1.0], ["a"]):
        _frame._encode_labels(np.array(labels))
        _frame._encode_labels(pd.Series(labels))
    assert spans == [(3, 5)] * 2 + [(0, (1 << 16) - 1)] * 2


@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
@pytest.mark.parametrize("column", ["query", "model", "paraphrase", "sample"])
def test_missing_keys_are_refused(table, convert, column):
    table = table.astype({column: object})
    table.loc[[1, 4], column] = None
    message = f"^column '{column}' is missing in rows 1, 4$"
    with pytest.raises(ValueError, match=message):
        Outcomes.from_frame(convert(table))


@pytest.mark.parametrize(
    "column",
    [pd.array([3, None], dtype="Int64"), [2.5, np.nan], pd.to_datetime(["2024-01-01", None])],
)
def test_missing_numbers_and_dates_are_missing_keys(column):
    table = pd.DataFrame({"query": column, "model": "m", "score": 1.0})
    with pytest.raises(ValueError, match="^column 'query' is missing in row 1$"):
        Outcomes.from_frame(table)


@pytest.mark.parametrize(
    "scores",
    [
        [1, 0],
        [True, False],
        ["1", "0"],
        [1.0, 0.0],
        pd.array([1, 0], dtype="Int64"),
        pd.array([True, False], dtype="boolean"),
    ],
)
@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
def test_scores_of_every_numeric_type_are_read(scores, convert):
    table = pd.DataFrame({"query": ["a", "b"], "model": "m", "score": scores})
    outcomes = Outcomes.from_frame(convert(table))
    assert outcomes.score.tolist() == [1, 0]
    assert outcomes.score.dtype == np.float64


def test_scores_of_mixed_types_are_read():
    scores = pd.Series([True, 0, "0.5"], dtype=object)
    table = pd.DataFrame({"query": ["a", "b", "c"], "model": "m", "score": scores})
    assert Outcomes.from_frame(table).score.tolist() == [1, 0, 0.5]


@pytest.mark.parametrize(
    "costs",
    [
        [2, None],
        [2.0, np.nan],
        ["2", None],
        pd.array([2, None], dtype="Int64"),
        pd.array([2, None], dtype="Float64"),
    ],
)
@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
def test_an_unknown_cost_is_nan(costs, convert):
    table = pd.DataFrame({"query": ["a", "b"], "model": "m", "score": 1.0, "cost": costs})
    np.testing.assert_array_equal(Outcomes.from_frame(convert(table)).cost, [2, np.nan])


@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
def test_texts_that_are_not_numbers_are_refused(convert):
    table = pd.DataFrame({"query": ["a", "b"], "model": "m", "score": ["1", "good"]})
    with pytest.raises(ValueError, match="^column 'score' must be numeric: .*good"):
        Outcomes.from_frame(convert(table))
    dates = pd.DataFrame({"query": ["a"], "model": "m", "score": [1.0], "cost": [[1]]})
    with pytest.raises(ValueError, match="^column 'cost' must be numeric"):
        Outcomes.from_frame(dates)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", 2.0, r"'score' must be in [0, 1], got value 2.0 in row 3"),
        (
            "score",
            55.0,
            "divide them by 100 if they are percentages, or pass the lowest and the highest",
        ),
        ("score", np.nan, "'score' is NaN in row 3; drop the rows without a score"),
        ("score", np.inf, "'score' is infinite in row 3"),
        ("cost", -1.0, "a cost must be finite and not negative, got value -1.0 in row 3"),
        ("cost", np.inf, "a cost must be finite and not negative, got value inf in row 3"),
    ],
)
def test_bad_numbers_are_refused_with_their_row(table, column, value, message):
    table.loc[3, column] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        Outcomes.from_frame(table)


def test_duplicates_are_refused_with_their_rows(table):
    doubled = pd.concat([table, table.iloc[[3, 1]]])
    message = (
        "query b, model n, paraphrase 0, sample 0 occurs more than once, first in rows 1 and 7 "
        "(2 duplicates in all); to number the samples in the order of the rows, pass sample=False"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Outcomes.from_frame(doubled)
    assert len(Outcomes.from_frame(doubled, sample=False).score) == 8
    message = "query b, model m, sample 0 occurs more than once, first in rows 0 and 1 (1 dupl"
    with pytest.raises(ValueError, match=re.escape(message)):
        Outcomes.from_frame(doubled.iloc[[0, 0]], paraphrase=False)


def test_an_empty_table_is_refused(table):
    with pytest.raises(ValueError, match="^the table is empty: it has no outcomes$"):
        Outcomes.from_frame(table.head(0))


@pytest.mark.parametrize("role", ["query", "model", "score", "paraphrase", "sample", "cost"])
def test_a_missing_column_is_named_and_so_are_those_of_the_table(table, role):
    columns = "'query', 'model', 'paraphrase', 'sample', 'score', 'cost'"
    message = f"^the table has no column 'other' \\(for {role}\\); its columns are {columns}$"
    with pytest.raises(ValueError, match=message):
        Outcomes.from_frame(table, **{role: "other"})


def test_a_wide_table_is_refused_with_the_remedy():
    wide = pd.DataFrame({"small": [1, 0], "large": [1, 1]}, index=["a", "b"])
    message = (
        "the table has neither a column 'model' nor 'score'; its columns are 'small', 'large'. "
        "If it has one row per outcome, name its columns with model= and score=; if it has one row "
        "per query and one column per model, use Outcomes.from_array(scores, queries=, models=)"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Outcomes.from_frame(wide)
    outcomes = Outcomes.from_array(wide)
    assert outcomes.queries.tolist() == ["a", "b"]
    for column, missing in (("model", "score"), ("score", "model")):
        with pytest.raises(ValueError, match=f"no column '{missing}'"):
            Outcomes.from_frame(wide.assign(query="a", **{column: 1}))


def test_labels_that_are_not_listed_are_refused(table):
    message = "the table has query 'c', not listed in queries=; filter the table first"
    with pytest.raises(ValueError, match=message):
        Outcomes.from_frame(table, queries=["a", "b"])
    with pytest.raises(ValueError, match="the table has models 'm', 'n', not listed in models=;"):
        Outcomes.from_frame(table, models=["k"])
    with pytest.raises(ValueError, match="each query must be given once; repeated: query 'a'"):
        Outcomes.from_frame(table, queries=["a", "b", "c", "a"])


def test_a_query_without_a_row_is_refused(table):
    message = "no model has an outcome for queries 'd', 'e'; leave such queries out"
    with pytest.raises(ValueError, match=message):
        Outcomes.from_frame(table, queries=["a", "d", "b", "c", "e"])


@pytest.mark.parametrize(
    ("frame", "remedy"),
    [
        (np.zeros((2, 3)), "for arrays use Outcomes.from_array"),
        ({"query": ["a"]}, "make one with pandas.DataFrame"),
        ([1, 2], "make one with pandas.DataFrame"),
    ],
)
def test_something_else_than_a_table_is_refused(frame, remedy):
    message = f"pyarrow or duckdb table, got '{type(frame).__name__}'; {remedy}"
    with pytest.raises(TypeError, match=message):
        Outcomes.from_frame(frame)
