"""Warnings point to the line of the caller."""

import os
from warnings import catch_warnings, simplefilter

import numpy as np
import pytest
from plain_outcomes import normal_scores, thinned

from dars_sklearn import OutcomeAggregator, Outcomes
from dars_sklearn.labels import decompose_variance, label_flip_rate, probability_best

ONE_OUTCOME = Outcomes.from_array([[1, 0], [0, 1], [1, 1]])
ONE_PARAPHRASE = Outcomes.from_array(normal_scores(0, 12, 2, 1, 3), score_range=None)


def informative_outcomes():
    """Outcomes of which the more numerous have lower scores."""
    scores = thinned(np.random.default_rng(0).random((200, 1, 1, 8)), 0, 1.0)
    scores[:100, ..., 2:] = np.nan
    scores[:100] /= 2
    return Outcomes.from_array(scores)


@pytest.mark.skipif("MUTANT_UNDER_TEST" in os.environ, reason="mutmut adds frames to every call")
@pytest.mark.parametrize(
    "function",
    [
        lambda: OutcomeAggregator(smoothing="auto").fit(ONE_OUTCOME),
        lambda: OutcomeAggregator(smoothing="auto").fit_aggregate(ONE_OUTCOME),
        lambda: OutcomeAggregator(smoothing="auto").fit(informative_outcomes()),
        lambda: decompose_variance(ONE_OUTCOME),
        lambda: decompose_variance(ONE_PARAPHRASE),
        lambda: label_flip_rate(ONE_OUTCOME),
        lambda: probability_best(ONE_OUTCOME),
        lambda: probability_best(ONE_PARAPHRASE),
    ],
)
def test_a_warning_has_the_file_of_the_caller(function):
    with catch_warnings(record=True) as record:
        simplefilter("always")
        function()
    assert [warning.filename for warning in record] == [__file__]
