"""Costs that are unknown: which models lack them, what is refused, and what is filled in."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids

from dars_sklearn import Outcomes
from dars_sklearn.utility import models_without_costs
from dars_sklearn.utility._costs import has_any_cost
from dars_sklearn.utility._unknown_costs import (
    check_costs_known,
    check_costs_to_weigh,
    fill_unknown_costs,
)

NAN = float("nan")


@settings(max_examples=60, deadline=None)
@given(grids(), st.integers(0, 1000))
def test_models_without_costs_have_outcomes_but_no_known_cost(grid, seed):
    rng = np.random.default_rng(seed)
    costs = np.where(rng.random(grid.shape) < 0.7, np.nan, 1.0)
    observed = ~np.isnan(grid)
    expected = [
        model
        for model in range(grid.shape[1])
        if observed[:, model].any() and np.isnan(costs[:, model][observed[:, model]]).all()
    ]
    assert models_without_costs(Outcomes.from_array(grid, costs=costs)) == expected
    with_outcomes = np.flatnonzero(observed.any(axis=(0, 2, 3))).tolist()
    assert models_without_costs(Outcomes.from_array(grid)) == with_outcomes


@pytest.mark.parametrize(
    ("models", "named"), [(["a"], "the model 'a' is"), (["a", 1], "the models 'a', 1 is")]
)
def test_models_without_costs_are_named_with_what_can_be_done(models, named):
    message = (
        f"no cost of {named} known, and costs are not invented; use cost_weight=0, fill in "
        "the column of costs (0 for a free model), give prices of tokens with "
        "outcomes.with_prices(...), or leave models out with outcomes.subset(models=...)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_costs_known(models)
    with pytest.raises(ValueError, match="invented; .*give prices"):
        check_costs_known(models, can_be_ignored=False)
    assert check_costs_known([]) is None


def test_unknown_costs_are_filled_with_the_mean_cost_of_the_model():
    costs = [[[1.0, NAN], [7.0, NAN]], [[5.0, NAN], [9.0, 2.0]]]
    outcomes = Outcomes.from_array(np.ones((2, 2, 2)), costs=costs)
    assert fill_unknown_costs(outcomes).tolist() == [1, 3, 7, 6, 5, 3, 9, 2]
    known = Outcomes.from_array([[1, 1]], costs=[2.0, 3.0])
    assert fill_unknown_costs(known) is known.cost


@pytest.mark.parametrize("costs", [None, [NAN, NAN]])
def test_an_evaluation_needs_costs_if_the_training_had_some_and_they_weigh(costs):
    without = Outcomes.from_array([[1, 0]], costs=costs)
    partly = Outcomes.from_array([[1, 0]], costs=[NAN, 2.0])
    assert (has_any_cost(without), has_any_cost(partly)) == (False, True)
    with pytest.raises(ValueError, match="cost would weigh nothing in their utilities"):
        check_costs_to_weigh(without, 0.05, trained_with_costs=True)
    check_costs_to_weigh(without, 0.0, trained_with_costs=True)
    check_costs_to_weigh(without, 0.05, trained_with_costs=False)
    check_costs_to_weigh(partly, 0.05, trained_with_costs=True)
    with pytest.raises(ValueError, match="cost_weight must be"):
        check_costs_to_weigh(partly, -0.05, trained_with_costs=True)


@pytest.mark.parametrize("costs", [None, [[1.0, NAN], [2.0, NAN]]])
def test_costs_of_a_model_without_any_are_not_filled(costs):
    outcomes = Outcomes.from_array([[1, 0], [0, 1]], models=["a", "b"], costs=costs)
    named = "the models 'a', 'b'" if costs is None else "the model 'b'"
    with pytest.raises(ValueError, match=f"^no cost of {named} is known.* invented; .*give prices"):
        fill_unknown_costs(outcomes)
