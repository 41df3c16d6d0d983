"""What label science promises, against a known truth.

    python benchmarks/labels.py [coverage | shrinkage | calibration | oracle] [--repetitions N]

Prints, for ``make_routing_outcomes`` with its true parts:

coverage    bias and 95 % intervals' coverage of variance parts, over 2,000
            repetitions of 200 queries x 2 models
shrinkage   mean squared error of ``smoothing="auto"`` labels by that of plain
            means, over 500 repetitions of 200 queries x 4 models; and with how
            many outcomes shrunk labels reach the error of 25 plain ones
calibration share of the pairs given a probability of being best that are best, of
            20,000 queries x 4 models
oracle      bias of the naive and of the cross-fitted oracle, over 500 repetitions
            of 200 queries x 4 models

Seeds are 0, 1, 2, ...; a few minutes each on two cores.
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed

from dars_sklearn import OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.labels import decompose_variance, probability_best
from dars_sklearn.metrics import oracle_utility

NORMAL = {
    "link": "identity", "difficulty": 0.2, "interaction": 0.2, "paraphrase_effect": 0.15,
    "sampling_noise": 0.4,
}  # fmt: skip
PARTS = ("query", "paraphrase", "sample")


def unbalanced(scores, rng):
    """Most queries in one wording, most wordings answered once, some of either very often."""
    n_queries, _, P, K = scores.shape
    wordings = np.where(rng.random(n_queries) < 0.6, 1, rng.integers(2, P + 1, n_queries))
    samples = np.where(rng.random((n_queries, P)) < 0.6, 1, rng.integers(2, K + 1, (n_queries, P)))
    kept = np.arange(P) < wordings[:, None]
    kept = kept[..., None] & (np.arange(K) < samples[..., None])
    return np.where(kept[:, None], scores, np.nan)


def thinned(scores, rng, probability=0.5):
    """Drop outcomes at random, but for one of each pair."""
    drop = rng.random(scores.shape) > probability
    drop[:, :, 0, 0] = False
    return np.where(drop, np.nan, scores)


def of(data, scores):
    return Outcomes.from_array(
        scores, models=data.outcomes.models, score_range=data.outcomes.score_range
    )


# ---- coverage ----------------------------------------------------------------------

LAYOUTS = {
    "normal, 5 x 5": (NORMAL, (5, 5), None),
    "normal, badly unbalanced": (NORMAL, (5, 20), unbalanced),
    "normal, no paraphrase part": (NORMAL | {"paraphrase_effect": 0.0}, (5, 5), None),
    "normal, no query part": (NORMAL | {"difficulty": 0.0, "interaction": 0.0}, (5, 5), None),
    "skewed, 5 x 5": (NORMAL | {"effects": "skewed"}, (5, 5), None),
    "cut to [0, 1], 5 x 5": (NORMAL | {"link": "clip"}, (5, 5), None),
    "right or wrong, 5 x 5": ({}, (5, 5), None),
    "right or wrong, badly unbalanced": ({}, (5, 20), unbalanced),
}


def covered(settings, design, thin, seed):
    """Estimates by truth, and whether intervals hold it, for each part of models, differences."""
    data = make_routing_outcomes(200, 2, *design, random_state=seed, **settings)
    outcomes = data.outcomes
    if thin is not None:
        outcomes = of(data, thin(outcomes.to_array(), np.random.default_rng(seed)))
    table = decompose_variance(outcomes).to_frame()
    table = table[table["model"] != "overall"]
    rows = {}
    for part in PARTS:
        found = table[table["part"] == part]
        truth = data.variance_parts[part].to_numpy()
        held = (found["low"].to_numpy() <= truth + 1e-12) & (truth <= found["high"].to_numpy())
        for kind in ("model", "difference"):
            place = (found["of"] == kind).to_numpy()
            rows[kind, part] = (
                found["estimate"].to_numpy()[place].mean(), truth[place].mean(), held[place].mean(),
            )  # fmt: skip
    return rows


def coverage(repetitions, parallel):
    print(f"\nVariance parts: estimate / truth and coverage of 95 % intervals "
          f"({repetitions} repetitions, 200 queries x 2 models)")  # fmt: skip
    print(f"{'':34s}{'':12s}" + "".join(f"{part:>18s}" for part in PARTS))
    for name, layout in LAYOUTS.items():
        rows = parallel(delayed(covered)(*layout, seed) for seed in range(repetitions))
        for kind in ("model", "difference"):
            cells = []
            for part in PARTS:
                estimate, truth, held = np.mean([row[kind, part] for row in rows], axis=0)
                ratio = f"{estimate / truth:.3f}" if truth > 1e-9 else f"(+{estimate:.4f})"
                cells.append(f"{ratio:>9s} {held:7.1%} ")
            print(f"{name if kind == 'model' else '':34s}{kind:12s}" + "".join(cells))


# ---- shrinkage ---------------------------------------------------------------------

DESIGNS = (
    *((1, 1), (2, 1), (1, 2), (5, 1), (1, 5), (10, 1), (2, 5), (5, 2), (25, 1), (1, 25), (5, 5)),
)
HARD = {"difficulty": 4.0, "interaction": 1.0}


def hopeless_asked_once(scores, rng):
    """Nobody asks again where a model is known to fail: counts depend on what is to be learnt."""
    hopeless = np.nanmean(scores, axis=(2, 3), keepdims=True) < 0.1
    return thinned(scores, rng, np.where(hopeless, 0.0, 1.0))


def errors(settings, design, thin, seed):
    """Mean squared errors of shrunk labels and of plain means."""
    data = make_routing_outcomes(200, 4, *design, random_state=seed, **settings)
    outcomes = data.outcomes
    if thin is not None:
        outcomes = of(data, thin(outcomes.to_array(), np.random.default_rng(seed)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DarsWarning)
        labels = [
            OutcomeAggregator(smoothing=smoothing).fit(outcomes).aggregate(outcomes).quality
            for smoothing in ("auto", 0.0)
        ]
    warned = any("correlation" in str(w.message) for w in caught)
    return [np.mean((label - data.expected_quality) ** 2) for label in labels] + [warned]


def ratio(rows):
    """Mean of the repetitions' ratios, and two standard errors."""
    shrunk, plain, _ = np.array(rows).T
    each = shrunk / plain
    return each.mean(), 2 * each.std(ddof=1) / np.sqrt(len(each))


def shrinkage(repetitions, parallel):
    print(f"\nsmoothing='auto': squared error by that of plain means, +- 2 standard errors "
          f"({repetitions} repetitions, 200 queries x 4 models)")  # fmt: skip
    kinds = {
        "right or wrong": ({}, None),
        "right or wrong, ragged": ({}, thinned),
        "normal": (NORMAL, None),
        "normal, ragged": (NORMAL, thinned),
        "counts go with scores": ({}, hopeless_asked_once),
        "the same, hard or easy": (HARD, hopeless_asked_once),
    }
    print(f"{'P x K':8s}" + "".join(f"{kind:>31s}" for kind in kinds))
    for design in DESIGNS:
        cells = []
        for settings, thin in kinds.values():
            rows = parallel(
                delayed(errors)(settings, design, thin, seed) for seed in range(repetitions)
            )
            warned = np.mean([row[2] for row in rows])
            mean, margin = ratio(rows)
            cells.append(f"{mean:.3f} +- {margin:.3f} ({warned:.0%} warned)")
        print(f"{design[0]:2d} x {design[1]:<3d}" + "".join(f"{cell:>31s}" for cell in cells))
    for name, settings in (("right or wrong", {}), ("normal", NORMAL)):
        plain = mean_error(settings, (5, 5), 1, repetitions, parallel)
        print(f"\n{name}: 5 x 5 = 25 plain outcomes have an error of {plain:.5f}; "
              f"shrunk labels reach it with")  # fmt: skip
        for form, designs in (
            ("n x 1", [(n, 1) for n in range(2, 26)]),
            ("5 x n", [(5, n) for n in range(1, 6)]),
        ):
            for design in designs:
                shrunk = mean_error(settings, design, 0, repetitions, parallel)
                if shrunk <= plain:
                    break
            same = mean_error(settings, design, 1, repetitions, parallel)
            print(f"  {form}: {design[0]} x {design[1]} = {design[0] * design[1]} outcomes "
                  f"(error {shrunk:.5f}; plain means of as many, {same:.5f})")  # fmt: skip


def mean_error(settings, design, which, repetitions, parallel):
    rows = parallel(
        delayed(errors)(settings, design, None, seed) for seed in range(min(repetitions, 200))
    )
    return np.mean([row[which] for row in rows])


# ---- calibration -------------------------------------------------------------------

EDGES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)


def calibration(repetitions, parallel):
    print("\nprobability_best: mean probability given, share that is best (number of pairs); "
          "20,000 queries x 4 models, right or wrong")  # fmt: skip
    for design in ((5, 5), (3, 1), (2, 2), (1, 5)):
        data = make_routing_outcomes(20_000, 4, *design, random_state=0)
        given = probability_best(data.outcomes)
        best = np.eye(4)[data.expected_quality.argmax(axis=1)]
        bins = np.digitize(given, EDGES)
        cells = []
        for bin_ in range(len(EDGES) + 1):
            inside = bins == bin_
            if inside.sum() > 50:
                cells.append(
                    f"{given[inside].mean():.2f} {best[inside].mean():.2f} ({inside.sum()})"
                )
        print(f"{design[0]} x {design[1]}: " + "; ".join(cells))


# ---- oracle ------------------------------------------------------------------------


def oracles(design, seed):
    data = make_routing_outcomes(200, 4, *design, random_state=seed)
    naive = oracle_utility(data.outcomes, crossfit=False)
    return naive, oracle_utility(data.outcomes), data.expected_quality.max(axis=1).mean()


def oracle(repetitions, parallel):
    print(f"\nOracles: score less that of the true oracle, +- 2 standard errors "
          f"({repetitions} repetitions, 200 queries x 4 models, right or wrong)")  # fmt: skip
    for design in ((3, 1), (5, 1), (5, 5)):
        rows = np.array(parallel(delayed(oracles)(design, seed) for seed in range(repetitions)))
        bias = rows[:, :2] - rows[:, 2:]
        margin = 2 * bias.std(axis=0, ddof=1) / np.sqrt(repetitions)
        print(f"{design[0]} x {design[1]}: true {rows[:, 2].mean():.3f}; naive "
              f"{bias[:, 0].mean():+.3f} +- {margin[0]:.3f}; cross-fitted "
              f"{bias[:, 1].mean():+.3f} +- {margin[1]:.3f}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = {
        "coverage": (coverage, 2000),
        "shrinkage": (shrinkage, 500),
        "calibration": (calibration, 1),
        "oracle": (oracle, 500),
    }
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
