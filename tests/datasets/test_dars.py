"""The loader of the paper's data, on files that follow its schema."""

import json
import sys

import numpy as np
import pytest

from dars_sklearn.datasets import fetch_dars

MODELS = [
    "google/gemma-3-12b-it", "mistralai/mistral-small-3.2-24b-instruct", "qwen/qwen3-32b",
    "meta-llama/llama-3.3-70b-instruct", "google/gemini-2.5-flash-lite",
    "deepseek/deepseek-chat-v3.1",
]  # fmt: skip


def row(rng, query, model, variant, decode, split, **fields):
    return {
        "dataset": "drop", "split": split, "query_id": f"{split}-{query}", "model": model,
        "score": float(rng.integers(0, 2)), "cost": float(rng.random()),
        "prompt_variant_id": variant, "decode_id": decode, "original_question": "",
        "input_question": f"Question {query}?", "context": "Long ago. " * (query * 100),
    } | fields  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    train = [
        row(rng, query, model, variant, decode, "train")
        for query in range(4) for model in reversed(MODELS)
        for variant in range(5) for decode in range(5)
    ]  # fmt: skip
    test = []
    for query in range(3):
        for model in MODELS:
            for number in range(3):
                views = (("prompt_variation", number, 0), ("decoding_variation", 0, number))
                test += [
                    row(rng, query, model, variant, decode, "test", observation_type=view)
                    for view, variant, decode in views
                ]
    subset = tmp_path / "drop-800"
    subset.mkdir()
    for name, rows in (("train", train), ("test", test)):
        text = "\n".join(json.dumps(line) for line in rows)
        (subset / f"{name}_scored_generations.jsonl").write_text(text)
    (subset / "metadata.json").write_text('{"name": "drop-800"}')
    return tmp_path


def load(folder):
    return fetch_dars("drop-800", data_home=folder, download_if_missing=False)


def change_lines(folder, name, change):
    path = folder / "drop-800" / f"{name}_scored_generations.jsonl"
    path.write_text("\n".join(change(path.read_text().splitlines())))


def test_training_rows_become_outcomes_and_test_rows_two_views(folder):
    data = load(folder)
    assert data.outcomes.to_array().shape == (4, 6, 5, 5)
    assert data.outcomes.models.tolist() == MODELS
    assert data.test_rewrites.to_array().shape == (3, 6, 3, 1)
    assert data.test_decodings.to_array().shape == (3, 6, 1, 3)
    assert data.test_rewrites.queries.tolist() == ["test-0", "test-1", "test-2"]
    assert data.test_queries[0] == "Question 0?"
    assert data.outcomes.texts.tolist() == data.queries.tolist()
    assert data.test_rewrites.texts.tolist() == data.test_queries.tolist()
    assert data.metadata == {"name": "drop-800"}
    assert data.DESCR.startswith(
        "drop-800: scored generations of 6 models on 4 training and 3 test"
    )
    path = folder / "drop-800" / "train_scored_generations.jsonl"
    for line in path.read_text().splitlines()[::37]:
        record = json.loads(line)
        index = (
            data.outcomes.queries.tolist().index(record["query_id"]),
            MODELS.index(record["model"]), record["prompt_variant_id"], record["decode_id"],
        )  # fmt: skip
        assert data.outcomes.to_array()[index] == record["score"]
        assert data.outcomes.to_array("cost")[index] == record["cost"]


def test_a_passage_precedes_its_question_and_is_cut(folder):
    queries = load(folder).queries
    assert queries[0] == "Question 0?"
    assert queries[3] == ("Long ago. " * 300)[:1200] + "\nQuestion: Question 3?"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"original_question": ""', '"original_question": "Original?"', "Original?"),
        ('"input_question"', '"question"', "Question 0?"),
        ('"input_question"', '"prompt"', "Question 0?"),
        ('"context": ""', '"passage": " Once.\\n"', "Once.\nQuestion: Question 0?"),
        ('"input_question": "Question 0?"', '"question": " Question 0? "', "Question 0?"),
        ('"original_question": ""', '"original_question": " "', "Question 0?"),
    ],
)
def test_the_question_is_in_the_first_field_that_is_not_empty(folder, old, new, expected):
    change_lines(folder, "train", lambda lines: [line.replace(old, new) for line in lines])
    assert load(folder).queries[0] == expected


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train", lambda lines: [*lines[:-1], lines[-1][:40]],
         "line 600 of .* is not valid JSON, so the file may be truncated"),
        ("train", lambda lines: lines[:-1],
         r"is incomplete: query 'train-3' has 24 outcomes of 'google/gemma-3-12b-it', .* have 25"),
        ("train", lambda lines: [], "is empty"),
        ("train", lambda lines: [*lines, lines[0]],
         r"train_scored_generations\.jsonl': .*occurs more than once"),
        ("test", lambda lines: [lines[0].replace('"score"', '"grade"'), *lines[1:]],
         "line 1 of .* has no 'score'"),
        ("test", lambda lines: [*lines[:1], lines[1].replace('"observation_type"', '"kind"')],
         "line 2 of .* has no 'observation_type'"),
        ("test", lambda lines: [line.replace("qwen3-32b", "qwen9") for line in lines],
         r"has models \['qwen/qwen9'\], which are not among the paper's"),
        ("train", lambda lines: [line.replace("Question", "").replace("input_", "x_")
                                 for line in lines], "line 1 of .* has no question in any of"),
        ("train", lambda lines: [line.replace('"score": 1.0', '"score": 7.0') for line in lines],
         r"must be in \[0, 1\]"),
    ],
)  # fmt: skip
def test_files_that_differ_from_the_description_are_named(folder, name, change, message):
    change_lines(folder, name, change)
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_an_unknown_subset_is_named():
    with pytest.raises(ValueError, match=r"subset must be one of \['gpqa', .*'\], got 'mmlu'"):
        fetch_dars("mmlu")


def test_missing_files_are_named_where_they_may_not_be_downloaded(folder):
    (folder / "drop-800" / "metadata.json").unlink()
    with pytest.raises(OSError, match="metadata.json', and download_if_missing is False"):
        load(folder)


def test_a_missing_hub_client_names_the_extra(folder, monkeypatch):
    (folder / "drop-800" / "metadata.json").unlink()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"fetch_dars needs huggingface_hub, .*\[hub\]'"):
        fetch_dars("drop-800", data_home=folder)


def test_the_default_folder_is_in_the_data_home_of_scikit_learn(folder, monkeypatch, tmp_path):
    (folder / "drop-800").rename(tmp_path / "moved")
    (tmp_path / "dars").mkdir()
    (tmp_path / "moved").rename(tmp_path / "dars" / "drop-800")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    assert len(fetch_dars("drop-800", download_if_missing=False).queries) == 4


def test_only_missing_files_are_downloaded_at_the_revision(folder, monkeypatch):
    downloads = []

    def download(repository, filename, *, repo_type, revision, local_dir):
        downloads.append((repository, filename, repo_type, revision))
        (local_dir / filename).write_text("{}")

    hub = type(sys)("huggingface_hub")
    hub.hf_hub_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    (folder / "drop-800" / "metadata.json").unlink()
    assert fetch_dars("drop-800", data_home=folder, revision="abc").metadata == {}
    assert downloads == [("AIGNLAI/DARS", "drop-800/metadata.json", "dataset", "abc")]
