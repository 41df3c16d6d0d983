"""OutcomeCollector: ask every model every paraphrase several times, and grade."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from functools import partial
from numbers import Integral
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import BackendError, ask
from dars_sklearn.outcomes import Outcomes

__all__ = ["OutcomeCollector"]


class OutcomeCollector(TransformerMixin, BaseEstimator):
    """Turn queries into outcomes, by sampling and grading responses of models.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model; see :class:`~dars_sklearn.generate.Backend`.
    grader : callable
        ``grader(text, reference)`` gives a score in [0, 1]. A grader with an
        attribute ``needs_reference = False`` is called without references, too.
    n_samples : int, default=5
        Samples of each paraphrase and model.
    random_state : int, RandomState instance or None, default=0
        What the seeds of the requests are derived from, for backends that
        take a seed. A request keeps its seed whatever else is asked.
    verbose : bool or None, default=None
        Whether to show a progress bar; None shows it in a terminal.

    Attributes
    ----------
    responses_ : DataFrame
        Every sample of the last collection: row, query, model, paraphrase,
        sample, prompt, response, score, cost, input_tokens, output_tokens,
        latency, finish_reason; and ``error``, where there is no response.

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

    def __init__(self, models, grader, n_samples=5, *, random_state=0, verbose=None):
        self.models = models
        self.grader = grader
        self.n_samples = n_samples
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
            If there are no queries or models, or a reference is missing; all
            before the first request.
        BackendError
            If a backend breaks its protocol on its first request, or every
            request to every model fails.

        Warns
        -----
        CollectionWarning
            If requests or grades failed, with counts by model and reason.
        """
        models = self._check_settings()
        texts = check_texts(queries)
        references = self._check_references(references, len(texts))
        rows, columns = np.nonzero(np.not_equal(texts, None))
        prompts = texts[rows, columns]
        seeds = self._seeds(models, prompts)
        answers = {}
        with self._progress(len(prompts) * len(models)) as progress:
            for name, backend in models.items():
                answers[name] = self._ask_all(
                    name, backend, prompts, seeds[name], progress, first=not answers
                )
        responses = _tabulate(texts, rows, columns, answers, self.n_samples)
        if responses["response"].isna().all():
            reasons = Counter(responses["error"])
            raise BackendError(f"every request failed: {_most_common(reasons)}")
        responses["score"], grading_errors = self._grade(responses, references)
        self.responses_ = responses
        _warn_of_failures(responses, grading_errors)
        return _to_outcomes(responses, texts[:, 0], list(models))

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
        return dict(self.models)

    def _check_references(self, references, n_queries):
        if references is None:
            if getattr(self.grader, "needs_reference", True):
                raise ValueError(
                    f"{self.grader!r} needs references: pass them as collect(queries, "
                    "references) or fit_transform(queries, references)"
                )
            return [None] * n_queries
        references = list(references)
        if len(references) != n_queries:
            raise ValueError(f"there are {n_queries} queries but {len(references)} references")
        for row, reference in enumerate(references):
            if reference is None or reference is pd.NA or reference != reference:
                raise ValueError(f"the reference of row {row} is missing: {reference!r}")
            try:  # what a grader refuses, it should refuse before money is spent
                self.grader("", reference)
            except Exception as error:
                raise ValueError(
                    f"the grader refuses the reference of row {row}, {reference!r}: {error}"
                ) from error
        return references

    # ---- asking ------------------------------------------------------------

    def _seeds(self, models, prompts):
        """One seed a request, from what is asked alone: never from its place."""
        base = check_random_state(self.random_state).randint(2**31 - 1)
        return {name: [_digest(base, name, prompt) for prompt in prompts] for name in models}

    def _progress(self, total):
        # disable=None leaves it to tqdm: off where the output is no terminal
        disable = None if self.verbose is None else not self.verbose
        return tqdm(total=total, desc="collect", unit="prompt", disable=disable)

    def _ask_all(self, name, backend, prompts, seeds, progress, first):
        batch = getattr(backend, "batch_size", 1)
        entries = []
        for start in range(0, len(prompts), batch):
            part = slice(start, start + batch)
            progress.set_postfix_str(name, refresh=False)
            try:
                entries += ask(backend, prompts[part], n=self.n_samples, seed=seeds[part][0])
            except BackendError as error:
                if first and not entries:  # nothing is lost yet by saying so
                    raise BackendError(f"model {name!r}: {error}") from error
                entries += [error] * len(prompts[part])
            except Exception as error:
                entries += [error] * len(prompts[part])
            progress.update(len(prompts[part]))
        return entries

    def _grade(self, responses, references):
        errors = Counter()
        grade = partial(self._grade_one, errors=errors)
        scores = [
            grade(text, references[row]) if isinstance(text, str) else math.nan
            for text, row in zip(responses["response"], responses["row"], strict=True)
        ]
        return np.array(scores, dtype=np.float64), errors

    def _grade_one(self, text, reference, *, errors):
        try:
            score = float(self.grader(text, reference))
        except Exception as error:  # a grader's failure must not lose the rest
            errors[_reason(error)] += 1
            return math.nan
        if not 0 <= score <= 1:
            errors[f"score {score!r} is not in [0, 1]"] += 1
            return math.nan
        return score


def check_texts(queries):
    """Return queries as an object array of shape (n_queries, n_paraphrases)."""
    if isinstance(queries, str):
        raise TypeError("queries must be a list of texts, got one str; wrap it in a list")
    texts = np.asarray(queries, dtype=object)
    if texts.ndim == 1:
        texts = texts[:, None]
    if texts.ndim != 2:
        raise ValueError(
            "queries must have shape (n_queries,) or (n_queries, n_paraphrases), "
            f"got {texts.shape}; rows of different lengths are filled up with None"
        )
    if texts.size == 0:
        raise ValueError("the list of queries is empty")
    for (row, column), text in np.ndenumerate(texts):
        if text is None and column > 0:
            continue
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"the query in row {row} is not a text: {text!r}")
    return texts


def _digest(base, name, prompt):
    key = f"{base}\x00{name}\x00{prompt}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1


def _tabulate(texts, rows, columns, answers, n_samples):
    records = []
    for name, entries in answers.items():
        for row, column, entry in zip(rows, columns, entries, strict=True):
            failed = isinstance(entry, Exception)
            for sample in range(n_samples):
                response = None if failed else entry[sample]
                records.append(
                    {
                        "row": row,
                        "query": texts[row, 0],
                        "model": name,
                        "paraphrase": column,
                        "sample": sample,
                        "prompt": texts[row, column],
                        "response": None if failed else response.text,
                        "cost": math.nan if failed else response.cost,
                        "input_tokens": None if failed else response.input_tokens,
                        "output_tokens": None if failed else response.output_tokens,
                        "latency": math.nan if failed else response.latency,
                        "finish_reason": None if failed else response.finish_reason,
                        "error": _reason(entry) if failed else None,
                    }
                )
    return pd.DataFrame.from_records(records)


def _to_outcomes(responses, labels, models):
    scored = responses[responses["score"].notna()]
    if scored.empty:
        raise ValueError("no response could be graded; see responses_ for what was collected")
    keys = {
        "query": (scored["row"].to_numpy(), labels),
        "model": (pd.Index(models).get_indexer(scored["model"]), np.array(models, dtype=object)),
    }
    for role in ("paraphrase", "sample"):
        size = responses[role].max() + 1
        keys[role] = (scored[role].to_numpy(), np.arange(size))
    floats = {
        name: scored[name].to_numpy(np.float64, na_value=np.nan)
        for name in ("score", "cost", "input_tokens", "output_tokens", "latency")
    }
    known = {name: values for name, values in floats.items() if not np.isnan(values).all()}
    return Outcomes.from_codes(keys, known.pop("score"), known.pop("cost", None), extras=known)


def _reason(error):
    return f"{type(error).__name__}: {error}"[:200]


def _most_common(reasons, limit=3):
    listed = [f"{reason} ({count} times)" for reason, count in reasons.most_common(limit)]
    return "; ".join(listed) + ("; …" if len(reasons) > limit else "")


def _warn_of_failures(responses, grading_errors):
    failed = responses[responses["response"].isna()]
    for name, part in failed.groupby("model", sort=False):
        asked = (responses["model"] == name).sum()
        warn(
            f"{len(part)} of {asked} samples of model {name!r} failed, and their outcomes "
            f"are missing: {_most_common(Counter(part['error']))}",
            CollectionWarning,
            stacklevel=3,
        )
    if grading_errors:
        warn(
            f"{grading_errors.total()} responses could not be graded, and their outcomes are "
            f"missing: {_most_common(grading_errors)}",
            CollectionWarning,
            stacklevel=3,
        )
