"""How often single-shot labels disagree on the best model."""

from dataclasses import dataclass
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.utility import outcome_utilities

__all__ = ["FlipRates", "label_flip_rate"]

_RATES = ("two_draws", "against_rest", "ties", "disjoint")
# Utilities this close are equal, to within rounding.
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class FlipRates:
    """How often single-shot labels disagree on the best model.

    Parameters
    ----------
    queries : ndarray of shape (n_queries,)
        Query labels.
    two_draws : ndarray of shape (n_queries,)
        Probability that two independent single-shot draws have different best models; NaN where
        a model has fewer than two outcomes.
    against_rest : ndarray of shape (n_queries,)
        Probability that the best model of a single-shot draw differs from that of the mean of
        all other outcomes; NaN as above.
    ties : ndarray of shape (n_queries,)
        Probability that several models are best in a single-shot draw.
    disjoint : ndarray of shape (n_queries,)
        Probability that no model is best in both of two draws, which is ``two_draws`` if ties
        are broken so that the draws agree where they can.

    Attributes
    ----------
    overall : Series
        Means of the four rates over queries.

    See Also
    --------
    label_flip_rate : Computes them.
    """

    queries: np.ndarray
    two_draws: np.ndarray
    against_rest: np.ndarray
    ties: np.ndarray
    disjoint: np.ndarray

    @property
    def overall(self):
        """Means over the queries for which the rates are defined."""
        return self.to_frame().drop(columns="query").mean()

    def to_frame(self):
        """Return the rates of each query.

        Returns
        -------
        DataFrame
            One row per query.
        """
        rates = {rate: getattr(self, rate) for rate in _RATES}
        return pd.DataFrame({"query": self.queries} | rates)

    def __repr__(self):
        rates = ", ".join(f"{name} {value:.3f}" for name, value in self.overall.items())
        n = len(self.queries)
        return f"<FlipRates of {n} {plural('query', n)}: {rates}>"


def label_flip_rate(outcomes, *, cost_weight=0.05, cost_range=None, n_draws=500, random_state=0):
    """Probability that a single-shot label points to another model.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes; (0, 1) leaves costs
        in the user's unit.
    n_draws : int, default=500
        Number of pairs of draws. The standard error of a query's rate is at most
        ``0.5 / sqrt(n_draws)``.
    random_state : int, RandomState instance or None, default=0
        Seed.

    Returns
    -------
    FlipRates
        Rates of each query, and overall.

    Warns
    -----
    UndefinedMetricWarning
        If a model has fewer than two outcomes on some queries, which have no rates.

    Notes
    -----
    The two draws of a (query, model) pair are two different outcomes, and the mean with which a
    draw is compared excludes that draw, so neither can agree with itself. Tied models are best
    in equal shares, so that two draws in which the same two models tie differ with probability
    1/2; ``ties`` is the probability of a tie, and ``disjoint`` the probability that no way of
    breaking ties makes the draws agree. Models without an outcome on a query are ignored there.

    References
    ----------
    The single-shot supervision of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.labels import label_flip_rate
    >>> outcomes = Outcomes.from_array([[[0.1, 0.9], [0.5, 0.5]]])  # the first model varies
    >>> label_flip_rate(outcomes)
    <FlipRates of 1 query: two_draws 1.000, against_rest 1.000, ties 0.000, disjoint 1.000>
    """
    outcomes = as_outcomes(outcomes)
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws!r}")
    utilities = outcome_utilities(outcomes, cost_weight, cost_range)
    counts = outcomes.counts()
    observed = counts > 0
    any_observed = observed.any(axis=1)
    defined = (counts != 1).all(axis=1) & any_observed
    if not defined.all():
        warn(
            f"{(~defined).sum()} of {len(defined)} queries have a model with fewer than two "
            "outcomes, and no flip rates; collect more samples",
            UndefinedMetricWarning,
            stacklevel=2,
        )
    total = np.bincount(outcomes.pair_indices(), utilities, counts.size).reshape(counts.shape)
    rng = check_random_state(random_state)
    sums = np.zeros((len(_RATES), len(outcomes)))
    for _ in range(n_draws):
        first, second = _draw_two_outcomes(outcomes.offsets, utilities, counts, rng)
        rest = np.where(observed, (total - first) / np.maximum(counts - 1, 1), -np.inf)
        first, second, rest = _is_best(first), _is_best(second), _is_best(rest)
        sums[0] += 1 - _agreement(first, second)
        sums[1] += 1 - _agreement(first, rest)
        sums[2] += first.sum(axis=1) > 1
        sums[3] += ~(first & second).any(axis=1)
    rates = np.where(defined, sums / n_draws, np.nan)
    rates[2] = np.where(any_observed, sums[2] / n_draws, np.nan)  # one draw shows a tie
    return FlipRates(outcomes.queries, *rates)


def _draw_two_outcomes(offsets, utilities, counts, rng):
    """Utilities of two different outcomes of each pair, minus infinity where there is none."""
    first = (rng.random_sample(counts.shape) * counts).astype(np.int64)
    # A step of 1 to n - 1 leads to another of the n outcomes.
    step = 1 + (rng.random_sample(counts.shape) * (counts - 1)).astype(np.int64)
    second = (first + step) % np.maximum(counts, 1)
    start = offsets[:-1].reshape(counts.shape)
    return [
        np.where(counts > 0, utilities[np.minimum(start + drawn, len(utilities) - 1)], -np.inf)
        for drawn in (first, second)
    ]


def _is_best(utilities):
    """Return which models are best on each query, to within rounding."""
    best = utilities.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return utilities >= best - _TOLERANCE


def _agreement(first, second):
    """Probability that two sets of best models, with ties broken at random, give the same one."""
    return (first & second).sum(axis=1) / (first.sum(axis=1) * second.sum(axis=1))
