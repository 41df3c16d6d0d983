import io
import json

import pytest

from dars_sklearn.grade._worker import equal_formulas, matches, run_tasks


def test_the_first_group_of_a_pattern_or_the_whole_match_is_listed():
    assert matches(r"x(\d)(\d)", "x12 x34") == ["1", "3"]
    assert matches(r"x\d", "x1 x3") == ["x1", "x3"]
    assert matches("y", "x") == []


@pytest.mark.parametrize("gold", ["1/2", r"$\frac{1}{2}$", r"\boxed{0.5}"])
def test_equal_formulas_are_recognised(gold):
    assert equal_formulas(gold, "x is $0.5$") is True
    assert equal_formulas(gold, "x is $0.6$") is False


def test_a_gold_answer_without_a_formula_is_rejected():
    with pytest.raises(ValueError, match="the reference '' contains no formula"):
        equal_formulas("", "1")


def test_each_task_is_answered_by_a_result_or_an_error():
    tasks = [["matches", ["a", "aa"]], ["unknown", []], ["matches", ["b", "b"]]]
    answers = io.StringIO()
    run_tasks([json.dumps(task) for task in tasks], answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [
        [["a", "a"], None],
        [None, "KeyError: 'unknown'"],
        [["b"], None],
    ]
