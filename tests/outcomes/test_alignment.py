"""Whether X, routes and weights belong to outcomes."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from dars_sklearn import Outcomes
from dars_sklearn.outcomes._alignment import (
    check_alignment,
    check_labelled_order,
    check_same_queries,
    label_features,
)

TEXTS = ["What is 2 + 2?", "Capital of Peru?", "Translate: casa"]


def by_text():
    return Outcomes.from_array([[1], [0], [1]], queries=TEXTS)


def by_id():
    return Outcomes.from_array([[1], [0], [1]], queries=["q0", "q1", "q2"])


def with_texts():
    return by_id().with_texts(TEXTS)


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "object array": lambda texts: np.array(texts, dtype=object),
    "series": pd.Series,
    "polars": pl.Series,
    "paraphrases": lambda texts: [[text, "another wording"] for text in texts],
    "table of paraphrases": lambda texts: np.array([[text, None] for text in texts], dtype=object),
    "conversations": lambda texts: [[{"role": "user", "content": text}] for text in texts],
    "features": lambda texts: label_features(np.zeros((len(texts), 2)), texts),
    "sparse features": lambda texts: label_features(csr_array((len(texts), 2)), texts),
    "frame": lambda texts: pd.DataFrame({"length": [1.0, 2.0, 3.0], "text": texts}),
}


@pytest.fixture(params=[by_text, with_texts])
def outcomes(request):
    return request.param()


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
class TestTexts:
    def test_in_the_same_order_are_accepted(self, container, outcomes):
        check_alignment(container(TEXTS), outcomes)

    def test_with_white_space_around_them_are_accepted(self, container, outcomes):
        check_alignment(container([f" {text}\n" for text in TEXTS]), outcomes)

    def test_in_another_order_are_refused(self, container, outcomes):
        with pytest.raises(ValueError, match=r"another order: row 0 of .*3 rows differ.*reindex"):
            check_alignment(container([TEXTS[1], TEXTS[2], TEXTS[0]]), outcomes)

    def test_in_another_order_with_white_space_are_refused(self, container, outcomes):
        with pytest.raises(ValueError, match=r"in another order: row 1 .*\(2 rows differ\)"):
            check_alignment(container([TEXTS[0], TEXTS[2] + " ", TEXTS[1]]), outcomes)

    def test_of_ids_are_not_compared(self, container):
        check_alignment(container(TEXTS[::-1]), by_id())

    def test_of_numbered_queries_are_not_compared(self, container):
        check_alignment(container(TEXTS[::-1]), Outcomes.from_array([[1], [0], [1]]))


UNLABELLED = [container for name, container in CONTAINERS.items() if name != "frame"]


@pytest.mark.parametrize("container", UNLABELLED)
def test_texts_that_differ_by_case_are_refused(container, outcomes):
    with pytest.raises(ValueError, match=r"do not have the same queries: row 0 .*with_texts"):
        check_alignment(container([text.upper() for text in TEXTS]), outcomes)
    with pytest.raises(ValueError, match=r"row 0 .*\(3 rows differ\)"):
        check_alignment(container([text.upper() for text in TEXTS[::-1]]), outcomes)


def test_one_other_text_is_refused(outcomes):
    message = (
        "X and the outcomes do not have the same queries: row 2 of X is 'other', row 2 of the "
        "outcomes is 'Translate: casa' (1 row differs); the texts of the queries are in outcomes."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.*with_texts"):
        check_alignment([*TEXTS[:2], "other"], outcomes)


def test_texts_kept_beside_ids_are_compared_even_where_none_is_the_same():
    with pytest.raises(ValueError, match="do not have the same queries"):
        check_alignment(["other", "texts", "here"], with_texts())


def test_another_wording_can_be_declared():
    wording = ["Two plus two?", "Peru's capital?", "casa in English?"]
    with pytest.raises(ValueError, match="do not have the same queries"):
        check_alignment(wording, with_texts())
    check_alignment(wording, with_texts().with_texts(wording))


def test_repeated_texts_of_different_queries_are_compared_by_row():
    outcomes = by_id().with_texts(["a", "b", "a"])
    check_alignment(["a", "b", "a"], outcomes)
    with pytest.raises(ValueError, match=r"in another order: row 1 .*\(2 rows differ\)"):
        check_alignment(["a", "a", "b"], outcomes)


@pytest.mark.parametrize("X", [np.zeros((3, 2)), [[0.0], [1.0], [2.0]], csr_array((3, 2))])
def test_features_without_labels_have_only_a_length(X):
    check_alignment(X, with_texts())
    with pytest.raises(ValueError, match="X has 3 queries and the outcomes have 2"):
        check_alignment(X, with_texts()[:2])


def test_results_of_operations_on_features_are_not_labelled():
    features = label_features(np.arange(6.0).reshape(3, 2), TEXTS)
    for derived in (features[::-1], features + 0, np.sort(features, axis=0)):
        check_alignment(derived, with_texts())
    np.testing.assert_array_equal(features, [[0, 1], [2, 3], [4, 5]])


INDEXED = {
    "frame": lambda index: pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=index),
    "series": lambda index: pd.Series([1.0, 2.0, 3.0], index=index),
}


@pytest.mark.parametrize("container", INDEXED.values(), ids=INDEXED)
@pytest.mark.parametrize("check", [check_alignment, check_labelled_order])
class TestIndex:
    def test_of_query_labels_in_the_same_order_is_accepted(self, container, check):
        check(container(["q0", "q1", "q2"]), by_id(), "X")
        check(container(TEXTS), with_texts(), "X")
        integers = Outcomes.from_array([[1], [0], [1]], queries=[7, 3, 5])
        check(container([7, 3, 5]), integers, "X")

    @pytest.mark.parametrize("index", [["q1", "q0", "q2"], ["q1", "q2", "q3"]])
    def test_of_other_or_reordered_labels_is_refused(self, container, check, index):
        with pytest.raises(ValueError, match=r"the index of X .* row 0 of X is 'q1'.*X\.loc"):
            check(container(index), by_id(), "X")

    def test_of_reordered_texts_is_refused(self, container, check):
        with pytest.raises(ValueError, match="the index of X and the outcomes differ"):
            check(container(TEXTS[::-1]), with_texts(), "X")

    def test_of_reordered_integers_is_refused(self, container, check):
        integers = Outcomes.from_array([[1], [0], [1]], queries=[7, 3, 5])
        with pytest.raises(ValueError, match=r"row 0 of X is 3, row 0 of the outcomes is 7"):
            check(container([3, 5, 7]), integers, "X")

    @pytest.mark.parametrize("index", [[0, 1, 2], [2, 0, 1], [4, 8, 3], ["x", "y", "z"]])
    def test_of_something_else_is_not_compared(self, container, check, index):
        check(container(index), by_id(), "X")
        integers = Outcomes.from_array([[1], [0], [1]], queries=[7, 3, 5])
        check(container(index), integers, "X")


def test_the_default_index_is_not_compared():
    integers = Outcomes.from_array([[1], [0], [1]], queries=[2, 0, 1])
    check_alignment(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), integers)


def test_other_queries_are_refused():
    check_same_queries(by_id(), np.array(["q0", "q1", "q2"]))
    message = "row 0 of the outcomes is query 'q2', but the routes were computed for 'q0' (2 rows"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_same_queries(by_id()[::-1], by_id().queries)
    with pytest.raises(ValueError, match="the comparison has 2 queries and the outcomes have 3"):
        check_same_queries(by_id(), by_id().queries[:2])
