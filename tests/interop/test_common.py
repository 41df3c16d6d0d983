import numpy as np
import pytest

from dars_sklearn.interop._common import as_list, outcomes_from_rows, select_name


def row(query="q", score=1, **fields):
    return {"query": query, "model": "m", "score": score} | fields


def test_a_single_value_becomes_a_list():
    assert as_list("abc") == ["abc"]
    assert as_list(["a", "b"]) == ["a", "b"]
    assert as_list(("a",)) == ("a",)


def test_the_only_name_need_not_be_requested():
    assert select_name({"only"}, None, "metric") == "only"
    assert select_name({"b", "a"}, "b", "metric") == "b"


@pytest.mark.parametrize(
    ("names", "name", "message"),
    [
        (["b", "a"], None, r"there are 2 metrics; pass metric= one of \['a', 'b'\]"),
        (["b", "a"], "c", r"there is no metric 'c'; pass metric= one of \['a', 'b'\]"),
        (["a"], "c", "there is no metric 'c'"),
        ([], None, "there are 0 metrics"),
    ],
)
def test_a_name_that_is_missing_or_ambiguous_is_an_error(names, name, message):
    with pytest.raises(ValueError, match=message):
        select_name(names, name, "metric")


def test_columns_that_are_unknown_for_all_samples_are_left_out():
    rows = [row(cost=None, latency=None), row(cost=None, latency=2)]
    outcomes = outcomes_from_rows(rows)
    assert outcomes.cost is None
    np.testing.assert_array_equal(outcomes.to_array("latency").ravel(), [np.nan, 2.0])


def test_scores_may_be_integers_or_booleans():
    assert outcomes_from_rows([row(score=True), row(score=0)]).score.tolist() == [1.0, 0.0]


def test_paraphrases_are_numbered_within_each_query():
    rows = [
        row("a", paraphrase="id-1"), row("b", paraphrase="id-2"), row("a", paraphrase="id-3"),
        row("a", paraphrase="id-1"),
    ]  # fmt: skip
    outcomes = outcomes_from_rows(rows)
    assert outcomes.to_array().shape == (2, 1, 2, 2)
    assert outcomes.counts().tolist() == [[3], [1]]
    assert outcomes.paraphrase.tolist() == [0, 0, 1, 0]


def test_without_rows_there_are_no_outcomes():
    with pytest.raises(ValueError, match="there are no scored samples in these logs"):
        outcomes_from_rows([])
