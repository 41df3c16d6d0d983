import math
import pickle
import re

import pytest
from fake_backends import CountingBackend, echo

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade import LLMJudge
from dars_sklearn.grade._verdicts import FORM


class Judge:
    """A backend that returns the same verdicts for every prompt, and records the prompts."""

    def __init__(self, *verdicts):
        self.verdicts = verdicts
        self.prompts = []

    def __call__(self, prompts, *, n):
        assert n == len(self.verdicts)
        self.prompts.extend(prompts)
        return [list(self.verdicts) for _ in prompts]


REFERENCE = {"query": "Capital of Peru?", "reference": "Lima"}


def test_verdicts_are_averaged_and_scaled():
    grader = LLMJudge(Judge("7", "I say 9/10? No.\nScore: 8", "Score: 0/10"), n_verdicts=3)
    assert grader("Lima", REFERENCE) == pytest.approx((7 + 8 + 0) / 30)


def test_verdicts_that_cannot_be_read_are_left_out_and_counted():
    grader = LLMJudge(Judge("7", "8 out of 10", "3-4"), n_verdicts=3)
    message = (
        "4 of 6 verdicts of the judge cannot be read .* in the line 'Score: <0 to 10>'; "
        "the first ends in '8 out of 10'"
    )
    with pytest.warns(CollectionWarning, match=message) as caught:
        assert grader.grade_many(["a", "b"], [REFERENCE] * 2) == [0.7, 0.7]
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_the_scale_determines_which_verdicts_become_0_and_1():
    judge = Judge("2")
    assert LLMJudge(judge, n_verdicts=1, scale=(1, 5))("x", REFERENCE) == 0.25
    assert judge.prompts[0].endswith("\nScore: <number from 1 to 5>")


def test_the_template_is_filled_with_the_fields_of_the_reference():
    judge = Judge("1")
    LLMJudge(judge, "{level} {query} {response}", 1)("Li{ma}", {"query": "Peru?", "level": 3})
    lines = judge.prompts[0].splitlines()
    mark = lines[-2].split("<answer ")[1][:16]
    assert lines[:5] == [
        f"3 <question {mark}>", "Peru?", f"</question {mark}> <answer {mark}>", "Li{ma}",
        f"</answer {mark}>",
    ]  # fmt: skip


def test_by_default_the_judge_sees_the_question_the_reference_and_the_response():
    judge = Judge("1")
    LLMJudge(judge, n_verdicts=1)("Lima it is", REFERENCE)
    (prompt,) = judge.prompts
    parts = [
        "Question: ",
        "Capital of Peru?",
        "Reference answer: Lima",
        "\nLima it is\n",
        "Score: ",
    ]
    assert all(part in prompt for part in parts)
    assert [prompt.index(part) for part in parts] == sorted(prompt.index(part) for part in parts)


def test_a_template_without_a_reference_needs_none():
    judge = Judge("5")
    grader = LLMJudge(judge, "Is this polite? {response}", 1)
    assert not grader.needs_reference
    assert not grader.needs_query
    assert grader("Yes, please.") == grader("Yes, please.", None) == 0.5
    assert LLMJudge(judge).needs_reference
    assert LLMJudge(judge).needs_query
    assert not LLMJudge(judge, "{query} {response}").needs_reference
    assert LLMJudge(judge, "{rubric} {response}").needs_reference


def test_the_judge_sees_the_beginning_and_the_end_of_a_long_response():
    judge = Judge("1")
    LLMJudge(judge, "{response}", 1)("a" * 8_000 + "b" * 8_000, "x")
    assert f"\n{'a' * 4_000}\n[…]\n{'b' * 4_000}\n" in judge.prompts[0]
    assert "a" * 4_001 not in judge.prompts[0]


@pytest.mark.parametrize(("batch_size", "sizes"), [(None, [1, 1, 1]), (2, [2, 1]), (5, [3])])
def test_a_judge_gets_no_more_prompts_at_a_time_than_it_asks_for(batch_size, sizes):
    class BatchJudge(Judge):
        def __init__(self, *verdicts):
            super().__init__(*verdicts)
            self.sizes = []

        def __call__(self, prompts, *, n):
            self.sizes.append(len(prompts))
            return super().__call__(prompts, n=n)

    judge = BatchJudge("5")
    if batch_size is not None:
        judge.batch_size = batch_size
    scores = LLMJudge(judge, n_verdicts=1).grade_many(["a", "b", "c"], [REFERENCE] * 3)
    assert scores == [0.5] * 3
    assert judge.sizes == sizes


def test_a_judge_that_limits_itself_gets_all_prompts():
    class AsyncJudge(Judge):
        async def sample(self, prompt, *, n, seed):
            raise AssertionError("the judge is called")

        def __call__(self, prompts, *, n):
            assert len(prompts) == 3
            return super().__call__(prompts, n=n)

    grader = LLMJudge(AsyncJudge("5"), n_verdicts=1)
    assert grader.grade_many(["a", "b", "c"], [REFERENCE] * 3) == [0.5] * 3


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
def test_a_response_that_is_not_graded_does_not_affect_the_others():
    def judge(prompts, *, n):
        (prompt,) = prompts
        if "broken" in prompt:
            raise RuntimeError("out of order")
        return [
            RuntimeError("refused") if "bad" in prompt else ["none" if "odd" in prompt else "5"]
        ]

    texts = ["fine", "broken", "bad", "odd", "fine", "lacks a field"]
    references = [*[REFERENCE] * 5, "Lima"]
    first, *errors, fifth, last = LLMJudge(judge, n_verdicts=1).grade_many(texts, references)
    assert first == fifth == 0.5
    assert [str(error) for error in errors] == [
        "out of order", "refused", "no verdict of the judge can be read: 'none'",
    ]  # fmt: skip
    assert "names ['query'], which the reference lacks" in str(last)


@pytest.mark.parametrize("key", ["low", "high", "opening", "closing", "self", "response", 1])
def test_any_key_of_a_reference_is_one_of_its_fields_and_no_other(key):
    judge = Judge("5")
    grader = LLMJudge(judge, n_verdicts=1)
    assert grader.grade_many(["Lima"] * 2, [REFERENCE, REFERENCE | {key: "x"}]) == [0.5] * 2
    without_marks = [re.sub("[0-9a-f]{16}", "", prompt) for prompt in judge.prompts]
    assert without_marks[0] == without_marks[1]


@pytest.mark.parametrize("name", ["low", "high", "opening", "closing"])
def test_a_template_may_name_any_key_of_the_reference(name):
    judge = Judge("5")
    LLMJudge(judge, f"{{{name}}}: {{response}}", 1)("Lima", {name: "value"})
    assert judge.prompts[0].startswith("value: <answer ")


def test_a_reference_that_does_not_fit_the_format_of_its_field_affects_no_other():
    grader = LLMJudge(Judge("5"), "{response} {level:.1f}", 1)
    first, second = grader.grade_many(["a", "b"], [{"level": 3}, {"level": "high"}])
    assert first == 0.5
    assert "Unknown format code 'f'" in str(second)


@pytest.mark.parametrize(
    ("template", "expected"),
    [("{response}", False), ("{query} {response}", False), ("{response} {rubric}", True)],
)
def test_references_are_needed_if_the_template_has_any_other_field(template, expected):
    assert LLMJudge(echo, template).needs_reference is expected


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
def test_a_response_without_a_verdict_is_not_graded():
    with pytest.raises(ValueError, match="no verdict of the judge can be read: 'none'"):
        LLMJudge(Judge("none"), n_verdicts=1)("x", REFERENCE)


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
        "form": FORM,
        "n_verdicts": 2,
        "scale": [0, 1],
    }
    assert LLMJudge(echo).settings["backend"] == {"function": "fake_backends.echo"}
    assert LLMJudge(Judge("1")).settings["backend"] == {"function": f"{__name__}.Judge"}


def test_the_grader_can_be_pickled():
    assert pickle.loads(pickle.dumps(LLMJudge(echo))) == LLMJudge(echo)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"template": "{reference}"}, ValueError, r"must contain '\{response\}'"),
        ({"scale": (1, 1)}, ValueError, r"low < high, got \(1, 1\)"),
        ({"scale": (0, math.inf)}, ValueError, r"two finite numbers .*, got \(0, inf\)"),
        ({"scale": (math.nan, 1)}, ValueError, r"two finite numbers .*, got \(nan, 1\)"),
        ({"scale": ("0", "9")}, ValueError, r"two finite numbers .*, got \('0', '9'\)"),
        ({"n_verdicts": 0}, ValueError, "n_verdicts == 0, must be >= 1"),
        ({"n_verdicts": 1.5}, TypeError, "n_verdicts must be an instance of"),
    ],
)
def test_parameters_that_are_not_valid_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        LLMJudge(echo, **parameters)
