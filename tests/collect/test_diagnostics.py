from collections import Counter

import pytest

from dars_sklearn.collect._diagnostics import describe_problems
from dars_sklearn.store._records import SampleCounts


def test_samples_without_problems_are_not_mentioned():
    counts = SampleCounts(wanted=10, stored=10, repeated=5, constant=4)
    assert describe_problems("m", counts, temperature=1.0) == []


def test_failed_samples_are_counted_with_the_reasons():
    counts = SampleCounts(wanted=10, stored=4, errors=Counter({"out of order": 5, "status 404": 1}))
    assert describe_problems("m", counts, None) == [
        "6 of 10 samples of model 'm' failed, and their outcomes are missing: "
        "out of order (5 times); status 404 (1 time)"
    ]


def test_samples_that_were_not_requested_have_not_failed():
    assert describe_problems("m", SampleCounts(wanted=10, stored=4), None) == []


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "cut",
            "2 of 8 responses of model 'm' were cut by the token limit, which looks like "
            "inability; raise max_tokens",
        ),
        ("refused", "2 of 8 responses of model 'm' are refusals"),
        ("empty", "2 of 8 responses of model 'm' are empty"),
    ],
)
def test_responses_that_are_not_answers_are_counted(kind, message):
    counts = SampleCounts(wanted=9, stored=8, **{kind: 2})
    assert describe_problems("m", counts, None) == [message]


@pytest.mark.parametrize(
    ("repeated", "constant", "temperature", "is_reported"),
    [
        (5, 5, 0.7, True),
        (4, 4, 0.7, False),
        (6, 5, 0.7, False),
        (5, 5, None, False),
        (5, 5, 0, False),
    ],
)
def test_constant_samples_at_a_positive_temperature_are_reported(
    repeated, constant, temperature, is_reported
):
    counts = SampleCounts(wanted=20, stored=20, repeated=repeated, constant=constant)
    problems = describe_problems("m", counts, temperature)
    assert bool(problems) == is_reported
    if is_reported:
        assert "samples of model 'm' are the same for every prompt" in problems[0]
