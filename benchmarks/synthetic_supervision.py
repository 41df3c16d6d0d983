"""Distribution labels and single-shot labels, compared with a known truth.

    python benchmarks/synthetic_supervision.py [labels | seeds] [--repeats N] [--jobs N]

labels      200 training queries, 600 test queries, 4 models, 5 paraphrases x 5 samples and 16
            features, with three amounts of sampling noise: from none to scores that are 0 or 1.
            Routes are evaluated by the *true* capability. Printed is the share of the oracle's gain
            over random routing that a router achieves: 1 for the oracle, 0 for random routing.
            Figures are means over repeats (5; seeds 0, 1, ...), each with 5 single-shot draws and 5
            training seeds of the distribution labels, with 95 % intervals over repeats.
seeds       How often the interval of ``compare_supervision`` misses the true difference, for
            routers that depend on their training seed. With equal labels on both sides (one
            outcome per pair), every difference that is found is a false gain or loss. For each of 2
            training sets of 200 queries, routers are trained with 60 seeds, and on 60 draws; a
            comparison (2,000 repeats) takes 10 seeds, 100 draws and its test queries from them,
            with replacement, so that the true difference is known. The right figure is 5 %.

Without a name, both are run. The output is Markdown tables. Requires the extra ``torch``.
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import t

from dars_sklearn import OutcomeAggregator, list_routers, make_router, single_shot_counterpart
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._crossed_interval import compare_runs
from dars_sklearn.utility import find_cost_range, scale_cost

SAMPLING_NOISES = (0.0, 0.5, 1.0)
N_TRAIN, N_TEST = 200, 600
N_DRAWS = N_TRAINING_SEEDS = 5
COST_WEIGHT = 0.05

# Of the benchmark of training seeds.
SEED_SENSITIVE = ("mlp", "mirt")
NUMBERS_OF_TEST_QUERIES = (135, 600)
N_DATA_SETS, N_POOL_RUNS, N_POOL_QUERIES = 2, 60, 4000
N_RUNS = {"distribution": 10, "single-shot": 100}
N_RESAMPLES = 200


def make_labelled_data(n_test, sampling_noise, seed):
    """Training queries and outcomes, test queries, their true utility, and an aggregator."""
    data = make_routing_outcomes(
        N_TRAIN + n_test, 4, 5, 5, sampling_noise=sampling_noise, random_state=seed
    )
    outcomes = data.outcomes[:N_TRAIN]
    cost_range = find_cost_range(outcomes)
    utility = data.quality[N_TRAIN:] - COST_WEIGHT * scale_cost(data.cost[N_TRAIN:], cost_range)
    aggregator = OutcomeAggregator(cost_scaling=cost_range)
    return data.X[:N_TRAIN], outcomes, data.X[N_TRAIN:], utility, aggregator


def make_seeded_router(name, aggregator):
    """Router as in the paper, but without risk aversion; its training seed is still to be set."""
    return make_router(
        name,
        aggregator=aggregator,
        cost_weight=COST_WEIGHT,
        risk_aversion=0.0,
        calibration=None,
    )


# ---- labels ------------------------------------------------------------------------


def share_of_oracle_gain(routes, models, utility):
    """Gain over random routing, as a share of the oracle's."""
    column_indices = np.searchsorted(models.astype(str), routes.astype(str))
    achieved = utility[np.arange(len(routes)), column_indices].mean()
    return (achieved - utility.mean()) / (utility.max(axis=1).mean() - utility.mean())


def compare_labels(name, sampling_noise, repeat):
    """Share of the oracle's gain with distribution labels, and with single-shot labels."""
    X, outcomes, X_test, utility, aggregator = make_labelled_data(N_TEST, sampling_noise, repeat)
    router = make_seeded_router(name, aggregator)
    first_seed = 1000 * repeat

    def mean_share(labels_by_seed):
        return np.mean([
            share_of_oracle_gain(
                router.set_params(random_state=seed).fit(X, labels).predict(X_test),
                outcomes.models, utility,
            )
            for seed, labels in labels_by_seed
        ])  # fmt: skip

    draws = range(first_seed, first_seed + N_DRAWS)
    distribution = mean_share((seed, outcomes) for seed in draws[:N_TRAINING_SEEDS])
    router = single_shot_counterpart(router)
    return distribution, mean_share((seed, outcomes.single_shot(seed)) for seed in draws)


def format_cell(shares):
    """Format the mean shares of both kinds of labels, and their difference with its margin."""
    difference = shares[:, 0] - shares[:, 1]
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    margin = t.ppf(0.975, len(difference) - 1) * standard_error
    distribution, single_shot = shares.mean(axis=0)
    return f"{distribution:.2f} / {single_shot:.2f} ({difference.mean():+.2f} ± {margin:.2f})"


def print_labels(repeats, parallel):
    """Print the shares of the oracle's gain, for all families and amounts of sampling noise."""
    header = " | ".join(f"noise {noise:g}" for noise in SAMPLING_NOISES)
    print(f"| router | {header} |\n|---|{'---|' * len(SAMPLING_NOISES)}")
    for name in list_routers():
        cells = []
        for noise in SAMPLING_NOISES:
            shares = parallel(
                delayed(compare_labels)(name, noise, repeat) for repeat in range(repeats)
            )
            cells.append(format_cell(np.array(shares)))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


# ---- training seeds ----------------------------------------------------------------


def realised_utilities(router, X, labels, X_test, outcomes_utility, models, seed):
    """Realised utility of the routes on each test query, after training with a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one outcome per pair does not identify its noise
        routes = router.set_params(random_state=seed).fit(X, labels).predict(X_test)
    columns = np.searchsorted(models.astype(str), routes.astype(str))
    return outcomes_utility[np.arange(len(routes)), columns]


def make_pools(name, data_seed, parallel):
    """Utilities of many runs on many queries: of one draw, of all outcomes, and of many draws."""
    X, outcomes, X_test, utility, aggregator = make_labelled_data(N_POOL_QUERIES, 1.0, data_seed)
    # Noise of about the size of that of a mean of two or three test outcomes.
    utility = utility + np.random.default_rng(data_seed).uniform(-0.5, 0.5, size=utility.shape)
    router = make_seeded_router(name, aggregator)
    one_draw = outcomes.single_shot(0)
    seeds = range(N_POOL_RUNS)
    labels = {
        "one draw": [one_draw] * N_POOL_RUNS,
        "distribution": [outcomes] * N_POOL_RUNS,
        "single-shot": [outcomes.single_shot(seed) for seed in seeds],
    }
    return {
        kind: np.array(
            parallel(
                delayed(realised_utilities)(
                    router, X, own[seed], X_test, utility, outcomes.models, seed
                )
                for seed in seeds
            )
        )
        for kind, own in labels.items()
    }


def queries_interval(first, second, rng):
    """Interval over queries alone, by bootstrap."""
    by_query = first.mean(axis=0) - second.mean(axis=0)
    rows = rng.integers(len(by_query), size=(N_RESAMPLES, len(by_query)))
    return np.quantile(by_query[rows].mean(axis=1), [0.025, 0.975])


def joint_bootstrap_interval(first, second, rng):
    """Interval by a bootstrap that resamples queries and the runs of both sides together."""
    queries, *runs = (
        np.array([
            np.bincount(rng.integers(n, size=n), minlength=n) / n for _ in range(N_RESAMPLES)
        ])
        for n in (first.shape[1], len(first), len(second))
    )  # fmt: skip
    means = ((runs[0] @ first - runs[1] @ second) * queries).sum(axis=1)
    return np.quantile(means, [0.025, 0.975])


def crossed_interval(first, second, rng):
    """Interval of ``compare_supervision``."""
    return compare_runs(first, second)[1:]


METHODS = {
    "one seed, over queries": (1, queries_interval),
    "10 seeds, over queries": (N_RUNS["distribution"], queries_interval),
    "10 seeds, joint bootstrap": (N_RUNS["distribution"], joint_bootstrap_interval),
    "`compare_supervision`": (N_RUNS["distribution"], crossed_interval),
}


def misses(first_pool, second_pool, n_queries, seed):
    """Whether each kind of interval misses the true difference, and how wide it is."""
    rng = np.random.default_rng(seed)
    truth = first_pool.mean() - second_pool.mean()
    queries = rng.integers(first_pool.shape[1], size=n_queries)
    first, second = (
        pool[np.ix_(rng.integers(len(pool), size=n), queries)]
        for pool, n in zip((first_pool, second_pool), N_RUNS.values(), strict=True)
    )
    rows = []
    for n_seeds, interval in METHODS.values():
        low, high = interval(first[:n_seeds], second, rng)
        rows.append((not low <= truth <= high, high - low))
    return np.array(rows)


def print_seeds(repeats, parallel):
    """Print how often intervals miss the true difference, and their mean width."""
    print(f"| router, labels, test queries | std over seeds | {' | '.join(METHODS)} |")
    print(f"|---|---|{'---|' * len(METHODS)}")
    for name in SEED_SENSITIVE:
        pools = [make_pools(name, seed, parallel) for seed in range(N_DATA_SETS)]
        for kinds in (("one draw", "one draw"), ("distribution", "single-shot")):
            for n_queries in NUMBERS_OF_TEST_QUERIES:
                own = [
                    misses(pools[seed % N_DATA_SETS][kinds[0]], pools[seed % N_DATA_SETS][kinds[1]],
                           n_queries, seed)
                    for seed in range(repeats)
                ]  # fmt: skip
                cells = [f"{miss:.1%} ({width:.3f})" for miss, width in np.mean(own, axis=0)]
                deviation = np.mean([pool[kinds[0]].mean(axis=1).std(ddof=1) for pool in pools])
                labels = "equal" if kinds[0] == kinds[1] else "different"
                print(
                    f"| {name}, {labels}, {n_queries} | {deviation:.3f} | {' | '.join(cells)} |",
                    flush=True,
                )


if __name__ == "__main__":
    benchmarks = {"labels": (print_labels, 5), "seeds": (print_seeds, 2000)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*benchmarks, []], default=[])
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with Parallel(n_jobs=arguments.jobs) as parallel:
        for name in arguments.names or benchmarks:
            benchmark, repeats = benchmarks[name]
            benchmark(arguments.repeats or repeats, parallel)
