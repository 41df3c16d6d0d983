"""Heads that are regressors, of all blocks of columns, of one block, or of one model."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import _safe_indexing

from dars_sklearn.routing._estimator import params_of_rows, with_seed
from dars_sklearn.routing.estimators._fit_params import accepted_fit_params

__all__ = [
    "fit_block_heads",
    "fit_model_heads",
    "predict_blocks",
    "predict_blocks_by_model",
]


def fit_block_heads(estimator, X, blocks, models, *, separate, seeds, n_jobs, fit_params):
    """Fit one head for all blocks of columns, or one per block.

    Parameters
    ----------
    estimator : callable
        Creates an estimator.
    X : array-like of shape (n_queries, ...)
        Features.
    blocks : dict of str to ndarray of shape (n_queries, n_models)
        Labels.
    models : ndarray of shape (n_models,)
        Model names.
    separate : bool
        Whether each block has its own head.
    seeds : callable
        Creates a number of seeds.
    n_jobs : int or None
        Number of heads, or of columns, fitted in parallel.
    fit_params : dict
        Passed to each fit.

    Returns
    -------
    list of estimators
        The heads.
    """
    columns = [(tuple(blocks), np.hstack(list(blocks.values())))]
    if separate:
        columns = [((name,), block) for name, block in blocks.items()]
    # A single head is fitted in this process, so that its columns can be fitted in others.
    heads_n_jobs, columns_n_jobs = (n_jobs, None) if len(columns) > 1 else (None, n_jobs)
    return Parallel(n_jobs=heads_n_jobs)(
        delayed(_fit_head)(
            with_seed(estimator(), seed), X, table, columns_n_jobs, fit_params,
            {"blocks": names, "models": models},
        )
        for (names, table), seed in zip(columns, seeds(len(columns)), strict=True)
    )  # fmt: skip


def predict_blocks(heads, X, names):
    """Predict with one head for all blocks, or one per block.

    Parameters
    ----------
    heads : list of estimators
        Fitted heads.
    X : array-like of shape (n_queries, ...)
        Features.
    names : tuple of str
        Names of the blocks.

    Returns
    -------
    dict of str to ndarray of shape (n_queries, n_models)
        The blocks.
    """
    table = np.hstack([_predict_columns(head, X) for head in heads])
    return dict(zip(names, np.split(table, len(names), axis=1), strict=True))


def fit_model_heads(estimator, X, blocks, models, *, observed, seeds, n_jobs, fit_params):
    """Fit one head per model, on the queries that have outcomes of it.

    Parameters
    ----------
    estimator : callable
        Creates an estimator.
    X : array-like of shape (n_queries, ...)
        Features.
    blocks : dict of str to ndarray of shape (n_queries, n_models)
        Labels.
    models : ndarray of shape (n_models,)
        Model names.
    observed : ndarray of bool of shape (n_queries, n_models)
        Which (query, model) pairs have outcomes.
    seeds : callable
        Creates a number of seeds.
    n_jobs : int or None
        Number of heads fitted in parallel.
    fit_params : dict
        Passed to each fit; of those with one value per query, the values of its queries.

    Returns
    -------
    list of estimators
        The heads. That of a model without outcomes always predicts the mean of its labels.
    """
    table = np.stack(list(blocks.values()), axis=2)

    def fit(model, seed):
        rows = np.flatnonzero(observed[:, model])
        if len(rows) == 0:
            return DummyRegressor().fit(X, table[:, model])
        return _fit_head(
            with_seed(estimator(), seed),
            _safe_indexing(X, rows),
            table[rows, model],
            None,
            params_of_rows(fit_params, len(table), rows),
            {"blocks": tuple(blocks), "models": models[model : model + 1]},
        )

    jobs = enumerate(seeds(len(models)))
    return Parallel(n_jobs=n_jobs)(delayed(fit)(model, seed) for model, seed in jobs)


def predict_blocks_by_model(heads, X, names):
    """Predict with one head per model.

    Parameters
    ----------
    heads : list of estimators
        Fitted heads.
    X : array-like of shape (n_queries, ...)
        Features.
    names : tuple of str
        Names of the blocks.

    Returns
    -------
    dict of str to ndarray of shape (n_queries, n_models)
        The blocks.
    """
    table = np.stack([_predict_columns(head, X) for head in heads], axis=2)
    return {name: table[:, block] for block, name in enumerate(names)}


def _predict_columns(head, X):
    """Return predictions as a table, also where there is only one column."""
    columns = np.asarray(head.predict(X), dtype=float)
    return columns.reshape(len(columns), -1)


def _fit_head(estimator, X, Y, n_jobs, fit_params, layout):
    """Fit all columns together, or one clone per column where the estimator refuses several.

    Tags do not show whether it does: those of MLPRegressor and GridSearchCV deny an ability that
    they have. An estimator whose fit has a parameter for the layout of the columns receives them
    all.
    """
    layout = accepted_fit_params(estimator, **layout)
    if layout:
        return estimator.fit(X, Y, **fit_params, **layout)
    if Y.shape[1] == 1:
        return estimator.fit(X, Y.ravel(), **fit_params)
    try:
        return clone(estimator).fit(X, Y, **fit_params)
    except (TypeError, ValueError):
        return MultiOutputRegressor(estimator, n_jobs=n_jobs).fit(X, Y, **fit_params)
