"""What every backend promises, and the one place where that promise is checked."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Backend", "BackendError", "Response", "ask"]


class BackendError(RuntimeError):
    """A backend broke its protocol, or a request failed for good.

    Attributes
    ----------
    responses : sequence of Response
        Samples of the request that did arrive.
    """

    responses = ()


class ProtocolError(BackendError):
    """A backend returned something that is no list of responses, or not as many."""


@dataclass(frozen=True, slots=True)
class Response:
    """One sampled answer of a model.

    Parameters
    ----------
    text : str
        What the model wrote.
    input_tokens : int or None, default=None
        Tokens of the prompt, None if unknown.
    output_tokens : int or None, default=None
        Tokens of the response, None if unknown.
    cost : float, default=nan
        Price of this response had it been asked for alone (its whole prompt
        and its own output), in the user's unit. This is what routing a query
        to the model costs.
    spent : float, default=nan
        What this response was in fact paid: of the samples of one request, the
        first pays the prompt for all.
    latency : float, default=nan
        Seconds from request to response.
    finish_reason : str or None, default=None
        ``"stop"``, ``"length"`` (cut by the token limit) or what the server said.

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
    """Any callable of this shape generates responses.

    ``backend(prompts, n=5, seeds=[0, 1])`` returns one entry for each prompt: a
    list of ``n`` :class:`Response` (or plain strings), or an exception instance
    for a prompt that failed. An exception it raises fails all prompts of the
    call. A backend that takes no ``seeds`` is not given any.

    What else a backend may have:

    - ``batch_size``: how many prompts it wants in one call (1 if absent);
    - ``concurrency``: how many calls it takes at once, from several threads (1
      if absent, and then it shares one thread with all such backends);
    - ``settings``: a dict of all that determines its answers, by which a store
      knows whether it holds them already;
    - ``temperature``, ``max_tokens``, ``input_price``, ``output_price``, and
      ``price(input_tokens, output_tokens)``, for estimates and limits of cost;
    - ``check()``, called before the first request, which raises where the
      backend cannot be reached;
    - ``async sample(prompt, *, n, seed)``, which returns or raises for one
      prompt, and is awaited in place of a call.
    """

    def __call__(
        self, prompts: Sequence[str], *, n: int, seeds: Sequence[int] | None = None
    ) -> list[list[Response]]:
        """Sample ``n`` responses to each prompt."""


def ask(backend, prompts, *, n, seeds=None):
    """Call a backend and check what comes back.

    Parameters
    ----------
    backend : callable
        See :class:`Backend`.
    prompts : sequence of str
        The prompts of this request.
    n : int
        Number of samples of each prompt.
    seeds : sequence of int or None, default=None
        One a prompt; passed on where the backend takes seeds.

    Returns
    -------
    list of (list of Response, or Exception)
        One entry a prompt, of ``n`` responses or the reason it failed.

    Raises
    ------
    ProtocolError
        If the backend returns another number of entries or responses than
        asked for, or something that is not a response.

    Examples
    --------
    >>> from dars_sklearn.generate import ask
    >>> ask(lambda prompts, *, n: [["Paris"] * n for _ in prompts], ["?"], n=2)[0][1]
    Response(text='Paris', input_tokens=None, output_tokens=None, cost=nan, spent=nan, latency=nan, finish_reason=None)
    """  # noqa: E501 (a doctest's output cannot be wrapped)
    seeded = {"seeds": seeds} if takes_seeds(backend) else {}
    entries = backend(list(prompts), n=n, **seeded)
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise ProtocolError(
            f"the backend returned {type(entries).__name__!r}; it must return a list "
            "with one entry (a list of n responses) for each prompt"
        )
    if len(entries) != len(prompts):
        raise ProtocolError(
            f"the backend returned {len(entries)} entries for {len(prompts)} prompts; "
            "it must return one list of responses for each prompt"
        )
    return [check_entry(entry, n) for entry in entries]


def takes_seeds(backend):
    """Whether a backend can be given ``seeds=``."""
    try:
        parameters = inspect.signature(backend).parameters.values()
    except (TypeError, ValueError):  # builtins without a signature
        return False
    return any(p.name == "seeds" or p.kind is p.VAR_KEYWORD for p in parameters)


def check_entry(entry, n):
    """Check what a backend gave for one prompt; return responses, or the exception."""
    if isinstance(entry, Exception):
        return entry
    if isinstance(entry, str) or not isinstance(entry, Sequence):
        raise ProtocolError(
            f"the backend returned {type(entry).__name__!r} for a prompt; "
            f"it must return a list of {n} responses"
        )
    if len(entry) != n:
        raise ProtocolError(
            f"the backend returned {len(entry)} responses for a prompt where {n} "
            "were asked for; a backend must honour n"
        )
    return [_check_response(response) for response in entry]


def _check_response(response):
    if isinstance(response, str):
        return Response(response)
    if not isinstance(response, Response) or not isinstance(response.text, str):
        raise ProtocolError(
            f"the backend returned a response of type {type(response).__name__!r}: "
            f"{response!r:.100}; it must be a Response with a text, or a str"
        )
    return response
