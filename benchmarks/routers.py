"""Speed of the router families: fit, predict, and the latency of one query.

    python benchmarks/routers.py [--large 20000]

384 dense features, 6 models. Neural families are trained for a fixed number of
epochs, beside a bare torch loop over the same module, loss, optimiser and
batches. Latency is from a text to the name of a model. Needs the extras
``torch`` and ``text``.
"""

import argparse
import time

import numpy as np
import torch
from paper_protocol import minilm_folder
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from dars_sklearn import Outcomes, QueryEncoder, list_routers, make_router
from dars_sklearn.datasets import load_smol_outcomes

EPOCHS = 5


def timed(function):
    """Return what a call returned, and its seconds."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def bare_loop(head, X, outcomes, router):
    """Train the module of a fitted head anew, by torch alone; return the seconds."""
    net = head.net_
    data = router.aggregator_.aggregate(outcomes)
    blocks = np.stack([data.quality, data.cost, data.risk][: len(head.blocks_)], axis=1)
    module = type(net.module_)(**net.get_params_for("module"))
    criterion = type(net.criterion_)(**net.get_params_for("criterion"))
    rows, target = X.astype(np.float32), blocks.reshape(len(X), -1)
    if hasattr(head, "cost_weights"):
        grid = head.cost_weights
        rows = np.concatenate([np.column_stack([rows, np.full(len(X), w)]) for w in grid])
        target = np.concatenate([blocks[:, 0] - w * blocks[:, 1] for w in grid])
    rows = torch.as_tensor(rows.astype(np.float32))
    target = np.column_stack([target, np.ones(len(target))]).astype(np.float32)
    target = torch.as_tensor(target)
    optimizer = torch.optim.Adam(module.parameters(), lr=head.lr)

    def train():
        module.train()
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(rows)).split(head.batch_size):
                optimizer.zero_grad()
                criterion(module(rows[batch]), target[batch]).backward()
                optimizer.step()

    return timed(train)[1]


def speed(n_queries):
    """Print the time of fit and predict of each family."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_queries, 384)) / 384**0.5
    outcomes = Outcomes.from_array(
        rng.random((n_queries, 6, 5)), costs=rng.random((n_queries, 6, 5))
    )
    print(f"{n_queries} queries, 384 features, 6 models")
    for name in list_routers():
        settings = {"random_state": 0, "risk_aversion": 0.2}
        router = make_router(name, **settings)
        neural = "max_epochs" in getattr(router.estimator, "get_params", dict)()
        if neural:
            router.set_params(estimator__max_epochs=EPOCHS, estimator__early_stopping=False)
        _, fit = timed(lambda router=router: router.fit(X, outcomes))
        _, predict = timed(lambda router=router: router.predict(X))
        beside = ""
        if neural:
            bare = bare_loop(router.estimators_[0], X, outcomes, router)
            beside = f", {fit / bare:.2f} x a bare torch loop ({bare:.2f} s)"
        print(f"  {name}: fit {fit:.2f} s{beside}; predict {predict:.3f} s", flush=True)


def latency(encoder, kind):
    """Print the latency of one query from text to the name of a model."""
    data = load_smol_outcomes()
    pipeline = make_pipeline(encoder, make_router("knn")).fit(data.queries, data.outcomes)
    pipeline.predict(data.queries[:1])
    seconds = [
        timed(lambda text=text: pipeline.predict([text]))[1] for text in data.paraphrases[:, 1]
    ]
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    print(f"one query, {kind}: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", type=int, default=20_000)
    for n_queries in (400, parser.parse_args().large):
        speed(n_queries)
    latency(QueryEncoder(TfidfVectorizer()), "TF-IDF")
    latency(QueryEncoder(minilm_folder()), "MiniLM")
