"""Evaluate a router against baselines, with confidence intervals."""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._cross_val import inverse_order, make_splits, summarise_once
from dars_sklearn.evaluate._routing_report import (
    ReportSettings,
    RoutesToReport,
    add_supervision_costs,
    make_report,
    single_model_routes,
)
from dars_sklearn.metrics._realised_values import has_known_costs
from dars_sklearn.outcomes._outcomes import Outcomes, as_outcomes
from dars_sklearn.outcomes._validation import check_models, check_n_queries
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    transform_features,
    with_cost_range,
)

__all__ = ["evaluate_router"]

_N_RANDOM_FEATURES = 64


def evaluate_router(
    router,
    X,
    outcomes,
    *,
    X_test=None,
    outcomes_test=None,
    cv=5,
    groups=None,
    horizon=100_000,
    missing="raise",
    n_resamples=2000,
    level=0.95,
    n_jobs=None,
    random_state=0,
):
    """Train a router and evaluate it on held-out queries, against controls and baselines.

    Two controls are trained as well: the same router on labels that are shuffled among the
    queries, and on random features. A router that is not better than these has learned which
    models are good, but nothing from the query.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted; its ``cost_weight`` is that of all utilities.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    X_test : array-like of shape (n_test_queries, ...), default=None
        Queries of the evaluation. None evaluates every query out of fold.
    outcomes_test : Outcomes or None, default=None
        Outcomes of the queries of the evaluation.
    cv : int, splitter or iterable, default=5
        Folds, if there are no test queries; every query must be in exactly one test fold. An int
        shuffles the queries first, because queries of one kind often stand together.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries for the splitter; with an int ``cv``, the queries of one group stay in
        one fold. Pass the kinds of the queries to evaluate a router on kinds that it has not
        seen.
    horizon : int, default=100_000
        Number of queries to be served, for the supervision cost ratio.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error. With "skip", each
        figure is over the queries that have outcomes of the model in question, which is fair only
        where the choice of models to ask did not depend on the query.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the queries.
    level : float, default=0.95
        Level of the intervals.
    n_jobs : int or None, default=None
        Number of folds run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds, of the controls and of the intervals.

    Returns
    -------
    RoutingReport
        The report.

    Raises
    ------
    ValueError
        If X and the outcomes differ in length, or a query is routed to a model that has no
        outcome for it.

    See Also
    --------
    routing_report : Evaluates routes from any source.
    compare_supervision : Compares distribution labels with single-shot labels.

    Notes
    -----
    The best single model is chosen on the training queries of each fold. Costs are scaled by the
    fixed range of the router's aggregator, or by the range of all training outcomes. Intervals
    are over queries, and do not include the variation from another training set.

    References
    ----------
    The controls are those recommended by arXiv 2605.07395.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, evaluate_router
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> report = evaluate_router(DistributionalRouter(), data.X, data.outcomes)
    >>> bool(report.get("gain_over_shuffled_labels")[1] > 0)
    True
    """
    check_is_router(router)
    if (X_test is None) != (outcomes_test is None):
        raise ValueError("give X_test and outcomes_test together, or neither")
    outcomes = as_outcomes(outcomes)
    check_n_queries(X, outcomes)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    settings = ReportSettings(
        final_step(router).cost_weight, limits, missing, n_resamples, level, random_state
    )
    if X_test is not None:
        outcomes_test = as_outcomes(outcomes_test)
        check_n_queries(X_test, outcomes_test)
        check_models(outcomes_test, outcomes.models)
        folds = [_Fold(X, outcomes, X_test, np.arange(len(outcomes_test)))]
    else:
        outcomes_test = outcomes
        folds = _make_folds(router, X, outcomes, cv, groups, random_state)
    seeds = check_random_state(random_state).randint(2**31 - 1, size=(len(folds), 2))
    routed = Parallel(n_jobs=n_jobs)(
        delayed(_route_fold)(router, fold, settings, fold_seeds)
        for fold, fold_seeds in zip(folds, seeds, strict=True)
    )
    routes = _combine_folds([fold.test_rows for fold in folds], routed)
    report = make_report(outcomes_test, routes, settings)
    return add_supervision_costs(report, ["router"], outcomes, horizon)


class _Fold(NamedTuple):
    """What a router is trained on, and the queries that it is evaluated on."""

    X: object
    outcomes: Outcomes
    X_test: object
    test_rows: np.ndarray


class _RoutedFold(NamedTuple):
    """Routes of a fold.

    Parameters
    ----------
    evaluated, fixed : dict of str to ndarray of shape (n_test_queries,)
        Routes of the router and the controls, and of the single models.
    lines : UtilityLines or None
        Utility of each model as a function of the cost weight.
    """

    evaluated: dict
    fixed: dict
    lines: object


def _make_folds(router, X, outcomes, cv, groups, random_state):
    summarise_once(router, outcomes)
    outcomes.pair_statistics()  # baselines weigh paraphrases the same, whatever the router does
    return [
        _Fold(_safe_indexing(X, train), outcomes[train], _safe_indexing(X, test), test)
        for train, test in make_splits(cv, X, outcomes, groups, random_state)
    ]


def _route_fold(router, fold, settings, seeds):
    """Train the router and the controls on a fold, and route its test queries."""
    fitted = clone(router).fit(fold.X, fold.outcomes)
    features = transform_features(fitted, fold.X)
    features_test = transform_features(fitted, fold.X_test)
    final = final_step(fitted)
    n_train, n_test = len(fold.outcomes), len(fold.test_rows)
    evaluated = {"router": final.predict(features_test)}
    shuffled = fold.outcomes[np.random.RandomState(seeds[0]).permutation(n_train)]
    evaluated["shuffled_labels"] = clone(final).fit(features, shuffled).predict(features_test)
    rng = np.random.RandomState(seeds[1])
    width = min(_n_features(features), _N_RANDOM_FEATURES)
    noise, noise_test = rng.normal(size=(n_train, width)), rng.normal(size=(n_test, width))
    control = clone(final).fit(noise, fold.outcomes)
    evaluated["random_features"] = control.predict(noise_test)
    has_curve = has_known_costs(fold.outcomes) and final.has_utility_lines
    lines = final.utility_lines(features_test) if has_curve else None
    return _RoutedFold(evaluated, single_model_routes(fold.outcomes, settings, n_test), lines)


def _n_features(features):
    return features.shape[1] if hasattr(features, "shape") else len(features[0])


def _combine_folds(test_rows, routed):
    """Put the routes of the folds into the order of the queries."""
    order = inverse_order(test_rows)

    def combine(routes_of_folds):
        return {
            name: np.concatenate([routes[name] for routes in routes_of_folds])[order]
            for name in routes_of_folds[0]
        }

    lines = [fold.lines for fold in routed]
    changes = None
    if all(own is not None for own in lines):
        intercept, slope = (np.concatenate([own[part] for own in lines])[order] for part in (0, 1))
        changes = sweep_cost_weight(intercept, slope)
    return RoutesToReport(
        combine([fold.evaluated for fold in routed]),
        combine([fold.fixed for fold in routed]),
        np.repeat(np.arange(len(routed)), [len(rows) for rows in test_rows])[order],
        changes,
    )
