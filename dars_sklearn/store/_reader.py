"""Read a collection from a store: as outcomes, as a table of responses, or as counts."""

import json
from collections import Counter
from typing import NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade._apply import apply_grader, describe_grading_errors
from dars_sklearn.outcomes import Outcomes
from dars_sklearn.outcomes._keys import Key
from dars_sklearn.store._records import SampleCounts, UngradedSample
from dars_sklearn.store._schema import StoreError, open_for_reading

__all__ = ["StoredCollection", "read_responses", "read_store"]

# Rows that are converted at a time: Python objects need far more memory than arrays.
_NUMBER_BLOCK = 100_000
# The same for rows that contain the text of a response.
_TEXT_BLOCK = 1000

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
    """

    def __init__(self, db, id):
        self._db = db
        self.id = id
        query = "select models, n_samples from collections where id = ?"
        names, self.n_samples = db.execute(query, (id,)).fetchone()
        self.models = json.loads(names)

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
        query = "select reference from queries where collection = ? order by row"
        references = [
            None if reference is None else json.loads(reference)
            for (reference,) in self._db.execute(query, (self.id,))
        ]
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
        query = "select query from queries where collection = ? order by row"
        labels = [label for (label,) in self._db.execute(query, (self.id,))]
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
        return Outcomes.from_codes(keys, table[:, 8], cost, extras=known)

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


def _fetch_blocks(cursor, size):
    while block := cursor.fetchmany(size):
        yield block


def read_store(path, *, collection=None, grader=None):
    """Read the outcomes of a collection from a store, without a backend.

    Parameters
    ----------
    path : str or path-like
        The store.
    collection : int or None, default=None
        Number of the collection; collections are numbered from 1 in the order in which they
        were created. None selects the collection that was collected last.
    grader : callable or None, default=None
        Grader of the stored responses, whose grades are not stored. None uses the stored
        grades. Responses are graded after all of them were collected, so a collection that
        was interrupted has no stored grades yet.

    Returns
    -------
    Outcomes
        The outcomes, as returned by :meth:`~dars_sklearn.OutcomeCollector.collect`.

    Raises
    ------
    StoreError
        If the file is not a store, or does not contain the collection.
    TypeError
        If ``grader`` is not callable.

    Warns
    -----
    CollectionWarning
        If ``grader`` could not grade some of the responses, with their number and the
        reasons. Their outcomes are missing.

    See Also
    --------
    read_responses : The same samples as a table, with their texts.

    Examples
    --------
    >>> import tempfile
    >>> from dars_sklearn import OutcomeCollector
    >>> from dars_sklearn.grade import ExactMatch
    >>> from dars_sklearn.store import read_store
    >>> def parrot(prompts, *, n):
    ...     return [[prompt] * n for prompt in prompts]
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/outcomes.sqlite"
    >>> collector = OutcomeCollector({"parrot": parrot}, ExactMatch(), 2, store=path)
    >>> _ = collector.collect(["Polly"], references=["Polly"])
    >>> read_store(path).score
    array([1., 1.])
    """
    if grader is not None and not callable(grader):
        raise TypeError(f"grader must be callable, got {grader!r}")
    with open_for_reading(path) as db:
        stored = _find_collection(db, path, collection)
        if grader is None:
            return stored.outcomes()
        outcomes, errors = stored.regraded_outcomes(grader)
    if errors:
        warn(describe_grading_errors(errors), CollectionWarning, stacklevel=2)
    return outcomes


def read_responses(path, *, collection=None):
    """Read all samples of a collection from a store, with their texts.

    Parameters
    ----------
    path : str or path-like
        The store.
    collection : int or None, default=None
        Number of the collection, as in :func:`read_store`.

    Returns
    -------
    DataFrame
        One row per sample, with the columns

        - "row", "query", "model", "paraphrase" and "sample", which identify the sample;
        - "prompt" and "response", the texts;
        - "score", NaN without a grade;
        - "cost" and "spent", in the user's unit;
        - "input_tokens", "output_tokens", "latency" in seconds, and "finish_reason";
        - "error", the reason why the response or its grade is missing, if it is.

    Raises
    ------
    StoreError
        If the file is not a store, or does not contain the collection.

    See Also
    --------
    read_store : The graded samples as outcomes.

    Examples
    --------
    >>> import tempfile
    >>> from dars_sklearn import OutcomeCollector
    >>> from dars_sklearn.grade import ExactMatch
    >>> from dars_sklearn.store import read_responses
    >>> def parrot(prompts, *, n):
    ...     return [[prompt] * n for prompt in prompts]
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/outcomes.sqlite"
    >>> collector = OutcomeCollector({"parrot": parrot}, ExactMatch(), 2, store=path)
    >>> _ = collector.collect(["Polly"], references=["Polly"])
    >>> read_responses(path)[["model", "sample", "response", "score"]]
        model  sample response  score
    0  parrot       0    Polly    1.0
    1  parrot       1    Polly    1.0
    """
    with open_for_reading(path) as db:
        return _find_collection(db, path, collection).responses()


def _find_collection(db, path, number):
    ids = [id for (id,) in db.execute("select id from collections order by updated, id")]
    if not ids:
        raise StoreError(f"the store {str(path)!r} contains no collection yet")
    if number is None:
        number = ids[-1]
    if number not in ids:
        raise StoreError(
            f"the store {str(path)!r} contains the collections {sorted(ids)}, but not {number!r}"
        )
    return StoredCollection(db, number)
