import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dars_sklearn.outcomes._messages import is_messages, message_text, read_conversations


def user(content):
    return {"role": "user", "content": content}


SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    "query", [[user("a")], (user("a"),), np.array([user("a"), ANSWER]), [{"role": "user"}]]
)
def test_a_sequence_of_messages_with_roles_is_a_conversation(query):
    assert is_messages(query)


@pytest.mark.parametrize(
    "query",
    ["text", [], None, ["a", "b"], user("a"), [user("a"), "b"], [{"content": "a"}], [[user("a")]],
     np.zeros(3), np.zeros((2, 2)), 3],
    ids=range(11),
)  # fmt: skip
def test_anything_else_is_not(query):
    assert not is_messages(query)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([user("2 + 2?")], "2 + 2?"),
        ([SYSTEM, user("2 + 2?")], "2 + 2?"),
        ([SYSTEM, user("2 + 2?"), ANSWER, user("And 3?")], "And 3?"),
        ([user("2 + 2?"), ANSWER], "2 + 2?"),
        ([user([{"type": "text", "text": "What is"}, {"type": "text", "text": "this?"}])],
         "What is\nthis?"),
        ([user([{"type": "image_url", "image_url": {"url": "u"}}, {"type": "text", "text": "Hi"}])],
         "Hi"),
        ([user([{"type": "input_text", "text": "Hi"}, {"type": "input_image"}])], "Hi"),
        ([user(["Hi", "there"])], "Hi\nthere"),
        ([user({"type": "text", "text": "Hi"})], "Hi"),
        ([user(np.array([{"type": "text", "text": "Hi", "image_url": None}]))], "Hi"),
        ([user([{"type": "text", "text": None}, {"type": "text", "text": "Hi"}])], "Hi"),
        # A last message that only shows an image, calls a tool or is blank says nothing.
        ([user("What is this?"), user([{"type": "image_url", "image_url": {"url": "u"}}])],
         "What is this?"),
        ([user("What is this?"), user("  "), user(None), {"role": "user"}], "What is this?"),
        ([user("What is this?"), {"role": "tool", "content": "a cat"}], "What is this?"),
    ],
    ids=range(14),
)  # fmt: skip
def test_the_last_message_of_the_user_that_has_text_is_read(messages, text):
    assert message_text(messages) == text


@pytest.mark.parametrize(
    ("messages", "roles"),
    [([SYSTEM], "'system'"), ([user(""), ANSWER], "'user', 'assistant'"), ([{"role": None}], None)],
)
def test_a_conversation_without_text_of_the_user_is_refused_with_the_remedy(messages, roles):
    message = rf"no message of role 'user' with text \(roles: {roles}\); .*message_text="
    with pytest.raises(ValueError, match=message):
        message_text(messages)


@pytest.mark.parametrize("content", [3, 2.5, b"text", {1, 2}])
def test_a_content_that_is_neither_text_nor_parts_is_refused(content):
    with pytest.raises(TypeError, match="content of a message must be a text or a list of parts"):
        message_text([user(content)])


CONVERSATIONS = [[SYSTEM, user("a")], [SYSTEM, user("b")]]


@pytest.mark.parametrize(
    "queries",
    [
        CONVERSATIONS,
        tuple(CONVERSATIONS),
        pd.Series(CONVERSATIONS, index=["x", "y"]),
        np.array(CONVERSATIONS, dtype=object),
        np.array([*CONVERSATIONS, None], dtype=object)[:2],
        [CONVERSATIONS[0], "b"],
    ],
    ids=range(6),
)
def test_conversations_are_replaced_by_their_texts(queries):
    assert read_conversations(queries) == ["a", "b"]


def test_the_text_may_be_chosen_by_a_function():
    found = read_conversations([CONVERSATIONS[0], "b"], lambda messages: messages[0]["content"])
    assert found == ["Be brief.", "b"]


@pytest.mark.parametrize(
    "queries",
    [
        ["a", "b"],
        [["a", None], ["b", "c"]],
        np.array(["a", "b"]),
        pd.Series(["a", "b"]),
        pd.DataFrame({"text": ["a", "b"]}),
        np.zeros((2, 3)),
        [[0.0, 1.0], [2.0, 3.0]],
        sparse.csr_array(np.eye(2)),
        [],
    ],
    ids=range(9),
)
def test_other_queries_and_features_are_returned_as_they_are(queries):
    assert read_conversations(queries) is queries
