"""OutcomeAggregator: outcomes to capability, the labels that routers learn."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from dars_sklearn._components import make_cells, make_pairs
from dars_sklearn._empirical_bayes import (
    label_noise,
    learn_parts,
    shrinkage,
    spread_by_kind,
    warn_of_informative_counts,
    warn_of_single_outcomes,
)
from dars_sklearn._summarise import column_means, summarise
from dars_sklearn.outcomes import as_outcomes, check_models

__all__ = ["Capability", "OutcomeAggregator", "cost_range", "scale_cost"]

_RISKS = ("std", "paraphrase", "sample", "standard_error")


@dataclass(frozen=True)
class Capability:
    """What outcomes say of each model on each query.

    Parameters
    ----------
    models : ndarray of shape (n_models,)
        Model names, the columns of all that follows.
    quality : ndarray of shape (n_queries, n_models)
        Mean score, smoothed.
    cost : ndarray of shape (n_queries, n_models)
        Mean cost, scaled.
    risk : ndarray of shape (n_queries, n_models)
        Standard deviation of the scores (ddof=1), or what else the aggregator
        was told to take for risk.
    standard_error : ndarray of shape (n_queries, n_models)
        Standard error of the mean score, NaN where there are no outcomes: were
        these independent; or, where the aggregator has variance parts, with the
        correlation of samples of one paraphrase. With ``smoothing="auto"`` the
        posterior standard deviation, the prior's where there are no outcomes.
    shrinkage : ndarray of shape (n_queries, n_models)
        Weight of the pair's own mean in its quality; the rest is the prior's.
    weights : ndarray of shape (n_queries, n_models)
        Effective number of outcomes, 0 where there are none.
    n_outcomes : ndarray of int of shape (n_queries, n_models)
        Number of outcomes.
    """

    models: np.ndarray
    quality: np.ndarray
    cost: np.ndarray
    risk: np.ndarray
    standard_error: np.ndarray
    shrinkage: np.ndarray
    weights: np.ndarray
    n_outcomes: np.ndarray


class OutcomeAggregator(TransformerMixin, BaseEstimator):
    """Aggregate outcomes to quality, cost and risk of each model on each query.

    Parameters
    ----------
    smoothing : float or "auto", default=0.0
        Pseudo-count of outcomes at the prior; 0 is the paper's plain mean.
        "auto" is empirical Bayes: a label is drawn to the prior by the share of
        noise in it, which is found for each model from the variance between
        queries, between paraphrases and between samples. Samples of one
        paraphrase count for less than as many paraphrases; a pair with one
        outcome is shrunk a lot, one with fifty hardly. Where there is one
        paraphrase only, what its wording does counts as the query's, and
        labels are shrunk less than they should; with one outcome a pair, not
        at all.
    prior : {"model", "global"} or float, default="model"
        What quality is smoothed towards: the mean of that model, of all
        models, or a number.
    risk : {"std", "paraphrase", "sample", "standard_error"}, default="std"
        What is taken for risk: the standard deviation of the scores; that
        between paraphrases, the noise of sampling taken out; that of samples
        within a paraphrase; or the standard error of the label. A pair with
        too few outcomes to tell takes its model's mean.
    weighting : {"balanced", "pooled"}, default="balanced"
        Whether every paraphrase of a pair counts the same, or every outcome.
    cost_scaling : {"minmax"}, (low, high) or None, default="minmax"
        How costs are brought to [0, 1]: by the range over single outcomes
        seen in fit, by a fixed range, or not at all.

    Attributes
    ----------
    models_ : ndarray of shape (n_models,)
        Model names.
    prior_quality_ : ndarray of shape (n_models,)
        What quality is smoothed towards.
    prior_cost_ : ndarray of shape (n_models,)
        Mean scaled cost of each model, for pairs without a cost.
    prior_risk_ : ndarray of shape (n_models,)
        Mean risk of each model, for pairs with too few outcomes.
    variance_parts_ : ndarray of shape (3, n_models) or None
        Query, paraphrase and sample parts of each model's scores, with
        ``smoothing="auto"`` or a risk other than "std". A part that cannot be
        told from the coarser one before it is 0, and that one holds both.
    cost_range_ : tuple of float or None
        The range that scales costs; None where costs are not scaled.

    Warns
    -----
    SeparabilityWarning
        If ``smoothing="auto"`` finds one outcome a pair, and cannot smooth.
    InformativeCountsWarning
        If ``smoothing="auto"`` finds that numbers of outcomes go with scores:
        the moments are not exact then, and plain means may be better.

    References
    ----------
    Section "Method" of arXiv 2606.06924, which is ``weighting="pooled"``.
    Empirical Bayes: Efron & Morris, "Data analysis using Stein's estimator and
    its generalizations", JASA 70 (1975) 311-319; the parts,
    :func:`dars_sklearn.labels.decompose_variance`.

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
            Outcomes, or what ``Outcomes.from_array`` takes.
        y : None
            Ignored.

        Returns
        -------
        OutcomeAggregator
            The aggregator itself.
        """
        self._check_parameters()
        outcomes = as_outcomes(X)
        self.models_ = outcomes.models
        self.cost_range_ = self._cost_range(outcomes)
        quality, cost, spread, weight_squared, counts = self._summarise(outcomes)
        own = column_means(quality)
        overall = np.nanmean(own)
        own = np.where(np.isnan(own), overall, own)
        prior = {"model": own, "global": overall}.get(self.prior, self.prior)
        self.prior_quality_ = np.broadcast_to(np.asarray(prior, dtype=float), own.shape).copy()
        self.prior_cost_ = column_means(cost)
        known = self.prior_cost_[~np.isnan(self.prior_cost_)]
        self.prior_cost_[np.isnan(self.prior_cost_)] = known.mean() if len(known) else 0.0
        self.variance_parts_, pairs = None, None
        if self.smoothing == "auto" or self.risk != "std":
            cells = make_cells(outcomes)
            self.variance_parts_, nothing_to_tell = learn_parts(cells, outcomes)
            pairs = make_pairs(cells, *counts.shape)
        if self.smoothing == "auto":
            warn_of_single_outcomes(nothing_to_tell)
            warn_of_informative_counts(counts, quality)
        standard_error = None
        if self.risk == "standard_error":
            noise = self._label_noise(spread, weight_squared, pairs, counts)
            standard_error = self._standard_error(noise, self._shrinkage(noise, counts), counts)
        risk = self._risk(spread, pairs, counts, standard_error)
        self.prior_risk_ = column_means(risk, fallback=0.0)
        return self

    def aggregate(self, outcomes):
        """Aggregate outcomes.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes of the models seen in fit.

        Returns
        -------
        Capability
            Quality, cost, risk and how well they are known.

        Raises
        ------
        ValueError
            If the models are not those seen in fit, in that order.
        """
        check_is_fitted(self)
        outcomes = as_outcomes(outcomes)
        check_models(outcomes, self.models_)
        quality, cost, spread, weight_squared, counts = self._summarise(outcomes)
        absent = counts == 0
        pairs = None
        if self.variance_parts_ is not None:
            pairs = make_pairs(make_cells(outcomes), *counts.shape)
        noise = self._label_noise(spread, weight_squared, pairs, counts)
        own = self._shrinkage(noise, counts)
        if self.smoothing != 0:
            quality = own * quality + (1 - own) * self.prior_quality_
        standard_error = self._standard_error(noise, own, counts)
        risk = self._risk(spread, pairs, counts, standard_error)
        risk = np.where(np.isnan(risk), self.prior_risk_, risk)
        np.copyto(quality, self.prior_quality_, where=absent)
        np.copyto(cost, self.prior_cost_, where=np.isnan(cost))
        return Capability(
            models=self.models_,
            quality=quality,
            cost=cost,
            risk=risk,
            standard_error=standard_error,
            shrinkage=own,
            weights=1 / weight_squared,
            n_outcomes=counts,
        )

    def transform(self, X):
        """Aggregate outcomes to a table.

        Parameters
        ----------
        X : Outcomes
            Outcomes of the models seen in fit.

        Returns
        -------
        ndarray of shape (n_queries, 3 * n_models)
            Quality of each model, then cost, then risk.
        """
        capability = self.aggregate(X)
        return np.hstack([capability.quality, capability.cost, capability.risk])

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the table.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (3 * n_models,)
            "quality_<model>", "cost_<model>", "risk_<model>".
        """
        check_is_fitted(self)
        parts = ("quality", "cost", "risk")
        return np.array([f"{part}_{m}" for part in parts for m in self.models_], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags

    def _check_parameters(self):
        number = isinstance(self.smoothing, Real) and 0 <= self.smoothing < np.inf
        if self.smoothing != "auto" and not number:
            raise ValueError(
                f"smoothing must be a finite float >= 0 or 'auto', got {self.smoothing!r}"
            )
        if self.prior not in ("model", "global") and not isinstance(self.prior, Real):
            raise ValueError(f"prior must be 'model', 'global' or a float, got {self.prior!r}")
        if self.risk not in _RISKS:
            raise ValueError(f"risk must be one of {list(_RISKS)}, got {self.risk!r}")
        if self.weighting not in ("balanced", "pooled"):
            raise ValueError(f"weighting must be 'balanced' or 'pooled', got {self.weighting!r}")

    def _cost_range(self, outcomes):
        if self.cost_scaling is None:
            return None
        if isinstance(self.cost_scaling, str):
            if self.cost_scaling != "minmax":
                raise ValueError(
                    f"cost_scaling must be 'minmax', (low, high) or None, got {self.cost_scaling!r}"
                )
            return cost_range(outcomes)
        low, high = map(float, self.cost_scaling)
        if not low < high:
            raise ValueError(f"cost_scaling needs low < high, got {self.cost_scaling!r}")
        return low, high

    def _summarise(self, outcomes):
        """Mean score, scaled cost, spread, sum of squared weights and count of each pair."""
        pooled = self.weighting == "pooled" or outcomes.full_grid  # where they agree
        parts = summarise(
            outcomes.score,
            outcomes.cost,
            outcomes.offsets,
            None if pooled else outcomes.paraphrase,
        )
        counts = outcomes.counts()
        quality, cost, spread, weight_squared = (part.reshape(counts.shape) for part in parts)
        cost = (
            np.zeros(counts.shape) if outcomes.cost is None else scale_cost(cost, self.cost_range_)
        )
        return quality, cost, spread, weight_squared, counts

    def _label_noise(self, spread, weight_squared, pairs, counts):
        """Variance of the noise in each pair's mean score."""
        if pairs is not None:
            return label_noise(self.variance_parts_, pairs, counts, self.weighting)
        with np.errstate(invalid="ignore"):
            return np.where(counts < 2, self.prior_risk_, spread) ** 2 * weight_squared

    def _shrinkage(self, noise, counts):
        if self.smoothing == "auto":
            return shrinkage(self.variance_parts_[0], np.where(counts > 0, noise, np.inf))
        held = (counts > 0).astype(float)
        return counts / (counts + self.smoothing) if self.smoothing else held

    def _standard_error(self, noise, shrinkage, counts):
        """Standard error of each label, NaN where nothing is known of it."""
        unknown = np.nan
        if self.smoothing == "auto":
            noise, unknown = shrinkage * np.where(counts > 0, noise, 0), self.variance_parts_[0]
        return np.sqrt(np.where(counts > 0, noise, unknown))

    def _risk(self, spread, pairs, counts, standard_error):
        """Risk of each pair, NaN where it has too few outcomes to tell."""
        if self.risk == "std":
            return np.where(counts > 1, spread, np.nan)
        if self.risk == "standard_error":
            return standard_error
        return spread_by_kind(self.risk, pairs, self.variance_parts_[2])


def cost_range(outcomes):
    """Find the lowest and highest cost of a single outcome.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes, with costs or without.

    Returns
    -------
    tuple of float
        The range; (0, 0) without costs.
    """
    if outcomes.cost is None or np.isnan(outcomes.cost).all():
        return 0.0, 0.0
    return float(np.nanmin(outcomes.cost)), float(np.nanmax(outcomes.cost))


def scale_cost(cost, limits):
    """Scale costs by a range.

    Parameters
    ----------
    cost : ndarray
        Costs.
    limits : tuple of float or None
        What becomes 0 and 1; None leaves costs as they are. A range without
        width makes every cost 0.

    Returns
    -------
    ndarray
        Scaled costs.

    Raises
    ------
    ValueError
        If the range is not finite.
    """
    if limits is None:
        return cost
    low, high = limits
    if not np.isfinite([low, high]).all() or low > high:
        raise ValueError(f"cost_range must be two finite numbers, low then high, got {limits!r}")
    return (cost - low) / (high - low) if high > low else cost * 0.0
