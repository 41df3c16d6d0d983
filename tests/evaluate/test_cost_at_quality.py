"""How the cost at the quality of the best single model is looked up and shown."""

import numpy as np
import pandas as pd
import pytest

from dars_sklearn.evaluate import CostAtQuality, CostWithinLoss, DeferralCurve
from dars_sklearn.evaluate._cost_comparison import EstimateWithInterval

NAN = float("nan")


def within_loss(max_loss=0.01, difference=(-0.004, -0.009, 0.001), **options):
    fields = {
        "max_loss": max_loss,
        "cost_ratio": (0.69, 0.66, 0.72),
        "score_difference": difference,
        "cost_weights": (0.1, 0.2),
        "single_model": "large",
        "single_cost_ratio": (1.0, 1.0, 1.0),
        "single_score_difference": (0.0, 0.0, 0.0),
        "cost": 6.9,
        "score": 0.796,
    } | options
    fields = {
        name: EstimateWithInterval(*value) if name.endswith(("ratio", "difference")) else value
        for name, value in fields.items()
    }
    return CostWithinLoss(**fields)


def at_quality(*results, **options):
    curve = DeferralCurve(np.zeros(1), np.ones(1), np.ones(1), pd.DataFrame())
    fields = {
        "best_model": "large", "best_cost": 10.0, "best_score": 0.8, "n_queries": 400,
        "level": 0.95, "confidence": 0.9, "curve": curve, "score_range": (0.0, 1.0), "notes": (),
    } | options  # fmt: skip
    return CostAtQuality(results, **fields)


def test_a_shown_saving_is_said_to_be_within_the_loss():
    result = at_quality(within_loss())
    assert result.headline == (
        "31 % cheaper within one point of the best single model (large): cost ratio 0.69 [0.66, "
        "0.72], score difference -0.004 [-0.009, +0.001] (within); no cheaper single model meets "
        "the same rule",
    )
    assert repr(result).split("\n")[0] == (
        "<CostAtQuality on 400 held-out queries, 95% intervals over queries; cost weights chosen "
        "on training queries for a confidence of 90%>"
    )
    assert repr(result).split("\n")[1:] == list(result.headline)


@pytest.mark.parametrize(
    ("max_loss", "low", "is_within"),
    [(0.01, -0.01, True), (0.01, -0.0101, False), (0.0, 0.0, True), (0.0, -0.001, False)],
)
def test_the_lower_limit_decides_whether_a_loss_is_shown(max_loss, low, is_within):
    own = within_loss(max_loss, (0.001, low, 0.01))
    assert own.is_within is is_within
    (sentence,) = at_quality(own).headline
    assert sentence.count("(not shown)") == (not is_within)
    assert sentence.startswith("31 % cheaper within" if is_within else "31 % cheaper, not shown to")


def test_a_cheaper_single_model_stands_beside_the_router():
    own = within_loss(
        single_model="small", single_cost_ratio=(0.5, 0.4, 0.6),
        single_score_difference=(-0.01, -0.03, 0.01),
    )  # fmt: skip
    assert not own.single_is_within
    (sentence,) = at_quality(own).headline
    assert sentence.endswith(
        "cheapest single model by the same rule (small): cost ratio 0.50 [0.40, 0.60], score "
        "difference -0.010 [-0.030, +0.010] (not shown)"
    )


def test_a_saving_that_is_not_shown_is_not_claimed():
    (sentence,) = at_quality(within_loss(cost_ratio=(0.9, 0.7, 1.1))).headline
    assert sentence.startswith("Not shown to be cheaper within one point of the best single model")
    (sentence,) = at_quality(within_loss(cost_weights=(NAN, NAN))).headline
    assert sentence.startswith("No saving within one point of the best single model (large)")


def test_results_are_looked_up_by_their_loss():
    result = at_quality(within_loss(0.0), within_loss(0.02))
    assert result.get(0.02).max_loss == 0.02
    with pytest.raises(KeyError, match=r"max_loss=0.01 is not one of \[0.0, 0.02\]"):
        result.get(0.01)


def test_figures_as_a_table_and_as_html():
    result = at_quality(within_loss(0.0), within_loss(0.02), notes=("a note",))
    table = result.to_frame()
    assert table["strategy"].tolist() == ["router", "large"] * 2
    assert table["max_loss"].tolist() == [0.0, 0.0, 0.02, 0.02]
    assert table["is_within"].tolist() == [False, True, True, True]
    assert table["cost_ratio_high"].tolist() == [0.72, 1.0, 0.72, 1.0]
    html = result._repr_html_()
    assert html.count("<strong>") == 2
    assert "<p>a note</p>" in html
    assert repr(result).endswith("\na note")
