"""Check references, grade the responses of a collection, and store the grades."""

import json
from collections import Counter
from collections.abc import Mapping, Set
from importlib.metadata import version
from types import CodeType

import numpy as np
import pandas as pd

from dars_sklearn.collect._queries import is_blank
from dars_sklearn.grade._apply import add_queries, apply_grader
from dars_sklearn.store._digest import digest
from dars_sklearn.store._records import StoredGrade
from dars_sklearn.utils._settings import settings_to_json

__all__ = [
    "check_references",
    "grade_collection",
    "grade_first_response",
    "grading_key",
    "reference_to_json",
]

# Number of responses that a grader with ``grade_many`` gets at a time.
_PAID_BLOCK = 64


def check_references(grader, references, queries):
    """Check references before any money is spent.

    Parameters
    ----------
    grader : callable
        The grader, which is tried on an empty response and each reference; or its method
        ``check_reference(reference)`` is called, if it has one.
    references : array-like of shape (n_queries,) or None
        The references.
    queries : sequence of str of length n_queries
        The queries.

    Returns
    -------
    list
        One reference per query.

    Raises
    ------
    TypeError
        If the references are not a sequence with one reference per row.
    ValueError
        If references are missing, or the grader raises on one of them. The reference of a blank
        query does not matter.
    """
    if references is None:
        if getattr(grader, "needs_reference", True):
            raise ValueError(
                f"{grader!r} needs references: pass them as collect(queries, references) or "
                "fit_transform(queries, references)"
            )
        return [None] * len(queries)
    references = _list_references(references)
    if len(references) != len(queries):
        raise ValueError(f"there are {len(queries)} queries but {len(references)} references")
    check = getattr(grader, "check_reference", lambda reference: grader("", reference))
    passed_on = add_queries(grader, references, queries)
    for row, reference in enumerate(references):
        if is_blank(queries[row]):  # it is not sent, so there is nothing to grade
            continue
        if _is_missing(reference):
            raise ValueError(f"the reference of row {row} is missing: {reference!r}")
        try:
            check(passed_on[row])
        except Exception as error:  # whatever a grader of the user may raise
            raise ValueError(
                f"the grader rejects the reference of row {row}, {reference!r}: {error}"
            ) from error
    return references


def _list_references(references):
    """Return references as a list, if iterating over them yields one per row, in order."""
    if isinstance(references, (str, bytes, Mapping, Set)) or hasattr(references, "columns"):
        raise TypeError(
            "references must be a list with one reference per query, in the order of the queries, "
            f"got {type(references).__name__!r}; of a dict or data frame, pass "
            "[references[query] for query in queries] or one column"
        )
    if hasattr(references, "to_pylist"):  # the items of an Arrow array are no Python objects
        return references.to_pylist()
    return [
        reference.tolist() if isinstance(reference, np.ndarray) else reference
        for reference in references
    ]


def _is_missing(reference):
    """Return whether a reference is None, NaN, NA or masked."""
    is_scalar = reference is None or pd.api.types.is_scalar(reference)
    return reference is np.ma.masked or (is_scalar and pd.isna(reference))


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
        return settings_to_json(settings, f"the grader {type(grader).__name__}")
    if _has_address(grader):
        name = getattr(grader, "__qualname__", type(grader).__qualname__)
        # Two functions of one name, such as lambdas, must not share their grades.
        return name + _describe_code(grader.__code__) if hasattr(grader, "__code__") else name
    return f"{grader!r}, dars-sklearn {version('dars-sklearn')}"


def _describe_code(code):
    """Describe what a function does, by a text that is the same in every process."""
    constants = [
        _describe_code(value)
        if isinstance(value, CodeType)
        else sorted(map(repr, value))
        if isinstance(value, frozenset)
        else value
        for value in code.co_consts
    ]
    return f"{code.co_code.hex()} {constants!r} {code.co_names!r}"


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
    # What a judge returned was paid for, so few of its grades may be lost at an interrupt.
    sizes = {"block_size": _PAID_BLOCK} if hasattr(grader, "grade_many") else {}
    for block in collection.ungraded(regrade=not _is_fixed(grader), **sizes):
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
