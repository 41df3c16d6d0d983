import os
import platform
import sqlite3
import subprocess
import sys
import time

import pytest

from dars_sklearn.store import Store
from dars_sklearn.store import _claims as claims_module
from dars_sklearn.store._claims import CLAIM_SECONDS, process_exists


@pytest.fixture
def path(tmp_path):
    """A store with three requests."""
    path = tmp_path / "outcomes.sqlite"
    with Store(path) as store, store.transaction():
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1", b"2", b"3"], ["one", "two", "three"])
    return path


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def claims_in(path):
    with sqlite3.connect(path) as db:
        return dict(db.execute("select request, owner from claims"))


def insert_claim(path, request, owner, alive_for):
    with sqlite3.connect(path) as db:
        db.execute("insert into claims values (?, ?)", (request, owner))
        db.execute("insert or replace into owners values (?, ?)", (owner, time.time() + alive_for))


def test_a_request_can_be_claimed_by_one_owner_only(path):
    with Store(path) as first, Store(path) as second:
        with first.transaction():
            first.claims.renew()
            assert first.claims.claim(1)
            assert first.claims.claim(1)  # its own claim does not stand in the way
        with second.transaction():
            assert not second.claims.claim(1)
            assert second.claims.claim(2)
        assert claims_in(path) == {1: first.claims.owner, 2: second.claims.owner}


def test_a_released_request_can_be_claimed_by_another_owner(path):
    with Store(path) as first, Store(path) as second:
        with first.transaction():
            first.claims.renew()
            first.claims.claim(1)
            first.claims.claim(2)
            first.claims.release(1)
        with second.transaction():
            assert second.claims.claim(1)
            assert not second.claims.claim(2)


def test_closing_a_store_releases_its_claims_only(path):
    with Store(path) as first:
        with Store(path) as second:
            for store, request in [(first, 1), (second, 2)]:
                with store.transaction():
                    store.claims.renew()
                    store.claims.claim(request)
        assert claims_in(path) == {1: first.claims.owner}
        with sqlite3.connect(path) as db:
            assert db.execute("select owner from owners").fetchall() == [(first.claims.owner,)]


def test_claims_of_a_dead_process_are_taken_over_immediately(path, dead_pid):
    owner = f"{platform.node()}:{dead_pid}:1"
    insert_claim(path, 1, owner, alive_for=1000)
    insert_claim(path, 2, owner, alive_for=1000)
    with Store(path) as store, store.transaction():
        assert store.claims.claim(1)
        assert claims_in_transaction(store) == {1: store.claims.owner}  # all others are freed


def claims_in_transaction(store):
    return dict(store._db.execute("select request, owner from claims"))


def test_claims_of_another_host_are_taken_over_once_they_expire(path, dead_pid):
    insert_claim(path, 1, f"another-host:{dead_pid}:1", alive_for=1000)
    insert_claim(path, 2, f"another-host:{dead_pid}:2", alive_for=-1)
    with Store(path) as store, store.transaction():
        assert not store.claims.claim(1)
        assert store.claims.claim(2)


def test_claims_of_an_owner_that_is_not_registered_are_taken_over(path):
    with sqlite3.connect(path) as db:
        db.execute("insert into claims values (1, 'another-host:1:1')")
    with Store(path) as store, store.transaction():
        assert store.claims.claim(1)


def test_claims_of_a_live_process_of_this_host_expire(path):
    insert_claim(path, 1, f"{platform.node()}:{os.getpid()}:1", alive_for=-1)
    with Store(path) as store, store.transaction():
        assert store.claims.claim(1)


def test_an_owner_is_alive_for_a_minute_after_a_renewal(path):
    with Store(path) as store:
        before = time.time()
        with store.transaction():
            store.claims.renew()
            query = "select alive_until from owners where owner = ?"
            row = store._db.execute(query, (store.claims.owner,)).fetchone()
        assert before + CLAIM_SECONDS <= row[0] <= time.time() + CLAIM_SECONDS


def test_claims_are_renewed_every_quarter_of_their_validity(path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(claims_module.time, "monotonic", lambda: now)
    with Store(path) as store:

        def is_renewed():
            store._db.execute("delete from owners")
            store.claims.renew()
            return store._db.execute("select count(*) from owners").fetchone() == (1,)

        assert is_renewed()
        assert not is_renewed()
        now += CLAIM_SECONDS / 4
        assert not is_renewed()
        now += 0.001
        assert is_renewed()
        assert not is_renewed()


def test_processes_exist_until_they_end(dead_pid):
    assert process_exists(os.getpid())
    assert not process_exists(dead_pid)


def test_a_process_of_another_user_exists(monkeypatch):
    def kill(pid, signal):
        assert signal == 0
        raise PermissionError

    monkeypatch.setattr(claims_module.os, "kill", kill)
    assert process_exists(1)


def test_on_windows_every_process_is_assumed_to_exist(monkeypatch, dead_pid):
    monkeypatch.setattr(claims_module.os, "name", "nt")
    assert process_exists(dead_pid)
