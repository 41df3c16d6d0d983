"""Generation in this process from a GGUF file, by llama.cpp."""

import math
import os
import threading
import time
from functools import lru_cache
from pathlib import Path

from joblib import cpu_count

from dars_sklearn.generate._base import Choice, ModelBackend, check_at_least
from dars_sklearn.utils._optional import import_optional

__all__ = ["LlamaCppBackend"]


class LlamaCppBackend(ModelBackend):
    """A model in a GGUF file, run in this process by llama.cpp.

    A backend describes *one candidate model*: a file, a prompt template and decoding settings.
    One file with several templates is several candidates, which share one engine. The engine is
    opened on first use, and is not part of copies and pickles.

    Parameters
    ----------
    path : str or path-like
        The GGUF file.
    template : str, default="{prompt}"
        Text sent to the model. ``{prompt}`` is replaced by the query or paraphrase; double any
        other braces, as in :meth:`str.format`.
    chat : bool, default=True
        Whether to send the text as a chat message, to which the model's chat template is
        applied. Use False for a base model or a few-shot prompt.
    system_prompt : str or None, default=None
        System message of the chat. Requires ``chat=True``.
    temperature : float, default=0.7
        Sampling temperature; 0 always selects the most likely token.
    top_p : float, default=0.95
        Nucleus sampling: probability mass of the most likely tokens to sample from.
    max_tokens : int, default=128
        Maximum number of tokens of a response.
    stop : str or sequence of str, default=()
        Strings at which a response ends; they are not part of the response.
    seed : int, default=0
        Seed of requests that do not pass their own.
    input_price, output_price : float, default=nan
        Price per million input and output tokens, in the user's unit. Without prices, costs are
        NaN.
    n_threads : int or None, default=None
        Number of threads of the engine. None uses every core available to this process.
    context_size : int, default=4096
        Maximum number of tokens of all samples of a request together, prompt included.

    Raises
    ------
    ImportError
        On first use, if xllamacpp is not installed.
    FileNotFoundError
        On first use, if the file does not exist.

    See Also
    --------
    OpenAIBackend : Sends requests to a server, such as llama.cpp's own.
    VLLMBackend : Runs a model in this process by vLLM.

    Notes
    -----
    One request generates all ``n`` samples of a prompt, so the prompt is processed once. The
    same seed, settings and prompt give the same responses on the same machine.

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
        self.context_size = check_at_least("context_size", context_size, 1)

    def _sample_prompts(self, prompts, n, seeds):
        engine = _open_engine(self.path, self.n_threads, self.context_size, n, os.getpid())
        return [
            self._sample_prompt(engine, prompt, n, seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def _sample_prompt(self, engine, prompt, n, seed):
        start = time.perf_counter()
        try:
            answer = self._request(engine, prompt, n, seed)
        except Exception as error:  # other prompts of the call may still succeed
            return error
        if "choices" not in answer:
            return RuntimeError(f"llama.cpp rejected the prompt: {answer!r:.300}")
        latency = time.perf_counter() - start
        choices = [
            self._read_choice(choice)
            for choice in sorted(answer["choices"], key=lambda choice: choice["index"])
        ]
        return self._price_request(choices, answer["usage"]["prompt_tokens"], latency)

    def _request(self, engine, prompt, n, seed):
        request = {
            "n": n,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop),
            "seed": seed,
        }
        # llama.cpp reports the number of tokens of one choice only. Log-probabilities are
        # requested in order to count the tokens of each.
        if not self.chat:
            request |= {"prompt": self.render(prompt), "logprobs": 1}
            return engine.handle_completions(request)
        request |= {"messages": self.messages(prompt), "logprobs": True, "top_logprobs": 1}
        return engine.handle_chat_completions(request)

    def _read_choice(self, choice):
        text = choice["message"]["content"] if self.chat else choice["text"]
        # An empty response has no log-probabilities.
        tokens = (choice.get("logprobs") or {}).get("content") or ()
        return Choice(text or "", choice["finish_reason"], len(tokens))


_OPENING = threading.Lock()


def _open_engine(path, n_threads, context_size, n, pid):
    """Return the engine of a file in this process, shared by all backends of the file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no GGUF file at {path!r}")
    n_slots = 1 << (n - 1).bit_length()  # the next power of 2, so that few engines are opened
    with _OPENING:  # two threads must not load the weights twice
        return _cached_engine(path, n_threads, context_size, n_slots, pid)


@lru_cache(maxsize=8)
def _cached_engine(path, n_threads, context_size, n_slots, pid):
    xllamacpp = import_optional("xllamacpp", extra="local", needed_by="LlamaCppBackend")
    n_threads = n_threads or cpu_count()
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context_size
    params.n_parallel = n_slots
    params.kv_unified = True  # the samples of a request share the cache of its prompt
    params.cpuparams.n_threads = n_threads
    params.cpuparams_batch.n_threads = n_threads
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)
