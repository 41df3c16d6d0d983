"""Speed and memory of aggregation, compared with data frame libraries.

    python benchmarks/aggregation.py [--queries 20000]

By default, the table has 10 million outcomes: 20,000 queries x 20 models x 5 paraphrases x 5
samples. Each time is that of the fastest of two or three runs, and is printed relative to one pass
over the scores and costs, or to the aggregation alone. The seed is 0. Reading the peak memory
requires Linux.
"""

import argparse
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from _timing import shortest_time

from dars_sklearn import OutcomeAggregator, Outcomes

N_MODELS, N_PARAPHRASES, N_SAMPLES = 20, 5, 5
KEYS = ["query", "model"]


def make_table(n_queries, rng):
    """Return a shuffled table with one row per outcome."""
    shape = (n_queries, N_MODELS, N_PARAPHRASES, N_SAMPLES)
    query, model, paraphrase, sample = np.indices(shape, dtype=np.int32).reshape(4, -1)
    order = rng.permutation(len(query))
    queries = np.array([f"query {i}" for i in range(n_queries)], dtype=object)
    models = np.array([f"model {i}" for i in range(N_MODELS)], dtype=object)
    return pd.DataFrame(
        {
            "query": pd.Series(queries[query[order]], dtype=object),
            "model": pd.Series(models[model[order]], dtype=object),
            "paraphrase": paraphrase[order].astype(np.int64),
            "sample": sample[order].astype(np.int64),
            "score": rng.random(len(order)),
            "cost": rng.random(len(order)),
        }
    )


# ---- memory ------------------------------------------------------------------------


def reset_peak_memory():
    """Reset the peak of the process's resident memory, and return the current one, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _read_process_status("VmRSS")


def peak_memory():
    """Return the peak of the resident memory since the last reset, in MiB."""
    return _read_process_status("VmHWM")


def _read_process_status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def print_memory(table):
    """Print the memory that reading and aggregating a table needs."""
    size_of_columns = len(table) * 32 / 2**20
    before = reset_peak_memory()
    outcomes = Outcomes.from_frame(table)
    OutcomeAggregator().fit(outcomes).aggregate(outcomes)
    used = peak_memory() - before
    print(f"{len(table):,} outcomes; score, cost, paraphrase, sample: {size_of_columns:.0f} MiB")
    print(
        f"peak memory in addition to the table: {used:.0f} MiB, {used / size_of_columns:.2f} x "
        "these columns"
    )


# ---- time --------------------------------------------------------------------------


def read_all_values(outcomes):
    """Read all scores and all costs once."""
    return outcomes.score.sum() + outcomes.cost.sum()


def drop_a_fifth(table, rng):
    """Drop about a fifth of the rows at random."""
    return table[rng.random(len(table)) < 0.8]


def print_time_of_aggregation(name, outcomes, weighting):
    """Print the time of ``aggregate`` relative to one pass over the values, and return it."""
    aggregator = OutcomeAggregator(weighting=weighting).fit(outcomes[:])
    one_pass = shortest_time(lambda: read_all_values(outcomes))
    # Outcomes keep their statistics, so every call gets a copy that has none yet.
    aggregation = shortest_time(aggregator.aggregate, make_argument=lambda: outcomes[:])
    print(
        f"{name}: {aggregation:.3f} s, {aggregation / one_pass:.2f} x one pass over scores and "
        f"costs ({one_pass:.4f} s)"
    )
    return aggregation


def read_and_aggregate(table):
    """Return the labels of a table."""
    return OutcomeAggregator().fit_aggregate(Outcomes.from_frame(table))


def group_by_pandas(table):
    """Mean and standard deviation of score and cost, by pandas."""
    statistics = {"score": ["mean", "std"], "cost": ["mean", "std"]}
    return table.groupby(KEYS, sort=False).agg(statistics)


def group_by_polars(frame):
    """Mean and standard deviation of score and cost, by polars."""
    return frame.group_by(KEYS).agg(
        pl.mean("score", "cost"), pl.col("score", "cost").std().name.suffix("_std")
    )


def group_by_duckdb(frame):
    """Mean and standard deviation of score and cost, by duckdb, which finds ``frame`` itself."""
    return duckdb.sql(
        "select query, model, avg(score), stddev(score), avg(cost), stddev(cost) from frame "
        "group by all"
    ).fetchnumpy()


def print_time_of_other_libraries(table, aggregation):
    """Print the time of the same statistics by other libraries."""
    for dtype in ("object", "str"):
        keyed = table.astype(dict.fromkeys(KEYS, dtype))
        grouping = shortest_time(lambda keyed=keyed: group_by_pandas(keyed), 2)
        reading = shortest_time(lambda keyed=keyed: read_and_aggregate(keyed), 2)
        print(
            f"keys of dtype {dtype}: from_frame and aggregation {reading:.2f} s, "
            f"{reading / grouping:.2f} x pandas' groupby ({grouping:.2f} s), which is "
            f"{grouping / aggregation:.0f} x the aggregation alone"
        )
    frame = pl.from_pandas(table)
    for name, group_by in (("polars", group_by_polars), ("duckdb", group_by_duckdb)):
        grouping = shortest_time(lambda group_by=group_by: group_by(frame), 2)
        print(f"{name}: {grouping:.2f} s, {grouping / aggregation:.0f} x the aggregation alone")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=20_000)
    rng = np.random.default_rng(0)
    table = make_table(parser.parse_args().queries, rng)
    print_memory(table)
    full = Outcomes.from_frame(table)
    ragged = Outcomes.from_frame(drop_a_fifth(table, rng))
    aggregation = print_time_of_aggregation("full grid, balanced", full, "balanced")
    print_time_of_aggregation("ragged, pooled", ragged, "pooled")
    print_time_of_aggregation("ragged, balanced", ragged, "balanced")
    print_time_of_other_libraries(table, aggregation)
