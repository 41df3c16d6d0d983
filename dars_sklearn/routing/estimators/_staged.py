"""StagedRegressor: means, then known groups of queries, then what a regressor adds."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import _safe_indexing, check_array, check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.routing.estimators._column_kinds import default_regressor, find_column_kinds
from dars_sklearn.routing.estimators._fit_params import accepted_fit_params
from dars_sklearn.routing.estimators._group_effects import fit_group_effects
from dars_sklearn.routing.estimators._neighbors_cv import NeighborsRegressorCV
from dars_sklearn.routing.estimators._output_parts import OutputParts
from dars_sklearn.utils._validation import check_sample_weight

__all__ = ["StagedRegressor"]


class StagedRegressor(RegressorMixin, BaseEstimator):
    """Predict by known groups of queries first, and by features from what these leave.

    What is known of a query beside its text, such as its subject, task, product, language or
    tenant, is often worth as much as the text. Each stage is fitted on what the stages before it
    leave: the mean labels; the mean residuals of the levels of each group, shrunk the more, the
    fewer queries a level has and the less the levels differ; and a regressor on the other
    columns. Inside a router that is calibrated, each stage has its own slope.

    Parameters
    ----------
    estimator : regressor or None, default=None
        Fitted on the other columns; a Pipeline that begins with a text vectorizer or a
        QueryEncoder where there is a text. None uses :class:`NeighborsRegressorCV`, of a
        DataFrame on the TF-IDF features of its columns of texts beside those of numbers.
    groups : str, int, list, "auto" or None, default=None
        Columns of X with categories: a name or an index, or a list of them in the order in which
        they are fitted, the coarser first. A tuple of columns in the list stands for the
        combinations of their levels: ``["task", ("task", "language")]``. "auto" finds them in a
        DataFrame: categorical columns, those of bool, and those of texts of which each occurs at
        least twice on average, those with the fewest levels first. The components are "groups"
        and "features" then. In other tables there are no groups.
    columns : str, int, list or None, default=None
        Columns that the estimator is fitted on. As in
        :class:`~sklearn.compose.ColumnTransformer`, a name or an index selects a vector, as text
        vectorizers expect it, and a list selects a table. None selects all columns that are not
        groups; without any, the groups alone predict.

    Attributes
    ----------
    mean_ : ndarray of shape (n_outputs,)
        Mean labels of the training queries.
    group_effects_ : list of GroupEffects
        Levels, effects and shrinkage of each group.
    estimator_ : regressor or None
        The fitted regressor; None if there are no columns for it.
    components_ : list of str
        Names of the stages after the means.
    n_features_in_ : int
        Number of columns of X, if it is a table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X had string column names.

    See Also
    --------
    NeighborsRegressorCV : The default regressor.
    dars_sklearn.DistributionalRouter : Routes by what this predicts.

    Notes
    -----
    A category that is missing (None, NaN or NA), or was not seen in fit, falls back to the stages
    before its own.

    With ``groups="auto"``, whether a column of texts is a group or a text is found out anew in
    each fit; name the groups where that must not change.

    A router fits its estimator once for each fold of the calibration. Where encoding the texts is
    slow, encode them once: a table of embeddings beside the group columns. ``columns`` is for
    vectorizers that are fast to fit, and whose features are sparse.

    References
    ----------
    Empirical Bayes: Efron and Morris, "Stein's paradox in statistics", Scientific American, 1977.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from dars_sklearn import DistributionalRouter, Outcomes
    >>> from dars_sklearn.routing.estimators import StagedRegressor
    >>> frame = pd.DataFrame(
    ...     {
    ...         "query": ["2 + 2", "3 + 5", "red in French", "cat in French"],
    ...         "task": ["addition", "addition", "translation", "translation"],
    ...     }
    ... )
    >>> outcomes = Outcomes.from_array([[1, 0], [1, 0], [0, 1], [0, 1]], models=["small", "large"])
    >>> text = make_pipeline(TfidfVectorizer(), Ridge())
    >>> estimator = StagedRegressor(text, groups=["task"], columns="query")
    >>> router = DistributionalRouter(estimator, calibration=None).fit(frame, outcomes)
    >>> new = pd.DataFrame(
    ...     {"query": ["7 + 1", "blue in French"], "task": ["addition", "translation"]}
    ... )
    >>> router.predict(new).tolist()
    ['small', 'large']
    """

    def __init__(self, estimator=None, *, groups=None, columns=None):
        self.estimator = estimator
        self.groups = groups
        self.columns = columns

    def fit(self, X, y, sample_weight=None, *, blocks=None, models=None):
        """Fit the stages, one after the other.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_queries, n_columns)
            Groups and features of the queries.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Labels of the queries.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Precision of each query's labels. The estimator receives it if its fit accepts it.
        blocks : sequence of str or None, default=None
            Names of the target blocks, which a router passes. With them, differences between
            models are shrunk apart from their mean over models.
        models : sequence or None, default=None
            Names of the models, which a router passes.

        Returns
        -------
        StagedRegressor
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If neither groups nor columns are left to predict from.
        """
        validate_data(self, X, y, skip_check_array=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, estimator=self, input_name="y")
        check_consistent_length(X, y)
        weight = check_sample_weight(sample_weight, len(y))
        self._y_is_1d = y.ndim == 1
        residuals = y.reshape(len(y), -1)
        parts = OutputParts.from_layout(residuals.shape[1], blocks, models)
        self.mean_ = np.average(residuals, axis=0, weights=weight)
        residuals = residuals - self.mean_
        self._groups = self._group_columns(X)
        self._columns = self._estimator_columns(X)
        has_columns = not (isinstance(self._columns, list) and not self._columns)
        if not self._groups and not has_columns:
            raise ValueError("there are neither groups nor columns to predict from")
        self.group_effects_ = []
        for group in self._groups:
            keys = _group_keys(X, group)
            effects = fit_group_effects(keys, residuals, weight, parts)
            residuals = residuals - effects.predict(keys)
            self.group_effects_.append(effects)
        self.components_ = [" x ".join(map(str, group)) for group in self._groups]
        if self._finds_groups(X):
            # Always the same two, whatever is found: the folds of a calibration may differ.
            self.components_ = ["groups"] if has_columns else ["groups", "features"]
        self.estimator_ = None
        if has_columns:
            selected = self._select(X)
            self.estimator_ = self._make_estimator(selected)
            params = accepted_fit_params(
                self.estimator_, sample_weight=sample_weight, blocks=blocks, models=models
            )
            target = residuals.ravel() if self._y_is_1d else residuals
            self.estimator_.fit(selected, target, **params)
            self.components_.append("features")
        return self

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_queries, n_columns)
            Groups and features of the queries.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
            The mean labels plus the sum of the stages.
        """
        check_is_fitted(self)
        predicted = self.mean_ + self.predict_components(X).sum(axis=0)
        return predicted.ravel() if self._y_is_1d else predicted

    def predict_components(self, X):
        """Predict what each stage adds to the mean labels.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_queries, n_columns)
            Groups and features of the queries.

        Returns
        -------
        ndarray of shape (n_components, n_queries, n_outputs)
            Predicted deviations of each stage, in the order of ``components_``.
        """
        check_is_fitted(self)
        if hasattr(self, "n_features_in_") and getattr(X, "ndim", 2) == 1:
            raise ValueError(
                "X must have one row per query, got a 1-D array. Reshape your data with "
                "X.reshape(1, -1) if it is a single query"
            )
        validate_data(self, X, skip_check_array=True, reset=False)
        pairs = zip(self._groups, self.group_effects_, strict=True)
        stages = [effects.predict(_group_keys(X, group)) for group, effects in pairs]
        if self._finds_groups(X):
            stages = [sum(stages, np.zeros((len(X), len(self.mean_))))]
        if self.estimator_ is not None:
            predicted = np.asarray(self.estimator_.predict(self._select(X)), dtype=float)
            stages.append(predicted.reshape(len(predicted), -1))
        elif self._finds_groups(X):
            stages.append(np.zeros_like(stages[0]))
        return np.stack(stages)

    def _make_estimator(self, X):
        return default_regressor(X) if self.estimator is None else clone(self.estimator)

    def _finds_groups(self, X):
        """Return whether groups are looked for in X."""
        return isinstance(self.groups, str) and self.groups == "auto" and _is_frame(X)

    def _group_columns(self, X):
        """Return the columns of each group as tuples."""
        if isinstance(self.groups, str) and self.groups == "auto":
            in_use = self.columns if isinstance(self.columns, list) else [self.columns]
            found = find_column_kinds(X).groups if _is_frame(X) else []
            return [(name,) for name in found if name not in in_use]
        groups = [] if self.groups is None else self.groups
        groups = [groups] if isinstance(groups, (str, int)) else groups
        return [group if isinstance(group, tuple) else (group,) for group in groups]

    def _estimator_columns(self, X):
        """Return the columns for the estimator; None for X as it is."""
        if self.columns is not None:
            return self.columns
        if not self._groups:
            return None
        if issparse(X):
            raise ValueError(
                "groups cannot be columns of a sparse matrix; pass a DataFrame with the texts, and "
                "an estimator that encodes them: make_pipeline(TfidfVectorizer(), Ridge())"
            )
        in_groups = {column for group in self._groups for column in group}
        names = getattr(X, "columns", None)
        by_name = any(isinstance(column, str) for column in in_groups)
        if by_name and names is None:
            raise ValueError(
                f"groups={self.groups!r} names columns, but X is a {type(X).__name__}; pass a "
                "DataFrame, or the indices of the columns"
            )
        if by_name:
            unknown = sorted(map(str, in_groups - set(names)))
            if unknown:
                raise ValueError(
                    f"X has no columns {unknown}, which groups names; X has {list(names)}"
                )
            return [name for name in names if name not in in_groups]
        n_columns = self.n_features_in_
        in_groups = {column % n_columns for column in in_groups}
        return [column for column in range(n_columns) if column not in in_groups]

    def _select(self, X):
        """Return the columns for the estimator."""
        if self._columns is None:
            return X
        # The default regressor knows a text by its column.
        is_vector = isinstance(self._columns, (str, int)) and self.estimator is None
        columns = [self._columns] if is_vector else self._columns
        return _safe_indexing(X, columns, axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(NeighborsRegressorCV() if self.estimator is None else self.estimator)
        tags.input_tags = inner.input_tags
        tags.non_deterministic = inner.non_deterministic
        tags.target_tags.multi_output = True
        if self.groups is not None:
            tags.input_tags.categorical = tags.input_tags.string = tags.input_tags.allow_nan = True
            tags.input_tags.sparse = False
        return tags


def _is_frame(X):
    return isinstance(X, pd.DataFrame)


def _group_keys(X, columns):
    """Return the level of each query, None where one of the columns is missing."""
    values = [np.asarray(_safe_indexing(X, column, axis=1), dtype=object) for column in columns]
    is_missing = np.any([pd.isna(column) for column in values], axis=0)
    rows = zip(*(column.tolist() for column in values), strict=True)
    return [None if missing else row for missing, row in zip(is_missing, rows, strict=True)]
