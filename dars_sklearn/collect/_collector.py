"""OutcomeCollector: sample responses of every model to every paraphrase, and grade them."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.utils import check_scalar

from dars_sklearn.collect._base import StatelessTextTransformer
from dars_sklearn.collect._diagnostics import describe_problems
from dars_sklearn.collect._estimate import Estimate, estimate_missing
from dars_sklearn.collect._grading import (
    check_references,
    grade_collection,
    grade_first_response,
    grading_key,
    reference_to_json,
)
from dars_sklearn.collect._plan import draw_base_seed, plan_requests
from dars_sklearn.collect._sampler import Sampler
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade._apply import describe_grading_errors
from dars_sklearn.outcomes._texts import check_texts
from dars_sklearn.store import Store, read_responses
from dars_sklearn.store._records import Cell, QueryRow, StoredGrade
from dars_sklearn.utils._progress import progress_bar

__all__ = ["OutcomeCollector"]


class OutcomeCollector(StatelessTextTransformer):
    """Collect outcomes of queries by sampling and grading responses of models.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model; see :class:`~dars_sklearn.generate.Backend`.
    grader : callable
        ``grader(text, reference)`` returns a score in [0, 1]. A grader with the attribute
        ``needs_reference = False`` also works without references. A grader with a method
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
        Maximum cost of all samples of the collection in the user's unit, including the
        samples that the store already contains. Collection stops before the limit would be
        exceeded, with a warning.
    max_failure_rate : float, default=0.5
        Maximum share of requests that may fail. It is checked once 20 requests were
        answered, and at the end.
    random_state : int, RandomState instance or None, default=0
        Determines the seeds of the requests. Another value requests new samples of the same
        queries, for instance for an evaluation set that shares no sample with the labels.
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
        check_texts(X)
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
            paraphrase of a row is the label of the query.
        references : array-like of shape (n_queries,) or None, default=None
            Reference of each query, for the grader. A list of accepted answers is one
            reference.

        Returns
        -------
        Outcomes
            Outcomes of the queries, in their order. Samples that failed or could not be
            graded are missing.

        Raises
        ------
        ValueError
            If a parameter, a query or a reference is not valid, before anything is
            requested; if the first response cannot be graded; or if no response could be
            graded.
        BackendError
            If a backend cannot be reached, or more requests fail than ``max_failure_rate``
            allows. The responses that arrived are in the store.
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
        texts = check_texts(queries)
        references = check_references(self.grader, references, len(texts))
        gradings = [grading_key(self.grader, reference) for reference in references]
        query_rows = [
            QueryRow(label, reference_to_json(reference), grading)
            for label, reference, grading in zip(texts[:, 0], references, gradings, strict=True)
        ]
        with Store(self.store) as store:
            plan = self._plan(store, models, texts)
            cells = _list_cells(plan, models, texts)
            collection = store.put_collection(list(models), self.n_samples, query_rows, cells)
            row_of_request = {cell.request: cell.row for cell in reversed(cells)}

            def grade_first(request, response):
                row = row_of_request[request.id]
                score = grade_first_response(self.grader, response.text, references[row])
                grade = StoredGrade(request.id, request.first, gradings[row], score, None)
                store.put_grades([grade])

            with progress_bar(
                total=plan.n_samples,
                initial=plan.n_stored,
                desc="collect",
                unit="sample",
                verbose=self.verbose,
            ) as progress:
                sampling = Sampler(
                    store,
                    models,
                    plan,
                    progress,
                    max_cost=self.max_cost,
                    max_failure_rate=self.max_failure_rate,
                    on_first=grade_first,
                ).run()
            grading_errors = grade_collection(store, collection, self.grader, references)
            self._warn_of_problems(collection.count_samples(), sampling, grading_errors)
            outcomes = collection.outcomes()
            self._collection_id = collection.id
            # A store in memory ends with this block, so its table cannot be read later.
            self._responses = collection.responses() if self.store is None else None
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
        return read_responses(self.store, collection=self._collection_id)

    def estimate(self, queries):
        """Estimate what a collection would cost, without requesting anything.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, as in :meth:`collect`.

        Returns
        -------
        DataFrame of shape (n_models, 5)
            One row per model with the columns "requests", "samples", "input_tokens",
            "output_tokens" and "cost" of the samples that the store does not contain. Token
            counts are based on the means of the model's samples in the store. Without any,
            a prompt is assumed to have a token for every four bytes and a response
            ``max_tokens`` tokens, so the cost is usually overestimated. NaN where unknown.
        """
        models = self._check_parameters()
        texts = check_texts(queries)
        exists = self.store is not None and Path(self.store).exists()
        with Store(self.store if exists else None) as store:
            plan = self._plan(store, models, texts)
            estimates = [
                estimate_missing(backend, plan.missing[name], store.mean_tokens(name))
                for name, backend in models.items()
            ]
        return pd.DataFrame(
            estimates, index=pd.Index(models, name="model"), columns=Estimate._fields
        )

    def _check_parameters(self):
        """Raise unless all parameters are valid; return the models."""
        if not isinstance(self.models, Mapping):
            raise TypeError(
                f"models must map names to backends, got {type(self.models).__name__!r}"
            )
        if not self.models:
            raise ValueError("models is empty; pass at least one name and backend")
        for name, backend in self.models.items():
            if not callable(backend):
                raise TypeError(f"the backend of model {name!r} is not callable: {backend!r}")
        if not callable(self.grader):
            raise TypeError(f"grader must be callable, got {self.grader!r}")
        check_scalar(self.n_samples, "n_samples", Integral, min_val=1)
        if not isinstance(self.max_failure_rate, Real) or not 0 <= self.max_failure_rate <= 1:
            raise ValueError(f"max_failure_rate must be in [0, 1], got {self.max_failure_rate!r}")
        if self.max_cost is not None and not self.max_cost >= 0:
            raise ValueError(f"max_cost must not be negative, got {self.max_cost!r}")
        for name, backend in self.models.items():
            self._check_backend(name, backend)
        return dict(self.models)

    def _check_backend(self, name, backend):
        if self.n_samples > 1 and getattr(backend, "temperature", None) == 0:
            raise ValueError(
                f"model {name!r} has temperature 0, so its {self.n_samples} samples would all be "
                "the same; raise the temperature, or use n_samples=1"
            )
        if self.max_cost is not None:
            highest_price = getattr(backend, "highest_price", None)
            if highest_price is None or math.isnan(highest_price("", 1)):
                raise ValueError(
                    f"max_cost needs the prices of model {name!r}: pass input_price= and "
                    "output_price= to its backend"
                )

    def _plan(self, store, models, texts):
        prompts = list(dict.fromkeys(texts[np.not_equal(texts, None)]))
        base_seed = draw_base_seed(self.random_state)
        return plan_requests(store, models, prompts, self.n_samples, base_seed)

    def _warn_of_problems(self, counts_by_model, sampling, grading_errors):
        messages = []
        for name, counts in counts_by_model.items():
            temperature = getattr(self.models[name], "temperature", None)
            messages += describe_problems(name, counts, temperature)
        if sampling.n_unaffordable:
            messages.append(
                f"max_cost={self.max_cost} is reached: {sampling.n_unaffordable} requests were "
                f"not sent, {sampling.spent:.4g} was spent; raise max_cost and collect again to "
                "continue"
            )
        if grading_errors:
            messages.append(describe_grading_errors(grading_errors))
        for message in messages:
            warn(message, CollectionWarning, stacklevel=3)


def _list_cells(plan, models, texts):
    """List the request of each model and paraphrase."""
    rows, columns = np.nonzero(np.not_equal(texts, None))
    return [
        Cell(position, int(row), int(column), plan.ids[name][texts[row, column]])
        for position, name in enumerate(models)
        for row, column in zip(rows, columns, strict=True)
    ]
