"""Read the body of a completion, and validate everything in it."""

import json
from typing import NamedTuple

from dars_sklearn.generate._base import Choice

__all__ = ["ChoiceError", "Completion", "read_completion"]

# A larger number of tokens is a fault of the server, since no context is this long.
_MAX_COUNT = 10**9


class ChoiceError(ValueError):
    """A response body is not a valid completion."""


class Completion(NamedTuple):
    """The choices of a completion, and its token counts, None where not reported."""

    choices: list[Choice]
    input_tokens: int | None
    output_tokens: int | None


def read_completion(body, chat, n):
    """Read the body of a completion.

    Parameters
    ----------
    body : bytes
        Response body.
    chat : bool
        Whether it is a chat completion.
    n : int
        Number of choices that were requested. The server may have returned fewer.

    Returns
    -------
    Completion
        At most ``n`` choices, in the order of their ``index``, and the reported token counts.

    Raises
    ------
    ChoiceError
        If the body does not follow the protocol.
    """
    try:
        return _read_answer(_parse(body), chat, n)
    except RecursionError:
        raise ChoiceError("the response body is nested too deeply") from None


def _read_answer(answer, chat, n):
    """Return the completion in a JSON object."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        # Some servers report an error with status 200.
        detail = str(answer.get("error", choices))[:200]
        raise ChoiceError(f"the response body has no choices: {detail}")
    if not all(isinstance(choice, dict) for choice in choices):
        raise ChoiceError(f"a choice is not a JSON object: {choices!r:.100}")
    if all(isinstance(choice.get("index"), int) for choice in choices):
        choices = sorted(choices, key=lambda choice: choice["index"])
    read_choice = _read_chat_choice if chat else _read_text_choice
    usage = answer.get("usage")
    return Completion(
        [read_choice(choice) for choice in choices[:n]],
        _read_count(usage, "prompt_tokens"),
        _read_count(usage, "completion_tokens"),
    )


def _parse(body):
    """Return the JSON object of a body."""
    try:
        answer = json.loads(body)
    except ValueError as error:  # includes UnicodeDecodeError and JSONDecodeError
        raise ChoiceError(f"the response body is not valid JSON ({error}): {body[:80]!r}") from None
    if not isinstance(answer, dict):
        raise ChoiceError(f"the response body is not a JSON object: {body[:80]!r}")
    return answer


def _read_chat_choice(choice):
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ChoiceError(f"a choice has no message: {choice!r:.100}")
    text, finish_reason = message.get("content"), choice.get("finish_reason")
    if text is None and isinstance(message.get("refusal"), str):
        text, finish_reason = message["refusal"], "refusal"
    if text is None and finish_reason in ("length", "content_filter"):
        text = ""  # all tokens were spent on reasoning, or the text was filtered out
    return _make_choice(choice, text, finish_reason)


def _read_text_choice(choice):
    return _make_choice(choice, choice.get("text"), choice.get("finish_reason"))


def _make_choice(choice, text, finish_reason):
    if not isinstance(text, str):
        raise ChoiceError(f"the text of a choice is not a string: {text!r:.60}")
    if finish_reason is not None and not isinstance(finish_reason, str):
        raise ChoiceError(f"the finish_reason of a choice is not a string: {finish_reason!r:.60}")
    logprobs = choice.get("logprobs")
    tokens = None
    if isinstance(logprobs, dict):
        tokens = logprobs.get("content") or logprobs.get("tokens")
    n_tokens = len(tokens) if isinstance(tokens, list) else None
    return Choice(_to_unicode(text), finish_reason and _to_unicode(finish_reason), n_tokens)


def _to_unicode(text):
    """Replace lone surrogates, which JSON may contain, but UTF-8 and so a store cannot."""
    return text.encode("utf-8", "replace").decode()


def _read_count(usage, name):
    """Return a number of tokens, None if it is not reported, or impossible."""
    count = usage.get(name) if isinstance(usage, dict) else None
    is_count = isinstance(count, int) and not isinstance(count, bool)
    return count if is_count and 0 <= count <= _MAX_COUNT else None
