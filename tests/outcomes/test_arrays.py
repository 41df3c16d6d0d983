"""Reading arrays of scores and costs."""

import re

import numpy as np
import pytest

from dars_sklearn.outcomes._arrays import array_costs, array_labels, score_grid

QUERIES, MODELS = np.array(["x", "y"]), np.array(["a", "b"])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 3), (2, 3, 1, 1)),
        ((2, 3, 4), (2, 3, 1, 4)),
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((1, 1), (1, 1, 1, 1)),
    ],
)
def test_scores_become_four_dimensional(shape, expected):
    scores = np.arange(np.prod(shape)).reshape(shape)
    grid = score_grid(scores)
    assert grid.shape == expected
    assert grid.dtype == np.float64
    np.testing.assert_array_equal(grid.ravel(), scores.ravel())


@pytest.mark.parametrize("shape", [(), (3,), (1, 1, 1, 1, 1)])
def test_arrays_of_other_dimensions_are_refused(shape):
    message = (
        "scores must have shape (query, model), (query, model, sample) or (query, model, "
        f"paraphrase, sample), got shape {shape}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        score_grid(np.ones(shape))


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (2, 3, 0), (2, 3, 0, 1)])
def test_an_empty_array_is_refused(shape):
    message = f"an array of shape {shape} has no outcomes"
    with pytest.raises(ValueError, match=re.escape(message)):
        score_grid(np.ones(shape))


def test_complex_scores_are_refused():
    with pytest.raises(ValueError, match="Complex data not supported: a score is a real number"):
        score_grid([[1 + 0j]])


def test_labels_are_numbers_unless_they_are_given():
    assert array_labels(None, 3, "query").tolist() == [0, 1, 2]
    labels = array_labels(["b", "a"], 2, "model")
    assert labels.tolist() == ["b", "a"]
    assert labels.dtype == object


@pytest.mark.parametrize(
    ("labels", "n", "noun", "message"),
    [
        (["a", "b"], 3, "query", "queries has 2 labels, but scores has 3 queries"),
        (["a", "b"], 1, "model", "models has 2 labels, but scores has 1 models"),
        ([1, 1, 2], 3, "query", "each query must be given once; repeated: query 1"),
    ],
)
def test_wrong_labels_are_refused(labels, n, noun, message):
    with pytest.raises(ValueError, match=message):
        array_labels(labels, n, noun)


def test_costs_of_each_outcome_are_those_of_the_outcomes_present():
    present = np.array([[[[True, False]], [[True, True]]]])
    costs = [[[1.0, 2.0], [3.0, np.nan]]]
    found = array_costs(costs, (1, 2, 2), present, QUERIES, MODELS)
    np.testing.assert_array_equal(found, [1, 3, np.nan])


def test_costs_of_each_model_are_repeated_for_its_outcomes():
    present = np.array([[[[True, False]], [[True, True]]], [[[False, True]], [[False, False]]]])
    assert array_costs([5, 7], (2, 2, 2), present, QUERIES, MODELS).tolist() == [5, 7, 7, 5]


def test_costs_of_a_square_table_are_those_of_each_outcome():
    present = np.ones((2, 2, 1, 1), dtype=bool)
    assert array_costs([[1, 2], [3, 4]], (2, 2), present, QUERIES, MODELS).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("costs", [1.0, [1.0], [1, 2, 3], [[1, 2]], [[1], [2]]])
def test_costs_of_another_shape_are_refused(costs):
    message = (
        "costs must have the shape of scores, (2, 2), or one value per model, (2,), got "
        f"{np.shape(costs)}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        array_costs(costs, (2, 2), np.ones((2, 2, 1, 1), dtype=bool), QUERIES, MODELS)


@pytest.mark.parametrize("costs", [[1, -2], [[1, 2], [-3, 4]], [np.inf, 1]])
def test_costs_that_are_negative_or_infinite_are_refused(costs):
    with pytest.raises(ValueError, match="a cost must be finite and not negative"):
        array_costs(costs, (2, 2), np.ones((2, 2, 1, 1), dtype=bool), QUERIES, MODELS)


def test_a_bad_cost_of_an_absent_outcome_does_not_matter():
    present = np.array([[[[True]], [[False]]]])
    assert array_costs([[1, -2]], (1, 2), present, QUERIES, MODELS).tolist() == [1]
