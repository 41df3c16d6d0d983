"""The connection to an OpenAI-compatible server: requests, retries and limits."""

import asyncio
import atexit
import json
import math
import random
import re
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import NamedTuple

from dars_sklearn.generate._behaviour import Behaviour
from dars_sklearn.generate._choices import ChoiceError
from dars_sklearn.generate._http import RedirectError, find_cause, open_client
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._protocol import BackendError
from dars_sklearn.utils._optional import import_optional

__all__ = ["MAX_BILLED_RETRIES", "RequestError", "Server", "open_server"]

# Seconds of the first and the longest wait before a retry, where the server does not ask for one.
_FIRST_WAIT, _MAX_WAIT = 0.5, 30.0
# The longest wait that a server can ask for; a faulty one may ask for years.
_MAX_REQUESTED_WAIT = 60.0
_CHECK_TIMEOUT = 10.0
_LONGEST_MESSAGE = 300
# How often a request is sent again after an attempt that the server may have billed.
MAX_BILLED_RETRIES = 1


class RequestError(BackendError):
    """A request failed permanently.

    Parameters
    ----------
    reason : str
        Why, without secrets.
    status : int or None, default=None
        HTTP status of the last response, if any.
    spent : float, default=0.0
        What the request cost: 0 if nothing was billed, NaN if this is not known.
    """

    def __init__(self, reason, status=None, spent=0.0):
        super().__init__(reason)
        self.status = status
        self.spent = spent


class Answer(NamedTuple):
    """What was read from the response to a request.

    Parameters
    ----------
    content : object
        What was read.
    latency : float
        Seconds from the last attempt to the response.
    is_only_bill : bool, default=True
        Whether no attempt before can have been billed.
    """

    content: object
    latency: float
    is_only_bill: bool = True


class Failure(NamedTuple):
    """Why an attempt of a request failed, and what follows from it.

    Parameters
    ----------
    reason : str
        Why it failed, without secrets.
    status : int or None, default=None
        HTTP status of the response, None if there is none.
    is_transient : bool, default=True
        Whether the request may succeed when it is sent again.
    may_be_billed : bool, default=True
        Whether the server may have billed the attempt.
    requested_wait : float or None, default=None
        Seconds that the server asks to wait before the next request, None if it does not.
    """

    reason: str
    status: int | None = None
    is_transient: bool = True
    may_be_billed: bool = True
    requested_wait: float | None = None


_OPENING = threading.Lock()


def open_server(base_url, credentials, concurrency, requests_per_minute, tokens_per_minute, pid):
    """Return the connection to a server in this process, shared by all backends of the server."""
    with _OPENING:  # two connections would have a limit each
        return _cached_server(
            base_url, credentials, concurrency, requests_per_minute, tokens_per_minute, pid
        )


@cache  # without a limit, since a connection stays open until the process ends
def _cached_server(base_url, credentials, concurrency, requests_per_minute, tokens_per_minute, pid):
    """Return a connection that stays open."""
    return Server(base_url, credentials, concurrency, requests_per_minute, tokens_per_minute)


class Server:
    """The connection to one server, with its limits and what is known of its behaviour.

    Parameters
    ----------
    base_url : str
        Address of the server.
    credentials : Credentials
        The API key and the headers, which are hidden in every message.
    concurrency : int
        Maximum number of requests in flight.
    requests_per_minute, tokens_per_minute : float or None
        Rate limits.
    """

    def __init__(self, base_url, credentials, concurrency, requests_per_minute, tokens_per_minute):
        openai, aiolimiter = (
            import_optional(name, extra="openai", needed_by="OpenAIBackend")
            for name in ("openai", "aiolimiter")
        )
        self.base_url = base_url
        self._credentials = credentials
        self._openai = openai
        self._client = open_client(openai, base_url, credentials)
        atexit.register(self._close)
        self._slots = asyncio.Semaphore(concurrency)
        self._request_limiter = requests_per_minute and aiolimiter.AsyncLimiter(requests_per_minute)
        self._token_limiter = tokens_per_minute and aiolimiter.AsyncLimiter(tokens_per_minute)
        self._pause_until = 0.0
        self._behaviours = {}

    def _close(self):
        with suppress(Exception):  # an error at exit has no caller to handle it
            start(self._client.close()).result(timeout=1.0)

    def behaviour(self, chat, fields):
        """Return what is known of how the server answers requests of one kind.

        Parameters
        ----------
        chat : bool
            Whether they are chat completions.
        fields : dict
            The fields that they share, one of which is the model. Behind one address there may be
            several servers, which a gateway selects by any field; and a server may return several
            choices at some temperatures only.

        Returns
        -------
        Behaviour
            What is known, the same object for the same kind of requests.
        """
        kind = chat, json.dumps(fields, sort_keys=True)
        return self._behaviours.setdefault(kind, Behaviour(fields["model"], self.base_url))

    async def check(self):
        """Raise ``BackendError`` if the server does not respond or rejects the API key."""
        models = self._client.models.with_raw_response
        outcome = await self._attempt(models.list, _CHECK_TIMEOUT, read=bytes)
        if isinstance(outcome, Answer):
            return
        if outcome.status in (401, 403):
            raise BackendError(
                f"the server at {self.base_url} rejects the API key ({outcome.reason}); pass "
                "api_key=, or set OPENAI_API_KEY"
            )
        if outcome.status is None:
            raise BackendError(
                f"no server answers at {self.base_url} ({outcome.reason}); check that it is "
                "running, and that base_url is right and ends in /v1 if the server requires it"
            )

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
        Answer
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
        send = partial(
            client.with_raw_response.create, **arguments, extra_body=extra_body, timeout=timeout
        )
        n_billed = 0
        for attempt in range(max_retries + 1):
            async with self._slots:
                await self._wait_for_limits(n_tokens)
                outcome = await self._attempt(send, timeout, read)
            if isinstance(outcome, Answer):
                return outcome._replace(is_only_bill=n_billed == 0)
            n_billed += outcome.may_be_billed
            self._record_pause(outcome)
            if attempt == max_retries or n_billed > MAX_BILLED_RETRIES or not outcome.is_transient:
                break
            await asyncio.sleep(_backoff(attempt))  # and then until the pause ends, if any
        # This is outside of any `except`, since the error of the client holds the secret headers.
        raise RequestError(outcome.reason, outcome.status, math.nan if n_billed else 0.0)

    async def _attempt(self, send, timeout, read):
        """Send a request once; return the answer, or why there is none."""
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                response = await send()
        except self._openai.APIStatusError as error:
            return self._read_status(error.response)
        except Exception as error:  # a client may raise anything at all
            return self._read_error(error)
        latency = time.perf_counter() - begin
        try:
            return Answer(read(response.content), latency)
        except ChoiceError as error:
            return Failure(self._hide(str(error)))

    def _record_pause(self, failure):
        """Send no request to this server as long as it asks for, if it asks to wait.

        Where sending a request again is useless, such as without any quota left, the others need
        not wait to learn the same.
        """
        if failure.is_transient and failure.requested_wait is not None:
            wait = min(failure.requested_wait, _MAX_REQUESTED_WAIT)
            self._pause_until = max(self._pause_until, time.monotonic() + wait)

    async def _wait_for_limits(self, n_tokens):
        """Wait until the rate limits and the server itself allow to send a request now."""
        if self._request_limiter:
            await self._request_limiter.acquire()
        if self._token_limiter:
            await self._token_limiter.acquire(min(n_tokens, self._token_limiter.max_rate))
        # This is last, since the server may have asked to wait in the meantime.
        while (pause := self._pause_until - time.monotonic()) > 0:
            await asyncio.sleep(pause)

    def _read_status(self, response):
        """Return the failure that a response with the status of an error reports."""
        status, text = response.status_code, response.content.decode("utf-8", "replace")
        message = self._hide(_read_message(text) or text)
        wait = _retry_after(response.headers)
        if wait is not None and wait > _MAX_REQUESTED_WAIT:
            message += (
                f" (the server asks to wait {wait:,.0f} s before the next request; at most "
                f"{_MAX_REQUESTED_WAIT:.0f} s are waited)"
            )
        return Failure(
            f"status {status}: {message}",
            status=status,
            is_transient=_is_transient(status, text),
            may_be_billed=False,
            requested_wait=wait,
        )

    def _read_error(self, error):
        """Return the failure that an error of the client reports."""
        fault = find_cause(error, "BodyError", "RedirectError")
        if fault is not None:
            is_redirect = isinstance(fault, RedirectError)
            return Failure(
                self._hide(str(fault)), is_transient=not is_redirect, may_be_billed=not is_redirect
            )
        is_connected = find_cause(error, "ConnectError", "ClientConnectorError") is None
        if is_connected and find_cause(error, "TimeoutError") is not None:
            return Failure("timeout: the server did not answer in time")
        cause = error.__cause__ or error
        # What is wrong with an invalid HTTP response; its str() adds the address.
        message = getattr(cause, "message", None) or str(cause) or type(cause).__name__
        return Failure(f"connection failed: {self._hide(str(message))}", may_be_billed=is_connected)

    def _hide(self, text):
        """Return a short text for a message, without secrets."""
        text = self._credentials.hide(text[: 10 * _LONGEST_MESSAGE])
        return " ".join(text.split())[:_LONGEST_MESSAGE]

    def hide_in_choice(self, choice):
        """Return a choice without a complete API key, which a model or a server might repeat."""
        hide = self._credentials.hide_in_response
        return choice._replace(
            text=hide(choice.text),
            finish_reason=choice.finish_reason and hide(choice.finish_reason),
        )


def _backoff(attempt):
    """Return the seconds to wait before a retry, randomised so that requests spread out."""
    return min(_FIRST_WAIT * 2**attempt, _MAX_WAIT) * random.uniform(0.5, 1.0)


def _read_message(text):
    """Return the message in the body of an error, None if it has another form."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    error = body.get("error", body) if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else None


def _is_transient(status, text):
    """Return whether a request may succeed when it is sent again."""
    if status == 429:
        return "insufficient_quota" not in text
    return status in (408, 409, 425) or status >= 500


def _retry_after(headers):
    """Return how many seconds the server asks to wait, None if it does not say."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) / unit
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
