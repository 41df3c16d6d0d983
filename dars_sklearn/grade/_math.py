"""Mathematical answers, compared by math-verify."""

import importlib.util
from dataclasses import dataclass

from dars_sklearn.grade._bounded import call_bounded
from dars_sklearn.grade._text import accepted

# The answer stands at the end of a response; no formula needs more than this.
_LONGEST = 10_000


@dataclass(frozen=True)
class Math:
    """Score 1 where the answer is mathematically equal to the reference.

    Takes a ``\\boxed{}`` answer, or else the last formula or number, in LaTeX or
    plain; 1/2, 0.5 and ``\\frac{1}{2}`` are the same. A response that cannot be
    compared within the time limit scores 0.

    Parameters
    ----------
    timeout : float, default=15.0
        Seconds for one response, in a process that is killed after them.

    Raises
    ------
    ImportError
        On first use, where math-verify is not installed.
    ValueError
        If no formula can be read from the reference.

    References
    ----------
    Hugging Face, Math-Verify, https://github.com/huggingface/Math-Verify.

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
            The accepted answers, in LaTeX or plain.

        Returns
        -------
        float
            0 or 1.
        """
        if importlib.util.find_spec("math_verify") is None:
            raise ImportError("Math needs math-verify: pip install 'dars-sklearn[math]'")
        ending = text[-_LONGEST:]
        return float(any(self._equal(answer, ending) for answer in accepted(reference)))

    def _equal(self, gold, text):
        try:
            return call_bounded("equal_formulas", gold, text, timeout=self.timeout)
        except TimeoutError:
            return False
