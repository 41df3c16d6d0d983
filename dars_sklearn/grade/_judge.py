"""A language model as a grader."""

import re
from dataclasses import dataclass
from string import Formatter
from typing import Any

from dars_sklearn.generate import ask

_TEMPLATE = (
    "Reference answer: {reference}\n\nAnswer to judge: {response}\n\n"
    "How well does the answer agree with the reference, from 0 (not at all) to 10 (fully)? "
    "Reply with the number alone."
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# A longer response is shown to the judge by its beginning and its end.
_LONGEST = 8_000


@dataclass(frozen=True)
class LLMJudge:
    """Score a response by what a language model thinks of it.

    A judge is random, too: it is asked several times, and its scores are
    averaged. A verdict without a number counts for nothing; without any, the
    response is not graded. Verdicts are kept in the collector's store.

    Judges have favourites, such as long answers (arXiv 2605.07395); compare
    one with answers that you graded yourself before you trust it.

    Parameters
    ----------
    backend : callable
        What judges; see :class:`~dars_sklearn.generate.Backend`.
    template : str, optional
        What the judge is told: ``{response}``, and ``{reference}`` or, where
        references are dicts, their keys, such as ``{query}``.
    n_samples : int, default=3
        Verdicts to average.
    scale : tuple of float, default=(0, 10)
        The verdicts that become 0 and 1; others are cut to these.

    Examples
    --------
    >>> from dars_sklearn.grade import LLMJudge
    >>> def lenient(prompts, *, n):
    ...     return [["8", "Score: 9", "no idea"][:n] for _ in prompts]
    >>> LLMJudge(lenient)("Lima", "The capital is Lima.")
    0.85
    """

    backend: Any
    template: str = _TEMPLATE
    n_samples: int = 3
    scale: tuple = (0, 10)

    def __post_init__(self):
        if "response" not in self._fields():
            raise ValueError(f"template must hold '{{response}}', got {self.template!r}")
        low, high = self.scale
        if not low < high:
            raise ValueError(f"scale must be (low, high) with low < high, got {self.scale!r}")
        if not self.n_samples >= 1:
            raise ValueError(f"n_samples must be at least 1, got {self.n_samples!r}")

    @property
    def settings(self):
        """All that determines a verdict."""
        return {
            "grader": "LLMJudge",
            "backend": getattr(self.backend, "settings", {}),
            "template": self.template,
            "n_samples": self.n_samples,
            "scale": list(self.scale),
        }

    def check_reference(self, reference):
        """Raise unless the reference has what the template names.

        Parameters
        ----------
        reference : object
            A reference.
        """
        missing = self._fields() - {"response"} - set(_as_fields(reference))
        if missing:
            raise ValueError(f"the template names {sorted(missing)}, which the reference lacks")

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : object
            What the template says the judge is shown.

        Returns
        -------
        float
            From 0 to 1.
        """
        (score,) = self.grade_many([text], [reference])
        if isinstance(score, Exception):
            raise score
        return score

    def grade_many(self, texts, references):
        """Grade responses, as many at once as the backend takes.

        Parameters
        ----------
        texts : sequence of str
            Responses.
        references : sequence of object
            Their references.

        Returns
        -------
        list of (float or Exception)
            The score of each response, or why it has none.
        """
        prompts = [
            self.template.format(**_as_fields(reference), response=_shorten(text))
            for text, reference in zip(texts, references, strict=True)
        ]
        entries = ask(self.backend, prompts, n=self.n_samples)
        return [self._score(entry) for entry in entries]

    def _score(self, entry):
        if isinstance(entry, Exception):
            return entry
        low, high = self.scale
        found = [_NUMBER.findall(response.text[-_LONGEST:]) for response in entry]
        verdicts = [min(max(float(numbers[-1]), low), high) for numbers in found if numbers]
        if not verdicts:
            return ValueError(f"the judge gave no number: {entry[0].text!r:.100}")
        return (sum(verdicts) / len(verdicts) - low) / (high - low)

    def _fields(self):
        return {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}


def _as_fields(reference):
    return reference if isinstance(reference, dict) else {"reference": reference}


def _shorten(text):
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}\n[…]\n{text[-_LONGEST // 2 :]}"
