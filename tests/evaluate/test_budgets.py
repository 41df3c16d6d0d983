"""Budgets that are suggested: the smallest from which more hardly helps."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from dars_sklearn import DistributionalRouter, plan_design
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._budgets import list_budgets, suggest_budget

DESIGNS = pd.DataFrame({"n_paraphrases": [1, 2], "n_samples": [1, 3], "query_price": [1.0, 6.0]})
ROUTER = DistributionalRouter(Ridge(), cost_weight=0.0, risk_aversion=0.0)


def tried(budgets):
    """One design per budget."""
    design = {"n_paraphrases": 1, "n_samples": 1, "n_queries": np.arange(len(budgets)) + 10}
    return pd.DataFrame({"budget": np.asarray(budgets, dtype=float), **design})


def test_budgets_are_halved_down_to_ten_queries_of_the_cheapest_design():
    table = list_budgets(DESIGNS, 40)
    assert sorted(table["budget"].unique()) == [15, 30, 60, 120, 240]
    rows = table.set_index(["budget", "n_paraphrases"])["n_queries"]
    # A design that could have more queries than the pilot has these, and saves the rest.
    expected = {240: (40, 40), 120: (40, 20), 60: (40, 10), 30: (30, 5), 15: (15, 2)}
    assert {budget: tuple(rows[budget]) for budget in expected} == expected


def test_designs_with_a_single_query_are_left_out():
    table = list_budgets(DESIGNS, 20)
    assert table.loc[table["budget"] == 7.5, "n_queries"].tolist() == []
    assert table.groupby("budget")["n_queries"].apply(list)[15.0] == [15, 2]
    assert (table["n_queries"] > 1).all()


def test_a_pilot_without_queries_to_train_on_has_no_budget():
    with pytest.raises(ValueError, match="2 queries to train on, got 1 beside those"):
        list_budgets(DESIGNS, 1)


@pytest.mark.parametrize(
    ("utility", "gain_share", "expected"),
    [
        ([0.3, 0.5, 0.59, 0.6], 0.95, 4.0),  # gains of 0.1, 0.3, 0.39 and 0.4
        ([0.3, 0.5, 0.59, 0.6], 0.7, 2.0),
        ([0.3, 0.5, 0.59, 0.6], 0.99, 8.0),
        ([0.3, 0.6, 0.5, 0.6], 0.95, 2.0),  # a later dip is noise, since less could be spent
        ([0.6, 0.5, 0.4, 0.3], 0.95, 1.0),
    ],
)
def test_the_smallest_budget_that_reaches_the_share_is_suggested(utility, gain_share, expected):
    found = suggest_budget(tried([1, 2, 4, 8]), np.array(utility), 0.2, gain_share)
    assert found.budget == expected
    np.testing.assert_allclose(found.table["gain"], np.array(utility) - 0.2)
    assert f"{gain_share:.0%} of the highest, 0.4, at any budget up to 8" in found.notes[0]
    assert (len(found.notes) == 2) == (expected == 8.0)


def test_the_best_design_of_each_budget_counts():
    table = pd.concat([tried([1, 2]), tried([1, 2])], ignore_index=True)
    found = suggest_budget(table, np.array([0.1, 0.5, 0.45, 0.2]), 0.0, 0.85)
    assert found.table["utility"].tolist() == [0.45, 0.5]
    assert found.budget == 1.0


def test_no_budget_is_suggested_where_none_gains_anything():
    with pytest.raises(ValueError, match="no router gains anything up to a budget of 2"):
        suggest_budget(tried([1, 2]), np.array([0.1, 0.2]), 0.2, 0.95)


def test_a_plan_without_a_budget_suggests_one_and_says_how():
    pilot = make_routing_outcomes(60, 3, 2, 2, interaction=2.0, random_state=0)
    settings = {"n_repeats": 3, "n_resamples": 20, "prices": {"sample": 1.0}}
    plan = plan_design(pilot.outcomes, pilot.X, ROUTER, gain_share=0.8, **settings)
    assert plan.budget in plan.budgets["budget"].tolist()
    assert (plan.to_frame()["price"] <= plan.budget).all()
    assert plan.notes[0] in repr(plan)
    assert plan.notes[0].startswith(f"The budget of {plan.budget:.4g} is suggested")
    chosen = plan.budgets[plan.budgets["budget"] == plan.budget].iloc[0]
    smaller = plan.budgets[plan.budgets["budget"] < plan.budget]
    highest = plan.budgets["gain"].max()
    assert chosen["gain"] >= 0.8 * highest
    assert (smaller["gain"] < 0.8 * highest).all()
    # The figures of the table are those of the same trained routers.
    rows = plan.to_frame().merge(chosen.to_frame().T, on=["n_paraphrases", "n_samples"])
    same = rows[rows["n_queries_x"] == rows["n_queries_y"]]
    np.testing.assert_allclose(same["utility_x"], same["utility_y"].astype(float))
    given = plan_design(pilot.outcomes, pilot.X, ROUTER, plan.budget, **settings)
    assert given.budgets is None
    assert given.notes == ()
    designs = ["n_paraphrases", "n_samples", "n_queries", "price"]
    pd.testing.assert_frame_equal(
        given.to_frame()[designs].sort_values(designs).reset_index(drop=True),
        plan.to_frame()[designs].sort_values(designs).reset_index(drop=True),
    )
