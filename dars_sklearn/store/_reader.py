"""Read a collection from the file of a store: as outcomes, or as a table of responses."""

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade._apply import describe_grading_errors
from dars_sklearn.store._collection import StoredCollection
from dars_sklearn.store._connection import open_for_reading
from dars_sklearn.store._errors import StoreError
from dars_sklearn.utils._warnings import warn_at_end, warn_user

__all__ = ["read_responses", "read_store"]


def read_store(path, *, collection=None, grader=None):
    """Read the outcomes of a collection from a store, without a backend.

    Parameters
    ----------
    path : str or path-like
        The store.
    collection : int or None, default=None
        Number of the collection; collections are numbered from 1 in the order in which they
        were created. None selects the collection that was collected last.
    grader : callable or None, default=None
        Grader of the stored responses, whose grades are not stored. None uses the stored
        grades. Responses are graded after all of them were collected, so a collection that
        was interrupted has no stored grades yet.

    Returns
    -------
    Outcomes
        The outcomes, as returned by :meth:`~dars_sklearn.OutcomeCollector.collect`.

    Raises
    ------
    StoreError
        If the file is not a store, or does not contain the collection.
    TypeError
        If ``grader`` is not callable.

    Warns
    -----
    CollectionWarning
        If ``grader`` could not grade some of the responses, with their number and the
        reasons. Their outcomes are missing.

    See Also
    --------
    read_responses : The same samples as a table, with their texts.

    Examples
    --------
    >>> import tempfile
    >>> from dars_sklearn import OutcomeCollector
    >>> from dars_sklearn.grade import ExactMatch
    >>> from dars_sklearn.store import read_store
    >>> def parrot(prompts, *, n):
    ...     return [[prompt] * n for prompt in prompts]
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/outcomes.sqlite"
    >>> collector = OutcomeCollector({"parrot": parrot}, ExactMatch(), 2, store=path)
    >>> _ = collector.collect(["Polly"], references=["Polly"])
    >>> read_store(path).score
    array([1., 1.])
    """
    if grader is not None and not callable(grader):
        raise TypeError(f"grader must be callable, got {grader!r}")
    with open_for_reading(path) as db:
        stored = _find_collection(db, path, collection)
        if grader is None:
            return stored.outcomes()
        with warn_at_end():  # the grader is applied to one batch after the other
            outcomes, errors = stored.regraded_outcomes(grader)
    if errors:
        warn_user(describe_grading_errors(errors), CollectionWarning)
    return outcomes


def read_responses(path, *, collection=None):
    """Read all samples of a collection from a store, with their texts.

    Parameters
    ----------
    path : str or path-like
        The store.
    collection : int or None, default=None
        Number of the collection, as in :func:`read_store`.

    Returns
    -------
    DataFrame
        One row per sample, with the columns

        - "row", "query", "model", "paraphrase" and "sample", which identify the sample;
        - "prompt" and "response", the texts;
        - "score", NaN without a grade;
        - "cost" and "spent", in the user's unit;
        - "input_tokens", "output_tokens", "latency" in seconds, and "finish_reason";
        - "error", the reason why the response or its grade is missing, if it is.

    Raises
    ------
    StoreError
        If the file is not a store, or does not contain the collection.

    See Also
    --------
    read_store : The graded samples as outcomes.

    Examples
    --------
    >>> import tempfile
    >>> from dars_sklearn import OutcomeCollector
    >>> from dars_sklearn.grade import ExactMatch
    >>> from dars_sklearn.store import read_responses
    >>> def parrot(prompts, *, n):
    ...     return [[prompt] * n for prompt in prompts]
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/outcomes.sqlite"
    >>> collector = OutcomeCollector({"parrot": parrot}, ExactMatch(), 2, store=path)
    >>> _ = collector.collect(["Polly"], references=["Polly"])
    >>> read_responses(path)[["model", "sample", "response", "score"]]
        model  sample response  score
    0  parrot       0    Polly    1.0
    1  parrot       1    Polly    1.0
    """
    with open_for_reading(path) as db:
        return _find_collection(db, path, collection).responses()


def _find_collection(db, path, number):
    ids = [id for (id,) in db.execute("select id from collections order by updated, id")]
    if not ids:
        raise StoreError(f"the store {str(path)!r} contains no collection yet")
    if number is None:
        number = ids[-1]
    if number not in ids:
        raise StoreError(
            f"the store {str(path)!r} contains the collections {sorted(ids)}, but not {number!r}"
        )
    return StoredCollection(db, number, path)
