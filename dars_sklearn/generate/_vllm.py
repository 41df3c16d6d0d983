"""Generation in process by vLLM."""

import json
import math
import os
import threading
from functools import lru_cache

from dars_sklearn.generate._base import ModelBackend, at_least
from dars_sklearn.generate._protocol import Response

__all__ = ["VLLMBackend"]


class VLLMBackend(ModelBackend):
    """A model that vLLM runs in this process, all prompts of a call in one batch.

    The engine is opened on first use, one for each model and process, and
    stays out of copies and pickles.

    Parameters
    ----------
    model : str
        Name or folder of the model, as vLLM takes it.
    template : str, default="{prompt}"
        What is sent to the model; ``{prompt}`` stands for the query. Double
        other braces, as in :meth:`str.format`.
    chat : bool, default=True
        Whether the model's chat template wraps the prompt.
    system_prompt : str or None, default=None
        The system message of a chat.
    temperature : float or None, default=0.7
        Sampling temperature; None leaves it to vLLM.
    top_p : float or None, default=0.95
        Nucleus sampling; None leaves it to vLLM.
    max_tokens : int, default=512
        Longest response, in tokens.
    stop : str or sequence of str, default=()
        Strings that end a response; they are not part of it.
    seed : int or None, default=0
        Seed of requests that do not bring their own.
    input_price, output_price : float, default=nan
        Price of a million input or output tokens, in the user's unit.
    batch_size : int, default=256
        Prompts a collector gives in one call. vLLM batches as it can; all
        responses of a call arrive, and are kept, together.
    engine : dict or None, default=None
        More arguments of ``vllm.LLM``, such as
        ``{"gpu_memory_utilization": 0.8, "max_model_len": 8192}``.

    Raises
    ------
    ImportError
        On first use, where vLLM is not installed.

    Notes
    -----
    Prefix caching is on, so that the prompt is computed once for all its
    samples, and a template's beginning once for all prompts. Latencies are not
    told: in a batch, nobody waits for one response alone.

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
        self.batch_size = at_least("batch_size", batch_size, 1)
        self.engine = engine or {}

    def __call__(self, prompts, *, n, seeds=None):
        """Sample responses.

        Parameters
        ----------
        prompts : sequence of str
            The prompts.
        n : int
            Samples of each.
        seeds : sequence of int or None, default=None
            Seed of each request; None takes the backend's own.

        Returns
        -------
        list of list of Response
            ``n`` responses for each prompt, or the exception it failed with.
        """
        with _OPENING:  # two threads must not load the weights twice
            engine = _open_engine(self.model, json.dumps(self.engine, sort_keys=True), os.getpid())
        seeds = [self.seed] * len(prompts) if seeds is None else seeds
        try:
            return self._sample(engine, prompts, n, seeds)
        except Exception as error:
            if len(prompts) == 1:
                return [error]
            # One prompt that is too long must not fail its neighbours.
            return [
                entry
                for prompt, seed in zip(prompts, seeds, strict=True)
                for entry in self([prompt], n=n, seeds=[seed])
            ]

    def _sample(self, engine, prompts, n, seeds):
        settings = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop) or None,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        params = [_sampling_params()(n=n, seed=seed, **settings) for seed in seeds]
        if self.chat:
            conversations = [self.messages(prompt) for prompt in prompts]
            outputs = engine.chat(conversations, params, use_tqdm=False)
        else:
            texts = [self.render(prompt) for prompt in prompts]
            outputs = engine.generate(texts, params, use_tqdm=False)
        return [self._responses(output) for output in outputs]

    def _responses(self, output):
        input_tokens = len(output.prompt_token_ids)
        return [
            Response(
                text=choice.text,
                input_tokens=input_tokens,
                output_tokens=len(choice.token_ids),
                cost=self.price(input_tokens, len(choice.token_ids)),
                spent=self.price(0 if place else input_tokens, len(choice.token_ids)),
                finish_reason=choice.finish_reason,
            )
            for place, choice in enumerate(sorted(output.outputs, key=lambda c: c.index))
        ]


_OPENING = threading.Lock()


@lru_cache(maxsize=4)
def _open_engine(model, arguments, pid):
    return _import_vllm().LLM(model, **({"enable_prefix_caching": True} | json.loads(arguments)))


def _sampling_params():
    return _import_vllm().SamplingParams


def _import_vllm():
    try:
        import vllm
    except ImportError as error:
        raise ImportError("VLLMBackend needs vLLM: pip install 'dars-sklearn[vllm]'") from error
    return vllm
