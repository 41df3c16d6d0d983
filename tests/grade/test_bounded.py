import os

import pytest

from dars_sklearn.grade import (
    Contains,
    ExactMatch,
    JSONField,
    Math,
    MultipleChoice,
    Numeric,
    Regex,
    TokenF1,
)
from dars_sklearn.grade._bounded import call_with_timeout

GRADERS = [
    (ExactMatch(), "x"),
    (Contains(), "x"),
    (Numeric(), 1),
    (MultipleChoice(), {"answer": "A", "options": {"A": "cat", "B": "dog"}}),
    (TokenF1(), "12 foxes"),
    (Regex("(a+)+$", timeout=1.0), "x"),
    (JSONField("a"), "x"),
    (Math(timeout=5.0), "1"),
]
HOSTILE = {
    "megabytes": "word " * 1_000_000,
    "digits": "1," * 500_000 + "9" * 500_000,
    "catastrophic": "a" * 50_000 + "!",
    "deep LaTeX": "$" + r"\frac{1}{" * 2_000 + "2" + "}" * 2_000 + "$",
    "towers": "$9^{9^{9^{9^{9}}}}$ and $100000!!!$",
    "braces": "{" * 1_000_000,
    "brackets": '{"a":' * 100_000,
    "code": "__import__('os').abort() \\input{/etc/passwd} {{7*7}} %s {0.__class__}",
    "nothing": "",
    "control": "\x00\x1b[2J\ud800\u202e",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(("grader", "reference"), GRADERS, ids=lambda g: type(g).__name__)
def test_hostile_responses_are_graded(grader, reference, text):
    assert 0 <= grader(text, reference) <= 1


def test_a_worker_that_was_killed_starts_again():
    with pytest.raises(TimeoutError, match=r"exceeded 0.5 s or its memory limit"):
        call_with_timeout("find_match", "(a+)+$", "a" * 100 + "!", "last", timeout=0.5)
    assert call_with_timeout("find_match", "a(b)c", "xabc", "last", timeout=5) == "b"


def test_a_pattern_that_exceeds_its_time_limit_scores_0():
    assert Regex("(a+)+$", timeout=0.5)("a" * 100 + "!", "x") == 0


def test_errors_in_the_worker_are_raised_in_the_caller():
    with pytest.raises(ValueError, match="PatternError|error: missing"):
        call_with_timeout("find_match", "(a", "a", "last", timeout=5)


def test_a_forked_process_uses_a_worker_of_its_own():
    call_with_timeout("find_match", "a", "a", "last", timeout=5)
    pid = os.fork()
    if pid == 0:
        found = None
        try:
            found = call_with_timeout("find_match", "b", "b", "last", timeout=10)
        finally:
            os._exit(0 if found == "b" else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert call_with_timeout("find_match", "c", "c", "last", timeout=5) == "c"
