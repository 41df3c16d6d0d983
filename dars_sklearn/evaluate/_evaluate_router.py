"""Evaluate a router against baselines, with confidence intervals."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from joblib import delayed
from sklearn.utils import check_random_state

from dars_sklearn.evaluate._cost_comparison import MAX_LOSSES
from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._cross_val import inverse_order, run_folds
from dars_sklearn.evaluate._folds import make_evaluation
from dars_sklearn.evaluate._measure_cost import (
    check_can_compare,
    combine_choices,
    describe_free_model,
)
from dars_sklearn.evaluate._report_calibration import calibration_table
from dars_sklearn.evaluate._routing_report import (
    ReportSettings,
    RoutesToReport,
    add_supervision_costs,
    make_report,
    single_model_routes,
)
from dars_sklearn.evaluate._within_loss import LossSettings, choose_within_loss
from dars_sklearn.metrics._realised_values import has_known_costs
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.routing._decision import decide
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    fit_clone,
    transform_features,
    with_cost_range,
)
from dars_sklearn.utils._validation import check_count
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["evaluate_router"]

_N_RANDOM_FEATURES = 64
_NO_CURVE = (
    "AIQ, APGR, CPT and the cost at the quality of the best single model are not shown: they need "
    "the routes at every cost weight, which this router does not have, or a fold has no known cost "
    "of some model"
)
_NOT_SHOWN = "The cost at the quality of the best single model is not shown"
_CONFIDENCE = 0.9  # of the cost weights that are chosen for a loss of score


def evaluate_router(
    router,
    X,
    outcomes,
    *,
    X_test=None,
    outcomes_test=None,
    cv=5,
    inner_cv=5,
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

    The report begins with the cost of the router at the quality of the best single model, as
    :func:`cost_at_quality` measures it.

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
    inner_cv : int or None, default=5
        Number of folds of the training queries, within which cost weights are chosen for the
        quality of the best single model; the router is fitted once more for each of them. None
        leaves out the cost at that quality.
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
    cost_at_quality : The figures at the head of the report alone.
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
    outcomes = as_outcomes(outcomes)
    check_alignment(X, outcomes)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    settings = ReportSettings(
        final_step(router).cost_weight, limits, missing, n_resamples, level, random_state
    )
    settings.check(horizon)
    if inner_cv is not None:
        check_count(inner_cv, "inner_cv", 2)
    evaluation = make_evaluation(
        router, X, outcomes, X_test=X_test, outcomes_test=outcomes_test, cv=cv, groups=groups,
        cost_weight=settings.cost_weight, random_state=random_state,
    )  # fmt: skip
    folds = evaluation.folds
    losses, reasons = _loss_settings(outcomes, evaluation.outcomes, inner_cv, missing)
    seeds = check_random_state(random_state).randint(2**31 - 1, size=(len(folds), 2))
    jobs = [
        delayed(_route_fold)(router, fold, settings, losses, fold_seeds)
        for fold, fold_seeds in zip(folds, seeds, strict=True)
    ]
    routed = run_folds(jobs, n_jobs, verbose)
    routes = _combine_folds([fold.test_rows for fold in folds], routed)
    report = make_report(evaluation.outcomes, routes, settings)
    if routes.changes is None and has_known_costs(evaluation.outcomes):
        report = report.with_notes([_NO_CURVE])
    elif losses is not None and routes.changes is not None:
        measured = combine_choices(
            evaluation, [own.choices for own in routed], routes.changes, losses,
            missing=missing, n_resamples=n_resamples, level=level, random_state=random_state,
        )  # fmt: skip
        if measured.best_cost > 0:
            report = replace(report, cost_at_quality=measured)
        else:
            reasons.append(f"{_NOT_SHOWN}: {describe_free_model(measured.best_model)}")
    report = replace(report, calibration=calibration_table([own.calibration for own in routed]))
    report = report.with_notes([*reasons, *evaluation.notes])
    return add_supervision_costs(report, ["router"], outcomes, horizon)


def _loss_settings(outcomes, outcomes_test, inner_cv, missing):
    """Return how cost weights are chosen for the quality of the best single model, or why not."""
    is_meaningful = inner_cv is not None and len(outcomes.models) > 1
    if not is_meaningful or not (has_known_costs(outcomes) and has_known_costs(outcomes_test)):
        return None, []
    try:
        for own in (outcomes, outcomes_test):
            check_can_compare(own, missing)
    except ValueError as error:
        return None, [f"{_NOT_SHOWN}: {error}"]
    return LossSettings(MAX_LOSSES, _CONFIDENCE, inner_cv), []


class _RoutedFold(NamedTuple):
    """Routes of a fold.

    Parameters
    ----------
    evaluated, fixed : dict of str to ndarray of shape (n_test_queries,)
        Routes of the router and the controls, and of the single models.
    lines : UtilityLines or None
        Utility of each model as a function of the cost weight.
    choices : ChoicesWithinLoss or None
        Routes whose score is close to that of the best single model.
    calibration : Calibration or None
        Calibration of the router.
    """

    evaluated: dict
    fixed: dict
    lines: object
    choices: object
    calibration: object


def _route_fold(router, fold, settings, losses, seeds):
    """Train the router and the controls on a fold, and route its test queries."""
    fitted = fit_clone(router, fold.X, fold.outcomes, fold.groups)
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
            "shuffled_labels": fit_clone(final, features, shuffled, fold.groups).predict(
                features_test
            ),
            "random_features": fit_clone(final, noise, fold.outcomes, fold.groups).predict(
                noise_test
            ),
        }
    fixed = single_model_routes(fold.outcomes, settings, n_test)
    if not has_known_costs(fold.outcomes):
        lines = None
    choices = None
    if lines is not None and losses is not None:
        choices = choose_within_loss(router, fold, lines, losses, seeds[0])
    return _RoutedFold(evaluated, fixed, lines, choices, final.calibration_)


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
