"""Estimate what the missing samples of a collection will cost."""

import math
from typing import NamedTuple

__all__ = ["Estimate", "estimate_missing"]

_BYTES_PER_TOKEN = 4


class Estimate(NamedTuple):
    """What the missing samples of one model are expected to need, NaN where unknown."""

    requests: int
    samples: int
    input_tokens: float
    output_tokens: float
    cost: float


def estimate_missing(backend, requests, mean_tokens):
    """Estimate the tokens and the cost of requests to one model.

    Parameters
    ----------
    backend : callable
        The backend of the model.
    requests : list of Request
        The requests.
    mean_tokens : MeanTokens
        Mean token counts of the stored samples of the model.

    Returns
    -------
    Estimate
        The estimate. Where no sample is stored, a prompt is assumed to have a token for
        every four bytes, and a response ``max_tokens`` tokens.
    """
    n_samples = sum(request.n for request in requests)
    tokens_per_prompt, tokens_per_response = mean_tokens
    if tokens_per_prompt is None and hasattr(backend, "render"):
        n_bytes = [len(backend.render(request.prompt).encode()) for request in requests]
        tokens_per_prompt = sum(n_bytes) / _BYTES_PER_TOKEN / max(len(requests), 1)
    if tokens_per_response is None:
        tokens_per_response = getattr(backend, "max_tokens", None)
    input_tokens = math.nan if tokens_per_prompt is None else tokens_per_prompt * len(requests)
    output_tokens = math.nan if tokens_per_response is None else tokens_per_response * n_samples
    cost = backend.price(input_tokens, output_tokens) if hasattr(backend, "price") else math.nan
    return Estimate(len(requests), n_samples, input_tokens, output_tokens, cost)
