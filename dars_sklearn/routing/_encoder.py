"""QueryEncoder: features of queries from their texts."""

import os
from functools import lru_cache

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from dars_sklearn.outcomes import Outcomes
from dars_sklearn.outcomes._alignment import check_alignment, find_texts, label_features
from dars_sklearn.outcomes._texts import check_texts
from dars_sklearn.routing._fixed_params import check_fixed_params
from dars_sklearn.utils._optional import import_optional

__all__ = ["QueryEncoder"]

# Parameters that change how features are computed, and not which, may be changed after fit.
_FREE_PARAMS = ("batch_size", "device")


class QueryEncoder(TransformerMixin, BaseEstimator):
    """Encode the texts of queries as features, by a sentence encoder or a text vectorizer.

    If queries have several paraphrases, the features of a query are the mean over its paraphrases.
    A query may be a conversation, a list of messages with "role" and "content" as chat APIs take
    them. Its features are those of one text, which ``message_text`` chooses.

    Parameters
    ----------
    model : str, path-like or transformer, default="all-MiniLM-L6-v2"
        Name or local folder of a sentence-transformers model, whose embeddings are normalised to
        unit length; or any scikit-learn transformer of texts, such as ``TfidfVectorizer()``.
    batch_size : int, default=64
        Number of texts that a sentence encoder encodes per batch.
    device : str or None, default=None
        Device on which a sentence encoder computes; None lets sentence-transformers choose.
    keep_weights : bool, default=False
        Whether copies and pickles of a fitted encoder contain the weights of the sentence
        encoder. If not, the weights are loaded again on first use.
    message_text : callable or None, default=None
        Called with the list of messages of a conversation, returns the text that is encoded. None
        reads the last message of the user that has text: system prompts, which many queries
        share, answers and earlier turns are left out, and so are images. Where a query is only
        understood from earlier turns, join them, as in the example.

    Attributes
    ----------
    model_ : transformer or SentenceTransformer
        The fitted vectorizer; or the sentence encoder, if ``keep_weights`` is true.
    n_features_out_ : int
        Number of features.

    Raises
    ------
    ImportError
        In fit, if sentence-transformers is needed but not installed.
    OSError
        In fit, if the sentence encoder cannot be loaded.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from dars_sklearn import QueryEncoder
    >>> encoder = QueryEncoder(CountVectorizer()).fit(["red fish", "blue fish"])
    >>> encoder.transform([["red", "blue"]]).toarray()
    array([[0.5, 0. , 0.5]])

    Conversations, of which the last message of the user is read, or all of them:

    >>> def all_user_text(messages):
    ...     return " ".join(m["content"] for m in messages if m["role"] == "user")
    >>> conversation = [
    ...     {"role": "user", "content": "red"},
    ...     {"role": "assistant", "content": "Red what?"},
    ...     {"role": "user", "content": "fish"},
    ... ]
    >>> QueryEncoder(CountVectorizer()).fit_transform([conversation]).toarray()
    array([[1.]])
    >>> encoder = QueryEncoder(CountVectorizer(), message_text=all_user_text)
    >>> encoder.fit([conversation]).get_feature_names_out().tolist()
    ['fish', 'red']
    """

    def __init__(
        self,
        model="all-MiniLM-L6-v2",
        *,
        batch_size=64,
        device=None,
        keep_weights=False,
        message_text=None,
    ):
        self.model = model
        self.batch_size = batch_size
        self.device = device
        self.keep_weights = keep_weights
        self.message_text = message_text

    def fit(self, X, y=None):
        """Fit the vectorizer, or load the sentence encoder.

        Parameters
        ----------
        X : array-like of shape (n_queries,) or (n_queries, n_paraphrases)
            Texts of the queries, or conversations. Missing paraphrases are None.
        y : Outcomes or None, default=None
            Outcomes of the queries. Only their order is checked.

        Returns
        -------
        QueryEncoder
            The fitted encoder itself.

        Raises
        ------
        ValueError
            If the outcomes belong to the same queries in another order.
        """
        texts = check_texts(X, self.message_text)
        if isinstance(y, Outcomes):
            check_alignment(X, y, labels_are_texts=True)
        params = self.get_params(deep=False)
        self._fixed_at_fit = {name: params[name] for name in params if name not in _FREE_PARAMS}
        if hasattr(self, "model_"):  # of an earlier fit, perhaps with another model
            del self.model_
        if self._uses_sentence_encoder():
            encoder = self._load_sentence_encoder()
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
        X : array-like of shape (n_queries,) or (n_queries, n_paraphrases)
            Texts of the queries, or conversations. Missing paraphrases are None.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_queries, n_features)
            Mean of the features of each query's paraphrases. With a sentence encoder, the mean
            is normalised to unit length. They remember the texts, so that a router that is the
            next step can compare these with the queries of the outcomes.

        Raises
        ------
        ValueError
            If a query has no text, or a parameter other than ``batch_size`` and ``device`` was
            changed after fit.
        """
        check_is_fitted(self)
        check_fixed_params(self._fixed_at_fit, self.get_params(deep=False))
        texts = check_texts(X, self.message_text)
        encode = self._embed if self._uses_sentence_encoder() else self._vectorize
        # Outcomes know conversations by the text that is read by default.
        labels = texts[:, 0] if self.message_text is None else find_texts(X)
        return label_features(encode(texts), labels)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored; it exists for compatibility with scikit-learn's transformers.

        Returns
        -------
        ndarray of str of shape (n_features,)
            The names that the vectorizer gives, or "embedding_0", "embedding_1", ….
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

    def _uses_sentence_encoder(self):
        return isinstance(self.model, (str, os.PathLike))

    def _load_sentence_encoder(self):
        return _load_sentence_encoder(os.fspath(self.model), self.device, os.getpid())

    def _embed(self, texts):
        encoder = self.model_ if hasattr(self, "model_") else self._load_sentence_encoder()
        is_text = np.not_equal(texts, None)
        distinct_texts, embedding_indices = np.unique(
            texts[is_text].astype(str), return_inverse=True
        )
        embeddings = encoder.encode(
            distinct_texts.tolist(), batch_size=self.batch_size, normalize_embeddings=True,
            show_progress_bar=False,
        )  # fmt: skip
        query_indices = np.nonzero(is_text)[0]
        sums = np.zeros((len(texts), embeddings.shape[1]), dtype=embeddings.dtype)
        np.add.at(sums, query_indices, embeddings[embedding_indices])
        return normalize(sums)

    def _vectorize(self, texts):
        is_text = np.not_equal(texts, None)
        shares = is_text / is_text.sum(axis=1, keepdims=True)
        mean = 0
        for paraphrase, share in enumerate(shares.T[:, :, None]):
            paraphrase_texts = np.where(is_text[:, paraphrase], texts[:, paraphrase], "")
            features = self.model_.transform(paraphrase_texts)
            weighted = features.multiply(share).tocsr() if issparse(features) else features * share
            mean = weighted if paraphrase == 0 else mean + weighted
        return mean


@lru_cache(maxsize=4)
def _load_sentence_encoder(model, device, process_id):
    """Load a sentence encoder, once per process: a forked process cannot use its parent's."""
    package = import_optional(
        "sentence_transformers", extra="text", needed_by="QueryEncoder with a sentence encoder"
    )
    try:
        return package.SentenceTransformer(model, device=device)
    except Exception as error:
        raise OSError(
            f"the sentence encoder {model!r} could not be loaded "
            f"({type(error).__name__}: {str(error)[:200]}); pass the name or the folder of a "
            "sentence-transformers model, or a text vectorizer such as TfidfVectorizer()"
        ) from error
