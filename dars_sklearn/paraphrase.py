"""ParaphraseExpander: each query in several equivalent wordings."""

from collections import Counter
from collections.abc import Mapping
from numbers import Integral
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from dars_sklearn._rewrites import fault_of, find_rewrites
from dars_sklearn._sampling import Sampler, plan_requests
from dars_sklearn._texts import check_texts
from dars_sklearn.exceptions import ParaphraseWarning
from dars_sklearn.store import Store

__all__ = ["ParaphraseExpander"]

_PROMPT = (
    "Rewrite the question below in {n} different ways. Keep its meaning, and every name, number "
    "and quotation. Do not answer it. Write each rewrite on a line of its own, numbered, and "
    "nothing else.\n\nQuestion: {query}"
)
# What the backend is called in the store.
_NAME = "paraphrase"


class ParaphraseExpander(TransformerMixin, BaseEstimator):
    """Ask a model for rewrites of each query, and keep the valid ones.

    A rewrite is valid that is neither empty nor a duplicate, keeps the numbers
    and quoted strings of the query, is not much shorter or longer and, where
    an encoder is given, means about the same. What is missing is asked again.

    Parameters
    ----------
    backend : callable or None, default=None
        What rewrites; see :class:`~dars_sklearn.generate.Backend`. None where
        ``paraphrases`` has all that is needed.
    n_paraphrases : int, default=5
        Wordings of each query, the original counted where it is included.
    include_original : bool, default=True
        Whether the query itself is the first of its wordings.
    paraphrases : dict of str to list of str, or None, default=None
        Your own wordings of queries. They are taken as they are, and the
        backend is asked for what is missing.
    prompt : str, optional
        What the backend is told; ``{query}`` and ``{n}``, the number of
        rewrites, are filled in.
    max_attempts : int, default=3
        How often a query is asked for what is missing.
    length_ratio : tuple of float, default=(0.3, 3.0)
        Shortest and longest rewrite, relative to the query.
    encoder : callable or None, default=None
        Turns a list of texts into an array of shape (n_texts, n_features), as
        ``SentenceTransformer("all-MiniLM-L6-v2").encode`` does.
    min_similarity : float, default=0.7
        Least cosine between the encodings of a rewrite and its query.
    store : str, path-like or None, default=None
        A SQLite file that keeps what the backend wrote, and may be that of an
        :class:`~dars_sklearn.OutcomeCollector`; it is not asked again.
    expand_at_predict : bool, default=False
        Whether ``transform`` rewrites, too. It passes queries through
        otherwise, since at routing time the query is what is there.
    random_state : int, RandomState instance or None, default=0
        What the seeds of the requests are derived from.
    verbose : bool or None, default=None
        Whether to show a progress bar; None shows it in a terminal.

    Attributes
    ----------
    report_ : DataFrame
        Every rewrite of the last expansion: row, query, rewrite, and the
        ``fault`` for which it was rejected, None where it was valid.
    rejected_ : Counter
        How many rewrites were rejected, by fault.

    Examples
    --------
    >>> from dars_sklearn import ParaphraseExpander
    >>> def rewrite(prompts, *, n):
    ...     return [["Sure:\\n1. Who is Ada?\\n2. Tell me who Ada was."] * n for _ in prompts]
    >>> expander = ParaphraseExpander(rewrite, n_paraphrases=3)
    >>> expander.expand(["Who was Ada?"]).tolist()
    [['Who was Ada?', 'Who is Ada?', 'Tell me who Ada was.']]
    """

    def __init__(
        self,
        backend=None,
        n_paraphrases=5,
        include_original=True,
        *,
        paraphrases=None,
        prompt=_PROMPT,
        max_attempts=3,
        length_ratio=(0.3, 3.0),
        encoder=None,
        min_similarity=0.7,
        store=None,
        expand_at_predict=False,
        random_state=0,
        verbose=None,
    ):
        self.backend = backend
        self.n_paraphrases = n_paraphrases
        self.include_original = include_original
        self.paraphrases = paraphrases
        self.prompt = prompt
        self.max_attempts = max_attempts
        self.length_ratio = length_ratio
        self.encoder = encoder
        self.min_similarity = min_similarity
        self.store = store
        self.expand_at_predict = expand_at_predict
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Check the settings; there is nothing to learn.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,)
            Queries.
        y : None
            Ignored.

        Returns
        -------
        ParaphraseExpander
            The expander itself.
        """
        self._check(X)
        return self

    def fit_transform(self, X, y=None):
        """Expand queries.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,)
            Queries.
        y : None
            Ignored.

        Returns
        -------
        ndarray of object of shape (n_queries, n_paraphrases)
            Wordings.
        """
        return self.expand(X)

    def transform(self, X):
        """Pass queries through, or expand them if ``expand_at_predict``.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,)
            Queries.

        Returns
        -------
        ndarray of object of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries, or their wordings.
        """
        return self.expand(X) if self.expand_at_predict else self._check(X)

    def expand(self, queries):
        """Rewrite queries.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,)
            Queries.

        Returns
        -------
        ndarray of object of shape (n_queries, n_paraphrases)
            Wordings; None where too few were valid.

        Raises
        ------
        ValueError
            If a query has no valid wording at all, or there is no backend to
            ask for what is missing.
        BackendError
            If the backend cannot be reached.

        Warns
        -----
        ParaphraseWarning
            If queries got fewer wordings than asked for, with the reasons.
        """
        queries = self._check(queries)
        wordings = [self._given(query) for query in queries]
        report = []
        if any(len(found) < self.n_paraphrases for found in wordings):
            self._rewrite(queries, wordings, report)
        columns = ["row", "query", "rewrite", "fault"]
        self.report_ = pd.DataFrame(report, columns=columns, dtype=object)
        self.rejected_ = Counter(fault for *_, fault in report if fault is not None)
        self._warn_of_shortfall(wordings)
        table = np.full((len(queries), self.n_paraphrases), None, dtype=object)
        for row, found in enumerate(wordings):
            if not found:
                raise ValueError(
                    f"the query in row {row} has no valid rewrite at all; use include_original=True"
                )
            table[row, : len(found)] = found
        return table

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def _check(self, queries):
        if self.backend is None and self.paraphrases is None:
            raise ValueError("there is neither a backend to rewrite, nor paraphrases= of your own")
        if self.backend is not None and not callable(self.backend):
            raise TypeError(f"backend must be callable, got {self.backend!r}")
        if self.paraphrases is not None and not isinstance(self.paraphrases, Mapping):
            raise TypeError(
                f"paraphrases must map queries to lists of wordings, got {self.paraphrases!r:.80}"
            )
        if not isinstance(self.n_paraphrases, Integral) or self.n_paraphrases < 1:
            raise ValueError(f"n_paraphrases must be an int >= 1, got {self.n_paraphrases!r}")
        if not isinstance(self.max_attempts, Integral) or self.max_attempts < 1:
            raise ValueError(f"max_attempts must be an int >= 1, got {self.max_attempts!r}")
        try:
            self._prompt_for("a query")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"prompt may hold {{query}} and {{n}} only, got {self.prompt!r}: {error!r}"
            ) from None
        texts = check_texts(queries)
        if texts.shape[1] != 1:
            raise ValueError(f"queries must be of shape (n_queries,), got {texts.shape}")
        return texts[:, 0]

    def _prompt_for(self, query):
        n_rewrites = self.n_paraphrases - bool(self.include_original)
        return self.prompt.format(query=query, n=max(n_rewrites, 1))

    def _given(self, query):
        """The wordings of a query that need not be asked for."""
        own = (self.paraphrases or {}).get(query, [])
        if isinstance(own, str) or not all(isinstance(text, str) and text.strip() for text in own):
            raise ValueError(f"the paraphrases of {query!r} must be a list of texts, got {own!r}")
        given = [query, *own] if self.include_original else own
        return list(dict.fromkeys(given))[: self.n_paraphrases]

    def _rewrite(self, queries, wordings, report):
        """Ask for what is missing, in rounds; each goes on where the one before ended."""
        if self.backend is None:
            short = sum(len(found) < self.n_paraphrases for found in wordings)
            raise ValueError(
                f"{short} queries have fewer than {self.n_paraphrases} wordings in paraphrases=, "
                "and there is no backend to write more"
            )
        base_seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        models = {_NAME: self.backend}
        with Store(self.store) as store:
            for attempt in range(self.max_attempts):
                rows = [r for r, found in enumerate(wordings) if len(found) < self.n_paraphrases]
                if not rows:
                    break
                prompts = {row: self._prompt_for(queries[row]) for row in rows}
                unique = list(dict.fromkeys(prompts.values()))
                plan = plan_requests(store, models, unique, attempt + 1, base_seed)
                self._ask(store, models, plan)
                candidates = []
                for row in rows:
                    texts, error = store.texts(plan.ids[_NAME][prompts[row]])
                    if error is not None:
                        report.append((row, queries[row], None, f"request failed: {error}"))
                    candidates += [
                        (row, queries[row], rewrite)
                        for text in texts[attempt:]
                        for rewrite in find_rewrites(text) or [""]
                    ]
                self._keep_valid(candidates, wordings, report)

    def _ask(self, store, models, plan):
        disable = None if self.verbose is None else not self.verbose
        held = plan.n_samples - plan.n_missing
        with tqdm(
            total=plan.n_samples, initial=held, desc="paraphrase", unit="query", disable=disable
        ) as progress:
            Sampler(
                store, models, max_cost=None, max_failure_rate=1.0, progress=progress, on_first=None
            ).run(plan)

    def _keep_valid(self, candidates, wordings, report):
        similarities = self._similarities(candidates)
        for (row, query, rewrite), similarity in zip(candidates, similarities, strict=True):
            if len(wordings[row]) == self.n_paraphrases:
                continue
            fault = fault_of(rewrite, query, wordings[row], self.length_ratio)
            if fault is None and similarity < self.min_similarity:
                fault = "meaning changed"
            report.append((row, query, rewrite, fault))
            if fault is None:
                wordings[row].append(rewrite)

    def _similarities(self, candidates):
        if self.encoder is None or not candidates:
            return np.ones(len(candidates))
        _, queries, rewrites = zip(*candidates, strict=True)
        left, right = (
            normalize(np.asarray(self.encoder(list(texts)), dtype=np.float64))
            for texts in (queries, rewrites)
        )
        return np.einsum("ij,ij->i", left, right)

    def _warn_of_shortfall(self, wordings):
        short = sum(len(found) < self.n_paraphrases for found in wordings)
        if short:
            reasons = ", ".join(f"{why} ({n})" for why, n in self.rejected_.most_common(5))
            warn(
                f"{short} of {len(wordings)} queries have fewer than {self.n_paraphrases} "
                f"wordings; rewrites were rejected as: {reasons}; see report_",
                ParaphraseWarning,
                stacklevel=3,
            )
