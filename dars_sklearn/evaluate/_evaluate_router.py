"""Evaluate a router against baselines, with confidence intervals."""

from typing import NamedTuple

import numpy as np
from joblib import delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._cross_val import (
    inverse_order,
    make_splits,
    run_folds,
    summarise_once,
)
from dars_sklearn.evaluate._identifiability import shared_query_notes
from dars_sklearn.evaluate._repeated_queries import (
    copies_notes,
    fold_notes,
    query_identities,
    with_known_texts,
)
from dars_sklearn.evaluate._routing_report import (
    ReportSettings,
    RoutesToReport,
    add_supervision_costs,
    make_report,
    single_model_routes,
)
from dars_sklearn.evaluate._test_outcomes import check_test_outcomes
from dars_sklearn.metrics._realised_values import has_known_costs
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._outcomes import Outcomes, as_outcomes
from dars_sklearn.routing._decision import decide
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    transform_features,
    with_cost_range,
)
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["evaluate_router"]

_N_RANDOM_FEATURES = 64
_NO_CURVE = (
    "AIQ, APGR, CPT and quality-neutral cost are not shown: they need the routes at every cost "
    "weight, which this router does not have, or a fold has no known cost of some model"
)


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
    verbose=None,
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
        shuffles the queries first, because queries of one kind often stand together, and keeps
        rows of the same label or text in one fold.
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
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    RoutingReport
        The report.

    Raises
    ------
    ValueError
        If X or X_test has other queries than its outcomes; if the test outcomes have other models
        or another scale of scores than the training outcomes, or a cost that weighs is unknown;
        if a query is routed to a model that has no outcome for it; or if a test row is a training
        row of its fold.

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
    check_alignment(X, outcomes)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    settings = ReportSettings(
        final_step(router).cost_weight, limits, missing, n_resamples, level, random_state
    )
    settings.check(horizon)
    if X_test is not None:
        outcomes_test = as_outcomes(outcomes_test)
        check_alignment(X_test, outcomes_test, "X_test")
        check_test_outcomes(outcomes_test, outcomes, settings.cost_weight)
        folds = [_Fold(X, outcomes, X_test, np.arange(len(outcomes_test)))]
        known, known_test = with_known_texts(X, outcomes), with_known_texts(X_test, outcomes_test)
        repeated = shared_query_notes(known, known_test)
        repeated += copies_notes(query_identities(outcomes_test, X_test))
    else:
        outcomes_test = outcomes
        splits = make_splits(cv, X, outcomes, groups, random_state)
        folds = _make_folds(router, X, outcomes, splits)
        identities = query_identities(outcomes, X)
        repeated = fold_notes(splits, identities) + copies_notes(identities)
    seeds = check_random_state(random_state).randint(2**31 - 1, size=(len(folds), 2))
    jobs = [
        delayed(_route_fold)(router, fold, settings, fold_seeds)
        for fold, fold_seeds in zip(folds, seeds, strict=True)
    ]
    routed = run_folds(jobs, n_jobs, verbose)
    routes = _combine_folds([fold.test_rows for fold in folds], routed)
    report = make_report(outcomes_test, routes, settings)
    if routes.changes is None and has_known_costs(outcomes_test):
        report = report.with_notes([_NO_CURVE])
    report = report.with_notes(repeated)
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


def _make_folds(router, X, outcomes, splits):
    """Select the training and test queries of each fold."""
    summarise_once(router, outcomes)
    outcomes.pair_statistics()  # baselines weigh paraphrases the same, whatever the router does
    return [
        _Fold(_safe_indexing(X, train), outcomes[train], _safe_indexing(X, test), test)
        for train, test in splits
    ]


def _route_fold(router, fold, settings, seeds):
    """Train the router and the controls on a fold, and route its test queries."""
    fitted = clone(router).fit(fold.X, fold.outcomes)
    features = transform_features(fitted, fold.X)
    features_test = transform_features(fitted, fold.X_test)
    final = final_step(fitted)
    n_train, n_test = len(fold.outcomes), len(fold.test_rows)
    lines = None
    if final.has_utility_lines:
        lines = final.utility_lines(features_test)
        routes = final.models_[decide(lines.utilities(final.cost_weight))]
    else:
        routes = final.predict(features_test)
    shuffled = fold.outcomes[np.random.RandomState(seeds[0]).permutation(n_train)]
    # Each query now has the outcomes of another one, on purpose.
    shuffled.queries, shuffled.texts = fold.outcomes.queries, fold.outcomes.texts
    rng = np.random.RandomState(seeds[1])
    width = min(_n_features(features), _N_RANDOM_FEATURES)
    noise, noise_test = rng.normal(size=(n_train, width)), rng.normal(size=(n_test, width))
    with collect_warnings():  # the fit of the router itself has given these warnings
        evaluated = {
            "router": routes,
            "shuffled_labels": clone(final).fit(features, shuffled).predict(features_test),
            "random_features": clone(final).fit(noise, fold.outcomes).predict(noise_test),
        }
    fixed = single_model_routes(fold.outcomes, settings, n_test)
    return _RoutedFold(evaluated, fixed, lines if has_known_costs(fold.outcomes) else None)


def _n_features(features):
    return features.shape[1] if hasattr(features, "shape") else len(features[0])


def _combine_folds(test_rows, routed):
    """Put the routes of the folds into the order of the queries."""
    order = inverse_order(test_rows)

    def combine(routes_of_folds):
        return {
            name: np.concatenate([routes[name] for routes in routes_of_folds])[order]
            for name in routes_of_folds[0]
            # The cheapest model is not known where a fold has no cost of some model.
            if all(name in routes for routes in routes_of_folds)
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
