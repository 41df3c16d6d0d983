"""Labels and heads of a router from some training queries, and predictions for the others."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn.labels._posterior_labels import fit_posterior_model, posterior_labels
from dars_sklearn.routing._calibration import fit_calibration, predict_held_out
from dars_sklearn.routing._calibration_folds import calibration_folds
from dars_sklearn.routing._estimator import make_seeds, params_of_rows
from dars_sklearn.routing._heads import fit_heads
from dars_sklearn.routing._held_out import FoldPrediction, HeldOut, Observed
from dars_sklearn.routing._pair_precision import mean_precision
from dars_sklearn.routing._query_effects import estimate_model_means
from dars_sklearn.routing._targets import TARGETS, LabelSource
from dars_sklearn.utility import unscale_score
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["LABEL_PRIORS", "Learner", "Prediction"]

LABEL_PRIORS = ("aggregator", "features")


class Prediction(NamedTuple):
    """What a fitted router predicts.

    Parameters
    ----------
    blocks : dict of str to ndarray of shape (n_queries, n_models)
        The target's blocks.
    deviations : dict of str to ndarray of shape (n_components, n_queries, n_models) or None
        Predicted deviations from the means, before calibration; None without calibration.
    standard_error : ndarray of shape (n_queries, n_models) or None
        Standard error of quality, where outcomes of the queries are known.
    """

    blocks: dict
    deviations: dict | None
    standard_error: np.ndarray | None


@dataclass(frozen=True)
class Learner:
    """Training data of a router, and what it does with some or all of the queries.

    Parameters
    ----------
    X : array-like of shape (n_queries, ...)
        Features.
    outcomes : Outcomes
        Outcomes of the queries.
    aggregator : OutcomeAggregator
        Computes labels; it scales costs by ``cost_range``.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.
    target : object
        One of ``TARGETS``.
    estimator : estimator or None
        Fitted to the labels.
    kind : {"joint", "separate", "model"}
        What each head predicts.
    label_prior : {"aggregator", "features"}
        Prior of the labels.
    folds : "auto", int or splitter
        Folds in which queries are held out.
    cost_weight, risk_aversion : float
        Weights of the router.
    groups : ndarray of int of shape (n_queries,) or None
        Groups of queries that share a fold; None where nothing is held out.
    fit_params : dict
        Passed to the fit of each head.
    random_state : int, RandomState instance or None
        Seed.
    n_jobs : int or None
        Number of folds, heads or columns fitted in parallel.
    """

    X: object
    outcomes: object
    aggregator: object
    cost_range: tuple
    target: object
    estimator: object
    kind: str
    label_prior: str
    folds: object
    cost_weight: float
    risk_aversion: float
    groups: object
    fit_params: dict
    random_state: object
    n_jobs: int | None

    def take(self, rows):
        """Return the learner of some queries.

        Parameters
        ----------
        rows : ndarray of int of shape (n_rows,)
            Positions of the queries.

        Returns
        -------
        Learner
            Its fits run in this process.
        """
        n_queries = len(self.outcomes)
        settings = vars(self) | {
            "X": _safe_indexing(self.X, rows),
            "outcomes": self.outcomes[rows],
            "groups": self.groups[rows],
            "fit_params": params_of_rows(self.fit_params, n_queries, rows),
            # A splitter of the user knows the rows of all queries only.
            "folds": self.folds if isinstance(self.folds, (int, str)) else "auto",
            "n_jobs": None,
        }
        return Learner(**settings)

    def fit(self, capability=None):
        """Fit the heads to the labels of all queries.

        Parameters
        ----------
        capability : Capability or None, default=None
            Labels by the aggregator, if they are known already.

        Returns
        -------
        FittedHeads
            The heads.
        """
        if capability is None:
            capability = clone(self.aggregator).fit_aggregate(self.outcomes)
        if self.label_prior == "features":
            capability = replace(capability, quality=self._posterior_quality())
        return fit_heads(
            self.estimator,
            self.X,
            self.target.make_blocks(self._label_source(capability)),
            self.outcomes.models,
            kind=self.kind,
            observed=capability.n_outcomes > 0,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
            fit_params=self.fit_params,
        )

    def predict_held_out_quality(self):
        """Predict the quality of each query by heads that are fitted to other queries.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Calibrated quality on the unit scale.
        """
        learner = replace(self, target=TARGETS["capability"], label_prior="aggregator")
        held_out = learner.hold_out(limit=False)["quality"]
        return predict_held_out(held_out, fit_calibration(held_out, by_model=False))

    def hold_out(self, limit=True):
        """Predict queries by heads that are fitted to the other folds.

        Parameters
        ----------
        limit : bool, default=True
            Whether large data are limited to 5,000 held-out queries.

        Returns
        -------
        dict of str to HeldOut
            Predictions and observations of each block.
        """
        rng = check_random_state(0 if self.random_state is None else self.random_state)
        folds = calibration_folds(
            self.folds,
            self.groups,
            seed=rng.randint(2**31 - 1),
            limit=limit,
        )
        seeds = make_seeds(self.random_state, len(folds))
        observed = self._observe()
        by_fold = Parallel(n_jobs=self.n_jobs)(
            delayed(_predict_fold)(replace(self, random_state=seed), train, held_out, observed)
            for (train, held_out), seed in zip(folds, seeds, strict=True)
        )
        rows = [held_out for _, held_out in folds]
        return {
            name: HeldOut.concatenate(block, rows, [fold[name] for fold in by_fold])
            for name, block in observed.items()
        }

    def _label_source(self, capability):
        return LabelSource(
            self.outcomes,
            capability,
            self.cost_range,
            self.cost_weight,
            self.risk_aversion,
            self.random_state,
        )

    def _posterior_quality(self):
        """Return posterior labels, whose prior means are predictions from features."""
        score_range = self.outcomes.score_range
        prior = unscale_score(self.predict_held_out_quality(), score_range)
        model = fit_posterior_model(self.outcomes, prior)
        return posterior_labels(self.outcomes, prior, model).mean

    def _observe(self):
        """Return the observed values of each block, not smoothed, and what each is worth."""
        aggregator = clone(self.aggregator).set_params(smoothing=0.0)
        with collect_warnings():  # the labels have given them already
            capability = aggregator.fit_aggregate(self.outcomes)
        statistics = self.outcomes.pair_statistics(aggregator.weighting)
        query_weight = self.fit_params.get("sample_weight")
        query_weight = 1.0 if query_weight is None else np.asarray(query_weight)[:, None]
        worth = {
            "cost": ~np.isnan(statistics.mean_cost),
            "risk": statistics.n_outcomes > 1,
        }
        by_score = mean_precision(statistics)
        blocks = self.target.make_blocks(self._label_source(capability))
        return {
            name: Observed(values, worth.get(name, by_score) * query_weight)
            for name, values in blocks.items()
        }


def _predict_fold(learner, train, held_out, observed):
    """Return the deviations that are predicted for the held-out queries of a fold, and means."""
    with collect_warnings():  # the fit to all queries gives them
        heads = learner.take(train).fit()
        deviations = heads.predict_deviations(_safe_indexing(learner.X, held_out))
    means = {
        name: estimate_model_means(block.values[train], block.precision[train])
        for name, block in observed.items()
    }
    return {name: FoldPrediction(deviations[name], means[name]) for name in observed}
