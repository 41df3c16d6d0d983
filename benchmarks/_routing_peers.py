"""Routers of other packages, on the features and labels of this one.

LLMRouter (``llmrouter-lib``) reads its data from files, and encodes queries by Longformer when it
routes. Its own classes are trained here from temporary files with the features of the benchmark,
with the parameters of its released configurations, and its fitted model routes these features.
SAVERouter (``saverouter``) learns from K models per query, which it chooses; it gets all, or four
as in its benchmarks, and latent groups of queries from the same features.
"""

import contextlib
import io
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _routing_runs import make_table_router, split_inputs
from scipy.sparse import issparse

from dars_sklearn.exceptions import DarsWarning

_MODEL_PATH = "model.pkl"
_LLMROUTER_PARAMS = {
    "llmrouter knn": {"n_neighbors": 5},
    "llmrouter svm": {"kernel": "rbf", "C": 1.0, "gamma": "scale", "probability": True},
    "llmrouter mlp": {
        "hidden_layer_sizes": [128, 64], "activation": "relu", "lr": 0.001, "epochs": 100,
        "batch_size": 32, "alpha": 0.0001,
    },
    "llmrouter mf": {"latent_dim": 128, "lr": 0.001, "epochs": 5, "noise_alpha": 0.0},
}  # fmt: skip
_SAVEROUTER_K = {"saverouter": None, "saverouter K=4": 4}
PEERS = (*_LLMROUTER_PARAMS, *_SAVEROUTER_K)


class PeerSplit(NamedTuple):
    """Gains over the best single model, and mean seconds per fold to fit and to predict."""

    gains: np.ndarray
    fit_seconds: float
    predict_seconds: float


def measure_peer(name, table, features, embeddings, seed):
    """Score and time one router in one split into five folds.

    Parameters
    ----------
    name : str
        One of ``PEERS``, or a router of this package.
    table : Table
        The table. Costs are left out: routers are trained for, and judged by, scores.
    features : {"tfidf", "minilm"}
        Features of the texts.
    embeddings : ndarray or None
        Embeddings of the texts, for features="minilm".
    seed : int
        Seed of the split and of the router.

    Returns
    -------
    PeerSplit
        The figures.
    """
    gains, seconds = np.zeros(len(table.texts)), []
    for train, test in table.splits(seed):
        X_train, X_test = split_inputs(table, features, "text", embeddings, train, test)
        start = time.perf_counter()
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", DarsWarning)
            predict = _fit(name, table, features, X_train, train, seed)
            fitted = time.perf_counter()
            columns = predict(X_test)
        seconds.append((fitted - start, time.perf_counter() - fitted))
        best = table.score[train].mean(axis=0).argmax()
        gains[test] = table.score[test, columns] - table.score[test, best]
    return PeerSplit(gains, *np.mean(seconds, axis=0))


def _fit(name, table, features, X, train, seed):
    """Fit a router; return a function from features to the columns of models."""
    scores = table.score[train]
    if name in _LLMROUTER_PARAMS:
        return _fit_llmrouter(name, X.toarray() if issparse(X) else X, scores, seed)
    if name in _SAVEROUTER_K:
        return _fit_saverouter(_SAVEROUTER_K[name] or scores.shape[1], X, scores, seed)
    router = make_table_router(name, table._replace(cost_weights=(0.0,)), features, "text", seed)
    router.fit(X, table.outcomes[train])
    return lambda X: router.decision_function(X).argmax(axis=1)


# ---- SAVERouter --------------------------------------------------------------------


def _fit_saverouter(k, X, scores, seed):
    from saverouter import FixedKSparseRouter, GroupAssigner, simulate_fixed_k_supervision

    assigner = GroupAssigner(strategy="latent", seed=seed)
    groups = assigner.fit_predict(X)
    supervision = simulate_fixed_k_supervision(scores, groups, k=k, seed=seed)
    router = FixedKSparseRouter(group_assigner=assigner).fit(X, supervision)
    return lambda X: router.predict_scores(X).argmax(axis=1)


# ---- LLMRouter ---------------------------------------------------------------------


def _fit_llmrouter(name, X, scores, seed):
    import torch

    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        config = _write_llmrouter_files(Path(folder), name, X, scores)
        return _train_llmrouter(name, config)


def _write_llmrouter_files(folder, name, X, scores):
    """Write the files that LLMRouter is trained from; return the path of its configuration."""
    import torch
    import yaml

    torch.save(torch.as_tensor(X, dtype=torch.float32), folder / "embeddings.pt")
    with (folder / "routing.jsonl").open("w") as file:
        for (query, model), score in np.ndenumerate(scores):
            row = {
                "query": f"{query:06d}", "embedding_id": query, "model_name": f"{model:03d}",
                "performance": score,
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    model_path = str(folder / _MODEL_PATH)
    config = {
        "data_path": {
            "query_embedding_data": str(folder / "embeddings.pt"),
            "routing_data_train": str(folder / "routing.jsonl"),
        },
        "model_path": {
            "ini_model_path": "", "save_model_path": model_path, "load_model_path": model_path,
        },
        "hparam": _LLMROUTER_PARAMS[name] | ({"text_dim": X.shape[1]} if "mf" in name else {}),
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _train_llmrouter(name, config):
    """Train a router of LLMRouter by its own trainer; return how it routes features."""
    import torch
    from llmrouter import models

    classes = {
        "llmrouter knn": (models.KNNRouter, models.KNNRouterTrainer),
        "llmrouter svm": (models.SVMRouter, models.SVMRouterTrainer),
        "llmrouter mlp": (models.MLPRouter, models.MLPTrainer),
        "llmrouter mf": (models.MFRouter, models.MFRouterTrainer),
    }
    router_class, trainer_class = classes[name]
    router = router_class(str(config))
    trainer = trainer_class(router, device="cpu")
    trainer.train()
    model = trainer.model.eval() if isinstance(trainer.model, torch.nn.Module) else trainer.model

    def predict(X):
        X = X.toarray() if issparse(X) else X
        if name in ("llmrouter knn", "llmrouter svm"):
            # The models are pickled lists of 32-bit features.
            return model.predict(X.astype(np.float32)).astype(int)
        X = torch.as_tensor(X, dtype=torch.float32)
        with torch.no_grad():
            if name == "llmrouter mlp":
                chosen = model.predict(X)
            else:
                chosen = torch.stack([model.score_all(own) for own in model.project_text(X)])
                chosen = chosen.argmax(dim=1)
        return np.array([int(router.idx_to_model[number]) for number in chosen.tolist()])

    return predict
