"""Both supervisions against a known truth, with the sampling noise dialled up.

    python benchmarks/synthetic_supervision.py [--repeats 5]

200 training queries, 600 test queries, 4 models, 5 paraphrases x 5 samples, 16
features. Utility is that of the routes against the *true* capability, relative
to the best choice for each query: 1 is the oracle, 0 a random choice. Means over
repeats (seeds 0, 1, …), each with 5 single-shot draws, with 95 % intervals over
repeats. Prints a Markdown table. Needs the extra ``torch``.
"""

import argparse

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import t

from dars_sklearn import list_routers, make_router, single_shot_twin
from dars_sklearn.aggregate import OutcomeAggregator, cost_range, scale_cost
from dars_sklearn.datasets import make_routing_outcomes

NOISES = (0.0, 0.5, 1.0)
N_DRAWS = 5


def gain(routes, models, utility):
    """Share of what an oracle gains over a random choice."""
    place = np.searchsorted(models.astype(str), routes.astype(str))
    achieved = utility[np.arange(len(routes)), place].mean()
    return (achieved - utility.mean()) / (utility.max(axis=1).mean() - utility.mean())


def one_repeat(name, noise, seed):
    """Gain under distribution labels, and the mean under single-shot labels."""
    data = make_routing_outcomes(800, 4, 5, 5, sampling_noise=noise, random_state=seed)
    known, train, test = data.outcomes[:200], slice(0, 200), slice(200, None)
    limits = cost_range(known)
    utility = data.quality[test] - 0.05 * scale_cost(data.cost[test], limits)
    aggregator = OutcomeAggregator(cost_scaling=limits)
    router = make_router(name, aggregator=aggregator, random_state=seed, risk_aversion=0.0)
    routes = router.fit(data.X[train], known).predict(data.X[test])
    single = [
        single_shot_twin(router).fit(data.X[train], known.single_shot(draw)).predict(data.X[test])
        for draw in range(N_DRAWS)
    ]
    models = known.models
    return (
        gain(routes, models, utility),
        np.mean([gain(routes, models, utility) for routes in single]),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    head = " | ".join(f"noise {noise:g}" for noise in NOISES)
    print(f"| router | {head} |\n|---|{'---|' * len(NOISES)}")
    for name in list_routers():
        cells = []
        for noise in NOISES:
            pairs = np.array(
                Parallel(n_jobs=arguments.jobs)(
                    delayed(one_repeat)(name, noise, seed) for seed in range(arguments.repeats)
                )
            )
            difference = pairs[:, 0] - pairs[:, 1]
            error = difference.std(ddof=1) / np.sqrt(len(difference))
            margin = t.ppf(0.975, len(difference) - 1) * error
            own, single = pairs.mean(axis=0)
            cells.append(f"{own:.2f} / {single:.2f} ({difference.mean():+.2f} ± {margin:.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
