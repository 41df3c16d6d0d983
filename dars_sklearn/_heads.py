"""How the estimators inside a router are fitted, and what they predict."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params, has_fit_parameter

__all__ = [
    "fit_blocks",
    "fit_classifier",
    "fit_models",
    "predict_blocks",
    "predict_models",
    "predict_probabilities",
]


def fit_blocks(estimator, X, blocks, models, *, separate, seeds, n_jobs, fit_params):
    """Fit one head for all blocks of columns, or one for each.

    Parameters
    ----------
    estimator : callable
        Makes an estimator for a number of queries.
    X : array-like of shape (n_queries, ...)
        Features.
    blocks : dict of str to ndarray of shape (n_queries, n_models)
        What is to be learnt.
    models : ndarray of shape (n_models,)
        Model names.
    separate : bool
        Whether each block has a head of its own.
    seeds : callable
        Makes a number of seeds.
    n_jobs : int or None
        Heads, or columns, at once.
    fit_params : dict
        Passed to each fit.

    Returns
    -------
    list of estimators
        The heads.
    """
    heads = [(tuple(blocks), np.hstack(list(blocks.values())))]
    if separate:
        heads = [((name,), block) for name, block in blocks.items()]
    n_queries = len(heads[0][1])
    return Parallel(n_jobs=n_jobs)(
        delayed(_fit)(
            _seeded(estimator(n_queries), seed), X, table, n_jobs, fit_params,
            {"blocks": names, "models": models},
        )
        for (names, table), seed in zip(heads, seeds(len(heads)), strict=True)
    )  # fmt: skip


def predict_blocks(heads, X, n_models):
    """Predict with heads of blocks.

    Parameters
    ----------
    heads : list of estimators
        Fitted heads.
    X : array-like of shape (n_queries, ...)
        Features.
    n_models : int
        Columns of a block.

    Returns
    -------
    list of ndarray of shape (n_queries, n_models)
        The blocks.
    """
    columns = [np.asarray(head.predict(X), dtype=float) for head in heads]
    table = np.hstack([block.reshape(len(block), -1) for block in columns])
    return np.split(table, table.shape[1] // n_models, axis=1)


def fit_models(estimator, X, blocks, models, *, held, seeds, n_jobs, fit_params):
    """Fit one head a model, on the queries that have outcomes of it.

    Parameters
    ----------
    estimator : callable
        Makes an estimator for a number of queries.
    X : array-like of shape (n_queries, ...)
        Features.
    blocks : dict of str to ndarray of shape (n_queries, n_models)
        What is to be learnt.
    models : ndarray of shape (n_models,)
        Model names.
    held : ndarray of bool of shape (n_queries, n_models)
        Which pairs have outcomes.
    seeds : callable
        Makes a number of seeds.
    n_jobs : int or None
        Heads at once.
    fit_params : dict
        Passed to each fit, cut to its queries where they have a value a query.

    Returns
    -------
    list of estimators
        The heads; one without any query always predicts its labels' mean.
    """
    table = np.stack(list(blocks.values()), axis=2)

    def fit(model, seed):
        rows = np.flatnonzero(held[:, model])
        if len(rows) == 0:
            return DummyRegressor().fit(X, table[:, model])
        return _fit(
            _seeded(estimator(len(rows)), seed),
            _safe_indexing(X, rows),
            table[rows, model],
            None,
            _check_method_params(X, fit_params, indices=rows),
            {"blocks": tuple(blocks), "models": models[model : model + 1]},
        )

    jobs = enumerate(seeds(len(models)))
    return Parallel(n_jobs=n_jobs)(delayed(fit)(model, seed) for model, seed in jobs)


def predict_models(heads, X):
    """Predict with a head a model.

    Parameters
    ----------
    heads : list of estimators
        Fitted heads.
    X : array-like of shape (n_queries, ...)
        Features.

    Returns
    -------
    list of ndarray of shape (n_queries, n_models)
        The blocks.
    """
    columns = [np.asarray(head.predict(X), dtype=float) for head in heads]
    table = np.stack([column.reshape(len(column), -1) for column in columns], axis=2)
    return [table[:, block] for block in range(table.shape[1])]


def fit_classifier(classifier, X, probability, *, seed, fit_params):
    """Fit a classifier of the best model, a query counting for each by its probability.

    Parameters
    ----------
    classifier : classifier
        Not fitted.
    X : array-like of shape (n_queries, ...)
        Features.
    probability : ndarray of shape (n_queries, n_models)
        Probability that each model is best.
    seed : int or None
        Seed.
    fit_params : dict
        Passed to fit.

    Returns
    -------
    classifier
        Fitted; its classes are the models' numbers.

    Raises
    ------
    ValueError
        If it takes no sample weights.
    """
    name = _weight_parameter(classifier)
    rows, models = np.nonzero(probability > 0)
    fit_params = _check_method_params(X, fit_params, indices=rows)
    weight = probability[rows, models] * fit_params.pop("sample_weight", 1.0)
    return _seeded(classifier, seed).fit(
        _safe_indexing(X, rows), models, **fit_params, **{name: weight}
    )


def predict_probabilities(head, X, n_models):
    """Predict the probability that each model is best.

    Parameters
    ----------
    head : estimator
        A fitted classifier of the models' numbers, or a regressor of the
        probabilities.
    X : array-like of shape (n_queries, ...)
        Features.
    n_models : int
        Number of models.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Rows that sum to 1.
    """
    if is_classifier(head):
        of_classes = head.predict_proba(X)
        probability = np.zeros((len(of_classes), n_models))
        probability[:, head.classes_] = of_classes
        return probability
    (probability,) = predict_blocks([head], X, n_models)
    probability = np.maximum(probability, 0)
    total = probability.sum(axis=1, keepdims=True)
    return np.where(total > 0, probability / np.where(total > 0, total, 1), 1 / n_models)


def asks_for_layout(estimator):
    """Whether an estimator's fit takes the layout of the columns."""
    return [name for name in ("blocks", "models") if has_fit_parameter(estimator, name)]


def _weight_parameter(classifier):
    if has_fit_parameter(classifier, "sample_weight"):
        return "sample_weight"
    if isinstance(classifier, Pipeline):
        step, final = classifier.steps[-1]
        if has_fit_parameter(final, "sample_weight"):
            return f"{step}__sample_weight"
    raise ValueError(
        f"target='choice' weighs queries by probability, and {type(classifier).__name__} takes no "
        "sample_weight; use a classifier that does, such as LogisticRegression, or a regressor"
    )


def _seeded(estimator, seed):
    """The estimator with its own seeds set, not those of estimators within."""
    if seed is not None:
        names = [name for name in estimator.get_params() if name.endswith("random_state")]
        own = [n for n in names if n == "random_state" or n.endswith("__random_state")]
        estimator.set_params(**dict.fromkeys(own, seed))
    return estimator


def _fit(estimator, X, Y, n_jobs, fit_params, layout):
    """Fit all columns at once, or one clone a column where that is refused.

    Tags do not tell which it is: those of MLPRegressor and GridSearchCV deny
    an ability that they have. One that asks for the layout of columns takes
    them all.
    """
    layout = {name: layout[name] for name in asks_for_layout(estimator)}
    if layout:
        return estimator.fit(X, Y, **fit_params, **layout)
    if Y.shape[1] == 1:
        return estimator.fit(X, Y.ravel(), **fit_params)
    try:
        return clone(estimator).fit(X, Y, **fit_params)
    except (TypeError, ValueError):
        return MultiOutputRegressor(estimator, n_jobs=n_jobs).fit(X, Y, **fit_params)
