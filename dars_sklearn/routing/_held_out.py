"""Predictions of queries by heads that have not seen them, beside what was observed."""

from typing import NamedTuple

import numpy as np

__all__ = ["FoldPrediction", "HeldOut", "Observed"]


class Observed(NamedTuple):
    """Observed values of a quantity.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_models)
        Means of the outcomes of each (query, model) pair.
    precision : ndarray of shape (n_queries, n_models)
        Inverse variances of the values up to a factor, 0 where nothing was observed.
    """

    values: np.ndarray
    precision: np.ndarray


class FoldPrediction(NamedTuple):
    """Predictions of a quantity for the held-out queries of a fold.

    Parameters
    ----------
    deviations : ndarray of shape (n_components, n_queries, n_models)
        Predicted deviations from the means of the training labels.
    means : ndarray of shape (n_models,)
        Observed means of the models on the training queries.
    """

    deviations: np.ndarray
    means: np.ndarray


class HeldOut(NamedTuple):
    """Predictions and observations of a quantity.

    Parameters
    ----------
    observed : Observed
        Of all queries.
    rows : ndarray of int of shape (n_held_out,)
        The queries that were held out.
    deviations : ndarray of shape (n_components, n_held_out, n_models)
        Predicted deviations from the means of the training labels.
    means : ndarray of shape (n_held_out, n_models)
        Observed means of the models on the training queries of the fold.
    n_folds : int
        Number of folds.
    """

    observed: Observed
    rows: np.ndarray
    deviations: np.ndarray
    means: np.ndarray
    n_folds: int

    @classmethod
    def concatenate(cls, observed, rows, folds):
        """Put the folds together.

        Parameters
        ----------
        observed : Observed
            Of all queries.
        rows : list of ndarray of int
            Held-out queries of each fold.
        folds : list of FoldPrediction
            Predictions of each fold.

        Returns
        -------
        HeldOut
            Without held-out queries, if there are no folds.
        """
        n_models = observed.values.shape[1]
        if not folds:
            empty = np.zeros((0, n_models))
            return cls(observed, np.zeros(0, dtype=int), empty[None], empty, 0)
        means = [np.tile(fold.means, (len(own), 1)) for fold, own in zip(folds, rows, strict=True)]
        deviations = np.concatenate([fold.deviations for fold in folds], axis=1)
        return cls(observed, np.concatenate(rows), deviations, np.concatenate(means), len(folds))
