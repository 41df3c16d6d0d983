"""Grade the responses of a collection, and keep the grades."""

import json
from collections import Counter
from importlib.metadata import version

import pandas as pd

from dars_sklearn._sampling import reason_of
from dars_sklearn.store import digest


def check_references(grader, references, n_queries):
    """Return one reference a query; refuse what a grader will refuse, before money is spent."""
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
                f"the grader refuses the reference of row {row}, {reference!r}: {error}"
            ) from error
    return references


def as_json(reference):
    """A reference as text, None where there is none."""
    return None if reference is None else json.dumps(reference, sort_keys=True, default=repr)


def grading_key(grader, reference):
    """Digest what determines a grade, the response aside."""
    name, _ = _name_of(grader)
    return digest(name, as_json(reference) or "")


def _name_of(grader):
    """Name what grades, and tell whether it will always grade the same."""
    settings = getattr(grader, "settings", None)
    if settings is not None:
        return json.dumps(settings, sort_keys=True, default=repr), True
    name = repr(grader)
    if " at 0x" in name:  # a function, say, which another process has elsewhere
        return getattr(grader, "__qualname__", type(grader).__qualname__), False
    ours = type(grader).__module__.startswith("dars_sklearn.grade")
    return f"{name}, dars-sklearn {version('dars-sklearn')}", ours


def grade_first(grader, text, reference):
    """Grade the first response as soon as it is there, not after an hour."""
    score, error = _grade_one(grader, text, reference)
    if error:
        raise ValueError(
            f"the grader {grader!r} failed on the first response, {text!r:.100}: {error}; "
            "the responses are kept where there is a store"
        )
    return score


def grade_collection(store, collection, grader, references):
    """Grade what has no grade yet; return errors by reason."""
    errors = Counter()
    _, fixed = _name_of(grader)
    # What a user wrote may have changed since it graded last.
    for block in store.ungraded(collection, again=not fixed):
        graded = _grade_block(grader, [(text, references[row]) for *_, row, _, text in block])
        errors.update(error for _, error in graded if error)
        store.put_grades(
            (request, sample, grading, score, error)
            for (request, sample, _, grading, _), (score, error) in zip(block, graded, strict=True)
        )
    return errors


def _grade_block(grader, pairs):
    grade_many = getattr(grader, "grade_many", None)
    if grade_many is None:
        return [_grade_one(grader, text, reference) for text, reference in pairs]
    return [_checked(score) for score in grade_many(*zip(*pairs, strict=True))]


def _grade_one(grader, text, reference):
    try:
        return _checked(grader(text, reference))
    except Exception as error:  # a grader's failure must not lose the rest
        return None, reason_of(error)


def _checked(score):
    """Return a score and no error, or none and what is wrong with it."""
    if isinstance(score, Exception):
        return None, reason_of(score)
    try:
        number = float(score)
    except (TypeError, ValueError):
        return None, f"score {score!r:.100} is no number"
    if not 0 <= number <= 1:
        return None, f"score {number!r} is not in [0, 1]"
    return number, None
