"""Interval of a difference of means over queries and over training runs."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t

from dars_sklearn.outcomes._means import column_means

__all__ = ["MeanDifference", "compare_runs"]


class MeanDifference(NamedTuple):
    """A difference of two means, with its interval.

    Parameters
    ----------
    estimate : float
        The difference; NaN where no query has both values.
    low, high : float
        Ends of the interval; NaN where fewer than two queries have both values.
    """

    estimate: float
    low: float
    high: float


def compare_runs(first, second, level=0.95):
    """Estimate how much higher one side's mean over queries and runs is than another's.

    The runs of a side differ in what they were trained on or with, such as draws of the labels or
    training seeds, and all are evaluated on the same queries. So queries and runs are crossed, and
    the interval contains the variation over both: the squared standard error of a difference of
    means is the variance between queries of the difference of the sides, per query, and the
    variance between runs of each side, per run, less the part of it that the variance between
    queries contains already. Its degrees of freedom are Satterthwaite's.

    A bootstrap that resamples queries and runs together counts the interaction of query and run,
    which is most of the variation of routes, three times [1]_, and its percentiles are too narrow
    for ten runs or fewer.

    Parameters
    ----------
    first, second : ndarray of shape (n_runs, n_queries)
        Values, NaN where unknown. The two sides may differ in their number of runs; a side of one
        run is taken as fixed.
    level : float, default=0.95
        Level of the interval.

    Returns
    -------
    MeanDifference
        Estimate, low and high.

    References
    ----------
    .. [1] Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007), 386-411.
    .. [2] Satterthwaite, "An approximate distribution of estimates of variance components",
       Biometrics Bulletin 2 (1946), 110-114.
    """
    by_query = column_means(first) - column_means(second)
    known = ~np.isnan(by_query)
    n_queries = int(known.sum())
    if n_queries == 0:
        return MeanDifference(np.nan, np.nan, np.nan)
    estimate = float(by_query[known].mean())
    if n_queries == 1:
        return MeanDifference(estimate, np.nan, np.nan)
    sides = [side[:, known] for side in (first, second)]
    sides = [side[~np.isnan(side).all(axis=1)] for side in sides]
    squared_errors = np.array(
        [by_query[known].var(ddof=1) / n_queries, *map(_squared_error_of_runs, sides)]
    )
    degrees = np.array([n_queries - 1, *(max(len(side) - 1, 1) for side in sides)])
    total = squared_errors.sum()
    if total == 0:
        return MeanDifference(estimate, estimate, estimate)
    degrees_of_total = total**2 / (squared_errors**2 / degrees).sum()
    margin = float(t.ppf((1 + level) / 2, degrees_of_total) * np.sqrt(total))
    return MeanDifference(estimate, estimate - margin, estimate + margin)


def _squared_error_of_runs(values):
    """Estimate the part of a mean's squared standard error that is due to effects of the runs.

    The effect of a run is its mean deviation from the means of the queries, so that runs with
    other gaps can be compared. What these effects vary by the interaction of query and run is
    subtracted, because the variance between queries contains it.
    """
    n_runs, n_queries = values.shape
    if n_runs < 2:
        return 0.0
    deviations = values - column_means(values)
    effects = column_means(deviations.T)
    residuals = deviations - effects[:, None]
    n_known = int((~np.isnan(residuals)).sum())
    degrees = n_known - n_runs - n_queries + 1
    if degrees < 1:
        return float(effects.var(ddof=1) / n_runs)
    interaction = np.nansum(residuals**2) / degrees / n_known
    return max(float(effects.var(ddof=1) / n_runs - interaction), 0.0)
