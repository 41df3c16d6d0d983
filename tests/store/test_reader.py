import math
import sqlite3
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from fake_backends import CountingBackend

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import Response
from dars_sklearn.grade import Contains, ExactMatch, Numeric
from dars_sklearn.store import Store, StoreError, read_responses, read_store
from dars_sklearn.store._records import Cell, QueryRow, StoredGrade

QUERIES = np.array([["red", "crimson"], ["blue", "azure"]], dtype=object)
REFERENCES = ["red", "blue"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


def collect(path, grader=None, n_samples=3, queries=QUERIES, references=REFERENCES):
    collector = OutcomeCollector({"m": CountingBackend()}, grader or Contains(), n_samples, path)
    return collector.collect(queries, references)


# ---- reading outcomes ----------------------------------------------------------


def test_outcomes_are_read_without_a_backend(path):
    outcomes = collect(path)
    pd.testing.assert_frame_equal(read_store(path).to_frame(), outcomes.to_frame())


def test_the_collection_that_was_collected_last_is_read_unless_a_number_is_given(path):
    collect(path)
    collect(path, queries=["green"], references=["green"])
    assert read_store(path).queries.tolist() == ["green"]
    assert read_store(path, collection=1).queries.tolist() == ["red", "blue"]
    collect(path)
    assert read_store(path).queries.tolist() == ["red", "blue"]
    assert read_responses(path)["query"].unique().tolist() == ["red", "blue"]
    assert read_responses(path, collection=2)["query"].unique().tolist() == ["green"]


@pytest.mark.parametrize("read", [read_store, read_responses])
def test_a_collection_that_does_not_exist_is_named(path, read):
    collect(path)
    collect(path, queries=["green"], references=["green"])
    with pytest.raises(StoreError, match=r"contains the collections \[1, 2\], but not 3"):
        read(path, collection=3)


@pytest.mark.parametrize("read", [read_store, read_responses])
def test_a_store_without_a_collection_is_named(path, read):
    with Store(path):
        pass
    with pytest.raises(StoreError, match="contains no collection yet"):
        read(path)


def test_samples_without_a_grade_are_missing_and_columns_without_a_value_absent():
    with Store(None) as store:
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1", b"2"], ["one", "two"])
        cells = [Cell(0, 0, 0, 1), Cell(0, 1, 0, 2)]
        queries = [QueryRow("one", None, b"g"), QueryRow("two", None, b"g")]
        collection = store.put_collection(["m"], 2, queries, cells)
        store.put_responses(1, 0, [Response("a", input_tokens=7), Response("b"), Response("c")])
        store.put_grades(
            [
                StoredGrade(1, 0, b"g", 0.5, None),
                StoredGrade(1, 1, b"g", None, "failed"),
                StoredGrade(1, 1, b"another grading", 1.0, None),
                StoredGrade(1, 2, b"g", 1.0, None),  # beyond n_samples
            ]
        )
        outcomes = collection.outcomes()
    assert outcomes.queries.tolist() == ["one", "two"]
    assert outcomes.counts().tolist() == [[1], [0]]
    assert outcomes.score.tolist() == [0.5]
    assert outcomes.to_array().shape == (2, 1, 1, 2)
    frame = outcomes.to_frame()
    assert frame["input_tokens"].tolist() == [7]
    assert not {"cost", "output_tokens", "latency"} & set(frame.columns)


# ---- grading stored responses --------------------------------------------------


def test_stored_responses_are_graded_by_another_grader_without_storing_the_grades(path):
    outcomes = collect(path)
    assert outcomes.score.mean() == 0.5
    assert read_store(path, grader=ExactMatch()).score.tolist() == [0.0] * 12
    regraded = read_store(path, grader=Contains())
    pd.testing.assert_frame_equal(regraded.to_frame(), outcomes.to_frame())
    pd.testing.assert_frame_equal(read_store(path).to_frame(), outcomes.to_frame())


def fail_on_azure(text, reference):
    if "azure" in text:
        raise KeyError("azure")
    return 7 if "crimson" in text else 1.0


def test_responses_that_cannot_be_graded_are_missing_with_a_warning(path):
    collect(path)
    with pytest.warns(CollectionWarning) as caught:
        outcomes = read_store(path, grader=fail_on_azure)
    assert [str(warning.message) for warning in caught] == [
        "6 of the responses could not be graded, so outcomes are missing: "
        "score 7.0 is not in [0, 1] (3 times); KeyError: 'azure' (3 times)"
    ]
    assert caught[0].filename == __file__
    assert outcomes.counts().tolist() == [[3], [3]]
    assert outcomes.score.tolist() == [1.0] * 6
    assert outcomes.to_frame()["paraphrase"].unique().tolist() == [0]


def test_reading_with_a_grader_agrees_with_collecting_with_it(path):
    with pytest.warns(CollectionWarning) as in_collect:
        collected = collect(path, grader=fail_on_azure)
    with pytest.warns(CollectionWarning) as in_read:
        regraded = read_store(path, grader=fail_on_azure)
    pd.testing.assert_frame_equal(regraded.to_frame(), collected.to_frame())
    assert str(in_read[0].message) == str(in_collect[0].message)


def test_a_grader_that_always_fails_leaves_no_outcome(path):
    collect(path)

    def fail(text, reference):
        raise RuntimeError("out of order")

    with pytest.warns(CollectionWarning, match=r"12 of .* out of order \(12 times\)"):
        outcomes = read_store(path, grader=fail)
    assert outcomes.counts().tolist() == [[0], [0]]


def test_a_grader_that_grades_many_responses_is_called_once_per_block(path):
    class BatchGrader:
        def __init__(self):
            self.calls = []

        def __call__(self, text, reference):
            raise AssertionError("grade_many should be called instead")

        def grade_many(self, texts, references):
            self.calls.append(list(zip(texts, references, strict=True)))
            return [ValueError("no number") if "azure" in text else 0.25 for text in texts]

    collect(path)
    grader = BatchGrader()
    with pytest.warns(CollectionWarning, match=r"3 of .* ValueError: no number \(3 times\)"):
        outcomes = read_store(path, grader=grader)
    assert outcomes.score.tolist() == [0.25] * 9
    (call,) = grader.calls
    assert Counter((text.split()[0], reference) for text, reference in call) == {
        ("red", "red"): 3,
        ("crimson", "red"): 3,
        ("blue", "blue"): 3,
        ("azure", "blue"): 3,
    }


def test_references_are_read_as_they_were_collected(path):
    def parrot(prompts, *, n):
        return [[prompt] * n for prompt in prompts]

    queries = ["2", "3", "4", "5"]
    references = [2, np.int64(3), {"4", "IV"}, ("5", "V")]
    collected = OutcomeCollector({"m": parrot}, ExactMatch(), 2, path).collect(queries, references)
    assert (collected.score == 1).all()
    assert (read_store(path, grader=ExactMatch()).score == 1).all()
    assert (read_store(path, grader=lambda text, reference: reference is None).score == 0).all()


def test_a_collection_without_references_is_graded_without_them(path):
    def has_text(text, reference):
        return reference is None and bool(text)

    has_text.needs_reference = False
    OutcomeCollector({"m": CountingBackend()}, has_text, 2, path).collect(["a"])
    assert read_store(path, grader=has_text).score.tolist() == [1.0, 1.0]
    with pytest.warns(CollectionWarning, match="TypeError: a reference must be a text"):
        assert len(read_store(path, grader=Numeric()).score) == 0


def test_a_grader_that_is_not_callable_is_rejected(path):
    collect(path)
    with pytest.raises(TypeError, match="grader must be callable, got 'exact'"):
        read_store(path, grader="exact")


def test_many_responses_are_graded_in_blocks(path):
    queries = [f"query {number}" for number in range(600)]
    expected = collect(path, n_samples=2, queries=queries, references=queries)
    sizes = []

    class BatchGrader(Contains):
        def grade_many(self, texts, references):
            sizes.append(len(texts))
            return [
                self(text, reference) for text, reference in zip(texts, references, strict=True)
            ]

    outcomes = read_store(path, grader=BatchGrader())
    assert sizes == [1000, 200]
    pd.testing.assert_frame_equal(outcomes.to_frame(), expected.to_frame())


# ---- reading responses ---------------------------------------------------------


def test_responses_have_one_row_per_sample_with_its_texts(path):
    collect(path, n_samples=2)
    table = read_responses(path)
    assert table.columns.tolist() == [
        "row", "query", "model", "paraphrase", "sample", "prompt", "response", "score", "cost",
        "spent", "input_tokens", "output_tokens", "latency", "finish_reason", "error",
    ]  # fmt: skip
    assert table["prompt"].tolist() == ["red"] * 2 + ["crimson"] * 2 + ["blue"] * 2 + ["azure"] * 2
    assert table["response"].str.split().str[0].tolist() == table["prompt"].tolist()
    assert table["sample"].tolist() == [0, 1] * 4
    assert table["row"].tolist() == [0] * 4 + [1] * 4
    assert table["score"].tolist() == [1, 1, 0, 0] * 2
    assert (table["cost"] == 0.5).all()
    assert table["error"].isna().all()


def test_responses_tell_why_a_sample_or_its_grade_is_missing():
    with Store(None) as store:
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1", b"2", b"3"], ["one", "two", "three"])
        cells = [Cell(0, row, 0, row + 1) for row in range(3)]
        queries = [QueryRow(label, None, b"g") for label in ("one", "two", "three")]
        collection = store.put_collection(["m"], 2, queries, cells)
        store.put_responses(1, 0, [Response("a"), Response("b"), Response("beyond n_samples")])
        store.put_error(2, "out of order")
        store.put_grades([StoredGrade(1, 0, b"g", 1.0, None), StoredGrade(1, 1, b"g", None, "bad")])
        table = collection.responses()
    assert table["response"].fillna("missing").tolist() == ["a", "b"] + ["missing"] * 4
    reasons = ["none", "bad"] + ["out of order"] * 2 + ["not requested"] * 2
    assert table["error"].fillna("none").tolist() == reasons
    assert table["score"].dtype == table["spent"].dtype == float
    assert math.isnan(table["score"][1])


# ---- samples that need a grade, and counts -------------------------------------


def make_collection(store, responses, n_samples=2):
    """A collection of one model, with the responses to each prompt."""
    backend = store.register_backend("m", {}).id
    prompts = [f"prompt {row}" for row in range(len(responses))]
    ids = store.register_requests(backend, [prompt.encode() for prompt in prompts], prompts)
    for id, texts in zip(ids, responses, strict=True):
        store.put_responses(id, 0, [r if isinstance(r, Response) else Response(r) for r in texts])
    cells = [Cell(0, row, 0, id) for row, id in enumerate(ids)]
    queries = [QueryRow(prompt, None, b"g") for prompt in prompts]
    return store.put_collection(["m"], n_samples, queries, cells)


def test_ungraded_samples_are_listed_in_blocks():
    with Store(None) as store:
        collection = make_collection(store, [["a", "b"], ["c", "d"], ["e"]])
        store.put_grades([StoredGrade(1, 1, b"g", 0.5, None), StoredGrade(2, 0, b"g", None, "bad")])
        blocks = list(collection.ungraded(regrade=False, block_size=2))
        assert [[sample.response for sample in block] for block in blocks] == [
            ["a", "c"],
            ["d", "e"],
        ]
        assert blocks[0][1] == (2, 0, 1, b"g", "c")
        (block,) = collection.ungraded(regrade=True)
        assert [sample.response for sample in block] == ["a", "b", "c", "d", "e"]


def test_samples_may_be_graded_while_they_are_listed():
    with Store(None) as store:
        collection = make_collection(store, [["a", "b"], ["c", "d"], ["e"]])
        seen = []
        for block in collection.ungraded(regrade=False, block_size=2):
            seen += [sample.response for sample in block]
            store.put_grades(StoredGrade(*sample[:2], b"g", 1.0, None) for sample in block)
        assert seen == ["a", "b", "c", "d", "e"]
        assert list(collection.ungraded(regrade=False)) == []


def test_samples_are_counted_by_what_a_user_should_know():
    with Store(None) as store:
        collection = make_collection(
            store,
            [
                [Response("a", finish_reason="length"), Response("a", finish_reason="length")],
                [Response("no", finish_reason="refusal"), Response(" \n\t", finish_reason="stop")],
                [Response("no", finish_reason="content_filter")],
                [],
                ["x", "y", "beyond n_samples"],
                [],
            ],
        )
        store.put_error(3, "cut off")
        store.put_error(4, "out of order")
        store.put_error(5, "an error of which nothing is missing")
        counts = collection.count_samples()["m"]
    assert counts.wanted == 12
    assert counts.stored == 7
    assert counts.cut == 2
    assert counts.refused == 2
    assert counts.empty == 1
    assert counts.repeated == 3
    assert counts.constant == 1
    assert counts.errors == {"cut off": 1, "out of order": 2}


def test_a_prompt_that_occurs_in_several_queries_is_counted_once():
    with Store(None) as store:
        backend = store.register_backend("m", {}).id
        store.register_requests(backend, [b"1"], ["one"])
        cells = [Cell(0, 0, 0, 1), Cell(0, 1, 0, 1)]
        queries = [QueryRow("one", None, b"g"), QueryRow("another", None, b"g")]
        collection = store.put_collection(["m"], 3, queries, cells)
        store.put_responses(1, 0, [Response("a")])
        counts = collection.count_samples()["m"]
    assert (counts.wanted, counts.stored) == (3, 1)


def test_models_are_counted_separately(path):
    models = {"a": CountingBackend(), "b": CountingBackend()}
    OutcomeCollector(models, Contains(), 1, path).collect(["x"], ["x"])
    with sqlite3.connect(path) as db:
        db.execute("delete from samples where request = 2")
    with Store(path) as store:
        collection = store.put_collection(
            ["a", "b"], 1, [QueryRow("x", '"x"', b"g")], [Cell(0, 0, 0, 1), Cell(1, 0, 0, 2)]
        )
        counts = collection.count_samples()
    assert [counts[name].stored for name in ("a", "b")] == [1, 0]
    assert [counts[name].wanted for name in ("a", "b")] == [1, 1]
