import pytest

from dars_sklearn.grade._verdicts import FORM, fence, read_verdict


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("7", 7),
        (" 7.5 \n", 7.5),
        ("Score: 8", 8),
        ("score:8.", 8),
        ("**Score: 8**", 8),
        ("**Score:** 8", 8),
        ("Score: 8/10", 8),
        ("8 / 10", 8),
        ("A sound answer, from 3 to 5.\n\nScore: 4\n", 4),
        ('It says "Score: 10".\nScore: 0', 0),
        ("Score: 4\nScore: 4.0", 4),
    ],
)
def test_a_verdict_in_the_requested_form_is_read(text, score):
    assert read_verdict(text, 0, 10) == score


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "none",
        "8 out of 10",
        "Score: 3 (on a scale from 0 to 10)",
        "7\nConfidence: 95%",
        '{"score": 4, "max": 10}',
        "3-4",
        "I say 8",
        "It is fine.\n8",
        "8\n8",
        "Score: 3\nScore: 4",
        "Score: 3\x1cScore: 4",
        "Score: 4\n4",
        "4/5",
        "80/100",
        "80%",
        "-1",
        "11",
        "1e1",
        "7,5",
        "٣",
        "Score: 8 or 9",
        "9" * 400,
        "Score:" + " " * 50_000 + "8",
        "*" * 50_000,
    ],
)
def test_any_other_verdict_is_not_read(text):
    assert read_verdict(text, 0, 10) is None


def test_the_highest_score_may_follow():
    assert read_verdict("4/5", 1, 5) == 4
    assert read_verdict("Score: -0.5 / 1.0", -1, 1) == -0.5
    assert read_verdict("0.5/10", 1, 5) is None


def test_only_the_end_of_a_verdict_is_read():
    assert read_verdict("word\n" * 1_000_000 + "Score: 8", 0, 10) == 8


def test_marks_enclose_the_response_and_the_query():
    fields, opening, closing = fence(
        {"response": "Lima", "query": "Capital?", "reference": "Lima", "level": 3}
    )
    mark = opening.removeprefix("<answer ").removesuffix(">")
    assert len(mark) == 16
    assert closing == f"</answer {mark}>"
    assert fields["response"] == f"<answer {mark}>\nLima\n</answer {mark}>"
    assert fields["query"] == f"<question {mark}>\nCapital?\n</question {mark}>"
    assert fields["reference"] == "Lima"
    assert fields["level"] == 3
    assert FORM.format(low=0, high=10, opening=opening, closing=closing).count(mark) == 2


def test_marks_depend_on_the_fields_alone():
    fields = {"response": "Lima \ud800", "reference": "Lima"}
    assert fence(fields) == fence(dict(fields))
    assert fence(fields).opening != fence(fields | {"reference": "Rome"}).opening


def test_no_field_contains_the_mark(monkeypatch):
    marks = iter(["abc", "ABD".lower(), "abe"])
    monkeypatch.setattr("dars_sklearn.grade._verdicts._digest", lambda *texts: next(marks))
    assert fence({"response": "has ABC", "reference": "has abd"}).opening == "<answer abe>"
