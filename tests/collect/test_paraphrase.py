import numpy as np
import pytest
from fake_backends import CountingBackend, echo
from servers import FakeServer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline

from dars_sklearn import OutcomeCollector, ParaphraseExpander, QueryEncoder
from dars_sklearn.exceptions import ParaphraseWarning
from dars_sklearn.generate import BackendError, OpenAIBackend
from dars_sklearn.grade import Contains


def write(*texts):
    """Return a backend that responds with these texts, one per sample, and then with ""."""
    remaining = list(texts)

    def backend(prompts, *, n):
        return [[remaining.pop(0) if remaining else "" for _ in range(n)] for _ in prompts]

    return backend


def refuse(prompts, *, n):
    raise AssertionError("the backend should not be asked")


# ---- expanding -----------------------------------------------------------------


def test_valid_rewrites_are_accepted_until_there_are_enough():
    first = "1. What is 2 + 2?\n2. How much is 2 + 2?\n3. What is 2 + 3?"
    expander = ParaphraseExpander(write(first, "1. Add 2 and 2\n2. Sum 2, 2"), n_paraphrases=3)
    assert expander.expand(["What is 2 + 2?"]).tolist() == [
        ["What is 2 + 2?", "How much is 2 + 2?", "Add 2 and 2"]
    ]
    assert expander.rejected_ == {"duplicate": 1, "numbers changed": 1}
    assert expander.report_.columns.tolist() == ["row", "query", "rewrite", "rejection"]
    assert expander.report_.values.tolist() == [
        [0, "What is 2 + 2?", "What is 2 + 2?", "duplicate"],
        [0, "What is 2 + 2?", "How much is 2 + 2?", None],
        [0, "What is 2 + 2?", "What is 2 + 3?", "numbers changed"],
        [0, "What is 2 + 2?", "Add 2 and 2", None],
    ]


def test_superfluous_rewrites_of_one_query_do_not_affect_the_next():
    backend = write("1. Who is Ada?\n2. Ada: who was she?", "1. Who is Bo?")
    expander = ParaphraseExpander(backend, n_paraphrases=2)
    assert expander.expand(["Who was Ada?", "Who was Bo?"]).tolist() == [
        ["Who was Ada?", "Who is Ada?"],
        ["Who was Bo?", "Who is Bo?"],
    ]


def test_by_default_there_are_5_paraphrases_of_at_most_three_times_the_length():
    texts = ["abc", "ab" * 15, "ab" * 15 + "c", "abcd", "abcde", "abcdef", "abcdefg"]
    expander = ParaphraseExpander(write("\n".join(f"1. {text}" for text in texts)))
    assert expander.expand(["x" * 10]).tolist() == [
        ["x" * 10, "abc", "ab" * 15, "abcd", "abcde"],
    ]
    assert expander.rejected_ == {"length": 1}


def test_the_query_itself_may_be_left_out():
    backend = write("1. Who is Ada?\n2. Tell me who Ada was")
    expander = ParaphraseExpander(backend, n_paraphrases=2, include_original=False)
    assert expander.expand(["Who was Ada?"]).tolist() == [["Who is Ada?", "Tell me who Ada was"]]


@pytest.mark.parametrize(
    ("include_original", "n_paraphrases", "n_rewrites"),
    [(True, 3, 2), (False, 3, 3), (False, 1, 1)],
)
def test_the_prompt_names_the_number_of_rewrites(include_original, n_paraphrases, n_rewrites):
    prompts = []

    def backend(received, *, n):
        prompts.extend(received)
        return [["1. Who is Ada?\n2. Ada: who was she?\n3. Who might Ada be?"] * n]

    expander = ParaphraseExpander(backend, n_paraphrases, include_original, prompt="{n} of {query}")
    expander.expand(["Who was Ada?"])
    assert prompts == [f"{n_rewrites} of Who was Ada?"]


def test_length_and_quotations_must_be_similar():
    backend = write('1. Who wrote "Emma"?\n2. Who?\n3. Who is the author of "Persuasion"?')
    expander = ParaphraseExpander(backend, n_paraphrases=2, max_attempts=1)
    with pytest.warns(ParaphraseWarning, match="1 of 1 queries"):
        expander.expand(['Who is the author of "Emma", the novel by an English lady?'])
    assert expander.rejected_ == {"length": 2, "quotation changed": 1}


def test_a_rewrite_of_another_meaning_is_rejected():
    def encode(texts):
        return [["2" in text, "dog" in text, 1.0] for text in texts]

    backend = write("1. Where is the dog?\n2. Where is the hound?")
    expander = ParaphraseExpander(
        backend, n_paraphrases=2, encoder=encode, min_similarity=0.9, max_attempts=1
    )
    assert expander.expand(["Tell me: where is the dog?"])[0, 1] == "Where is the dog?"
    backend = write("1. Where is the hound?\n2. Where is the dog?")
    expander.set_params(backend=backend).expand(["Tell me: where is the dog?"])
    assert expander.rejected_ == {"meaning changed": 1}


def test_the_minimum_similarity_itself_is_valid():
    expander = ParaphraseExpander(
        write("1. Where is the hound?"),
        n_paraphrases=2,
        encoder=lambda texts: [[1.0, 0.0] if "dog" in text else [0.6, 0.8] for text in texts],
        min_similarity=0.6,
    )
    assert expander.expand(["Where is the dog?"])[0, 1] == "Where is the hound?"


def test_a_shortage_is_a_warning_with_the_reasons():
    with pytest.warns(ParaphraseWarning, match=r"1 of 2 queries .* empty \(3\)") as caught:
        paraphrases = ParaphraseExpander(
            write(), n_paraphrases=2, paraphrases={"Bye now": ["Goodbye"]}
        ).expand(["Hello there", "Bye now"])
    assert paraphrases.tolist() == [["Hello there", None], ["Bye now", "Goodbye"]]
    assert caught[0].filename == __file__


def test_a_query_without_any_paraphrase_is_an_error():
    expander = ParaphraseExpander(write(), include_original=False)
    with (
        pytest.raises(ValueError, match="no rewrite of the query in row 0 is valid"),
        pytest.warns(),
    ):
        expander.expand(["Hello there"])


def test_own_paraphrases_come_first():
    own = {"red": ["crimson"], "blue": ["azure", "navy", "teal"]}
    expander = ParaphraseExpander(paraphrases=own, n_paraphrases=3)
    assert expander.expand(["blue"]).tolist() == [["blue", "azure", "navy"]]
    assert expander.report_.empty
    with pytest.raises(ValueError, match="1 queries have fewer than 3 paraphrases in paraphrases="):
        expander.expand(["blue", "red"])
    expander.set_params(backend=write("1. scarlet"))
    assert expander.expand(["red"]).tolist() == [["red", "crimson", "scarlet"]]


def test_queries_with_the_same_text_share_their_requests():
    backend = write("1. Who is Ada?")
    expander = ParaphraseExpander(backend, n_paraphrases=2)
    assert expander.expand(["Who was Ada?"] * 2).tolist() == [["Who was Ada?", "Who is Ada?"]] * 2


# ---- transform -----------------------------------------------------------------


def test_transform_returns_the_shape_of_fit_transform_and_asks_no_backend():
    expander = ParaphraseExpander(refuse, n_paraphrases=3)
    assert expander.transform(["a", "b"]).tolist() == [["a", None, None], ["b", None, None]]
    assert expander.transform(["a"]).dtype == object
    own = ParaphraseExpander(paraphrases={"a": ["x"]}, n_paraphrases=2)
    assert own.fit_transform(["a"]).tolist() == [["a", "x"]]
    assert own.transform(["a"]).tolist() == [["a", None]]


def test_transform_returns_the_query_even_if_fit_transform_leaves_it_out():
    expander = ParaphraseExpander(refuse, n_paraphrases=2, include_original=False)
    assert expander.transform(["a"]).tolist() == [["a", None]]


def test_transform_expands_queries_if_asked_to():
    expander = ParaphraseExpander(write("1. Who is Ada?"), 2, expand_at_predict=True)
    assert expander.transform(["Who was Ada?"]).tolist() == [["Who was Ada?", "Who is Ada?"]]


def test_an_encoder_ignores_the_missing_paraphrases_of_transform():
    own = {"red fish": ["blue fish"], "one": ["two"]}
    pipeline = Pipeline(
        [
            ("expand", ParaphraseExpander(paraphrases=own, n_paraphrases=2)),
            ("encode", QueryEncoder(CountVectorizer())),
        ]
    )
    assert pipeline.fit_transform(list(own)).toarray().tolist() == [
        [0.5, 1.0, 0.0, 0.5, 0.0],
        [0.0, 0.0, 0.5, 0.0, 0.5],
    ]
    assert pipeline.transform(["red fish"]).toarray().tolist() == [[0, 1, 0, 1, 0]]


def test_fit_checks_queries_and_asks_no_backend():
    expander = ParaphraseExpander(refuse)
    assert expander.fit(["a"]) is expander
    with pytest.raises(ValueError, match="list of queries is empty"):
        expander.fit([])


# ---- requests and the store ----------------------------------------------------


def test_rewrites_and_outcomes_share_a_store(tmp_path):
    path = tmp_path / "store.sqlite"

    def collect(backend):
        expander = ParaphraseExpander(backend, n_paraphrases=2, store=path)
        paraphrases = expander.expand(["Who was Ada?"])
        collector = OutcomeCollector({"m": echo}, Contains(), 2, store=path)
        return collector.collect(paraphrases, ["Ada"])

    outcomes = collect(write("1. Who is Ada?"))
    assert outcomes.to_array().shape == (1, 1, 2, 2)
    again = collect(refuse)
    assert again.to_frame().equals(outcomes.to_frame())


def test_stored_rewrites_of_several_attempts_are_read_again_without_repetition(tmp_path):
    path = tmp_path / "store.sqlite"
    texts = ["1. Who was Ada?", "1. Who is Ada?", "1. Ada: who was she?"]
    expander = ParaphraseExpander(write(*texts), n_paraphrases=3, store=path)
    paraphrases = expander.expand(["Who was Ada?"])
    report = expander.report_
    expander.set_params(backend=refuse)
    np.testing.assert_array_equal(expander.expand(["Who was Ada?"]), paraphrases)
    assert expander.report_.equals(report)


def test_rewrites_that_arrive_after_a_failed_attempt_are_all_used():
    attempts = []

    def flaky(prompts, *, n):
        attempts.append(n)
        if len(attempts) == 1:
            raise RuntimeError("out of order")
        return [["1. Who is Ada?", "1. Ada: who was she?"]]

    expander = ParaphraseExpander(flaky, n_paraphrases=3)
    assert expander.expand(["Who was Ada?"]).tolist() == [
        ["Who was Ada?", "Who is Ada?", "Ada: who was she?"]
    ]
    assert attempts == [1, 2]
    assert expander.rejected_ == {"request failed: RuntimeError: out of order": 1}


def test_each_attempt_requests_one_more_sample():
    backend = CountingBackend()  # its responses contain numbers, so all are rejected
    with pytest.warns(ParaphraseWarning):
        ParaphraseExpander(backend, n_paraphrases=2, max_attempts=4).expand(["Who was Ada?"])
    assert backend.requested.total() == 4


def test_the_random_state_determines_the_seeds():
    received = []

    def backend(prompts, *, n, seeds):
        received.extend(seeds)
        return [["1. Who is Ada?"] * n]

    for random_state in (0, 0, 1):
        expander = ParaphraseExpander(backend, n_paraphrases=2, random_state=random_state)
        expander.expand(["Who was Ada?"])
    assert received[0] == received[1] != received[2]


def test_all_queries_are_requested_at_the_same_time():
    def behave(number, body):
        text = "1. " + body["messages"][-1]["content"].rpartition("Question: ")[2] + ", please"
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}

    queries = [f"Say number {number}" for number in range(40)]
    with FakeServer(behave, latency=0.1) as server:
        expander = ParaphraseExpander(OpenAIBackend("m", server.base_url), n_paraphrases=2)
        paraphrases = expander.expand(queries)
        assert server.most_in_flight > 10
    assert paraphrases[7].tolist() == ["Say number 7", "Say number 7, please"]
    unreachable = OpenAIBackend("m", server.base_url)
    with pytest.raises(BackendError, match="model 'paraphrase': no server answers"):
        ParaphraseExpander(unreachable).expand(queries)


def test_failed_requests_are_reported():
    def fail(prompts, *, n):
        raise RuntimeError("out of order")

    with pytest.warns(ParaphraseWarning, match="request failed: RuntimeError: out of order"):
        ParaphraseExpander(fail).expand(["Hello there"])


# ---- checks --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({}, ValueError, "pass a backend that writes paraphrases"),
        ({"backend": "gpt"}, TypeError, "backend of ParaphraseExpander is not callable: 'gpt'"),
        ({"paraphrases": [["a"]]}, TypeError, "paraphrases must map queries to lists of texts"),
        ({"paraphrases": {"a": "b"}}, ValueError, "paraphrases of 'a' must be a list of texts"),
        ({"paraphrases": {"a": [" "]}}, ValueError, "paraphrases of 'a' must be a list of texts"),
        ({"backend": echo, "prompt": "{other}"}, ValueError, "prompt may contain"),
        ({"backend": echo, "prompt": "{query} {"}, ValueError, "prompt may contain"),
        ({"backend": echo, "n_paraphrases": 0}, ValueError, "n_paraphrases == 0, must be >= 1"),
        ({"backend": echo, "max_attempts": 0}, ValueError, "max_attempts == 0, must be >= 1"),
        ({"backend": echo, "max_attempts": 1.5}, TypeError, "max_attempts must be an instance of"),
    ],
)
def test_parameters_that_are_not_valid_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        ParaphraseExpander(**parameters).expand(["a"])


def test_queries_that_are_expanded_already_are_rejected():
    with pytest.raises(ValueError, match=r"must be of shape \(n_queries,\), got \(1, 2\)"):
        ParaphraseExpander(echo).expand([["a", "b"]])
