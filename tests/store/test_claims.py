import sqlite3

import pytest

from dars_sklearn.store import Store
from dars_sklearn.store import _claims as claims_module
from dars_sklearn.store._claims import CLAIM_SECONDS


@pytest.fixture
def path(tmp_path):
    """A store with three requests."""
    path = tmp_path / "outcomes.sqlite"
    with Store(path) as store, store.transaction():
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1", b"2", b"3"], ["one", "two", "three"])
    return path


def claims_in(path):
    with sqlite3.connect(path) as db:
        return dict(db.execute("select request, owner from claims"))


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


def test_all_claims_of_a_dead_owner_are_freed_at_once(path):
    with sqlite3.connect(path) as db:
        db.executemany("insert into claims values (?, 'not registered')", [(1,), (2,)])
    with Store(path) as store, store.transaction():
        assert store.claims.claim(1)
        rows = store._db.execute("select request, owner from claims").fetchall()
        assert rows == [(1, store.claims.owner)]


def test_the_heartbeat_increases_every_quarter_of_the_validity_of_a_claim(path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(claims_module.time, "monotonic", lambda: now)
    with Store(path) as store:

        def renew():
            store.claims.renew()
            return store._db.execute("select heartbeat from owners").fetchall()

        assert renew() == [(1,)]
        assert renew() == [(1,)]
        now += CLAIM_SECONDS / 4
        assert renew() == [(1,)]
        now += 0.001
        assert renew() == [(2,)]
        assert renew() == [(2,)]
