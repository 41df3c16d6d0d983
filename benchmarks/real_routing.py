"""Routers on tables of real outcomes of well-known models, beside the best single model.

    python benchmarks/real_routing.py --data DIR [--part gains | costs | supervision | peers]
        [--tables NAME ...] [--routers NAME ...] [--features tfidf minilm]
        [--columns text text+column column] [--splits N] [--encoder MODEL] [--cache DIR]
        [--jobs N] [--out PREFIX]

DIR has tables of one row per outcome: cruxeval_t02.parquet, cruxeval_t08.parquet,
mmlu_pro.parquet (a sample of 4,000 queries is used) and zeroeval.parquet. Pools are the models
that answered every query; "open" leaves GPTs and Claude out, and "no_o1_mini" the model that is
best by far. In the bundled tables, held-out queries are of kinds seen in training, or
("unseen") of kinds never seen; the router is given the kinds as ``groups`` of fit, as documented
for that case, or ("untold") is not.

gains        Utility of the routes less that of the best single model, which is chosen on the
             training queries of each fold; five shuffled folds, for several splits. Cost weights
             are 0 and, where costs are known, .1, .3 and 1. Routers learn from the text, from the
             text and what is known beside it (task, category or kind), or from that alone.
             "constant" always chooses the best single model; ":plain" is without calibration.
             The last lines count the runs of each router: significantly worse and better than the
             best single model, by t tests over queries (Holm's correction over the runs of the
             router), and the mean gain with queries resampled jointly over the runs of a data set.
costs        Cost relative to the best single model at its score, and one and two points below it
             (``cost_at_quality``, which chooses cost weights on the training queries), on tables
             with costs.
supervision  Distribution labels and single-shot labels on CRUXEval, which has ten samples per
             (query, model) pair: trained on the mean of all samples, or on one random sample of
             each pair, and judged on the mean over all samples of held-out queries. Each
             repetition has its own draw, split and seed of training.
peers        Score, and time to fit and to predict, of routers of other packages on the same
             splits, features and labels, if ``llmrouter-lib`` and ``saverouter`` are installed.

Intervals are 95 %, over queries and over splits. No parameter was chosen on these folds. Seeds of
splits are 0, 1, 2, ... On one core, part "gains" takes about half an hour per split for the default
router and nearest neighbours with and without calibration; ridge regression on TF-IDF, forests,
boosting and the neural families take hours. The
parts write PREFIX_<part>.csv. Requires the extra ``text``, and ``torch`` for neural families.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _real_tables import TABLES, encode_texts, load_table
from _routing_costs import cost_rows, costs_frame, has_cost_choice, measure_costs
from _routing_peers import PEERS, measure_peer
from _routing_runs import (
    REGRESSORS,
    ROUTERS,
    adjust_by_holm,
    collect_runs,
    joint_interval,
    mean_interval,
    measure_split,
)
from _routing_supervision import compare_labels
from joblib import Memory, Parallel, delayed

FEATURES = ("tfidf", "minilm")
COLUMNS = ("text", "text+column", "column")
SIGNIFICANCE = 0.05
ROUTERS_OF_PARTS = {
    "supervision": ("default", "default:plain", "knn-16", "knn-16:plain"),
    "peers": ("default", "default:plain", "mlp"),
}


def load_tables(arguments):
    """Return the chosen tables, each with its embeddings, or None where they are not needed."""
    encode = Memory(arguments.cache, verbose=0).cache(encode_texts)
    for name in arguments.tables:
        table = load_table(name, arguments.data)
        embeddings = None
        if "minilm" in arguments.features:
            embeddings = encode(arguments.encoder, table.texts.tolist())
        yield table, embeddings


# ---- gains -------------------------------------------------------------------------


def list_settings(arguments):
    """Return what to run on each table, as tuples of router, features and column."""
    settings = []
    for router in arguments.routers:
        base = router.split(":")[0]
        for column in arguments.columns:
            # Only regressors are combined with columns; the column alone has one regressor.
            if column != "text" and base not in REGRESSORS and router != "constant":
                continue
            if column == "column" and base != "default":
                continue
            features = ("none",) if column == "column" else arguments.features
            settings += [(router, own, column) for own in features]
    return settings


def run_gains(arguments):
    """Print gains over the best single model, and how many runs are worse and better."""
    runs = []
    parallel = Parallel(n_jobs=arguments.jobs)
    for table, embeddings in load_tables(arguments):
        settings = list_settings(arguments)
        splits = parallel(
            delayed(measure_split)(router, table, features, column, embeddings, seed)
            for router, features, column in settings
            for seed in range(arguments.splits)
        )
        for number, (router, features, column) in enumerate(settings):
            own = splits[number * arguments.splits : (number + 1) * arguments.splits]
            new = collect_runs(router, table, features, column, own)
            print_gains(new)
            runs += new
        save(gains_frame(runs), arguments)
    print_summary(runs)


def gains_frame(runs):
    """Return one row per run."""
    return pd.DataFrame(
        [
            {
                "table": run.table, "features": run.features, "column": run.column,
                "router": run.router, "cost_weight": run.cost_weight,
                "n_splits": len(run.gains), "best_utility": run.best_utility,
                **mean_interval(run.gains, run.clusters)._asdict(),
            }
            for run in runs
        ]
    )  # fmt: skip


def print_gains(runs):
    """Print one line per run."""
    for run in runs:
        interval = mean_interval(run.gains, run.clusters)
        print(
            f"{run.table:22} {run.features:6} {run.column:11} {run.router:15} "
            f"weight {run.cost_weight:<3g} best single {run.best_utility:.3f}  gain "
            f"{show(interval)}",
            flush=True,
        )


def print_summary(runs):
    """Print, for each router, how many of its runs are worse and better, and the mean gain."""
    rows = []
    for column in dict.fromkeys(run.column for run in runs):
        for router in dict.fromkeys(run.router for run in runs if run.column == column):
            own = [run for run in runs if (run.router, run.column) == (router, column)]
            intervals = [mean_interval(run.gains, run.clusters) for run in own]
            means = np.array([interval.mean for interval in intervals])
            p_values = np.array([interval.p_value for interval in intervals])
            rows.append(
                {
                    "column": column, "router": router, "runs": len(own),
                    **count_significant(means, adjust_by_holm(p_values), "(Holm)"),
                    **count_significant(means, p_values, "(alone)"),
                    "worst": f"{means.min():+.4f}",
                    "mean gain": show(joint_interval(own)),
                }
            )  # fmt: skip
    print(f"\nGain over the best single model\n{pd.DataFrame(rows).to_string(index=False)}")


def count_significant(means, p_values, label):
    """Return the numbers of significantly worse and better runs."""
    significant = p_values < SIGNIFICANCE
    return {
        f"worse {label}": int((significant & (means < 0)).sum()),
        f"better {label}": int((significant & (means > 0)).sum()),
    }


def show(interval, sign="+", digits=4):
    """Return a mean with its interval as text."""
    low, high = f"{interval.low:{sign}.{digits}f}", f"{interval.high:{sign}.{digits}f}"
    return f"{interval.mean:{sign}.{digits}f} [{low}, {high}]"


def save(frame, arguments):
    """Write a table to its file."""
    frame.to_csv(f"{arguments.out}_{arguments.part}.csv", index=False)


# ---- the other parts ---------------------------------------------------------------


def run_costs(arguments):
    """Print costs at the score of the best single model, and one and two points below."""
    rows = []
    for table, embeddings in load_tables(arguments):
        for router, features in iterate_settings(arguments):
            if not table.has_costs or not has_cost_choice(router):
                continue
            splits = Parallel(n_jobs=arguments.jobs)(
                delayed(measure_costs)(router, table, features, embeddings, seed)
                for seed in range(arguments.splits)
            )
            new = cost_rows(router, table, features, splits)
            for row in new:
                print(
                    f"{row['table']:22} {row['features']:6} {row['router']:15} at most "
                    f"{100 * row['max_loss']:.0f} points below: cost ratio "
                    f"{show(row['cost_ratio'], '', 2)}, score difference "
                    f"{show(row['score_difference'])}, {row['within']}; single model "
                    f"{row['single_model_cost_ratio']:.2f}",
                    flush=True,
                )
            rows += new
            save(costs_frame(rows), arguments)


def run_supervision(arguments):
    """Print what distribution labels gain over single-shot labels on CRUXEval."""
    rows = []
    for table, embeddings in load_tables(arguments):
        if table.data_set != "CRUXEval":
            continue
        for router, features in iterate_settings(arguments):
            repetitions = Parallel(n_jobs=arguments.jobs)(
                delayed(compare_labels)(router, table, features, embeddings, seed)
                for seed in range(arguments.splits)
            )
            gains = {kind: np.array([own[kind] for own in repetitions]) for kind in repetitions[0]}
            gains["difference"] = gains["distribution"] - gains["single-shot"]
            intervals = {kind: mean_interval(own, table.clusters) for kind, own in gains.items()}
            shown = ", ".join(f"{kind} {show(own)}" for kind, own in intervals.items())
            print(f"{table.name:18} {features:6} {router:15} {shown}", flush=True)
            rows += [
                {
                    "table": table.name, "features": features, "router": router, "labels": kind,
                    **own._asdict(),
                }
                for kind, own in intervals.items()
            ]  # fmt: skip
            save(pd.DataFrame(rows), arguments)


def run_peers(arguments):
    """Print score and times of routers of other packages, beside those of this one."""
    rows = []
    for table, embeddings in load_tables(arguments):
        for router, features in iterate_settings(arguments, PEERS):
            splits = [
                measure_peer(router, table, features, embeddings, seed)
                for seed in range(arguments.splits)
            ]
            gain = mean_interval(np.array([own.gains for own in splits]), table.clusters)
            seconds = {
                name: np.mean([getattr(own, name) for own in splits])
                for name in ("fit_seconds", "predict_seconds")
            }
            print(
                f"{table.name:22} {features:6} {router:15} gain {show(gain)}  fit "
                f"{seconds['fit_seconds']:.2f} s  predict {seconds['predict_seconds']:.3f} s",
                flush=True,
            )
            own = {"table": table.name, "features": features, "router": router}
            rows.append(own | gain._asdict() | seconds)
            save(pd.DataFrame(rows), arguments)


def iterate_settings(arguments, others=()):
    """Yield the routers, other than the constant one, with each kind of features."""
    for features in arguments.features:
        for router in (*arguments.routers, *others):
            if router != "constant":
                yield router, features


# ---- command line ------------------------------------------------------------------


def parse_arguments():
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--part", choices=list(PARTS), default="gains")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--routers", nargs="+", choices=ROUTERS)
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=list(FEATURES))
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2", help="name or path of a model")
    parser.add_argument("--cache", type=Path, default=Path("real_routing_cache"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", default="real_routing", help="path of the results, without end")
    arguments = parser.parse_args()
    if arguments.routers is None:
        arguments.routers = ROUTERS_OF_PARTS.get(arguments.part, ROUTERS)
    return arguments


PARTS = {
    "gains": run_gains,
    "costs": run_costs,
    "supervision": run_supervision,
    "peers": run_peers,
}

if __name__ == "__main__":
    arguments = parse_arguments()
    warnings.filterwarnings("ignore", module="sklearn")
    PARTS[arguments.part](arguments)
