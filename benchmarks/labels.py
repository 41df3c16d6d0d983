"""How accurate labels and their diagnostics are, measured against a known truth.

    python benchmarks/labels.py [coverage | shrinkage | calibration | oracle] [--repetitions N]

The data are draws of ``make_routing_outcomes``, whose true variance components are known.

coverage    Bias of the variance components, and coverage of their 95 % intervals, over 2,000
            repetitions of 200 queries x 2 models.
shrinkage   Mean squared error of labels with ``smoothing="auto"`` relative to that of plain means,
            over 500 repetitions of 200 queries x 4 models; and the number of outcomes with which
            these labels reach the error of plain means of 25 outcomes.
calibration Predicted probability of being the best model, and observed share of best models, over
            20,000 queries x 4 models.
oracle      Bias of the naive and of the cross-fitted oracle, over 500 repetitions of 200 queries x
            4 models.

Without a name, all four are run, which takes a few minutes each on two cores. Seeds are 0, 1, 2,
...
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed

from dars_sklearn import OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import (
    DarsWarning,
    InformativeCountsWarning,
    SeparabilityWarning,
)
from dars_sklearn.labels import decompose_variance, probability_best
from dars_sklearn.metrics import oracle_utility

NORMAL = {
    "link": "identity", "difficulty": 0.2, "interaction": 0.2, "paraphrase_effect": 0.15,
    "sampling_noise": 0.4,
}  # fmt: skip
COMPONENTS = ("query", "paraphrase", "sample")


def make_outcomes(design, n_models, seed, settings, drop_outcomes=None):
    """Return synthetic data, and its outcomes less those that are dropped."""
    data = make_routing_outcomes(200, n_models, *design, random_state=seed, **settings)
    outcomes = data.outcomes
    if drop_outcomes is not None:
        outcomes = Outcomes.from_array(
            drop_outcomes(outcomes.to_array(), np.random.default_rng(seed)),
            models=outcomes.models,
            score_range=outcomes.score_range,
        )
    return data, outcomes


def drop_to_unbalanced(scores, rng):
    """Keep one paraphrase of most queries and one sample of most paraphrases, and many of a few."""
    n_queries, _, P, K = scores.shape
    n_paraphrases = np.where(rng.random(n_queries) < 0.6, 1, rng.integers(2, P + 1, n_queries))
    n_samples = np.where(
        rng.random((n_queries, P)) < 0.6, 1, rng.integers(2, K + 1, (n_queries, P))
    )
    kept = np.arange(P) < n_paraphrases[:, None]
    kept = kept[..., None] & (np.arange(K) < n_samples[..., None])
    return np.where(kept[:, None], scores, np.nan)


def drop_at_random(scores, rng, probability=0.5):
    """Keep each outcome with a probability, and at least one of each (query, model) pair."""
    dropped = rng.random(scores.shape) > probability
    dropped[:, :, 0, 0] = False
    return np.where(dropped, np.nan, scores)


def drop_where_hopeless(scores, rng):
    """Keep a single outcome where the model fails, so that counts depend on the scores."""
    hopeless = np.nanmean(scores, axis=(2, 3), keepdims=True) < 0.1
    return drop_at_random(scores, rng, np.where(hopeless, 0.0, 1.0))


# ---- coverage ----------------------------------------------------------------------

# Settings of the scores, numbers of paraphrases and samples, and how outcomes are dropped.
LAYOUTS = {
    "normal, 5 x 5": (NORMAL, (5, 5), None),
    "normal, strongly unbalanced": (NORMAL, (5, 20), drop_to_unbalanced),
    "normal, no paraphrase component": (NORMAL | {"paraphrase_effect": 0.0}, (5, 5), None),
    "normal, no query component": (NORMAL | {"difficulty": 0.0, "interaction": 0.0}, (5, 5), None),
    "skewed, 5 x 5": (NORMAL | {"effects": "skewed"}, (5, 5), None),
    "clipped to [0, 1], 5 x 5": (NORMAL | {"link": "clip"}, (5, 5), None),
    "binary, 5 x 5": ({}, (5, 5), None),
    "binary, strongly unbalanced": ({}, (5, 20), drop_to_unbalanced),
}


def coverage(repetitions, parallel):
    """Print bias and coverage of the variance components."""
    print(
        f"\nVariance components: estimate / truth, and coverage of 95 % intervals "
        f"({repetitions} repetitions, 200 queries x 2 models)"
    )
    print(f"{'':34s}{'':12s}" + "".join(f"{component:>18s}" for component in COMPONENTS))
    for name, layout in LAYOUTS.items():
        rows = parallel(delayed(estimate_components)(*layout, seed) for seed in range(repetitions))
        for kind in ("model", "difference"):
            cells = []
            for component in COMPONENTS:
                estimate, truth, covered = np.mean([row[kind, component] for row in rows], axis=0)
                ratio = f"{estimate / truth:.3f}" if truth > 1e-9 else f"(+{estimate:.4f})"
                cells.append(f"{ratio:>9s} {covered:7.1%} ")
            print(f"{name if kind == 'model' else '':34s}{kind:12s}" + "".join(cells))


def estimate_components(settings, design, drop_outcomes, seed):
    """Mean estimate, truth and coverage of each component, of models and of differences."""
    data, outcomes = make_outcomes(design, 2, seed, settings, drop_outcomes)
    table = decompose_variance(outcomes).to_frame()
    table = table[table["model"] != "overall"]
    rows = {}
    for component in COMPONENTS:
        estimates = table[table["component"] == component]
        truth = data.variance_components[component].to_numpy()
        low, high = estimates["low"].to_numpy(), estimates["high"].to_numpy()
        covered = (low <= truth + 1e-12) & (truth <= high)
        for kind in ("model", "difference"):
            selected = (estimates["kind"] == kind).to_numpy()
            rows[kind, component] = (
                estimates["estimate"].to_numpy()[selected].mean(),
                truth[selected].mean(),
                covered[selected].mean(),
            )
    return rows


# ---- shrinkage ---------------------------------------------------------------------

DESIGNS = (
    (1, 1), (2, 1), (1, 2), (5, 1), (1, 5), (10, 1), (2, 5), (5, 2), (25, 1), (1, 25), (5, 5),
)  # fmt: skip
HARD_OR_EASY = {"difficulty": 4.0, "interaction": 1.0}
SCORES = {
    "binary": ({}, None),
    "binary, ragged": ({}, drop_at_random),
    "normal": (NORMAL, None),
    "normal, ragged": (NORMAL, drop_at_random),
    "counts depend on scores": ({}, drop_where_hopeless),
    "same, hard or easy queries": (HARD_OR_EASY, drop_where_hopeless),
}
SHRUNK, PLAIN = 0, 1


def shrinkage(repetitions, parallel):
    """Print the error of shrunk labels relative to that of plain means."""
    print(
        f"\nsmoothing='auto': squared error relative to plain means, +- 2 standard errors "
        f"({repetitions} repetitions, 200 queries x 4 models)"
    )
    print(f"{'P x K':8s}" + "".join(f"{name:>31s}" for name in SCORES))
    for design in DESIGNS:
        cells = []
        for settings, drop_outcomes in SCORES.values():
            rows = parallel(
                delayed(label_errors)(settings, design, drop_outcomes, seed)
                for seed in range(repetitions)
            )
            shrunk, plain, warned = np.array(rows).T
            ratio = shrunk / plain
            margin = 2 * ratio.std(ddof=1) / np.sqrt(len(ratio))
            cells.append(f"{ratio.mean():.3f} +- {margin:.3f} ({warned.mean():.0%} warned)")
        print(f"{design[0]:2d} x {design[1]:<3d}" + "".join(f"{cell:>31s}" for cell in cells))
    for name, settings in (("binary", {}), ("normal", NORMAL)):
        print_number_of_outcomes_needed(name, settings, repetitions, parallel)


def label_errors(settings, design, drop_outcomes, seed):
    """Squared error of shrunk labels and of plain means, and whether there was a warning."""
    data, outcomes = make_outcomes(design, 4, seed, settings, drop_outcomes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DarsWarning)
        labels = [
            OutcomeAggregator(smoothing=smoothing).fit_aggregate(outcomes).quality
            for smoothing in ("auto", 0.0)
        ]
    warned = any(issubclass(warning.category, InformativeCountsWarning) for warning in caught)
    return [np.mean((label - data.expected_quality) ** 2) for label in labels] + [warned]


def print_number_of_outcomes_needed(name, settings, repetitions, parallel):
    """Print with how many outcomes shrunk labels reach the error of plain means of 25."""

    def mean_error(design, method):
        rows = parallel(
            delayed(label_errors)(settings, design, None, seed)
            for seed in range(min(repetitions, 200))
        )
        return np.mean([row[method] for row in rows])

    target = mean_error((5, 5), PLAIN)
    print(
        f"\n{name}: plain means of 5 x 5 = 25 outcomes have an error of {target:.5f}; shrunk "
        "labels reach it with"
    )
    for form, designs in (
        ("n x 1", [(n, 1) for n in range(2, 26)]),
        ("5 x n", [(5, n) for n in range(1, 6)]),
    ):
        for design in designs:
            error = mean_error(design, SHRUNK)
            if error <= target:
                break
        print(
            f"  {form}: {design[0]} x {design[1]} = {design[0] * design[1]} outcomes (error "
            f"{error:.5f}; plain means of the same: {mean_error(design, PLAIN):.5f})"
        )


# ---- calibration -------------------------------------------------------------------

BIN_EDGES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)


def calibration(repetitions, parallel):
    """Print predicted probabilities of being best, and observed shares, by bin."""
    print(
        "\nprobability_best: mean predicted probability, observed share of best models (number "
        "of pairs); 20,000 queries x 4 models, binary scores"
    )
    for design in ((5, 5), (3, 1), (2, 2), (1, 5)):
        data = make_routing_outcomes(20_000, 4, *design, random_state=0)
        with warnings.catch_warnings():
            # With one paraphrase per query, it warns of what is measured here.
            warnings.simplefilter("ignore", SeparabilityWarning)
            predicted = probability_best(data.outcomes, cost_weight=0.0)
        is_best = np.eye(4)[data.expected_quality.argmax(axis=1)]
        bins = np.digitize(predicted, BIN_EDGES)
        cells = []
        for number in range(len(BIN_EDGES) + 1):
            inside = bins == number
            if inside.sum() > 50:
                cells.append(
                    f"{predicted[inside].mean():.2f} {is_best[inside].mean():.2f} ({inside.sum()})"
                )
        print(f"{design[0]} x {design[1]}: " + "; ".join(cells))


# ---- oracle ------------------------------------------------------------------------


def oracle(repetitions, parallel):
    """Print the bias of both oracles."""
    print(
        f"\nOracles: bias of the score, +- 2 standard errors "
        f"({repetitions} repetitions, 200 queries x 4 models, binary scores)"
    )
    for design in ((3, 1), (5, 1), (5, 5)):
        rows = np.array(
            parallel(delayed(oracle_scores)(design, seed) for seed in range(repetitions))
        )
        bias = rows[:, :2] - rows[:, 2:]
        margin = 2 * bias.std(axis=0, ddof=1) / np.sqrt(repetitions)
        print(
            f"{design[0]} x {design[1]}: true {rows[:, 2].mean():.3f}; naive "
            f"{bias[:, 0].mean():+.3f} +- {margin[0]:.3f}; cross-fitted "
            f"{bias[:, 1].mean():+.3f} +- {margin[1]:.3f}"
        )


def oracle_scores(design, seed):
    """Score of the naive, of the cross-fitted and of the true oracle."""
    data = make_routing_outcomes(200, 4, *design, random_state=seed)
    naive = oracle_utility(data.outcomes, cost_weight=0.0, crossfit=False)
    crossfitted = oracle_utility(data.outcomes, cost_weight=0.0)
    return naive, crossfitted, data.expected_quality.max(axis=1).mean()


def main():
    """Run the benchmarks that are named on the command line, or all of them."""
    benchmarks = {
        "coverage": (coverage, 2000),
        "shrinkage": (shrinkage, 500),
        "calibration": (calibration, 1),
        "oracle": (oracle, 500),
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
