"""Routers of the paper's families, by name."""

from functools import partial

import numpy as np
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from dars_sklearn.routing._router import DistributionalRouter
from dars_sklearn.routing.estimators import MIRT, AvengersPro, EmbedLLM, GraphRouter, RMSoftmax

__all__ = ["list_routers", "make_router"]

_PRESETS = ("default", "paper")


def _to_dense(X):
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X)


# Each function below returns an estimator and the router's parameters that go with it.


def _make_knn(preset):
    # None is the router's default, 16 nearest neighbours, or all where there are fewer queries.
    return None, {}


def _make_mlp(preset):
    mlp = MLPRegressor(
        hidden_layer_sizes=(128, 64), learning_rate_init=1e-3, alpha=1e-4, max_iter=800,
        early_stopping=preset == "default", n_iter_no_change=20 if preset == "default" else 10,
    )  # fmt: skip
    dense = FunctionTransformer(_to_dense, accept_sparse=True)
    return make_pipeline(dense, StandardScaler(), mlp), {"heads": "separate"}


def _make_avengers_pro(preset):
    return AvengersPro(), {}


def _make_neural(family, epochs, batch_size, preset, target="capability", **paper):
    training = {"max_epochs": epochs, "batch_size": batch_size, "early_stopping": False}
    estimator = family() if preset == "default" else family(**training, **paper)
    return estimator, {"target": target}


_FAMILIES = {
    "knn": _make_knn,
    "mlp": _make_mlp,
    "avengers-pro": _make_avengers_pro,
    "embedllm": partial(_make_neural, EmbedLLM, 20, 2048, target="penalised", clip=True),
    "mirt": partial(_make_neural, MIRT, 30, 256),
    "rm-softmax": partial(_make_neural, RMSoftmax, 20, 256, target="penalised"),
    "graph-router": partial(_make_neural, GraphRouter, 50, 256),
}


def list_routers():
    """Return the names that ``make_router`` accepts.

    Returns
    -------
    list of str
        Names of router families.

    Examples
    --------
    >>> from dars_sklearn import list_routers
    >>> list_routers()
    ['knn', 'mlp', 'avengers-pro', 'embedllm', 'mirt', 'rm-softmax', 'graph-router']
    """
    return list(_FAMILIES)


def make_router(name, preset="default", **overrides):
    """Create a router of a family by its name.

    Parameters
    ----------
    name : str
        One of ``list_routers()``.
    preset : {"default", "paper"}, default="default"
        "paper" trains the neural families for the number of epochs of the paper, which is only a
        handful of optimiser steps on a few hundred queries. "default" trains until the loss of
        held-out queries stops improving.
    **overrides : dict
        Parameters of the router, or of its estimator as ``estimator__<name>``.

    Returns
    -------
    DistributionalRouter
        The router, not fitted.

    Raises
    ------
    ValueError
        If the name or the preset is unknown.

    References
    ----------
    Section "Routers" of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import make_router
    >>> make_router("avengers-pro", cost_weight=0.1, estimator__n_clusters=8)
    DistributionalRouter(cost_weight=0.1, estimator=AvengersPro(n_clusters=8))
    """
    if name not in _FAMILIES:
        raise ValueError(f"there is no router family {name!r}; choose one of {list_routers()}")
    if preset not in _PRESETS:
        raise ValueError(f"preset must be one of {list(_PRESETS)}, got {preset!r}")
    estimator, settings = _FAMILIES[name](preset)
    if estimator is None and any(key.startswith("estimator__") for key in overrides):
        estimator = KNeighborsRegressor(16, weights="distance")
    return DistributionalRouter(estimator, **settings).set_params(**overrides)
