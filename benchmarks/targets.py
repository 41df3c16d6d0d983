"""Learn capability or the best model, and how to learn from sparse logs.

    python benchmarks/targets.py [--draws 10]

Targets: routers with ``target="capability"`` and with ``target="choice"`` are trained on labels
from few outcomes and from many, without risk aversion.

- Bundled data: mean utility on 135 held-out queries, from outcomes that no label has used; 272
  training queries, TF-IDF. Designs of fewer than 25 outcomes per (query, model) pair are
  subsamples (seeds 0, 1, ...), and their figures are means over them.
- Synthetic data: mean utility according to the known truth; 200 training queries, 2,000 test
  queries, 4 models, one data set per seed.

Sparse logs: on synthetic data, each of 800 training queries has one outcome of one model, chosen at
random. ``heads="joint"`` learns from imputed means of the other models, ``heads="model"`` fits each
model on its own queries.

Printed are means, and differences from the first router, which is kNN, with 95 % intervals over the
held-out queries or over the data sets.
"""

import argparse
import warnings

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.datasets import load_smol_outcomes, make_routing_outcomes
from dars_sklearn.evaluate import paired_interval
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.metrics import routed_utility
from dars_sklearn.utility import find_cost_range, scale_cost

COST_WEIGHT = 0.05
FULL_DESIGN = (5, 5)
DESIGNS = (FULL_DESIGN, (5, 1), (2, 1))
N_SPARSE = 800


def common_parameters(cost_range):
    """Parameters that all routers share."""
    return {
        "aggregator": OutcomeAggregator(cost_scaling=cost_range),
        "cost_weight": COST_WEIGHT,
        "risk_aversion": 0.0,
    }


def routers_by_target(cost_range):
    """Routers that learn capability, and routers that learn the choice."""
    capability = common_parameters(cost_range)
    choice = capability | {"target": "choice"}
    return {
        "kNN, capability": DistributionalRouter(**capability),
        "kNN, choice": DistributionalRouter(**choice),
        "ridge, capability": DistributionalRouter(Ridge(), **capability),
        "ridge, choice": DistributionalRouter(Ridge(), **choice),
        "logistic, choice": DistributionalRouter(LogisticRegression(C=10.0), **choice),
    }


def routers_by_heads(cost_range):
    """Routers with one head for all models, and routers with one head per model."""
    parameters = common_parameters(cost_range)
    return {
        f"{name}, {heads}": DistributionalRouter(estimator, heads=heads, **parameters)
        for name, estimator in (("kNN", None), ("ridge", Ridge()))
        for heads in ("joint", "model")
    }


def utility_on_bundled_data(design, n_draws):
    """Utility of each router on each held-out query, as a mean over draws of the labels."""
    data = load_smol_outcomes()
    train, test = np.flatnonzero(~data.is_test), np.flatnonzero(data.is_test)
    encoder = TfidfVectorizer().fit(data.queries[train])
    X, X_test = encoder.transform(data.queries[train]), encoder.transform(data.queries[test])
    outcomes = data.outcomes[train]
    scale = {"cost_weight": COST_WEIGHT, "cost_range": find_cost_range(outcomes)}
    seeds = range(1 if design == FULL_DESIGN else n_draws)
    utilities = {}
    for name, router in routers_by_target(scale["cost_range"]).items():
        by_draw = [
            routed_utility(
                data.test_outcomes,
                router.fit(X, outcomes.subsample(*design, seed)).predict(X_test),
                **scale,
                average=False,
            )
            for seed in seeds
        ]
        utilities[name] = np.mean(by_draw, axis=0)
    return utilities


def utility_on_synthetic_data(design, n_draws):
    """True utility of each router on each data set."""
    data_sets = (make_routing_outcomes(2200, 4, *design, random_state=s) for s in range(n_draws))
    return true_utility(data_sets, 200, lambda data: data.outcomes[:200], routers_by_target)


def utility_on_sparse_logs(n_draws):
    """True utility of each router on each data set, trained on one model per query."""
    data_sets = (make_routing_outcomes(2800, 4, 1, 1, random_state=s) for s in range(n_draws))
    return true_utility(data_sets, N_SPARSE, make_sparse_log, routers_by_heads)


def make_sparse_log(data):
    """Outcomes of one model per training query, which is chosen at random."""
    outcomes = data.outcomes
    scores = outcomes.to_array()[:N_SPARSE]
    chosen = np.random.default_rng(0).integers(0, outcomes.n_models, N_SPARSE)
    observed = np.arange(outcomes.n_models) == chosen[:, None]
    scores = np.where(observed[:, :, None, None], scores, np.nan)
    costs = outcomes.to_array("cost")[:N_SPARSE]
    return Outcomes.from_array(scores, models=outcomes.models, costs=costs)


def true_utility(data_sets, n_train, make_labels, make_routers):
    """Mean true utility of the routes of each router, one value per data set."""
    utilities = {}
    for data in data_sets:
        outcomes = make_labels(data)
        cost_range = find_cost_range(outcomes)
        scaled_cost = scale_cost(data.cost[n_train:], cost_range)
        truth = data.expected_quality[n_train:] - COST_WEIGHT * scaled_cost
        models = outcomes.models.astype(str)
        for name, router in make_routers(cost_range).items():
            routes = router.fit(data.X[:n_train], outcomes).predict(data.X[n_train:])
            column_indices = np.searchsorted(models, routes.astype(str))
            mean = np.take_along_axis(truth, column_indices[:, None], axis=1).mean()
            utilities.setdefault(name, []).append(mean)
    return {name: np.array(values) for name, values in utilities.items()}


def print_utilities(utilities):
    """Print the means, and the differences from the first router."""
    first = next(iter(utilities.values()))
    for name, values in utilities.items():
        low, high = paired_interval(values - first, random_state=0)
        difference = f"{(values - first).mean():+.3f} [{low:+.3f}, {high:+.3f}]"
        print(f"  {name:20s}{values.mean():.3f} ({difference})")


def main():
    """Print the utilities on all data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10)
    n_draws = parser.parse_args().draws
    warnings.simplefilter("ignore", DarsWarning)
    for title, utilities in (
        ("bundled data", utility_on_bundled_data),
        ("synthetic data", utility_on_synthetic_data),
    ):
        print(f"\n{title}: mean utility (difference from kNN on capability, 95 % interval)")
        for design in DESIGNS:
            print(f"{design[0]} x {design[1]} outcomes per pair")
            print_utilities(utilities(design, n_draws))
    print("\nsparse logs, synthetic: mean utility (difference from kNN with joint heads)")
    print_utilities(utility_on_sparse_logs(n_draws))


if __name__ == "__main__":
    main()
