"""The schema of a store, how its file is opened, and what errors of SQLite mean."""

import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["StoreError", "explain_errors", "open_for_reading", "open_for_writing", "transaction"]

APPLICATION_ID = 0x44415253  # "DARS"
VERSION = 1
# Seconds that a connection waits while another process writes.
BUSY_TIMEOUT = 60.0

SCHEMA = """
create table backends (
    id integer primary key,
    model text not null,
    settings text not null,
    unique (model, settings)
);
-- One prompt to one backend under one seed. The key is a digest of all three.
create table requests (
    id integer primary key,
    key blob not null unique,
    backend integer not null references backends,
    prompt text not null,
    error text
);
create table samples (
    request integer not null references requests,
    sample integer not null,
    response text not null,
    input_tokens integer,
    output_tokens integer,
    cost real,
    spent real,
    latency real,
    finish_reason text,
    primary key (request, sample)
);
create table owners (owner text primary key, alive_until real not null) without rowid;
create table claims (
    request integer primary key references requests,
    owner text not null
);
create table grades (
    request integer not null references requests,
    sample integer not null,
    grading blob not null,
    score real,
    error text,
    primary key (request, sample, grading)
) without rowid;
-- A collection is a list of queries, each in its paraphrases, for a list of models.
create table collections (
    id integer primary key,
    key blob not null unique,
    n_samples integer not null,
    models text not null,
    updated real not null
);
create table queries (
    collection integer not null references collections,
    row integer not null,
    query text not null,
    reference text,
    grading blob not null,
    primary key (collection, row)
) without rowid;
create table cells (
    collection integer not null references collections,
    model integer not null,
    row integer not null,
    paraphrase integer not null,
    request integer not null references requests,
    primary key (collection, model, row, paraphrase)
) without rowid;
"""

_MEANINGS = {
    "SQLITE_FULL": "its disk is full; free some space and collect again to continue",
    "SQLITE_READONLY": "it is read-only; read_store can still read it",
    "SQLITE_CANTOPEN": "it or its folder is missing or read-only; read_store may still read it",
    "SQLITE_NOTADB": "it is not an SQLite file",
    "SQLITE_CORRUPT": "it is damaged or truncated; sqlite3's .recover may save what remains",
    "SQLITE_BUSY": "another process has kept it locked for a minute",
    "SQLITE_LOCKED": "another process has kept it locked for a minute",
}


class StoreError(RuntimeError):
    """A store cannot be opened, read or written."""


@contextmanager
def explain_errors(path):
    """Raise errors of SQLite and the file system as a StoreError that explains them."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorname", "")
        # Extended codes such as SQLITE_READONLY_DIRECTORY begin with the primary code.
        meanings = [text for name, text in _MEANINGS.items() if code.startswith(name)]
        explanation = meanings[0] if meanings else str(error)
        raise StoreError(f"the store {str(path)!r} cannot be used: {explanation}") from error


@contextmanager
def transaction(db, path):
    """Commit everything within the block at its end, or nothing if it raises."""
    with explain_errors(path):
        db.execute("begin immediate")
        try:
            yield
        except BaseException:
            db.execute("rollback")
            raise
        try:
            db.execute("commit")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("rollback")
            raise


def open_for_writing(path):
    """Open a store, which is created if it does not exist.

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
        If the file cannot be written, or is not a store of this version.
    """
    if path is not None:
        _create_file(path)
    with explain_errors(path):
        db = sqlite3.connect(path or ":memory:", timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            _set_up(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _create_file(path):
    with explain_errors(path):
        try:
            # SQLite creates its side files with the permissions of this file.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if path.is_dir():
                raise StoreError(f"the store {str(path)!r} is a folder") from None


def _set_up(db, path):
    is_new = _is_empty(db)
    if not is_new:
        _check_schema(db, path)
    db.execute("pragma journal_mode = wal")
    # Responses that were paid for must survive a power failure.
    db.execute("pragma synchronous = full")
    if is_new:
        with transaction(db, path):
            if _is_empty(db):  # unless another process was faster
                for statement in SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"pragma application_id = {APPLICATION_ID}")
                db.execute(f"pragma user_version = {VERSION}")


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
    StoreError
        If the file cannot be read, or is not a store of this version.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"there is no store at {str(path)!r}")
    with explain_errors(path), closing(_connect_for_reading(path)) as db:
        _check_schema(db, path)
        yield db


def _connect_for_reading(path):
    address = f"{path.resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT)
    try:
        _is_empty(db)
    except sqlite3.OperationalError:
        db.close()
        # SQLite cannot create the side files of its journal in a read-only folder.
        return sqlite3.connect(f"{address}&immutable=1", uri=True)
    except BaseException:
        db.close()
        raise
    return db


def _is_empty(db):
    return db.execute("select count(*) from sqlite_master").fetchone()[0] == 0


def _check_schema(db, path):
    """Raise unless the file is a store of this version."""
    application_id = db.execute("pragma application_id").fetchone()[0]
    version = db.execute("pragma user_version").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise StoreError(f"{str(path)!r} is an SQLite file, but not a store of dars_sklearn")
    if version != VERSION:
        raise StoreError(
            f"the store {str(path)!r} has schema version {version}, but this release of "
            f"dars_sklearn reads version {VERSION}; use the release that created it, or "
            "another file"
        )
