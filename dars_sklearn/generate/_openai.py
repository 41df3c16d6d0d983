"""Generation by any server that speaks the OpenAI protocol, over the official client."""

import asyncio
import copy
import math
import os
import time

from dars_sklearn.generate._base import ModelBackend, at_least
from dars_sklearn.generate._choices import read_choices
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._protocol import Response
from dars_sklearn.generate._server import RequestError, open_server

__all__ = ["OpenAIBackend"]


class OpenAIBackend(ModelBackend):
    """A model behind an OpenAI-compatible HTTP server.

    vLLM, llama.cpp, Ollama, OpenRouter and most commercial APIs speak this
    protocol. One request asks for all samples of a prompt, so the prompt is
    paid once; a server that refuses or ignores that is noticed, and asked for
    one sample at a time.

    Parameters
    ----------
    model : str
        What the server calls the model.
    base_url : str, default="http://localhost:8000/v1"
        Where the server is; this is where vLLM serves.
    api_key : str or None, default=None
        The key; None reads the environment variable ``OPENAI_API_KEY`` when it
        is needed. A copy keeps it, a pickle does not.
    template : str, default="{prompt}"
        What is sent to the model; ``{prompt}`` stands for the query. Double
        other braces, as in :meth:`str.format`.
    chat : bool, default=True
        Whether to ask for a chat completion, or a plain one.
    system_prompt : str or None, default=None
        The system message of a chat.
    temperature : float or None, default=0.7
        Sampling temperature; None leaves it to the server, and does not send it.
    top_p : float or None, default=0.95
        Nucleus sampling; None leaves it to the server.
    max_tokens : int, default=512
        Longest response, in tokens.
    stop : str or sequence of str, default=()
        Strings that end a response.
    seed : int or None, default=0
        Seed of requests that do not bring their own; None sends none ever, for
        servers that refuse it.
    extra_body : dict or None, default=None
        More fields of the request, such as ``{"top_k": 40}``.
    max_tokens_field : str, default="max_tokens"
        What the server calls ``max_tokens``; some models of OpenAI want
        "max_completion_tokens".
    input_price, output_price : float, default=nan
        Price of a million input or output tokens, in the user's unit. Where
        they are left out, costs are NaN.
    usage : {"auto", "all", "one"}, default="auto"
        What the server's count of output tokens is of, when it gives several
        choices: all of them (OpenAI, vLLM) or one (llama.cpp). "auto" finds
        out, by asking for the log-probability of every token, until it knows.
    concurrency : int, default=32
        Requests in flight at once, to this server.
    requests_per_minute, tokens_per_minute : float or None, default=None
        Limits of the server; tokens are those of the prompt (about a quarter
        of its bytes) and all that may be generated.
    timeout : float, default=600.0
        Seconds after which a request is given up.
    max_retries : int, default=6
        How often a request is sent again after an error that may pass.

    Raises
    ------
    ImportError
        On first use, where the openai client is not installed.

    Notes
    -----
    Sent again, after a wait that doubles each time and has some luck in it, or
    as long as the server says (``Retry-After``): connection errors, timeouts,
    status 408, 409, 425, 429 (but not an empty account) and 500 or more, and
    answers that are no valid response. Other errors, such as a wrong key, an
    unknown model or a prompt that is too long, are final at once.

    Where a server counts the tokens of all choices together, the tokens of one
    are its share by length. Where it counts one choice only, all tokens are
    counted one by one.

    Backends of the same server and limits share its connections and limits.

    Examples
    --------
    >>> from dars_sklearn.generate import OpenAIBackend
    >>> OpenAIBackend("qwen3-32b", temperature=0.6)
    OpenAIBackend('qwen3-32b', chat, template='{prompt}', temperature=0.6)
    """

    def __init__(
        self,
        model,
        base_url="http://localhost:8000/v1",
        api_key=None,
        *,
        template="{prompt}",
        chat=True,
        system_prompt=None,
        temperature=0.7,
        top_p=0.95,
        max_tokens=512,
        stop=(),
        seed=0,
        extra_body=None,
        max_tokens_field="max_tokens",
        input_price=math.nan,
        output_price=math.nan,
        usage="auto",
        concurrency=32,
        requests_per_minute=None,
        tokens_per_minute=None,
        timeout=600.0,
        max_retries=6,
    ):
        super().__init__(
            model, template=template, chat=chat, system_prompt=system_prompt,
            temperature=temperature, top_p=top_p, max_tokens=max_tokens, stop=stop, seed=seed,
            input_price=input_price, output_price=output_price,
        )  # fmt: skip
        if usage not in ("auto", "all", "one"):
            raise ValueError(f"usage must be 'auto', 'all' or 'one', got {usage!r}")
        self.base_url = base_url.rstrip("/")
        self._api_key = api_key
        self.extra_body = copy.deepcopy(extra_body) or {}
        self.max_tokens_field = max_tokens_field
        self.usage = usage
        self.concurrency = at_least("concurrency", concurrency, 1)
        for name, limit in (
            ("requests_per_minute", requests_per_minute),
            ("tokens_per_minute", tokens_per_minute),
        ):
            setattr(self, name, None if limit is None else at_least(name, limit, 1))
        self.timeout = at_least("timeout", timeout, 0)
        self.max_retries = at_least("max_retries", max_retries, 0)

    @property
    def settings(self):
        """All that determines an answer; not where the server is, nor its limits."""
        return super().settings | {"extra_body": self.extra_body}

    def __deepcopy__(self, memo):
        # clone() copies deeply, and a clone must be able to ask; a pickle must not tell.
        twin = object.__new__(type(self))
        twin.__dict__ = copy.deepcopy(self.__dict__, memo)
        return twin

    def __getstate__(self):
        return self.__dict__ | {"_api_key": None}

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
        seeds = [self.seed] * len(prompts) if seeds is None else seeds

        async def ask_all():
            requests = [
                self.sample(prompt, n=n, seed=seed)
                for prompt, seed in zip(prompts, seeds, strict=True)
            ]
            return await asyncio.gather(*requests, return_exceptions=True)

        asking = start(ask_all())
        try:
            return asking.result()
        except BaseException:
            asking.cancel()
            raise

    def highest_price(self, prompt, n):
        """Bound the price of a request; where samples are asked one by one, each pays the prompt.

        Parameters
        ----------
        prompt : str
            The prompt.
        n : int
            Number of samples.

        Returns
        -------
        float
            What it costs at most.
        """
        if self._server().gives_several:
            return super().highest_price(prompt, n)
        return n * super().highest_price(prompt, 1)

    def check(self):
        """Make sure that the server is there, and takes the key.

        Raises
        ------
        BackendError
            If nothing answers at the address, or the key is refused.
        """
        start(self._server().check()).result()

    async def sample(self, prompt, *, n, seed=None):
        """Sample responses to one prompt: what a collector awaits, many at once.

        Parameters
        ----------
        prompt : str
            The prompt.
        n : int
            Number of samples.
        seed : int or None, default=None
            Seed of the request.

        Returns
        -------
        list of Response
            The samples.

        Raises
        ------
        BackendError
            If the request failed for good; its ``responses`` are the samples
            that did arrive.
        """
        server, responses = self._server(), []
        try:
            while len(responses) < n:
                wanted = n - len(responses)
                responses += await self._some(server, prompt, wanted, seed, len(responses))
        except RequestError as error:
            error.responses = [*responses, *error.responses]
            raise
        return responses

    async def _some(self, server, prompt, wanted, seed, first):
        """Get the samples wanted, or as many of them as the server gives at once."""
        if wanted > 1 and not server.gives_several:
            places = range(first, first + wanted)
            return await _all_of([self._request(server, prompt, 1, seed, p) for p in places])
        try:
            got = await self._request(server, prompt, wanted, seed, first)
        except RequestError as error:
            if wanted == 1 or error.status not in (400, 422):
                raise
            # Is it the number it refuses, or the prompt? One choice will tell.
            got = await self._request(server, prompt, 1, seed, first)
        if wanted > 1 and len(got) == 1:
            server.gives_several = False
        return got

    def _server(self):
        key = self._api_key or os.environ.get("OPENAI_API_KEY") or "none"
        limits = self.concurrency, self.requests_per_minute, self.tokens_per_minute
        return open_server(self.base_url, key, *limits, os.getpid())

    async def _request(self, server, prompt, n, seed, first):
        """Send one request, and price its choices."""
        counted = n > 1 and (server.usage if self.usage == "auto" else self.usage) != "all"
        begin = time.perf_counter()
        choices, usage = await server.post(
            self._body(prompt, n, seed, first, counted),
            chat=self.chat,
            # Nobody knows the tokens of a text before its server does.
            tokens=len(prompt.encode()) / 4 + n * self.max_tokens,
            timeout=self.timeout,
            max_retries=self.max_retries,
            read=lambda body: read_choices(body, self.chat, n),
        )
        latency = time.perf_counter() - begin
        input_tokens = usage.get("prompt_tokens")
        responses = []
        for choice, output_tokens in zip(
            choices, server.output_tokens(usage, choices, self.usage), strict=True
        ):
            # The prompt of a request is paid once, so its first sample has paid it.
            paid = None if input_tokens is None else 0 if responses else input_tokens
            responses.append(
                Response(
                    text=choice.text,
                    input_tokens=input_tokens,
                    output_tokens=output_tokens,
                    cost=self.price(input_tokens, output_tokens),
                    spent=self.price(paid, output_tokens),
                    latency=latency,
                    finish_reason=choice.finish_reason,
                )
            )
        return responses

    def _body(self, prompt, n, seed, first, counted):
        body = {
            "model": self.model,
            "n": n,
            "temperature": self.temperature,
            "top_p": self.top_p,
            self.max_tokens_field: self.max_tokens,
            "stop": list(self.stop) or None,
            # Requests for one sample each must not all have the same luck.
            "seed": None if seed is None or self.seed is None else seed + first,
        }
        if n == 1:
            del body["n"]
        if self.chat:
            body["messages"] = self.messages(prompt)
            counting = {"logprobs": True, "top_logprobs": 1}
        else:
            body["prompt"] = self.render(prompt)
            counting = {"logprobs": 1}
        body = {name: value for name, value in body.items() if value is not None}
        return body | (counting if counted else {}) | self.extra_body


async def _all_of(requests):
    """Await requests for one sample each; where some fail, keep the others."""
    entries = await asyncio.gather(*requests, return_exceptions=True)
    responses = [entry[0] for entry in entries if not isinstance(entry, BaseException)]
    for entry in entries:
        if isinstance(entry, RequestError):
            entry.responses = responses
        if isinstance(entry, BaseException):
            raise entry
    return responses
