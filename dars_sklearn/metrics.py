"""Metrics of routing: scorers, out-of-fold capability, and oracles."""

from functools import partial

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing

from dars_sklearn.aggregate import scale_cost
from dars_sklearn.decision import realised_utility
from dars_sklearn.router import PredictedCapability

__all__ = ["cross_val_capability", "oracle_utility", "routing_scorer"]


def routing_scorer(*, cost_weight=0.0, cost_range=None, missing="raise"):
    """Make a scorer of realised utility on one fixed scale.

    ``DistributionalRouter.score`` weighs cost as the router does, so a grid
    over ``cost_weight`` would compare scores that mean different things.

    Parameters
    ----------
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error, or left out.

    Returns
    -------
    callable
        ``scorer(router, X, outcomes)``, for ``scoring=``.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, Outcomes, routing_scorer
    >>> outcomes = Outcomes.from_array([[1, 0], [0, 1]])
    >>> router = DistributionalRouter().fit([[0.0], [1.0]], outcomes)
    >>> routing_scorer()(router, [[0.0], [1.0]], outcomes)
    1.0
    """
    if missing not in ("raise", "skip"):
        raise ValueError(f"missing must be 'raise' or 'skip', got {missing!r}")
    if not cost_weight >= 0:
        raise ValueError(f"cost_weight must not be negative, got {cost_weight!r}")
    return partial(_score, cost_weight=cost_weight, cost_range=cost_range, missing=missing)


def _score(router, X, y, *, cost_weight, cost_range, missing):
    achieved = realised_utility(
        router.predict(X), y, cost_weight=cost_weight, cost_range=cost_range, missing=missing
    )
    held = ~np.isnan(achieved)
    return float(achieved[held].mean()) if held.any() else float("nan")


def cross_val_capability(router, X, outcomes, *, cv=None, n_jobs=None):
    """Predict each query's capability by a router that did not see the query.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        With ``target="capability"``.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    cv : int, splitter, iterable or None, default=None
        As in scikit-learn; 5 folds by default. The test parts must cover every
        query once.
    n_jobs : int or None, default=None
        Folds at once.

    Returns
    -------
    PredictedCapability
        Out-of-fold quality, cost and risk, each (n_queries, n_models).
    """
    splits = list(check_cv(cv, classifier=False).split(X, outcomes))
    covered = np.sort(np.concatenate([test for _, test in splits]))
    if not np.array_equal(covered, np.arange(len(outcomes))):
        raise ValueError("cv must put every query in exactly one test part")
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_fold_capability)(router, X, outcomes, train, test) for train, test in splits
    )
    back = np.argsort(np.concatenate([test for _, test in splits]))
    return PredictedCapability(
        *(np.concatenate(values)[back] for values in zip(*parts, strict=True))
    )


def _fold_capability(router, X, outcomes, train, test):
    fitted = clone(router).fit(_safe_indexing(X, train), outcomes[train])
    features = _safe_indexing(X, test)
    if hasattr(fitted, "predict_capability"):
        return fitted.predict_capability(features)
    return fitted[-1].predict_capability(fitted[:-1].transform(features))


def oracle_utility(outcomes, *, cost_weight=0.0, cost_range=None, crossfit=True, average=True):
    """Utility of the best model of each query.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    cost_weight : float, default=0.0
        Quality given up for a unit of scaled cost.
    cost_range : tuple of float or None, default=None
        What scales costs; None leaves them in the user's unit.
    crossfit : bool, default=True
        Whether the best model is chosen on all paraphrases but one and scored
        on that one, each in turn. False chooses and scores on the same
        outcomes, which is biased upward: a maximum picks out luck.
    average : bool, default=True
        Whether to return the mean over queries, or one value a query.

    Returns
    -------
    float or ndarray of shape (n_queries,)
        The utility; NaN where cross-fitting has only one paraphrase.

    Examples
    --------
    >>> from dars_sklearn import Outcomes
    >>> from dars_sklearn.metrics import oracle_utility
    >>> lucky = Outcomes.from_array([[[[1], [0]], [[0], [1]]]])  # each model right once
    >>> oracle_utility(lucky, crossfit=False), oracle_utility(lucky)
    (0.5, 0.0)
    """
    cells = outcomes.to_array()
    if cost_weight and outcomes.cost is not None:
        cells = cells - cost_weight * scale_cost(outcomes.to_array("cost"), cost_range)
    held = ~np.isnan(cells)
    counts = held.sum(axis=3)
    # One mean a paraphrase, paraphrases first.
    means = np.where(held, cells, 0).sum(axis=3) / np.where(counts, counts, np.nan)
    means = np.moveaxis(means, 2, 0)
    best = _crossfitted(means) if crossfit else _mean_of_known(means).max(axis=1)
    best = np.where(np.isfinite(best), best, np.nan)
    if not average:
        return best
    return float(np.nanmean(best)) if not np.isnan(best).all() else float("nan")


def _crossfitted(means):
    """Choose by all paraphrases but one, score on that one, each in turn."""
    achieved = []
    for place in range(len(means)):
        chosen_by = _mean_of_known(np.delete(means, place, axis=0))
        chosen = chosen_by.argmax(axis=1)
        value = np.take_along_axis(means[place], chosen[:, None], axis=1)[:, 0]
        achieved.append(np.where(np.isfinite(chosen_by).any(axis=1), value, np.nan))
    known = ~np.isnan(achieved)
    total = np.where(known, achieved, 0).sum(axis=0)
    return total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def _mean_of_known(means):
    """Mean over paraphrases, minus infinity where a pair has none."""
    known = ~np.isnan(means)
    total = np.where(known, means, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), -np.inf)
