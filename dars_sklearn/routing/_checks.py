"""Checks of a router's parameters, of its features, and of what its estimator predicts."""

from numbers import Real
from textwrap import shorten

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import validate_data

from dars_sklearn.outcomes._messages import read_conversations
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.routing._calibration_folds import check_calibration
from dars_sklearn.routing._heads import HEADS
from dars_sklearn.routing._learning import LABEL_PRIORS
from dars_sklearn.routing._targets import TARGETS
from dars_sklearn.utility._costs import check_cost_weight

__all__ = ["check_features", "check_parameters", "check_predictions", "raise_if_text"]


def check_parameters(router):
    """Refuse parameters of a router that are out of range, or that exclude each other.

    Parameters
    ----------
    router : DistributionalRouter
        A router, fitted or not.

    Raises
    ------
    ValueError
        If there is such a parameter.
    """
    for name, allowed in (("target", TARGETS), ("heads", HEADS)):
        if getattr(router, name) not in allowed:
            raise ValueError(
                f"{name} must be one of {list(allowed)}, got {getattr(router, name)!r}"
            )
    if router.target == "choice" and router.heads == "model":
        raise ValueError(
            "target='choice' compares models with each other, which heads='model' does not "
            "allow; use heads='joint', which does not need outcomes of every model here"
        )
    if router.label_prior not in LABEL_PRIORS:
        raise ValueError(
            f"label_prior must be one of {list(LABEL_PRIORS)}, got {router.label_prior!r}"
        )
    if router.target == "choice" and router.label_prior == "features":
        raise ValueError(
            "target='choice' learns probabilities of being best, which have no prior of their "
            "own; use label_prior='aggregator'"
        )
    check_calibration(router.calibration)
    threshold = router.gain_threshold
    if not isinstance(threshold, Real) or not 0 <= threshold < np.inf:
        raise ValueError(f"gain_threshold must be a finite float >= 0, got {threshold!r}")
    check_cost_weight(router.cost_weight)
    if not isinstance(router.risk_aversion, Real) or not 0 <= router.risk_aversion < np.inf:
        raise ValueError(f"risk_aversion must be a finite float >= 0, got {router.risk_aversion!r}")


def check_features(router, X, *, reset):
    """Return features, with conversations read as texts; refuse those of another number.

    Parameters
    ----------
    router : DistributionalRouter
        The router, on which ``n_features_in_`` and ``feature_names_in_`` are set or compared.
    X : array-like of shape (n_queries, ...)
        Features, texts or conversations.
    reset : bool
        Whether the features are those of fit, and not compared with them.

    Returns
    -------
    array-like of shape (n_queries, ...)
        Features or texts.

    Raises
    ------
    ValueError
        If X is one vector instead of a table, or has other features than in fit.
    """
    if reset:
        # validate_data would keep the number of an earlier fit where X is text and has none.
        vars(router).pop("n_features_in_", None)
    elif hasattr(router, "n_features_in_") and getattr(X, "ndim", 2) == 1:
        raise ValueError(
            "X must have one row per query, got a 1-D array. Reshape your data with "
            "X.reshape(1, -1) if it is a single query"
        )
    X = read_conversations(X)
    validate_data(router, X, skip_check_array=True, reset=reset)
    return X


def check_predictions(predicted):
    """Refuse predictions that are NaN.

    Parameters
    ----------
    predicted : dict of str to ndarray of shape (n_queries, n_models)
        Predicted blocks.

    Raises
    ------
    ValueError
        If some prediction is NaN.
    """
    with_nan = np.isnan(np.hstack(list(predicted.values()))).any(axis=1).sum()
    if with_nan:
        queries = plural("query", with_nan)
        raise ValueError(f"the estimator predicted NaN for {with_nan} {queries}")


def raise_if_text(X, error):
    """Name the encoder that is missing, if an estimator failed because it expects features.

    Parameters
    ----------
    X : array-like of shape (n_queries, ...)
        What the estimator was fitted on.
    error : ValueError
        The error of the estimator.

    Raises
    ------
    ValueError
        If the first row of X is a text, or consists of texts.
    """
    first_row = np.asarray(_safe_indexing(X, slice(1)), dtype=object).ravel().tolist()
    if first_row and all(isinstance(value, str) for value in first_row):
        first_line = str(error).partition("\n")[0].rstrip(":")  # X may follow
        raise ValueError(
            "X is text; if the estimator expects features, put a QueryEncoder before the router: "
            "Pipeline([('encode', QueryEncoder()), ('route', router)]), or "
            "QueryEncoder(TfidfVectorizer()) where sentence-transformers is not installed. The "
            f"error of the estimator: {shorten(first_line, 200)}"
        ) from error
