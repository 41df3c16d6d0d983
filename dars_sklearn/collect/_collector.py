"""OutcomeCollector: sample responses of every model to every paraphrase, and grade them."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import check_scalar

from dars_sklearn.collect._backends import check_models, check_prices
from dars_sklearn.collect._base import StatelessTextTransformer
from dars_sklearn.collect._budget import limit_to_text
from dars_sklearn.collect._diagnostics import describe_problems
from dars_sklearn.collect._estimate import Estimate, estimate_missing
from dars_sklearn.collect._grading import (
    check_references,
    grade_collection,
    grade_first_response,
    grading_key,
    reference_to_json,
)
from dars_sklearn.collect._plan import draw_base_seed, plan_requests, warn_of_new_seed
from dars_sklearn.collect._queries import check_queries, check_same_order
from dars_sklearn.collect._sampler import Sampler
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade._apply import add_queries, describe_grading_errors
from dars_sklearn.store import Store, read_responses
from dars_sklearn.store._path import resolve_path
from dars_sklearn.store._records import Cell, QueryRow, StoredGrade
from dars_sklearn.utils._progress import progress_bar
from dars_sklearn.utils._warnings import warn_at_end, warn_user

__all__ = ["OutcomeCollector"]


class OutcomeCollector(StatelessTextTransformer):
    """Collect outcomes of queries by sampling and grading responses of models.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model; see :class:`~dars_sklearn.generate.Backend`.
    grader : callable
        ``grader(text, reference)`` returns a score in [0, 1]. A grader with the attribute
        ``needs_reference = False`` also works without references. With ``needs_query = True``,
        ``reference`` is a dict with the keys "query" and "reference". A grader with a method
        ``grade_many(texts, references)``, which returns one score or exception per
        response, is given many responses at a time.
    n_samples : int, default=5
        Number of samples of each paraphrase and model.
    store : str, path-like or None, default=None
        SQLite file in which every response is stored as soon as it arrives. Stored
        responses are not requested again: a run that was interrupted continues where it
        stopped, a larger ``n_samples`` requests only the additional samples, and another
        grader requests nothing. With None, nothing is kept after the call.
    max_cost : float or None, default=None
        Maximum cost of all requests of the collection in the user's unit: those of this run,
        of earlier ones, and of all other processes that use the store. A request is sent
        only if its highest price fits into the limit. What it cost is entered into the store;
        where that is not known (no usage was reported, the answer was unreadable, the process
        died), its highest price counts. Collection stops before the limit would be exceeded,
        with a warning; it stops with an error if a server bills more than the highest price.
    max_failure_rate : float, default=0.5
        Maximum share of requests that may fail. It is checked once 20 requests were
        answered, and at the end.
    random_state : int, RandomState instance or None, default=0
        Determines the seeds of the requests. Another value requests new samples of the same
        queries, for instance for an evaluation set that shares no sample with the labels. With
        None or a RandomState instance, every collection has new seeds, so it requests all
        samples again, whatever the store contains.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Attributes
    ----------
    responses_ : DataFrame
        All samples of the last collection, with the columns that
        :func:`~dars_sklearn.store.read_responses` describes.

    See Also
    --------
    ParaphraseExpander : Write the paraphrases of the queries.
    dars_sklearn.store.read_store : Read collected outcomes from a store.

    Notes
    -----
    A stored response is reused if everything that is known to determine it is the same: the
    name of the model, the ``settings`` of its backend, the prompt, ``random_state`` and the
    number of the sample. The address of a server, its key, its limits and its prices do not
    matter. Nothing but the name is known about a backend without ``settings``, such as a
    plain function: give it another name whenever you change it.

    Examples
    --------
    >>> from dars_sklearn import OutcomeCollector
    >>> from dars_sklearn.grade import ExactMatch
    >>> def parrot(prompts, *, n):
    ...     return [[prompt] * n for prompt in prompts]
    >>> collector = OutcomeCollector({"parrot": parrot}, ExactMatch(), n_samples=2)
    >>> collector.collect(["Polly"], references=["Polly"]).score
    array([1., 1.])
    """

    def __init__(
        self,
        models,
        grader,
        n_samples=5,
        store=None,
        *,
        max_cost=None,
        max_failure_rate=0.5,
        random_state=0,
        verbose=None,
    ):
        self.models = models
        self.grader = grader
        self.n_samples = n_samples
        self.store = store
        self.max_cost = max_cost
        self.max_failure_rate = max_failure_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Check the parameters and the queries, without collecting anything.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, as in :meth:`collect`.
        y : array-like of shape (n_queries,) or None, default=None
            Not used.

        Returns
        -------
        OutcomeCollector
            The collector itself.
        """
        self._check_parameters()
        check_queries(X)
        return self

    def fit_transform(self, X, y=None):
        """Collect outcomes, graded with references.

        Like :meth:`collect`, this requests and pays for all samples that the store does not
        contain.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, as in :meth:`collect`.
        y : array-like of shape (n_queries,) or None, default=None
            References, as in :meth:`collect`.

        Returns
        -------
        Outcomes
            Outcomes of ``n_queries`` queries.
        """
        return self.collect(X, references=y)

    def transform(self, X):
        """Collect outcomes, graded without references.

        Like :meth:`collect`, this requests and pays for all samples that the store does not
        contain.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, as in :meth:`collect`.

        Returns
        -------
        Outcomes
            Outcomes of ``n_queries`` queries.

        Raises
        ------
        ValueError
            If the grader needs references.
        """
        return self.collect(X)

    def collect(self, queries, references=None):
        """Sample and grade responses of every model to every paraphrase.

        All samples that the store does not contain are requested and paid for.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, or one row of paraphrases per query, filled up with None. The first
            paraphrase of a row is the label of the query. A blank query is not sent to any
            model, and its outcomes are missing.
        references : array-like of shape (n_queries,) or None, default=None
            Reference of each query, for the grader. A list of accepted answers is one
            reference. If it has the index of a Series, the labels must be those of the queries.

        Returns
        -------
        Outcomes
            Outcomes of the queries, in their order. Samples that failed or could not be
            graded are missing.

        Raises
        ------
        TypeError
            If a parameter is of the wrong type, or the settings of a backend or grader are not
            JSON; or if queries or references are in a dict or set.
        ValueError
            If a parameter, a query or a reference is not valid, or the labels of queries and
            references differ, before anything is requested; if the first response cannot be
            graded; if no response could be graded; or if ``max_cost`` allows no request.
        BackendError
            If a backend cannot be reached, or more requests fail than ``max_failure_rate``
            allows. The responses that arrived are in the store.
        KeyboardInterrupt, SystemExit
            If a backend or the grader raises them. The responses that arrived are in the store.
        StoreError
            If the store cannot be used, or its disk is full.

        Warns
        -----
        CollectionWarning
            If requests failed, responses could not be graded, ``max_cost`` was reached, or
            responses are cut, refused, empty or all the same. The warnings state the number
            of responses and the model.
        """
        models = self._check_parameters()
        texts = check_queries(queries)
        check_same_order(queries, texts[:, 0], references)
        references = check_references(self.grader, references, texts[:, 0])
        passed_on = add_queries(self.grader, references, texts[:, 0])
        gradings = [grading_key(self.grader, reference) for reference in passed_on]
        query_rows = [
            QueryRow(label, reference_to_json(reference), grading)
            for label, reference, grading in zip(texts[:, 0], references, gradings, strict=True)
        ]
        with Store(self.store) as store:
            plan = self._plan(store, models, texts)
            warn_of_new_seed(store, plan, self.random_state)
            cells = _list_cells(plan, models, texts)
            n_samples = int(self.n_samples)  # SQLite stores a NumPy integer as bytes
            collection = store.put_collection(list(models), n_samples, query_rows, cells)
            row_of_request = {cell.request: cell.row for cell in reversed(cells)}

            def grade_first(request, response):
                row = row_of_request[request.id]
                score = grade_first_response(self.grader, response.text, passed_on[row])
                grade = StoredGrade(request.id, request.first, gradings[row], score, None)
                store.put_grades([grade])

            with warn_at_end():  # the grader is applied to one batch after the other
                sampling = self._sample(store, models, plan, grade_first)
                grading_errors = grade_collection(store, collection, self.grader, passed_on)
                # This is set before any warning, since warnings may be errors.
                outcomes = collection.outcomes()
                self._path, self._collection_id = store.path, collection.id
                # A store in memory ends with this block, so its table cannot be read later.
                self._responses = collection.responses() if store.path is None else None
            counts = collection.count_samples()
            is_idle = sampling.n_finished == 0 and sampling.spent == 0
            if sampling.n_unaffordable and is_idle and not any(c.stored for c in counts.values()):
                self._raise_unaffordable(sampling)
            self._warn_of_problems(counts, sampling, grading_errors)
        if len(outcomes.score) == 0:
            raise ValueError("no response could be graded; see responses_ for what was collected")
        return outcomes

    @property
    def responses_(self):
        """All samples of the last collection."""
        if not hasattr(self, "_collection_id"):
            raise AttributeError("responses_ is available after collect() only")
        if self._responses is not None:
            return self._responses
        return read_responses(self._path, collection=self._collection_id)

    def estimate(self, queries):
        """Estimate what a collection would cost, without requesting anything.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, as in :meth:`collect`.

        Returns
        -------
        DataFrame of shape (n_models, 6)
            One row per model with the columns "requests", "samples", "input_tokens",
            "output_tokens" and "cost" of the samples that the store does not contain. The sum of
            the column "max_cost" is the ``max_cost`` with which all of them can be sent: their
            highest prices, which are several times as high as their expected cost, and what
            counts for earlier requests already. Token
            counts are based on the means of the model's samples in the store. Without any,
            the backend estimates the tokens of a prompt, its chat template and system prompt
            included, and a response is assumed to have ``max_tokens`` tokens, so the cost is
            usually overestimated. NaN where unknown.
        """
        models = self._check_parameters()
        texts = check_queries(queries)
        exists = self.store is not None and resolve_path(self.store).exists()
        with Store(self.store if exists else None) as store:
            plan = self._plan(store, models, texts)
            estimates = [estimate_missing(store, models, plan, name) for name in models]
        return pd.DataFrame(
            estimates, index=pd.Index(models, name="model"), columns=Estimate._fields
        )

    def _check_parameters(self):
        """Raise unless all parameters are valid; return the models."""
        models = check_models(self.models)
        if not callable(self.grader):
            raise TypeError(f"grader must be callable, got {self.grader!r}")
        check_scalar(self.n_samples, "n_samples", Integral, min_val=1)
        if not isinstance(self.max_failure_rate, Real) or not 0 <= self.max_failure_rate <= 1:
            raise ValueError(f"max_failure_rate must be in [0, 1], got {self.max_failure_rate!r}")
        if self.store is not None:
            resolve_path(self.store)
        if self.max_cost is not None:
            self._check_max_cost(models)
        for name, backend in models.items():
            if self.n_samples > 1 and getattr(backend, "temperature", None) == 0:
                raise ValueError(
                    f"model {name!r} has temperature 0, so its {self.n_samples} samples would all "
                    "be the same; raise the temperature, or use n_samples=1"
                )
        return models

    def _check_max_cost(self, models):
        """Raise unless the limit is an amount, and every backend can bound its prices."""
        if isinstance(self.max_cost, bool) or not isinstance(self.max_cost, Real):
            raise TypeError(f"max_cost must be a number or None, got {self.max_cost!r}")
        if not self.max_cost >= 0:
            raise ValueError(f"max_cost must not be negative, got {self.max_cost!r}")
        for name, backend in models.items():
            check_prices(name, backend)

    def _plan(self, store, models, texts):
        prompts = list(dict.fromkeys(texts[np.not_equal(texts, None)]))
        base_seed = draw_base_seed(self.random_state)
        return plan_requests(store, models, prompts, int(self.n_samples), base_seed)

    def _sample(self, store, models, plan, on_first):
        """Request the missing samples of a plan; return the sampler, which counts them."""
        with progress_bar(
            total=plan.n_samples,
            initial=plan.n_stored,
            desc="collect",
            unit="sample",
            verbose=self.verbose,
        ) as progress:
            return Sampler(
                store,
                models,
                plan,
                progress,
                max_cost=self.max_cost,
                max_failure_rate=self.max_failure_rate,
                on_first=on_first,
            ).run()

    def _raise_unaffordable(self, sampling):
        """Raise since ``max_cost`` has not allowed to collect anything."""
        raise ValueError(
            f"max_cost={self.max_cost} is too low to collect anything: a request is sent only if "
            "its highest price fits into the limit. "
            f"max_cost={limit_to_text(sampling.sufficient_limit)} is enough for all of the "
            f"{sampling.n_unaffordable} requests; they will probably cost much less, see "
            "estimate(queries)"
        )

    def _warn_of_problems(self, counts_by_model, sampling, grading_errors):
        messages = []
        for name, counts in counts_by_model.items():
            temperature = getattr(self.models[name], "temperature", None)
            messages += describe_problems(name, counts, temperature)
        if sampling.n_unaffordable:
            messages.append(
                f"max_cost={self.max_cost} is reached: {sampling.n_unaffordable} requests were "
                f"not sent, {sampling.spent:.4g} was spent; collect again with max_cost="
                f"{limit_to_text(sampling.sufficient_limit)}, which is enough for all of them, to "
                "continue"
            )
        if grading_errors:
            messages.append(describe_grading_errors(grading_errors))
        for message in messages:
            warn_user(message, CollectionWarning)


def _list_cells(plan, models, texts):
    """List the request of each model and paraphrase."""
    rows, columns = np.nonzero(np.not_equal(texts, None))
    return [
        Cell(position, int(row), int(column), plan.ids[name][texts[row, column]])
        for position, name in enumerate(models)
        for row, column in zip(rows, columns, strict=True)
    ]
