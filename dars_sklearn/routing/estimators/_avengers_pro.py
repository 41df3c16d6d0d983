"""AvengersPro: the mean labels of the nearest clusters of queries."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.utils._validation import check_sample_weight

__all__ = ["AvengersPro"]


class AvengersPro(RegressorMixin, BaseEstimator):
    """Predict the mean labels of the nearest clusters of queries.

    Parameters
    ----------
    n_clusters : int, default=32
        Number of k-means clusters. With fewer distinct queries, their number is used.
    n_nearest : int, default=3
        Number of nearest clusters whose mean labels are averaged. With fewer clusters, all are
        used. Can be changed after fit.
    n_init : int, default=10
        Number of k-means runs, of which the best is kept.
    random_state : int, RandomState instance or None, default=None
        Controls the initialisation of k-means. Pass an int for reproducible results.

    Attributes
    ----------
    kmeans_ : KMeans
        The fitted clustering.
    cluster_means_ : ndarray of shape (n_clusters, n_outputs)
        Mean labels of the queries of each cluster.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in fit, if X had string column names.

    References
    ----------
    Zhang et al., "Avengers-Pro", arXiv 2508.12631, as configured in section "Routers" of arXiv
    2606.06924.

    Examples
    --------
    >>> from dars_sklearn.routing.estimators import AvengersPro
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
        """Cluster the queries and average the labels within each cluster.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Labels of the queries.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weight of each query in the clustering and in the means.

        Returns
        -------
        AvengersPro
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If ``n_clusters`` or ``n_nearest`` is less than 1.
        """
        self._check_at_least_one("n_clusters", "n_nearest")
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True,
            dtype=[np.float64, np.float32],
        )  # fmt: skip
        weight = check_sample_weight(sample_weight, len(y))
        self._y_is_1d = y.ndim == 1
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        n_clusters = min(self.n_clusters, _count_distinct_rows(X))
        self.kmeans_ = KMeans(n_clusters, n_init=self.n_init, random_state=self.random_state)
        clusters = self.kmeans_.fit(X, sample_weight=weight).labels_
        label_sums = np.zeros((n_clusters, y.shape[1]))
        np.add.at(label_sums, clusters, weight[:, None] * y)
        cluster_weights = np.bincount(clusters, weights=weight, minlength=n_clusters)[:, None]
        # A cluster without queries of positive weight takes the mean over all queries.
        overall_mean = np.average(y, axis=0, weights=weight)
        self.cluster_means_ = np.where(
            cluster_weights > 0,
            label_sums / np.where(cluster_weights > 0, cluster_weights, 1),
            overall_mean,
        )
        return self

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
            Unweighted average of the mean labels of the nearest clusters.

        Raises
        ------
        ValueError
            If ``n_nearest`` is less than 1.
        """
        check_is_fitted(self)
        self._check_at_least_one("n_nearest")
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False)
        distances = self.kmeans_.transform(X)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : self.n_nearest]
        prediction = self.cluster_means_[nearest].mean(axis=1)
        return prediction.ravel() if self._y_is_1d else prediction

    def _check_at_least_one(self, *names):
        """Refuse numbers of clusters that are less than 1."""
        for name in names:
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # cluster means are too coarse for the checks
        return tags


def _count_distinct_rows(X):
    if hasattr(X, "toarray"):
        return len({row.tobytes() for row in X.toarray()})
    return len(np.unique(X, axis=0))
