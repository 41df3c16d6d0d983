"""Measure how much cheaper a router is at the quality of the best single model."""

from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.utils import check_random_state

from dars_sklearn.evaluate._cost_at_quality import CostAtQuality, CostWithinLoss
from dars_sklearn.evaluate._cost_comparison import MAX_LOSSES, compare_costs, describe_max_loss
from dars_sklearn.evaluate._cost_sweep import sweep_cost_weight
from dars_sklearn.evaluate._cost_weight_search import check_max_loss
from dars_sklearn.evaluate._cross_val import inverse_order, run_folds
from dars_sklearn.evaluate._deferral_curve import curve_from_sweep
from dars_sklearn.evaluate._folds import make_evaluation
from dars_sklearn.evaluate._within_loss import LossSettings, choose_within_loss
from dars_sklearn.metrics._realised_values import RealisedValues, check_has_costs, check_missing
from dars_sklearn.outcomes._alignment import check_alignment
from dars_sklearn.outcomes._means import weighted_mean
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    find_router_cost_range,
    fit_clone,
    transform_features,
    with_cost_range,
)
from dars_sklearn.utils._validation import check_count, check_level

__all__ = ["check_can_compare", "combine_choices", "cost_at_quality", "describe_free_model"]


def cost_at_quality(
    router,
    X,
    outcomes,
    *,
    max_loss=MAX_LOSSES,
    X_test=None,
    outcomes_test=None,
    cv=5,
    inner_cv=5,
    groups=None,
    confidence=0.9,
    missing="raise",
    n_resamples=2000,
    level=0.95,
    n_jobs=None,
    random_state=0,
    verbose=None,
):
    """Measure how much cheaper a router is at the quality of the best single model.

    In each fold, the training queries alone choose the best single model, by its score, and the
    cost weight: the highest one at which the router is expected to lose at most ``max_loss`` of
    that model's score, as :func:`tune_cost_weight` does. Costs and scores are then measured on
    the held-out queries. The cheapest single model that keeps within the loss, chosen by the same
    rule, stands beside the router.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        With a target that does not fix the cost weight at fit time. It is not fitted, and its
        own cost weight does not matter.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes, with costs.
    max_loss : float or sequence of float, default=(0, 0.01, 0.02)
        Highest loss of score relative to the best single model, on the unit scale of scores, on
        which 0.01 is one point.
    X_test : array-like of shape (n_test_queries, ...), default=None
        Queries of the evaluation. None evaluates every query out of fold.
    outcomes_test : Outcomes or None, default=None
        Outcomes of the queries of the evaluation.
    cv : int, splitter or iterable, default=5
        Folds, if there are no test queries, as in :func:`evaluate_router`.
    inner_cv : int, default=5
        Number of folds of the training queries, within which the cost weight is chosen. The
        router is fitted ``inner_cv + 1`` times per fold.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries that stay in one fold, both when the weight is chosen and when it is
        evaluated.
    confidence : float, default=0.9
        Probability that the expected loss of score is at most ``max_loss``. With 0.5 there is no
        margin: about half of the routers then lose more than that.
    missing : {"raise", "skip"}, default="raise"
        Whether a (query, model) pair without outcomes is an error. With "skip", each
        mean is over the queries that have outcomes of the model in question, which is fair only
        where the choice of models to ask did not depend on the query.
    n_resamples : int, default=2000
        Number of bootstrap resamples of the queries, which are the same for all figures.
    level : float, default=0.95
        Level of the intervals.
    n_jobs : int or None, default=None
        Number of folds run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds and of the intervals.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    CostAtQuality
        Cost ratio and score difference for each loss, with intervals. A router is "within" the
        loss only where the interval of the score difference shows no higher loss.

    Raises
    ------
    ValueError
        If ``max_loss`` is negative; there is only one model; costs are unknown, or the best
        single model costs nothing; the cost weight cannot be changed after fit; or X has other
        queries than the outcomes.

    See Also
    --------
    tune_cost_weight : Chooses the cost weight for a router that is then used.
    evaluate_router : Reports these figures with all others.

    Notes
    -----
    Where no cost weight keeps within the loss, the queries of the fold are routed to the best
    single model, as they would be in practice, so that the cost ratio is 1.

    References
    ----------
    The cost at the quality of the best model is the quality-neutral cost of EquiRouter, arXiv
    2602.03478, which chooses the cost weight on the test queries.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, cost_at_quality
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(300, 3, interaction=2.0, random_state=0)
    >>> result = cost_at_quality(DistributionalRouter(), data.X, data.outcomes, max_loss=0.02)
    >>> bool(result.get(0.02).cost_ratio.estimate < 1)
    True
    """
    check_is_router(router)
    outcomes = as_outcomes(outcomes)
    check_alignment(X, outcomes)
    settings = LossSettings(_as_losses(max_loss, outcomes.score_range), confidence, inner_cv)
    check_level(confidence, "confidence")
    check_count(inner_cv, "inner_cv", 2)
    check_missing(missing)
    check_count(n_resamples, "n_resamples")
    check_level(level)
    for own in (outcomes,) if outcomes_test is None else (outcomes, as_outcomes(outcomes_test)):
        check_can_compare(own, missing)
    limits = find_router_cost_range(router, outcomes)
    router = with_cost_range(router, limits)
    evaluation = make_evaluation(
        router, X, outcomes, X_test=X_test, outcomes_test=outcomes_test, cv=cv, groups=groups,
        cost_weight=final_step(router).cost_weight, random_state=random_state,
    )  # fmt: skip
    folds = evaluation.folds
    seeds = check_random_state(random_state).randint(2**31 - 1, size=(len(folds), 2))[:, 0]
    jobs = [
        delayed(_choose_in_fold)(router, fold, settings, seed)
        for fold, seed in zip(folds, seeds, strict=True)
    ]
    lines, choices = zip(*run_folds(jobs, n_jobs, verbose), strict=True)
    order = inverse_order([fold.test_rows for fold in folds])
    intercept, slope = (np.concatenate([own[part] for own in lines])[order] for part in (0, 1))
    result = combine_choices(
        evaluation, choices, sweep_cost_weight(intercept, slope), settings, missing=missing,
        n_resamples=n_resamples, level=level, random_state=random_state,
    )  # fmt: skip
    if not result.best_cost > 0:
        raise ValueError(describe_free_model(result.best_model))
    return result


def describe_free_model(model):
    """Say why there is no cost relative to a model that costs nothing."""
    return (
        f"the best single model ({model}) costs nothing on the evaluated queries, and a cost "
        "relative to 0 is not defined; give prices with with_prices"
    )


def check_can_compare(outcomes, missing):
    """Refuse outcomes for which a cost relative to the best single model is not defined.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    missing : {"raise", "skip"}
        Whether a pair without outcomes is an error.

    Raises
    ------
    ValueError
        If there is one model only, costs are unknown or all of them zero, or a pair is missing.
    """
    check_has_costs(outcomes)
    if len(outcomes.models) < 2:
        raise ValueError(
            f"these outcomes are of one model only ({outcomes.models[0]}), so that there is "
            "nothing to choose and nothing to save; collect outcomes of another model"
        )
    if not np.nanmax(outcomes.cost) > 0:
        raise ValueError(
            "all costs of these outcomes are 0, and a cost relative to 0 is not defined; give "
            "prices with with_prices, or use the time of the answers with with_latency_cost"
        )
    n_missing = int((outcomes.counts() == 0).sum())
    if missing == "raise" and n_missing:
        raise ValueError(
            f"{n_missing} (query, model) {plural('pair', n_missing)} have no outcome; collect "
            "these outcomes, or compare on the queries that have them with missing='skip'"
        )


def combine_choices(
    evaluation, choices, sweep, settings, *, missing, n_resamples, level, random_state
):
    """Measure the choices of all folds on their test queries.

    Parameters
    ----------
    evaluation : Evaluation
        The folds.
    choices : sequence of ChoicesWithinLoss
        The choices of each fold.
    sweep : CostSweep
        Routes of all test queries at all cost weights.
    settings : LossSettings
        How they were chosen.
    missing : {"raise", "skip"}
        Whether a pair without outcomes is an error.
    n_resamples : int
        Number of resamples.
    level : float
        Level of the intervals.
    random_state : int, RandomState instance or None
        Seed of the resamples.

    Returns
    -------
    CostAtQuality
        The figures; cost ratios are NaN where the best single model costs nothing.
    """
    realised, score_range = RealisedValues(evaluation.outcomes), evaluation.outcomes.score_range
    sizes = [len(fold.test_rows) for fold in evaluation.folds]
    order = inverse_order([fold.test_rows for fold in evaluation.folds])

    def columns_of(routes):
        return realised.column_indices(np.concatenate(routes)[order], missing)

    def columns_of_models(models):
        return columns_of([_repeat(own, n) for own, n in zip(models, sizes, strict=True)])

    best = columns_of_models([own.best for own in choices])
    losses = range(len(settings.max_losses))
    routed = [columns_of([own.routes[number] for own in choices]) for number in losses]
    single = [
        columns_of_models([own.single_models[number] for own in choices]) for number in losses
    ]
    best_cost, best_score = (weighted_mean(realised.take(name, best)) for name in ("cost", "score"))
    best_model = _most_common(choice.best for choice in choices)
    comparisons = compare_costs(
        realised, routed + single, best, n_resamples=n_resamples, level=level,
        random_state=random_state,
    )  # fmt: skip
    results = tuple(
        CostWithinLoss(
            settings.max_losses[number],
            *comparisons[number],
            tuple(own.cost_weights[number] for own in choices),
            _most_common(own.single_models[number] for own in choices),
            *comparisons[len(losses) + number],
            *(weighted_mean(realised.take(name, routed[number])) for name in ("cost", "score")),
        )
        for number in losses
    )
    curve = curve_from_sweep(sweep, realised, missing)
    return CostAtQuality(
        results, best_model, best_cost, best_score, len(evaluation.outcomes), level,
        settings.confidence, replace(curve, evaluated_on="held-out queries"), score_range,
        (
            *_missing_notes(evaluation.outcomes), *_fallback_notes(results, score_range),
            *evaluation.notes,
        ),
    )  # fmt: skip


def _as_losses(max_loss, score_range):
    """Return one or several losses as a tuple, checked."""
    losses = (max_loss,) if np.ndim(max_loss) == 0 else tuple(max_loss)
    if not losses:
        raise ValueError("max_loss is empty; give one loss of score or several, such as 0.01")
    for own in losses:
        check_max_loss(own, score_range)
    return tuple(map(float, losses))


def _choose_in_fold(router, fold, settings, seed):
    """Train the router on a fold; return its utility lines and the choices of the fold."""
    fitted = fit_clone(router, fold.X, fold.outcomes, fold.groups)
    lines = final_step(fitted).utility_lines(transform_features(fitted, fold.X_test))
    return lines, choose_within_loss(router, fold, lines, settings, seed)


def _missing_notes(outcomes):
    """Say how many pairs have no outcome, if there are any."""
    counts = outcomes.counts()
    n_missing = int((counts == 0).sum())
    if not n_missing:
        return []
    return [
        f"{n_missing} of {counts.size} (query, model) pairs have no outcome; each mean is over the "
        "queries that have one of its model, as if they were like the others"
    ]


def _fallback_notes(results, score_range):
    """Say in how many folds no cost weight keeps within a loss."""
    notes = []
    for own in results:
        n, n_folds = int(np.isnan(own.cost_weights).sum()), len(own.cost_weights)
        if 0 < n < n_folds:
            notes.append(
                f"In {n} of {n_folds} folds, the training queries show no cost weight that keeps "
                f"within {describe_max_loss(own.max_loss, score_range)} of the best single model; "
                "all queries of these folds are routed to that model"
            )
    return notes


def _repeat(model, n):
    return np.full(n, model, dtype=object)


def _most_common(models):
    return pd.Series(list(models), dtype=object).mode()[0]
