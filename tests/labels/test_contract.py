"""The scikit-learn contract of the transformer from outcomes to labels."""

import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import OutcomeAggregator, Outcomes


@parametrize_with_checks([OutcomeAggregator(), OutcomeAggregator(smoothing="auto")])
def test_the_aggregator_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_transforming_before_fitting_is_refused():
    with pytest.raises(NotFittedError):
        OutcomeAggregator().transform(Outcomes.from_array([[1, 0]]))
