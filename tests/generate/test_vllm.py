"""What VLLMBackend passes to vLLM; scripts/check_vllm.py checks that the real vLLM accepts it."""

import math
import pickle
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from dars_sklearn.generate import VLLMBackend


class FakeVLLM:
    """Accept exactly the arguments that ``vllm`` 0.32 accepts, and record them."""

    def __init__(self):
        self.engines, self.calls, self.shows_progress = [], [], False
        fake = self

        class SamplingParams:
            def __init__(self, *, n=1, temperature=1.0, top_p=1.0, max_tokens=16, stop=None,
                         seed=None):  # fmt: skip
                self.__dict__.update(n=n, temperature=temperature, top_p=top_p,
                                     max_tokens=max_tokens, stop=stop, seed=seed)  # fmt: skip

        class LLM:
            def __init__(self, model, *, enable_prefix_caching=None, max_model_len=None):
                time.sleep(0.05)
                fake.engines.append((model, enable_prefix_caching, max_model_len))

            def chat(self, messages, sampling_params=None, use_tqdm=True):
                texts = [conversation[-1]["content"] for conversation in messages]
                fake.calls.append(("chat", messages, sampling_params))
                fake.shows_progress |= use_tqdm
                return fake.outputs(texts, sampling_params)

            def generate(self, prompts, sampling_params=None, use_tqdm=True):
                fake.calls.append(("generate", prompts, sampling_params))
                fake.shows_progress |= use_tqdm
                return fake.outputs(prompts, sampling_params)

        self.LLM, self.SamplingParams = LLM, SamplingParams

    def outputs(self, prompts, params):
        if any(len(prompt) > 100 for prompt in prompts):
            raise RuntimeError("the prompt is too long")
        return [
            SimpleNamespace(
                prompt_token_ids=list(range(3)),
                outputs=[
                    SimpleNamespace(index=i, text=f"{prompt} {i}", token_ids=[1] * (i + 1),
                                    finish_reason="stop")
                    for i in reversed(range(param.n))
                ],
            )
            for prompt, param in zip(prompts, params, strict=True)
        ]  # fmt: skip


@pytest.fixture
def vllm(monkeypatch):
    fake = FakeVLLM()
    monkeypatch.setitem(sys.modules, "vllm", fake)
    return fake


def test_all_prompts_of_a_call_are_one_batch(vllm):
    backend = VLLMBackend(
        "tiny", system_prompt="Be brief.", template="Q: {prompt}", max_tokens=7, stop="\n",
        input_price=1e6, output_price=1e6, engine={"max_model_len": 64},
    )  # fmt: skip
    first, second = backend(["red", "blue"], n=2, seeds=[5, 6])
    assert [response.text for response in first + second] == [
        "Q: red 0", "Q: red 1", "Q: blue 0", "Q: blue 1",
    ]  # fmt: skip
    assert [(r.input_tokens, r.output_tokens) for r in first] == [(3, 1), (3, 2)]
    assert [(r.cost, r.spent) for r in first] == [(4.0, 4.0), (5.0, 2.0)]
    assert first[0].finish_reason == "stop"
    assert math.isnan(first[0].latency)
    assert vllm.engines == [("tiny", True, 64)]
    (kind, messages, params), = vllm.calls  # fmt: skip
    assert kind == "chat"
    assert messages[1] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: blue"},
    ]
    assert [(p.n, p.seed, p.max_tokens, p.stop) for p in params] == [
        (2, 5, 7, ["\n"]),
        (2, 6, 7, ["\n"]),
    ]
    assert [(p.temperature, p.top_p) for p in params] == [(0.7, 0.95)] * 2


def test_the_arguments_of_the_engine_override_the_defaults(vllm):
    VLLMBackend("uncached", engine={"enable_prefix_caching": False})(["red"], n=1)
    assert vllm.engines == [("uncached", False, None)]


def test_backends_of_one_model_share_an_engine_that_is_not_pickled(vllm):
    plain = VLLMBackend("shared", chat=False, template="{prompt}:", temperature=None, top_p=None)
    plain(["red"], n=1)
    pickle.loads(pickle.dumps(plain))(["red"], n=1)
    VLLMBackend("shared")(["red"], n=1)
    assert len(vllm.engines) == 1
    assert not vllm.shows_progress
    assert vllm.calls[0][:2] == ("generate", ["red:"])
    (params,) = vllm.calls[0][2]
    # What is None is left to vLLM.
    assert (params.temperature, params.top_p, params.stop, params.seed) == (1.0, 1.0, None, 0)


def test_the_order_of_the_engine_arguments_does_not_matter(vllm):
    arguments = {"max_model_len": 64, "enable_prefix_caching": True}
    for engine in (arguments, dict(reversed(arguments.items()))):
        VLLMBackend("ordered", engine=engine)(["red"], n=1)
    assert len(vllm.engines) == 1


def test_seeds_of_another_length_than_the_prompts_are_an_error(vllm):
    with pytest.raises(ValueError, match="shorter"):
        VLLMBackend("seeded")(["red", "blue"], n=1, seeds=[1])


def test_several_threads_open_one_engine(vllm):
    backend = VLLMBackend("threaded")
    threads = [threading.Thread(target=backend, args=(["red"],), kwargs={"n": 1}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vllm.engines) == 1
    assert len(vllm.calls) == 4


def test_a_rejected_prompt_does_not_fail_the_other_prompts_of_its_batch(vllm):
    too_long, short = VLLMBackend("rejecting")(["x" * 200, "red"], n=1, seeds=[5, 6])
    assert "too long" in str(too_long)
    assert short[0].text == "red 0"
    assert [params[0].seed for _, _, params in vllm.calls] == [5, 5, 6]


def test_a_missing_vllm_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ImportError, match=r"VLLMBackend needs vllm, .*'dars-sklearn\[vllm\]'"):
        VLLMBackend("absent")(["red"], n=1)


def test_a_collector_passes_as_many_prompts_as_the_batch_size():
    assert VLLMBackend("m").batch_size == 256
    assert VLLMBackend("m", batch_size=1).batch_size == 1
    with pytest.raises(ValueError, match="batch_size must be an int of at least 1, got 0"):
        VLLMBackend("m", batch_size=0)


def test_the_model_may_be_a_folder(tmp_path):
    assert VLLMBackend(tmp_path).settings["model"] == str(tmp_path)


@pytest.mark.parametrize(
    "engine",
    [
        {"quantization": "fp8"}, {"dtype": "float32"}, {"max_model_len": 64}, {"revision": "abc"},
        {"hf_overrides": {"rope_theta": 1e6}}, {"an_argument_of_the_future": 1},
    ],
    ids=str,
)  # fmt: skip
def test_arguments_of_the_engine_that_may_change_responses_are_among_the_settings(engine):
    backend = VLLMBackend("m", engine=engine | {"gpu_memory_utilization": 0.8})
    assert backend.settings == VLLMBackend("m").settings | {"engine": engine}


@pytest.mark.parametrize("engine", [None, {}, {"gpu_memory_utilization": 0.8, "swap_space": 4}])
def test_arguments_that_only_say_where_the_engine_runs_are_not(engine):
    assert "engine" not in VLLMBackend("m", engine=engine).settings


def test_the_arguments_of_the_engine_are_copied():
    engine = {"hf_overrides": {"rope_theta": 1e6}}
    backend = VLLMBackend("m", engine=engine)
    engine["hf_overrides"]["rope_theta"] = 1e4
    assert backend.engine == {"hf_overrides": {"rope_theta": 1e6}}


def test_arguments_of_the_engine_that_are_no_dict_are_refused():
    with pytest.raises(TypeError, match="must be a dict"):
        VLLMBackend("m", engine=[])


@pytest.mark.parametrize("engine", [{"load": {1, 2}}, {"dtype": object()}])
def test_arguments_of_the_engine_that_are_not_json_are_named(engine):
    with pytest.raises(TypeError, match=r"settings of engine are not JSON: settings\['"):
        VLLMBackend("m", engine=engine)
