import json
import os
import shutil
import subprocess
import sys

import pytest
from models import serve, smol_path

from dars_sklearn import DistributionalRouter, QueryEncoder
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.grade import Contains
from dars_sklearn.interop import from_inspect, from_lm_eval

QUESTIONS = {"What is the capital of France?": "Paris", "What is 2 plus 2?": "4", "Say yes.": "yes"}

INSPECT_TASK = """
import json
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import includes, match

@task
def questions():
    samples = [Sample(id=f"q{i}", input=q, target=a, metadata={"topic": f"t{i // 2}"})
               for i, (q, a) in enumerate(json.load(open("questions.json")).items())]
    config = GenerateConfig(max_tokens=12, temperature=0.7)
    return Task(dataset=samples, scorer=[includes(), match()], epochs=3, config=config)
"""
HARNESS_TASK = r"""
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
def logs(tmp_path_factory):
    """Logs that Inspect and the harness write here, of a real model behind HTTP."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "questions.json").write_text(json.dumps(QUESTIONS))
    docs = [json.dumps({"question": q, "answer": a}) for q, a in QUESTIONS.items()]
    (folder / "docs.jsonl").write_text("\n".join(docs))
    (folder / "inspect_task.py").write_text(INSPECT_TASK)
    (folder / "harness_task.yaml").write_text(HARNESS_TASK)
    server = serve(smol_path())
    base_url = f"{server.listening_address}/v1"
    environment = os.environ | {
        "LOCAL_API_KEY": "none", "LOCAL_BASE_URL": base_url, "OPENAI_API_KEY": "none",
        "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"),
    }  # fmt: skip
    arguments = f"model=smol,base_url={base_url}/completions,tokenizer_backend=None"
    commands = [
        ["inspect_ai", "eval", "inspect_task.py", "--model", "openai-api/local/smol",
         "--log-dir", "inspect", "--display", "none"],
        ["lm_eval", "--model", "local-completions", "--tasks", "questions",
         "--model_args", f"{arguments},tokenized_requests=False", "--include_path", ".",
         "--output_path", "harness", "--log_samples"],
    ]  # fmt: skip
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.real
def test_inspect_epochs_are_samples(logs):
    outcomes = from_inspect(logs / "inspect", scorer="includes")
    assert outcomes.queries.tolist() == list(QUESTIONS)
    assert outcomes.models.tolist() == ["openai-api/local/smol"]
    assert outcomes.to_array().shape == (3, 1, 1, 3)
    assert (outcomes.to_array("input_tokens") > 0).all()
    assert (outcomes.to_array("latency") > 0).all()
    priced = outcomes.with_prices({"openai-api/local/smol": (1.0, 2.0)})
    tokens = outcomes.to_array("input_tokens") + 2 * outcomes.to_array("output_tokens")
    assert priced.to_array("cost") == pytest.approx(tokens / 1e6)
    by_id = from_inspect(logs / "inspect", scorer="match", query="id")
    assert by_id.queries.tolist() == ["q0", "q1", "q2"]


@pytest.mark.real
def test_inspect_scores_are_those_of_inspect(logs):
    from inspect_ai.log import list_eval_logs, read_eval_log

    log = read_eval_log(list_eval_logs(str(logs / "inspect"))[0])
    right = {
        (sample.input, sample.epoch - 1): float(sample.scores["includes"].value == "C")
        for sample in log.samples
    }
    frame = from_inspect(log, scorer="includes").to_frame()
    got = dict(zip(zip(frame["query"], frame["sample"], strict=True), frame["score"], strict=True))
    assert got == right


@pytest.mark.real
def test_inspect_samples_that_share_a_topic_are_paraphrases(logs):
    outcomes = from_inspect([logs / "inspect"], scorer="includes", query="topic")
    assert outcomes.queries.tolist() == ["t0", "t1"]
    assert outcomes.counts().tolist() == [[6], [3]]
    assert outcomes.to_array().shape == (2, 1, 2, 3)


@pytest.mark.real
def test_inspect_logs_that_are_ambiguous_are_refused(logs):
    with pytest.raises(ValueError, match=r"several scorers; pass scorer= one of \['includes'"):
        from_inspect(logs / "inspect")
    with pytest.raises(ValueError, match="is given twice"):
        from_inspect([logs / "inspect"] * 2, scorer="match")
    with pytest.raises(ValueError, match=r"no 'kind' in its metadata, which has \['topic'\]"):
        from_inspect(logs / "inspect", scorer="match", query="kind")


@pytest.mark.real
def test_harness_metrics_are_scores(logs):
    (file,) = (logs / "harness").rglob("samples_*.jsonl")
    with pytest.warns(CollectionWarning, match="3 documents were repeated"):
        outcomes = from_lm_eval(logs / "harness", query="question")
    assert outcomes.queries.tolist() == list(QUESTIONS)
    assert outcomes.models.tolist() == ["smol"]
    expected = [json.loads(line)["exact_match"] for line in file.read_text().splitlines()]
    assert outcomes.score.tolist() == expected


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
def test_harness_repeats_are_samples_where_each_is_graded(logs):
    (file,) = (logs / "harness").rglob("samples_*.jsonl")
    outcomes = from_lm_eval(file, grader=Contains())
    assert outcomes.to_array().shape == (3, 1, 1, 3)
    assert outcomes.queries[0] == "Question: What is the capital of France?\nAnswer:"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    expected = [[Contains()(text, r["target"]) for text in r["resps"][0]] for r in records]
    assert outcomes.to_array()[:, 0, 0].tolist() == expected


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.CollectionWarning")
def test_logs_of_several_models_train_a_router(logs, tmp_path):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    for name in ("small", "large"):
        shutil.copytree(next((logs / "harness").iterdir()), tmp_path / name)
        for results in (tmp_path / name).glob("results_*.json"):
            results.unlink()
    outcomes = from_lm_eval(tmp_path, query="question", grader=Contains())
    assert outcomes.models.tolist() == ["large", "small"]
    pipeline = make_pipeline(QueryEncoder(TfidfVectorizer()), DistributionalRouter())
    assert set(pipeline.fit(outcomes.queries, outcomes).predict(outcomes.queries)) <= {
        "small", "large",
    }  # fmt: skip


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match="no file or folder"):
        from_lm_eval(tmp_path / "absent")
    with pytest.raises(ValueError, match="no scored samples"):
        from_lm_eval(tmp_path)
    record = {"doc_id": 0, "doc": {"q": "x"}, "target": "y", "arguments": {"g": {"arg_0": "x"}},
              "resps": [["y"]], "metrics": ["em", "f1"], "em": 1.0, "f1": 0.5}  # fmt: skip
    (tmp_path / "samples_a_1.jsonl").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"several metrics; pass metric= one of \['em', 'f1'\]"):
        from_lm_eval(tmp_path)
    assert from_lm_eval(tmp_path, metric="f1").score.tolist() == [0.5]
    with pytest.raises(ValueError, match=r"doc 0 has no 'question', but \['q'\]"):
        from_lm_eval(tmp_path, metric="f1", query="question")
