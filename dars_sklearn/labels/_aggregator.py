"""OutcomeAggregator: outcomes to capability, the labels that routers learn."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from dars_sklearn.labels._capability import Capability
from dars_sklearn.labels._empirical_bayes import (
    components_by_model,
    label_noise,
    shrinkage,
    spread_of_kind,
    warn_of_informative_counts,
    warn_of_unidentifiable_noise,
)
from dars_sklearn.outcomes._cells import Cells, PairCells, make_cells, summarise_cells
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._pair_statistics import PairStatistics
from dars_sklearn.outcomes._validation import check_models
from dars_sklearn.utility import find_cost_range, scale_cost
from dars_sklearn.utility._costs import check_cost_range
from dars_sklearn.utility._scores import check_score_scale, score_limits
from dars_sklearn.utils._validation import is_finite_number

__all__ = ["OutcomeAggregator"]

_RISKS = ("std", "paraphrase", "sample", "standard_error")


class _Summary(NamedTuple):
    """What labels are computed from; cells only where variance components are needed."""

    statistics: PairStatistics
    cells: Cells | None
    pair_cells: PairCells | None


class OutcomeAggregator(TransformerMixin, BaseEstimator):
    """Aggregate outcomes to quality, cost and risk of each model on each query.

    Parameters
    ----------
    smoothing : float or "auto", default=0.0
        Pseudo-count of outcomes at the prior; 0 is the plain mean of the paper. "auto" is
        empirical Bayes: each label is shrunk towards the prior by the share of noise in it,
        which is estimated for each model from the variance between queries, between paraphrases
        and between samples. Samples of one paraphrase count for less than the same number of
        paraphrases; a (query, model) pair with one outcome is shrunk strongly, one with fifty
        hardly at all. Where there is only one paraphrase, the effect of its wording counts as an
        effect of the query, and labels are shrunk less than they should be. With one outcome per
        pair, labels are not shrunk.
    prior : {"model", "global"} or float, default="model"
        Value towards which quality is smoothed: the mean of the model, the mean of all models,
        or a number within the range of scores.
    risk : {"std", "paraphrase", "sample", "standard_error"}, default="std"
        Measure of risk: the standard deviation of the scores; that between paraphrases,
        corrected for the noise of sampling; that of samples within a paraphrase; or the standard
        error of the label. A pair with too few outcomes gets the mean of its model.
    weighting : {"balanced", "pooled"}, default="balanced"
        Whether every paraphrase of a pair weighs the same, or every outcome.
    cost_scaling : {"minmax", "robust"}, (low, high) or None, default="minmax"
        How costs are scaled: by the range over single outcomes seen in fit, from the lowest to
        the highest median cost of a model, by a fixed range, or not at all. With "minmax", one
        very expensive outcome changes what a unit of scaled cost means, and with it every
        ``cost_weight``. With "robust" it does not, and scaled costs may be outside [0, 1].

    Attributes
    ----------
    models_ : ndarray of shape (n_models,)
        Model names.
    score_range_ : tuple of float or None
        Range of scores that the outcomes of fit declare.
    score_limits_ : tuple of float
        The lowest and the highest score of the outcomes of fit.
    prior_quality_ : ndarray of shape (n_models,)
        Value towards which the quality of each model is smoothed.
    prior_cost_ : ndarray of shape (n_models,)
        Mean cost of each model in the user's unit, for pairs without a known cost; NaN where no
        cost of the model is known. A model without outcomes has the mean of the other models.
    prior_risk_ : ndarray of shape (n_models,)
        Mean risk of each model, for pairs with too few outcomes.
    variance_components_ : ndarray of shape (3, n_models) or None
        Query, paraphrase and sample components of each model's scores, with
        ``smoothing="auto"`` or a risk other than "std". A component that is not identifiable
        from the coarser one before it is 0, and the coarser one is the sum of both.
    cost_range_ : tuple of float
        Costs that become 0 and 1; (0, 1), which leaves costs unchanged, with
        ``cost_scaling=None``.

    Warns
    -----
    SeparabilityWarning
        If ``smoothing="auto"`` finds one outcome per pair, and cannot smooth.
    InformativeCountsWarning
        If ``smoothing="auto"`` finds that numbers of outcomes are correlated with scores. The
        moments are not exact then, and plain means may be better.

    See Also
    --------
    DistributionalRouter : Learns these labels.
    dars_sklearn.labels.decompose_variance : The variance components, with intervals.

    References
    ----------
    Section "Method" of arXiv 2606.06924, which is ``weighting="pooled"``. Empirical Bayes:
    Efron & Morris, "Data analysis using Stein's estimator and its generalizations", JASA 70
    (1975) 311-319.

    Examples
    --------
    >>> from dars_sklearn import OutcomeAggregator, Outcomes
    >>> outcomes = Outcomes.from_array([[[1, 0, 1, 0], [1, 1, 1, 1]]])
    >>> OutcomeAggregator().fit(outcomes).aggregate(outcomes).quality
    array([[0.5, 1. ]])
    """

    def __init__(
        self,
        *,
        smoothing=0.0,
        prior="model",
        risk="std",
        weighting="balanced",
        cost_scaling="minmax",
    ):
        self.smoothing = smoothing
        self.prior = prior
        self.risk = risk
        self.weighting = weighting
        self.cost_scaling = cost_scaling

    def fit(self, X, y=None):
        """Learn the priors and the cost range.

        Parameters
        ----------
        X : Outcomes
            Outcomes, or an array that ``Outcomes.from_array`` accepts.
        y : None
            Ignored.

        Returns
        -------
        OutcomeAggregator
            The aggregator itself.

        Raises
        ------
        ValueError
            If a parameter is not one of its values, or the prior is outside the range of scores.
        """
        self._check_parameters()
        outcomes = as_outcomes(X)
        self._learn_priors(outcomes, self._summarise(outcomes))
        return self

    def aggregate(self, outcomes):
        """Aggregate outcomes to labels.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes of the models seen in fit.

        Returns
        -------
        Capability
            Quality, cost and risk, and how precisely they are known.

        Raises
        ------
        ValueError
            If the models are not those seen in fit, in the same order, or scores have another
            range.
        """
        check_is_fitted(self)
        outcomes = as_outcomes(outcomes)
        check_models(outcomes, self.models_)
        check_score_scale(outcomes, self.score_range_, self.score_limits_)
        return self._make_labels(self._summarise(outcomes))

    def fit_aggregate(self, outcomes):
        """Fit the aggregator and aggregate the same outcomes, in one pass over them.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes, or an array that ``Outcomes.from_array`` accepts.

        Returns
        -------
        Capability
            As ``fit(outcomes).aggregate(outcomes)``.
        """
        self._check_parameters()
        outcomes = as_outcomes(outcomes)
        summary = self._summarise(outcomes)
        self._learn_priors(outcomes, summary)
        return self._make_labels(summary)

    def transform(self, X):
        """Aggregate outcomes to a table.

        Parameters
        ----------
        X : Outcomes
            Outcomes of the models seen in fit.

        Returns
        -------
        ndarray of shape (n_queries, 3 * n_models)
            Quality of each model, then scaled cost, then risk.
        """
        capability = self.aggregate(X)
        return np.hstack([capability.quality, capability.scaled_cost, capability.risk])

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the table.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (3 * n_models,)
            "quality_<model>", "scaled_cost_<model>", "risk_<model>".
        """
        check_is_fitted(self)
        blocks = ("quality", "scaled_cost", "risk")
        names = [f"{block}_{model}" for block in blocks for model in self.models_]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags

    # ---- steps of fit and aggregate --------------------------------------------

    def _check_parameters(self):
        is_number = is_finite_number(self.smoothing) and self.smoothing >= 0
        if self.smoothing != "auto" and not is_number:
            raise ValueError(
                f"smoothing must be a finite float >= 0 or 'auto', got {self.smoothing!r}"
            )
        if self.prior not in ("model", "global") and not is_finite_number(self.prior):
            raise ValueError(
                f"prior must be 'model', 'global' or a finite float, got {self.prior!r}"
            )
        if self.risk not in _RISKS:
            raise ValueError(f"risk must be one of {list(_RISKS)}, got {self.risk!r}")
        if self.weighting not in ("balanced", "pooled"):
            raise ValueError(f"weighting must be 'balanced' or 'pooled', got {self.weighting!r}")

    def _check_prior(self, score_range):
        """Refuse a prior that no score can have."""
        if isinstance(self.prior, str) or score_range is None:
            return
        low, high = score_range
        if not low <= self.prior <= high:
            raise ValueError(
                f"prior={self.prior!r} is outside the range of scores, which these outcomes "
                f"declare as score_range={score_range}; choose a prior within it"
            )

    def _summarise(self, outcomes):
        cells = pair_cells = None
        if self.smoothing == "auto" or self.risk != "std":
            cells = make_cells(outcomes)
            pair_cells = summarise_cells(cells, outcomes.n_queries, outcomes.n_models)
        return _Summary(outcomes.pair_statistics(self.weighting), cells, pair_cells)

    def _learn_priors(self, outcomes, summary):
        statistics = summary.statistics
        self._check_prior(outcomes.score_range)
        self.models_ = outcomes.models
        self.score_range_ = outcomes.score_range
        self.score_limits_ = score_limits(outcomes)
        self.cost_range_ = self._find_cost_range(outcomes)
        self.prior_quality_ = self._find_prior_quality(statistics)
        self.prior_cost_ = self._find_prior_cost(statistics)
        self.variance_components_ = None
        if summary.cells is not None:
            components = components_by_model(summary.cells, outcomes)
            self.variance_components_ = components.table
            if self.smoothing == "auto":
                warn_of_unidentifiable_noise(components.unidentifiable)
                warn_of_informative_counts(statistics.n_outcomes, statistics.mean_score)
        standard_error = None
        if self.risk == "standard_error":
            noise = self._label_noise(summary)
            own_weight = self._own_weight(noise, statistics.n_outcomes)
            standard_error = self._standard_error(noise, own_weight, statistics.n_outcomes)
        self.prior_risk_ = column_means(self._observed_risk(summary, standard_error), fallback=0.0)

    def _make_labels(self, summary):
        statistics = summary.statistics
        n_outcomes = statistics.n_outcomes
        noise = self._label_noise(summary)
        own_weight = self._own_weight(noise, n_outcomes)
        quality = statistics.mean_score
        if self.smoothing != 0:
            quality = own_weight * quality + (1 - own_weight) * self.prior_quality_
        cost = np.where(np.isnan(statistics.mean_cost), self.prior_cost_, statistics.mean_cost)
        standard_error = self._standard_error(noise, own_weight, n_outcomes)
        risk = self._observed_risk(summary, standard_error)
        return Capability(
            models=self.models_,
            quality=np.where(n_outcomes == 0, self.prior_quality_, quality),
            cost=cost,
            scaled_cost=self._scale_cost(cost),
            risk=np.where(np.isnan(risk), self.prior_risk_, risk),
            standard_error=standard_error,
            shrinkage=own_weight,
            weights=1 / statistics.sum_squared_weights,
            n_outcomes=n_outcomes,
        )

    def _find_cost_range(self, outcomes):
        if self.cost_scaling is None:
            return 0.0, 1.0
        if isinstance(self.cost_scaling, str):
            if self.cost_scaling not in ("minmax", "robust"):
                raise ValueError(
                    "cost_scaling must be 'minmax', 'robust', (low, high) or None, got "
                    f"{self.cost_scaling!r}"
                )
            return find_cost_range(outcomes, self.cost_scaling)
        low, high = check_cost_range(self.cost_scaling)
        if low == high:
            raise ValueError(f"cost_scaling needs low < high, got {self.cost_scaling!r}")
        return low, high

    def _find_prior_cost(self, statistics):
        """Mean cost of each model, NaN where the model has outcomes but no known cost."""
        by_model = column_means(statistics.mean_cost)
        unobserved = (statistics.n_outcomes == 0).all(axis=0)
        return np.where(unobserved, column_means(by_model[:, None]), by_model)

    def _scale_cost(self, cost):
        """Scaled cost, NaN where it is unknown, and 0 where costs of no model are known."""
        scaled = scale_cost(cost, self.cost_range_)
        return np.nan_to_num(scaled) if np.isnan(self.prior_cost_).all() else scaled

    def _find_prior_quality(self, statistics):
        by_model = column_means(statistics.mean_score)
        overall = np.nanmean(by_model)
        by_model = np.where(np.isnan(by_model), overall, by_model)
        named = {"model": by_model, "global": overall}
        prior = named[self.prior] if isinstance(self.prior, str) else self.prior
        return np.broadcast_to(np.asarray(prior, dtype=float), by_model.shape).copy()

    def _label_noise(self, summary):
        """Variance of the noise in each pair's mean score."""
        statistics = summary.statistics
        if summary.pair_cells is not None:
            return label_noise(
                self.variance_components_,
                summary.pair_cells,
                statistics.n_outcomes,
                self.weighting,
            )
        with np.errstate(invalid="ignore"):
            spread = np.where(statistics.n_outcomes < 2, self.prior_risk_, statistics.spread)
            return spread**2 * statistics.sum_squared_weights

    def _own_weight(self, noise, n_outcomes):
        """Weight of each pair's own mean in its quality."""
        if self.smoothing == "auto":
            return shrinkage(self.variance_components_[0], np.where(n_outcomes > 0, noise, np.inf))
        if self.smoothing:
            return n_outcomes / (n_outcomes + self.smoothing)
        return (n_outcomes > 0).astype(float)

    def _standard_error(self, noise, own_weight, n_outcomes):
        """Standard error of each label, NaN where it is unknown."""
        unobserved = np.nan
        if self.smoothing == "auto":
            noise = own_weight * np.where(n_outcomes > 0, noise, 0)
            unobserved = self.variance_components_[0]
        return np.sqrt(np.where(n_outcomes > 0, noise, unobserved))

    def _observed_risk(self, summary, standard_error):
        """Risk of each pair, NaN where the pair has too few outcomes."""
        if self.risk == "std":
            statistics = summary.statistics
            return np.where(statistics.n_outcomes > 1, statistics.spread, np.nan)
        if self.risk == "standard_error":
            return standard_error
        return spread_of_kind(self.risk, summary.pair_cells, self.variance_components_[2])
