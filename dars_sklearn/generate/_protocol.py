"""The protocol of a backend, and the one place that checks what a backend returns."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Protocol

__all__ = [
    "Backend",
    "BackendError",
    "ProtocolError",
    "Response",
    "ask",
    "call_backend",
    "check_entry",
]

# A store cannot contain a larger integer, and SQLite no text of a billion bytes.
_MAX_COUNT = 2**63 - 1
_MAX_LENGTH = 100_000_000


class BackendError(RuntimeError):
    """A backend violated its protocol, or a request failed permanently.

    Attributes
    ----------
    responses : sequence of Response
        Samples of the request that arrived before it failed.
    spent : float
        What the failed request cost beside its ``responses``, in the user's unit; NaN if unknown.
    """

    responses = ()
    spent = math.nan


class ProtocolError(BackendError):
    """A backend returned something other than the requested number of responses."""


class InvalidResponseError(BackendError):
    """A backend returned a response with a value that no response can have."""


@dataclass(frozen=True, slots=True)
class Response:
    """One sampled response of a model.

    Parameters
    ----------
    text : str
        Text of the response.
    input_tokens : int or None, default=None
        Number of tokens of the prompt, None if unknown.
    output_tokens : int or None, default=None
        Number of tokens of the response, None if unknown.
    cost : float, default=nan
        Price of the response if it were requested alone (its whole prompt and its own output),
        in the user's unit. This is the cost of routing a query to the model.
    spent : float, default=nan
        Price that was actually paid for the response, in the user's unit. Of the samples of one
        request, the first pays the prompt for all.
    latency : float, default=nan
        Seconds from sending the request to receiving the response.
    finish_reason : str or None, default=None
        Why the response ended: ``"stop"``, ``"length"`` (cut at ``max_tokens``) or another
        reason that the server reports.

    Examples
    --------
    >>> from dars_sklearn.generate import Response
    >>> Response("Paris", output_tokens=1).text
    'Paris'
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float = math.nan
    spent: float = math.nan
    latency: float = math.nan
    finish_reason: str | None = None


class Backend(Protocol):
    """Protocol of a callable that generates responses.

    ``backend(prompts, n=5, seeds=[0, 1])`` returns one entry per prompt: a list of ``n``
    :class:`Response` (or strings), or an exception instance if the prompt failed. An exception
    that the backend raises fails all prompts of the call, except KeyboardInterrupt and SystemExit,
    which end a collection. A response whose text is not valid Unicode, or whose token counts or
    amounts are negative or infinite, fails its prompt. ``seeds`` is passed only to backends that
    accept it.

    A backend may also have:

    - ``batch_size``: number of prompts to pass in one call (1 if absent);
    - ``concurrency``: number of calls that may run at the same time in several threads (1 if
      absent; all such backends then share one thread);
    - ``settings``: a dict of everything that determines its responses, by which a store
      recognises responses that it already contains; it must be JSON: no sets, no objects;
    - ``temperature``, to notice that several samples would be the same;
    - ``max_tokens``, ``estimate_input_tokens(prompt)`` and
      ``price(input_tokens, output_tokens)``, to estimate costs;
    - ``highest_price(prompt, n)``, the most that a call may cost, to limit costs;
    - ``check()``, called before the first request, which raises if the backend is not
      available;
    - ``async sample(prompt, *, n, seed)``, which returns the responses to one prompt or raises,
      and is awaited instead of calling the backend.

    See Also
    --------
    ask : Call a backend and check what it returns.
    """

    def __call__(
        self, prompts: Sequence[str], *, n: int, seeds: Sequence[int] | None = None
    ) -> list[list[Response]]:
        """Sample ``n`` responses to each prompt."""


def ask(backend, prompts, *, n, seeds=None):
    """Call a backend and check what it returns.

    Parameters
    ----------
    backend : callable
        A backend; see :class:`Backend`.
    prompts : sequence of str of length n_prompts
        The prompts.
    n : int
        Number of samples of each prompt.
    seeds : sequence of int of length n_prompts or None, default=None
        Seed of each prompt. Passed on only if the backend accepts ``seeds``.

    Returns
    -------
    list of (list of Response, or Exception) of length n_prompts
        For each prompt, its ``n`` responses, or the reason that it failed.

    Raises
    ------
    ProtocolError
        If the backend returns a different number of entries or responses than requested, or
        something that is not a response.

    Examples
    --------
    >>> from dars_sklearn.generate import ask
    >>> ask(lambda prompts, *, n: [["Paris"] * n for _ in prompts], ["?"], n=2)[0][1]
    Response(text='Paris', input_tokens=None, output_tokens=None, cost=nan, spent=nan, latency=nan, finish_reason=None)
    """  # noqa: E501 (a doctest's output cannot be wrapped)
    return [check_entry(entry, n) for entry in call_backend(backend, prompts, n, seeds)]


def call_backend(backend, prompts, n, seeds):
    """Call a backend, and return its list of one entry per prompt, which are not checked yet."""
    seeded = {"seeds": seeds} if takes_seeds(backend) else {}
    entries = backend(list(prompts), n=n, **seeded)
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise ProtocolError(
            f"the backend returned {type(entries).__name__!r}; it must return a list with one "
            "entry (a list of n responses) for each prompt"
        )
    if len(entries) != len(prompts):
        raise ProtocolError(
            f"the backend returned {len(entries)} entries for {len(prompts)} prompts; it must "
            "return one list of n responses for each prompt"
        )
    return list(entries)


def takes_seeds(backend):
    """Return whether a backend accepts the keyword ``seeds``."""
    try:
        parameters = inspect.signature(backend).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return False
    return any(p.name == "seeds" or p.kind is p.VAR_KEYWORD for p in parameters)


def check_entry(entry, n):
    """Return the responses or the exception of one prompt, or raise if it is neither.

    A response that no store could contain, such as one of negative cost, makes the entry an
    exception, whose ``responses`` are the valid ones.
    """
    if isinstance(entry, (KeyboardInterrupt, SystemExit)):
        raise entry
    if isinstance(entry, BaseException):
        return entry
    if isinstance(entry, str) or not isinstance(entry, Sequence):
        raise ProtocolError(
            f"the backend returned {type(entry).__name__!r} for a prompt; it must return a list "
            f"of {n} responses"
        )
    if len(entry) != n:
        raise ProtocolError(
            f"the backend returned {len(entry)} responses for a prompt where {n} were "
            "requested; it must return n responses for each prompt"
        )
    valid, invalid = [], None
    for response in entry:
        try:
            valid.append(_check_response(response))
        except InvalidResponseError as error:
            invalid = error
    if invalid is None:
        return valid
    invalid.responses = valid
    return invalid


def _check_response(response):
    """Return a response with values of Python's own types."""
    if isinstance(response, str):
        response = Response(response)
    if not isinstance(response, Response) or not isinstance(response.text, str):
        raise ProtocolError(
            f"the backend returned a response of type {type(response).__name__!r}: "
            f"{response!r:.100}; it must be a str, or a Response with a text"
        )
    return Response(
        text=_check_text("text", response.text),
        input_tokens=_check_count("input_tokens", response.input_tokens),
        output_tokens=_check_count("output_tokens", response.output_tokens),
        cost=_check_amount("cost", response.cost),
        spent=_check_amount("spent", response.spent),
        latency=_check_amount("latency", response.latency),
        finish_reason=(
            None
            if response.finish_reason is None
            else _check_text("finish_reason", response.finish_reason)
        ),
    )


def _check_text(name, value):
    """Return a text that can be stored, or raise."""
    if not isinstance(value, str):
        raise _invalid(name, value, "must be a str")
    if len(value) > _MAX_LENGTH:
        raise _invalid(name, value, f"must have at most {_MAX_LENGTH:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        position = f"contains a lone surrogate, which is no character, at position {error.start}"
        raise _invalid(name, value, position) from None
    return str.__str__(value)  # numpy.str_ and enumerations are subclasses of str


def _check_count(name, value):
    """Return a number of tokens as an int, or raise."""
    if value is None:
        return None
    is_count = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_count or not 0 <= value <= _MAX_COUNT:
        raise _invalid(name, value, "must be an int from 0 to 2**63 - 1, or None if unknown")
    return int(value)


def _check_amount(name, value):
    """Return an amount or duration as a float, NaN if it is unknown, or raise."""
    if value is None:
        return math.nan
    if isinstance(value, (Real, Decimal)) and not isinstance(value, bool):
        number = float(value)
        if 0 <= number < math.inf or math.isnan(number):
            return number
    raise _invalid(name, value, "must be a finite number that is not negative, or NaN if unknown")


def _invalid(name, value, requirement):
    """Return the error of a value, which names it and what is required."""
    return InvalidResponseError(
        f"the backend returned a response whose {name} is invalid: it {requirement}; got "
        f"{_shorten(value)}"
    )


def _shorten(value):
    """Return the beginning of the repr of a value; of its first characters, if it is a text."""
    beginning = value[:50] if isinstance(value, str) else value
    return f"{beginning!r:.60}"
