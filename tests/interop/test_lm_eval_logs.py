"""The layouts of the logs of older releases of the LM Evaluation Harness."""

import json
from pathlib import Path

import pytest

from dars_sklearn.interop import from_lm_eval
from dars_sklearn.interop._lm_eval_logs import prompt_of, read_log

MODEL_ARGS = "pretrained=org/small,dtype=float"


def old_record(doc_id=0, responses=("y",), em=1.0, **fields):
    """Return a record as releases 0.4.0 to 0.4.2 wrote it, without filter and metrics."""
    return {
        "doc_id": doc_id, "doc": {"question": f"Q{doc_id}"}, "target": "y",
        "arguments": [[f"Question: Q{doc_id}\nAnswer:", {"until": ["\n"]}]],
        "resps": [list(responses)], "filtered_resps": [responses[0]], "exact_match": em,
    } | fields  # fmt: skip


def write_old(folder, records, task="gsm8k", model="pretrained__org__small,dtype__float"):
    """Write a log and its results as releases 0.4.0 to 0.4.2 did."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{model}_{task}.jsonl"
    file.write_text(json.dumps(records, indent=2))
    results = {"config": {"model": "hf", "model_args": MODEL_ARGS}, "configs": {task: {}}}
    (folder / "results.json").write_text(json.dumps(results))
    return file


def test_a_log_of_an_early_release_is_read(tmp_path):
    file = write_old(tmp_path, [old_record(0), old_record(1, em=0.5)])
    for path in (file, tmp_path):
        outcomes = from_lm_eval(path)
        assert outcomes.queries.tolist() == ["Question: Q0\nAnswer:", "Question: Q1\nAnswer:"]
        assert outcomes.models.tolist() == ["org/small"]
        assert outcomes.score.tolist() == [1.0, 0.5]
    graded = from_lm_eval(file, grader=lambda text, target: text == target, query="question")
    assert graded.score.tolist() == [1.0, 1.0]


def test_the_metrics_of_an_early_release_are_the_fields_that_it_does_not_document(tmp_path):
    write_old(tmp_path, [old_record(acc=0.0, doc_hash="a", prompt_hash="b", target_hash="c")])
    assert from_lm_eval(tmp_path, metric="acc").score.tolist() == [0.0]
    with pytest.raises(
        ValueError, match=r"2 metrics; pass metric= one of \['acc', 'exact_match'\]"
    ):
        from_lm_eval(tmp_path)


def test_filters_of_an_early_release_are_numbered(tmp_path):
    records = [old_record(0, em=0.0), old_record(1, em=0.0), old_record(0), old_record(1)]
    file = write_old(tmp_path, records)
    with pytest.raises(ValueError, match=r"2 filters; pass filter= one of \['0', '1'\]"):
        from_lm_eval(tmp_path)
    assert from_lm_eval(tmp_path, filter="0").score.tolist() == [0.0, 0.0]
    assert from_lm_eval(tmp_path, filter="1").score.tolist() == [1.0, 1.0]
    file.write_text(json.dumps(records[2:]))
    assert from_lm_eval(tmp_path, filter="none").score.tolist() == [1.0, 1.0]


def test_models_of_an_early_release_are_told_apart_in_one_folder(tmp_path):
    write_old(tmp_path, [old_record()], model="pretrained__org__large")
    write_old(tmp_path, [old_record(em=0.0)])  # its results replace those of the first
    outcomes = from_lm_eval(tmp_path)
    assert outcomes.models.tolist() == ["pretrained__org__large", "org/small"]
    (tmp_path / "results.json").write_text(json.dumps([{"config": 1}]))
    with pytest.raises(ValueError, match=r"the model of the log '.*large_gsm8k.jsonl' is unknown"):
        from_lm_eval(tmp_path)


@pytest.mark.parametrize(
    ("model_args", "name"),
    [("pretrained=a/b,x=1", "a/b"), ("base_url=u,model=c", "c"), ("", None), ("x=1", "x=1")],
)
def test_a_model_is_named_by_its_arguments(model_args, name, tmp_path):
    stem = model_args.replace("/", "__").replace("=", "__")
    write_old(tmp_path, [old_record()], model=stem)
    results = {"config": {"model_args": model_args}, "results": {"gsm8k": {}}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert from_lm_eval(tmp_path).models.tolist() == [name or tmp_path.name]


def test_one_record_per_line_is_read_in_all_layouts(tmp_path):
    file = write_old(tmp_path, [])
    file.write_text("\n\n".join(map(json.dumps, [old_record(0), old_record(1)])) + "\n")
    assert len(from_lm_eval(file)) == 2
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "samples_gsm8k_2024-07-01.json").write_text(json.dumps([old_record(0)]))
    assert from_lm_eval(folder).models.tolist() == ["large"]


def test_line_separators_within_texts_do_not_end_a_record(tmp_path):
    file = tmp_path / "samples_task_1.jsonl"
    file.write_text(json.dumps(old_record(0, ["a\x85b\u2028c"]), ensure_ascii=False), "utf-8")
    (record,) = read_log(file)
    assert record["resps"] == [["a\x85b\u2028c"]]


def test_other_files_in_a_folder_are_left_out(tmp_path):
    write_old(tmp_path, [old_record()])
    (tmp_path / "docs.jsonl").write_text('{"question": "Q"}\n')
    (tmp_path / "samples_readme.txt").write_text("?")
    assert len(from_lm_eval(tmp_path)) == 1


def test_logs_of_release_0_3_are_refused_by_name(tmp_path):
    file = tmp_path / "gsm8k_write_out_info.json"
    file.write_text(json.dumps([{"doc_id": 0, "prompt_0": "Q", "logit_0": "y", "acc": "1.0"}]))
    for path in (file, tmp_path):
        with pytest.raises(
            ValueError, match=r"gsm8k_write_out_info.json' was written by --write_out"
        ):
            from_lm_eval(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", r"'.*samples_x_1.jsonl' is not a log of samples: it is not JSON \(Expecting"),
        ("[1, 2", "is not a log of samples: it is not JSON"),
        ("3", "a record has no .*, only int"),
        ('{"doc_id": 0, "acc": 1}', r"no \['doc', 'target', .*\], only \['acc', 'doc_id'\]"),
        ("[]", "is empty; leave it out"),
    ],
)
def test_what_is_found_in_a_file_that_is_no_log_is_named(content, message, tmp_path):
    file = tmp_path / "samples_x_1.jsonl"
    file.write_text(content)
    with pytest.raises(ValueError, match=message):
        from_lm_eval(file)


def test_the_prompt_is_the_first_argument_in_both_layouts():
    assert prompt_of({"arguments": [["P", {}], ["Q", {}]]}) == "P"
    assert prompt_of({"arguments": {"gen_args_0": {"arg_0": "P", "arg_1": {}}}}) == "P"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b"[1]"])
def test_files_beside_old_logs_that_are_no_results_are_skipped(content, tmp_path):
    write_old(tmp_path, [old_record()])
    (tmp_path / "a_cache.json").write_bytes(content)
    assert from_lm_eval(tmp_path).models.tolist() == ["org/small"]
    (tmp_path / "results.json").unlink()
    message = r"the model of the log .* \('.*a_cache.json' is no JSON object\); put that file"
    with pytest.raises(ValueError, match=message):
        from_lm_eval(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[1]"])
def test_results_that_cannot_be_read_are_named(content, tmp_path):
    log, results = tmp_path / "samples_task_1.jsonl", tmp_path / "results_1.json"
    log.write_text(json.dumps(old_record()))
    results.write_bytes(content)
    with pytest.raises(ValueError, match=r"results_1.json', which names .* is no JSON object"):
        from_lm_eval(tmp_path)
    results.unlink()
    assert from_lm_eval(tmp_path).models.tolist() == [tmp_path.name]


def test_results_are_parsed_once_for_all_logs_of_a_folder(tmp_path, monkeypatch):
    tasks = [f"task{number}" for number in range(20)]
    files = [write_old(tmp_path, [old_record(number)], task) for number, task in enumerate(tasks)]
    results = {"config": {"model_args": MODEL_ARGS}, "configs": dict.fromkeys(tasks)}
    (tmp_path / "results.json").write_text(json.dumps(results))
    opened, read_text = [], Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, *args: (opened.append(self.name), read_text(self, *args))[1]
    )
    for paths in (tmp_path, files):
        opened.clear()
        assert len(from_lm_eval(paths)) == 20
        assert opened.count("results.json") == 1


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000])
def test_a_log_that_is_not_json_is_named(content, tmp_path):
    file = tmp_path / "samples_task_1.jsonl"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"samples_task_1.jsonl' is not a log .* not JSON"):
        from_lm_eval(file)


@pytest.mark.parametrize("responses", [[], None])
def test_a_document_without_responses_has_a_score_but_nothing_to_grade(responses, tmp_path):
    write_old(tmp_path, [old_record() | {"resps": responses}])
    assert from_lm_eval(tmp_path).score.tolist() == [1.0]
    with pytest.raises(ValueError, match="doc 0 .*has no responses to grade"):
        from_lm_eval(tmp_path, grader=lambda text, target: 1.0)


@pytest.mark.parametrize("arguments", [[], {}, [[]], None, {"gen_args_0": {}}])
def test_a_document_without_a_prompt_is_named(arguments, tmp_path):
    write_old(tmp_path, [old_record(arguments=arguments)])
    with pytest.raises(ValueError, match="doc 0.* contain no prompt"):
        from_lm_eval(tmp_path)
    assert from_lm_eval(tmp_path, query="question").queries.tolist() == ["Q0"]
