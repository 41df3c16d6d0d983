import sqlite3

import pytest

from dars_sklearn.generate import Response
from dars_sklearn.store import Store
from dars_sklearn.store._collection import StoredCollection
from dars_sklearn.store._records import Cell, QueryRow, StoredGrade

KEYS = [b"1", b"2", b"3"]
PROMPTS = ["one", "two", "three"]


@pytest.fixture
def store():
    with Store(None) as store:
        backend = store.register_backend("m", {}).id
        assert store.register_requests(backend, KEYS, PROMPTS) == [1, 2, 3]
        yield store


def test_a_backend_is_identified_by_model_and_settings(store):
    first = store.register_backend("small", {"b": 1, "a": 2})
    assert first.settings == '{"a": 2, "b": 1}'
    assert store.register_backend("small", {"a": 2, "b": 1}) == first
    others = [
        store.register_backend("large", {"a": 2, "b": 1}),
        store.register_backend("small", {}),
    ]
    assert len({first.id, *(other.id for other in others)}) == 3


def test_settings_that_are_equal_are_one_backend_however_their_numbers_are_written(store):
    first = store.register_backend("n", {"temperature": 1.0, "n": True})
    assert first.settings == '{"n": true, "temperature": 1}'
    assert store.register_backend("n", {"temperature": 1, "n": True}) == first
    assert store.register_backend("n", {"temperature": 1, "n": 1}).id != first.id


def test_settings_of_an_older_store_are_recognised_and_keep_their_text(store):
    text = '{"temperature": 1.0}'
    insert = "insert into backends (model, settings) values ('n', ?)"
    ids = [store._db.execute(insert, (stored,)).lastrowid for stored in ("no JSON", text)]
    for temperature in (1, 1.0):
        assert store.register_backend("n", {"temperature": temperature}) == (ids[1], text)


def test_prompts_that_were_answered_under_another_seed_only_are_counted(store):
    assert store.register_requests(1, [b"4", b"5"], ["one", "two"]) == [4, 5]
    ids = {"one": 4, "two": 5, "three": 3}
    assert store.count_answered_otherwise(ids) == 0
    store.put_responses(1, 0, [Response("a"), Response("b")])
    store.put_responses(2, 0, [Response("c")])
    store.put_responses(3, 0, [Response("d")])
    assert store.count_answered_otherwise(ids) == 2
    store.put_responses(5, 0, [Response("e")])
    assert store.count_answered_otherwise(ids) == 1
    assert store.count_answered_otherwise({}) == 0


def test_settings_that_are_not_json_are_refused(store):
    with pytest.raises(TypeError, match="the settings of the backend of model 'm' are not JSON"):
        store.register_backend("m", {"x": 1 + 2j})


def test_a_request_is_identified_by_its_key(store):
    other = store.register_backend("other", {}).id
    assert store.register_requests(1, [b"3", b"1"], ["three", "one"]) == [3, 1]
    assert store.register_requests(other, [b"4"], ["one"]) == [4]


def test_stored_samples_are_listed_for_each_request(store):
    store.put_responses(1, 0, [Response("a"), Response("b")])
    store.put_responses(2, 1, [Response("c")])
    store.put_responses(2, 5, [Response("d")])
    assert store.stored_samples(1, 2) == {1: range(2), 2: {1, 5}}
    assert store.stored_samples(1, 1) == {1: range(1)}
    assert store.stored_samples(2, 2) == {}


def test_stored_samples_of_a_request_are_listed(store):
    store.put_responses(1, 1, [Response("a"), Response("b")])
    assert store.sample_numbers(1) == {1, 2}
    assert store.sample_numbers(2) == set()


def test_stored_responses_are_not_overwritten(store):
    store.put_responses(1, 0, [Response("a")])
    store.put_responses(1, 0, [Response("x"), Response("b")])
    assert store.texts(1).texts == ["a", "b"]


def test_token_counts_are_averaged_over_all_settings_of_a_model(store):
    same_model = store.register_backend("m", {"temperature": 1}).id
    other_model = store.register_backend("other", {}).id
    store.register_requests(same_model, [b"4"], ["four"])
    store.register_requests(other_model, [b"5"], ["five"])
    store.put_responses(1, 0, [Response("a", 10, 1), Response("b", 20)])
    store.put_responses(4, 0, [Response("c", 60, 5)])
    store.put_responses(5, 0, [Response("d", 1000, 1000)])
    assert store.mean_tokens("m") == (30, 3)
    assert store.mean_tokens("unknown") == (None, None)


def test_texts_are_returned_in_the_order_of_samples_with_the_last_error(store):
    store.put_responses(1, 2, [Response("c")])
    store.put_responses(1, 0, [Response("a")])
    assert store.texts(1) == (["a", "c"], None)
    store.put_error(1, "out of order")
    assert store.texts(1).error == "out of order"
    store.put_error(1, None)
    assert store.texts(1).error is None
    assert store.texts(2) == ([], None)


def test_all_attributes_of_a_response_are_stored(store):
    response = Response("a", 1, 2, 3.0, 4.0, 5.0, "stop")
    store.put_responses(2, 7, [response])
    row = store._db.execute("select * from samples").fetchone()
    assert row == (2, 7, "a", 1, 2, 3.0, 4.0, 5.0, "stop")


CELLS = [Cell(0, 0, 0, 1), Cell(0, 0, 1, 2), Cell(0, 1, 0, 3)]
QUERIES = [QueryRow("red", '"x"', b"g"), QueryRow("blue", None, b"h")]


def test_a_collection_is_stored_with_its_queries_and_cells(store):
    collection = store.put_collection(["m"], 2, QUERIES, CELLS)
    assert (collection.id, collection.models, collection.n_samples) == (1, ["m"], 2)
    db = store._db
    assert db.execute("select * from cells").fetchall() == [(1, *cell) for cell in CELLS]
    assert db.execute("select * from queries").fetchall() == [
        (1, 0, "red", '"x"', b"g"),
        (1, 1, "blue", None, b"h"),
    ]


def test_the_same_collection_keeps_its_id_and_is_the_latest(store):
    store.put_collection(["m"], 2, QUERIES, CELLS)
    other = store.put_collection(["m"], 2, QUERIES[:1], CELLS[:2])
    again = store.put_collection(["m"], 2, QUERIES, CELLS)
    assert (other.id, again.id) == (2, 1)
    assert store._db.execute("select count(*) from queries").fetchone() == (3,)
    updated = dict(store._db.execute("select id, updated from collections"))
    assert updated[1] > updated[2]


@pytest.mark.parametrize(
    "arguments",
    [
        (["other"], 2, QUERIES, CELLS),
        (["m"], 2, [QueryRow("green", '"x"', b"g"), QUERIES[1]], CELLS),
        (["m"], 2, QUERIES, CELLS[:2]),
        (["m"], 3, QUERIES, CELLS),
        (["m"], 2, [QUERIES[0], QueryRow("blue", '"y"', b"h")], CELLS),
        (["m"], 2, [QUERIES[0], QueryRow("blue", None, b"i")], CELLS),
    ],
    ids=["models", "queries", "cells", "n_samples", "references", "gradings"],
)
def test_collections_that_differ_in_anything_have_other_ids(store, arguments):
    first = store.put_collection(["m"], 2, QUERIES, CELLS)
    assert store.put_collection(*arguments).id == 2
    assert StoredCollection(store._db, 1, None).key == first.key


def test_a_grade_replaces_an_earlier_one(store):
    store.put_grades([StoredGrade(1, 0, b"g", None, "failed")])
    store.put_grades(iter([StoredGrade(1, 0, b"g", 0.5, None), StoredGrade(1, 0, b"h", 1.0, None)]))
    assert store._db.execute("select * from grades order by grading").fetchall() == [
        (1, 0, b"g", 0.5, None),
        (1, 0, b"h", 1.0, None),
    ]


def test_a_store_is_closed_at_the_end_of_its_block(tmp_path):
    with Store(str(tmp_path / "outcomes.sqlite")) as store:
        assert store.register_backend("m", {}).id == 1
    with pytest.raises(sqlite3.ProgrammingError):
        store.register_backend("m", {})
