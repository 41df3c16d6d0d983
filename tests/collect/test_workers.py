import asyncio
import queue
import threading
import time
from concurrent.futures import CancelledError

import pytest
from fake_backends import echo

from dars_sklearn.collect._plan import Request
from dars_sklearn.collect._workers import AsyncWorker, ThreadWorker, open_workers
from dars_sklearn.generate import BackendError, Response
from dars_sklearn.generate._protocol import ProtocolError


def make_request(prompt, n=1, model="m"):
    return Request(1, model, prompt, 0, n, seed=7)


@pytest.fixture
def answers():
    return queue.SimpleQueue()


def take(answers, n):
    """Take n answers, in the order of their prompts."""
    taken = []
    while len(taken) < n:
        taken += answers.get(timeout=10)
    return sorted(taken, key=lambda answer: answer.request.prompt)


def run(backend, answers, requests):
    """Submit requests to a worker of the backend, and return the answers."""
    worker = open_workers({"m": backend}, answers)["m"]
    worker.submit(requests)
    try:
        return take(answers, len(requests))
    finally:
        worker.close()


class AsyncBackend:
    def __init__(self, concurrency=None):
        if concurrency is not None:
            self.concurrency = concurrency

    async def sample(self, prompt, *, n, seed):
        if prompt == "bad":
            error = BackendError("status 500")
            error.responses = [Response("partial")]
            raise error
        if prompt == "wrong":
            return [Response("x")] * (n + 1)
        if prompt == "slow":
            await asyncio.sleep(60)
        return [Response(f"{prompt} {seed}")] * n


# ---- which worker a backend gets -----------------------------------------------


def test_a_backend_with_a_sample_coroutine_is_awaited(answers):
    assert isinstance(open_workers({"m": AsyncBackend()}, answers)["m"], AsyncWorker)


def test_other_backends_are_called_in_threads(answers):
    assert isinstance(open_workers({"m": echo}, answers)["m"], ThreadWorker)


def test_backends_without_a_declared_concurrency_share_one_thread(answers):
    threads = set()

    def record(prompts, *, n):
        threads.add(threading.get_ident())
        return echo(prompts, n=n)

    workers = open_workers({"a": record, "b": lambda prompts, *, n: record(prompts, n=n)}, answers)
    for name in ("a", "b"):
        workers[name].submit([make_request("x", model=name)])
    take(answers, 2)
    assert len(threads) == 1
    assert workers["a"].has_room([], make_request("x"))
    assert not workers["a"].has_room([make_request("x")], make_request("x"))
    workers["a"].close()


def test_a_declared_concurrency_is_the_number_of_threads(answers):
    barrier = threading.Barrier(3)

    class Concurrent:
        concurrency = 3

        def __call__(self, prompts, *, n):
            barrier.wait(timeout=10)  # passes only if three calls wait at the same time
            return echo(prompts, n=n)

    assert all(answer.error is None for answer in run(Concurrent(), answers, list_requests("abc")))


def list_requests(prompts, n=1):
    return [make_request(prompt, n) for prompt in prompts]


# ---- capacity ------------------------------------------------------------------


@pytest.mark.parametrize(("concurrency", "capacity"), [(None, 2), (3, 6)])
def test_an_async_worker_has_room_for_twice_its_concurrency(answers, concurrency, capacity):
    worker = AsyncWorker(AsyncBackend(concurrency), answers)
    request = make_request("x")
    assert worker.has_room([request] * (capacity - 1), request)
    assert not worker.has_room([request] * capacity, request)


def test_requests_in_flight_take_up_room_of_an_async_worker(answers):
    worker = AsyncWorker(AsyncBackend(), answers)
    worker.submit([make_request("slow")])
    assert worker.has_room([], make_request("x"))
    assert not worker.has_room([make_request("y")], make_request("x"))
    worker.cancel()
    assert worker.has_room([make_request("y")], make_request("x"))


def test_a_thread_worker_has_room_for_a_batch_per_free_call(answers):
    release = threading.Event()

    class Batched:
        batch_size, concurrency = 2, 2

        def __call__(self, prompts, *, n):
            release.wait(10)
            return echo(prompts, n=n)

    worker = open_workers({"m": Batched()}, answers)["m"]
    request = make_request("x")
    assert worker.has_room([request] * 3, request)
    assert not worker.has_room([request] * 4, request)
    worker.submit(list_requests("ab"))
    assert worker.has_room([request], request)
    assert not worker.has_room([request] * 2, request)
    release.set()
    take(answers, 2)
    assert worker.has_room([request] * 3, request)
    assert not worker.has_room([request] * 4, request)
    worker.close()


def test_all_prompts_of_a_call_have_the_same_number_of_samples(answers):
    class Batched:
        batch_size = 2

    worker = ThreadWorker(Batched(), answers, threads=None, concurrency=1)
    assert worker.has_room([make_request("x", n=2)], make_request("y", n=2))
    assert not worker.has_room([make_request("x", n=2)], make_request("y", n=3))


def test_requests_are_called_in_batches(answers):
    calls = []

    class Batched:
        batch_size = 2

        def __call__(self, prompts, *, n, seeds):
            calls.append((prompts, n, seeds))
            return echo(prompts, n=n)

    taken = run(Batched(), answers, list_requests("abc", n=4))
    assert calls == [(["a", "b"], 4, [7, 7]), (["c"], 4, [7])]
    assert [[response.text for response in answer.responses] for answer in taken] == [
        ["a"] * 4,
        ["b"] * 4,
        ["c"] * 4,
    ]


# ---- answers -------------------------------------------------------------------


def test_an_async_backend_is_given_the_number_of_samples_and_the_seed(answers):
    (answer,) = run(AsyncBackend(), answers, [make_request("x", n=2)])
    assert answer.request == make_request("x", n=2)
    assert [response.text for response in answer.responses] == ["x 7", "x 7"]
    assert answer.error is None


def test_responses_that_arrived_before_a_failure_are_part_of_the_answer(answers):
    (answer,) = run(AsyncBackend(), answers, [make_request("bad", n=2)])
    assert [response.text for response in answer.responses] == ["partial"]
    assert str(answer.error) == "status 500"


def test_a_wrong_number_of_responses_is_an_error(answers):
    (answer,) = run(AsyncBackend(), answers, [make_request("wrong", n=2)])
    assert answer.responses == []
    assert isinstance(answer.error, ProtocolError)


@pytest.mark.parametrize("error", [RuntimeError("out of order"), SystemExit("stop")])
def test_an_error_fails_all_requests_of_a_call(answers, error):
    class Broken:
        batch_size = 2

        def __call__(self, prompts, *, n):
            raise error

    taken = run(Broken(), answers, list_requests("ab"))
    assert [answer.request.prompt for answer in taken] == ["a", "b"]
    assert all(answer.error is error and answer.responses == [] for answer in taken)


def test_an_exception_for_one_prompt_fails_that_request_only(answers):
    class Picky:
        batch_size = 2

        def __call__(self, prompts, *, n):
            return [ValueError(p) if p == "bad" else [p] * n for p in prompts]

    bad, good = run(Picky(), answers, [make_request("bad"), make_request("good")])
    assert isinstance(bad.error, ValueError)
    assert good.error is None
    assert good.responses == [Response("good")]


def test_a_wrong_entry_of_a_batch_fails_that_request_only(answers):
    class Picky:
        batch_size = 3

        def __call__(self, prompts, *, n):
            return [
                {"none": None, "costly": [Response("x", cost=-1.0)]}.get(p, [p]) for p in prompts
            ]

    costly, good, none = run(Picky(), answers, list_requests(["costly", "good", "none"]))
    assert isinstance(none.error, ProtocolError)
    assert "cost is invalid" in str(costly.error)
    assert costly.responses == []
    assert good.responses == [Response("good")]


class Odd(Exception):
    def __init__(self, responses):
        self.responses = responses


@pytest.mark.parametrize(
    ("responses", "kept"),
    [
        (5, []),
        (["a"], ["a"]),
        (["a", "b", "c"], ["a", "b"]),  # no more than were requested
        (["a", Response("b", cost=-1.0)], ["a"]),
        (["a", 5], []),
        (None, []),
        (iter(["a"]), ["a"]),
    ],
)
def test_responses_of_an_exception_are_checked_too(answers, responses, kept):
    def fail(prompts, *, n):
        raise Odd(responses)

    (answer,) = run(fail, answers, [make_request("x", n=2)])
    assert isinstance(answer.error, Odd)
    assert [response.text for response in answer.responses] == kept


def test_a_sample_method_that_is_no_coroutine_is_an_error(answers):
    class Backend:
        def sample(self, prompt, *, n, seed):
            return [prompt] * n

    (answer,) = run(Backend(), answers, [make_request("x")])
    assert isinstance(answer.error, ProtocolError)
    assert str(answer.error).startswith("sample returned 'list'; define it with async def")


# ---- cancelling ----------------------------------------------------------------


def test_a_cancelled_async_request_ends_at_once(answers):
    worker = AsyncWorker(AsyncBackend(), answers)
    worker.submit([make_request("slow")])
    worker.cancel()
    (answer,) = take(answers, 1)
    assert isinstance(answer.error, CancelledError)
    worker.close()


@pytest.fixture
def busy_worker(answers):
    """A worker with a call in progress, and an event on which that call waits."""
    begun, release = threading.Event(), threading.Event()

    def slow(prompts, *, n):
        begun.set()
        release.wait(10)
        return echo(prompts, n=n)

    worker = open_workers({"m": slow}, answers)["m"]
    worker.submit(list_requests("ab"))
    begun.wait(10)
    yield worker, release
    release.set()
    worker.close()


def test_calls_that_have_not_begun_are_cancelled(busy_worker, answers):
    worker, release = busy_worker
    start = time.monotonic()
    worker.cancel()
    assert time.monotonic() - start < 5  # it does not wait for the call in progress
    release.set()
    first, second = take(answers, 2)
    assert first.error is None
    assert isinstance(second.error, CancelledError)


def test_closing_a_worker_neither_cancels_calls_nor_waits_for_them(busy_worker, answers):
    worker, release = busy_worker
    start = time.monotonic()
    worker.close()
    assert time.monotonic() - start < 5
    release.set()
    assert [answer.error for answer in take(answers, 2)] == [None, None]
    with pytest.raises(RuntimeError, match="after shutdown"):
        worker.submit(list_requests("c"))
