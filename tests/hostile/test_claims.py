"""Issue 13, item 20: no request is paid twice, and none is left to an owner that has died."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from servers import FakeServer
from store_processes import collect_from_server, collect_slowly, start_processes, wait_for

from dars_sklearn.store import Store
from dars_sklearn.store import _claims as claims_module
from dars_sklearn.store._claims import CLAIM_SECONDS, Claims, describe_process, has_ended

TESTS = Path(__file__).parents[1]
N_QUERIES = 60


@pytest.fixture
def path(tmp_path):
    """A store with three requests."""
    path = tmp_path / "outcomes.sqlite"
    with Store(path) as store, store.transaction():
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1", b"2", b"3"], ["one", "two", "three"])
    return path


def claim(store, request=1):
    with store.transaction():
        store.claims.renew()
        return store.claims.claim(request)


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(claims_module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


# ---- owners --------------------------------------------------------------------


def start_in_container(path, log, n_earlier):
    """Collect in a namespace of process ids of its own, under the same host name.

    As many other processes have run there before, so the two processes differ in their ids.
    """
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from store_processes import collect_slowly; "
        f"collect_slowly(sys.argv[2], sys.argv[3], {N_QUERIES})"
    )
    script = f'for i in $(seq {n_earlier}); do true & done; wait; "$@"; exit $?'
    container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script]
    arguments = [sys.executable, "-c", code, str(TESTS), str(path), str(log)]
    return subprocess.Popen([*container, "sh", *arguments])


def test_two_containers_of_one_host_name_ask_nothing_twice(tmp_path):
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("namespaces of process ids are not permitted here")
    path, log = tmp_path / "outcomes.sqlite", tmp_path / "log"
    containers = [start_in_container(path, log, n_earlier) for n_earlier in (10, 40)]
    assert [container.wait(120) for container in containers] == [0, 0]
    counts = Counter(log.read_text().splitlines())
    assert len(counts) == counts.total() == N_QUERIES


def test_owners_are_unique_even_in_one_process(path):
    with Store(path) as first, Store(path) as second:
        assert first.claims.owner != second.claims.owner
        assert claim(first)
        assert not claim(second)


def test_release_frees_only_the_claims_of_the_owner_itself(path):
    with Store(path) as first, Store(path) as second:
        assert claim(first)
        with second.transaction():
            second.claims.release(1)
        assert not claim(second)
        with first.transaction():
            first.claims.release(1)
        assert claim(second)


def test_an_owner_that_was_taken_for_dead_does_not_free_the_claims_of_its_successor(path, clock):
    with Store(path) as first, Store(path) as second:
        assert claim(first)
        assert not claim(second)
        clock.now += CLAIM_SECONDS + 1  # as if the first process had been suspended
        assert claim(second)
        with first.transaction():
            first.claims.release(1)
            assert not first.claims.claim(1)
            # It is registered again, so that nobody takes its new claims for abandoned ones.
            first.claims.renew()
            assert first.claims.claim(2)
        assert not claim(second, request=2)


# ---- clocks --------------------------------------------------------------------


def test_two_processes_whose_clocks_differ_by_ten_minutes_ask_nothing_twice(tmp_path):
    with FakeServer(latency=0.02) as server:
        with start_processes(
            collect_from_server,
            [{"clock_offset": 0.0}, {"clock_offset": 600.0}, {"clock_offset": -600.0}],
            path=str(tmp_path / "outcomes.sqlite"),
            base_url=server.base_url,
            n_queries=N_QUERIES,
        ) as processes:
            assert wait_for(processes) == [0, 0, 0]
        assert server.prompts.total() == len(server.prompts) == N_QUERIES


@pytest.mark.parametrize("heartbeat", [0, 2**62])
def test_a_claim_of_an_unknown_machine_expires_whatever_its_clock(path, clock, heartbeat):
    with sqlite3.connect(path) as db:
        db.execute("insert into owners values ('elsewhere', null, ?)", (heartbeat,))
        db.execute("insert into claims values (1, 'elsewhere')")
    with Store(path) as store:
        assert not claim(store)
        clock.now += CLAIM_SECONDS
        assert not claim(store)
        clock.now += 0.001
        assert claim(store)


def test_a_claim_lasts_as_long_as_the_heartbeat_of_its_owner_changes(path, clock):
    with Store(path) as first, Store(path) as second:
        for _ in range(10):
            assert claim(first)
            assert not claim(second)
            clock.now += CLAIM_SECONDS * 0.9
        clock.now += CLAIM_SECONDS
        assert claim(second)


# ---- processes -----------------------------------------------------------------


def test_claims_of_a_killed_process_are_taken_over_at_once(tmp_path):
    path, log = tmp_path / "outcomes.sqlite", tmp_path / "log"
    with start_processes(
        collect_slowly, [{}], path=str(path), log=str(log), n_queries=1000
    ) as processes:
        while not log.exists():
            time.sleep(0.01)
    start = time.monotonic()
    collect_slowly(path, tmp_path / "log_of_successor", 20)
    assert time.monotonic() - start < CLAIM_SECONDS / 2
    assert processes[0].exitcode == -signal.SIGKILL


def test_a_process_that_has_ended_but_was_not_waited_for_has_ended():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    description = describe_process(str(process.pid))
    if description is None:
        pytest.skip("this system does not show its processes in /proc")
    assert not has_ended(description)
    process.stdin.close()
    while not has_ended(description):
        time.sleep(0.01)
    process.wait()
    assert has_ended(description)


def test_a_process_is_told_from_an_earlier_one_of_the_same_id_and_from_those_elsewhere():
    own = describe_process()
    if own is None:
        pytest.skip("this system does not show its processes in /proc")
    boot, namespace, pid, start = own.split(" ")
    assert pid == str(os.getpid())
    assert not has_ended(own)
    assert has_ended(f"{boot} {namespace} {pid} {int(start) + 1}")
    assert has_ended(f"{boot} {namespace} {2**31 - 1} {start}")
    assert has_ended(f"{boot} {namespace} {10**30} {start}")
    # Nothing is known about these, so only their heartbeats count.
    assert not has_ended(f"another-boot {namespace} {2**31 - 1} {start}")
    assert not has_ended(f"{boot} pid:[1] {2**31 - 1} {start}")
    assert not has_ended(None)


@pytest.mark.parametrize("text", ["", "x", "a b c d e", "../../etc x y z"])
def test_a_description_that_was_tampered_with_is_of_an_unknown_process(text):
    assert not has_ended(text)
    boot, namespace, *_ = (describe_process() or "a b c d").split(" ")
    assert not has_ended(f"{boot} {namespace} ../1 5")


def test_where_processes_cannot_be_described_the_heartbeat_decides(path, clock, monkeypatch):
    monkeypatch.setattr(claims_module.os, "getpid", lambda: 1)  # /proc shows another namespace
    assert describe_process() is None
    with Store(path) as first, Store(path) as second:
        assert claim(first)
        assert not claim(second)
        clock.now += CLAIM_SECONDS + 1
        assert claim(second)


def test_processes_of_other_users_may_be_hidden(monkeypatch):
    own = describe_process()
    if own is None:
        pytest.skip("this system does not show its processes in /proc")

    def refuse(pid, signal):
        assert signal == 0
        raise PermissionError

    monkeypatch.setattr(claims_module.os, "kill", refuse)
    place = " ".join(own.split(" ")[:2])
    assert not has_ended(f"{place} {2**31 - 1} 1")


def test_claims_of_others_are_found(path):
    with Store(path) as first, Store(path) as second:
        assert claim(first, 1)
        assert claim(second, 2)
        with sqlite3.connect(path) as db:  # its owner is not registered any more
            db.execute("insert into claims values (3, 'gone')")
        assert first.claims.find_claimed_elsewhere() == {2}
        assert second.claims.find_claimed_elsewhere() == {1}
        assert Claims(first._db).find_claimed_elsewhere() == {1, 2}
