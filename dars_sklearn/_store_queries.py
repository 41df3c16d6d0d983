"""What a store holds of a collection, as outcomes and as a table."""

import json

import numpy as np
import pandas as pd

from dars_sklearn.outcomes import Outcomes

# Every sample of a collection, with its grade where it has one.
SAMPLES = """
    from cells
    join collections on collections.id = cells.collection
    join queries on queries.collection = cells.collection and queries.row = cells.row
    join samples on samples.request = cells.request and samples.sample < collections.n_samples
    left join grades on grades.request = samples.request and grades.sample = samples.sample
        and grades.grading = queries.grading
    where cells.collection = ?
"""


def read_outcomes(db, collection, grader=None):
    names, n_samples = db.execute(
        "select models, n_samples from collections where id = ?", (collection,)
    ).fetchone()
    queries = "select query, reference from queries where collection = ? order by row"
    labels, references = zip(*db.execute(queries, (collection,)), strict=True)
    references = [None if reference is None else json.loads(reference) for reference in references]
    score = "grades.score" if grader is None else "samples.response"
    query = (
        f"select cells.row, cells.model, cells.paraphrase, samples.sample, {score}, cost, "
        f"input_tokens, output_tokens, latency {SAMPLES} and {score} is not null"
    )
    rows = db.execute(query, (collection,))
    # In blocks, since a Python tuple a sample would be most of the memory.
    blocks = [np.empty((0, 9))]
    while block := rows.fetchmany(100_000):
        if grader is not None:
            block = [
                (*keys, grader(text, references[keys[0]]), *rest)
                for *keys, text, rest in ((*row[:5], row[5:]) for row in block)
            ]
        blocks.append(np.array(block, dtype=np.float64))
    table = np.concatenate(blocks)
    codes = table[:, :4].astype(np.int32).T
    models = np.array(json.loads(names), dtype=object)
    keys = {
        "query": (codes[0], np.array(labels, dtype=object)),
        "model": (codes[1], models),
        "paraphrase": (codes[2], np.arange(codes[2].max(initial=0) + 1)),
        "sample": (codes[3], np.arange(n_samples)),
    }
    floats = dict(
        zip(("score", "cost", "input_tokens", "output_tokens", "latency"), table[:, 4:].T,
            strict=True)
    )  # fmt: skip
    known = {name: values for name, values in floats.items() if not np.isnan(values).all()}
    return Outcomes.from_codes(
        keys, floats["score"], known.get("cost"),
        extras={name: known[name] for name in known if name not in ("score", "cost")},
    )  # fmt: skip


def read_table(db, collection):
    n_samples = db.execute(
        "select n_samples from collections where id = ?", (collection,)
    ).fetchone()[0]
    query = """
        with recursive numbers(sample) as (
            select 0 union all select sample + 1 from numbers where sample + 1 < ?
        )
        select cells.row, queries.query, backends.model, cells.paraphrase, numbers.sample,
            requests.prompt, samples.response, grades.score, cost, spent, input_tokens,
            output_tokens, latency, finish_reason,
            iif(samples.response is null, ifnull(requests.error, 'not asked'), grades.error)
        from cells
        join queries on queries.collection = cells.collection and queries.row = cells.row
        join requests on requests.id = cells.request
        join backends on backends.id = requests.backend
        cross join numbers
        left join samples on samples.request = cells.request and samples.sample = numbers.sample
        left join grades on grades.request = cells.request and grades.sample = numbers.sample
            and grades.grading = queries.grading
        where cells.collection = ?
        order by cells.model, cells.row, cells.paraphrase, numbers.sample
    """
    columns = [
        "row", "query", "model", "paraphrase", "sample", "prompt", "response", "score", "cost",
        "spent", "input_tokens", "output_tokens", "latency", "finish_reason", "error",
    ]  # fmt: skip
    rows = db.execute(query, (n_samples, collection)).fetchall()
    table = pd.DataFrame(rows, columns=columns)
    numeric = ["score", "cost", "spent", "latency"]
    return table.astype(dict.fromkeys(numeric, float))
