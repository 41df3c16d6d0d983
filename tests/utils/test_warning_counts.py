"""Each kind of warning is given once, with the number of folds in which it arose."""

import warnings

import joblib
import pytest
from joblib import delayed

from dars_sklearn.evaluate._cross_val import run_folds
from dars_sklearn.exceptions import ImputationWarning, SeparabilityWarning
from dars_sklearn.utils._warnings import (
    CollectedWarning,
    collect_warnings,
    warn_at_end,
    warn_once,
    warn_user,
)

ONE = CollectedWarning("30 % are missing", ImputationWarning)
OTHER = CollectedWarning("40 % are missing", ImputationWarning)
BAD = CollectedWarning("are bad", ImputationWarning, (3, 8))
MORE = CollectedWarning("are bad", ImputationWarning, (4, 12))
LATE = CollectedWarning("are late", ImputationWarning, (1, 8))
ANOTHER = CollectedWarning("models are unknown", ImputationWarning)
SECOND = CollectedWarning("one outcome", SeparabilityWarning)


def given(collected, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_once(collected, **options)
    return [(str(warning.message), warning.category) for warning in caught]


@pytest.mark.parametrize(
    ("collected", "expected"),
    [
        ([], []),
        ([[], []], []),
        ([[ONE]], [("30 % are missing", ImputationWarning)]),
        ([[ONE], [ONE]], [("30 % are missing (in 2 of 2 folds)", ImputationWarning)]),
        ([[], [ONE, ONE]], [("30 % are missing (in 1 of 2 folds)", ImputationWarning)]),
        (
            [[OTHER], [ONE]],
            [
                (
                    "40 % are missing (in 2 of 2 folds; these figures are of the first)",
                    ImputationWarning,
                )
            ],
        ),
        (
            [[BAD], [], [MORE, ONE]],
            [
                ("7 of 20 are bad", ImputationWarning),
                ("30 % are missing (in 1 of 3 folds)", ImputationWarning),
            ],
        ),
        (
            [[BAD, LATE], [MORE]],
            [("7 of 20 are bad", ImputationWarning), ("1 of 8 are late", ImputationWarning)],
        ),
        (  # one class, and two causes
            [[ONE, ANOTHER], [OTHER]],
            [
                (
                    "30 % are missing (in 2 of 2 folds; these figures are of the first)",
                    ImputationWarning,
                ),
                ("models are unknown (in 1 of 2 folds)", ImputationWarning),
            ],
        ),
        (
            [[ONE, OTHER, ONE]],
            [("30 % are missing", ImputationWarning), ("40 % are missing", ImputationWarning)],
        ),
        (
            [[SECOND, ONE], [ONE], []],
            [
                ("one outcome (in 1 of 3 folds)", SeparabilityWarning),
                ("30 % are missing (in 2 of 3 folds)", ImputationWarning),
            ],
        ),
    ],
)
def test_each_kind_of_warnings_is_given_once(collected, expected):
    assert given(collected) == expected


def test_the_unit_is_named():
    assert given([[ONE], []], unit="draws")[0][0] == "30 % are missing (in 1 of 2 draws)"


def warn_and_return(number):
    warn_user(f"number {number}", ImputationWarning)
    return number


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_warnings_of_jobs_reach_the_caller_whatever_runs_them(backend):
    with joblib.parallel_config(backend), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        n_jobs = 1 if backend == "sequential" else 2
        results = run_folds([delayed(warn_and_return)(i) for i in range(4)], n_jobs, False)
    assert results == [0, 1, 2, 3]
    assert [str(warning.message) for warning in caught] == [
        "number 0 (in 4 of 4 folds; these figures are of the first)"
    ]
    assert caught[0].filename == __file__


def test_a_warning_can_be_made_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImputationWarning, match="number 0"):
            run_folds([delayed(warn_and_return)(i) for i in range(2)], None, False)


def test_collected_warnings_are_not_given_and_collections_nest():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with collect_warnings() as outer:
            warn_user("before", ImputationWarning)
            with collect_warnings() as inner:
                warn_user("inside", SeparabilityWarning)
            warn_user("after", ImputationWarning)
    assert inner == [CollectedWarning("inside", SeparabilityWarning)]
    assert [warning.message for warning in outer] == ["before", "after"]
    with pytest.warns(ImputationWarning, match="given again"):
        warn_user("given again", ImputationWarning)


def test_an_error_ends_the_collection():
    with pytest.raises(ZeroDivisionError), collect_warnings():
        raise ZeroDivisionError
    with pytest.warns(ImputationWarning, match="given again"):
        warn_user("given again", ImputationWarning)


def test_the_sums_of_shares_are_given_at_the_end_even_of_a_block_that_raises():
    @warn_at_end()
    def warn_and_raise():
        warn_user("are bad", ImputationWarning, share=(1, 3), example=", as x is")
        with warn_at_end():
            warn_user("are bad", ImputationWarning, share=(2, 5), example=", as y is")
            warn_user("are bad", ImputationWarning, share=(3, 6))
        raise KeyboardInterrupt

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(KeyboardInterrupt):
            warn_and_raise()
    assert [str(warning.message) for warning in caught] == ["6 of 14 are bad, as x is"]
    assert caught[0].filename == __file__
