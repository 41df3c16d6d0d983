"""ParaphraseExpander: each query in several equivalent wordings."""

import re
from collections import Counter
from numbers import Integral
from warnings import warn

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from dars_sklearn._texts import check_texts
from dars_sklearn.exceptions import ParaphraseWarning
from dars_sklearn.generate import ask

__all__ = ["ParaphraseExpander"]

# What models put around a rewrite: a number or a bullet, quotes, a label.
_LEAD = re.compile(
    r"^\s*(?:[-*•]|\(?\d+[.):])?\s*(?:(?:rewrite|paraphrase|question)\s*:)?\s*", re.I
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”")


class ParaphraseExpander(TransformerMixin, BaseEstimator):
    """Ask a model for rewrites of each query, and keep the valid ones.

    A rewrite is valid that is neither empty nor a duplicate, keeps the numbers
    and quoted strings of the query, and is not much shorter or longer.

    Parameters
    ----------
    backend : callable
        What rewrites; see :class:`~dars_sklearn.generate.Backend`. Its prompt
        template says so; it is asked for one rewrite a sample.
    n_paraphrases : int, default=5
        Wordings of each query, the original counted where it is included.
    include_original : bool, default=True
        Whether the query itself is the first of its wordings.
    max_attempts : int, default=3
        How often a query is asked again for what is still missing.
    length_ratio : tuple of float, default=(0.3, 3.0)
        Shortest and longest rewrite, relative to the query.
    expand_at_predict : bool, default=False
        Whether ``transform`` rewrites, too. It passes queries through
        otherwise, since at routing time the query is what is there.
    random_state : int, default=0
        Seed of the requests.

    Attributes
    ----------
    rejected_ : Counter
        How many rewrites were rejected in the last expansion, by reason.

    Examples
    --------
    >>> from dars_sklearn import ParaphraseExpander
    >>> def rewrite(prompts, *, n):
    ...     return [[f"{number}. Please say: {p}" for number in range(n)] for p in prompts]
    >>> ParaphraseExpander(rewrite, n_paraphrases=2).expand(["Who was Ada?"]).tolist()
    [['Who was Ada?', 'Please say: Who was Ada?']]
    """

    def __init__(
        self,
        backend,
        n_paraphrases=5,
        include_original=True,
        *,
        max_attempts=3,
        length_ratio=(0.3, 3.0),
        expand_at_predict=False,
        random_state=0,
    ):
        self.backend = backend
        self.n_paraphrases = n_paraphrases
        self.include_original = include_original
        self.max_attempts = max_attempts
        self.length_ratio = length_ratio
        self.expand_at_predict = expand_at_predict
        self.random_state = random_state

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

        Warns
        -----
        ParaphraseWarning
            If queries got fewer wordings than asked for, with the reasons.
        """
        queries = self._check(queries)
        self.rejected_ = Counter()
        wordings = np.full((len(queries), self.n_paraphrases), None, dtype=object)
        for row, query in enumerate(queries):
            found = self._rewrites(query)
            wordings[row, : len(found)] = found
        short = sum(row[-1] is None for row in wordings)
        if short:
            reasons = ", ".join(f"{why} ({n})" for why, n in self.rejected_.most_common())
            warn(
                f"{short} of {len(queries)} queries have fewer than {self.n_paraphrases} wordings; "
                f"rewrites were rejected as: {reasons}",
                ParaphraseWarning,
                stacklevel=2,
            )
        if any(row[0] is None for row in wordings):
            raise ValueError("a query has no valid rewrite at all; use include_original=True")
        return wordings

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
        if not callable(self.backend):
            raise TypeError(f"backend must be callable, got {self.backend!r}")
        if not isinstance(self.n_paraphrases, Integral) or self.n_paraphrases < 1:
            raise ValueError(f"n_paraphrases must be an int >= 1, got {self.n_paraphrases!r}")
        texts = check_texts(queries)
        if texts.shape[1] != 1:
            raise ValueError(f"queries must be of shape (n_queries,), got {texts.shape}")
        return texts[:, 0]

    def _rewrites(self, query):
        found = [query] if self.include_original else []
        for attempt in range(self.max_attempts):
            wanted = self.n_paraphrases - len(found)
            if wanted == 0:
                break
            seed = self.random_state + attempt
            try:
                responses = ask(self.backend, [query], n=wanted, seeds=[seed])[0]
            except Exception as error:  # a failed request must not lose the others
                responses = error
            if isinstance(responses, Exception):
                self.rejected_[f"request failed: {type(responses).__name__}: {responses}"] += 1
                continue
            for response in responses:
                rewrite = _LEAD.sub("", response.text.strip().partition("\n")[0]).strip(" \"'“”")
                fault = self._fault(rewrite, query, found)
                if fault:
                    self.rejected_[fault] += 1
                else:
                    found.append(rewrite)
        return found

    def _fault(self, rewrite, query, found):
        low, high = self.length_ratio
        if not rewrite:
            return "empty"
        if rewrite.casefold() in {text.casefold() for text in (query, *found)}:
            return "duplicate"
        if not low <= len(rewrite) / len(query) <= high:
            return "length"
        if Counter(_NUMBER.findall(rewrite)) != Counter(_NUMBER.findall(query)):
            return "numbers changed"
        quoted = [a or b for a, b in _QUOTED.findall(query)]
        return None if all(text in rewrite for text in quoted) else "quoted text changed"
