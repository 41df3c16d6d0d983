import math

import numpy as np
import pytest

from dars_sklearn.collect._budget import Budget, limit_to_text
from dars_sklearn.collect._plan import plan_requests
from dars_sklearn.generate import BackendError
from dars_sklearn.store import Store

PROMPTS = ["a", "ab", "abc", "abcd", "abcde", "abcdef", "a" * 20]


class Backend:
    """A backend whose highest price is one per character and sample."""

    def __call__(self, prompts, *, n):
        raise AssertionError

    def highest_price(self, prompt, n):
        return len(prompt) * n


class Setting:
    """A store with a plan of one sample of each prompt, and budgets for it."""

    def __init__(self, store, backend=None, n_samples=1, prompts=PROMPTS):
        self.store, self.models = store, {"m": backend or Backend()}
        self.plan = plan_requests(store, self.models, prompts, n_samples, base_seed=0)
        self.requests = {request.prompt: request for request in self.plan.missing["m"]}

    def budget(self, max_cost, models=None):
        return Budget(self.store, models or self.models, self.plan, max_cost)

    def __getitem__(self, prompt):
        return self.requests[prompt]


@pytest.fixture
def store():
    with Store(None) as store:
        yield store


@pytest.fixture
def plan(store):
    return Setting(store)


def test_a_request_is_affordable_up_to_the_limit(plan):
    budget = plan.budget(3)
    assert budget.is_affordable(plan["abc"])
    assert not budget.is_affordable(plan["abcd"])


def test_the_price_of_a_request_covers_all_of_its_samples(store):
    plan = Setting(store, n_samples=5)
    assert plan.budget(10).is_affordable(plan["ab"])
    assert not plan.budget(9.9).is_affordable(plan["ab"])


def test_the_highest_price_of_requests_in_flight_counts(plan):
    budget = plan.budget(10)
    budget.reserve(plan["abc"])
    budget.reserve(plan["ab"])
    assert budget.is_affordable(plan["abcde"])
    assert not budget.is_affordable(plan["abcdef"])


def test_a_settled_request_costs_what_was_paid_for_it(plan):
    budget = plan.budget(10)
    budget.reserve(plan["abcdef"])
    budget.settle(plan["abcdef"], 4.0)
    assert budget.spent == 4
    assert budget.is_affordable(plan["abcdef"])
    budget.raise_overrun()  # it did not cost more than its highest price


def test_a_request_whose_price_is_unknown_costs_its_maximum(plan):
    budget = plan.budget(10)
    budget.reserve(plan["abcd"])
    budget.settle(plan["abcd"], math.nan)
    assert budget.spent == 4


def test_a_request_that_is_never_settled_costs_its_maximum_in_later_runs(plan):
    plan.budget(10).reserve(plan["abcd"])
    budget = plan.budget(10)
    assert budget.spent == 4
    assert not budget.is_affordable(plan["a" * 20])


def test_budgets_of_one_store_see_what_the_others_spend(plan):
    first, second = plan.budget(10), plan.budget(10)
    first.reserve(plan["abcdef"])
    assert not second.is_affordable(plan["abcde"])
    first.settle(plan["abcdef"], 1.0)
    assert second.is_affordable(plan["abcde"])
    assert second.spent == 1


def test_requests_of_other_collections_do_not_count(store, plan):
    other = Setting(store, prompts=["other"])
    other.budget(10).reserve(other["other"])
    assert plan.budget(10).spent == 0


def test_rounding_does_not_make_a_request_unaffordable(store):
    class Cheap(Backend):
        def highest_price(self, prompt, n):
            return 0.1

    plan = Setting(store, Cheap())
    budget = plan.budget(0.1 * len(PROMPTS))
    for prompt in PROMPTS:
        assert budget.is_affordable(plan[prompt])
        budget.reserve(plan[prompt])
    assert not plan.budget(0.1 * len(PROMPTS) - 1e-6).is_affordable(plan["a"])


def test_a_limit_of_0_allows_requests_that_are_free(store, plan):
    class Free(Backend):
        def highest_price(self, prompt, n):
            return 0

    assert not plan.budget(0).is_affordable(plan["a"])
    assert plan.budget(0, {"m": Free()}).is_affordable(plan["a"])


def test_the_first_request_that_costs_more_than_its_maximum_is_named(plan):
    budget = plan.budget(100)
    for prompt in ("ab", "abc"):
        budget.reserve(plan[prompt])
        budget.settle(plan[prompt], 20.5)
    message = (
        "model 'm' billed 20.5 for a request that may cost 2 at most, so max_cost=100 cannot be "
        "guaranteed and the collection stops: 1 samples of the prompt 'ab'"
    )
    with pytest.raises(BackendError, match=message):
        budget.raise_overrun()
    assert budget.spent == 41


def test_without_a_limit_every_request_is_affordable_and_may_cost_anything(plan):
    budget = plan.budget(None)
    assert budget.is_affordable(plan["a" * 20])
    budget.reserve(plan["a"])
    budget.settle(plan["a"], 1000.0)
    budget.raise_overrun()
    assert budget.spent == 1000


class Unpriced:
    def __call__(self, prompts, *, n):
        raise AssertionError


def test_what_was_spent_without_knowing_prices_is_bounded_once_there_is_a_limit(store):
    plan = Setting(store, Unpriced(), n_samples=2)
    unlimited = plan.budget(None)
    for prompt in ("ab", "abc", "abcd"):
        unlimited.reserve(plan[prompt])
    unlimited.settle(plan["ab"], math.nan)
    unlimited.settle(plan["abc"], 0.5)
    assert unlimited.spent == 0.5
    # Each sample of "ab" and of "abcd", which is still in flight, may have cost its maximum.
    limited = plan.budget(100, {"m": Backend()})
    assert limited.spent == 0.5 + 2 * 2 + 2 * 4
    unlimited.settle(plan["abcd"], 1.0)
    assert limited.is_affordable(plan["a"])
    assert limited.spent == 0.5 + 2 * 2 + 1


def fail():
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (lambda: math.nan, "nan"),
        (lambda: math.inf, "inf"),
        (lambda: -5.0, "-5.0"),
        (lambda: "x", "'x'"),
        (lambda: None, "None"),
        (fail, "ZeroDivisionError"),
    ],
)
def test_a_highest_price_that_is_none_is_refused_if_there_is_a_limit(store, price, shown):
    class Wrong(Backend):
        def highest_price(self, prompt, n):
            return price()

    plan = Setting(store, Wrong())
    message = f"max_cost=10 cannot be guaranteed: .* of model 'm' .*, and is {shown}.* prompt 'ab'"
    with pytest.raises(BackendError, match=message):
        plan.budget(10).is_affordable(plan["ab"])
    budget = plan.budget(None)
    budget.reserve(plan["ab"])
    budget.settle(plan["ab"], 3.0)
    assert budget.spent == 3


def test_a_price_of_any_number_type_is_entered_as_a_number(store):
    class Narrow(Backend):
        def highest_price(self, prompt, n):
            return np.float32(2)

    plan = Setting(store, Narrow())
    budget = plan.budget(10)
    budget.reserve(plan["a"])
    assert [entry.amount for entry in store.ledger.entries_after(0)] == [2.0]


def test_only_a_reserved_request_can_be_settled(plan):
    with pytest.raises(KeyError):
        plan.budget(10).settle(plan["a"], 1.0)


# ---- the limit that is sufficient ------------------------------------------------


def test_the_sufficient_limit_contains_what_counts_already_and_the_highest_prices(plan):
    budget = plan.budget(None)
    budget.reserve(plan["abc"])
    budget.settle(plan["abc"], 2.5)
    budget.reserve(plan["abcd"])
    rest = [plan["a"], plan["ab"]]
    assert budget.limit_for(rest) == 2.5 + 4 + 3
    assert budget.limit_for([]) == 6.5
    sufficient = plan.budget(budget.limit_for(rest))
    for request in rest:
        assert sufficient.is_affordable(request)
        sufficient.reserve(request)


def test_without_prices_no_limit_is_known_to_be_sufficient(store):
    plan = Setting(store, backend=lambda prompts, *, n: None)
    assert math.isnan(plan.budget(None).limit_for([plan["a"]]))


@pytest.mark.parametrize(
    ("limit", "text"),
    [(0, "0"), (30, "30"), (277.81, "277.9"), (0.00012341, "0.0001235"), (1234500, "1.235e+06")],
)
def test_a_limit_is_rounded_up(limit, text):
    assert limit_to_text(limit) == text
    assert float(text) >= limit
