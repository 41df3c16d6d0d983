"""Generation in process from a GGUF file, over xllamacpp."""

import math
import os
import threading
import time
from functools import lru_cache
from pathlib import Path

from joblib import cpu_count

from dars_sklearn.generate._base import ModelBackend, at_least
from dars_sklearn.generate._protocol import Response

__all__ = ["LlamaCppBackend"]


class LlamaCppBackend(ModelBackend):
    """A model in a GGUF file, run in this process by llama.cpp.

    A backend is a light description of *one candidate model*: a file, a prompt
    template and decoding settings. One file under several templates gives
    several candidates, and they share one engine, which is opened on first use
    and stays out of copies and pickles.

    Parameters
    ----------
    path : str or path-like
        The GGUF file.
    template : str, default="{prompt}"
        What is sent to the model; ``{prompt}`` stands for the query. Double
        other braces, as in :meth:`str.format`.
    chat : bool, default=True
        Whether the model's chat template wraps the prompt. Set it to False for
        a base model, or to write a few-shot prompt.
    system_prompt : str or None, default=None
        The system message of a chat.
    temperature : float, default=0.7
        Sampling temperature; 0 takes the likeliest token.
    top_p : float, default=0.95
        Nucleus sampling: mass of the likeliest tokens that are kept.
    max_tokens : int, default=128
        Longest response, in tokens.
    stop : sequence of str, default=()
        Strings that end a response; they are not part of it.
    seed : int, default=0
        Seed of requests that do not bring their own.
    input_price, output_price : float, default=nan
        Price of a million input or output tokens, in the user's unit. Where
        they are left out, costs are NaN.
    n_threads : int or None, default=None
        Threads of the engine; None uses every core this process may run on.
    context_size : int, default=4096
        Tokens the engine can hold for all samples of a request together.

    Raises
    ------
    ImportError
        On first use, where xllamacpp is not installed.
    FileNotFoundError
        On first use, where there is no such file.

    Notes
    -----
    One prompt is one request for all ``n`` samples, so the prompt is processed
    once. The same seed, settings and prompt give the same responses on the same
    machine.

    Examples
    --------
    >>> from dars_sklearn.generate import LlamaCppBackend
    >>> backend = LlamaCppBackend("model.gguf", template="Q: {prompt}\\nA:", chat=False)
    >>> backend.render("What is 2 + 2?")
    'Q: What is 2 + 2?\\nA:'
    """

    def __init__(
        self,
        path,
        *,
        template="{prompt}",
        chat=True,
        system_prompt=None,
        temperature=0.7,
        top_p=0.95,
        max_tokens=128,
        stop=(),
        seed=0,
        input_price=math.nan,
        output_price=math.nan,
        n_threads=None,
        context_size=4096,
    ):
        self.path = os.fspath(path)
        super().__init__(
            Path(self.path).name, template=template, chat=chat, system_prompt=system_prompt,
            temperature=temperature, top_p=top_p, max_tokens=max_tokens, stop=stop, seed=seed,
            input_price=input_price, output_price=output_price,
        )  # fmt: skip
        self.n_threads = n_threads
        self.context_size = at_least("context_size", context_size, 1)

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
        engine = _open_engine(self.path, self.n_threads, self.context_size, n, os.getpid())
        seeds = [self.seed] * len(prompts) if seeds is None else seeds
        return [
            self._sample(engine, prompt, n, seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def _sample(self, engine, prompt, n, seed):
        start = time.perf_counter()
        try:
            answer = self._request(engine, prompt, n, seed)
        except Exception as error:  # one bad prompt must not fail its neighbours
            return error
        if "choices" not in answer:
            return RuntimeError(f"llama.cpp refused the prompt: {answer!r:.300}")
        latency = time.perf_counter() - start
        input_tokens = answer["usage"]["prompt_tokens"]
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        return [
            self._response(choice, place, input_tokens, latency)
            for place, choice in enumerate(choices)
        ]

    def _request(self, engine, prompt, n, seed):
        request = {
            "n": n,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop),
            "seed": seed,
        }
        # The usage field counts one choice only, so tokens are counted by
        # asking for the log-probability of each.
        if not self.chat:
            request |= {"prompt": self.render(prompt), "logprobs": 1}
            return engine.handle_completions(request)
        request |= {"messages": self.messages(prompt), "logprobs": True, "top_logprobs": 1}
        return engine.handle_chat_completions(request)

    def _response(self, choice, place, input_tokens, latency):
        text = choice["message"]["content"] if self.chat else choice["text"]
        # An answer that is empty has no log-probabilities at all.
        output_tokens = len((choice.get("logprobs") or {}).get("content") or ())
        return Response(
            text=text or "",
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=self.price(input_tokens, output_tokens),
            spent=self.price(0 if place else input_tokens, output_tokens),
            latency=latency,
            finish_reason=choice["finish_reason"],
        )


_OPENING = threading.Lock()


def _open_engine(path, n_threads, context_size, n, pid):
    """One engine for each file and process, however many backends describe it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no GGUF file at {path!r}")
    slots = 1 << (n - 1).bit_length()  # few sizes, so that engines are shared
    with _OPENING:  # two threads must not load the weights twice
        return _cached_engine(path, n_threads, context_size, slots, pid)


@lru_cache(maxsize=8)
def _cached_engine(path, n_threads, context_size, slots, pid):
    try:
        import xllamacpp
    except ImportError as error:
        raise ImportError(
            "LlamaCppBackend needs xllamacpp: pip install 'dars-sklearn[local]'"
        ) from error
    n_threads = n_threads or cpu_count()
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context_size
    params.n_parallel = slots
    params.kv_unified = True  # the samples of a request share its prompt
    params.cpuparams.n_threads = n_threads
    params.cpuparams_batch.n_threads = n_threads
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)
