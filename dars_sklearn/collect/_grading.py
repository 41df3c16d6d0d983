"""Check references, grade the responses of a collection, and store the grades."""

import json
from collections import Counter
from importlib.metadata import version

import numpy as np
import pandas as pd

from dars_sklearn.grade._apply import apply_grader
from dars_sklearn.store._digest import digest
from dars_sklearn.store._records import StoredGrade

__all__ = [
    "check_references",
    "grade_collection",
    "grade_first_response",
    "grading_key",
    "reference_to_json",
]


def check_references(grader, references, n_queries):
    """Check references before any money is spent.

    Parameters
    ----------
    grader : callable
        The grader, which is tried on an empty response and each reference; or its method
        ``check_reference(reference)`` is called, if it has one.
    references : array-like of shape (n_queries,) or None
        The references.
    n_queries : int
        Number of queries.

    Returns
    -------
    list
        One reference per query.

    Raises
    ------
    ValueError
        If references are missing, or the grader raises on one of them.
    """
    if references is None:
        if getattr(grader, "needs_reference", True):
            raise ValueError(
                f"{grader!r} needs references: pass them as collect(queries, references) or "
                "fit_transform(queries, references)"
            )
        return [None] * n_queries
    references = list(references)
    if len(references) != n_queries:
        raise ValueError(f"there are {n_queries} queries but {len(references)} references")
    check = getattr(grader, "check_reference", lambda reference: grader("", reference))
    for row, reference in enumerate(references):
        if reference is None or reference is pd.NA or reference != reference:
            raise ValueError(f"the reference of row {row} is missing: {reference!r}")
        try:
            check(reference)
        except Exception as error:
            raise ValueError(
                f"the grader rejects the reference of row {row}, {reference!r}: {error}"
            ) from error
    return references


def reference_to_json(reference):
    """Return a reference as JSON, None if there is no reference."""
    if reference is None:
        return None
    return json.dumps(reference, sort_keys=True, default=_to_json_type)


def _to_json_type(value):
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return repr(value)


def grading_key(grader, reference):
    """Compute a digest of everything that determines a grade, besides the response."""
    return digest(_identify(grader), reference_to_json(reference) or "")


def _identify(grader):
    """Describe a grader by a text that is the same in every process."""
    settings = getattr(grader, "settings", None)
    if settings is not None:
        return json.dumps(settings, sort_keys=True, default=repr)
    if _has_address(grader):
        return getattr(grader, "__qualname__", type(grader).__qualname__)
    return f"{grader!r}, dars-sklearn {version('dars-sklearn')}"


def _is_fixed(grader):
    """Return whether a grader certainly gives the same grade as earlier.

    That holds if its settings say so, or if it is a grader of this package. The code of any
    other grader may have changed.
    """
    if getattr(grader, "settings", None) is not None:
        return True
    return type(grader).__module__.startswith("dars_sklearn.grade") and not _has_address(grader)


def _has_address(grader):
    """Return whether the repr contains a memory address, as that of a function does."""
    return " at 0x" in repr(grader)


def grade_first_response(grader, text, reference):
    """Grade the first response as soon as it arrives, so that a broken grader is noticed.

    Parameters
    ----------
    grader : callable
        The grader.
    text : str
        The response.
    reference : object
        Its reference.

    Returns
    -------
    float
        The score.

    Raises
    ------
    ValueError
        If the response cannot be graded.
    """
    (grade,) = apply_grader(grader, [text], [reference])
    if grade.error is not None:
        raise ValueError(
            f"the grader {grader!r} failed on the first response, {text!r:.100}: {grade.error}; "
            "the responses that arrived are kept in the store, if there is one"
        )
    return grade.score


def grade_collection(store, collection, grader, references):
    """Grade the responses that have no grade yet, and store the grades.

    Responses that have a grade are graded again if the grader may have changed.

    Parameters
    ----------
    store : Store
        The store.
    collection : StoredCollection
        The collection.
    grader : callable
        The grader.
    references : list
        The reference of each row.

    Returns
    -------
    Counter
        How often each error occurred.
    """
    errors = Counter()
    for block in collection.ungraded(regrade=not _is_fixed(grader)):
        grades = apply_grader(
            grader,
            [sample.response for sample in block],
            [references[sample.row] for sample in block],
        )
        errors.update(grade.error for grade in grades if grade.error is not None)
        store.put_grades(
            StoredGrade(sample.request, sample.sample, sample.grading, *grade)
            for sample, grade in zip(block, grades, strict=True)
        )
    return errors
