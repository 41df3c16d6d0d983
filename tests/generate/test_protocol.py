import asyncio
import math
import re
from dataclasses import FrozenInstanceError
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from dars_sklearn.generate import BackendError, Response, ask
from dars_sklearn.generate._protocol import (
    ProtocolError,
    call_backend,
    check_entry,
    takes_seeds,
)


def echo(prompts, *, n):
    return [[f"{prompt} {i}" for i in range(n)] for prompt in prompts]


def echo_seeds(prompts, *, n, seeds=None):
    return [[str(seed)] * n for seed in seeds]


def test_strings_become_responses():
    entries = ask(echo, ("red", "blue"), n=2)
    assert entries == [
        [Response("red 0"), Response("red 1")],
        [Response("blue 0"), Response("blue 1")],
    ]


def test_the_prompts_are_passed_as_a_list():
    def backend(prompts, *, n):
        assert type(prompts) is list
        return echo(prompts, n=n)

    assert len(ask(backend, ("red",), n=1)) == 1


def test_what_is_unknown_of_a_response_is_missing():
    response = Response("red")
    assert (response.input_tokens, response.output_tokens, response.finish_reason) == (None,) * 3
    assert math.isnan(response.cost)
    assert math.isnan(response.spent)
    assert math.isnan(response.latency)


def test_a_response_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Response("red").text = "blue"


def test_seeds_are_passed_to_a_backend_that_accepts_them():
    assert ask(echo_seeds, ["a", "b"], n=1, seeds=[5, 6]) == [[Response("5")], [Response("6")]]


def test_seeds_are_not_passed_to_a_backend_that_does_not_accept_them():
    assert ask(echo, ["red"], n=1, seeds=[5]) == [[Response("red 0")]]


def test_a_backend_accepts_seeds_by_name_or_as_any_keyword():
    class Callable:
        def __call__(self, prompts, *, n, seeds=None):
            return echo(prompts, n=n)

    assert takes_seeds(echo_seeds)
    assert takes_seeds(partial(echo_seeds))
    assert takes_seeds(Callable())
    assert takes_seeds(lambda prompts, **options: None)
    assert not takes_seeds(echo)
    assert not takes_seeds(lambda prompts, *seeds_and_more: None)
    assert not takes_seeds(int.from_bytes)
    assert not takes_seeds(dict)  # has no signature


def test_an_exception_is_a_valid_entry():
    failure = RuntimeError("too long")
    assert check_entry(failure, n=3) is failure
    assert ask(lambda prompts, *, n: [failure, ["b"] * n], ["a", "b"], n=1) == [
        failure,
        [Response("b")],
    ]


def test_an_exception_that_the_backend_raises_is_not_caught():
    def backend(prompts, *, n):
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        ask(backend, ["a"], n=1)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned 'NoneType'; it must return a list with one entry"),
        ("text", "returned 'str'; it must return a list with one entry"),
        (iter([]), "returned 'list_iterator'"),
        ([["x", "x"]], "returned 1 entries for 2 prompts"),
        ([["x", "x"]] * 3, "returned 3 entries for 2 prompts"),
        (["xx", "xx"], "returned 'str' for a prompt; it must return a list of 2 responses"),
        ([None, None], "returned 'NoneType' for a prompt"),
        ([["x"], ["x"]], "returned 1 responses for a prompt where 2 were requested"),
        ([["x"] * 3] * 2, "returned 3 responses for a prompt where 2 were requested"),
        ([["x", 5], ["x", "x"]], "returned a response of type 'int': 5; it must be a str"),
        ([["x", Response(None)], ["x", "x"]], "returned a response of type 'Response'"),
    ],
)
def test_a_violation_of_the_protocol_is_described(returned, message):
    with pytest.raises(ProtocolError, match=message) as caught:
        ask(lambda prompts, *, n: returned, ["a", "b"], n=2)
    assert isinstance(caught.value, BackendError)


def test_a_backend_error_has_no_responses_by_default():
    assert list(BackendError("failed").responses) == []


def test_nothing_is_known_to_have_been_billed_for_an_error_by_default():
    assert math.isnan(BackendError("failed").spent)


def test_values_become_pythons_own():
    response = Response(
        np.str_("x"),
        np.int8(1),
        np.uint64(2),
        np.float32(0.5),
        Decimal("0.25"),
        Fraction(1, 2),
        None,
    )
    (checked,) = check_entry([response], 1)
    assert checked == Response("x", 1, 2, 0.5, 0.25, 0.5)
    types = [type(getattr(checked, field)) for field in Response.__slots__]
    assert types == [str, int, int, float, float, float, type(None)]
    (unknown,) = check_entry([Response("x", cost=None, spent=None, latency=math.nan)], 1)
    assert all(map(math.isnan, (unknown.cost, unknown.spent, unknown.latency)))


@pytest.mark.parametrize("limit", [0, 2**63 - 1])
def test_the_limits_of_a_token_count_are_valid(limit):
    (response,) = check_entry([Response("", limit, limit, 0.0)], 1)
    assert (response.input_tokens, response.output_tokens) == (limit, limit)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"text": "a\udc80"},
            r"text is invalid: it contains a lone surrogate, .* at position 1; got 'a",
        ),
        ({"finish_reason": "\ud800"}, "finish_reason is invalid: it contains a lone surrogate"),
        ({"finish_reason": 1}, "finish_reason is invalid: it must be a str; got 1"),
        ({"input_tokens": -1}, "input_tokens is invalid: it must be an int from 0 .*; got -1"),
        ({"output_tokens": 2**63}, "output_tokens is invalid: .*; got 9223372036854775808"),
        ({"output_tokens": 1.0}, "output_tokens is invalid: .*; got 1.0"),
        ({"input_tokens": True}, "input_tokens is invalid: .*; got True"),
        ({"cost": math.inf}, "cost is invalid: it must be a finite number .*; got inf"),
        ({"cost": -0.5}, "cost is invalid: .*; got -0.5"),
        ({"cost": True}, "cost is invalid: .*; got True"),
        ({"spent": "1"}, "spent is invalid: .*; got '1'"),
        ({"latency": -1}, "latency is invalid: .*; got -1"),
    ],
)
def test_an_invalid_value_makes_the_entry_an_exception_with_the_valid_responses(values, message):
    invalid = Response(**({"text": "x"} | values))
    error = check_entry([Response("a"), invalid, "b"], 3)
    assert isinstance(error, BackendError)
    assert not isinstance(error, ProtocolError)
    assert re.search(message, str(error))
    assert error.responses == [Response("a"), Response("b")]
    (entry,) = ask(lambda prompts, *, n: [[invalid]], ["a"], n=1)
    assert isinstance(entry, BackendError)


def test_the_length_of_a_text_is_bounded():
    (response,) = check_entry(["x" * 100_000_000], 1)
    assert len(response.text) == 100_000_000
    error = check_entry(["x" * 100_000_001], 1)
    assert "it must have at most 100,000,000 characters; got 'xxxx" in str(error)
    assert len(str(error)) < 200


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
def test_any_other_exception_is_a_valid_entry(error):
    assert check_entry(error, 1) is error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exception_meant_to_end_the_process_is_raised(error):
    with pytest.raises(type(error)):
        check_entry(error, 1)


def test_entries_of_a_call_are_not_checked():
    assert call_backend(lambda prompts, *, n: (None, 5), ["a", "b"], 2, None) == [None, 5]
