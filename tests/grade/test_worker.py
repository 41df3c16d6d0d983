import io
import json

import pytest

from dars_sklearn.grade._worker import equal_formulas, find_match, run_tasks


def test_the_first_group_of_a_match_or_the_whole_match_is_found():
    assert find_match(r"x(\d)(\d)", "x12 x34", "first") == "1"
    assert find_match(r"x(\d)(\d)", "x12 x34", "last") == "3"
    assert find_match(r"x\d", "x1 x3", "last") == "x3"
    assert find_match("x(y)?", "xy x", "last") is None
    assert find_match("y", "x", "last") is None


@pytest.mark.parametrize("gold", ["1/2", r"$\frac{1}{2}$", r"\boxed{0.5}"])
def test_equal_formulas_are_recognised(gold):
    assert equal_formulas(gold, "x is $0.5$") is True
    assert equal_formulas(gold, "x is $0.6$") is False


def test_a_gold_answer_without_a_formula_is_rejected():
    with pytest.raises(ValueError, match="the reference '' contains no formula"):
        equal_formulas("", "1")


def test_each_task_is_answered_by_a_result_or_an_error():
    tasks = [
        ["find_match", ["a", "aa", "last"]],
        ["unknown", []],
        ["find_match", ["b", "b", "first"]],
    ]
    answers = io.StringIO()
    run_tasks([json.dumps(task) for task in tasks], answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [
        ["a", None],
        [None, "KeyError: 'unknown'"],
        ["b", None],
    ]
