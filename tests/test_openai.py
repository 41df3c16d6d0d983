import asyncio
import copy
import logging
import pickle
import time

import pytest
from servers import FakeServer, answer, prompt_of, raw, refusal
from sklearn.base import clone

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.generate import BackendError, OpenAIBackend
from dars_sklearn.grade import Contains

KEY = "sk-verysecret-0123456789"


def once(response):
    """Misbehave on the first request only."""
    return lambda number, body: response() if number == 0 else None


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


def test_what_is_none_is_not_sent():
    with FakeServer() as server:
        OpenAIBackend(
            "m", server.base_url, chat=False, temperature=None, top_p=None, seed=None,
            max_tokens_field="max_completion_tokens", max_tokens=5,
        )(["red"], n=1, seeds=[3])  # fmt: skip
    assert server.requests == [{"model": "m", "prompt": "red", "max_completion_tokens": 5}]


def test_a_running_event_loop_is_no_obstacle():
    with FakeServer() as server:

        async def notebook():
            return OpenAIBackend("m", server.base_url)(["red"], n=2)

        assert len(asyncio.run(notebook())[0]) == 2


@pytest.mark.parametrize(
    "behave",
    [
        lambda number, body: refusal(400, "n must be 1") if body.get("n", 1) > 1 else None,
        lambda number, body: {"choices": answer(body)["choices"][:1]},
    ],
    ids=["refuses", "ignores"],
)
def test_servers_that_give_one_choice_are_asked_for_each(behave):
    with FakeServer(behave) as server:
        backend = OpenAIBackend("m", server.base_url, input_price=1e6, output_price=0)
        (entry,) = backend(["red"], n=4, seeds=[10])
        before = len(server.requests)
        (again,) = backend(["blue"], n=4, seeds=[20])
    assert len(set(texts(entry))) == 4  # no two with the same seed
    assert len(server.requests) - before == 4  # and that is remembered
    assert [response.spent for response in again] == [7.0] * 4  # each pays the prompt


def test_a_refused_prompt_is_not_taken_for_a_refused_number():
    with FakeServer(lambda number, body: refusal(400, "context too long")) as server:
        (error,) = OpenAIBackend("m", server.base_url)(["red"], n=3)
    assert isinstance(error, BackendError)
    assert "status 400: context too long" in str(error)
    assert len(server.requests) == 2


def test_fewer_choices_than_asked_are_topped_up():
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


def test_one_sample_does_not_make_a_server_forget_that_it_gives_one():
    def behave(number, body):
        return refusal(400, "n must be 1") if body.get("n", 1) > 1 else None

    with FakeServer(behave) as server:
        backend = OpenAIBackend("m", server.base_url)
        for n in (3, 1, 3):
            assert len(backend(["red"], n=n)[0]) == n
    assert sum(body.get("n", 1) > 1 for body in server.requests) == 1


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
def test_a_fault_that_passes_is_retried(fault):
    with FakeServer(once(FAULTS[fault])) as server:
        start = time.monotonic()
        (entry,) = OpenAIBackend("m", server.base_url)(["red"], n=2, seeds=[1])
    assert texts(entry) == ["red [1/0]", "red [1/1]"]
    assert len(server.requests) == 2
    assert time.monotonic() - start >= (1.0 if "Retry-After" in fault else 0.2)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_a_failure_with_its_reason(fault):
    with FakeServer(lambda number, body: FAULTS[fault]()) as server:
        (error,) = OpenAIBackend("m", server.base_url, max_retries=1)(["red"], n=2)
    assert isinstance(error, BackendError)
    assert str(error)
    assert len(server.requests) == 2


def test_a_dropped_connection_and_a_hang_are_retried():
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
def test_errors_that_stay_are_not_retried(status, message):
    with FakeServer(lambda number, body: refusal(status, message)) as server:
        (error,) = OpenAIBackend("m", server.base_url)(["red"], n=1)
    assert f"status {status}: {message}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("usage", ["all", "one"])
@pytest.mark.parametrize("chat", [True, False])
def test_what_the_server_counts_is_found_out(usage, chat):
    with FakeServer(usage=usage) as server:
        backend = OpenAIBackend("m", server.base_url, chat=chat, input_price=1e6, output_price=1e6)
        for _ in range(2):
            (entry,) = backend(["one two three four"], n=3)
            assert [response.output_tokens for response in entry] == [5, 5, 5]
            assert [response.cost for response in entry] == [12.0] * 3
            # The prompt of one request is paid once.
            assert [response.spent for response in entry] == [12.0, 5.0, 5.0]
    assert [bool(body.get("logprobs")) for body in server.requests] == [True, usage == "one"]


def test_tokens_that_cannot_be_told_are_not_guessed():
    def silent(number, body):
        choices = answer(body)["choices"]
        for choice in choices:
            choice.pop("logprobs", None)
        return {"choices": choices, "usage": {"prompt_tokens": 7, "completion_tokens": 4}}

    with FakeServer(silent) as server:
        backend = OpenAIBackend("m", server.base_url, input_price=1, output_price=1)
        with pytest.warns(UsageWarning, match="usage='all' or usage='one'"):
            (entry,) = backend(["one two three four"], n=3)
        assert [response.output_tokens for response in entry] == [None] * 3
        said = OpenAIBackend("m", server.base_url, usage="all")
        (entry,) = said(["one two three four"], n=3)
        assert sum(response.output_tokens for response in entry) == 4


def test_refusals_and_thoughts_without_an_answer_are_responses():
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


def test_limits_are_kept():
    with FakeServer(latency=0.05) as server:
        OpenAIBackend("m", server.base_url, concurrency=3)(["red"] * 12, n=1)
        assert server.most_in_flight == 3
        start = time.monotonic()
        # A minute's worth may come at once; what is over it waits for its turn.
        OpenAIBackend("m", server.base_url, requests_per_minute=120)(["red"] * 122, n=1)
        assert time.monotonic() - start > 0.9
        start = time.monotonic()
        limited = OpenAIBackend("m", server.base_url, tokens_per_minute=6000, max_tokens=2999)
        limited(["red"] * 2, n=1)
        limited.max_tokens = 100
        limited(["red"], n=1)
        assert time.monotonic() - start > 0.9


def test_a_server_that_is_not_there_is_named_at_once():
    start = time.monotonic()
    with pytest.raises(BackendError, match="no server answers at http://127.0.0.1:9/v1"):
        OpenAIBackend("m", "http://127.0.0.1:9/v1").check()
    collector = OutcomeCollector({"m": OpenAIBackend("m", "http://127.0.0.1:9/v1")}, Contains())
    with pytest.raises(BackendError, match="model 'm': no server answers at"):
        collector.collect(["red"], ["red"])
    assert time.monotonic() - start < 5


def test_the_key_is_kept_by_a_clone_and_told_to_nobody(tmp_path, caplog, monkeypatch):
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
        told = [
            repr(collector), str(backend), str(backend.settings), str(error), repr(error),
            caplog.text, collector.responses_.to_csv(),
        ]  # fmt: skip
        assert not [text for text in told if KEY in text]
        pickled = pickle.dumps(collector)
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert not [data for data in (pickled, *files) if KEY.encode() in data]
        monkeypatch.setenv("OPENAI_API_KEY", "another")
        pickle.loads(pickled).models["m"](["red"], n=1)
        assert server.headers[-1]["Authorization"] == "Bearer another"


def test_a_wrong_key_is_found_before_anything_is_asked():
    class Locked(FakeServer):
        async def _models(self, request):
            return refusal(401, f"the key {KEY} is wrong")

    with Locked() as server, pytest.raises(BackendError, match="refuses the API key") as caught:
        OpenAIBackend("m", server.base_url, api_key=KEY).check()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"template": "no field"}, "template must hold"),
        ({"temperature": -1}, "temperature must be at least 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"usage": "some"}, "usage must be"),
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"requests_per_minute": 0}, "requests_per_minute must be at least 1"),
        ({"input_price": -1}, "input_price must not be negative"),
        ({"chat": False, "system_prompt": "x"}, "system_prompt needs chat=True"),
    ],
)
def test_bad_settings_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        OpenAIBackend("m", **parameters)
