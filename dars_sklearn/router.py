"""DistributionalRouter: a meta-estimator that learns which model to send a query to."""

from inspect import signature
from numbers import Real
from typing import NamedTuple
from warnings import warn

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _num_samples,
    check_is_fitted,
    check_random_state,
    has_fit_parameter,
)

from dars_sklearn.aggregate import OutcomeAggregator
from dars_sklearn.decision import decide, mask_unavailable, realised_utility, utility
from dars_sklearn.exceptions import ImputationWarning, RiskAversionWarning
from dars_sklearn.outcomes import as_outcomes

__all__ = ["DistributionalRouter", "PredictedCapability"]

# What is learnt under each target, a block of columns each.
_PARTS = {
    "capability": ("quality", "cost", "risk"),
    "penalised": ("quality", "cost"),
    "utility": ("utility",),
}
_BAKED_IN = {
    "capability": (),
    "penalised": ("risk_aversion",),
    "utility": ("cost_weight", "risk_aversion"),
}


class PredictedCapability(NamedTuple):
    """Quality, cost and risk, each an array of shape (n_queries, n_models)."""

    quality: np.ndarray
    cost: np.ndarray
    risk: np.ndarray


class DistributionalRouter(MetaEstimatorMixin, BaseEstimator):
    """Learn the capability of each model on a query, and route by its utility.

    Parameters
    ----------
    estimator : regressor or None, default=None
        What learns capability from the features of a query; None takes the 16
        nearest neighbours, weighted by distance. One whose ``fit`` has the
        parameters ``blocks`` or ``models`` is told what the blocks of columns
        of its target are, and the names of the models; one that has
        ``decision_function(X, cost_weight=...)`` decides itself.
    aggregator : OutcomeAggregator or None, default=None
        What makes labels of outcomes; None takes the default one.
    target : {"capability", "penalised", "utility"}, default="capability"
        What is learnt: quality, cost and risk; quality less weighted risk, and
        cost; or utility alone.
    cost_weight : float, default=0.05
        Quality given up for a unit of scaled cost. Can be changed after fit,
        unless the target is "utility".
    risk_aversion : float, default=0.2
        Quality given up for a unit of risk. Can be changed after fit where the
        target is "capability".
    heads : {"joint", "separate"}, default="joint"
        One clone of the estimator for all columns, or one each for quality,
        cost and risk.
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
            If more than 5 % of the pairs have no outcome.
        RiskAversionWarning
            If a model with one success would rank below one with none.
        """
        self._check_parameters()
        if y is None:
            raise ValueError("the router requires y to be passed, but the target y is None")
        outcomes = as_outcomes(y)
        if _num_samples(X) != len(outcomes):
            raise ValueError(
                f"X has {_num_samples(X)} queries and y has outcomes of {len(outcomes)}; they "
                "must be the same queries in the same order"
            )
        _check_feature_names(self, X, reset=True)
        _check_n_features(self, X, reset=True)
        aggregator = OutcomeAggregator() if self.aggregator is None else clone(self.aggregator)
        self.aggregator_ = aggregator.fit(outcomes)
        self.models_ = self.classes_ = outcomes.models
        self.score_range_ = outcomes.score_range
        capability = self.aggregator_.aggregate(outcomes)
        self._warn(outcomes, capability)
        parts = self._targets(capability)
        self._baked_in = {name: getattr(self, name) for name in _BAKED_IN[self.target]}
        names = _PARTS[self.target]
        heads = [(names, np.hstack(parts))]
        if self.heads == "separate":
            heads = [((name,), part) for name, part in zip(names, parts, strict=True)]
        fit_params = process_routing(self, "fit", **fit_params).estimator.fit if fit_params else {}
        seeds = self._seeds(len(heads))
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_head)(
                self._inner(len(outcomes)), X, table, seed, self.n_jobs, fit_params,
                self._layout(blocks),
            )
            for (blocks, table), seed in zip(heads, seeds, strict=True)
        )  # fmt: skip
        return self

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
            Utilities.

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
        own = self._own_decision(X)
        if own is not None:
            return own
        parts = self._predict_parts(X)
        # What the target has folded into quality weighs nothing any more.
        quality, cost, risk = parts + [np.zeros(1)] * (3 - len(parts))
        return utility(
            quality,
            cost,
            risk,
            cost_weight=self.cost_weight,
            risk_aversion=self.risk_aversion,
        )

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
        return self.models_[decide(utilities, self._available(available, len(utilities)))]

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
        masked = mask_unavailable(utilities, self._available(available, len(utilities)))
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
        achieved = realised_utility(
            self.predict(X),
            self._outcomes(y),
            cost_weight=self.cost_weight,
            cost_range=self.aggregator_.cost_range_,
        )
        return float(achieved.mean())

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
        for name, allowed in (("target", _PARTS), ("heads", ("joint", "separate"))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {list(allowed)}, got {getattr(self, name)!r}"
                )
        for name in ("cost_weight", "risk_aversion"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= value < np.inf:
                raise ValueError(f"{name} must be a finite float >= 0, got {value!r}")

    def _inner(self, n_queries):
        if self.estimator is not None:
            return clone(self.estimator)
        return KNeighborsRegressor(n_neighbors=min(16, n_queries), weights="distance")

    def _layout(self, blocks):
        """What the columns of Y are, for an estimator whose fit asks for it."""
        layout = {"blocks": blocks, "models": self.models_}
        return {
            name: value
            for name, value in layout.items()
            if has_fit_parameter(self._inner(16), name)
        }

    def _own_decision(self, X):
        """The utilities of an estimator that decides itself, None where it does not."""
        head = self.estimators_[0]
        decision = getattr(head, "decision_function", None)
        if len(self.estimators_) > 1 or decision is None:
            return None
        if "cost_weight" not in signature(decision).parameters:
            return None
        return np.asarray(decision(X, cost_weight=self.cost_weight), dtype=float)

    def _seeds(self, n):
        if self.random_state is None:
            return [None] * n
        return check_random_state(self.random_state).randint(2**31 - 1, size=n).tolist()

    def _targets(self, capability):
        quality, cost, risk = capability.quality, capability.cost, capability.risk
        if self.target == "capability":
            return [quality, cost, risk]
        if self.target == "penalised":
            return [quality - self.risk_aversion * risk, cost]
        weights = {"cost_weight": self.cost_weight, "risk_aversion": self.risk_aversion}
        return [utility(quality, cost, risk, **weights)]

    def _warn(self, outcomes, capability):
        share = (capability.n_outcomes == 0).mean()
        if share > 0.05:
            warn(
                f"{share:.0%} of the (query, model) pairs have no outcome, and were filled with "
                "their model's mean; the router learns these as if they were seen",
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

    def _predict_parts(self, X):
        if hasattr(self, "n_features_in_") and getattr(X, "ndim", 2) == 1:
            raise ValueError(
                "X must have a row for each query, got a 1-D array. Reshape your data with "
                "X.reshape(1, -1) if it is one query"
            )
        _check_feature_names(self, X, reset=False)
        _check_n_features(self, X, reset=False)
        n_models = len(self.models_)
        columns = [np.asarray(head.predict(X), dtype=float) for head in self.estimators_]
        table = np.hstack([block.reshape(len(block), -1) for block in columns])
        if np.isnan(table).any():
            raise ValueError(
                f"the estimator predicted NaN for {np.isnan(table).any(axis=1).sum()} queries"
            )
        parts = np.split(table, table.shape[1] // n_models, axis=1)
        if self.target == "capability":
            if self.score_range_ is not None:
                np.clip(parts[0], *self.score_range_, out=parts[0])
            np.maximum(parts[2], 0, out=parts[2])
        if len(parts) > 1 and isinstance(self.aggregator_.cost_scaling, str):
            np.clip(parts[1], 0, 1, out=parts[1])
        return parts

    def _available(self, available, n_queries):
        if available is None:
            return None
        available = np.asarray(available)
        if available.dtype == bool:
            if available.shape != (n_queries, len(self.models_)):
                raise ValueError(
                    f"available must have shape {(n_queries, len(self.models_))}, "
                    f"got {available.shape}"
                )
            return available
        unknown = set(available.ravel().tolist()) - set(self.models_.tolist())
        if unknown:
            raise ValueError(
                f"available names {sorted(map(str, unknown))}, not among {self.models_.tolist()}"
            )
        named = np.isin(self.models_.astype(str), available.astype(str))
        return np.broadcast_to(named, (n_queries, len(self.models_)))

    def _outcomes(self, y):
        outcomes = as_outcomes(y)
        if not np.array_equal(outcomes.models, self.models_):
            raise ValueError(
                f"the outcomes are of models {list(outcomes.models)}, the router was fitted on "
                f"{list(self.models_)}; use outcomes.subset(models=)"
            )
        return outcomes


def _fit_head(estimator, X, Y, seed, n_jobs, fit_params, layout):
    """Fit all columns at once, or one clone a column where that is refused.

    Tags do not tell which it is: those of MLPRegressor and GridSearchCV deny
    an ability that they have. One that asks for the layout of columns takes
    them all.
    """
    if seed is not None:
        names = [name for name in estimator.get_params() if name.endswith("random_state")]
        own = [n for n in names if n == "random_state" or n.endswith("__random_state")]
        estimator.set_params(**dict.fromkeys(own, seed))
    if layout:
        return estimator.fit(X, Y, **fit_params, **layout)
    if Y.shape[1] == 1:
        return estimator.fit(X, Y.ravel(), **fit_params)
    try:
        return clone(estimator).fit(X, Y, **fit_params)
    except (TypeError, ValueError):
        return MultiOutputRegressor(estimator, n_jobs=n_jobs).fit(X, Y, **fit_params)
