import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dars_sklearn.collect._grading import (
    check_references,
    grade_collection,
    grade_first_response,
    grading_key,
    reference_to_json,
)
from dars_sklearn.generate import Response
from dars_sklearn.grade import Contains, ExactMatch, JSONField, LLMJudge, Numeric
from dars_sklearn.store import Store
from dars_sklearn.store._records import Cell, QueryRow

# ---- references ----------------------------------------------------------------


def test_references_are_returned_as_a_list():
    assert check_references(ExactMatch(), np.array(["a", "b"]), ["q", "r"]) == ["a", "b"]


def test_a_grader_may_work_without_references():
    def grader(text, reference):
        return 1.0

    with pytest.raises(ValueError, match=r"needs references: pass them as collect\(queries"):
        check_references(grader, None, ["q", "r"])
    grader.needs_reference = False
    assert check_references(grader, None, ["q", "r"]) == [None, None]


def test_each_query_needs_a_reference():
    with pytest.raises(ValueError, match="there are 2 queries but 1 references"):
        check_references(ExactMatch(), ["x"], ["q", "r"])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_reference_is_named(missing):
    with pytest.raises(ValueError, match="the reference of row 1 is missing: "):
        check_references(ExactMatch(), ["x", missing], ["q", "r"])


def test_a_reference_that_the_grader_rejects_is_named():
    with pytest.raises(ValueError, match="rejects the reference of row 1, 'five': .* no number"):
        check_references(Numeric(), ["5", "five"], ["q", "r"])


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (np.array([["a", "b"], ["c", "d"]]), [["a", "b"], ["c", "d"]]),
        (pa.array(["a", "c"]), ["a", "c"]),
        (pl.Series(["a", "c"]), ["a", "c"]),
        (pd.Series(["a", "c"], index=["x", "y"]), ["a", "c"]),
        (iter(["a", "c"]), ["a", "c"]),
        (np.array([1, 2]), [1, 2]),
    ],
)
def test_references_may_be_in_any_sequence(references, expected):
    assert check_references(ExactMatch(), references, ["q", "r"]) == expected


@pytest.mark.parametrize(
    "references", ["ab", b"ab", {"a": 1, "b": 2}, {"a", "b"}, pd.DataFrame({"a": [1], "b": [2]})]
)
def test_what_does_not_have_one_reference_per_row_is_refused(references):
    name = type(references).__name__
    with pytest.raises(TypeError, match=f"references must be a list .*, got {name!r}"):
        check_references(ExactMatch(), references, ["q", "r"])


def test_the_reference_of_a_blank_query_does_not_matter():
    assert check_references(ExactMatch(), ["a", None], ["q", " "]) == ["a", None]


def test_a_masked_reference_is_missing():
    references = np.ma.masked_array(["a", "b"], mask=[False, True])
    with pytest.raises(ValueError, match="the reference of row 1 is missing"):
        check_references(ExactMatch(), references, ["q", "r"])


def test_a_grader_may_check_references_itself():
    judge = LLMJudge(lambda prompts, *, n: 1 / 0, template="{query} {rubric} {response}")
    assert check_references(judge, [{"rubric": "a"}], ["q"]) == [{"rubric": "a"}]
    with pytest.raises(ValueError, match=r"row 0, 'a': the template names \['rubric'\]"):
        check_references(judge, ["a"], ["q"])


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("Rome", "Rome"),
        (2.5, 2.5),
        (["a", 1], ["a", 1]),
        (("a", "b"), ["a", "b"]),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_references_are_written_as_json(reference, value):
    assert json.loads(reference_to_json(reference)) == value


def test_the_order_of_keys_does_not_matter():
    assert reference_to_json({"b": 1, "a": 2}) == reference_to_json({"a": 2, "b": 1})
    first, second = (
        ExactMatchWithSettings({"b": 1, "a": 2}),
        ExactMatchWithSettings({"a": 2, "b": 1}),
    )
    assert grading_key(first, "x") == grading_key(second, "x")


class ExactMatchWithSettings(ExactMatch):
    def __init__(self, settings):
        object.__setattr__(self, "settings", settings)


def test_no_reference_is_not_written():
    assert reference_to_json(None) is None


# ---- what determines a grade ---------------------------------------------------


def test_the_key_of_a_grading_depends_on_grader_and_reference():
    keys = {
        grading_key(grader, reference)
        for grader in (ExactMatch(), ExactMatch(first_line=True), Contains(), JSONField("a"))
        for reference in ("x", "y", None)
    }
    assert len(keys) == 12
    assert grading_key(ExactMatch(), "x") == grading_key(ExactMatch(), "x")


def test_the_settings_of_a_judge_determine_its_grades():
    def judge(prompts, *, n):
        raise AssertionError

    key = grading_key(LLMJudge(judge), "x")
    assert grading_key(LLMJudge(judge), "x") == key
    assert grading_key(LLMJudge(judge, n_verdicts=1), "x") != key


def test_settings_of_a_grader_that_are_not_json_are_refused():
    with pytest.raises(
        TypeError, match=r"grader ExactMatchWithSettings are not JSON: settings\['a"
    ):
        grading_key(ExactMatchWithSettings({"a": {1, 2}}), "x")


def test_the_memory_address_of_a_function_is_not_part_of_the_key():
    def make():
        def grader(text, reference):
            return 1.0

        return grader

    first, second = make(), make()
    assert repr(first) != repr(second)
    assert grading_key(first, "x") == grading_key(second, "x")
    assert grading_key(first, "x") != grading_key(lambda text, reference: 1.0, "x")
    assert grading_key(JSONField("a", first), "x") == grading_key(JSONField("a", second), "x")


def test_functions_of_one_name_that_do_different_things_have_different_keys():
    graders = [
        lambda text, reference: 1.0,
        lambda text, reference: 0.0,
        lambda text, reference: text.lower() == reference,
        lambda text, reference: text.upper() == reference,
        lambda text, reference: text in {"a", "b"},
        lambda text, reference: any(word == "a" for word in text),
        lambda text, reference: any(word == "b" for word in text),
    ]
    assert len({grading_key(grader, "x") for grader in graders}) == len(graders)


# ---- grading -------------------------------------------------------------------


def test_the_first_response_must_be_gradable():
    assert grade_first_response(ExactMatch(), "x", "x") == 1.0
    with pytest.raises(ValueError, match=r"failed on the first response, 'x': score 7.0 is not in"):
        grade_first_response(lambda text, reference: 7, "x", "x")


@pytest.fixture
def store():
    with Store(None) as store:
        yield store


def make_collection(store, grader):
    """A collection of one model and two queries, with two samples each."""
    backend = store.register_backend("m", {}).id
    store.register_requests(backend, [b"1", b"2"], ["red", "blue"])
    store.put_responses(1, 0, [Response("red"), Response("no")])
    store.put_responses(2, 0, [Response("bad"), Response("blue")])
    queries = [QueryRow(label, None, grading_key(grader, label)) for label in ("red", "blue")]
    return store.put_collection(["m"], 2, queries, [Cell(0, 0, 0, 1), Cell(0, 1, 0, 2)])


def test_grades_and_errors_are_stored(store):
    def grader(text, reference):
        if text == "bad":
            raise RuntimeError("out of order")
        return text == reference

    collection = make_collection(store, grader)
    errors = grade_collection(store, collection, grader, ["red", "blue"])
    assert errors == {"RuntimeError: out of order": 1}
    table = collection.responses()
    assert table["score"].fillna(-1).tolist() == [1, 0, -1, 1]
    assert table["error"].tolist()[2] == "RuntimeError: out of order"


def count_calls(cls):
    class Counting(cls):
        calls = 0

        def __call__(self, text, reference):
            type(self).calls += 1
            return super().__call__(text, reference)

    return Counting


def test_a_grader_of_this_package_grades_a_response_once(store):
    grader_class = count_calls(ExactMatch)
    grader_class.__module__ = "dars_sklearn.grade"
    grader = grader_class()
    collection = make_collection(store, grader)
    for _ in range(2):
        assert not grade_collection(store, collection, grader, ["red", "blue"])
        assert grader_class.calls == 4


def test_another_grader_grades_again_since_it_may_have_changed(store):
    grader_class = count_calls(ExactMatch)
    grader = grader_class()
    collection = make_collection(store, grader)
    for n_calls in (4, 8):
        grade_collection(store, collection, grader, ["red", "blue"])
        assert grader_class.calls == n_calls


def test_a_grader_with_a_function_inside_grades_again(store):
    calls = []

    def inner(text, reference):
        calls.append(text)
        return 1.0

    grader = JSONField("a", inner)
    collection = make_collection(store, grader)
    for _ in range(2):
        grade_collection(store, collection, grader, ["red", "blue"])
    assert len(calls) == 8


def test_responses_that_could_not_be_graded_are_graded_again(store):
    class Judge:
        settings = {}
        texts = []

        def __call__(self, text, reference):
            self.texts.append(text)
            if text == "bad" and self.texts.count("bad") == 1:
                raise RuntimeError("out of order")
            return 1.0

    judge = Judge()
    collection = make_collection(store, judge)
    assert grade_collection(store, collection, judge, ["red", "blue"]).total() == 1
    assert grade_collection(store, collection, judge, ["red", "blue"]).total() == 0
    assert judge.texts == ["red", "no", "bad", "blue", "bad"]
