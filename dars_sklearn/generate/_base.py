"""What the bundled backends share: prompt template, decoding settings and prices."""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from string import Formatter
from typing import NamedTuple

from dars_sklearn.generate._protocol import Response
from dars_sklearn.utils._settings import settings_to_json
from dars_sklearn.utils._validation import check_count, is_finite_number

__all__ = ["Choice", "ModelBackend", "check_number"]

_BYTES_PER_TOKEN = 4
# Chat templates add a few tokens around each message. Many also add a system message of their own,
# which has some tens of tokens for most models, and some hundreds for a few.
_TOKENS_AROUND_MESSAGE = 16
_MAX_TEMPLATE_TOKENS = 1024


class Choice(NamedTuple):
    """One sampled response, before it is priced; ``n_tokens`` is None if unknown."""

    text: str
    finish_reason: str | None
    n_tokens: int | None


class ModelBackend(ABC):
    """Base class of backends that describe one model.

    Parameters
    ----------
    model : str
        Name or path of the LLM.
    template : str
        Text sent to the model. ``{prompt}`` is replaced by the prompt.
    chat : bool
        Whether to send the text as a chat message.
    system_prompt : str or None
        System message of the chat. Requires ``chat=True``.
    temperature, top_p : float or None
        Sampling temperature and nucleus sampling.
    max_tokens : int
        Maximum number of tokens of a response.
    stop : str or sequence of str
        Strings at which a response ends.
    seed : int or None
        Seed of requests that do not pass their own.
    input_price, output_price : float
        Price per million input and output tokens, in the user's unit.
    """

    def __init__(
        self, model, *, template, chat, system_prompt, temperature, top_p, max_tokens, stop, seed,
        input_price, output_price,
    ):  # fmt: skip
        if system_prompt is not None and not chat:
            raise ValueError(
                f"system_prompt={system_prompt!r:.60} requires chat=True; with chat=False, write "
                "it into template"
            )
        self.model = model
        self.template = _check_template(template)
        self.chat = chat
        self.system_prompt = system_prompt
        self.temperature = (
            None if temperature is None else check_number("temperature", temperature, 0)
        )
        self.top_p = None if top_p is None else check_number("top_p", top_p, 0)
        check_count(max_tokens, "max_tokens")
        self.max_tokens = max_tokens
        self.stop = _check_stop(stop)
        self.seed = None if seed is None else _check_seed(seed)
        self.input_price = _check_price("input_price", input_price)
        self.output_price = _check_price("output_price", output_price)
        settings_to_json(ModelBackend.settings.fget(self), type(self).__name__)

    def __repr__(self):
        kind = "chat" if self.chat else "completion"
        return (
            f"{type(self).__name__}({self.settings['model']!r}, {kind}, "
            f"template={self.template!r:.60}, temperature={self.temperature})"
        )

    def __call__(self, prompts, *, n, seeds=None):
        """Sample responses to several prompts.

        Parameters
        ----------
        prompts : sequence of str of length n_prompts
            The prompts.
        n : int
            Number of samples of each prompt.
        seeds : sequence of int of length n_prompts or None, default=None
            Seed of each prompt's request. None uses the backend's ``seed``.

        Returns
        -------
        list of (list of Response, or Exception) of length n_prompts
            For each prompt, its ``n`` responses, or the exception that its request raised.
        """
        seeds = [self.seed] * len(prompts) if seeds is None else seeds
        return self._sample_prompts(prompts, n, seeds)

    @abstractmethod
    def _sample_prompts(self, prompts, n, seeds):
        """Return what ``__call__`` returns, given a seed for each prompt."""

    @property
    def settings(self):
        """Everything that determines a response, to recognise requests that are the same."""
        return {
            "backend": type(self).__name__,
            "model": self.model,
            "template": self.template,
            "chat": self.chat,
            "system_prompt": self.system_prompt,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop),
        }

    def render(self, prompt):
        """Return the text that is sent for a prompt.

        Parameters
        ----------
        prompt : str
            A query or one of its paraphrases.

        Returns
        -------
        str
            The template with ``{prompt}`` replaced by the prompt.
        """
        return self.template.format(prompt=prompt)

    def messages(self, prompt):
        """Return the chat messages that are sent for a prompt.

        Parameters
        ----------
        prompt : str
            A query or one of its paraphrases.

        Returns
        -------
        list of dict
            The system message, if any, and the user message.
        """
        user = {"role": "user", "content": self.render(prompt)}
        if self.system_prompt is None:
            return [user]
        return [{"role": "system", "content": self.system_prompt}, user]

    def price(self, input_tokens, output_tokens):
        """Compute the price of tokens.

        Parameters
        ----------
        input_tokens, output_tokens : int or None
            Numbers of tokens, None if unknown.

        Returns
        -------
        float
            The price in the user's unit; NaN if a number of tokens or a price is unknown.
        """
        if input_tokens is None or output_tokens is None:
            return math.nan
        return (self.input_price * input_tokens + self.output_price * output_tokens) / 1e6

    def estimate_input_tokens(self, prompt):
        """Estimate the number of tokens that are sent for a prompt.

        Parameters
        ----------
        prompt : str
            The prompt.

        Returns
        -------
        float
            A token for every four bytes of the text that is sent, and the tokens of the chat
            template.
        """
        template_tokens = self._measure_template()
        n_bytes = self._count_bytes(prompt, with_system=template_tokens is None)
        if template_tokens is None:
            n_messages = len(self.messages(prompt)) if self.chat else 0
            template_tokens = _TOKENS_AROUND_MESSAGE * n_messages
        return n_bytes / _BYTES_PER_TOKEN + template_tokens

    def highest_price(self, prompt, n):
        """Compute an upper bound of the price of ``n`` samples of a prompt.

        Parameters
        ----------
        prompt : str
            The prompt.
        n : int
            Number of samples.

        Returns
        -------
        float
            The bound in the user's unit, NaN without prices. It counts a token for each byte of
            the text that is sent, since no tokenizer makes more, the tokens of the chat template,
            and ``max_tokens`` for each response.

        Notes
        -----
        How many tokens the chat template adds is measured for a model in a GGUF file. For any
        other model, 1024 tokens are allowed, which is enough for the system messages that chat
        templates insert where there is no ``system_prompt``. Samples that may need a request
        each, and requests that may be billed and sent again, are counted.
        """
        if math.isnan(self.price(0, 0)):
            return math.nan
        template_tokens = self._measure_template()
        n_bytes = self._count_bytes(prompt, with_system=template_tokens is None)
        if template_tokens is None:
            template_tokens = _MAX_TEMPLATE_TOKENS if self.chat else _TOKENS_AROUND_MESSAGE
        n_input = n_bytes + template_tokens
        n_prompts = 1 if self._samples_share_prompt() else n
        return self._max_attempts_billed() * self.price(n_prompts * n_input, n * self.max_tokens)

    def _count_bytes(self, prompt, with_system):
        """Return the number of bytes of the texts that are sent for a prompt."""
        texts = [self.render(prompt)]
        if with_system and self.system_prompt is not None:
            texts.append(self.system_prompt)
        # A prompt that is not valid Unicode is refused elsewhere.
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)

    def _measure_template(self):
        """Return how many tokens the chat template and the system message add to a prompt.

        None if this is not known.
        """
        return None

    def _samples_share_prompt(self):
        """Return whether all samples of a prompt are one request, which pays the prompt once."""
        return True

    def _max_attempts_billed(self):
        """Return how often a request may be billed, since it may be sent again."""
        return 1

    def _price_request(self, choices, input_tokens, latency=math.nan):
        """Return the responses of one request, whose first sample pays the prompt for all.

        ``cost`` is the price of each response as if it had been requested alone; the sum of
        ``spent`` is the price of the request.
        """
        shared = None if input_tokens is None else 0
        return [
            Response(
                text=choice.text,
                input_tokens=input_tokens,
                output_tokens=choice.n_tokens,
                cost=self.price(input_tokens, choice.n_tokens),
                spent=self.price(shared if position else input_tokens, choice.n_tokens),
                latency=latency,
                finish_reason=choice.finish_reason,
            )
            for position, choice in enumerate(choices)
        ]


def check_number(name, value, minimum):
    """Return a parameter's value, or raise if it is no finite number or below its minimum."""
    if not is_finite_number(value) or value < minimum:
        raise ValueError(f"{name} must be a finite number of at least {minimum}, got {value!r}")
    return value


def _check_template(template):
    """Return a template, or raise if it has other fields than one for the prompt."""
    fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    if fields != ["prompt"]:
        raise ValueError(
            f"template must contain '{{prompt}}' exactly once and no other field, got "
            f"{template!r}; double any other braces"
        )
    return template


def _check_stop(stop):
    """Return the strings at which a response ends, in their order."""
    stop = (stop,) if isinstance(stop, str) else stop
    if not isinstance(stop, Sequence) or not all(isinstance(text, str) for text in stop):
        raise TypeError(
            "stop must be a str or a list of str, whose order is part of the settings, got "
            f"{stop!r:.100}"
        )
    return tuple(stop)


def _check_seed(seed):
    """Return a seed as an int, or raise."""
    try:
        return operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an int or None, got {seed!r:.100}") from None


def _check_price(name, price):
    """Return a price, which is NaN if it is not known, or raise."""
    is_unknown = isinstance(price, Real) and math.isnan(price)
    if is_unknown or (is_finite_number(price) and price >= 0):
        return price
    raise ValueError(
        f"{name} must be a finite number of at least 0, or nan if it is not known, got {price!r}"
    )
