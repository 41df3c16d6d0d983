import matplotlib.pyplot as plt
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
        for model in ("model 0", "model 1", "model 2", None)
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
        widths, rates[["disjoint", "ties", "two_draws", "against_rest"]].to_numpy()
    )
    assert display.axes_[1].texts[0].get_text() == f"{rates['disjoint']:.0%}"
    assert display.axes_[1].get_xlim() == display.axes_[0].get_xlim() == (0, 1)


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
    assert {text.get_text() for text in display.axes_[0].texts} == {"unknown, or no variance"}


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.SeparabilityWarning")
def test_a_component_has_the_same_fill_in_every_figure(data):
    one_wording = data.outcomes.subsample(1, 2, random_state=0)
    fills = {}
    for outcomes in (data.outcomes, one_wording, data.outcomes.subset(["model 0", "model 1"])):
        display = LabelNoiseDisplay.from_outcomes(outcomes)
        for component, bars in zip(display.shares, display.axes_[0].containers, strict=True):
            fill = (bars[0].get_facecolor(), bars[0].get_hatch())
            assert fills.setdefault(component, fill) == fill
    assert len(set(fills.values())) == len(fills) == 4


def test_variance_components_and_flip_rates_can_be_drawn_alone(data):
    decomposition, rates = decompose_variance(data.outcomes), label_flip_rate(data.outcomes)
    shares = LabelNoiseDisplay.from_predictions(decomposition)
    assert [ax.get_xlabel() for ax in shares.axes_] == ["share of the variance of a single score"]
    _, ax = plt.subplots()
    flips = LabelNoiseDisplay.from_predictions(flip_rates=rates, ax=ax)
    assert flips.axes_.tolist() == [ax]
    assert ax.get_xlabel() == "mean probability"
    with pytest.raises(ValueError, match="variance components, flip rates, or both"):
        LabelNoiseDisplay.from_predictions()


def test_variance_components_of_two_queries_are_unknown(data):
    display = LabelNoiseDisplay.from_outcomes(data.outcomes[:2])
    assert display.axes_[0].get_title() == "variance components need at least 3 queries"
    assert display.axes_[1].patches[0].get_width() > 0


def test_models_may_be_named_like_the_rows_of_the_differences(data):
    outcomes = Outcomes.from_array(
        data.outcomes.score.reshape(120, 3, 3, 2), models=["overall", "differences", "c"]
    )
    display = LabelNoiseDisplay.from_outcomes(outcomes)
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert labels == ["overall", "differences", "c", "differences"]
    assert display.shares.sum(axis=1).tolist() == pytest.approx([1] * 4)
