from dataclasses import replace

import numpy as np
import pytest
from fake_backends import CountingBackend, echo
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.collect._plan import (
    Plan,
    Request,
    draw_base_seed,
    find_gaps,
    plan_requests,
    request_seed,
    settings_of,
    split_at_stored,
    warn_of_new_seed,
)
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import Response
from dars_sklearn.store import Store


@pytest.fixture
def store():
    with Store(None) as store:
        yield store


# ---- gaps ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "n_samples", "gaps"),
    [
        ((), 5, [(0, 5)]),
        (range(5), 5, []),
        (range(3), 5, [(3, 2)]),
        ({1, 2}, 5, [(0, 1), (3, 2)]),
        ({0, 2, 4}, 5, [(1, 1), (3, 1)]),
        ({7}, 2, [(0, 2)]),
        ({0, 7}, 2, [(1, 1)]),
    ],
)
def test_gaps_are_runs_of_samples_that_are_not_stored(stored, n_samples, gaps):
    assert find_gaps(stored, 0, n_samples) == gaps


@given(st.sets(st.integers(0, 12)), st.integers(0, 5), st.integers(1, 10))
def test_gaps_and_stored_samples_together_are_all_samples(stored, first, n):
    gaps = find_gaps(stored, first, n)
    missing = [sample for gap in gaps for sample in range(gap.first, gap.first + gap.n)]
    assert missing == [sample for sample in range(first, first + n) if sample not in stored]
    ends = [gap.first + gap.n for gap in gaps]
    assert all(gap.first > end for end, gap in zip(ends, gaps[1:], strict=False))


def test_a_request_is_split_into_its_gaps():
    request = Request(1, "m", "x", 2, 6, request_seed(b"key", 2), b"key")
    assert split_at_stored(request, {0, 1, 8}) == [request]
    assert split_at_stored(request, range(10)) == []
    before, after = split_at_stored(request, {4, 5})
    assert before == replace(request, n=2)
    assert after == replace(request, first=6, n=2, seed=request_seed(b"key", 6))


def test_a_plan_has_a_part_of_each_model(store):
    plan = plan_requests(store, {"a": echo, "b": echo}, ["x", "y"], 3, base_seed=0)
    part = plan.of_model("b")
    assert part.request_ids == list(plan.ids["b"].values())
    assert (part.n_samples, part.n_missing, part.n_stored) == (6, 6, 0)


# ---- seeds ---------------------------------------------------------------------


def test_the_seed_of_a_request_depends_on_its_key_and_first_sample_only():
    assert request_seed(b"key", 0) == request_seed(b"key", 0)
    seeds = {request_seed(key, first) for key in (b"a", b"b", b"c") for first in range(50)}
    assert len(seeds) == 150


def test_seeds_are_the_same_in_every_release():
    # Another derivation would change the responses of every seeded run.
    assert request_seed(b"key", 3) == 1905517486


@given(st.binary(max_size=16), st.integers(0, 100))
def test_seeds_have_31_bits(key, first):
    assert 0 <= request_seed(key, first) < 2**31


def test_seeds_use_all_of_the_31_bits():
    seeds = [request_seed(b"key", first) for first in range(200)]
    assert max(seeds) >= 2**30
    assert min(seeds) < 2**29


def test_the_base_seed_follows_the_random_state():
    # Other values would request the samples of existing stores again.
    assert [draw_base_seed(seed) for seed in (0, 1)] == [209652396, 1791095845]
    assert draw_base_seed(None) >= 0


# ---- plans ---------------------------------------------------------------------


def test_everything_is_missing_in_an_empty_store(store):
    plan = plan_requests(store, {"a": echo, "b": echo}, ["x", "y"], 3, base_seed=0)
    assert list(plan.ids) == ["a", "b"]
    for name in ("a", "b"):
        requests = plan.missing[name]
        assert [(r.model, r.prompt, r.first, r.n) for r in requests] == [
            (name, "x", 0, 3),
            (name, "y", 0, 3),
        ]
        assert [request.id for request in requests] == list(plan.ids[name].values())
    assert sorted(plan.request_ids) == [1, 2, 3, 4]
    assert (plan.n_samples, plan.n_missing, plan.n_stored) == (12, 12, 0)
    seeds = {request.seed for requests in plan.missing.values() for request in requests}
    assert len(seeds) == 4


def test_only_gaps_are_missing_in_a_store(store):
    first = plan_requests(store, {"a": echo}, ["x", "y"], 4, base_seed=0)
    store.put_responses(first.ids["a"]["x"], 1, [Response("1"), Response("2")])
    store.put_responses(first.ids["a"]["y"], 0, [Response("0")] * 4)
    plan = plan_requests(store, {"a": echo}, ["x", "y"], 4, base_seed=0)
    assert plan.ids == first.ids
    before, after = plan.missing["a"]
    assert (before.prompt, before.first, before.n) == ("x", 0, 1)
    assert (after.prompt, after.first, after.n) == ("x", 3, 1)
    assert before.id == after.id
    assert before.seed == first.missing["a"][0].seed
    assert before.seed != after.seed
    assert (plan.n_samples, plan.n_missing, plan.n_stored) == (8, 2, 6)


@pytest.mark.parametrize(
    "change",
    [
        {"models": {"b": CountingBackend(temperature=1)}},
        {"models": {"a": CountingBackend(temperature=2)}},
        {"base_seed": 1},
        {"prompts": ["y"]},
    ],
    ids=["model", "settings", "base_seed", "prompt"],
)
def test_requests_differ_if_anything_that_determines_a_response_differs(store, change):
    arguments = {
        "models": {"a": CountingBackend(temperature=1)},
        "prompts": ["x"],
        "n_samples": 1,
        "base_seed": 0,
    }
    (first,) = plan_requests(store, **arguments).request_ids
    (again,) = plan_requests(store, **arguments).request_ids
    (other,) = plan_requests(store, **(arguments | change)).request_ids
    assert first == again != other


def test_a_plan_counts_the_samples_of_all_models():
    requests = {"a": [Request(1, "a", "x", 0, 2, 0), Request(2, "a", "y", 1, 1, 0)], "b": []}
    plan = Plan({"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}, requests, 8)
    assert (plan.n_missing, plan.n_stored) == (3, 5)
    assert plan.request_ids == [1, 2, 3, 4]


def test_a_backend_without_settings_has_empty_ones():
    assert settings_of(echo) == {}
    assert settings_of(CountingBackend(top_p=0.5)) == {"top_p": 0.5}


def test_blank_prompts_are_failures_that_are_never_missing(store):
    plan = plan_requests(store, {"m": echo}, ["x", "", " "], 2, base_seed=0)
    assert [request.prompt for request in plan.missing["m"]] == ["x"]
    assert (plan.n_samples, plan.n_missing, plan.n_stored) == (2, 2, 0)
    for blank in ("", " "):
        assert store.texts(plan.ids["m"][blank]) == (
            [],
            "the query is blank, so nothing was requested",
        )
    assert store.texts(plan.ids["m"]["x"]).error is None


# ---- another seed ----------------------------------------------------------------


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_responses_under_another_random_seed_are_mentioned(store, random_state):
    first = plan_requests(store, {"a": echo}, ["x", "y"], 1, base_seed=0)
    warn_of_new_seed(store, first, random_state)  # there is nothing yet
    for id in first.ids["a"].values():
        store.put_responses(id, 0, [Response("stored")])
    plan = plan_requests(store, {"a": echo}, ["x", "y", "z"], 1, base_seed=1)
    warn_of_new_seed(store, plan, 1)  # a seed that was chosen
    with pytest.warns(CollectionWarning, match="responses to 2 prompts under other seeds .* paid"):
        warn_of_new_seed(store, plan, random_state)
