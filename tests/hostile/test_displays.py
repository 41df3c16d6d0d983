"""Displays and HTML of any data: readable, honest about what they show, and never a crash.

Cases of issue 13: 29, and the displays of 23.
"""

import io
import re
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from dars_sklearn import (  # noqa: E402
    CapabilityDisplay,
    DeferralCurveDisplay,
    DistributionalRouter,
    LabelNoiseDisplay,
    Outcomes,
    ReliabilityDisplay,
    evaluate_router,
    routing_report,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes  # noqa: E402
from dars_sklearn.labels import label_flip_rate  # noqa: E402
from dars_sklearn.metrics import routed_cost  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:Glyph .* missing from font:UserWarning"),
    pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.DarsWarning"),
]

HOSTILE_NAMES = {
    "formula": r"$\foo$",
    "dollars": "$$$",
    "unclosed": r"$\frac{",
    "html": "<b>a</b> & `b` <script>",
    "long": "provider/" + "x" * 80,
    "chinese": "模型",
    "emoji": "\N{LLAMA}" * 3,
    "right to left": "نموذج",
    "lines": "first\nsecond\tthird",
    "control": "a\x00b\x1b[31m",
    "hidden": "_model",
    "percent": "100%s {}",
}


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(120, 3, 3, 2, random_state=0)


@pytest.fixture(scope="module")
def router(data):
    return DistributionalRouter().fit(data.X[:60], data.outcomes[:60])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def save(display):
    """Draw a display completely, as a file."""
    display.figure_.savefig(io.BytesIO(), format="png", dpi=20)
    return display


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def random_outcomes(n_queries, models, *, n_paraphrases=2, n_samples=2, seed=0):
    scores = np.random.default_rng(seed).random((n_queries, len(models), n_paraphrases, n_samples))
    return Outcomes.from_array(scores, models=models, costs=np.arange(1.0, len(models) + 1))


def cells(html):
    """Texts of the cells of each row of a table."""
    rows = html.split("<tr")[1:]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]


# ---- CapabilityDisplay -----------------------------------------------------------


@pytest.mark.parametrize("n_queries", [1, 2, 3, 4, 5, 40, 41, 60])
def test_a_map_has_ticks_at_whole_queries_only(data, router, n_queries):
    display = save(CapabilityDisplay.from_estimator(router, data.X[60 : 60 + n_queries]))
    for ax in display.axes_:
        ticks = ax.get_xticks()
        assert set(ticks) <= set(range(n_queries))
        assert ax.get_yticks().tolist() == [0, 1, 2]


def test_a_map_of_the_cost_is_in_the_users_unit(data, router):
    display = CapabilityDisplay.from_estimator(router, data.X[60:], cost_unit="USD")
    cost = router.predict_capability(data.X[60:]).cost[display.order_]
    assert display.axes_[2].get_title() == "cost (USD)"
    np.testing.assert_array_equal(display.axes_[2].images[0].get_array(), cost.T)


def test_the_marked_models_are_the_routes(data, router):
    display = CapabilityDisplay.from_estimator(router, data.X[60:])
    marked = router.models_[display.marks_[0].get_ydata()]
    assert marked.tolist() == router.predict(data.X[60:])[display.order_].tolist()


def test_queries_are_shown_by_their_texts():
    texts = ["What is 2 + 2?", "Is $x^2$ even?", "Capital of Peru?", "long " * 40]
    outcomes = random_outcomes(4, ["a", "b"])
    pipeline = make_pipeline(TfidfVectorizer(), DistributionalRouter()).fit(texts, outcomes)
    for queries in (None, outcomes.with_texts(texts)):
        display = save(CapabilityDisplay.from_estimator(pipeline, texts, queries=queries))
        shown = tick_labels(display.axes_[-1].xaxis)
        for label, row in zip(shown, display.order_, strict=True):
            assert len(label) <= 42
            assert label.replace(r"\$", "$")[:9] == texts[row][:9]


# ---- DeferralCurveDisplay --------------------------------------------------------


def test_a_curve_says_on_which_queries_it_was_computed(data, router):
    titles = {
        rows: DeferralCurveDisplay.from_estimator(router, data.X[part], data.outcomes[part])
        .ax_.get_title()
        for rows, part in (("training", slice(60)), ("held-out", slice(60, None)))
    }  # fmt: skip
    choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=5.0)
    titles["tuning"] = DeferralCurveDisplay.from_choice(choice).ax_.get_title()
    assert "training queries" in titles["training"]
    assert "held-out queries" in titles["held-out"]
    assert "out-of-fold" in titles["tuning"]
    assert choice.promise in titles["tuning"]


def test_a_curve_shows_its_interval_its_unit_and_the_current_cost_weight(data, router):
    X, outcomes = data.X[60:], data.outcomes[60:]
    display = DeferralCurveDisplay.from_estimator(router, X, outcomes, cost_unit="€")
    assert display.ax_.get_xlabel() == "mean cost per query (€)"
    score, edge = display.line_.get_ydata(), display.band_.get_paths()[0].vertices[:, 1]
    assert edge.min() < score.min() < score.max() < edge.max()
    assert display.mark_.get_label() == f"cost weight {router.cost_weight:g}"
    assert display.mark_.get_xdata() == routed_cost(outcomes, router.predict(X))


# ---- LabelNoiseDisplay -----------------------------------------------------------


def test_probabilities_and_shares_end_at_one(data):
    for outcomes in (data.outcomes, Outcomes.from_array(np.ones((5, 2, 2, 2)))):
        display = save(LabelNoiseDisplay.from_outcomes(outcomes))
        for ax in display.axes_:
            assert ax.get_xlim() == (0, 1)
            assert max(ax.get_xticks()) <= 1


def test_a_component_keeps_its_grey_and_hatch_whatever_else_is_drawn(data):
    fills = {}
    for outcomes in (
        data.outcomes,
        data.outcomes.subsample(1, 2, 0),
        data.outcomes.subsample(3, 1, 0),
    ):
        display = LabelNoiseDisplay.from_outcomes(outcomes)
        for component, bars in zip(display.shares, display.axes_[0].containers, strict=True):
            fills.setdefault(component, set()).add((bars[0].get_facecolor(), bars[0].get_hatch()))
    assert set(fills) == {
        "query", "paraphrase", "sample", "query_plus_paraphrase", "paraphrase_plus_sample"
    }  # fmt: skip
    assert all(len(styles) == 1 for styles in fills.values())
    assert len(set.union(*fills.values())) == len(fills)


# ---- ReliabilityDisplay ----------------------------------------------------------


def test_one_wording_is_drawn_and_the_title_says_what_it_means(data):
    display = save(ReliabilityDisplay.from_outcomes(data.outcomes.subsample(1, 2, 0)))
    assert np.isfinite(display.lines_[0].get_ydata()).all()
    assert "exactly this wording" in display.ax_.get_title()
    assert display.ax_.get_xlabel() == "samples per paraphrase"


@pytest.mark.parametrize("numbers", [(1,), (1, 2, 3, 5, 10), (7, 2), (1, 2, 500)])
def test_ticks_of_a_reliability_curve_are_its_points(data, numbers):
    display = save(ReliabilityDisplay.from_outcomes(data.outcomes, n_paraphrases=numbers))
    points = {x for line in display.lines_ for x in line.get_xdata()}
    assert display.ax_.get_xticks().tolist() == sorted(points)
    assert display.ax_.get_ylim() == (0, 1)


# ---- names, sizes and values -----------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_any_name_can_be_drawn(name):
    outcomes = random_outcomes(12, [name, "b"]).with_texts([f"{name} {row}" for row in range(12)])
    X = np.random.default_rng(0).random((12, 2))
    router = DistributionalRouter().fit(X, outcomes)
    capability = save(CapabilityDisplay.from_estimator(router, X, queries=outcomes))
    curve = save(
        DeferralCurveDisplay.from_estimator(router, X, outcomes, name=name, cost_unit=name)
    )
    noise = save(LabelNoiseDisplay.from_outcomes(outcomes))
    save(ReliabilityDisplay.from_outcomes(outcomes))
    assert len(curve.ax_.get_legend().get_texts()) == 4
    shown = {tick_labels(display.axes_[0].yaxis)[0] for display in (capability, noise)}
    assert len(shown) == 1
    assert len(shown.pop().replace("\\", "")) <= 32


def test_long_names_that_differ_in_the_middle_stay_different_and_leave_room(recwarn):
    names = ["x" * 40 + middle + "y" * 40 for middle in "abc"]
    outcomes = random_outcomes(12, names)
    X = np.random.default_rng(0).random((12, 2))
    router = DistributionalRouter().fit(X, outcomes)
    texts = [f"{names[0]}{row}{names[1]}" for row in range(12)]
    capability = save(CapabilityDisplay.from_estimator(router, X, queries=texts))
    curve = save(DeferralCurveDisplay.from_estimator(router, X, outcomes))
    noise = save(LabelNoiseDisplay.from_outcomes(outcomes))
    shown = tick_labels(capability.axes_[0].yaxis)
    assert shown == tick_labels(noise.axes_[0].yaxis)[:3]
    assert shown == [text.get_text() for text in curve.ax_.texts]
    assert len(set(shown)) == 3
    assert len(set(tick_labels(capability.axes_[-1].xaxis))) == 12
    assert not [warning for warning in recwarn if "collapsed" in str(warning.message)]


@pytest.mark.parametrize("n_models", [1, 71])
def test_one_model_and_many_models_can_be_drawn(n_models):
    outcomes = random_outcomes(5, [f"model {number}" for number in range(n_models)])
    X = np.random.default_rng(0).random((5, 2))
    router = DistributionalRouter().fit(X, outcomes)
    for display in (
        CapabilityDisplay.from_estimator(router, X),
        DeferralCurveDisplay.from_estimator(router, X, outcomes),
        LabelNoiseDisplay.from_outcomes(outcomes),
        ReliabilityDisplay.from_outcomes(outcomes),
    ):
        save(display)


def test_a_single_query_can_be_drawn(router, data):
    save(CapabilityDisplay.from_estimator(router, data.X[60:61]))
    save(DeferralCurveDisplay.from_estimator(router, data.X[60:61], data.outcomes[60:61]))
    save(LabelNoiseDisplay.from_outcomes(data.outcomes[:1]))
    with pytest.raises(ValueError, match="at least 3 queries"):
        ReliabilityDisplay.from_outcomes(data.outcomes[:1])


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=60), st.floats(0, 1) | st.just(float("nan"))),
        min_size=1, max_size=6, unique_by=lambda pair: pair[0],
    ),
    st.integers(1, 50),
)  # fmt: skip
def test_any_texts_and_values_are_drawn(models, n_queries):
    names, values = zip(*models, strict=True)
    table = np.tile(values, (n_queries, 1))
    capability = SimpleNamespace(quality=table, risk=table, cost=table)
    display = save(
        CapabilityDisplay.from_predictions(
            capability, models=names, routes=[names[0]] * n_queries,
            queries=[names[row % len(names)] for row in range(n_queries)],
        )
    )  # fmt: skip
    assert len(display.axes_) == (2 if np.isnan(values).all() else 3)
    plt.close("all")


# ---- HTML ------------------------------------------------------------------------


def test_the_first_table_of_a_report_has_the_main_metrics_and_no_empty_columns(data):
    report = evaluate_router(DistributionalRouter(), data.X, data.outcomes, n_resamples=50)
    html = report._repr_html_()
    first, others, shares, _ = html.split("<table")[1:]
    assert cells(first)[0] == ["", "score", "cost", "utility", "gain over best single model"]
    assert [row[0] for row in cells(first)][1:3] == ["router", "shuffled labels"]
    names = [row[0] for row in cells(others)[1:]]
    assert "gain over matched random routing" in names
    assert not {"score", "cost", "utility"} & set(names)
    assert all(any(row[1:]) for row in cells(others)[1:])
    assert "further metrics" in others
    assert "shares of queries" in shares
    for note in report.notes:
        assert note.replace("&", "&amp;") in html


def test_shares_are_shown_of_models_that_queries_are_sent_to_only():
    outcomes = random_outcomes(20, [f"model {number}" for number in range(71)])
    routes = {"mine": ["model 3"] * 10 + ["model 70"] * 10}
    html = routing_report(outcomes, routes, n_resamples=10)._repr_html_()
    shares = html.split("<table")[-1]
    assert cells(shares)[1:] == [["model 3", "0.50"], ["model 70", "0.50"]]
    assert "(69 of 71 models receive none)" in shares


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_names_are_escaped_in_html_and_never_read_as_formulas(name):
    outcomes = random_outcomes(20, [name, "b"])
    report = routing_report(outcomes, {name: [name, "b"] * 10}, n_resamples=10)
    for result in (report, outcomes):
        html = result._repr_html_()
        assert "<b>" not in html
        assert "<script>" not in html
        assert "mathjax_ignore" in html
        if name.isalnum() or name == HOSTILE_NAMES["formula"]:
            assert name in html


def test_a_choice_of_a_cost_weight_is_shown_as_a_table(data):
    choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=5.0)
    html = choice._repr_html_()
    rows = {row[0]: row[1:] for row in cells(html)}
    assert rows["cost weight"][0] == f"{choice.cost_weight:.4g}"
    assert rows["expected cost per query"] == [f"{value:.4g}" for value in choice.cost]
    assert rows["expected score per query"] == [f"{value:.4g}" for value in choice.score]
    assert choice.promise in html
    assert f"is worth {choice.answer_value:.4g}" in html


def test_flip_rates_are_shown_as_a_table_that_leads_with_the_rate_ties_do_not_inflate(data):
    rates = label_flip_rate(data.outcomes)
    rows = cells(rates._repr_html_())[1:]
    assert [row[0].split("(")[-1] for row in rows] == [
        "disjoint)", "ties)", "two_draws)", "against_rest)"
    ]  # fmt: skip
    assert [row[1] for row in rows] == [f"{rate:.3f}" for rate in rates.overall]
    unknown = label_flip_rate(data.outcomes.single_shot(0))._repr_html_()
    assert cells(unknown)[1][1:] == ["", "0"]


def test_every_model_of_outcomes_has_a_row_in_html():
    scores = pd.DataFrame({"seen": [1.0, 0.0], "not seen": [np.nan, np.nan]})
    outcomes = Outcomes.from_array(scores)
    assert cells(outcomes._repr_html_())[1:] == [
        ["seen", "2", "0.5", "0.7071"], ["not seen", "0", "", ""]
    ]  # fmt: skip
