import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.routing.estimators._output_parts import OutputParts


def make_parts(n_blocks, n_models):
    blocks, models = [f"block {i}" for i in range(n_blocks)], list(range(n_models))
    return OutputParts.from_layout(n_blocks * n_models, blocks, models)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 5), st.integers(0, 100))
def test_splitting_and_joining_return_the_outputs(n_blocks, n_models, n_queries, seed):
    parts = make_parts(n_blocks, n_models)
    outputs = np.random.default_rng(seed).normal(size=(n_queries, n_blocks * n_models))
    columns = parts.split(outputs)
    assert columns.shape == (n_queries, len(parts.part_of_column))
    assert parts.part_of_column.max() == len(parts.names) - 1
    np.testing.assert_allclose(parts.join(columns), outputs)


def test_outputs_are_split_into_differences_and_means_over_models():
    parts = make_parts(2, 2)
    columns = parts.split(np.array([[1.0, 3.0, 10.0, 30.0]]))
    assert columns.tolist() == [[-1.0, 1.0, -10.0, 10.0, 2.0, 20.0]]
    assert parts.part_of_column.tolist() == [0, 0, 1, 1, 2, 3]
    assert parts.names == [
        "block 0: differences", "block 1: differences", "block 0: mean", "block 1: mean",
    ]  # fmt: skip


def test_without_a_layout_each_output_is_a_part():
    parts = OutputParts.from_layout(2, None, None)
    assert parts.names == ["output 0", "output 1"]
    assert parts.part_of_column.tolist() == [0, 1]
    assert parts.split(np.array([[1.0, 3.0]])).tolist() == [[1.0, 3.0]]


def test_a_layout_of_another_number_of_outputs_is_refused():
    with pytest.raises(ValueError, match="each of 2 blocks and 3 models, got 5"):
        OutputParts.from_layout(5, ["quality", "cost"], ["a", "b", "c"])
