"""Notice that the file of an open store was deleted, replaced or cut, and save its content."""

import os
import sqlite3
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from dars_sklearn.store._connection import bounded, connect, create_file
from dars_sklearn.store._errors import StoreError

__all__ = ["FileGuard", "new_path_beside"]

# Seconds after which the content of the file is looked at again, besides its name and size.
_INTERVAL = 0.25
# What SQLite says about a file whose content is no longer that of the store.
_CODES_OF_LOSS = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR", "SQLITE_INTERRUPT")


class Loss(NamedTuple):
    """What happened to the file of a store, and whether its old content can still be read."""

    event: str
    is_readable: bool


class FileGuard:
    """Watches the file of an open store, and the side files that SQLite keeps for it.

    SQLite does not notice what happens to them, and writes on into a file without a name.

    Parameters
    ----------
    db : sqlite3.Connection
        The database of the store, opened for writing.
    path : Path
        Its file.
    """

    def __init__(self, db, path):
        self._db = db
        self._path = path.absolute()  # the process may change its working folder
        self._id = _read_id(db)  # this also creates the side files
        self._stats = {file: os.stat(file) for file in [self._path, *self._side_files()]}
        self._looked = time.monotonic()

    def _side_files(self):
        return [Path(f"{self._path}{suffix}") for suffix in ("-wal", "-shm")]

    def find_loss(self):
        """Return what has happened to the file.

        Returns
        -------
        Loss or None
            None if the file is still that of the store.
        """
        for file, before in self._stats.items():
            try:
                now = os.stat(file)
            except FileNotFoundError:
                return Loss(f"{file.name!r} was deleted", is_readable=True)
            if not os.path.samestat(now, before):
                return Loss(f"{file.name!r} was replaced by another file", is_readable=True)
            if now.st_size < before.st_size:
                return Loss(f"{file.name!r} was cut or overwritten", is_readable=False)
            self._stats[file] = now
        if time.monotonic() - self._looked > _INTERVAL:
            self._looked = time.monotonic()
            if self._has_other_content():
                return Loss(f"{self._path.name!r} was overwritten", is_readable=False)
        return None

    def _has_other_content(self):
        # The open connection may still have the old content in its memory.
        try:
            with closing(connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as db, bounded(db):
                return _read_id(db) != self._id
        except sqlite3.Error as error:
            # Other errors, such as too many open files, say nothing about the content.
            return error.sqlite_errorname.startswith(_CODES_OF_LOSS)

    def save_copy(self):
        """Write the content of the lost file to a new store.

        What is left of the old side files is removed, since SQLite would take it for that of the
        file which has taken the place of the store.

        Returns
        -------
        Path or None
            The new store; None if it could not be written.
        """
        path = new_path_beside(self._path)
        try:
            create_file(path)
            self._db.execute("vacuum into ?", (str(path),))
        except (sqlite3.Error, StoreError):
            path.unlink(missing_ok=True)
            path = None
        if not self._is_own(self._path):
            for file in self._side_files():
                if self._is_own(file):
                    file.unlink()
        return path

    def _is_own(self, file):
        """Return whether a file exists and is that of the store."""
        try:
            return os.path.samestat(os.stat(file), self._stats[file])
        except FileNotFoundError:
            return False


def new_path_beside(path):
    """Return a path for a new store in the folder of another one, if that still exists."""
    folder = path.parent if path.parent.is_dir() else Path(tempfile.gettempdir())
    return folder / f"{path.stem}-kept-{uuid.uuid4().hex[:8]}{path.suffix}"


def _read_id(db):
    row = db.execute("select id from identity").fetchone()
    return None if row is None else row[0]
