import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from dars_sklearn.outcomes._alignment import label_features
from dars_sklearn.routing._available import available_mask

MODELS = np.array(["a", "b", "c"], dtype=object)
ROWS = [[True, False, True], [False, False, True]]


# ---- names -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ["c", "a"],
        ("a", "c"),
        {"a", "c"},
        frozenset("ac"),
        {"a": 0, "c": 1}.keys(),
        np.array(["a", "c"]),
        np.array(["a", "c"], dtype=object),
        pd.Series(["c", "a"], index=[5, 9]),
        pd.Index(["a", "c"]),
        pd.Categorical(["a", "c"]),
        pl.Series(["c", "a"]),
        pa.array(["a", "c"]).to_pylist(),
    ],
    ids=lambda names: type(names).__name__,
)
def test_names_in_any_array_like_allow_the_same_models_for_all_queries(names):
    mask = available_mask(names, MODELS, 2)
    assert mask.dtype == bool
    assert mask.tolist() == [[True, False, True]] * 2


def test_a_single_name_allows_one_model():
    assert available_mask("b", MODELS, 1).tolist() == [[False, True, False]]


def test_no_name_allows_no_model():
    assert available_mask([], MODELS, 2).tolist() == [[False] * 3] * 2


def test_none_allows_all_models():
    assert available_mask(None, MODELS, 2) is None


@pytest.mark.parametrize("names", [[7], np.array([7]), np.array([7], dtype=object), [np.int64(7)]])
def test_integer_names_are_found(names):
    assert available_mask(names, np.array([3, 7]), 1).tolist() == [[False, True]]


@pytest.mark.parametrize("names", [["1"], [1.0], np.array(["1"]), [b"1"]], ids=repr)
def test_a_name_of_another_type_is_another_name(names):
    with pytest.raises(ValueError, match=r"unknown model .*, not among \[1, 2\]"):
        available_mask(names, np.array([1, 2]), 3)


@pytest.mark.parametrize("name", [("x", 1), [("x", 1)]])
def test_names_may_be_tuples(name):
    models = np.fromiter([("x", 1), ("x", 2)], dtype=object, count=2)
    assert available_mask(name, models, 1).tolist() == [[True, False]]


def test_unknown_names_are_listed_beside_the_known_ones():
    message = re.escape("available has the unknown models 'z', 2, not among ['a', 'b', 'c']")
    with pytest.raises(ValueError, match=f"^{message}$"):
        available_mask(["z", "a", 2], MODELS, 2)
    with pytest.raises(ValueError, match="unknown model b'a', not among"):
        available_mask([b"a"], MODELS, 2)


def test_a_name_that_is_given_twice_is_refused_since_it_may_be_a_mask_of_numbers():
    with pytest.raises(
        ValueError, match="names a model twice: models 1, 0, 1; a mask must consist"
    ):
        available_mask([1, 0, 1], np.arange(3), 2)


# ---- masks -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.array, list, tuple, lambda rows: np.array(rows, dtype=object)])
def test_a_mask_is_used_as_it_is(kind):
    assert available_mask(kind(ROWS), MODELS, 2).tolist() == ROWS


REORDERED = {"c": [True, True], "a": [True, False], "b": [False, False]}
FRAMES = {
    "pandas": pd.DataFrame(REORDERED),
    "nullable": pd.DataFrame(REORDERED, dtype="boolean"),
    "polars": pl.DataFrame(REORDERED),
    "arrow": pa.table(REORDERED),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_the_columns_of_a_data_frame_name_the_models(frame):
    assert available_mask(frame, MODELS, 2).tolist() == ROWS


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_a_series_of_bool_is_labelled_by_model_and_holds_for_all_queries(dtype):
    series = pd.Series([True, False, True], index=["c", "b", "a"]).astype(dtype)
    if dtype is object:
        series = series.infer_objects()
    assert available_mask(series, MODELS, 2).tolist() == [[True, False, True]] * 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "b"], "columns of available must name every model; model 'c' is missing"),
        (["a", "b", "d"], "columns of available has the unknown model 'd'"),
        (
            ["a", "b", "c", "c"],
            "columns of available names a model twice: models 'a', 'b', 'c', 'c",
        ),
        ([0, 1, 2], r"columns of available has the unknown models 0, 1, 2, not among \['a'"),
    ],
)
def test_a_frame_must_name_every_model_once(columns, message):
    frame = pd.DataFrame(np.ones((2, len(columns)), dtype=bool), columns=columns)
    with pytest.raises(ValueError, match=message):
        available_mask(frame, MODELS, 2)


def test_a_series_must_name_every_model():
    with pytest.raises(
        ValueError, match="index of available must name every model; models 'b', 'c'"
    ):
        available_mask(pd.Series([True], index=["a"]), MODELS, 2)
    with pytest.raises(ValueError, match="index of available has the unknown models 0, 1, 2"):
        available_mask(pd.Series([True, False, True]), MODELS, 2)


@pytest.mark.parametrize(
    "mask",
    [
        np.array(ROWS).astype(int),
        np.array(ROWS).astype(float).tolist(),
        pd.DataFrame(np.array(ROWS).astype(int), columns=list("abc")),
        pd.DataFrame([[True, None, True]] * 2, columns=list("abc"), dtype="boolean"),
        [["a"], ["b"]],
        [["a"], ["b", "c"]],
        [["a", "b", "c"], ["b", "a", "c"]],
        [{"a"}, {"b"}],
        np.array([True, "a"], dtype=object),
    ],
    ids=range(9),
)
def test_what_is_not_true_or_false_is_no_mask(mask):
    with pytest.raises(ValueError, match="mask of .*True and False, got"):
        available_mask(mask, MODELS, 2)


def test_masked_values_are_refused_with_the_remedy():
    masked = np.ma.array(ROWS, mask=[[True, False, False], [False] * 3])
    with pytest.raises(ValueError, match=r"fill them with available\.filled\(False\)"):
        available_mask(masked, MODELS, 2)
    expected = [[False, False, True], [False, False, True]]
    assert available_mask(masked.filled(False), MODELS, 2).tolist() == expected
    assert available_mask(np.ma.array(ROWS), MODELS, 2).tolist() == ROWS


@pytest.mark.parametrize(
    "available", [{"a": True}, (name for name in "ab"), sparse.csr_array(np.array(ROWS))]
)
def test_what_is_neither_names_nor_a_mask_is_refused(available):
    with pytest.raises(TypeError, match="must list the names of models, or be a mask .*, got "):
        available_mask(available, MODELS, 2)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (1, 3), (2, 4)])
def test_a_mask_of_another_shape_is_refused(shape):
    message = re.escape(f"available must have shape (2, 3), got {shape}; to allow the same models")
    with pytest.raises(ValueError, match=f"^{message}"):
        available_mask(np.ones(shape, dtype=bool), MODELS, 2)


# ---- labels of queries -----------------------------------------------------------

FEATURES = np.zeros((2, 4))


def labelled(index):
    return pd.DataFrame(ROWS, columns=MODELS, index=index)


@pytest.mark.parametrize(
    ("index", "queries"),
    [
        (["q1", "q2"], pd.DataFrame(FEATURES, index=["q2", "q1"])),
        (["q1", "q2"], pd.DataFrame(FEATURES, index=["q2", "q3"])),
        (["q1", "q2"], pd.Series(["x", "y"], index=["q2", "q1"])),
        ([1, 0], pd.DataFrame(FEATURES)),
        ([7, 9], pd.DataFrame(FEATURES, index=[9, 7])),
        (pd.RangeIndex(1, -1, -1), pd.DataFrame(FEATURES)),
        (["red", "blue"], ["blue", "red"]),
        (["red", "blue"], label_features(FEATURES, ["blue", "red"])),
        (["red", "blue"], [[{"role": "user", "content": text}] for text in ("blue", "red")]),
    ],
    ids=range(9),
)
def test_a_mask_with_the_labels_of_other_rows_is_refused(index, queries):
    message = r"row 0 of available is ['\d].*, row 0 of X is ['\d].*; put .* into the order of X"
    with pytest.raises(ValueError, match=message):
        available_mask(labelled(index), MODELS, 2, queries)


@pytest.mark.parametrize(
    ("index", "queries"),
    [
        (["q1", "q2"], pd.DataFrame(FEATURES, index=["q1", "q2"])),
        ([0, 1], pd.DataFrame(FEATURES)),
        ([0, 1], pd.DataFrame(FEATURES, index=["q1", "q2"])),
        ([1, 7], pd.DataFrame(FEATURES)),
        ([0, 1], ["red", "blue"]),
        (["q1", "q2"], ["red", "blue"]),
        (["q1", "q2"], FEATURES),
        (["red", "blue"], label_features(FEATURES, ["red", "blue"])),
        (None, pd.DataFrame(FEATURES, index=[1, 0])),
    ],
    ids=range(9),
)
def test_a_mask_with_the_same_labels_or_labels_of_another_kind_is_used(index, queries):
    assert available_mask(labelled(index), MODELS, 2, queries).tolist() == ROWS
