"""Generation in this process by vLLM."""

import copy
import json
import math
import os
import threading
from functools import lru_cache

from dars_sklearn.generate._base import Choice, ModelBackend
from dars_sklearn.generate._protocol import BackendError
from dars_sklearn.generate._secrets import find_secret
from dars_sklearn.utils._optional import import_optional
from dars_sklearn.utils._settings import settings_to_json
from dars_sklearn.utils._validation import check_count

__all__ = ["VLLMBackend"]

# Arguments of the engine that say where and how fast it runs. Any other, such as a quantization,
# may change the responses.
_RESOURCE_ARGUMENTS = frozenset({
    "block_size", "cpu_offload_gb", "data_parallel_size", "disable_custom_all_reduce",
    "disable_log_stats", "distributed_executor_backend", "download_dir", "enable_chunked_prefill",
    "enable_expert_parallel", "enable_prefix_caching", "enforce_eager", "gpu_memory_utilization",
    "kv_cache_memory_bytes", "max_num_batched_tokens", "max_num_seqs",
    "max_parallel_loading_workers", "num_gpu_blocks_override", "pipeline_parallel_size",
    "swap_space", "tensor_parallel_size",
})  # fmt: skip


class VLLMBackend(ModelBackend):
    """A model run in this process by vLLM, with all prompts of a call in one batch.

    The engine is opened on first use, once per model and process, and is not part of copies
    and pickles.

    Parameters
    ----------
    model : str
        Name or folder of the model, as vLLM accepts it.
    template : str, default="{prompt}"
        Text sent to the model. ``{prompt}`` is replaced by the query or paraphrase; double any
        other braces, as in :meth:`str.format`.
    chat : bool, default=True
        Whether to send the text as a chat message, to which the model's chat template is
        applied. Use False for a base model or a few-shot prompt.
    system_prompt : str or None, default=None
        System message of the chat. Requires ``chat=True``.
    temperature : float or None, default=0.7
        Sampling temperature; 0 always selects the most likely token. None uses vLLM's default.
    top_p : float or None, default=0.95
        Nucleus sampling: probability mass of the most likely tokens to sample from. None uses
        vLLM's default.
    max_tokens : int, default=512
        Maximum number of tokens of a response.
    stop : str or sequence of str, default=()
        Strings at which a response ends; they are not part of the response.
    seed : int or None, default=0
        Seed of requests that do not pass their own.
    input_price, output_price : float, default=nan
        Price per million input and output tokens, in the user's unit. Without prices, costs are
        NaN.
    batch_size : int, default=256
        Number of prompts that a collector passes in one call. vLLM schedules them itself. The
        responses of a call are returned, and stored, together.
    engine : dict or None, default=None
        Further arguments of ``vllm.LLM``, such as
        ``{"gpu_memory_utilization": 0.8, "max_model_len": 8192}``. All but those that only say
        where and how fast it runs, such as the first, are part of the settings by which a store
        recognises responses.

    Raises
    ------
    ImportError
        On first use, if vLLM is not installed.
    TypeError, ValueError
        If ``engine`` contains anything that is not JSON, or a secret.

    See Also
    --------
    OpenAIBackend : Sends requests to a vLLM server instead.
    LlamaCppBackend : Runs a GGUF file in this process.

    Notes
    -----
    Prefix caching is enabled, so the prompt is processed once for all its samples, and the
    beginning of a template once for all prompts. Latencies are not reported, since the
    responses of a batch have no latency of their own.

    A store recognises responses by the name of the model or its folder, not by the weights. Give
    other weights another name.

    Examples
    --------
    >>> from dars_sklearn.generate import VLLMBackend
    >>> VLLMBackend("Qwen/Qwen3-8B", engine={"max_model_len": 8192})
    VLLMBackend('Qwen/Qwen3-8B', chat, template='{prompt}', temperature=0.7)
    """

    def __init__(
        self,
        model,
        *,
        template="{prompt}",
        chat=True,
        system_prompt=None,
        temperature=0.7,
        top_p=0.95,
        max_tokens=512,
        stop=(),
        seed=0,
        input_price=math.nan,
        output_price=math.nan,
        batch_size=256,
        engine=None,
    ):
        super().__init__(
            os.fspath(model), template=template, chat=chat, system_prompt=system_prompt,
            temperature=temperature, top_p=top_p, max_tokens=max_tokens, stop=stop, seed=seed,
            input_price=input_price, output_price=output_price,
        )  # fmt: skip
        check_count(batch_size, "batch_size")
        self.batch_size = batch_size
        self.engine = {} if engine is None else copy.deepcopy(engine)
        settings_to_json(self.engine, "engine")
        place = find_secret(self.engine, "engine")
        if place is not None:
            raise ValueError(
                f"{place} is, or looks like, a secret, but engine is part of pickles; set it in "
                "the environment, such as HF_TOKEN"
            )

    @property
    def settings(self):
        """Everything that determines a response, the arguments of the engine included."""
        engine = {
            name: value for name, value in self.engine.items() if name not in _RESOURCE_ARGUMENTS
        }
        # Without such arguments, the settings are those that existing stores contain.
        return super().settings | ({"engine": engine} if engine else {})

    def _sample_prompts(self, prompts, n, seeds):
        with _OPENING:  # two threads must not load the weights twice
            engine = _open_engine(self.model, json.dumps(self.engine, sort_keys=True), os.getpid())
        try:
            return self._sample_batch(engine, prompts, n, seeds)
        except Exception as error:  # vLLM has no common class for the errors of a prompt
            if len(prompts) == 1:
                return [BackendError(f"vLLM failed with {type(error).__name__}: {error}"[:300])]
            # vLLM rejects a batch because of one prompt; find the prompts that it accepts.
            return [
                entry
                for prompt, seed in zip(prompts, seeds, strict=True)
                for entry in self._sample_prompts([prompt], n, [seed])
            ]

    def _sample_batch(self, engine, prompts, n, seeds):
        settings = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop) or None,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        params = [_import_vllm().SamplingParams(n=n, seed=seed, **settings) for seed in seeds]
        if self.chat:
            conversations = [self.messages(prompt) for prompt in prompts]
            outputs = engine.chat(conversations, params, use_tqdm=False)
        else:
            texts = [self.render(prompt) for prompt in prompts]
            outputs = engine.generate(texts, params, use_tqdm=False)
        return [self._read_output(output) for output in outputs]

    def _read_output(self, output):
        choices = [
            Choice(choice.text, choice.finish_reason, len(choice.token_ids))
            for choice in sorted(output.outputs, key=lambda choice: choice.index)
        ]
        return self._price_request(choices, len(output.prompt_token_ids))


_OPENING = threading.Lock()


@lru_cache(maxsize=4)
def _open_engine(model, arguments, pid):
    return _import_vllm().LLM(model, **({"enable_prefix_caching": True} | json.loads(arguments)))


def _import_vllm():
    return import_optional("vllm", extra="vllm", needed_by="VLLMBackend")
