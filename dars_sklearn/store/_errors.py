"""The error of a store, and what errors of SQLite and of the file system mean."""

import sqlite3
from contextlib import contextmanager

__all__ = ["StoreError", "damage_error", "explain_errors"]

_MEANINGS = {
    "SQLITE_FULL": "its disk is full; free some space and collect again to continue",
    "SQLITE_READONLY": "it is read-only; read_store can still read it",
    "SQLITE_CANTOPEN": "it or its folder is missing or read-only; read_store may still read it",
    "SQLITE_NOTADB": "it is not an SQLite file",
    "SQLITE_CORRUPT": "it is damaged or truncated; sqlite3's .recover may save what remains",
    "SQLITE_BUSY": "another process has kept it locked for a minute",
    "SQLITE_LOCKED": "another process has kept it locked for a minute",
    "SQLITE_INTERRUPT": "its schema is far larger than that of a store of dars_sklearn",
    "SQLITE_TOOBIG": "it contains, or should contain, a value of more than 512 MiB",
}


class StoreError(RuntimeError):
    """A store cannot be opened, read or written.

    Attributes
    ----------
    kept_in : Path or None
        If the file of a store was lost while the store was in use: the new store that contains
        what was saved from it, None if nothing could be saved.
    """

    kept_in = None


@contextmanager
def explain_errors(path):
    """Raise errors of SQLite and the file system as a StoreError that explains them."""
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite quotes damaged bytes in the text of its error
        raise damage_error(path, str(error)) from error
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path) from error


def explain(error, path):
    """Return a StoreError that explains an error of SQLite or the file system."""
    code = getattr(error, "sqlite_errorname", "")
    # Extended codes such as SQLITE_READONLY_DIRECTORY begin with the primary code.
    meanings = [text for name, text in _MEANINGS.items() if code.startswith(name)]
    explanation = meanings[0] if meanings else str(error)
    return StoreError(f"the store {str(path)!r} cannot be used: {explanation}")


def damage_error(path, detail):
    """Return a StoreError about content that this package does not write."""
    return StoreError(
        f"the store {str(path)!r} cannot be used: it is damaged, or was changed by another "
        f"program: {detail}"
    )
