"""DistributionalRouter: a meta-estimator that learns which model to send a query to."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from dars_sklearn.labels._aggregator import OutcomeAggregator
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.outcomes._alignment import check_alignment, check_labelled_order
from dars_sklearn.outcomes._means import weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import check_models
from dars_sklearn.routing._available import available_mask
from dars_sklearn.routing._calibration import fit_calibrations, predict_held_out
from dars_sklearn.routing._calibration_folds import number_groups
from dars_sklearn.routing._checks import (
    check_features,
    check_parameters,
    check_predictions,
    raise_if_text,
)
from dars_sklearn.routing._decision import decide, order_models
from dars_sklearn.routing._estimator import make_estimator
from dars_sklearn.routing._fingerprints import fingerprint_queries
from dars_sklearn.routing._fixed_params import check_fixed_params, params_with_aggregator
from dars_sklearn.routing._gain import PredictedGain, gain_standard_errors
from dars_sklearn.routing._known_queries import learn_known_queries, observed_costs
from dars_sklearn.routing._label_warnings import (
    warn_of_missing_pairs,
    warn_of_no_calibration,
    warn_of_risk_aversion,
)
from dars_sklearn.routing._learning import Learner, Prediction
from dars_sklearn.routing._predicted_capability import capability_in_user_units
from dars_sklearn.routing._targets import TARGETS
from dars_sklearn.utility import answer_value, find_cost_range, scale_cost
from dars_sklearn.utility._costs import check_cost_weight
from dars_sklearn.utility._scores import check_score_scale
from dars_sklearn.utility._unknown_costs import check_costs_known, check_costs_to_weigh

__all__ = ["DistributionalRouter"]

_WEIGHTS = ("cost_weight", "risk_aversion")
_UNLIMITED = (-np.inf, np.inf)


class DistributionalRouter(MetaEstimatorMixin, BaseEstimator):
    """Learn the capability of each model on a query, and route by utility.

    Parameters
    ----------
    estimator : regressor, classifier or None, default=None
        Learns capability from the features of a query. None uses nearest neighbours, as many as
        leave-one-out error advises: :class:`~dars_sklearn.routing.estimators.NeighborsRegressorCV`.
        A classifier that predicts probabilities can be used with
        ``target="choice"`` only. An estimator whose ``fit`` has the parameters ``blocks``,
        ``models`` or ``cost_weight`` receives the names of the target blocks, those of the
        models, or the cost weight. One that has
        ``decision_function(X, cost_weight=...)`` has its own decision rule.
    aggregator : OutcomeAggregator or None, default=None
        Computes the labels from outcomes. None uses ``OutcomeAggregator()``.
    target : {"capability", "penalised", "utility", "choice"}, default="capability"
        What is learned: quality, cost and risk; quality less weighted risk, and cost; utility
        alone; or which model is best, from the posterior probability that it is, and not from
        which model happened to win a single noisy draw.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost, on the scale on which the lowest possible
        score is 0 and the highest is 1. The cost range of the aggregator is part of what this
        means: by default it is that of single training outcomes, which one very expensive
        outcome changes. ``cost_weight_from_value`` computes the weight from what a right answer
        is worth. Can be changed after fit, unless the target is "utility" or "choice".
    risk_aversion : float, default=0.2
        Quality given up for one unit of risk. Can be changed after fit where the target is
        "capability"; has no effect where it is "choice".
    heads : {"joint", "separate", "model"}, default="joint"
        One clone of the estimator for all columns; one each for quality, cost and risk; or one
        per model, fitted on the queries that have outcomes of it: for sparse logs, in which each
        query was sent to one or two models only.
    label_prior : {"aggregator", "features"}, default="aggregator"
        What labels are smoothed towards. "aggregator" leaves that to the aggregator. With
        "features", the quality of each pair is the posterior mean of its expected score: its
        prior mean is predicted from the features by heads that have not seen the query, and the
        outcomes of the query, those of other models included, weigh as much as they are worth.
        The labels are made anew in each fold, with as many fits as there are folds.
    calibration : None, "auto", int or splitter, default="auto"
        Folds in which predictions are calibrated: deviations from the models' means are
        multiplied by slopes of observed on predicted deviations, between 0 and 1, of queries
        that the heads have not seen. Where features do not tell models apart, the slope is about
        0 and the router chooses the best model on average; without it, it would choose the model
        whose prediction has the luckiest error. "auto" is five folds. There are as many
        additional fits as folds. Copies of a query share a fold: rows of equal label, text or
        features. None leaves predictions as they are.
    gain_threshold : float, default=0.0
        Number of standard errors of the predicted gain by which a model must be better than the
        best model on average before it is chosen instead: the utilities of all other models are
        lowered by so much. For users who want to leave their default model only where it surely
        pays; it costs some of the gain on average. Can be changed after fit.
    n_jobs : int or None, default=None
        Number of folds, heads or columns fitted in parallel.
    random_state : int, RandomState instance or None, default=None
        Seed of the clones and of the folds.

    Attributes
    ----------
    models_, classes_ : ndarray of shape (n_models,)
        Model names.
    aggregator_ : OutcomeAggregator
        The fitted aggregator.
    estimators_ : list of estimators
        The fitted heads.
    calibration_ : Calibration or None
        What was learnt about the predictions: ``calibration_.slopes`` is a table of the slopes.
    n_features_in_ : int
        Number of features, if X is a table.
    feature_names_in_ : ndarray of str
        Names of the features, if X has any.
    answer_value_ : float
        What a fully right answer is worth, in the unit of the costs: its extra cost may be this
        high. It follows from ``cost_weight`` and the cost range of the aggregator.

    See Also
    --------
    make_router : Routers of the paper's families, by name.
    explain_routes : A table of what was predicted, and why each query was routed, for a router
        or a Pipeline that ends in one.
    evaluate_router : Evaluate a router against baselines.
    dars_sklearn.utility.cost_weight_from_value : Cost weight from what a right answer is worth.

    Notes
    -----
    After fit, ``cost_weight``, ``risk_aversion`` and ``gain_threshold`` can be changed as described
    above, and ``n_jobs`` has no effect. All other parameters, including those of the aggregator,
    are fixed at fit time: predictions with a changed one are refused until the router is fitted
    again. As everywhere in scikit-learn, changes within the estimator have no effect before the
    next fit.

    Predicted costs are brought to the range from the lowest to the highest cost of a training
    outcome, however costs are scaled, and predicted quality to the range of scores; for the
    decision only where predictions are not calibrated, as in the paper, because models would tie
    on easy queries.

    A classifier learns each query once for each model that may be the best one, weighted by the
    probability that it is. If it accepts no ``sample_weight``, it learns the most probable model
    of each query only; and so does a classifier that holds rows out, in a cross-validation or for
    early stopping, because the same query in both parts misleads it: with repeated rows,
    ``SVC(probability=True)`` routed worse than at random. It is recognised by its parameters and
    those of the estimators within it: ``cv``, ``early_stopping``, ``probability``,
    ``n_iter_no_change``, ``oob_score`` or ``train_split``.

    Learning the choice was nowhere better than learning capability, and worse with few outcomes
    per (query, model) pair (``benchmarks/targets.py``): a probability of winning does not say by
    how much. It is for estimators that only classify.

    References
    ----------
    arXiv 2606.06924; its defaults for the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn import DistributionalRouter, Outcomes
    >>> X = np.linspace(0, 1, 20)[:, None]
    >>> scores = [[1, 0]] * 10 + [[0, 1]] * 10
    >>> outcomes = Outcomes.from_array(scores, models=["small", "large"])
    >>> router = DistributionalRouter().fit(X, outcomes)
    >>> router.predict([[0.0], [1.0]]).tolist()
    ['small', 'large']
    >>> float(router.calibration_.slopes.loc[("quality", "estimator"), "own"])
    1.0
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
        label_prior="aggregator",
        calibration="auto",
        gain_threshold=0.0,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.aggregator = aggregator
        self.target = target
        self.cost_weight = cost_weight
        self.risk_aversion = risk_aversion
        self.heads = heads
        self.label_prior = label_prior
        self.calibration = calibration
        self.gain_threshold = gain_threshold
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

    def fit(self, X, y, groups=None, **fit_params):
        """Learn capability from outcomes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : Outcomes, or array-like that ``Outcomes.from_array`` accepts
            Outcomes of the same queries, in the same order.
        groups : array-like of shape (n_queries,) or None, default=None
            Groups of queries that share a fold of the calibration, such as kinds of queries:
            where the future has kinds that training has not, slopes from folds by kind are the
            right ones. A splitter that needs groups receives them.
        **fit_params : dict
            Passed to the estimator's fit.

        Returns
        -------
        DistributionalRouter
            The router itself.

        Raises
        ------
        ValueError
            If X and y differ in length, X has texts or labels of other queries than y, or a
            parameter is out of range; or if X is text, and the estimator does not accept it.

        Warns
        -----
        ImputationWarning
            If more than 5 % of the (query, model) pairs have no outcome, unless there is a head
            per model or the target is "choice"; or if a model has none.
        RiskAversionWarning
            If a model with one success would rank below a model with none.
        UsageWarning
            If predictions cannot be calibrated, because the target is "choice" or the estimator
            has its own decision rule, and ``calibration`` is not None.
        """
        check_parameters(self)
        if y is None:
            raise ValueError("the router requires y to be passed, but the target y is None")
        outcomes = as_outcomes(y)
        check_alignment(X, outcomes)
        X = check_features(self, X, reset=True)
        aggregator = OutcomeAggregator() if self.aggregator is None else clone(self.aggregator)
        self.aggregator_ = aggregator
        capability = aggregator.fit_aggregate(outcomes)
        self.models_ = self.classes_ = outcomes.models
        self._training_fingerprints = fingerprint_queries(outcomes)
        self.score_range_ = outcomes.score_range
        costs = np.array(find_cost_range(outcomes))
        self._cost_limits = scale_cost(costs, aggregator.cost_range_)
        self._check_costs_known([self.cost_weight])
        self._warn_of_labels(outcomes, capability)
        free = {"n_jobs", "gain_threshold", *_WEIGHTS} - set(self._target.fixed_weights)
        params = params_with_aggregator(self)
        self._fixed_at_fit = {name: params[name] for name in params if name not in free}
        for name, values in (fit_params | {"groups": groups}).items():
            check_labelled_order(values, outcomes, name)
        learner = self._make_learner(X, outcomes, groups, fit_params)
        try:
            self._heads = learner.fit(capability)
            self._calibrate(learner)
        except ValueError as error:
            raise_if_text(X, error)
            raise
        self.estimators_ = self._heads.estimators
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
        return self._predict(X).blocks["probability"]

    def predict_capability(self, X, outcomes=None):
        """Predict quality, cost and risk.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        outcomes : Outcomes or None, default=None
            Outcomes that some of these queries have already, with all models of fit; queries
            that repeat are known in part. Quality is then the posterior mean from features and
            outcomes, and has a standard error; costs of outcomes replace predicted ones. Training
            queries are recognised by their texts or labels, and do not count twice.

        Returns
        -------
        PredictedCapability
            Quality, cost in the user's unit, scaled cost and risk, each of shape (n_queries,
            n_models); and the standard error of quality, where there are outcomes.

        Raises
        ------
        ValueError
            If the target is not "capability"; or if there are outcomes, and they belong to other
            queries or models, or the router is not calibrated.
        """
        check_is_fitted(self)
        if self.target != "capability":
            raise ValueError(
                f"a router with target={self.target!r} does not learn capability; "
                "fit it with target='capability'"
            )
        self._check_fixed_at_fit()
        prediction = self._predict(X, outcomes)
        quality = np.clip(prediction.blocks["quality"], *self._quality_limits)
        return capability_in_user_units(
            prediction.blocks | {"quality": quality},
            self.aggregator_,
            self.score_range_,
            prediction.standard_error,
        )

    def predict_gain(self, X, outcomes=None):
        """Predict the gain in utility over the best model on average.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        outcomes : Outcomes or None, default=None
            As in :meth:`predict_capability`.

        Returns
        -------
        PredictedGain
            Name of the best model on average, the gain of each model over it, and its standard
            error.

        Raises
        ------
        ValueError
            If the router is not calibrated.
        """
        check_is_fitted(self)
        self._check_fixed_at_fit()
        if self.calibration_ is None:
            raise ValueError("standard errors of gains need a router with calibration='auto'")
        prediction = self._predict(X, outcomes)
        utilities = self._utility_lines(prediction).utilities(self.cost_weight)
        default = self._default_model(self.cost_weight)
        gain = utilities - utilities[:, [default]]
        return PredictedGain(
            self.models_[default], gain, self._gain_standard_errors(prediction, default)
        )

    def decision_function(self, X, outcomes=None):
        """Predict the utility of each model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        outcomes : Outcomes or None, default=None
            As in :meth:`predict_capability`.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Utilities, less ``gain_threshold`` standard errors of the gain over the best model on
            average; with target="choice", probabilities of being best.

        Raises
        ------
        ValueError
            If a weight that is fixed at fit time was changed.
        """
        (utilities,) = self.utilities_by_cost_weight(X, [self.cost_weight], outcomes)
        return utilities

    def utilities_by_cost_weight(self, X, cost_weights, outcomes=None):
        """Predict the utility of each model at several cost weights, with one prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        cost_weights : sequence of float
            Quality given up for one unit of scaled cost.
        outcomes : Outcomes or None, default=None
            As in :meth:`predict_capability`.

        Returns
        -------
        list of ndarray of shape (n_queries, n_models)
            The utilities at each cost weight.

        Raises
        ------
        ValueError
            If a weight that is fixed at fit time was changed, or differs from the one given; or
            if a weight is negative, or positive where no cost of some model was known in fit.
        """
        check_is_fitted(self)
        check_parameters(self)
        self._check_fixed_at_fit()
        self._check_costs_known(cost_weights)
        if "cost_weight" in self._fixed_at_fit and set(cost_weights) != {self.cost_weight}:
            self._raise_cost_weight_is_fixed()
        if self.gain_threshold > 0 and self.calibration_ is None:
            raise ValueError(
                f"gain_threshold={self.gain_threshold!r} needs standard errors of gains, which a "
                "router without calibration does not have; fit it with calibration='auto'"
            )
        if self.has_own_decision_rule:
            if outcomes is not None:
                self._check_known(X, outcomes)
            X = check_features(self, X, reset=False)
            rule = self.estimators_[0].decision_function
            return [
                np.asarray(rule(X, cost_weight=cost_weight), dtype=float)
                for cost_weight in cost_weights
            ]
        prediction = self._predict(X, outcomes)
        lines = self._utility_lines(prediction)
        return [
            lines.utilities(cost_weight) - self._margins(prediction, cost_weight)
            for cost_weight in cost_weights
        ]

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
            If the cost weight is fixed at fit time, the estimator has its own decision rule, there
            is a gain threshold, or no cost of some model was known in fit.
        """
        check_is_fitted(self)
        self._check_fixed_at_fit()
        check_costs_known(self._models_without_costs, can_be_ignored=False)
        if "cost_weight" in self._fixed_at_fit:
            self._raise_cost_weight_is_fixed()
        if self.has_own_decision_rule:
            raise ValueError(
                "the estimator has its own decision rule, and its utilities are not lines in the "
                "cost weight; choose a weight from a grid, deferral_curve(..., cost_weights=)"
            )
        if self.gain_threshold > 0:
            raise ValueError(
                f"with gain_threshold={self.gain_threshold!r}, utilities are not lines in the cost "
                "weight; choose a weight from a grid, deferral_curve(..., cost_weights=)"
            )
        return self._utility_lines(self._predict(X))

    @property
    def has_own_decision_rule(self):
        """Whether the fitted estimator decides, given a cost weight, instead of the router."""
        return self._heads.has_own_decision_rule

    @property
    def has_utility_lines(self):
        """Whether :meth:`utility_lines` is available on this fitted router."""
        return (
            "cost_weight" not in self._fixed_at_fit
            and not self.has_own_decision_rule
            and self.gain_threshold == 0
            and not self._models_without_costs
        )

    @property
    def trained_with_costs(self):
        """Whether some cost was known in fit."""
        return not np.isnan(self.aggregator_.prior_cost_).all()

    @property
    def answer_value_(self):
        """What a fully right answer is worth, in the unit of the costs."""
        check_is_fitted(self)
        return answer_value(self.cost_weight, self.aggregator_.cost_range_)

    def predict(self, X, available=None, outcomes=None):
        """Choose a model for each query.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        available : array-like or set, default=None
            Names of the models that may be chosen; or a mask of shape (n_queries, n_models), as
            an array of bool in the order of ``models_`` or as a data frame whose columns are the
            models, in any order; or a Series of bool labelled by model, the same for all queries.
            Where the index of a mask and X have the same labels, their order must be the same;
            steps before the router in a Pipeline may drop those of X, which are then not
            compared.
        outcomes : Outcomes or None, default=None
            As in :meth:`predict_capability`.

        Returns
        -------
        ndarray of shape (n_queries,)
            Model names.

        Raises
        ------
        ValueError
            If no model is available for a query.
        """
        utilities = self.decision_function(X, outcomes)
        mask = available_mask(available, self.models_, len(utilities), X)
        return self.models_[decide(utilities, mask)]

    def rank(self, X, available=None, outcomes=None):
        """Order the models for each query, best first.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        available : array-like, default=None
            As in :meth:`predict`; the other models come last.
        outcomes : Outcomes or None, default=None
            As in :meth:`predict_capability`.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Model names.
        """
        utilities = self.decision_function(X, outcomes)
        mask = available_mask(available, self.models_, len(utilities), X)
        return self.models_[order_models(utilities, mask)]

    def score(self, X, y, missing="raise"):
        """Mean realised utility of the routes: never smoothed, without a penalty for risk.

        A grid over ``cost_weight`` would compare different scales; use
        ``routing_scorer(cost_weight=...)`` there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : Outcomes
            Their outcomes.
        missing : {"raise", "skip"}, default="raise"
            Whether a query that is routed to a model without outcomes for it is an error, or
            left out. In ``cross_validate`` and searches, use
            ``scoring=routing_scorer(missing="skip")``.

        Returns
        -------
        float
            Mean score, on the unit scale of its range, less weighted scaled cost.

        Raises
        ------
        ValueError
            If the models are not those of fit, X has texts or labels of other queries than y, or
            a query is routed to a model that has no outcome for it.

        Warns
        -----
        UndefinedMetricWarning
            If all queries are left out; the score is NaN then.
        """
        outcomes = as_outcomes(y)
        check_alignment(X, outcomes)
        check_models(outcomes, self.models_)
        check_score_scale(outcomes, self.score_range_, self.aggregator_.score_limits_)
        check_costs_to_weigh(outcomes, self.cost_weight, trained_with_costs=self.trained_with_costs)
        realised = RealisedValues(outcomes, self.cost_weight, self.aggregator_.cost_range_)
        return weighted_mean(realised.routed("utility", self.predict(X), missing))

    def get_metadata_routing(self):
        """Route metadata of fit to the estimator, and ``available`` to predict.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self.__class__.__name__).add_self_request(self)
        return router.add(estimator=make_estimator(self.estimator), method_mapping=mapping)

    def _repr_mimebundle_(self, **kwargs):
        """Show the slopes of a calibrated router below its diagram."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle and getattr(self, "calibration_", None) is not None:
            bundle["text/html"] += self.calibration_._repr_html_()
        return bundle

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(make_estimator(self.estimator))
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

    @property
    def _models_without_costs(self):
        """Models of which no cost was known in fit, where that of others was."""
        unknown = np.isnan(self.aggregator_.prior_cost_)
        return [] if unknown.all() else self.models_[unknown].tolist()

    def _check_costs_known(self, cost_weights):
        """Refuse cost weights that are not numbers, or that need costs which are not known."""
        for cost_weight in cost_weights:
            check_cost_weight(cost_weight)
            if cost_weight > 0:
                check_costs_known(self._models_without_costs)

    def _check_fixed_at_fit(self):
        remedy = f" for target={self.target!r}; fit again, or use target='capability'"
        remedies = dict.fromkeys(_WEIGHTS, remedy)
        check_fixed_params(self._fixed_at_fit, params_with_aggregator(self), remedies)

    def _raise_cost_weight_is_fixed(self):
        raise ValueError(
            f"the cost weight is fixed at fit time for target={self.target!r}; use "
            "target='capability' or target='penalised'"
        )

    def _warn_of_labels(self, outcomes, capability):
        imputed = self._target.fills_missing_pairs and self.heads != "model"
        warn_of_missing_pairs(self.models_, capability.n_outcomes, imputed=imputed)
        weighs_std = self._target.weighs_risk and self.aggregator_.risk == "std"
        if weighs_std and np.isin(outcomes.score, outcomes.score_range or (0.0, 1.0)).all():
            warn_of_risk_aversion(self.risk_aversion, capability)

    # ---- labels and predictions ------------------------------------------------

    def _make_learner(self, X, outcomes, groups, fit_params):
        """Return the training data and what is done with them."""
        estimator = make_estimator(self.estimator)
        if fit_params:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        if has_fit_parameter(estimator, "cost_weight"):
            fit_params = {**fit_params, "cost_weight": self.cost_weight}
        # All folds scale costs alike.
        low, high = cost_range = self.aggregator_.cost_range_
        has_folds = self.calibration is not None or self.label_prior == "features"
        scaling = cost_range if low < high else self.aggregator_.cost_scaling
        return Learner(
            X=X,
            outcomes=outcomes,
            aggregator=clone(self.aggregator_).set_params(cost_scaling=scaling),
            cost_range=cost_range,
            target=self._target,
            estimator=self.estimator,
            kind=self.heads,
            label_prior=self.label_prior,
            folds="auto" if self.calibration is None else self.calibration,
            cost_weight=self.cost_weight,
            risk_aversion=self.risk_aversion,
            groups=number_groups(groups, X, outcomes) if has_folds else None,
            fit_params=fit_params,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        )

    def _calibrate(self, learner):
        """Calibrate the fitted heads, and learn how outcomes of known queries are combined."""
        self.calibration_ = self._known_queries = None
        if self.calibration is None:
            return
        if self.target == "choice" or self._heads.has_own_decision_rule:
            warn_of_no_calibration(self.target)
            return
        held_out = learner.hold_out()
        self.calibration_ = fit_calibrations(
            held_out,
            self._heads.components,
            learner.outcomes,
            self.aggregator_.weighting,
            learner.groups,
        )
        if self.target == "capability":
            quality = held_out["quality"]
            prior = predict_held_out(quality, self.calibration_.blocks["quality"])
            self._known_queries = learn_known_queries(
                learner.outcomes, quality.rows, prior, self._training_fingerprints
            )

    def _predict(self, X, outcomes=None):
        """Predict the target's blocks, within the range of their quantities."""
        X = check_features(self, X, reset=False)
        deviations = None
        if self.calibration_ is None:
            predicted = self._heads.predict(X)
        else:
            deviations = self._heads.predict_deviations(X)
            predicted = self.calibration_.predict(deviations)
        check_predictions(predicted)
        standard_error = None
        if outcomes is not None:
            outcomes = self._check_known(X, outcomes)
            posterior = self._known_queries.posterior_quality(predicted["quality"], outcomes)
            standard_error = posterior.standard_error
            cost = observed_costs(predicted["cost"], outcomes, self.aggregator_.cost_range_)
            predicted = predicted | {"quality": posterior.mean, "cost": cost}
        # Clipped quality would make models tie on easy queries, where the first one is chosen.
        # Predictions that are not calibrated are clipped before the decision, as in the paper.
        is_calibrated = self.calibration_ is not None
        quality_limits = _UNLIMITED if is_calibrated else self._quality_limits
        blocks = self._target.constrain(predicted, quality_limits, self._cost_limits)
        return Prediction(blocks, deviations, standard_error)

    @property
    def _quality_limits(self):
        return _UNLIMITED if self.score_range_ is None else (0, 1)

    def _check_known(self, X, outcomes):
        """Return outcomes of queries to predict, if they can be combined with predictions."""
        if self._known_queries is None:
            raise ValueError(
                "outcomes of known queries can be used by a router with target='capability' and "
                f"calibration='auto' only, got target={self.target!r} and "
                f"calibration={self.calibration!r}"
            )
        outcomes = as_outcomes(outcomes)
        check_alignment(X, outcomes)
        check_models(outcomes, self.models_)
        check_score_scale(outcomes, self.score_range_, self.aggregator_.score_limits_)
        return outcomes

    def _utility_lines(self, prediction):
        return self._target.utility_lines(prediction.blocks, self.risk_aversion)

    def _default_model(self, cost_weight):
        """Return the position of the best model on average."""
        means = {name: block.means[None] for name, block in self.calibration_.blocks.items()}
        lines = self._target.utility_lines(means, self.risk_aversion)
        return int(decide(lines.utilities(cost_weight))[0])

    def _gain_standard_errors(self, prediction, default):
        """Return the standard errors of the gains over a model."""
        if prediction.standard_error is not None:
            own = prediction.standard_error
            errors = np.hypot(own, own[:, [default]])  # at most, for they are correlated
            errors[:, default] = 0
            return errors
        name = next(iter(self.calibration_.blocks))  # quality, or utility
        block = self.calibration_.blocks[name]
        return gain_standard_errors(block, prediction.deviations[name], default)

    def _margins(self, prediction, cost_weight):
        """Return what the utilities of models other than the default are lowered by."""
        if self.gain_threshold == 0:
            return 0.0
        default = self._default_model(cost_weight)
        return self.gain_threshold * self._gain_standard_errors(prediction, default)
