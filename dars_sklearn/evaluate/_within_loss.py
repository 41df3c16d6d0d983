"""Choose, on training queries, the cheapest routes and the cheapest model of a given score."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from dars_sklearn.evaluate._cost_sweep import route_all_to, sweep_cost_weight
from dars_sklearn.evaluate._cost_weight_search import (
    best_scoring_model,
    compare_with_model,
    last_point_within_loss,
)
from dars_sklearn.evaluate._cross_val import make_splits, out_of_fold
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.outcomes._means import column_means
from dars_sklearn.outcomes._query_identities import query_identities
from dars_sklearn.routing._decision import decide
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["ChoicesWithinLoss", "LossSettings", "choose_within_loss", "predict_lines"]


class LossSettings(NamedTuple):
    """How cost weights are chosen within the training queries.

    Parameters
    ----------
    max_losses : tuple of float
        Highest losses of score relative to the best single model, on the unit scale.
    confidence : float
        Probability that the expected loss is not higher.
    inner_cv : int
        Number of folds of the training queries.
    """

    max_losses: tuple
    confidence: float
    inner_cv: int


class ChoicesWithinLoss(NamedTuple):
    """Routes of the test queries of a fold, all of them chosen on its training queries.

    Parameters
    ----------
    best : object
        Name of the best single model, by score alone.
    routes : list of ndarray of shape (n_test_queries,)
        Model names, for each of the losses.
    single_models : list
        Name of the cheapest single model, for each of the losses.
    cost_weights : list of float
        Cost weight of the routes, for each of the losses; NaN where none is good enough, so that
        all queries are routed to the best single model.
    """

    best: object
    routes: list
    single_models: list
    cost_weights: list


def choose_within_loss(router, fold, lines_test, settings, random_state):
    """Choose the cheapest routes whose score, out of fold, is close to the best single model's.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted.
    fold : Fold
        Training queries, which are split once more.
    lines_test : UtilityLines
        Utilities that the router, fitted on all training queries, predicts for the test queries.
    settings : LossSettings
        Losses and folds.
    random_state : int
        Seed of the inner folds.

    Returns
    -------
    ChoicesWithinLoss
        The routes.
    """
    realised = RealisedValues(fold.outcomes)
    models, best = realised.models, best_scoring_model(realised)
    margin = norm.ppf(settings.confidence)
    sweep = _out_of_fold_sweep(router, fold, settings.inner_cv, random_state)
    if sweep is not None:
        difference, error = compare_with_model(sweep, realised, best)
    routes, cost_weights = [], []
    for max_loss in settings.max_losses:
        cost_weight = np.nan
        if sweep is not None:
            point = last_point_within_loss(difference, margin * error, max_loss)
            cost_weight = np.nan if point is None else float(sweep.cost_weight[point])
        columns = np.full(len(fold.test_rows), best)
        if not np.isnan(cost_weight):
            columns = decide(lines_test.utilities(cost_weight))
        routes.append(models[columns])
        cost_weights.append(cost_weight)
    single_models = [
        models[_cheapest_within_loss(realised, best, margin, max_loss)]
        for max_loss in settings.max_losses
    ]
    return ChoicesWithinLoss(models[best], routes, single_models, cost_weights)


def predict_lines(router, features):
    """Predict utility as a function of the cost weight."""
    return router.utility_lines(features)


def _out_of_fold_sweep(router, fold, inner_cv, random_state):
    """Return the routes of the training queries at every cost weight.

    There are at most as many folds as groups, or as different queries. None where there is one
    query alone, or a fold in which no cost of some model is known.
    """
    kinds = query_identities(fold.outcomes) if fold.groups is None else fold.groups
    n_folds = min(inner_cv, len(np.unique(kinds)))
    if n_folds < 2:
        return None
    splits = make_splits(n_folds, fold.X, fold.outcomes, fold.groups, random_state)
    is_known = ~np.isnan(fold.outcomes.pair_statistics("balanced").mean_cost)
    if not all(is_known[train].any(axis=0).all() for train, _ in splits):
        return None
    with collect_warnings():  # the fit on all training queries has given these warnings
        lines = out_of_fold(
            router, fold.X, fold.outcomes, splits, None, predict_lines, False, fold.groups
        )
    return sweep_cost_weight(*lines)


def _cheapest_within_loss(realised, best, margin, max_loss):
    """Return the cheapest model whose score is close to the best one's, by the same rule."""
    costs = column_means(realised.cost)
    for model in np.argsort(costs, kind="stable"):
        difference, error = compare_with_model(
            route_all_to(model, len(realised.score)), realised, best
        )
        if (
            model == best
            or last_point_within_loss(difference, margin * error, max_loss) is not None
        ):
            return model
    return best
