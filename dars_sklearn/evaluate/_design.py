"""Compare designs of equal price: more queries, more paraphrases or more samples."""

import warnings
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.metrics._realised_values import RealisedValues, has_known_costs
from dars_sklearn.outcomes._keys import find_labels
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import check_n_queries
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    with_cost_range,
)
from dars_sklearn.utils._progress import progress_bar

__all__ = ["DesignPlan", "plan_design"]

_PRICES = ("query", "paraphrase", "sample")
# Numbers of paraphrases and samples that are compared by default.
_DEFAULT_NUMBERS = (1, 2, 3, 5)
_LEVEL = 0.95


@dataclass(frozen=True)
class DesignPlan:
    """Designs of equal price, by the utility of the routers that they train.

    Parameters
    ----------
    table : DataFrame
        One row per design, best first: ``n_paraphrases``, ``n_samples``, ``n_queries``,
        ``price``; ``utility``, the mean over held-out queries and repeats, ``low`` and ``high``;
        ``behind``, the difference from the best design, with ``behind_low`` and ``behind_high``;
        and ``p_best``, the share of resamples in which it is the best. Designs that need more
        queries than the pilot can train on come last, without figures.
    budget : float
        Highest price of a design.
    n_test : int
        Number of queries held out in each repeat.

    Attributes
    ----------
    recommended : Series
        The first row.

    See Also
    --------
    plan_design : Computes it.
    """

    table: pd.DataFrame
    budget: float
    n_test: int

    @property
    def recommended(self):
        """The design with the highest utility."""
        return self.table.iloc[0]

    def to_frame(self):
        """Return the designs as a table.

        Returns
        -------
        DataFrame
            One row per design.
        """
        return self.table

    def __repr__(self):
        best = self.recommended
        description = (
            f"{best['n_queries']:.0f} queries x {best['n_paraphrases']:.0f} paraphrases x "
            f"{best['n_samples']:.0f} samples"
        )
        n_similar = (self.table["behind_low"] <= 0).sum() - 1
        similar = f"; {n_similar} more cannot be distinguished from it" if n_similar > 0 else ""
        return (
            f"<DesignPlan for {self.budget:.4g}: {description} (p_best {best['p_best']:.2f})"
            f"{similar}>\n{self.table.to_string(index=False, float_format='{:.4g}'.format)}"
        )

    def _repr_html_(self):
        return self.table.to_html(index=False, float_format="{:.4g}".format)


def plan_design(
    outcomes,
    X,
    router,
    budget,
    prices=None,
    *,
    designs=None,
    n_repeats=20,
    test_size=0.3,
    n_resamples=2000,
    n_jobs=None,
    random_state=0,
    verbose=None,
):
    """Compare numbers of queries, paraphrases and samples that cost the same.

    The pilot must have more of everything than the designs to compare. Each design is drawn from
    it repeatedly, a router is trained on the draw, and evaluated on held-out queries by all of
    their outcomes. The answer may well be one sample per query, and more queries.

    Parameters
    ----------
    outcomes : Outcomes
        The pilot.
    X : array-like of shape (n_queries, ...)
        Its queries, or their features.
    router : DistributionalRouter, or Pipeline that ends in one
        Router to train.
    budget : float
        Highest price of a design.
    prices : dict or None, default=None
        Price of a "query" (to find it, and to write its reference), of a "paraphrase" of it, and
        of a "sample" of every model together. What is not named is free, except for samples,
        whose price is the sum over models of their mean cost in the pilot.
    designs : sequence of (int, int) or None, default=None
        Numbers of paraphrases and of samples to compare. None uses all combinations of 1, 2, 3
        and 5 that the pilot has.
    n_repeats : int, default=20
        Number of random splits, on each of which every design is drawn once.
    test_size : float, default=0.3
        Share of the pilot's queries that is held out.
    n_resamples : int, default=2000
        Number of bootstrap resamples of queries and repeats.
    n_jobs : int or None, default=None
        Number of repeats run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    DesignPlan
        The designs, and the recommended one.

    Raises
    ------
    ValueError
        If X and the outcomes differ in length, a price is unknown or negative, or no design fits
        the budget and the pilot.

    See Also
    --------
    dars_sklearn.labels.reliability_curve : Reliability of labels, without training routers.

    Notes
    -----
    A pilot gives no information about designs larger than itself; these are listed without
    figures. Intervals are over both the queries and the repeats (Owen's pigeonhole bootstrap,
    Annals of Applied Statistics 1, 2007, 386-411). The utility of the best of many designs is a
    little optimistic, as any maximum is; ``p_best`` shows how certain the choice is. Designs with
    one outcome per (query, model) pair show no risk, and their routers have no risk aversion.

    References
    ----------
    Section "Evaluation" of arXiv 2606.06924 compares supervision at equal numbers of queries, and
    not of generations. D studies: Brennan, "Generalizability Theory" (2001).

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, plan_design
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> pilot = make_routing_outcomes(200, 3, 3, 3, random_state=0)
    >>> plan = plan_design(pilot.outcomes, pilot.X, DistributionalRouter(), budget=100,
    ...                    prices={"sample": 1.0}, n_repeats=3)
    >>> int(plan.recommended["n_queries"]) > 10
    True
    """
    check_is_router(router)
    outcomes = as_outcomes(outcomes)
    check_n_queries(X, outcomes)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    realised = RealisedValues(outcomes, final_step(router).cost_weight, limits)
    prices = _check_prices(prices, outcomes, realised)
    if not 0 < test_size < 1 or n_repeats < 1:
        raise ValueError(
            f"test_size must be in (0, 1) and n_repeats at least 1, got {test_size!r} and "
            f"{n_repeats!r}"
        )
    n_test = max(int(round(test_size * len(outcomes))), 1)
    table = _price_designs(outcomes, designs, budget, prices, len(outcomes) - n_test)
    feasible = table[table["feasible"]]
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=n_repeats)
    rows = feasible[["n_paraphrases", "n_samples", "n_queries"]].to_numpy(dtype=int)
    jobs = (
        delayed(_evaluate_designs)(router, X, outcomes, realised, rows, n_test, seed)
        for seed in seeds
    )
    repeats = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    # Utility of each design on each query in each repeat, NaN where the query is not held out.
    utilities = np.full((n_repeats, len(outcomes), len(rows)), np.nan)
    repeats = progress_bar(repeats, verbose=verbose, total=n_repeats, desc="repeats")
    for number, repeat in enumerate(repeats):
        utilities[number, repeat.test_rows] = repeat.utilities
    table = _add_figures(table, utilities, n_resamples, rng)
    return DesignPlan(table, float(budget), n_test)


class _Repeat(NamedTuple):
    """Held-out queries of a random split, and what each design achieves on them.

    Parameters
    ----------
    test_rows : ndarray of int of shape (n_test,)
        Held-out queries.
    utilities : ndarray of shape (n_test, n_designs)
        Realised utility of the routes.
    """

    test_rows: np.ndarray
    utilities: np.ndarray


def _check_prices(prices, outcomes, realised):
    prices = dict(prices or {})
    unknown = set(prices) - set(_PRICES)
    if unknown:
        raise ValueError(f"prices may have the keys {_PRICES}, got {sorted(unknown)}")
    if "sample" not in prices:
        if not has_known_costs(outcomes):
            raise ValueError("the pilot has no costs, so prices must include that of a 'sample'")
        prices["sample"] = float(np.nansum(np.nanmean(realised.cost, axis=0)))
    for name, price in prices.items():
        if not 0 <= price < np.inf:
            raise ValueError(
                f"the price of a {name} must be finite and not negative, got {price!r}"
            )
    if sum(prices.values()) == 0:
        raise ValueError("every design is free, so there is nothing to plan")
    return {name: prices.get(name, 0.0) for name in _PRICES}


def _price_designs(outcomes, designs, budget, prices, n_train):
    """List the designs, the queries that the budget pays for, and whether the pilot has them."""
    largest = outcomes.to_array().shape[2:]
    if designs is None:
        designs = product(*([n for n in _DEFAULT_NUMBERS if n <= most] for most in largest))
    rows = []
    for P, K in designs:
        if not (1 <= P <= largest[0] and 1 <= K <= largest[1]):
            raise ValueError(
                f"the pilot has {largest[0]} x {largest[1]} outcomes per (query, model) pair, not "
                f"{P} x {K}"
            )
        price = prices["query"] + P * (prices["paraphrase"] + K * prices["sample"])
        # A little more, so that a number that the budget pays for exactly is not rounded down.
        n = int(budget / price * (1 + 1e-12))
        rows.append((P, K, n, n * price, 1 < n <= n_train))
    columns = ["n_paraphrases", "n_samples", "n_queries", "price", "feasible"]
    table = pd.DataFrame(rows, columns=columns)
    if not table["feasible"].any():
        raise ValueError(
            f"budget={budget!r} pays for {table['n_queries'].min()} to {table['n_queries'].max()} "
            f"queries, and the pilot can train on 2 to {n_train}; change the budget, or collect a "
            "larger pilot"
        )
    return table


def _evaluate_designs(router, X, outcomes, realised, designs, n_test, seed):
    """Train a router on a draw of each design, and evaluate it on the held-out queries."""
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(outcomes))
    test_rows, pool = order[:n_test], order[n_test:]
    utilities = np.empty((n_test, len(designs)))
    X_test = _safe_indexing(X, test_rows)
    for number, (P, K, n) in enumerate(designs):
        labels = outcomes[pool[:n]].subsample(P, K, rng)
        fitted = clone(router)
        if P * K == 1:  # a single outcome has no spread
            final_step(fitted).set_params(risk_aversion=0.0)
        with warnings.catch_warnings():
            # It is the point of the comparison that small designs do not identify everything.
            warnings.simplefilter("ignore", DarsWarning)
            fitted.fit(_safe_indexing(X, pool[:n]), labels)
        columns = find_labels(realised.models, fitted.predict(X_test), "model")
        utilities[:, number] = realised.utility[test_rows, columns]
    if np.isnan(utilities).any():
        raise ValueError(
            "some held-out queries are routed to a model that has no outcome for them; plan with "
            "a pilot that has outcomes of every model"
        )
    return _Repeat(test_rows, utilities)


def _add_figures(table, utilities, n_resamples, rng):
    mean = np.nanmean(utilities, axis=(0, 1))
    means = _two_way_means(utilities, n_resamples, rng)
    # In a small pilot, a resample may contain no query that was held out.
    means = means[~np.isnan(means).any(axis=1)]
    behind = means[:, [mean.argmax()]] - means
    ends = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    low, high = np.quantile(means, ends, axis=0)
    behind_low, behind_high = np.quantile(behind, ends, axis=0)
    figures = {
        "utility": mean,
        "low": low,
        "high": high,
        "behind": mean.max() - mean,
        "behind_low": behind_low,
        "behind_high": behind_high,
        "p_best": np.bincount(means.argmax(axis=1), minlength=len(mean)) / len(means),
    }
    rows = np.flatnonzero(table["feasible"])
    table = table.drop(columns="feasible")
    for name, values in figures.items():
        table[name] = pd.Series(values, index=rows)
    return table.sort_values("utility", ascending=False, kind="stable").reset_index(drop=True)


def _two_way_means(utilities, n_resamples, rng):
    """Means of resamples of both queries and repeats, (n_resamples, n_designs)."""
    n_repeats, n_queries, n_designs = utilities.shape
    is_test = ~np.isnan(utilities[:, :, 0])
    values = np.where(is_test[:, :, None], utilities, 0).reshape(n_repeats, -1)
    means = np.empty((n_resamples, n_designs))
    for number in range(n_resamples):
        repeats = np.bincount(rng.randint(n_repeats, size=n_repeats), minlength=n_repeats)
        queries = np.bincount(rng.randint(n_queries, size=n_queries), minlength=n_queries)
        total = queries @ (repeats @ values).reshape(n_queries, n_designs)
        with np.errstate(invalid="ignore"):
            means[number] = total / (queries @ (repeats @ is_test))
    return means
