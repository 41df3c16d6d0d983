import math
import pickle
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from joblib import cpu_count
from models import smol_path

from dars_sklearn.generate import BackendError, LlamaCppBackend


class FakeXllamacpp:
    """Record engines and requests; answer a prompt with its own text."""

    def __init__(self):
        self.engines, self.requests = [], []
        fake = self

        def make_params():
            return SimpleNamespace(
                model=SimpleNamespace(),
                cpuparams=SimpleNamespace(),
                cpuparams_batch=SimpleNamespace(),
            )

        class Server:
            def __init__(self, params):
                time.sleep(0.05)
                fake.engines.append(params)

            def handle_completions(self, request):
                fake.requests.append(request)
                return fake.answer(request["prompt"], request["n"], chat=False)

            def handle_chat_completions(self, request):
                fake.requests.append(request)
                return fake.answer(request["messages"][-1]["content"], request["n"], chat=True)

        self.CommonParams, self.Server = make_params, Server

    def answer(self, prompt, n, chat):
        if prompt == "raise":
            raise RuntimeError("the context is full")
        if prompt == "reject":
            return {"error": {"code": 400, "message": "the prompt is too long"}}
        choices = []
        for index in reversed(range(n)):
            text = "" if prompt == "empty" else f"{prompt} {index}"
            logprobs = {"content": [{}] * (index + 1)}
            choice = {"index": index, "finish_reason": "stop", "logprobs": logprobs}
            choice |= {"message": {"content": text}} if chat else {"text": text}
            if prompt == "empty":
                choice["logprobs"] = None
            if prompt == "uncounted":
                del choice["logprobs"]
            choices.append(choice)
        return {"choices": choices, "usage": {"prompt_tokens": 3}}


@pytest.fixture
def xllamacpp(monkeypatch):
    fake = FakeXllamacpp()
    monkeypatch.setitem(sys.modules, "xllamacpp", fake)
    return fake


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


def test_a_chat_is_one_request_for_all_samples_of_a_prompt(xllamacpp, path):
    backend = LlamaCppBackend(
        path, system_prompt="Be brief.", template="Q: {prompt}", temperature=0.2, top_p=0.9,
        max_tokens=7, stop="\n", input_price=1e6, output_price=1e6,
    )  # fmt: skip
    first, second = backend(["red", "blue"], n=2, seeds=[5, 6])
    assert [r.text for r in first + second] == ["Q: red 0", "Q: red 1", "Q: blue 0", "Q: blue 1"]
    assert [(r.input_tokens, r.output_tokens) for r in first] == [(3, 1), (3, 2)]
    assert [(r.cost, r.spent) for r in first] == [(4.0, 4.0), (5.0, 2.0)]
    assert first[0].finish_reason == "stop"
    assert 0 < first[0].latency == first[1].latency < 10
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: red"},
    ]
    assert xllamacpp.requests[0] == {
        "n": 2, "temperature": 0.2, "top_p": 0.9, "max_tokens": 7, "stop": ["\n"], "seed": 5,
        "messages": messages, "logprobs": True, "top_logprobs": 1,
    }  # fmt: skip
    assert xllamacpp.requests[1]["seed"] == 6


def test_a_completion_sends_the_rendered_template(xllamacpp, path):
    backend = LlamaCppBackend(path, chat=False, template="Q: {prompt}\nA:", seed=4)
    (entry,) = backend(["red"], n=1)
    assert entry[0].text == "Q: red\nA: 0"
    assert entry[0].output_tokens == 1
    assert xllamacpp.requests == [
        {"n": 1, "temperature": 0.7, "top_p": 0.95, "max_tokens": 128, "stop": [], "seed": 4,
         "prompt": "Q: red\nA:", "logprobs": 1}
    ]  # fmt: skip


@pytest.mark.parametrize("prompt", ["empty", "uncounted"])
def test_a_response_without_log_probabilities_has_no_tokens(prompt, xllamacpp, path):
    ((response,),) = LlamaCppBackend(path)([prompt], n=1)
    assert response.output_tokens == 0


def test_a_response_without_content_is_an_empty_text(xllamacpp, path, monkeypatch):
    answer = {
        "choices": [{"index": 0, "message": {"content": None}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3},
    }
    monkeypatch.setattr(xllamacpp, "answer", lambda prompt, n, chat: answer)
    ((response,),) = LlamaCppBackend(path)(["red"], n=1)
    assert (response.text, response.finish_reason) == ("", "length")


def test_a_failed_prompt_does_not_fail_the_other_prompts_of_its_call(xllamacpp, path):
    raised, rejected, good = LlamaCppBackend(path)(["raise", "reject", "red"], n=1)
    assert str(raised) == "llama.cpp failed with RuntimeError: the context is full"
    assert isinstance(raised, BackendError)
    assert isinstance(rejected, BackendError)
    assert str(rejected).startswith("llama.cpp rejected the prompt: {'error'")
    assert good[0].text == "red 0"


@pytest.mark.parametrize(
    "answer",
    [{"choices": [{}]}, {"choices": 5}, {"choices": [{"index": 0, "message": None}]}, None, 5, []],
)
def test_an_answer_in_another_form_fails_one_prompt(answer, xllamacpp, path, monkeypatch):
    monkeypatch.setattr(xllamacpp, "answer", lambda prompt, n, chat: answer)
    (error,) = LlamaCppBackend(path)(["red"], n=1)
    assert isinstance(error, BackendError)


@pytest.mark.parametrize(("n", "n_slots"), [(1, 1), (2, 2), (3, 4), (8, 8), (9, 16)])
def test_the_engine_has_a_slot_for_each_sample_rounded_up_to_a_power_of_two(
    n, n_slots, xllamacpp, path
):
    LlamaCppBackend(path, context_size=100, n_threads=3)(["red"], n=n)
    (params,) = xllamacpp.engines
    assert params.model.path == str(path)
    assert params.n_ctx == 100
    assert params.n_parallel == n_slots
    assert params.cpuparams.n_threads == params.cpuparams_batch.n_threads == 3
    assert params.kv_unified
    assert not params.warmup
    assert not params.ui
    assert params.verbosity == -1


def test_seeds_of_another_length_than_the_prompts_are_an_error(xllamacpp, path):
    with pytest.raises(ValueError, match="shorter"):
        LlamaCppBackend(path)(["red", "blue"], n=1, seeds=[1])


def test_by_default_the_engine_uses_all_cores(xllamacpp, path):
    LlamaCppBackend(path)(["red"], n=1)
    assert xllamacpp.engines[0].cpuparams.n_threads == cpu_count()


def test_backends_of_one_file_share_an_engine_that_is_not_pickled(xllamacpp, path):
    backend = LlamaCppBackend(path)
    backend(["red"], n=3)
    LlamaCppBackend(str(path), temperature=0, chat=False)(["red"], n=4)
    pickle.loads(pickle.dumps(backend))(["red"], n=4)
    assert len(xllamacpp.engines) == 1
    assert len(pickle.dumps(backend)) < 1_000


def test_several_threads_open_one_engine(xllamacpp, path):
    backend = LlamaCppBackend(path)
    threads = [threading.Thread(target=backend, args=(["red"],), kwargs={"n": 1}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(xllamacpp.engines) == 1
    assert len(xllamacpp.requests) == 4


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no GGUF file at .*absent\.gguf"):
        LlamaCppBackend(tmp_path / "absent.gguf")(["red"], n=1)


def test_a_missing_xllamacpp_names_the_extra(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    message = r"LlamaCppBackend needs xllamacpp, .*'dars-sklearn\[local\]'"
    with pytest.raises(ImportError, match=message):
        LlamaCppBackend(path)(["red"], n=1)


def test_the_settings_name_the_file_without_its_folder(tmp_path):
    assert LlamaCppBackend(tmp_path / "a" / "m.gguf").settings["model"] == "m.gguf"


def test_a_context_in_which_responses_end_elsewhere_is_among_the_settings():
    default, small, large = (
        LlamaCppBackend("m.gguf", context_size=size).settings for size in (4096, 64, 8192)
    )
    assert small != default != large != small
    assert default == LlamaCppBackend("m.gguf", n_threads=3).settings
    assert "context_size" not in default  # stores from before are recognised


def test_an_invalid_size_or_number_of_threads_is_named():
    for name in ("context_size", "n_threads"):
        for value in (0, 1.5):
            with pytest.raises(
                ValueError, match=f"{name} must be an int of at least 1, got {value}"
            ):
                LlamaCppBackend("model.gguf", **{name: value})
    assert LlamaCppBackend("model.gguf", context_size=1).context_size == 1


def test_the_chat_template_is_measured_once_by_the_engine(xllamacpp, path):
    backend = LlamaCppBackend(
        path, system_prompt="Be brief.", max_tokens=10, input_price=1e6, output_price=1e3
    )
    # The engine counts 3 tokens for the system message and the template.
    assert backend.highest_price("red", n=2) == pytest.approx(3 + 3 + 0.02)
    assert backend.highest_price("green", n=2) == pytest.approx(5 + 3 + 0.02)
    (request,) = xllamacpp.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "."},
    ]
    assert request["max_tokens"] == 1
    assert backend.estimate_input_tokens("blue") == 1 + 3
    assert len(xllamacpp.engines) == 1


def test_without_prices_no_engine_is_opened_for_the_highest_price(xllamacpp, path):
    assert math.isnan(LlamaCppBackend(path).highest_price("red", n=1))
    assert xllamacpp.engines == []


def test_the_highest_price_of_a_missing_file_names_it(tmp_path):
    backend = LlamaCppBackend(tmp_path / "absent.gguf", input_price=1.0, output_price=1.0)
    with pytest.raises(FileNotFoundError, match=r"there is no GGUF file at .*absent\.gguf"):
        backend.highest_price("red", n=1)


def test_a_completion_has_no_chat_template_to_measure(xllamacpp, path):
    backend = LlamaCppBackend(path, chat=False, input_price=1e6, output_price=0)
    assert backend.highest_price("red", n=1) == pytest.approx(3 + 16)
    assert xllamacpp.requests == []


def test_a_template_that_the_engine_refuses_is_bounded_as_that_of_any_model(
    xllamacpp, path, monkeypatch
):
    monkeypatch.setattr(xllamacpp, "answer", lambda prompt, n, chat: {"error": {"code": 500}})
    backend = LlamaCppBackend(path, input_price=1e6, output_price=0)
    assert backend.highest_price("red", n=1) == pytest.approx(3 + 1024)
    assert backend.estimate_input_tokens("blue") == 1 + 16


@pytest.mark.real
@pytest.mark.parametrize("system_prompt", [None, "Be brief."])
def test_a_real_model_is_not_billed_more_than_the_highest_price(system_prompt):
    backend = LlamaCppBackend(
        smol_path(), system_prompt=system_prompt, max_tokens=4, input_price=1.0, output_price=2.0
    )
    # The template of this model adds a system message of its own, but not beside another.
    for prompt in ["Hi", "Was ist 2 + 2? 😀😀", "<|im_start|>system\n"]:
        ((response,),) = backend([prompt], n=1)
        assert response.spent <= backend.highest_price(prompt, 1)
        assert backend.estimate_input_tokens(prompt) == pytest.approx(response.input_tokens, abs=12)


@pytest.mark.real
def test_a_real_model_is_sampled_reproducibly_within_its_limits():
    backend = LlamaCppBackend(
        smol_path(), system_prompt="Be brief.", max_tokens=8, temperature=1.0, input_price=1.0,
        output_price=2.0,
    )  # fmt: skip
    prompt = "Name a color."
    (first,) = backend([prompt], n=3, seeds=[1])
    (second,) = backend([prompt], n=3, seeds=[1])
    (other,) = backend([prompt], n=3, seeds=[2])
    assert [r.text for r in first] == [r.text for r in second]
    assert [r.text for r in first] != [r.text for r in other]
    assert len({r.text for r in first}) > 1
    assert all(1 <= r.output_tokens <= 8 for r in first)
    assert 0 < sum(r.spent for r in first) <= backend.highest_price(prompt, 3)


@pytest.mark.real
def test_a_real_completion_continues_a_few_shot_prompt():
    template = "Q: Capital of Japan?\nA: Tokyo\nQ: {prompt}\nA:"
    backend = LlamaCppBackend(smol_path(), chat=False, template=template, stop="\n", max_tokens=6,
                              temperature=0)  # fmt: skip
    ((response,),) = backend(["Capital of France?"], n=1)
    assert "Paris" in response.text
    assert "\n" not in response.text
