"""The live side of a server: its connections, its limits, and what was learnt of it."""

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

# Seconds of the first wait and of the longest, where a server names none.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_CHECK_TIMEOUT = 10.0


class RequestError(BackendError):
    """A request failed for good; ``status`` is that of the server's answer, if any."""

    def __init__(self, reason, status=None):
        super().__init__(reason)
        self.status = status


@lru_cache(maxsize=64)
def open_server(base_url, key, concurrency, requests_per_minute, tokens_per_minute, pid):
    """One live server for each description and process, shared by its backends."""
    return Server(base_url, key, concurrency, requests_per_minute, tokens_per_minute)


class Server:
    """Connections to one server, under its limits.

    Parameters
    ----------
    base_url, key : str
        Where it is, and what opens it.
    concurrency : int
        Requests in flight at once.
    requests_per_minute, tokens_per_minute : float or None
        Limits.
    """

    def __init__(self, base_url, key, concurrency, requests_per_minute, tokens_per_minute):
        try:
            import openai
            from aiolimiter import AsyncLimiter
        except ImportError as error:
            raise ImportError(
                "OpenAIBackend needs the openai client: pip install 'dars-sklearn[openai]'"
            ) from error
        self.base_url = base_url
        self._key = key
        self._openai = openai
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,  # retries are made here, where an unreadable answer counts, too
            http_client=openai.DefaultAioHttpClient(),
        )
        atexit.register(self._close)
        self._slots = asyncio.Semaphore(concurrency)
        self._requests = requests_per_minute and AsyncLimiter(requests_per_minute)
        self._tokens = tokens_per_minute and AsyncLimiter(tokens_per_minute)
        self._pause_until = 0.0
        self.gives_several = True
        self.usage = None

    def _close(self):
        with suppress(Exception):  # at exit, there is nobody to tell
            start(self._client.close()).result(timeout=1.0)

    async def check(self):
        """Raise unless something answers at the address and takes the key."""
        models = self._client.models.with_raw_response
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT):
                await models.list()
        except self._openai.APIStatusError as error:
            if error.status_code in (401, 403):
                raise BackendError(
                    f"the server at {self.base_url} refuses the API key ({self._reason(error)}); "
                    "pass api_key=, or set OPENAI_API_KEY"
                ) from None
        except (self._openai.APIConnectionError, TimeoutError) as error:
            cause = self._hide_key(str(error.__cause__ or error) or type(error).__name__)
            raise BackendError(
                f"no server answers at {self.base_url} ({cause}); is it running, and is base_url "
                "right, with /v1 where the server wants it?"
            ) from None

    async def post(self, body, *, chat, tokens, timeout, max_retries, read):
        """Send a request until it is answered, or fails for good.

        Parameters
        ----------
        body : dict
            The request.
        chat : bool
            Whether it is for a chat completion.
        tokens : float
            What it may use of the limit of tokens.
        timeout : float
            Seconds for one try.
        max_retries : int
            Tries after the first.
        read : callable
            Reads the body of the answer; a ``ChoiceError`` of it counts as a
            failure that may pass.

        Returns
        -------
        object
            What ``read`` returned.

        Raises
        ------
        RequestError
            If the request failed for good.
        """
        client = self._client.chat.completions if chat else self._client.completions
        known = {name: body.pop(name) for name in ("model", "messages", "prompt") if name in body}
        for attempt in range(max_retries + 1):
            await self._wait_for_turn(tokens)
            try:
                async with self._slots, asyncio.timeout(timeout):
                    answer = await client.with_raw_response.create(
                        **known, extra_body=body, timeout=timeout
                    )
                return read(answer.content)
            except self._openai.APIStatusError as error:
                failure = RequestError(self._reason(error), error.status_code)
                final = not _may_pass(error)
                named = _retry_after(error.response.headers)
            except (self._openai.APIConnectionError, TimeoutError, ChoiceError) as error:
                failure = RequestError(self._reason(error))
                final, named = False, None
            if final or attempt == max_retries:
                raise failure from None
            if named is not None:  # it says so to all that ask it
                self._pause_until = max(self._pause_until, time.monotonic() + named)
            else:
                wait = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    async def _wait_for_turn(self, tokens):
        while (pause := self._pause_until - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        if self._requests:
            await self._requests.acquire()
        if self._tokens:
            await self._tokens.acquire(min(tokens, self._tokens.max_rate))

    def _reason(self, error):
        if isinstance(error, self._openai.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            said = body.get("message") or error.response.text
            return self._hide_key(f"status {error.status_code}: {str(said).strip()[:300]}")
        if isinstance(error, (TimeoutError, self._openai.APITimeoutError)):
            return "timeout: the server did not answer in time"
        if isinstance(error, self._openai.APIConnectionError):
            return self._hide_key(f"connection failed: {error.__cause__ or error}")
        return self._hide_key(str(error))

    def _hide_key(self, text):
        return text if self._key == "none" else text.replace(self._key, "<API key>")

    def output_tokens(self, usage, choices, said):
        """Tell how many tokens each choice has.

        Parameters
        ----------
        usage : dict
            What the server counted.
        choices : list of Choice
            The choices, their tokens counted where that was asked for.
        said : {"auto", "all", "one"}
            What the user says the server's count is of.

        Returns
        -------
        list of (int or None)
            Number of tokens of each choice, None where it cannot be told.
        """
        total = usage.get("completion_tokens")
        if len(choices) == 1:
            return [choices[0].n_tokens if total is None else total]
        counts = [choice.n_tokens for choice in choices]
        # A choice without any text has no list of tokens either.
        counts = [
            0 if n is None and not c.text else n for n, c in zip(counts, choices, strict=True)
        ]
        counted = None not in counts
        if said == "auto" and self.usage is None and total is not None:
            self.usage = _what_is_counted(total, counts if counted else None, choices)
        verdict = self.usage if said == "auto" else said
        if verdict == "all" and total is not None:
            return _shares(total, [len(choice.text.encode()) + 1 for choice in choices])
        if counted:
            return counts
        warn(
            f"the server at {self.base_url} counts {total} output tokens for {len(choices)} "
            "choices, and does not say whether for all of them or for one: their tokens and costs "
            "are left out; pass usage='all' or usage='one'",
            UsageWarning,
            stacklevel=2,
        )
        return [None] * len(choices)


def _what_is_counted(total, counts, choices):
    """Tell whether a count is of all choices or of one; None where it may be either."""
    n = len(choices)
    if counts is None:
        # A token has a byte at least, but for the one that ends the response.
        longest = max(len(choice.text.encode()) + 1 for choice in choices)
        return "all" if total > longest else None
    if sum(counts) - max(counts) <= n:
        return None
    if total >= sum(counts) - n:
        return "all"
    return "one" if min(abs(total - count) for count in counts) <= 1 else None


def _shares(total, weights):
    """Share a whole number in proportion to weights, in whole numbers."""
    exact = total * np.array(weights) / sum(weights)
    shares = np.floor(exact).astype(int)
    largest = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[largest] += 1
    return shares.tolist()


def _may_pass(error):
    if error.status_code == 429:
        return "insufficient_quota" not in error.response.text
    return error.status_code in (408, 409, 425) or error.status_code >= 500


def _retry_after(headers):
    """Seconds that a server asks to wait, None where it does not say."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) / unit
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None
