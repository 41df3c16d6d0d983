import json

import pytest

from dars_sklearn.generate._base import Choice
from dars_sklearn.generate._choices import ChoiceError, read_completion


def read(answer, chat=True, n=5):
    return read_completion(json.dumps(answer).encode(), chat, n)


def chat_choice(text="red", **fields):
    return {"message": {"content": text}} | fields


def read_one(choice, chat=True):
    (read_choice,) = read({"choices": [choice]}, chat).choices
    return read_choice


def test_the_text_of_a_chat_is_the_content_of_its_message():
    assert read_one(chat_choice("red", finish_reason="stop")) == Choice("red", "stop", None)


def test_the_text_of_a_completion_is_its_text():
    choice = {"text": "red", "finish_reason": "length"}
    assert read_one(choice, chat=False) == Choice("red", "length", None)


def test_a_missing_finish_reason_is_none():
    assert read_one(chat_choice()).finish_reason is None


def test_choices_are_in_the_order_of_their_index():
    choices = [chat_choice(text, index=index) for text, index in [("c", 2), ("a", 0), ("b", 1)]]
    assert [choice.text for choice in read({"choices": choices}).choices] == ["a", "b", "c"]


def test_choices_without_an_index_keep_their_order():
    choices = [chat_choice("b", index=1), chat_choice("a")]
    assert [choice.text for choice in read({"choices": choices}).choices] == ["b", "a"]


def test_choices_that_were_not_requested_are_dropped():
    choices = [chat_choice(str(index), index=index) for index in range(4)]
    assert [choice.text for choice in read({"choices": choices}, n=3).choices] == ["0", "1", "2"]


@pytest.mark.parametrize("field", ["content", "tokens"])
def test_tokens_are_counted_by_their_log_probabilities(field):
    assert read_one(chat_choice(logprobs={field: ["a", "b", "c"]})).n_tokens == 3


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": "abc"}, "abc"])
def test_without_a_list_of_log_probabilities_the_number_of_tokens_is_unknown(logprobs):
    assert read_one(chat_choice(logprobs=logprobs)).n_tokens is None


def test_a_refusal_is_a_response():
    choice = {"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"}
    assert read_one(choice) == Choice("I will not.", "refusal", None)


def test_a_refusal_does_not_replace_a_text():
    choice = {"message": {"content": "red", "refusal": "I will not."}, "finish_reason": "stop"}
    assert read_one(choice) == Choice("red", "stop", None)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_response_without_content_that_was_cut_or_filtered_is_empty(reason):
    assert read_one(chat_choice(None, finish_reason=reason)) == Choice("", reason, None)


def test_a_lone_surrogate_is_replaced():
    body = b'{"choices": [{"message": {"content": "a\\ud800b"}}]}'
    assert read_completion(body, True, 1).choices[0].text == "a?b"


def test_usage_is_reported():
    usage = {"prompt_tokens": 7, "completion_tokens": 0}
    completion = read({"choices": [chat_choice()], "usage": usage})
    assert (completion.input_tokens, completion.output_tokens) == (7, 0)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "many",
        {},
        *({"prompt_tokens": n, "completion_tokens": n} for n in (-1, True, 2.0, "3", 2**63)),
    ],
)
def test_usage_that_is_not_a_count_is_unknown(usage):
    completion = read({"choices": [chat_choice()], "usage": usage})
    assert (completion.input_tokens, completion.output_tokens) == (None, None)


def test_numbers_that_are_not_finite_are_read_where_they_do_not_matter():
    body = (
        b'{"choices": [{"message": {"content": "red"}, "logprobs": {"content": [{"logprob": '
        b'-Infinity}]}}], "usage": {"prompt_tokens": NaN, "completion_tokens": Infinity}}'
    )
    completion = read_completion(body, True, 1)
    assert completion.choices[0] == Choice("red", None, 1)
    assert (completion.input_tokens, completion.output_tokens) == (None, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"choices": [', r"not valid JSON .*: b'\{\"choices\": \['"),
        (b"<html>502 Bad Gateway</html>", "not valid JSON .*502 Bad Gateway"),
        (b'{"choices": [{"message": {"content": "\xff\xfe"}}]}', "not valid JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[1]", r"not a JSON object: b'\[1\]'"),
        (b"{}", "no choices: None"),
        (b'{"choices": []}', r"no choices: \[\]"),
        (b'{"choices": "many"}', "no choices: many"),
        (b'{"error": {"message": "overloaded"}}', "no choices: .*overloaded"),
        (b'{"choices": [7]}', r"a choice is not a JSON object: \[7\]"),
        (b'{"choices": [{"index": 0}]}', "a choice has no message: {'index': 0}"),
        (b'{"choices": [{"message": "red"}]}', "a choice has no message"),
        (b'{"choices": [{"message": {"content": 5}}]}', "text of a choice is not a string: 5"),
        (b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
         "text of a choice is not a string: None"),
        (b'{"choices": [{"message": {"content": "a"}, "finish_reason": 5}]}',
         "finish_reason of a choice is not a string: 5"),
    ],
)  # fmt: skip
def test_an_invalid_chat_completion_is_described(body, message):
    with pytest.raises(ChoiceError, match=message):
        read_completion(body, True, 2)


def test_a_completion_without_a_text_is_invalid():
    with pytest.raises(ChoiceError, match="text of a choice is not a string: None"):
        read({"choices": [chat_choice()]}, chat=False)


@pytest.mark.parametrize("depth", [500, 990, 2_000])
def test_an_error_that_is_nested_is_no_crash(depth):
    body = b'{"error": ' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(ChoiceError, match="no choices|nested too deeply"):
        read_completion(body, True, 1)


def test_a_number_of_more_digits_than_python_reads_is_invalid():
    with pytest.raises(ChoiceError, match="not valid JSON"):
        read_completion(b'{"choices": ' + b"9" * 5_000 + b"}", True, 1)


def test_a_lone_surrogate_in_a_finish_reason_is_replaced():
    assert read_one(chat_choice(finish_reason="st\ud800op")).finish_reason == "st?op"
