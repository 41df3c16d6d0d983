"""Warnings that point at the line of the user, however deep the cause lies."""

import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import takewhile
from typing import NamedTuple
from warnings import warn

__all__ = ["CollectedWarning", "collect_warnings", "warn_at_end", "warn_once", "warn_user"]

# Between a user's line and a cause in this package there may be a Pipeline, a search or a
# metaestimator, which run the package's methods in loops and by joblib.
_LIBRARIES = ("dars_sklearn", "sklearn", "joblib")


# Where the warnings of this thread are collected; None where they are given at once. Filters of
# the warnings module are shared by all threads, and cannot be changed safely within one of them.
_collected = ContextVar("collected", default=None)


class CollectedWarning(NamedTuple):
    """A warning that was not given yet.

    Parameters
    ----------
    message : str
        The text of the warning.
    category : type
        The class of the warning.
    share : tuple of int or None, default=None
        How many of how many there are of what the message is about, as in :func:`warn_user`.
    example : str, default=""
        What follows the message, as in :func:`warn_user`.
    """

    message: str
    category: type
    share: tuple | None = None
    example: str = ""


@contextmanager
def collect_warnings():
    """Collect the warnings of :func:`warn_user` in a list, instead of giving them.

    This is how a job that runs in another thread or process hands its warnings back to the call
    that started it.

    Yields
    ------
    list of CollectedWarning
        The warnings, in their order.

    Examples
    --------
    >>> from dars_sklearn.exceptions import CollectionWarning
    >>> from dars_sklearn.utils._warnings import collect_warnings, warn_user
    >>> with collect_warnings() as collected:
    ...     warn_user("2 requests failed", CollectionWarning)
    >>> [warning.message for warning in collected]
    ['2 requests failed']
    """
    collected = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


@contextmanager
def warn_at_end():
    """Give the warnings of :func:`warn_user` once at the end of a block, even if it raises.

    Examples
    --------
    >>> import warnings
    >>> from dars_sklearn.exceptions import CollectionWarning
    >>> from dars_sklearn.utils._warnings import warn_at_end, warn_user
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     with warn_at_end():
    ...         warn_user("requests failed", CollectionWarning, share=(1, 3))
    ...         warn_user("requests failed", CollectionWarning, share=(2, 5))
    >>> [str(warning.message) for warning in caught]
    ['3 of 8 requests failed']
    """
    collected = []
    try:
        with collect_warnings() as collected:
            yield
    finally:
        warn_once([collected])


def warn_once(collected, unit="folds"):
    """Give each kind of warning once, with the number of jobs in which it arose.

    Parameters
    ----------
    collected : list of list of CollectedWarning
        Warnings of each job. Those of one class whose messages differ in numbers only are of one
        kind; their shares are summed over all jobs. If there is only one job, each of its
        messages is given.
    unit : str, default="folds"
        What a job is, in the plural.

    Examples
    --------
    >>> import warnings
    >>> from dars_sklearn.exceptions import CollectionWarning
    >>> from dars_sklearn.utils._warnings import CollectedWarning, warn_once
    >>> warning = CollectedWarning("a server is slow", CollectionWarning)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_once([[warning], [], [warning]])
    >>> [str(warning.message) for warning in caught]
    ['a server is slow (in 2 of 3 folds)']
    """
    kinds = {}
    for job, own in enumerate(collected):
        for warning in own:
            text = re.sub(r"\d+", "", warning.message)
            kind = (warning.category, text, warning.share is None)
            kinds.setdefault(kind, {}).setdefault(job, []).append(warning)
    for (category, _, has_no_share), by_job in kinds.items():
        if has_no_share:
            for message in _describe_jobs(list(by_job.values()), len(collected), unit):
                warn_user(message, category)
        else:
            counted = [warning for own in by_job.values() for warning in own]
            share = tuple(map(sum, zip(*(warning.share for warning in counted), strict=True)))
            warn_user(counted[0].message, category, share, counted[0].example)


def _describe_jobs(by_job, n_jobs, unit):
    """List the messages of the only job, or the first of several and in how many it arose."""
    if n_jobs == 1:
        return list(dict.fromkeys(warning.message for warning in by_job[0]))
    first_of_each = [own[0].message for own in by_job]
    where = f"in {len(by_job)} of {n_jobs} {unit}"
    if len(set(first_of_each)) > 1:
        where += "; these figures are of the first"
    return [f"{first_of_each[0]} ({where})"]


def warn_user(message, category, share=None, example=""):
    """Warn at the innermost line that is neither this package's nor scikit-learn's.

    Parameters
    ----------
    message : str
        The text of the warning.
    category : type
        The class of the warning.
    share : tuple of int or None, default=None
        How many of how many there are of what the message is about. It precedes the message as
        "1 of 3", and is summed where warnings are collected.
    example : str, default=""
        What follows the message of a share; of several warnings of one kind, that of the first.

    Examples
    --------
    >>> import warnings
    >>> from dars_sklearn.exceptions import CollectionWarning
    >>> from dars_sklearn.utils._warnings import warn_user
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_user("2 requests failed", CollectionWarning)
    >>> str(caught[0].message)
    '2 requests failed'
    """
    collected = _collected.get()
    if collected is not None:
        collected.append(CollectedWarning(message, category, share, example))
        return
    if share is not None:
        message = "{} of {} {}{}".format(*share, message, example)
    n_library_frames = sum(1 for _ in takewhile(_is_of_library, _callers(sys._getframe(1))))
    # The level 1 is this line, and the level 2 its caller.
    warn(message, category, stacklevel=n_library_frames + 2)


def _callers(frame):
    """Yield a frame, its caller, the caller of that, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_of_library(frame):
    """Return whether a frame runs code of this package or of a library that calls it."""
    # contextlib's decorators stand between two frames of scikit-learn.
    return frame.f_globals.get("__name__", "").partition(".")[0] in (*_LIBRARIES, "contextlib")
