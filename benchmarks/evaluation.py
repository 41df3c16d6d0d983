"""Speed of the evaluation, coverage of its intervals, and how often promises are kept.

    python benchmarks/evaluation.py [speed | coverage | budget | quality] [--repetitions N]

speed       Time and peak memory of a bootstrap of 2,000 resamples of 20,000 queries x 6 models: of
            the resampling alone and of ``routing_report``, compared with a plain loop over the
            resamples, and with drawing the random row numbers alone.
coverage    How often 95 % intervals contain the truth (2,000 repetitions, 100 and 400 queries):
            for a router that ignores the query, compared with random routing with matched model
            shares (a difference of 0), and for a useful router, compared with the best single
            model.
budget      How often ``tune_cost_weight`` keeps its budget, its minimum score, or its maximum loss
            of score relative to the best single model, on new data (1,000 repetitions). It promises
            90 %.
quality     How often the 95 % intervals of ``cost_at_quality`` contain the true cost ratio and
            score difference of its routes, and how often the loss is not higher than allowed, for
            all choices and for those that are shown to be within it (1,000 repetitions).

Without a name, all of them are run. Seeds are 0, 1, 2, ...
"""

import argparse
import resource
import warnings

import numpy as np
from _timing import time_call
from joblib import Parallel, delayed
from sklearn.linear_model import Ridge

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    cost_at_quality,
    deferral_curve,
    evaluate_router,
    routing_report,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._bootstrap import resampled_means
from dars_sklearn.metrics import best_single_model, routed_cost, routed_score, routed_utility
from dars_sklearn.utility import find_cost_range

# ---- speed -------------------------------------------------------------------------

N_RESAMPLES, N_QUERIES, N_MODELS = 2000, 20_000, 6


def speed(repetitions, parallel):
    """Print the time and the peak memory of a bootstrap, of a report and of a curve."""
    data = make_routing_outcomes(N_QUERIES, N_MODELS, 2, 2, random_state=0)
    # A copy, because outcomes keep their statistics, and the report must compute its own.
    quality = OutcomeAggregator().fit_aggregate(data.outcomes[:]).quality
    routes = data.outcomes.models[data.best]
    memory_before = peak_memory()

    drawing = time_call(draw_row_numbers).seconds
    looped = time_call(resample_in_a_loop, quality)
    resampled = time_call(resampled_means, quality, N_RESAMPLES, np.random.RandomState(0))
    np.testing.assert_allclose(resampled.result, looped.result)
    memory_of_resampling = peak_memory() - memory_before
    reporting = time_call(routing_report, data.outcomes, routes).seconds
    memory_of_report = peak_memory() - memory_before

    print(f"\nBootstrap: {N_RESAMPLES} resamples x {N_QUERIES} queries x {N_MODELS} models")
    for name, seconds in (
        ("drawing the row numbers", drawing), ("resampled_means", resampled.seconds),
        ("a plain loop", looped.seconds), ("routing_report", reporting),
    ):  # fmt: skip
        print(f"  {name:26s} {seconds:6.2f} s   {seconds / drawing:.2f}")
    memory_of_resamples = N_RESAMPLES * N_QUERIES * N_MODELS * 8 / 2**20
    print(
        f"  peak memory in addition to the data: resampling {memory_of_resampling:.0f} MiB, "
        f"report {memory_of_report:.0f} MiB; all resamples together would need "
        f"{memory_of_resamples:.0f} MiB"
    )
    router = DistributionalRouter(Ridge()).fit(data.X, data.outcomes)
    curve = time_call(deferral_curve, router, data.X, data.outcomes)
    prediction = time_call(router.predict, data.X).seconds
    print(
        f"  deferral_curve: {len(curve.result.cost)} points in {curve.seconds:.2f} s; one "
        f"prediction takes {prediction:.2f} s"
    )


def peak_memory():
    """Return the peak of the resident memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw_row_numbers():
    """Draw the rows of every resample, and read one number of each, so that none is skipped."""
    rng = np.random.RandomState(0)
    return sum(rng.randint(N_QUERIES, size=N_QUERIES)[-1] for _ in range(N_RESAMPLES))


def resample_in_a_loop(table):
    """Column means of resamples of the rows, one resample after the other."""
    rng = np.random.RandomState(0)
    n_rows = len(table)
    return np.array(
        [table[rng.randint(n_rows, size=n_rows)].mean(axis=0) for _ in range(N_RESAMPLES)]
    )


# ---- coverage ----------------------------------------------------------------------


def coverage(repetitions, parallel):
    """Print how often 95 % intervals contain the truth."""
    population = make_routing_outcomes(40_000, 4, 2, 2, random_state=0)
    train = population.outcomes[:300]
    true_gain = true_gain_of_useful_router(population, train)
    print(f"\nCoverage of 95 % intervals ({repetitions} repetitions)")
    for n_queries in (100, 400):
        uninformed, useful = np.mean(
            parallel(
                delayed(intervals_contain_truth)(population, true_gain, train, n_queries, seed)
                for seed in range(repetitions)
            ),
            axis=0,
        )
        print(
            f"  {n_queries} queries: a router that ignores the query, gain over matched random "
            f"routing {uninformed:.1%}; a useful router, gain over the best single model "
            f"{useful:.1%}"
        )
    uninformed = np.mean(
        parallel(delayed(interval_of_control_contains_zero)(s) for s in range(repetitions // 4))
    )
    print(
        f"  a kNN on random features, out of fold, gain over matched random routing "
        f"{uninformed:.1%}"
    )


def useful_routes(population, rows):
    """Return routes that depend on the first feature."""
    return population.outcomes.models[(population.X[rows, 0] > 0).astype(int)]


def true_gain_of_useful_router(population, train):
    """Return its gain over the best single model on the whole population."""
    scale = {"cost_weight": 0.05, "cost_range": find_cost_range(train)}
    routes = useful_routes(population, slice(None))
    best = [best_single_model(train, **scale)] * len(routes)
    outcomes = population.outcomes
    return routed_utility(outcomes, routes, **scale) - routed_utility(outcomes, best, **scale)


def intervals_contain_truth(population, true_gain, train, n_queries, seed):
    """Whether the intervals of a sample contain the truth, for either router."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(population.outcomes), n_queries, replace=False)
    outcomes = population.outcomes[rows]
    routes = {
        "uninformed": rng.choice(outcomes.models, n_queries, p=[0.6, 0.2, 0.15, 0.05]),
        "useful": useful_routes(population, rows),
    }
    report = routing_report(
        outcomes, routes, train=train, cost_weight=0.05, n_resamples=1000, random_state=seed
    )
    _, low, high = report.get("gain_over_matched_random", "uninformed")
    _, useful_low, useful_high = report.get("gain_over_best_single_model", "useful")
    return low <= 0 <= high, useful_low <= true_gain <= useful_high


def interval_of_control_contains_zero(seed):
    """Whether the interval of a router on random features, out of fold, contains a gain of 0."""
    data = make_routing_outcomes(150, 3, 2, 2, random_state=seed)
    random_features = np.random.default_rng(seed).normal(size=data.X.shape)
    report = evaluate_router(
        DistributionalRouter(), random_features, data.outcomes, n_resamples=1000, random_state=seed
    )
    _, low, high = report.get("gain_over_matched_random")
    return low <= 0 <= high


# ---- budget ------------------------------------------------------------------------


def budget(repetitions, parallel):
    """Print how often promises are kept, and how close the promised value is approached."""
    population = make_routing_outcomes(40_000, 4, 2, 2, random_state=0)
    print(
        f"\nPromises at 90 %, 200 training queries, 10 folds ({repetitions} repetitions): share "
        "kept; mean value relative to the promised one"
    )
    for name, estimator in (("ridge", Ridge()), ("kNN", None)):
        for promise in (
            {"budget": 4.0}, {"budget": 2.5}, {"budget": 4.0, "n_queries": 100},
            {"min_score": 0.55}, {"max_loss": 0.01}, {"max_loss": 0.03},
        ):  # fmt: skip
            rows = parallel(
                delayed(try_promise)(population, DistributionalRouter(estimator), promise, seed)
                for seed in range(repetitions)
            )
            kept, relative_value = np.nanmean(rows, axis=0)
            n_refused = int(np.isnan(rows)[:, 0].sum())
            text = ", ".join(f"{key}={value}" for key, value in promise.items())
            refused = f"   ({n_refused} not promised)" if n_refused else ""
            print(f"  {name:6s}{text:32s}{kept:7.1%}   {relative_value:.3f}{refused}")


def try_promise(population, router, promise, seed):
    """Whether a promise is kept on new queries, and the value relative to the promised one.

    The value of a loss is the cost relative to that of the best single model. NaN where nothing
    can be promised.
    """
    order = np.random.default_rng(seed).permutation(len(population.outcomes))
    train, new = order[:200], order[200 : 200 + promise.get("n_queries", 8000)]
    X, outcomes = population.X[train], population.outcomes[train]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            choice = tune_cost_weight(router, X, outcomes, random_state=seed, **promise)
        except ValueError as error:
            if "max_loss" in promise and "cannot be promised" in str(error):
                return np.nan, np.nan
            raise
        router.set_params(cost_weight=choice.cost_weight)
        routes = router.fit(X, outcomes).predict(population.X[new])
    if "budget" in promise:
        cost = routed_cost(population.outcomes[new], routes)
        return cost <= promise["budget"], cost / promise["budget"]
    score = routed_score(population.outcomes[new], routes)
    if "max_loss" in promise:
        best = np.full(len(new), choice.best_model, dtype=object)
        difference = score - routed_score(population.outcomes[new], best)
        costs = (routed_cost(population.outcomes[new], own) for own in (routes, best))
        return difference >= -promise["max_loss"], next(costs) / next(costs)
    return score >= promise["min_score"], score / promise["min_score"]


# ---- cost at quality ---------------------------------------------------------------


def quality(repetitions, parallel):
    """Print how often intervals of the cost at quality contain the truth, and losses are kept."""
    population = make_routing_outcomes(40_000, 4, 2, 2, random_state=0)
    print(
        f"\nCost at the quality of the best single model, 95 % intervals ({repetitions} "
        "repetitions, 200 training queries, ridge): intervals that contain the true cost ratio, "
        "and the true score difference; true loss not higher than allowed: all; share shown to be "
        "within; of these, true loss not higher; mean true cost ratio"
    )
    for n_test in (200, 800):
        for confidence in (0.5, 0.9, 0.975):
            rows = np.array(
                parallel(
                    delayed(try_cost_at_quality)(population, n_test, confidence, seed)
                    for seed in range(repetitions)
                )
            )
            for number, max_loss in enumerate((0.0, 0.01, 0.02)):
                in_ratio, in_difference, kept, shown, ratio = rows[:, number].T
                print(
                    f"  {n_test} test queries, confidence {confidence}, max_loss={max_loss}: "
                    f"{in_ratio.mean():.1%}, {in_difference.mean():.1%}; {kept.mean():.1%}; "
                    f"{shown.mean():.1%}; {kept[shown > 0].mean():.1%}; {ratio.mean():.3f}"
                )


def try_cost_at_quality(population, n_test, confidence, seed):
    """Compare the figures of each loss with those of the same routes on the whole population."""
    order = np.random.default_rng(seed).permutation(len(population.outcomes))
    train, test, rest = order[:200], order[200 : 200 + n_test], order[200:]
    X, outcomes = population.X[train], population.outcomes[train]
    router = DistributionalRouter(Ridge(), calibration=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = cost_at_quality(
            router, X, outcomes, X_test=population.X[test],
            outcomes_test=population.outcomes[test], confidence=confidence, n_resamples=1000,
            random_state=seed,
        )  # fmt: skip
        fitted = router.fit(X, outcomes)
        lines = fitted.utility_lines(population.X[rest])
    score = population.outcomes.pair_statistics().mean_score[rest]
    cost = population.outcomes.pair_statistics().mean_cost[rest]
    best = np.full(len(rest), list(fitted.models_).index(result.best_model))
    rows, figures = np.arange(len(rest)), []
    for own in result.results:
        weight = own.cost_weights[0]
        routes = best if np.isnan(weight) else lines.utilities(weight).argmax(axis=1)
        ratio = cost[rows, routes].mean() / cost[rows, best].mean()
        difference = (score[rows, routes] - score[rows, best]).mean()
        figures.append(
            (
                own.cost_ratio.low - 1e-9 <= ratio <= own.cost_ratio.high + 1e-9,
                own.score_difference.low - 1e-9 <= difference <= own.score_difference.high + 1e-9,
                difference >= -own.max_loss - 1e-9,
                own.is_within,
                ratio,
            )
        )
    return figures


def main():
    """Run the benchmarks that are named on the command line, or all of them."""
    benchmarks = {
        "speed": (speed, 1),
        "coverage": (coverage, 2000),
        "budget": (budget, 1000),
        "quality": (quality, 1000),
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*benchmarks, []], default=[])
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    with Parallel(n_jobs=arguments.n_jobs) as parallel:
        for name in arguments.names or benchmarks:
            benchmark, repetitions = benchmarks[name]
            benchmark(arguments.repetitions or repetitions, parallel)


if __name__ == "__main__":
    main()
