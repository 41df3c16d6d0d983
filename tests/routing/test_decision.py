import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dars_sklearn.routing._decision import available_mask, decide, mask_unavailable

MODELS = np.array(["a", "b", "c"], dtype=object)
UTILITIES = np.array([[0.2, 0.9, 0.4], [-0.3, -0.1, -0.2], [0.5, 0.5, 0.1]])


def test_the_highest_utility_is_chosen_and_ties_go_to_the_first_model():
    assert decide(UTILITIES).tolist() == [1, 1, 0]


def test_an_unavailable_model_is_not_chosen_even_if_all_utilities_are_negative():
    available = np.array([[True, False, True], [True, False, False], [False, True, True]])
    assert decide(UTILITIES, available).tolist() == [2, 0, 1]


def test_utilities_of_unavailable_models_become_minus_infinity():
    available = np.array([[True, False, True], [False, False, True], [True, True, True]])
    expected = [[0.2, -np.inf, 0.4], [-np.inf, -np.inf, -0.2], [0.5, 0.5, 0.1]]
    before = UTILITIES.copy()
    np.testing.assert_array_equal(mask_unavailable(UTILITIES, available), expected)
    np.testing.assert_array_equal(UTILITIES, before)


def test_without_a_mask_utilities_are_unchanged():
    assert mask_unavailable(UTILITIES, None) is UTILITIES


def test_queries_without_an_available_model_are_counted_and_the_first_is_named():
    available = np.ones((3, 3), dtype=bool)
    available[[1, 2]] = False
    with pytest.raises(ValueError, match="^no model is available for 2 queries, first in row 1$"):
        decide(UTILITIES, available)
    available[2, 2] = True
    with pytest.raises(ValueError, match="for 1 queries, first in row 1$"):
        mask_unavailable(UTILITIES, available)


@given(
    arrays(float, (4, 3), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
    arrays(bool, (4, 3), elements=st.booleans()),
    st.integers(0, 2),
)
def test_decisions_agree_with_a_plain_loop(utilities, available, always):
    available[:, always] = True
    expected = []
    for row, allowed in zip(utilities.tolist(), available.tolist(), strict=True):
        best = None
        for model in range(3):
            if allowed[model] and (best is None or row[model] > row[best]):
                best = model
        expected.append(best)
    assert decide(utilities, available).tolist() == expected


@pytest.mark.parametrize(
    "names",
    [
        ["c", "a"],
        ("a", "c"),
        ["a", "c", "a"],
        np.array(["a", "c"]),
        np.array(["a", "c"], dtype=object),
        pd.Series(["c", "a"], index=[5, 9]),
        pd.Index(["a", "c"]),
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


def test_a_number_and_its_text_are_two_models():
    models = np.array([1, "1", "a"], dtype=object)
    assert available_mask([1], models, 1).tolist() == [[True, False, False]]
    assert available_mask(["1"], models, 1).tolist() == [[False, True, False]]
    assert available_mask([1, "a"], models, 1).tolist() == [[True, False, True]]


@pytest.mark.parametrize("kind", [np.array, list, pd.DataFrame])
def test_a_mask_is_used_as_it_is(kind):
    rows = [[True, False, True], [False, False, True]]
    assert available_mask(kind(rows), MODELS, 2).tolist() == rows


@pytest.mark.parametrize("shape", [(3,), (3, 2), (1, 3), (2, 4)])
def test_a_mask_of_another_shape_is_refused(shape):
    message = re.escape(f"available must have shape (2, 3), got {shape}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        available_mask(np.ones(shape, dtype=bool), MODELS, 2)


def test_unknown_names_are_listed_beside_the_known_ones():
    message = re.escape("available names ['2', 'z'], not among ['a', 'b', 'c']")
    with pytest.raises(ValueError, match=f"^{message}$"):
        available_mask(["z", "a", 2], MODELS, 2)
