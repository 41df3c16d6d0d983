"""Fit the estimators inside a router on some rows, and predict a target's blocks with them.

A head is one fitted estimator. It predicts all blocks of columns, one block, or all blocks of one
model.
"""

from functools import partial
from inspect import signature
from typing import NamedTuple

import numpy as np
from sklearn.base import is_classifier

from dars_sklearn.routing._classifier_head import (
    fit_classifier_head,
    predict_class_probabilities,
)
from dars_sklearn.routing._estimator import make_estimator, make_seeds
from dars_sklearn.routing._regressor_heads import (
    fit_block_heads,
    fit_model_heads,
    predict_blocks,
    predict_blocks_by_model,
)

__all__ = ["HEADS", "FittedHeads", "fit_heads"]

HEADS = ("joint", "separate", "model")


class FittedHeads(NamedTuple):
    """The fitted heads of a router.

    Parameters
    ----------
    estimators : list of estimators
        The heads.
    kind : {"joint", "separate", "model"}
        What each head predicts, as the router's ``heads``.
    label_means : dict of str to ndarray of shape (n_models,)
        Means of the labels that were learnt.
    """

    estimators: list
    kind: str
    label_means: dict

    def predict(self, X):
        """Predict the blocks, without regard to the range of their quantities.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Features.

        Returns
        -------
        dict of str to ndarray of shape (n_queries, n_models)
            The blocks.
        """
        names = tuple(self.label_means)
        if _is_classified(names, self.estimators[0]):
            (name,) = names
            n_models = len(self.label_means[name])
            return {name: predict_class_probabilities(self.estimators[0], X, n_models)}
        predict = predict_blocks_by_model if self.kind == "model" else predict_blocks
        return predict(self.estimators, X, names)

    def predict_deviations(self, X):
        """Predict how the blocks deviate from the means of their labels, by component.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Features.

        Returns
        -------
        dict of str to ndarray of shape (n_components, n_queries, n_models)
            The deviations. An estimator that has ``predict_components`` has several; others have
            one, the whole prediction.
        """
        if not all(hasattr(head, "predict_components") for head in self.estimators):
            predicted = self.predict(X)
            return {name: (predicted[name] - self.label_means[name])[None] for name in predicted}
        names = tuple(self.label_means)
        tables = [np.asarray(head.predict_components(X)) for head in self.estimators]
        if self.kind == "model":
            table = np.stack(tables, axis=3)
            return {name: table[:, :, block] for block, name in enumerate(names)}
        blocks = np.split(np.concatenate(tables, axis=2), len(names), axis=2)
        return dict(zip(names, blocks, strict=True))

    @property
    def has_own_decision_rule(self):
        """Whether the only head decides, given a cost weight."""
        rule = getattr(self.estimators[0], "decision_function", None)
        if len(self.estimators) > 1 or rule is None:
            return False
        return "cost_weight" in signature(rule).parameters

    @property
    def components(self):
        """Names of the components of the predictions."""
        head = self.estimators[0]
        return list(head.components_) if hasattr(head, "predict_components") else ["estimator"]


def fit_heads(estimator, X, blocks, models, *, kind, observed, random_state, n_jobs, fit_params):
    """Fit the heads of a router.

    All arguments with one row per query may be those of some of the queries, such as the training
    rows of a fold; :func:`params_of_rows` selects those of the fit parameters.

    Parameters
    ----------
    estimator : regressor, classifier or None
        Cloned for each head; None uses the default estimator.
    X : array-like of shape (n_queries, ...)
        Features.
    blocks : dict of str to ndarray of shape (n_queries, n_models)
        Labels.
    models : ndarray of shape (n_models,)
        Model names.
    kind : {"joint", "separate", "model"}
        One head for all blocks; one per block; or one per model, fitted on the queries that have
        outcomes of it. A classifier learns the block of probabilities with one head.
    observed : ndarray of bool of shape (n_queries, n_models)
        Which (query, model) pairs have outcomes.
    random_state : int, RandomState instance or None
        Seed, from which each head has its own.
    n_jobs : int or None
        Number of heads, or of columns, fitted in parallel.
    fit_params : dict
        Passed to each fit; of those with one value per query, the values of its queries.

    Returns
    -------
    FittedHeads
        The heads.
    """
    make, seeds = partial(make_estimator, estimator), partial(make_seeds, random_state)
    settings = {"seeds": seeds, "n_jobs": n_jobs, "fit_params": fit_params}
    if _is_classified(blocks, classifier := make()):
        (probability,), (seed,) = blocks.values(), seeds(1)
        head = fit_classifier_head(classifier, X, probability, seed=seed, fit_params=fit_params)
        heads = [head]
    elif kind == "model":
        heads = fit_model_heads(make, X, blocks, models, observed=observed, **settings)
    else:
        separate = kind == "separate"
        heads = fit_block_heads(make, X, blocks, models, separate=separate, **settings)
    return FittedHeads(heads, kind, {name: block.mean(axis=0) for name, block in blocks.items()})


def _is_classified(block_names, estimator):
    """Return whether an estimator learns the probabilities of being best as a classifier."""
    return tuple(block_names) == ("probability",) and is_classifier(estimator)
