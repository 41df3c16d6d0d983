"""On how many queries and on which scale figures are, in words."""

import numpy as np

from dars_sklearn import Outcomes
from dars_sklearn.evaluate._report_notes import known_query_notes, scale_notes
from dars_sklearn.evaluate._routing_report import RoutesToReport
from dars_sklearn.metrics._realised_values import RealisedValues

NAN = float("nan")


def test_queries_with_an_outcome_are_counted_by_strategy_and_by_pair():
    realised = RealisedValues(Outcomes.from_array([[1, NAN], [1, 0], [NAN, 1], [0, 1]]))
    routes = RoutesToReport(
        {"mine": [0, 0, 0, 0], "other": [0, 1, 1, 1], "shuffled_labels": [1, 1, 1, 1]},
        {"best_single_model": np.array([1] * 4), "strong_model": np.array([1] * 4)},
    )
    counts, gains = known_query_notes(realised, routes)
    assert "Not all 4 queries have" in counts
    assert counts.endswith(": mine 3, other 4, shuffled labels 3, best single model 3")
    pairs = (
        "mine over best single model 2, mine over shuffled labels 2, "
        "other over best single model 3, other over shuffled labels 3;"
    )
    assert pairs in gains


def test_nothing_is_said_where_every_routed_pair_has_an_outcome():
    realised = RealisedValues(Outcomes.from_array([[1, NAN], [1, 0]]))
    assert known_query_notes(realised, RoutesToReport({"mine": [0, 1]}, {})) == []


def test_the_scale_is_said_where_it_is_not_the_unit_scale():
    (note,) = scale_notes(Outcomes.from_array([[-1, 3]], score_range=(-1, 3)))
    assert "the scale of the scores, -1 to 3;" in note
    assert "on which -1 is 0 and 3 is 1" in note
    for score_range in (None, (0, 1)):
        assert scale_notes(Outcomes.from_array([[1, 0]], score_range=score_range)) == []
