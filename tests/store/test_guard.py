import os
import sqlite3
from contextlib import closing

import pytest

from dars_sklearn.store import Store
from dars_sklearn.store import _guard as guard_module
from dars_sklearn.store._connection import open_for_writing
from dars_sklearn.store._guard import FileGuard, new_path_beside


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


@pytest.fixture
def guard(path, monkeypatch):
    monkeypatch.setattr(guard_module, "_INTERVAL", -1.0)  # look at the content every time
    with closing(open_for_writing(path)) as db:
        yield FileGuard(db, path)


def test_a_store_that_grows_is_not_lost(path, guard):
    for number in range(5):
        with Store(path) as store, store.transaction():
            keys = [bytes([number, n]) for n in range(100)]
            backend = store.register_backend("m", {}).id
            store.register_requests(backend, keys, ["x" * 1000] * 100)
        assert guard.find_loss() is None
    with sqlite3.connect(path) as db:
        db.execute("pragma wal_checkpoint")
    assert guard.find_loss() is None


def test_a_store_is_watched_where_it_was_opened_even_if_the_working_folder_changes(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with Store("outcomes.sqlite") as store:
        monkeypatch.chdir("/")
        with store.transaction():
            store.register_backend("m", {})


def test_the_content_is_looked_at_four_times_a_second(path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(guard_module.time, "monotonic", lambda: now)
    with closing(open_for_writing(path)) as db:
        guard = FileGuard(db, path)
        db.execute("update identity set id = 'another'")
        assert guard.find_loss() is None
        now += 0.26
        assert guard.find_loss() == ("'outcomes.sqlite' was overwritten", False)


def test_a_database_without_the_table_is_another_one(guard):
    guard._db.execute("drop table identity")
    assert guard.find_loss() == ("'outcomes.sqlite' was overwritten", False)


def test_errors_that_say_nothing_about_the_content_are_no_loss(guard, monkeypatch):
    def fail(*arguments, **options):
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorname = "SQLITE_CANTOPEN"
        raise error

    monkeypatch.setattr(guard_module, "connect", fail)
    assert guard.find_loss() is None


def test_a_copy_that_cannot_be_written_is_none(guard, monkeypatch, path):
    path.unlink()
    assert guard.find_loss() == ("'outcomes.sqlite' was deleted", True)
    monkeypatch.setattr(guard_module, "new_path_beside", lambda path: path / "no folder")
    assert guard.save_copy() is None
    assert list(path.parent.iterdir()) == []  # nothing is left that belongs to no store


def test_a_copy_is_for_its_owner_only(guard, path):
    path.unlink()
    copy = guard.save_copy()
    assert os.stat(copy).st_mode & 0o777 == 0o600
    assert copy.parent == path.parent


def test_a_new_store_is_placed_where_a_folder_exists(tmp_path):
    path = new_path_beside(tmp_path / "outcomes.sqlite")
    assert path.parent == tmp_path
    assert path.name.startswith("outcomes-kept-")
    assert path.suffix == ".sqlite"
    assert new_path_beside(tmp_path / "gone" / "outcomes.sqlite").parent.is_dir()


def test_the_error_of_a_lost_store_is_not_hidden_by_that_of_closing_it(path):
    with pytest.raises(ZeroDivisionError), Store(path):
        raise ZeroDivisionError(path.unlink())
