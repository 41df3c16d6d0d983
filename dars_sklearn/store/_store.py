"""The writer of a store: it saves every response as soon as it arrives."""

import json
import time
from contextlib import closing
from pathlib import Path

from dars_sklearn.store._claims import Claims
from dars_sklearn.store._digest import digest
from dars_sklearn.store._reader import StoredCollection
from dars_sklearn.store._records import MeanTokens, RegisteredBackend, RequestTexts
from dars_sklearn.store._schema import open_for_writing, transaction

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

    Raises
    ------
    StoreError
        If the file cannot be written, or is not a store of this version.

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
        self.path = None if path is None else Path(path)
        self._db = open_for_writing(self.path)
        self.claims = Claims(self._db)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Release all claims and close the file."""
        with closing(self._db), self.transaction():
            self.claims.release_all()

    def transaction(self):
        """Commit everything within a ``with`` block, or nothing if it raises.

        Returns
        -------
        context manager
            What is written within it is on the disk when it ends.
        """
        return transaction(self._db, self.path)

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
            Its id, and the settings as text.
        """
        text = json.dumps(settings, sort_keys=True, default=repr)
        self._db.execute(
            "insert or ignore into backends (model, settings) values (?, ?)", (model, text)
        )
        query = "select id from backends where model = ? and settings = ?"
        return RegisteredBackend(self._db.execute(query, (model, text)).fetchone()[0], text)

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
            request: range(n_samples) if n == n_samples else self._sample_numbers(request)
            for request, n in self._db.execute(query, (backend, n_samples))
        }

    def _sample_numbers(self, request):
        query = "select sample from samples where request = ?"
        return {number for (number,) in self._db.execute(query, (request,))}

    def lacks_samples(self, request, first, n):
        """Return whether any of the samples ``first`` to ``first + n - 1`` is not stored.

        Parameters
        ----------
        request : int
            Id of the request.
        first, n : int
            Number of the first sample, and how many samples matter.

        Returns
        -------
        bool
            Whether a sample is missing.
        """
        query = "select count(*) from samples where request = ? and sample >= ? and sample < ?"
        return self._db.execute(query, (request, first, first + n)).fetchone()[0] < n

    def spent_on(self, requests):
        """Sum what was paid for the stored samples of some requests.

        Parameters
        ----------
        requests : iterable of int
            Ids of the requests.

        Returns
        -------
        float
            Amount in the user's unit; samples whose price is unknown do not count.
        """
        query = "select total(spent) from samples where request = ?"
        return sum(self._db.execute(query, (request,)).fetchone()[0] for request in requests)

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
        """Store which queries, paraphrases and models are collected together.

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
            The collection. It has the same id as an earlier one of the same queries,
            paraphrases and models.
        """
        key = digest(*models, *(query.label for query in queries), *map(_cell_key, cells))
        with self.transaction():
            id = self._update_collection(key, n_samples)
            if id is None:
                id = self._insert_collection(key, models, n_samples, cells)
            self._db.executemany(
                "insert or replace into queries values (?, ?, ?, ?, ?)",
                ((id, row, *query) for row, query in enumerate(queries)),
            )
        return StoredCollection(self._db, id)

    def _update_collection(self, key, n_samples):
        """Update a collection and return its id, None if there is no such collection."""
        row = self._db.execute("select id from collections where key = ?", (key,)).fetchone()
        if row is None:
            return None
        self._db.execute(
            "update collections set n_samples = ?, updated = ? where id = ?",
            (n_samples, time.time(), row[0]),
        )
        return row[0]

    def _insert_collection(self, key, models, n_samples, cells):
        id = self._db.execute(
            "insert into collections (key, n_samples, models, updated) values (?, ?, ?, ?)",
            (key, n_samples, json.dumps(models), time.time()),
        ).lastrowid
        self._db.executemany(
            "insert into cells values (?, ?, ?, ?, ?)", ((id, *cell) for cell in cells)
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


def _cell_key(cell):
    """Identify a cell by a text, whose format existing stores depend on."""
    return str(tuple(cell))
