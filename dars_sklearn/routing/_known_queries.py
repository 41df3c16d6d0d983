"""Capability of queries that have outcomes already: from features and outcomes together."""

from typing import NamedTuple

import numpy as np

from dars_sklearn.labels._posterior_labels import (
    PosteriorModel,
    fit_posterior_model,
    posterior_labels,
)
from dars_sklearn.routing._fingerprints import match_queries
from dars_sklearn.utility import scale_cost, scale_score, unscale_score
from dars_sklearn.utility._scores import score_width

__all__ = ["KnownQueries", "PosteriorQuality", "learn_known_queries", "observed_costs"]


class PosteriorQuality(NamedTuple):
    """Posterior of the quality of each model on queries with outcomes.

    Parameters
    ----------
    mean, standard_error : ndarray of shape (n_queries, n_models)
        On the unit scale of scores.
    """

    mean: np.ndarray
    standard_error: np.ndarray


class KnownQueries(NamedTuple):
    """What is needed to combine predictions with outcomes.

    Parameters
    ----------
    model : PosteriorModel
        Covariances of what predictions leave, and of the noise of outcomes.
    prior : ndarray of shape (n_queries, n_models)
        Out-of-fold predictions of the training queries, on the unit scale. What the fitted router
        predicts for them knows their outcomes already.
    fingerprints : QueryFingerprints
        Of the training queries.
    """

    model: PosteriorModel
    prior: np.ndarray
    fingerprints: object

    def posterior_quality(self, predicted, outcomes):
        """Combine predicted quality with outcomes.

        Parameters
        ----------
        predicted : ndarray of shape (n_queries, n_models)
            Predicted quality on the unit scale.
        outcomes : Outcomes
            Outcomes of the same queries.

        Returns
        -------
        PosteriorQuality
            The posterior.
        """
        rows = match_queries(self.fingerprints, outcomes)
        is_training_query = rows >= 0
        prior = predicted.copy()
        prior[is_training_query] = self.prior[rows[is_training_query]]
        score_range = outcomes.score_range
        posterior = posterior_labels(outcomes, unscale_score(prior, score_range), self.model)
        return PosteriorQuality(
            scale_score(posterior.mean, score_range),
            posterior.standard_error / score_width(score_range),
        )


def learn_known_queries(outcomes, held_out_rows, prior, fingerprints):
    """Learn how predictions and outcomes are combined.

    Parameters
    ----------
    outcomes : Outcomes
        Training outcomes.
    held_out_rows : ndarray of int of shape (n_held_out,)
        Training queries whose predictions are out of fold.
    prior : ndarray of shape (n_queries, n_models)
        Calibrated predictions of all training queries, on the unit scale.
    fingerprints : QueryFingerprints
        Of the training queries.

    Returns
    -------
    KnownQueries or None
        None if no query was held out.
    """
    if len(held_out_rows) == 0:
        return None
    rows = np.sort(held_out_rows)
    model = fit_posterior_model(outcomes[rows], unscale_score(prior[rows], outcomes.score_range))
    return KnownQueries(model, prior, fingerprints)


def observed_costs(predicted, outcomes, cost_range):
    """Replace predicted costs of pairs whose cost is known.

    Parameters
    ----------
    predicted : ndarray of shape (n_queries, n_models)
        Predicted scaled cost.
    outcomes : Outcomes
        Outcomes of the same queries.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Mean scaled cost of the outcomes of a pair, the prediction where it has none.
    """
    mean_cost = outcomes.pair_statistics("balanced").mean_cost
    return np.where(np.isnan(mean_cost), predicted, scale_cost(mean_cost, cost_range))
