import asyncio
import atexit
import sys
import time
from email.utils import formatdate

import openai
import pytest
from servers import FakeServer, answer, refusal

from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.generate import BackendError
from dars_sklearn.generate import _server as server_module
from dars_sklearn.generate._base import Choice
from dars_sklearn.generate._choices import ChoiceError, Completion
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._server import RequestError, Server, open_server

ADDRESS = "http://127.0.0.1:9/v1"
KEY = "sk-verysecret-0123456789"


def server_at(base_url=ADDRESS, key="none", concurrency=4, per_minute=None, tokens_per_minute=None):
    return Server(base_url, key, concurrency, per_minute, tokens_per_minute)


def post(server, body=None, *, timeout=5.0, max_retries=2, read=bytes.decode):
    body = body or {"model": "m", "prompt": "red"}
    request = server.post(
        body, chat="messages" in body, n_tokens=1, timeout=timeout, max_retries=max_retries,
        read=read,
    )  # fmt: skip
    return start(request).result(timeout=30)


def completion(texts, counts, total):
    choices = [Choice(text, "stop", count) for text, count in zip(texts, counts, strict=True)]
    return Completion(choices, 7, total)


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
    settings = (ADDRESS, "key", 4, None, None, 1)
    assert open_server(*settings) is open_server(*settings)
    for position, other in enumerate(["http://127.0.0.1:8/v1", "other", 5, 60, 60, 2]):
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


def test_a_shorter_wait_does_not_end_a_longer_one(monkeypatch):
    monkeypatch.setattr(server_module.time, "monotonic", lambda: 100.0)
    with FakeServer(always(lambda: refusal(503, "busy", retry_after="0"))) as fake:
        server = server_at(fake.base_url)
        server._pause_until = 99.0
        with pytest.raises(RequestError):
            post(server, max_retries=1)
    assert server._pause_until == 100.0


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


def test_an_invalid_body_is_retried_and_then_reported(attempts):
    def reject(body):
        raise ChoiceError("no choices")

    with FakeServer() as fake, pytest.raises(RequestError, match="no choices") as caught:
        post(server_at(fake.base_url), read=reject, max_retries=1)
    assert caught.value.status is None
    assert len(fake.requests) == 2


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
    with pytest.raises(RequestError, match="connection failed: .+"):
        post(server_at(), max_retries=2)
    assert attempts == [0, 1]


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
    with Hanging() as fake, pytest.raises(BackendError, match=r"no server answers .*\(Timeout"):
        start(server_at(fake.base_url).check()).result(timeout=30)


def test_the_key_is_removed_from_messages_but_not_the_word_none():
    assert server_at(key=KEY)._hide_key(f"what is {KEY}?") == "what is <API key>?"
    assert server_at()._hide_key("none of these") == "none of these"


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


@pytest.mark.parametrize(
    ("usage", "texts", "counts", "total", "expected"),
    [
        # The count of a single choice is the server's, if it reports one.
        ("auto", ["a"], [3], 5, [5]),
        ("auto", ["a"], [3], None, [3]),
        ("auto", ["a"], [None], None, [None]),
        # A count of all choices is divided in proportion to their lengths.
        ("all", ["aaa", "a"], [None, None], 6, [4, 2]),
        ("all", ["aaa", "a"], [9, 9], 6, [4, 2]),
        ("all", ["aa", "a", "a"], [None] * 3, 5, [2, 2, 1]),
        ("all", ["aaa", "a"], [None, None], 4, [3, 1]),
        ("all", ["é", "aa"], [None, None], 10, [5, 5]),
        # Without a count, or with the count of one choice, the tokens are counted.
        ("all", ["aaa", "a"], [9, 8], None, [9, 8]),
        ("one", ["aaa", "a"], [9, 8], 9, [9, 8]),
        ("auto", ["aaa", "a"], [9, 8], None, [9, 8]),
        # An empty response has no log-probabilities.
        ("one", ["aaa", ""], [9, None], 9, [9, 0]),
    ],
)
def test_output_tokens_of_each_choice(usage, texts, counts, total, expected):
    assert server_at().output_tokens(completion(texts, counts, total), usage) == expected


@pytest.mark.parametrize(
    ("texts", "counts", "total", "inferred"),
    [
        # Counted by log-probabilities: 4 + 5 + 6 tokens, with or without an end for each.
        (["x"] * 3, [4, 5, 6], 15, "all"),
        (["x"] * 3, [4, 5, 6], 12, "all"),
        (["x"] * 3, [4, 5, 6], 18, "all"),
        (["x"] * 3, [4, 5, 6], 7, "one"),
        (["x"] * 3, [4, 5, 6], 3, "one"),
        (["x"] * 3, [4, 5, 6], 9, None),
        (["x"] * 3, [4, 5, 6], 2, None),
        # Too short: the total of all may be that of one.
        (["x"] * 3, [1, 2, 9], 12, None),
        (["x"] * 3, [2, 2, 9], 13, "all"),
        # Not counted: more tokens than the longest text has bytes are those of several texts.
        (["xx", "xxxx"], [None, None], 6, "all"),
        (["xx", "xxxx"], [None, None], 5, None),
        (["xx", "é"], [None, 4], 4, "all"),
    ],
)
def test_whether_a_count_covers_all_choices_is_inferred(texts, counts, total, inferred):
    server = server_at()
    assert server.usage is None
    if inferred is None and None in counts:
        with pytest.warns(UsageWarning):
            server.output_tokens(completion(texts, counts, total), "auto")
    else:
        server.output_tokens(completion(texts, counts, total), "auto")
    assert server.usage == inferred


def test_what_was_inferred_is_used_for_later_requests():
    server = server_at()
    server.output_tokens(completion(["x"] * 3, [4, 5, 6], 15), "auto")
    later = completion(["aaa", "a"], [None, None], 3)
    assert server.output_tokens(later, "auto") == [2, 1]
    server.output_tokens(completion(["x"] * 3, [4, 5, 6], 5), "auto")
    assert server.usage == "all"


def test_what_the_user_says_is_not_inferred():
    server = server_at()
    server.output_tokens(completion(["x"] * 3, [4, 5, 6], 15), "one")
    assert server.usage is None


def test_an_ambiguous_count_is_reported_and_not_used():
    with pytest.warns(UsageWarning, match="reports 4 output tokens for 2 choices.*usage='one'"):
        counts = server_at().output_tokens(completion(["xxxx", "xxxx"], [None, 3], 4), "auto")
    assert counts == [None, None]


def test_a_server_is_expected_to_support_several_choices_until_it_does_not():
    assert server_at().supports_n


def test_the_client_makes_no_retries_of_its_own():
    assert server_at()._client.max_retries == 0
    assert isinstance(server_at()._client, openai.AsyncOpenAI)


def test_the_shares_of_a_count_sum_to_it():
    for total in range(20):
        shares = server_module._proportional_shares(total, [3, 1, 1, 2])
        assert sum(shares) == total
        assert all(isinstance(share, int) for share in shares)


def test_a_good_answer_of_the_fake_server_counts_all_choices():
    body = {"prompt": "one two", "n": 2}
    assert answer(body)["usage"]["completion_tokens"] == 6
