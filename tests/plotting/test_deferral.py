import numpy as np
import pytest

from dars_sklearn import (
    DeferralCurveDisplay,
    DistributionalRouter,
    deferral_curve,
    tune_cost_weight,
)


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
    assert labels == ["kNN", "mixtures of single models"]


def test_a_second_curve_has_another_dash_pattern_and_does_not_repeat_the_models(curve):
    first = DeferralCurveDisplay.from_predictions(curve)
    second = DeferralCurveDisplay.from_predictions(curve, name="second", ax=first.ax_)
    assert second.ax_ is first.ax_
    assert first.line_.get_linestyle() != second.line_.get_linestyle()
    assert second.hull_.get_color() == second.line_.get_color()
    assert len(first.ax_.texts) == 3


def test_the_name_in_the_legend_can_be_replaced(curve):
    display = DeferralCurveDisplay(curve, name="first").plot(name="replaced")
    assert display.line_.get_label() == "replaced"
