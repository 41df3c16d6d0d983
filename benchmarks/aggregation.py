"""Speed of aggregation, as ratios to a bare pass and to data frame libraries.

    python benchmarks/aggregation.py [--queries 20000]

10 million outcomes by default: 20,000 queries x 20 models x 5 paraphrases x 5
samples. Each figure is the best of three runs; seed 0.
"""

import argparse
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from dars_sklearn import OutcomeAggregator, Outcomes


def best_of(function, repeats=3):
    """Return the least seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def restart_peak():
    """Forget the most memory held so far (Linux), and return what is held, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak():
    """Return the most memory held since, in MiB."""
    return _status("VmHWM")


def _status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def bare_pass(outcomes):
    """Read both float columns once."""
    return outcomes.score.sum() + outcomes.cost.sum()


def ragged(table, rng):
    """Drop a fifth of the rows."""
    return table[rng.random(len(table)) < 0.8]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=20_000)
    n_queries = parser.parse_args().queries
    shape = (n_queries, 20, 5, 5)
    rng = np.random.default_rng(0)
    position = np.indices(shape, dtype=np.int32).reshape(4, -1)
    order = rng.permutation(position.shape[1])
    names = [np.array([f"query {i}" for i in range(n_queries)], dtype=object)]
    names.append(np.array([f"model {i}" for i in range(20)], dtype=object))
    table = pd.DataFrame(
        {
            "query": pd.Series(names[0][position[0][order]], dtype=object),
            "model": pd.Series(names[1][position[1][order]], dtype=object),
            "paraphrase": position[2][order].astype(np.int64),
            "sample": position[3][order].astype(np.int64),
            "score": rng.random(len(order)),
            "cost": rng.random(len(order)),
        }
    )
    del position, order
    columns = len(table) * 32 / 2**20
    before = restart_peak()
    outcomes = Outcomes.from_frame(table)
    fitted = OutcomeAggregator().fit(outcomes)
    fitted.aggregate(outcomes)
    used = peak() - before
    print(f"{len(table):,} outcomes; score, cost, paraphrase, sample: {columns:.0f} MiB")
    print(f"peak memory above the table: {used:.0f} MiB, {used / columns:.2f} x these columns")

    some = Outcomes.from_frame(ragged(table, rng))
    cases = {
        "full grid, balanced": (outcomes, "balanced"),
        "ragged, pooled": (some, "pooled"),
        "ragged, balanced": (some, "balanced"),
    }
    for name, (held, weighting) in cases.items():
        aggregator = OutcomeAggregator(weighting=weighting).fit(held)
        bare = best_of(lambda held=held: bare_pass(held))
        own = best_of(lambda held=held, aggregator=aggregator: aggregator.aggregate(held))
        print(f"{name}: {own:.3f} s, {own / bare:.2f} x a bare pass ({bare:.4f} s)")
        if held is outcomes:
            full_grid = own

    keys = ["query", "model"]
    statistics = {"score": ["mean", "std"], "cost": ["mean", "std"]}
    for kind in ("object", "str"):
        keyed = table.astype(dict.fromkeys(keys, kind))
        grouped = best_of(lambda keyed=keyed: keyed.groupby(keys, sort=False).agg(statistics), 2)
        whole = best_of(lambda keyed=keyed: fitted.aggregate(Outcomes.from_frame(keyed)), repeats=2)
        print(
            f"{kind} keys: from_frame + aggregate {whole:.2f} s, {whole / grouped:.2f} x pandas' "
            f"groupby ({grouped:.2f} s), which is {grouped / full_grid:.0f} x aggregate alone"
        )
    columnar = pl.from_pandas(table)
    expressions = [pl.mean("score", "cost"), pl.col("score", "cost").std().name.suffix("_std")]
    seconds = best_of(lambda: columnar.group_by(keys).agg(expressions), 2)
    print(f"polars' group_by {seconds:.2f} s, {seconds / full_grid:.0f} x aggregate alone")
    query = "select query, model, avg(score), stddev(score), avg(cost), stddev(cost) from columnar"
    seconds = best_of(lambda: duckdb.sql(query + " group by all").fetchnumpy(), 2)
    print(f"duckdb's group by {seconds:.2f} s, {seconds / full_grid:.0f} x aggregate alone")
