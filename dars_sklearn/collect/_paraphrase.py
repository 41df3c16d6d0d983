"""ParaphraseExpander: write equivalent paraphrases of queries."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_scalar

from dars_sklearn.collect._backends import check_backend
from dars_sklearn.collect._base import StatelessTextTransformer
from dars_sklearn.collect._plan import draw_base_seed, plan_requests, warn_of_new_seed
from dars_sklearn.collect._queries import check_queries, check_same_order, is_blank
from dars_sklearn.collect._rewrites import (
    check_length_ratio,
    find_rewrites,
    reason_for_rejection,
)
from dars_sklearn.collect._sampler import Sampler
from dars_sklearn.collect._similarity import cosine_similarities
from dars_sklearn.exceptions import ParaphraseWarning
from dars_sklearn.store import Store
from dars_sklearn.utils._progress import progress_bar
from dars_sklearn.utils._warnings import warn_user

__all__ = ["ParaphraseExpander"]

_PROMPT = (
    "Rewrite the question below in {n} different ways. Keep its meaning, and every name, number "
    "and quotation. Do not answer it. Write each rewrite on a line of its own, numbered, and "
    "nothing else.\n\nQuestion: {query}"
)
# The name under which the store contains the responses of the backend.
_MODEL_NAME = "paraphrase"


class Candidate(NamedTuple):
    """A rewrite that the backend wrote for the query in a row."""

    row: int
    query: str
    rewrite: str


class ReportRow(NamedTuple):
    """A rewrite, and the reason why it was rejected, None if it was accepted."""

    row: int
    query: str
    rewrite: str | None
    rejection: str | None


class ParaphraseExpander(StatelessTextTransformer):
    """Expand queries into paraphrases that a language model writes.

    A rewrite is accepted as a paraphrase if it is neither empty nor a duplicate, contains
    the same numbers and quotations as the query, has a similar length and, if there is an
    encoder, a similar meaning. Rewrites that were rejected are requested again.

    Parameters
    ----------
    backend : callable or None, default=None
        The backend that rewrites queries; see :class:`~dars_sklearn.generate.Backend`. It
        is not needed if ``paraphrases`` contains enough paraphrases of all queries.
    n_paraphrases : int, default=5
        Number of paraphrases of each query, the query itself included if
        ``include_original``.
    include_original : bool, default=True
        Whether the first paraphrase of a query is the query itself.
    paraphrases : dict of str to list of str, or None, default=None
        Paraphrases of your own for some queries. They are accepted without checks, and the
        backend only writes those that are missing.
    prompt : str, optional
        Prompt of the backend. ``{query}`` is replaced by the query, and ``{n}`` by the
        number of rewrites.
    max_attempts : int, default=3
        Maximum number of requests per query.
    length_ratio : tuple of float, default=(0.3, 3.0)
        Smallest and largest length of a paraphrase, relative to the query.
    encoder : callable or None, default=None
        Encodes a list of texts as an array of shape (n_texts, n_features), for instance
        ``SentenceTransformer("all-MiniLM-L6-v2").encode``.
    min_similarity : float, default=0.7
        Minimum cosine similarity between the encodings of a paraphrase and its query.
    store : str, path-like or None, default=None
        SQLite file in which the responses of the backend are stored, so that they are not
        requested again. It may be the store of an
        :class:`~dars_sklearn.OutcomeCollector`.
    expand_at_predict : bool, default=False
        Whether :meth:`transform` expands queries, as :meth:`fit_transform` does. A router
        usually decides by the query alone.
    random_state : int, RandomState instance or None, default=0
        Determines the seeds of the requests.
    verbose : bool or None, default=None
        Whether to show a progress bar. None shows it where the output is a terminal.

    Attributes
    ----------
    report_ : DataFrame
        All rewrites of the last expansion, with the columns "row", "query", "rewrite" and
        "rejection", the reason why the rewrite was rejected, None if it was accepted.
    rejected_ : Counter
        Number of rewrites that were rejected, by reason.

    See Also
    --------
    OutcomeCollector : Collect outcomes of queries and their paraphrases.

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
        """Check the parameters and the queries, without requesting anything.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,)
            Queries.
        y : None
            Not used.

        Returns
        -------
        ParaphraseExpander
            The expander itself.
        """
        self._check(X)
        return self

    def fit_transform(self, X, y=None):
        """Expand queries into paraphrases.

        Like :meth:`expand`, this requests and pays for all rewrites that the store does not
        contain.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,)
            Queries.
        y : array-like of shape (n_queries,) or None, default=None
            References of a later step, which are not used. If X and y have labels, as the index
            of a Series, these must be the same.

        Returns
        -------
        ndarray of object of shape (n_queries, n_paraphrases)
            The paraphrases of each query, filled up with None.

        Raises
        ------
        ValueError
            If the labels of y differ from those of X, which the result does not have any more.
        """
        check_same_order(X, self._check(X), y)
        return self.expand(X)

    def transform(self, X):
        """Return queries in the shape of paraphrases.

        By default nothing is requested and nothing is spent. With ``expand_at_predict`` this
        is the same as :meth:`expand`, which requests and pays for all rewrites that the
        store does not contain.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,)
            Queries.

        Returns
        -------
        ndarray of object of shape (n_queries, n_paraphrases)
            Each query in the first column and None in the others; with
            ``expand_at_predict`` its paraphrases.
        """
        if self.expand_at_predict:
            return self.expand(X)
        return self._fill_rows([[query] for query in self._check(X)])

    def expand(self, queries):
        """Expand queries into paraphrases.

        All rewrites that the store does not contain are requested and paid for.

        Parameters
        ----------
        queries : array-like of str of shape (n_queries,)
            Queries. A blank query is its own only paraphrase, and nothing is requested for it.

        Returns
        -------
        ndarray of object of shape (n_queries, n_paraphrases)
            The paraphrases of each query, filled up with None.

        Raises
        ------
        ValueError
            If a parameter or a query is not valid; if a query has no paraphrase at all; or
            if paraphrases are missing and there is no backend.
        BackendError
            If the backend cannot be reached.
        TypeError
            If a parameter or the queries are of the wrong type, for instance conversations.

        Warns
        -----
        ParaphraseWarning
            If queries have fewer than ``n_paraphrases`` paraphrases, with the reasons.
        """
        queries = self._check(queries)
        paraphrases = [self._given_paraphrases(query) for query in queries]
        report = self._keep_blank(queries, paraphrases)
        report += self._add_rewrites(queries, paraphrases)
        self.report_ = pd.DataFrame(report, columns=ReportRow._fields, dtype=object)
        self.rejected_ = Counter(line.rejection for line in report if line.rejection is not None)
        self._warn_of_shortage(paraphrases)
        for row, accepted in enumerate(paraphrases):
            if not accepted:
                raise ValueError(
                    f"no rewrite of the query in row {row} is valid; use include_original=True"
                )
        return self._fill_rows(paraphrases)

    def _check(self, X):
        """Raise unless the parameters and queries are valid; return the queries."""
        if self.backend is None and self.paraphrases is None:
            raise ValueError("pass a backend that writes paraphrases, or paraphrases of your own")
        if self.backend is not None:
            check_backend("the backend of ParaphraseExpander", self.backend)
        if self.paraphrases is not None and not isinstance(self.paraphrases, Mapping):
            raise TypeError(
                f"paraphrases must map queries to lists of texts, got {self.paraphrases!r:.80}"
            )
        check_scalar(self.n_paraphrases, "n_paraphrases", Integral, min_val=1)
        check_scalar(self.max_attempts, "max_attempts", Integral, min_val=1)
        if self.encoder is not None and not callable(self.encoder):
            raise TypeError(f"encoder must be callable, got {self.encoder!r}")
        check_scalar(self.min_similarity, "min_similarity", Real, min_val=-1, max_val=1)
        check_length_ratio(self.length_ratio)
        self._check_prompt()
        texts = check_queries(X)
        if texts.shape[1] != 1:
            raise ValueError(f"queries must be of shape (n_queries,), got {texts.shape}")
        return texts[:, 0]

    def _check_prompt(self):
        """Raise unless the prompt contains the query, and no unknown field."""
        try:
            prompts = [self._render_prompt(query) for query in ("a query", "another query")]
        except (AttributeError, KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"prompt may contain {{query}} and {{n}} only, got {self.prompt!r}: {error!r}"
            ) from None
        if prompts[0] == prompts[1]:
            raise ValueError(
                "prompt must contain {query}, or all queries would have the same paraphrases; got "
                f"{self.prompt!r}"
            )

    def _render_prompt(self, query):
        n_rewrites = self.n_paraphrases - bool(self.include_original)
        return self.prompt.format(query=query, n=max(n_rewrites, 1))

    def _given_paraphrases(self, query):
        """Return the paraphrases of a query that the backend need not write."""
        own = (self.paraphrases or {}).get(query, [])
        is_list = isinstance(own, Iterable) and not isinstance(own, (str, Mapping, Set))
        if not is_list or not all(isinstance(text, str) and text.strip() for text in own):
            raise ValueError(f"the paraphrases of {query!r} must be a list of texts, got {own!r}")
        given = [query, *own] if self.include_original else own
        return list(dict.fromkeys(given))[: self.n_paraphrases]

    def _keep_blank(self, queries, paraphrases):
        """Make blank queries their own paraphrases; return a list of ReportRow."""
        report = []
        for row, query in enumerate(queries):
            if is_blank(query):
                paraphrases[row] = paraphrases[row] or [query]
                report.append(ReportRow(row, query, None, "the query is blank"))
        return report

    def _add_rewrites(self, queries, paraphrases):
        """Add valid rewrites to the paraphrases of each query until there are enough.

        Returns the report on all rewrites, a list of ReportRow.
        """
        rows = self._rows_to_rewrite(queries, paraphrases)
        if not rows:
            return []
        if self.backend is None:
            raise ValueError(
                f"{len(rows)} queries have fewer than {self.n_paraphrases} paraphrases in "
                "paraphrases=, and there is no backend to write more"
            )
        base_seed = draw_base_seed(self.random_state)
        report, n_read = [], Counter()
        with Store(self.store) as store:
            for attempt in range(self.max_attempts):
                candidates = []
                for row, stored in self._request_rewrites(store, queries, rows, attempt, base_seed):
                    if stored.error is not None:
                        reason = f"request failed: {stored.error}"
                        report.append(ReportRow(row, queries[row], None, reason))
                    candidates += [
                        Candidate(row, queries[row], rewrite)
                        for text in stored.texts[n_read[row] :]
                        for rewrite in find_rewrites(text) or [""]
                    ]
                    n_read[row] = len(stored.texts)
                report += self._accept_valid(candidates, paraphrases)
                rows = self._rows_to_rewrite(queries, paraphrases)
                if not rows:
                    break
        return report

    def _rows_with_shortage(self, paraphrases):
        return [
            row for row, accepted in enumerate(paraphrases) if len(accepted) < self.n_paraphrases
        ]

    def _rows_to_rewrite(self, queries, paraphrases):
        """Return the rows for which the backend is to write more paraphrases."""
        return [row for row in self._rows_with_shortage(paraphrases) if not is_blank(queries[row])]

    def _request_rewrites(self, store, queries, rows, attempt, base_seed):
        """Request one more sample for each row; return the row and its RequestTexts."""
        models = {_MODEL_NAME: self.backend}
        prompts = {row: self._render_prompt(queries[row]) for row in rows}
        distinct_prompts = list(dict.fromkeys(prompts.values()))
        plan = plan_requests(store, models, distinct_prompts, attempt + 1, base_seed)
        if attempt == 0:
            warn_of_new_seed(store, plan, self.random_state)
        with progress_bar(
            total=plan.n_samples,
            initial=plan.n_stored,
            desc="paraphrase",
            unit="query",
            verbose=self.verbose,
        ) as progress:
            Sampler(store, models, plan, progress).run()
        return [(row, store.texts(plan.ids[_MODEL_NAME][prompts[row]])) for row in rows]

    def _accept_valid(self, candidates, paraphrases):
        """Add the valid candidates to the paraphrases; return a list of ReportRow."""
        report = []
        similarities = cosine_similarities(
            self.encoder,
            [candidate.rewrite for candidate in candidates],
            [candidate.query for candidate in candidates],
        )
        for candidate, similarity in zip(candidates, similarities, strict=True):
            accepted = paraphrases[candidate.row]
            if len(accepted) == self.n_paraphrases:
                continue
            rejection = reason_for_rejection(
                candidate.rewrite, candidate.query, accepted, self.length_ratio
            )
            if rejection is None and not similarity >= self.min_similarity:
                rejection = "meaning changed"
            if rejection is None:
                accepted.append(candidate.rewrite)
            report.append(ReportRow(*candidate, rejection))
        return report

    def _warn_of_shortage(self, paraphrases):
        n_short = len(self._rows_with_shortage(paraphrases))
        if n_short:
            reasons = ", ".join(f"{why} ({n})" for why, n in self.rejected_.most_common(5))
            warn_user(
                f"{n_short} of {len(paraphrases)} queries have fewer than {self.n_paraphrases} "
                f"paraphrases; rewrites were rejected for these reasons: {reasons}; see report_",
                ParaphraseWarning,
            )

    def _fill_rows(self, paraphrases):
        """Return lists of paraphrases as an array, filled up with None."""
        table = np.full((len(paraphrases), self.n_paraphrases), None, dtype=object)
        for row, texts in enumerate(paraphrases):
            table[row, : len(texts)] = texts
        return table
