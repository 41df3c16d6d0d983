"""Checks of the scikit-learn contract for transformers of texts.

scikit-learn's own estimator checks pass numbers, so they cannot be used.
"""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from dars_sklearn import Outcomes

TEXTS = ["red fish", "blue fish", "green bird"]


def check_text_transformer(transformer):
    """Check that a transformer of texts behaves as scikit-learn's transformers do."""
    parameters = repr(transformer.get_params(deep=False))
    fitted = clone(transformer).fit(TEXTS)
    expected = as_array(fitted.transform(TEXTS))
    assert len(expected) == len(TEXTS)
    copies = (clone(fitted).fit(TEXTS), pickle.loads(pickle.dumps(fitted)), fitted.fit(TEXTS))
    for copy in copies:
        np.testing.assert_array_equal(as_array(copy.transform(TEXTS)), expected)
    containers = (np.array(TEXTS), np.array(TEXTS, dtype=object), pd.Series(TEXTS, index=[7, 8, 9]))
    for texts in containers:
        np.testing.assert_array_equal(as_array(fitted.transform(texts)), expected)
    assert repr(transformer.get_params(deep=False)) == parameters
    with pytest.raises((TypeError, ValueError), match="list of texts|not a text"):
        fitted.transform("one text")
    with pytest.raises(ValueError, match="row 1 is not a text.*3"):
        fitted.transform(["a", 3])


def as_array(transformed):
    """Return what a transformer returned as a dense array."""
    if isinstance(transformed, Outcomes):
        return transformed.to_array()
    return transformed.toarray() if hasattr(transformed, "toarray") else transformed
