"""What is known of how a server answers requests of one kind, and how it counts their tokens."""

import numpy as np

from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.utils._warnings import warn_user

__all__ = ["Behaviour"]


class Behaviour:
    """What is known of how a server answers requests that differ in prompt and seed only.

    Parameters
    ----------
    model : str
        Name of the model, for a warning.
    base_url : str
        Address of the server, for a warning.

    Attributes
    ----------
    supports_n : bool or None
        Whether the server returns several choices for one request. None as long as this is not
        known.
    usage : {"all", "one"} or None
        Whether the server's count of output tokens covers all choices or one. None as long as
        this is not known.
    """

    def __init__(self, model, base_url):
        self._model, self._base_url = model, base_url
        self._has_warned = False
        self.supports_n = None
        self.usage = None

    def output_tokens(self, completion, usage):
        """Return the number of output tokens of each choice.

        Parameters
        ----------
        completion : Completion
            The completion. Its choices have token counts if log-probabilities were requested.
        usage : {"auto", "all", "one"}
            What the server's count covers, according to the user.

        Returns
        -------
        list of (int or None)
            Number of tokens of each choice, None if unknown.
        """
        choices, total = completion.choices, completion.output_tokens
        if len(choices) == 1:
            return [choices[0].n_tokens if total is None else total]
        # The log-probabilities of a choice without text are missing, instead of empty.
        counts = [
            0 if choice.n_tokens is None and not choice.text else choice.n_tokens
            for choice in choices
        ]
        all_counted = None not in counts
        if usage == "auto":
            if self.usage is None and total is not None:
                self.usage = _infer_usage(total, counts if all_counted else None, choices)
            usage = self.usage
        if usage == "all" and total is not None:
            return _proportional_shares(total, [_max_tokens_of(choice) for choice in choices])
        if all_counted:
            return counts
        self._warn_of_ambiguous_count(total, len(choices))
        return [None] * len(choices)

    def _warn_of_ambiguous_count(self, total, n_choices):
        """Warn that token counts are unknown; of many requests, the first warns for all."""
        if self._has_warned:
            return
        self._has_warned = True
        warn_user(
            f"the server at {self._base_url} reports {total} output tokens for {n_choices} "
            f"choices of model {self._model!r}, and it is not known whether for all of them or "
            "for one, so their token counts and costs are unknown; pass usage='all' or "
            "usage='one'",
            UsageWarning,
        )


def _infer_usage(total, counts, choices):
    """Return whether a total covers "all" choices or "one"; None if it is consistent with both."""
    n_choices = len(choices)
    if counts is None:
        return "all" if total > max(_max_tokens_of(choice) for choice in choices) else None
    # A server may or may not count the token that ends each response.
    if sum(counts) - max(counts) <= n_choices:
        return None
    if total >= sum(counts) - n_choices:
        return "all"
    return "one" if min(abs(total - count) for count in counts) <= 1 else None


def _max_tokens_of(choice):
    """Return the largest possible number of tokens: one per byte, and one that ends the text."""
    return len(choice.text.encode()) + 1


def _proportional_shares(total, weights):
    """Split an integer into integers proportional to weights, by the largest remainders."""
    exact = total * np.array(weights) / sum(weights)
    shares = np.floor(exact).astype(int)
    largest = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[largest] += 1
    return shares.tolist()
