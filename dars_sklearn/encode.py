"""QueryEncoder: texts to features, refusing texts out of order with their outcomes."""

import os
from functools import lru_cache

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from dars_sklearn._texts import check_texts
from dars_sklearn.outcomes import Outcomes, check_alignment

__all__ = ["QueryEncoder"]


class QueryEncoder(TransformerMixin, BaseEstimator):
    """Encode queries with a sentence encoder or a text vectoriser.

    Where a query comes in several paraphrases, its features are their mean.

    Parameters
    ----------
    model : str, path-like or transformer, default="all-MiniLM-L6-v2"
        Name or local folder of a sentence-transformers model, whose embeddings
        are normalised; or any scikit-learn transformer of texts, such as
        ``TfidfVectorizer()``.
    batch_size : int, default=64
        Texts encoded at once, by a sentence encoder.
    device : str or None, default=None
        Where a sentence encoder computes; None leaves it to torch.
    keep_weights : bool, default=False
        Whether the weights of a sentence encoder go into copies and pickles of
        a fitted encoder. They are loaded again on first use where they do not.

    Attributes
    ----------
    model_ : transformer or SentenceTransformer
        The fitted vectoriser; or the sentence encoder, if ``keep_weights``.
    n_features_out_ : int
        Number of features.

    Raises
    ------
    ImportError
        In fit, where sentence-transformers is not installed.
    OSError
        In fit, where the sentence encoder cannot be had.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from dars_sklearn import QueryEncoder
    >>> encoder = QueryEncoder(CountVectorizer()).fit(["red fish", "blue fish"])
    >>> encoder.transform([["red", "blue"]]).toarray()
    array([[0.5, 0. , 0.5]])
    """

    def __init__(self, model="all-MiniLM-L6-v2", *, batch_size=64, device=None, keep_weights=False):
        self.model = model
        self.batch_size = batch_size
        self.device = device
        self.keep_weights = keep_weights

    def fit(self, X, y=None):
        """Fit the vectoriser, or load the sentence encoder.

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
        if self._is_named():
            encoder = _load(os.fspath(self.model), self.device, os.getpid())
            self.n_features_out_ = int(encoder.encode([""]).shape[1])
            if self.keep_weights:
                self.model_ = encoder
        else:
            self.model_ = clone(self.model).fit(texts[np.not_equal(texts, None)])
            self.n_features_out_ = self.model_.transform([texts[0, 0]]).shape[1]
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
            Mean of the features of their paraphrases; of a sentence encoder, of
            length 1.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        return self._embed(texts) if self._is_named() else self._vectorize(texts)

    def get_feature_names_out(self, input_features=None):
        """Name the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (n_features,)
            The vectoriser's names, or "embedding_0", "embedding_1", ….
        """
        check_is_fitted(self)
        if hasattr(getattr(self, "model_", None), "get_feature_names_out"):
            return self.model_.get_feature_names_out()
        return np.array([f"embedding_{i}" for i in range(self.n_features_out_)], dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_out_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def _is_named(self):
        return isinstance(self.model, (str, os.PathLike))

    def _embed(self, texts):
        encoder = getattr(self, "model_", None)
        if encoder is None:
            encoder = _load(os.fspath(self.model), self.device, os.getpid())
        held = np.not_equal(texts, None)
        distinct, place = np.unique(texts[held].astype(str), return_inverse=True)
        embeddings = encoder.encode(
            distinct.tolist(), batch_size=self.batch_size, normalize_embeddings=True,
            show_progress_bar=False,
        )  # fmt: skip
        rows = np.nonzero(held)[0]
        total = np.zeros((len(texts), embeddings.shape[1]), dtype=embeddings.dtype)
        np.add.at(total, rows, embeddings[place])
        return normalize(total)

    def _vectorize(self, texts):
        columns = np.not_equal(texts, None)
        total = 0
        for place in range(texts.shape[1]):
            held = columns[:, place]
            # Paraphrases that are not there add nothing to the mean.
            features = self.model_.transform(np.where(held, texts[:, place], ""))
            share = (held / columns.sum(axis=1))[:, None]
            part = features.multiply(share).tocsr() if issparse(features) else features * share
            total = part if place == 0 else total + part
        return total


@lru_cache(maxsize=4)  # a fork loads its own
def _load(model, device, pid):
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError(
            "a sentence encoder needs sentence-transformers: pip install 'dars-sklearn[text]'"
        ) from error
    try:
        return SentenceTransformer(model, device=device)
    except Exception as error:
        raise OSError(
            f"the sentence encoder {model!r} cannot be had: it is no local folder, and could not "
            f"be fetched ({type(error).__name__}: {str(error)[:200]}); give a folder that holds "
            "it, or a scikit-learn vectoriser such as TfidfVectorizer()"
        ) from error
