import asyncio
import multiprocessing
import os
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import collect_in_subprocess
import numpy as np
import pytest
from collect_in_subprocess import CONCURRENCY, N_QUERIES, N_SAMPLES
from fake_backends import CountingBackend, PricedBackend, echo
from servers import FakeServer, prompt_of

from dars_sklearn import OutcomeCollector
from dars_sklearn.collect import _sampler
from dars_sklearn.collect._plan import plan_requests, request_seed
from dars_sklearn.collect._sampler import Sampler
from dars_sklearn.generate import BackendError, Response
from dars_sklearn.grade import Contains
from dars_sklearn.store import Store, StoreError, _claims, read_responses, read_store

TESTS = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


@pytest.fixture
def store():
    with Store(None) as store:
        yield store


class FakeProgress:
    """A progress bar that is not shown."""

    def __init__(self):
        self.n, self.postfix = 0, {}

    def update(self, n):
        self.n += n

    def set_postfix(self, refresh, **values):
        self.postfix = values


def sample(store, models, prompts, n_samples=1, **parameters):
    """Plan and request samples; return the plan and the summary."""
    plan = plan_requests(store, models, prompts, n_samples, base_seed=0)
    return plan, Sampler(store, models, plan, FakeProgress(), **parameters).run()


def wait_until(condition, seconds=20):
    """Wait for a condition, and fail if it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# ---- requesting and storing ----------------------------------------------------


def test_all_missing_samples_are_requested_and_stored(store):
    models = {"a": CountingBackend(), "b": CountingBackend()}
    plan, summary = sample(store, models, ["x", "y"], n_samples=3)
    for name, backend in models.items():
        assert backend.requested == {"x": 3, "y": 3}
        assert len(store.texts(plan.ids[name]["x"]).texts) == 3
    assert summary.n_unaffordable == 0
    sample(store, models, ["x", "y"], n_samples=3)
    assert models["a"].requested.total() == 6


def test_a_prompt_stays_claimed_until_all_of_its_gaps_are_filled(path):
    second_may_end = threading.Event()
    n_calls = 0

    class Backend(CountingBackend):
        concurrency = 2

        def __call__(self, prompts, *, n, seeds):
            nonlocal n_calls
            n_calls += 1
            if n_calls == 2:
                second_may_end.wait(20)
            return super().__call__(prompts, n=n, seeds=seeds)

    models = {"a": Backend()}
    claims, owners = [], []

    def look_at_claims(request, response):
        with sqlite3.connect(path) as db:
            claims.extend(db.execute("select owner from claims"))
            owners.extend(db.execute("select owner from owners"))
        second_may_end.set()

    with Store(path) as store:
        plan = plan_requests(store, models, ["x"], 3, base_seed=0)
        id = plan.ids["a"]["x"]
        store.put_responses(id, 1, [Response("stored")])
        sample(store, models, ["x"], n_samples=3, on_first=look_at_claims)
        assert store.texts(id).texts[1] == "stored"
        assert len(store.texts(id).texts) == 3
        assert store._db.execute("select count(*) from claims").fetchone() == (0,)
        assert claims == owners == [(store.claims.owner,)]
    assert models["a"].requested == {"x": 2}


def test_nothing_is_requested_twice_of_a_backend_that_has_no_missing_samples(store):
    class Unreachable:
        def __call__(self, prompts, *, n):
            raise AssertionError

        def check(self):
            raise AssertionError

    unreachable = Unreachable()
    plan = plan_requests(store, {"a": unreachable}, ["x"], 1, base_seed=0)
    store.put_responses(plan.ids["a"]["x"], 0, [Response("stored")])
    _, summary = sample(store, {"a": unreachable}, ["x"])
    assert summary.spent == 0


def test_progress_cost_and_failures_are_shown(store):
    class Flaky(PricedBackend):
        def __call__(self, prompts, *, n):
            if prompts == ["b"]:
                raise RuntimeError("out of order")
            return super().__call__(prompts, n=n)

    models = {"m": Flaky()}
    plan, progress = plan_requests(store, models, list("abc"), 2, 0), FakeProgress()
    Sampler(store, models, plan, progress).run()
    assert progress.n == 6
    # The price of the failed request is not known, so it counts with the highest, 6.
    assert progress.postfix == {"cost": "14", "failed": 1}


def test_the_first_response_is_reported_once(store):
    reported = []
    sample(store, {"a": echo}, ["x", "y"], 2, on_first=lambda *pair: reported.append(pair))
    ((request, response),) = reported
    assert request.prompt == response.text


def test_a_failed_request_is_not_reported_as_the_first_response(store):
    def picky(prompts, *, n):
        if prompts == ["bad"]:
            raise RuntimeError("out of order")
        return echo(prompts, n=n)

    reported = []
    sample(store, {"a": picky}, ["bad", "x"], on_first=lambda *pair: reported.append(pair))
    assert [request.prompt for request, _ in reported] == ["x"]


def test_responses_that_arrived_are_stored_if_the_first_one_is_refused(store):
    class Concurrent(CountingBackend):
        concurrency = 4

    def refuse(request, response):
        time.sleep(0.3)  # the other responses arrive meanwhile
        raise ZeroDivisionError

    backend = Concurrent()
    with pytest.raises(ZeroDivisionError):
        sample(store, {"a": backend}, list("wxyz"), on_first=refuse)
    plan = plan_requests(store, {"a": backend}, list("wxyz"), 1, base_seed=0)
    assert plan.n_stored == backend.requested.total() == 4


def test_every_response_is_stored_soon_after_it_arrived(path):
    release = threading.Event()

    def wait_for_last(prompts, *, n):
        if prompts == ["last"]:
            release.wait(20)
        return echo(prompts, n=n)

    collector = OutcomeCollector({"m": wait_for_last}, Contains(), 3, store=path)
    queries = ["a", "b", "c", "last"]
    thread = threading.Thread(target=collector.collect, args=(queries, queries))
    thread.start()
    try:
        wait_until(lambda: prompts_in(path) == {"a", "b", "c"}, seconds=10)
    finally:
        release.set()
        thread.join()
    assert prompts_in(path) == set(queries)


# ---- failures ------------------------------------------------------------------


def fail_after(n_successes):
    """A backend that fails after a number of successes, and counts its calls."""
    calls = Counter()

    def backend(prompts, *, n):
        calls.update(prompts)
        if calls.total() > n_successes:
            raise RuntimeError("died")
        return [["x"] * n for _ in prompts]

    return backend, calls


def test_too_many_failures_are_an_error_that_keeps_all_responses(path):
    backend, calls = fail_after(5)
    with Store(path) as store, pytest.raises(BackendError) as caught:
        sample(store, {"m": backend}, list(map(str, range(1000))), 2, max_failure_rate=0.2)
    assert str(caught.value) == (
        "15 of 20 requests failed, more than max_failure_rate=0.2 allows: model 'm': "
        "RuntimeError: died (15 times); the responses that arrived are kept in the store, "
        "if there is one"
    )
    assert calls.total() < 25  # it is noticed early
    assert len(prompts_in(path)) == 5


def test_few_requests_are_judged_at_the_end_only(store):
    backend, calls = fail_after(5)
    with pytest.raises(BackendError, match="14 of 19 requests failed"):
        sample(store, {"m": backend}, list(map(str, range(19))), max_failure_rate=0.5)
    assert calls.total() == 19


def test_the_maximum_failure_rate_is_allowed(store):
    backend, _ = fail_after(5)
    sample(store, {"m": backend}, list(map(str, range(10))), max_failure_rate=0.5)
    backend, _ = fail_after(4)
    with pytest.raises(BackendError, match="6 of 10 requests failed"):
        sample(store, {"other": backend}, list(map(str, range(10))), max_failure_rate=0.5)


def test_without_a_limit_all_requests_may_fail(store):
    backend, _ = fail_after(0)
    plan, _ = sample(store, {"m": backend}, list(map(str, range(30))))
    assert store.texts(plan.ids["m"]["3"]) == ([], "RuntimeError: died")


def test_a_backend_that_violates_the_protocol_fails_with_its_first_request(store):
    calls = Counter()

    def wrong(prompts, *, n):
        calls.update(prompts)
        return []

    with pytest.raises(BackendError, match="all requests failed.* 0 entries for 1 prompts"):
        sample(store, {"m": wrong}, list("abc"), max_failure_rate=0.5)
    assert calls.total() <= 2


def test_a_later_violation_of_the_protocol_is_one_failure_of_many(store):
    def wrong_for_b(prompts, *, n):
        return [] if prompts == ["b"] else echo(prompts, n=n)

    plan, _ = sample(store, {"m": wrong_for_b}, list("abc"), max_failure_rate=0.5)
    assert "0 entries for 1 prompts" in store.texts(plan.ids["m"]["b"]).error


def test_a_failed_request_is_sent_again_on_the_next_run(store):
    class Flaky(CountingBackend):
        is_broken = True

        def __call__(self, prompts, *, n, seeds):
            if self.is_broken:
                raise RuntimeError("out of order")
            return super().__call__(prompts, n=n, seeds=seeds)

    backend = Flaky()
    plan, _ = sample(store, {"m": backend}, ["x"])
    assert store.texts(plan.ids["m"]["x"]).error == "RuntimeError: out of order"
    backend.is_broken = False
    sample(store, {"m": backend}, ["x"])
    assert len(store.texts(plan.ids["m"]["x"]).texts) == 1
    assert store.texts(plan.ids["m"]["x"]).error is None


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_backend_that_exits_stops_the_run_and_keeps_what_arrived(store, error):
    def exits(prompts, *, n):
        if prompts == ["b"]:
            raise error
        return echo(prompts, n=n)

    with pytest.raises(type(error)) as caught:
        sample(store, {"m": exits}, list("abc"))
    assert caught.value is error
    plan = plan_requests(store, {"m": exits}, list("abc"), 1, base_seed=0)
    assert store.texts(plan.ids["m"]["a"]).texts == ["a"]
    assert [request.prompt for request in plan.missing["m"]] == ["b", "c"]


def test_answers_that_are_not_stored_yet_take_up_room(store):
    class Backend(CountingBackend):
        concurrency = 2

    plan = plan_requests(store, {"m": Backend()}, list("abc"), 1, base_seed=0)
    sampler = Sampler(store, {"m": Backend()}, plan, FakeProgress())

    class Idle:
        """A worker without any call in progress, as when all answers have just arrived."""

        capacity = 2

        def has_room(self, batch, request):
            return True

    with store.transaction():
        first = sampler._take_batch("m", Idle())
        assert [request.prompt for request in first] == ["a", "b"]
        assert sampler._take_batch("m", Idle()) == []


def test_a_backend_is_checked_before_the_first_request(store):
    class Unreachable(CountingBackend):
        def check(self):
            raise BackendError("no server answers")

    backends = {"a": CountingBackend(), "b": Unreachable()}
    with pytest.raises(BackendError, match="model 'b': no server answers"):
        sample(store, backends, ["x"])
    assert backends["a"].requested.total() == 0


def test_the_check_of_a_backend_may_be_a_coroutine(store):
    class Unreachable(CountingBackend):
        async def check(self):
            raise BackendError("no server answers")

    with pytest.raises(BackendError, match="model 'b': no server answers"):
        sample(store, {"b": Unreachable()}, ["x"])


@pytest.mark.parametrize("spent", ["x", None, -1.0, float("inf")])
def test_what_an_exception_says_about_its_cost_may_be_anything(store, spent):
    class Odd(Exception):
        pass

    Odd.spent = spent

    def fail(prompts, *, n):
        raise Odd

    _, summary = sample(store, {"m": fail}, ["x"])
    assert summary[:3] == (0.0, 1, 0)


# ---- limits of cost ------------------------------------------------------------


@pytest.mark.parametrize(("max_cost", "n_requests"), [(2.9, 0), (3, 1), (5, 2), (10, 4), (11, 5)])
def test_requests_are_sent_as_long_as_their_maximum_cost_fits(store, max_cost, n_requests):
    backend = PricedBackend()  # a request costs 2, but at most 3
    _, summary = sample(store, {"m": backend}, list("abcde"), max_cost=max_cost)
    assert backend.requested.total() == n_requests
    assert summary[:3] == (2.0 * n_requests, n_requests, 5 - n_requests)


def test_stored_samples_count_towards_the_limit(store):
    backend = PricedBackend()
    sample(store, {"m": backend}, list("ab"))
    _, summary = sample(store, {"m": backend}, list("abcde"), max_cost=7)
    assert backend.requested.total() == 3
    assert (summary.spent, summary.n_unaffordable) == (6, 2)


def test_requests_whose_price_is_unknown_cost_their_maximum(store):
    backend = PricedBackend(unknown_cost=True)
    _, summary = sample(store, {"m": backend}, list("abcde"), max_cost=7)
    assert (summary.spent, summary.n_unaffordable) == (6, 3)


def test_a_cheaper_model_continues_when_another_is_no_longer_affordable(store):
    class Cheap(PricedBackend):
        def __call__(self, prompts, *, n):
            self.requested.update(dict.fromkeys(prompts, n))
            return [[Response(prompt, spent=0.5)] * n for prompt in prompts]

        def highest_price(self, prompt, n):
            return 0.5 * n

    models = {"cheap": Cheap(), "expensive": PricedBackend()}
    _, summary = sample(store, models, list("abcde"), max_cost=5)
    assert models["cheap"].requested.total() == 5
    assert models["expensive"].requested.total() == 1
    assert (summary.spent, summary.n_unaffordable) == (4.5, 4)


# ---- several processes ---------------------------------------------------------


def prompts_in(path):
    """Return the prompts that have a response in a store, which may not exist yet."""
    if not path.exists():
        return set()
    with sqlite3.connect(path) as db:
        try:
            rows = db.execute("select prompt from samples join requests on request = requests.id")
        except sqlite3.OperationalError:  # killed before the tables were created
            return set()
        return {prompt for (prompt,) in rows}


def test_two_processes_share_a_store_and_divide_the_requests(path):
    with FakeServer(latency=0.01) as server:
        context = multiprocessing.get_context("spawn")
        target = collect_in_subprocess.collect_all
        processes = [context.Process(target=target, args=(path, server.base_url)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert set(server.prompts.values()) == {N_SAMPLES}
    assert len(read_store(path).score) == N_QUERIES * N_SAMPLES


def test_requests_of_another_process_are_taken_over_once_its_claims_expire(path, monkeypatch):
    monkeypatch.setattr(_claims, "CLAIM_SECONDS", 1.5)
    queries = np.array([["red", "crimson"], ["blue", "azure"]], dtype=object)

    def collect(n_samples):
        collector = OutcomeCollector({"m": CountingBackend()}, Contains(), n_samples, store=path)
        return collector.collect(queries, ["red", "blue"])

    collect(n_samples=1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed = _claims.describe_process(str(process.pid))
    process.communicate(timeout=30)
    with sqlite3.connect(path) as db:
        claim = "insert into claims select id, ? from requests where prompt = ?"
        for owner, description, prompt in (("a", killed, "red"), ("b", "elsewhere", "blue")):
            db.execute("insert into owners values (?, ?, 1)", (owner, description))
            db.execute(claim, (owner, prompt))
    start = time.monotonic()
    assert (collect(n_samples=3).counts() == 6).all()
    assert time.monotonic() - start > 1.5  # the claims of a process that cannot be seen


def test_samples_that_another_process_stored_meanwhile_are_not_requested(path):
    backend = CountingBackend()
    with Store(path) as store, Store(path) as other:
        plan = plan_requests(store, {"m": backend}, ["x", "y"], 2, base_seed=0)
        other.put_responses(plan.ids["m"]["x"], 0, [Response("a"), Response("b")])
        progress = FakeProgress()
        Sampler(store, {"m": backend}, plan, progress).run()
        assert progress.n == 4
        assert store.texts(plan.ids["m"]["x"]).texts == ["a", "b"]
        with other.transaction():
            assert other.claims.claim(plan.ids["m"]["x"])
    assert backend.requested == {"y": 2}


def test_of_a_request_that_others_have_answered_in_part_only_the_rest_is_requested(path):
    backend = CountingBackend()
    with Store(path) as store, Store(path) as other:
        plan = plan_requests(store, {"m": backend}, ["x", "y"], 5, base_seed=0)
        id = plan.ids["m"]["x"]
        other.put_responses(id, 0, [Response("a")])
        other.put_responses(id, 3, [Response("b")])
        progress = FakeProgress()
        Sampler(store, {"m": backend}, plan, progress).run()
        assert progress.n == 10
        texts = store.texts(id).texts
        assert (texts[0], texts[3], len(texts)) == ("a", "b", 5)
        # Seeds depend on the gaps only, so they are those of a run that begins now.
        key = plan.missing["m"][0].key
        assert [text.split()[1] for text in texts[1:3] + texts[4:]] == [
            f"{request_seed(key, 1)}/0", f"{request_seed(key, 1)}/1", f"{request_seed(key, 4)}/0"
        ]  # fmt: skip
    assert backend.requested == {"x": 3, "y": 5}


def test_a_run_waits_for_requests_that_another_process_has_claimed(path, monkeypatch):
    backend, waits, sleep = CountingBackend(), [], time.sleep
    monkeypatch.setattr(
        _sampler.time, "sleep", lambda seconds: (waits.append(seconds), sleep(seconds))
    )
    with Store(path) as store, Store(path) as other:
        plan = plan_requests(store, {"m": backend}, ["x", "y"], 1, base_seed=0)
        with other.transaction():
            other.claims.renew()
            other.claims.claim(plan.ids["m"]["x"])
        other_process = threading.Timer(0.7, finish_elsewhere, (path, plan, other.claims.owner))
        other_process.start()
        Sampler(store, {"m": backend}, plan, FakeProgress()).run()
        other_process.join()
    assert backend.requested == {"y": 1}
    assert set(waits) == {0.5}


def finish_elsewhere(path, plan, owner):
    """Store the response to "x" and release its claim, as another process would."""
    with sqlite3.connect(path) as db:
        id = plan.ids["m"]["x"]
        db.execute("insert into samples (request, sample, response) values (?, 0, 'a')", (id,))
        db.execute("delete from claims where owner = ?", (owner,))


# ---- interruptions -------------------------------------------------------------


@pytest.mark.parametrize("n_kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_at_any_moment_loses_only_requests_in_flight(path, capsys, n_kills):
    rng = random.Random(0)
    script = TESTS / "collect_in_subprocess.py"
    n_lost = 0
    with FakeServer(latency=0.01) as server:
        forks = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(n_kills):
            stored, n_before = prompts_in(path), len(server.requests)
            print(path, server.base_url, file=forks.stdin, flush=True)
            pid = int(forks.stdout.readline())
            n_until, deadline = n_before + rng.randrange(40), time.monotonic() + 5
            while len(server.requests) <= n_until and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(rng.random() * 0.02)
            os.kill(pid, signal.SIGKILL)
            assert int(forks.stdout.readline()) == signal.SIGKILL
            time.sleep(0.03)  # requests in flight may still reach the server
            requested = Counter(map(prompt_of, server.requests[n_before:]))
            assert not requested.keys() & stored
            lost = requested.keys() - prompts_in(path)
            assert len(lost) <= 2 * CONCURRENCY
            n_lost += len(lost)
        assert len(prompts_in(path)) < N_QUERIES  # the last kill was during the collection
        print(path, server.base_url, file=forks.stdin, flush=True)
        forks.stdout.readline()
        assert int(forks.stdout.readline()) == 0
        forks.communicate()
        n_requests = len(server.requests)
    assert n_requests == N_QUERIES + n_lost
    assert (read_store(path).counts() == N_SAMPLES).all()
    assert not read_responses(path).duplicated(["query", "sample"]).any()
    with capsys.disabled():
        counts = f"{n_requests} requests for {N_QUERIES}, {n_lost} in flight at a kill"
        print(f"\n{n_kills} kills: {counts}")


def test_an_interrupt_stops_a_run_and_keeps_its_responses(path):
    with FakeServer(latency=0.05) as server:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import collect_in_subprocess; "
            "collect_in_subprocess.collect(*sys.argv[2:])"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(TESTS), str(path), server.base_url],
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: len(server.requests) >= 20 or process.poll() is not None, seconds=60)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, error = process.communicate(timeout=10)
        assert time.monotonic() - start < 4
    assert error.strip().endswith("KeyboardInterrupt")
    assert 10 <= len(prompts_in(path)) < 60
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from claims").fetchone() == (0,)


def test_requests_in_flight_are_cancelled_when_a_run_fails(store):
    class Backend:
        concurrency = 4

        def __call__(self, prompts, *, n):
            raise AssertionError("sample should be awaited instead")

        async def sample(self, prompt, *, n, seed):
            if prompt == "slow":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled.append(prompt)
                    raise
            return [Response(prompt)] * n

    def refuse(request, response):
        raise ZeroDivisionError

    models, cancelled = {"m": Backend()}, []
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        sample(store, models, ["slow", "x"], on_first=refuse)
    assert time.monotonic() - start < 5
    assert cancelled == ["slow"]
    plan = plan_requests(store, models, ["slow", "x"], 1, base_seed=0)
    assert [request.prompt for request in plan.missing["m"]] == ["slow"]
    assert store.texts(plan.ids["m"]["slow"]).error is None


def test_threads_end_with_the_run(store):
    threads = []

    def backend(prompts, *, n):
        threads.append(threading.current_thread())
        return echo(prompts, n=n)

    sample(store, {"m": backend}, ["x"])
    threads[0].join(timeout=10)
    assert not threads[0].is_alive()


def test_answers_are_awaited_no_longer_than_a_timeout():
    answers = queue.SimpleQueue()
    assert _sampler._take_answers(answers, timeout=0.0) == []
    assert _sampler._take_answers(answers, timeout=0.01) == []
    threading.Timer(0.2, answers.put, [["a", "b"]]).start()
    assert _sampler._take_answers(answers, timeout=10) == ["a", "b"]
    answers.put(["c"])
    answers.put(["d"])
    assert _sampler._take_answers(answers, timeout=0.0) == ["c", "d"]


def test_a_store_that_cannot_be_written_stops_the_run(path):
    with Store(path) as store:
        plan = plan_requests(store, {"m": echo}, ["x"], 1, base_seed=0)
        sampler = Sampler(store, {"m": echo}, plan, FakeProgress())
        store._db.execute("drop table samples")
        with pytest.raises(StoreError, match="no such table"):
            sampler.run()
