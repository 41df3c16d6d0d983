"""Checks that name the bad values and the remedy."""

import re

import numpy as np
import pandas as pd
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.outcomes._validation import (
    check_costs,
    check_every_query_has_outcomes,
    check_models,
    check_n_queries,
    check_score_range,
    check_scores,
    list_values,
    plural,
)


def refuses(message):
    """Expect an error of exactly this message."""
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    ("noun", "n", "expected"),
    [
        ("query", 1, "query"),
        ("query", 2, "queries"),
        ("query", 0, "queries"),
        ("model", 1, "model"),
        ("model", 3, "models"),
        ("value", 0, "values"),
    ],
)
def test_a_noun_agrees_with_its_number(noun, n, expected):
    assert plural(noun, n) == expected


def test_a_noun_without_a_number_is_in_the_plural():
    assert plural("query") == "queries"
    assert plural("row") == "rows"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a"], "query 'a'"),
        (["a", 1], "queries 'a', 1"),
        (np.array([1, 2]), "queries 1, 2"),
        (np.array([0.5]), "query 0.5"),
        (np.array(["a", "b"]), "queries 'a', 'b'"),
        (range(5), "queries 0, 1, 2, 3, 4"),
        (range(6), "queries 0, 1, 2, 3, 4, … (6 in all)"),
    ],
)
def test_the_first_five_values_are_listed(values, expected):
    assert list_values(values, "query") == expected


def test_the_number_of_listed_values_can_be_set():
    assert list_values("abc", "row", limit=2) == "rows 'a', 'b', … (3 in all)"
    assert list_values("ab", "row", limit=2) == "rows 'a', 'b'"


def test_a_score_range_becomes_two_floats():
    assert check_score_range(None) is None
    assert check_score_range([0, 10]) == (0.0, 10.0)
    assert [type(end) for end in check_score_range((0, 10))] == [float, float]


@pytest.mark.parametrize(
    "score_range",
    [(1, 0), (0.5, 0.5), (0, np.nan), (0, np.inf), (-np.inf, 1), 5, (0, 1, 2), "01", (False, True)],
)
def test_a_score_range_is_two_finite_numbers(score_range):
    message = "score_range must be two finite numbers, (low, high) with low < high, got "
    with refuses(f"{message}{score_range!r}; None allows every finite score"):
        check_score_range(score_range)


@pytest.mark.parametrize(
    ("scores", "score_range"),
    [
        ([0.0, 1.0, 0.5], (0, 1)),
        ([-2.0, 3.0], (-2, 3)),
        ([-1e308, 1e308], None),
        ([0.0, 1e308], (0, 1e308)),
        ([], (0, 1)),
        ([], None),
    ],
)
def test_good_scores_are_returned_as_they_are(scores, score_range):
    scores = np.array(scores)
    assert check_scores(scores, score_range) is scores


@pytest.mark.parametrize(
    ("scores", "score_range", "message"),
    [
        ([0, np.nan, np.nan], (0, 1), "'score' is NaN in rows 1, 2; drop the rows without a score"),
        ([np.nan], None, "'score' is NaN in row 0; drop the rows without a score"),
        ([0, np.inf, -np.inf], None, "'score' is infinite in rows 1, 2; drop these rows"),
        ([np.inf], (0, 2), "'score' is infinite in row 0; drop these rows"),
        ([0.5, -np.inf], (0, 1), "'score' is infinite in row 1; drop these rows"),
        ([0.5, 1.25, -0.25], (0, 1), "'score' must be in [0, 1], got values 1.25, -0.25 in rows 1, "
                                     "2; rescale them, or {PASS}"),
        ([0.5, 1.5], (0, 1), "'score' must be in [0, 1], got value 1.5 in row 1; rescale them, or "
                             "{PASS}"),
        ([0.5, 2.0], (0, 1), "'score' must be in [0, 1], got value 2.0 in row 1; divide them by "
                             "100 if they are percentages, or {PASS}"),
        ([0.0, 100.0], (0, 1), "'score' must be in [0, 1], got value 100.0 in row 1; divide them "
                               "by 100 if they are percentages, or {PASS}"),
        ([0.0, 101.0], (0, 1), "'score' must be in [0, 1], got value 101.0 in row 1; rescale them, "
                               "or {PASS}"),
        ([-1.0, 50.0], (0, 1), "'score' must be in [0, 1], got values -1.0, 50.0 in rows 0, 1; "
                               "rescale them, or {PASS}"),
        ([0.5, 50.0], (0, 2), "'score' must be in [0, 2], got value 50.0 in row 1; rescale them, "
                              "or {PASS}"),
        ([0.5, 50.0], (-1, 1), "'score' must be in [-1, 1], got value 50.0 in row 1; rescale them, "
                               "or {PASS}"),
        ([0.5], (1, 0), "score_range must be two finite numbers, (low, high) with low < high, got "
                        "(1, 0); None allows every finite score"),
    ],
)  # fmt: skip
def test_bad_scores_are_refused(scores, score_range, message):
    range_remedy = (
        "pass the lowest and the highest possible score as score_range=(low, high), which become "
        "0 and 1 in utilities"
    )
    with refuses(message.replace("{PASS}", range_remedy)):
        check_scores(np.array(scores, dtype=float), score_range)


def test_bad_scores_are_refused_by_the_name_of_their_column():
    with refuses("'grade' is NaN in row 0; drop the rows without a score"):
        check_scores(np.array([np.nan]), (0, 1), column="grade")


def test_costs_are_finite_and_not_negative_or_unknown():
    costs = np.array([0.0, np.nan, 1e300])
    assert check_costs(costs) is costs
    for bad, message in (
        ([1, -0.5, 2, np.inf], "values -0.5, inf in rows 1, 3"),
        ([-np.inf], "value -inf in row 0"),
    ):
        with refuses(
            f"a cost must be finite and not negative, got {message}; NaN stands for an unknown cost"
        ):
            check_costs(np.array(bad, dtype=float))


def test_every_query_needs_an_outcome():
    queries = np.array(["a", "b", "c"], dtype=object)
    check_every_query_has_outcomes([1, 2, 1], queries)
    check_every_query_has_outcomes(np.array([True, True, True]), queries)
    with refuses("no model has an outcome for query 'b'; leave such queries out"):
        check_every_query_has_outcomes([1, 0, 3], queries)
    with refuses("no model has an outcome for queries 'a', 'c'; leave such queries out"):
        check_every_query_has_outcomes(np.array([False, True, False]), queries)


@pytest.mark.parametrize(
    "X", [np.zeros((3, 2)), [[1], [2], [3]], pd.DataFrame({"x": [1, 2, 3]}), ["a", "b", "c"]]
)
def test_features_need_one_row_per_query(X):
    check_n_queries(X, Outcomes.from_array([[1]] * 3))
    message = (
        "X has 3 queries and the outcomes have 2; both must have the same queries in the same order"
    )
    with refuses(message):
        check_n_queries(X, Outcomes.from_array([[1]] * 2))


def test_the_models_must_be_those_of_fit_in_the_same_order():
    outcomes = Outcomes.from_array([[1, 0]], models=["a", "b"])
    check_models(outcomes, np.array(["a", "b"], dtype=object))
    for models in (["b", "a"], ["a"], ["a", "b", "c"]):
        message = r"the outcomes have the models \['a', 'b'\], but fit saw .*subset\(models=\)"
        with pytest.raises(ValueError, match=message):
            check_models(outcomes, np.array(models, dtype=object))
