import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dars_sklearn.routing._decision import decide, mask_unavailable

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
    with pytest.raises(ValueError, match="for 1 query, first in row 1$"):
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
