"""What a router predicts, in the units of the user."""

from typing import NamedTuple

import numpy as np

from dars_sklearn.utility import unscale_cost, unscale_score
from dars_sklearn.utility._scores import score_width

__all__ = ["PredictedCapability", "capability_in_user_units"]


class PredictedCapability(NamedTuple):
    """Predicted capability of each model on each query.

    Parameters
    ----------
    quality : ndarray of shape (n_queries, n_models)
        Quality, within the range of scores.
    cost : ndarray of shape (n_queries, n_models)
        Cost in the user's unit; NaN where no cost of the model was known in training.
    scaled_cost : ndarray of shape (n_queries, n_models)
        Scaled cost, which utilities are computed from; NaN where no cost of the model was known
        in training, and 0 if no cost of any model was.
    risk : ndarray of shape (n_queries, n_models)
        Risk in the unit of the scores, at least 0.
    standard_error : ndarray of shape (n_queries, n_models) or None, default=None
        Standard error of the quality of queries with outcomes, in the unit of the scores.
    """

    quality: np.ndarray
    cost: np.ndarray
    scaled_cost: np.ndarray
    risk: np.ndarray
    standard_error: np.ndarray | None = None


def capability_in_user_units(predicted, aggregator, score_range, standard_error=None):
    """Return predicted blocks in the units of scores and costs.

    Parameters
    ----------
    predicted : dict of str to ndarray of shape (n_queries, n_models)
        Quality and risk on the unit scale of scores, and scaled cost.
    aggregator : OutcomeAggregator
        Fitted on the training outcomes.
    score_range : tuple of float or None
        Range of scores of the training outcomes.
    standard_error : ndarray of shape (n_queries, n_models) or None, default=None
        Standard error of quality on the unit scale.

    Returns
    -------
    PredictedCapability
        The capability.
    """
    unknown = np.isnan(aggregator.prior_cost_)
    cost = unscale_cost(predicted["cost"], aggregator.cost_range_)
    return PredictedCapability(
        unscale_score(predicted["quality"], score_range),
        np.where(unknown, np.nan, cost),
        np.where(unknown & ~unknown.all(), np.nan, predicted["cost"]),
        predicted["risk"] * score_width(score_range),
        None if standard_error is None else standard_error * score_width(score_range),
    )
