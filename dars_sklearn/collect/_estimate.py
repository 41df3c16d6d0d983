"""Estimate what the missing samples of a collection will cost."""

import math
from typing import NamedTuple

from dars_sklearn.collect._budget import Budget
from dars_sklearn.utils._validation import is_finite_number

__all__ = ["Estimate", "estimate_missing"]


class Estimate(NamedTuple):
    """What the missing samples of one model are expected to need.

    Parameters
    ----------
    requests : int
        Number of requests.
    samples : int
        Number of samples.
    input_tokens : float
        Tokens of all prompts, NaN if unknown.
    output_tokens : float
        Tokens of all responses, NaN if unknown.
    cost : float
        Cost in the user's unit, NaN if unknown.
    max_cost : float
        The part of a limit with which all requests can be sent, NaN if unknown.
    """

    requests: int
    samples: int
    input_tokens: float
    output_tokens: float
    cost: float
    max_cost: float


def estimate_missing(store, models, plan, name):
    """Estimate the tokens and the cost of the missing samples of one model.

    Parameters
    ----------
    store : Store
        The store.
    models : dict of str to callable
        The backend of each model.
    plan : Plan
        The plan of all models.
    name : str
        Name of the model.

    Returns
    -------
    Estimate
        The estimate. Where no sample is stored, the backend estimates the tokens of a prompt,
        chat template and system prompt included, and a response has ``max_tokens`` tokens.
    """
    backend, requests = models[name], plan.missing[name]
    n_samples = sum(request.n for request in requests)
    tokens_per_prompt, tokens_per_response = store.mean_tokens(name)
    if tokens_per_response is None:
        tokens_per_response = getattr(backend, "max_tokens", None)
    output_tokens = _number_or_nan(tokens_per_response) * n_samples
    if tokens_per_prompt is None and hasattr(backend, "estimate_input_tokens"):
        input_tokens = sum(
            _number_or_nan(backend.estimate_input_tokens(request.prompt)) for request in requests
        )
    else:
        input_tokens = _number_or_nan(tokens_per_prompt) * len(requests)
    cost = backend.price(input_tokens, output_tokens) if hasattr(backend, "price") else None
    max_cost = Budget(store, models, plan.of_model(name), max_cost=None).limit_for(requests)
    return Estimate(
        len(requests), n_samples, input_tokens, output_tokens, _number_or_nan(cost), max_cost
    )


def _number_or_nan(value):
    """Return a number, or NaN for anything else that a backend may say."""
    return value if is_finite_number(value) else math.nan
