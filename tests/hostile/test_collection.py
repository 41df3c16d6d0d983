"""Hostile backends, graders, queries and references: one of them never spoils a collection.

Cases of issue 13: 13 (reading of rewrites), 18, 19, 22 and 28.
"""

import asyncio
import json
import math
import re
import subprocess
import sys
import warnings
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_backends import echo
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import FakeServer
from sklearn.pipeline import Pipeline

from dars_sklearn import OutcomeCollector, ParaphraseExpander
from dars_sklearn.collect._rewrites import find_rewrites
from dars_sklearn.exceptions import CollectionWarning, ParaphraseWarning
from dars_sklearn.generate import BackendError, OpenAIBackend, Response
from dars_sklearn.grade import Contains, ExactMatch, LLMJudge
from dars_sklearn.store import read_responses, read_store
from dars_sklearn.utils._warnings import warn_user

TESTS = Path(__file__).parents[1]
QUERIES = [f"q{number}" for number in range(10)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


def make_backend(special, query="q3"):
    """Return a backend that echoes, but calls ``special`` for one query."""

    def backend(prompts, *, n):
        return [special(prompt, n) if prompt == query else [prompt] * n for prompt in prompts]

    return backend


def collect(backend, path=None, queries=QUERIES, n_samples=1, **parameters):
    """Collect, without warnings of this package."""
    collector = OutcomeCollector({"m": backend}, Contains(), n_samples, path, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollectionWarning)
        return collector.collect(queries, queries)


def assert_only_one_failed(path, outcomes, reason, query="q3"):
    """Check that the store is readable, and has everything but the outcomes of one query."""
    assert outcomes.queries[outcomes.counts()[:, 0] == 0].tolist() == [query]
    assert read_store(path).score.tolist() == outcomes.score.tolist()
    failed = read_responses(path).query("response.isna()")
    assert failed["query"].unique().tolist() == [query]
    assert reason in failed["error"].iloc[0]


# ---- 18: one value poisons a collection ----------------------------------------

INVALID = {
    "text with a lone surrogate": {"text": "a\udc80"},
    "text too long to store": {"text": "x" * 100_000_001},
    "finish reason with a lone surrogate": {"finish_reason": "\ud800"},
    "finish reason that is a number": {"finish_reason": 5},
    "tokens beyond 64 bits": {"input_tokens": 2**63},
    "negative tokens": {"output_tokens": -1},
    "tokens of type float": {"output_tokens": 1.5},
    "tokens of type bool": {"output_tokens": True},
    "tokens as text": {"input_tokens": "12"},
    "infinite cost": {"cost": math.inf},
    "negative cost": {"cost": -1.0},
    "cost as text": {"cost": "0.5"},
    "cost of type bool": {"cost": True},
    "complex cost": {"cost": 1j},
    "cost beyond float": {"cost": 10**400},
    "infinite price paid": {"spent": math.inf},
    "negative price paid": {"spent": np.float32(-1)},
    "latency as text": {"latency": "fast"},
    "negative latency": {"latency": -5.0},
    "latency as list": {"latency": [1]},
}


@pytest.mark.parametrize("query", ["q0", "q3"], ids=["first", "later"])
@pytest.mark.parametrize("values", INVALID.values(), ids=INVALID)
def test_an_invalid_value_of_a_response_fails_that_request_only(path, values, query):
    def respond(prompt, n):
        return [Response(**({"text": prompt} | values))] * n

    outcomes = collect(make_backend(respond, query), path)
    assert_only_one_failed(path, outcomes, "", query)


def test_the_error_names_the_invalid_value(path):
    outcomes = collect(make_backend(lambda prompt, n: [Response(prompt, cost=-1.0)] * n), path)
    assert_only_one_failed(path, outcomes, "whose cost is invalid: it must be a finite number")


class Reason(StrEnum):
    STOP = "stop"


def test_numbers_and_texts_of_other_types_are_stored_as_pythons_own(path):
    response = Response(
        np.str_("q0"),
        input_tokens=np.int64(3),
        output_tokens=np.uint8(4),
        cost=np.float32(0.5),
        spent=np.int8(2),
        latency=None,
        finish_reason=Reason.STOP,
    )
    outcomes = collect(make_backend(lambda prompt, n: [response] * n, "q0"), path, ["q0"])
    assert outcomes.cost.tolist() == [0.5]
    row = read_responses(path).iloc[0]
    assert row[["input_tokens", "output_tokens", "spent"]].tolist() == [3, 4, 2]
    assert math.isnan(row["latency"])
    assert row["finish_reason"] == "stop"


def test_the_valid_samples_of_a_request_are_kept_beside_an_invalid_one(path):
    def respond(prompt, n):
        return [prompt, Response(prompt, cost=math.inf), prompt]

    outcomes = collect(make_backend(respond), path, n_samples=3)
    assert outcomes.counts()[:, 0].tolist() == [3, 3, 3, 2, 3, 3, 3, 3, 3, 3]


class Unreadable(Exception):
    def __str__(self):
        raise ZeroDivisionError


class OddResponses(BackendError):
    responses = 5


class PoisonedResponses(BackendError):
    responses = [Response("q3", cost=-1.0), Response("q3 \udc80")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("bad \udc80 byte"), r"RuntimeError: bad \udc80 byte"),
        (Unreadable(), "Unreadable: its message cannot be read"),
        (OddResponses("odd"), "odd"),
        (PoisonedResponses("poisoned"), "poisoned"),
    ],
)
def test_an_exception_that_cannot_be_stored_fails_its_request_only(path, error, reason):
    def fail(prompt, n):
        raise error

    assert_only_one_failed(path, collect(make_backend(fail), path), reason)


def test_a_number_of_samples_of_numpy_is_stored_as_an_int(path):
    assert len(collect(echo, path, n_samples=np.int64(2)).score) == 20
    assert len(read_store(path).score) == 20


any_value = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.binary(max_size=3), st.complex_numbers(), st.just("\udc80"),
    st.sampled_from([2**63, 2**64, -1, 10**400]),
    st.sampled_from([np.int64(1), np.float32(0.5), np.bool_(True), np.str_("x"), np.nan]),
    st.lists(st.integers(), max_size=2), st.fractions(), st.decimals(), st.just(object()),
)  # fmt: skip


FIELDS = [
    "text", "input_tokens", "output_tokens", "cost", "spent", "latency", "finish_reason",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, any_value)))
def test_whatever_the_values_of_a_response_are_the_others_are_collected(values):
    backend = make_backend(lambda prompt, n: [Response(**({"text": prompt} | values))] * n)
    outcomes = collect(backend, queries=["q0", "q1", "q3", "q4"], max_failure_rate=1.0)
    assert outcomes.counts()[[0, 1, 3], 0].tolist() == [1, 1, 1]


# ---- 19: exceptions that are meant to end a process ----------------------------


@pytest.fixture(scope="module")
def results_after_exceptions():
    """What collections of a process of their own returned; a hang ends it by its timeout."""
    script = [sys.executable, str(TESTS / "stopping_backends.py")]
    finished = subprocess.run(script, capture_output=True, text=True, timeout=90, check=True)
    return json.loads(finished.stdout)


@pytest.mark.parametrize("kind", ["async", "thread", "batch", "grader"])
def test_an_exception_meant_to_end_a_process_never_hangs_a_collection(
    kind, results_after_exceptions
):
    results = results_after_exceptions[kind]
    for name in ("SystemExit", "KeyboardInterrupt"):  # it stops the run, and keeps what arrived
        result, n_stored, n_next = results[name]
        assert result == name
        assert n_stored >= 3
        assert n_next == 10
    n_failed = 3 if kind == "batch" else 1
    for name in ("GeneratorExit", "CancelledError", "BaseException"):
        result, n_stored, n_next = results[name]
        assert result == 10 - n_failed
        assert n_stored == (10 if kind == "grader" else result)
        assert n_next == 10


class SynchronousSample:
    def sample(self, prompt, *, n, seed):
        return [prompt] * n if prompt != "q3" else self.odd(n)

    def __call__(self, prompts, *, n):
        raise AssertionError("sample should be awaited instead")

    async def _respond(self, prompt, n):
        return [prompt] * n


def test_a_sample_method_that_is_no_coroutine_is_named():
    class Backend(SynchronousSample):
        odd = None

    with pytest.raises(BackendError, match="sample returned 'list'; define it with async def"):
        collect(Backend(), queries=["q0", "q1"])


# ---- hostile callables ---------------------------------------------------------


class Liar(list):
    """A list that claims another length."""

    def __len__(self):
        return 1

    def __iter__(self):
        raise ZeroDivisionError


ODD_ENTRIES = {
    "too few": lambda n: ["x"] * (n - 1),
    "too many": lambda n: ["x"] * (n + 1),
    "none": lambda n: None,
    "generator": lambda n: ("x" for _ in range(n)),
    "bytes": lambda n: b"x" * n,
    "bytes in a list": lambda n: [b"x"] * n,
    "text": lambda n: "x" * n,
    "dict": lambda n: dict.fromkeys(range(n), "x"),
    "dicts without keys": lambda n: [{}] * n,
    "set": lambda n: {"x"},
    "array": lambda n: np.array(["x"] * n),
    "numbers": lambda n: [1.5] * n,
    "nothing in a list": lambda n: [None] * n,
    "a class": lambda n: Response,
    "a list that lies": lambda n: Liar(),
    "an unfinished response": lambda n: [object.__new__(Response)] * n,
    "an exception": lambda n: ValueError("no"),
    "an exception that is none": lambda n: asyncio.CancelledError(),
}


@pytest.mark.parametrize("odd", ODD_ENTRIES.values(), ids=ODD_ENTRIES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_an_odd_entry_fails_its_own_request_only(path, odd, batch_size):
    class Backend:
        def __call__(self, prompts, *, n):
            return [odd(n) if prompt == "q3" else [prompt] * n for prompt in prompts]

    backend = Backend()
    backend.batch_size = batch_size
    assert_only_one_failed(path, collect(backend, path), "")


@pytest.mark.parametrize("odd", ODD_ENTRIES.values(), ids=ODD_ENTRIES)
def test_an_odd_entry_of_a_coroutine_fails_its_own_request_only(path, odd):
    class Backend(SynchronousSample):
        async def sample(self, prompt, *, n, seed):
            return odd(n) if prompt == "q3" else [prompt] * n

    assert_only_one_failed(path, collect(Backend(), path), "")


@pytest.mark.parametrize(
    "returned",
    [None, "text", 5, {}, iter([]), [], [["x"]] * 3, b"x"],
    ids=lambda value: repr(value),
)
def test_a_backend_that_returns_no_list_of_entries_is_stopped_with_the_reason(returned):
    calls = []

    def backend(prompts, *, n):
        calls.append(prompts)
        return returned

    with pytest.raises(BackendError, match="model 'm': the backend returned"):
        collect(backend)
    assert len(calls) <= 2


@pytest.mark.parametrize("limit", ["batch_size", "concurrency"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "4", None, True])
def test_limits_of_a_backend_are_positive_integers(limit, value):
    class Backend(SynchronousSample):
        async def sample(self, prompt, *, n, seed):
            raise AssertionError("nothing may be requested")

    setattr(Backend, limit, value)
    with pytest.raises(ValueError, match=f"{limit} of the backend of model 'm' must be an int"):
        collect(Backend())


@pytest.mark.parametrize("price", [-1.0, math.inf, math.nan, "3", None])
def test_a_highest_price_that_bounds_nothing_is_refused(price):
    class Backend:
        def __call__(self, prompts, *, n):
            raise AssertionError("nothing may be requested")

        def highest_price(self, prompt, n):
            return price

    with pytest.raises(ValueError, match="max_cost needs the prices of model 'm'"):
        collect(Backend(), max_cost=1.0)


# ---- 22: settings that are not JSON --------------------------------------------


def test_settings_of_a_backend_that_are_not_json_are_refused_by_name():
    def backend(prompts, *, n):
        raise AssertionError("nothing may be requested")

    for settings_, message in [
        ({"stop": {"a", "b"}}, r"settings\['stop'\] is of type 'set'"),
        ({"tools": [object()]}, r"settings\['tools'\]\[0\] is of type 'object'"),
        ({1: "a"}, "the key 1, which is not a str"),
        (lambda: {}, "must be a dict, got 'function'"),
    ]:
        backend.settings = settings_
        with pytest.raises(TypeError, match=f"settings of the backend of model 'm' .*{message}"):
            collect(backend)
        with pytest.raises(TypeError, match=f"the backend of ParaphraseExpander .*{message}"):
            ParaphraseExpander(backend).expand(["a"])


def test_settings_of_a_grader_that_are_not_json_are_refused_by_name():
    def backend(prompts, *, n):
        raise AssertionError("nothing may be requested")

    class Grader:
        settings = {"synonyms": frozenset("ab")}

        def __call__(self, text, reference):
            return 1.0

    with pytest.raises(TypeError, match=r"grader Grader are not JSON: settings\['synonyms'\]"):
        OutcomeCollector({"m": backend}, Grader(), 1).collect(["a"], ["a"])


# ---- models and labels ---------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ({1: echo}, TypeError, "the name of a model must be a str, got 1"),
        ({"1": echo, 1: echo}, TypeError, "would not distinguish 1 from '1'"),
        ({None: echo}, TypeError, "must be a str, got None"),
        ({"a\udc80": echo}, ValueError, "must be a text that can be stored"),
        ({" ": echo}, ValueError, "must be a text that can be stored, got ' '"),
        ([("a", echo), ("a", echo)], TypeError, "models must map names to backends, got 'list'"),
    ],
)
def test_names_of_models_are_distinct_texts(models, error, message):
    with pytest.raises(error, match=message):
        OutcomeCollector(models, Contains(), 1).collect(["a"], ["a"])


def test_models_that_differ_by_case_or_spaces_are_not_merged():
    names = ["m", "M", "m ", "µ", "μ"]
    outcomes = OutcomeCollector(dict.fromkeys(names, echo), Contains(), 1).collect(["a"], ["a"])
    assert outcomes.models.tolist() == names
    assert outcomes.counts().tolist() == [[1] * 5]


# ---- queries and references ----------------------------------------------------


def test_repeated_queries_keep_their_own_references(path):
    queries, references = ["a", "b", "a"], ["a", "b", "x"]
    collector = OutcomeCollector({"m": echo}, ExactMatch(), 1, path)
    assert collector.collect(queries, references).score.tolist() == [1, 1, 0]
    assert read_store(path).score.tolist() == [1, 1, 0]
    assert len(read_responses(path)["response"]) == 3


LABELLED = pd.Series(["a", "b", "c"], index=[10, 20, 30])


@pytest.mark.parametrize(
    ("queries", "references"),
    [
        (LABELLED, LABELLED[::-1]),
        (LABELLED, LABELLED.set_axis([10, 20, 99])),
        (LABELLED.reset_index(drop=True), LABELLED.reset_index(drop=True)[::-1]),
        (LABELLED.to_frame(), LABELLED[::-1]),
        (["a", "b", "c"], pd.Series(["c", "b", "a"], index=["c", "b", "a"])),
        (np.array(["a", "b", "c"]), pd.Series(["a", "c", "b"], index=["a", "c", "b"])),
    ],
    ids=["reversed", "others", "numbers", "frame", "texts", "array"],
)
def test_references_with_labels_in_another_order_are_refused(queries, references):
    collector = OutcomeCollector({"m": echo}, ExactMatch(), 1)
    with pytest.raises(ValueError, match=r"labels than the queries.*row \d of the queries"):
        collector.collect(queries, references)
    if np.ndim(queries) == 1:
        pipeline = Pipeline(
            [("expand", ParaphraseExpander(echo, n_paraphrases=1)), ("collect", collector)]
        )
        with pytest.raises(ValueError, match="the same ones in another order"):
            pipeline.fit_transform(queries, references)


@pytest.mark.parametrize(
    "references",
    [
        LABELLED,
        LABELLED.reset_index(drop=True),
        LABELLED.tolist(),
        LABELLED.to_numpy(),
        LABELLED.set_axis(["a", "b", "c"]).tolist(),
        [["a", "x"], ("b",), "c"],
        np.array([["a", "x"], ["x", "b"], ["c", "c"]]),
    ],
)
def test_references_that_belong_to_the_queries_are_accepted(references):
    collector = OutcomeCollector({"m": echo}, ExactMatch(), 1)
    assert collector.collect(LABELLED, references).score.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("references", "error", "message"),
    [
        ("abc", TypeError, "got 'str'"),
        (dict.fromkeys("cab"), TypeError, "got 'dict'"),
        (set("abc"), TypeError, "got 'set'"),
        (pd.DataFrame({"c": [1] * 3, "b": [2] * 3, "a": [3] * 3}), TypeError, "got 'DataFrame'"),
        (["a", "b"], ValueError, "3 queries but 2 references"),
        (["a", None, "c"], ValueError, "the reference of row 1 is missing"),
        (["a", math.nan, "c"], ValueError, "the reference of row 1 is missing"),
        (pd.array(["a", pd.NA, "c"]), ValueError, "the reference of row 1 is missing"),
        (np.ma.masked_array(["a", "b", "c"], mask=[0, 1, 0]), ValueError, "row 1 is missing"),
    ],
)
def test_references_that_do_not_say_which_query_they_belong_to_are_refused(
    references, error, message
):
    with pytest.raises(error, match=message):
        OutcomeCollector({"m": echo}, ExactMatch(), 1).collect(list("abc"), references)


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA])
def test_a_data_frame_of_paraphrases_may_have_gaps(missing):
    queries = pd.DataFrame({"query": ["a", "b"], "paraphrase": ["c", missing]}, index=[5, 7])
    outcomes = OutcomeCollector({"m": echo}, Contains(), 1).collect(queries, ["a", "b"])
    assert outcomes.queries.tolist() == ["a", "b"]
    assert outcomes.counts().tolist() == [[2], [1]]


@pytest.mark.parametrize(
    ("queries", "error", "message"),
    [
        ({"a": 1}, TypeError, "got 'dict'"),
        ({"a", "b"}, TypeError, "got 'set'"),
        ("abc", TypeError, "got a single str"),
        ([None], ValueError, "row 0 is not a text"),
        ([b"a"], ValueError, "row 0 is not a text"),
        (["a", 5], ValueError, "row 1 is not a text, or is blank: 5"),
        (
            ["a", "b\udc80", "c", "\ud800"],
            ValueError,
            "2 of the queries contain lone surrogates.* 1, 3;",
        ),
        ([["a", "b\udc80"], ["c", None]], ValueError, "1 of the queries contain lone .* rows 0;"),
        ([[{"role": "user", "content": "a"}]], TypeError, "a query is a conversation"),
    ],
)
def test_queries_that_are_not_texts_are_refused_before_anything_is_requested(
    queries, error, message
):
    def backend(prompts, *, n):
        raise AssertionError("nothing may be requested")

    with pytest.raises(error, match=message):
        OutcomeCollector({"m": backend}, Contains(), 1).fit_transform(queries, ["a"])
    with pytest.raises((error, ValueError)):
        ParaphraseExpander(backend).expand(queries)


# ---- 28: an empty query does not kill a batch ----------------------------------


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_query_is_a_recorded_failure_and_the_others_are_collected(path, blank):
    requested = []

    def backend(prompts, *, n):
        requested.extend(prompts)
        return echo(prompts, n=n)

    queries = ["a", blank, "b"]
    collector = OutcomeCollector({"m": backend}, Contains(), 2, path)
    with pytest.warns(CollectionWarning, match="2 of 6 samples .* the query is blank, so nothing"):
        outcomes = collector.collect(queries, ["a", None, "b"])
    assert outcomes.queries.tolist() == queries
    assert outcomes.counts().tolist() == [[2], [0], [2]]
    assert sorted(requested) == ["a", "b"]
    assert collector.responses_["error"].notna().sum() == 2
    assert collector.estimate(queries).loc["m", "requests"] == 0


def test_blank_queries_do_not_count_as_failures_of_a_backend():
    queries = ["a", *[" " * n for n in range(1, 50)]]
    collector = OutcomeCollector({"m": echo}, Contains(), 1, max_failure_rate=0.0)
    with pytest.warns(CollectionWarning, match="49 of 50 samples"):
        outcomes = collector.collect(queries, ["a"] * 50)
    assert outcomes.counts().sum() == 1


@pytest.mark.parametrize("include_original", [True, False])
def test_a_blank_query_is_its_own_paraphrase_and_the_others_are_rewritten(include_original):
    requested = []

    def backend(prompts, *, n):
        requested.extend(prompts)
        return [["1. one more b\n2. one more c"]] * len(prompts)

    expander = ParaphraseExpander(backend, 2, include_original=include_original)
    with pytest.warns(ParaphraseWarning, match=r"1 of 2 queries .* the query is blank \(1\)"):
        table = expander.expand(["one more a", " "])
    assert table[1].tolist() == [" ", None]
    assert table[0, 1] == ("one more b" if include_original else "one more c")
    assert len(requested) == 1
    assert expander.rejected_ == {"the query is blank": 1}


# ---- 28: warnings --------------------------------------------------------------


def test_a_warning_is_given_once_and_points_at_the_users_line():
    def backend(prompts, *, n):
        return [[""] * n for _ in prompts]

    queries = list("abcdefgh")
    grader = Contains()
    collector = OutcomeCollector({"m": backend}, grader, 2)
    expander = ParaphraseExpander(lambda prompts, *, n: [[""]] * len(prompts), 2)
    pipeline = Pipeline([("expand", expander), ("collect", collector)])
    calls = [
        lambda: collector.collect(queries, queries),
        lambda: collector.fit_transform(queries, queries),
        lambda: Pipeline([("collect", collector)]).fit_transform(queries, queries),
        lambda: pipeline.fit_transform(queries, queries),
    ]
    for call in calls:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        collection = [item for item in caught if item.category is CollectionWarning]
        assert len(collection) == 1
        assert "responses of model 'm' are empty" in str(collection[0].message)
        for item in caught:
            assert (item.filename, item.lineno) == (__file__, call.__code__.co_firstlineno)
    assert sum(item.category is ParaphraseWarning for item in caught) == 1


def test_a_warning_of_a_grader_is_given_once_and_not_once_per_batch():
    class Grader:
        needs_reference = False

        def __call__(self, text, reference):
            return 1.0

        def grade_many(self, texts, references):
            warn_user("a verdict is unreadable", CollectionWarning)
            return [1.0] * len(texts)

    queries = [f"q{number}" for number in range(3000)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        OutcomeCollector({"m": echo}, Grader(), 1).collect(queries)
    assert [str(item.message) for item in caught] == ["a verdict is unreadable"]


def judge_of_which_every_third_verdict_is_unreadable(prompts, *, n):
    return [["5", f"none for {prompt[-400:]!r}", "6"][:n] for prompt in prompts]


def counts_of_verdicts(call):
    """Return the numbers in the only warning of a call about unreadable verdicts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(KeyboardInterrupt):
            call()
    (message,) = [str(item.message) for item in caught if "of the judge" in str(item.message)]
    return tuple(map(int, re.match(r"(\d+) of (\d+) verdicts of the judge", message).groups()))


def test_unreadable_verdicts_of_a_judge_are_counted_over_the_whole_collection(path):
    judge = LLMJudge(judge_of_which_every_third_verdict_is_unreadable, "{response}")
    queries = [f"q{number}" for number in range(300)]
    collector = OutcomeCollector({"m": echo}, judge, 1, store=path)
    assert counts_of_verdicts(lambda: collector.collect(queries)) == (300, 900)
    assert counts_of_verdicts(lambda: read_store(path, grader=judge)) == (300, 900)


def test_unreadable_verdicts_are_counted_if_grading_is_interrupted():
    n_calls = 0

    def judge(prompts, *, n):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 100:
            raise KeyboardInterrupt
        return judge_of_which_every_third_verdict_is_unreadable(prompts, n=n)

    collector = OutcomeCollector({"m": echo}, LLMJudge(judge, "{response}"), 1)
    # One response as soon as it arrives, and one batch of 64 before the interrupted one.
    queries = [f"q{number}" for number in range(300)]
    assert counts_of_verdicts(lambda: collector.collect(queries)) == (65, 195)


# ---- 28: estimate --------------------------------------------------------------


def test_an_estimate_counts_the_chat_template_and_the_system_prompt():
    prices = {"input_price": 1.0, "output_price": 0.0}
    models = {
        "text": OpenAIBackend("m", chat=False, **prices),
        "chat": OpenAIBackend("m", **prices),
        "system": OpenAIBackend("m", system_prompt="Be brief. " * 100, **prices),
    }
    tokens = OutcomeCollector(models, Contains(), 1).estimate(["What is 2 + 2?"])["input_tokens"]
    assert tokens["text"] < tokens["chat"] < tokens["system"]
    assert tokens["system"] - tokens["chat"] >= 1000 / 4
    for name, backend in models.items():
        assert backend.price(tokens[name], 0) <= backend.highest_price("What is 2 + 2?", 1)


# ---- 28: latency ---------------------------------------------------------------


def test_latency_is_that_of_the_request_without_the_wait_in_our_own_queue():
    with FakeServer(latency=0.2) as server:
        backend = OpenAIBackend("m", server.base_url, concurrency=1, usage="all")
        entries = backend([f"q{number}" for number in range(8)], n=1)
    latencies = [response.latency for entry in entries for response in entry]
    # With the wait, the last of the eight would have eight times the latency of the first.
    assert max(latencies) < 4 * min(latencies)


# ---- 13: reading rewrites is linear --------------------------------------------


@pytest.mark.parametrize(
    "piece",
    [
        "\n", " ", '["', '["a",', '["a" ', "question ", "question#1 ", "1. ", "1. a\n", "a\n",
        "```\n", "<think>", "**", "[", '\\"', '["[",', ' \n', "“", "\r", "\x0b", "- ", "{", "Sure",
    ],
)  # fmt: skip
def test_ten_megabytes_of_anything_give_few_rewrites(piece):
    text = piece * (10_000_000 // len(piece))
    rewrites = find_rewrites(text + "x")
    assert len(rewrites) <= 1000
    assert sum(map(len, rewrites)) <= 1_000_000


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "\n",
                " ",
                '"',
                "[",
                "]",
                ",",
                "1.",
                "- ",
                "<think>",
                "</think>",
                "```",
                "\\",
                "a",
                "Q:",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_text_gives_a_list_of_texts_of_one_line(text):
    assert all("\n" not in rewrite for rewrite in find_rewrites(text))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"prompt": "Rewrite this."}, ValueError, "prompt must contain {query}, or all queries"),
        ({"prompt": 5}, ValueError, "prompt may contain"),
        ({"length_ratio": 0.5}, ValueError, "length_ratio must be the smallest and the largest"),
        ({"length_ratio": (3, 0.3)}, ValueError, "length_ratio must be"),
        ({"length_ratio": (math.nan, 1)}, ValueError, "length_ratio must be"),
        ({"encoder": "all-MiniLM"}, TypeError, "encoder must be callable, got 'all-MiniLM'"),
        ({"min_similarity": "0.7"}, TypeError, "min_similarity must be an instance of"),
        ({"paraphrases": {"a": None}}, ValueError, "paraphrases of 'a' must be a list of texts"),
        ({"paraphrases": {"a": {"b"}}}, ValueError, "paraphrases of 'a' must be a list of texts"),
    ],
)
def test_parameters_of_an_expander_are_checked_before_anything_is_requested(
    parameters, error, message
):
    def backend(prompts, *, n):
        raise AssertionError("nothing may be requested")

    with pytest.raises(error, match=message):
        ParaphraseExpander(backend, **parameters).expand(["a"])


@pytest.mark.parametrize("shape", [(1, 4), (4,), (3, 4)])
def test_an_encoder_that_returns_another_number_of_rows_is_named(shape):
    expander = ParaphraseExpander(
        lambda prompts, *, n: [["1. abcd\n2. abce"]] * len(prompts),
        2,
        encoder=lambda texts: np.ones(shape),
    )
    with pytest.raises(ValueError, match=r"the encoder returned an array of shape .* for 2 texts"):
        expander.expand(["abc"])
