"""All routes that a router would give, as the weight of cost sweeps from none to all."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Sweep", "sweep"]


@dataclass(frozen=True)
class Sweep:
    """The changes of routes, in the order of the weight at which they happen.

    Parameters
    ----------
    start : ndarray of int of shape (n_queries,)
        Routes at no weight of cost.
    query, old, new : ndarray of int of shape (n_changes,)
        Which query changes from which model to which.
    last : ndarray of int of shape (n_points - 1,)
        The last of the changes that happen at the same weight.
    cost_weight : ndarray of shape (n_points,)
        A weight at which the routes are those of each point: 0, then the
        middle between two changes, where no tie can turn them.
    """

    start: np.ndarray
    query: np.ndarray
    old: np.ndarray
    new: np.ndarray
    last: np.ndarray
    cost_weight: np.ndarray

    def means(self, table):
        """Mean over queries of a table's routed values, at every point.

        Parameters
        ----------
        table : ndarray of shape (n_queries, n_models)
            Values.

        Returns
        -------
        ndarray of shape (n_points,)
            The means.
        """
        first = np.take_along_axis(table, self.start[:, None], axis=1).sum()
        changes = np.cumsum(table[self.query, self.new] - table[self.query, self.old])
        return np.append(first, first + changes[self.last]) / len(table)

    def misses(self, table):
        """Whether a pair that is routed to at some point is NaN in a table."""
        first = np.take_along_axis(table, self.start[:, None], axis=1)
        return bool(np.isnan(first).any() or np.isnan(table[self.query, self.new]).any())


def sweep(value, price):
    """Follow each query from its best model to its cheapest.

    A model's utility falls with the weight of cost, the faster the dearer it
    is, so the best model is the upper envelope of lines; each step of the loop
    moves all queries on to the model that overtakes next, at most
    ``n_models - 1`` times.

    Parameters
    ----------
    value, price : ndarray of shape (n_queries, n_models)
        Utility at no weight of cost, and what a unit of weight takes off.

    Returns
    -------
    Sweep
        The changes.
    """
    n_queries, n_models = value.shape
    rows = np.arange(n_queries)
    start = current = value.argmax(axis=1)
    level = np.zeros(n_queries)
    steps = []
    for _ in range(n_models - 1):
        saved = price[rows, current][:, None] - price
        lost = value[rows, current][:, None] - value
        overtakes = np.divide(lost, saved, where=saved > 0, out=np.full(value.shape, np.inf))
        overtakes = np.maximum(overtakes, level[:, None])
        level = overtakes.min(axis=1)
        # Of several that overtake at once, the cheapest is the best from there on.
        candidate = np.where(overtakes == level[:, None], price, np.inf).argmin(axis=1)
        moves = np.isfinite(level)
        if not moves.any():
            break
        steps.append((level[moves], rows[moves], current[moves], candidate[moves]))
        current = np.where(moves, candidate, current)
    if not steps:
        empty = np.zeros(0, dtype=np.intp)
        return Sweep(start, empty, empty, empty, empty, np.zeros(1))
    level, query, old, new = (np.concatenate(of) for of in zip(*steps, strict=True))
    order = np.argsort(level, kind="stable")
    level = level[order]
    # Weights that differ by rounding are one weight, with no room between them.
    apart = np.diff(level) > 1e-9 * level[1:]
    last = np.append(np.flatnonzero(apart), len(level) - 1)
    levels = level[last]
    between = (levels + np.append(levels[1:], 2 * levels[-1] + 1)) / 2
    return Sweep(start, query[order], old[order], new[order], last, np.append(0, between))
