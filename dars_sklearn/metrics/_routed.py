"""Score, cost, utility, regret and instability of routes."""

import numpy as np

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics._oracle import oracle_utility
from dars_sklearn.metrics._realised_values import RealisedValues, check_has_costs
from dars_sklearn.outcomes._means import weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utils._warnings import warn_user

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
        Whether a routed (query, model) pair without outcomes is an error, or left out.

    Returns
    -------
    float
        Mean over queries of the mean score of the routed model; in the range of scores, higher
        is better.

    References
    ----------
    ``rewrite_score`` and ``decoding_score`` of arXiv 2606.06924, depending on the outcomes.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_score
    >>> routed_score(Outcomes.from_array([[[1, 0], [1, 1]]]), [0])
    0.5
    """
    realised = RealisedValues(outcomes)
    return weighted_mean(
        realised.routed("score", routes, missing), sample_weight, realised.outcomes
    )


def routed_cost(outcomes, routes, *, sample_weight=None, missing="raise"):
    """Mean cost of the routed models.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries, with costs.
    routes : array-like of shape (n_queries,)
        Model names.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error, or left out.

    Returns
    -------
    float
        Mean over queries of the mean cost of the routed model, in the user's unit; lower is
        better. An unknown cost counts as the mean cost of its model.

    Raises
    ------
    ValueError
        If the outcomes have no costs, or no cost of some model is known.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_cost
    >>> routed_cost(Outcomes.from_array([[1, 0], [1, 1]], costs=[2.0, 1.0]), [0, 1])
    1.5
    """
    outcomes = as_outcomes(outcomes)
    check_has_costs(outcomes)
    realised = RealisedValues(outcomes)
    return weighted_mean(realised.routed("cost", routes, missing), sample_weight, realised.outcomes)


def routed_utility(
    outcomes,
    routes,
    *,
    cost_weight=0.05,
    cost_range=None,
    sample_weight=None,
    missing="raise",
    average=True,
):
    """Mean utility of the routed models: score less weighted cost.

    The score is on the unit scale of its declared range: the lowest possible score is 0, and the
    highest is 1. Scores without a declared range (``score_range=None``) are taken as they are.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    routes : array-like of shape (n_queries,)
        Model names.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes, so that one very
        expensive outcome changes what ``cost_weight`` means; "robust" uses the lowest and the
        highest median cost of a model; (0, 1) leaves costs in the user's unit.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error, or left out.
    average : bool, default=True
        Whether to return the mean, or the utility of each query, NaN where there is no outcome.

    Returns
    -------
    float or ndarray of shape (n_queries,)
        Utility; higher is better. A penalty for risk is part of choosing a model, and not of
        what the choice achieves.

    Raises
    ------
    ValueError
        If cost_weight is negative; or if it is positive, and the costs of some models are known
        and no cost of another.

    See Also
    --------
    dars_sklearn.utility.cost_weight_from_value : Cost weight from what a right answer is worth.

    References
    ----------
    The utility of arXiv 2606.06924, without its penalty for risk.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_utility
    >>> outcomes = Outcomes.from_array([[1, 0], [1, 1]], costs=[2.0, 1.0])
    >>> routed_utility(outcomes, [0, 1], cost_weight=0.5)  # the costs 1 and 2 become 0 and 1
    0.75
    """
    realised = RealisedValues(outcomes, cost_weight, cost_range)
    achieved = realised.routed("utility", routes, missing)
    return weighted_mean(achieved, sample_weight, realised.outcomes) if average else achieved


def routed_regret(
    outcomes,
    routes,
    *,
    cost_weight=0.05,
    cost_range=None,
    crossfit=True,
    sample_weight=None,
    missing="raise",
):
    """Utility of the oracle less that of the routed models.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries.
    routes : array-like of shape (n_queries,)
        Model names.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes, so that one very
        expensive outcome changes what ``cost_weight`` means; "robust" uses the lowest and the
        highest median cost of a model; (0, 1) leaves costs in the user's unit.
    crossfit : bool, default=True
        Whether the oracle is cross-fitted. The naive one is biased upward by sampling noise, and
        so is the regret.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error, or left out.

    Returns
    -------
    float
        Mean over queries; lower is better. At least 0 with the naive oracle. With the
        cross-fitted one, which is conservative, a good router can be below 0. NaN where the
        oracle is NaN.

    Raises
    ------
    ValueError
        If cost_weight is negative; or if it is positive, and the costs of some models are known
        and no cost of another.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import routed_regret
    >>> routed_regret(Outcomes.from_array([[[1, 1], [0, 0]], [[0, 0], [1, 1]]]), [0, 0])
    0.5
    """
    scale = {"cost_weight": cost_weight, "cost_range": cost_range}
    realised = RealisedValues(outcomes, **scale)
    achieved = realised.routed("utility", routes, missing)
    oracle = oracle_utility(outcomes, **scale, crossfit=crossfit, average=False)
    return weighted_mean(oracle - achieved, sample_weight, realised.outcomes)


def instability(outcomes, routes, *, sample_weight=None, missing="raise"):
    """Mean spread of the routed models' scores.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries. Those of the paper are samples of one wording.
    routes : array-like of shape (n_queries,)
        Model names.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error, or left out.

    Returns
    -------
    float
        Mean over queries of the standard deviation (ddof=1) of the routed model's scores; at
        least 0, lower is better. A pair with one outcome has the mean of its model; where no
        pair of that model has two, its spread is not identifiable, and the query is left out. NaN
        where no query is left.

    Warns
    -----
    UndefinedMetricWarning
        If queries are left out for that reason.

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
    realised = RealisedValues(outcomes)
    spread = realised.routed("spread", routes, missing)
    score = realised.take("score", realised.column_indices(routes, missing))
    is_unknown = np.isnan(spread) & ~np.isnan(score)
    if is_unknown.any():
        warn_user(
            f"{is_unknown.sum()} of {len(spread)} queries are routed to models of which no (query, "
            "model) pair has two outcomes, so that their spread is not identifiable; they are left "
            "out",
            UndefinedMetricWarning,
        )
    return weighted_mean(spread, sample_weight, realised.outcomes)
