"""Quality against cost, and the weight of cost that keeps to a budget."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.utils.validation import check_is_fitted

from dars_sklearn._realised import Realised
from dars_sklearn._summarise import column_means
from dars_sklearn.aggregate import cost_range
from dars_sklearn.decision import decide
from dars_sklearn.evaluate._routers import (
    features_of,
    final_router,
    folds,
    with_cost_scaling,
)
from dars_sklearn.evaluate._sweep import sweep
from dars_sklearn.metrics import cost_hull
from dars_sklearn.metrics._scorer import out_of_fold
from dars_sklearn.outcomes import as_outcomes, check_length, check_models
from dars_sklearn.router import DistributionalRouter

__all__ = ["CostWeightChoice", "DeferralCurve", "deferral_curve", "tune_cost_weight"]

_MISSES = (
    "some queries are routed to a model that has no outcome for them; a curve needs outcomes of "
    "every model that is routed to"
)


@dataclass(frozen=True)
class DeferralCurve:
    """Mean score against mean cost of a router, as its weight of cost sweeps.

    Parameters
    ----------
    cost_weight : ndarray of shape (n_points,)
        Weights of cost, rising; set one as the router's to have its point.
    cost, score : ndarray of shape (n_points,)
        Mean cost of a query in the user's unit, and mean score.
    models : DataFrame
        Index model; cost and score of sending every query to it.
    """

    cost_weight: np.ndarray
    cost: np.ndarray
    score: np.ndarray
    models: pd.DataFrame

    @property
    def hull(self):
        """Costs and scores of the corners of the non-decreasing hull."""
        return cost_hull(self.cost, self.score)

    def to_frame(self):
        """Return the points as a table.

        Returns
        -------
        DataFrame
            Columns cost_weight, cost and score.
        """
        return pd.DataFrame(
            {"cost_weight": self.cost_weight, "cost": self.cost, "score": self.score}
        )

    def __repr__(self):
        return (
            f"<DeferralCurve of {len(self.cost)} points: cost {self.cost.min():.4g} to "
            f"{self.cost.max():.4g}, score {self.score.min():.4g} to {self.score.max():.4g}>"
        )


def deferral_curve(router, X, outcomes, *, cost_weights=None):
    """Find mean score against mean cost, for all weights of cost.

    The router predicts once; where its routes change is then found exactly,
    for all weights at once.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Fitted, with a target that leaves the weight of cost open.
    X : array-like of shape (n_queries, ...)
        Queries that it was not fitted on, or their features.
    outcomes : Outcomes
        Their outcomes, with costs.
    cost_weights : array-like or None, default=None
        Weights to look at. None takes all at which routes change; for an
        estimator that decides itself (RM-Softmax), 41 from 0 to 0.1.

    Returns
    -------
    DeferralCurve
        The curve.

    Raises
    ------
    ValueError
        If X and the outcomes differ in length, the models are others or in
        another order, there are no costs, a routed pair has no outcome, or the
        weight of cost cannot be changed.

    References
    ----------
    Threshold sweeps of RouteLLM, arXiv 2406.18665; the hull of RouterBench,
    arXiv 2403.12031.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, deferral_curve
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> router = DistributionalRouter().fit(data.X[:100], data.outcomes[:100])
    >>> curve = deferral_curve(router, data.X[100:], data.outcomes[100:])
    >>> bool(curve.cost[-1] < curve.cost[0])
    True
    """
    check_is_fitted(router)
    outcomes = as_outcomes(outcomes)
    realised = _priced(outcomes, X)
    final, features = final_router(router), features_of(router, X)
    check_models(outcomes, final.models_)
    if cost_weights is None and not final.decides_itself:
        return curve_of(sweep(*final.value_and_price(features)), realised)
    cost_weights = np.linspace(0, 0.1, 41) if cost_weights is None else np.sort(cost_weights)
    return _curve_on_grid(final, features, realised, cost_weights)


def curve_of(of, realised):
    """The curve of a sweep.

    Parameters
    ----------
    of : Sweep
        Changes of routes.
    realised : Realised
        What each model achieves.

    Returns
    -------
    DeferralCurve
        The curve.

    Raises
    ------
    ValueError
        If a pair that is routed to at some weight has no outcome.
    """
    if of.misses(realised.score):
        raise ValueError(_MISSES)
    means = (of.means(np.nan_to_num(table)) for table in (realised.cost, realised.score))
    return DeferralCurve(of.cost_weight, *means, _single_models(realised))


def _curve_on_grid(final, features, realised, cost_weights):
    routes = [decide(of) for of in _utilities_at(final, features, cost_weights)]
    points = [[realised.at(table, of) for table in ("cost", "score")] for of in routes]
    if np.isnan(points).any():
        raise ValueError(_MISSES)
    means = np.mean(points, axis=2).T
    return DeferralCurve(np.asarray(cost_weights), *means, _single_models(realised))


def _utilities_at(final, features, cost_weights):
    """Utilities at each weight of cost, from one prediction where the router decides."""
    if final.decides_itself:
        decision = final.estimators_[0].decision_function
        return [decision(features, cost_weight=weight) for weight in cost_weights]
    value, price = final.value_and_price(features)
    return [value - weight * price for weight in cost_weights]


def _single_models(realised):
    means = {name: column_means(getattr(realised, name)) for name in ("cost", "score")}
    return pd.DataFrame(means, index=pd.Index(realised.models, name="model"))


@dataclass(frozen=True)
class CostWeightChoice:
    """A weight of cost, and what to expect of it.

    Parameters
    ----------
    cost_weight : float
        The weight: ``router.set_params(cost_weight=choice.cost_weight)``.
    cost, score : tuple of float
        Out-of-fold mean cost and score of a query: estimate, low, high.
    confidence : float
        Probability that the promise holds; also that each interval does.
    promise : str
        What is promised.
    curve : DeferralCurve
        The out-of-fold curve that the weight was chosen from.
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
    n_jobs=None,
    random_state=0,
):
    """Choose the weight of cost that keeps to a budget, or to a quality.

    Every query is routed by a router that has not seen it. With a budget, the
    weight is the lowest from which on up the mean cost, with its upper
    confidence limit, stays within it: the best quality that the budget buys.
    With a floor of quality, it is the highest weight up to which the mean
    score's lower limit stays above: the cheapest that is good enough.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        With a target that leaves the weight of cost open. It is not fitted.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes, with costs.
    budget : float or None, default=None
        Most that a query may cost in the mean, in the user's unit.
    min_score : float or None, default=None
        Least that a query must score in the mean. One of the two is given.
    confidence : float, default=0.9
        Probability that the promise holds.
    n_queries : int or None, default=None
        Fresh queries whose mean is to keep the promise; None promises it of
        the expected value, the mean of very many. A mean over few strays, and
        needs a wider margin.
    cv : int, splitter or iterable, default=10
        Folds, every query in one test part; an int shuffles the queries first.
        The more, the nearer their routers are to the one fitted on all.
    n_jobs : int or None, default=None
        Folds at once.
    random_state : int, RandomState instance or None, default=0
        Seed of the shuffling.

    Returns
    -------
    CostWeightChoice
        The weight, and the cost and score to expect, with intervals.

    Raises
    ------
    ValueError
        If neither or both of budget and min_score are given, or no weight
        keeps the promise: the budget is below the cheapest routes, or the floor
        above the best.

    Notes
    -----
    Weights are tried in order from the safe end and the search ends at the
    first that fails, so that no correction for many tries is due (fixed
    sequence testing). The router that is then fitted on all queries is not
    quite those of the folds, which the margin does not know: of promises at
    90 %, from 200 training queries, 88 to 92 % were kept on fresh data
    (``benchmarks/evaluation.py``).

    References
    ----------
    Threshold calibration of RouteLLM, arXiv 2406.18665; the sequence of tests:
    Angelopoulos, Bates, Candès, Jordan & Lei, "Learn then test", arXiv
    2110.01052.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, tune_cost_weight
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=4.0)
    >>> choice.cost[2] <= 4.5
    True
    """
    if (budget is None) == (min_score is None):
        raise ValueError("give either budget or min_score, and not both")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
    if n_queries is not None and n_queries < 1:
        raise ValueError(f"n_queries must be at least 1, got {n_queries!r}")
    outcomes = as_outcomes(outcomes)
    realised = _priced(outcomes, X)
    router = with_cost_scaling(router, cost_range(outcomes))
    splitter = folds(cv, random_state)
    predict = DistributionalRouter.value_and_price
    of = sweep(*out_of_fold(router, X, outcomes, splitter, n_jobs, predict))
    curve = curve_of(of, realised)
    spread = {
        name: _standard_error(of, getattr(realised, name), n_queries) for name in ("cost", "score")
    }
    margin = norm.ppf(confidence)
    if budget is not None:
        limit = curve.cost + margin * spread["cost"]
        kept = limit <= budget
        place = len(kept) - int(np.argmin(np.append(kept[::-1], False)))
        if place == len(kept):
            raise ValueError(
                f"budget={budget!r} is below what the cheapest routes cost: "
                f"{curve.cost[-1]:.4g} a query, with its margin {limit[-1]:.4g}"
            )
        promise = f"a mean cost of at most {budget:.4g}"
    else:
        limit = curve.score - margin * spread["score"]
        place = int(np.argmin(np.append(limit >= min_score, False))) - 1
        if place < 0:
            raise ValueError(
                f"min_score={min_score!r} is above what the best routes score: "
                f"{curve.score[0]:.4g}, with its margin {limit[0]:.4g}"
            )
        promise = f"a mean score of at least {min_score:.4g}"
    half = norm.ppf((1 + confidence) / 2)
    cost, score = (
        _around(getattr(curve, name)[place], half * spread[name][place])
        for name in ("cost", "score")
    )
    return CostWeightChoice(
        float(curve.cost_weight[place]), cost, score, confidence, promise, curve
    )


def _standard_error(of, table, n_fresh):
    """Standard error of the mean of each point, as an estimate of a fresh mean."""
    table = np.nan_to_num(table - np.nanmean(table))
    n = len(table)
    variance = np.maximum(of.means(table**2) - of.means(table) ** 2, 0) * n / max(n - 1, 1)
    return np.sqrt(variance * (1 / n + (0 if n_fresh is None else 1 / n_fresh)))


def _around(value, half):
    return float(value), float(value - half), float(value + half)


def _priced(outcomes, X):
    check_length(X, outcomes)
    if outcomes.cost is None:
        raise ValueError("these outcomes have no costs; see with_prices and with_latency_cost")
    return Realised(outcomes)
