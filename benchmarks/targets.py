"""Is it better to learn capability, or which model is best? And what of sparse logs?

    python benchmarks/targets.py [--draws 10]

Routers of ``target="capability"`` and ``target="choice"``, on labels of few
outcomes and of many, without weight on risk. Bundled data: mean utility on 135
held-out queries and their fresh draws, 272 for training, TF-IDF; labels of fewer
than 25 outcomes are subsamples (seeds 0, 1, ...). Synthetic data: the same by the
known truth, 200 queries for training and 2,000 for testing, 4 models, one data set
a seed. Differences are to kNN on capability, with 95 % intervals over the held-out
queries, or over the data sets.

Sparse logs: the synthetic data, but each of 800 queries for training went to one
model only, by lot, and was answered once; ``heads="joint"`` learns imputed means for
the rest, ``heads="model"`` fits each model on its own queries.
"""

import argparse
import warnings

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.aggregate import cost_range, scale_cost
from dars_sklearn.datasets import load_smol_outcomes, make_routing_outcomes
from dars_sklearn.evaluate import paired_interval
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.metrics import routed_utility

DESIGNS = ((5, 5), (5, 1), (2, 1))


def routers(limits):
    common = {"aggregator": OutcomeAggregator(cost_scaling=limits), "risk_aversion": 0.0}
    choice = common | {"target": "choice"}
    return {
        "kNN, capability": DistributionalRouter(**common),
        "kNN, choice": DistributionalRouter(**choice),
        "ridge, capability": DistributionalRouter(Ridge(), **common),
        "ridge, choice": DistributionalRouter(Ridge(), **choice),
        "logistic, choice": DistributionalRouter(LogisticRegression(C=10.0), **choice),
    }


def bundled(design, n_draws):
    """Utility of each router on each held-out query, over the draws of its labels."""
    data = load_smol_outcomes()
    train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
    encoder = TfidfVectorizer().fit(data.queries[train])
    X, X_test = encoder.transform(data.queries[train]), encoder.transform(data.queries[test])
    known = data.outcomes[train]
    scale = {"cost_weight": 0.05, "cost_range": cost_range(known)}
    achieved = {}
    for name, router in routers(scale["cost_range"]).items():
        draws = [
            routed_utility(
                data.test_outcomes,
                router.fit(X, known.subsample(*design, seed)).predict(X_test),
                **scale,
                average=False,
            )
            for seed in range(1 if design == (5, 5) else n_draws)
        ]
        achieved[name] = np.mean(draws, axis=0)
    return achieved


def synthetic(design, n_draws):
    """True utility of each router, over data sets."""
    data_sets = (make_routing_outcomes(2200, 4, *design, random_state=s) for s in range(n_draws))
    return over_data_sets(data_sets, 200, lambda data: data.outcomes[:200], routers)


def sparse(n_draws):
    """The same of routers with either kind of heads, on logs of one model a query."""

    def log(data):
        scores = data.outcomes.to_array()[:800]
        asked = np.random.default_rng(0).integers(0, scores.shape[1], len(scores))
        kept = np.arange(scores.shape[1]) == asked[:, None]
        scores = np.where(kept[:, :, None, None], scores, np.nan)
        costs = data.outcomes.to_array("cost")[:800]
        return Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)

    def heads(limits):
        common = {"aggregator": OutcomeAggregator(cost_scaling=limits), "risk_aversion": 0.0}
        return {
            f"{name}, {of}": DistributionalRouter(estimator, heads=of, **common)
            for name, estimator in (("kNN", None), ("ridge", Ridge()))
            for of in ("joint", "model")
        }

    data_sets = (make_routing_outcomes(2800, 4, 1, 1, random_state=s) for s in range(n_draws))
    return over_data_sets(data_sets, 800, log, heads)


def over_data_sets(data_sets, n_train, labels, make_routers):
    achieved = {}
    for data in data_sets:
        known, test = labels(data), slice(n_train, None)
        limits = cost_range(known)
        truth = data.expected_quality[test] - 0.05 * scale_cost(data.cost[test], limits)
        for name, router in make_routers(limits).items():
            routes = router.fit(data.X[:n_train], known).predict(data.X[test])
            place = np.searchsorted(known.models.astype(str), routes.astype(str))
            value = np.take_along_axis(truth, place[:, None], axis=1).mean()
            achieved.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in achieved.items()}


def show(achieved):
    """Print means, and differences to the first."""
    first = next(iter(achieved.values()))
    for name, values in achieved.items():
        low, high = paired_interval(values - first, random_state=0)
        difference = f"{(values - first).mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        print(f"  {name:20s}{values.mean():.3f} ({difference})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=10)
    n_draws = parser.parse_args().draws
    warnings.simplefilter("ignore", DarsWarning)
    for title, part in (("bundled data", bundled), ("synthetic data", synthetic)):
        print(f"\n{title}: mean utility (less that of kNN on capability, 95 % interval)")
        for design in DESIGNS:
            print(f"{design[0]} x {design[1]} outcomes a pair")
            show(part(design, n_draws))
    print("\nsparse logs, synthetic: mean utility (less that of kNN with joint heads)")
    show(sparse(n_draws))


if __name__ == "__main__":
    main()
