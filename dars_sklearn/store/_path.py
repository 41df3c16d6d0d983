"""The path of a store, as a user gives it."""

import os
from pathlib import Path

__all__ = ["resolve_path"]

# SQLite and other libraries give these a meaning of their own.
_PREFIXES_OF_ADDRESSES = ("file:", "sqlite:")


def resolve_path(path):
    """Return the absolute path of a store, which remains valid in another working folder.

    Parameters
    ----------
    path : str or path-like
        The path.

    Returns
    -------
    Path
        The absolute path.

    Raises
    ------
    TypeError
        If it is not a path, or a path of bytes.
    ValueError
        If it is an address or special name of SQLite.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(
            f"the store must be the path of a file as a str or Path, got {path!r} of type "
            f"{type(path).__name__!r}; a collection with store=None keeps nothing on the disk"
        )
    if text == ":memory:" or text.lower().startswith(_PREFIXES_OF_ADDRESSES):
        raise ValueError(
            f"the store must be the path of a file, got {text!r}; use store=None to keep nothing "
            f"on the disk, or './{text}' for a file of that name"
        )
    return Path(text).absolute()
