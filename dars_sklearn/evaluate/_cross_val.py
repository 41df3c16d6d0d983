"""Out-of-fold predictions of routers."""

from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.utils import _safe_indexing

from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._validation import check_n_queries
from dars_sklearn.routing._pipeline import check_is_router, final_step, transform_features
from dars_sklearn.routing._router import PredictedCapability

__all__ = [
    "cross_val_capability",
    "inverse_order",
    "make_splits",
    "out_of_fold",
    "summarise_once",
]


def cross_val_capability(
    router, X, outcomes, *, cv=5, groups=None, n_jobs=None, random_state=0
):  # fmt: skip
    """Predict the capability of each query by a router that was not trained on the query.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        With ``target="capability"``.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    cv : int, splitter or iterable, default=5
        Folds; every query must be in exactly one test fold. An int shuffles the queries first,
        because queries of one kind often stand together.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries for the splitter; with an int ``cv``, the queries of one group stay in
        one fold.
    n_jobs : int or None, default=None
        Number of folds run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the shuffling.

    Returns
    -------
    PredictedCapability
        Out-of-fold quality, cost, scaled cost and risk, each of shape (n_queries, n_models).

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, cross_val_capability
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(100, 3, random_state=0)
    >>> cross_val_capability(DistributionalRouter(), data.X, data.outcomes).quality.shape
    (100, 3)
    """
    check_is_router(router)
    outcomes = as_outcomes(outcomes)
    check_n_queries(X, outcomes)

    def predict(fitted, features):
        return fitted.predict_capability(features)

    splits = make_splits(cv, X, outcomes, groups, random_state)
    return PredictedCapability(*out_of_fold(router, X, outcomes, splits, n_jobs, predict))


def out_of_fold(router, X, outcomes, splits, n_jobs, predict):
    """Predict each query by a router that was not trained on it.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    splits : list of (ndarray of int, ndarray of int)
        Training and test rows of each fold; each query is in one test fold.
    n_jobs : int or None
        Number of folds run in parallel.
    predict : callable
        Called with the fitted router, without the steps that encode its queries, and the
        features of the test queries. Returns a sequence of arrays with one row per query.

    Returns
    -------
    list of ndarray
        The arrays that ``predict`` returns, for all queries in their order.
    """
    summarise_once(router, outcomes)
    by_fold = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_predict)(router, X, outcomes, train, test, predict)
        for train, test in splits
    )
    order = inverse_order([test for _, test in splits])
    return [np.concatenate(arrays)[order] for arrays in zip(*by_fold, strict=True)]


def summarise_once(router, outcomes):
    """Compute the statistics of a router's labels, which every selection of rows inherits."""
    aggregator = final_step(router).aggregator
    outcomes.pair_statistics("balanced" if aggregator is None else aggregator.weighting)


def make_splits(cv, X, outcomes, groups, random_state):
    """Return the training and test rows of each fold.

    Parameters
    ----------
    cv : int, splitter or iterable
        A number of folds shuffles the queries first, unlike in scikit-learn: queries of one kind
        often stand together.
    X : array-like of shape (n_queries, ...)
        Queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    groups : array-like of shape (n_queries,) or None
        Groups of queries that stay in one fold.
    random_state : int, RandomState instance or None
        Seed of the shuffling.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and test rows; each query is in exactly one test fold.
    """
    if isinstance(cv, Integral):
        kind = KFold if groups is None else GroupKFold
        cv = kind(cv, shuffle=True, random_state=random_state)
    try:
        splits = list(check_cv(cv, classifier=False).split(X, outcomes, groups))
    except ValueError as error:
        if groups is None and "groups" in str(error):
            raise ValueError(f"cv={cv!r} needs the groups of the queries: pass groups=") from error
        raise
    tested = np.sort(np.concatenate([test for _, test in splits]))
    if not np.array_equal(tested, np.arange(len(outcomes))):
        raise ValueError("cv must put every query in exactly one test fold")
    return splits


def inverse_order(test_rows):
    """Return the order that puts concatenated test folds back into the order of the queries."""
    return np.argsort(np.concatenate(test_rows))


def _fit_and_predict(router, X, outcomes, train, test, predict):
    fitted = clone(router).fit(_safe_indexing(X, train), outcomes[train])
    return predict(final_step(fitted), transform_features(fitted, _safe_indexing(X, test)))
