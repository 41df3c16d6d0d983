"""AvengersPro: the mean labels of the nearest clusters of queries."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

__all__ = ["AvengersPro"]


class AvengersPro(RegressorMixin, BaseEstimator):
    """Predict the mean labels of the nearest clusters of queries.

    Parameters
    ----------
    n_clusters : int, default=32
        Clusters of k-means; as many as there are distinct queries, if fewer.
    n_nearest : int, default=3
        Clusters whose label means are averaged for a query; all, if fewer.
    n_init : int, default=10
        Runs of k-means, of which the best is kept.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means.

    Attributes
    ----------
    kmeans_ : KMeans
        The clusters.
    cluster_means_ : ndarray of shape (n_clusters, n_outputs)
        Mean labels of each.
    n_features_in_ : int
        Number of features.

    References
    ----------
    Zhang et al., "Avengers-Pro", arXiv 2508.12631, as section "Routers" of arXiv
    2606.06924 sets it up.

    Examples
    --------
    >>> from dars_sklearn.capability import AvengersPro
    >>> model = AvengersPro(n_clusters=2, n_nearest=1, random_state=0)
    >>> model.fit([[0.0], [0.1], [5.0]], [[1, 0], [0, 0], [0, 1]]).predict([[0.2]])
    array([[0.5, 0. ]])
    """

    def __init__(self, n_clusters=32, n_nearest=3, n_init=10, random_state=None):
        self.n_clusters = n_clusters
        self.n_nearest = n_nearest
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Find the clusters, and average their labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Labels.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weight of each query in clusters and means.

        Returns
        -------
        AvengersPro
            The estimator itself.
        """
        for name in ("n_clusters", "n_nearest"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True,
            dtype=[np.float64, np.float32],
        )  # fmt: skip
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        self._one_column = y.ndim == 1
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        n_clusters = min(self.n_clusters, _n_distinct(X))
        self.kmeans_ = KMeans(n_clusters, n_init=self.n_init, random_state=self.random_state)
        labels = self.kmeans_.fit(X, sample_weight=weight).labels_
        totals = np.zeros((n_clusters, y.shape[1]))
        np.add.at(totals, labels, weight[:, None] * y)
        mass = np.bincount(labels, weights=weight, minlength=n_clusters)[:, None]
        overall = np.average(y, axis=0, weights=weight)
        # A cluster of queries without weight says nothing of its own.
        self.cluster_means_ = np.where(mass > 0, totals / np.where(mass > 0, mass, 1), overall)
        return self

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
            Plain mean of the label means of the nearest clusters.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False)
        distances = self.kmeans_.transform(X)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : self.n_nearest]
        table = self.cluster_means_[nearest].mean(axis=1)
        return table.ravel() if self._one_column else table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # a mean of clusters is coarse
        return tags


def _n_distinct(X):
    if hasattr(X, "toarray"):
        return len({row.tobytes() for row in X.toarray()})
    return len(np.unique(X, axis=0))
