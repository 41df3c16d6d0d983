"""All that tells whether a router helps, beside what it has to beat, with intervals."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn._realised import Realised, weighted_mean
from dars_sklearn._summarise import column_means
from dars_sklearn.aggregate import cost_range as range_of
from dars_sklearn.evaluate._bootstrap import resampled_means
from dars_sklearn.evaluate._columns import BEST, CHEAPEST, CONTROLS, RESERVED, STRONG, Columns
from dars_sklearn.evaluate._deferral import curve_of
from dars_sklearn.evaluate._report import RoutingReport
from dars_sklearn.evaluate._routers import (
    features_of,
    final_router,
    folds,
    with_cost_scaling,
)
from dars_sklearn.evaluate._sweep import sweep
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    aiq,
    apgr,
    best_single_model,
    call_performance_threshold,
    cheapest_model,
    oracle_name,
    oracle_utility,
    quality_neutral_cost,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)
from dars_sklearn.outcomes import as_outcomes, check_length, check_models
from dars_sklearn.router import BAKED_IN

__all__ = ["evaluate_router", "routing_report"]

_N_RANDOM_FEATURES = 64


def routing_report(
    outcomes,
    routes,
    *,
    train=None,
    cost_weight=0.05,
    cost_range=None,
    horizon=100_000,
    missing="raise",
    n_resamples=2000,
    level=0.95,
    random_state=0,
):
    """Judge routes from anywhere.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes of the queries that were routed; every routed pair has one.
    routes : array-like of shape (n_queries,), or dict of str to array-like
        Model names; several by name are judged on the same resamples.
    train : Outcomes or None, default=None
        Training outcomes, on which the best single and the cheapest model are
        chosen, and whose range scales costs. None chooses in hindsight, on the
        outcomes that judge, and the report says so.
    cost_weight : float, default=0.05
        Quality given up for a unit of scaled cost, in all utilities.
    cost_range : tuple of float or None, default=None
        What scales costs, if not the range of the training outcomes.
    horizon : int, default=100_000
        Queries to be served, for the cost ratio.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error; or each figure is
        over the queries that have outcomes of the model in question, which is
        fair only where it was not the query that decided which model was asked.
    n_resamples : int, default=2000
        Bootstrap resamples of the queries.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seed.

    Returns
    -------
    RoutingReport
        The report.

    Raises
    ------
    ValueError
        If routes are of another length, of no model of these, of models
        without outcomes, or named as a row of the report's own.

    Examples
    --------
    >>> from dars_sklearn import routing_report
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(100, 3, random_state=0)
    >>> best = data.outcomes.models[data.best]  # routes of one who knows the truth
    >>> report = routing_report(data.outcomes, best)
    >>> bool(report.get("over same shares")[1] > 0)
    True
    """
    outcomes = as_outcomes(outcomes)
    routes = routes if isinstance(routes, dict) else {"router": routes}
    taken = sorted(set(map(str, routes)) & set(RESERVED))
    if taken:
        raise ValueError(f"routes are named {taken}, which are names of the report's own rows")
    chosen_on = outcomes if train is None else train
    scale = {
        "cost_weight": cost_weight,
        "cost_range": range_of(chosen_on) if cost_range is None else cost_range,
    }
    fixed = _fixed(chosen_on, scale, len(outcomes))
    names = {name: of[0] for name, of in fixed.items() if name in (BEST, CHEAPEST)}
    if train is None:
        names = {name: f"{of}, in hindsight" for name, of in names.items()}
    settings = (missing, n_resamples, level, random_state)
    report = _report(outcomes, routes, fixed, names, scale, *settings)
    return report if train is None else _with_supervision(report, routes, train, horizon)


def evaluate_router(
    router,
    X,
    outcomes,
    *,
    X_test=None,
    outcomes_test=None,
    cv=5,
    horizon=100_000,
    missing="raise",
    n_resamples=2000,
    level=0.95,
    n_jobs=None,
    random_state=0,
):
    """Train a router and judge it on queries that it has not seen.

    Beside it are trained two controls: the same router on labels that are
    shuffled among the queries, and on features that are random numbers. A
    router that does not beat them has learnt which models are good, and nothing
    from the query.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted; its ``cost_weight`` is that of all utilities.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    X_test : array-like of shape (n_test_queries, ...), default=None
        Queries to judge on. None judges every query out of fold.
    outcomes_test : Outcomes or None, default=None
        Their outcomes.
    cv : int, splitter or iterable, default=5
        Folds, where there are no queries to test on; every query in one test
        part. An int shuffles the queries first, since those of one kind often
        stand together; to ask how a router does on kinds that it has never
        seen, give ``GroupKFold``'s splits.
    horizon : int, default=100_000
        Queries to be served, for the cost ratio.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error; or each figure is
        over the queries that have outcomes of the model in question, which is
        fair only where it was not the query that decided which model was asked.
    n_resamples : int, default=2000
        Bootstrap resamples of the queries.
    level : float, default=0.95
        Level of the intervals.
    n_jobs : int or None, default=None
        Fits at once.
    random_state : int, RandomState instance or None, default=0
        Seed of the controls and of the intervals.

    Returns
    -------
    RoutingReport
        The report.

    Raises
    ------
    ValueError
        If X and the outcomes differ in length, or a query is routed to a model
        that has no outcome for it.

    Notes
    -----
    The best single model is chosen on the training part of each fold. Costs
    are scaled by the range of all training outcomes. Intervals are over
    queries and do not tell how much another training set would matter.

    References
    ----------
    The controls are those that arXiv 2605.07395 asks for.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, evaluate_router
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(200, 3, random_state=0)
    >>> report = evaluate_router(DistributionalRouter(), data.X, data.outcomes)
    >>> bool(report.get("over shuffled labels")[1] > 0)
    True
    """
    if (X_test is None) != (outcomes_test is None):
        raise ValueError("give X_test and outcomes_test together, or neither")
    outcomes = as_outcomes(outcomes)
    check_length(X, outcomes)
    limits = range_of(outcomes)
    router = with_cost_scaling(router, limits)
    scale = {"cost_weight": final_router(router).cost_weight, "cost_range": limits}
    judged, jobs, held_out = _jobs(X, outcomes, X_test, outcomes_test, cv, random_state)
    seeds = check_random_state(random_state).randint(2**31 - 1, size=(len(jobs), 2))
    fitted = Parallel(n_jobs=n_jobs)(
        delayed(_route_fold)(router, *job, scale, fold_seeds)
        for job, fold_seeds in zip(jobs, seeds, strict=True)
    )
    back = np.argsort(np.concatenate(held_out))
    fold = np.repeat(np.arange(len(jobs)), [len(rows) for rows in held_out])[back]
    routes = {name: np.concatenate([of[name] for of, _ in fitted])[back] for name in fitted[0][0]}
    own = {name: routes.pop(name) for name in ("router", *CONTROLS)}
    names = {name: pd.Series(routes[name]).mode()[0] for name in (BEST, CHEAPEST) if name in routes}
    changes, values = None, [of for _, of in fitted]
    if all(of is not None for of in values):
        changes = sweep(*(np.concatenate(parts)[back] for parts in zip(*values, strict=True)))
    settings = (missing, n_resamples, level, random_state)
    report = _report(judged, own, routes, names, scale, *settings, fold=fold, changes=changes)
    return _with_supervision(report, ["router"], outcomes, horizon)


def _jobs(X, outcomes, X_test, outcomes_test, cv, random_state):
    """Outcomes that judge; of each fit, what it is given; and the rows it holds out."""
    if X_test is not None:
        check_length(X_test, outcomes_test)
        judged = as_outcomes(outcomes_test)
        check_models(judged, outcomes.models)
        return judged, [(X, outcomes, X_test)], [np.arange(len(judged))]
    splits = list(folds(cv, random_state).split(X, outcomes))
    held_out = [test for _, test in splits]
    if not np.array_equal(np.sort(np.concatenate(held_out)), np.arange(len(outcomes))):
        raise ValueError("cv must put every query in exactly one test part")
    jobs = [
        (_safe_indexing(X, train), outcomes[train], _safe_indexing(X, test))
        for train, test in splits
    ]
    return outcomes, jobs, held_out


def _route_fold(router, X, outcomes, X_test, scale, seeds):
    """Routes of the router, the controls and the baselines; and what its curve is made of."""
    fitted = clone(router).fit(X, outcomes)
    features, features_test = features_of(fitted, X), features_of(fitted, X_test)
    final = final_router(fitted)
    routes = {"router": final.predict(features_test)}
    shuffled = outcomes[np.random.RandomState(seeds[0]).permutation(len(outcomes))]
    routes["shuffled labels"] = clone(final).fit(features, shuffled).predict(features_test)
    rng = np.random.RandomState(seeds[1])
    width = min(
        features.shape[1] if hasattr(features, "shape") else len(features[0]), _N_RANDOM_FEATURES
    )
    noise = rng.normal(size=(len(outcomes), width))
    noise_test = rng.normal(size=(len(routes["router"]), width))
    routes["random features"] = clone(final).fit(noise, outcomes).predict(noise_test)
    value = None
    baked_in = "cost_weight" in BAKED_IN[final.target]
    if outcomes.cost is not None and not baked_in and not final.decides_itself:
        value = final.value_and_price(features_test)
    return routes | _fixed(outcomes, scale, len(routes["router"])), value


def _fixed(train, scale, n_queries):
    """Routes that send every query to one model, chosen on training outcomes."""
    chosen = {BEST: best_single_model(train, **scale), STRONG: best_single_model(train)}
    if as_outcomes(train).cost is not None:
        chosen[CHEAPEST] = cheapest_model(train)
    return {name: np.full(n_queries, model, dtype=object) for name, model in chosen.items()}


def _report(
    outcomes, routes, fixed, names, scale, missing, n_resamples, level, random_state,
    fold=None, changes=None,
):  # fmt: skip
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level!r}")
    realised = Realised(outcomes, **scale)
    oracle = oracle_utility(outcomes, **scale, average=False)
    fold = np.zeros(len(outcomes), dtype=int) if fold is None else fold
    columns = Columns(realised, oracle, routes, fixed, fold, missing)
    estimates = columns.metrics(column_means(columns.table)[None])
    rng = check_random_state(random_state)
    resampled = columns.metrics(resampled_means(columns.table, n_resamples, rng))
    tail = (1 - level) / 2
    rows = [(*key, float(estimates[key][0]), *_interval(resampled[key], tail)) for key in estimates]
    naive = oracle_utility(outcomes, **scale, crossfit=False)
    rows.append(("oracle, naive", "utility", naive, np.nan, np.nan))
    rows = [(oracle_name(outcomes) if row[0] == "oracle" else row[0], *row[1:]) for row in rows]
    strong, weak = fixed[STRONG], fixed.get(CHEAPEST)
    if weak is not None:
        commonest = pd.Series(strong).mode()[0]
        for name, of in routes.items():
            if name not in CONTROLS:
                collapse = _quietly(routing_collapse_index, outcomes, of, strong=commonest)
                rows.append((name, "collapse", collapse, np.nan, np.nan))
        # In a sparse log, some weight would route to what was not asked.
        if changes is not None and not changes.misses(realised.score):
            curve = curve_of(changes, realised)
            ends = {name: _end(realised, of) for name, of in (("weak", weak), ("strong", strong))}
            rows += _curve_rows(curve, ends)
    shares = {name: columns.shares[name] for name in routes}
    return RoutingReport(
        pd.DataFrame(rows, columns=["strategy", "metric", "estimate", "low", "high"]),
        pd.DataFrame(shares, index=realised.models).T,
        names,
        len(outcomes),
        level,
    )


def _with_supervision(report, names, train, horizon):
    """The report, with what the training outcomes cost set against what routing saves."""
    if as_outcomes(train).cost is None:
        return report
    paid, baseline = float(np.nansum(train.cost)), report.get("cost", BEST)[0]
    rows = []
    for name in names:
        cost = report.get("cost", name)[0]
        figures = {
            "break-even queries": supervision_break_even(paid, baseline, cost),
            "cost ratio": supervision_cost_ratio(paid, baseline, cost, horizon),
        }
        rows += [(name, metric, value, np.nan, np.nan) for metric, value in figures.items()]
    rows = pd.DataFrame(rows, columns=report.table.columns)
    return replace(report, table=pd.concat([report.table, rows], ignore_index=True))


def _interval(values, tail):
    values = values[~np.isnan(values)]
    return tuple(np.quantile(values, [tail, 1 - tail])) if len(values) else (np.nan, np.nan)


def _end(realised, routes):
    """Mean cost and score of routes to one model."""
    at = realised.places(routes, "skip")
    return tuple(weighted_mean(realised.at(table, at)) for table in ("cost", "score"))


def _curve_rows(curve, ends):
    """Metrics of the router's curve, which have no intervals."""
    points, costs = (curve.cost, curve.score), curve.models["cost"]
    rows = {
        "apgr": _quietly(apgr, *points, **ends),
        "cpt 50 %": _quietly(call_performance_threshold, *points, 0.5, **ends),
        "cpt 80 %": _quietly(call_performance_threshold, *points, 0.8, **ends),
        "neutral cost": _quietly(quality_neutral_cost, *points, strong=ends["strong"]),
    }
    if costs.max() > costs.min():
        rows = {"aiq": aiq(*points, cost_range=(costs.min(), costs.max()))} | rows
    return [("router", name, value, np.nan, np.nan) for name, value in rows.items()]


def _quietly(metric, *args, **kwargs):
    """A metric that may be undefined: the report shows that as a gap."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return metric(*args, **kwargs)
