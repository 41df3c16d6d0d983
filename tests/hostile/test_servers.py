"""Servers that answer with anything at all: every request ends, in bounded time and memory."""

import asyncio
import gzip
import itertools
import json
import math
import time
import tracemalloc
import zlib
from email.utils import formatdate
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import FakeServer, RawServer, answer, http, raw, refusal

from dars_sklearn.generate import BackendError, OpenAIBackend
from dars_sklearn.generate import _server as server_module
from dars_sklearn.generate._behaviour import Behaviour
from dars_sklearn.generate._choices import ChoiceError, read_completion
from dars_sklearn.generate._protocol import check_entry

KEY = "sk-verysecret-0123456789"
VALID = json.dumps(answer({"messages": [{"content": "red"}]})).encode()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Wait a hundredth of the usual time before a retry."""
    monkeypatch.setattr(server_module, "_FIRST_WAIT", 0.005)


def sample(server, *, n=1, **settings):
    """Return the entry of one prompt."""
    settings = {"timeout": 20.0} | settings
    (entry,) = OpenAIBackend("m", server.base_url, KEY, **settings)(["red"], n=n)
    return entry


def chain_of(error):
    """Return an error with all its causes and contexts."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def assert_is_ours(error):
    """Check that an error is of this package, with nothing of a client library behind it."""
    assert isinstance(error, BackendError)
    for link in chain_of(error):
        assert type(link).__module__.startswith(("dars_sklearn", "builtins"))
        assert KEY not in repr(link) + str(link) + repr(vars(link))
    json.dumps(str(error)).encode()
    str(error).encode()  # it can be stored


EMPTY_BLOCKS = b"\x00\x00\x00\xff\xff" * 10_000  # deflate blocks without content
BROKEN_ANSWERS = {
    "no HTTP": b"garbage\r\n\r\n",
    "nothing": b"",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    "a header of 100 kB": http(VALID, X=f"{'x' * 100_000}"),
    "a thousand headers": http(VALID, **{f"X_{number}": "x" for number in range(1_000)}),
    "a chunk without a length": http(Transfer_Encoding="chunked") + b"zz\r\n",
    "two lengths": http(VALID, Content_length="1", Content_LENGTH="2"),
    "a body that is cut": http(b"abc", Content_Length=1_000),
    "no gzip": http(b"abc", Content_Encoding="gzip"),
    "gzip that is cut": http(gzip.compress(VALID)[:-20], Content_Encoding="gzip"),
    "brotli": http(b"\x0b\x02\x80abc", Content_Encoding="br"),
    "zstd": http(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd"),
    "deflate": http(zlib.compress(VALID), Content_Encoding="deflate"),
    "an unknown compression": http(VALID, Content_Encoding="sk-unknown, gzip"),
    "invalid UTF-8": http(b'{"choices": [{"message": {"content": "\xff"}}]}'),
    "deep nesting": http(b"[" * 100_000),
    "a deeply nested error": http(b'{"error":' + b"[" * 900 + b"]" * 900 + b"}"),
    "an integer of 10,000 digits": http(b'{"choices": ' + b"9" * 10_000 + b"}"),
    "an unknown character set": http(b"<html>", Content_Type="text/html; charset=zlib"),
    "a page": http(b"<html>502 Bad Gateway</html>", Content_Type="text/html"),
    "a redirect to nowhere": http(status="307 Moved", Location="http://["),
    "a redirect to itself": http(status="307 Moved", Location="/v1/chat/completions"),
    "a redirect to a file": http(status="302 Found", Location="file:///etc/passwd"),
    "an error in gzip that is cut": http(b"\x1f\x8b", "500 Oops", Content_Encoding="gzip"),
    "an error that is no JSON": http(b"[" * 1_000, "503 Busy"),
    "an error with a surrogate": http(b'{"error": {"message": "\\ud800"}}', "503 Busy"),
    "an error with a message that is a number": http(b'{"error": {"message": 5}}', "503 Busy"),
}


@pytest.mark.parametrize("fault", BROKEN_ANSWERS)
def test_a_broken_answer_is_an_error_of_this_package(fault):
    with RawServer(BROKEN_ANSWERS[fault]) as server:
        assert_is_ours(sample(server, max_retries=1))
    assert 1 <= len(server.requests) <= 2 * (1 + 5)  # two attempts, with their redirects


PERMANENT = ("a redirect to a file", "a redirect to itself")


@pytest.mark.parametrize("fault", [fault for fault in BROKEN_ANSWERS if fault not in PERMANENT])
def test_a_broken_answer_is_retried(fault):
    good = http(VALID, Content_Type="text/plain")
    with RawServer(lambda number: BROKEN_ANSWERS[fault] if number == 0 else good) as server:
        (response,) = sample(server, max_retries=1)
    assert response.text == "red [0/0]"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer_body",
    [
        b"[1]", b"null", b"5", b'""', b"{}", b'{"choices": {}}', b'{"choices": [[]]}',
        b'{"choices": [{"message": []}]}', b'{"choices": [{"message": {"content": ["a"]}}]}',
        b'{"choices": [{"message": {"content": "a"}, "finish_reason": {}}]}',
    ],
)  # fmt: skip
def test_fields_of_wrong_types_are_an_error_of_this_package(answer_body):
    with RawServer(http(answer_body)) as server:
        assert_is_ours(sample(server, max_retries=0))


@pytest.mark.parametrize("count", ["-1", "1.5", "1e400", "NaN", '"3"', "true", "[]", str(2**63)])
def test_an_impossible_number_of_tokens_is_unknown_and_loses_no_response(count):
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": {count}}}'
    body = f'{{"choices": [{{"message": {{"content": "a"}}}}], "usage": {usage}}}'
    with RawServer(http(body.encode())) as server:
        (response,) = sample(server, input_price=1.0, output_price=1.0)
    assert (response.text, response.input_tokens, response.output_tokens) == ("a", None, None)
    assert math.isnan(response.cost)


@pytest.mark.parametrize(
    "part",
    [
        lambda: itertools.chain([http(Content_Length=10**9)[:-2], b"\r\n"], drip(b" ")),
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], drip(b"X")),
        lambda: drip(b"H"),
        lambda: drip(b""),
    ],
    ids=["body", "header", "status", "silence"],
)
def test_an_answer_that_drips_for_ever_is_a_timeout(part):
    with RawServer(lambda number: part()) as server:
        begin = time.monotonic()
        error = sample(server, timeout=0.3, max_retries=1)
    assert time.monotonic() - begin < 10
    assert_is_ours(error)
    assert len(server.requests) <= 2


def drip(data):
    """Yield a few bytes, again and again, for a minute."""
    for _ in range(6_000):
        time.sleep(0.01)
        yield data


def flood(head, data):
    """Yield 256 MiB after a head."""
    yield head
    for _ in range(2**28 // len(data)):
        yield data


FLOODS = {
    "a body": (http(Content_Length=2**40), b" " * 2**16),
    "a chunked body": (http(Transfer_Encoding="chunked"), b"10000\r\n" + b" " * 2**16 + b"\r\n"),
    "gzip without content": (
        http(gzip.compress(b"")[:10], Content_Encoding="gzip", Content_Length=2**40),
        EMPTY_BLOCKS,
    ),
    "an error": (http(status="503 Busy", Content_Length=2**40), b" " * 2**16),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 2**13),
    "one header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 2**16),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_an_endless_answer_is_not_read_to_its_end(kind):
    with RawServer(lambda number: flood(*FLOODS[kind])) as server:
        assert_is_ours(sample(server, max_retries=0))
        assert server.n_sent < 2**26


@cache
def make_bomb(n_bytes):
    """Return gzip that expands a thousandfold."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = bytes(2**20)
    parts = [compressor.compress(zeros) for _ in range(n_bytes // len(zeros))]
    return b"".join([*parts, compressor.flush()])


@pytest.mark.parametrize("status", [200, 401, 503])
def test_a_compressed_body_is_not_expanded_beyond_the_limit(status):
    bomb = make_bomb(2**28)
    with FakeServer(lambda number, body: raw(bomb, status, content_encoding="gzip")) as server:
        sample(server, max_retries=0)  # imports what a request needs
        tracemalloc.start()
        try:
            error = sample(server, max_retries=0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert_is_ours(error)
    assert ("16 MiB" if status == 200 else f"status {status}") in str(error)
    assert peak < 100 * 2**20


def test_a_body_that_is_compressed_though_nobody_asked_is_read():
    body = gzip.compress(VALID)
    with FakeServer(lambda number, _: raw(body, content_encoding="gzip")) as server:
        (response,) = sample(server)
        assert response.text == "red [0/0]"
        assert server.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "1000000000"},
        {"retry_after": "9" * 400},
        {"retry_after_ms": "1000000000000"},
        {"retry_after": formatdate(time.time() + 10**9)},
        {"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"},
    ],
    ids=["seconds", "400 digits", "milliseconds", "date", "last date"],
)
def test_a_server_that_asks_to_wait_for_years_is_asked_again_soon(headers, monkeypatch):
    assert server_module._MAX_REQUESTED_WAIT == 60.0
    monkeypatch.setattr(server_module, "_MAX_REQUESTED_WAIT", 0.02)
    with FakeServer(lambda number, body: refusal(429, "slow down", **headers)) as server:
        error = sample(server, max_retries=2)
    assert_is_ours(error)
    assert "the server asks to wait" in str(error)
    assert "at most 0 s are waited" in str(error)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "-1", "nan", "²"]
)
def test_a_wait_that_cannot_be_read_is_ignored(date):
    with FakeServer(
        lambda number, body: refusal(429, "slow", retry_after=date) if number == 0 else None
    ) as server:
        assert sample(server)[0].text == "red [0/0]"


def test_a_redirect_within_the_server_is_followed_and_any_other_is_not():
    with RawServer(http(VALID)) as other:
        target = other.base_url + "?token=abcdef"
        with RawServer(http(status="307 Moved", Location=target)) as server:
            error = sample(server)
    assert_is_ours(error)
    assert "redirects to http://127.0.0.1:" in str(error)
    assert "abcdef" not in str(error)
    assert other.requests == []
    assert len(server.requests) == 1
    moved, good = http(status="308 Moved", Location="/v2/chat"), http(VALID)
    with RawServer(lambda number: good if number else moved) as server:
        assert sample(server)[0].text == "red [0/0]"
    assert server.requests[1].startswith(b"POST /v2/chat ")


def test_an_attempt_that_may_have_been_billed_makes_the_amount_unknown():
    with RawServer(lambda number: http(VALID if number else b"?")) as server:
        (response,) = sample(server, input_price=1.0, output_price=1.0)
    assert math.isnan(response.spent)
    assert not math.isnan(response.cost)
    with RawServer(http(b"?")) as server:
        assert math.isnan(sample(server).spent)
    with FakeServer(lambda number, body: refusal(404, "unknown")) as server:
        assert sample(server).spent == 0.0
    assert sample(server).spent == 0.0  # it is closed now


def test_a_prompt_that_cannot_be_sent_fails_alone_and_costs_nothing():
    with FakeServer() as server:
        lone, good = OpenAIBackend("m", server.base_url)(["a\ud800b", "red"], n=1)
    assert_is_ours(lone)
    assert "lone surrogate" in str(lone)
    assert lone.spent == 0.0
    assert good[0].text == "red [0/0]"
    assert len(server.requests) == 1


GATEWAY = {
    "model": lambda body: body["model"] == "other",
    "a field that selects a provider": lambda body: body.get("provider") == "other",
    "temperature": lambda body: body.get("temperature") == 0,
    "chat": lambda body: "prompt" in body,
}
OTHER = {
    "model": ("other", {}),
    "a field that selects a provider": ("m", {"extra_body": {"provider": "other"}}),
    "temperature": ("m", {"temperature": 0}),
    "chat": ("m", {"chat": False}),
}


@pytest.mark.parametrize("way", ["ignores", "rejects"])
@pytest.mark.parametrize("difference", GATEWAY)
def test_a_gateway_may_support_several_samples_for_some_requests_only(difference, way):
    def behave(number, body):
        if body.get("n", 1) == 1 or not GATEWAY[difference](body):
            return None
        return {"choices": answer(body)["choices"][:1]} if way == "ignores" else refusal(400, "n")

    with FakeServer(behave) as server:
        prices = {"input_price": 1e6, "output_price": 0, "max_retries": 0}
        model, parameters = OTHER[difference]
        supporting = OpenAIBackend("m", server.base_url, **prices)
        other = OpenAIBackend(model, server.base_url, **(prices | parameters))
        supporting(["red"], n=5)
        bound = other.highest_price("red", n=5)
        assert bound >= 5 * 7  # five requests pay the prompt, which has 7 tokens
        (entry,) = other(["red"], n=5)
        assert sum(response.spent for response in entry) == 5 * 7
        n_requests = len(server.requests)
        supporting(["blue"], n=5)
    assert len(server.requests) == n_requests + 1


def test_how_a_gateway_counts_tokens_is_known_of_each_model():
    def behave(number, body):
        usage = "one" if body["model"] == "other" else "all"
        return {"usage": answer(body, usage)["usage"]}

    with FakeServer(behave) as server:
        for model in ("m", "other", "m", "other"):
            backend = OpenAIBackend(model, server.base_url)
            (entry,) = backend(["one two three four"], n=3)
            assert [response.output_tokens for response in entry] == [5, 5, 5]


def test_a_server_that_was_hostile_is_used_again_once_it_is_not():
    replies = itertools.chain(BROKEN_ANSWERS.values(), itertools.repeat(http(VALID)))
    with RawServer(lambda number: next(replies)) as server:
        backend = OpenAIBackend("m", server.base_url, KEY, max_retries=0)
        entries = [backend(["red"], n=1)[0] for _ in range(len(BROKEN_ANSWERS) + 10)]
    assert isinstance(entries[-1], list)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([2**63, -(2**63), 10**400, -1, 1e300, "\ud800", "stop", "\x00"]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values),
    max_leaves=5,
)  # fmt: skip


def fields(**values):
    """Return dicts with some fields, each of which may be anything."""
    return st.fixed_dictionaries(
        {}, optional={name: value | JSON_VALUES for name, value in values.items()}
    )


COMPLETIONS = fields(
    choices=st.lists(
        fields(
            index=st.integers(),
            text=st.text(),
            message=fields(content=st.text(), refusal=st.text()),
            finish_reason=st.sampled_from(["stop", "length"]),
            logprobs=fields(content=st.lists(st.just({}), max_size=3), tokens=JSON_VALUES),
        ),
        max_size=4,
    ),
    usage=fields(prompt_tokens=st.integers(), completion_tokens=st.integers()),
    error=JSON_VALUES,
)


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=200)
    | COMPLETIONS.map(lambda completion: json.dumps(completion).encode()),
    chat=st.booleans(),
    n=st.integers(1, 4),
    usage=st.sampled_from(["auto", "all", "one"]),
)
def test_whatever_a_body_contains_is_a_valid_completion_or_an_invalid_one(body, chat, n, usage):
    behaviour = Behaviour("m", "http://127.0.0.1:9/v1")
    behaviour._has_warned = True
    try:
        completion = read_completion(body, chat, n)
    except ChoiceError:
        return
    counts = behaviour.output_tokens(completion, usage)
    backend = OpenAIBackend("m", input_price=1.0, output_price=1.0)
    choices = [
        choice._replace(n_tokens=count)
        for choice, count in zip(completion.choices, counts, strict=True)
    ]
    responses = backend._price_request(choices, completion.input_tokens)
    assert check_entry(responses, len(responses)) == responses


@settings(max_examples=60, deadline=None)
@given(head=st.binary(max_size=60), body=st.binary(max_size=100), is_http=st.booleans())
def test_whatever_a_server_sends_is_a_response_or_an_error_of_this_package(head, body, is_http):
    prefix = b"HTTP/1.1 200 OK\r\n" if is_http else b""
    with RawServer(prefix + head + b"\r\n\r\n" + body) as server:
        assert_is_ours(sample(server, max_retries=0, timeout=5.0))


def test_many_requests_to_a_hostile_server_leave_no_task_behind():
    async def tasks():
        return len(asyncio.all_tasks())

    before = server_module.start(tasks()).result(timeout=5)
    with RawServer(lambda number: itertools.islice(drip(b"H"), 200)) as server:
        backend = OpenAIBackend("m", server.base_url, KEY, timeout=0.2, max_retries=0)
        entries = backend(["red"] * 20, n=1)
    for error in entries:
        assert_is_ours(error)
    assert server_module.start(tasks()).result(timeout=5) <= before + 1
