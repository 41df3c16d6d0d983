import numpy as np
import pytest

from dars_sklearn import LabelNoiseDisplay, Outcomes
from dars_sklearn.labels import decompose_variance, label_flip_rate


def test_variance_components_are_drawn_as_shares_of_the_total(data):
    display = LabelNoiseDisplay.from_outcomes(data.outcomes)
    decomposition = decompose_variance(data.outcomes)
    widths = [bar.get_width() for bar in display.axes_[0].patches]
    expected = [
        decomposition.estimate(component, model) / decomposition.estimate("total", model)
        for component in ("query", "paraphrase", "sample")
        for model in ("model 0", "model 1", "model 2", "overall")
    ]
    np.testing.assert_allclose(widths, expected)
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert labels == ["model 0", "model 1", "model 2", "differences"]


def test_variance_components_differ_in_hatch(data):
    display = LabelNoiseDisplay.from_outcomes(data.outcomes)
    assert len({bar.get_hatch() for bar in display.axes_[0].patches}) == 3


def test_flip_rates_are_drawn_with_their_percentages(data):
    weights = {"cost_weight": 0.5, "cost_range": (0.0, 10.0)}
    display = LabelNoiseDisplay.from_outcomes(data.outcomes, **weights)
    rates = label_flip_rate(data.outcomes, **weights).overall
    widths = [bar.get_width() for bar in display.axes_[1].patches]
    np.testing.assert_allclose(
        widths, rates[["two_draws", "against_rest", "ties", "disjoint"]].to_numpy()
    )
    assert display.axes_[1].texts[0].get_text() == f"{rates['two_draws']:.0%}"


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.SeparabilityWarning")
def test_components_that_are_not_identifiable_are_drawn_as_their_sum(data):
    one_sample = Outcomes.from_array(data.outcomes.score.reshape(120, 3, 6, 1))
    display = LabelNoiseDisplay.from_outcomes(one_sample)
    labels = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert labels == ["query", "paraphrase + sample"]


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.DarsWarning")
def test_flip_rates_that_are_not_identifiable_are_drawn_as_unknown(data):
    display = LabelNoiseDisplay.from_outcomes(data.outcomes.single_shot(0))
    assert display.axes_[1].texts[0].get_text() == "unknown"
    assert display.axes_[1].patches[0].get_width() == 0


def test_constant_scores_are_drawn_without_variance():
    display = LabelNoiseDisplay.from_outcomes(Outcomes.from_array(np.ones((5, 2, 2, 2))))
    display.figure_.canvas.draw()
    assert all(bar.get_width() == 0 for bar in display.axes_[0].patches)
