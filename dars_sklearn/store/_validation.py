"""Check that everything in a store is of the kind that this package writes."""

from dars_sklearn.store._errors import damage_error

__all__ = ["check_values"]

# A price or a number of tokens may be whole or not; a key has exactly the type of its column.
_TYPES = {"integer": ["integer"], "real": ["real", "integer"], "text": ["text"], "blob": ["blob"]}
_TYPES_OF_OPTIONAL = _TYPES | {"integer": ["integer", "real"]}


def check_values(db, path):
    """Raise if a file is damaged, or a value is not of the type of its column.

    SQLite visits every page once, and every row once per check, so that the time is
    proportional to the size of the file, whatever it contains.

    Parameters
    ----------
    db : sqlite3.Connection
        A database with the schema of a store.
    path : Path
        Its file, for the error.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    (problem,) = db.execute("pragma integrity_check(1)").fetchone()
    if problem != "ok":
        raise damage_error(path, problem)
    dangling = db.execute("pragma foreign_key_check").fetchone()
    if dangling is not None:
        table, _, parent, _ = dangling
        raise damage_error(path, f"a row of its table {table!r} refers to no row of {parent!r}")
    query = "select name from sqlite_master where type = 'table' and name not like 'sqlite!_%' "
    for (table,) in db.execute(query + "escape '!'").fetchall():
        columns = db.execute(f"pragma table_info({table})").fetchall()
        conditions = {name: _condition(name, *about) for _, name, *about in columns}
        tests = ", ".join(f"ifnull(sum(not ({condition})), 0)" for condition in conditions.values())
        for name, n_wrong in zip(
            conditions, db.execute(f"select {tests} from {table}").fetchone(), strict=True
        ):
            if n_wrong:
                raise damage_error(
                    path, f"{n_wrong} values of {name!r} in its table {table!r} are not valid"
                )


def _condition(name, declared_type, is_required, _, primary_key):
    """Return the SQL condition that a valid value of a column meets."""
    kind = declared_type.lower()
    is_required = is_required or primary_key
    types = _TYPES[kind] if is_required else [*_TYPES_OF_OPTIONAL[kind], "null"]
    condition = f"typeof({name}) in ({', '.join(map(repr, types))})"
    # Numbers of rows, samples and the like; a settled request lowers the count of unpriced ones.
    if kind == "integer" and is_required and name != "unpriced":
        condition += f" and {name} >= 0"
    return condition
