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
)
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
    assert find_gaps(stored, n_samples) == gaps


@given(st.sets(st.integers(0, 12)), st.integers(1, 10))
def test_gaps_and_stored_samples_together_are_all_samples(stored, n_samples):
    gaps = find_gaps(stored, n_samples)
    missing = [sample for gap in gaps for sample in range(gap.first, gap.first + gap.n)]
    assert missing == [sample for sample in range(n_samples) if sample not in stored]
    ends = [gap.first + gap.n for gap in gaps]
    assert all(gap.first > end for end, gap in zip(ends, gaps[1:], strict=False))


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
