import math

import pytest

from dars_sklearn.collect._budget import Budget
from dars_sklearn.collect._plan import Request


class Backend:
    def highest_price(self, prompt, n):
        return len(prompt) * n


def make_request(prompt, n=1, first=0):
    return Request(1, "m", prompt, first, n, 0)


def make_budget(max_cost, spent=0.0):
    return Budget({"m": Backend()}, max_cost, spent)


def test_a_request_is_affordable_up_to_the_limit():
    budget = make_budget(10)
    assert budget.is_affordable(make_request("ab", n=5))
    assert not budget.is_affordable(make_request("abc", n=4))


def test_what_was_spent_before_counts():
    budget = make_budget(10, spent=6)
    assert budget.spent == 6
    assert budget.is_affordable(make_request("abcd"))
    assert not budget.is_affordable(make_request("abcde"))


def test_the_maximum_cost_of_requests_in_flight_is_reserved():
    budget = make_budget(10)
    budget.reserve(make_request("abc"))
    budget.reserve(make_request("abc", first=1))
    assert budget.spent == 0
    assert budget.is_affordable(make_request("abcd"))
    assert not budget.is_affordable(make_request("abcde"))


def test_a_settled_request_costs_what_was_spent_on_it():
    budget = make_budget(10, spent=1)
    budget.reserve(make_request("abcdef"))
    budget.settle(make_request("abcdef"), 2.5)
    assert budget.spent == 3.5
    assert budget.is_affordable(make_request("abcdef"))
    assert not budget.is_affordable(make_request("abcdefg"))


def test_a_request_whose_price_is_unknown_costs_its_maximum():
    budget = make_budget(10, spent=1)
    budget.reserve(make_request("abcd"))
    budget.settle(make_request("abcd"), math.nan)
    assert budget.spent == 5


def test_a_limit_of_0_allows_requests_that_are_free():
    assert not make_budget(0).is_affordable(make_request("a"))
    assert make_budget(0).is_affordable(make_request(""))


def test_a_request_whose_maximum_cost_is_unknown_is_not_affordable():
    class Unpriced:
        def highest_price(self, prompt, n):
            return math.nan

    assert not Budget({"m": Unpriced()}, 10).is_affordable(make_request("a"))


def test_without_a_limit_everything_is_affordable_and_no_prices_are_needed():
    budget = Budget({"m": object()}, None)
    assert budget.is_affordable(make_request("a" * 1000))
    budget.reserve(make_request("a"))
    budget.reserve(make_request("b"))
    budget.settle(make_request("a"), 2.0)
    budget.settle(make_request("b"), math.nan)
    assert budget.spent == 2.0


def test_only_a_reserved_request_can_be_settled():
    with pytest.raises(KeyError):
        make_budget(10).settle(make_request("a"), 1.0)
