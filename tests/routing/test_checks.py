"""Checks of a router: its parameters, its features, and what its estimator predicts."""

import numpy as np
import pytest

from dars_sklearn import DistributionalRouter
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.routing._checks import (
    check_features,
    check_parameters,
    check_predictions,
    raise_if_text,
)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "best"}, "target must be one of .*'choice'.*, got 'best'"),
        ({"heads": "all"}, "heads must be one of .*'joint'.*, got 'all'"),
        ({"target": "choice", "heads": "model"}, "use heads='joint'"),
        ({"cost_weight": -1}, "cost_weight must be a finite float >= 0, got -1"),
        ({"risk_aversion": "high"}, "risk_aversion must be a finite float >= 0, got 'high'"),
    ],
)
def test_parameters_out_of_range_are_refused(settings, message):
    assert check_parameters(DistributionalRouter()) is None
    with pytest.raises(ValueError, match=message):
        check_parameters(DistributionalRouter(**settings))


def test_features_are_those_of_fit():
    router = DistributionalRouter()
    X = np.zeros((3, 2))
    assert check_features(router, X, reset=True) is X
    assert check_features(router, X[:1], reset=False) is not None
    with pytest.raises(ValueError, match="has 1 features, but .* is expecting 2"):
        check_features(router, X[:, :1], reset=False)
    with pytest.raises(ValueError, match=r"reshape\(1, -1\)"):
        check_features(router, X[0], reset=False)
    assert check_features(router, ["a text"], reset=True) == ["a text"]
    assert not hasattr(router, "n_features_in_")


def test_conversations_are_read_as_texts():
    conversation = [{"role": "user", "content": "What is 2 + 2?"}]
    found = check_features(DistributionalRouter(), [conversation], reset=True)
    assert list(found) == ["What is 2 + 2?"]


def test_predictions_that_are_nan_are_refused():
    predicted = {"quality": np.array([[0.5, np.nan], [0.1, 0.2]]), "cost": np.zeros((2, 2))}
    assert check_predictions({"cost": predicted["cost"]}) is None
    with pytest.raises(ValueError, match="predicted NaN for 1 query"):
        check_predictions(predicted)


def test_the_error_of_a_missing_encoder_names_both_encoders_and_not_all_texts():
    texts = [f"question {i}" for i in range(30)]
    data = make_routing_outcomes(30, 2, random_state=0)
    with pytest.raises(ValueError, match=r"QueryEncoder\(TfidfVectorizer\(\)\)") as error:
        DistributionalRouter().fit(texts, data.outcomes)
    assert "question 1" not in str(error.value)
    assert raise_if_text(np.zeros((2, 2)), ValueError("another error")) is None
