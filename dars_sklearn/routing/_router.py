"""DistributionalRouter: a meta-estimator that learns which model to send a query to."""

from inspect import signature
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.labels._aggregator import OutcomeAggregator
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import check_models, check_n_queries
from dars_sklearn.routing._decision import available_mask, decide, mask_unavailable
from dars_sklearn.routing._heads import (
    fit_block_heads,
    fit_classifier_head,
    fit_model_heads,
    predict_blocks,
    predict_blocks_by_model,
    predict_class_probabilities,
)
from dars_sklearn.routing._label_warnings import warn_of_missing_pairs, warn_of_risk_aversion
from dars_sklearn.routing._targets import TARGETS, LabelSource
from dars_sklearn.utility import unscale_cost

__all__ = ["DistributionalRouter", "PredictedCapability"]

_HEADS = ("joint", "separate", "model")
_DEFAULT_N_NEIGHBORS = 16


class PredictedCapability(NamedTuple):
    """Predicted capability of each model on each query.

    Parameters
    ----------
    quality : ndarray of shape (n_queries, n_models)
        Quality, within the range of scores.
    cost : ndarray of shape (n_queries, n_models)
        Cost in the user's unit; NaN where the training outcomes have no costs.
    scaled_cost : ndarray of shape (n_queries, n_models)
        Scaled cost, which utilities are computed from.
    risk : ndarray of shape (n_queries, n_models)
        Risk, at least 0.
    """

    quality: np.ndarray
    cost: np.ndarray
    scaled_cost: np.ndarray
    risk: np.ndarray


class DistributionalRouter(MetaEstimatorMixin, BaseEstimator):
    """Learn the capability of each model on a query, and route by utility.

    Parameters
    ----------
    estimator : regressor, classifier or None, default=None
        Learns capability from the features of a query. None uses the 16 nearest neighbours,
        weighted by distance. A classifier, which must accept ``sample_weight``, can be used with
        ``target="choice"`` only. An estimator whose ``fit`` has the parameters ``blocks`` or
        ``models`` receives the names of the target blocks and of the models. One that has
        ``decision_function(X, cost_weight=...)`` has its own decision rule.
    aggregator : OutcomeAggregator or None, default=None
        Computes the labels from outcomes. None uses ``OutcomeAggregator()``.
    target : {"capability", "penalised", "utility", "choice"}, default="capability"
        What is learned: quality, cost and risk; quality less weighted risk, and cost; utility
        alone; or which model is best, from the posterior probability that it is, and not from
        which model happened to win a single noisy draw.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost. Can be changed after fit, unless the target
        is "utility" or "choice".
    risk_aversion : float, default=0.2
        Quality given up for one unit of risk. Can be changed after fit where the target is
        "capability"; has no effect where it is "choice".
    heads : {"joint", "separate", "model"}, default="joint"
        One clone of the estimator for all columns; one each for quality, cost and risk; or one
        per model, fitted on the queries that have outcomes of it: for sparse logs, in which each
        query was sent to one or two models only.
    n_jobs : int or None, default=None
        Number of heads, or of columns, fitted in parallel.
    random_state : int, RandomState instance or None, default=None
        Seed of the clones.

    Attributes
    ----------
    models_, classes_ : ndarray of shape (n_models,)
        Model names.
    aggregator_ : OutcomeAggregator
        The fitted aggregator.
    estimators_ : list of estimators
        The fitted heads.
    n_features_in_ : int
        Number of features, if X is a table.
    feature_names_in_ : ndarray of str
        Names of the features, if X has any.

    See Also
    --------
    make_router : Routers of the paper's families, by name.
    evaluate_router : Evaluate a router against baselines.

    Notes
    -----
    Learning the choice was nowhere better than learning capability, and worse with few outcomes
    per (query, model) pair (``benchmarks/targets.py``): a probability of winning does not say by
    how much. It is for estimators that only classify.

    References
    ----------
    arXiv 2606.06924; its defaults for the weights.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, Outcomes
    >>> outcomes = Outcomes.from_array([[1, 0], [1, 0], [0, 1]], models=["small", "large"])
    >>> router = DistributionalRouter().fit([[0.0], [0.1], [1.0]], outcomes)
    >>> router.predict([[0.0], [1.0]]).tolist()
    ['small', 'large']
    """

    def __init__(
        self,
        estimator=None,
        *,
        aggregator=None,
        target="capability",
        cost_weight=0.05,
        risk_aversion=0.2,
        heads="joint",
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.aggregator = aggregator
        self.target = target
        self.cost_weight = cost_weight
        self.risk_aversion = risk_aversion
        self.heads = heads
        self.n_jobs = n_jobs
        self.random_state = random_state

    def set_params(self, **params):
        """Set parameters, including those of the default aggregator.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        DistributionalRouter
            The router itself.
        """
        nested = any(name.startswith("aggregator__") for name in params)
        if nested and params.get("aggregator", self.aggregator) is None:
            params["aggregator"] = OutcomeAggregator()
        return super().set_params(**params)

    def fit(self, X, y, **fit_params):
        """Learn capability from outcomes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : Outcomes, or array-like that ``Outcomes.from_array`` accepts
            Outcomes of the same queries, in the same order.
        **fit_params : dict
            Passed to the estimator's fit.

        Returns
        -------
        DistributionalRouter
            The router itself.

        Raises
        ------
        ValueError
            If X and y differ in length, or a parameter is out of range.

        Warns
        -----
        ImputationWarning
            If more than 5 % of the (query, model) pairs have no outcome, unless there is a head
            per model or the target is "choice"; or if a model has none.
        RiskAversionWarning
            If a model with one success would rank below a model with none.
        """
        self._check_parameters()
        if y is None:
            raise ValueError("the router requires y to be passed, but the target y is None")
        outcomes = as_outcomes(y)
        check_n_queries(X, outcomes)
        # validate_data would keep the number of an earlier fit where X is text and has none.
        vars(self).pop("n_features_in_", None)
        validate_data(self, X, skip_check_array=True, reset=True)
        aggregator = OutcomeAggregator() if self.aggregator is None else clone(self.aggregator)
        self.aggregator_ = aggregator
        capability = aggregator.fit_aggregate(outcomes)
        self.models_ = self.classes_ = outcomes.models
        self.score_range_ = outcomes.score_range
        self._warn_of_labels(outcomes, capability)
        fixed = ("target", "heads", *self._target.fixed_weights)
        self._fixed_at_fit = {name: getattr(self, name) for name in fixed}
        if fit_params:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        try:
            self.estimators_ = self._fit_heads(X, outcomes, capability, fit_params)
        except ValueError as error:
            if not _is_text(X):
                raise
            raise ValueError(
                "X is text; if the estimator expects features, put a QueryEncoder before the "
                "router: Pipeline([('encode', QueryEncoder()), ('route', router)]). The error of "
                f"the estimator: {error}"
            ) from error
        return self

    @available_if(lambda self: self.target == "choice")
    def predict_proba(self, X):
        """Predict the probability that each model is best; only with target="choice".

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Probabilities; each row sums to 1.
        """
        check_is_fitted(self)
        self._check_fixed_at_fit()
        return self._predict_blocks(X)["probability"]

    def predict_capability(self, X):
        """Predict quality, cost and risk.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        PredictedCapability
            Quality, cost in the user's unit, scaled cost and risk, each of shape (n_queries,
            n_models).

        Raises
        ------
        ValueError
            If the target is not "capability".
        """
        check_is_fitted(self)
        if self.target != "capability":
            raise ValueError(
                f"a router with target={self.target!r} does not learn capability; "
                "fit it with target='capability'"
            )
        self._check_fixed_at_fit()
        predicted = self._predict_blocks(X)
        cost = unscale_cost(predicted["cost"], self.aggregator_.cost_range_)
        return PredictedCapability(
            predicted["quality"],
            np.where(np.isnan(self.aggregator_.prior_cost_), np.nan, cost),
            predicted["cost"],
            predicted["risk"],
        )

    def decision_function(self, X):
        """Predict the utility of each model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Utilities; with target="choice", probabilities of being best.

        Raises
        ------
        ValueError
            If a weight that is fixed at fit time was changed.
        """
        (utilities,) = self.utilities_by_cost_weight(X, [self.cost_weight])
        return utilities

    def utilities_by_cost_weight(self, X, cost_weights):
        """Predict the utility of each model at several cost weights, with one prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        cost_weights : sequence of float
            Quality given up for one unit of scaled cost.

        Returns
        -------
        list of ndarray of shape (n_queries, n_models)
            The utilities at each cost weight.

        Raises
        ------
        ValueError
            If a weight that is fixed at fit time was changed, or differs from the one given.
        """
        check_is_fitted(self)
        self._check_parameters()
        self._check_fixed_at_fit()
        if "cost_weight" in self._fixed_at_fit and set(cost_weights) != {self.cost_weight}:
            self._raise_cost_weight_is_fixed()
        if self.has_own_decision_rule:
            self._check_features(X)
            rule = self.estimators_[0].decision_function
            return [
                np.asarray(rule(X, cost_weight=cost_weight), dtype=float)
                for cost_weight in cost_weights
            ]
        lines = self._predict_utility_lines(X)
        return [lines.utilities(cost_weight) for cost_weight in cost_weights]

    def utility_lines(self, X):
        """Predict utility as a function of the cost weight.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        UtilityLines
            ``intercept`` and ``slope``, each of shape (n_queries, n_models): the utility at a
            cost weight w is ``intercept - w * slope``.

        Raises
        ------
        ValueError
            If the cost weight is fixed at fit time, or the estimator has its own decision rule.
        """
        check_is_fitted(self)
        self._check_fixed_at_fit()
        if "cost_weight" in self._fixed_at_fit:
            self._raise_cost_weight_is_fixed()
        if self.has_own_decision_rule:
            raise ValueError(
                "the estimator has its own decision rule, and its utilities are not lines in the "
                "cost weight; choose a weight from a grid, deferral_curve(..., cost_weights=)"
            )
        return self._predict_utility_lines(X)

    @property
    def has_own_decision_rule(self):
        """Whether the fitted estimator decides, given a cost weight, instead of the router."""
        rule = getattr(self.estimators_[0], "decision_function", None)
        if len(self.estimators_) > 1 or rule is None:
            return False
        return "cost_weight" in signature(rule).parameters

    @property
    def has_utility_lines(self):
        """Whether :meth:`utility_lines` is available on this fitted router."""
        return "cost_weight" not in self._fixed_at_fit and not self.has_own_decision_rule

    def predict(self, X, available=None):
        """Choose a model for each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        available : array-like, default=None
            Names of the models that may be chosen, or a mask of shape (n_queries, n_models).

        Returns
        -------
        ndarray of shape (n_queries,)
            Model names.

        Raises
        ------
        ValueError
            If no model is available for a query.
        """
        utilities = self.decision_function(X)
        mask = available_mask(available, self.models_, len(utilities))
        return self.models_[decide(utilities, mask)]

    def rank(self, X, available=None):
        """Order the models for each query, best first.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        available : array-like, default=None
            As in :meth:`predict`; the other models come last.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Model names.
        """
        utilities = self.decision_function(X)
        mask = available_mask(available, self.models_, len(utilities))
        masked = mask_unavailable(utilities, mask)
        return self.models_[np.argsort(-masked, axis=1, kind="stable")]

    def score(self, X, y):
        """Mean realised utility of the routes: never smoothed, without a penalty for risk.

        A grid over ``cost_weight`` would compare different scales; use
        ``routing_scorer(cost_weight=...)`` there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : Outcomes
            Their outcomes.

        Returns
        -------
        float
            Mean score less weighted scaled cost.
        """
        outcomes = as_outcomes(y)
        check_models(outcomes, self.models_)
        realised = RealisedValues(outcomes, self.cost_weight, self.aggregator_.cost_range_)
        return float(realised.routed("utility", self.predict(X)).mean())

    def get_metadata_routing(self):
        """Route metadata of fit to the estimator, and ``available`` to predict.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self.__class__.__name__).add_self_request(self)
        return router.add(estimator=self._make_estimator(), method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._make_estimator())
        tags.input_tags = inner.input_tags
        tags.non_deterministic = inner.non_deterministic
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    # ---- checks ----------------------------------------------------------------

    @property
    def _target(self):
        return TARGETS[self.target]

    def _check_parameters(self):
        for name, allowed in (("target", TARGETS), ("heads", _HEADS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {list(allowed)}, got {getattr(self, name)!r}"
                )
        if self.target == "choice" and self.heads == "model":
            raise ValueError(
                "target='choice' compares models with each other, which heads='model' does not "
                "allow; use heads='joint', which does not need outcomes of every model here"
            )
        for name in ("cost_weight", "risk_aversion"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= value < np.inf:
                raise ValueError(f"{name} must be a finite float >= 0, got {value!r}")

    def _check_fixed_at_fit(self):
        for name, value in self._fixed_at_fit.items():
            if getattr(self, name) != value:
                remedy = "; fit again"
                if name in ("cost_weight", "risk_aversion"):
                    remedy = f" for target={self.target!r}; fit again, or use target='capability'"
                raise ValueError(
                    f"{name} was {value!r} in fit and is {getattr(self, name)!r} now, but it is "
                    f"fixed at fit time{remedy}"
                )

    def _raise_cost_weight_is_fixed(self):
        raise ValueError(
            f"the cost weight is fixed at fit time for target={self.target!r}; use "
            "target='capability' or target='penalised'"
        )

    def _check_features(self, X):
        if hasattr(self, "n_features_in_") and getattr(X, "ndim", 2) == 1:
            raise ValueError(
                "X must have one row per query, got a 1-D array. Reshape your data with "
                "X.reshape(1, -1) if it is a single query"
            )
        validate_data(self, X, skip_check_array=True, reset=False)

    def _warn_of_labels(self, outcomes, capability):
        imputed = self._target.fills_missing_pairs and self.heads != "model"
        warn_of_missing_pairs(self.models_, capability.n_outcomes, imputed=imputed)
        weighs_std = self._target.weighs_risk and self.aggregator_.risk == "std"
        if weighs_std and np.isin(outcomes.score, (0.0, 1.0)).all():
            warn_of_risk_aversion(self.risk_aversion, capability)

    # ---- heads -----------------------------------------------------------------

    def _make_estimator(self, n_queries=_DEFAULT_N_NEIGHBORS):
        if self.estimator is not None:
            return clone(self.estimator)
        return KNeighborsRegressor(min(_DEFAULT_N_NEIGHBORS, n_queries), weights="distance")

    def _make_seeds(self, n):
        if self.random_state is None:
            return [None] * n
        return check_random_state(self.random_state).randint(2**31 - 1, size=n).tolist()

    def _fit_heads(self, X, outcomes, capability, fit_params):
        blocks = self._target.make_blocks(
            LabelSource(
                outcomes,
                capability,
                self.aggregator_.cost_range_,
                self.cost_weight,
                self.risk_aversion,
                self.random_state,
            )
        )
        if self.target == "choice" and is_classifier(estimator := self._make_estimator()):
            (seed,) = self._make_seeds(1)
            probability = blocks["probability"]
            return [
                fit_classifier_head(estimator, X, probability, seed=seed, fit_params=fit_params)
            ]
        settings = {"seeds": self._make_seeds, "n_jobs": self.n_jobs, "fit_params": fit_params}
        make, models = self._make_estimator, self.models_
        if self.heads == "model":
            observed = capability.n_outcomes > 0
            return fit_model_heads(make, X, blocks, models, observed=observed, **settings)
        separate = self.heads == "separate"
        return fit_block_heads(make, X, blocks, models, separate=separate, **settings)

    def _predict_heads(self, X):
        names = self._target.blocks
        if self.target == "choice" and is_classifier(self.estimators_[0]):
            (name,) = names
            return {name: predict_class_probabilities(self.estimators_[0], X, len(self.models_))}
        if self.heads == "model":
            return predict_blocks_by_model(self.estimators_, X, names)
        return predict_blocks(self.estimators_, X, names)

    def _predict_blocks(self, X):
        """Predict the target's blocks, within the range of their quantities."""
        self._check_features(X)
        predicted = self._predict_heads(X)
        with_nan = np.isnan(np.hstack(list(predicted.values()))).any(axis=1).sum()
        if with_nan:
            raise ValueError(f"the estimator predicted NaN for {with_nan} queries")
        is_minmax = isinstance(self.aggregator_.cost_scaling, str)
        cost_limits = (0, 1) if is_minmax else (-np.inf, np.inf)
        return self._target.constrain(predicted, self.score_range_, cost_limits)

    def _predict_utility_lines(self, X):
        return self._target.utility_lines(self._predict_blocks(X), self.risk_aversion)


def _is_text(X):
    """Return whether the first row of X is a text, or consists of texts."""
    first_row = np.asarray(_safe_indexing(X, slice(1)), dtype=object).ravel().tolist()
    return bool(first_row) and all(isinstance(value, str) for value in first_row)
