"""OutcomeCollector: ask every model every paraphrase several times, and grade."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from dars_sklearn._grading import (
    as_json,
    check_references,
    grade_collection,
    grade_first,
    grading_key,
)
from dars_sklearn._sampling import Sampler, most_common, plan_requests
from dars_sklearn._texts import check_texts
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.store import Store, read_responses

__all__ = ["OutcomeCollector"]


class OutcomeCollector(TransformerMixin, BaseEstimator):
    """Turn queries into outcomes, by sampling and grading responses of models.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model; see :class:`~dars_sklearn.generate.Backend`.
    grader : callable
        ``grader(text, reference)`` gives a score in [0, 1]. A grader with an
        attribute ``needs_reference = False`` is called without references, too; one
        with ``grade_many(texts, references)`` is given many responses at once.
    n_samples : int, default=5
        Samples of each paraphrase and model.
    store : str, path-like or None, default=None
        A SQLite file that keeps every response as soon as it arrives. What it
        holds is not asked again: a run that was killed goes on where it
        stopped, a larger ``n_samples`` asks for the rest only, and another
        grader asks nothing. None keeps nothing beyond the call.
    max_cost : float or None, default=None
        What the samples may cost together, those that the store holds already
        included. Collection stops before that is passed, with a warning.
    max_failure_rate : float, default=0.5
        Share of requests that may fail; more is an error, once 20 were
        answered, or at the end.
    random_state : int, RandomState instance or None, default=0
        What the seeds of the requests are derived from. Another one asks
        anew: it is how to draw fresh samples of the same queries.
    verbose : bool or None, default=None
        Whether to show a progress bar; None shows it in a terminal.

    Attributes
    ----------
    responses_ : DataFrame
        Every sample of the last collection: row, query, model, paraphrase,
        sample, prompt, response, score, cost, spent, input_tokens,
        output_tokens, latency, finish_reason; and ``error``, where there is no
        response or no grade.

    Notes
    -----
    A response is the same, and not asked again, where all that is known to
    determine it is the same: the name of the model, the ``settings`` of its
    backend, the prompt, ``random_state`` and the number of the sample. Where a
    server is, its key, its limits and prices do not count. Of a backend that
    has no ``settings``, such as a plain function, only the name is known: give
    it another name when you change it.

    Examples
    --------
    >>> from dars_sklearn import OutcomeCollector
    >>> from dars_sklearn.grade import ExactMatch
    >>> def parrot(prompts, *, n):
    ...     return [[prompt] * n for prompt in prompts]
    >>> collector = OutcomeCollector({"parrot": parrot}, ExactMatch(), n_samples=2)
    >>> collector.collect(["Polly"], references=["Polly"])
    <Outcomes: 1 query x 1 model, 2 outcomes, 2 a pair>
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
        """Check the settings; there is nothing to learn.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries.
        y : array-like of shape (n_queries,) or None, default=None
            References.

        Returns
        -------
        OutcomeCollector
            The collector itself.
        """
        self._check_settings()
        check_texts(X)
        return self

    def fit_transform(self, X, y=None):
        """Collect outcomes.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries.
        y : array-like of shape (n_queries,) or None, default=None
            References.

        Returns
        -------
        Outcomes
            One row a query.
        """
        return self.collect(X, references=y)

    def transform(self, X):
        """Collect outcomes without references.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries.

        Returns
        -------
        Outcomes
            One row a query.

        Raises
        ------
        ValueError
            If the grader needs references.
        """
        return self.collect(X)

    def collect(self, queries, references=None):
        """Ask every model every text, and grade the responses.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Texts to ask. A row is a query in its paraphrases, None where it
            has fewer; the first text of a row becomes the label of the query.
        references : array-like of shape (n_queries,) or None, default=None
            What the grader compares with. A list of accepted answers is one
            reference.

        Returns
        -------
        Outcomes
            One row a query, in order. What failed is missing.

        Raises
        ------
        ValueError
            If there are no queries or models, a reference is missing, or a
            setting is wrong, all before the first request; if the first
            response cannot be graded, or gets a score that is not in [0, 1].
        BackendError
            If a backend cannot be reached, or more requests fail than
            ``max_failure_rate`` allows. What was collected is kept.
        StoreError
            If the store cannot be used, or its disk is full.

        Warns
        -----
        CollectionWarning
            If requests or grades failed, ``max_cost`` was reached, or responses
            are cut, refused, empty or all alike, with counts by model.
        """
        models = self._check_settings()
        texts = check_texts(queries)
        references = check_references(self.grader, references, len(texts))
        rows, columns = np.nonzero(np.not_equal(texts, None))
        gradings = [grading_key(self.grader, reference) for reference in references]
        with Store(self.store) as store:
            plan = self._plan(store, models, texts)
            cells = [
                (number, int(row), int(column), plan.ids[name][texts[row, column]])
                for number, name in enumerate(models)
                for row, column in zip(rows, columns, strict=True)
            ]
            kept = [
                (label, as_json(reference), grading)
                for label, reference, grading in zip(texts[:, 0], references, gradings, strict=True)
            ]
            collection = store.put_collection(list(models), self.n_samples, kept, cells)
            first_row = {request: row for _, row, _, request in reversed(cells)}

            def check_grader(request, response):
                row = first_row[request.id]
                score = grade_first(self.grader, response.text, references[row])
                store.put_grades([(request.id, request.first, gradings[row], score, None)])

            with self._progress(plan) as progress:
                sampler = Sampler(
                    store, models,
                    max_cost=self.max_cost, max_failure_rate=self.max_failure_rate,
                    progress=progress,
                    on_first=check_grader,
                )  # fmt: skip
                sampler.run(plan)
            grading_errors = grade_collection(store, collection, self.grader, references)
            self._warn(store.summary(collection), sampler, grading_errors)
            outcomes = store.outcomes(collection)
            # What is in a file can be read when it is asked for.
            self._responses = store.responses(collection) if self.store is None else collection
        if len(outcomes.score) == 0:
            raise ValueError("no response could be graded; see responses_ for what was collected")
        return outcomes

    @property
    def responses_(self):
        """Every sample of the last collection."""
        if not hasattr(self, "_responses"):
            raise AttributeError("responses_ is there after collect()")
        if isinstance(self._responses, pd.DataFrame):
            return self._responses
        return read_responses(self.store, collection=self._responses)

    def estimate(self, queries):
        """Tell what a collection would ask and cost, without asking anything.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Texts, as for :meth:`collect`.

        Returns
        -------
        DataFrame
            A row a model: requests, samples, input_tokens, output_tokens and
            cost of what the store does not hold yet. Tokens are the mean of
            those that the store holds of that model, and until it holds any, a
            quarter of the bytes sent, and ``max_tokens`` for each response: the
            cost is then more than it will be. NaN where it cannot be told.
        """
        models = self._check_settings()
        texts = check_texts(queries)
        exists = self.store is not None and Path(self.store).exists()
        with Store(self.store if exists else None) as store:
            plan = self._plan(store, models, texts)
            rows = [
                _estimate(backend, plan.missing[name], store.mean_tokens(name))
                for name, backend in models.items()
            ]
        columns = ["requests", "samples", "input_tokens", "output_tokens", "cost"]
        return pd.DataFrame(rows, index=pd.Index(models, name="model"), columns=columns)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    # ---- checks, before money is spent -------------------------------------

    def _check_settings(self):
        if not isinstance(self.models, Mapping):
            raise TypeError(
                f"models must map names to backends, got {type(self.models).__name__!r}"
            )
        if not self.models:
            raise ValueError("models is empty: there is no model to ask")
        for name, backend in self.models.items():
            if not callable(backend):
                raise TypeError(f"the backend of model {name!r} is not callable: {backend!r}")
        if not callable(self.grader):
            raise TypeError(f"grader must be callable, got {self.grader!r}")
        if not isinstance(self.n_samples, Integral) or self.n_samples < 1:
            raise ValueError(f"n_samples must be an int of at least 1, got {self.n_samples!r}")
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
            price = getattr(backend, "highest_price", None)
            if price is None or math.isnan(price("", 1)):
                raise ValueError(
                    f"max_cost needs the prices of model {name!r}: pass input_price= and "
                    "output_price= to its backend"
                )

    # ---- asking, and what is said of it ----------------------------------------

    def _plan(self, store, models, texts):
        base_seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        prompts = list(dict.fromkeys(texts[np.not_equal(texts, None)]))
        return plan_requests(store, models, prompts, self.n_samples, base_seed)

    def _progress(self, plan):
        # disable=None leaves it to tqdm: off where the output is no terminal
        disable = None if self.verbose is None else not self.verbose
        held = plan.n_samples - plan.n_missing
        return tqdm(
            total=plan.n_samples, initial=held, desc="collect", unit="sample", disable=disable
        )

    def _warn(self, summary, sampler, grading_errors):
        for name, counts in summary.items():
            for message in _complaints(name, counts, self.models[name]):
                warn(message, CollectionWarning, stacklevel=3)
        if sampler.n_unaffordable:
            warn(
                f"max_cost={self.max_cost} is reached: {sampler.n_unaffordable} requests were not "
                f"sent, {sampler.spent:.4g} was spent; raise max_cost and collect again to go on",
                CollectionWarning,
                stacklevel=3,
            )
        if grading_errors:
            warn(
                f"{grading_errors.total()} responses could not be graded, and their outcomes are "
                f"missing: {most_common(grading_errors)}",
                CollectionWarning,
                stacklevel=3,
            )


def _estimate(backend, requests, seen):
    """Requests, samples, tokens and cost of what is missing of a model."""
    n_samples = sum(request.n for request in requests)
    prompt_tokens, response_tokens = seen
    if prompt_tokens is None and hasattr(backend, "render"):
        sent = [len(backend.render(request.prompt).encode()) / 4 for request in requests]
        prompt_tokens = sum(sent) / max(len(sent), 1)
    if response_tokens is None:
        response_tokens = getattr(backend, "max_tokens", None)
    input_tokens = math.nan if prompt_tokens is None else prompt_tokens * len(requests)
    output_tokens = math.nan if response_tokens is None else response_tokens * n_samples
    cost = backend.price(input_tokens, output_tokens) if hasattr(backend, "price") else math.nan
    return len(requests), n_samples, input_tokens, output_tokens, cost


def _complaints(name, counts, backend):
    """What a user should know of the samples of a model."""
    wanted, held = counts["wanted"], counts["held"]
    if counts["errors"]:
        yield (
            f"{wanted - held} of {wanted} samples of model {name!r} failed, and their outcomes "
            f"are missing: {most_common(counts['errors'])}"
        )
    remedies = {
        "cut": "were cut by the token limit, which looks like inability; raise max_tokens",
        "refused": "are refusals",
        "empty": "are empty",
    }
    for kind, remedy in remedies.items():
        if counts[kind]:
            yield f"{counts[kind]} of {held} responses of model {name!r} {remedy}"
    if counts["alike"] and getattr(backend, "temperature", None):
        yield (
            f"the samples of model {name!r} are the same for every prompt, as if its temperature "
            "were 0: does its server honour temperature and n?"
        )
