"""Distribution labels and single-shot labels, compared with a known truth.

    python benchmarks/synthetic_supervision.py [--repeats 5]

200 training queries, 600 test queries, 4 models, 5 paraphrases x 5 samples and 16 features, with
three amounts of sampling noise: from none to scores that are 0 or 1. Routes are evaluated by the
*true* capability. Printed is the share of the oracle's gain over random routing that a router
achieves: 1 for the oracle, 0 for random routing. Figures are means over repeats (seeds 0, 1, ...),
each with 5 single-shot draws, with 95 % intervals over repeats. The output is a Markdown table.
Requires the extra ``torch``.
"""

import argparse

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import t

from dars_sklearn import OutcomeAggregator, list_routers, make_router, single_shot_counterpart
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.utility import find_cost_range, scale_cost

SAMPLING_NOISES = (0.0, 0.5, 1.0)
N_TRAIN, N_TEST = 200, 600
N_DRAWS = 5
COST_WEIGHT = 0.05


def share_of_oracle_gain(routes, models, utility):
    """Gain over random routing, as a share of the oracle's."""
    column_indices = np.searchsorted(models.astype(str), routes.astype(str))
    achieved = utility[np.arange(len(routes)), column_indices].mean()
    return (achieved - utility.mean()) / (utility.max(axis=1).mean() - utility.mean())


def compare_labels(name, sampling_noise, seed):
    """Share of the oracle's gain with distribution labels, and with single-shot labels."""
    data = make_routing_outcomes(
        N_TRAIN + N_TEST, 4, 5, 5, sampling_noise=sampling_noise, random_state=seed
    )
    X, X_test = data.X[:N_TRAIN], data.X[N_TRAIN:]
    outcomes = data.outcomes[:N_TRAIN]
    cost_range = find_cost_range(outcomes)
    scaled_cost = scale_cost(data.cost[N_TRAIN:], cost_range)
    utility = data.quality[N_TRAIN:] - COST_WEIGHT * scaled_cost
    router = make_router(
        name,
        aggregator=OutcomeAggregator(cost_scaling=cost_range),
        cost_weight=COST_WEIGHT,
        risk_aversion=0.0,
        random_state=seed,
    )
    routes = router.fit(X, outcomes).predict(X_test)
    single_shot_routes = [
        single_shot_counterpart(router).fit(X, outcomes.single_shot(draw)).predict(X_test)
        for draw in range(N_DRAWS)
    ]
    return (
        share_of_oracle_gain(routes, outcomes.models, utility),
        np.mean(
            [share_of_oracle_gain(own, outcomes.models, utility) for own in single_shot_routes]
        ),
    )


def format_cell(shares):
    """Format the mean shares of both kinds of labels, and their difference with its margin."""
    difference = shares[:, 0] - shares[:, 1]
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    margin = t.ppf(0.975, len(difference) - 1) * standard_error
    distribution, single_shot = shares.mean(axis=0)
    return f"{distribution:.2f} / {single_shot:.2f} ({difference.mean():+.2f} ± {margin:.2f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    header = " | ".join(f"noise {noise:g}" for noise in SAMPLING_NOISES)
    print(f"| router | {header} |\n|---|{'---|' * len(SAMPLING_NOISES)}")
    for name in list_routers():
        cells = []
        for noise in SAMPLING_NOISES:
            shares = Parallel(n_jobs=arguments.jobs)(
                delayed(compare_labels)(name, noise, seed) for seed in range(arguments.repeats)
            )
            cells.append(format_cell(np.array(shares)))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
