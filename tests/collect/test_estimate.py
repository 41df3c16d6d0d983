import math

import pytest
from fake_backends import echo

from dars_sklearn.collect._estimate import estimate_missing
from dars_sklearn.collect._plan import plan_requests
from dars_sklearn.generate import Response
from dars_sklearn.store import Store


class Backend:
    max_tokens = 100

    def __call__(self, prompts, *, n):
        raise AssertionError

    def estimate_input_tokens(self, prompt):
        return 10 + len(prompt)

    def price(self, input_tokens, output_tokens):
        return 10 * input_tokens + output_tokens

    def highest_price(self, prompt, n):
        return 1000 * len(prompt) * n


def estimate(backend, prompts=("ab", "abcdef"), n_samples=3, stored=()):
    """Estimate a collection, given the samples of another prompt that are stored."""
    models = {"other": Backend(), "m": backend}
    with Store(None) as store:
        plan = plan_requests(store, models, prompts, n_samples, base_seed=0)
        another = plan_requests(store, models, ["stored"], 10, base_seed=0).ids["m"]["stored"]
        store.put_responses(another, 0, stored)
        return estimate_missing(store, models, plan, "m")


def test_mean_tokens_of_stored_samples_are_extrapolated():
    stored = [Response("a", 6, 3), Response("b", 8, 5)]
    assert estimate(Backend(), stored=stored) == (2, 6, 14, 24, 164, 24_000)


def test_without_stored_samples_the_backends_estimate_and_max_tokens_are_used():
    assert estimate(Backend()) == (2, 6, 28, 600, 880, 24_000)
    assert estimate(Backend(), ["ab"]) == (1, 3, 12, 300, 420, 6000)


def test_nothing_missing_costs_nothing():
    assert estimate(Backend(), []) == (0, 0, 0, 0, 0, 0)


def test_the_limit_contains_what_counts_for_earlier_requests():
    models = {"m": Backend()}
    with Store(None) as store:
        plan = plan_requests(store, models, ["ab", "abc"], 1, base_seed=0)
        store.put_responses(plan.ids["m"]["ab"], 0, [Response("a")])
        store.ledger.add(plan.ids["m"]["ab"], 70.0)
        store.ledger.add(plan.ids["m"]["ab"], 0.0, unpriced=1)
        plan = plan_requests(store, models, ["ab", "abc"], 1, base_seed=0)
        assert estimate_missing(store, models, plan, "m").max_cost == 70 + 2000 + 3000


def test_nothing_but_the_number_of_samples_is_known_about_a_function():
    values = estimate(echo)
    assert values[:2] == (2, 6)
    assert all(map(math.isnan, values[2:]))


@pytest.mark.parametrize("known", ["input_tokens", "output_tokens"])
def test_known_token_counts_of_a_function_are_used(known):
    values = estimate(echo, stored=[Response("a", **{known: 10})])
    assert getattr(values, known) == {"input_tokens": 20, "output_tokens": 60}[known]


def test_what_a_backend_says_that_is_no_number_is_unknown():
    class Odd(Backend):
        max_tokens = "512"

        def estimate_input_tokens(self, prompt):
            return None

        def price(self, input_tokens, output_tokens):
            return "free"

        def highest_price(self, prompt, n):
            raise RuntimeError

    values = estimate(Odd())
    assert values[:2] == (2, 6)
    assert all(map(math.isnan, values[2:]))
