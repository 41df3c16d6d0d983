"""DistributionalRouter: a meta-estimator that learns which model to send a query to."""

from inspect import signature
from numbers import Real
from typing import NamedTuple
from warnings import warn

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_is_fitted,
    check_random_state,
)

from dars_sklearn._heads import (
    fit_blocks,
    fit_classifier,
    fit_models,
    predict_blocks,
    predict_models,
    predict_probabilities,
)
from dars_sklearn._realised import Realised
from dars_sklearn.aggregate import OutcomeAggregator
from dars_sklearn.decision import available_mask, decide, mask_unavailable, utility
from dars_sklearn.exceptions import ImputationWarning, RiskAversionWarning
from dars_sklearn.labels import probability_best
from dars_sklearn.outcomes import as_outcomes, check_length, check_models

__all__ = ["DistributionalRouter", "PredictedCapability"]

# What is learnt under each target, a block of columns each.
_PARTS = {
    "capability": ("quality", "cost", "risk"),
    "penalised": ("quality", "cost"),
    "utility": ("utility",),
    "choice": ("probability",),
}
# Weights that are part of what is learnt, by target.
BAKED_IN = {
    "capability": (),
    "penalised": ("risk_aversion",),
    "utility": ("cost_weight", "risk_aversion"),
    "choice": ("cost_weight",),
}
_HEADS = ("joint", "separate", "model")


class PredictedCapability(NamedTuple):
    """Quality, cost and risk, each an array of shape (n_queries, n_models)."""

    quality: np.ndarray
    cost: np.ndarray
    risk: np.ndarray


class DistributionalRouter(MetaEstimatorMixin, BaseEstimator):
    """Learn the capability of each model on a query, and route by its utility.

    Parameters
    ----------
    estimator : regressor, classifier or None, default=None
        What learns capability from the features of a query; None takes the 16
        nearest neighbours, weighted by distance. A classifier, which must take
        ``sample_weight``, is for ``target="choice"`` only. One whose ``fit`` has the
        parameters ``blocks`` or ``models`` is told what the blocks of columns
        of its target are, and the names of the models; one that has
        ``decision_function(X, cost_weight=...)`` decides itself.
    aggregator : OutcomeAggregator or None, default=None
        What makes labels of outcomes; None takes the default one.
    target : {"capability", "penalised", "utility", "choice"}, default="capability"
        What is learnt: quality, cost and risk; quality less weighted risk, and
        cost; utility alone; or which model is best, from the posterior
        probability that it is, and not from which one a draw was kind to.
    cost_weight : float, default=0.05
        Quality given up for a unit of scaled cost. Can be changed after fit,
        unless the target is "utility" or "choice".
    risk_aversion : float, default=0.2
        Quality given up for a unit of risk. Can be changed after fit where the
        target is "capability"; weighs nothing where it is "choice".
    heads : {"joint", "separate", "model"}, default="joint"
        One clone of the estimator for all columns; one each for quality, cost
        and risk; or one a model, fitted on the queries that have outcomes of
        it: for sparse logs, in which a query went to one or two models only.
    n_jobs : int or None, default=None
        Heads, or columns, fitted at once.
    random_state : int, RandomState instance or None, default=None
        Seed given to the clones.

    Attributes
    ----------
    models_, classes_ : ndarray of shape (n_models,)
        Model names.
    aggregator_ : OutcomeAggregator
        The fitted aggregator.
    estimators_ : list of regressor
        The fitted heads.
    n_features_in_ : int
        Number of features, where X has any.
    feature_names_in_ : ndarray of str
        Their names, where X has any.

    Notes
    -----
    Learning the choice was nowhere better than learning capability, and worse
    with few outcomes a pair (``benchmarks/targets.py``): a probability says who
    wins and not by how much. It is for estimators that only classify.

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
        """Set parameters, those of the default aggregator too.

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
        if nested and self.aggregator is None and params.get("aggregator") is None:
            params["aggregator"] = OutcomeAggregator()
        return super().set_params(**params)

    def fit(self, X, y, **fit_params):
        """Learn capability from outcomes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : Outcomes, or array-like that ``Outcomes.from_array`` takes
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
            If more than 5 % of the pairs have no outcome, unless there is a
            head a model or the target is "choice"; or if a model has none.
        RiskAversionWarning
            If a model with one success would rank below one with none.
        """
        self._check_parameters()
        if y is None:
            raise ValueError("the router requires y to be passed, but the target y is None")
        outcomes = as_outcomes(y)
        check_length(X, outcomes)
        _check_feature_names(self, X, reset=True)
        _check_n_features(self, X, reset=True)
        aggregator = OutcomeAggregator() if self.aggregator is None else clone(self.aggregator)
        self.aggregator_ = aggregator.fit(outcomes)
        self.models_ = self.classes_ = outcomes.models
        self.score_range_ = outcomes.score_range
        capability = self.aggregator_.aggregate(outcomes)
        self._warn(outcomes, capability)
        self._baked_in = {name: getattr(self, name) for name in BAKED_IN[self.target]}
        fit_params = process_routing(self, "fit", **fit_params).estimator.fit if fit_params else {}
        inner = self._inner(len(outcomes))
        if self.target == "choice" and is_classifier(inner):
            (seed,) = self._seeds(1)
            probability = self._probabilities(outcomes)
            head = fit_classifier(inner, X, probability, seed=seed, fit_params=fit_params)
            self.estimators_ = [head]
            return self
        names, parts = _PARTS[self.target], self._targets(outcomes, capability)
        blocks = dict(zip(names, parts, strict=True))
        common = {"seeds": self._seeds, "n_jobs": self.n_jobs, "fit_params": fit_params}
        if self.heads == "model":
            held = capability.n_outcomes > 0
            self.estimators_ = fit_models(self._inner, X, blocks, self.models_, held=held, **common)
        else:
            separate = self.heads == "separate"
            self.estimators_ = fit_blocks(
                self._inner, X, blocks, self.models_, separate=separate, **common
            )
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
            Probabilities, rows that sum to 1.
        """
        check_is_fitted(self)
        self._check_features(X)
        return predict_probabilities(self.estimators_[0], X, len(self.models_))

    def predict_capability(self, X):
        """Predict quality, cost and risk.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        PredictedCapability
            Three arrays of shape (n_queries, n_models): quality within the
            range of scores, scaled cost, and risk of at least 0.

        Raises
        ------
        ValueError
            If the target is not "capability".
        """
        check_is_fitted(self)
        if self.target != "capability":
            raise ValueError(
                f"a router with target={self.target!r} learns no capability; "
                "fit it with target='capability'"
            )
        return PredictedCapability(*self._predict_parts(X))

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
            If a weight was changed that the fit baked in.
        """
        check_is_fitted(self)
        self._check_parameters()
        for name, value in self._baked_in.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} was {value!r} in fit and is {getattr(self, name)!r} now, but "
                    f"target={self.target!r} bakes it into what is learnt; fit again, or use "
                    "target='capability'"
                )
        if self.target == "choice":
            return self.predict_proba(X)
        if self.decides_itself:
            decision = self.estimators_[0].decision_function(X, cost_weight=self.cost_weight)
            return np.asarray(decision, dtype=float)
        value, price = self._value_and_price(X)
        return value - self.cost_weight * price

    @property
    def decides_itself(self):
        """Whether the fitted estimator decides, given a weight of cost, and not the router."""
        decision = getattr(self.estimators_[0], "decision_function", None)
        if len(self.estimators_) > 1 or decision is None:
            return False
        return "cost_weight" in signature(decision).parameters

    def value_and_price(self, X):
        """Predict what utility is at any weight of cost: a value, less the weight times a price.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        tuple of two ndarray of shape (n_queries, n_models)
            Utility at no weight of cost, and what a unit of that weight takes
            off it: scaled cost.

        Raises
        ------
        ValueError
            If the weight of cost is baked into what is learnt, or the estimator
            decides itself.
        """
        check_is_fitted(self)
        if "cost_weight" in self._baked_in:
            raise ValueError(
                f"target={self.target!r} bakes the weight of cost into what is learnt; use "
                "'capability' or 'penalised'"
            )
        if self.decides_itself:
            raise ValueError(
                "this estimator decides itself, and tells no value and price; look for a weight "
                "on the grid of deferral_curve(..., cost_weights=)"
            )
        return self._value_and_price(X)

    def _value_and_price(self, X):
        parts = self._predict_parts(X)
        if self.target == "capability":
            return parts[0] - self.risk_aversion * parts[2], parts[1]
        # What the target has folded into quality weighs nothing any more.
        return parts[0], parts[1] if len(parts) > 1 else np.zeros(1)

    def predict(self, X, available=None):
        """Choose a model for each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        available : array-like, default=None
            Names of the models that may be chosen, or a mask of shape
            (n_queries, n_models).

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
            As in :meth:`predict`; the others come last.

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
        """Mean realised utility of the routes: never smoothed, no risk penalty.

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
        realised = Realised(outcomes, self.cost_weight, self.aggregator_.cost_range_)
        return float(realised.at("utility", realised.places(self.predict(X))).mean())

    def get_metadata_routing(self):
        """Route metadata of fit to the estimator.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self.__class__.__name__)
        return router.add(estimator=self._inner(16), method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._inner(16))
        tags.input_tags = inner.input_tags
        tags.non_deterministic = inner.non_deterministic
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    # ---- parts ---------------------------------------------------------------

    def _check_parameters(self):
        for name, allowed in (("target", _PARTS), ("heads", _HEADS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {list(allowed)}, got {getattr(self, name)!r}"
                )
        if self.target == "choice" and self.heads == "model":
            raise ValueError(
                "target='choice' weighs models against each other, which heads='model' keeps "
                "apart; use heads='joint', which needs no outcome of every model here"
            )
        for name in ("cost_weight", "risk_aversion"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= value < np.inf:
                raise ValueError(f"{name} must be a finite float >= 0, got {value!r}")

    def _inner(self, n_queries):
        if self.estimator is not None:
            return clone(self.estimator)
        return KNeighborsRegressor(n_neighbors=min(16, n_queries), weights="distance")

    def _seeds(self, n):
        if self.random_state is None:
            return [None] * n
        return check_random_state(self.random_state).randint(2**31 - 1, size=n).tolist()

    def _targets(self, outcomes, capability):
        quality, cost, risk = capability.quality, capability.cost, capability.risk
        if self.target == "capability":
            return [quality, cost, risk]
        if self.target == "penalised":
            return [quality - self.risk_aversion * risk, cost]
        if self.target == "choice":
            return [self._probabilities(outcomes)]
        weights = {"cost_weight": self.cost_weight, "risk_aversion": self.risk_aversion}
        return [utility(quality, cost, risk, **weights)]

    def _probabilities(self, outcomes):
        return probability_best(
            outcomes,
            cost_weight=self.cost_weight,
            cost_range=self.aggregator_.cost_range_,
            random_state=0 if self.random_state is None else self.random_state,
        )

    def _warn(self, outcomes, capability):
        absent = capability.n_outcomes == 0
        never = self.models_[absent.all(axis=0)].tolist()
        if never:
            warn(
                f"there are no outcomes of {', '.join(map(str, never))}: all that is known of such "
                "a model is the others' mean; use outcomes.subset(models=)",
                ImputationWarning,
                stacklevel=3,
            )
        elif absent.mean() > 0.05 and self.heads != "model" and self.target != "choice":
            warn(
                f"{absent.mean():.0%} of the (query, model) pairs have no outcome, and were filled "
                "with their model's mean; the router learns these as if they were seen. "
                "heads='model' fits each model on the queries that it has",
                ImputationWarning,
                stacklevel=3,
            )
        n = capability.n_outcomes.max()
        limit = capability.shrinkage[capability.n_outcomes == n].min() / np.sqrt(n)
        binary = n > 1 and self.aggregator_.risk == "std"
        binary = binary and np.isin(outcomes.score, (0.0, 1.0)).all()
        if binary and self.risk_aversion > limit:
            warn(
                f"risk_aversion={self.risk_aversion} is above {limit:.3f}: with binary scores and "
                f"{n} outcomes a pair, a model with one success ranks below one with none",
                RiskAversionWarning,
                stacklevel=3,
            )

    def _check_features(self, X):
        if hasattr(self, "n_features_in_") and getattr(X, "ndim", 2) == 1:
            raise ValueError(
                "X must have a row for each query, got a 1-D array. Reshape your data with "
                "X.reshape(1, -1) if it is one query"
            )
        _check_feature_names(self, X, reset=False)
        _check_n_features(self, X, reset=False)

    def _predict_parts(self, X):
        self._check_features(X)
        if self.heads == "model":
            parts = predict_models(self.estimators_, X)
        else:
            parts = predict_blocks(self.estimators_, X, len(self.models_))
        table = np.hstack(parts)
        if np.isnan(table).any():
            raise ValueError(
                f"the estimator predicted NaN for {np.isnan(table).any(axis=1).sum()} queries"
            )
        if self.target == "capability":
            if self.score_range_ is not None:
                np.clip(parts[0], *self.score_range_, out=parts[0])
            np.maximum(parts[2], 0, out=parts[2])
        if len(parts) > 1 and isinstance(self.aggregator_.cost_scaling, str):
            np.clip(parts[1], 0, 1, out=parts[1])
        return parts
