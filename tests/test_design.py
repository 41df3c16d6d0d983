"""Subsamples, and designs of equal price."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from dars_sklearn import DistributionalRouter, Outcomes, plan_design
from dars_sklearn.datasets import make_routing_outcomes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_a_subsample_is_part_of_the_whole_and_of_the_size_asked(seed, P, K):
    rng = np.random.default_rng(seed)
    scores = rng.random((6, 3, 3, 3))
    scores[rng.random(scores.shape) > 0.7] = np.nan
    scores[:, 0, 0, 0] = 0.5
    outcomes = Outcomes.from_array(scores, costs=np.abs(scores))
    part = outcomes.subsample(P, K, seed)
    kept = part.to_array()
    same = ~np.isnan(kept)
    np.testing.assert_array_equal(kept[same], scores[:, :, : kept.shape[2], : kept.shape[3]][same])
    asked = (~np.isnan(scores)).any(axis=(1, 3))  # query, paraphrase
    wordings = same.any(axis=(1, 3)).sum(axis=1)
    assert (wordings == np.minimum(asked.sum(axis=1), P)).all()
    n = same.sum(axis=3)
    whole = (~np.isnan(scores)).sum(axis=3)[:, :, : n.shape[2]]
    assert ((n == np.minimum(whole, K)) | (n == 0)).all()
    # A wording that is kept is kept for every model that has it.
    kept_wording = same.any(axis=(1, 3))[:, None, :]
    assert ((n > 0) == ((whole > 0) & kept_wording)).all()


def test_every_outcome_is_as_likely_to_be_kept():
    outcomes = make_routing_outcomes(2, 2, 3, 4, random_state=0).outcomes
    kept = np.zeros(outcomes.to_array().shape)
    for seed in range(600):
        kept += ~np.isnan(padded(outcomes.subsample(2, 1, seed)))
    np.testing.assert_allclose(kept / 600, 2 / 3 / 4, atol=0.06)
    assert outcomes.subsample().to_array().shape == (2, 2, 3, 4)
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        outcomes.subsample(n_samples=0)


def padded(outcomes):
    values = np.full((2, 2, 3, 4), np.nan)
    part = outcomes.to_array()
    values[:, :, : part.shape[2], : part.shape[3]] = part
    return values


@pytest.fixture(scope="module")
def pilot():
    return make_routing_outcomes(400, 3, 3, 3, interaction=1.5, random_state=0)


ROUTER = DistributionalRouter(Ridge(), cost_weight=0.0, risk_aversion=0.0)


def test_designs_cost_what_the_budget_allows(pilot):
    prices = {"query": 2.0, "paraphrase": 1.0, "sample": 0.5}
    plan = plan_design(pilot.outcomes, pilot.X, ROUTER, 300, prices, n_repeats=2)
    table = plan.to_frame()
    unit = 2 + table["n_paraphrases"] * (1 + 0.5 * table["n_samples"])
    np.testing.assert_allclose(table["price"], table["n_queries"] * unit)
    assert (table["price"] <= 300).all()
    assert (table["price"] + unit > 300).all()
    assert (np.diff(table["utility"]) <= 1e-12).all()
    assert table["p_best"].sum() == pytest.approx(1)
    assert table["behind"][0] == 0
    assert "DesignPlan for 300" in repr(plan)
    assert "<table" in plan._repr_html_()


def test_where_only_samples_are_paid_more_queries_win(pilot):
    """As they do on the real data: the variance between queries is what a router lacks."""
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 270, {"sample": 1.0}, designs=[(1, 1), (3, 3)],
        n_repeats=30,
    )  # fmt: skip
    best = plan.recommended
    assert (best["n_paraphrases"], best["n_samples"], best["n_queries"]) == (1, 1, 270)
    assert plan.to_frame()["behind_low"][1] > 0


def test_where_queries_are_dear_repeats_win(pilot):
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 500, {"query": 9.0, "sample": 0.1},
        designs=[(1, 1), (3, 3)], n_repeats=30,
    )  # fmt: skip
    best = plan.recommended
    assert (best["n_paraphrases"], best["n_samples"]) == (3, 3)


def test_designs_that_need_more_than_the_pilot_are_listed_without_figures(pilot):
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 600, {"sample": 1.0}, designs=[(1, 1), (2, 2)], n_repeats=2
    )
    last = plan.to_frame().iloc[-1]
    assert last["n_queries"] == 600
    assert np.isnan(last["utility"])
    assert plan.recommended["n_queries"] == 150


def test_samples_cost_what_the_pilot_paid_and_seeds_decide(pilot):
    settings_ = {"designs": [(1, 1), (1, 3)], "n_repeats": 2}
    mean = pilot.outcomes.to_array("cost").mean(axis=(0, 2, 3)).sum()
    plan = plan_design(pilot.outcomes, pilot.X, ROUTER, 100 * mean, **settings_)
    assert sorted(plan.to_frame()["n_queries"]) == [33, 100]
    again = plan_design(pilot.outcomes, pilot.X, ROUTER, 100 * mean, **settings_, n_jobs=2)
    assert again.to_frame().equals(plan.to_frame())


def test_bad_input_is_named(pilot):
    arguments = pilot.outcomes, pilot.X, ROUTER
    with pytest.raises(ValueError, match="pays for 0 to 0 queries"):
        plan_design(*arguments, 0.5, {"sample": 1.0})
    with pytest.raises(ValueError, match=r"prices are of .* got \['token'\]"):
        plan_design(*arguments, 100, {"token": 1.0})
    with pytest.raises(ValueError, match="price of a query"):
        plan_design(*arguments, 100, {"query": -1.0})
    with pytest.raises(ValueError, match="free"):
        plan_design(*arguments, 100, {"sample": 0.0})
    with pytest.raises(ValueError, match="the pilot has 3 x 3 outcomes a pair, not 5 x 1"):
        plan_design(*arguments, 100, {"sample": 1.0}, designs=[(5, 1)])
    with pytest.raises(ValueError, match="X has 3 queries"):
        plan_design(pilot.outcomes, pilot.X[:3], ROUTER, 100)
    with pytest.raises(ValueError, match="test_size"):
        plan_design(*arguments, 100, test_size=1.5)
    no_costs = Outcomes.from_array(pilot.outcomes.to_array())
    with pytest.raises(ValueError, match="no costs, so prices must tell that of a 'sample'"):
        plan_design(no_costs, pilot.X, ROUTER, 100)
