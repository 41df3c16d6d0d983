"""The file of a store: its schema, how it is opened, and what its errors mean."""

import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

APPLICATION = 0x44415253  # "DARS"
VERSION = 1
# A claim holds this long after its owner was last seen.
CLAIM_SECONDS = 60.0

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
-- What was collected together: queries in their paraphrases, asked of models.
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


class StoreError(RuntimeError):
    """A store cannot be opened, read or written."""


def create_file(path):
    with errors_told(path):
        try:
            # SQLite gives its side files the mode of this one.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if path.is_dir():
                raise StoreError(f"the store {str(path)!r} is a folder") from None


@contextmanager
def open_readonly(path):
    """Open a store for reading only, on a medium that is read-only, too."""
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"there is no store at {str(path)!r}")
    with errors_told(path):
        address = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=60.0)) as db:
            try:
                db.execute("select count(*) from sqlite_master").fetchone()
            except sqlite3.OperationalError:
                # The side files cannot be made where the folder is read-only.
                with closing(sqlite3.connect(f"{address}&immutable=1", uri=True)) as frozen:
                    check_schema(frozen, path)
                    yield frozen
                    return
            check_schema(db, path)
            yield db


def check_schema(db, path, new_allowed=False):
    """Refuse what is no store of this version; return whether it is still empty."""
    application = db.execute("pragma application_id").fetchone()[0]
    version = db.execute("pragma user_version").fetchone()[0]
    n_tables = db.execute("select count(*) from sqlite_master").fetchone()[0]
    if n_tables == 0 and new_allowed:
        return True
    if application != APPLICATION:
        raise StoreError(f"{str(path)!r} is no store of dars_sklearn, but another SQLite file")
    if version != VERSION:
        raise StoreError(
            f"the store {str(path)!r} has schema version {version}, and this dars_sklearn reads "
            f"version {VERSION}; use the release that made it, or another file"
        )
    return False


@contextmanager
def errors_told(path):
    """Say of an error of SQLite what it means for the store."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorname", "")
        meaning = {
            "SQLITE_FULL": "its disk is full; free some space, and collect again to go on",
            "SQLITE_READONLY": "it is read-only; read_store can still read it",
            "SQLITE_CANTOPEN": "it or its folder is missing or read-only; read_store may read it",
            "SQLITE_NOTADB": "it is no SQLite file",
            "SQLITE_CORRUPT": "it is damaged or truncated; sqlite3's .recover may save the rest",
            "SQLITE_BUSY": "another process has kept it locked for a minute",
            "SQLITE_LOCKED": "another process has kept it locked for a minute",
        }
        known = [text for name, text in meaning.items() if code.startswith(name)]
        explanation = known[0] if known else str(error)
        raise StoreError(f"the store {str(path)!r} cannot be used: {explanation}") from error


def process_runs(pid):
    """Tell whether a process of this machine is alive; where it cannot be told, say so."""
    if os.name == "nt":  # where signal 0 is not a question
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
