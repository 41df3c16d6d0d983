import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.model_selection import train_test_split

from dars_sklearn import Outcomes


@pytest.fixture
def array():
    scores = np.random.default_rng(0).integers(0, 2, (6, 3, 2, 5)).astype(float)
    scores[0, 0, 1] = np.nan
    scores[1, 2] = np.nan
    return scores


@pytest.fixture
def outcomes(array):
    return Outcomes.from_array(array, models=["a", "b", "c"], costs=[1, 2, 3])


def test_array_round_trip_loses_nothing(array, outcomes):
    np.testing.assert_array_equal(outcomes.to_array(), array)


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame,
        pl.from_pandas,
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
        duckdb.from_df,
        lambda frame: frame.astype({"model": "category"}),
        lambda frame: frame.astype({"model": object}),
    ],
    ids=["pandas", "polars", "pyarrow", "duckdb", "categorical", "object"],
)
def test_frame_round_trip_loses_nothing(outcomes, convert):
    frame = outcomes.to_frame()
    shuffled = convert(frame.sample(frac=1, random_state=0))
    back = Outcomes.from_frame(shuffled, queries=range(6), models=["a", "b", "c"])
    pd.testing.assert_frame_equal(back.to_frame(), frame)


def test_a_split_never_parts_the_paraphrases_of_a_query(outcomes):
    left, right = train_test_split(outcomes, random_state=0)
    assert len(left) + len(right) == len(outcomes)
    assert not set(left.to_frame()["query"]) & set(right.to_frame()["query"])


def test_indexing_may_repeat_queries(array, outcomes):
    np.testing.assert_array_equal(outcomes[[2, 0, 2]].to_array(), array[[2, 0, 2]])
    assert outcomes[[2, 0, 2]].to_frame()["row"].nunique() == 3


def test_single_shot_draws_one_outcome_of_each_pair(outcomes):
    drawn = outcomes.single_shot(0)
    np.testing.assert_array_equal(drawn.counts(), outcomes.counts() > 0)
    np.testing.assert_array_equal(drawn.to_array(), outcomes.single_shot(0).to_array())


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", 2.0, r"must be in \[0, 1\], got value 2.0 in row 3"),
        ("score", 55.0, "divide them by 100"),
        ("score", np.nan, "'score' is NaN in row 3"),
        ("cost", -1.0, "not negative, got value -1.0 in row 3"),
        ("cost", np.inf, "must be finite"),
        ("model", None, "column 'model' is missing in row 3"),
    ],
)
def test_bad_tables_are_refused(outcomes, column, value, message):
    frame = outcomes.to_frame().astype({"model": object})
    frame.loc[3, column] = value
    with pytest.raises(ValueError, match=message):
        Outcomes.from_frame(frame)


def test_structural_errors_name_the_place(outcomes):
    frame = outcomes.to_frame()
    with pytest.raises(ValueError, match="is there more than once, first in rows"):
        Outcomes.from_frame(pd.concat([frame, frame.head(2)]))
    with pytest.raises(ValueError, match="the table is empty"):
        Outcomes.from_frame(frame.head(0))
    with pytest.raises(ValueError, match="no column 'grade'"):
        Outcomes.from_frame(frame, score="grade")
    with pytest.raises(ValueError, match="no outcome for any model of query 6"):
        Outcomes.from_frame(frame, queries=range(7))
    with pytest.raises(TypeError, match="to_array"):
        np.asarray(outcomes)
