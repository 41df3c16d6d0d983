import asyncio
import atexit
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import openai
import pytest
from servers import FakeServer, answer, refusal

from dars_sklearn.generate import BackendError
from dars_sklearn.generate import _server as server_module
from dars_sklearn.generate._choices import ChoiceError
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._secrets import Credentials
from dars_sklearn.generate._server import Failure, RequestError, Server, open_server

ADDRESS = "http://127.0.0.1:9/v1"
KEY = "sk-verysecret-0123456789"


def server_at(base_url=ADDRESS, key=None, concurrency=4, per_minute=None, tokens_per_minute=None):
    return Server(base_url, Credentials(key), concurrency, per_minute, tokens_per_minute)


def post(server, body=None, *, timeout=5.0, max_retries=2, read=bytes.decode):
    body = body or {"model": "m", "prompt": "red"}
    request = server.post(
        body, chat="messages" in body, n_tokens=1, timeout=timeout, max_retries=max_retries,
        read=read,
    )  # fmt: skip
    return start(request).result(timeout=30).content


@pytest.fixture
def attempts(monkeypatch):
    """Record the numbers of the attempts that are retried, and do not wait."""
    recorded = []

    def record(attempt):
        recorded.append(attempt)
        return 0.0

    monkeypatch.setattr(server_module, "_backoff", record)
    return recorded


def always(response):
    return lambda number, body: response()


def test_backends_of_one_server_key_and_limits_share_a_connection():
    settings = (ADDRESS, Credentials("key"), 4, None, None, 1)
    assert open_server(*settings) is open_server(*settings)
    others = ["http://127.0.0.1:8/v1", Credentials("other"), 5, 60, 60, 2]
    for position, other in enumerate(others):
        changed = [*settings[:position], other, *settings[position + 1 :]]
        assert open_server(*changed) is not open_server(*settings)


@pytest.mark.parametrize("module", ["openai", "aiolimiter"])
def test_a_missing_client_names_the_extra(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"OpenAIBackend needs {module}, .*sklearn\[openai\]'"):
        server_at()


def test_fields_that_the_client_does_not_know_are_sent_as_they_are():
    completion_body = {"model": "m", "prompt": "red", "top_k": 3, "stop": ["\n"]}
    chat_body = {"model": "m", "messages": [{"role": "user", "content": "blue"}], "top_k": 3}
    bodies = [completion_body, chat_body]
    with FakeServer() as fake:
        server = server_at(fake.base_url)
        answers = [post(server, body) for body in bodies]
    assert fake.requests == bodies
    assert '"red [0/0]"' in answers[0]
    assert '"blue [0/0]"' in answers[1]


def test_each_failure_is_followed_by_a_wait_but_the_last(attempts):
    with FakeServer(always(lambda: refusal(500, "oops"))) as fake:
        server = server_at(fake.base_url)
        with pytest.raises(RequestError, match="status 500: oops"):
            post(server, max_retries=3)
    assert len(fake.requests) == 4
    assert attempts == [0, 1, 2]


def test_the_wait_doubles_with_each_retry_up_to_a_maximum(monkeypatch):
    monkeypatch.setattr(server_module.random, "uniform", lambda low, high: high)
    waits = [server_module._backoff(attempt) for attempt in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_the_wait_is_between_half_and_all_of_its_maximum():
    waits = [server_module._backoff(1) for _ in range(100)]
    assert 0.5 <= min(waits) < 0.7
    assert 0.8 < max(waits) <= 1.0


@pytest.mark.parametrize(
    "headers", [{"retry_after": "0.6"}, {"retry_after_ms": "600"}], ids=lambda headers: str(headers)
)
def test_a_server_that_says_how_long_to_wait_is_left_alone_by_all_requests(headers):
    def reject_first(number, body):
        return refusal(429, "slow down", **headers) if number == 0 else None

    with FakeServer(reject_first) as fake:
        server = server_at(fake.base_url)
        begin = time.monotonic()
        body = {"model": "m", "prompt": "red"}
        first = start(
            server.post(body, chat=False, n_tokens=1, timeout=5.0, max_retries=1, read=bytes)
        )
        while not server._pause_until:
            assert time.monotonic() - begin < 5
            time.sleep(0.01)
        post(server, max_retries=0)
        assert time.monotonic() - begin > 0.55
        first.result(timeout=5)


def fail_with(requested_wait, is_transient=True):
    return Failure("busy", is_transient=is_transient, requested_wait=requested_wait)


def test_a_shorter_wait_does_not_end_a_longer_one():
    server = server_at()
    server._record_pause(fail_with(5.0))
    end = server._pause_until
    for failure in (fail_with(0.0), fail_with(None), fail_with(30.0, is_transient=False)):
        server._record_pause(failure)
        assert server._pause_until == end
    server._record_pause(fail_with(30.0))
    assert server._pause_until > end + 20


@pytest.mark.parametrize("max_retries", [0, 1])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_that_wait_for_a_slot_wait_as_long_as_the_server_asks(max_retries, concurrency):
    sent, in_flight_before = [], concurrency  # they may be on their way when the first fails

    def reject_first(number, body):
        sent.append(time.monotonic())
        return refusal(429, "slow down", retry_after="0.7") if number == 0 else None

    with FakeServer(reject_first, latency=0.02) as fake:
        server = server_at(fake.base_url, concurrency=concurrency)
        body = {"model": "m", "prompt": "red"}
        requests = [
            server.post(
                body, chat=False, n_tokens=1, timeout=5.0, max_retries=max_retries, read=bytes
            )
            for _ in range(6)
        ]
        start(wait_for(requests)).result(timeout=30)
    assert len(sent) == 6 + max_retries
    assert min(sent[in_flight_before:]) - sent[0] > 0.65


async def wait_for(requests):
    return await asyncio.gather(*requests, return_exceptions=True)


def test_a_server_that_asks_for_no_wait_is_asked_again_after_the_usual_one(attempts):
    refuse = always(lambda: refusal(429, "slow down", retry_after="0"))
    with FakeServer(refuse) as fake, pytest.raises(RequestError, match="slow down"):
        post(server_at(fake.base_url), max_retries=3)
    assert attempts == [0, 1, 2]


def test_a_request_that_cannot_succeed_later_makes_no_other_wait():
    refuse = always(lambda: refusal(429, "insufficient_quota", retry_after="30"))
    with FakeServer(refuse) as fake:
        server = server_at(fake.base_url)
        for _ in range(2):
            with pytest.raises(RequestError, match="insufficient_quota"):
                post(server)
    assert len(fake.requests) == 2


def test_a_request_waits_for_the_rate_limits_before_it_waits_for_the_end_of_a_pause():
    server = server_at(tokens_per_minute=600)

    async def wait_while_a_pause_begins():
        await server._wait_for_limits(600)
        waiting = asyncio.create_task(server._wait_for_limits(3))  # 0.3 s
        await asyncio.sleep(0.1)
        server._record_pause(fail_with(0.6))
        begin = time.monotonic()
        await waiting
        return time.monotonic() - begin

    assert start(wait_while_a_pause_begins()).result(timeout=30) > 0.55


def test_several_threads_open_one_connection(monkeypatch):
    class SlowServer(Server):
        def __init__(self, *settings):
            time.sleep(0.05)
            super().__init__(*settings)

    monkeypatch.setattr(server_module, "Server", SlowServer)
    settings = ("http://127.0.0.1:7/v1", Credentials("threads"), 4, None, None, 1)
    with ThreadPoolExecutor(4) as pool:
        servers = list(pool.map(lambda _: open_server(*settings), range(4)))
    assert len(set(map(id, servers))) == 1


def test_a_connection_is_kept_however_many_are_opened():
    settings = ("http://127.0.0.1:7/v1", Credentials("many"), 4, None, None)
    first = open_server(*settings, 1)
    for pid in range(2, 80):
        open_server(*settings, pid)
    assert open_server(*settings, 1) is first


def test_what_is_known_of_a_server_is_known_of_one_kind_of_requests():
    server, fields = server_at(), {"model": "a", "temperature": 0.7, "provider": {"order": ["x"]}}
    known = server.behaviour(True, fields)
    assert server.behaviour(True, dict(reversed(fields.items()))) is known
    others = [{"model": "b"}, {"temperature": 0}, {"provider": {"order": ["y"]}}]
    for other in others:
        assert server.behaviour(True, fields | other) is not known
    assert server.behaviour(False, fields) is not known


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": formatdate(0)}, 0.0),
    ],
)
def test_retry_after_is_in_seconds_milliseconds_or_a_date(headers, seconds):
    assert server_module._retry_after(headers) == seconds


def test_a_date_to_retry_after_is_relative_to_now():
    headers = {"retry-after": formatdate(time.time() + 60)}
    assert 55 < server_module._retry_after(headers) <= 60


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 599])
def test_a_transient_status_is_retried(status, attempts):
    def reject_first(number, body):
        return refusal(status, "later") if number == 0 else None

    with FakeServer(reject_first) as fake:
        post(server_at(fake.base_url), max_retries=1)
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "bad"), (401, "bad key"), (403, "no"), (404, "unknown model"), (413, "too large"),
     (422, "invalid"), (429, "insufficient_quota"), (499, "odd")],
)  # fmt: skip
def test_a_permanent_status_is_not_retried(status, message, attempts):
    with FakeServer(always(lambda: refusal(status, message))) as fake:
        server = server_at(fake.base_url)
        with pytest.raises(RequestError, match=f"status {status}: {message}") as caught:
            post(server)
    assert caught.value.status == status
    assert len(fake.requests) == 1
    assert attempts == []


def reject_body(body):
    raise ChoiceError("no choices")


def test_an_invalid_body_is_retried_and_then_reported(attempts):
    with FakeServer() as fake, pytest.raises(RequestError, match="no choices") as caught:
        post(server_at(fake.base_url), read=reject_body, max_retries=1)
    assert caught.value.status is None
    assert math.isnan(caught.value.spent)
    assert len(fake.requests) == 2


def test_an_attempt_that_may_have_been_billed_is_repeated_once(attempts):
    with FakeServer() as fake, pytest.raises(RequestError, match="no choices"):
        post(server_at(fake.base_url), read=reject_body, max_retries=6)
    assert len(fake.requests) == 2


def test_an_answer_after_an_attempt_that_may_have_been_billed_is_not_the_only_bill(attempts):
    bodies = []

    def reject_first(body):
        bodies.append(body)
        return reject_body(body) if len(bodies) == 1 else body

    with FakeServer() as fake:
        request = server_at(fake.base_url).post(
            {"model": "m", "prompt": "red"}, chat=False, n_tokens=1, timeout=5.0, max_retries=1,
            read=reject_first,
        )  # fmt: skip
        assert not start(request).result(timeout=30).is_only_bill


def test_the_latency_is_that_of_the_last_attempt(monkeypatch):
    monkeypatch.setattr(server_module, "_backoff", lambda attempt: 0.5)

    def reject_first(number, body):
        return refusal(503, "busy") if number == 0 else None

    with FakeServer(reject_first) as fake:
        request = server_at(fake.base_url).post(
            {"model": "m", "prompt": "red"}, chat=False, n_tokens=1, timeout=5.0, max_retries=1,
            read=bytes,
        )  # fmt: skip
        assert start(request).result(timeout=30).latency < 0.4


def test_an_error_of_the_reader_that_is_no_fault_of_the_server_is_raised(attempts):
    def fail(body):
        raise ZeroDivisionError

    with FakeServer() as fake, pytest.raises(ZeroDivisionError):
        post(server_at(fake.base_url), read=fail)
    assert len(fake.requests) == 1


def test_a_timeout_is_retried_and_then_reported(attempts):
    message = "timeout: the server did not answer in time"
    with FakeServer(latency=0.5) as fake, pytest.raises(RequestError, match=message):
        post(server_at(fake.base_url), timeout=0.1, max_retries=1)
    assert len(fake.requests) == 2


def test_a_failed_connection_is_retried_and_then_reported(attempts):
    with pytest.raises(RequestError, match="connection failed: .+") as caught:
        post(server_at(), max_retries=2)
    assert attempts == [0, 1]
    assert caught.value.spent == 0.0


def test_an_error_message_is_shortened():
    with (
        FakeServer(always(lambda: refusal(400, "x" * 1000))) as fake,
        pytest.raises(RequestError) as caught,
    ):
        post(server_at(fake.base_url))
    assert str(caught.value) == "status 400: " + "x" * 300


def test_requests_wait_for_the_rate_limit_of_tokens():
    server = server_at(tokens_per_minute=600)

    async def wait_for_both():
        await server._wait_for_limits(10_000)  # more than the limit allows counts as the limit
        begin = time.monotonic()
        await server._wait_for_limits(5)
        return time.monotonic() - begin

    assert 0.3 < start(wait_for_both()).result(timeout=30) < 3.0


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_server_that_accepts_the_key_passes_the_check(status):
    class Listing(FakeServer):
        async def _models(self, request):
            return refusal(status, "no list of models")

    with Listing() as fake:
        assert start(server_at(fake.base_url).check()).result(timeout=30) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_rejects_the_key_fails_the_check_without_showing_it(status):
    class Locked(FakeServer):
        async def _models(self, request):
            return refusal(status, f"the key {KEY} is wrong")

    with Locked() as fake, pytest.raises(BackendError, match="rejects the API key") as caught:
        start(server_at(fake.base_url, KEY).check()).result(timeout=30)
    assert f"status {status}: the key <API key> is wrong" in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)


def test_a_server_that_does_not_respond_fails_the_check(monkeypatch):
    class Hanging(FakeServer):
        async def _models(self, request):
            await asyncio.sleep(2)

    with pytest.raises(BackendError, match=f"no server answers at {ADDRESS} .*ends in /v1"):
        start(server_at().check()).result(timeout=30)
    monkeypatch.setattr(server_module, "_CHECK_TIMEOUT", 0.1)
    with Hanging() as fake, pytest.raises(BackendError, match=r"no server answers .*\(timeout"):
        start(server_at(fake.base_url).check()).result(timeout=30)


def test_connections_are_closed_at_exit_and_errors_are_ignored(monkeypatch):
    registered = []
    monkeypatch.setattr(atexit, "register", registered.append)
    server = server_at()
    (close,) = registered
    close()
    assert server._client.is_closed()

    async def fail():
        raise RuntimeError("the loop is gone")

    monkeypatch.setattr(server._client, "close", fail)
    close()


def test_the_client_makes_no_retries_of_its_own():
    assert server_at()._client.max_retries == 0
    assert isinstance(server_at()._client, openai.AsyncOpenAI)


def test_a_good_answer_of_the_fake_server_counts_all_choices():
    body = {"prompt": "one two", "n": 2}
    assert answer(body)["usage"]["completion_tokens"] == 6
