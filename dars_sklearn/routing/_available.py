"""Which models may be chosen for which queries."""

from collections.abc import Mapping, Sequence, Set

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from dars_sklearn.outcomes._alignment import check_index, find_texts, shares_labels
from dars_sklearn.outcomes._validation import list_values

__all__ = ["available_mask"]


def available_mask(available, models, n_queries, queries=None):
    """Return the models that may be chosen as a mask.

    Labels decide, never positions, wherever there are any: the columns of a data frame and the
    index of a series name models, and the index of a data frame names queries.

    Parameters
    ----------
    available : array-like, set, str or None
        Names of the models that may be chosen; a Series of bool that is labelled by model; a mask
        of shape (n_queries, n_models), as an array, nested lists, or a data frame whose columns
        are the models; or None.
    models : ndarray of shape (n_models,)
        All model names.
    n_queries : int
        Number of queries.
    queries : array-like of shape (n_queries, ...) or None, default=None
        Queries, or their features. Where they have labels, those of a mask are compared with them.

    Returns
    -------
    ndarray of bool of shape (n_queries, n_models), or None
        Which models may be chosen, or None if all of them may.

    Raises
    ------
    TypeError
        If available is neither names nor a mask.
    ValueError
        If a name is unknown or repeated; or if a mask has another shape, values other than True
        and False, does not name every model, or is labelled by other queries.
    """
    if available is None:
        return None
    _check_kind(available)
    shape = n_queries, len(models)
    if _is_frame(available):
        return _mask_of_frame(available, models, shape, queries)
    if isinstance(available, pd.Series) and pd.api.types.is_bool_dtype(available.dtype):
        columns = _find_all_models(available.index, models, "the index of available")
        return np.broadcast_to(_as_booleans(available)[np.argsort(columns)], shape)
    if _is_single_name(available, models):
        available = [available]
    if any(_is_part_of_mask(value, models) for value in available):
        is_array = isinstance(available, np.ndarray)
        mask = _as_booleans(available if is_array else np.asarray(available, dtype=object))
        _check_shape(mask, shape)
        return mask
    mask = np.zeros(shape, dtype=bool)
    mask[:, _find_models(available, models, "available")] = True
    return mask


def _check_kind(available):
    """Refuse what is neither names nor a mask, or a mask with gaps."""
    if isinstance(available, Mapping) or issparse(available) or hasattr(available, "__next__"):
        raise TypeError(
            "available must list the names of models, or be a mask of shape (n_queries, "
            f"n_models), got {type(available).__name__}"
        )
    if np.ma.is_masked(available):
        raise ValueError(
            "available is a masked array, whose masked values neither allow a model nor forbid "
            "it; fill them with available.filled(False)"
        )


def _is_frame(available):
    """Return whether available is a data frame, of pandas or any other library."""
    return isinstance(available, pd.DataFrame) or isinstance(
        nw.from_native(available, eager_only=True, pass_through=True), nw.DataFrame
    )


def _is_single_name(available, models):
    """Return whether available is one name instead of several, or of a mask."""
    if isinstance(available, tuple):
        return any(available == model for model in models)
    if isinstance(available, (str, bytes)):
        return True
    return not isinstance(available, (Sequence, Set)) and np.ndim(available) == 0


def _is_part_of_mask(value, models):
    """Return whether a value is a row of a mask, or True or False, and not a name."""
    if isinstance(value, tuple):
        return all(value != model for model in models)
    return isinstance(value, (bool, np.bool_)) or np.ndim(value) > 0 or isinstance(value, Set)


def _mask_of_frame(frame, models, shape, queries):
    """Return a data frame as a mask, its columns in the order of the models."""
    if isinstance(frame, pd.DataFrame):
        _check_order(frame, queries)
    else:
        frame = nw.from_native(frame)
    columns = _find_all_models(frame.columns, models, "the columns of available")
    mask = _as_booleans(frame.to_numpy())
    _check_shape(mask, shape)
    return mask[:, np.argsort(columns)]


def _find_all_models(names, models, where):
    """Return the positions of names that must be all models."""
    columns = _find_models(names, models, where)
    missing = np.setdiff1d(np.arange(len(models)), columns)
    if len(missing):
        raise ValueError(
            f"{where} must name every model; {list_values(models[missing], 'model')} is missing"
        )
    return columns


def _find_models(names, models, where):
    """Return the positions of models by their names; 1, "1", True and 1.0 are four names."""
    columns = {_typed(model): column for column, model in enumerate(models)}
    names = list(names)
    unknown = [name for name in names if _typed(name) not in columns]
    if unknown:
        raise ValueError(
            f"{where} has the unknown {list_values(unknown, 'model')}, not among {models.tolist()}"
        )
    found = [columns[_typed(name)] for name in names]
    if len(set(found)) < len(found):
        raise ValueError(
            f"{where} names a model twice: {list_values(names, 'model')}; a mask must consist of "
            "True and False"
        )
    return np.array(found, dtype=int)


def _typed(name):
    """Return a name with its type, since 1, True and 1.0 are equal."""
    name = name.item() if isinstance(name, np.generic) else name
    return type(name), name


def _as_booleans(values):
    """Return a mask as an array of bool; refuse values that are not True or False."""
    values = np.asarray(values)
    if values.dtype == bool:
        return values
    others = [value for value in values.ravel().tolist() if not isinstance(value, bool)]
    if any(isinstance(value, (str, list, tuple, Set)) for value in others):
        raise ValueError(
            "available must be names of models that hold for all queries, or a mask of True and "
            f"False, got {others[0]!r}; names for each query become a mask by [[model in names for "
            "model in router.models_] for names in available]"
        )
    if others:
        raise ValueError(
            f"a mask of available models must consist of True and False, got {others[0]!r}; "
            "convert it, for example with mask == 1"
        )
    return values.astype(bool)


def _check_shape(mask, shape):
    """Refuse a mask of another shape."""
    if mask.shape != shape:
        raise ValueError(
            f"available must have shape {shape}, got {mask.shape}; to allow the same models for "
            "all queries, list their names"
        )


def _check_order(mask, queries):
    """Refuse a mask whose index has the labels of the queries in another order."""
    labels = _labels_of(queries)
    if labels is None or len(labels) != len(mask) or not shares_labels(mask.index, labels):
        return
    check_index(
        mask.index, labels, "available", "X",
        "put the mask into the order of X, with available.loc[labels of X]",
    )  # fmt: skip


def _labels_of(queries):
    """Return the labels of queries: a pandas index, or texts; None where there are none."""
    if isinstance(queries, (pd.Series, pd.DataFrame)):
        return queries.index
    texts = find_texts(queries)
    return None if texts is None else pd.Index(texts, dtype=object)
