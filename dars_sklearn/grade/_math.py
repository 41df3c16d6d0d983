"""Mathematical answers, compared by math-verify."""

from dataclasses import dataclass

from dars_sklearn.grade._answers import accepted_answers
from dars_sklearn.grade._bounded import call_with_timeout
from dars_sklearn.grade._numbers import canonical_number, to_ascii_digits, write_out_powers
from dars_sklearn.utils._optional import import_optional

__all__ = ["Math"]

# Characters from the end of a response that are searched for the answer.
_LONGEST = 10_000


@dataclass(frozen=True)
class Math:
    """Score 1 if the answer is mathematically equal to the reference.

    The answer is the content of ``\\boxed{}`` or else the last formula or number of the
    response, in LaTeX or plain text: 1/2, 0.5 and ``\\frac{1}{2}`` are equal. A response
    that cannot be compared within the time limit scores 0. Only the last 10,000 characters of a
    response are read. Needs math-verify [1]_.

    Parameters
    ----------
    timeout : float, default=15.0
        Seconds that comparing one response with one accepted answer may take. The
        comparison runs in a separate process, which is killed after that time.

    Raises
    ------
    ImportError
        If math-verify is not installed when the grader is called.
    ValueError
        If the reference contains no formula that can be read, when the grader is called.

    References
    ----------
    .. [1] Hugging Face, Math-Verify, https://github.com/huggingface/Math-Verify.

    Examples
    --------
    >>> from dars_sklearn.grade import Math
    >>> Math()("Hence x is \\\\boxed{0.5}.", "1/2")
    1.0
    """

    timeout: float = 15.0

    def __call__(self, text, reference):
        """Grade one response.

        Parameters
        ----------
        text : str
            The response.
        reference : str, number, or list of them
            The accepted answers, in LaTeX or plain text.

        Returns
        -------
        float
            0 or 1.
        """
        # It is used in the worker process only, which cannot name the extra to install.
        import_optional("math_verify", extra="math", needed_by="Math")
        ending = _to_plain_numbers(text[-_LONGEST:])
        golds = map(canonical_number, accepted_answers(reference))
        return float(any(self._is_equal(_to_plain_numbers(gold), ending) for gold in golds))

    def _is_equal(self, gold, text):
        try:
            return call_with_timeout("equal_formulas", gold, text, timeout=self.timeout)
        except TimeoutError:
            return False


def _to_plain_numbers(text):
    """Write digits, minus signs and powers of ten such as 1e3 in the way that Math-Verify reads."""
    return write_out_powers(to_ascii_digits(text))
