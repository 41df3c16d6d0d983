"""A collection in a store: its outcomes, its table of responses, its counts."""

import json
from collections import Counter
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pandas as pd

from dars_sklearn.grade._apply import add_queries, apply_grader
from dars_sklearn.outcomes import Outcomes
from dars_sklearn.outcomes._keys import Key
from dars_sklearn.store._digest import collection_key, old_collection_key
from dars_sklearn.store._errors import StoreError, damage_error
from dars_sklearn.store._records import QueryRow, SampleCounts, UngradedSample

__all__ = ["StoredCollection", "renew_keys"]

# Rows that are converted at a time: Python objects need far more memory than arrays.
_NUMBER_BLOCK = 100_000
# The same for rows that contain the text of a response.
_TEXT_BLOCK = 1000

# More samples would need more memory than any computer has.
_MAX_SAMPLES = 10**8

# Every stored sample of a collection, with its grade if it has one.
_SAMPLES = """
    from cells
    join collections on collections.id = cells.collection
    join queries on queries.collection = cells.collection and queries.row = cells.row
    join samples on samples.request = cells.request and samples.sample < collections.n_samples
    left join grades on grades.request = samples.request and grades.sample = samples.sample
        and grades.grading = queries.grading
    where cells.collection = ?
"""
_NUMBERS = (
    "cells.row, cells.model, cells.paraphrase, samples.sample, "
    "cost, input_tokens, output_tokens, latency"
)
_RESPONSE_COLUMNS = {
    "row": "cells.row",
    "query": "queries.query",
    "model": "backends.model",
    "paraphrase": "cells.paraphrase",
    "sample": "numbers.sample",
    "prompt": "requests.prompt",
    "response": "samples.response",
    "score": "grades.score",
    "cost": "cost",
    "spent": "spent",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "latency": "latency",
    "finish_reason": "finish_reason",
    "error": "iif(samples.response is null, ifnull(requests.error, 'not requested'), grades.error)",
}
_BLANK_CHARACTERS = "char(9, 10, 11, 12, 13, 32)"


class RegradedOutcomes(NamedTuple):
    """Outcomes with new scores, and how often each error occurred while grading."""

    outcomes: Outcomes
    errors: Counter


class StoredCollection:
    """Read one collection of a store.

    Parameters
    ----------
    db : sqlite3.Connection
        The database of the store.
    id : int
        Id of the collection.
    path : Path or None
        The file of the store, for errors.

    Raises
    ------
    StoreError
        If what the store contains about the collection is not consistent.
    """

    def __init__(self, db, id, path):
        self._db = db
        self._path = path
        self.id = id
        query = "select key, models, n_samples from collections where id = ?"
        key, names, self.n_samples = db.execute(query, (id,)).fetchone()
        self.models = self._read_json(names)
        n_cells = self._check_positions()
        if not 1 <= self.n_samples * max(n_cells, 1) <= _MAX_SAMPLES:
            raise StoreError(
                f"collection {id} of the store {str(path)!r} has {n_cells:,} cells of "
                f"{self.n_samples:,} samples; at most {_MAX_SAMPLES:,} samples can be read"
            )
        if key not in self._valid_keys():
            raise damage_error(path, f"queries or cells of collection {id} have been changed")

    def _valid_keys(self):
        """Return the key of this collection, and the one that it has in an older store."""
        queries, cells = self._read_queries(), self._read_cells().fetchall()
        self.key = collection_key(self.models, self.n_samples, queries, cells)
        return self.key, old_collection_key(self.models, queries, cells)

    def _check_positions(self):
        """Return the number of cells; raise unless all belong to models and queries."""
        query = "select count(*), ifnull(max(row), -1) from queries where collection = ?"
        n_queries, last_row = self._db.execute(query, (self.id,)).fetchone()
        query = (
            "select count(*), ifnull(max(model), -1), ifnull(max(row), -1), "
            "ifnull(max(paraphrase), -1) from cells where collection = ?"
        )
        n_cells, *last = self._db.execute(query, (self.id,)).fetchone()
        are_names = isinstance(self.models, list) and all(
            isinstance(name, str) for name in self.models
        )
        if not are_names or len(set(self.models)) < len(self.models):
            raise damage_error(self._path, f"collection {self.id} has no list of models")
        # Positions are part of primary keys, so none occurs twice.
        limits = (len(self.models), n_queries, n_cells)
        if last_row >= n_queries or any(map(int.__ge__, last, limits)):
            raise damage_error(
                self._path, f"the cells of collection {self.id} do not belong to its queries"
            )
        return n_cells

    def _read_queries(self):
        query = "select query, reference, grading from queries where collection = ? order by row"
        return [QueryRow(*row) for row in self._db.execute(query, (self.id,))]

    def _read_cells(self):
        query = (
            "select model, row, paraphrase, request from cells where collection = ? "
            "order by model, row, paraphrase"
        )
        return self._db.execute(query, (self.id,))

    def _read_json(self, text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise damage_error(self._path, f"{text!r:.60} is not JSON: {error}") from error

    def outcomes(self):
        """Return the outcomes of all graded samples.

        Returns
        -------
        Outcomes
            One row per query of the collection, even if it has no outcome.
        """
        query = f"select {_NUMBERS}, grades.score {_SAMPLES} and grades.score is not null"
        rows = self._db.execute(query, (self.id,))
        return self._make_outcomes(
            [np.array(block, dtype=np.float64) for block in _fetch_blocks(rows, _NUMBER_BLOCK)]
        )

    def regraded_outcomes(self, grader):
        """Grade all stored samples; the grades are not stored.

        Parameters
        ----------
        grader : callable
            The grader.

        Returns
        -------
        RegradedOutcomes
            Outcomes, in which samples without a grade are missing, and the errors.
        """
        queries = self._read_queries()
        references = [
            None if query.reference is None else self._read_json(query.reference)
            for query in queries
        ]
        references = add_queries(grader, references, [query.label for query in queries])
        rows = self._db.execute(f"select samples.response, {_NUMBERS} {_SAMPLES}", (self.id,))
        blocks, errors = [], Counter()
        for block in _fetch_blocks(rows, _TEXT_BLOCK):
            grades = apply_grader(
                grader,
                [text for text, *_ in block],
                [references[row] for _, row, *_ in block],
            )
            errors.update(grade.error for grade in grades if grade.error is not None)
            graded = [
                (*numbers, grade.score)
                for (_, *numbers), grade in zip(block, grades, strict=True)
                if grade.error is None
            ]
            if graded:
                blocks.append(np.array(graded, dtype=np.float64))
        return RegradedOutcomes(self._make_outcomes(blocks), errors)

    def _make_outcomes(self, blocks):
        """Build outcomes from arrays with the columns of ``_NUMBERS`` and the score."""
        table = np.concatenate([np.empty((0, 9)), *blocks])
        row, model, paraphrase, sample = table[:, :4].astype(np.int32).T
        labels = [query.label for query in self._read_queries()]
        keys = {
            "query": Key(row, np.array(labels, dtype=object)),
            "model": Key(model, np.array(self.models, dtype=object)),
            "paraphrase": Key(paraphrase, np.arange(paraphrase.max(initial=0) + 1)),
            "sample": Key(sample, np.arange(self.n_samples)),
        }
        names = ("cost", "input_tokens", "output_tokens", "latency")
        columns = dict(zip(names, table[:, 4:8].T, strict=True))
        known = {name: column for name, column in columns.items() if not np.isnan(column).all()}
        cost = known.pop("cost", None)
        try:
            return Outcomes.from_codes(keys, table[:, 8], cost, extras=known)
        except ValueError as error:  # a score or a cost that no grader or backend returns
            raise damage_error(self._path, str(error)) from error

    def responses(self):
        """Return a table of all samples, stored or not.

        Returns
        -------
        DataFrame
            One row per sample, as described in :func:`read_responses`.
        """
        expressions = ", ".join(_RESPONSE_COLUMNS.values())
        query = f"""
            with recursive numbers(sample) as (
                select 0 union all select sample + 1 from numbers where sample + 1 < ?
            )
            select {expressions}
            from cells
            join queries on queries.collection = cells.collection and queries.row = cells.row
            join requests on requests.id = cells.request
            join backends on backends.id = requests.backend
            cross join numbers
            left join samples on samples.request = cells.request
                and samples.sample = numbers.sample
            left join grades on grades.request = cells.request and grades.sample = numbers.sample
                and grades.grading = queries.grading
            where cells.collection = ?
            order by cells.model, cells.row, cells.paraphrase, numbers.sample
        """
        rows = self._db.execute(query, (self.n_samples, self.id)).fetchall()
        table = pd.DataFrame(rows, columns=list(_RESPONSE_COLUMNS))
        return table.astype(dict.fromkeys(["score", "cost", "spent", "latency"], float))

    def ungraded(self, regrade, block_size=_TEXT_BLOCK):
        """Iterate over the stored samples that need a grade.

        Parameters
        ----------
        regrade : bool
            Whether samples that have a grade need another one.
        block_size : int, default=1000
            Maximum number of samples per block, since the texts of a large collection may
            exceed the memory.

        Yields
        ------
        list of UngradedSample
            One block of samples.
        """
        key = "cells.model, cells.row, cells.paraphrase, samples.sample"
        query = (
            "select samples.request, samples.sample, cells.row, queries.grading, "
            f"samples.response, {key} {_SAMPLES} and ({key}) > (?, ?, ?, ?) "
            f"{'' if regrade else 'and grades.score is null'} order by {key} limit ?"
        )
        last_key = (-1, -1, -1, -1)
        # A query per block, because the caller stores grades between the blocks.
        while rows := self._db.execute(query, (self.id, *last_key, block_size)).fetchall():
            last_key = rows[-1][5:]
            yield [UngradedSample(*row[:5]) for row in rows]

    def count_samples(self):
        """Count the samples of each model by what a user should know about them.

        Returns
        -------
        dict of str to SampleCounts
            Counts of each model.
        """
        query = f"""
            with distinct_requests as (
                select distinct model, request from cells where collection = :collection
            ), by_request as (
                select distinct_requests.model, requests.error,
                    count(sample) as stored,
                    sum(finish_reason = 'length') as cut,
                    sum(finish_reason in ('refusal', 'content_filter')) as refused,
                    sum(trim(response, {_BLANK_CHARACTERS}) = '') as empty,
                    count(distinct response) as different
                from distinct_requests
                join requests on requests.id = distinct_requests.request
                left join samples on samples.request = distinct_requests.request
                    and samples.sample < :n_samples
                group by distinct_requests.model, distinct_requests.request
            )
            select model, error, count(*) * :n_samples, sum(stored), ifnull(sum(cut), 0),
                ifnull(sum(refused), 0), ifnull(sum(empty), 0), sum(stored > 1),
                sum(stored > 1 and different = 1)
            from by_request group by model, error
        """
        names = ("wanted", "stored", "cut", "refused", "empty", "repeated", "constant")
        totals = {model: Counter() for model in self.models}
        errors = {model: Counter() for model in self.models}
        arguments = {"collection": self.id, "n_samples": self.n_samples}
        for position, error, *numbers in self._db.execute(query, arguments):
            model, counts = self.models[position], dict(zip(names, numbers, strict=True))
            totals[model].update(counts)
            if error is not None and counts["wanted"] > counts["stored"]:
                errors[model][error] += counts["wanted"] - counts["stored"]
        return {model: SampleCounts(**totals[model], errors=errors[model]) for model in totals}


def renew_keys(db):
    """Give the collections of a store of version 2 the keys of version 3, in a transaction.

    A collection that cannot be read keeps its old key, and so remains unreadable.
    """
    for (id,) in db.execute("select id from collections").fetchall():
        with suppress(StoreError):
            key = StoredCollection(db, id, None).key
            db.execute("update collections set key = ? where id = ?", (key, id))


def _fetch_blocks(cursor, size):
    while block := cursor.fetchmany(size):
        yield block
