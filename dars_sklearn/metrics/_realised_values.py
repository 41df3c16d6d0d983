"""What each model achieves on each query."""

import numpy as np
import pandas as pd

from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.outcomes._alignment import check_labelled_order
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.utility import models_without_costs, scale_cost, scale_score
from dars_sklearn.utility._costs import check_cost_weight, has_any_cost, resolve_cost_range
from dars_sklearn.utility._unknown_costs import check_costs_known
from dars_sklearn.utils._warnings import warn_user

__all__ = ["RealisedValues", "check_has_costs", "check_missing", "has_known_costs"]


def has_known_costs(outcomes):
    """Return whether a cost of every model that has outcomes is known."""
    return has_any_cost(outcomes) and not models_without_costs(outcomes)


def check_has_costs(outcomes):
    """Refuse outcomes without costs, or with a model of which no cost is known."""
    if outcomes.cost is None:
        raise ValueError("these outcomes have no costs; see with_prices and with_latency_cost")
    if not has_any_cost(outcomes):
        raise ValueError("all costs of these outcomes are unknown; see with_prices")
    check_costs_known(models_without_costs(outcomes), can_be_ignored=False)


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
    cost_weight : float, default=0.0
        Quality given up for one unit of scaled cost.
    cost_range : tuple of float, "robust" or None, default=None
        Costs that become 0 and 1. None uses the range over single outcomes; (0, 1) leaves costs
        in the user's unit.

    Attributes
    ----------
    models : ndarray of shape (n_models,)
        Model names.
    score, cost, scaled_cost, utility, spread : ndarray of shape (n_queries, n_models)
        Mean score, mean cost in the user's unit and scaled, utility on the unit scale of scores,
        and standard deviation of the scores; NaN where there are no outcomes. An unknown cost
        of a pair is replaced by the mean cost of its model. Where no cost of some model is
        known, ``cost`` is NaN and the scaled cost 0. A pair with one outcome has the mean spread
        of its model, NaN where no pair of that model has two outcomes.

    Raises
    ------
    ValueError
        If cost_weight is negative or not finite; or if it is positive, and the costs of some
        models are known and no cost of another.
    """

    def __init__(self, outcomes, cost_weight=0.0, cost_range=None):
        check_cost_weight(cost_weight)
        outcomes = as_outcomes(outcomes)
        statistics = outcomes.pair_statistics()
        observed = statistics.n_outcomes > 0
        self.outcomes = outcomes
        self.models = outcomes.models
        self.score = statistics.mean_score
        spread = np.where(statistics.n_outcomes > 1, statistics.spread, np.nan)
        spread = np.where(np.isnan(spread), column_means(spread), spread)
        self.spread = np.where(observed, spread, np.nan)
        if cost_weight > 0 and has_any_cost(outcomes):
            check_costs_known(models_without_costs(outcomes))
        if has_known_costs(outcomes):
            mean_cost = statistics.mean_cost
            mean_cost = np.where(np.isnan(mean_cost), column_means(mean_cost), mean_cost)
            self.cost = np.where(observed, mean_cost, np.nan)
            self.scaled_cost = scale_cost(self.cost, resolve_cost_range(outcomes, cost_range))
        else:
            self.cost = np.full(observed.shape, np.nan)
            self.scaled_cost = np.where(observed, 0.0, np.nan)
        unit_score = scale_score(self.score, outcomes.score_range)
        self.utility = unit_score - cost_weight * self.scaled_cost

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
            If there is not one route per query, routes are labelled by the queries in another
            order, a route is not one of these models, or a routed pair has no outcome.
        """
        check_missing(missing)
        check_labelled_order(routes, self.outcomes, "routes")
        routes = np.asarray(routes, dtype=object)  # names of several types stay what they are
        if routes.shape != (len(self.score),):
            raise ValueError(
                f"routes must have one model for each of the {len(self.score)} queries, got an "
                f"array of shape {routes.shape}"
            )
        columns = pd.Index(self.models).get_indexer(pd.Index(routes))
        if (columns < 0).any():
            unknown = sorted(set(map(str, routes[columns < 0].tolist())))
            raise ValueError(
                f"routed to {unknown}, not among {self.models.tolist()}; use outcomes of all "
                "routed models (outcomes.subset(models=...) may have left some out), or route "
                "among these models only"
            )
        unobserved = np.isnan(self.take("score", columns))
        if unobserved.any() and missing == "raise":
            raise ValueError(
                f"{unobserved.sum()} of {len(unobserved)} queries were routed to a model that has "
                "no outcome for them; collect these outcomes, or leave the queries out with "
                "missing='skip', and in scikit-learn's model selection with "
                "scoring=routing_scorer(missing='skip'); the score of a Pipeline ignores missing, "
                "use routing_scorer(missing='skip')(pipeline, X, y)"
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

        Warns
        -----
        UndefinedMetricWarning
            If no routed pair has an outcome, and such pairs are skipped.
        """
        columns = self.column_indices(routes, missing)
        if np.isnan(self.take("score", columns)).all():
            warn_user(
                f"all {len(columns)} queries were routed to a model that has no outcome for them; "
                "their mean is NaN",
                UndefinedMetricWarning,
            )
        return self.take(table, columns)
