import sqlite3
import stat
import subprocess
import threading
from contextlib import closing

import numpy as np
import pytest

from dars_sklearn import OutcomeCollector
from dars_sklearn.grade import Contains
from dars_sklearn.store import Store, StoreError, _connection, read_responses, read_store
from dars_sklearn.store._connection import open_for_writing, transaction
from dars_sklearn.store._errors import explain_errors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


def fill_store(path):
    with Store(path) as store, store.transaction():
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [bytes([n]) for n in range(200)], ["x" * 1000] * 200)


def open_and_close(path):
    with Store(path):
        pass


def test_only_the_owner_of_a_store_can_read_it(path):
    with Store(path) as store:
        store.register_backend("m", {})
        files = list(path.parent.iterdir())
        assert len(files) == 3  # SQLite has created its side files
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3


def test_a_store_can_be_opened_again(path):
    fill_store(path)
    with Store(path) as store:
        assert store.register_backend("m", {}).id == 1


def test_every_commit_is_on_the_disk(path):
    with Store(path) as store:
        assert store._db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert store._db.execute("pragma synchronous").fetchone() == (2,)  # full


def test_a_store_is_recognised_by_its_application_id(path):
    fill_store(path)
    with sqlite3.connect(path) as db:
        # Existing stores have this id, the bytes of "DARS".
        assert db.execute("pragma application_id").fetchone() == (0x44415253,)
        assert db.execute("pragma user_version").fetchone() == (3,)


def test_two_stores_in_memory_are_independent():
    with Store(None) as first, Store(None) as second:
        assert first.register_backend("a", {}).id == 1
        assert second.register_backend("b", {}).id == 1


@pytest.mark.parametrize("use", [open_and_close, read_store, read_responses])
def test_a_file_that_is_not_an_sqlite_file_is_named(path, use):
    path.write_text("query,score\n" * 100)
    with pytest.raises(StoreError, match="outcomes.sqlite' cannot be used: it is not an SQLite"):
        use(path)


@pytest.mark.parametrize("use", [open_and_close, read_store, read_responses])
def test_another_sqlite_file_is_named_and_left_unchanged(path, use):
    with sqlite3.connect(path) as db:
        db.execute("create table other (x)")
    content = path.read_bytes()
    with pytest.raises(StoreError, match="is an SQLite file, but not a store of dars_sklearn"):
        use(path)
    assert path.read_bytes() == content


def test_a_folder_is_named(path):
    path.mkdir()
    with pytest.raises(StoreError, match="outcomes.sqlite' is a folder"):
        Store(path)
    with pytest.raises(StoreError, match="there is no store at"):
        read_store(path)


def test_a_file_that_does_not_exist_is_named(path):
    with pytest.raises(StoreError, match="there is no store at '.*outcomes.sqlite'"):
        read_store(path)


def test_a_folder_that_does_not_exist_is_named(path):
    with pytest.raises(StoreError, match="No such file or directory"):
        Store(path / "outcomes.sqlite")


@pytest.mark.parametrize("use", [open_and_close, read_store])
def test_a_store_of_another_schema_version_is_named(path, use):
    fill_store(path)
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(
        StoreError, match="schema version 99, but this release .* reads versions up to 3"
    ):
        use(path)


def test_an_empty_file_becomes_a_store_but_is_not_one_yet(path):
    path.touch()
    with pytest.raises(StoreError, match="not a store of dars_sklearn"):
        read_store(path)
    fill_store(path)
    with pytest.raises(StoreError, match="contains no collection yet"):
        read_store(path)


def test_a_truncated_store_is_named(path):
    fill_store(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(StoreError, match="damaged or truncated"):
        fill_store(path)


def test_a_store_that_another_process_created_meanwhile_is_used(path, monkeypatch):
    is_empty, calls = _connection.is_empty, []

    def create_meanwhile(db):
        calls.append(db)
        if len(calls) == 1:
            fill_store_directly(path)
            return True
        return is_empty(db)

    def fill_store_directly(path):
        monkeypatch.setattr(_connection, "is_empty", is_empty)
        fill_store(path)
        monkeypatch.setattr(_connection, "is_empty", create_meanwhile)

    monkeypatch.setattr(_connection, "is_empty", create_meanwhile)
    with Store(path) as store:
        assert store.register_backend("m", {}).id == 1
        assert store.register_backend("other", {}).id == 2
    assert len(calls) == 2


def test_other_processes_that_open_a_new_store_are_waited_for(path):
    fill_store(path)
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("pragma journal_mode = delete")
        other.execute("begin")
        other.execute("select * from backends").fetchall()
        end = threading.Timer(0.2, other.rollback)
        end.start()
        with Store(path) as store:
            assert store._db.execute("pragma journal_mode").fetchone() == ("wal",)
        end.join()


def test_a_store_that_stays_locked_is_named(path, monkeypatch):
    monkeypatch.setattr(_connection, "BUSY_TIMEOUT", 0.1)
    fill_store(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma journal_mode = delete")
        other.execute("begin")
        other.execute("select * from backends").fetchall()
        with pytest.raises(StoreError, match="another process has kept it locked"):
            Store(path)


def test_a_transaction_writes_everything_or_nothing(path):
    def register_and_fail(store):
        with store.transaction():
            store.register_backend("lost", {})
            raise KeyboardInterrupt

    with Store(path) as store:
        with pytest.raises(KeyboardInterrupt):
            register_and_fail(store)
        with store.transaction():
            store.register_backend("kept", {})
        assert store._db.execute("select model from backends").fetchall() == [("kept",)]


def test_a_transaction_that_an_interrupt_has_left_open_is_ended(path):
    with Store(path) as store, store.transaction():
        store.claims.renew()
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1"], ["one"])
        assert store.claims.claim(1)
    with Store(path) as store:
        with store.transaction():
            store.claims.renew()
            assert store.claims.claim(1)
        store._db.execute("begin immediate")  # the interrupt came here
        store.register_backend("lost", {})
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from claims").fetchone() == (0,)
        assert db.execute("select model from backends").fetchall() == [("m",)]


def test_a_transaction_that_cannot_be_committed_is_rolled_back():
    db = open_for_writing(None)
    db.execute("pragma foreign_keys = on")
    db.execute("create table a (id integer primary key)")
    db.execute("create table b (a references a deferrable initially deferred)")
    with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"), transaction(db, None):
        db.execute("insert into b values (1)")
    assert not db.in_transaction
    assert db.execute("select count(*) from b").fetchone() == (0,)
    db.close()


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("SQLITE_FULL", "its disk is full; free some space and collect again"),
        ("SQLITE_READONLY_DIRECTORY", "it is read-only; read_store can still read it"),
        ("SQLITE_CANTOPEN", "it or its folder is missing or read-only"),
        ("SQLITE_NOTADB", "it is not an SQLite file"),
        ("SQLITE_CORRUPT_INDEX", "it is damaged or truncated"),
        ("SQLITE_BUSY", "another process has kept it locked for a minute"),
        ("SQLITE_LOCKED", "another process has kept it locked for a minute"),
        ("SQLITE_MISUSE", "the original message"),
    ],
)
def test_errors_of_sqlite_are_explained(code, meaning):
    error = sqlite3.OperationalError("the original message")
    error.sqlite_errorname = code
    message = f"the store 'x' cannot be used: {meaning}"
    with pytest.raises(StoreError, match=message) as caught, explain_errors("x"):
        raise error
    assert caught.value.__cause__ is error


def test_errors_of_the_file_system_are_explained():
    message = "the store 'x' cannot be used: broken pipe"
    with pytest.raises(StoreError, match=message), explain_errors("x"):
        raise OSError("broken pipe")


def test_other_errors_are_raised_unchanged():
    with pytest.raises(ZeroDivisionError), explain_errors("x"):
        raise ZeroDivisionError


def mount_small_disk(tmp_path, options):
    folder = tmp_path / "mounted"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    return folder


def test_a_full_disk_is_an_error_that_keeps_the_collected_responses(tmp_path):
    folder = mount_small_disk(tmp_path, "size=1m")
    path = folder / "outcomes.sqlite"

    def write_much(prompts, *, n):
        return [[prompt * 1000 for _ in range(n)] for prompt in prompts]

    queries = [f"query {number}" for number in range(1000)]
    try:
        collector = OutcomeCollector({"m": write_much}, Contains(), 2, store=path)
        with pytest.raises(StoreError, match="its disk is full"):
            collector.collect(queries, queries)
        assert read_responses(path)["response"].notna().sum() > 10
        assert len(read_store(path).score) <= 1  # nothing was graded but the first response
        assert (read_store(path, grader=Contains()).counts()[:10] == 2).all()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_store_on_a_read_only_disk_can_be_read(tmp_path):
    folder = mount_small_disk(tmp_path, "size=10m")
    path = folder / "outcomes.sqlite"

    def parrot(prompts, *, n):
        return [[prompt] * n for prompt in prompts]

    try:
        collector = OutcomeCollector({"m": parrot}, Contains(), 2, store=path)
        outcomes = collector.collect(["red", "blue"], ["red", "x"])
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        np.testing.assert_array_equal(read_store(path).to_array(), outcomes.to_array())
        with pytest.raises(StoreError, match="read-only"):
            collector.collect(["green"], ["green"])
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
