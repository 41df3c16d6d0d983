"""Routers of the paper's families, and of EquiRouter, by name."""

from functools import partial

import numpy as np
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from dars_sklearn.labels._aggregator import OutcomeAggregator
from dars_sklearn.routing._router import DistributionalRouter
from dars_sklearn.routing.estimators import (
    MIRT,
    AvengersPro,
    EmbedLLM,
    EquiRouter,
    GraphRouter,
    RMSoftmax,
    StagedRegressor,
)

__all__ = ["list_routers", "make_router"]

_PRESETS = ("default", "paper")
# What has a decision rule of its own predicts no quantity that could be calibrated.
_OWN_DECISION_RULE = {"calibration": None}


def _to_dense(X):
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X)


# Each function below returns an estimator and the router's parameters that go with it.


def _make_knn(preset):
    # None is the router's default, which chooses the number of neighbours.
    return KNeighborsRegressor(16, weights="distance") if preset == "paper" else None, {}


def _make_mlp(preset):
    # Standardising multiplies each feature of an embedding by about 20, and a rare word of TF-IDF
    # by about the square root of the number of queries; either way the network overfits.
    dense = FunctionTransformer(_to_dense, accept_sparse=True)
    mlp = MLPRegressor(
        hidden_layer_sizes=(128, 64), learning_rate_init=1e-3, alpha=1e-4, max_iter=800
    )
    if preset == "paper":
        return make_pipeline(dense, StandardScaler(), mlp), {"heads": "separate"}
    mlp.set_params(alpha=0.1, early_stopping=True, n_iter_no_change=20)
    return make_pipeline(dense, mlp), {"heads": "separate"}


def _make_avengers_pro(preset):
    return AvengersPro(), {}


def _make_neural(family, epochs, batch_size, preset, target="capability", **paper):
    training = {"max_epochs": epochs, "batch_size": batch_size, "early_stopping": False}
    estimator = family() if preset == "default" else family(**training, **paper)
    return estimator, {"target": target}


def _make_rm_softmax(preset):
    estimator, settings = _make_neural(RMSoftmax, 20, 256, preset, target="penalised")
    return estimator, settings | _OWN_DECISION_RULE


def _make_equirouter(preset):
    return EquiRouter(), {"target": "penalised"} | _OWN_DECISION_RULE


def _make_auto(preset):
    return StagedRegressor(groups="auto"), {}


_FAMILIES = {
    "auto": _make_auto,
    "knn": _make_knn,
    "mlp": _make_mlp,
    "avengers-pro": _make_avengers_pro,
    "embedllm": partial(_make_neural, EmbedLLM, 20, 2048, target="penalised", clip=True),
    "mirt": partial(_make_neural, MIRT, 30, 256),
    "rm-softmax": _make_rm_softmax,
    "graph-router": partial(_make_neural, GraphRouter, 50, 256),
    "equirouter": _make_equirouter,
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
    ['auto', 'knn', 'mlp', 'avengers-pro', 'embedllm', 'mirt', 'rm-softmax', ...]
    """
    return list(_FAMILIES)


def make_router(name, preset="default", **overrides):
    """Create a router of a family by its name.

    Parameters
    ----------
    name : str
        One of ``list_routers()``.
    preset : {"default", "paper"}, default="default"
        "paper" is the experiment of the paper as it was released: labels are means over all
        outcomes of a (query, model) pair, however these are divided among paraphrases;
        predictions are not calibrated; "knn" has 16 neighbours, weighted by distance, and needs
        as many queries; and the neural families are trained for the number of
        epochs of the paper, which is only a handful of optimiser steps on a few hundred queries.
        "default" trains until held-out queries stop improving.
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

    Notes
    -----
    "mlp" standardises features under ``preset="paper"`` only, which costs quality on texts
    (``benchmarks/routers.py``). By default it takes them as they are: scale features of other
    units than TF-IDF or embeddings, with ``StandardScaler`` in a Pipeline.

    "graph-router" takes descriptions of the models as ``estimator__descriptions``; without, they
    are distinguished by their names only. The paper encodes them together with the queries; see
    :class:`~dars_sklearn.routing.estimators.GraphRouter`.

    "equirouter" is not a family of the paper, and its estimator is the same for both presets.

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
    if preset == "paper":
        aggregator = OutcomeAggregator(weighting="pooled")
        settings = settings | {"aggregator": aggregator, "calibration": None}
    return DistributionalRouter(estimator, **settings).set_params(**overrides)
