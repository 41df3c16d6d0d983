"""Out-of-fold predictions of routers."""

from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.utils import _safe_indexing

from dars_sklearn.evaluate._repeated_queries import fold_notes
from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.outcomes._alignment import check_alignment, check_labelled_order
from dars_sklearn.outcomes._outcomes import as_outcomes
from dars_sklearn.outcomes._query_identities import query_identities
from dars_sklearn.routing._pipeline import (
    check_is_router,
    final_step,
    fit_clone,
    transform_features,
)
from dars_sklearn.routing._predicted_capability import PredictedCapability
from dars_sklearn.utils._progress import progress_bar
from dars_sklearn.utils._warnings import collect_warnings, warn_once, warn_user

__all__ = [
    "cross_val_capability",
    "inverse_order",
    "make_splits",
    "out_of_fold",
    "run_folds",
    "summarise_once",
]


def cross_val_capability(
    router, X, outcomes, *, cv=5, groups=None, n_jobs=None, random_state=0, verbose=None
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
        because queries of one kind often stand together, and keeps rows of the same label or text
        in one fold.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries for the splitter; with an int ``cv``, the queries of one group stay in
        one fold.
    n_jobs : int or None, default=None
        Number of folds run in parallel.
    random_state : int, RandomState instance or None, default=0
        Seed of the shuffling.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Returns
    -------
    PredictedCapability
        Out-of-fold quality, cost, scaled cost and risk, each of shape (n_queries, n_models).

    Raises
    ------
    TypeError
        If the router is not one.
    ValueError
        If X has other queries than the outcomes, a query is in no or in several test folds or in
        the training fold as well, or the router's target predicts no capability.

    Warns
    -----
    UsageWarning
        If a query is in the training fold in another row, with the same label or text.

    See Also
    --------
    evaluate_router : Evaluates the routes of a router out of fold.

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
    check_alignment(X, outcomes)

    def predict(fitted, features):
        return fitted.predict_capability(features)[:4]

    splits = make_splits(cv, X, outcomes, groups, random_state)
    for note in fold_notes(splits, query_identities(outcomes, X)):
        warn_user(note, UsageWarning)
    return PredictedCapability(
        *out_of_fold(router, X, outcomes, splits, n_jobs, predict, verbose, groups)
    )


def out_of_fold(router, X, outcomes, splits, n_jobs, predict, verbose=None, groups=None):
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
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.
    groups : array-like of shape (n_queries,) or None, default=None
        Groups of queries, which the calibration of the router keeps together.

    Returns
    -------
    list of ndarray
        The arrays that ``predict`` returns, for all queries in their order.
    """
    summarise_once(router, outcomes)
    jobs = [
        delayed(_fit_and_predict)(router, X, outcomes, train, test, predict, groups)
        for train, test in splits
    ]
    by_fold = run_folds(jobs, n_jobs, verbose)
    order = inverse_order([test for _, test in splits])
    return [np.concatenate(arrays)[order] for arrays in zip(*by_fold, strict=True)]


def run_folds(jobs, n_jobs, verbose, unit="folds"):
    """Run one job per fold, with a progress bar, and give each kind of warning once.

    Parameters
    ----------
    jobs : sequence of delayed calls
        Calls of joblib's ``delayed``.
    n_jobs : int or None
        Number of folds run in parallel.
    verbose : bool or None
        Whether to show a progress bar. None shows it where the output is a terminal.
    unit : str, default="folds"
        What a job is, in the plural.

    Returns
    -------
    list
        What the jobs return.
    """
    calls = (delayed(_with_warnings)(*job) for job in jobs)
    runs = Parallel(n_jobs=n_jobs, return_as="generator")(calls)
    runs = list(progress_bar(runs, verbose=verbose, total=len(jobs), desc=unit))
    warn_once([warnings for _, warnings in runs], unit)
    return [result for result, _ in runs]


def _with_warnings(function, args, kwargs):
    """Return the result of a call and the warnings that arose in it."""
    with collect_warnings() as collected:
        result = function(*args, **kwargs)
    return result, collected


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
        often stand together. Without groups, rows of the same label or text stay in one fold.
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

    Raises
    ------
    ValueError
        If a query is not in exactly one test fold, or is in the training fold as well; or if the
        splitter needs groups.
    """
    check_labelled_order(groups, outcomes, "groups")
    if isinstance(cv, Integral):
        if groups is None:
            groups = _groups_of_copies(outcomes, cv)
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
    for number, (train, test) in enumerate(splits):
        n_shared = np.isin(test, train).sum()
        if n_shared:
            raise ValueError(
                f"cv has {n_shared} of the {len(test)} test rows of fold {number} in the training "
                "rows of this fold, too; a router must be evaluated on other queries"
            )
    return splits


def _groups_of_copies(outcomes, n_splits):
    """Return groups that keep copies of a query in one fold; None where all queries differ."""
    identities = query_identities(outcomes)
    n_different = len(np.unique(identities))
    if n_different == len(identities):
        return None
    if n_splits > n_different:
        raise ValueError(
            f"cv={n_splits} is more than the {n_different} different queries, by label and text, "
            f"of {len(identities)} rows; if rows of the same text are different queries, pass "
            f"groups=np.arange({len(identities)})"
        )
    return identities


def inverse_order(test_rows):
    """Return the order that puts concatenated test folds back into the order of the queries."""
    return np.argsort(np.concatenate(test_rows))


def _fit_and_predict(router, X, outcomes, train, test, predict, groups):
    own_groups = None if groups is None else _safe_indexing(groups, train)
    fitted = fit_clone(router, _safe_indexing(X, train), outcomes[train], own_groups)
    return predict(final_step(fitted), transform_features(fitted, _safe_indexing(X, test)))
