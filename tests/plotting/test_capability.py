from types import SimpleNamespace

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import CapabilityDisplay, DistributionalRouter, OutcomeAggregator


def test_aggregated_capability_is_drawn_from_the_hardest_query_to_the_easiest(data):
    capability = OutcomeAggregator().fit(data.outcomes).aggregate(data.outcomes)
    display = CapabilityDisplay.from_predictions(capability)
    quality, risk = (ax.images[0].get_array() for ax in display.axes_)
    assert quality.shape == (3, 120)
    assert (np.diff(quality.mean(axis=0)) >= -1e-12).all()
    order = np.argsort(capability.quality.mean(axis=1), kind="stable")
    np.testing.assert_array_equal(risk, capability.risk[order].T)
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert labels == ["model 0", "model 1", "model 2"]


def test_the_predictions_of_a_pipeline_are_drawn(data):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter())
    pipeline.fit(data.X, data.outcomes)
    display = CapabilityDisplay.from_estimator(pipeline, data.X[:10])
    predicted = pipeline[-1].predict_capability(pipeline[:-1].transform(data.X[:10]))
    np.testing.assert_array_equal(np.sort(display.risk), np.sort(predicted.risk))
    assert display.axes_[1].images[0].get_array().shape == (3, 10)


def test_models_without_names_are_numbered():
    capability = SimpleNamespace(quality=np.eye(2), risk=np.zeros((2, 2)))
    display = CapabilityDisplay.from_predictions(capability)
    assert [label.get_text() for label in display.axes_[0].get_yticklabels()] == ["0", "1"]
    named = CapabilityDisplay.from_predictions(capability, models=["a", "b"], ax=display.axes_)
    assert [label.get_text() for label in named.axes_[0].get_yticklabels()] == ["a", "b"]
