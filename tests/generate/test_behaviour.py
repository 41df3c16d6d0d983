import warnings

import pytest

from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.generate import _behaviour as behaviour_module
from dars_sklearn.generate._base import Choice
from dars_sklearn.generate._behaviour import Behaviour
from dars_sklearn.generate._choices import Completion


def new_behaviour():
    return Behaviour("m", "http://127.0.0.1:9/v1")


def completion(texts, counts, total):
    choices = [Choice(text, "stop", count) for text, count in zip(texts, counts, strict=True)]
    return Completion(choices, 7, total)


@pytest.mark.parametrize(
    ("usage", "texts", "counts", "total", "expected"),
    [
        # The count of a single choice is the server's, if it reports one.
        ("auto", ["a"], [3], 5, [5]),
        ("auto", ["a"], [3], None, [3]),
        ("auto", ["a"], [None], None, [None]),
        # A count of all choices is divided in proportion to their lengths.
        ("all", ["aaa", "a"], [None, None], 6, [4, 2]),
        ("all", ["aaa", "a"], [9, 9], 6, [4, 2]),
        ("all", ["aa", "a", "a"], [None] * 3, 5, [2, 2, 1]),
        ("all", ["aaa", "a"], [None, None], 4, [3, 1]),
        ("all", ["é", "aa"], [None, None], 10, [5, 5]),
        # Without a count, or with the count of one choice, the tokens are counted.
        ("all", ["aaa", "a"], [9, 8], None, [9, 8]),
        ("one", ["aaa", "a"], [9, 8], 9, [9, 8]),
        ("auto", ["aaa", "a"], [9, 8], None, [9, 8]),
        # An empty response has no log-probabilities.
        ("one", ["aaa", ""], [9, None], 9, [9, 0]),
    ],
)
def test_output_tokens_of_each_choice(usage, texts, counts, total, expected):
    assert new_behaviour().output_tokens(completion(texts, counts, total), usage) == expected


@pytest.mark.parametrize(
    ("texts", "counts", "total", "inferred"),
    [
        # Counted by log-probabilities: 4 + 5 + 6 tokens, with or without an end for each.
        (["x"] * 3, [4, 5, 6], 15, "all"),
        (["x"] * 3, [4, 5, 6], 12, "all"),
        (["x"] * 3, [4, 5, 6], 18, "all"),
        (["x"] * 3, [4, 5, 6], 7, "one"),
        (["x"] * 3, [4, 5, 6], 3, "one"),
        (["x"] * 3, [4, 5, 6], 9, None),
        (["x"] * 3, [4, 5, 6], 2, None),
        # Too short: the total of all may be that of one.
        (["x"] * 3, [1, 2, 9], 12, None),
        (["x"] * 3, [2, 2, 9], 13, "all"),
        # Not counted: more tokens than the longest text has bytes are those of several texts.
        (["xx", "xxxx"], [None, None], 6, "all"),
        (["xx", "xxxx"], [None, None], 5, None),
        (["xx", "é"], [None, 4], 4, "all"),
    ],
)
def test_whether_a_count_covers_all_choices_is_inferred(texts, counts, total, inferred):
    behaviour = new_behaviour()
    assert behaviour.usage is None
    if inferred is None and None in counts:
        with pytest.warns(UsageWarning):
            behaviour.output_tokens(completion(texts, counts, total), "auto")
    else:
        behaviour.output_tokens(completion(texts, counts, total), "auto")
    assert behaviour.usage == inferred


def test_what_was_inferred_is_used_for_later_requests():
    behaviour = new_behaviour()
    behaviour.output_tokens(completion(["x"] * 3, [4, 5, 6], 15), "auto")
    later = completion(["aaa", "a"], [None, None], 3)
    assert behaviour.output_tokens(later, "auto") == [2, 1]
    behaviour.output_tokens(completion(["x"] * 3, [4, 5, 6], 5), "auto")
    assert behaviour.usage == "all"


def test_what_the_user_says_is_not_inferred():
    behaviour = new_behaviour()
    behaviour.output_tokens(completion(["x"] * 3, [4, 5, 6], 15), "one")
    assert behaviour.usage is None


def test_an_ambiguous_count_is_reported_once_and_not_used():
    behaviour, ambiguous = new_behaviour(), completion(["xxxx", "xxxx"], [None, 3], 4)
    message = "reports 4 output tokens for 2 choices of model 'm', .*usage='one'"
    with pytest.warns(UsageWarning, match=message):
        assert behaviour.output_tokens(ambiguous, "auto") == [None, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert behaviour.output_tokens(ambiguous, "auto") == [None, None]


def test_whether_several_choices_are_supported_is_not_known_at_first():
    assert new_behaviour().supports_n is None


def test_the_shares_of_a_count_sum_to_it():
    for total in range(20):
        shares = behaviour_module._proportional_shares(total, [3, 1, 1, 2])
        assert sum(shares) == total
        assert all(isinstance(share, int) for share in shares)
