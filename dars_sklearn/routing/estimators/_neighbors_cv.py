"""NeighborsRegressorCV: nearest neighbours, whose number is chosen by leave-one-out error."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.routing.estimators._output_parts import OutputParts
from dars_sklearn.utils._validation import check_count, check_sample_weight

__all__ = ["NeighborsRegressorCV"]

# Enough rows to choose a number of neighbours by; more would only take time.
_MAX_HELD_OUT = 5000
# A query with more copies is judged by fewer neighbours than it should.
_MAX_COPIES = 256


class NeighborsRegressorCV(RegressorMixin, BaseEstimator):
    """Predict the mean labels of the nearest queries, as many as leave-one-out error advises.

    Inside a router, the differences between models and their mean over models have each their own
    number of neighbours: differences are mostly noise, and need many; how difficult a query is
    for all models alike is seen from few. Outside of one, each output has its own number.

    Parameters
    ----------
    n_neighbors : int or sequence of int, default=(8, 16, 32, 64, 128, 256)
        Numbers of neighbours to choose from. With fewer queries, all but one are used.
    metric : str or callable, default="euclidean"
        Distance between queries, as in :class:`~sklearn.neighbors.NearestNeighbors`.
    n_jobs : int or None, default=None
        Number of jobs of the search for neighbours.

    Attributes
    ----------
    n_neighbors_ : dict of str to int
        The chosen number of neighbours of each part of the outputs, by its name.
    errors_ : DataFrame
        Mean squared leave-one-out error: one row per number of neighbours, one column per part.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in fit, if X had string column names.

    See Also
    --------
    sklearn.neighbors.KNeighborsRegressor : A given number of neighbours.
    StagedRegressor : Known groups of queries first, then the neighbours.

    Notes
    -----
    All numbers of neighbours are judged in one pass over the neighbours of each query. Rows with
    the same features as a query are left out together with it; otherwise queries that occur twice
    would advise too few neighbours. Of more than 5,000 queries, evenly spaced ones are held out.

    Neighbours count alike, whatever their distance, but for their sample weight. Rows of weight
    zero are no neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> from dars_sklearn.routing.estimators import NeighborsRegressorCV
    >>> X = np.repeat([[0.0], [1.0]], 20, axis=0) + np.linspace(0, 0.1, 40)[:, None]
    >>> y = np.repeat([0.0, 1.0], 20)
    >>> model = NeighborsRegressorCV(n_neighbors=[5, 15, 30]).fit(X, y)
    >>> model.n_neighbors_
    {'output 0': 15}
    >>> model.predict([[0.0]])
    array([0.])
    """

    def __init__(self, n_neighbors=(8, 16, 32, 64, 128, 256), *, metric="euclidean", n_jobs=None):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None, *, blocks=None, models=None):
        """Choose the numbers of neighbours.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Labels of the queries.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weight of each query in the means of neighbours and in the error.
        blocks : sequence of str or None, default=None
            Names of the target blocks, which a router passes.
        models : sequence or None, default=None
            Names of the models, which a router passes.

        Returns
        -------
        NeighborsRegressorCV
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a number of neighbours is not an int of at least 1.
        """
        candidates = self._check_candidates()
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True,
            dtype=[np.float64, np.float32],
        )  # fmt: skip
        weight = check_sample_weight(sample_weight, len(y))
        self._y_is_1d = y.ndim == 1
        outputs = np.asarray(y, dtype=np.float64).reshape(len(y), -1)[weight > 0]
        X, self._weight = X[weight > 0], weight[weight > 0]
        self._parts = OutputParts.from_layout(outputs.shape[1], blocks, models)
        self._labels = self._parts.split(outputs)
        self._neighbors = NearestNeighbors(metric=self.metric, n_jobs=self.n_jobs).fit(X)
        candidates = np.unique(np.minimum(candidates, max(len(outputs) - 1, 1)))
        errors = self._leave_one_out_errors(X, candidates)
        # The largest of equally good numbers, since fewer neighbours are more noise.
        best = len(candidates) - 1 - np.argmin(errors[::-1], axis=0)
        self._n_neighbors_of_part = candidates[best]
        names = self._parts.names
        self.n_neighbors_ = dict(zip(names, self._n_neighbors_of_part.tolist(), strict=True))
        self.errors_ = pd.DataFrame(
            errors, index=pd.Index(candidates, name="n_neighbors"), columns=names
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
            Mean labels of the nearest queries.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False)
        neighbors = self._find_neighbors(X, self._n_neighbors_of_part.max())
        columns = np.empty((len(neighbors), self._labels.shape[1]))
        n_neighbors_of_column = self._n_neighbors_of_part[self._parts.part_of_column]
        for n_neighbors in np.unique(n_neighbors_of_column):
            is_used = np.ones((len(neighbors), n_neighbors), dtype=bool)
            selection = self._selection(neighbors[:, :n_neighbors], is_used)
            is_own = n_neighbors_of_column == n_neighbors
            total = selection.sum(axis=1)[:, None]
            columns[:, is_own] = selection @ self._labels[:, is_own] / total
        predicted = self._parts.join(columns)
        return predicted.ravel() if self._y_is_1d else predicted

    def _check_candidates(self):
        """Return the numbers of neighbours as an array, or refuse them."""
        candidates = np.atleast_1d(np.asarray(self.n_neighbors, dtype=object))
        if candidates.ndim != 1 or candidates.size == 0:
            raise ValueError(
                f"n_neighbors must be an int or a sequence of int, got {self.n_neighbors!r}"
            )
        for candidate in candidates:
            check_count(candidate, "n_neighbors")
        return candidates.astype(int)

    def _find_neighbors(self, X, n_neighbors):
        return self._neighbors.kneighbors(X, n_neighbors, return_distance=False)

    def _selection(self, neighbors, is_used):
        """Return the sums over some of the neighbours as a sparse matrix, of their weights."""
        indices = neighbors[is_used]
        ends = np.concatenate([[0], is_used.sum(axis=1).cumsum()])
        shape = len(neighbors), len(self._labels)
        return csr_array((self._weight[indices], indices, ends), shape=shape)

    def _leave_one_out_errors(self, X, candidates):
        """Return the mean squared errors, one row per candidate and one column per part."""
        labels, n_queries = self._labels, len(self._labels)
        rows = np.unique(np.linspace(0, n_queries - 1, _MAX_HELD_OUT).astype(int))
        copies = _number_different_rows(X)
        # The copies of a query come first, and as many others as are needed after them.
        n_copies = min(np.bincount(copies).max(), _MAX_COPIES)
        neighbors = self._find_neighbors(X[rows], min(candidates[-1] + n_copies, n_queries))
        is_other = copies[neighbors] != copies[rows][:, None]
        rank = np.where(is_other, is_other.cumsum(axis=1), 0)
        sums, totals, previous, errors = 0.0, 0.0, 0, []
        means, row_weight = np.average(labels, axis=0, weights=self._weight), self._weight[rows]
        for candidate in candidates:
            selection = self._selection(neighbors, (rank > previous) & (rank <= candidate))
            sums = sums + selection @ labels
            totals = totals + selection.sum(axis=1)[:, None]
            predicted = np.where(totals > 0, sums / np.where(totals > 0, totals, 1), means)
            squared = np.average((labels[rows] - predicted) ** 2, axis=0, weights=row_weight)
            part = self._parts.part_of_column
            errors.append(np.bincount(part, weights=squared) / np.bincount(part))
            previous = candidate
        return np.array(errors)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags


def _number_different_rows(X):
    """Return a number per row, equal for rows with equal features."""
    if issparse(X):
        X = X.copy()
        X.sum_duplicates()
        X.eliminate_zeros()
        ends = zip(X.indptr[:-1], X.indptr[1:], strict=True)
        rows = [X.indices[a:b].tobytes() + X.data[a:b].tobytes() for a, b in ends]
    else:
        rows = [row.tobytes() for row in np.ascontiguousarray(X)]
    return pd.factorize(np.array(rows, dtype=object))[0]
