"""Calibration: how far predicted differences between models can be believed.

A router takes the highest of many noisy predictions, and therefore picks the luckiest error. Here
the predictions of queries that the learner has not seen are compared with what was observed on
them. Predictions are deviations from the models' means. The part that all models share is
multiplied by one slope, and the part in which the models differ by another: 1 if predicted
differences are as large as observed ones, 0 if they say nothing, so that the best model on average
is always chosen.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from dars_sklearn.routing._gain import mean_difference_variances
from dars_sklearn.routing._pair_precision import differences_over_models, differences_reliability
from dars_sklearn.routing._query_effects import estimate_model_means, fit_slopes
from dars_sklearn.utils._html import html_table, html_view

__all__ = [
    "BlockCalibration",
    "Calibration",
    "calibrate",
    "fit_calibration",
    "fit_calibrations",
    "predict_held_out",
]

# Each model has slopes of its own for these quantities: costs of models grow with different things,
# and no maximum over models is taken of them alone, which would pick the luckiest error.
_SLOPES_BY_MODEL = ("cost",)


class BlockCalibration(NamedTuple):
    """Calibration of one quantity.

    Parameters
    ----------
    means : ndarray of shape (n_models,)
        Means of the models.
    shared : float
        Slope of the part of the prediction that is common to all models. NaN where each model has
        its own slopes.
    own : ndarray of shape (n_components,) or (n_components, n_models)
        Slopes of the part in which models differ, or of each model.
    standard_error : ndarray like ``own``
        Standard errors of these slopes before they are bounded to [0, 1].
    explained : float
        Out-of-fold share of the variance of the differences between models that the calibrated
        predictions explain. NaN with one model.
    covariance : ndarray of shape (n_components, n_components) or None
        Covariance of ``own`` before the slopes are bounded; None where each model has its own.
    mean_difference_variance : ndarray of shape (n_models, n_models)
        Variances of the differences between ``means``.
    """

    means: np.ndarray
    shared: float
    own: np.ndarray
    standard_error: np.ndarray
    explained: float
    covariance: np.ndarray | None
    mean_difference_variance: np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class Calibration:
    """What a router has learnt about its own predictions, on held-out queries.

    Parameters
    ----------
    blocks : dict of str to BlockCalibration
        By quantity: "quality", "cost", "risk" or "utility".
    components : list of str
        Names of the components of the predictions.
    models : ndarray of shape (n_models,)
        Model names.
    reliability : float
        Share of signal in the variance of the observed differences between models, NaN where it
        is not identifiable: the highest value that ``explained`` can reach.
    n_queries : int
        Number of held-out queries.
    n_folds : int
        Number of folds.
    """

    blocks: dict
    components: list
    models: np.ndarray
    reliability: float
    n_queries: int
    n_folds: int

    def predict(self, deviations):
        """Predict all quantities.

        Parameters
        ----------
        deviations : dict of str to ndarray of shape (n_components, n_queries, n_models)
            Predicted deviations from the means of the labels.

        Returns
        -------
        dict of str to ndarray of shape (n_queries, n_models)
            Calibrated predictions.
        """
        return {name: calibrate(self.blocks[name], deviations[name]) for name in deviations}

    @property
    def slopes(self):
        """Slopes by quantity and component.

        Returns
        -------
        DataFrame
            Indexed by "quantity" and "component". Columns: "shared", the slope of what is
            predicted for all models alike; "own", that of the differences between models, and its
            "standard_error". Where each model has its own slope, the mean over models.
        """
        rows = {
            (name, component): {
                "shared": block.shared,
                "own": np.mean(block.own[number]),
                "standard_error": np.mean(block.standard_error[number]),
            }
            for name, block in self.blocks.items()
            for number, component in enumerate(self.components)
        }
        table = pd.DataFrame.from_dict(rows, orient="index")
        return table.rename_axis(["quantity", "component"])

    def describe(self):
        """Say how much of the predicted differences between models is used.

        Returns
        -------
        str
            One or two sentences.
        """
        name, block = next(iter(self.blocks.items()))
        if self.n_folds == 0:
            return "No query could be held out: the router always chooses the best model on average"
        slopes = ", ".join(
            f"{slope:.2f} ({component})" if len(block.own) > 1 else f"{slope:.2f}"
            for slope, component in zip(block.own, self.components, strict=True)
        )
        if not block.own.any():
            return (
                f"Predicted differences in {name} between models say nothing about held-out "
                "queries: the router always chooses the best model on average at its weights"
            )
        text = f"Predicted differences in {name} between models are multiplied by {slopes}"
        if np.isnan(block.explained):
            return text
        text += f"; out of fold they explain {block.explained:.1%} of the observed differences"
        if not np.isnan(self.reliability):
            text += f", of which {self.reliability:.0%} are not noise"
        return text

    def __repr__(self):
        """Describe the calibration, with the table of slopes."""
        held_out = f"{self.n_queries} held-out queries, {self.n_folds} folds"
        return f"Calibration on {held_out}\n{self.describe()}.\n{self.slopes.to_string()}"

    def _repr_html_(self):
        """Show the slopes in a notebook."""
        held_out = f"Calibration on {self.n_queries} held-out queries, {self.n_folds} folds"
        return html_view(held_out, html_table(self.slopes.reset_index(), index=False),
                         notes=[self.describe() + "."])  # fmt: skip


def fit_calibrations(held_out, components, outcomes, weighting, groups):
    """Estimate the slopes of all quantities.

    Parameters
    ----------
    held_out : dict of str to HeldOut
        Predictions and observations of each quantity.
    components : list of str
        Names of the components of the predictions.
    outcomes : Outcomes
        Training outcomes.
    weighting : {"balanced", "pooled"}
        Whether paraphrases or outcomes weigh the same in the mean of a pair.
    groups : ndarray of int of shape (n_queries,)
        Equal for copies of a query.

    Returns
    -------
    Calibration
        The slopes.
    """
    any_block = next(iter(held_out.values()))
    blocks = {
        name: fit_calibration(
            block, groups, by_model=name in _SLOPES_BY_MODEL, n_components=len(components)
        )
        for name, block in held_out.items()
    }
    return Calibration(
        blocks,
        components,
        outcomes.models,
        differences_reliability(outcomes.pair_statistics(weighting)),
        len(any_block.rows),
        any_block.n_folds,
    )


def fit_calibration(held_out, groups=None, *, by_model=False, n_components=1):
    """Estimate the slopes of one quantity.

    Parameters
    ----------
    held_out : HeldOut
        Predictions and observations.
    groups : ndarray of int of shape (n_queries,) or None, default=None
        Equal for copies of a query, which are not independent. None has no copies.
    by_model : bool, default=False
        Whether each model has its own slopes.
    n_components : int, default=1
        Number of components, which have slopes of 0 if nothing was held out.

    Returns
    -------
    BlockCalibration
        The slopes, and the means of the models over all queries.
    """
    values, precision = held_out.observed
    means = estimate_model_means(values, precision)
    variances = mean_difference_variances(values, means, precision)
    rows = held_out.rows
    if len(rows) == 0:
        return _without_slopes(means, variances, n_components, by_model)
    groups = np.arange(len(values)) if groups is None else groups
    regression = _Regression(
        held_out.deviations, values[rows] - held_out.means, precision[rows], groups[rows]
    )
    estimate = _slopes_by_model if by_model else _shared_and_own_slopes
    slopes = estimate(regression)
    block = BlockCalibration(means, *slopes[:3], np.nan, slopes.covariance, variances)
    centred = block._replace(means=np.zeros(len(means)))
    predicted = calibrate(centred, held_out.deviations)
    return block._replace(explained=_explained(regression, predicted))


def predict_held_out(held_out, block):
    """Predict the queries of training, by heads that have not seen them.

    Parameters
    ----------
    held_out : HeldOut
        Predictions and observations.
    block : BlockCalibration
        The slopes.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Calibrated predictions; the means of the models for queries that were not held out.
    """
    predicted = np.tile(block.means, (len(held_out.observed.values), 1))
    centred = block._replace(means=held_out.means)
    predicted[held_out.rows] = calibrate(centred, held_out.deviations)
    return predicted


def calibrate(block, deviations):
    """Predict a quantity from its components.

    Parameters
    ----------
    block : BlockCalibration
        The slopes.
    deviations : ndarray of shape (n_components, n_queries, n_models)
        Predicted deviations from the means of the labels.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        The means of the models, and the deviations multiplied by their slopes.
    """
    if block.own.ndim == 2:
        return block.means + np.einsum("cm,cqm->qm", block.own, deviations)
    common = deviations.mean(axis=2, keepdims=True)
    own = np.einsum("c,cqm->qm", block.own, deviations - common)
    return block.means + block.shared * common.sum(axis=0) + own


class _BlockSlopes(NamedTuple):
    """Slopes of a quantity, as in :class:`BlockCalibration`."""

    shared: float
    own: np.ndarray
    standard_error: np.ndarray
    covariance: np.ndarray | None


def _without_slopes(means, variances, n_components, by_model):
    """Return the calibration that predicts the means, where nothing was held out."""
    shape = (n_components, len(means)) if by_model else (n_components,)
    shared = np.nan if by_model else 0.0
    covariance = None if by_model else np.zeros((n_components, n_components))
    unknown = np.full(shape, np.nan)
    return BlockCalibration(means, shared, np.zeros(shape), unknown, np.nan, covariance, variances)


class _Regression(NamedTuple):
    """Regression of observed on predicted deviations, of held-out queries."""

    predicted: np.ndarray
    observed: np.ndarray
    precision: np.ndarray
    groups: np.ndarray


def _shared_and_own_slopes(regression):
    """Return one slope of the common part, and one of the differences for each component."""
    predicted = regression.predicted
    common = predicted.mean(axis=2, keepdims=True)
    total = np.broadcast_to(common.sum(axis=0), predicted.shape[1:])
    regressors = np.concatenate([total[None], predicted - common])
    slopes = fit_slopes(regressors, *regression[1:])
    return _BlockSlopes(
        slopes.values[0],
        slopes.values[1:],
        _standard_errors(slopes)[1:],
        slopes.covariance[1:, 1:],
    )


def _slopes_by_model(regression):
    """Return the slopes of each model and component."""
    fits = [
        fit_slopes(
            regression.predicted[:, :, [model]],
            regression.observed[:, [model]],
            regression.precision[:, [model]],
            regression.groups,
        )
        for model in range(regression.observed.shape[1])
    ]
    own = np.stack([fit.values for fit in fits], axis=1)
    errors = np.stack([_standard_errors(fit) for fit in fits], axis=1)
    return _BlockSlopes(np.nan, own, errors, None)


def _standard_errors(slopes):
    """Return the standard errors of slopes."""
    return np.sqrt(np.maximum(np.diag(slopes.covariance), 0))


def _explained(regression, predicted):
    """Return the share of the variance of differences between models that is explained."""
    precision = regression.precision
    observed = differences_over_models(regression.observed, precision)
    total = (precision * observed**2).sum()
    if total == 0:
        return np.nan
    residuals = observed - differences_over_models(predicted, precision)
    return float(1 - (precision * residuals**2).sum() / total)
