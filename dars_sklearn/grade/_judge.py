"""A language model as a grader."""

from dataclasses import dataclass
from numbers import Integral
from string import Formatter
from typing import Any

from sklearn.utils import check_scalar

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import ask
from dars_sklearn.grade._answers import shorten
from dars_sklearn.grade._apply import reference_fields
from dars_sklearn.grade._verdicts import FORM, fence, read_verdict
from dars_sklearn.utils._validation import is_finite_number
from dars_sklearn.utils._warnings import warn_user

__all__ = ["LLMJudge"]

_TEMPLATE = (
    "Question: {query}\n\nReference answer: {reference}\n\nAnswer to judge: {response}\n\n"
    "How well does the answer to judge agree with the reference answer?"
)
# Characters of a response that the judge is shown.
_LONGEST = 8_000


@dataclass(frozen=True)
class LLMJudge:
    """Score a response by the verdict of a language model.

    The judge is shown the question, the reference and the response, and is instructed to end with
    the line "Score: " and a number on the scale. A verdict is read only if its last line has this
    form, or is the number alone where there is no other line; "8/10" is read if 10 is the
    highest score. From any other verdict no number is guessed: it is left out and counted in a
    warning. A response without any readable verdict is not graded.

    The verdicts of a language model are random, so several are sampled for each response and
    averaged. Scores are kept in the store of the collector, so a judged response is not judged
    again.

    The response stands between two marks that it cannot contain, and the judge is instructed
    to follow no instruction between them. That makes it hard for a response to dictate its score,
    but not impossible. Judges are also biased, for instance towards long answers [1]_. Before you
    rely on a judge, compare its scores with answers that you graded yourself.

    Parameters
    ----------
    backend : callable
        The backend of the judge; see :class:`~dars_sklearn.generate.Backend`. It is called with
        its ``batch_size`` prompts at a time (1 if it has none), or with all prompts if it limits
        its requests itself, as :class:`~dars_sklearn.generate.OpenAIBackend` does.
    template : str, optional
        Prompt of the judge, to which the instructions about the scale and the form of the verdict
        are appended. It must contain ``{response}``, and may contain ``{query}``, ``{reference}``
        or, if references are dicts, their keys. References are needed if it contains any field
        besides ``{response}`` and ``{query}``.
    n_verdicts : int, default=3
        Number of verdicts to average.
    scale : tuple of float, default=(0, 10)
        The verdicts that correspond to scores of 0 and 1. Verdicts outside are not read.

    Attributes
    ----------
    needs_reference : bool
        Whether the template contains any field besides ``{response}`` and ``{query}``.
    needs_query : bool
        Whether the template contains ``{query}``. Then references are dicts with the key "query",
        which the collector adds.

    Raises
    ------
    TypeError
        If ``n_verdicts`` is not an int.
    ValueError
        If a parameter is not valid.

    Warns
    -----
    CollectionWarning
        If verdicts cannot be read, with their number and an example.

    References
    ----------
    .. [1] arXiv:2605.07395.

    Examples
    --------
    >>> from dars_sklearn.grade import LLMJudge
    >>> def lenient(prompts, *, n):
    ...     return [["8", "A fine answer.\\nScore: 9", "Score: 10/10"][:n] for _ in prompts]
    >>> reference = {"query": "What is the capital of Peru?", "reference": "Lima"}
    >>> LLMJudge(lenient)("It is Lima.", reference)
    0.9
    """

    backend: Any
    template: str = _TEMPLATE
    n_verdicts: int = 3
    scale: tuple = (0, 10)

    def __post_init__(self):
        if "response" not in self._template_fields():
            raise ValueError(f"template must contain '{{response}}', got {self.template!r}")
        low, high = self.scale
        if not (is_finite_number(low) and is_finite_number(high) and low < high):
            raise ValueError(
                f"scale must be (low, high), two finite numbers with low < high, got {self.scale!r}"
            )
        check_scalar(self.n_verdicts, "n_verdicts", Integral, min_val=1)

    @property
    def needs_reference(self):
        """Whether the template contains any field besides the response and the query."""
        return bool(self._template_fields() - {"response", "query"})

    @property
    def needs_query(self):
        """Whether the judge needs the query, as a field of the reference."""
        return "query" in self._template_fields()

    @property
    def settings(self):
        """Everything that determines a score, besides the response and the reference."""
        return {
            "grader": "LLMJudge",
            "backend": _describe_backend(self.backend),
            "template": self.template,
            "form": FORM,
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
        missing = self._template_fields() - {"response"} - set(reference_fields(reference))
        if missing:
            raise ValueError(
                f"the template names {sorted(missing)}, which the reference lacks; pass a dict "
                "with these keys, or a template without them"
            )

    def __call__(self, text, reference=None):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : object, default=None
            The reference. If it is a dict, its keys are the fields of the template.

        Returns
        -------
        float
            The mean verdict, scaled to [0, 1].

        Raises
        ------
        ValueError
            If the reference lacks a field of the template, or no verdict can be read.
        """
        (score,) = self.grade_many([text], [reference])
        if isinstance(score, Exception):
            raise score
        return score

    def grade_many(self, texts, references):
        """Grade several responses.

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
            self._write_prompt(text, reference)
            for text, reference in zip(texts, references, strict=True)
        ]
        answers = iter(self._ask([prompt for prompt in prompts if isinstance(prompt, str)]))
        entries = [next(answers) if isinstance(prompt, str) else prompt for prompt in prompts]
        self._warn_of_unreadable(entries)
        return [self._mean_score(entry) for entry in entries]

    def _write_prompt(self, text, reference):
        """Return the prompt of one response, or the error of a reference that does not fit."""
        response = shorten(text, _LONGEST, separator="\n[…]\n")
        low, high = self.scale
        try:
            self.check_reference(reference)
            fenced = fence(reference_fields(reference) | {"response": response})
            prompt = self.template.format_map(fenced.fields)
        except Exception as error:  # a value may not fit the format of its field, "{level:.1f}"
            return error
        form = FORM.format(opening=fenced.opening, closing=fenced.closing, low=low, high=high)
        return f"{prompt}\n\n{form}"

    def _ask(self, prompts):
        """Return the verdicts on each prompt, or the reason why there are none."""
        limits_itself = hasattr(self.backend, "sample")
        size = len(prompts) if limits_itself else getattr(self.backend, "batch_size", 1)
        entries = []
        for begin in range(0, len(prompts), max(size, 1)):
            batch = prompts[begin : begin + size]
            try:
                entries += ask(self.backend, batch, n=self.n_verdicts)
            except Exception as error:  # the verdicts of other batches are paid for
                entries += [error] * len(batch)
        return entries

    def _read_verdicts(self, entry):
        """List the scores in the verdicts on one response; None for what cannot be read."""
        return [read_verdict(response.text, *self.scale) for response in entry]

    def _mean_score(self, entry):
        """Average the verdicts on one response, or say why it has no score."""
        if isinstance(entry, Exception):
            return entry
        verdicts = [verdict for verdict in self._read_verdicts(entry) if verdict is not None]
        if not verdicts:
            return ValueError(f"no verdict of the judge can be read: {entry[0].text[-100:]!r}")
        low, high = self.scale
        return (sum(verdicts) / len(verdicts) - low) / (high - low)

    def _warn_of_unreadable(self, entries):
        verdicts = [
            (verdict, response.text)
            for entry in entries
            if not isinstance(entry, Exception)
            for verdict, response in zip(self._read_verdicts(entry), entry, strict=True)
        ]
        unreadable = [text for verdict, text in verdicts if verdict is None]
        if unreadable:
            low, high = self.scale
            warn_user(
                "verdicts of the judge cannot be read and are left out, since they do not end in "
                f"the line 'Score: <{low} to {high}>'",
                CollectionWarning,
                share=(len(unreadable), len(verdicts)),
                example=f"; the first ends in {unreadable[0][-100:]!r}",
            )

    def _template_fields(self):
        return {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}


def _describe_backend(backend):
    """Return the settings of a backend, or the name of a function that has none."""
    settings = getattr(backend, "settings", None)
    if settings is not None:
        return settings
    function = backend if hasattr(backend, "__qualname__") else type(backend)
    return {"function": f"{function.__module__}.{function.__qualname__}"}
