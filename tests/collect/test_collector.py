import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from fake_backends import CountingBackend, echo
from models import serve, smol_path
from servers import FakeServer, refusal
from sklearn.base import clone

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import BackendError, LlamaCppBackend, OpenAIBackend, Response
from dars_sklearn.grade import Contains, ExactMatch, LLMJudge
from dars_sklearn.store import read_responses, read_store

QUERIES = np.array([["red", "crimson"], ["blue", "azure"]], dtype=object)
REFERENCES = ["red", "blue"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


def collect(path, backend, n_samples=3, grader=None, **parameters):
    models = parameters.pop("models", {"m": backend})
    collector = OutcomeCollector(models, grader or Contains(), n_samples, path, **parameters)
    return collector.collect(QUERIES, REFERENCES)


# ---- outcomes ------------------------------------------------------------------


def test_outcomes_have_the_scores_costs_and_tokens_of_all_samples():
    outcomes = collect(None, CountingBackend())
    assert outcomes.queries.tolist() == ["red", "blue"]
    assert outcomes.models.tolist() == ["m"]
    assert outcomes.to_array().tolist() == [[[[1, 1, 1], [0, 0, 0]]]] * 2
    assert (outcomes.cost == 0.5).all()
    assert (outcomes.to_array("output_tokens") == 4).all()


def test_paraphrases_may_be_missing_in_some_rows():
    queries = [["red", None], ["blue", "azure"]]
    outcomes = OutcomeCollector({"m": echo}, Contains(), 2).collect(queries, REFERENCES)
    assert outcomes.counts().tolist() == [[2], [4]]


def test_fit_transform_grades_with_references_and_transform_without():
    def grader(text, reference):
        return 0.25 if reference is None else 0.75

    grader.needs_reference = False
    collector = OutcomeCollector({"m": echo}, grader, 1)
    assert collector.fit_transform(["a"], ["a"]).score.tolist() == [0.75]
    assert collector.transform(["a"]).score.tolist() == [0.25]


def test_fit_checks_parameters_and_queries_without_requesting_anything():
    backend = CountingBackend()
    collector = OutcomeCollector({"m": backend}, Contains())
    assert collector.fit(["a"], ["a"]) is collector
    with pytest.raises(ValueError, match="list of queries is empty"):
        collector.fit([])
    with pytest.raises(ValueError, match="n_samples == 0"):
        collector.set_params(n_samples=0).fit(["a"])
    assert backend.requested.total() == 0


def test_responses_are_available_after_a_collection(path):
    collector = OutcomeCollector({"m": echo}, Contains(), 2)
    assert not hasattr(collector, "responses_")
    with pytest.raises(AttributeError, match=r"available after collect\(\)"):
        _ = collector.responses_
    collector.collect(["a"], ["a"])
    in_memory = collector.responses_
    collector.set_params(store=path).collect(["a"], ["a"])
    pd.testing.assert_frame_equal(collector.responses_, in_memory)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(collector)).responses_, in_memory)
    assert not hasattr(clone(collector), "responses_")


# ---- what is requested again ---------------------------------------------------


def test_stored_samples_are_not_requested_again(path):
    backend = CountingBackend()
    first = collect(path, backend)
    assert backend.requested.total() == 12
    pd.testing.assert_frame_equal(collect(path, backend).to_frame(), first.to_frame())
    assert backend.requested.total() == 12
    more = collect(path, backend, n_samples=5)
    assert backend.requested.total() == 20  # the additional samples only
    assert (more.counts() == 10).all()
    assert (collect(path, backend, n_samples=2).counts() == 4).all()
    assert backend.requested.total() == 20


def test_samples_that_are_added_later_have_another_seed(path):
    collect(path, CountingBackend(), n_samples=2)
    collect(path, CountingBackend(), n_samples=4)
    by_prompt = read_responses(path).groupby("prompt")["response"]
    assert (by_prompt.nunique() == 4).all()


@pytest.mark.parametrize(
    "change",
    [
        {"backend": CountingBackend(temperature=0.1)},
        {"models": {"other": CountingBackend()}},
        {"random_state": 1},
    ],
    ids=["settings", "name", "random_state"],
)
def test_samples_are_requested_again_if_anything_that_determines_them_changes(path, change):
    collect(path, CountingBackend())
    backend = change.pop("backend", None) or change.get("models", {}).get("other")
    backend = backend or CountingBackend()
    collect(path, backend, **change)
    assert backend.requested.total() == 12


def test_another_grader_requests_nothing(path):
    backend = CountingBackend()
    assert collect(path, backend).score.mean() == 0.5
    assert collect(path, backend, grader=ExactMatch()).score.mean() == 0
    assert backend.requested.total() == 12
    assert read_store(path).score.mean() == 0


def test_a_failed_request_leaves_missing_outcomes_and_is_sent_again(path):
    class Flaky(CountingBackend):
        is_broken = True

        def __call__(self, prompts, *, n, seeds):
            if self.is_broken and "azure" in prompts:
                raise RuntimeError("out of order")
            return super().__call__(prompts, n=n, seeds=seeds)

    backend = Flaky()
    with pytest.warns(CollectionWarning, match="3 of 12 samples of model 'm' failed.*out of order"):
        outcomes = collect(path, backend)
    assert outcomes.counts().tolist() == [[6], [3]]
    failed = read_responses(path).query("response.isna()")
    assert failed["prompt"].unique().tolist() == ["azure"]
    assert failed["error"].str.contains("out of order").all()
    backend.is_broken = False
    assert collect(path, backend).counts().tolist() == [[6], [6]]
    assert backend.requested.total() == 12
    assert read_responses(path)["error"].isna().all()


# ---- grading -------------------------------------------------------------------


def test_a_broken_grader_is_noticed_at_the_first_response(path):
    backend = CountingBackend()
    with pytest.raises(ValueError, match=r"failed on the first response.*score 7.0 is not in"):
        collect(path, backend, grader=lambda text, reference: 0.0 if text == "" else 7.0)
    assert backend.requested.total() <= 6
    assert collect(path, backend).score.mean() == 0.5
    assert backend.requested.total() == 12  # nothing was paid twice


def test_the_first_response_is_graded_with_the_reference_of_its_own_query():
    seen = []

    def grader(text, reference):
        seen.append((text, reference))
        return 1.0

    queries = [["red", "blue"], ["blue", None]]
    OutcomeCollector({"m": echo}, grader, 1).collect(queries, ["first", "second"])
    assert set(seen) == {
        ("", "first"), ("", "second"), ("red", "first"), ("blue", "first"), ("blue", "second"),
    }  # fmt: skip


def test_responses_that_cannot_be_graded_leave_missing_outcomes():
    def grader(text, reference):
        return 7 if "azure" in text else 1.0

    with pytest.warns(CollectionWarning) as caught:
        outcomes = collect(None, CountingBackend(), grader=grader)
    assert [str(warning.message) for warning in caught] == [
        "3 of the responses could not be graded, so outcomes are missing: "
        "score 7.0 is not in [0, 1] (3 times)"
    ]
    assert caught[0].filename == __file__
    assert outcomes.counts().tolist() == [[6], [3]]


def test_a_grader_whose_batches_fail_leaves_missing_outcomes_and_a_reason():
    class BatchGrader:
        settings = {}  # so that the grade of the first response is kept
        n_calls = 0

        def __call__(self, text, reference):
            return 1.0

        def grade_many(self, texts, references):
            self.n_calls += 1
            if self.n_calls > 1:  # the first call is for the first response
                raise RuntimeError("out of order")
            return [1.0]

    with pytest.warns(CollectionWarning, match=r"11 of .* RuntimeError: out of order \(11 times\)"):
        outcomes = collect(None, CountingBackend(), grader=BatchGrader())
    assert outcomes.score.tolist() == [1.0]


def test_if_there_is_no_outcome_it_is_an_error_and_responses_are_available():
    collector = OutcomeCollector({"m": fail}, Contains(), 1, max_failure_rate=1)
    with (
        pytest.raises(ValueError, match="no response could be graded; see responses_"),
        pytest.warns(CollectionWarning, match="2 of 2 samples of model 'm' failed"),
    ):
        collector.collect(["a", "b"], ["a", "b"])
    assert collector.responses_["error"].tolist() == ["RuntimeError: out of order"] * 2


def fail(prompts, *, n):
    raise RuntimeError("out of order")


def test_verdicts_of_a_judge_are_kept_in_the_store(path):
    judged = []

    def judge(prompts, *, n):
        judged.extend(prompts)
        return [["5"] * n for _ in prompts]

    def collect_with_judge(**parameters):
        return collect(path, CountingBackend(), grader=LLMJudge(judge, **parameters))

    assert (collect_with_judge().score == 0.5).all()
    assert len(judged) == 12
    assert (collect_with_judge().score == 0.5).all()
    assert len(judged) == 12
    assert (collect_with_judge(scale=(0, 5)).score == 1).all()
    assert len(judged) == 24


# ---- warnings ------------------------------------------------------------------


def test_problems_are_counted_by_model_in_one_warning_each():
    def write_all_kinds(prompts, *, n):
        kinds = [("cut", "length"), ("no", "content_filter"), (" \n", "stop"), ("good", "stop")]
        return [[Response(text, finish_reason=reason) for text, reason in kinds] for _ in prompts]

    with pytest.warns(CollectionWarning) as caught:
        OutcomeCollector({"m": write_all_kinds}, Contains(), 4).collect(["a", "b"], ["a", "b"])
    assert {warning.filename for warning in caught} == {__file__}
    assert sorted(str(warning.message) for warning in caught) == [
        "2 of 8 responses of model 'm' are empty",
        "2 of 8 responses of model 'm' are refusals",
        "2 of 8 responses of model 'm' were cut by the token limit, which looks like inability; "
        "raise max_tokens",
    ]


def test_a_model_whose_samples_are_always_the_same_is_named():
    class Constant:
        temperature = 0.7

        def __call__(self, prompts, *, n):
            return [[f"{prompt}!"] * n for prompt in prompts]

    with pytest.warns(CollectionWarning, match="the same for every prompt, as if its temp"):
        OutcomeCollector({"m": Constant()}, Contains(), 3).collect(list("abcde"), list("abcde"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a single sample per prompt is never a repetition
        OutcomeCollector({"m": Constant()}, Contains(), 1).collect(list("abcde"), list("abcde"))


# ---- checks before anything is requested ---------------------------------------


@pytest.mark.parametrize(
    ("queries", "references", "message"),
    [
        ([], [], "list of queries is empty"),
        (["a", "b"], ["x", None], "reference of row 1 is missing"),
        (["a"], None, "needs references"),
        (["a", "b"], ["x"], "there are 2 queries but 1 references"),
    ],
)
def test_queries_and_references_are_checked_before_anything_is_requested(
    queries, references, message
):
    backend = CountingBackend()
    with pytest.raises(ValueError, match=message):
        OutcomeCollector({"m": backend}, ExactMatch()).collect(queries, references)
    assert backend.requested.total() == 0


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"models": {}}, ValueError, "models is empty; pass at least one name and backend"),
        ({"models": [echo]}, TypeError, "models must map names to backends, got 'list'"),
        ({"models": {"m": "gpt"}}, TypeError, "backend of model 'm' is not callable: 'gpt'"),
        ({"grader": "exact"}, TypeError, "grader must be callable, got 'exact'"),
        ({"n_samples": 0}, ValueError, "n_samples == 0, must be >= 1"),
        ({"n_samples": 2.5}, TypeError, "n_samples must be an instance of"),
        ({"max_failure_rate": 2}, ValueError, r"max_failure_rate must be in \[0, 1\], got 2"),
        ({"max_failure_rate": -0.1}, ValueError, r"max_failure_rate must be in \[0, 1\]"),
        ({"max_failure_rate": "all"}, ValueError, r"max_failure_rate must be in \[0, 1\]"),
        ({"max_cost": -1}, ValueError, "max_cost must not be negative, got -1"),
        ({"max_cost": float("nan")}, ValueError, "max_cost must not be negative, got nan"),
        ({"max_cost": 1.0}, ValueError, "max_cost needs the prices of model 'm'"),
    ],
)
def test_parameters_that_are_not_valid_are_named(parameters, error, message):
    parameters = {"models": {"m": echo}, "grader": Contains()} | parameters
    with pytest.raises(error, match=message):
        OutcomeCollector(**parameters).collect(["a"], ["a"])


@pytest.mark.parametrize("rate", [0, 1])
def test_the_limits_of_the_failure_rate_are_valid(rate):
    OutcomeCollector({"m": echo}, Contains(), max_failure_rate=rate).fit(["a"])


def test_a_backend_without_prices_does_not_support_a_maximum_cost():
    backend = OpenAIBackend("m", "http://127.0.0.1:9/v1")
    with pytest.raises(ValueError, match="max_cost needs the prices of model 'm': pass input_pri"):
        OutcomeCollector({"m": backend}, Contains(), max_cost=1.0).collect(["a"], ["a"])


def test_temperature_0_does_not_support_several_samples():
    backend = OpenAIBackend("m", "http://127.0.0.1:9/v1", temperature=0)
    collector = OutcomeCollector({"m": backend}, Contains())
    with pytest.raises(ValueError, match="model 'm' has temperature 0, so its 5 samples"):
        collector.collect(["a"], ["a"])
    with pytest.raises(ValueError, match="its 2 samples"):
        collector.set_params(n_samples=2).fit(["a"])
    collector.set_params(n_samples=1).fit(["a"])


def test_a_backend_that_violates_its_protocol_is_named():
    collector = OutcomeCollector({"m": lambda prompts, *, n: [["x"]]}, ExactMatch())
    with pytest.raises(BackendError, match="model 'm'.* 1 responses .* where 5"):
        collector.collect(["a"], ["x"])


# ---- cost ----------------------------------------------------------------------


def priced(server, **parameters):
    parameters = {"max_tokens": 10, "input_price": 1e6, "output_price": 1e6} | parameters
    return OpenAIBackend("m", server.base_url, usage="all", **parameters)


MANY = [f"query number {number}" for number in range(60)]


def test_an_estimate_counts_missing_samples_and_requests_nothing(path):
    with FakeServer() as server:
        collector = OutcomeCollector({"m": priced(server)}, Contains(), 2, store=path)
        before = collector.estimate(MANY)
        assert server.requests == []
        assert not path.exists()
        assert before.loc["m", ["requests", "samples"]].tolist() == [60, 120]
        assert before.loc["m", "output_tokens"] == 1200  # the maximum
        collector.collect(MANY[:20], MANY[:20])
        after = collector.estimate(MANY)
        assert after.loc["m"].tolist()[:5] == [40, 80, 40 * 7, 80 * 4, 40 * 7 + 80 * 4]
        assert after.loc["m", "max_cost"] > 40 * 7 + 80 * 4
        with pytest.warns(CollectionWarning, match="max_cost=0 is reached"):
            collector.set_params(max_cost=0).collect(MANY, MANY)
        assert collector.estimate(MANY[:20]).loc["m"].tolist()[:5] == [0, 0, 0, 0, 0]


def test_an_estimate_has_one_row_per_model():
    models = {"a": echo, "b": echo}
    estimate = OutcomeCollector(models, Contains(), 2).estimate([["x", "y"], ["z", None]])
    assert estimate.index.tolist() == ["a", "b"]
    columns = ["requests", "samples", "input_tokens", "output_tokens", "cost", "max_cost"]
    assert estimate.columns.tolist() == columns
    assert estimate["samples"].tolist() == [6, 6]
    assert estimate["cost"].isna().all()


@pytest.mark.parametrize("max_cost", [100.0, 407.0])
def test_collection_stops_before_the_limit_is_exceeded_and_continues_later(path, max_cost):
    with FakeServer(latency=0.005) as server:
        backend = priced(server, chat=False, max_retries=0)
        collector = OutcomeCollector({"m": backend}, Contains(), 2, store=path, max_cost=max_cost)
        with pytest.warns(CollectionWarning, match=f"max_cost={max_cost} is reached: .* spent"):
            outcomes = collector.collect(MANY, MANY)
        spent = collector.responses_["spent"].sum()
        # No more than the maximum cost of one request can be left.
        assert max_cost - backend.highest_price("query number 60", 2) <= spent <= max_cost
        assert len(outcomes) == 60
        assert outcomes.counts().sum() == 2 * len(server.requests)
        with pytest.warns(CollectionWarning, match="is reached"):
            collector.collect(MANY, MANY)  # what was spent before counts
        assert collector.responses_["spent"].sum() <= max_cost
        collector.set_params(max_cost=None).collect(MANY, MANY)
        assert len(server.requests) == 60


def test_the_progress_bar_shows_rate_cost_and_failures(capsys):
    def behave(number, body):
        return refusal(400, "no") if number % 10 == 3 else None

    with FakeServer(behave, latency=0.02) as server:
        backend = priced(server, concurrency=2)
        collector = OutcomeCollector({"m": backend}, Contains(), 1, verbose=True)
        with pytest.warns(CollectionWarning, match="6 of 60 samples"):
            collector.collect(MANY, MANY)
    bar = capsys.readouterr().err.split("\r")[-1]
    assert "100%" in bar
    assert "60/60" in bar
    assert "sample/s" in bar
    assert "cost=594" in bar
    assert "failed=6" in bar


# ---- real models ---------------------------------------------------------------


@pytest.mark.real
def test_a_real_server_is_sampled_resumed_and_regraded(path):
    server = serve(smol_path())
    settings = {"base_url": f"{server.listening_address}/v1", "max_tokens": 12, "stop": "\n"}
    settings |= {"input_price": 1.0, "output_price": 2.0}
    few_shot = "Q: Capital of Japan?\nA: Tokyo\nQ: {prompt}\nA:"
    models = {
        "chat": OpenAIBackend("smol", **settings),
        "few-shot": OpenAIBackend("smol", **settings, chat=False, template=few_shot),
    }
    queries = [["Capital of France?", "What is the capital of France?"], ["Capital of Peru?", None]]
    references = ["Paris", "Lima"]
    first = OutcomeCollector({"chat": models["chat"]}, Contains(), n_samples=2, store=path)
    first.collect(queries, references)
    before = first.responses_
    collector = OutcomeCollector(models, Contains(), n_samples=4, store=path)
    outcomes = collector.collect(queries, references)
    assert outcomes.counts().tolist() == [[8, 8], [4, 4]]
    reused = collector.responses_.query("model == 'chat' and sample < 2")
    assert reused["response"].tolist() == before["response"].tolist()
    tokens = outcomes.to_array("input_tokens") + 2 * outcomes.to_array("output_tokens")
    np.testing.assert_allclose(outcomes.to_array("cost"), tokens / 1e6)
    assert outcomes.to_array()[0, 1].mean() > 0.5  # the model does know Paris
    del server
    strict = OutcomeCollector(models, ExactMatch(), n_samples=4, store=path)
    regraded = strict.collect(queries, references)  # there is no server any more
    assert (regraded.score <= outcomes.score).all()
    assert read_store(path).score.tolist() == regraded.score.tolist()


@pytest.mark.real
def test_a_real_model_is_sampled_reproducibly():
    backend = LlamaCppBackend(smol_path(), max_tokens=8, input_price=1, output_price=1)
    collector = OutcomeCollector({"smol": backend}, Contains(), n_samples=3)
    outcomes = collector.collect(["What is the capital of France?"], ["Paris"])
    first = collector.responses_["response"].tolist()
    collector.collect(["What is the capital of France?"], ["Paris"])
    assert outcomes.counts() == 3
    assert (outcomes.cost > 0).all()
    assert collector.responses_["response"].tolist() == first
