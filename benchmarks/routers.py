"""Quality of the router families on the bundled data, and their speed.

    python benchmarks/routers.py quality [--seeds 5] [--families mlp equirouter] [--plain]
    python benchmarks/routers.py speed [--large 20000]

Quality: every family is trained on the training queries with several seeds, and routes the
held-out queries, whose outcomes are a second set. Printed are the gain in utility over the best
single model of the training outcomes, with a paired 95 % interval over test queries of the mean
over seeds; the Routing Collapse Index; the share of queries that go to the most expensive model;
and the cost relative to that of the best single model. A plain ``MLPClassifier`` of the model with
the best label, without a router, is a row of the table. ``--plain`` leaves calibration out.

Speed: fitting, prediction, and the latency of one query, from a text to the name of a model; with
384 dense features and 6 models. Neural families are trained for a fixed number of epochs, and
compared with a plain torch loop over the same module, loss, optimiser and batches.

Requires the extras ``torch`` and ``text``.
"""

import argparse

import numpy as np
import torch
from _timing import time_call
from paper_protocol import encode_queries, minilm_folder
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from dars_sklearn import OutcomeAggregator, Outcomes, QueryEncoder, list_routers, make_router
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.metrics import best_single_model, routing_collapse_index
from dars_sklearn.metrics._realised_values import RealisedValues

N_EPOCHS = 5
BASELINES = ("best single model", "MLPClassifier")


# ---- quality -----------------------------------------------------------------------


def print_quality(arguments):
    """Print the quality of each family, for both kinds of features and several cost weights."""
    data = load_smol_outcomes()
    train = ~data.is_test
    queries, test_queries = data.queries[train], data.queries[data.is_test]
    outcomes, test = data.outcomes[train], data.test_outcomes
    settings = {"calibration": None} if arguments.plain else {}
    for features in arguments.features:
        X, X_test, _ = encode_queries(features, queries, test_queries)
        for cost_weight in arguments.cost_weights:
            print(f"{features}, cost weight {cost_weight}: gain, interval, collapse, share, cost")
            best = best_single_model(outcomes, cost_weight=cost_weight)
            for name in (*BASELINES, *arguments.families):
                is_fixed = name in ("best single model", "knn")
                routes = [
                    route(name, X, outcomes, X_test, cost_weight, best, seed, settings)
                    for seed in range(1 if is_fixed else arguments.seeds)
                ]
                figures = describe_quality(outcomes, test, routes, best, cost_weight)
                print(f"  {name:18s} {figures}", flush=True)


def route(name, X, outcomes, X_test, cost_weight, best, seed, settings):
    """Routes of a family, or of a baseline, to the test queries."""
    if name == "best single model":
        return np.full(X_test.shape[0], best, dtype=object)
    if name == "MLPClassifier":
        labels = OutcomeAggregator().fit_aggregate(outcomes)
        utility = labels.quality - cost_weight * labels.scaled_cost
        choice = outcomes.models[utility.argmax(axis=1)]
        return MLPClassifier(max_iter=400, random_state=seed).fit(X, choice).predict(X_test)
    router = make_router(name, cost_weight=cost_weight, random_state=seed, **settings)
    return router.fit(X, outcomes).predict(X_test)


def describe_quality(outcomes, test, routes, best, cost_weight):
    """Figures of the routes of several seeds, as text."""
    cost_range = OutcomeAggregator().fit(outcomes).cost_range_
    realised = RealisedValues(test, cost_weight, cost_range)
    fixed = np.full(len(test), best, dtype=object)
    gains = [realised.routed("utility", own) - realised.routed("utility", fixed) for own in routes]
    gain = np.mean(gains, axis=0)
    margin = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
    collapse = np.mean([routing_collapse_index(test, own) for own in routes])
    most_expensive = realised.models[realised.cost.mean(axis=0).argmax()]
    share = np.mean([own == most_expensive for own in routes])
    cost = np.mean([realised.routed("cost", own) for own in routes])
    relative_cost = cost / realised.routed("cost", fixed).mean()
    mean = gain.mean()
    return (
        f"{mean:+.4f} [{mean - margin:+.4f}, {mean + margin:+.4f}]  "
        f"{collapse:.3f}  {share:.2f}  {relative_cost:.2f}"
    )


# ---- speed -------------------------------------------------------------------------


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
    if hasattr(head, "cost_weights_"):  # every query is repeated for each cost weight
        quality, cost = blocks[:2]
        weights = head.cost_weights_
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
        router = make_router(name, random_state=0, calibration=None)
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
    parser.add_argument("what", choices=["quality", "speed"])
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each family")
    parser.add_argument("--families", nargs="+", default=list_routers(), choices=list_routers())
    parser.add_argument("--features", nargs="+", choices=["tfidf", "minilm"])
    parser.add_argument("--cost-weights", nargs="+", type=float, default=[0.0, 0.05, 0.3])
    parser.add_argument("--plain", action="store_true", help="without calibration")
    parser.set_defaults(features=["tfidf", "minilm"])
    parser.add_argument("--large", type=int, default=20_000, help="queries of the larger table")
    arguments = parser.parse_args()
    if arguments.what == "quality":
        print_quality(arguments)
    else:
        for n_queries in (400, arguments.large):
            print_speed(n_queries)
        print_latency(QueryEncoder(TfidfVectorizer()), "TF-IDF")
        print_latency(QueryEncoder(minilm_folder()), "MiniLM")
