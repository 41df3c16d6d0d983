"""What routes achieve on the outcomes of their models."""

from dars_sklearn._realised import Realised, weighted_mean
from dars_sklearn.metrics._oracle import oracle_utility
from dars_sklearn.outcomes import as_outcomes

__all__ = [
    "instability",
    "routed_cost",
    "routed_regret",
    "routed_score",
    "routed_utility",
]


def routed_score(outcomes, routes, *, sample_weight=None, missing="raise"):
    """Mean score of the routed models.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    routes : array-like of shape (n_queries,)
        Model names.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error, or left out.

    Returns
    -------
    float
        The mean over queries of a query's mean score; in the range of scores,
        higher is better.

    References
    ----------
    ``rewrite_score`` and ``decoding_score`` of arXiv 2606.06924, by which
    outcomes are given.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_score
    >>> routed_score(Outcomes.from_array([[[1, 0], [1, 1]]]), [0])
    0.5
    """
    realised = Realised(outcomes)
    return weighted_mean(realised.at("score", realised.places(routes, missing)), sample_weight)


def routed_cost(outcomes, routes, *, cost_range=None, sample_weight=None, missing="raise"):
    """Mean cost of the routed models.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries, with costs.
    routes : array-like of shape (n_queries,)
        Model names.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error, or left out.

    Returns
    -------
    float
        The mean over queries of a query's mean cost; lower is better.

    Raises
    ------
    ValueError
        If the outcomes have no costs.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_cost
    >>> routed_cost(Outcomes.from_array([[1, 0], [1, 1]], costs=[2.0, 1.0]), [0, 1])
    1.5
    """
    outcomes = as_outcomes(outcomes)
    if outcomes.cost is None:
        raise ValueError("these outcomes have no costs; see with_prices and with_latency_cost")
    realised = Realised(outcomes, cost_range=cost_range)
    return weighted_mean(
        realised.at("scaled_cost", realised.places(routes, missing)), sample_weight
    )


def routed_utility(
    outcomes,
    routes,
    *,
    cost_weight=0.0,
    cost_range=None,
    sample_weight=None,
    missing="raise",
    average=True,
):
    """Mean utility of the routed models: score less weighted cost.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    routes : array-like of shape (n_queries,)
        Model names.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error, or left out.
    average : bool, default=True
        Whether to return the mean, or the utility of each query, NaN where it
        has no outcome.

    Returns
    -------
    float or ndarray of shape (n_queries,)
        Utility; higher is better. Risk is a matter of choosing, and not paid.

    References
    ----------
    The utility of arXiv 2606.06924, without its penalty for risk.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_utility
    >>> outcomes = Outcomes.from_array([[1, 0], [1, 1]], costs=[2.0, 1.0])
    >>> routed_utility(outcomes, [0, 1], cost_weight=0.5)
    0.25
    """
    realised = Realised(outcomes, cost_weight, cost_range)
    achieved = realised.at("utility", realised.places(routes, missing))
    return weighted_mean(achieved, sample_weight) if average else achieved


def routed_regret(
    outcomes,
    routes,
    *,
    cost_weight=0.0,
    cost_range=None,
    crossfit=True,
    sample_weight=None,
    missing="raise",
):
    """Utility of the oracle, less that of the routed models.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    routes : array-like of shape (n_queries,)
        Model names.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    crossfit : bool, default=True
        Whether the oracle is cross-fitted; the naive one is lucky, and every
        router regrets not having had its luck.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error, or left out.

    Returns
    -------
    float
        The mean; lower is better. At least 0 with the naive oracle; with the
        cross-fitted one, which is conservative, a good router can be below 0.
        NaN where the oracle is.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_regret
    >>> routed_regret(Outcomes.from_array([[[1, 1], [0, 0]], [[0, 0], [1, 1]]]), [0, 0])
    0.5
    """
    scale = {"cost_weight": cost_weight, "cost_range": cost_range}
    realised = Realised(outcomes, **scale)
    achieved = realised.at("utility", realised.places(routes, missing))
    oracle = oracle_utility(outcomes, **scale, crossfit=crossfit, average=False)
    return weighted_mean(oracle - achieved, sample_weight)


def instability(outcomes, routes, *, sample_weight=None, missing="raise"):
    """Mean spread of the routed models' scores.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries; the paper's are decodes of one wording.
    routes : array-like of shape (n_queries,)
        Model names.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error, or left out.

    Returns
    -------
    float
        Mean over queries of the sample standard deviation (ddof=1) of the
        routed model's scores; at least 0, lower is steadier. A pair with one
        outcome takes its model's mean, 0 where there is none.

    References
    ----------
    "Instability" in section "Evaluation" of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import instability
    >>> instability(Outcomes.from_array([[[1, 1], [0, 1]]]), [0])
    0.0
    """
    realised = Realised(outcomes)
    return weighted_mean(realised.at("spread", realised.places(routes, missing)), sample_weight)
