"""Routers by name: the families of the paper, ready to be fitted."""

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from dars_sklearn.capability import MIRT, AvengersPro, EmbedLLM, GraphRouter, RMSoftmax
from dars_sklearn.router import DistributionalRouter

__all__ = ["list_routers", "make_router", "single_shot_twin"]

_PRESETS = ("default", "paper")


def _densify(X):
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X)


def _knn(preset):
    # None is 16 nearest neighbours, or all where there are fewer queries.
    return None, {}


def _mlp(preset):
    mlp = MLPRegressor(
        hidden_layer_sizes=(128, 64), learning_rate_init=1e-3, alpha=1e-4, max_iter=800,
        early_stopping=preset == "default", n_iter_no_change=20 if preset == "default" else 10,
    )  # fmt: skip
    to_dense = FunctionTransformer(_densify, accept_sparse=True)
    return make_pipeline(to_dense, StandardScaler(), mlp), {"heads": "separate"}


def _avengers_pro(preset):
    return AvengersPro(), {}


def _neural(family, epochs, batch_size, target="capability", **paper):
    def make(preset):
        settings = {"max_epochs": epochs, "batch_size": batch_size, "early_stopping": False}
        estimator = family() if preset == "default" else family(**settings, **paper)
        return estimator, {"target": target}

    return make


_FAMILIES = {
    "knn": _knn,
    "mlp": _mlp,
    "avengers-pro": _avengers_pro,
    "embedllm": _neural(EmbedLLM, 20, 2048, target="penalised", clip=True),
    "mirt": _neural(MIRT, 30, 256),
    "rm-softmax": _neural(RMSoftmax, 20, 256, target="penalised"),
    "graph-router": _neural(GraphRouter, 50, 256),
}


def list_routers():
    """List the names that ``make_router`` takes.

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
    """Make a router of a family by its name.

    Parameters
    ----------
    name : str
        One of ``list_routers()``.
    preset : {"default", "paper"}, default="default"
        "paper" trains the neural families for the paper's number of epochs,
        which on a few hundred queries are a handful of optimiser steps; the
        default trains until the loss of held-out queries stops improving.
    **overrides : dict
        Parameters of the router, or of its estimator as ``estimator__<name>``.

    Returns
    -------
    DistributionalRouter
        Not fitted.

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
        raise ValueError(f"there is no router {name!r}; there are {list_routers()}")
    if preset not in _PRESETS:
        raise ValueError(f"preset must be one of {list(_PRESETS)}, got {preset!r}")
    estimator, settings = _FAMILIES[name](preset)
    if estimator is None and any(key.startswith("estimator__") for key in overrides):
        estimator = KNeighborsRegressor(16, weights="distance")
    return DistributionalRouter(estimator, **settings).set_params(**overrides)


def single_shot_twin(router):
    """Make the same router for single-shot supervision.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        A router.

    Returns
    -------
    DistributionalRouter or Pipeline
        A clone that weighs no risk, since one draw has none; fit it on
        ``outcomes.single_shot(random_state)``.

    References
    ----------
    The single-shot baseline of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, single_shot_twin
    >>> single_shot_twin(DistributionalRouter(risk_aversion=0.3)).risk_aversion
    0.0
    """
    twin = clone(router)
    (twin[-1] if isinstance(twin, Pipeline) else twin).set_params(risk_aversion=0.0)
    return twin
