"""Utility of always choosing the best model, with and without hindsight."""

from typing import NamedTuple

import numpy as np

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.outcomes._cells import make_cells, tabulate_cells
from dars_sklearn.outcomes._means import weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utility import outcome_utilities
from dars_sklearn.utils._warnings import warn_user

__all__ = [
    "OracleUtilities",
    "oracle_label",
    "oracle_utilities",
    "oracle_utility",
    "warn_of_undefined_oracle",
]


class OracleUtilities(NamedTuple):
    """Utility of the best model of each query.

    Parameters
    ----------
    crossfitted : ndarray of shape (n_queries,)
        Chosen without the outcomes that it is evaluated on; NaN where that is not possible.
    naive : ndarray of shape (n_queries,)
        Chosen and evaluated on the same outcomes.
    """

    crossfitted: np.ndarray
    naive: np.ndarray


def oracle_utility(
    outcomes,
    *,
    cost_weight=0.05,
    cost_range=None,
    crossfit=True,
    sample_weight=None,
    average=True,
):
    """Utility of the best model of each query.

    The naive oracle chooses the model with the highest mean and reports that mean. A maximum over
    noisy means selects noise, so this is biased upward, the more so the fewer the outcomes. The
    cross-fitted oracle leaves out one paraphrase at a time, chooses by the others, and is
    evaluated on the one left out. In expectation it never exceeds the true oracle. Whole
    paraphrases are left out because samples of the same paraphrase share the effect of its
    wording.

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
    crossfit : bool, default=True
        Whether to cross-fit. A query with only one paraphrase leaves out samples: its oracle
        knows the wording, and is not conservative for other wordings (see :func:`oracle_label`).
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries in the mean.
    average : bool, default=True
        Whether to return the mean over queries, or one value per query.

    Returns
    -------
    float or ndarray of shape (n_queries,)
        The utility. NaN for a query that cannot be cross-fitted, because no model has outcomes to
        choose it by and others to evaluate it on.

    Warns
    -----
    UndefinedMetricWarning
        If cross-fitting leaves queries out of the mean for that reason.

    See Also
    --------
    routed_regret : Utility of the oracle less that of routes.

    Notes
    -----
    With few outcomes per (query, model) pair, the cross-fitted oracle chooses by noise, and is
    often below the best single model, which no best choice can be. It then says nothing about the
    best possible utility; reports do not show it where the interval of some strategy's regret is
    below 0.

    References
    ----------
    The oracle of arXiv 2606.06924 is the naive one. On its bias: arXiv 2606.26836.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import oracle_utility
    >>> coin_flips = Outcomes.from_array([[[[1], [0]], [[0], [1]]]])  # each model right once
    >>> oracle_utility(coin_flips, crossfit=False), oracle_utility(coin_flips)
    (0.5, 0.0)
    """
    oracle = oracle_utilities(outcomes, cost_weight, cost_range)
    utility = oracle.crossfitted if crossfit else oracle.naive
    if crossfit:
        warn_of_undefined_oracle(oracle)
    return weighted_mean(utility, sample_weight, as_outcomes(outcomes)) if average else utility


def warn_of_undefined_oracle(oracle):
    """Warn of queries that have no cross-fitted oracle.

    Parameters
    ----------
    oracle : OracleUtilities
        Both oracles.

    Warns
    -----
    UndefinedMetricWarning
        If there are such queries.
    """
    n_undefined = np.isnan(oracle.crossfitted).sum()
    if n_undefined:
        warn_user(
            f"{n_undefined} of {len(oracle.crossfitted)} queries have no cross-fitted oracle, "
            "which needs two outcomes of a model on the query: one to choose the model by, and "
            "another to evaluate it on",
            UndefinedMetricWarning,
        )


def oracle_label(outcomes):
    """Describe the cross-fitted oracle of some outcomes in words.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.

    Returns
    -------
    str
        "oracle, cross-fitted" where it leaves out paraphrases; "oracle, cross-fitted, given the
        wording" where some query has only one paraphrase.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import oracle_label
    >>> oracle_label(Outcomes.from_array([[[[1], [0]], [[0], [1]]]]))  # two paraphrases
    'oracle, cross-fitted'
    >>> oracle_label(Outcomes.from_array([[[1, 0], [0, 1]]]))  # two samples of one wording
    'oracle, cross-fitted, given the wording'
    """
    outcomes = as_outcomes(outcomes)
    given_wording = _left_out_units(outcomes).is_sample.any()
    return "oracle, cross-fitted" + (", given the wording" if given_wording else "")


def oracle_utilities(outcomes, cost_weight, cost_range):
    """Utilities of the cross-fitted and of the naive oracle on each query.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float or None
        Costs that become 0 and 1. None uses the range over single outcomes.

    Returns
    -------
    OracleUtilities
        Both, from one pass over the outcomes.
    """
    outcomes = as_outcomes(outcomes)
    utilities = outcome_utilities(outcomes, cost_weight, cost_range)
    unit = _left_out_units(outcomes).unit
    table = tabulate_cells(make_cells(outcomes, utilities, unit), outcomes.n_models)
    total, count = _sums_by_query(table, len(outcomes))
    return OracleUtilities(
        _crossfitted(table, total, count, len(outcomes)),
        _naive(total, count),
    )


class _LeftOutUnits(NamedTuple):
    """What cross-fitting leaves out together.

    Parameters
    ----------
    unit : ndarray of int of shape (n_outcomes,)
        Code of each outcome's unit within its query: its paraphrase, or its position where the
        query has one paraphrase only.
    is_sample : ndarray of bool of shape (n_queries,)
        Whether the units of a query are samples.
    """

    unit: np.ndarray
    is_sample: np.ndarray


def _left_out_units(outcomes):
    query = outcomes.pair_indices() // max(outcomes.n_models, 1)
    lowest = np.full(len(outcomes), np.iinfo(np.int64).max)
    highest = np.full(len(outcomes), -1)
    np.minimum.at(lowest, query, outcomes.paraphrase)
    np.maximum.at(highest, query, outcomes.paraphrase)
    is_sample = lowest == highest
    position = np.arange(len(query)) - np.repeat(outcomes.offsets[:-1], np.diff(outcomes.offsets))
    return _LeftOutUnits(np.where(is_sample[query], position, outcomes.paraphrase), is_sample)


def _sums_by_query(table, n_queries):
    """Sum and number of the units' means of each (query, model) pair."""
    observed = ~np.isnan(table.means)
    total, count = np.zeros((2, n_queries, table.means.shape[1]))
    np.add.at(total, table.query, np.where(observed, table.means, 0))
    np.add.at(count, table.query, observed)
    return total, count


def _naive(total, count):
    best = np.where(count > 0, total / np.maximum(count, 1), -np.inf).max(axis=1)
    return np.where(np.isfinite(best), best, np.nan)


def _crossfitted(table, total, count, n_queries):
    """Choose by all units of a query but one, evaluate on that one, and average over units."""
    observed = ~np.isnan(table.means)
    n_others = count[table.query] - observed
    others = total[table.query] - np.where(observed, table.means, 0)
    others = np.where(n_others > 0, others / np.maximum(n_others, 1), -np.inf)
    chosen = others.argmax(axis=1)
    value = np.take_along_axis(table.means, chosen[:, None], axis=1)[:, 0]
    known = ~np.isnan(value) & np.isfinite(others).any(axis=1)
    n_known = np.bincount(table.query[known], minlength=n_queries)
    best = np.bincount(table.query[known], value[known], n_queries)
    return np.divide(best, n_known, where=n_known > 0, out=np.full(len(best), np.nan))
