"""How a report is looked up and shown."""

import numpy as np
import pandas as pd
import pytest

from dars_sklearn import routing_report
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate import RoutingReport

NAN = float("nan")
ROWS = [
    ("router", "score", 0.5, 0.25, 0.75),
    ("router", "cost", 123.456789, 100.0, 150.0),
    ("router", "gain_over_matched_random", 0.125, 0.1, 0.15),
    ("router", "cpt_50", 0.4, NAN, NAN),
    ("router", "apgr", NAN, NAN, NAN),
    ("shuffled_labels", "score", 0.4, 0.3, 0.5),
    ("best_single_model", "score", 0.45, 0.3, 0.6),
    ("random_routing", "score", 0.3, 0.2, 0.4),
    ("oracle_crossfitted", "utility", 0.9, 0.8, 1.0),
    ("oracle_naive", "utility", 0.95, NAN, NAN),
]


def make_report(rows=ROWS, **options):
    table = pd.DataFrame(rows, columns=["strategy", "metric", "estimate", "low", "high"])
    shares = pd.DataFrame({"m1": [0.25, 1.0], "m2": [0.75, 0.0]}, ["router", "shuffled_labels"])
    options = {"n_queries": 40, "level": 0.9} | options
    return RoutingReport(table, shares, {"best_single_model": "m1"}, **options)


def shown(report):
    """Estimates as they are shown, by strategy and metric."""
    wide = report._wide()
    return {(row, column): wide.loc[row, column] for row in wide.index for column in wide}


def test_a_metric_is_looked_up_with_its_interval():
    report = make_report()
    assert report.get("score") == (0.5, 0.25, 0.75)
    assert report.get("score", "shuffled_labels") == (0.4, 0.3, 0.5)
    assert report.get("utility", strategy="oracle_naive")[0] == 0.95
    assert report.to_frame().equals(report.table)


@pytest.mark.parametrize(
    ("metric", "strategy"), [("utility", "router"), ("score", "other"), ("cost", "random_routing")]
)
def test_a_metric_that_is_not_there_is_named(metric, strategy):
    with pytest.raises(KeyError, match=f"no metric '{metric}' of strategy '{strategy}'"):
        make_report().get(metric, strategy)


def test_the_names_to_look_up_are_listed():
    with pytest.raises(KeyError, match="'score', 'cost', 'gain_over_matched_random'"):
        make_report().get("gain over matched random routing")
    with pytest.raises(KeyError, match="its strategies are .*'shuffled_labels'.*'oracle_naive'"):
        make_report().get("score", "shuffled labels")


def test_what_rounding_leaves_of_zero_is_shown_as_zero():
    rows = [
        ("router", "score", 0.5, 0.25, 0.75),
        ("router", "gain_over_best_single_model", 7.755e-17, 6.7e-17, 8e-17),
        ("router", "regret", -3e-17, -0.25, 2e-16),
        ("router", "cost", 3e-13, 2e-13, 4e-13),  # a cost may be that low
    ]
    cells = shown(make_report(rows))
    assert cells["router", "gain over best single model"] == "0 [0, 0]"
    assert cells["router", "regret"] == "0 [-0.25, 0]"
    assert cells["router", "cost"] == "3e-13 [2e-13, 4e-13]"


def test_notes_are_added_after_those_of_a_report():
    report = make_report(notes=("first",)).with_notes(["second", "third"])
    assert report.notes == ("first", "second", "third")
    assert repr(report).split("\n")[1:4] == ["first", "second", "third"]


def test_identifiers_are_shown_as_words():
    cells = shown(make_report())
    assert cells["router", "score"] == "0.5 [0.25, 0.75]"
    assert cells["router", "cost"] == "123.5 [100, 150]"
    assert cells["router", "gain over matched random routing"] == "0.125 [0.1, 0.15]"
    assert cells["router", "CPT(50 %)"] == "0.4"
    assert cells["shuffled labels", "score"] == "0.4 [0.3, 0.5]"
    assert cells["best single model (m1)", "score"] == "0.45 [0.3, 0.6]"
    assert cells["random routing", "score"] == "0.3 [0.2, 0.4]"
    assert cells["oracle, cross-fitted (lower bound)", "utility"] == "0.9 [0.8, 1]"
    assert cells["oracle, naive (upper bound)", "utility"] == "0.95"
    assert cells["random routing", "cost"] == ""
    assert not any(column == "APGR" for _, column in cells)


def test_rows_and_columns_are_in_the_order_of_the_table():
    wide = make_report()._wide()
    assert wide.index.tolist() == [
        "router", "shuffled labels", "best single model (m1)", "random routing",
        "oracle, cross-fitted (lower bound)", "oracle, naive (upper bound)",
    ]  # fmt: skip
    assert wide.columns.tolist() == [
        "score", "cost", "gain over matched random routing", "CPT(50 %)", "utility"
    ]  # fmt: skip
    assert wide.index.name is None
    assert wide.columns.name is None


def test_a_choice_in_hindsight_and_the_oracles_knowledge_are_shown():
    report = make_report(in_hindsight=True, oracle_label="oracle that knows the wording")
    assert "best single model (m1, in hindsight)" in report._wide().index
    assert "oracle that knows the wording (lower bound)" in report._wide().index
    assert "hindsight" not in repr(make_report())


def test_the_main_metrics_are_shown_before_the_others():
    main, others, shares = repr(make_report()).split("\n\n")
    title, header = main.split("\n")[:2]
    assert title == "<RoutingReport on 40 queries, 90% intervals over queries>"
    assert header.split() == ["score", "cost", "utility"]
    assert [line.split("  ")[0] for line in others.split("\n")[1:]] == [
        "gain over matched random routing", "CPT(50 %)"
    ]  # fmt: skip
    assert shares.startswith("shares of queries")
    assert shares.split("\n")[2].split() == ["router", "0.25", "0.75"]


def test_a_report_is_shown_as_html():
    html = make_report()._repr_html_()
    assert "<p>RoutingReport on 40 queries, 90% intervals over queries</p>" in html
    assert "best single model (m1)" in html
    assert "<td>0.25</td>" in html
    assert html.count("<table") == 3


def test_routes_may_be_named_like_the_label_of_a_baseline():
    data = make_routing_outcomes(20, 2, 2, 1, random_state=0)
    routes = {"random routing": data.outcomes.models[data.best], "oracle, naive": ["model 0"] * 20}
    report = routing_report(data.outcomes, routes, n_resamples=10)
    wide = report._wide()
    assert wide.index.tolist().count("random routing") == 2
    assert f"{report.get('score', 'random routing')[0]:.4g} " in wide["score"].iloc[0]
    assert "random routing" in repr(report)


def test_names_of_routes_that_are_not_texts_are_shown():
    data = make_routing_outcomes(20, 2, 2, 1, random_state=0)
    report = routing_report(data.outcomes, {3: data.outcomes.models[data.best]}, n_resamples=10)
    assert "3" in report._wide().index.tolist()
    assert not np.isnan(report.get("score", 3)[0])
