import pickle

import pytest
from fake_backends import CountingBackend, echo

from dars_sklearn.grade import LLMJudge


class Judge:
    """A backend that returns the same verdicts for every prompt, and records the prompts."""

    def __init__(self, *verdicts):
        self.verdicts = verdicts
        self.prompts = []

    def __call__(self, prompts, *, n):
        assert n == len(self.verdicts)
        self.prompts.extend(prompts)
        return [list(self.verdicts) for _ in prompts]


def test_the_last_numbers_of_the_verdicts_are_clipped_averaged_and_scaled():
    judge = Judge("7", "I say 9/10? No: 8", "-3", "12.5", "no idea")
    grader = LLMJudge(judge, n_verdicts=5)
    assert grader("Lima", "Lima") == pytest.approx((7 + 8 + 0 + 10) / 40)


def test_the_scale_determines_which_verdicts_become_0_and_1():
    assert LLMJudge(Judge("2"), n_verdicts=1, scale=(1, 5))("x", "y") == 0.25


def test_the_template_is_filled_with_the_fields_of_the_reference():
    judge = Judge("1")
    LLMJudge(judge, "{query} {response}", 1)("Li{ma}", {"query": "Capital of Peru?"})
    assert judge.prompts == ["Capital of Peru? Li{ma}"]


def test_by_default_the_judge_sees_the_reference_and_the_response():
    judge = Judge("1")
    LLMJudge(judge, n_verdicts=1)("Lima it is", "Lima")
    assert "Reference answer: Lima\n\nAnswer to judge: Lima it is\n\n" in judge.prompts[0]


def test_the_judge_sees_the_beginning_and_the_end_of_a_long_response():
    judge = Judge("1")
    LLMJudge(judge, "{response}", 1)("a" * 8_000 + "b" * 8_000, "x")
    assert judge.prompts == ["a" * 4_000 + "\n[…]\n" + "b" * 4_000]


def test_several_responses_are_judged_in_one_call():
    calls = []

    def judge(prompts, *, n):
        calls.append((prompts, n))
        return [["5"] * n, RuntimeError("out of order"), ["none"] * n]

    first, second, third = LLMJudge(judge).grade_many(["a", "b", "c"], ["x", "y", "z"])
    ((prompts, n_verdicts),) = calls
    assert len(prompts) == 3
    assert n_verdicts == 3
    assert first == 0.5
    assert isinstance(second, RuntimeError)
    assert str(third) == "the judge gave no number: 'none'"


def test_a_response_without_a_verdict_is_not_graded():
    with pytest.raises(ValueError, match="the judge gave no number: 'none'"):
        LLMJudge(Judge("none"), n_verdicts=1)("x", "y")


def test_references_that_lack_a_field_of_the_template_are_rejected():
    grader = LLMJudge(echo, template="{query} {response}")
    with pytest.raises(ValueError, match=r"names \['query'\], which the reference lacks"):
        grader.check_reference("Lima")
    grader.check_reference({"query": "Capital of Peru?", "other": 1})


def test_the_settings_contain_everything_that_determines_a_score():
    grader = LLMJudge(CountingBackend(temperature=1), "{response}", 2, (0, 1))
    assert grader.settings == {
        "grader": "LLMJudge",
        "backend": {"temperature": 1},
        "template": "{response}",
        "n_verdicts": 2,
        "scale": [0, 1],
    }
    assert LLMJudge(echo).settings["backend"] == {}


def test_the_grader_can_be_pickled():
    assert pickle.loads(pickle.dumps(LLMJudge(echo))) == LLMJudge(echo)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"template": "{reference}"}, ValueError, r"must contain '\{response\}'"),
        ({"scale": (1, 1)}, ValueError, r"low < high, got \(1, 1\)"),
        ({"n_verdicts": 0}, ValueError, "n_verdicts == 0, must be >= 1"),
        ({"n_verdicts": 1.5}, TypeError, "n_verdicts must be an instance of"),
    ],
)
def test_parameters_that_are_not_valid_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        LLMJudge(echo, **parameters)
