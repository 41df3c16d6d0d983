import warnings

import numpy as np
import pytest
from models import serve, smol_path
from servers import FakeServer, refusal

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import BackendError, LlamaCppBackend, OpenAIBackend, Response
from dars_sklearn.grade import Contains, ExactMatch
from dars_sklearn.store import read_store


def echo(prompts, *, n):
    return [[prompt] * n for prompt in prompts]


def picky(prompts, *, n):
    if "bad" in prompts:
        raise RuntimeError("out of order")
    return echo(prompts, n=n)


def test_a_failing_prompt_leaves_missing_outcomes_and_keeps_the_rest():
    collector = OutcomeCollector({"echo": echo, "picky": picky}, ExactMatch(), n_samples=3)
    with pytest.warns(CollectionWarning, match="3 of 6 samples of model 'picky'") as caught:
        outcomes = collector.collect(["good", "bad"], ["good", "bad"])
    assert len(caught) == 1
    np.testing.assert_array_equal(outcomes.counts(), [[3, 3], [3, 0]])


def test_bad_input_is_refused_before_anything_is_asked():
    def never(prompts, *, n):
        raise AssertionError("asked")

    collector = OutcomeCollector({"m": never}, ExactMatch())
    with pytest.raises(ValueError, match="list of queries is empty"):
        collector.collect([], [])
    with pytest.raises(ValueError, match="reference of row 1 is missing"):
        collector.collect(["a", "b"], ["x", None])
    with pytest.raises(ValueError, match="needs references"):
        collector.collect(["a"])


def test_a_backend_that_breaks_its_protocol_is_named():
    collector = OutcomeCollector({"m": lambda prompts, *, n: [["x"]]}, ExactMatch())
    with pytest.raises(BackendError, match="model 'm'.* 1 responses .* where 5"):
        collector.collect(["a"], ["x"])


def test_a_model_that_is_always_alike_is_named():
    class Stuck:
        temperature = 0.7

        def __call__(self, prompts, *, n):
            return [[f"{prompt}!"] * n for prompt in prompts]

    with pytest.warns(CollectionWarning, match="the same for every prompt, as if its temp"):
        OutcomeCollector({"m": Stuck()}, Contains(), 3).collect(list("abcde"), list("abcde"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a single sample is like no other
        OutcomeCollector({"m": Stuck()}, Contains(), 1).collect(list("abcde"), list("abcde"))


def test_temperature_0_gives_no_second_sample():
    backend = OpenAIBackend("m", "http://127.0.0.1:9/v1", temperature=0)
    with pytest.raises(ValueError, match="model 'm' has temperature 0, so its 5 samples"):
        OutcomeCollector({"m": backend}, Contains()).collect(["a"], ["a"])


def test_cut_refused_and_empty_responses_are_counted_by_model():
    def broken(prompts, *, n):
        kinds = [("cut", "length"), ("no", "content_filter"), (" \n", "stop"), ("good", "stop")]
        return [[Response(text, finish_reason=reason) for text, reason in kinds] for _ in prompts]

    with pytest.warns(CollectionWarning) as caught:
        OutcomeCollector({"m": broken}, Contains(), 4).collect(["a", "b"], ["a", "b"])
    messages = sorted(str(warning.message) for warning in caught)
    assert messages == [
        "2 of 8 responses of model 'm' are empty",
        "2 of 8 responses of model 'm' are refusals",
        "2 of 8 responses of model 'm' were cut by the token limit, which looks like inability; "
        "raise max_tokens",
    ]


# ---- money -----------------------------------------------------------------------


def priced(server, **settings):
    settings = {"max_tokens": 10, "input_price": 1e6, "output_price": 1e6} | settings
    return OpenAIBackend("m", server.base_url, usage="all", **settings)


MANY = [f"query number {number}" for number in range(60)]


def test_an_estimate_asks_nothing_and_counts_what_is_stored_as_nothing(tmp_path):
    path = tmp_path / "store.sqlite"
    with FakeServer() as server:
        collector = OutcomeCollector({"m": priced(server)}, Contains(), 2, store=path)
        before = collector.estimate(MANY)
        assert server.requests == []
        assert not path.exists()
        assert before.loc["m", ["requests", "samples"]].tolist() == [60, 120]
        assert before.loc["m", "output_tokens"] == 1200  # at most
        collector.collect(MANY[:20], MANY[:20])
        after = collector.estimate(MANY)
        assert after.loc["m"].tolist() == [40, 80, 40 * 7, 80 * 4, 40 * 7 + 80 * 4]
        with pytest.warns(CollectionWarning, match="max_cost=0 is reached"):
            collector.set_params(max_cost=0).collect(MANY, MANY)
        assert collector.estimate(MANY[:20]).loc["m"].tolist() == [0, 0, 0, 0, 0]
    unpriced = OutcomeCollector({"m": echo}, Contains(), 2).estimate(["a"])
    assert unpriced.loc["m", "samples"] == 2
    assert np.isnan(unpriced.loc["m", "cost"])


@pytest.mark.parametrize("max_cost", [100.0, 407.0])
def test_collection_stops_before_the_limit_is_passed_and_goes_on_later(tmp_path, max_cost):
    path = tmp_path / "store.sqlite"
    with FakeServer(latency=0.005) as server:
        collector = OutcomeCollector(
            {"m": priced(server)}, Contains(), 2, store=path, max_cost=max_cost
        )
        with pytest.warns(CollectionWarning, match=f"max_cost={max_cost} is reached: .* spent"):
            outcomes = collector.collect(MANY, MANY)
        spent = collector.responses_["spent"].sum()
        # What a request may cost at most is all that can be left over.
        assert max_cost - (len("query number 60") + 16 + 2 * 10) <= spent <= max_cost
        assert len(outcomes) == 60
        assert outcomes.counts().sum() == 2 * len(server.requests)
        with pytest.warns(CollectionWarning, match="is reached"):
            collector.collect(MANY, MANY)  # what was spent before counts
        assert collector.responses_["spent"].sum() <= max_cost
        collector.set_params(max_cost=None).collect(MANY, MANY)
        assert len(server.requests) == 60


def test_a_limit_needs_prices():
    with pytest.raises(ValueError, match="max_cost needs the prices of model 'm'"):
        OutcomeCollector({"m": echo}, Contains(), max_cost=1.0).collect(["a"], ["a"])


def test_the_progress_bar_tells_rate_cost_failures_and_time_left(capsys):
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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"models": {}}, "models is empty"),
        ({"n_samples": 0}, "n_samples must be an int of at least 1"),
        ({"max_failure_rate": 2}, r"max_failure_rate must be in \[0, 1\]"),
        ({"max_cost": -1}, "max_cost must not be negative"),
    ],
)
def test_bad_settings_are_named(parameters, message):
    settings = {"models": {"m": echo}, "grader": Contains()} | parameters
    with pytest.raises(ValueError, match=message):
        OutcomeCollector(**settings).collect(["a"], ["a"])


def test_references_of_another_length_are_refused():
    with pytest.raises(ValueError, match="there are 2 queries but 1 references"):
        OutcomeCollector({"m": echo}, Contains()).collect(["a", "b"], ["x"])


@pytest.mark.real
def test_a_real_server_is_collected_resumed_and_regraded(tmp_path):
    server = serve(smol_path())
    path = tmp_path / "store.sqlite"
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
    kept = collector.responses_.query("model == 'chat' and sample < 2")
    assert kept["response"].tolist() == before["response"].tolist()
    tokens = outcomes.to_array("input_tokens") + 2 * outcomes.to_array("output_tokens")
    np.testing.assert_allclose(outcomes.to_array("cost"), tokens / 1e6)
    assert outcomes.to_array()[0, 1].mean() > 0.5  # it does know Paris
    del server
    strict = OutcomeCollector(models, ExactMatch(), n_samples=4, store=path)
    regraded = strict.collect(queries, references)  # the server is not asked, nor there
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
