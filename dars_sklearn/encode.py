"""QueryEncoder: texts to features, refusing texts out of order with their outcomes."""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from dars_sklearn._texts import check_texts
from dars_sklearn.outcomes import Outcomes, check_alignment

__all__ = ["QueryEncoder"]


class QueryEncoder(TransformerMixin, BaseEstimator):
    """Encode queries with a text vectoriser, pooled over their paraphrases.

    Parameters
    ----------
    vectorizer : transformer
        Any scikit-learn transformer of texts, such as ``TfidfVectorizer()``.

    Attributes
    ----------
    vectorizer_ : transformer
        The fitted vectoriser.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from dars_sklearn import QueryEncoder
    >>> encoder = QueryEncoder(CountVectorizer()).fit(["red fish", "blue fish"])
    >>> encoder.transform([["red", "blue"]]).toarray()
    array([[0.5, 0. , 0.5]])
    """

    def __init__(self, vectorizer):
        self.vectorizer = vectorizer

    def fit(self, X, y=None):
        """Fit the vectoriser.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries.
        y : Outcomes or None, default=None
            Their outcomes, of which only the order is looked at.

        Returns
        -------
        QueryEncoder
            The encoder itself.

        Raises
        ------
        ValueError
            If the outcomes are of the same queries in another order.
        """
        texts = check_texts(X)
        if isinstance(y, Outcomes):
            check_alignment(texts[:, 0], y)
        self.vectorizer_ = clone(self.vectorizer).fit(texts[np.not_equal(texts, None)])
        return self

    def transform(self, X):
        """Encode queries.

        Parameters
        ----------
        X : array-like of str of shape (n_queries,) or (n_queries, n_paraphrases)
            Queries.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_queries, n_features)
            Mean of the features of their paraphrases.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        columns = np.not_equal(texts, None)
        total = 0
        for place in range(texts.shape[1]):
            held = columns[:, place]
            # Paraphrases that are not there add nothing to the mean.
            features = self.vectorizer_.transform(np.where(held, texts[:, place], ""))
            share = (held / columns.sum(axis=1))[:, None]
            part = features.multiply(share).tocsr() if issparse(features) else features * share
            total = part if place == 0 else total + part
        return total

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
