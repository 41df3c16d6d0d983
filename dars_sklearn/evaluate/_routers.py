"""Routers by themselves or at the end of a pipeline."""

from numbers import Integral

from sklearn.base import clone
from sklearn.model_selection import KFold, check_cv
from sklearn.pipeline import Pipeline

from dars_sklearn.aggregate import OutcomeAggregator

__all__ = [
    "features_of",
    "final_router",
    "folds",
    "with_cost_scaling",
]


def final_router(router):
    """The router itself, without what encodes its queries."""
    return router[-1] if isinstance(router, Pipeline) else router


def features_of(router, X):
    """What a fitted router is given for queries X."""
    return router[:-1].transform(X) if isinstance(router, Pipeline) else X


def with_cost_scaling(router, limits):
    """A clone whose labels and utilities are on the scale of all that is compared."""
    router = clone(router)
    final = final_router(router)
    aggregator = OutcomeAggregator() if final.aggregator is None else final.aggregator
    if limits[1] > limits[0] and isinstance(aggregator.cost_scaling, str):
        final.set_params(aggregator=clone(aggregator).set_params(cost_scaling=limits))
    return router


def folds(cv, random_state):
    """A splitter; a number of folds shuffles, unlike scikit-learn's own."""
    if isinstance(cv, Integral):
        return KFold(cv, shuffle=True, random_state=random_state)
    return check_cv(cv, classifier=False)
