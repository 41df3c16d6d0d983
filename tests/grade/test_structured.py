import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.grade import JSONField, LLMJudge, Numeric, Regex, TokenF1


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("the 12 brown foxes", "12 foxes", 0.8),
        ("13 brown foxes", "12 brown foxes", 0),
        ("brown foxes", ["cat", "Brown foxes."], 1),
        ("3,000", "3000", 1),
        ("twenty-one yards", "twenty one", 0.8),
        ("", "fox", 0),
        ("", "the", 0),
        ("the", "the", 1),
        ("the fox", "a fox", 1),
        ("The answer is A", "A", 0.4),
        ("A is it", "A", 0.5),
        ("!", "...", 0),
        ("...", "...", 1),
        ("", "", 1),
        ("3", "-3", 0),
        ("C", "C++", 0),
        ("1e999", "infinity", 0),
    ],
)
def test_shared_words_are_scored(text, reference, score):
    assert TokenF1()(text, reference) == pytest.approx(score)


def test_only_the_first_line_counts_if_asked_for():
    assert TokenF1()("fox\ndog", "fox") == pytest.approx(2 / 3)
    assert TokenF1(first_line=True)("\nfox\ndog", "fox") == 1


WORDS = st.lists(st.sampled_from(["fox", "Fox", "dog,", "12", "7", "red-hot"]), max_size=6)


@given(WORDS, WORDS)
def test_token_f1_is_the_f1_of_sets_of_words(response, gold):
    def word_set(texts):
        plain = [part.lower().strip(",") for text in texts for part in text.split("-")]
        return set(plain)

    found, wanted = word_set(response), word_set(gold)
    if {"12", "7"} & wanted and not {"12", "7"} & wanted & found:
        expected = 0.0
    elif not found or not wanted:
        expected = float(found == wanted)
    else:
        precision = len(found & wanted) / len(found)
        recall = len(found & wanted) / len(wanted)
        total = precision + recall
        expected = 2 * precision * recall / total if total else 0.0
    assert TokenF1()(" ".join(response), " ".join(gold)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (Regex(r"#### (\S+)"), "3 + 4\n#### 7", 7, 1),
        (Regex(r"#### (\S+)"), "7", 7, 0),
        (Regex(r"\d+", "first"), "7 or 8", 7, 1),
        (Regex(r"\d+"), "7 or 8", 7, 0),
        (Regex(r"\d+"), "7 or 8", [1, 8], 1),
        (Regex(r"x(\d)?"), "x", 7, 0),
    ],
)
def test_matches_of_a_pattern_are_graded(grader, text, reference, score):
    assert grader(text, reference) == score
    assert pickle.loads(pickle.dumps(grader)) == grader


@pytest.mark.parametrize(
    ("grader", "text", "reference", "score"),
    [
        (JSONField("answer"), '```json\n{"answer": "Lima"}\n```', "lima", 1),
        (JSONField("a.b", Numeric()), 'x {"a": {"b": 2.5}} y', 2.5, 1),
        (JSONField("answer"), '{"answer": "Rome"} no: {"answer": "Lima"}', "Lima", 1),
        (JSONField("answer"), '{"answer": "Lima"} and {"other": "Rome"}', "Lima", 1),
        (JSONField("answer"), '{"answer": Lima}', "Lima", 0),
        (JSONField("answer"), "Lima", "Lima", 0),
        (JSONField("a.b"), '{"a": "Lima"}', "Lima", 0),
        (JSONField("a"), '{"a": ["é", 1]}', '["é", 1]', 1),
        (JSONField("a"), '{"a": 1e999}', "1e999", 1),
        (JSONField("a"), '{"a": ' + "1" * 5000 + "}", "1" * 5000, 1),
        (JSONField("a"), "{x} " * 1000 + '{"a": "Lima"}', "Lima", 1),
        (JSONField("a"), '{"x" ' * 1000 + '{"a": "Lima"}', "Lima", 1),
        (JSONField("a"), '{"a": "Rome"}' + '{"x" ' * 30_000 + '{"a": "Lima"}', "Rome", 0),
        (JSONField("a"), '{"a": "Rome"}' + '{"x":' * 30_000 + '{"a": "Lima"}', "Rome", 0),
    ],
)
def test_fields_of_json_objects_are_graded(grader, text, reference, score):
    assert grader(text, reference) == score
    assert pickle.loads(pickle.dumps(grader)) == grader


def test_without_the_field_the_inner_grader_still_rejects_a_reference_that_is_not_valid():
    with pytest.raises(ValueError, match="contains no number"):
        JSONField("answer", Numeric())("no JSON", "five")


def test_what_the_inner_grader_needs_the_grader_of_a_field_needs():
    assert JSONField("answer").needs_reference
    assert not JSONField("answer").needs_query
    judged = []
    judge = LLMJudge(lambda prompts, *, n: judged.append(prompts), "{query} {response}")
    grader = JSONField("answer", judge)
    assert not grader.needs_reference
    assert grader.needs_query
    grader.check_reference({"query": "?"})
    assert grader.settings == {"grader": "JSONField", "name": "answer", "of": judge.settings}
    assert JSONField("answer").settings is None
    assert grader("no JSON", {"query": "?"}) == 0
    assert judged == []
    with pytest.raises(ValueError, match="names \\['query'\\], which the reference lacks"):
        grader.check_reference("x")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regex("(a"), r"pattern '\(a' is not a valid regular expression"),
        (lambda: Regex("a", which="middle"), "which must be 'last' or 'first'"),
    ],
)
def test_parameters_that_are_not_valid_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
