"""What VLLMBackend passes to vLLM; scripts/check_vllm.py runs it on the real one."""

import builtins
import pickle
import sys
from types import SimpleNamespace

import pytest

from dars_sklearn.generate import VLLMBackend


class FakeVLLM:
    """Takes just what ``vllm`` 0.32 takes, and records it."""

    def __init__(self):
        self.engines, self.calls = [], []
        outer = self

        class SamplingParams:
            def __init__(self, *, n=1, temperature=1.0, top_p=1.0, max_tokens=16, stop=None,
                         seed=None):  # fmt: skip
                self.__dict__.update(n=n, temperature=temperature, top_p=top_p,
                                     max_tokens=max_tokens, stop=stop, seed=seed)  # fmt: skip

        class LLM:
            def __init__(self, model, *, enable_prefix_caching=None, max_model_len=None):
                outer.engines.append((model, enable_prefix_caching, max_model_len))

            def chat(self, messages, sampling_params=None, use_tqdm=True):
                texts = [conversation[-1]["content"] for conversation in messages]
                outer.calls.append(("chat", messages, sampling_params))
                return outer.outputs(texts, sampling_params)

            def generate(self, prompts, sampling_params=None, use_tqdm=True):
                outer.calls.append(("generate", prompts, sampling_params))
                return outer.outputs(prompts, sampling_params)

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


def test_a_call_is_one_batch_of_all_its_prompts(vllm):
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


def test_backends_of_one_model_share_an_engine_that_no_pickle_holds(vllm):
    plain = VLLMBackend("shared", chat=False, template="{prompt}:", temperature=None, top_p=None)
    plain(["red"], n=1)
    pickle.loads(pickle.dumps(plain))(["red"], n=1)
    VLLMBackend("shared")(["red"], n=1)
    assert len(vllm.engines) == 1
    assert vllm.calls[0][:2] == ("generate", ["red:"])
    assert (vllm.calls[0][2][0].temperature, vllm.calls[0][2][0].seed) == (1.0, 0)


def test_one_prompt_that_is_refused_does_not_fail_its_neighbours(vllm):
    long, short = VLLMBackend("refusing")(["x" * 200, "red"], n=1)
    assert "too long" in str(long)
    assert short[0].text == "red 0"


def test_its_absence_names_the_extra(monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments, **keywords):
        if name == "vllm":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install 'dars-sklearn\[vllm\]'"):
        VLLMBackend("absent")(["red"], n=1)
