"""A language model as a grader."""

import re
from dataclasses import dataclass
from numbers import Integral
from string import Formatter
from typing import Any

from sklearn.utils import check_scalar

from dars_sklearn.generate import ask
from dars_sklearn.grade._answers import shorten

__all__ = ["LLMJudge"]

_TEMPLATE = (
    "Reference answer: {reference}\n\nAnswer to judge: {response}\n\n"
    "How well does the answer agree with the reference, from 0 (not at all) to 10 (fully)? "
    "Reply with the number alone."
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# Characters of a response that the judge is shown, and of a verdict that are searched.
_LONGEST = 8_000


@dataclass(frozen=True)
class LLMJudge:
    """Score a response by the verdict of a language model.

    The verdicts of a language model are random, so several are sampled for each response
    and averaged. Verdicts without a number are ignored; if none has a number, the response
    is not graded. Scores are kept in the store of the collector, so a judged response is
    not judged again.

    Language models as judges are biased, for instance towards long answers [1]_. Before you
    rely on a judge, compare its scores with answers that you graded yourself.

    Parameters
    ----------
    backend : callable
        The backend of the judge; see :class:`~dars_sklearn.generate.Backend`.
    template : str, optional
        Prompt of the judge. It must contain ``{response}``, and may contain ``{reference}``
        or, if references are dicts, their keys, such as ``{query}``.
    n_verdicts : int, default=3
        Number of verdicts to average.
    scale : tuple of float, default=(0, 10)
        The verdicts that correspond to scores of 0 and 1. Verdicts outside are clipped.

    Raises
    ------
    TypeError
        If ``n_verdicts`` is not an int.
    ValueError
        If a parameter is not valid.

    References
    ----------
    .. [1] arXiv:2605.07395.

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
    n_verdicts: int = 3
    scale: tuple = (0, 10)

    def __post_init__(self):
        if "response" not in self._template_fields():
            raise ValueError(f"template must contain '{{response}}', got {self.template!r}")
        low, high = self.scale
        if not low < high:
            raise ValueError(f"scale must be (low, high) with low < high, got {self.scale!r}")
        check_scalar(self.n_verdicts, "n_verdicts", Integral, min_val=1)

    @property
    def settings(self):
        """Everything that determines a score, besides the response and the reference."""
        return {
            "grader": "LLMJudge",
            "backend": getattr(self.backend, "settings", {}),
            "template": self.template,
            "n_verdicts": self.n_verdicts,
            "scale": list(self.scale),
        }

    def check_reference(self, reference):
        """Raise unless the reference has all fields that the template names.

        Parameters
        ----------
        reference : object
            A reference.

        Raises
        ------
        ValueError
            If the reference lacks a field.
        """
        missing = self._template_fields() - {"response"} - set(_reference_fields(reference))
        if missing:
            raise ValueError(f"the template names {sorted(missing)}, which the reference lacks")

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : object
            The reference. If it is a dict, its keys are the fields of the template.

        Returns
        -------
        float
            The mean verdict, scaled to [0, 1].

        Raises
        ------
        ValueError
            If no verdict has a number.
        """
        (score,) = self.grade_many([text], [reference])
        if isinstance(score, Exception):
            raise score
        return score

    def grade_many(self, texts, references):
        """Grade several responses in one call of the backend.

        Parameters
        ----------
        texts : sequence of str
            The responses.
        references : sequence of object
            The reference of each response.

        Returns
        -------
        list of (float or Exception)
            The score of each response, or the reason why it has none.
        """
        prompts = [
            self.template.format(
                **_reference_fields(reference),
                response=shorten(text, _LONGEST, separator="\n[…]\n"),
            )
            for text, reference in zip(texts, references, strict=True)
        ]
        entries = ask(self.backend, prompts, n=self.n_verdicts)
        return [self._mean_score(entry) for entry in entries]

    def _mean_score(self, entry):
        """Average the verdicts on one response; the last number of a verdict counts."""
        if isinstance(entry, Exception):
            return entry
        low, high = self.scale
        numbers = [_NUMBER.findall(response.text[-_LONGEST:]) for response in entry]
        verdicts = [min(max(float(found[-1]), low), high) for found in numbers if found]
        if not verdicts:
            return ValueError(f"the judge gave no number: {entry[0].text!r:.100}")
        return (sum(verdicts) / len(verdicts) - low) / (high - low)

    def _template_fields(self):
        return {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}


def _reference_fields(reference):
    return reference if isinstance(reference, dict) else {"reference": reference}
