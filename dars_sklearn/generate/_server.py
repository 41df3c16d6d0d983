"""The connection to an OpenAI-compatible server: requests, retries, limits, token counts."""

import asyncio
import atexit
import random
import re
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache
from warnings import warn

import numpy as np

from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.generate._choices import ChoiceError
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._protocol import BackendError
from dars_sklearn.utils._optional import import_optional

# Seconds of the first and the longest wait before a retry, where the server does not ask for one.
_FIRST_WAIT, _MAX_WAIT = 0.5, 30.0
_CHECK_TIMEOUT = 10.0


class RequestError(BackendError):
    """A request failed permanently; ``status`` is the HTTP status of the response, if any."""

    def __init__(self, reason, status=None):
        super().__init__(reason)
        self.status = status


@lru_cache(maxsize=64)
def open_server(base_url, key, concurrency, requests_per_minute, tokens_per_minute, pid):
    """Return the connection to a server in this process, shared by all backends of the server."""
    return Server(base_url, key, concurrency, requests_per_minute, tokens_per_minute)


class Server:
    """The connection to one server, with its limits and what is known of its behaviour.

    Parameters
    ----------
    base_url, key : str
        Address of the server, and the API key.
    concurrency : int
        Maximum number of requests in flight.
    requests_per_minute, tokens_per_minute : float or None
        Rate limits.

    Attributes
    ----------
    supports_n : bool
        Whether the server returns several choices for one request, as far as is known.
    usage : {"all", "one"} or None
        Whether the server's count of output tokens covers all choices or one. None as long as
        this is not known.
    """

    def __init__(self, base_url, key, concurrency, requests_per_minute, tokens_per_minute):
        openai, aiolimiter = (
            import_optional(name, extra="openai", needed_by="OpenAIBackend")
            for name in ("openai", "aiolimiter")
        )
        self.base_url = base_url
        self._key = key
        self._openai = openai
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,  # retries are made here, because an invalid body is retried, too
            http_client=openai.DefaultAioHttpClient(),
        )
        atexit.register(self._close)
        self._slots = asyncio.Semaphore(concurrency)
        self._request_limiter = requests_per_minute and aiolimiter.AsyncLimiter(requests_per_minute)
        self._token_limiter = tokens_per_minute and aiolimiter.AsyncLimiter(tokens_per_minute)
        self._pause_until = 0.0
        self.supports_n = True
        self.usage = None

    def _close(self):
        with suppress(Exception):  # an error at exit has no caller to handle it
            start(self._client.close()).result(timeout=1.0)

    async def check(self):
        """Raise ``BackendError`` if the server does not respond or rejects the API key."""
        models = self._client.models.with_raw_response
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT):
                await models.list()
        except self._openai.APIStatusError as error:
            if error.status_code in (401, 403):
                raise BackendError(
                    f"the server at {self.base_url} rejects the API key ({self._reason(error)}); "
                    "pass api_key=, or set OPENAI_API_KEY"
                ) from None
        except (self._openai.APIConnectionError, TimeoutError) as error:
            cause = self._hide_key(str(error.__cause__ or error) or type(error).__name__)
            raise BackendError(
                f"no server answers at {self.base_url} ({cause}); check that it is running, and "
                "that base_url is right and ends in /v1 if the server requires it"
            ) from None

    async def post(self, body, *, chat, n_tokens, timeout, max_retries, read):
        """Send a request, and retry it after errors that may be transient.

        Parameters
        ----------
        body : dict
            Body of the request.
        chat : bool
            Whether to request a chat completion.
        n_tokens : float
            Number of tokens to count towards the rate limit.
        timeout : float
            Seconds after which an attempt fails.
        max_retries : int
            Maximum number of attempts after the first.
        read : callable
            Reads the body of the response. A ``ChoiceError`` that it raises is retried.

        Returns
        -------
        object
            What ``read`` returned.

        Raises
        ------
        RequestError
            If the last attempt failed, or an error is permanent.
        """
        client = self._client.chat.completions if chat else self._client.completions
        # The client requires these as arguments, and sends every other field as it is.
        arguments = {name: body[name] for name in ("model", "messages", "prompt") if name in body}
        extra_body = {name: value for name, value in body.items() if name not in arguments}
        failures = (
            self._openai.APIStatusError, self._openai.APIConnectionError, TimeoutError, ChoiceError,
        )  # fmt: skip
        for attempt in range(max_retries + 1):
            await self._wait_for_limits(n_tokens)
            try:
                async with self._slots, asyncio.timeout(timeout):
                    response = await client.with_raw_response.create(
                        **arguments, extra_body=extra_body, timeout=timeout
                    )
                return read(response.content)
            except failures as error:
                if attempt == max_retries or not _is_transient(error):
                    status = getattr(error, "status_code", None)
                    raise RequestError(self._reason(error), status) from None
                requested_wait = _requested_wait(error)
            if requested_wait is not None:  # it applies to every request to this server
                self._pause_until = max(self._pause_until, time.monotonic() + requested_wait)
            else:
                await asyncio.sleep(_backoff(attempt))

    async def _wait_for_limits(self, n_tokens):
        while (pause := self._pause_until - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        if self._request_limiter:
            await self._request_limiter.acquire()
        if self._token_limiter:
            await self._token_limiter.acquire(min(n_tokens, self._token_limiter.max_rate))

    def _reason(self, error):
        """Return the message of an error, without the API key."""
        if isinstance(error, self._openai.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            message = str(body.get("message") or error.response.text).strip()
            return self._hide_key(f"status {error.status_code}: {message[:300]}")
        if isinstance(error, ChoiceError):
            return self._hide_key(str(error))
        is_timeout = isinstance(error, (TimeoutError, self._openai.APITimeoutError))
        if is_timeout and not _is_connection_failure(error):
            return "timeout: the server did not answer in time"
        return self._hide_key(f"connection failed: {error.__cause__ or error}")

    def _hide_key(self, text):
        return text if self._key == "none" else text.replace(self._key, "<API key>")

    def output_tokens(self, completion, usage):
        """Return the number of output tokens of each choice.

        Parameters
        ----------
        completion : Completion
            The completion. Its choices have token counts if log-probabilities were requested.
        usage : {"auto", "all", "one"}
            What the server's count covers, according to the user.

        Returns
        -------
        list of (int or None)
            Number of tokens of each choice, None if unknown.
        """
        choices, total = completion.choices, completion.output_tokens
        if len(choices) == 1:
            return [choices[0].n_tokens if total is None else total]
        # The log-probabilities of a choice without text are missing, instead of empty.
        counts = [
            0 if choice.n_tokens is None and not choice.text else choice.n_tokens
            for choice in choices
        ]
        all_counted = None not in counts
        if usage == "auto":
            if self.usage is None and total is not None:
                self.usage = _infer_usage(total, counts if all_counted else None, choices)
            usage = self.usage
        if usage == "all" and total is not None:
            return _proportional_shares(total, [_max_tokens_of(choice) for choice in choices])
        if all_counted:
            return counts
        warn(
            f"the server at {self.base_url} reports {total} output tokens for {len(choices)} "
            "choices, and it is not known whether for all of them or for one, so their token "
            "counts and costs are unknown; pass usage='all' or usage='one'",
            UsageWarning,
            stacklevel=2,
        )
        return [None] * len(choices)


def _infer_usage(total, counts, choices):
    """Return whether a total covers "all" choices or "one"; None if it is consistent with both."""
    n_choices = len(choices)
    if counts is None:
        return "all" if total > max(_max_tokens_of(choice) for choice in choices) else None
    # A server may or may not count the token that ends each response.
    if sum(counts) - max(counts) <= n_choices:
        return None
    if total >= sum(counts) - n_choices:
        return "all"
    return "one" if min(abs(total - count) for count in counts) <= 1 else None


def _max_tokens_of(choice):
    """Return the largest possible number of tokens: one per byte, and one that ends the text."""
    return len(choice.text.encode()) + 1


def _proportional_shares(total, weights):
    """Split an integer into integers proportional to weights, by the largest remainders."""
    exact = total * np.array(weights) / sum(weights)
    shares = np.floor(exact).astype(int)
    largest = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[largest] += 1
    return shares.tolist()


def _backoff(attempt):
    """Return the seconds to wait before a retry, randomised so that requests spread out."""
    return min(_FIRST_WAIT * 2**attempt, _MAX_WAIT) * random.uniform(0.5, 1.0)


def _is_connection_failure(error):
    """Return whether an error was caused by a failed connection, which may look like a timeout."""
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return True
        error = error.__cause__
    return False


def _is_transient(error):
    """Return whether a request may succeed when it is sent again."""
    status = getattr(error, "status_code", None)
    if status is None:  # a failed connection, a timeout or an invalid body
        return True
    if status == 429:
        return "insufficient_quota" not in error.response.text
    return status in (408, 409, 425) or status >= 500


def _requested_wait(error):
    """Return how many seconds the server asks to wait before a retry, None if it does not say."""
    response = getattr(error, "response", None)
    return None if response is None else _retry_after(response.headers)


def _retry_after(headers):
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) / unit
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None
