import asyncio
import copy
import logging
import math
import pickle
import time
from functools import partial
from types import SimpleNamespace

import pytest
from servers import FakeServer, answer, prompt_of, raw, refusal
from sklearn.base import clone

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.generate import BackendError, OpenAIBackend
from dars_sklearn.generate import _openai as openai_module
from dars_sklearn.generate import _server as server_module
from dars_sklearn.grade import Contains

KEY = "sk-verysecret-0123456789"


@pytest.fixture
def short_waits(monkeypatch):
    """Wait a hundredth of the usual time before a retry."""
    monkeypatch.setattr(server_module, "_FIRST_WAIT", 0.005)


def first_request_gets(response):
    return lambda number, body: response() if number == 0 else None


def reject_several(number, body, status=400):
    return refusal(status, "n must be 1") if body.get("n", 1) > 1 else None


def texts(entry):
    return [response.text for response in entry]


def test_all_samples_of_a_prompt_are_one_request():
    with FakeServer() as server:
        backend = OpenAIBackend(
            "m", server.base_url, temperature=0.5, top_p=0.9, max_tokens=9, stop=["\n"],
            system_prompt="Be brief.", template="Q: {prompt}", extra_body={"top_k": 3},
        )  # fmt: skip
        first, second = backend(["red", "blue"], n=3, seeds=[4, 5])
    assert texts(first) == ["Q: red [4/0]", "Q: red [4/1]", "Q: red [4/2]"]
    assert texts(second)[0] == "Q: blue [5/0]"
    assert len(server.requests) == 2
    sent = next(body for body in server.requests if body["seed"] == 4)
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: red"},
    ]
    expected = {"model": "m", "n": 3, "temperature": 0.5, "top_p": 0.9, "max_tokens": 9}
    assert expected.items() <= sent.items()
    assert sent["stop"] == ["\n"]
    assert sent["top_k"] == 3


def test_settings_that_are_none_are_not_sent():
    with FakeServer() as server:
        OpenAIBackend(
            "m", server.base_url, chat=False, temperature=None, top_p=None, seed=None,
            max_tokens_field="max_completion_tokens", max_tokens=5,
        )(["red"], n=1, seeds=[3])  # fmt: skip
    assert server.requests == [{"model": "m", "prompt": "red", "max_completion_tokens": 5}]


def test_a_request_without_a_seed_of_its_own_uses_the_seed_of_the_backend():
    with FakeServer() as server:
        backend = OpenAIBackend("m", server.base_url, seed=8)
        (entry,) = backend(["red"], n=1)
        asyncio.run(without_seed(backend))
    assert texts(entry) == ["red [8/0]"]
    assert "seed" not in server.requests[1]


async def without_seed(backend):
    await asyncio.wrap_future(server_module.start(backend.sample("blue", n=1)))


def test_the_backend_works_while_an_event_loop_is_running():
    with FakeServer() as server:

        async def notebook():
            return OpenAIBackend("m", server.base_url)(["red"], n=2)

        assert len(asyncio.run(notebook())[0]) == 2


@pytest.mark.parametrize(
    "behave",
    [
        reject_several,
        partial(reject_several, status=422),
        lambda number, body: {"choices": answer(body)["choices"][:1]},
    ],
    ids=["rejects n", "rejects n as unprocessable", "ignores n"],
)
def test_a_server_that_returns_one_choice_gets_one_request_per_sample(behave):
    with FakeServer(behave) as server:
        backend = OpenAIBackend("m", server.base_url, input_price=1e6, output_price=0)
        (entry,) = backend(["red"], n=4, seeds=[10])
        n_requests = len(server.requests)
        (later,) = backend(["blue"], n=4, seeds=[20])
    assert len(set(texts(entry))) == 4
    assert sorted(body["seed"] for body in server.requests[n_requests:]) == [20, 21, 22, 23]
    assert [response.spent for response in later] == [7.0] * 4  # each request pays the prompt


def test_a_server_that_returns_one_of_two_choices_gets_one_request_per_sample():
    with FakeServer(lambda number, body: {"choices": answer(body)["choices"][:1]}) as server:
        backend = OpenAIBackend("m", server.base_url)
        for _ in range(2):
            assert len(backend(["red"], n=2)[0]) == 2
    assert [body.get("n", 1) for body in server.requests] == [2, 1, 1, 1]


def test_the_highest_price_counts_the_prompt_for_each_request():
    with FakeServer(reject_several) as server:
        settings = {"input_price": 1e6, "output_price": 0, "max_retries": 0}
        backend = OpenAIBackend("m", server.base_url, **settings)
        # As long as nothing is known of the server, each sample may be a request of its own.
        assert backend.highest_price("red", n=4) == pytest.approx(4 * (3 + 1024))
        backend(["red"], n=4)
        assert backend.highest_price("red", n=4) == pytest.approx(4 * (3 + 1024))
    with FakeServer() as server:
        backend = OpenAIBackend("m", server.base_url, **settings)
        backend(["red"], n=4)
        assert backend.highest_price("red", n=4) == pytest.approx(3 + 1024)


def test_the_highest_price_counts_further_fields_and_an_attempt_that_is_lost():
    prices = {"input_price": 1e6, "output_price": 1e6, "max_tokens": 10}
    backend = OpenAIBackend("m", extra_body={"tools": ["x" * 100]}, **prices)
    assert backend.highest_price("red", n=1) > 2 * (3 + 100 + 1024 + 10)
    assert OpenAIBackend("m", **prices).highest_price("red", n=1) == 2 * (3 + 1024 + 10)
    once = OpenAIBackend("m", max_retries=0, **prices)
    assert once.highest_price("red", n=1) == 3 + 1024 + 10


def test_a_rejected_prompt_is_not_mistaken_for_a_rejected_n():
    with FakeServer(lambda number, body: refusal(400, "context too long")) as server:
        (error,) = OpenAIBackend("m", server.base_url)(["red"], n=3)
    assert isinstance(error, BackendError)
    assert "status 400: context too long" in str(error)
    assert [body.get("n", 1) for body in server.requests] == [3, 1]


def test_a_prompt_of_one_sample_that_is_rejected_is_not_sent_again():
    with FakeServer(lambda number, body: refusal(400, "context too long")) as server:
        (error,) = OpenAIBackend("m", server.base_url)(["red"], n=1)
    assert "context too long" in str(error)
    assert len(server.requests) == 1


def test_missing_choices_are_requested_again():
    with FakeServer(lambda number, body: {"choices": answer(body)["choices"][:2]}) as server:
        (entry,) = OpenAIBackend("m", server.base_url)(["red"], n=5)
    assert len(entry) == 5
    assert len(set(texts(entry))) == 5
    assert [body.get("n", 1) for body in server.requests] == [5, 3, 1]


def test_samples_that_arrived_before_a_failure_are_kept():
    def behave(number, body):
        if number == 0:
            return {"choices": answer(body)["choices"][:3]}
        return refusal(400, "no more")

    with FakeServer(behave) as server:
        (error,) = OpenAIBackend("m", server.base_url)(["red"], n=5)
    assert "no more" in str(error)
    assert len(error.responses) == 3


def test_samples_of_other_requests_are_kept_where_one_request_per_sample_fails():
    def behave(number, body):
        if body.get("seed") == 22:
            return refusal(404, "lost")
        return reject_several(number, body)

    with FakeServer(behave) as server:
        backend = OpenAIBackend("m", server.base_url)
        backend(["red"], n=3)
        (error,) = backend(["blue"], n=4, seeds=[20])
    assert "status 404: lost" in str(error)
    assert texts(error.responses) == ["blue [20/0]", "blue [21/0]", "blue [23/0]"]


def test_a_request_for_one_sample_does_not_reset_what_is_known_of_the_server():
    with FakeServer(reject_several) as server:
        backend = OpenAIBackend("m", server.base_url)
        for n in (3, 1, 3):
            assert len(backend(["red"], n=n)[0]) == n
    assert sum(body.get("n", 1) > 1 for body in server.requests) == 1


def test_a_request_for_one_sample_does_not_show_whether_the_server_supports_several():
    with FakeServer() as server:
        backend = OpenAIBackend("m", server.base_url)
        for n in (1, 3):
            assert len(backend(["red"], n=n)[0]) == n
    assert [body.get("n", 1) for body in server.requests] == [1, 3]


def test_a_failed_prompt_leaves_the_others_of_the_call_intact():
    def behave(number, body):
        return refusal(404, "no") if prompt_of(body) == "blue" else None

    with FakeServer(behave) as server:
        red, blue, green = OpenAIBackend("m", server.base_url)(["red", "blue", "green"], n=1)
    assert texts(red + green) == ["red [0/0]", "green [0/0]"]
    assert isinstance(blue, BackendError)


def test_seeds_of_another_length_than_the_prompts_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        OpenAIBackend("m", "http://127.0.0.1:9/v1")(["red", "blue"], n=1, seeds=[1])


def test_an_interrupted_call_cancels_its_requests(monkeypatch):
    futures = []

    def start_and_interrupt(coroutine):
        future = server_module.start(coroutine)
        futures.append(future)
        interrupted = SimpleNamespace(cancel=future.cancel)

        def result():
            raise KeyboardInterrupt

        interrupted.result = result
        return interrupted

    monkeypatch.setattr(openai_module, "start", start_and_interrupt)
    with FakeServer(latency=0.5) as server:
        with pytest.raises(KeyboardInterrupt):
            OpenAIBackend("m", server.base_url)(["red"], n=1)
        assert futures[0].cancelled()


FAULTS = {
    "500": lambda: refusal(500, "oops"),
    "503": lambda: refusal(503, "busy"),
    "429": lambda: refusal(429, "slow down"),
    "429 with Retry-After": lambda: refusal(429, "slow down", retry_after="1"),
    "truncated JSON": lambda: raw('{"choices": [{"index": 0, "mess'),
    "HTML": lambda: raw("<html>502 Bad Gateway</html>"),
    "empty": lambda: raw(""),
    "no choices": lambda: raw('{"choices": []}'),
    "choices of a wrong type": lambda: raw('{"choices": "many"}'),
    "a choice of a wrong type": lambda: raw('{"choices": [7]}'),
    "no message": lambda: raw('{"choices": [{"index": 0}]}'),
    "a text of a wrong type": lambda: raw('{"choices": [{"message": {"content": 5}}]}'),
    "null content": lambda: raw(
        '{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}'
    ),
    "error with status 200": lambda: raw('{"error": {"message": "overloaded"}}'),
    "invalid UTF-8": lambda: raw(b'{"choices": [{"message": {"content": "\xff\xfe"}}]}'),
    "deep nesting": lambda: raw("[" * 200_000),
    "50 MB": lambda: raw('{"choices": [{"message": {"content": "' + "x" * 50_000_000 + '"}}]}'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_transient_fault_is_retried_after_a_wait(fault, monkeypatch):
    monkeypatch.setattr(server_module, "_FIRST_WAIT", 0.1)
    with FakeServer(first_request_gets(FAULTS[fault])) as server:
        start = time.monotonic()
        (entry,) = OpenAIBackend("m", server.base_url)(["red"], n=2, seeds=[1])
    assert texts(entry) == ["red [1/0]", "red [1/1]"]
    assert len(server.requests) == 2
    assert time.monotonic() - start >= (1.0 if "Retry-After" in fault else 0.05)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_a_failure_with_its_reason(fault, short_waits):
    with FakeServer(lambda number, body: FAULTS[fault]()) as server:
        (error,) = OpenAIBackend("m", server.base_url, max_retries=1)(["red"], n=2)
    assert isinstance(error, BackendError)
    assert str(error)
    assert len(server.requests) == 2


def test_a_dropped_connection_and_a_hanging_one_are_retried(short_waits):
    async def drop(number, body):
        if number == 0:
            raise ConnectionResetError
        if number == 1:
            await asyncio.sleep(5)

    with FakeServer(drop) as server:
        (entry,) = OpenAIBackend("m", server.base_url, timeout=0.5)(["red"], n=1, seeds=[1])
    assert texts(entry) == ["red [1/0]"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "bad key"), (403, "no"), (404, "unknown model"), (413, "too large"),
     (429, "insufficient_quota")],
)  # fmt: skip
def test_a_permanent_error_is_not_retried(status, message):
    with FakeServer(lambda number, body: refusal(status, message)) as server:
        (error,) = OpenAIBackend("m", server.base_url)(["red"], n=1)
    assert f"status {status}: {message}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("usage", ["all", "one"])
@pytest.mark.parametrize("chat", [True, False])
def test_whether_the_server_counts_all_choices_is_inferred(usage, chat):
    with FakeServer(usage=usage) as server:
        backend = OpenAIBackend("m", server.base_url, chat=chat, input_price=1e6, output_price=1e6)
        for _ in range(2):
            (entry,) = backend(["one two three four"], n=3)
            assert [response.output_tokens for response in entry] == [5, 5, 5]
            assert [response.cost for response in entry] == [12.0] * 3
            # The prompt of one request is paid once.
            assert [response.spent for response in entry] == [12.0, 5.0, 5.0]
            assert all(0 < response.latency < 10 for response in entry)
    assert [bool(body.get("logprobs")) for body in server.requests] == [True, usage == "one"]


@pytest.mark.parametrize(
    ("usage", "n", "requested"),
    [("all", 2, False), ("one", 2, True), ("one", 1, False), ("auto", 2, True), ("auto", 1, False)],
)
@pytest.mark.parametrize(
    ("chat", "fields"), [(True, {"logprobs": True, "top_logprobs": 1}), (False, {"logprobs": 1})]
)
def test_log_probabilities_are_requested_only_where_tokens_must_be_counted(
    usage, n, requested, chat, fields
):
    with FakeServer() as server:
        OpenAIBackend("m", server.base_url, usage=usage, chat=chat)(["red"], n=n)
    (body,) = server.requests
    assert {name: body[name] for name in body if "logprobs" in name} == (
        fields if requested else {}
    )


def test_ambiguous_token_counts_are_unknown():
    def without_logprobs(number, body):
        choices = answer(body)["choices"]
        for choice in choices:
            choice.pop("logprobs", None)
        return {"choices": choices, "usage": {"prompt_tokens": 7, "completion_tokens": 4}}

    with FakeServer(without_logprobs) as server:
        backend = OpenAIBackend("m", server.base_url, input_price=1, output_price=1)
        with pytest.warns(UsageWarning, match="usage='all' or usage='one'"):
            (entry,) = backend(["one two three four"], n=3)
        assert [response.output_tokens for response in entry] == [None] * 3
        (entry,) = OpenAIBackend("m", server.base_url, usage="all")(["one two three four"], n=3)
        assert sum(response.output_tokens for response in entry) == 4


def test_refusals_and_reasoning_without_an_answer_are_responses():
    choices = [
        {"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"},
        {"message": {"content": None}, "finish_reason": "length"},
    ]
    with FakeServer(lambda number, body: {"choices": choices}) as server:
        (entry,) = OpenAIBackend("m", server.base_url, usage="all")(["red"], n=2)
    assert [(r.text, r.finish_reason) for r in entry] == [
        ("I will not.", "refusal"),
        ("", "length"),
    ]


def test_backends_of_one_server_share_its_concurrency():
    with FakeServer(latency=0.05) as server:
        settings = {"base_url": server.base_url, "concurrency": 3}
        backends = [OpenAIBackend(model, **settings) for model in ("a", "b")]

        async def sample_both():
            await asyncio.gather(
                *(backend.sample("red", n=1) for backend in backends for _ in range(6))
            )

        server_module.start(sample_both()).result(timeout=30)
    assert len(server.requests) == 12
    assert server.most_in_flight == 3


def test_requests_wait_for_the_rate_limit_of_requests():
    with FakeServer() as server:
        start = time.monotonic()
        # The requests of one minute may be sent immediately; any others wait.
        OpenAIBackend("m", server.base_url, requests_per_minute=120)(["red"] * 122, n=1)
        assert time.monotonic() - start > 0.9


def test_requests_wait_for_the_rate_limit_of_tokens():
    with FakeServer() as server:
        start = time.monotonic()
        limited = OpenAIBackend("m", server.base_url, tokens_per_minute=6000, max_tokens=2999)
        limited(["red"] * 2, n=1)
        assert time.monotonic() - start < 0.9
        limited.max_tokens = 100
        limited(["red"], n=1)
        assert time.monotonic() - start > 0.9


def test_a_request_counts_the_estimated_prompt_and_all_tokens_that_it_may_generate(monkeypatch):
    counted = []

    async def record(self, n_tokens):
        counted.append(n_tokens)

    monkeypatch.setattr(server_module.Server, "_wait_for_limits", record)
    with FakeServer() as server:
        OpenAIBackend("m", server.base_url, max_tokens=10)(["x" * 40], n=3)
    assert counted == [40 / 4 + 16 + 3 * 10]


def test_an_unreachable_server_is_reported_before_collection():
    start = time.monotonic()
    with pytest.raises(BackendError, match="no server answers at http://127.0.0.1:9/v1"):
        OpenAIBackend("m", "http://127.0.0.1:9/v1").check()
    collector = OutcomeCollector({"m": OpenAIBackend("m", "http://127.0.0.1:9/v1")}, Contains())
    with pytest.raises(BackendError, match="model 'm': no server answers at"):
        collector.collect(["red"], ["red"])
    assert time.monotonic() - start < 5


def test_the_key_is_kept_by_a_clone_and_never_shown_or_stored(tmp_path, caplog, monkeypatch):
    def echo_key(number, body):
        return refusal(400, f"what is {KEY}?") if "blue" in prompt_of(body) else None

    caplog.set_level(logging.DEBUG)
    path = tmp_path / "outcomes.sqlite"
    with FakeServer(echo_key) as server:
        backend = OpenAIBackend("m", server.base_url, api_key=KEY)
        collector = clone(OutcomeCollector({"m": backend}, Contains(), n_samples=2, store=path))
        with pytest.warns(UserWarning, match="what is <API key>"):
            collector.collect(["red", "blue"], ["red", "blue"])
        (error,) = copy.deepcopy(backend)(["blue"], n=1)
        assert all(KEY in headers["Authorization"] for headers in server.headers)
        shown = [
            repr(collector), str(backend), str(backend.settings), str(error), repr(error),
            caplog.text, collector.responses_.to_csv(),
        ]  # fmt: skip
        assert not [text for text in shown if KEY in text]
        pickled = pickle.dumps(collector)
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert not [data for data in (pickled, *files) if KEY.encode() in data]
        monkeypatch.setenv("OPENAI_API_KEY", "another")
        pickle.loads(pickled).models["m"](["red"], n=1)
        assert server.headers[-1]["Authorization"] == "Bearer another"


def test_the_key_is_read_from_the_environment_at_the_time_of_a_request(monkeypatch):
    with FakeServer() as server:
        backend = OpenAIBackend("m", server.base_url)
        for key in ("first", "second"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            backend(["red"], n=1)
            assert server.headers[-1]["Authorization"] == f"Bearer {key}"
        OpenAIBackend("m", server.base_url, api_key="mine")(["red"], n=1)
        assert server.headers[-1]["Authorization"] == "Bearer mine"


def test_a_rejected_key_is_reported_by_the_check():
    class Locked(FakeServer):
        async def _models(self, request):
            return refusal(401, f"the key {KEY} is wrong")

    with Locked() as server, pytest.raises(BackendError, match="rejects the API key") as caught:
        OpenAIBackend("m", server.base_url, api_key=KEY).check()
    assert KEY not in str(caught.value)


def test_address_limits_and_seed_do_not_determine_a_response_but_extra_fields_do():
    one = OpenAIBackend("m", "http://one/v1/", extra_body={"top_k": 3})
    other = OpenAIBackend(
        "m", "http://other/v1", api_key=KEY, extra_body={"top_k": 3}, seed=5, concurrency=1,
        timeout=1, max_retries=0, usage="all", requests_per_minute=1, input_price=1.0,
    )  # fmt: skip
    assert one.base_url == "http://one/v1"
    assert one.settings == other.settings
    assert one.settings != OpenAIBackend("m", extra_body={"top_k": 4}).settings


def test_extra_fields_are_copied():
    extra_body = {"options": {"top_k": 3}}
    backend = OpenAIBackend("m", extra_body=extra_body)
    extra_body["options"]["top_k"] = 4
    assert backend.extra_body == {"options": {"top_k": 3}}


@pytest.mark.parametrize(
    ("field", "parameter"),
    [
        ("messages", "template and system_prompt"),
        ("n", "the number of samples of a collection"),
        ("stream", "the backend, which reads complete responses"),
        ("max_tokens", "max_tokens"),
        ("max_completion_tokens", "max_tokens and max_tokens_field"),
        ("seed", "seed"),
    ],
)
def test_a_further_field_that_has_a_parameter_is_refused(field, parameter):
    message = f"extra_body contains '{field}', which is determined by {parameter}; remove it"
    with pytest.raises(ValueError, match=message):
        OpenAIBackend("m", extra_body={field: 1})


def test_the_field_of_max_tokens_is_refused_as_a_further_field():
    with pytest.raises(ValueError, match="'max_new_tokens', which is determined by max_tokens;"):
        OpenAIBackend("m", max_tokens_field="max_new_tokens", extra_body={"max_new_tokens": 9})


@pytest.mark.parametrize(
    ("extra_body", "message"),
    [
        ({"stop_at": {1, 2}}, r"settings\['extra_body'\]\['stop_at'\] is of type 'set'"),
        ({"a": [{"b": object()}]}, r"\['extra_body'\]\['a'\]\[0\]\['b'\] is of type 'object'"),
        ({"logit_bias": {50256: -100}}, "has the key 50256, which is not a str"),
        (["top_k"], "extra_body must be a dict, got 'list'"),
        ([], "extra_body must be a dict, got 'list'"),
    ],
)
def test_further_fields_that_are_not_json_are_named(extra_body, message):
    with pytest.raises(TypeError, match=message):
        OpenAIBackend("m", extra_body=extra_body)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"template": "no field"}, "template must contain"),
        ({"temperature": -1}, "temperature must be a finite number of at least 0"),
        ({"max_tokens": 0}, "max_tokens must be an int of at least 1"),
        ({"usage": "some"}, "usage must be 'auto', 'all' or 'one', got 'some'"),
        ({"concurrency": 0}, "concurrency must be an int of at least 1, got 0"),
        ({"concurrency": 2.5}, "concurrency must be an int of at least 1, got 2.5"),
        ({"requests_per_minute": 0}, "requests_per_minute must be a finite number of at least 1"),
        ({"requests_per_minute": math.inf}, "requests_per_minute must be .* got inf"),
        ({"tokens_per_minute": 0.5}, "tokens_per_minute must be .* at least 1, got 0.5"),
        ({"timeout": -1}, "timeout must be a finite number of at least 0, got -1"),
        ({"timeout": math.inf}, "timeout must be a finite number of at least 0, got inf"),
        ({"max_retries": -1}, "max_retries must be an int of at least 0, got -1"),
        ({"max_retries": 1.5}, "max_retries must be an int of at least 0, got 1.5"),
        ({"input_price": -1}, "input_price must be a finite number of at least 0"),
        ({"chat": False, "system_prompt": "x"}, "system_prompt='x' requires chat=True"),
    ],
)
def test_an_invalid_parameter_is_named_with_its_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        OpenAIBackend("m", **parameters)


def test_parameters_at_their_limits_are_accepted():
    backend = OpenAIBackend(
        "m", concurrency=1, requests_per_minute=1, tokens_per_minute=1, timeout=0, max_retries=0
    )
    assert (backend.concurrency, backend.max_retries) == (1, 0)
