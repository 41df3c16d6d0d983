"""How often single-shot labels disagree on the best model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.utility import outcome_utilities
from dars_sklearn.utils._html import html_table, html_view
from dars_sklearn.utils._validation import check_count
from dars_sklearn.utils._warnings import warn_user

__all__ = ["FlipRates", "label_flip_rate"]

_RATES = ("disjoint", "ties", "two_draws", "against_rest")
_MEANINGS = {
    "disjoint": "two draws have no best model in common (disjoint)",
    "ties": "several models are best in one draw (ties)",
    "two_draws": "two draws have different best models, ties broken at random (two_draws)",
    "against_rest": "a draw has another best model than the mean of the rest (against_rest)",
}
# Utilities this close are equal, to within rounding.
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class FlipRates:
    """How often single-shot labels disagree on the best model.

    Parameters
    ----------
    queries : ndarray of shape (n_queries,)
        Query labels.
    disjoint : ndarray of shape (n_queries,)
        Probability that two independent single-shot draws have no best model in common, which
        ties do not increase: the draws contradict each other, however ties are broken. NaN where
        a model has fewer than two outcomes.
    ties : ndarray of shape (n_queries,)
        Probability that several models are best in a single-shot draw.
    two_draws : ndarray of shape (n_queries,)
        Probability that two draws have different best models if ties are broken at random, as a
        label that names one model has to; NaN as above. Where n models tie in both draws, they
        differ with probability ``1 - 1 / n``, although neither model is worse.
    against_rest : ndarray of shape (n_queries,)
        Probability that the best model of a draw, with ties broken at random, differs from that
        of the mean of all other outcomes; NaN as above. Ties in the draw increase it, too.

    Attributes
    ----------
    overall : Series
        Means of the four rates over queries.

    See Also
    --------
    label_flip_rate : Computes them.
    """

    queries: np.ndarray
    disjoint: np.ndarray
    ties: np.ndarray
    two_draws: np.ndarray
    against_rest: np.ndarray

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
        n, rates = len(self.queries), self.overall
        disjoint, ties, two_draws, against_rest = (f"{name} {rates[name]:.3f}" for name in _RATES)
        return (
            f"<FlipRates of {n} {plural('query', n)}: {disjoint}, {ties}; with ties broken at "
            f"random: {two_draws}, {against_rest}>"
        )

    def _repr_html_(self):
        n, rates = len(self.queries), self.to_frame().drop(columns="query")
        table = pd.DataFrame({"mean over queries": rates.mean(), "known for": rates.count()})
        return html_view(
            f"FlipRates of {n} {plural('query', n)}: probability that",
            html_table(table.rename(index=_MEANINGS), "", "{:.3f}".format),
        )


def label_flip_rate(outcomes, *, cost_weight=0.05, cost_range=None, n_draws=500, random_state=0):
    """Probability that a single-shot label points to another model.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes, so that one very
        expensive outcome changes what ``cost_weight`` means; "robust" uses the lowest and the
        highest median cost of a model; (0, 1) leaves costs in the user's unit.
    n_draws : int, default=500
        Number of pairs of draws. The standard error of a query's rate is at most
        ``0.5 / sqrt(n_draws)``.
    random_state : int, RandomState instance or None, default=0
        Seed.

    Returns
    -------
    FlipRates
        Rates of each query, and overall.

    Raises
    ------
    ValueError
        If n_draws is not an int of at least 1; if cost_weight is negative; or if it is positive,
        and the costs of some models are known and no cost of another.

    Warns
    -----
    UndefinedMetricWarning
        If a model has fewer than two outcomes on some queries, which have no rates.

    Notes
    -----
    Read ``disjoint`` first: it is how often two draws contradict each other. The rates with ties
    broken at random say how often a label that names one model changes. They are high where many
    models answer correctly, without any harm: of ten models that tie in both draws, the two
    labels are different ones in nine of ten cases. With a positive ``cost_weight`` and costs that
    differ from outcome to outcome, there are no ties, and models of equal scores are compared by
    their costs; ``cost_weight=0`` compares scores alone.

    The two draws of a (query, model) pair are two different outcomes, and the mean with which a
    draw is compared excludes that draw, so neither can agree with itself. Models without an
    outcome on a query are ignored there.

    References
    ----------
    The single-shot supervision of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.labels import label_flip_rate
    >>> outcomes = Outcomes.from_array([[[0.1, 0.9], [0.5, 0.5]]])  # the first model varies
    >>> label_flip_rate(outcomes).overall.to_dict()
    {'disjoint': 1.0, 'ties': 0.0, 'two_draws': 1.0, 'against_rest': 1.0}
    """
    outcomes = as_outcomes(outcomes)
    check_count(n_draws, "n_draws")
    utilities = outcome_utilities(outcomes, cost_weight, cost_range)
    counts = outcomes.counts()
    observed = counts > 0
    any_observed = observed.any(axis=1)
    defined = (counts != 1).all(axis=1) & any_observed
    if not defined.all():
        warn_user(
            f"{(~defined).sum()} of {len(defined)} queries have a model with fewer than two "
            "outcomes, and no flip rates; collect more samples",
            UndefinedMetricWarning,
        )
    total = np.bincount(outcomes.pair_indices(), utilities, counts.size).reshape(counts.shape)
    rng = check_random_state(random_state)
    sums = {rate: np.zeros(len(outcomes)) for rate in _RATES}
    for _ in range(n_draws):
        first, second = _draw_two_outcomes(outcomes.offsets, utilities, counts, rng)
        rest = np.where(observed, (total - first) / np.maximum(counts - 1, 1), -np.inf)
        first, second, rest = _is_best(first), _is_best(second), _is_best(rest)
        sums["disjoint"] += ~(first & second).any(axis=1)
        sums["ties"] += first.sum(axis=1) > 1
        sums["two_draws"] += 1 - _agreement(first, second)
        sums["against_rest"] += 1 - _agreement(first, rest)
    # One draw shows a tie; the other rates need two outcomes of each model.
    known = {rate: any_observed if rate == "ties" else defined for rate in _RATES}
    rates = {rate: np.where(known[rate], sums[rate] / n_draws, np.nan) for rate in _RATES}
    return FlipRates(outcomes.queries, **rates)


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
