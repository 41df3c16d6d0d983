"""What honest evaluation promises, and what it costs.

    python benchmarks/evaluation.py [speed | coverage | budget] [--repetitions N]

speed       bootstrap of 2,000 resamples over 20,000 queries x 6 models: seconds
            and peak memory of ``routing_report`` and of the resampling alone,
            beside a plain loop over resamples and a bare pass over the draws
coverage    how often 95 % intervals hold the truth: a useless router against
            its own model shares (0), and a useful one against the best single
            model, at 100 and 400 queries (2,000 repetitions)
budget      how often ``tune_cost_weight`` keeps its budget, and its floor of
            quality, on fresh data: promised 90 % (1,000 repetitions)

Seeds are 0, 1, 2, ...
"""

import argparse
import resource
import time
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import Ridge

from dars_sklearn import (
    DistributionalRouter,
    deferral_curve,
    evaluate_router,
    routing_report,
    tune_cost_weight,
)
from dars_sklearn.aggregate import OutcomeAggregator
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._bootstrap import resampled_means
from dars_sklearn.metrics import best_single_model, routed_cost, routed_score, routed_utility

# ---- speed -------------------------------------------------------------------------


def seconds(call):
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(repetitions, parallel):
    n_resamples, n_queries, n_models = 2000, 20_000, 6
    data = make_routing_outcomes(n_queries, n_models, 2, 2, random_state=0)
    utility = OutcomeAggregator().fit(data.outcomes).aggregate(data.outcomes).quality
    before = peak()

    def bare():
        """The draws themselves, and one pass over each."""
        rng = np.random.RandomState(0)
        return sum(rng.randint(n_queries, size=n_queries)[-1] for _ in range(n_resamples))

    def plain():
        rng = np.random.RandomState(0)
        return np.array(
            [
                utility[rng.randint(n_queries, size=n_queries)].mean(axis=0)
                for _ in range(n_resamples)
            ]
        )

    _, bare_time = seconds(bare)
    looped, loop_time = seconds(plain)
    fast, fast_time = seconds(
        lambda: resampled_means(utility, n_resamples, np.random.RandomState(0))
    )
    np.testing.assert_allclose(fast, looped)
    resampling = peak() - before
    routes = data.outcomes.models[data.best]
    _, report_time = seconds(lambda: routing_report(data.outcomes, routes))
    print(f"\nBootstrap: {n_resamples} resamples x {n_queries} queries x {n_models} models")
    print(f"  drawing the rows           {bare_time:6.2f} s   1.00")
    for name, took in (
        ("resampled_means", fast_time), ("a plain loop", loop_time),
        ("routing_report, whole", report_time),
    ):  # fmt: skip
        print(f"  {name:26s} {took:6.2f} s   {took / bare_time:.2f}")
    whole = n_resamples * n_queries * n_models * 8 / 2**20
    print(f"  memory at the peak: resampling {resampling:.0f} MiB more, the report "
          f"{peak() - before:.0f} MiB; all resamples of all would be {whole:.0f} MiB")  # fmt: skip
    router = DistributionalRouter(Ridge()).fit(data.X, data.outcomes)
    curve, curve_time = seconds(lambda: deferral_curve(router, data.X, data.outcomes))
    _, predict_time = seconds(lambda: router.predict(data.X))
    print(f"  deferral_curve: {len(curve.cost)} points in {curve_time:.2f} s; one predict takes "
          f"{predict_time:.2f} s")  # fmt: skip


# ---- coverage ----------------------------------------------------------------------


def interval_holds(world, truth, train, n_queries, seed):
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(world.outcomes), n_queries, replace=False)
    outcomes = world.outcomes[rows]
    useless = rng.choice(outcomes.models, n_queries, p=[0.6, 0.2, 0.15, 0.05])
    useful = outcomes.models[(world.X[rows, 0] > 0).astype(int)]
    report = routing_report(
        outcomes, {"useless": useless, "useful": useful}, train=train, n_resamples=1000,
        random_state=seed,
    )  # fmt: skip
    _, low, high = report.get("over same shares", "useless")
    _, low_best, high_best = report.get("over best single model", "useful")
    return low <= 0 <= high, low_best <= truth <= high_best


def control_holds(seed):
    """A router on features without meaning, out of fold, against its own shares."""
    data = make_routing_outcomes(150, 3, 2, 2, random_state=seed)
    noise = np.random.default_rng(seed).normal(size=data.X.shape)
    report = evaluate_router(
        DistributionalRouter(), noise, data.outcomes, n_resamples=1000, random_state=seed
    )
    _, low, high = report.get("over same shares")
    return low <= 0 <= high


def coverage(repetitions, parallel):
    world = make_routing_outcomes(40_000, 4, 2, 2, random_state=0)
    train = world.outcomes[:300]
    scale = {"cost_weight": 0.05, "cost_range": (train.cost.min(), train.cost.max())}
    useful = world.outcomes.models[(world.X[:, 0] > 0).astype(int)]
    best = [best_single_model(train, **scale)] * len(useful)
    truth = routed_utility(world.outcomes, useful, **scale) - routed_utility(
        world.outcomes, best, **scale
    )
    print(f"\nCoverage of 95 % intervals ({repetitions} repetitions)")
    for n_queries in (100, 400):
        held = np.array(
            parallel(
                delayed(interval_holds)(world, truth, train, n_queries, seed)
                for seed in range(repetitions)
            )
        ).mean(axis=0)
        print(f"  {n_queries} queries: useless against its own shares {held[0]:.1%}; useful "
              f"against the best single model {held[1]:.1%}")  # fmt: skip
    held = np.mean(parallel(delayed(control_holds)(seed) for seed in range(repetitions // 4)))
    print(f"  a kNN on random features, out of fold, against its own shares {held:.1%}")


# ---- budget ------------------------------------------------------------------------


def kept(world, router, settings, seed):
    """Whether a promise is kept on fresh queries, and how far below it the mean is."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(world.outcomes))
    train = order[:200]
    fresh = order[200 : 200 + settings.get("n_queries", 8000)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        choice = tune_cost_weight(
            router, world.X[train], world.outcomes[train], random_state=seed, **settings
        )
        router.set_params(cost_weight=choice.cost_weight)
        routes = router.fit(world.X[train], world.outcomes[train]).predict(world.X[fresh])
    if "budget" in settings:
        cost = routed_cost(world.outcomes[fresh], routes)
        return cost <= settings["budget"], cost / settings["budget"]
    score = routed_score(world.outcomes[fresh], routes)
    return score >= settings["min_score"], score / settings["min_score"]


def budget(repetitions, parallel):
    world = make_routing_outcomes(40_000, 4, 2, 2, random_state=0)
    print(f"\nPromises at 90 %, 200 training queries, 10 folds ({repetitions} repetitions): kept; "
          "mean by what was promised")  # fmt: skip
    for name, estimator in (("ridge", Ridge()), ("kNN", None)):
        for settings in (
            {"budget": 4.0}, {"budget": 2.5}, {"budget": 4.0, "n_queries": 100},
            {"min_score": 0.55},
        ):  # fmt: skip
            rows = parallel(
                delayed(kept)(world, DistributionalRouter(estimator), settings, seed)
                for seed in range(repetitions)
            )
            held, share = np.mean(rows, axis=0)
            text = ", ".join(f"{key}={value}" for key, value in settings.items())
            print(f"  {name:6s}{text:32s}{held:7.1%}   {share:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = {"speed": (speed, 1), "coverage": (coverage, 2000), "budget": (budget, 1000)}
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=[])
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    with Parallel(n_jobs=arguments.n_jobs) as parallel:
        for name in arguments.parts or parts:
            part, repetitions = parts[name]
            part(arguments.repetitions or repetitions, parallel)


if __name__ == "__main__":
    main()
