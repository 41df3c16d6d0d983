import math
from dataclasses import FrozenInstanceError
from functools import partial

import pytest

from dars_sklearn.generate import BackendError, Response, ask
from dars_sklearn.generate._protocol import ProtocolError, check_entry, takes_seeds


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
