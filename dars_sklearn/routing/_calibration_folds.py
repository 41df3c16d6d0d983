"""Folds in which a router predicts training queries that its learner has not seen."""

import warnings
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_consistent_length

from dars_sklearn.outcomes._query_identities import connected_rows, query_identities

__all__ = ["calibration_folds", "check_calibration", "number_groups"]

_N_FOLDS = 5
# More held-out queries make the slopes no more precise than the labels are.
_MAX_HELD_OUT = 5000


def check_calibration(calibration):
    """Refuse a calibration that is none of None, "auto", a number of folds and a splitter.

    Parameters
    ----------
    calibration : object
        The router's parameter.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if calibration is None or (isinstance(calibration, str) and calibration == "auto"):
        return
    is_number = isinstance(calibration, Integral) and not isinstance(calibration, bool)
    if (is_number and calibration >= 2) or _is_splitter(calibration):
        return
    raise ValueError(
        "calibration must be None, 'auto', a number of folds of at least 2 or a splitter of "
        f"scikit-learn such as GroupKFold(), got {calibration!r}"
    )


def calibration_folds(calibration, groups, *, seed, limit=True):
    """Split the training queries into folds.

    Parameters
    ----------
    calibration : "auto", int or splitter
        "auto" is five folds. With a number of folds, copies of a query share a fold, and so do
        the queries of a group.
    groups : ndarray of int of shape (n_queries,)
        Groups of queries that share a fold.
    seed : int
        Seed of the shuffling.
    limit : bool, default=True
        Whether there are at most 5,000 held-out rows.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Training and held-out rows of each fold; empty if all queries are copies of one.

    Raises
    ------
    ValueError
        If a splitter needs groups, or has a held-out row among the training rows.
    """
    table = np.zeros((len(groups), 1))  # splitters look at its length only
    if _is_splitter(calibration):
        with warnings.catch_warnings():  # of splitters that need no groups
            warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
            folds = list(calibration.split(table, None, groups))
    else:
        n_folds = _N_FOLDS if calibration == "auto" else calibration
        n_folds = min(n_folds, len(np.unique(groups)))
        if n_folds < 2:
            return []
        splitter = GroupKFold(n_folds, shuffle=True, random_state=seed)
        folds = list(splitter.split(table, None, groups))
    for train, held_out in folds:
        if np.isin(held_out, train).any():
            raise ValueError(
                f"calibration={calibration!r} has held-out queries among its training queries"
            )
    folds = [fold for fold in folds if len(fold[0]) and len(fold[1])]
    return _limit_held_out(folds, seed) if limit else folds


def number_groups(groups, X, outcomes):
    """Number the groups of queries that share a fold.

    Parameters
    ----------
    groups : array-like of shape (n_queries,) or None
        Groups of the user. None keeps copies of a query together: queries of equal label or
        text, or equal rows of X.
    X : array-like of shape (n_queries, ...)
        Features. Where most rows equal another one, they are categories that queries share, and
        not copies.
    outcomes : Outcomes
        Outcomes of the queries.

    Returns
    -------
    ndarray of int of shape (n_queries,)
        The numbers.

    Raises
    ------
    ValueError
        If there is not one group per query.
    """
    if groups is not None:
        check_consistent_length(groups, outcomes.queries)
        return pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
    identities = query_identities(outcomes)
    rows = _row_codes(X)
    if rows is None or 2 * len(np.unique(rows)) < len(rows):
        return pd.factorize(identities)[0]
    return pd.factorize(connected_rows(identities, rows))[0]


def _is_splitter(calibration):
    return hasattr(calibration, "split") and not isinstance(calibration, str)


def _limit_held_out(folds, seed):
    """Keep at most 5,000 held-out rows, the same share of every fold."""
    n_held_out = sum(len(held_out) for _, held_out in folds)
    if n_held_out <= _MAX_HELD_OUT:
        return folds
    rng = np.random.default_rng(seed)
    share = _MAX_HELD_OUT / n_held_out
    return [
        (train, np.sort(rng.choice(held_out, int(share * len(held_out)), replace=False)))
        for train, held_out in folds
    ]


def _row_codes(X):
    """Number the rows of a table of features; None where they are not compared."""
    if isinstance(X, pd.DataFrame):
        try:
            hashes = pd.util.hash_pandas_object(X, index=False).to_numpy()
        except TypeError:  # values that have no hash
            return None
    elif issparse(X):
        hashes = _hash_sparse_rows(X.tocsr(copy=True))
    else:
        X = np.ascontiguousarray(X)
        if X.ndim != 2 or X.size == 0 or X.dtype.kind not in "fiub":
            return None
        hashes = X.view(np.dtype((np.void, X.dtype.itemsize * X.shape[1]))).ravel()
    return np.unique(hashes, return_inverse=True)[1].reshape(-1)


def _hash_sparse_rows(X):
    """Hash the rows of a sparse matrix: sums of the hashes of their entries, which wrap around."""
    X.sum_duplicates()
    X.eliminate_zeros()
    entries = pd.util.hash_array(X.data) * np.uint64(3) + X.indices.astype(np.uint64)
    sums = np.append(np.uint64(0), np.cumsum(pd.util.hash_array(entries), dtype=np.uint64))
    return sums[X.indptr[1:]] - sums[X.indptr[:-1]]
