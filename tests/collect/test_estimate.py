import math

import pytest
from fake_backends import echo

from dars_sklearn.collect._estimate import estimate_missing
from dars_sklearn.collect._plan import Request
from dars_sklearn.store._records import MeanTokens

REQUESTS = [Request(1, "m", "ab", 0, 3, 0), Request(2, "m", "abcdef", 0, 2, 0)]


class Backend:
    max_tokens = 100

    def render(self, prompt):
        return f"{prompt}é"  # two bytes more

    def price(self, input_tokens, output_tokens):
        return 10 * input_tokens + output_tokens


def test_mean_tokens_of_stored_samples_are_extrapolated():
    assert estimate_missing(Backend(), REQUESTS, MeanTokens(7.0, 4.0)) == (2, 5, 14, 20, 160)


def test_without_stored_samples_bytes_and_max_tokens_are_used():
    unknown = MeanTokens(None, None)
    assert estimate_missing(Backend(), REQUESTS, unknown) == (2, 5, 3, 500, 530)
    assert estimate_missing(Backend(), REQUESTS[:1], unknown) == (1, 3, 1, 300, 310)


def test_nothing_missing_costs_nothing():
    assert estimate_missing(Backend(), [], MeanTokens(None, None)) == (0, 0, 0, 0, 0)


def test_nothing_but_the_number_of_samples_is_known_about_a_function():
    estimate = estimate_missing(echo, REQUESTS, MeanTokens(None, None))
    assert estimate[:2] == (2, 5)
    assert all(map(math.isnan, estimate[2:]))


@pytest.mark.parametrize("known", ["input_tokens", "output_tokens"])
def test_known_token_counts_of_a_function_are_used(known):
    tokens = {"input_tokens": None, "output_tokens": None, known: 10.0}
    estimate = estimate_missing(echo, REQUESTS, MeanTokens(**tokens))
    assert getattr(estimate, known) == {"input_tokens": 20, "output_tokens": 50}[known]
