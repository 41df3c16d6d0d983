"""Read the body of a completion: trust nothing in it before it is checked."""

import json
from typing import NamedTuple

# No completion is this long; a body that is has gone wrong.
LONGEST_BODY = 16 * 2**20


class ChoiceError(ValueError):
    """A body is no valid completion."""


class Choice(NamedTuple):
    """One choice of a completion; ``n_tokens`` is None where they were not counted."""

    text: str
    finish_reason: str | None
    n_tokens: int | None


def read_choices(body, chat, n):
    """Read the choices of a completion.

    Parameters
    ----------
    body : bytes
        What the server sent.
    chat : bool
        Whether it is a chat completion.
    n : int
        Number of choices asked for; the server may have sent fewer.

    Returns
    -------
    choices : list of Choice
        At most ``n``, in the order of their index.
    usage : dict of str to int
        ``prompt_tokens`` and ``completion_tokens``, where they are given.

    Raises
    ------
    ChoiceError
        If anything is not as the protocol has it.
    """
    if len(body) > LONGEST_BODY:
        raise ChoiceError(f"the answer has {len(body) / 2**20:.0f} MiB")
    try:
        answer = json.loads(body)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are
        raise ChoiceError(f"the answer is no JSON ({error}): {body[:80]!r}") from error
    except RecursionError as error:
        raise ChoiceError("the answer is nested too deeply") from error
    if not isinstance(answer, dict):
        raise ChoiceError(f"the answer is no object: {body[:80]!r}")
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        # Some servers report an error with status 200.
        raise ChoiceError(f"the answer has no choices: {str(answer.get('error', choices))[:200]}")
    if not all(isinstance(choice, dict) for choice in choices):
        raise ChoiceError(f"a choice is no object: {choices!r:.100}")
    if all(isinstance(choice.get("index"), int) for choice in choices):
        choices = sorted(choices, key=lambda choice: choice["index"])
    read = _read_chat if chat else _read_text
    return [read(choice) for choice in choices[:n]], _read_usage(answer.get("usage"))


def _read_chat(choice):
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ChoiceError(f"a choice has no message: {choice!r:.100}")
    text, reason = message.get("content"), choice.get("finish_reason")
    if text is None and isinstance(message.get("refusal"), str):
        text, reason = message["refusal"], "refusal"
    if text is None and reason in ("length", "content_filter"):
        text = ""  # all its tokens went into thinking, or were taken away
    return _choice(choice, text, reason)


def _read_text(choice):
    return _choice(choice, choice.get("text"), choice.get("finish_reason"))


def _choice(choice, text, finish_reason):
    if not isinstance(text, str):
        raise ChoiceError(f"the text of a choice is {text!r:.60}")
    if finish_reason is not None and not isinstance(finish_reason, str):
        raise ChoiceError(f"the finish_reason of a choice is {finish_reason!r:.60}")
    logprobs = choice.get("logprobs")
    tokens = None
    if isinstance(logprobs, dict):
        tokens = logprobs.get("content") or logprobs.get("tokens")
    n_tokens = len(tokens) if isinstance(tokens, list) else None
    # A lone surrogate is valid JSON, but is no text that could be kept.
    text = text.encode("utf-8", "replace").decode()
    return Choice(text, finish_reason, n_tokens)


def _read_usage(usage):
    usage = usage if isinstance(usage, dict) else {}
    return {
        name: usage[name]
        for name in ("prompt_tokens", "completion_tokens")
        if isinstance(usage.get(name), int) and not isinstance(usage[name], bool)
        if usage[name] >= 0
    }
