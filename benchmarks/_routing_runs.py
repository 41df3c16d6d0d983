"""Routers of a benchmark, and what they gain over the best single model out of fold."""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from _real_tables import make_vectorizer
from scipy.sparse import issparse
from scipy.stats import t as student_t
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    QueryEncoder,
    list_routers,
    make_router,
)
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.routing.estimators import NeighborsRegressorCV, StagedRegressor

PLAIN = ":plain"


class Run(NamedTuple):
    """One router on one table, at one cost weight.

    Parameters
    ----------
    table, data_set, features, column, router : str
        What was run; ``column`` is "text", "text+column" or "column".
    cost_weight : float
        Cost weight of the routes and of the utilities.
    best_utility : float
        Mean utility of the best single model, which is chosen on the training queries of each fold.
    gains : ndarray of shape (n_splits, n_queries)
        Utility of the routed model less that of the best single model, out of fold.
    clusters : ndarray of shape (n_queries,)
        Queries that are not independent have the same number.
    """

    table: str
    data_set: str
    features: str
    column: str
    router: str
    cost_weight: float
    best_utility: float
    gains: np.ndarray
    clusters: np.ndarray


class Interval(NamedTuple):
    """A mean with its 95 % interval, and the two-sided p-value of its being 0."""

    mean: float
    low: float
    high: float
    p_value: float


# ---- routers -----------------------------------------------------------------------


def _to_dense(X):
    return X.toarray() if issparse(X) else X


def _reduced(regressor):
    """Return a regressor on 50 components of its features, which trees need to be fast."""
    return make_pipeline(TruncatedSVD(50, random_state=0), regressor)


_REGRESSORS = {
    "default": NeighborsRegressorCV,
    "knn-16": lambda: KNeighborsRegressor(16, weights="distance"),
    "ridge": lambda: make_pipeline(
        FunctionTransformer(_to_dense, accept_sparse=True), RidgeCV(np.logspace(-1, 4, 11))
    ),
    "forest": lambda: _reduced(
        RandomForestRegressor(100, min_samples_leaf=5, max_features=1 / 3, random_state=0)
    ),
    "boosting": lambda: _reduced(
        MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=50, random_state=0))
    ),
}
# "auto" and "knn" are the default on features alone.
_FAMILIES = tuple(name for name in list_routers() if name not in ("auto", "knn"))
REGRESSORS = tuple(_REGRESSORS)
ROUTERS = ("constant", *(name + end for name in REGRESSORS for end in ("", PLAIN)), *_FAMILIES)


def make_table_router(name, table, features, column, seed):
    """Return a router for features and columns of a table, not fitted.

    Parameters
    ----------
    name : str
        One of ``ROUTERS`` but "constant".
    table : Table
        The table; cost weights reach up to its highest one.
    features : {"tfidf", "minilm"}
        Features of the texts.
    column : {"text", "text+column", "column"}
        What the router learns from.
    seed : int
        Seed of the router.

    Returns
    -------
    DistributionalRouter
        The router.
    """
    params = {
        "aggregator": OutcomeAggregator(cost_scaling=table.cost_range),
        "cost_weight": max(table.cost_weights),
        # Routes are judged by mean scores.
        "risk_aversion": 0.0,
        "random_state": seed,
    }
    base, is_plain = name.removesuffix(PLAIN), name.endswith(PLAIN)
    if is_plain:
        params["calibration"] = None
    if base in _FAMILIES:
        return make_router(base, **params)
    estimator = _REGRESSORS[base]()
    if column == "text":
        # The estimator of "default" is the router's own: name no other.
        estimator = None if base == "default" else estimator
    elif column == "column":
        estimator = StagedRegressor(groups=["column"], columns=[])
    elif features == "tfidf":
        text = make_pipeline(QueryEncoder(make_vectorizer()), estimator)
        estimator = StagedRegressor(text, groups=["column"], columns="text")
    else:
        estimator = StagedRegressor(estimator, groups=["column"])
    return DistributionalRouter(estimator, **params)


def split_inputs(table, features, column, embeddings, train, test):
    """Return what a router is fitted on and what it predicts for, in one fold."""
    texts = table.texts
    if column == "text" and features == "tfidf":
        vectorizer = make_vectorizer()
        return vectorizer.fit_transform(texts[train]), vectorizer.transform(texts[test])
    if column == "text":
        return embeddings[train], embeddings[test]
    frame = pd.DataFrame({"column": table.column})
    if features == "tfidf" or column == "column":
        frame["text"] = texts
    else:
        names = [f"feature_{number}" for number in range(embeddings.shape[1])]
        frame = frame.join(pd.DataFrame(embeddings, columns=names, index=frame.index))
    return frame.iloc[train], frame.iloc[test]


# ---- runs --------------------------------------------------------------------------


def measure_split(name, table, features, column, embeddings, seed):
    """Gains of one router in one split into five folds.

    Parameters
    ----------
    name : str
        One of ``ROUTERS``.
    table : Table
        The table.
    features, column : str
        As in ``make_table_router``.
    embeddings : ndarray or None
        Embeddings of the texts, for features="minilm".
    seed : int
        Seed of the split and of the router.

    Returns
    -------
    gains, best : ndarray of shape (n_cost_weights, n_queries)
        Utility of the routes less that of the best single model, and the latter.
    """
    weights = np.array(table.cost_weights)
    utilities = table.score - weights[:, None, None] * table.cost
    gains = np.zeros(utilities.shape[:2])
    best = np.zeros_like(gains)
    for train, test in table.splits(seed):
        best_model = utilities[:, train].mean(axis=1).argmax(axis=1)
        best[:, test] = [own[test, model] for own, model in zip(utilities, best_model, strict=True)]
        if name == "constant":
            continue
        X_train, X_test = split_inputs(table, features, column, embeddings, train, test)
        router = make_table_router(name, table, features, column, seed)
        groups = None if table.fit_groups is None else table.fit_groups[train]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DarsWarning)
            router.fit(X_train, table.outcomes[train], groups=groups)
            predicted = router.utilities_by_cost_weight(X_test, table.cost_weights)
        for number, own in enumerate(predicted):
            routed = utilities[number, test, own.argmax(axis=1)]
            gains[number, test] = routed - best[number, test]
    return gains, best


def collect_runs(name, table, features, column, splits):
    """Return one run per cost weight, from what ``measure_split`` returned for each split."""
    gains, best = (np.stack(own, axis=1) for own in zip(*splits, strict=True))
    return [
        Run(
            table.name, table.data_set, features, column, name, cost_weight,
            best[number].mean(), gains[number], table.clusters,
        )
        for number, cost_weight in enumerate(table.cost_weights)
    ]  # fmt: skip


# ---- intervals ---------------------------------------------------------------------


def mean_interval(values, clusters):
    """Mean over splits and queries, with an interval over both.

    Parameters
    ----------
    values : ndarray of shape (n_splits, n_queries)
        Values.
    clusters : ndarray of shape (n_queries,)
        Queries of one cluster are not independent.

    Returns
    -------
    Interval
        The squared standard error is that of the mean over clusters of the values averaged over
        splits, plus that of the mean over splits; what both contain is counted twice, so that
        the interval is rather too wide.
    """
    n_splits, n_queries = values.shape
    estimate = values.mean()
    by_cluster = np.bincount(clusters, values.mean(axis=0) - estimate)
    n_clusters = len(by_cluster)
    variance = (by_cluster**2).sum() * n_clusters / (n_clusters - 1) / n_queries**2
    if n_splits > 1:
        variance += values.mean(axis=1).var(ddof=1) / n_splits
    return _interval(estimate, variance, n_clusters - 1)


def joint_interval(runs):
    """Mean gain over runs, with queries resampled jointly over the runs of a data set.

    Parameters
    ----------
    runs : sequence of Run
        Runs of one router.

    Returns
    -------
    Interval
        Data sets weigh as much as they have runs; their errors are independent.
    """
    estimate, variance, squares = 0.0, 0.0, 0.0
    for data_set in {run.data_set for run in runs}:
        own = [run for run in runs if run.data_set == data_set]
        clusters = min((run.clusters for run in own), key=lambda numbers: numbers.max())
        part = mean_interval(np.mean([run.gains for run in own], axis=0), clusters)
        n_clusters = clusters.max() + 1
        share = len(own) / len(runs)
        margin = student_t.ppf(0.975, n_clusters - 1)
        own_variance = (share * (part.high - part.mean) / margin) ** 2
        estimate += share * part.mean
        variance += own_variance
        squares += own_variance**2 / (n_clusters - 1)
    # Degrees of freedom by Welch and Satterthwaite.
    return _interval(estimate, variance, variance**2 / squares if squares else 1)


def adjust_by_holm(p_values):
    """Return p-values adjusted for their number by Holm's method."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(scaled)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


def _interval(estimate, variance, n_degrees):
    if variance == 0:
        return Interval(estimate, estimate, estimate, 1.0)
    error = np.sqrt(variance)
    margin = student_t.ppf(0.975, n_degrees) * error
    p_value = 2 * student_t.sf(abs(estimate) / error, n_degrees)
    return Interval(estimate, estimate - margin, estimate + margin, float(p_value))
