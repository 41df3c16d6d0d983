"""What each model achieves on each query."""

import numpy as np
import pandas as pd

from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utility import find_cost_range, scale_cost

__all__ = ["RealisedValues", "check_has_costs", "check_missing", "has_known_costs"]


def has_known_costs(outcomes):
    """Return whether the cost of any outcome is known."""
    return outcomes.cost is not None and not np.isnan(outcomes.cost).all()


def check_has_costs(outcomes):
    """Refuse outcomes without costs, or whose costs are all unknown."""
    if outcomes.cost is None:
        raise ValueError("these outcomes have no costs; see with_prices and with_latency_cost")
    if not has_known_costs(outcomes):
        raise ValueError("all costs of these outcomes are unknown; see with_prices")


def check_missing(missing):
    """Refuse an unknown treatment of routed pairs without outcomes."""
    if missing not in ("raise", "skip"):
        raise ValueError(f"missing must be 'raise' or 'skip', got {missing!r}")


class RealisedValues:
    """What each model achieves on each query: never smoothed, without a penalty for risk.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.05
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes; (0, 1) leaves costs
        in the user's unit.

    Attributes
    ----------
    models : ndarray of shape (n_models,)
        Model names.
    score, cost, scaled_cost, utility, spread : ndarray of shape (n_queries, n_models)
        Mean score, mean cost in the user's unit and scaled, utility, and standard deviation of
        the scores; NaN where there are no outcomes. Without any known cost, ``cost`` is NaN and
        the scaled cost 0. A pair with one outcome has the mean spread of its model.
    """

    def __init__(self, outcomes, cost_weight=0.05, cost_range=None):
        outcomes = as_outcomes(outcomes)
        statistics = outcomes.pair_statistics()
        observed = statistics.n_outcomes > 0
        self.models = outcomes.models
        self.score = statistics.mean_score
        spread = np.where(statistics.n_outcomes > 1, statistics.spread, np.nan)
        spread = np.where(np.isnan(spread), column_means(spread, fallback=0.0), spread)
        self.spread = np.where(observed, spread, np.nan)
        if has_known_costs(outcomes):
            self.cost = np.where(observed, _with_model_means(statistics.mean_cost), np.nan)
            if cost_range is None:
                cost_range = find_cost_range(outcomes)
            self.scaled_cost = scale_cost(self.cost, cost_range)
        else:
            self.cost = np.full(observed.shape, np.nan)
            self.scaled_cost = np.where(observed, 0.0, np.nan)
        self.utility = self.score - cost_weight * self.scaled_cost

    def column_indices(self, routes, missing="raise"):
        """Return the columns of the routed models.

        Parameters
        ----------
        routes : array-like of shape (n_queries,)
            Model names.
        missing : {"raise", "skip"}, default="raise"
            Whether a routed pair without outcomes is an error.

        Returns
        -------
        ndarray of int of shape (n_queries,)
            The columns.

        Raises
        ------
        ValueError
            If there is not one route per query, a route is not one of these models, or a routed
            pair has no outcome.
        """
        check_missing(missing)
        routes = np.asarray(routes, dtype=object)  # names of several types stay what they are
        if routes.shape != (len(self.score),):
            raise ValueError(
                f"routes must have one model for each of the {len(self.score)} queries, got an "
                f"array of shape {routes.shape}"
            )
        columns = pd.Index(self.models).get_indexer(pd.Index(routes))
        if (columns < 0).any():
            unknown = sorted(set(map(str, routes[columns < 0].tolist())))
            raise ValueError(f"routed to {unknown}, not among {self.models.tolist()}")
        unobserved = np.isnan(self.take("score", columns))
        if unobserved.any() and missing == "raise":
            raise ValueError(
                f"{unobserved.sum()} of {len(unobserved)} queries were routed to a model that has "
                "no outcome for them; collect these outcomes, or leave the queries out with "
                "missing='skip'"
            )
        return columns

    def take(self, table, columns):
        """Return the value of one model for each query.

        Parameters
        ----------
        table : str
            Name of the table, such as "utility".
        columns : ndarray of int of shape (n_queries,)
            Column of the model.

        Returns
        -------
        ndarray of shape (n_queries,)
            The values.
        """
        return np.take_along_axis(getattr(self, table), columns[:, None], axis=1)[:, 0]

    def routed(self, table, routes, missing="raise"):
        """Return the value of the routed model for each query.

        Parameters
        ----------
        table : str
            Name of the table, such as "utility".
        routes : array-like of shape (n_queries,)
            Model names.
        missing : {"raise", "skip"}, default="raise"
            Whether a routed pair without outcomes is an error.

        Returns
        -------
        ndarray of shape (n_queries,)
            The values.
        """
        return self.take(table, self.column_indices(routes, missing))


def _with_model_means(cost):
    """Replace the unknown cost of a pair by the mean cost of its model, or of all models."""
    means = column_means(cost)
    known = ~np.isnan(means)
    means[~known] = means[known].mean()
    return np.where(np.isnan(cost), means, cost)
