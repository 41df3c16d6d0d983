import pytest

from dars_sklearn import ParaphraseExpander
from dars_sklearn.exceptions import ParaphraseWarning


def answers(*texts):
    rest = list(texts)
    return lambda prompts, *, n: [[rest.pop(0) if rest else "" for _ in range(n)] for _ in prompts]


def test_invalid_rewrites_are_topped_up():
    backend = answers("What is 2 + 2?", '1. "How much is 2 + 2?"', "What is 2 + 3?", "Add 2 and 2")
    expander = ParaphraseExpander(backend, n_paraphrases=3)
    assert expander.expand(["What is 2 + 2?"]).tolist() == [
        ["What is 2 + 2?", "How much is 2 + 2?", "Add 2 and 2"]
    ]
    assert expander.rejected_ == {"duplicate": 1, "numbers changed": 1}


def test_a_shortfall_is_a_warning_with_counts():
    with pytest.warns(ParaphraseWarning, match=r"1 of 1 queries .* empty \(6\)"):
        wordings = ParaphraseExpander(answers(), n_paraphrases=3).expand(["Hello there"])
    assert wordings.tolist() == [["Hello there", None, None]]


def test_queries_pass_through_at_routing_time():
    assert ParaphraseExpander(answers()).transform(["a"]).tolist() == ["a"]
    with pytest.raises(ValueError, match="list of queries is empty"):
        ParaphraseExpander(answers()).fit([])
