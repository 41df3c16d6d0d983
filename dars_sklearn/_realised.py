"""What each model in fact achieves on each query."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight

from dars_sklearn.aggregate import OutcomeAggregator, scale_cost
from dars_sklearn.outcomes import as_outcomes

__all__ = ["Realised", "weighted_mean"]


class Realised:
    """What each model in fact achieves on each query: never smoothed, no risk penalty.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.

    Attributes
    ----------
    models : ndarray of shape (n_models,)
        Model names.
    score, cost, scaled_cost, utility, spread : ndarray of shape (n_queries, n_models)
        Mean score, mean cost in the user's unit and scaled, utility, and
        standard deviation of the scores; NaN where there are no outcomes. Cost
        is NaN without costs, and then weighs nothing.
    """

    def __init__(self, outcomes, cost_weight=0.0, cost_range=None):
        outcomes = as_outcomes(outcomes)
        aggregated = OutcomeAggregator(cost_scaling=None).fit(outcomes).aggregate(outcomes)
        held = aggregated.n_outcomes > 0
        self.models = outcomes.models
        self.score = np.where(held, aggregated.quality, np.nan)
        self.spread = np.where(held, aggregated.risk, np.nan)
        cost = aggregated.cost if outcomes.cost is not None else np.nan
        self.cost = np.where(held, cost, np.nan)
        self.scaled_cost = np.where(held, scale_cost(aggregated.cost, cost_range), np.nan)
        self.utility = self.score - cost_weight * self.scaled_cost

    def places(self, routes, missing="raise"):
        """Find the columns of routes.

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
            If there are more routes than queries or fewer, a route is no
            model of these, or a routed pair has no outcome.
        """
        if missing not in ("raise", "skip"):
            raise ValueError(f"missing must be 'raise' or 'skip', got {missing!r}")
        routes = np.asarray(routes)
        if routes.shape != (len(self.score),):
            raise ValueError(
                f"routes must have one model for each of the {len(self.score)} queries, got an "
                f"array of shape {routes.shape}"
            )
        columns = pd.Index(self.models).get_indexer(pd.Index(routes))
        if (columns < 0).any():
            unknown = sorted(set(map(str, routes[columns < 0].tolist())))
            raise ValueError(f"routed to {unknown}, not among {self.models.tolist()}")
        absent = np.isnan(self.at("score", columns))
        if absent.any() and missing == "raise":
            raise ValueError(
                f"{absent.sum()} of {len(absent)} queries were routed to a model that has no "
                "outcome for them; collect these, or leave them out with missing='skip'"
            )
        return columns

    def at(self, table, columns):
        """Look up one model a query.

        Parameters
        ----------
        table : str
            Name of the table.
        columns : ndarray of int of shape (n_queries,)
            The columns.

        Returns
        -------
        ndarray of shape (n_queries,)
            The values.
        """
        return np.take_along_axis(getattr(self, table), columns[:, None], axis=1)[:, 0]


def weighted_mean(values, sample_weight=None):
    """Weighted mean of what is known.

    Parameters
    ----------
    values : ndarray of shape (n_queries,)
        Values, NaN where unknown.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

    Returns
    -------
    float
        The mean, NaN where nothing of any weight is known.

    Raises
    ------
    ValueError
        If there is not one weight for each query.
    """
    weight = _check_sample_weight(sample_weight, values)
    known = ~np.isnan(values) & (weight != 0)
    return float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")
