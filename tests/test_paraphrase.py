import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import FakeServer

from dars_sklearn import OutcomeCollector, ParaphraseExpander
from dars_sklearn._rewrites import find_rewrites
from dars_sklearn.exceptions import ParaphraseWarning
from dars_sklearn.generate import BackendError, OpenAIBackend
from dars_sklearn.grade import Contains


def answers(*texts):
    """A backend that gives these texts, one a request, and then nothing."""
    rest = list(texts)
    return lambda prompts, *, n: [[rest.pop(0) if rest else "" for _ in range(n)] for _ in prompts]


@pytest.mark.parametrize(
    "text",
    [
        "1. How old is Bo?\n2. What is Bo's age?",
        "Sure! Here are two rewrites:\n\n1) How old is Bo?\n2) What is Bo's age?\n\nLet me know!",
        '- "How old is Bo?"\n- “What is Bo\'s age?”',
        "* **How old is Bo?**\n* **What is Bo's age?**",
        "Here you go:\nHow old is Bo?\nWhat is Bo's age?\nLet me know if you need more.",
        '```json\n["How old is Bo?", "What is Bo\'s age?"]\n```',
        "<think>1. A question\n2. About Bo</think>\n1. How old is Bo?\n2. What is Bo's age?",
        "Rewrite 1: How old is Bo?\nRewrite 2: What is Bo's age?",
        "(1) How old is Bo?\n(2) What is Bo's age?",
    ],
)
def test_rewrites_are_found_in_whatever_is_around_them(text):
    assert find_rewrites(text) == ["How old is Bo?", "What is Bo's age?"]


@given(st.text())
def test_any_text_can_be_searched_for_rewrites(text):
    assert all("\n" not in rewrite for rewrite in find_rewrites(text))


def test_invalid_rewrites_are_rejected_with_their_fault_and_topped_up():
    first = "1. What is 2 + 2?\n2. How much is 2 + 2?\n3. What is 2 + 3?"
    expander = ParaphraseExpander(answers(first, "1. Add 2 and 2"), n_paraphrases=3)
    assert expander.expand(["What is 2 + 2?"]).tolist() == [
        ["What is 2 + 2?", "How much is 2 + 2?", "Add 2 and 2"]
    ]
    assert expander.rejected_ == {"duplicate": 1, "numbers changed": 1}
    assert expander.report_["rewrite"].tolist() == [
        "What is 2 + 2?", "How much is 2 + 2?", "What is 2 + 3?", "Add 2 and 2",
    ]  # fmt: skip


def test_quotations_and_length_are_kept():
    backend = answers('1. Who wrote "Emma"?\n2. Who?\n3. Who is the author of "Persuasion"?')
    expander = ParaphraseExpander(backend, n_paraphrases=2, max_attempts=1)
    with pytest.warns(ParaphraseWarning, match="1 of 1 queries"):
        expander.expand(['Who is the author of "Emma", the novel by an English lady?'])
    assert expander.rejected_ == {"length": 2, "quoted text changed": 1}


def test_a_shortfall_is_a_warning_with_counts():
    with pytest.warns(ParaphraseWarning, match=r"1 of 1 queries .* empty \(3\)"):
        wordings = ParaphraseExpander(answers(), n_paraphrases=3).expand(["Hello there"])
    assert wordings.tolist() == [["Hello there", None, None]]
    with pytest.raises(ValueError, match="row 0 has no valid rewrite"), pytest.warns():
        ParaphraseExpander(answers(), include_original=False).expand(["Hello there"])


def test_a_rewrite_of_another_meaning_is_rejected():
    def encode(texts):
        return [["2" in text, "dog" in text, 1.0] for text in texts]

    backend = answers("1. Where is the dog?\n2. Where is the hound?")
    expander = ParaphraseExpander(
        backend, n_paraphrases=2, encoder=encode, min_similarity=0.9, max_attempts=1
    )
    assert expander.expand(["Tell me: where is the dog?"])[0, 1] == "Where is the dog?"
    backend = answers("1. Where is the hound?\n2. Where is the dog?")
    expander.set_params(backend=backend).expand(["Tell me: where is the dog?"])
    assert expander.rejected_ == {"meaning changed": 1}


def test_own_paraphrases_come_first():
    own = {"red": ["crimson"], "blue": ["azure", "navy"]}
    expander = ParaphraseExpander(paraphrases=own, n_paraphrases=3)
    assert expander.expand(["blue"]).tolist() == [["blue", "azure", "navy"]]
    with pytest.raises(ValueError, match="1 queries have fewer than 3 wordings in paraphrases="):
        expander.expand(["blue", "red"])
    expander.set_params(backend=answers("1. scarlet"))
    assert expander.expand(["red"]).tolist() == [["red", "crimson", "scarlet"]]


def test_rewrites_share_the_store_of_outcomes(tmp_path):
    path = tmp_path / "store.sqlite"
    models = {"m": lambda prompts, *, n: [[prompt] * n for prompt in prompts]}

    def collect(backend):
        expander = ParaphraseExpander(backend, n_paraphrases=2, store=path)
        wordings = expander.expand(["Who was Ada?"])
        return OutcomeCollector(models, Contains(), 2, store=path).collect(wordings, ["Ada"])

    outcomes = collect(answers("1. Who is Ada?"))
    assert outcomes.to_array().shape == (1, 1, 2, 2)
    again = collect(answers())  # which has nothing to say, and is not asked
    assert again.to_frame().equals(outcomes.to_frame())


def test_all_queries_are_asked_at_once_and_failures_are_reported():
    def behave(number, body):
        text = "1. " + body["messages"][-1]["content"].rpartition("Question: ")[2] + ", please"
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}

    queries = [f"Say number {number}" for number in range(40)]
    with FakeServer(behave, latency=0.1) as server:
        expander = ParaphraseExpander(OpenAIBackend("m", server.base_url), n_paraphrases=2)
        wordings = expander.expand(queries)
        assert server.most_in_flight > 10
    assert wordings[7].tolist() == ["Say number 7", "Say number 7, please"]
    unreachable = OpenAIBackend("m", server.base_url)
    with pytest.raises(BackendError, match="no server answers"):
        ParaphraseExpander(unreachable).expand(queries)

    def failing(prompts, *, n):
        raise RuntimeError("out of order")

    with pytest.warns(ParaphraseWarning, match="request failed: RuntimeError: out of order"):
        ParaphraseExpander(failing).expand(["Hello there"])


def test_queries_pass_through_at_routing_time():
    assert ParaphraseExpander(answers()).transform(["a"]).tolist() == ["a"]
    with pytest.raises(ValueError, match="list of queries is empty"):
        ParaphraseExpander(answers()).fit([])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "neither a backend to rewrite"),
        ({"paraphrases": {"a": "b"}}, "must be a list of texts"),
        ({"paraphrases": {"a": []}, "prompt": "{other}"}, "prompt may hold"),
        ({"paraphrases": {"a": []}, "n_paraphrases": 0}, "n_paraphrases must be an int >= 1"),
        ({"paraphrases": {"a": []}, "max_attempts": 0}, "max_attempts must be an int >= 1"),
    ],
)
def test_bad_settings_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        ParaphraseExpander(**parameters).expand(["a"])
