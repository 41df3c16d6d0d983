"""API keys and secret headers reach nothing that is shown, written or stored."""

import base64
import copy
import io
import json
import logging
import pickle
import re
import time
import traceback
import warnings
from urllib.parse import quote

import joblib
import pytest
from servers import FakeServer, RawServer, answer, http, prompt_of, raw, refusal
from sklearn.base import clone
from sklearn.utils import estimator_html_repr

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import BackendError, OpenAIBackend, VLLMBackend
from dars_sklearn.generate import _server as server_module
from dars_sklearn.grade import Contains, LLMJudge

KEY = "sk-verysecret-0123456789abcdef"
HEADER = "header-Secret/9876543210+x"
SECRETS = (KEY, HEADER)
# Fewer characters than this in a row are not hidden.
SHORTEST_PART = 8


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Wait a hundredth of the usual time before a retry."""
    monkeypatch.setattr(server_module, "_FIRST_WAIT", 0.005)


def parts_of_secrets(text):
    """Return the parts of secrets in a text that are long enough to matter."""
    parts = {
        secret[begin : begin + SHORTEST_PART]
        for secret in SECRETS
        for begin in range(len(secret) - SHORTEST_PART + 1)
    }
    return sorted(part for part in parts if part.lower() in text.lower())


def lower_case(headers):
    """Return headers whose names are in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def describe(error):
    """Return all that logs, debuggers and error trackers show of an exception."""
    shown = []
    link = error
    while link is not None:
        shown += [repr(link), str(link), repr(vars(link)), repr(link.args)]
        trace = traceback.TracebackException.from_exception(link, capture_locals=True)
        shown += trace.format()
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


def backend_at(base_url, **settings):
    settings = {"max_retries": 1, "headers": {"X-Tenant-Key": HEADER}} | settings
    return OpenAIBackend("m", base_url, KEY, **settings)


def error_at(server, **settings):
    """Return why one prompt failed."""
    (error,) = backend_at(server.base_url, **settings)(["red"], n=1)
    assert isinstance(error, BackendError)
    return error


FAULTS = {
    "no HTTP": b"garbage\r\n\r\n",
    "an invalid header": b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    "too many headers": http(b"{}", **{f"X_{number}": "x" for number in range(500)}),
    "an invalid chunk": http(Transfer_Encoding="chunked") + b"zz\r\n",
    "a short body": http(b"abc", Content_Length=100),
    "no gzip": http(b"abc", Content_Encoding="gzip"),
    "brotli": http(b"abc", Content_Encoding="br"),
    "no JSON": http(b"<html>"),
    "status 400": http(b"no", "400 Bad"),
    "status 401": http(b"no", "401 Unauthorized"),
    "status 429": http(b"no", "429 Slow"),
    "status 503": http(b"no", "503 Busy"),
    "a redirect elsewhere": http(status="307 Moved", Location="http://127.0.0.1:9/"),
    "a redirect to itself": http(status="307 Moved", Location="/v1/chat/completions"),
    "nothing": b"",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_does_not_hold_the_headers_of_its_request(fault):
    with RawServer(FAULTS[fault]) as server:
        error = error_at(server)
        assert KEY.encode() in server.requests[0]
        assert HEADER.encode() in server.requests[0]
        with pytest.raises(BackendError) as caught:
            server_module.start(backend_at(server.base_url).sample("red", n=1)).result(timeout=30)
    for shown in map(describe, (error, caught.value)):
        assert not parts_of_secrets(shown)
        assert not re.search("openai|httpx|aiohttp", "\n".join(type_names(error)))


def type_names(error):
    """Yield the classes of an error and of all its causes and contexts."""
    while error is not None:
        yield f"{type(error).__module__}.{type(error).__name__}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_does_not_hold_the_headers_of_its_request(fault):
    with RawServer(FAULTS[fault]) as server:
        error = check_error(server.base_url)
    assert not parts_of_secrets(describe(error))
    assert not re.search("openai|httpx|aiohttp", "\n".join(type_names(error)))


def check_error(base_url):
    """Return why a server fails the check, None if it passes."""
    try:
        backend_at(base_url).check()
    except BackendError as error:
        return error


def test_no_server_and_a_timeout_do_not_show_the_key():
    def say_nothing(number):
        time.sleep(1.0)
        return b""

    with RawServer(say_nothing) as server:
        slow = error_at(server, timeout=0.1)
    assert "timeout" in str(slow)
    for error in (slow, error_at(server)):
        assert not parts_of_secrets(describe(error))


def basic(text):
    return base64.b64encode(text.encode()).decode()


ECHOES = {
    "the key": f"Incorrect API key provided: {KEY}. You can find it at example.com",
    "the header": f"unknown tenant {HEADER}",
    "the beginning of the key": f"Incorrect key {KEY[:14]}...",
    "the end of the key": f"Incorrect key ending in {KEY[-12:]}",
    "the key in capitals": f"INCORRECT KEY {KEY.upper()}",
    "the key of an address": f"GET /?a={quote(HEADER, safe='')}",
    "the key in base64": f"invalid credentials {basic(KEY)}",
    "the headers": f"headers: {{'Authorization': 'Bearer {KEY}', 'X-Tenant-Key': '{HEADER}'}}",
    "the key twice": f"{KEY}{KEY} {HEADER}",
    "the key beyond the length of a message": "x" * 285 + KEY,
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [401, 429, 500])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_server_that_repeats_a_secret_does_not_reveal_it(echo, status, as_text):
    message = ECHOES[echo]
    response = raw(message, status) if as_text else refusal(status, message)

    def behave(number, body):
        return raw(response.body, status)

    with FakeServer(behave) as server:
        error = error_at(server)
    assert f"status {status}: " in str(error)
    assert not parts_of_secrets(describe(error))
    assert basic(KEY)[:20] not in str(error)
    assert quote(HEADER, safe="")[:20] not in str(error)


@pytest.mark.parametrize("echo", ECHOES)
def test_a_body_that_repeats_a_secret_does_not_reveal_it(echo):
    bodies = [ECHOES[echo], json.dumps({"error": ECHOES[echo]}), json.dumps({"choices": [ECHOES]})]
    for body in bodies:
        with RawServer(http(body.encode())) as server:
            assert not parts_of_secrets(describe(error_at(server)))


def test_what_a_server_has_masked_itself_and_ordinary_words_are_left():
    message = "Incorrect API key provided: sk-v***********cdef. None of these is a test."
    with FakeServer(lambda number, body: refusal(401, message)) as server:
        assert str(error_at(server)) == f"status 401: {message}"
        (error,) = OpenAIBackend("m", server.base_url, api_key="a")(["red"], n=1)
        assert str(error) == f"status 401: {message}"


@pytest.mark.parametrize(
    "leak",
    [
        "Bearer abcdefghijklmnop1",
        "http://user:abcdefghijklmnop@proxy:3128",
        "/callback?session=1&access_token=abcdefghijklmnop",
        "sk-abcdefghijklmnop1234567890",
        "hf_abcdefghijklmnop1234567890",
    ],
)
def test_a_secret_of_somebody_else_is_hidden_too(leak):
    with FakeServer(lambda number, body: refusal(502, f"upstream: {leak}")) as server:
        error = error_at(server)
    assert "abcdefghijklmnop" not in str(error)
    assert "<secret>" in str(error)


ADDRESSES = [
    f"http://user:{KEY}@127.0.0.1:9/v1",
    f"http://{KEY}@127.0.0.1:9/v1",
    f"http://127.0.0.1:9/v1?key={KEY}",
    f"http://127.0.0.1:9/v1?x=1&code={KEY}",
    f"http://127.0.0.1:9/v1#{KEY}",
    f"http://user:pa/{KEY}@127.0.0.1/v1",
    f"http://127.0.0.1:9/{KEY}/v1",
    f"http://user:{KEY}@[::1/v1",
    KEY,
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", [None, KEY])
def test_a_key_in_the_address_is_refused_without_showing_it(address, key):
    with pytest.raises(ValueError, match="base_url") as caught:
        OpenAIBackend("m", address, key)
    assert not parts_of_secrets(str(caught.value))
    if address != KEY:
        assert re.search("api_key=", str(caught.value))


@pytest.mark.parametrize(
    "address",
    ["localhost:8000/v1", "ftp://host/v1", "http://", "http://a b/v1", "http://a\n/v1", ""],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="base_url must be an address such as"):
        OpenAIBackend("m", address)


@pytest.mark.parametrize("address", [None, b"http://host/v1", 5])
def test_an_address_that_is_no_text_is_refused(address):
    with pytest.raises(TypeError, match="base_url must be a str"):
        OpenAIBackend("m", address)


@pytest.mark.parametrize(
    ("extra_body", "place"),
    [
        ({"api_key": "abc"}, r"extra_body\['api_key'\]"),
        ({"apiKey": "abc"}, r"extra_body\['apiKey'\]"),
        ({"headers": {"Authorization": "Bearer x"}}, r"extra_body\['headers'\]\['Authorization'\]"),
        ({"extra_headers": {"x-api-key": "abc"}}, r"\['extra_headers'\]\['x-api-key'\]"),
        ({"metadata": [{"token": "abc"}]}, r"extra_body\['metadata'\]\[0\]\['token'\]"),
        ({"client_secret": "abc"}, r"extra_body\['client_secret'\]"),
        ({"AWS_SECRET_ACCESS_KEY": "abc"}, r"extra_body\['AWS_SECRET_ACCESS_KEY'\]"),
        ({"password": "abc"}, r"extra_body\['password'\]"),
        ({"api_key": ["abcdef1234567"]}, r"extra_body\['api_key'\]"),
        ({"password": 12345678}, r"extra_body\['password'\]"),
        ({"token": {"value": "abc"}}, r"extra_body\['token'\]"),
        ({"tools": [{"properties": {"password": "abc"}}]}, r"\['properties'\]\['password'\]"),
        ({"user": "sk-another-0123456789abcdef"}, r"extra_body\['user'\]"),
        ({"callback": "https://u:p@host/"}, r"extra_body\['callback'\]"),
        ({"callback": "https://host/?token=abc"}, r"extra_body\['callback'\]"),
        ({"user": KEY}, "extra_body contains the API key"),
        ({"user": f"tenant {HEADER}"}, "extra_body contains the API key or a secret header"),
    ],
)
def test_a_secret_in_the_further_fields_is_refused_without_showing_it(extra_body, place):
    with pytest.raises(ValueError, match=place) as caught:
        backend_at("http://127.0.0.1:9/v1", extra_body=extra_body)
    assert re.search("api_key=.*headers=", str(caught.value))
    assert not parts_of_secrets(str(caught.value))
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "extra_body",
    [
        {"top_k": 40, "min_p": 0.1, "stop_token_ids": [1, 2], "skip_special_tokens": True},
        {"tools": [{"function": {"parameters": {"properties": {"password": {"type": "string"}}}}}]},
        {
            "bos_token": "<s>",
            "user": "reader@example.com",
            "reward_model": "skywork-reward-llama-8b",
        },
        {"response_format": {"type": "json_object"}, "logit_bias": {"50256": -100}},
        {"provider": {"order": ["a"], "data_collection": "deny"}, "api_key": None, "token": ""},
        {"use_auth_token": True, "cookie": [], "credentials": {}},
        {"response_format": {"schema": {"$defs": {"Credential": {"type": "object"}}}}},
    ],
)
def test_ordinary_further_fields_are_accepted(extra_body):
    assert backend_at("http://127.0.0.1:9/v1", extra_body=extra_body).extra_body == extra_body


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("setting", ["template", "system_prompt", "stop"])
def test_a_secret_in_any_other_setting_is_refused(setting, secret):
    value = f"{{prompt}} {secret}" if setting == "template" else secret
    with pytest.raises(ValueError, match=f"{setting} contains the API key") as caught:
        backend_at("http://127.0.0.1:9/v1", **{setting: value})
    assert not parts_of_secrets(str(caught.value))


def test_the_key_of_the_environment_is_refused_in_settings_too(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ValueError, match="system_prompt contains the API key"):
        OpenAIBackend("m", system_prompt=f"The key is {KEY}")


def test_a_short_key_may_be_an_ordinary_word():
    OpenAIBackend("m", api_key="token", template="Which token? {prompt}")


@pytest.mark.parametrize(
    "parameters",
    [
        {"api_key": f"{KEY}\n{KEY}"}, {"api_key": f"{KEY} {KEY}"}, {"api_key": f"{KEY}é"},
        {"api_key": f"{KEY}\x00"}, {"api_key": KEY.encode()}, {"headers": {"X": f"{HEADER}\nY: z"}},
        {"headers": {"X": HEADER.encode()}}, {"headers": {f"X {HEADER}": "y"}},
        {"headers": {f"{HEADER}\n": "y"}}, {"headers": [HEADER]}, {"headers": HEADER},
        {"headers": {"X": f"{HEADER}é"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_secret_that_cannot_be_sent_is_refused_without_showing_it(parameters):
    with pytest.raises((TypeError, ValueError), match="api_key|headers") as caught:
        OpenAIBackend("m", **parameters)
    assert not parts_of_secrets(str(caught.value))


def test_a_key_of_the_environment_that_cannot_be_sent_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n{KEY}")
    with pytest.raises(ValueError, match="OPENAI_API_KEY contains whitespace") as caught:
        OpenAIBackend("m")
    assert not parts_of_secrets(str(caught.value))


def test_a_key_that_was_read_from_a_file_with_its_newline_is_sent_without_it():
    with FakeServer() as server:
        OpenAIBackend("m", server.base_url, f" {KEY}\n")(["red"], n=1)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_header_of_the_user_replaces_that_of_the_key(name):
    with FakeServer() as server:
        headers = {name: f"Token {HEADER}", "X-Title": "mine"}
        OpenAIBackend("m", server.base_url, KEY, headers=headers)(["red"], n=1)
    assert server.headers[0]["Authorization"] == f"Token {HEADER}"
    assert [name.lower() for name in server.headers[0]].count("authorization") == 1
    assert lower_case(server.headers[0])["x-title"] == "mine"


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "clone of a collector": lambda backend: clone(
        OutcomeCollector({"m": backend}, Contains())
    ).models["m"],
    "copy of a judge": lambda backend: copy.deepcopy(LLMJudge(backend)).backend,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_keeps_the_key_and_the_headers(how):
    with FakeServer() as server:
        COPIES[how](backend_at(server.base_url))(["red"], n=1)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert lower_case(server.headers[0])["x-tenant-key"] == HEADER


def through_joblib(backend):
    file = io.BytesIO()
    joblib.dump(backend, file)
    return file.getvalue(), joblib.load(io.BytesIO(file.getvalue()))


def through_pickle(backend):
    return pickle.dumps(backend), pickle.loads(pickle.dumps(backend))


@pytest.mark.parametrize("through", [through_pickle, through_joblib])
def test_a_pickle_contains_neither_the_key_nor_the_headers(through, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with FakeServer() as server:
        data, loaded = through(backend_at(server.base_url))
        loaded(["red"], n=1)
    assert not [secret for secret in SECRETS if secret.encode() in data]
    assert server.headers[0]["Authorization"] == "Bearer another"
    assert "x-tenant-key" not in lower_case(server.headers[0])


def test_a_digest_does_not_depend_on_the_key():
    one, other = (OpenAIBackend("m", api_key=key, headers={"X": key}) for key in SECRETS)
    assert joblib.hash(one) == joblib.hash(other)
    assert one.settings == other.settings


def test_no_trace_of_a_secret_is_left_by_a_collection(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)

    def behave(number, body):
        prompt = prompt_of(body)
        if prompt == "refused":
            return refusal(401, f"the key {KEY} of {HEADER} is wrong")
        if prompt == "broken":
            return raw(f"{KEY} {HEADER}")
        if prompt == "repeated":  # a response that repeats what the server was sent
            text = f"Bearer {KEY}, {HEADER}"
            return {"choices": [{"message": {"content": text}, "finish_reason": KEY}]}
        return None

    queries = ["red", "refused", "broken", "repeated"]
    with FakeServer(behave) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        collector = OutcomeCollector(
            {"m": backend_at(server.base_url)}, Contains(), n_samples=1,
            store=tmp_path / "outcomes.sqlite", verbose=True,
        )  # fmt: skip
        outcomes = collector.collect(queries, queries)
    shown = [
        repr(collector), estimator_html_repr(collector), repr(collector.get_params()), caplog.text,
        repr(vars(collector.models["m"])), str(collector.models["m"].settings), repr(outcomes),
        collector.responses_.to_csv(), *(str(warning.message) for warning in caught),
        *capfd.readouterr(), joblib.hash(collector),
    ]  # fmt: skip
    assert "<API key>" in "".join(shown)
    assert not [text for text in shown if parts_of_secrets(text)]
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    assert files
    written = b"".join([*files, pickle.dumps(collector)]).decode("latin-1")
    assert not parts_of_secrets(written)


def test_a_collection_that_fails_does_not_show_a_secret(tmp_path):
    with FakeServer(lambda number, body: refusal(403, f"{KEY} {HEADER}")) as server:
        collector = OutcomeCollector(
            {"m": backend_at(server.base_url)}, Contains(), store=tmp_path / "outcomes.sqlite"
        )
        with pytest.raises(BackendError, match="status 403: <API key> <secret>") as caught:
            collector.collect(["red"], ["red"])
    assert not parts_of_secrets(describe(caught.value))


def test_a_redirect_takes_no_secret_to_another_server():
    with RawServer(http(json.dumps(answer({"prompt": "red"})).encode())) as other:
        for status in ("301 A", "302 B", "303 C", "307 D", "308 E"):
            with RawServer(http(status=status, Location=f"{other.base_url}/x")) as server:
                error_at(server)
    assert other.requests == []


def test_the_password_of_a_proxy_is_not_shown(monkeypatch):
    for reply in (http(b"proxy", "407 Proxy Authentication Required"), b"garbage\r\n\r\n"):
        with RawServer(reply) as proxy:
            address = proxy.base_url.removesuffix("/v1").replace("://", f"://user:{HEADER[:13]}@")
            monkeypatch.setenv("HTTP_PROXY", address)
            monkeypatch.setenv("NO_PROXY", "")
            # Connections are shared by backends of one server and key.
            backend = OpenAIBackend("m", "http://model.invalid/v1", f"{KEY}{len(reply)}")
            backend.max_retries = 0
            (error,) = backend(["red"], n=1)
            assert b"model.invalid" in proxy.requests[0]
            assert not parts_of_secrets(describe(error))
    (error,) = OpenAIBackend("m", "http://other.invalid/v1", KEY, max_retries=0)(["red"], n=1)
    assert not parts_of_secrets(describe(error))


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"hf_token": "hf_abcdefghijklmnop1234567890"}, r"engine\['hf_token'\] is, or looks like"),
        ({"hf_overrides": {"password": "abc"}}, r"engine\['hf_overrides'\]\['password'\]"),
    ],
)
def test_a_secret_in_the_arguments_of_an_engine_is_refused(engine, message):
    with pytest.raises(ValueError, match=message) as caught:
        VLLMBackend("m", engine=engine)
    assert "abc" not in str(caught.value)
