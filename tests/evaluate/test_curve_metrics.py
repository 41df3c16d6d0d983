"""Metrics of a router's curve in a report, and why some are not shown."""

import numpy as np
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._curve_metrics import curve_metrics, nan_if_undefined
from dars_sklearn.evaluate._routing_report import RoutesToReport
from dars_sklearn.metrics import aiq, call_performance_threshold
from dars_sklearn.metrics._realised_values import RealisedValues

NAN = float("nan")


def metrics_of(scores, costs, *, weak, strong):
    """Metrics and notes of a router that prefers model 1 on every other query."""
    n = len(scores)
    realised = RealisedValues(Outcomes.from_array(scores, costs=costs))
    intercept = np.column_stack([np.zeros(n), np.where(np.arange(n) % 2, 1.0, 0.25)])
    changes = sweep_cost_weight(intercept, np.broadcast_to(costs, (n, 2)).astype(float))
    fixed = {"cheapest_model": np.full(n, weak), "strong_model": np.full(n, strong)}
    rows, notes = curve_metrics(realised, RoutesToReport({}, fixed, changes=changes))
    assert {row[0] for row in rows} <= {"router"}
    return {row[1]: row[2] for row in rows}, notes


def test_all_metrics_are_there_where_all_are_defined():
    figures, notes = metrics_of([[0, 1]] * 4, [1.0, 3.0], weak=0, strong=1)
    assert notes == []
    assert list(figures) == ["aiq", "apgr", "cpt_50", "cpt_80"]
    # All on the cheap model, half of the queries on each, or all on the strong one: a line.
    assert figures["aiq"] == pytest.approx(aiq([1, 2, 3], [0, 0.5, 1], cost_range=(1, 3)))
    assert figures["cpt_50"] == pytest.approx(0.5)


def test_a_route_without_an_outcome_leaves_out_all():
    figures, notes = metrics_of([[0, 1], [NAN, 1]], [1.0, 3.0], weak=0, strong=1)
    assert figures == {}
    assert notes == [
        "AIQ, APGR, CPT(50 %) and CPT(80 %) are not shown: at some cost "
        "weight, a query is routed to a model that has no outcome for it"
    ]


def test_undefined_metrics_of_one_reason_are_in_one_note():
    figures, notes = metrics_of([[1, 0]] * 4, [1.0, 3.0], weak=0, strong=1)
    assert np.isnan([figures[name] for name in ("apgr", "cpt_50", "cpt_80")]).all()
    (note,) = notes
    assert note.startswith("APGR, CPT(50 %) and CPT(80 %) are not shown: the strong model (cost 3,")


def test_models_of_one_cost_have_no_aiq():
    figures, notes = metrics_of([[0, 1]] * 4, [2.0, 2.0], weak=0, strong=1)
    assert "aiq" not in figures
    assert "AIQ is not shown: all models have the same mean cost" in notes


def test_the_warning_of_an_undefined_metric_is_the_reason():
    ends = {"weak": (1.0, 0.5), "strong": (2.0, 0.25)}
    value, reason = nan_if_undefined(call_performance_threshold, [1.0], [0.5], 0.5, **ends)
    assert np.isnan(value)
    assert reason.startswith("the strong model (cost 2, score 0.25) is not both more expensive")
    ends["strong"] = (2.0, 1.0)
    found = nan_if_undefined(call_performance_threshold, [1.0], [0.75], 0.5, **ends)
    assert found == (0.0, None)
