import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn import OutcomeCollector
from dars_sklearn.grade import (
    Contains,
    ExactMatch,
    JSONField,
    LLMJudge,
    Math,
    MultipleChoice,
    Numeric,
    Regex,
    TokenF1,
)


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (ExactMatch(), " The Eiffel Tower! ", "eiffel tower", 1),
        (ExactMatch(), "1,000.0", 1000, 1),
        (ExactMatch(), "$5", "5.00", 1),
        (ExactMatch(), "-3", "3", 0),
        (ExactMatch(), "−3", "-3", 1),
        (ExactMatch(), "", "x", 0),
        (ExactMatch(), "Rome", ["Roma", "Rome"], 1),
        (ExactMatch(first_line=True), "Rome\nis nice", "Rome", 1),
        (Contains(), "It's Paris, of course", "paris", 1),
        (Contains(), "Parisian", "Paris", 0),
        (Contains(), "New   York City", "new york", 1),
        (Contains(first_line=True), "Lyon\nParis", "Paris", 0),
        (Numeric(), "3 + 4 = 7", 7, 1),
        (Numeric("first"), "7, since 3 + 4", 7, 1),
        (Numeric(), "about $1,250.50.", "1250.5", 1),
        (Numeric(), "none", 0, 0),
        (Numeric(), "minus −12", -12, 1),
        (Numeric(tolerance=0.01), "3.14", 3.1416, 1),
        (Numeric(), "3.14", 3.1416, 0),
        (MultipleChoice(), "(B)", "B", 1),
        (MultipleChoice(), "b. dogs", "B", 1),
        (MultipleChoice(), "Not (A) but the answer is **C**", "C", 1),
        (MultipleChoice(), "A cat is an animal", "A", 0),
        (MultipleChoice("AB"), "I choose B.", "B", 1),
    ],
)
def test_grades(grader, text, reference, score):
    assert grader(text, reference) == score
    assert pickle.loads(pickle.dumps(grader)) == grader


def test_references_that_cannot_be_graded_are_refused():
    with pytest.raises(ValueError, match="holds no number"):
        Numeric()("5", "five")
    with pytest.raises(ValueError, match="'F' is not one of the options"):
        MultipleChoice()("A", "F")
    with pytest.raises(TypeError, match="must be text or a number"):
        ExactMatch()("x", {"answer": "x"})
    with pytest.raises(ValueError, match="accepted answers is empty"):
        ExactMatch()("x", [])


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (
            MultipleChoice(),
            "It is Rome.",
            {"answer": "B", "options": {"A": "Oslo", "B": "Rome"}},
            1,
        ),
        (
            MultipleChoice(),
            "Oslo or Rome",
            {"answer": "B", "options": {"A": "Oslo", "B": "Rome"}},
            0,
        ),
        (
            MultipleChoice(),
            "New York",
            {"answer": "A", "options": {"A": "New York", "B": "York"}},
            1,
        ),
        (MultipleChoice(), "(A), Rome", {"answer": "B", "options": {"A": "Oslo", "B": "Rome"}}, 0),
        (TokenF1(), "the 12 brown foxes", "12 foxes", 0.8),
        (TokenF1(), "13 brown foxes", "12 brown foxes", 0),
        (TokenF1(), "brown foxes", ["cat", "Brown foxes."], 1),
        (TokenF1(), "3,000", "3000", 1),
        (TokenF1(), "twenty-one yards", "twenty one", 0.8),
        (TokenF1(), "", "fox", 0),
        (Regex(r"#### (\S+)"), "3 + 4\n#### 7", 7, 1),
        (Regex(r"#### (\S+)"), "7", 7, 0),
        (Regex(r"\d+", "first"), "7 or 8", 7, 1),
        (Regex(r"\d+"), "7 or 8", 7, 0),
        (JSONField("answer"), '```json\n{"answer": "Lima"}\n```', "lima", 1),
        (JSONField("a.b", Numeric()), 'x {"a": {"b": 2.5}} y', 2.5, 1),
        (JSONField("answer"), '{"answer": "Rome"} no: {"answer": "Lima"}', "Lima", 1),
        (JSONField("answer"), '{"answer": Lima}', "Lima", 0),
        (JSONField("answer"), "Lima", "Lima", 0),
        (Math(), r"so x = \frac{1}{2}.", "0.5", 1),
        (Math(), r"\boxed{1 + x^2}, not \boxed{3}", "x^2+1", 0),
        (Math(), r"hence \boxed{\frac{\sqrt{8}}{2}}", r"\sqrt{2}", 1),
        (Math(), "about 3 or so", ["2", "3"], 1),
        (Math(), "no idea", "3", 0),
    ],
)
def test_structured_grades(grader, text, reference, score):
    assert grader(text, reference) == pytest.approx(score)
    assert pickle.loads(pickle.dumps(grader)) == grader


WORDS = st.lists(st.sampled_from(["fox", "Fox", "the", "dog,", "12", "7", "red-hot"]), max_size=6)


@given(WORDS, WORDS)
def test_token_f1_is_the_f1_of_sets_of_words(response, gold):
    def words(texts):
        plain = [part.lower().strip(",") for text in texts for part in text.split("-")]
        return {w for w in plain if w != "the"}

    found, wanted = words(response), words(gold)
    if {"12", "7"} & wanted and not {"12", "7"} & wanted & found:
        expected = 0.0
    elif not found or not wanted:
        expected = float(found == wanted)
    else:
        precision = len(found & wanted) / len(found)
        recall = len(found & wanted) / len(wanted)
        total = precision + recall
        expected = 2 * precision * recall / total if total else 0.0
    assert TokenF1()(" ".join(response), " ".join(gold)) == pytest.approx(expected)


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
def test_hostile_responses_cost_bounded_time_and_score_nothing(grader, reference, text):
    start = time.monotonic()
    assert 0 <= grader(text, reference) <= 1
    assert time.monotonic() - start < 20


def test_a_worker_that_was_killed_starts_again():
    slow = Regex("(a+)+$", timeout=0.5)
    assert slow("a" * 100 + "!", "x") == 0
    assert Regex("a(b)c")("xabc", "b") == 1


def test_a_judge_is_averaged():
    asked = []

    def judge(prompts, *, n):
        asked.extend(prompts)
        return [["7", "I say 9/10? No: 8", "-3"][:n] for _ in prompts]

    grader = LLMJudge(judge, template="{query} {response}", scale=(0, 10))
    assert grader("Li{ma}", {"query": "Capital of Peru?"}) == pytest.approx((7 + 8 + 0) / 30)
    assert asked == ["Capital of Peru? Li{ma}"]
    with pytest.raises(ValueError, match=r"names \['query'\], which the reference lacks"):
        grader.check_reference("Lima")
    with pytest.raises(ValueError, match="gave no number"):
        LLMJudge(lambda prompts, *, n: [["none"] * n for _ in prompts])("x", "y")
    with pytest.raises(ValueError, match="template must hold"):
        LLMJudge(judge, template="{reference}")


def test_verdicts_in_a_store_are_not_asked_again(tmp_path):
    asked = []

    def judge(prompts, *, n):
        asked.extend(prompts)
        return [["5"] * n for _ in prompts]

    def collect(**settings):
        models = {"m": lambda prompts, *, n: [[f"{p} {i}" for i in range(n)] for p in prompts]}
        collector = OutcomeCollector(
            models, LLMJudge(judge, **settings), n_samples=3, store=tmp_path / "store"
        )
        return collector.collect(["red", "blue"], ["red", "blue"])

    assert (collect().score == 0.5).all()
    assert len(asked) == 6
    assert (collect().score == 0.5).all()
    assert len(asked) == 6
    assert (collect(scale=(0, 5)).score == 1).all()
    assert len(asked) == 12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regex("(a"), "is no regular expression"),
        (lambda: Regex("a", which="middle"), "which must be"),
        (lambda: Math()("1", ""), "no formula that can be read"),
        (lambda: LLMJudge(print, scale=(1, 1)), "low < high"),
        (lambda: MultipleChoice()("A", {"answer": "A"}), "needs 'answer' and 'options'"),
    ],
)
def test_bad_graders_and_references_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
