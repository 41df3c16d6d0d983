"""Why requests and grades failed, in words."""

from dars_sklearn.generate import BackendError

__all__ = ["format_reason", "list_reasons"]

_LONGEST_REASON = 300


def format_reason(error):
    """Describe an exception in one short text.

    Parameters
    ----------
    error : BaseException
        The exception.

    Returns
    -------
    str
        Its type and message; the message alone for a ``BackendError``, whose type adds
        nothing. Lone surrogates, which no file can contain, are escaped.
    """
    try:
        message = str(error)
    except Exception as failure:  # __str__ is the code of another library
        message = f"its message cannot be read ({type(failure).__name__})"
    prefix = "" if isinstance(error, BackendError) else f"{type(error).__name__}: "
    reason = f"{prefix}{message[:_LONGEST_REASON]}".encode("utf-8", "backslashreplace").decode()
    return reason[:_LONGEST_REASON]


def list_reasons(counts, limit=3):
    """List the most common reasons with their counts.

    Parameters
    ----------
    counts : Counter
        How often each reason occurred.
    limit : int, default=3
        Maximum number of reasons in the list.

    Returns
    -------
    str
        The list, which ends in an ellipsis where reasons are left out.
    """
    listed = [
        f"{reason} ({count} {'time' if count == 1 else 'times'})"
        for reason, count in counts.most_common(limit)
    ]
    return "; ".join(listed) + ("; …" if len(counts) > limit else "")
