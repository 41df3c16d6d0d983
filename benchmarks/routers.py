"""Speed of the router families: fitting, prediction, and the latency of one query.

    python benchmarks/routers.py [--large 20000]

384 dense features and 6 models. Neural families are trained for a fixed number of epochs, and
compared with a plain torch loop over the same module, loss, optimiser and batches. The latency is
that from a text to the name of a model. Requires the extras ``torch`` and ``text``.
"""

import argparse

import numpy as np
import torch
from _timing import time_call
from paper_protocol import minilm_folder
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from dars_sklearn import Outcomes, QueryEncoder, list_routers, make_router
from dars_sklearn.datasets import load_smol_outcomes

N_EPOCHS = 5


def time_torch_loop(router, X, outcomes):
    """Seconds that plain torch needs to train the network of a fitted router again."""
    head = router.estimators_[0]
    net = head.net_
    module = type(net.module_)(**net.get_params_for("module"))
    criterion = type(net.criterion_)(**net.get_params_for("criterion"))
    inputs, targets = make_training_data(head, X, router.aggregator_.aggregate(outcomes))
    optimizer = torch.optim.Adam(module.parameters(), lr=head.lr)

    def train():
        module.train()
        for _ in range(N_EPOCHS):
            for batch in torch.randperm(len(inputs)).split(head.batch_size):
                optimizer.zero_grad()
                criterion(module(inputs[batch]), targets[batch]).backward()
                optimizer.step()

    return time_call(train).seconds


def make_training_data(head, X, capability):
    """Inputs and targets of the size that the network is trained on, as tensors."""
    blocks = [capability.quality, capability.scaled_cost, capability.risk][: len(head.blocks_)]
    inputs, targets = X, np.hstack(blocks)
    if hasattr(head, "cost_weights"):  # every query is repeated for each cost weight
        quality, cost = blocks[:2]
        weights = head.cost_weights
        inputs = np.concatenate([np.column_stack([X, np.full(len(X), w)]) for w in weights])
        targets = np.concatenate([quality - weight * cost for weight in weights])
    sample_weight = np.ones(len(targets))
    targets = np.column_stack([targets, sample_weight])
    return torch.as_tensor(inputs.astype(np.float32)), torch.as_tensor(targets.astype(np.float32))


def print_speed(n_queries):
    """Print the time that each family needs to fit and to predict."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_queries, 384)) / 384**0.5
    outcomes = Outcomes.from_array(
        rng.random((n_queries, 6, 5)), costs=rng.random((n_queries, 6, 5))
    )
    print(f"{n_queries} queries, 384 features, 6 models")
    for name in list_routers():
        router = make_router(name, random_state=0, risk_aversion=0.2)
        is_neural = "max_epochs" in getattr(router.estimator, "get_params", dict)()
        if is_neural:
            router.set_params(estimator__max_epochs=N_EPOCHS, estimator__early_stopping=False)
        fitting = time_call(router.fit, X, outcomes).seconds
        prediction = time_call(router.predict, X).seconds
        comparison = ""
        if is_neural:
            loop = time_torch_loop(router, X, outcomes)
            comparison = f", {fitting / loop:.2f} x a plain torch loop ({loop:.2f} s)"
        print(f"  {name}: fit {fitting:.2f} s{comparison}; predict {prediction:.3f} s", flush=True)


def print_latency(encoder, name):
    """Print the latency of one query, from its text to the name of a model."""
    data = load_smol_outcomes()
    pipeline = make_pipeline(encoder, make_router("knn")).fit(data.queries, data.outcomes)
    pipeline.predict(data.queries[:1])  # the first call may load more modules
    seconds = [time_call(pipeline.predict, [text]).seconds for text in data.paraphrases[:, 1]]
    median, percentile_99 = np.percentile(seconds, [50, 99]) * 1000
    print(f"one query, {name}: median {median:.2f} ms, 99th percentile {percentile_99:.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", type=int, default=20_000, help="queries of the larger table")
    for n_queries in (400, parser.parse_args().large):
        print_speed(n_queries)
    print_latency(QueryEncoder(TfidfVectorizer()), "TF-IDF")
    print_latency(QueryEncoder(minilm_folder()), "MiniLM")
