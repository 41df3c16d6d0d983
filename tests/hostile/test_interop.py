"""Logs of other tools that do not belong together, or hold what cannot be read."""

import json
import logging
import math
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec
from inspect_ai.scorer import Score
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from dars_sklearn import DistributionalRouter, QueryEncoder
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.interop import from_inspect, from_lm_eval

TIME = "2026-01-01T00-00-00"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "red?"}]


def document(doc_id=0, question="red?", metric="acc", score=1.0, filter="none"):
    return {
        "doc_id": doc_id, "doc": {"question": question}, "target": "x",
        "arguments": {"gen_args_0": {"arg_0": str(question), "arg_1": {}}},
        "resps": [["x"]], "filter": filter, "metrics": [metric], metric: score,
    }  # fmt: skip


def write(folder, documents, model, task="t"):
    """Write a log of the LM Evaluation Harness."""
    folder.mkdir(exist_ok=True)
    file = folder / f"samples_{task}_{TIME}.jsonl"
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    (folder / f"results_{TIME}.json").write_text(json.dumps({"model_name": model}))
    return file


def sample(sample_id, text, scores, **fields):
    scores = {name: Score(value=value) for name, value in scores.items()}
    return EvalSample(id=sample_id, epoch=1, input=text, target="x", scores=scores, **fields)


def log(samples, model="small", eval_id="first", task="t"):
    """Return a log of Inspect."""
    spec = EvalSpec(
        eval_id=eval_id, created="2026-01-01T00:00:00+00:00", task=task, model=model,
        dataset=EvalDataset(), config=EvalConfig(),
    )  # fmt: skip
    return EvalLog(eval=spec, samples=samples, location=f"{eval_id}.eval")


# ---- one score for all logs ------------------------------------------------------


@pytest.mark.parametrize("second_model", ["small", "large"])
@pytest.mark.parametrize(
    ("parameter", "first", "second"),
    [("metric", "acc", "exact"), ("filter", "none", "strict"), ("scorer", "exact", "graded")],
)
def test_logs_with_different_scores_are_not_mixed(parameter, first, second, second_model, tmp_path):
    if parameter == "scorer":
        logs = [
            log([sample(1, "red?", {first: 1.0})]),
            log([sample(1, "red?", {second: 0.5})], second_model, "second"),
        ]
        read = from_inspect
    else:
        logs = [
            write(tmp_path / "a", [document(**{parameter: first})], "small"),
            write(tmp_path / "b", [document(**{parameter: second}, score=0.5)], second_model),
        ]
        read = from_lm_eval
    message = f"there are 2 {parameter}s; pass {parameter}= one of .*'{first}' in .*'{second}' in "
    with pytest.raises(ValueError, match=message):
        read(logs)
    with pytest.raises(ValueError, match=f"has no {parameter} '{first}', only .*'{second}'"):
        read(logs, **{parameter: first})


# ---- ids of several tasks --------------------------------------------------------


def test_documents_of_two_tasks_with_one_id_are_not_one_query(tmp_path):
    logs = [
        write(tmp_path, [document(0, "red?")], "small", task="t"),
        write(tmp_path, [document(0, "blue?", score=0.0)], "small", task="u"),
    ]
    with pytest.raises(
        ValueError, match="doc_id 0 .*task 't' .*'red.*task 'u' .*'blue.*pass query="
    ):
        from_lm_eval(logs, query="doc_id")
    assert from_lm_eval(logs).queries.tolist() == ["red?", "blue?"]
    same_document = write(tmp_path, [document(0, "red?", score=0.0)], "small", task="u")
    with pytest.raises(ValueError, match="doc_id 0 belongs to several documents"):
        from_lm_eval([logs[0], same_document], query="doc_id")  # such as two translations


def test_samples_of_two_tasks_with_one_id_are_not_one_query():
    logs = [
        log([sample(1, "red?", {"match": 1.0})], task="t"),
        log([sample(1, "blue?", {"match": 0.0})], eval_id="second", task="u"),
    ]
    with pytest.raises(
        ValueError, match=r"id '1' .*'red\?' in 'first.eval', and 'blue\?' in 'second"
    ):
        from_inspect(logs, query="id")
    with pytest.raises(ValueError, match="the id '1' belongs to several questions"):
        from_inspect(
            log([sample(1, "red?", {"match": 1.0}), sample("1", "blue?", {"match": 0.0})]),
            query="id",
        )


def test_samples_of_two_tasks_with_one_id_are_not_one_paraphrase():
    topic = {"metadata": {"topic": "colour"}}
    logs = [
        log([sample(1, "red?", {"match": 1.0}, **topic)], task="t"),
        log([sample(1, "blue?", {"match": 0.0}, **topic)], eval_id="second", task="u"),
    ]
    assert from_inspect(logs, query="topic").to_array().shape == (1, 1, 2, 1)


def test_questions_with_one_input_and_other_choices_are_not_one_query():
    def choose(sample_id, *choices):
        return sample(sample_id, "Which is true?", {"match": 1.0}, choices=list(choices))

    logs = log([choose(1, "a", "b"), choose(2, "a", "c")])
    with pytest.raises(ValueError, match="input 'Which is true.*several questions.*query='id'"):
        from_inspect(logs)
    assert from_inspect(logs, query="id").queries.tolist() == ["1", "2"]
    assert len(from_inspect(log([choose(1, "a", "b"), choose(2, "b", "a")]))) == 1  # shuffled


@pytest.mark.parametrize("tool", ["lm_eval", "inspect"])
def test_texts_are_compared_with_X_where_queries_are_ids(tool, tmp_path):
    texts = [f"What is {i} plus {i}?" for i in range(12)]
    if tool == "lm_eval":
        for model in ("small", "large"):
            documents = [
                document(i, text, score=float(i % 2 == (model == "small")))
                for i, text in enumerate(texts)
            ]
            write(tmp_path / model, documents, model)
        outcomes = from_lm_eval(tmp_path, query="doc_id")
    else:
        outcomes = from_inspect(
            [
                log([sample(i, t, {"match": float(i % 2 == k)}) for i, t in enumerate(texts)], m, m)
                for k, m in enumerate(["small", "large"])
            ],
            query="id",
        )
    assert outcomes.texts.tolist() == texts
    router = make_pipeline(QueryEncoder(TfidfVectorizer()), DistributionalRouter())
    router.fit(texts, outcomes)
    with pytest.raises(ValueError, match="the same queries in another order"):
        router.fit(texts[::-1], outcomes)


# ---- copies ----------------------------------------------------------------------


def test_a_copied_log_is_not_counted_twice(tmp_path):
    file = write(tmp_path / "a", [document()], "small")
    copy = write(tmp_path / "b", [], "small")
    shutil.copy(file, copy)
    with pytest.raises(ValueError, match=r"a.samples_.*' and '.*b.samples_.* the same content"):
        from_lm_eval(tmp_path)


def test_samples_that_a_retry_copied_are_not_counted_twice():
    kept = sample(1, "red?", {"match": 1.0}, uuid="one")
    retried = log([kept, sample(2, "blue?", {"match": 1.0}, uuid="two")], eval_id="second")
    with pytest.raises(ValueError, match=r"sample 1 .*'first.eval' and 'second.eval'; a retry"):
        from_inspect([log([kept]), retried])


# ---- scores that cannot be read ---------------------------------------------------


def test_a_score_that_cannot_be_read_is_missing_and_not_0(caplog):
    values = ["C", "banana", "0.7", "B", "nan", "inf", ""]
    samples = [sample(i, f"Q{i}", {"match": value}) for i, value in enumerate(values)]
    message = "5 scores of model 'small' by scorer 'match' cannot be read as numbers .*'banana'"
    with caplog.at_level(logging.WARNING), pytest.warns(CollectionWarning, match=message) as caught:
        outcomes = from_inspect(log(samples))
    assert [warning.filename for warning in caught] == [__file__]
    assert outcomes.queries.tolist() == ["Q0", "Q2"]
    assert outcomes.score.tolist() == [1.0, 0.7]
    assert not caplog.records


def test_logs_in_which_no_score_can_be_read_are_refused():
    with (
        pytest.warns(CollectionWarning, match="cannot be read"),
        pytest.raises(ValueError, match="no scored samples"),
    ):
        from_inspect(log([sample(1, "red?", {"match": "banana"})]))


@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=5), st.booleans(), st.floats(0, 1), st.just(math.nan)),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_a_score_is_it_is_read_as_inspect_does_or_missing(values):
    from inspect_ai.scorer import value_to_float

    samples = [sample(i, f"Q{i}", {"match": value}) for i, value in enumerate([1.0, *values])]
    outcomes = from_inspect(log(samples), score_range=None)
    read = dict(zip(outcomes.queries, outcomes.score, strict=True))
    for row, value in enumerate(values, start=1):
        if f"Q{row}" in read:
            assert read[f"Q{row}"] == value_to_float()(value)
        else:
            assert isinstance(value, str) or math.isnan(value)


# ---- scores of another range -------------------------------------------------------


def test_scores_of_another_range_are_read_if_it_is_named(tmp_path):
    file = write(tmp_path, [document(0, score=17.0), document(1, "blue?", score=3.0)], "small")
    logs = log([sample(i, f"Q{i}", {"match": value}) for i, value in enumerate([7, 3])])
    for read, source in ((from_lm_eval, file), (from_inspect, logs)):
        with pytest.raises(ValueError, match=r"score_range=\(low, high\)"):
            read(source)
        assert read(source, score_range=(0, 20)).score_range == (0.0, 20.0)
    assert from_lm_eval(file, score_range=(0, 20)).score.tolist() == [17.0, 3.0]
    assert from_inspect(logs, score_range=None).score.tolist() == [7.0, 3.0]


# ---- fields that are lists ----------------------------------------------------------


@pytest.mark.parametrize("value", [["red?"], {"text": "red?"}, None, [[1], [2]], []])
def test_a_field_that_cannot_identify_a_query_is_named(value, tmp_path):
    file = write(tmp_path, [document(0), document(1, value)], "small")
    with pytest.raises(ValueError, match="field 'question' of doc 1 is .* cannot identify a query"):
        from_lm_eval(file, query="question")
    logs = log([sample("a", "red?", {"match": 1.0}, metadata={"k": value})])
    with pytest.raises(ValueError, match="metadata 'k' of sample 'a' is .* cannot identify"):
        from_inspect(logs, query="k")


def test_conversations_are_queries(tmp_path):
    file = write(tmp_path, [document(0, CHAT), document(1, "blue?")], "small")
    logs = log(
        [
            sample("a", "red?", {"match": 1.0}, metadata={"question": CHAT}),
            sample("b", "blue?", {"match": 1.0}, metadata={"question": "blue?"}),
        ]
    )
    for outcomes in (from_lm_eval(file, query="question"), from_inspect(logs, query="question")):
        assert json.loads(outcomes.queries[0]) == CHAT
        assert outcomes.texts.tolist() == ["red?", "blue?"]
