"""How often a single draw names another best model than another draw, or than the rest."""

from dataclasses import dataclass
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from dars_sklearn.decision import outcome_utilities
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.outcomes import as_outcomes

__all__ = ["FlipRates", "label_flip_rate"]


@dataclass(frozen=True)
class FlipRates:
    """How often single draws disagree on the best model.

    Parameters
    ----------
    queries : ndarray of shape (n_queries,)
        Query labels.
    two_draws : ndarray of shape (n_queries,)
        Probability that two independent single-shot draws name different best
        models; NaN where a model has fewer than two outcomes.
    against_rest : ndarray of shape (n_queries,)
        Probability that one draw names another best model than the mean of all
        the other outcomes does; NaN likewise.
    ties : ndarray of shape (n_queries,)
        Probability that in one draw several models are best.
    disjoint : ndarray of shape (n_queries,)
        Probability that no model is best in both of two draws: what is left of
        ``two_draws`` if ties are broken so that the draws agree where they can.

    Attributes
    ----------
    overall : Series
        Means of the four over queries.
    """

    queries: np.ndarray
    two_draws: np.ndarray
    against_rest: np.ndarray
    ties: np.ndarray
    disjoint: np.ndarray

    @property
    def overall(self):
        """Means over the queries that have them."""
        columns = self.to_frame().drop(columns="query")
        return columns.mean()

    def to_frame(self):
        """Return the rates of each query.

        Returns
        -------
        DataFrame
            A row a query.
        """
        rates = ("two_draws", "against_rest", "ties", "disjoint")
        return pd.DataFrame({"query": self.queries} | {name: getattr(self, name) for name in rates})

    def __repr__(self):
        rates = ", ".join(f"{name} {value:.3f}" for name, value in self.overall.items())
        queries = "query" if len(self.queries) == 1 else "queries"
        return f"<FlipRates of {len(self.queries)} {queries}: {rates}>"


def label_flip_rate(outcomes, *, cost_weight=0.0, cost_range=None, n_draws=500, random_state=0):
    """How often a single-shot label would have pointed to another model.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    n_draws : int, default=500
        Pairs of draws; the error of a query's rate is at most
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
        If a model has fewer than two outcomes on some queries: these have no
        rates.

    Notes
    -----
    The two draws of a pair are two different outcomes, and the mean that a
    draw is compared with leaves that draw out: neither can agree with itself.
    Models that tie are best in equal shares, so that two draws in which the
    same two models tie differ with probability 1/2; ``ties`` tells how often
    there is a tie, ``disjoint`` how often no breaking of ties would have made
    the draws agree. Models without any outcome on a query take no part in it.

    References
    ----------
    The single-shot supervision of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.labels import label_flip_rate
    >>> luck = Outcomes.from_array([[[0.1, 0.9], [0.5, 0.5]]])  # one model swings
    >>> label_flip_rate(luck)
    <FlipRates of 1 query: two_draws 1.000, against_rest 1.000, ties 0.000, disjoint 1.000>
    """
    outcomes = as_outcomes(outcomes)
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws!r}")
    values = outcome_utilities(outcomes, cost_weight, cost_range)
    counts = outcomes.counts()
    held = counts > 0
    several = (counts > 1) | ~held
    known = several.all(axis=1) & held.any(axis=1)
    if not known.all():
        warn(
            f"{(~known).sum()} of {len(known)} queries have a model with fewer than two outcomes, "
            "and no flip rates: collect more samples",
            UndefinedMetricWarning,
            stacklevel=2,
        )
    total = _sum_by_pair(outcomes, values)
    rng = check_random_state(random_state)
    sums = np.zeros((4, len(outcomes)))
    for _ in range(n_draws):
        one, other = _two_draws(outcomes, values, counts, rng)
        rest = np.where(held, (total - one) / np.maximum(counts - 1, 1), -np.inf)
        one, other, rest = _best(one), _best(other), _best(rest)
        common = one & other
        sums[0] += 1 - _agreement(one, other)
        sums[1] += 1 - _agreement(one, rest)
        sums[2] += one.sum(axis=1) > 1
        sums[3] += ~common.any(axis=1)
    rates = np.where(known, sums / n_draws, np.nan)
    rates[2] = np.where(held.any(axis=1), sums[2] / n_draws, np.nan)
    return FlipRates(outcomes.queries, *rates)


def _sum_by_pair(outcomes, values):
    total = np.bincount(outcomes.pair_of_outcome(), values, len(outcomes.offsets) - 1)
    return total.reshape(len(outcomes), outcomes.n_models)


def _two_draws(outcomes, values, counts, rng):
    """Two different outcomes of each pair, minus infinity where there is none."""
    first = (rng.random_sample(counts.shape) * counts).astype(np.int64)
    # A step of 1 to n - 1, around the circle.
    step = 1 + (rng.random_sample(counts.shape) * (counts - 1)).astype(np.int64)
    start = outcomes.offsets[:-1].reshape(counts.shape)
    size = np.maximum(counts, 1)
    drawn = []
    for place in (first, (first + step) % size):
        at = np.minimum(start + place, len(values) - 1)
        drawn.append(np.where(counts > 0, values[at], -np.inf))
    return drawn


def _best(utilities):
    """Which models are best on each query, to within rounding."""
    top = utilities.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return utilities >= top - 1e-12


def _agreement(one, other):
    """Probability that a best model of the one is that of the other, ties broken at random."""
    return (one & other).sum(axis=1) / (one.sum(axis=1) * other.sum(axis=1))
