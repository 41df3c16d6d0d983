"""Generation by any server that implements the OpenAI protocol, with the official client."""

import asyncio
import copy
import json
import math
import os
from dataclasses import replace

from dars_sklearn.generate._base import ModelBackend, check_number
from dars_sklearn.generate._choices import read_completion
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._secrets import Credentials, check_address, check_without_secrets
from dars_sklearn.generate._server import MAX_BILLED_RETRIES, RequestError, open_server
from dars_sklearn.utils._settings import settings_to_json
from dars_sklearn.utils._validation import check_count

__all__ = ["OpenAIBackend"]

# Fields of a request that have a parameter of their own, or that would change how many responses
# are paid for.
_RESERVED_FIELDS = {
    "model": "model",
    "messages": "template and system_prompt",
    "prompt": "template and chat",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens and max_tokens_field",
    "stop": "stop",
    "seed": "seed",
    "n": "the number of samples of a collection",
    "best_of": "the number of samples of a collection",
    "stream": "the backend, which reads complete responses",
}


class OpenAIBackend(ModelBackend):
    """A model on an OpenAI-compatible HTTP server.

    vLLM, llama.cpp, Ollama, OpenRouter and most commercial APIs implement this protocol. One
    request generates all samples of a prompt, so the prompt is paid once. A server that rejects
    or ignores ``n`` is detected, and every sample is then a request of its own.

    Parameters
    ----------
    model : str
        Name of the model on the server.
    base_url : str, default="http://localhost:8000/v1"
        Address of the server. The default is vLLM's. It must not contain keys, since it is shown
        in messages.
    api_key : str or None, default=None
        API key. None reads the environment variable ``OPENAI_API_KEY`` at the time of a
        request. The key is part of copies, but never of pickles.
    headers : dict of str to str or None, default=None
        Further headers of a request, such as ``{"api-key": key}`` for a server that does not take
        the key in the usual header. Like the key, they are secret: part of copies, but never of
        pickles, settings or messages.
    template : str, default="{prompt}"
        Text sent to the model. ``{prompt}`` is replaced by the query or paraphrase; double any
        other braces, as in :meth:`str.format`.
    chat : bool, default=True
        Whether to send the text as a chat message, to which the model's chat template is
        applied. Use False for a base model or a few-shot prompt.
    system_prompt : str or None, default=None
        System message of the chat. Requires ``chat=True``.
    temperature : float or None, default=0.7
        Sampling temperature; 0 always selects the most likely token. None omits it from the
        request, so that the server uses its default.
    top_p : float or None, default=0.95
        Nucleus sampling: probability mass of the most likely tokens to sample from. None omits
        it from the request, so that the server uses its default.
    max_tokens : int, default=512
        Maximum number of tokens of a response.
    stop : str or sequence of str, default=()
        Strings at which a response ends; they are not part of the response.
    seed : int or None, default=0
        Seed of requests that do not pass their own. None never sends a seed, for servers that
        reject it.
    extra_body : dict or None, default=None
        Further fields of the request, such as ``{"top_k": 40}``. They are part of the settings,
        which a store contains, so they must not be secret.
    max_tokens_field : str, default="max_tokens"
        Name of the field that ``max_tokens`` is sent in. Some models of OpenAI require
        ``"max_completion_tokens"``.
    input_price, output_price : float, default=nan
        Price per million input and output tokens, in the user's unit. Without prices, costs are
        NaN.
    usage : {"auto", "all", "one"}, default="auto"
        Whether the server's count of output tokens covers all choices of a request (OpenAI,
        vLLM) or one choice (llama.cpp). "auto" infers it from the log-probabilities of the
        tokens, which it requests until the answer is known.
    concurrency : int, default=32
        Maximum number of requests in flight to this server.
    requests_per_minute, tokens_per_minute : float or None, default=None
        Rate limits. The tokens of a request are those of the prompt, as estimated by
        :meth:`estimate_input_tokens`, and the maximum number that it may generate. None sets no
        limit.
    timeout : float, default=600.0
        Seconds after which an attempt of a request fails.
    max_retries : int, default=6
        Maximum number of times that a request is sent again after an error that may be
        transient. After a timeout, a lost connection or an invalid response, which the server may
        have billed, it is sent again once at most.

    Raises
    ------
    ImportError
        On first use, if the openai client is not installed.
    ValueError
        If ``base_url``, ``extra_body`` or another setting contains a key, or ``extra_body`` a
        field that has a parameter of its own.
    TypeError
        If ``extra_body`` contains anything that is not JSON, such as a set.

    See Also
    --------
    VLLMBackend : Runs a model in this process by vLLM.
    LlamaCppBackend : Runs a GGUF file in this process.

    Notes
    -----
    The following errors may be transient: failed connections, timeouts, status 408, 409, 425,
    429 (unless the account has no quota left) and 500 or higher, and invalid responses, which
    include those of more than 16 MiB after decompression. The wait before a retry doubles each
    time and is randomised. If the server sends ``Retry-After``, no request is sent to it for that
    time, but at most a minute. All other errors, such as a wrong API key, an unknown model or a
    prompt that is too long, are permanent, and the request is not sent again. Redirects are
    followed to the same server only.

    No message contains the API key or the value of a header, even if the server repeats them.

    If the server's count of output tokens covers all choices, it is divided between them in
    proportion to their lengths. If it covers one choice, the tokens of every choice are counted
    from its log-probabilities.

    Backends with the same server, key and limits share its connections and limits.

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
        headers=None,
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
        self.base_url = check_address(base_url)
        self._credentials = Credentials(api_key, headers)
        self.extra_body = {} if extra_body is None else extra_body
        self.max_tokens_field = max_tokens_field
        self.usage = usage
        check_count(concurrency, "concurrency")
        check_count(max_retries, "max_retries", low=0)
        self.concurrency, self.max_retries = concurrency, max_retries
        for name, limit in (
            ("requests_per_minute", requests_per_minute),
            ("tokens_per_minute", tokens_per_minute),
        ):
            setattr(self, name, None if limit is None else check_number(name, limit, 1))
        self.timeout = check_number("timeout", timeout, 0)
        settings_to_json(self.settings, type(self).__name__)
        _check_extra_body(self.extra_body, max_tokens_field)
        shown = self.settings | {"base_url": self.base_url}
        check_without_secrets(shown, self._credentials.resolve())
        self.extra_body = copy.deepcopy(self.extra_body)

    @property
    def settings(self):
        """Everything that determines a response; neither the server's address nor its limits."""
        return super().settings | {"extra_body": self.extra_body}

    def check(self):
        """Check that the server responds and accepts the API key.

        Raises
        ------
        BackendError
            If nothing responds at the address, or the server rejects the key.
        """
        start(self._server().check()).result()

    async def sample(self, prompt, *, n, seed=None):
        """Sample responses to one prompt; many prompts can be awaited concurrently.

        Parameters
        ----------
        prompt : str
            The prompt.
        n : int
            Number of samples.
        seed : int or None, default=None
            Seed of the request. None sends no seed.

        Returns
        -------
        list of Response of length n
            The samples.

        Raises
        ------
        BackendError
            If the request failed permanently. Its ``responses`` are the samples that arrived
            before.
        """
        _check_prompt(prompt)
        server, responses = self._server(), []
        try:
            while (n_missing := n - len(responses)) > 0:
                # Several requests for one prompt need different seeds.
                offset = len(responses)
                responses += await self._sample_at_most(server, prompt, n_missing, seed, offset)
        except RequestError as error:
            error.responses = [*responses, *error.responses]
            raise
        return responses

    def _sample_prompts(self, prompts, n, seeds):
        seeded_prompts = list(zip(prompts, seeds, strict=True))

        async def sample_all():
            samples = [self.sample(prompt, n=n, seed=seed) for prompt, seed in seeded_prompts]
            return await asyncio.gather(*samples, return_exceptions=True)

        future = start(sample_all())
        try:
            return future.result()
        except BaseException:  # such as KeyboardInterrupt: nobody would read the responses
            future.cancel()
            raise

    async def _sample_at_most(self, server, prompt, n, seed, offset):
        """Return between 1 and ``n`` samples: as many as the server gives."""
        behaviour = self._behaviour(server)
        if n > 1 and behaviour.supports_n is False:
            offsets = range(offset, offset + n)
            return await _gather_samples(
                [self._request(server, prompt, 1, seed, offset) for offset in offsets]
            )
        try:
            responses = await self._request(server, prompt, n, seed, offset)
        except RequestError as error:
            if n == 1 or error.status not in (400, 422):
                raise
            # The server rejects either n or the prompt: only the prompt fails with n=1.
            responses = await self._request(server, prompt, 1, seed, offset)
            responses = responses if error.spent == 0 else _with_unknown_spent(responses)
        if n > 1 and len(responses) in (1, n):
            behaviour.supports_n = len(responses) == n
        return responses

    def _count_bytes(self, prompt, with_system):
        # Fields such as tools are part of what the model reads.
        n_bytes = len(json.dumps(self.extra_body, indent=4)) if self.extra_body else 0
        return super()._count_bytes(prompt, with_system) + n_bytes

    def _samples_share_prompt(self):
        return self._behaviour(self._server()).supports_n is True

    def _max_attempts_billed(self):
        return 1 + min(MAX_BILLED_RETRIES, self.max_retries)

    def _server(self):
        limits = self.concurrency, self.requests_per_minute, self.tokens_per_minute
        return open_server(self.base_url, self._credentials.resolve(), *limits, os.getpid())

    def _behaviour(self, server):
        """Return what is known of how a server answers the requests of this backend."""
        return server.behaviour(self.chat, self._shared_fields())

    async def _request(self, server, prompt, n, seed, offset):
        """Send one request, and return its responses."""
        behaviour = self._behaviour(server)
        usage = behaviour.usage if self.usage == "auto" else self.usage
        count_by_logprobs = n > 1 and usage != "all"
        answer = await server.post(
            self._body(prompt, n, seed, offset, count_by_logprobs),
            chat=self.chat,
            # The number of input tokens is not known before the server reports it.
            n_tokens=self.estimate_input_tokens(prompt) + n * self.max_tokens,
            timeout=self.timeout,
            max_retries=self.max_retries,
            read=lambda body: read_completion(body, self.chat, n),
        )
        completion = answer.content
        counts = behaviour.output_tokens(completion, self.usage)
        choices = [
            server.hide_in_choice(choice)._replace(n_tokens=count)
            for choice, count in zip(completion.choices, counts, strict=True)
        ]
        responses = self._price_request(choices, completion.input_tokens, answer.latency)
        return responses if answer.is_only_bill else _with_unknown_spent(responses)

    def _body(self, prompt, n, seed, offset, count_by_logprobs):
        """Return the body of a request."""
        body = {
            "n": n if n > 1 else None,
            "seed": None if seed is None or self.seed is None else seed + offset,
        }
        if self.chat:
            body["messages"] = self.messages(prompt)
            logprobs = {"logprobs": True, "top_logprobs": 1}
        else:
            body["prompt"] = self.render(prompt)
            logprobs = {"logprobs": 1}
        body = {name: value for name, value in body.items() if value is not None}
        return body | (logprobs if count_by_logprobs else {}) | self._shared_fields()

    def _shared_fields(self):
        """Return the fields that all requests of this backend have in common."""
        fields = {
            "model": self.model,
            "temperature": self.temperature,
            "top_p": self.top_p,
            self.max_tokens_field: self.max_tokens,
            "stop": list(self.stop) or None,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        return fields | self.extra_body


def _check_prompt(prompt):
    """Raise if a prompt cannot be sent."""
    try:
        prompt.encode()
    except UnicodeEncodeError:
        problem = f"the prompt contains a lone surrogate, which cannot be sent: {prompt!r:.100}"
    else:
        return
    raise RequestError(problem)


def _check_extra_body(extra_body, max_tokens_field):
    """Raise if the further fields of a request contain one that has a parameter of its own."""
    if not isinstance(extra_body, dict):
        raise TypeError(f"extra_body must be a dict, got {type(extra_body).__name__!r}")
    for name in extra_body:
        parameter = "max_tokens" if name == max_tokens_field else _RESERVED_FIELDS.get(name)
        if parameter is not None:
            raise ValueError(
                f"extra_body contains {name!r}, which is determined by {parameter}; remove it"
            )


async def _gather_samples(requests):
    """Await requests for one sample each; an exception carries the samples that succeeded."""
    results = await asyncio.gather(*requests, return_exceptions=True)
    responses = [result[0] for result in results if not isinstance(result, BaseException)]
    spent = sum(result.spent for result in results if isinstance(result, RequestError))
    for result in results:
        if isinstance(result, RequestError):
            result.responses, result.spent = responses, spent
        if isinstance(result, BaseException):
            raise result
    return responses


def _with_unknown_spent(responses):
    """Return responses of which it is not known what was paid, since an attempt was lost."""
    return [replace(responses[0], spent=math.nan), *responses[1:]]
