import json
import shutil

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from dars_sklearn import DistributionalRouter, QueryEncoder
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade import Contains, LLMJudge
from dars_sklearn.interop import from_lm_eval

TASK = r"""
task: questions
dataset_path: json
dataset_kwargs: {data_files: {test: docs.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: "{{answer}}"
repeats: 3
generation_kwargs: {until: ["\n"], max_gen_toks: 12, do_sample: true, temperature: 0.7}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, questions, run_with_real_model):
    """Return the folder of the results of a real evaluation."""
    folder = tmp_path_factory.mktemp("harness")
    docs = [json.dumps({"question": q, "answer": a}) for q, a in questions.items()]
    (folder / "docs.jsonl").write_text("\n".join(docs))
    (folder / "harness_task.yaml").write_text(TASK)
    model_args = (
        "model=smol,base_url={base_url}/completions,tokenizer_backend=None,tokenized_requests=False"
    )
    run_with_real_model(
        folder, "lm_eval", "--model", "local-completions", "--tasks", "questions", "--model_args",
        model_args, "--include_path", ".", "--output_path", "results", "--log_samples",
    )  # fmt: skip
    return folder / "results"


def record(doc_id=0, responses=("y",), **fields):
    return {
        "doc_id": doc_id, "doc": {"question": f"Q{doc_id}", "topic": "t"}, "target": "y",
        "arguments": {"gen_args_0": {"arg_0": f"Question: Q{doc_id}\nAnswer:", "arg_1": {}}},
        "resps": [list(responses)], "metrics": ["em"], "em": 1.0,
    } | fields  # fmt: skip


def write(folder, records, run="2026-01-01T00-00-00", **results):
    folder.mkdir(exist_ok=True)
    file = folder / f"samples_task_{run}.jsonl"
    file.write_text("\n".join(map(json.dumps, records)) + "\n")
    if results:
        (folder / f"results_{run}.json").write_text(json.dumps(results))
    return file


def starts_with(text, reference):
    return float(text.startswith(reference))


def test_the_metric_of_the_harness_is_the_score(tmp_path):
    file = write(tmp_path, [record(0), record(1, em=0.5)])
    outcomes = from_lm_eval(file)
    assert outcomes.queries.tolist() == ["Question: Q0\nAnswer:", "Question: Q1\nAnswer:"]
    assert outcomes.score.tolist() == [1.0, 0.5]


def test_a_query_may_be_identified_by_its_id_or_by_a_field_of_the_document(tmp_path):
    write(tmp_path, [record(0), record(1)])
    assert from_lm_eval(tmp_path, query="doc_id").queries.tolist() == [0, 1]
    assert from_lm_eval(tmp_path, query="question").queries.tolist() == ["Q0", "Q1"]
    assert from_lm_eval(tmp_path, query="topic").counts().tolist() == [[2]]
    with pytest.raises(ValueError, match=r"doc 0 has no field 'title', only \['question', 'topic'"):
        from_lm_eval(tmp_path, query="title")


def test_a_model_is_named_by_the_results_of_the_same_run_or_by_its_folder(tmp_path):
    write(tmp_path / "a", [record(em=0.0)], run="1", model_name="small")
    write(tmp_path / "a", [record(em=0.1)], run="2", model_name="large")
    write(tmp_path / "b", [record(em=0.2)], run="3")
    write(tmp_path / "c", [record(em=0.3)], run="4", model_name="")
    outcomes = from_lm_eval(tmp_path)
    assert outcomes.models.tolist() == ["small", "large", "b", "c"]


def test_several_runs_of_one_model_are_samples(tmp_path):
    write(tmp_path, [record(em=1.0)], run="1")
    write(tmp_path, [record(em=0.0)], run="2")
    assert from_lm_eval(tmp_path).to_array()[0, 0, 0].tolist() == [1.0, 0.0]
    files = sorted(tmp_path.iterdir())
    assert from_lm_eval(files[::-1]).to_array()[0, 0, 0].tolist() == [0.0, 1.0]


def test_with_a_grader_each_repeat_is_a_sample(tmp_path):
    write(tmp_path, [record(0, ["yes", "no", "y"]), record(1, ["no", "yes", "no"])])
    outcomes = from_lm_eval(tmp_path, grader=starts_with)
    assert outcomes.to_array()[:, 0, 0].tolist() == [[1, 0, 1], [0, 1, 0]]


def test_repeats_that_are_not_graded_cause_a_warning(tmp_path):
    write(tmp_path, [record(0, ["yes", "yes"]), record(1, ["no", "yes"]), record(2)])
    with pytest.warns(CollectionWarning, match="2 documents were repeated.*grader=") as caught:
        outcomes = from_lm_eval(tmp_path)
    assert caught[0].filename == __file__
    assert outcomes.counts().tolist() == [[1], [1], [1]]


def test_repeats_that_are_all_identical_cause_a_warning(tmp_path):
    write(tmp_path, [record(0, ["yes", "yes"]), record(1, ["no", "no"]), record(2)])
    with pytest.warns(CollectionWarning, match="identical.*same seed") as caught:
        from_lm_eval(tmp_path, grader=starts_with)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_repeats_of_which_some_differ_cause_no_warning(tmp_path):
    write(tmp_path, [record(0, ["yes", "yes"]), record(1, ["no", "yes"])])
    assert len(from_lm_eval(tmp_path, grader=starts_with)) == 2
    write(tmp_path, [record(0), record(1)])
    assert len(from_lm_eval(tmp_path, grader=starts_with)) == 2


def test_a_filter_must_be_chosen_where_there_are_several(tmp_path):
    records = [record(0, filter="strict", em=0.0), record(0, filter="flexible", em=1.0)]
    write(tmp_path, records)
    assert from_lm_eval(tmp_path, filter="strict").score.tolist() == [0.0]
    assert from_lm_eval(tmp_path, filter="flexible").score.tolist() == [1.0]
    with pytest.raises(ValueError, match=r"2 filters; pass filter= one of \['flexible', 'strict'"):
        from_lm_eval(tmp_path)


def test_a_log_without_filters_has_the_filter_none(tmp_path):
    write(tmp_path, [record()])
    assert from_lm_eval(tmp_path, filter="none").score.tolist() == [1.0]
    with pytest.raises(ValueError, match=r"no filter 'strict'; pass filter= one of \['none'\]"):
        from_lm_eval(tmp_path, filter="strict")


def test_a_metric_must_be_chosen_where_there_are_several(tmp_path):
    write(tmp_path, [record(metrics=["em", "f1"], f1=0.5)])
    assert from_lm_eval(tmp_path, metric="f1").score.tolist() == [0.5]
    with pytest.raises(ValueError, match=r"2 metrics; pass metric= one of \['em', 'f1'\]"):
        from_lm_eval(tmp_path)


def test_the_only_metric_and_filter_are_those_of_all_logs(tmp_path):
    write(tmp_path / "a", [record(metrics=["acc"], acc=1.0)])
    write(tmp_path / "b", [record(metrics=["em"])])
    with pytest.raises(ValueError, match=r"2 metrics; .*instance 'acc' in '.*a.samples_.*'em' in "):
        from_lm_eval(tmp_path)
    with pytest.raises(ValueError, match=r"b.samples_.* has no metric 'acc', only \['em'\]"):
        from_lm_eval(tmp_path, metric="acc")
    write(tmp_path / "b", [record(metrics=["acc"], acc=1.0, filter="strict")])
    with pytest.raises(
        ValueError, match=r"2 filters; .*instance 'none' in '.*a.samples_.*'strict'"
    ):
        from_lm_eval(tmp_path)
    with pytest.raises(ValueError, match=r"a.samples_.* has no filter 'strict', only \['none'\]"):
        from_lm_eval(tmp_path, filter="strict")


def test_prompts_are_the_texts_of_ids_unless_they_differ(tmp_path):
    write(tmp_path / "a", [record(0), record(1)])
    assert from_lm_eval(tmp_path, query="doc_id").texts.tolist() == [
        "Question: Q0\nAnswer:", "Question: Q1\nAnswer:",
    ]  # fmt: skip
    assert from_lm_eval(tmp_path).texts is None  # the labels are the texts
    templated = [record(i, arguments=[[f"<user> Q{i}", {}]]) for i in range(2)]
    write(tmp_path / "b", templated)
    outcomes = from_lm_eval(tmp_path, query="doc_id")
    assert outcomes.counts().tolist() == [[1, 1], [1, 1]]
    assert outcomes.texts is None


def test_a_chat_is_a_query_whose_text_is_that_of_the_user(tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Q0"}]
    write(tmp_path, [record(arguments={"gen_args_0": {"arg_0": [json.dumps(chat)], "arg_1": {}}})])
    outcomes = from_lm_eval(tmp_path)
    assert outcomes.queries.tolist() == [json.dumps(chat)]
    assert outcomes.texts.tolist() == ["Q0"]
    write(tmp_path, [record(doc={"messages": chat})])
    outcomes = from_lm_eval(tmp_path, query="messages")
    assert [json.loads(label) for label in outcomes.queries] == [chat]
    assert outcomes.texts.tolist() == ["Q0"]


def test_documents_with_one_prompt_and_several_choices_are_told_apart(tmp_path):
    def choose(doc_id, *choices):
        arguments = [["Which is true?", f" {choice}"] for choice in choices]
        return record(doc_id, arguments=arguments, resps=[[["-1", "True"]]] * len(choices))

    write(tmp_path, [choose(0, "a", "b"), choose(1, "b", "a")])
    assert from_lm_eval(tmp_path).counts().tolist() == [[2]]
    write(tmp_path, [choose(0, "a", "b"), choose(1, "a", "c")])
    with pytest.raises(ValueError, match=r"prompt 'Which is true\?' belongs to several documents"):
        from_lm_eval(tmp_path)
    assert from_lm_eval(tmp_path, query="doc_id").queries.tolist() == [0, 1]


def test_a_metric_that_is_better_if_lower_is_no_score(tmp_path):
    lower = {"task": {"em": False, "f1": True}}
    write(tmp_path, [record(f1=1.0, metrics=["em", "f1"])], model_name="m", higher_is_better=lower)
    with pytest.raises(ValueError, match="'em' of .* is better if it is lower.*pass metric="):
        from_lm_eval(tmp_path, metric="em")
    assert from_lm_eval(tmp_path, metric="f1").score.tolist() == [1.0]


def test_scores_may_have_another_range(tmp_path):
    write(tmp_path, [record(0, em=17.0), record(1, em=3.0)])
    outcomes = from_lm_eval(tmp_path, score_range=(0, 100))
    assert (outcomes.score.tolist(), outcomes.score_range) == ([17.0, 3.0], (0.0, 100.0))
    with pytest.raises(ValueError, match="those of a grader are in"):
        from_lm_eval(tmp_path, score_range=(0, 100), grader=starts_with)


def test_equal_logs_of_different_models_cause_a_warning(tmp_path):
    for name in "abc":
        write(tmp_path / name, [record()])
    with pytest.warns(CollectionWarning, match="2 logs have the same content.*'b'.*'a'") as caught:
        outcomes = from_lm_eval(tmp_path)
    assert [warning.filename for warning in caught] == [__file__]
    assert outcomes.models.tolist() == ["a", "b", "c"]


def test_a_response_that_cannot_be_graded_is_missing(tmp_path):
    def grade_one(text, reference):
        if text == "no":
            raise RuntimeError("out of order")
        return 2.0 if text == "maybe" else 1.0

    write(tmp_path, [record(0, ["yes", "no", "maybe"]), record(1, ["no", "no", "yes"])])
    message = r"3 of the responses .* out of order \(3 times\)|score 2.0 is not in \[0, 1\]"
    with pytest.warns(CollectionWarning, match=message) as caught:
        outcomes = from_lm_eval(tmp_path, grader=grade_one)
    assert caught[0].filename == __file__
    assert outcomes.counts().tolist() == [[1], [1]]
    with pytest.raises(TypeError, match="grader must be callable, got 'contains'"):
        from_lm_eval(tmp_path, grader="contains")


def test_a_judge_grades_a_log_at_once_and_sees_the_prompt(tmp_path):
    prompts = []

    def judge(batch, *, n):
        prompts.extend(batch)
        return [["5"] * n for _ in batch]

    write(tmp_path, [record(0, ["yes", "no"]), record(1, ["no", "yes"])])
    outcomes = from_lm_eval(tmp_path, grader=LLMJudge(judge))
    assert outcomes.score.tolist() == [0.5] * 4
    assert len(prompts) == 4
    assert "Question: Q1\nAnswer:" in prompts[2]
    assert "Reference answer: y" in prompts[2]


def test_a_log_that_is_passed_twice_is_an_error(tmp_path):
    file = write(tmp_path, [record(0)])
    with pytest.raises(
        ValueError, match=r"samples_task_.*\.jsonl' is passed 2 times; pass it once"
    ):
        from_lm_eval([tmp_path, file])


@pytest.mark.parametrize("value", [["a", "b"], None, "high", float("nan")])
def test_a_metric_that_is_not_a_number_is_an_error(value, tmp_path):
    write(tmp_path, [record(em=value)])
    with pytest.raises(
        ValueError, match="the metric 'em' of doc 0 of .* is not a number: .*; pass metric"
    ):
        from_lm_eval(tmp_path)


@pytest.mark.parametrize("responses", [[[["-1.5", "True"]]], ["-1.5"], [[]]])
def test_documents_scored_by_likelihood_have_no_responses_to_grade(responses, tmp_path):
    write(tmp_path, [record(resps=responses)])
    assert from_lm_eval(tmp_path).score.tolist() == [1.0]
    with pytest.raises(
        ValueError, match="doc 0 of .* has no responses to grade.*leave grader= out"
    ):
        from_lm_eval(tmp_path, grader=starts_with)


def test_missing_and_empty_logs_are_named(tmp_path):
    with pytest.raises(ValueError, match="there is no file or folder '.*absent'"):
        from_lm_eval(tmp_path / "absent")
    with pytest.raises(ValueError, match="no scored samples"):
        from_lm_eval(tmp_path)
    write(tmp_path, [])
    with pytest.raises(ValueError, match=r"the log '.*\.jsonl' is empty"):
        from_lm_eval(tmp_path)


@pytest.mark.real
def test_metrics_of_a_real_log_are_scores(folder, questions):
    (file,) = folder.rglob("samples_*.jsonl")
    with pytest.warns(CollectionWarning, match="3 documents were repeated"):
        outcomes = from_lm_eval(folder, query="question")
    assert outcomes.queries.tolist() == list(questions)
    assert outcomes.models.tolist() == ["smol"]
    expected = [json.loads(line)["exact_match"] for line in file.read_text().splitlines()]
    assert outcomes.score.tolist() == expected


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
def test_repeats_of_a_real_log_are_samples_where_each_is_graded(folder):
    (file,) = folder.rglob("samples_*.jsonl")
    outcomes = from_lm_eval(file, grader=Contains())
    assert outcomes.to_array().shape == (3, 1, 1, 3)
    assert outcomes.queries[0] == "Question: What is the capital of France?\nAnswer:"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    expected = [[Contains()(text, r["target"]) for text in r["resps"][0]] for r in records]
    assert outcomes.to_array()[:, 0, 0].tolist() == expected


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
def test_a_router_can_be_trained_on_real_logs_of_several_models(folder, tmp_path):
    for name in ("small", "large"):
        shutil.copytree(next(folder.iterdir()), tmp_path / name)
        for results in (tmp_path / name).glob("results_*.json"):
            results.unlink()
    outcomes = from_lm_eval(tmp_path, query="question", grader=Contains())
    assert outcomes.models.tolist() == ["large", "small"]
    pipeline = make_pipeline(QueryEncoder(TfidfVectorizer()), DistributionalRouter())
    assert set(pipeline.fit(outcomes.queries, outcomes).predict(outcomes.queries)) <= {
        "small", "large",
    }  # fmt: skip
