"""Routers by themselves or at the end of a pipeline."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, check_cv
from sklearn.pipeline import Pipeline

from dars_sklearn.aggregate import OutcomeAggregator

__all__ = [
    "check_length",
    "check_models",
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


def check_length(X, outcomes):
    """Refuse features of more queries, or fewer, than there are outcomes of."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_rows != len(outcomes):
        raise ValueError(
            f"X has {n_rows} queries and the outcomes have {len(outcomes)}; they must be the same "
            "queries in the same order"
        )


def check_models(outcomes, models):
    """Refuse outcomes of other models, or in another order, than a router is fitted on."""
    if not np.array_equal(outcomes.models, models):
        raise ValueError(
            f"the outcomes are of models {list(outcomes.models)}, the router is fitted on "
            f"{list(models)}; use outcomes.subset(models=)"
        )
