"""The protocol of a backend, and the one place that checks what a backend returns."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Backend", "BackendError", "Response", "ask"]


class BackendError(RuntimeError):
    """A backend violated its protocol, or a request failed permanently.

    Attributes
    ----------
    responses : sequence of Response
        Samples of the request that arrived before it failed.
    """

    responses = ()


class ProtocolError(BackendError):
    """A backend returned something other than the requested number of responses."""


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
    that the backend raises fails all prompts of the call. ``seeds`` is passed only to backends
    that accept it.

    A backend may also have:

    - ``batch_size``: number of prompts to pass in one call (1 if absent);
    - ``concurrency``: number of calls that may run at the same time in several threads (1 if
      absent; all such backends then share one thread);
    - ``settings``: a dict of everything that determines its responses, by which a store
      recognises responses that it already contains;
    - ``temperature``, ``max_tokens``, ``input_price``, ``output_price`` and
      ``price(input_tokens, output_tokens)``, to estimate and limit costs;
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
    return [check_entry(entry, n) for entry in entries]


def takes_seeds(backend):
    """Return whether a backend accepts the keyword ``seeds``."""
    try:
        parameters = inspect.signature(backend).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return False
    return any(p.name == "seeds" or p.kind is p.VAR_KEYWORD for p in parameters)


def check_entry(entry, n):
    """Return the responses or the exception of one prompt, or raise if it is neither."""
    if isinstance(entry, Exception):
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
    return [_check_response(response) for response in entry]


def _check_response(response):
    if isinstance(response, str):
        return Response(response)
    if not isinstance(response, Response) or not isinstance(response.text, str):
        raise ProtocolError(
            f"the backend returned a response of type {type(response).__name__!r}: "
            f"{response!r:.100}; it must be a str, or a Response with a text"
        )
    return response
