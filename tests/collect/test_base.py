import pytest
from fake_backends import echo
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from dars_sklearn import OutcomeCollector, ParaphraseExpander
from dars_sklearn.grade import Contains

TRANSFORMERS = [ParaphraseExpander(echo), OutcomeCollector({"m": echo}, Contains())]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_transformers_that_learn_nothing_are_always_fitted(transformer):
    check_is_fitted(transformer)
    assert not get_tags(transformer).requires_fit


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_transformers_of_texts_are_tagged_as_such(transformer):
    tags = get_tags(transformer)
    assert tags.no_validation
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
