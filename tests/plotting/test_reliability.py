import numpy as np
import pytest

from dars_sklearn import Outcomes, ReliabilityDisplay
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


def test_ticks_are_at_the_points(data):
    display = ReliabilityDisplay.from_outcomes(data.outcomes, n_paraphrases=(1, 2, 40))
    assert display.ax_.get_xticks().tolist() == [1, 2, 40]
    assert display.ax_.get_xticks(minor=True).tolist() == []
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["1", "2", "40"]
    ReliabilityDisplay.from_outcomes(data.outcomes, n_paraphrases=(3,), ax=display.ax_)
    assert display.ax_.get_ylim() == (0, 1)


def test_one_wording_is_drawn_by_the_number_of_samples(data):
    one_wording = data.outcomes.subsample(1, 2, random_state=0)
    display = ReliabilityDisplay.from_outcomes(one_wording, n_samples=(1, 4))
    curve = reliability_curve(one_wording, (1,), (1, 4), wording="fixed")
    (line,) = display.lines_
    assert line.get_xdata().tolist() == [1, 4]
    np.testing.assert_allclose(line.get_ydata(), curve["reliability"])
    assert display.ax_.get_xlabel() == "samples per paraphrase"
    assert "exactly this wording" in display.ax_.get_title()


def test_one_sample_is_drawn_for_one_sample(data):
    display = ReliabilityDisplay.from_outcomes(data.outcomes.subsample(3, 1, random_state=0))
    (line,) = display.lines_
    assert line.get_label() == "1"
    assert "one sample per paraphrase" in display.ax_.get_title()


def test_one_model_is_drawn_by_its_power_to_distinguish_queries(data):
    outcomes = data.outcomes.subset(["model 2"])
    display = ReliabilityDisplay.from_outcomes(outcomes, n_samples=(2,))
    curve = reliability_curve(outcomes, (1, 2, 3, 5, 10), (2,), kind="model")
    np.testing.assert_allclose(display.lines_[0].get_ydata(), curve["reliability"])
    assert "one model" in display.ax_.get_title()


def test_what_is_not_identifiable_at_all_is_refused(data):
    with pytest.raises(ValueError, match="not identifiable; collect several samples"):
        ReliabilityDisplay.from_outcomes(data.outcomes.single_shot(0))


def test_the_reliability_of_constant_scores_is_unknown():
    display = ReliabilityDisplay.from_outcomes(Outcomes.from_array(np.ones((5, 2, 2, 2))))
    assert display.ax_.texts[0].get_text() == "unknown: the scores do not vary"
    display.figure_.canvas.draw()


def test_a_number_of_samples_has_the_same_colour_in_every_figure(data):
    some = ReliabilityDisplay.from_outcomes(data.outcomes, n_samples=(1, 5)).lines_
    more = ReliabilityDisplay.from_outcomes(data.outcomes, n_samples=(1, 2, 5)).lines_
    assert some[1].get_color() == more[2].get_color() != more[1].get_color()


def test_a_single_point_has_its_interval(data):
    display = ReliabilityDisplay.from_outcomes(data.outcomes, n_paraphrases=(3,), n_samples=(2,))
    (bar,) = display.ax_.collections[-1].get_segments()
    assert bar[:, 1].tolist() == display.curve[["low", "high"]].iloc[0].tolist()
