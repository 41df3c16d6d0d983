"""All routes that a router gives as the cost weight rises from zero."""

from typing import NamedTuple

import numpy as np

__all__ = ["CostSweep", "route_all_to", "sweep_cost_weight"]


class CostSweep(NamedTuple):
    """Changes of routes, in the order of the cost weights at which they happen.

    Parameters
    ----------
    start : ndarray of int of shape (n_queries,)
        Routes at a cost weight of zero.
    query, old, new : ndarray of int of shape (n_changes,)
        Query that changes, and the models that it changes from and to.
    last_change : ndarray of int of shape (n_points - 1,)
        Last change before each point but the first.
    cost_weight : ndarray of shape (n_points,)
        A cost weight at which the routes are those of each point: 0, then the middle between two
        changes, where rounding cannot turn a tie.
    """

    start: np.ndarray
    query: np.ndarray
    old: np.ndarray
    new: np.ndarray
    last_change: np.ndarray
    cost_weight: np.ndarray

    def routed_means(self, table):
        """Mean over queries of the known values of the routed models, at every point.

        Parameters
        ----------
        table : ndarray of shape (n_queries, n_models)
            Values, NaN where unknown.

        Returns
        -------
        ndarray of shape (n_points,)
            The means, NaN where no value is known.
        """
        with np.errstate(invalid="ignore"):
            return self._routed_sums(np.nan_to_num(table)) / self.n_known(table)

    def n_known(self, table):
        """Number of queries whose value of the routed model is known, at every point.

        Parameters
        ----------
        table : ndarray of shape (n_queries, n_models)
            Values, NaN where unknown.

        Returns
        -------
        ndarray of int of shape (n_points,)
            The numbers.
        """
        return self._routed_sums((~np.isnan(table)).astype(np.int64))

    def standard_errors(self, table, n_new=None):
        """Standard error of the mean of the routed models' values, at every point.

        Parameters
        ----------
        table : ndarray of shape (n_queries, n_models)
            Values, NaN where unknown.
        n_new : int or None, default=None
            Number of new queries whose mean is predicted. None is about the expected value.

        Returns
        -------
        ndarray of shape (n_points,)
            The standard errors, NaN where fewer than two values are known.
        """
        centred = table - np.nanmean(table)
        n = self.n_known(table)
        variance = self.routed_means(centred**2) - self.routed_means(centred) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.maximum(variance, 0) * n / (n - 1)
            error = np.sqrt(variance * (1 / n + (0 if n_new is None else 1 / n_new)))
        return np.where(n > 1, error, np.nan)

    def compare_with(self, table, baseline, n_new=None):
        """Compare the mean of the routed models' values with that of a baseline, at every point.

        Both means are over the queries whose value is known. Where all are known, the standard
        error is that of a mean of paired differences; otherwise it is that of the linearised
        difference of two ratios.

        Parameters
        ----------
        table : ndarray of shape (n_queries, n_models)
            Values, NaN where unknown.
        baseline : ndarray of shape (n_queries,)
            Values of the baseline, NaN where unknown.
        n_new : int or None, default=None
            Number of new queries whose mean is predicted. None is about the expected value.

        Returns
        -------
        difference : ndarray of shape (n_points,)
            Mean of the routed models less that of the baseline, NaN where one is not known.
        error : ndarray of shape (n_points,)
            Its standard error.
        """
        n = len(table)
        known, known_baseline = ~np.isnan(table), ~np.isnan(baseline)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_baseline = np.nan_to_num(baseline).sum() / known_baseline.sum()
            centred = np.where(known, table - mean_baseline, 0.0)
            # What each query adds to the mean of the baseline, scaled up for unknown values.
            own = np.where(known_baseline, baseline - mean_baseline, 0.0) / known_baseline.mean()
            n_known = self.n_known(table)
            share = n_known / n
            difference = self._routed_sums(centred) / n_known
            squares = self._routed_sums(centred**2) - n_known * difference**2
            products = self._routed_sums(centred * own[:, None]) - difference * self._routed_sums(
                known * own[:, None]
            )
            squares = squares / share**2 - 2 * products / share + (own**2).sum()
            variance = np.maximum(squares, 0) / (n - 1)
            error = np.sqrt(variance * (1 / n + (0 if n_new is None else 1 / n_new)))
        is_defined = (n_known > 1) & (known_baseline.sum() > 1)
        return difference, np.where(is_defined, error, np.nan)

    def _routed_sums(self, table):
        first = np.take_along_axis(table, self.start[:, None], axis=1).sum()
        changes = np.cumsum(table[self.query, self.new] - table[self.query, self.old])
        return np.append(first, first + changes[self.last_change])

    def has_unknown(self, table):
        """Return whether the value of a routed model is NaN at some point."""
        first = np.take_along_axis(table, self.start[:, None], axis=1)
        return bool(np.isnan(first).any() or np.isnan(table[self.query, self.new]).any())


def route_all_to(model, n_queries):
    """Return the sweep of a router that sends all queries to one model.

    Parameters
    ----------
    model : int
        Column of the model.
    n_queries : int
        Number of queries.

    Returns
    -------
    CostSweep
        A single point.
    """
    none = np.zeros(0, dtype=np.intp)
    return CostSweep(np.full(n_queries, model), none, none, none, none, np.zeros(1))


def sweep_cost_weight(intercept, slope):
    """Follow each query from its best model at a cost weight of zero to its cheapest.

    The utility of a model falls with the cost weight, the faster the more expensive it is, so
    that the best model is the upper envelope of lines. Each step of the loop moves all queries to
    the model that overtakes next, at most ``n_models - 1`` times.

    Parameters
    ----------
    intercept, slope : ndarray of shape (n_queries, n_models)
        Utility at a cost weight of zero, and utility lost per unit of cost weight.

    Returns
    -------
    CostSweep
        The changes.
    """
    n_queries, n_models = intercept.shape
    rows = np.arange(n_queries)
    start = current = intercept.argmax(axis=1)
    level = np.zeros(n_queries)
    steps = []
    for _ in range(n_models - 1):
        saved = slope[rows, current][:, None] - slope
        lost = intercept[rows, current][:, None] - intercept
        crossing = np.divide(lost, saved, where=saved > 0, out=np.full(intercept.shape, np.inf))
        crossing = np.maximum(crossing, level[:, None])
        level = crossing.min(axis=1)
        # If several overtake at the same weight, the cheapest is the best from there on.
        candidate = np.where(crossing == level[:, None], slope, np.inf).argmin(axis=1)
        moves = np.isfinite(level)
        if not moves.any():
            break
        steps.append((level[moves], rows[moves], current[moves], candidate[moves]))
        current = np.where(moves, candidate, current)
    if not steps:
        none = np.zeros(0, dtype=np.intp)
        return CostSweep(start, none, none, none, none, np.zeros(1))
    level, query, old, new = (np.concatenate(columns) for columns in zip(*steps, strict=True))
    order = np.argsort(level, kind="stable")
    level = level[order]
    # Weights that differ by rounding are one weight, with no room between them.
    is_distinct = np.diff(level) > 1e-9 * level[1:]
    last_change = np.append(np.flatnonzero(is_distinct), len(level) - 1)
    levels = level[last_change]
    between = (levels + np.append(levels[1:], 2 * levels[-1] + 1)) / 2
    return CostSweep(
        start, query[order], old[order], new[order], last_change, np.append(0, between)
    )
