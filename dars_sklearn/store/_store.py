"""The writer of a store: it saves every response as soon as it arrives."""

import json
import sqlite3
import time
from contextlib import closing, contextmanager

from dars_sklearn.store._claims import Claims
from dars_sklearn.store._collection import StoredCollection
from dars_sklearn.store._connection import open_for_writing, transaction
from dars_sklearn.store._digest import collection_key
from dars_sklearn.store._errors import StoreError, explain, explain_errors
from dars_sklearn.store._guard import FileGuard
from dars_sklearn.store._ledger import Ledger
from dars_sklearn.store._path import resolve_path
from dars_sklearn.store._records import MeanTokens, RegisteredBackend, RequestTexts
from dars_sklearn.utils._settings import settings_to_json, text_to_json

__all__ = ["Store"]


class Store:
    """A store that is open for writing.

    Parameters
    ----------
    path : str, path-like or None
        The SQLite file. It is created if it does not exist, readable by its owner only.
        None keeps everything in memory.

    Attributes
    ----------
    claims : Claims
        The claims of this store object on requests.
    ledger : Ledger
        What the requests cost, including what they may cost.

    Raises
    ------
    StoreError
        If the file cannot be written, is damaged, or is not a store of this version or an
        older one, which is migrated.
    TypeError, ValueError
        If ``path`` is not the path of a file.

    See Also
    --------
    read_store : Read outcomes from a store.
    read_responses : Read responses from a store.

    Examples
    --------
    >>> from dars_sklearn.store import Store
    >>> with Store(None) as store, store.transaction():
    ...     store.register_backend("small", {"temperature": 0.7})
    RegisteredBackend(id=1, settings='{"temperature": 0.7}')
    """

    def __init__(self, path):
        self.path = None if path is None else resolve_path(path)
        self._db = open_for_writing(self.path)
        self._guard = None
        try:
            self.claims = Claims(self._db)
            self.ledger = Ledger(self._db)
            if path is not None:
                with explain_errors(path):
                    self._guard = FileGuard(self._db, self.path)
        except BaseException:
            self._db.close()
            raise
        self._is_lost = False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        try:
            self.close()
        except StoreError:
            if error is None:
                raise  # otherwise it is the consequence of the error, which matters more
        if isinstance(error, sqlite3.Error):  # of a statement outside a transaction
            raise explain(error, self.path) from error

    def close(self):
        """Release all claims and close the file."""
        with closing(self._db):
            self.roll_back()
            if not self._is_lost:
                with self.transaction():
                    self.claims.release_all()

    @contextmanager
    def transaction(self):
        """Commit everything within a ``with`` block, or nothing if it raises.

        Yields
        ------
        None
            What is written within the block is on the disk when it ends.

        Raises
        ------
        StoreError
            If the file cannot be written, or is no longer the one that was opened. In that
            case its content is saved in a new store, if it can still be read.
        """
        self._check_file()
        with transaction(self._db, self.path):
            yield

    def roll_back(self):
        """End a transaction that an interrupt has left open, if there is one."""
        if self._db.in_transaction:
            self._db.execute("rollback")

    def _check_file(self):
        """Raise if the file is no longer the one that was opened."""
        loss = None if self._guard is None or self._is_lost else self._guard.find_loss()
        if loss is None:
            return
        self._is_lost = True
        kept_in = self._guard.save_copy() if loss.is_readable else None
        consequence = (
            "its content could not be saved"
            if kept_in is None
            else f"its content is kept in {str(kept_in)!r}: move that to the old place, and "
            "collect again to continue"
        )
        error = StoreError(
            f"the store {str(self.path)!r} was lost while it was in use: {loss.event}; "
            f"{consequence}"
        )
        error.kept_in = kept_in
        raise error

    # ---- requests and samples --------------------------------------------------

    def register_backend(self, model, settings):
        """Store a model under its settings, if it is new.

        Parameters
        ----------
        model : str
            Name of the model.
        settings : dict
            Settings of its backend.

        Returns
        -------
        RegisteredBackend
            Its id, and the settings as they were written when it was new.
        """
        text = settings_to_json(settings, f"the backend of model {model!r}")
        query = "select id, settings from backends where model = ? order by id"
        for id, stored in self._db.execute(query, (model,)):
            # The keys of requests depend on the stored text, in which 1 may be written as 1.0.
            if stored == text or text_to_json(stored) == text:
                return RegisteredBackend(id, stored)
        insert = "insert into backends (model, settings) values (?, ?)"
        return RegisteredBackend(self._db.execute(insert, (model, text)).lastrowid, text)

    def register_requests(self, backend, keys, prompts):
        """Store the requests to a backend that are new.

        Parameters
        ----------
        backend : int
            Id of the backend.
        keys : sequence of bytes
            Digest that identifies each request.
        prompts : sequence of str
            The prompt of each request.

        Returns
        -------
        list of int
            Id of each request.
        """
        self._db.executemany(
            "insert or ignore into requests (key, backend, prompt) values (?, ?, ?)",
            ((key, backend, prompt) for key, prompt in zip(keys, prompts, strict=True)),
        )
        ids = dict(self._db.execute("select key, id from requests where backend = ?", (backend,)))
        return [ids[key] for key in keys]

    def stored_samples(self, backend, n_samples):
        """Find which samples of each request to a backend are stored.

        Parameters
        ----------
        backend : int
            Id of the backend.
        n_samples : int
            Number of samples per request that matter.

        Returns
        -------
        dict of int to (range or set of int)
            For each request id that has any, the numbers of the stored samples.
        """
        condition = "request in (select id from requests where backend = ?) and sample < ?"
        query = f"select request, count(*) from samples where {condition} group by request"
        return {
            request: range(n_samples) if n == n_samples else self.sample_numbers(request)
            for request, n in self._db.execute(query, (backend, n_samples))
        }

    def sample_numbers(self, request):
        """Return the numbers of the stored samples of a request.

        Parameters
        ----------
        request : int
            Id of the request.

        Returns
        -------
        set of int
            The numbers.
        """
        query = "select sample from samples where request = ?"
        return {number for (number,) in self._db.execute(query, (request,))}

    def count_answered_otherwise(self, ids):
        """Count the prompts to one backend that have samples under another seed only.

        Parameters
        ----------
        ids : dict of str to int
            For each prompt, the id of its request under the present seed.

        Returns
        -------
        int
            Number of prompts.
        """
        query = (
            "select distinct id, prompt from requests join samples on request = id where backend = "
            "(select backend from requests where id = ?)"
        )
        first_id = next(iter(ids.values()), None)
        answered, otherwise = set(), set()
        for id, prompt in self._db.execute(query, (first_id,)):
            (answered if ids.get(prompt) == id else otherwise).add(prompt)
        return len((ids.keys() & otherwise) - answered)

    def mean_tokens(self, model):
        """Average the token counts of all stored samples of a model.

        Parameters
        ----------
        model : str
            Name of the model.

        Returns
        -------
        MeanTokens
            Mean input and output tokens.
        """
        query = (
            "select avg(input_tokens), avg(output_tokens) from samples where request in (select "
            "requests.id from requests join backends on backends.id = backend where model = ?)"
        )
        return MeanTokens(*self._db.execute(query, (model,)).fetchone())

    def texts(self, request):
        """Return the stored texts of a request.

        Parameters
        ----------
        request : int
            Id of the request.

        Returns
        -------
        RequestTexts
            The texts in the order of their samples, and the error of the last attempt.
        """
        query = "select response from samples where request = ? order by sample"
        texts = [text for (text,) in self._db.execute(query, (request,))]
        query = "select error from requests where id = ?"
        return RequestTexts(texts, self._db.execute(query, (request,)).fetchone()[0])

    def put_responses(self, request, first, responses):
        """Store responses of a request.

        Parameters
        ----------
        request : int
            Id of the request.
        first : int
            Sample number of the first response.
        responses : sequence of Response
            The responses, in the order of their samples.
        """
        self._db.executemany(
            "insert or ignore into samples values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    request, sample, response.text, response.input_tokens,
                    response.output_tokens, response.cost, response.spent, response.latency,
                    response.finish_reason,
                )
                for sample, response in enumerate(responses, start=first)
            ),
        )  # fmt: skip

    def put_error(self, request, error):
        """Store the reason why a request failed.

        Parameters
        ----------
        request : int
            Id of the request.
        error : str or None
            The reason; None if the request succeeded.
        """
        self._db.execute(
            "update requests set error = ? where id = ? and error is not ?", (error, request, error)
        )

    # ---- collections -----------------------------------------------------------

    def put_collection(self, models, n_samples, queries, cells):
        """Store what is collected together, and how it is graded.

        Parameters
        ----------
        models : list of str
            Names of the models.
        n_samples : int
            Number of samples of each paraphrase and model.
        queries : list of QueryRow
            The queries.
        cells : list of Cell
            The request of each paraphrase and model.

        Returns
        -------
        StoredCollection
            The collection. It has the same id as an earlier one if all of this is the same;
            otherwise the two share nothing but their requests and samples.
        """
        key = collection_key(models, n_samples, queries, cells)
        with self.transaction():
            query = "select id from collections where key = ?"
            row = self._db.execute(query, (key,)).fetchone()
            if row is None:
                id = self._insert_collection(key, models, n_samples, queries, cells)
            else:
                (id,) = row
                update = "update collections set updated = ? where id = ?"
                self._db.execute(update, (time.time(), id))
        return StoredCollection(self._db, id, self.path)

    def _insert_collection(self, key, models, n_samples, queries, cells):
        id = self._db.execute(
            "insert into collections (key, n_samples, models, updated) values (?, ?, ?, ?)",
            (key, n_samples, json.dumps(models), time.time()),
        ).lastrowid
        self._db.executemany(
            "insert into cells values (?, ?, ?, ?, ?)", ((id, *cell) for cell in cells)
        )
        self._db.executemany(
            "insert into queries values (?, ?, ?, ?, ?)",
            ((id, row, *query) for row, query in enumerate(queries)),
        )
        return id

    def put_grades(self, grades):
        """Store grades.

        Parameters
        ----------
        grades : iterable of StoredGrade
            The grades.
        """
        with self.transaction():
            self._db.executemany("insert or replace into grades values (?, ?, ?, ?, ?)", grades)
