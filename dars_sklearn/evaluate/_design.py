"""What to spend the next money on: queries, wordings or samples."""

import warnings
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state
from tqdm.auto import tqdm

from dars_sklearn._realised import Realised
from dars_sklearn._tables import find_labels
from dars_sklearn.aggregate import cost_range
from dars_sklearn.evaluate._routers import final_router, with_cost_scaling
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.outcomes import as_outcomes, check_length

__all__ = ["DesignPlan", "plan_design"]

_PRICES = ("query", "paraphrase", "sample")


@dataclass(frozen=True)
class DesignPlan:
    """Designs of equal price, by the utility of the router that each one trains.

    Parameters
    ----------
    table : DataFrame
        A row a design, best first: ``n_paraphrases``, ``n_samples``,
        ``n_queries``, ``price``; ``utility``, the mean over held-out queries
        and repeats, ``low`` and ``high``; ``behind``, how far it is behind the
        best, with ``behind_low`` and ``behind_high``; and ``p_best``, the share
        of resamples in which it is the best. Designs that need more queries
        than the pilot can train on come last, without figures.
    budget : float
        Most that a design may cost.
    n_test : int
        Queries held out in each repeat.

    Attributes
    ----------
    recommended : Series
        The first row.
    """

    table: pd.DataFrame
    budget: float
    n_test: int

    @property
    def recommended(self):
        """The design of the highest utility."""
        return self.table.iloc[0]

    def to_frame(self):
        """Return the designs as a table.

        Returns
        -------
        DataFrame
            A row a design.
        """
        return self.table

    def __repr__(self):
        best, rivals = self.recommended, self.table[self.table["behind_low"] <= 0]
        words = (
            f"{best['n_queries']:.0f} queries x {best['n_paraphrases']:.0f} paraphrases x "
            f"{best['n_samples']:.0f} samples"
        )
        others = len(rivals) - 1
        doubt = f"; {others} more cannot be told from it" if others > 0 else ""
        return (
            f"<DesignPlan for {self.budget:.4g}: {words} (p_best {best['p_best']:.2f}){doubt}>\n"
            f"{self.table.to_string(index=False, float_format='{:.4g}'.format)}"
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

    From a pilot that has more of everything than the designs to compare, each
    design is drawn again and again, a router trained on what it has, and judged
    on queries that were held out, by all their outcomes. The answer may well be
    one sample each, and more queries.

    Parameters
    ----------
    outcomes : Outcomes
        The pilot.
    X : array-like of shape (n_queries, ...)
        Its queries, or their features.
    router : DistributionalRouter, or Pipeline that ends in one
        What will be trained.
    budget : float
        Most that a design may cost.
    prices : dict or None, default=None
        What is paid for a "query" (finding it, writing its reference), for a
        "paraphrase" of it, and for a "sample" of every model together. What is
        not named is free, but for samples, which cost the sum over models of
        their mean cost in the pilot.
    designs : sequence of (int, int) or None, default=None
        Numbers of paraphrases and samples to compare. None takes all of 1, 2,
        3 and 5 that the pilot has.
    n_repeats : int, default=20
        Random splits, on each of which every design is drawn once.
    test_size : float, default=0.3
        Share of the pilot's queries that is held out.
    n_resamples : int, default=2000
        Bootstrap resamples of queries and repeats.
    n_jobs : int or None, default=None
        Repeats at once.
    random_state : int, RandomState instance or None, default=0
        Seed.
    verbose : bool or None, default=None
        Whether to show a progress bar; None shows it in a terminal.

    Returns
    -------
    DesignPlan
        The designs, and the one recommended.

    Raises
    ------
    ValueError
        If X and the outcomes differ in length, a price is unknown or negative,
        or no design fits the budget and the pilot.

    Notes
    -----
    A pilot cannot tell of designs larger than itself; those are listed as such.
    Intervals are over both the queries and the repeats (Owen's pigeonhole
    bootstrap, Annals of Applied Statistics 1, 2007, 386-411).
    The utility of the best of many designs is a little optimistic, as any
    maximum is; ``p_best`` shows how firm the choice is. Where risk is weighed,
    designs of one outcome a pair have none to weigh.

    References
    ----------
    Supervision at an equal total number of generations: section "Evaluation"
    of arXiv 2606.06924 compares at equal queries only. D studies: Brennan,
    "Generalizability Theory" (2001).

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
    outcomes = as_outcomes(outcomes)
    check_length(X, outcomes)
    prices = _check_prices(prices, outcomes)
    if not 0 < test_size < 1 or n_repeats < 1:
        raise ValueError(
            f"test_size must be in (0, 1) and n_repeats at least 1, got {test_size!r} and "
            f"{n_repeats!r}"
        )
    n_test = max(int(round(test_size * len(outcomes))), 1)
    table = _price_designs(outcomes, designs, budget, prices, len(outcomes) - n_test)
    feasible = table[table["testable"]]
    limits = cost_range(outcomes)
    router = with_cost_scaling(router, limits)
    scale = {"cost_weight": final_router(router).cost_weight, "cost_range": limits}
    utility = Realised(outcomes, **scale)
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=n_repeats)
    rows = feasible[["n_paraphrases", "n_samples", "n_queries"]].to_numpy(dtype=int)
    jobs = (delayed(_repeat)(router, X, outcomes, utility, rows, n_test, seed) for seed in seeds)
    repeats = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    disable = None if verbose is None else not verbose
    # What each design achieves on each query in each repeat, NaN where it is not held out.
    achieved = np.full((n_repeats, len(outcomes), len(rows)), np.nan)
    progress = tqdm(repeats, total=n_repeats, desc="repeats", disable=disable)
    for number, (test, values) in enumerate(progress):
        achieved[number, test] = values
    table = _with_figures(table, achieved, n_resamples, rng)
    return DesignPlan(table, float(budget), n_test)


def _check_prices(prices, outcomes):
    prices = dict(prices or {})
    unknown = set(prices) - set(_PRICES)
    if unknown:
        raise ValueError(f"prices are of {_PRICES}, got {sorted(unknown)}")
    if "sample" not in prices:
        if outcomes.cost is None:
            raise ValueError("the pilot has no costs, so prices must tell that of a 'sample'")
        prices["sample"] = float(np.nansum(np.nanmean(Realised(outcomes).cost, axis=0)))
    for name, price in prices.items():
        if not 0 <= price < np.inf:
            raise ValueError(
                f"the price of a {name} must be finite and not negative, got {price!r}"
            )
    if sum(prices.values()) == 0:
        raise ValueError("every design is free; there is nothing to plan")
    return {name: prices.get(name, 0.0) for name in _PRICES}


def _price_designs(outcomes, designs, budget, prices, n_train):
    """The designs, as many queries in each as the budget pays, and whether the pilot has these."""
    has = outcomes.to_array().shape[2:]
    if designs is None:
        designs = product(*([n for n in (1, 2, 3, 5) if n <= most] for most in has))
    rows = []
    for P, K in designs:
        if not (1 <= P <= has[0] and 1 <= K <= has[1]):
            raise ValueError(f"the pilot has {has[0]} x {has[1]} outcomes a pair, not {P} x {K}")
        unit = prices["query"] + P * (prices["paraphrase"] + K * prices["sample"])
        # A trifle more, so that what the budget pays exactly is not rounded away.
        n = int(budget / unit * (1 + 1e-12)) if unit > 0 else n_train
        rows.append((P, K, n, n * unit, 1 < n <= n_train))
    columns = ["n_paraphrases", "n_samples", "n_queries", "price", "testable"]
    table = pd.DataFrame(rows, columns=columns)
    if not table["testable"].any():
        raise ValueError(
            f"budget={budget!r} pays for {table['n_queries'].min()} to {table['n_queries'].max()} "
            f"queries, and the pilot can train on 2 to {n_train}; change the budget, or collect a "
            "larger pilot"
        )
    return table


def _repeat(router, X, outcomes, realised, designs, n_test, seed):
    """Held-out queries of a random split, and what each design's router achieves on them."""
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(outcomes))
    test, pool = order[:n_test], order[n_test:]
    achieved = np.empty((n_test, len(designs)))
    X_test = _safe_indexing(X, test)
    for place, (P, K, n) in enumerate(designs):
        labels = outcomes[pool[:n]].subsample(P, K, rng)
        fitted = clone(router)
        if P * K == 1:  # one outcome has no spread
            final_router(fitted).set_params(risk_aversion=0.0)
        with warnings.catch_warnings():
            # What small designs cannot tell is what is compared here.
            warnings.simplefilter("ignore", DarsWarning)
            fitted.fit(_safe_indexing(X, pool[:n]), labels)
        columns = find_labels(realised.models, fitted.predict(X_test), "model")
        achieved[:, place] = realised.utility[test, columns]
    if np.isnan(achieved).any():
        raise ValueError(
            "some held-out queries are routed to a model that has no outcome for them; plan with "
            "a pilot that asked every model"
        )
    return test, achieved


def _with_figures(table, achieved, n_resamples, rng):
    mean = np.nanmean(achieved, axis=(0, 1))
    means = _two_way_means(achieved, n_resamples, rng)
    behind = means[:, [mean.argmax()]] - means
    ends = [0.025, 0.975]
    low, high = np.quantile(means, ends, axis=0)
    behind_low, behind_high = np.quantile(behind, ends, axis=0)
    figures = {
        "utility": mean,
        "low": low,
        "high": high,
        "behind": mean.max() - mean,
        "behind_low": behind_low,
        "behind_high": behind_high,
        "p_best": np.bincount(means.argmax(axis=1), minlength=len(mean)) / n_resamples,
    }
    rows = np.flatnonzero(table["testable"])
    table = table.drop(columns="testable")
    for name, values in figures.items():
        table[name] = pd.Series(values, index=rows)
    return table.sort_values("utility", ascending=False, kind="stable").reset_index(drop=True)


def _two_way_means(achieved, n_resamples, rng):
    """Means of resamples of both queries and repeats, (n_resamples, n_designs)."""
    n_repeats, n_queries, n_designs = achieved.shape
    judged = ~np.isnan(achieved[:, :, 0])
    values = np.where(judged[:, :, None], achieved, 0).reshape(n_repeats, -1)
    means = np.empty((n_resamples, n_designs))
    for number in range(n_resamples):
        repeats = np.bincount(rng.randint(n_repeats, size=n_repeats), minlength=n_repeats)
        queries = np.bincount(rng.randint(n_queries, size=n_queries), minlength=n_queries)
        total = queries @ (repeats @ values).reshape(n_queries, n_designs)
        means[number] = total / (queries @ (repeats @ judged))
    return means
