import pickle
import sys

import pytest

from dars_sklearn.grade import Math, _math


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        (r"so x = \frac{1}{2}.", "0.5", 1),
        (r"\boxed{1 + x^2}, not \boxed{3}", "x^2+1", 0),
        (r"hence \boxed{\frac{\sqrt{8}}{2}}", r"\sqrt{2}", 1),
        (r"hence \boxed{4}", r"$4$", 1),
        ("about 3 or so", ["2", "3"], 1),
        ("no idea", "3", 0),
        ("x = −3", "-3", 1),
        ("1e1", "10", 1),
        ("٣", "3", 1),
        ("1e999", "1e1000", 0),
        ("3" + " " * 10_000, "3", 0),
    ],
)
def test_mathematical_answers_are_graded(text, reference, score):
    assert Math()(text, reference) == score


def test_the_grader_can_be_pickled():
    assert pickle.loads(pickle.dumps(Math(timeout=3))) == Math(timeout=3)


def test_a_reference_without_a_formula_is_rejected():
    with pytest.raises(ValueError, match="contains no formula that can be read"):
        Math()("1", "")


def test_a_comparison_that_exceeds_its_time_limit_scores_0(monkeypatch):
    def exceed(*arguments, timeout):
        assert timeout == 2.5
        raise TimeoutError

    monkeypatch.setattr(_math, "call_with_timeout", exceed)
    assert Math(timeout=2.5)("1", "1") == 0


def test_the_extra_to_install_is_named_if_math_verify_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(ImportError, match=r"Math needs math_verify.*dars-sklearn\[math\]"):
        Math()("1", "1")
