"""Open the file of a store, and write to it in transactions."""

import os
import sqlite3
import time
from contextlib import closing, contextmanager

from dars_sklearn.store._errors import StoreError, explain_errors
from dars_sklearn.store._path import resolve_path
from dars_sklearn.store._schema import (
    check_schema,
    create_tables,
    is_empty,
    migrate,
    needs_migration,
)
from dars_sklearn.store._validation import check_values

__all__ = [
    "bounded",
    "connect",
    "create_file",
    "open_for_reading",
    "open_for_writing",
    "transaction",
]

# Seconds that a connection waits while another process writes.
BUSY_TIMEOUT = 60.0
# The longest value that is read or written, so that a value does not exhaust the memory.
_MAX_VALUE_BYTES = 2**29
# Steps of SQLite's interpreter in which the schema of any store is read, which takes about 300.
_MAX_SCHEMA_STEPS = 20_000


@contextmanager
def transaction(db, path):
    """Commit everything within the block at its end, or nothing if it raises."""
    with explain_errors(path):
        try:
            db.execute("begin immediate")
            yield
            db.execute("commit")
        except BaseException:  # an interrupt may arrive between any two of these lines
            if db.in_transaction:  # some errors of the disk have ended it
                db.execute("rollback")
            raise


def connect(path, **options):
    """Connect to a file in a way that nothing in it can run code or exhaust the memory.

    Parameters
    ----------
    path : str or Path
        File or URI.
    **options
        Further arguments of :func:`sqlite3.connect`.

    Returns
    -------
    sqlite3.Connection
        A connection in autocommit mode.
    """
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, **options)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    db.execute("pragma trusted_schema = off")
    db.execute("pragma cell_size_check = on")
    return db


def open_for_writing(path):
    """Open a store, which is created if it does not exist, and migrated if it is older.

    Parameters
    ----------
    path : Path or None
        The file; None for a store in memory.

    Returns
    -------
    sqlite3.Connection
        A connection in autocommit mode.

    Raises
    ------
    StoreError
        If the file cannot be written, is damaged, or is not a store of this version or an
        older one.
    """
    if path is not None:
        create_file(path)
    with explain_errors(path):
        db = connect(path or ":memory:")
        try:
            _set_up(db, path)
        except BaseException:
            db.close()
            raise
    return db


def create_file(path):
    """Create a file that only its owner can read, unless it exists."""
    with explain_errors(path):
        try:
            # SQLite creates its side files with the permissions of this file.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if path.is_dir():
                raise StoreError(f"the store {str(path)!r} is a folder") from None


def _set_up(db, path):
    with bounded(db):
        is_new = is_empty(db)
    if not is_new:
        _check_content(db, path)
    # Responses that were paid for must survive a power failure.
    db.execute("pragma synchronous = full")
    if is_new:
        with transaction(db, path):
            if is_empty(db):  # unless another process was faster
                create_tables(db)
    elif needs_migration(db):
        with transaction(db, path):
            migrate(db)  # does nothing if another process was faster
    _use_wal(db)


def _check_content(db, path):
    """Raise unless a file is an intact store."""
    db.execute("begin")  # another process may migrate the store between two statements
    try:
        with bounded(db):
            check_schema(db, path)
        check_values(db, path)
    finally:
        if db.in_transaction:  # some errors of a damaged file have ended it
            db.execute("rollback")


def _use_wal(db):
    """Let others read while one writes, which takes a moment without any other connection."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            db.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait here for processes that open a new store at the same time.
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


@contextmanager
def open_for_reading(path):
    """Open a store without the right to change it, which may be on a read-only medium.

    Parameters
    ----------
    path : str or path-like
        The file.

    Yields
    ------
    sqlite3.Connection
        A connection, which is closed at the end of the block.

    Raises
    ------
    TypeError, ValueError
        If ``path`` is not the path of a file.
    StoreError
        If the file cannot be read, is damaged, or is not a store of this version or an older
        one.
    """
    path = resolve_path(path)
    if not path.is_file():
        raise StoreError(f"there is no store at {str(path)!r}")
    with explain_errors(path), closing(_connect_for_reading(path)) as db:
        db.execute("pragma query_only = on")
        _check_content(db, path)
        yield db


def _connect_for_reading(path):
    address = f"{path.resolve().as_uri()}?mode=ro"
    db = connect(address, uri=True)
    try:
        with bounded(db):
            is_empty(db)
    except sqlite3.OperationalError as error:
        db.close()
        if error.sqlite_errorname == "SQLITE_INTERRUPT":
            raise
        # SQLite cannot create the side files of its journal in a read-only folder.
        return connect(f"{address}&immutable=1", uri=True)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def bounded(db):
    """Interrupt statements within the block that take far more steps than any store needs."""
    db.set_progress_handler(lambda: True, _MAX_SCHEMA_STEPS)
    try:
        yield
    finally:
        db.set_progress_handler(None, 0)
