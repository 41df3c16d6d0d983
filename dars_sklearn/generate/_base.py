"""What the bundled backends share: prompt template, decoding settings and prices."""

import math
from abc import ABC, abstractmethod
from string import Formatter
from typing import NamedTuple

from dars_sklearn.generate._protocol import Response

# Chat templates add a few tokens around each message.
_MAX_TOKENS_AROUND_MESSAGE = 16


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
            None if temperature is None else check_at_least("temperature", temperature, 0)
        )
        self.top_p = None if top_p is None else check_at_least("top_p", top_p, 0)
        self.max_tokens = check_at_least("max_tokens", max_tokens, 1)
        self.stop = (stop,) if isinstance(stop, str) else tuple(stop)
        self.seed = seed
        self.input_price = _check_price("input_price", input_price)
        self.output_price = _check_price("output_price", output_price)

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
            The bound in the user's unit. It counts a token for each byte of the prompt, since
            no tokenizer makes more, and ``max_tokens`` for each response.

        Notes
        -----
        A few tokens are added for the chat template around each message. A template that also
        inserts a long default system message can exceed the bound; ``system_prompt`` replaces it.
        """
        input_tokens = sum(
            len(message["content"].encode()) + _MAX_TOKENS_AROUND_MESSAGE
            for message in self.messages(prompt)
        )
        if self._samples_share_prompt():
            return self.price(input_tokens, n * self.max_tokens)
        return n * self.price(input_tokens, self.max_tokens)

    def _samples_share_prompt(self):
        """Return whether all samples of a prompt are one request, which pays the prompt once."""
        return True

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


def check_at_least(name, value, minimum):
    """Return a parameter's value, or raise if it is below its minimum."""
    if not value >= minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return value


def _check_template(template):
    fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    if fields != ["prompt"]:
        raise ValueError(
            f"template must contain '{{prompt}}' exactly once and no other field, got "
            f"{template!r}; double any other braces"
        )
    return template


def _check_price(name, price):
    if price < 0:
        raise ValueError(f"{name} must not be negative, got {price!r}")
    return price
