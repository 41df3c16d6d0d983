import math

import pytest

from dars_sklearn.collect._plan import Request
from dars_sklearn.collect._rescue import keep_answers
from dars_sklearn.collect._workers import Answer
from dars_sklearn.generate import Response
from dars_sklearn.store import Store, StoreError


def answer(number, responses, model="m"):
    request = Request(number, model, f"prompt {number}", 0, len(responses), 0, bytes([number]))
    return Answer(request, responses, None)


class Backend:
    settings = {"temperature": 0.5}


MODELS = {"m": Backend(), "other": Backend()}
ANSWERS = [
    answer(1, [Response("a", spent=1.5), Response("b", spent=0.5)]),
    answer(2, [Response("c", spent=4.0)], model="other"),
    answer(3, [Response("d", spent=math.nan)]),
    answer(4, []),  # a failed request
]


def test_answers_are_written_to_a_new_store_which_the_error_names(tmp_path):
    error = StoreError("the store is lost")
    explained = keep_answers(tmp_path / "outcomes.sqlite", MODELS, ANSWERS, error)
    kept = explained.kept_in
    expected = f"the store is lost; 4 responses that arrived last are kept in {str(kept)!r}"
    assert str(explained) == expected
    with Store(kept) as store:
        rows = store._db.execute(
            "select model, settings, key, prompt, sample, response from samples join requests on "
            "request = requests.id join backends on backend = backends.id order by key, sample"
        ).fetchall()
        charged = store._db.execute(
            "select key, amount, unpriced from ledger join requests on request = requests.id "
            "order by key"
        ).fetchall()
    settings = '{"temperature": 0.5}'
    assert rows == [
        ("m", settings, b"\1", "prompt 1", 0, "a"),
        ("m", settings, b"\1", "prompt 1", 1, "b"),
        ("other", settings, b"\2", "prompt 2", 0, "c"),
        ("m", settings, b"\3", "prompt 3", 0, "d"),
    ]
    assert charged == [(b"\1", 2.0, 0), (b"\2", 4.0, 0), (b"\3", 0.0, 1)]


def test_answers_are_added_to_the_copy_of_a_lost_store(tmp_path):
    error = StoreError("the store is lost")
    error.kept_in = tmp_path / "copy.sqlite"
    with Store(error.kept_in) as store, store.transaction():
        backend = store.register_backend("m", Backend.settings).id
        store.register_requests(backend, [bytes([3])], ["prompt 3"])
        store.ledger.add(1, 7.0)  # reserved when the request was sent
    assert keep_answers(tmp_path / "outcomes.sqlite", MODELS, ANSWERS[2:], error).kept_in == (
        error.kept_in
    )
    with Store(error.kept_in) as store:
        assert store.texts(1).texts == ["d"]
        assert [entry.amount for entry in store.ledger.entries_after(0)] == [7.0]


@pytest.mark.parametrize(
    ("path", "answers"), [(None, ANSWERS), ("outcomes.sqlite", ANSWERS[3:])], ids=str
)
def test_without_a_file_or_responses_the_error_stays_as_it_is(tmp_path, path, answers):
    error = StoreError("the store is lost")
    path = path and tmp_path / path
    assert keep_answers(path, MODELS, answers, error) is error
    assert list(tmp_path.iterdir()) == []


def test_a_new_store_that_cannot_be_written_is_removed(tmp_path, monkeypatch):
    def fail(store, *arguments):
        raise StoreError("its disk is full")

    monkeypatch.setattr(Store, "put_responses", fail)
    error = StoreError("the store is lost")
    assert keep_answers(tmp_path / "outcomes.sqlite", MODELS, ANSWERS, error) is error
    assert list(tmp_path.iterdir()) == []
