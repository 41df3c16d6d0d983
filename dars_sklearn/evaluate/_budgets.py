"""Designs that a budget pays for, and the smallest budget from which more hardly helps."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dars_sklearn.utils._validation import is_finite_number

__all__ = [
    "DESIGN_COLUMNS",
    "SuggestedBudget",
    "afford_designs",
    "affordable_queries",
    "list_budgets",
    "suggest_budget",
]

DESIGN_COLUMNS = ["n_paraphrases", "n_samples", "n_queries"]
# Budgets are halved as long as the cheapest design gets this number of queries.
_FEWEST_QUERIES = 10


class SuggestedBudget(NamedTuple):
    """A budget, and what it was chosen from.

    Parameters
    ----------
    budget : float
        The budget.
    table : DataFrame
        The budgets that were tried, with the best design of each.
    notes : tuple of str
        How it was chosen.
    """

    budget: float
    table: pd.DataFrame
    notes: tuple


def affordable_queries(designs, budget):
    """Return the number of queries that a budget pays for with each design.

    Parameters
    ----------
    designs : DataFrame
        Designs with a column ``query_price``, the price of one query.
    budget : float
        The budget.

    Returns
    -------
    Series of int
        The numbers, 2**53 at most.
    """
    # A little more, so that a number that the budget pays for exactly is not rounded down.
    n_queries = np.floor(budget / designs["query_price"] * (1 + 1e-12))
    return n_queries.clip(upper=2**53).astype(int)


def afford_designs(designs, budget, n_train):
    """Add the queries that a budget pays for, and whether the pilot has as many.

    Parameters
    ----------
    designs : DataFrame
        Columns ``n_paraphrases``, ``n_samples`` and ``query_price``, the price of one query.
    budget : float
        Highest price of a design.
    n_train : int
        Number of queries that the pilot can train on.

    Returns
    -------
    DataFrame
        Columns ``n_paraphrases``, ``n_samples``, ``n_queries``, ``price`` and ``feasible``.

    Raises
    ------
    ValueError
        If the budget is not a finite number above 0, or the pilot can train on no design.
    """
    if not is_finite_number(budget) or budget <= 0:
        raise ValueError(f"budget must be a finite number above 0, or None, got {budget!r}")
    n_queries = affordable_queries(designs, budget)
    table = designs[["n_paraphrases", "n_samples"]].assign(
        n_queries=n_queries,
        price=n_queries * designs["query_price"],
        feasible=(n_queries > 1) & (n_queries <= n_train),
    )
    if not table["feasible"].any():
        raise ValueError(
            f"budget={budget!r} pays for {table['n_queries'].min()} to {table['n_queries'].max()} "
            f"queries, and the pilot can train on 2 to {n_train}; change the budget, or collect a "
            "larger pilot"
        )
    return table


def list_budgets(designs, n_train):
    """List budgets, each half of the next, and what each design can have for them.

    Parameters
    ----------
    designs : DataFrame
        Columns ``n_paraphrases``, ``n_samples`` and ``query_price``, the price of one query.
    n_train : int
        Number of queries that the pilot can train on. A design that could pay for more has that
        many, and does not spend the rest.

    Returns
    -------
    DataFrame
        One row per budget and design: ``budget`` and the columns of a design.

    Raises
    ------
    ValueError
        If there are not two queries to train on.
    """
    if n_train < 2:
        raise ValueError(
            f"budget=None needs a pilot with 2 queries to train on, got {n_train} beside those "
            "that are held out"
        )
    budget = n_train * designs["query_price"].max()
    smallest = min(_FEWEST_QUERIES, n_train) * designs["query_price"].min()
    tables = []
    while budget >= smallest:
        n_queries = affordable_queries(designs, budget).clip(upper=n_train)
        table = designs.assign(budget=budget, n_queries=n_queries)
        tables.append(table[table["n_queries"] > 1])
        budget = budget / 2
    return pd.concat(tables, ignore_index=True)[["budget", *DESIGN_COLUMNS]]


def suggest_budget(tried, utility, random_utility, gain_share):
    """Choose the smallest budget whose best design gains nearly as much as any.

    Parameters
    ----------
    tried : DataFrame
        Returned by :func:`list_budgets`.
    utility : ndarray of shape (n_rows,)
        Mean utility of the routers trained on each of its designs.
    random_utility : float
        Mean utility of random routing, which needs no outcomes.
    gain_share : float
        Share of the highest gain that the budget must reach.

    Returns
    -------
    SuggestedBudget
        The budget.

    Raises
    ------
    ValueError
        If no budget gains anything.
    """
    best = tried.assign(utility=utility, gain=utility - random_utility)
    best = best.loc[best.groupby("budget")["utility"].idxmax()].reset_index(drop=True)
    largest, highest = best["budget"].iloc[-1], best["gain"].max()
    if not highest > 0:
        raise ValueError(
            "budget=None suggests a budget by the gain over random routing, but no router gains "
            f"anything up to a budget of {largest:.4g}; give a budget, or collect a larger pilot"
        )
    chosen = best.iloc[int(np.argmax(best["gain"] >= gain_share * highest))]
    notes = [
        f"The budget of {chosen['budget']:.4g} is suggested: of those tried it is the smallest "
        f"whose gain over random routing, {chosen['gain']:.3g}, is at least {gain_share:.0%} of "
        f"the highest, {highest:.3g}, at any budget up to {largest:.4g}"
    ]
    if chosen["budget"] == largest:
        notes.append(
            "That is the largest budget that the pilot can evaluate, so that it does not show from "
            "which one more outcomes hardly help; a larger pilot would"
        )
    return SuggestedBudget(float(chosen["budget"]), best, tuple(notes))
