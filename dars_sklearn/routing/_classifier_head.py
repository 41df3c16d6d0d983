"""A classifier of the best model, from the probability that each model is best.

No classifier of scikit-learn learns from probabilities, so that a query becomes one row for each
model that may be best, weighted by the probability. A classifier that holds rows out, for a
cross-validation or for early stopping, would then find the queries that it holds out among its
training rows, with other labels, and learn from it that what it predicts is wrong. Such a
classifier receives each query once.
"""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from dars_sklearn.routing._estimator import params_of_rows, with_seed

__all__ = ["count_inner_folds", "fit_classifier_head", "predict_class_probabilities"]

# Number of folds of ``cv=None`` in scikit-learn.
_DEFAULT_N_FOLDS = 5


class _Examples(NamedTuple):
    """What a classifier learns.

    Parameters
    ----------
    rows : ndarray of int of shape (n_examples,)
        Row of the query.
    models : ndarray of int of shape (n_examples,)
        Position of the model, which is the label.
    weight : ndarray of shape (n_examples,)
        Probability that the model is the best one on the query.
    """

    rows: np.ndarray
    models: np.ndarray
    weight: np.ndarray


def fit_classifier_head(classifier, X, probability, *, seed, fit_params):
    """Fit a classifier of the best model.

    Parameters
    ----------
    classifier : classifier
        Not fitted. If it accepts sample weights and holds no rows out, each query has a row for
        each model that may be best. Otherwise it has one row, of the most probable model.
    X : array-like of shape (n_queries, ...)
        Features.
    probability : ndarray of shape (n_queries, n_models)
        Probability that each model is best, the weight of the row.
    seed : int or None
        Seed.
    fit_params : dict
        Passed to fit.

    Returns
    -------
    classifier
        Fitted; its classes are the positions of the models. A constant one, if one model is the
        best one on all queries.

    Raises
    ------
    ValueError
        If the classifier does not predict probabilities.
    """
    if not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"target='choice' needs probabilities, and {type(classifier).__name__} has no "
            "predict_proba; wrap it in CalibratedClassifierCV, or use a regressor"
        )
    weight_name = _request_sample_weight(classifier)
    n_inner_folds = count_inner_folds(classifier)
    if weight_name is None or n_inner_folds > 0:
        examples = _most_probable_models(probability, n_inner_folds)
    else:
        examples = _all_possible_models(probability)
    if len(np.unique(examples.models)) == 1:
        return DummyClassifier().fit(X, np.full(len(probability), examples.models[0]))
    fit_params = params_of_rows(fit_params, len(probability), examples.rows)
    if weight_name is not None:
        fit_params[weight_name] = examples.weight * fit_params.pop("sample_weight", 1.0)
    X = _safe_indexing(X, examples.rows)
    return with_seed(classifier, seed).fit(X, examples.models, **fit_params)


def predict_class_probabilities(classifier, X, n_models):
    """Predict the probability that each model is best.

    Parameters
    ----------
    classifier : classifier
        Fitted; its classes are positions of models.
    X : array-like of shape (n_queries, ...)
        Features.
    n_models : int
        Number of models.

    Returns
    -------
    ndarray of shape (n_queries, n_models)
        Probabilities, 0 for models that are not among the classes.
    """
    by_class = classifier.predict_proba(X)
    probability = np.zeros((len(by_class), n_models))
    probability[:, classifier.classes_] = by_class
    return probability


def count_inner_folds(estimator):
    """Count the folds into which an estimator, or a part of it, splits its training rows.

    Estimators do not say whether they hold rows out. Their parameters do, in scikit-learn and in
    the libraries that follow it: ``cv``; ``early_stopping``; ``n_iter_no_change`` where there is
    no ``early_stopping``; ``probability`` of support vector machines; ``oob_score``; and
    ``train_split`` of skorch.

    Parameters
    ----------
    estimator : estimator
        An estimator, whose parts are estimators among its parameters.

    Returns
    -------
    int
        Number of folds, summed over the parts; a set that is held out counts as two folds. 0 if
        no rows are held out.
    """
    params = estimator.get_params()
    return sum(_count_folds(name, value, params) for name, value in params.items())


def _count_folds(name, value, params):
    """Count the folds that one parameter makes."""
    owner, separator, own_name = name.rpartition("__")
    if own_name == "cv":
        n_folds = getattr(value, "n_splits", value)
        return n_folds if isinstance(n_folds, Integral) else _DEFAULT_N_FOLDS
    if own_name == "probability":
        return _DEFAULT_N_FOLDS if value is True else 0
    if own_name == "n_iter_no_change":
        has_switch = f"{owner}{separator}early_stopping" in params
        return 0 if has_switch or value is None else 2
    if own_name in ("early_stopping", "oob_score", "train_split"):
        return 0 if value is None or value is False else 2
    return 0


def _all_possible_models(probability):
    """Return an example for each model that may be best on a query."""
    rows, models = np.nonzero(probability > 0)
    return _Examples(rows, models, probability[rows, models])


def _most_probable_models(probability, n_min):
    """Return one example per query, of the most probable model.

    Folds need examples of each label, so that a model that is the most probable one on fewer than
    ``n_min`` queries is left out, and the queries go to the next model.
    """
    rows = np.arange(len(probability))
    counts = np.bincount(probability.argmax(axis=1), minlength=probability.shape[1])
    is_frequent = counts >= min(n_min, counts.max())
    models = np.where(is_frequent, probability, -1).argmax(axis=1)
    return _Examples(rows, models, probability[rows, models])


def _request_sample_weight(classifier):
    """Return the name of the parameter of fit that takes sample weights, None if there is none.

    Where metadata routing is enabled, the last step of a pipeline has to request them.
    """
    if has_fit_parameter(classifier, "sample_weight"):
        return "sample_weight"
    if isinstance(classifier, Pipeline):
        step, final = classifier.steps[-1]
        if has_fit_parameter(final, "sample_weight"):
            if get_config()["enable_metadata_routing"]:
                final.set_fit_request(sample_weight=True)
                return "sample_weight"
            return f"{step}__sample_weight"
    return None
