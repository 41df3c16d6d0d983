"""What a router has to beat: one model for everything, the cheapest, a random choice."""

from warnings import warn

import numpy as np

from dars_sklearn._realised import Realised, weighted_mean
from dars_sklearn._summarise import column_means
from dars_sklearn.exceptions import UndefinedMetricWarning

__all__ = [
    "best_single_model",
    "cheapest_model",
    "performance_gap_recovered",
    "random_utility",
    "routing_collapse_index",
    "supervision_break_even",
    "supervision_cost_ratio",
]


def best_single_model(outcomes, *, cost_weight=0.0, cost_range=None):
    """Find the model of the highest mean utility.

    Parameters
    ----------
    outcomes : Outcomes
        Training outcomes: on the outcomes that judge a router, the best model
        is chosen in hindsight, and is a harder rival than anybody could be.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.

    Returns
    -------
    object
        The model's name; the first of several. Means are over the queries that
        have outcomes of a model.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import best_single_model
    >>> best_single_model(Outcomes.from_array([[1, 0], [1, 1]], models=["a", "b"]))
    'a'
    """
    realised = Realised(outcomes, cost_weight, cost_range)
    return realised.models[np.nanargmax(column_means(realised.utility))]


def cheapest_model(outcomes):
    """Find the model of the lowest mean cost.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with costs.

    Returns
    -------
    object
        The model's name; the first of several.

    Raises
    ------
    ValueError
        If the outcomes have no costs.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import cheapest_model
    >>> cheapest_model(Outcomes.from_array([[1, 0]], models=["a", "b"], costs=[2.0, 1.0]))
    'b'
    """
    cost = column_means(Realised(outcomes).cost)
    if np.isnan(cost).all():
        raise ValueError("these outcomes have no costs; see with_prices and with_latency_cost")
    return outcomes.models[np.nanargmin(cost)]


def random_utility(outcomes, *, cost_weight=0.0, cost_range=None, sample_weight=None):
    """Expected utility of choosing among the models by chance, each as likely.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

    Returns
    -------
    float
        Mean over models of their mean utility.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import random_utility
    >>> random_utility(Outcomes.from_array([[1, 0], [1, 1]]))
    0.75
    """
    realised = Realised(outcomes, cost_weight, cost_range)
    by_model = [weighted_mean(column, sample_weight) for column in realised.utility.T]
    return float(np.nanmean(by_model))


def performance_gap_recovered(score, weak, strong):
    """Share of the gap between a weak and a strong model that a router recovers.

    Parameters
    ----------
    score : float or ndarray
        Mean score of the router.
    weak, strong : float
        Mean score of the weak model (the cheapest) and of the strong one (the
        best single model on training data).

    Returns
    -------
    float or ndarray
        ``(score - weak) / (strong - weak)``: 0 for the weak model, 1 for the
        strong one, more where routing beats both. NaN where the strong model
        is not better.

    Warns
    -----
    UndefinedMetricWarning
        If it is not.

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
        warn(
            f"the strong model scores {strong:.4g}, no more than the weak one's {weak:.4g}: there "
            "is no gap to recover",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return np.full(np.shape(score), np.nan)[()]
    return (score - weak) / (strong - weak)


def routing_collapse_index(outcomes, routes, *, strong=None, sample_weight=None):
    """How often the strong model is called where a cheaper one does as well.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes with costs.
    routes : array-like of shape (n_queries,)
        Model names.
    strong : object or None, default=None
        Name of the strong model; None takes the one of the highest mean score
        on these outcomes.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

    Returns
    -------
    float
        Of the queries on which a model that is cheaper in the mean scores no
        less than the strong one, the share that is routed to the strong one:
        0 for an oracle, 1 for a router that has collapsed to the strong model.
        NaN where no query has such a model.

    Warns
    -----
    UndefinedMetricWarning
        If no cheaper model ever does as well.

    Notes
    -----
    Scores are means of the outcomes at hand; the fewer these are, the more
    models seem to do as well by luck.

    References
    ----------
    The failure that EquiRouter, arXiv 2602.03478, calls routing collapse,
    measured as its abstract words it. The paper's own formula could not be
    had, so figures need not agree with its Routing Collapse Index.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routing_collapse_index
    >>> outcomes = Outcomes.from_array([[1, 1], [0, 1], [1, 1]], costs=[1.0, 5.0])
    >>> routing_collapse_index(outcomes, [1, 1, 0])
    0.5
    """
    realised = Realised(outcomes)
    cost = column_means(realised.cost)
    if np.isnan(cost).all():
        raise ValueError("these outcomes have no costs; see with_prices and with_latency_cost")
    if strong is None:
        strong = realised.models[np.nanargmax(column_means(realised.score))]
    place = realised.places([strong] * len(realised.score), missing="skip")[0]
    cheaper = cost < cost[place]
    with np.errstate(invalid="ignore"):
        does = realised.score[:, cheaper] >= realised.score[:, [place]]
    suffices = does.any(axis=1)
    if not suffices.any():
        warn(
            f"no model that is cheaper than {strong} ever does as well: nothing to collapse from",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    called = np.where(suffices, realised.places(routes, "skip") == place, np.nan)
    return weighted_mean(called, sample_weight)


def supervision_break_even(supervision_cost, baseline_cost, router_cost):
    """Queries to be served until a router has paid for its supervision.

    Parameters
    ----------
    supervision_cost : float
        What the outcomes cost that it was trained on.
    baseline_cost, router_cost : float
        Cost of a query without the router, and with it.

    Returns
    -------
    float
        ``ceil(supervision_cost / (baseline_cost - router_cost))``; infinite
        where the router saves nothing.

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
    """Cost with a router, its supervision paid, by the cost without it.

    Parameters
    ----------
    supervision_cost : float
        What the outcomes cost that it was trained on.
    baseline_cost, router_cost : float
        Cost of a query without the router, and with it.
    horizon : int
        Queries to be served.

    Returns
    -------
    float
        ``(supervision_cost + horizon * router_cost) / (horizon *
        baseline_cost)``; below 1 where the router pays. Infinite where the
        baseline is free and the router is not.

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


def _check_costs(*costs):
    for cost in costs:
        if not 0 <= cost < np.inf:
            raise ValueError(f"costs must be finite and not negative, got {cost!r}")
