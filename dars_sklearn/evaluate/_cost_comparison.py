"""Cost and score of routes, compared with a single model on the same queries."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from dars_sklearn.evaluate._bootstrap import percentile_interval, resampled_means
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.utility import scale_score

__all__ = [
    "MAX_LOSSES",
    "CostComparison",
    "EstimateWithInterval",
    "compare_costs",
    "compare_means",
    "comparison_columns",
    "describe_max_loss",
]

# Losses of score, on the unit scale, that reports look at: none, one point, and two points.
MAX_LOSSES = (0.0, 0.01, 0.02)
_LOSS_NAMES = {0.01: "one point", 0.02: "two points"}
# Scores that differ by less are equal up to rounding.
_ROUNDING = 1e-9


class EstimateWithInterval(NamedTuple):
    """An estimate and its interval."""

    estimate: float
    low: float
    high: float


class CostComparison(NamedTuple):
    """Cost and score of routes, compared with the best single model on the same queries.

    Parameters
    ----------
    cost_ratio : (estimate, low, high)
        Mean cost of the routes, divided by that of the model.
    score_difference : (estimate, low, high)
        Mean score of the routes less that of the model, on the unit scale of scores.
    """

    cost_ratio: EstimateWithInterval
    score_difference: EstimateWithInterval

    def is_within(self, max_loss):
        """Return whether the lower limit of the difference shows no loss above ``max_loss``."""
        return bool(self.score_difference.low >= -max_loss - _ROUNDING)

    def describe_saving(self):
        """Say how much cheaper the routes are, if the interval of the ratio shows it."""
        saving = 100 * (1 - self.cost_ratio.estimate)
        if self.cost_ratio.high < 1:
            return f"{saving:.0f} % cheaper" if saving >= 1 else "less than 1 % cheaper"
        if self.cost_ratio.low > 1:
            return f"{-saving:.0f} % more expensive"
        return "not shown to be cheaper"

    def describe_loss(self, score_range=(0.0, 1.0)):
        """Say that the score is higher, or which of the usual losses it is shown to be within."""
        if self.score_difference.low > _ROUNDING:
            return "scores more than"
        shown = [max_loss for max_loss in MAX_LOSSES if self.is_within(max_loss)]
        if shown:
            return f"within {describe_max_loss(shown[0], score_range)} of"
        return f"not shown to be within {describe_max_loss(MAX_LOSSES[-1], score_range)} of"

    def describe_figures(self):
        """Write both figures with their intervals."""
        return "cost ratio {:.2f} [{:.2f}, {:.2f}], ".format(
            *self.cost_ratio
        ) + "score difference {:+.3f} [{:+.3f}, {:+.3f}]".format(
            *(0.0 if abs(value) < _ROUNDING else value for value in self.score_difference)
        )


def describe_max_loss(max_loss, score_range=(0.0, 1.0)):
    """Name a loss of score in words.

    Parameters
    ----------
    max_loss : float
        The loss, on the unit scale.
    score_range : tuple of float or None, default=(0.0, 1.0)
        Declared range of the scores; without one, the loss is in the unit of the scores.

    Returns
    -------
    str
        The loss in points, hundredths of the range of scores.
    """
    if score_range is None:
        return f"{max_loss:.4g}"
    return _LOSS_NAMES.get(max_loss, f"{100 * max_loss:.4g} points")


def comparison_columns(realised, routed, best):
    """Return what a comparison is computed from, one row per query.

    Parameters
    ----------
    realised : RealisedValues
        What each model achieves on each query.
    routed, best : ndarray of int of shape (n_queries,)
        Columns of the routed models, and of the single model.

    Returns
    -------
    ndarray of shape (n_queries, 4)
        Score on the unit scale and cost of the routed model, and both of the single model; NaN
        where unknown.
    """
    score_range = realised.outcomes.score_range
    return np.column_stack(
        [
            values
            for columns in (routed, best)
            for values in (
                scale_score(realised.take("score", columns), score_range),
                realised.take("cost", columns),
            )
        ]
    )


def compare_means(means):
    """Compare mean scores and costs of routes with those of a single model.

    Parameters
    ----------
    means : ndarray of shape (n_resamples, 4)
        Means of the columns of :func:`comparison_columns`.

    Returns
    -------
    cost_ratio : ndarray of shape (n_resamples,)
        Cost relative to that of the single model, NaN where that one costs nothing.
    score_difference : ndarray of shape (n_resamples,)
        Score less that of the single model.
    """
    score, cost, score_of_best, cost_of_best = means.T
    return cost / np.where(cost_of_best > 0, cost_of_best, np.nan), score - score_of_best


def compare_costs(realised, routes, best, *, n_resamples, level, random_state):
    """Compare several routes with the best single model, on the same resamples of queries.

    Parameters
    ----------
    realised : RealisedValues
        What each model achieves on each query.
    routes : sequence of ndarray of int of shape (n_queries,)
        Columns of the routed models.
    best : ndarray of int of shape (n_queries,)
        Column of the single model.
    n_resamples : int
        Number of resamples of the queries.
    level : float
        Level of the intervals.
    random_state : int, RandomState instance or None
        Seed of the resamples.

    Returns
    -------
    list of CostComparison
        One per routes.
    """
    table = np.hstack([comparison_columns(realised, own, best) for own in routes])
    means = np.vstack(
        [
            column_means(table),
            resampled_means(table, n_resamples, check_random_state(random_state)),
        ]
    )
    comparisons = []
    for block in np.split(means, len(routes), axis=1):
        figures = [
            EstimateWithInterval(float(own[0]), *percentile_interval(own[1:], level))
            for own in compare_means(block)
        ]
        comparisons.append(CostComparison(*figures))
    return comparisons
