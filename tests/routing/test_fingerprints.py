"""Whether queries of an evaluation were trained on, by their labels, texts and outcomes."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ragged import draw_ragged
from sklearn.linear_model import Ridge

from dars_sklearn import DistributionalRouter, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing._fingerprints import (
    describe_queries,
    find_shared_queries,
    fingerprint_queries,
)


def some_outcomes(seed, queries=None, n_queries=20):
    rng = np.random.default_rng(seed)
    scores, costs = rng.random((2, n_queries, 3, 2, 2))
    return Outcomes.from_array(scores, costs=costs, queries=queries)


def shared(train, test):
    return tuple(find_shared_queries(fingerprint_queries(train), test))


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_fingerprints_of_a_selection_are_a_selection_of_fingerprints(seed, data):
    outcomes = draw_ragged(seed, n_queries=8).outcomes()
    rows = data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=10))
    found, every = fingerprint_queries(outcomes[rows]), fingerprint_queries(outcomes)
    np.testing.assert_array_equal(found.labels, every.labels[rows])
    np.testing.assert_array_equal(found.outcomes, every.outcomes[rows])


def test_the_order_of_outcomes_within_a_query_does_not_matter():
    scores = np.random.default_rng(0).random((5, 2, 1, 4))
    first, second = (
        fingerprint_queries(Outcomes.from_array(own)) for own in (scores, scores[..., ::-1])
    )
    np.testing.assert_array_equal(first.outcomes, second.outcomes)


@pytest.mark.parametrize("change", ["score", "cost", "model", "paraphrase"])
def test_other_outcomes_have_another_fingerprint(change):
    scores, costs = np.random.default_rng(0).random((2, 1, 3, 2, 2))
    before = fingerprint_queries(Outcomes.from_array(scores, costs=costs))
    if change == "score":
        scores[0, 0, 0, 0] += 1e-9
    elif change == "cost":
        costs[0, 0, 0, 0] += 1e-9
    else:
        axis = 1 if change == "model" else 2
        scores, costs = np.flip(scores, axis), np.flip(costs, axis)
    after = fingerprint_queries(Outcomes.from_array(scores, costs=costs))
    assert before.labels == after.labels
    assert before.outcomes != after.outcomes


def test_queries_are_shared_if_labels_and_outcomes_are():
    outcomes = some_outcomes(0)
    assert shared(outcomes[:10], outcomes[10:]) == (0, True)
    assert shared(outcomes[:10], outcomes[5:15]) == (5, True)
    assert shared(outcomes[:10], outcomes[:10]) == (10, True)
    # Repeated queries, as in a bootstrap, count as often as they are evaluated.
    assert shared(outcomes[[0, 0, 1]], outcomes[[0, 0, 5]]) == (2, True)


@pytest.mark.parametrize("queries", [None, [f"q{i}" for i in range(20)]])
def test_equal_labels_of_another_table_are_not_certain(queries):
    assert shared(some_outcomes(0, queries), some_outcomes(1, queries)) == (20, False)


def test_equal_texts_are_the_same_queries_whatever_their_outcomes():
    texts = [f"question {i}" for i in range(20)]
    train, test = some_outcomes(0).with_texts(texts), some_outcomes(1)
    assert shared(train, test.with_texts(texts[::-1])) == (20, True)
    assert shared(train, test.with_texts([f"another {i}" for i in range(20)])) == (0, True)
    # Queries that are labelled by their texts are compared with texts.
    assert shared(some_outcomes(0, texts), test.with_texts(texts)) == (20, True)


def relabelled(outcomes, labels):
    """The same outcomes, of queries with other labels."""
    return Outcomes.from_array(outcomes.to_array(), costs=outcomes.to_array("cost"), queries=labels)


IDS = [f"q{i}" for i in range(20)]
TEXTS = [f"question {i}" for i in range(20)]


@pytest.mark.parametrize("ids", [None, IDS])
@pytest.mark.parametrize("with_texts", ["training", "evaluation"])
def test_texts_on_one_side_do_not_hide_queries_of_the_training(ids, with_texts):
    """Labels are compared together with outcomes, also where texts cannot be compared."""
    train = test = some_outcomes(0, ids)
    if with_texts == "training":
        train = train.with_texts(TEXTS)
    else:
        test = test.with_texts(TEXTS)
    assert shared(train, test) == (20, True)
    assert shared(train[:10], test[5:]) == (5, True)
    assert shared(train[:10], test[10:]) == (0, True)
    other = some_outcomes(1, ids)
    assert shared(train, other if with_texts == "training" else other.with_texts(TEXTS)) == (
        20,
        False,
    )


@pytest.mark.parametrize("with_texts", ["training", "evaluation"])
def test_texts_are_compared_with_labels_that_are_texts(with_texts):
    train, test = some_outcomes(0).with_texts(TEXTS), some_outcomes(1, TEXTS)
    if with_texts == "evaluation":
        train, test = test, train
    assert shared(train, test[5:]) == (15, True)


def test_ids_are_not_compared_with_texts_of_numbered_queries():
    outcomes = some_outcomes(0)
    with_texts, with_ids = outcomes.with_texts(TEXTS), relabelled(outcomes, IDS)
    assert shared(with_texts, with_ids) == shared(with_ids, with_texts) == (0, False)


def test_numbers_and_texts_as_labels_cannot_be_compared():
    outcomes = some_outcomes(0)
    assert shared(outcomes, relabelled(outcomes, IDS)) == (0, False)
    assert shared(relabelled(outcomes, IDS), outcomes) == (0, False)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_integer_labels_are_equal_whatever_their_type(dtype):
    outcomes = some_outcomes(0)
    assert shared(outcomes, relabelled(outcomes, np.arange(20, dtype=dtype))) == (20, True)


def test_white_space_around_texts_does_not_matter():
    train = some_outcomes(0).with_texts(TEXTS)
    test = some_outcomes(1).with_texts([f" {text}\n" for text in TEXTS])
    assert shared(train, test) == (20, True)


def test_queries_may_be_long_or_no_valid_unicode():
    texts = ["x" * 3_000_000, "a\ud800b", *(f"question {i}" * 10 for i in range(18))]
    train = some_outcomes(0).with_texts(texts)
    tracemalloc.start()
    assert shared(train[:10], train) == (10, True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # a fixed width would take 240 MB


def test_what_a_figure_is_on_is_described():
    data = make_routing_outcomes(40, 2, random_state=0)
    router = DistributionalRouter(Ridge()).fit(data.X[:20], data.outcomes[:20])
    assert describe_queries(router, data.outcomes[20:]) == "held-out queries"
    assert describe_queries(router, data.outcomes[:20]) == "the router's training queries"
    found = describe_queries(router, data.outcomes[10:30])
    assert found == "20 queries, of which the router was trained on 10"
    other = make_routing_outcomes(40, 2, random_state=1).outcomes
    found = describe_queries(router, other[10:30])
    assert found == "20 queries, 10 labelled like training queries"
    numbered = Outcomes.from_array(other.to_array(), models=other.models)
    router.fit(data.X[:20], Outcomes.from_array(data.outcomes[:20].to_array(), models=other.models))
    assert describe_queries(router, numbered[:20]) == ""
    texts = [f"question {i}" for i in range(20)]
    router.fit(data.X[:20], data.outcomes[:20].with_texts(texts))
    assert describe_queries(router, data.outcomes[:20]) == "the router's training queries"
    assert describe_queries(router, data.outcomes[20:]) == "held-out queries"
    assert describe_queries(router, numbered[:20]) == ""
