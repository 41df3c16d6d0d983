"""Choose the cost weight that keeps a budget, or a quality."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._cross_val import make_splits, out_of_fold
from dars_sklearn.evaluate._deferral_curve import (
    DeferralCurve,
    curve_from_sweep,
    realised_with_costs,
)
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.routing._pipeline import check_is_router, find_router_cost_range, with_cost_range

__all__ = ["CostWeightChoice", "tune_cost_weight"]


class _EstimateWithInterval(NamedTuple):
    """An estimate and its interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class CostWeightChoice:
    """A cost weight, and what to expect from it.

    Parameters
    ----------
    cost_weight : float
        The weight; use it as ``router.set_params(cost_weight=choice.cost_weight)``.
    cost, score : tuple of float
        Out-of-fold mean cost and mean score per query: estimate, low, high. The cost is in the
        user's unit.
    confidence : float
        Probability that the promise is kept, and level of each interval.
    promise : str
        What is promised.
    curve : DeferralCurve
        The out-of-fold curve from which the weight was chosen.

    See Also
    --------
    tune_cost_weight : Computes it.
    """

    cost_weight: float
    cost: tuple
    score: tuple
    confidence: float
    promise: str
    curve: DeferralCurve

    def __repr__(self):
        cost, score = (
            "{:.4g} [{:.4g}, {:.4g}]".format(*values) for values in (self.cost, self.score)
        )
        return (
            f"<CostWeightChoice: cost_weight={self.cost_weight:.4g} for {self.promise} at "
            f"{self.confidence:.0%}; cost {cost}, score {score}>"
        )


def tune_cost_weight(
    router,
    X,
    outcomes,
    *,
    budget=None,
    min_score=None,
    confidence=0.9,
    n_queries=None,
    cv=10,
    groups=None,
    n_jobs=None,
    random_state=0,
):
    """Choose the cost weight that keeps a budget, or a quality.

    Every query is routed by a router that was not trained on it. With a budget, the chosen weight
    is the lowest one above which the upper confidence limit of the mean cost always stays within
    the budget, which gives the best quality for that budget. With a minimum score, it is the
    highest weight below which the lower confidence limit of the mean score always stays above the
    minimum, which gives the lowest cost for that score.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        With a target that does not fix the cost weight at fit time. It is not fitted.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes, with costs.
    budget : float or None, default=None
        Highest mean cost per query, in the user's unit.
    min_score : float or None, default=None
        Lowest mean score per query. Exactly one of the two must be given.
    confidence : float, default=0.9
        Probability that the promise is kept.
    n_queries : int or None, default=None
        Number of new queries whose mean must keep the promise. None promises it for the expected
        value, the mean of very many queries. The mean of few queries varies, and needs a wider
        margin.
    cv : int, splitter or iterable, default=10
        Folds; every query must be in exactly one test fold. An int shuffles the queries first,
        because queries of one kind often stand together. The more folds,
        the closer their routers are to the router fitted on all queries.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries for the splitter; with an int ``cv``, the queries of one group stay in
        one fold.
    n_jobs : int or None, default=None
        Number of folds run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the shuffling.

    Returns
    -------
    CostWeightChoice
        The weight, and the cost and score to expect, with intervals.

    Raises
    ------
    ValueError
        If neither or both of budget and min_score are given, or no weight keeps the promise: the
        budget is below the cost of the cheapest routes, or the minimum above the score of the
        best ones.

    See Also
    --------
    deferral_curve : Score against cost for all cost weights.

    Notes
    -----
    Cost weights are tried in order from the safe end, and the search stops at the first one that
    fails, so that no correction for multiple tests is needed (fixed sequence testing). The router
    that is then fitted on all queries differs slightly from those of the folds, which the margin
    does not take into account: of promises at 90 %, from 200 training queries, 88 to 92 % were
    kept on new data (``benchmarks/evaluation.py``).

    References
    ----------
    Threshold calibration of RouteLLM, arXiv 2406.18665; the sequence of tests: Angelopoulos,
    Bates, Candès, Jordan & Lei, "Learn then test", arXiv 2110.01052.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, tune_cost_weight
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=4.0)
    >>> choice.cost[2] <= 4.5
    True
    """
    check_is_router(router)
    if (budget is None) == (min_score is None):
        raise ValueError("give either budget or min_score, and not both")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
    if n_queries is not None and n_queries < 1:
        raise ValueError(f"n_queries must be at least 1, got {n_queries!r}")
    outcomes = as_outcomes(outcomes)
    realised = realised_with_costs(X, outcomes)
    router = with_cost_range(router, find_router_cost_range(router, outcomes))
    splits = make_splits(cv, X, outcomes, groups, random_state)
    changes = sweep_cost_weight(*out_of_fold(router, X, outcomes, splits, n_jobs, _predict_lines))
    curve = curve_from_sweep(changes, realised)
    cost_error = _standard_errors(changes, realised.cost, n_queries)
    score_error = _standard_errors(changes, realised.score, n_queries)
    margin = norm.ppf(confidence)
    if budget is not None:
        point = _first_point_within_budget(curve.cost, margin * cost_error, budget)
        promise = f"a mean cost of at most {budget:.4g}"
    else:
        point = _last_point_with_score(curve.score, margin * score_error, min_score)
        promise = f"a mean score of at least {min_score:.4g}"
    half_width = norm.ppf((1 + confidence) / 2)
    return CostWeightChoice(
        float(curve.cost_weight[point]),
        _with_interval(curve.cost[point], half_width * cost_error[point]),
        _with_interval(curve.score[point], half_width * score_error[point]),
        confidence,
        promise,
        curve,
    )


def _predict_lines(router, features):
    return router.utility_lines(features)


def _first_point_within_budget(cost, margin, budget):
    """Return the first point from which all limits of the cost are within the budget."""
    limit = cost + margin
    within = limit <= budget
    point = len(within) - int(np.argmin(np.append(within[::-1], False)))
    if point == len(within):
        raise ValueError(
            f"budget={budget!r} is below the cost of the cheapest routes, which is "
            f"{cost[-1]:.4g} per query, and {limit[-1]:.4g} with its margin"
        )
    return point


def _last_point_with_score(score, margin, min_score):
    """Return the last point up to which all limits of the score are above the minimum."""
    limit = score - margin
    point = int(np.argmin(np.append(limit >= min_score, False))) - 1
    if point < 0:
        raise ValueError(
            f"min_score={min_score!r} is above the score of the best routes, which is "
            f"{score[0]:.4g}, and {limit[0]:.4g} with its margin"
        )
    return point


def _standard_errors(changes, table, n_new):
    """Standard error of the mean at each point, as an estimate of the mean of new queries."""
    table = np.nan_to_num(table - np.nanmean(table))
    n = len(table)
    second_moment, mean = changes.routed_means(table**2), changes.routed_means(table)
    variance = np.maximum(second_moment - mean**2, 0) * n / max(n - 1, 1)
    return np.sqrt(variance * (1 / n + (0 if n_new is None else 1 / n_new)))


def _with_interval(value, half_width):
    return _EstimateWithInterval(float(value), float(value - half_width), float(value + half_width))
