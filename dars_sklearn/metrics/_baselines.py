"""What a router is compared with: the best single model, the cheapest, and random routing."""

import numpy as np

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics._realised_values import RealisedValues, check_has_costs
from dars_sklearn.outcomes._means import column_means, weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utils._warnings import warn_user

__all__ = [
    "best_single_model",
    "cheapest_model",
    "performance_gap_recovered",
    "random_utility",
    "routing_collapse_index",
    "supervision_break_even",
    "supervision_cost_ratio",
]

_TIE_TOLERANCE = 1e-9


def best_single_model(outcomes, *, cost_weight=0.05, cost_range=None):
    """Find the model with the highest mean utility.

    Parameters
    ----------
    outcomes : Outcomes
        Training outcomes. On the outcomes on which a router is evaluated, the best model would
        be chosen in hindsight, and would be better than any choice that could be made in
        practice.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes, so that one very
        expensive outcome changes what ``cost_weight`` means; "robust" uses the lowest and the
        highest median cost of a model; (0, 1) leaves costs in the user's unit.

    Returns
    -------
    object
        Name of the model, the first in case of ties. Means are over the queries that have
        outcomes of a model.

    Raises
    ------
    ValueError
        If cost_weight is negative; or if it is positive, and the costs of some models are known
        and no cost of another.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import best_single_model
    >>> best_single_model(Outcomes.from_array([[1, 0], [1, 1]], models=["a", "b"]))
    'a'
    """
    realised = RealisedValues(outcomes, cost_weight, cost_range)
    return realised.models[np.nanargmax(column_means(realised.utility))]


def cheapest_model(outcomes):
    """Find the model with the lowest mean cost.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with costs.

    Returns
    -------
    object
        Name of the model, the first in case of ties.

    Raises
    ------
    ValueError
        If the outcomes have no costs, or no cost of some model is known.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import cheapest_model
    >>> cheapest_model(Outcomes.from_array([[1, 0]], models=["a", "b"], costs=[2.0, 1.0]))
    'b'
    """
    outcomes = as_outcomes(outcomes)
    return outcomes.models[np.nanargmin(_mean_costs(outcomes))]


def random_utility(outcomes, *, cost_weight=0.05, cost_range=None, sample_weight=None):
    """Expected utility of choosing among the models uniformly at random.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes, so that one very
        expensive outcome changes what ``cost_weight`` means; "robust" uses the lowest and the
        highest median cost of a model; (0, 1) leaves costs in the user's unit.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

    Returns
    -------
    float
        Mean over models of their mean utility.

    Raises
    ------
    ValueError
        If cost_weight is negative; or if it is positive, and the costs of some models are known
        and no cost of another.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import random_utility
    >>> random_utility(Outcomes.from_array([[1, 0], [1, 1]]))
    0.75
    """
    realised = RealisedValues(outcomes, cost_weight, cost_range)
    by_model = [
        weighted_mean(column, sample_weight, realised.outcomes) for column in realised.utility.T
    ]
    return float(np.nanmean(by_model))


def performance_gap_recovered(score, weak, strong):
    """Share of the gap between a weak and a strong model that a router recovers.

    Parameters
    ----------
    score : float or ndarray
        Mean score of the router.
    weak, strong : float
        Mean score of the weak model (the cheapest), and of the strong one (the best single model
        on training data).

    Returns
    -------
    float or ndarray
        ``(score - weak) / (strong - weak)``: 0 for the weak model, 1 for the strong one, and
        more where routing is better than both. NaN where the strong model is not better.

    Warns
    -----
    UndefinedMetricWarning
        If the strong model is not better than the weak one.

    References
    ----------
    PGR of RouteLLM, arXiv 2406.18665, section 3.

    Examples
    --------
    >>> from dars_sklearn.metrics import performance_gap_recovered
    >>> performance_gap_recovered(0.5, weak=0.25, strong=0.75)
    0.5
    """
    if not strong > weak:
        warn_user(
            f"the strong model scores {strong:.4g}, which is not more than the {weak:.4g} of the "
            "weak one: there is no gap to recover",
            UndefinedMetricWarning,
        )
        return np.full(np.shape(score), np.nan)[()]
    return (score - weak) / (strong - weak)


def routing_collapse_index(outcomes, routes, *, sample_weight=None):
    """Share of queries on which the choice is not the best, or is needlessly expensive.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with costs.
    routes : array-like of shape (n_queries,)
        Model names.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

    Returns
    -------
    float
        Mean over all queries of a loss that is 0 where a model with the highest mean score was
        chosen, unless it is the most expensive model and another one scores as high; and 1
        otherwise. Queries that were routed to a model without outcomes for them are left out;
        NaN where these are all.

    Raises
    ------
    ValueError
        If the outcomes have no costs, or no cost of some model is known.

    Notes
    -----
    The most expensive model is the one with the highest mean cost over all queries; where several
    have it, each of them is. Scores are compared, and not utilities, so the index does not depend
    on a cost weight: of two models that score the same, only the most expensive one of the whole
    pool counts as needless.

    The index mixes two errors, a choice that scores less and a choice that costs more than it
    has to. An index above that of the best single model comes from the former where the router
    calls the most expensive model less often. Look at the shares of the models beside it.

    The best model is the best of the outcomes at hand, so the index is that of routing on
    sampling noise as well. With one outcome per (query, model) pair and scores of 0 and 1, all
    models that happened to succeed are best, and no router could know which ones will; with
    scores that hardly ever tie, the best of many models is the luckiest one, and the index of
    every router is near 1. Then only differences mean something: compare routers with each
    other and with single models on the same outcomes, and none of them with 0. Several outcomes
    per pair bring the index near its value for expected scores.

    References
    ----------
    Lai and Ye, "When Routing Collapses", arXiv 2602.03478: the Routing Collapse Index, as
    computed by the released code.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routing_collapse_index
    >>> outcomes = Outcomes.from_array([[1, 1], [0, 1], [1, 0], [0, 0]], costs=[1.0, 5.0])
    >>> routing_collapse_index(outcomes, [1, 1, 1, 1])  # always the expensive model
    0.75
    >>> routing_collapse_index(outcomes, [0, 0, 0, 0])  # always the cheap one
    0.25
    >>> routing_collapse_index(outcomes, [0, 1, 0, 0])
    0.0
    """
    outcomes = as_outcomes(outcomes)
    cost = _mean_costs(outcomes)
    most_expensive = cost == np.nanmax(cost)
    realised = RealisedValues(outcomes)
    columns = realised.column_indices(routes, missing="skip")
    highest = np.nanmax(realised.score, axis=1, keepdims=True)
    # Means of unequal numbers of outcomes may differ by rounding only.
    is_best = np.isclose(realised.score, highest, rtol=0, atol=_TIE_TOLERANCE)
    cheaper_is_best = is_best[:, ~most_expensive].any(axis=1)
    chosen_is_best = np.take_along_axis(is_best, columns[:, None], axis=1)[:, 0]
    loss = np.where(chosen_is_best & ~(most_expensive[columns] & cheaper_is_best), 0.0, 1.0)
    observed = ~np.isnan(realised.take("score", columns))
    return weighted_mean(np.where(observed, loss, np.nan), sample_weight, outcomes)


def supervision_break_even(supervision_cost, baseline_cost, router_cost):
    """Number of queries after which a router has paid for its supervision.

    Parameters
    ----------
    supervision_cost : float
        Cost of the outcomes that it was trained on.
    baseline_cost, router_cost : float
        Cost per query without the router, and with it.

    Returns
    -------
    float
        ``ceil(supervision_cost / (baseline_cost - router_cost))``; infinite where the router
        saves nothing.

    References
    ----------
    SA-BEP of SAVERouter, arXiv 2609.37402.

    Examples
    --------
    >>> from dars_sklearn.metrics import supervision_break_even
    >>> supervision_break_even(100.0, baseline_cost=0.5, router_cost=0.25)
    400.0
    """
    _check_costs(supervision_cost, baseline_cost, router_cost)
    saved = baseline_cost - router_cost
    return float(np.ceil(supervision_cost / saved)) if saved > 0 else float("inf")


def supervision_cost_ratio(supervision_cost, baseline_cost, router_cost, horizon):
    """Cost with a router, including its supervision, relative to the cost without it.

    Parameters
    ----------
    supervision_cost : float
        Cost of the outcomes that it was trained on.
    baseline_cost, router_cost : float
        Cost per query without the router, and with it.
    horizon : int
        Number of queries to be served.

    Returns
    -------
    float
        ``(supervision_cost + horizon * router_cost) / (horizon * baseline_cost)``; below 1 where
        the router saves money. Infinite where the baseline is free and the router is not.

    References
    ----------
    SA-CR@H of SAVERouter, arXiv 2609.37402.

    Examples
    --------
    >>> from dars_sklearn.metrics import supervision_cost_ratio
    >>> supervision_cost_ratio(100.0, baseline_cost=0.5, router_cost=0.25, horizon=800)
    0.75
    """
    _check_costs(supervision_cost, baseline_cost, router_cost)
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1 query, got {horizon!r}")
    total, baseline = supervision_cost + horizon * router_cost, horizon * baseline_cost
    if baseline == 0:
        return float("inf") if total > 0 else 1.0
    return float(total / baseline)


def _mean_costs(outcomes):
    """Mean cost of each model in the user's unit; refuse models without a known cost."""
    check_has_costs(outcomes)
    return column_means(RealisedValues(outcomes).cost)


def _check_costs(*costs):
    for cost in costs:
        if not 0 <= cost < np.inf:
            raise ValueError(f"costs must be finite and not negative, got {cost!r}")
