"""Capability: quality, cost and risk of each model on each query."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Capability"]


@dataclass(frozen=True)
class Capability:
    """Labels: quality, cost and risk of each model on each query.

    Parameters
    ----------
    models : ndarray of shape (n_models,)
        Model names, the columns of the arrays that follow.
    quality : ndarray of shape (n_queries, n_models)
        Mean score, smoothed.
    cost : ndarray of shape (n_queries, n_models)
        Mean cost in the user's unit. A pair without a known cost has the mean cost of its model;
        NaN where no cost of the model is known.
    scaled_cost : ndarray of shape (n_queries, n_models)
        Mean scaled cost, which utilities are computed from; NaN where no cost of the model is
        known, and 0 without any costs.
    risk : ndarray of shape (n_queries, n_models)
        Standard deviation of the scores (ddof=1), or the aggregator's other measure
        of risk.
    standard_error : ndarray of shape (n_queries, n_models)
        Standard error of the mean score, NaN where there are no outcomes. It assumes independent
        outcomes; where the aggregator has variance components, it includes the correlation of
        samples of one paraphrase. With ``smoothing="auto"`` it is the posterior standard
        deviation, and that of the prior where there are no outcomes.
    shrinkage : ndarray of shape (n_queries, n_models)
        Weight of the pair's own mean in its quality; the rest is the weight of the prior.
    weights : ndarray of shape (n_queries, n_models)
        Effective number of outcomes, 0 where there are none.
    n_outcomes : ndarray of int of shape (n_queries, n_models)
        Number of outcomes.

    See Also
    --------
    OutcomeAggregator : Computes it.
    """

    models: np.ndarray
    quality: np.ndarray
    cost: np.ndarray
    scaled_cost: np.ndarray
    risk: np.ndarray
    standard_error: np.ndarray
    shrinkage: np.ndarray
    weights: np.ndarray
    n_outcomes: np.ndarray
