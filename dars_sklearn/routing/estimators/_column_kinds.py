"""What the columns of a table of queries are: groups, texts or numbers."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn.routing._encoder import QueryEncoder
from dars_sklearn.routing.estimators._neighbors_cv import NeighborsRegressorCV

__all__ = ["ColumnKinds", "default_regressor", "find_column_kinds"]


class ColumnKinds(NamedTuple):
    """The columns of a table, by what they are.

    Parameters
    ----------
    groups : list of str
        Categories, those with the fewest levels first.
    texts : list of str
        Texts.
    numbers : list of str
        Numbers.
    """

    groups: list
    texts: list
    numbers: list


def find_column_kinds(frame):
    """Find out what the columns of a table are.

    Parameters
    ----------
    frame : DataFrame
        One row per query.

    Returns
    -------
    ColumnKinds
        Columns of numbers; columns of bool, categorical columns and columns of other values that
        occur twice or more on average, which are groups; and the others, which are texts.
    """
    n_levels, texts, numbers = {}, [], []
    for name in frame.columns:
        column = frame[name]
        if _has_numbers(column):
            numbers.append(name)
            continue
        is_category = isinstance(column.dtype, pd.CategoricalDtype) or is_bool_dtype(column.dtype)
        # As texts: a conversation is a list, which cannot be hashed.
        n_different = column.dropna().map(str).nunique()
        if is_category or 2 * n_different <= column.notna().sum():
            n_levels[name] = n_different
        else:
            texts.append(name)
    return ColumnKinds(sorted(n_levels, key=n_levels.get), texts, numbers)


def default_regressor(X):
    """Create nearest neighbours for a table, of TF-IDF features where it has texts.

    Parameters
    ----------
    X : array-like of shape (n_queries, n_columns)
        Features and texts.

    Returns
    -------
    NeighborsRegressorCV or Pipeline
        Not fitted. Beside texts, numbers are standardised, and all of them together weigh as much
        as one text.
    """
    numbers = [name for name in getattr(X, "columns", []) if _has_numbers(X[name])]
    texts = [name for name in getattr(X, "columns", []) if name not in numbers]
    if not isinstance(X, pd.DataFrame) or not texts:
        return NeighborsRegressorCV()
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    encoders = [(f"text {name}", QueryEncoder(vectorizer), name) for name in texts]
    # Two unrelated texts have a squared distance of 2, and two rows of numbers 2 per column.
    weights = {"numbers": 1 / np.sqrt(max(len(numbers), 1))}
    encode = ColumnTransformer(
        [*encoders, ("numbers", StandardScaler(), numbers)],
        transformer_weights=weights,
        sparse_threshold=1.0,
    )
    return make_pipeline(encode, NeighborsRegressorCV())


def _has_numbers(column):
    return is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype)
