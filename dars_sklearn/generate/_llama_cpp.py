"""Generation in process from a GGUF file, over xllamacpp."""

import math
import os
import threading
import time
from functools import lru_cache
from pathlib import Path
from string import Formatter

from joblib import cpu_count

from dars_sklearn.generate._protocol import Response

__all__ = ["LlamaCppBackend"]


class LlamaCppBackend:
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
        self.template = _check_template(template)
        self.chat = chat
        self.system_prompt = system_prompt
        self.temperature = _check_at_least("temperature", temperature, 0)
        self.top_p = _check_at_least("top_p", top_p, 0)
        self.max_tokens = _check_at_least("max_tokens", max_tokens, 1)
        self.stop = (stop,) if isinstance(stop, str) else tuple(stop)
        self.seed = seed
        self.input_price = _check_price("input_price", input_price)
        self.output_price = _check_price("output_price", output_price)
        self.n_threads = n_threads
        self.context_size = _check_at_least("context_size", context_size, 1)
        if system_prompt is not None and not chat:
            raise ValueError(
                "system_prompt needs chat=True; with chat=False, write it into template"
            )

    def __repr__(self):
        kind = "chat" if self.chat else "completion"
        return (
            f"LlamaCppBackend({Path(self.path).name!r}, {kind}, "
            f"template={self.template!r:.60}, temperature={self.temperature})"
        )

    def render(self, prompt):
        """Return the text that is sent for a prompt.

        Parameters
        ----------
        prompt : str
            The query, or one of its paraphrases.

        Returns
        -------
        str
            The template with the prompt in it.
        """
        return self.template.format(prompt=prompt)

    def __call__(self, prompts, *, n, seed=None):
        """Sample responses.

        Parameters
        ----------
        prompts : sequence of str
            The prompts.
        n : int
            Samples of each.
        seed : int or None, default=None
            Seed of these requests; None takes the backend's own.

        Returns
        -------
        list of list of Response
            ``n`` responses for each prompt, or the exception it failed with.
        """
        engine = _open_engine(self.path, self.n_threads, self.context_size, n, os.getpid())
        seed = self.seed if seed is None else seed
        return [self._sample(engine, prompt, n, seed) for prompt in prompts]

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
        return [
            self._response(choice, input_tokens, latency)
            for choice in sorted(answer["choices"], key=lambda choice: choice["index"])
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
        messages = [{"role": "user", "content": self.render(prompt)}]
        if self.system_prompt is not None:
            messages.insert(0, {"role": "system", "content": self.system_prompt})
        request |= {"messages": messages, "logprobs": True, "top_logprobs": 1}
        return engine.handle_chat_completions(request)

    def _response(self, choice, input_tokens, latency):
        text = choice["message"]["content"] if self.chat else choice["text"]
        # An answer that is empty has no log-probabilities at all.
        output_tokens = len((choice.get("logprobs") or {}).get("content") or ())
        price = self.input_price * input_tokens + self.output_price * output_tokens
        return Response(
            text=text or "",
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=price / 1e6,
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


def _check_template(template):
    fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    if fields.count("prompt") != 1 or len(fields) != 1:
        raise ValueError(
            f"template must hold '{{prompt}}' once and no other field, got {template!r}; "
            "write other braces doubled"
        )
    return template


def _check_at_least(name, value, least):
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return value


def _check_price(name, price):
    if price < 0:
        raise ValueError(f"{name} must not be negative, got {price!r}")
    return price
