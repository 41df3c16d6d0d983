"""The schema of a store: its versions, its migrations, and the check that a file follows it."""

import sqlite3
from contextlib import closing
from functools import lru_cache

from dars_sklearn.store._collection import renew_keys
from dars_sklearn.store._errors import StoreError, damage_error

__all__ = ["check_schema", "create_tables", "is_empty", "migrate", "needs_migration"]

APPLICATION_ID = 0x44415253  # "DARS"

# The first version. Later ones are made from it by migrations, in new stores as in old ones.
_SCHEMA_1 = """
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

# Statements that bring a store of version n to version n + 1, at position n - 1.
_MIGRATIONS = [
    """
    -- The life of an owner is judged by its heartbeat instead of by clocks (see _claims.py).
    delete from claims;
    drop table owners;
    create table owners (
        owner text primary key,
        process text,
        heartbeat integer not null
    ) without rowid;
    -- What requests cost, including what they may cost (see _ledger.py).
    create table ledger (
        id integer primary key,
        request integer not null references requests,
        amount real not null,
        unpriced integer not null
    );
    insert into ledger (request, amount, unpriced)
        select request, total(spent), sum(spent is null) from samples group by request;
    -- Tells a store from another one that has taken the place of its file.
    create table identity (id text not null);
    insert into identity values (lower(hex(randomblob(16))))
    """,
    # The keys of collections contain more (see _digest.py); no statement can compute them.
    "",
]
VERSION = 1 + len(_MIGRATIONS)

# A store has few tables, so a file with many more is not read to its end.
_MAX_OBJECTS = 1000
_SCHEMA_QUERY = (
    "select type, name, tbl_name, sql from sqlite_master where name not like 'sqlite!_stat%' "
    f"escape '!' limit {_MAX_OBJECTS}"
)


def is_empty(db):
    """Return whether a database has no tables."""
    return db.execute("select count(*) from sqlite_master").fetchone()[0] == 0


def create_tables(db):
    """Create the tables of a new store, within a transaction."""
    _execute_all(db, _SCHEMA_1)
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute("pragma user_version = 1")
    migrate(db)


def needs_migration(db):
    """Return whether a store has an older version of the schema."""
    return _version_of(db) < VERSION


def migrate(db):
    """Bring a store of an older version to the present one, within a transaction."""
    for version in range(_version_of(db), VERSION):
        _execute_all(db, _MIGRATIONS[version - 1])
        if version == 2:
            renew_keys(db)
        db.execute(f"pragma user_version = {version + 1}")


def check_schema(db, path):
    """Raise unless a file is a store of this or an older version, and nothing but that.

    Triggers and views in particular could do anything when the store is used.
    """
    if db.execute("pragma application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{str(path)!r} is an SQLite file, but not a store of dars_sklearn")
    version = _version_of(db)
    if not 1 <= version <= VERSION:
        raise StoreError(
            f"the store {str(path)!r} has schema version {version}, but this release of "
            f"dars_sklearn reads versions up to {VERSION}; use the release that created it, or "
            "another file"
        )
    found, expected = _read_schema(db), _expected_schema(version)
    for kind, name, *_ in sorted(found - expected):
        raise damage_error(path, f"its {kind} {name!r} is not that of a store")
    for kind, name, *_ in sorted(expected - found, key=str):
        raise damage_error(path, f"its {kind} {name!r} is missing")


def _version_of(db):
    return db.execute("pragma user_version").fetchone()[0]


def _read_schema(db):
    """Return all tables, indices, views and triggers, with the statements that made them."""
    rows = db.execute(_SCHEMA_QUERY).fetchall()
    return {(str(kind), str(name), str(table), str(sql)) for kind, name, table, sql in rows}


@lru_cache
def _expected_schema(version):
    with closing(sqlite3.connect(":memory:")) as db:
        for statements in [_SCHEMA_1, *_MIGRATIONS[: version - 1]]:
            _execute_all(db, statements)
        return _read_schema(db)


def _execute_all(db, statements):
    # Connection.executescript would commit the transaction.
    for statement in statements.split(";"):
        db.execute(statement)
