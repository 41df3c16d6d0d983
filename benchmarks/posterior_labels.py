"""What posterior labels gain over plain means and over per-model empirical Bayes.

    python benchmarks/posterior_labels.py [error | single | held-out | known | coverage | time]
        [--data DIR] [--encoder MODEL] [--seeds N]

A posterior label combines a prior mean with a query's own outcomes, with the covariance of the
models. Compared are labels from plain means, from ``OutcomeAggregator(smoothing="auto")``, and
posterior labels around two priors: the models' means, and calibrated out-of-fold predictions of 16
nearest neighbours, from the features of the queries or from features of pure noise.

error     Squared error against draws that the labels do not share (corrected for the noise of
          these draws), relative to plain means, and to "auto".
single    The same with one outcome per pair (the models' means are the prior), for all and for four
          of the models: noise is assumed, unless 40 queries have a second outcome.
held-out  Mean score of the routes of held-out queries (five folds) by ``DistributionalRouter`` with
          nearest neighbours, less that of the routes trained on "auto" labels, with and without
          calibration. Posterior labels are those of ``label_prior="features"``. The mean slope
          with features of pure noise must be about 0.
known     Mean score of the model with the highest label on the same query, less that of "auto",
          on draws that the labels do not share.
coverage  Share of true expected scores within 1.96 standard errors, of synthetic queries that the
          covariances were not estimated from.
time      Seconds for 1,000 queries x 30 models x 10 samples.

Data are the bundled outcomes and synthetic ones; with ``--data``, a folder with
cruxeval_t02.parquet and cruxeval_t08.parquet, also 800 queries of each, answered by the models
that have ten samples of every query ("open": without the GPTs). Features are TF-IDF, or those of
a sentence encoder. Intervals are 95 %, by resampling queries and seeds. The seeds are 0, 1, 2, ...
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _pools import (
    bundled_pool,
    collect,
    cruxeval_pool,
    designs_of,
    interval,
    make_encoder,
    quietly,
    split_draws,
)
from _timing import shortest_time
from joblib import Parallel, delayed
from scipy.optimize import lsq_linear
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import normalize

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.labels._posterior_labels import fit_posterior_model, posterior_labels
from dars_sklearn.outcomes._means import column_means

N_NEIGHBORS = 16
LABELS = ("plain", "auto", "posterior, means", "posterior, features")


# ---- labels, and prior means by calibrated nearest neighbours --------------------------


def predict_neighbors(similarity, labels, train, test):
    """Mean label of the nearest training queries."""
    nearest = np.argpartition(-similarity[np.ix_(test, train)], N_NEIGHBORS, axis=1)
    return labels[nearest[:, :N_NEIGHBORS]].mean(axis=1)


def folds_of(queries, seed=0):
    """Split queries into five folds."""
    for train, test in KFold(5, shuffle=True, random_state=seed).split(queries):
        yield queries[train], queries[test]


class Predictions(NamedTuple):
    """Predicted labels, and the models' means in the training data."""

    values: np.ndarray
    centre: np.ndarray

    def deviations(self):
        """Predicted deviations from the means: their mean over models, and the rest."""
        deviation = self.values - self.centre
        shared = np.broadcast_to(deviation.mean(axis=1, keepdims=True), deviation.shape)
        return shared, deviation - shared

    def calibrated(self, slopes):
        """Predictions with shrunk deviations, on the unit scale."""
        shared, rest = self.deviations()
        return np.clip(self.centre + slopes[0] * shared + slopes[1] * rest, 0, 1)


def fit_slopes(predictions, observed):
    """Regress raw mean scores on out-of-fold predictions; slopes are within [0, 1]."""
    shared, rest = predictions.deviations()
    regressors = np.column_stack([shared.ravel(), rest.ravel()])
    return lsq_linear(regressors, (observed - predictions.centre).ravel(), (0, 1)).x


def predict_out_of_fold(observed, similarity):
    """Predict every query from the mean scores of queries in the other folds."""
    values, centre = np.empty((2, *observed.shape))
    for train, test in folds_of(np.arange(len(observed))):
        values[test] = predict_neighbors(similarity, observed[train], train, test)
        centre[test] = observed[train].mean(axis=0)
    return Predictions(values, centre)


def make_labels(kind, outcomes, similarity):
    """Make the labels of a set of queries."""
    if kind == "auto":
        return OutcomeAggregator(smoothing="auto").fit_aggregate(outcomes).quality
    observed = outcomes.pair_statistics().mean_score
    means = np.broadcast_to(column_means(observed), observed.shape)
    if kind == "plain":
        return observed
    prior = means
    if kind == "posterior, features":
        predictions = predict_out_of_fold(observed, similarity)
        prior = predictions.calibrated(fit_slopes(predictions, observed))
    return posterior_labels(outcomes, prior, fit_posterior_model(outcomes, prior)).mean


# ---- error -------------------------------------------------------------------------


def squared_errors(pool, design, seed):
    """Squared error of each label by query, with and without noise in place of features."""
    draws = split_draws(pool.scores, design, seed)
    noise = normalize(np.random.default_rng(seed).normal(size=(len(pool.scores), 64)))
    labels = {kind: (kind, pool.features) for kind in LABELS}
    labels["posterior, noise"] = ("posterior, features", noise)
    return {
        name: ((make_labels(kind, draws.outcomes, X @ X.T) - draws.fresh) ** 2 - draws.noise).mean(
            axis=1
        )
        for name, (kind, X) in labels.items()
    }


def error(pools, seeds, parallel):
    """Print the error of labels relative to plain means and to "auto"."""
    print("\nerror: squared error relative to plain means; posterior labels also relative to auto")
    for pool in pools:
        for design in designs_of(pool):
            by_name = collect(parallel, squared_errors, pool, design, seeds)
            cells = [f"plain {by_name['plain'].mean():.4f}"]
            for name in [own for own in by_name if own != "plain"]:
                ratio = interval(by_name[name], by_name["plain"])
                to_auto = "" if name == "auto" else f" ({ratio_of(by_name, name, 'auto')} of auto)"
                cells.append(f"{name} {ratio}{to_auto}")
            print(f"{pool.name}, {design[0]} x {design[1]}: " + "; ".join(cells))


def ratio_of(by_name, name, other):
    """Ratio of two mean errors, without an interval."""
    return f"{by_name[name].mean() / by_name[other].mean():.2f}"


def single_errors(pool, n_models, n_repeated, seed):
    """Squared error where all but some of 400 queries have one outcome per pair."""
    rng = np.random.default_rng(seed)
    queries = rng.permutation(len(pool.scores))[:400]
    models = rng.permutation(pool.scores.shape[1])[:n_models]
    scores = pool.scores[queries][:, models, :1]
    draws = split_draws(scores, (1, 2), seed)
    own = draws.outcomes.to_array()
    own[n_repeated:, ..., 1] = np.nan
    outcomes = Outcomes.from_array(own)
    labels = {
        "plain": own[:, :, 0, 0],
        "posterior": make_labels("posterior, means", outcomes, None),
    }
    return {
        name: ((label - draws.fresh) ** 2 - draws.noise)[-300:].mean(axis=1)
        for name, label in labels.items()
    }


def single(pools, seeds, parallel):
    """Print the error with one outcome per pair, and with a second of a few queries."""
    print("\nsingle: squared error relative to plain outcomes, 400 queries, one wording")
    for pool in pools:
        for n_models in (4, pool.scores.shape[1]):
            for n_repeated in (0, 40):
                rows = parallel(
                    delayed(single_errors)(pool, n_models, n_repeated, seed)
                    for seed in range(2 * seeds)
                )
                posterior, plain = (
                    np.array([row[name] for row in rows]) for name in ("posterior", "plain")
                )
                print(
                    f"{pool.name}, {n_models} models, second outcome of {n_repeated} queries: "
                    f"{interval(posterior, plain)}"
                )


# ---- routes ------------------------------------------------------------------------


def held_out_scores(pool, design, seed):
    """Score of the route of every held-out query, by label and calibration."""
    draws = split_draws(pool.scores, design, seed)
    truth = pool.scores.mean(axis=(2, 3))
    scores = {f"{kind}, {how}": np.empty(len(truth)) for kind in ROUTERS for how in CALIBRATIONS}
    scores["best single"] = np.empty(len(truth))
    for train, test in folds_of(np.arange(len(truth)), seed):
        outcomes = draws.outcomes[train]
        scores["best single"][test] = truth[test, best_single(outcomes)]
        for kind in ROUTERS:
            for how, calibration in CALIBRATIONS.items():
                router = make_router(kind, calibration, seed).fit(pool.features[train], outcomes)
                quality = router.predict_capability(pool.features[test]).quality
                scores[f"{kind}, {how}"][test] = truth[test, quality.argmax(axis=1)]
    return scores


CALIBRATIONS = {"raw": None, "calibrated": "auto"}
# Smoothing of the aggregator, and the prior of the router's labels.
ROUTERS = {
    "plain": (0.0, "aggregator"),
    "auto": ("auto", "aggregator"),
    "posterior, features": ("auto", "features"),
}


def make_router(kind, calibration, seed):
    """Return nearest neighbours that are trained on one kind of label."""
    smoothing, label_prior = ROUTERS[kind]
    return DistributionalRouter(
        KNeighborsRegressor(N_NEIGHBORS),
        aggregator=OutcomeAggregator(smoothing=smoothing),
        label_prior=label_prior,
        calibration=calibration,
        cost_weight=0.0,
        random_state=seed,
    )


def best_single(outcomes):
    """Position of the model with the highest mean score."""
    return column_means(outcomes.pair_statistics().mean_score).argmax()


def held_out(pools, seeds, parallel):
    """Print what labels gain for the routes of held-out queries."""
    print("\nheld-out: mean score of routes, less that of the same router trained on auto labels")
    differences = {how: [] for how in CALIBRATIONS}
    for pool in pools:
        for design in designs_of(pool):
            by_name = collect(parallel, held_out_scores, pool, design, seeds)
            for how in CALIBRATIONS:
                auto = by_name[f"auto, {how}"]
                cells = [f"auto less best single {interval(auto - by_name['best single'])}"]
                for kind in [own for own in ROUTERS if own != "auto"]:
                    cells.append(f"{kind} {interval(by_name[f'{kind}, {how}'] - auto)}")
                print(f"{pool.name}, {design[0]} x {design[1]}, {how}: " + "; ".join(cells))
                differences[how].append((by_name[f"posterior, features, {how}"] - auto).mean())
    for how, own in differences.items():
        print(
            f"mean over runs, {how}: posterior, features less auto {np.mean(own):+.4f}, from "
            f"{min(own):+.4f} to {max(own):+.4f}"
        )
    for kind in ROUTERS:
        slopes = parallel(
            delayed(quietly)(noise_slope, pools[0], kind, seed) for seed in range(4 * seeds)
        )
        print(f"features of pure noise, {kind}: mean slope {np.mean(slopes):.3f}")


def noise_slope(pool, kind, seed):
    """Slope of the differences between models with features of pure noise."""
    outcomes = split_draws(pool.scores, (2, 1), seed).outcomes
    features = np.random.default_rng(seed).normal(size=(len(outcomes), 64))
    router = make_router(kind, "auto", seed).fit(features, outcomes)
    return router.calibration_.slopes["own"].iloc[0]


def known_scores(pool, design, seed):
    """Score, on fresh draws, of the model with the highest label of the same query."""
    draws = split_draws(pool.scores, design, seed)
    similarity = pool.features @ pool.features.T
    rows = np.arange(len(pool.scores))
    scores = {
        kind: draws.fresh[rows, make_labels(kind, draws.outcomes, similarity).argmax(axis=1)]
        for kind in LABELS
    }
    return scores | {"best single": draws.fresh[:, best_single(draws.outcomes)]}


def known(pools, seeds, parallel):
    """Print what labels gain for the routes of the queries that they are made of."""
    print("\nknown: mean score of known queries' routes on fresh draws, less that of auto labels")
    for pool in pools:
        for design in designs_of(pool):
            by_name = collect(parallel, known_scores, pool, design, seeds)
            auto = by_name["auto"]
            cells = [f"auto less best single {interval(auto - by_name['best single'])}"]
            for kind in [own for own in LABELS if own != "auto"]:
                cells.append(f"{kind} {interval(by_name[kind] - auto)}")
            print(f"{pool.name}, {design[0]} x {design[1]}: " + "; ".join(cells))


# ---- standard errors and time --------------------------------------------------------


def coverage(pools, seeds, parallel):
    """Print the coverage of the intervals of queries outside the fit of the covariances."""
    print("\ncoverage: share of true expected scores within 1.96 standard errors, new queries")
    for name, settings in (
        ("binary", {}),
        ("binary, hard or easy", {"difficulty": 2.5, "interaction": 1.5}),
        ("normal", {"link": "identity", "difficulty": 0.2, "interaction": 0.2,
                    "paraphrase_effect": 0.15, "sampling_noise": 0.4}),
    ):  # fmt: skip
        for design in ((1, 1), (2, 1), (3, 1), (5, 1), (2, 5)):
            covered = parallel(
                delayed(covered_share)(settings, design, seed) for seed in range(seeds)
            )
            print(f"{name}, {design[0]} x {design[1]}: {np.mean(covered):.3f}")


def covered_share(settings, design, seed):
    """Share of the second half of the queries whose interval contains the truth."""
    data = make_routing_outcomes(600, 5, *design, random_state=seed, **settings)
    similarity = normalize(data.X) @ normalize(data.X).T
    observed = data.outcomes.pair_statistics().mean_score
    train, test = np.arange(300), np.arange(300, 600)
    outcomes = data.outcomes[train]
    predictions = predict_out_of_fold(observed[train], similarity[np.ix_(train, train)])
    slopes = fit_slopes(predictions, observed[train])
    model = fit_posterior_model(outcomes, predictions.calibrated(slopes))
    values = predict_neighbors(similarity, observed[train], train, test)
    prior = Predictions(values, observed[train].mean(axis=0)).calibrated(slopes)
    labels = posterior_labels(data.outcomes[test], prior, model)
    distance = np.abs(labels.mean - data.expected_quality[test])
    return (distance <= 1.96 * labels.standard_error).mean()


def time(pools, seeds, parallel):
    """Print how long the two steps take."""
    outcomes = make_routing_outcomes(1000, 30, 1, 10, random_state=0).outcomes
    prior = np.full((1000, 30), 0.5)
    model = fit_posterior_model(outcomes, prior)
    fit = shortest_time(lambda: fit_posterior_model(outcomes, prior), 5)
    posterior = shortest_time(lambda: posterior_labels(outcomes, prior, model), 5)
    print(f"\ntime: covariances {fit:.3f} s, posterior {posterior:.3f} s")


# ---- running -----------------------------------------------------------------------


def main():
    """Run the benchmarks that are named on the command line, or all of them."""
    benchmarks = {
        "error": error, "single": single, "held-out": held_out, "known": known,
        "coverage": coverage, "time": time,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*benchmarks, []], default=[])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--encoder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    encode = make_encoder(arguments.encoder)
    pools = [bundled_pool(encode)]
    if arguments.data is not None:
        pools += [
            cruxeval_pool(arguments.data, name, encode, open_models)
            for name in ("cruxeval_t02", "cruxeval_t08")
            for open_models in (False, True)
        ]
    with Parallel(n_jobs=arguments.n_jobs) as parallel:
        for name in arguments.names or benchmarks:
            benchmarks[name](pools, arguments.seeds, parallel)


if __name__ == "__main__":
    main()
