import numpy as np

from dars_sklearn import ReliabilityDisplay
from dars_sklearn.labels import reliability_curve


def test_reliability_is_drawn_as_one_line_per_number_of_samples(data):
    display = ReliabilityDisplay.from_outcomes(data.outcomes, n_samples=(1, 4))
    curve = reliability_curve(data.outcomes, (1, 2, 3, 5, 10), (1, 4))
    assert len(display.lines_) == 2
    rows = curve[curve["n_samples"] == 4]
    np.testing.assert_allclose(display.lines_[1].get_xdata(), rows["n_paraphrases"])
    np.testing.assert_allclose(display.lines_[1].get_ydata(), rows["reliability"])
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["1", "4"]


def test_lines_differ_in_dash_pattern_and_marker(data):
    first, second = ReliabilityDisplay.from_outcomes(data.outcomes, n_samples=(1, 4)).lines_
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_marker() != second.get_marker()


def test_a_curve_is_drawn_on_the_axes_that_are_given(data):
    first = ReliabilityDisplay.from_outcomes(data.outcomes)
    second = ReliabilityDisplay.from_predictions(first.curve, ax=first.ax_)
    assert second.figure_ is first.figure_
    assert len(first.ax_.lines) == 8
