import numpy as np
import pytest

from dars_sklearn.collect._similarity import cosine_similarities

VECTORS = {"a": [1.0, 0.0], "b": [0.0, 2.0], "c": [3.0, 4.0]}


def encode(texts):
    return [VECTORS[text] for text in texts]


def test_similarities_are_the_cosines_between_rewrites_and_their_queries():
    similarities = cosine_similarities(encode, ["a", "b", "c"], ["a", "a", "b"])
    np.testing.assert_allclose(similarities, [1.0, 0.0, 0.8])


def test_without_an_encoder_every_rewrite_is_similar():
    assert cosine_similarities(None, ["a", "b"], ["a", "a"]).tolist() == [1, 1]


def test_without_rewrites_nothing_is_encoded():
    assert cosine_similarities(lambda texts: 1 / 0, [], []).tolist() == []


@pytest.mark.parametrize("shape", [(1, 2), (2,), (3, 2), (2, 2, 2)])
def test_an_encoder_must_return_one_row_per_text(shape):
    with pytest.raises(ValueError, match=r"array of shape \(.*\) for 2 texts; it must have one"):
        cosine_similarities(lambda texts: np.ones(shape), ["a", "b"], ["a", "a"])
