from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from dars_sklearn import (
    DeferralCurveDisplay,
    DistributionalRouter,
    Outcomes,
    cost_at_quality,
    deferral_curve,
    tune_cost_weight,
)
from dars_sklearn.evaluate import DeferralCurve
from dars_sklearn.metrics import routed_cost, routed_score


@pytest.fixture
def curve(data):
    return tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=5.0).curve


def test_the_curve_of_a_router_is_drawn_beside_the_models(data):
    router = DistributionalRouter().fit(data.X[:60], data.outcomes[:60])
    X, outcomes = data.X[60:], data.outcomes[60:]
    display = DeferralCurveDisplay.from_estimator(router, X, outcomes, name="kNN")
    curve = deferral_curve(router, X, outcomes)
    np.testing.assert_allclose(display.line_.get_xdata(), curve.cost)
    np.testing.assert_allclose(display.line_.get_ydata(), curve.score)
    np.testing.assert_allclose(np.array(display.hull_.get_data()), np.array(curve.hull))
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == ["model 0", "model 1", "model 2"]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == [
        "kNN", "95% interval over queries", "cost weight 0.05", "mixtures of single models"
    ]  # fmt: skip
    band = display.band_.get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((curve.score + 1.95996 * curve.score_error).max())
    assert display.ax_.get_title() == "score against cost on held-out queries"
    assert display.ax_.get_xlabel() == "mean cost per query (unit of the costs)"


def test_a_second_curve_has_another_dash_pattern_and_does_not_repeat_the_models(curve):
    first = DeferralCurveDisplay.from_predictions(curve)
    second = DeferralCurveDisplay.from_predictions(curve, name="second", ax=first.ax_)
    assert second.ax_ is first.ax_
    assert first.line_.get_linestyle() != second.line_.get_linestyle()
    assert second.hull_.get_color() == second.line_.get_color()
    assert second.line_.get_label() == "second"
    other = DeferralCurve(
        curve.cost_weight, curve.cost, curve.score, curve.models, current=(0.1, 5.0, 0.5)
    )
    third, fourth = (DeferralCurveDisplay.from_predictions(other, ax=first.ax_) for _ in range(2))
    assert third.mark_.get_marker() != fourth.mark_.get_marker()
    texts = [text.get_text() for text in first.ax_.get_legend().get_texts()]
    assert texts.count("95% interval over queries") == 1
    assert len(first.ax_.texts) == 3


def test_the_name_in_the_legend_can_be_replaced(curve):
    display = DeferralCurveDisplay(curve, name="first").plot(name="replaced")
    assert display.line_.get_label() == "replaced"


def test_the_cost_weight_of_the_router_is_marked(data):
    router = DistributionalRouter(cost_weight=0.8).fit(data.X[:60], data.outcomes[:60])
    X, outcomes = data.X[60:], data.outcomes[60:]
    display = DeferralCurveDisplay.from_estimator(router, X, outcomes, cost_unit="USD")
    routes = router.predict(X)
    ((cost, score),) = display.mark_.get_xydata()
    assert cost == pytest.approx(routed_cost(outcomes, routes))
    assert score == pytest.approx(routed_score(outcomes, routes))
    assert display.mark_.get_label() == "cost weight 0.8"
    assert display.ax_.get_xlabel() == "mean cost per query (USD)"


def test_a_curve_on_training_queries_says_so(data):
    router = DistributionalRouter().fit(data.X[:60], data.outcomes[:60])
    training = DeferralCurveDisplay.from_estimator(router, data.X[:60], data.outcomes[:60])
    assert training.ax_.get_title() == "score against cost on the router's training queries"
    held_out = DeferralCurveDisplay.from_estimator(router, data.X[60:], data.outcomes[60:])
    DeferralCurveDisplay.from_estimator(
        router, data.X[:60], data.outcomes[:60], name="same", ax=held_out.ax_
    )
    assert held_out.ax_.get_title() == "score against cost on held-out queries"
    labels = [text.get_text() for text in held_out.ax_.get_legend().get_texts()]
    assert "same (on the router's training queries)" in labels


def test_a_chosen_cost_weight_is_marked_with_its_promise(data):
    choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=5.0)
    display = DeferralCurveDisplay.from_choice(choice)
    assert display.mark_.get_xydata().tolist() == [[choice.cost[0], choice.score[0]]]
    assert display.mark_.get_label() == f"chosen cost weight {choice.cost_weight:.3g}"
    assert display.ax_.get_title() == (
        "score against cost on out-of-fold predictions\nchosen for a mean cost of at most 5 at 90%"
    )
    ends = [
        bar.get_segments()[0] for bar in display.ax_.collections if hasattr(bar, "get_segments")
    ]
    np.testing.assert_allclose(np.array(ends)[0, :, 0], choice.cost[1:])
    np.testing.assert_allclose(np.array(ends)[1, :, 1], choice.score[1:])


def test_only_models_on_the_hull_are_named_where_there_are_many():
    costs = np.arange(1.0, 31)
    models = pd.DataFrame({"cost": costs, "score": np.where(costs == 7, 0.9, 0.5)})
    curve = DeferralCurve(np.zeros(1), np.ones(1), np.ones(1), models)
    display = DeferralCurveDisplay.from_predictions(curve)
    assert [text.get_text() for text in display.ax_.texts] == ["0", "6"]
    assert display.band_ is None
    assert display.mark_ is None


def test_a_single_point_has_its_interval():
    models = pd.DataFrame({"cost": [2.0], "score": [0.5]}, index=["a"])
    curve = DeferralCurve(
        np.zeros(1), np.array([2.0]), np.array([0.5]), models, score_error=np.array([0.1])
    )
    display = DeferralCurveDisplay.from_predictions(curve)
    (bar,) = display.ax_.collections[0].get_segments()
    np.testing.assert_allclose(bar, [[2, 0.304], [2, 0.696]], atol=1e-3)


def test_routed_pairs_without_outcomes_can_be_skipped(data):
    router = DistributionalRouter().fit(data.X[:60], data.outcomes[:60])
    scores = data.outcomes[60:].to_array()
    scores[0, 1:] = np.nan
    outcomes = Outcomes.from_array(scores, models=router.models_, costs=[1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="no outcome"):
        DeferralCurveDisplay.from_estimator(router, data.X[60:], outcomes)
    display = DeferralCurveDisplay.from_estimator(router, data.X[60:], outcomes, missing="skip")
    assert np.isfinite(display.line_.get_ydata()).all()


def test_the_cost_at_quality_is_marked_with_its_intervals(data):
    result = cost_at_quality(DistributionalRouter(), data.X, data.outcomes, max_loss=[0.02, 0.2])
    display = DeferralCurveDisplay.from_cost_at_quality(result, name="kNN")
    np.testing.assert_allclose(display.line_.get_xdata(), result.curve.cost)
    assert display.mark_ is None
    assert display.ax_.get_title() == "score against cost on held-out queries"
    own = result.get(0.02)
    assert display.quality_marks_[0].get_xydata().tolist() == [[own.cost, own.score]]
    label = f"cost ratio {own.cost_ratio[0]:.2f} within two points"
    verdict = "" if own.is_within else ", not shown"
    assert display.quality_marks_[0].get_label() == label + verdict
    ends = [
        lines.get_segments()[0] for lines in display.ax_.collections
        if isinstance(lines, LineCollection)
    ]  # fmt: skip
    cost_ends = [end * result.best_cost for end in own.cost_ratio[1:]]
    np.testing.assert_allclose(ends[0][:, 0], cost_ends)
    np.testing.assert_allclose(
        ends[1][:, 1], [result.best_score + end for end in own.score_difference[1:]]
    )
    heights = [line.get_ydata()[0] for line in display.ax_.lines if len(line.get_xdata()) == 2]
    for loss in (0.02, 0.2):
        assert np.isclose(heights, result.best_score - loss).any()


def test_a_loss_that_no_cost_weight_keeps_has_no_mark(data):
    result = cost_at_quality(DistributionalRouter(), data.X, data.outcomes, max_loss=0.0)
    refused = result.results[0]._replace(cost_weights=(np.nan, np.nan))
    display = DeferralCurveDisplay.from_cost_at_quality(replace(result, results=(refused,)))
    assert display.quality_marks_ == []
