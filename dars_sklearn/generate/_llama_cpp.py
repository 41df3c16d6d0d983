"""Generation in this process from a GGUF file, by llama.cpp."""

import math
import os
import threading
import time
from functools import lru_cache
from pathlib import Path

from joblib import cpu_count

from dars_sklearn.generate._base import Choice, ModelBackend
from dars_sklearn.generate._protocol import BackendError
from dars_sklearn.utils._optional import import_optional
from dars_sklearn.utils._validation import check_count

__all__ = ["LlamaCppBackend"]

_DEFAULT_CONTEXT_SIZE = 4096


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

    A store recognises responses by the name of the file, without its folder and its content, so
    that it can be used on another machine. Give another file another name.

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
        context_size=_DEFAULT_CONTEXT_SIZE,
    ):
        self.path = os.fspath(path)
        super().__init__(
            Path(self.path).name, template=template, chat=chat, system_prompt=system_prompt,
            temperature=temperature, top_p=top_p, max_tokens=max_tokens, stop=stop, seed=seed,
            input_price=input_price, output_price=output_price,
        )  # fmt: skip
        if n_threads is not None:
            check_count(n_threads, "n_threads")
        check_count(context_size, "context_size")
        self.n_threads, self.context_size = n_threads, context_size

    @property
    def settings(self):
        """Everything that determines a response, the file by its name without the folder."""
        # A response ends where the context is full. The default is left out, as in the settings
        # that existing stores contain.
        is_default = self.context_size == _DEFAULT_CONTEXT_SIZE
        return super().settings | ({} if is_default else {"context_size": self.context_size})

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
            latency = time.perf_counter() - start
            if "choices" not in answer:
                return BackendError(f"llama.cpp rejected the prompt: {answer!r:.300}")
            choices = [
                self._read_choice(choice)
                for choice in sorted(answer["choices"], key=lambda choice: choice["index"])
            ]
            return self._price_request(choices, answer["usage"]["prompt_tokens"], latency)
        except Exception as error:  # other prompts of the call may still succeed
            return BackendError(f"llama.cpp failed with {type(error).__name__}: {error}"[:300])

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

    def _measure_template(self):
        if not self.chat:
            return None
        return _measure_template(self.path, self.n_threads, self.context_size, self.system_prompt)

    def _read_choice(self, choice):
        text = choice["message"]["content"] if self.chat else choice["text"]
        # An empty response has no log-probabilities.
        tokens = (choice.get("logprobs") or {}).get("content") or ()
        return Choice(text or "", choice["finish_reason"], len(tokens))


@lru_cache(maxsize=64)
def _measure_template(path, n_threads, context_size, system_prompt):
    """Return the number of tokens of a chat without a question, None if the engine refuses it.

    The system message and the shortest user message are included. The engine is closed again: how
    many samples the engine of the requests will have to generate at a time is not known here.
    """
    messages = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
    messages.append({"role": "user", "content": "."})
    request = {"messages": messages, "n": 1, "max_tokens": 1}
    _check_file(path)
    answer = _new_engine(path, n_threads, context_size, 1).handle_chat_completions(request)
    return answer.get("usage", {}).get("prompt_tokens")


_OPENING = threading.Lock()


def _open_engine(path, n_threads, context_size, n, pid):
    """Return the engine of a file in this process, shared by all backends of the file."""
    _check_file(path)
    n_slots = 1 << (n - 1).bit_length()  # the next power of 2, so that few engines are opened
    with _OPENING:  # two threads must not load the weights twice
        return _cached_engine(path, n_threads, context_size, n_slots, pid)


def _check_file(path):
    """Raise if there is no file at a path."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no GGUF file at {path!r}")


@lru_cache(maxsize=8)
def _cached_engine(path, n_threads, context_size, n_slots, pid):
    """Return an engine that stays open."""
    return _new_engine(path, n_threads, context_size, n_slots)


def _new_engine(path, n_threads, context_size, n_slots):
    """Open an engine; it is closed when nothing refers to it any more."""
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
