"""Scorers, and out-of-fold capability."""

from functools import partial

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from dars_sklearn.metrics._realised import routed_utility
from dars_sklearn.router import PredictedCapability

__all__ = ["cross_val_capability", "out_of_fold", "routing_scorer"]


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


def _score(router, X, y, **settings):
    return routed_utility(y, router.predict(X), **settings)


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
    return PredictedCapability(
        *out_of_fold(
            router, X, outcomes, cv, n_jobs, lambda fitted, X: fitted.predict_capability(X)
        )
    )


def out_of_fold(router, X, outcomes, cv, n_jobs, predict):
    """Predict each query by a router that did not see it.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    cv : int, splitter, iterable or None
        As in scikit-learn.
    n_jobs : int or None
        Folds at once.
    predict : callable
        Of the fitted router, without what encodes its queries, and its
        features; returns arrays of a row a query.

    Returns
    -------
    list of ndarray
        What ``predict`` returns, for all queries in their order.

    Raises
    ------
    ValueError
        If the test parts do not cover every query once.
    """
    splits = list(check_cv(cv, classifier=False).split(X, outcomes))
    covered = np.sort(np.concatenate([test for _, test in splits]))
    if not np.array_equal(covered, np.arange(len(outcomes))):
        raise ValueError("cv must put every query in exactly one test part")
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_predict)(router, X, outcomes, train, test, predict)
        for train, test in splits
    )
    back = np.argsort(np.concatenate([test for _, test in splits]))
    return [np.concatenate(values)[back] for values in zip(*parts, strict=True)]


def _fit_and_predict(router, X, outcomes, train, test, predict):
    fitted = clone(router).fit(_safe_indexing(X, train), outcomes[train])
    features = _safe_indexing(X, test)
    if isinstance(fitted, Pipeline):
        return predict(fitted[-1], fitted[:-1].transform(features))
    return predict(fitted, features)
