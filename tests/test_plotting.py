"""Displays show the numbers that they were given, and are told apart without colour."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    CapabilityDisplay,
    DeferralCurveDisplay,
    DistributionalRouter,
    LabelNoiseDisplay,
    OutcomeAggregator,
    Outcomes,
    ReliabilityDisplay,
    deferral_curve,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.labels import decompose_variance, label_flip_rate, reliability_curve


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(120, 3, 3, 2, random_state=0)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_the_deferral_curve_is_drawn_beside_the_models(data):
    router = DistributionalRouter().fit(data.X[:60], data.outcomes[:60])
    X, outcomes = data.X[60:], data.outcomes[60:]
    display = DeferralCurveDisplay.from_estimator(router, X, outcomes, name="kNN")
    curve = deferral_curve(router, X, outcomes)
    np.testing.assert_allclose(display.line_.get_xdata(), curve.cost)
    np.testing.assert_allclose(display.line_.get_ydata(), curve.score)
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == ["model 0", "model 1", "model 2"]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[0] == "kNN"


def test_a_second_curve_on_the_same_axes_has_its_own_dash(data):
    curve = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=5.0).curve
    first = DeferralCurveDisplay.from_predictions(curve)
    second = DeferralCurveDisplay.from_predictions(curve, name="other", ax=first.ax_)
    assert second.ax_ is first.ax_
    assert first.line_.get_linestyle() != second.line_.get_linestyle()
    assert len(first.ax_.texts) == 3  # the models once


def test_capability_is_drawn_from_the_hardest_query_to_the_easiest(data):
    capability = OutcomeAggregator().fit(data.outcomes).aggregate(data.outcomes)
    display = CapabilityDisplay.from_predictions(capability)
    image = display.axes_[0].images[0].get_array()
    assert image.shape == (3, 120)
    assert (np.diff(image.mean(axis=0)) >= -1e-12).all()
    assert [label.get_text() for label in display.axes_[0].get_yticklabels()] == [
        "model 0", "model 1", "model 2",
    ]  # fmt: skip
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter())
    pipeline.fit(data.X, data.outcomes)
    predicted = CapabilityDisplay.from_estimator(pipeline, data.X[:10])
    assert predicted.axes_[1].images[0].get_array().shape == (3, 10)


def test_label_noise_is_drawn_in_shares(data):
    display = LabelNoiseDisplay.from_outcomes(data.outcomes)
    parts = decompose_variance(data.outcomes)
    widths = [bar.get_width() for bar in display.axes_[0].patches]
    expected = [
        parts.estimate(part, model) / parts.estimate("total", model)
        for part in ("query", "paraphrase", "sample")
        for model in ("model 0", "model 1", "model 2", "overall")
    ]
    np.testing.assert_allclose(widths, expected)
    rates = label_flip_rate(data.outcomes).overall
    assert display.axes_[1].patches[0].get_width() == pytest.approx(rates["two_draws"])
    hatches = {bar.get_hatch() for bar in display.axes_[0].patches}
    assert len(hatches) == 3


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.DarsWarning")
def test_designs_that_cannot_tell_are_drawn_all_the_same(data):
    once = data.outcomes.single_shot(0)
    display = LabelNoiseDisplay.from_outcomes(once)
    assert display.axes_[1].texts[0].get_text() == "unknown"
    constant = Outcomes.from_array(np.ones((5, 2, 2, 2)))
    LabelNoiseDisplay.from_outcomes(constant).figure_.canvas.draw()


def test_reliability_is_drawn_a_line_a_number_of_samples(data):
    display = ReliabilityDisplay.from_outcomes(data.outcomes, n_samples=(1, 4))
    curve = reliability_curve(data.outcomes, (1, 2, 3, 5, 10), (1, 4))
    rows = curve[curve["n_samples"] == 4]
    np.testing.assert_allclose(display.lines_[1].get_ydata(), rows["reliability"])
    assert display.lines_[0].get_marker() != display.lines_[1].get_marker()
    again = ReliabilityDisplay.from_predictions(curve, ax=display.ax_)
    assert again.figure_ is display.figure_
