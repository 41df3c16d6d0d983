"""The SQLite store: every response that was paid for, kept as soon as it arrives."""

import hashlib
import json
import os
import platform
import sqlite3
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path

from dars_sklearn._store_file import (
    APPLICATION,
    CLAIM_SECONDS,
    SCHEMA,
    VERSION,
    StoreError,
    check_schema,
    create_file,
    errors_told,
    open_readonly,
    process_runs,
)
from dars_sklearn._store_queries import SAMPLES, read_outcomes, read_table

__all__ = ["Store", "StoreError", "read_responses", "read_store"]


# An easy prompt or two may well get the same answer each time.
_ENOUGH_ALIKE = 5
_COUNTS = ("wanted", "held", "cut", "refused", "empty", "repeated", "same")
_BLANK = "char(9, 10, 11, 12, 13, 32)"


def digest(*parts):
    """Digest texts, so that no two lists of texts have the same digest.

    Parameters
    ----------
    *parts : str
        Texts.

    Returns
    -------
    bytes
        16 bytes.
    """
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(len(encoded).to_bytes(8, "big") + encoded)
    return hasher.digest()


class Store:
    """A store that is open for writing.

    Parameters
    ----------
    path : str, path-like or None
        The file, made where there is none, readable by its owner only; None
        keeps all in memory.

    Raises
    ------
    StoreError
        If the file cannot be written, or is no store of this version.
    """

    def __init__(self, path):
        self.path = None if path is None else Path(path)
        self.owner = f"{platform.node()}:{os.getpid()}:{time.time_ns()}"
        if self.path is not None:
            create_file(self.path)
        with errors_told(self.path):
            self._db = sqlite3.connect(self.path or ":memory:", timeout=60.0, isolation_level=None)
        try:
            self._set_up()
        except BaseException:
            self._db.close()
            raise

    def _set_up(self):
        with errors_told(self.path):
            new = check_schema(self._db, self.path, new_allowed=True)
            self._db.execute("pragma journal_mode = wal")
            # What a user has paid for survives a power cut, too.
            self._db.execute("pragma synchronous = full")
            if new:
                with self.transaction():
                    if check_schema(self._db, self.path, new_allowed=True):
                        for statement in SCHEMA.split(";"):
                            self._db.execute(statement)
                        self._db.execute(f"pragma application_id = {APPLICATION}")
                        self._db.execute(f"pragma user_version = {VERSION}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Let go of claims, and close the file."""
        with closing(self._db), errors_told(self.path), self.transaction():
            self._db.execute("delete from claims where owner = ?", (self.owner,))
            self._db.execute("delete from owners where owner = ?", (self.owner,))

    @contextmanager
    def transaction(self):
        """Do all within or nothing; it is on the disk when the block ends."""
        with errors_told(self.path):
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            try:
                self._db.execute("commit")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    # ---- requests ------------------------------------------------------------

    def register_backend(self, model, settings):
        """Return the id of a model under its settings."""
        text = json.dumps(settings, sort_keys=True, default=repr)
        self._db.execute(
            "insert or ignore into backends (model, settings) values (?, ?)", (model, text)
        )
        query = "select id from backends where model = ? and settings = ?"
        return self._db.execute(query, (model, text)).fetchone()[0], text

    def register_requests(self, backend, keys, prompts):
        """Return the ids of requests to a backend, given their keys and prompts."""
        self._db.executemany(
            "insert or ignore into requests (key, backend, prompt) values (?, ?, ?)",
            ((key, backend, prompt) for key, prompt in zip(keys, prompts, strict=True)),
        )
        known = dict(self._db.execute("select key, id from requests where backend = ?", (backend,)))
        return [known[key] for key in keys]

    def samples_held(self, backend, n_samples):
        """Return which of the first samples of each request to a backend are held."""
        among = "request in (select id from requests where backend = ?) and sample < ?"
        query = f"select request, count(*) from samples where {among} group by request"
        held = {}
        for request, n in self._db.execute(query, (backend, n_samples)):
            held[request] = range(n_samples) if n == n_samples else self._held(request)
        return held

    def _held(self, request):
        query = "select sample from samples where request = ?"
        return {row[0] for row in self._db.execute(query, (request,))}

    def lacks(self, request, first, n):
        """Tell whether a request still lacks some of n samples."""
        query = "select count(*) from samples where request = ? and sample >= ? and sample < ?"
        return self._db.execute(query, (request, first, first + n)).fetchone()[0] < n

    def spent_on(self, requests):
        """Return what the samples held of these requests were paid."""
        query = "select total(spent) from samples where request = ?"
        return sum(self._db.execute(query, (request,)).fetchone()[0] for request in requests)

    def mean_tokens(self, model):
        """Return the mean input and output tokens of a model's samples, None where unknown."""
        query = (
            "select avg(input_tokens), avg(output_tokens) from samples where request in (select "
            "requests.id from requests join backends on backends.id = backend where model = ?)"
        )
        return self._db.execute(query, (model,)).fetchone()

    def texts(self, request):
        """Return the texts of the samples held of a request, and why others failed, if any."""
        query = "select response from samples where request = ? order by sample"
        texts = [row[0] for row in self._db.execute(query, (request,))]
        query = "select error from requests where id = ?"
        return texts, self._db.execute(query, (request,)).fetchone()[0]

    def put_responses(self, request, first, responses):
        """Keep the responses of a request, the first of them sample number ``first``."""
        self._db.executemany(
            "insert or ignore into samples values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    request, first + place, r.text, r.input_tokens, r.output_tokens, r.cost,
                    r.spent, r.latency, r.finish_reason,
                )
                for place, r in enumerate(responses)
            ),
        )  # fmt: skip

    def put_error(self, request, error):
        """Keep why a request failed; None where it did not."""
        self._db.execute(
            "update requests set error = ? where id = ? and error is not ?", (error, request, error)
        )

    # ---- claims --------------------------------------------------------------

    def claim(self, request):
        """Claim a request; False where somebody else holds it."""
        taken = self._db.execute(
            "insert or ignore into claims values (?, ?)", (request, self.owner)
        ).rowcount
        if taken:
            return True
        query = "select owner from claims where request = ?"
        owner = self._db.execute(query, (request,)).fetchone()[0]
        if owner != self.owner:
            if self._is_alive(owner):
                return False
            self._db.execute("delete from claims where owner = ?", (owner,))
            self._db.execute("insert into claims values (?, ?)", (request, self.owner))
        return True

    def release(self, request):
        """Give a claim back."""
        self._db.execute("delete from claims where request = ?", (request,))

    def stay_alive(self):
        """Tell the others that this process is alive, and holds its claims."""
        alive_until = time.time() + CLAIM_SECONDS
        self._db.execute("insert or replace into owners values (?, ?)", (self.owner, alive_until))

    def _is_alive(self, owner):
        host, pid, _ = owner.rsplit(":", 2)
        if host == platform.node() and not process_runs(int(pid)):
            return False  # killed: there is no need to wait until its claims expire
        query = "select alive_until from owners where owner = ?"
        row = self._db.execute(query, (owner,)).fetchone()
        return row is not None and row[0] > time.time()

    # ---- collections ---------------------------------------------------------

    def put_collection(self, models, n_samples, queries, cells):
        """Keep what is collected together.

        Parameters
        ----------
        models : list of str
            Names of the models.
        n_samples : int
            Samples of each.
        queries : list of (str, str or None, bytes)
            Label, reference and grading of each row.
        cells : list of (int, int, int, int)
            Number of the model, row, paraphrase, and request id.

        Returns
        -------
        int
            Its id; the same for the same collection.
        """
        key = digest(*models, *(query for query, _, _ in queries), *map(str, cells))
        with self.transaction():
            row = self._db.execute("select id from collections where key = ?", (key,)).fetchone()
            if row:
                (collection,) = row
                self._db.execute(
                    "update collections set n_samples = ?, updated = ? where id = ?",
                    (n_samples, time.time(), collection),
                )
            else:
                collection = self._db.execute(
                    "insert into collections (key, n_samples, models, updated) values (?, ?, ?, ?)",
                    (key, n_samples, json.dumps(models), time.time()),
                ).lastrowid
                self._db.executemany(
                    "insert into cells values (?, ?, ?, ?, ?)",
                    ((collection, *cell) for cell in cells),
                )
            self._db.executemany(
                "insert or replace into queries values (?, ?, ?, ?, ?)",
                ((collection, row, *query) for row, query in enumerate(queries)),
            )
        return collection

    def ungraded(self, collection, again, block=1000):
        """Yield lists of (request, sample, row, grading, response) of what has no grade.

        Parameters
        ----------
        collection : int
            Id of the collection.
        again : bool
            Whether to yield what has a grade, too.
        block : int, default=1000
            Longest list: texts of a large collection would fill the memory.
        """
        place = "cells.model, cells.row, cells.paraphrase, samples.sample"
        query = (
            "select samples.request, samples.sample, cells.row, queries.grading, "
            f"samples.response, {place} {SAMPLES} and ({place}) > (?, ?, ?, ?) "
            f"{'' if again else 'and grades.score is null'} order by {place} limit ?"
        )
        last = (-1, -1, -1, -1)
        while rows := self._db.execute(query, (collection, *last, block)).fetchall():
            last = rows[-1][5:]
            yield [row[:5] for row in rows]

    def put_grades(self, grades):
        """Keep (request, sample, grading, score, error)."""
        with self.transaction():
            self._db.executemany("insert or replace into grades values (?, ?, ?, ?, ?)", grades)

    def summary(self, collection):
        """Count what a user should know of a collection.

        Parameters
        ----------
        collection : int
            Id of the collection.

        Returns
        -------
        dict of str to dict
            For each model: samples ``wanted`` and ``held``; of these ``cut``,
            ``refused``, ``empty``; the ``errors`` of requests, in samples; and
            ``alike``, whether all samples of each of several prompts are the
            same.
        """
        query = f"""
            with numbered as (
                select distinct model, request from cells where collection = :collection
            ), counted as (
                select numbered.model, numbered.request, requests.error,
                    count(sample) as held,
                    sum(finish_reason = 'length') as cut,
                    sum(finish_reason in ('refusal', 'content_filter')) as refused,
                    sum(trim(response, {_BLANK}) = '') as empty,
                    count(distinct response) as different
                from numbered
                join requests on requests.id = numbered.request
                join collections on collections.id = :collection
                left join samples on samples.request = numbered.request
                    and samples.sample < collections.n_samples
                group by numbered.model, numbered.request
            )
            select model, error, count(*), sum(held), sum(cut), sum(refused), sum(empty),
                sum(held > 1), sum(held > 1 and different = 1)
            from counted group by model, error
        """
        names, n_samples = self._db.execute(
            "select models, n_samples from collections where id = ?", (collection,)
        ).fetchone()
        names = json.loads(names)
        summary = {name: dict.fromkeys(_COUNTS, 0) | {"errors": Counter()} for name in names}
        for model, error, n, *counts in self._db.execute(query, {"collection": collection}):
            of_model = summary[names[model]]
            of_model["wanted"] += n * n_samples
            for name, count in zip(_COUNTS[1:], counts, strict=True):
                of_model[name] += count or 0
            missing = n * n_samples - (counts[0] or 0)
            if error and missing:
                of_model["errors"][error] += missing
        for counts in summary.values():
            enough = counts["repeated"] >= _ENOUGH_ALIKE
            counts["alike"] = enough and counts["same"] == counts["repeated"]
        return summary

    def outcomes(self, collection):
        """Return the graded outcomes of a collection."""
        return read_outcomes(self._db, collection)

    def responses(self, collection):
        """Return a DataFrame of every sample of a collection, or why there is none."""
        return read_table(self._db, collection)


def read_store(path, *, collection=None, grader=None):
    """Read outcomes from a store; no backend is needed.

    Parameters
    ----------
    path : str or path-like
        The store.
    collection : int or None, default=None
        Which of several collections, numbered from 1 in the order in which
        they were first made; None takes the one collected last.
    grader : callable or None, default=None
        What grades the responses, nothing of which is kept; None takes the
        grades that the collection has. Grades are made when all responses are
        there, so a collection that was killed has none yet.

    Returns
    -------
    Outcomes
        The outcomes, as ``OutcomeCollector.collect`` returned them.

    Raises
    ------
    StoreError
        If the file is no store, or holds no such collection.

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
    >>> read_store(path)
    <Outcomes: 1 query x 1 model, 2 outcomes, 2 a pair>
    """
    with open_readonly(path) as db:
        return read_outcomes(db, _find_collection(db, path, collection), grader)


def read_responses(path, *, collection=None):
    """Read every sample from a store, with its text.

    Parameters
    ----------
    path : str or path-like
        The store.
    collection : int or None, default=None
        Which of several collections, as in :func:`read_store`.

    Returns
    -------
    DataFrame
        A row a sample: row, query, model, paraphrase, sample, prompt, response,
        score, cost, spent, input_tokens, output_tokens, latency, finish_reason,
        error.

    Raises
    ------
    StoreError
        If the file is no store, or holds no such collection.
    """
    with open_readonly(path) as db:
        return read_table(db, _find_collection(db, path, collection))


def _find_collection(db, path, number):
    ids = [row[0] for row in db.execute("select id from collections order by updated, id")]
    if number in ids:
        return number
    if number is None and ids:
        return ids[-1]
    held = f"collections {sorted(ids)}" if ids else "no collection"
    raise StoreError(f"the store {str(path)!r} holds {held}, none numbered {number}")
