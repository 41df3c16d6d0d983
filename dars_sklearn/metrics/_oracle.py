"""The utility of always choosing the best model, without the luck of hindsight."""

from warnings import warn

import numpy as np

from dars_sklearn._components import make_cells, tabulate_cells
from dars_sklearn._realised import weighted_mean
from dars_sklearn.decision import outcome_utilities
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.outcomes import as_outcomes

__all__ = ["oracle_name", "oracle_utility"]


def oracle_utility(
    outcomes,
    *,
    cost_weight=0.0,
    cost_range=None,
    crossfit=True,
    sample_weight=None,
    average=True,
):
    """Utility of the best model of each query.

    The naive oracle chooses the model of the highest mean and reports that
    mean: a maximum picks out luck, so it is biased upward, the more the fewer
    the outcomes. The cross-fitted one leaves out one paraphrase at a time,
    chooses by the others, and is scored on the one left out; it never exceeds
    the true oracle in expectation, whatever the noise. Whole paraphrases are
    left out, since samples of the same paraphrase share what its wording does.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    crossfit : bool, default=True
        Whether to leave out, or to look back. A query with one paraphrase
        leaves out samples: an oracle that is told the wording, and not
        conservative as to others (:func:`oracle_name` tells which it is).
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries in the mean.
    average : bool, default=True
        Whether to return the mean over queries, or one value a query.

    Returns
    -------
    float or ndarray of shape (n_queries,)
        The utility, in the range of utilities; NaN where a query has one
        outcome a model, which leaves nothing to choose by.

    Warns
    -----
    UndefinedMetricWarning
        If cross-fitting leaves queries out of the mean for that reason.

    References
    ----------
    The oracle of arXiv 2606.06924 is the naive one. On its bias: arXiv
    2606.26836.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import oracle_utility
    >>> lucky = Outcomes.from_array([[[[1], [0]], [[0], [1]]]])  # each model right once
    >>> oracle_utility(lucky, crossfit=False), oracle_utility(lucky)
    (0.5, 0.0)
    """
    outcomes = as_outcomes(outcomes)
    utilities = outcome_utilities(outcomes, cost_weight, cost_range)
    best = (_crossfitted if crossfit else _naive)(outcomes, utilities)
    if crossfit and np.isnan(best).any():
        warn(
            f"{np.isnan(best).sum()} of {len(best)} queries have one outcome a model, and no "
            "cross-fitted oracle: nothing is left to choose by",
            UndefinedMetricWarning,
            stacklevel=2,
        )
    return weighted_mean(best, sample_weight) if average else best


def oracle_name(outcomes):
    """Say what the cross-fitted oracle of these outcomes is.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.

    Returns
    -------
    str
        "oracle, cross-fitted", where it leaves out paraphrases; "oracle,
        cross-fitted, given the wording", where some query has one paraphrase.
    """
    _, given_wording = _units(outcomes)
    given = ", given the wording" if given_wording.any() else ""
    return f"oracle, cross-fitted{given}"


def _units(outcomes):
    """What is left out with each outcome: a code within its query; and where that is a sample."""
    query = np.repeat(
        np.arange(len(outcomes)), np.diff(outcomes.offsets[:: max(outcomes.n_models, 1)])
    )
    lowest, highest = np.full(len(outcomes), np.iinfo(np.int64).max), np.full(len(outcomes), -1)
    np.minimum.at(lowest, query, outcomes.paraphrase)
    np.maximum.at(highest, query, outcomes.paraphrase)
    given_wording = lowest == highest
    within = np.arange(len(query)) - np.repeat(outcomes.offsets[:-1], np.diff(outcomes.offsets))
    return np.where(given_wording[query], within, outcomes.paraphrase), given_wording


def _cell_means(outcomes, utilities):
    """Mean utility of each model for each (query, unit), NaN where there is none."""
    unit, _ = _units(outcomes)
    return tabulate_cells(make_cells(outcomes, utilities, unit), outcomes.n_models)


def _sums(query, means, n_queries):
    held = ~np.isnan(means)
    total, n = np.zeros((2, n_queries, means.shape[1]))
    np.add.at(total, query, np.where(held, means, 0))
    np.add.at(n, query, held)
    return total, n


def _naive(outcomes, utilities):
    query, means = _cell_means(outcomes, utilities)
    total, n = _sums(query, means, len(outcomes))
    best = np.where(n > 0, total / np.maximum(n, 1), -np.inf).max(axis=1)
    return np.where(np.isfinite(best), best, np.nan)


def _crossfitted(outcomes, utilities):
    """Choose by all units of a query but one, score on that one, each in turn."""
    query, means = _cell_means(outcomes, utilities)
    total, n = _sums(query, means, len(outcomes))
    held = ~np.isnan(means)
    n_others = n[query] - held
    others = (total[query] - np.where(held, means, 0)) / np.maximum(n_others, 1)
    others = np.where(n_others > 0, others, -np.inf)
    chosen = others.argmax(axis=1)
    value = np.take_along_axis(means, chosen[:, None], axis=1)[:, 0]
    known = ~np.isnan(value) & np.isfinite(others).any(axis=1)
    n_known = np.bincount(query[known], minlength=len(outcomes))
    best = np.bincount(query[known], value[known], len(outcomes))
    return np.divide(best, n_known, where=n_known > 0, out=np.full(len(best), np.nan))
