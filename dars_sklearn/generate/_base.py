"""What the bundled backends have in common: a prompt, how it is decoded, and prices."""

import math
from string import Formatter


class ModelBackend:
    """Describe one candidate model: a template, decoding settings and prices.

    Parameters
    ----------
    model : str
        Name, or path, of the LLM.
    template : str
        What is sent for a prompt.
    chat : bool
        Whether it is sent as a chat message.
    system_prompt : str or None
        The system message of a chat.
    temperature, top_p : float or None
        How tokens are sampled.
    max_tokens : int
        Longest response.
    stop : str or sequence of str
        What ends a response.
    seed : int or None
        Seed of requests that do not bring their own.
    input_price, output_price : float
        Price of a million tokens.
    """

    def __init__(
        self, model, *, template, chat, system_prompt, temperature, top_p, max_tokens, stop, seed,
        input_price, output_price,
    ):  # fmt: skip
        if system_prompt is not None and not chat:
            raise ValueError(
                "system_prompt needs chat=True; with chat=False, write it into template"
            )
        self.model = model
        self.template = _check_template(template)
        self.chat = chat
        self.system_prompt = system_prompt
        self.temperature = None if temperature is None else at_least("temperature", temperature, 0)
        self.top_p = None if top_p is None else at_least("top_p", top_p, 0)
        self.max_tokens = at_least("max_tokens", max_tokens, 1)
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

    @property
    def settings(self):
        """All that determines an answer: what makes two requests the same."""
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
            The query, or one of its paraphrases.

        Returns
        -------
        str
            The template with the prompt in it.
        """
        return self.template.format(prompt=prompt)

    def messages(self, prompt):
        """Return the messages of a chat that are sent for a prompt.

        Parameters
        ----------
        prompt : str
            The query, or one of its paraphrases.

        Returns
        -------
        list of dict
            The system message, if there is one, and the prompt.
        """
        system = [] if self.system_prompt is None else [self.system_prompt]
        contents = [*system, self.render(prompt)]
        return [
            {"role": role, "content": content}
            for role, content in zip(("system", "user")[-len(contents) :], contents, strict=True)
        ]

    def price(self, input_tokens, output_tokens):
        """Price tokens.

        Parameters
        ----------
        input_tokens, output_tokens : int or None
            Numbers of tokens, None if unknown.

        Returns
        -------
        float
            The price in the user's unit; NaN where a number or a price is
            unknown.
        """
        if input_tokens is None or output_tokens is None:
            return math.nan
        return (self.input_price * input_tokens + self.output_price * output_tokens) / 1e6

    def highest_price(self, prompt, n):
        """Bound the price of a request.

        Parameters
        ----------
        prompt : str
            The prompt.
        n : int
            Number of samples.

        Returns
        -------
        float
            What it costs at most: no tokeniser makes more tokens than there are
            bytes, but for a few around each message.
        """
        n_bytes = sum(len(message["content"].encode()) + 16 for message in self.messages(prompt))
        return self.price(n_bytes, n * self.max_tokens)


def at_least(name, value, least):
    """Return a number that must not be below another."""
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return value


def _check_template(template):
    fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    if fields.count("prompt") != 1 or len(fields) != 1:
        raise ValueError(
            f"template must hold '{{prompt}}' once and no other field, got {template!r}; "
            "write other braces doubled"
        )
    return template


def _check_price(name, price):
    if price < 0:
        raise ValueError(f"{name} must not be negative, got {price!r}")
    return price
