from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import CapabilityDisplay, DistributionalRouter, OutcomeAggregator, Outcomes


@pytest.fixture(scope="module")
def router(data):
    return DistributionalRouter().fit(data.X, data.outcomes)


def query_labels(display):
    return [label.get_text() for label in display.axes_[-1].get_xticklabels()]


def test_aggregated_capability_is_drawn_from_the_hardest_query_to_the_easiest(data):
    capability = OutcomeAggregator().fit(data.outcomes).aggregate(data.outcomes)
    display = CapabilityDisplay.from_predictions(capability)
    quality, risk, cost = (ax.images[0].get_array() for ax in display.axes_)
    assert quality.shape == (3, 120)
    assert (np.diff(quality.mean(axis=0)) >= -1e-12).all()
    order = np.argsort(capability.quality.mean(axis=1), kind="stable")
    np.testing.assert_array_equal(display.order_, order)
    np.testing.assert_array_equal(risk, capability.risk[order].T)
    np.testing.assert_array_equal(cost, capability.cost[order].T)
    assert display.axes_[2].get_title() == "cost (unit of the costs)"
    assert display.marks_ == []
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


def test_the_chosen_models_of_a_router_are_marked_on_every_map(data, router):
    display = CapabilityDisplay.from_estimator(router, data.X[:30], cost_unit="USD")
    routes = router.predict(data.X[:30])[display.order_]
    assert len(display.marks_) == len(display.axes_) == 3
    for marks in display.marks_:
        assert marks.get_xdata().tolist() == list(range(30))
        assert router.models_[marks.get_ydata()].tolist() == routes.tolist()
    (label,) = display.axes_[0].get_legend().get_texts()
    assert label.get_text() == "model chosen"
    assert display.axes_[2].get_title() == "cost (USD)"


def test_routes_can_be_marked_on_aggregated_capability():
    capability = SimpleNamespace(quality=np.eye(2), risk=np.zeros((2, 2)))
    display = CapabilityDisplay.from_predictions(capability, models=["a", "b"], routes=["b", "a"])
    assert display.marks_[0].get_ydata().tolist() == [1, 0]
    for routes, message in ((["a"], "routes must have 2 entries, got 1"), (["a", "c"], "'c'")):
        with pytest.raises(ValueError, match=message):
            CapabilityDisplay.from_predictions(capability, models=["a", "b"], routes=routes)


def test_without_costs_there_is_no_map_of_the_cost(data):
    outcomes = Outcomes.from_array(data.outcomes.to_array())
    router = DistributionalRouter(cost_weight=0).fit(data.X, outcomes)
    display = CapabilityDisplay.from_estimator(router, data.X[:5])
    assert [ax.get_title() for ax in display.axes_] == ["quality", "risk"]


def test_as_many_axes_are_needed_as_there_are_maps(data, router):
    _, axes = plt.subplots(3)
    display = CapabilityDisplay.from_estimator(router, data.X[:5], ax=axes)
    assert display.axes_.tolist() == axes.tolist()
    with pytest.raises(ValueError, match="draws on 3 axes, but ax has 2"):
        CapabilityDisplay.from_estimator(router, data.X[:5], ax=axes[:2])


def test_queries_are_named_by_their_texts_labels_or_rows(data, router):
    X, texts = data.X[:3], ["easy", "harder", "hardest"]
    order = CapabilityDisplay.from_estimator(router, X).order_
    in_order = np.array(texts)[order].tolist()
    outcomes = data.outcomes[:3].with_texts(texts)
    by_label = Outcomes.from_array(np.ones((3, 2)), queries=texts)
    for queries in (texts, np.array(texts), outcomes, by_label):
        assert (
            query_labels(CapabilityDisplay.from_estimator(router, X, queries=queries)) == in_order
        )
    indexed = pd.DataFrame(X, index=texts)
    assert query_labels(CapabilityDisplay.from_estimator(router, indexed)) == in_order
    numbered = pd.DataFrame(X, index=pd.RangeIndex(7, 4, -1))
    in_order = np.array(["7", "6", "5"])[order].tolist()
    assert query_labels(CapabilityDisplay.from_estimator(router, numbered)) == in_order
    assert query_labels(CapabilityDisplay.from_estimator(router, X)) == list(map(str, order))
    with pytest.raises(ValueError, match="queries must have 3 entries, got 2"):
        CapabilityDisplay.from_estimator(router, X, queries=texts[:2])


def test_queries_of_outcomes_in_another_order_are_refused(data, router):
    outcomes = Outcomes.from_array(np.ones((3, 3)), queries=["a", "b", "c"])
    with pytest.raises(ValueError, match="reindex"):
        CapabilityDisplay.from_estimator(
            router, pd.DataFrame(data.X[:3], index=["b", "a", "c"]), queries=outcomes
        )


def test_many_queries_have_integer_ticks_at_some_positions(data, router):
    display = CapabilityDisplay.from_estimator(router, data.X, queries=data.outcomes)
    ticks = display.axes_[-1].get_xticks()
    assert ticks.tolist() == [0, 20, 40, 60, 80, 100]
    assert display.axes_[-1].get_xlim() == (-0.5, 119.5)


def test_unknown_values_are_hatched_and_their_queries_come_first():
    quality = np.array([[0.9, 0.8], [np.nan, np.nan], [0.1, np.nan]])
    capability = SimpleNamespace(quality=quality, risk=quality, cost=quality * np.nan)
    display = CapabilityDisplay.from_predictions(capability)
    assert display.order_.tolist() == [1, 2, 0]
    assert display.axes_[0].images[0].get_array().mask.tolist() == [
        [True, False, False], [True, True, False]
    ]  # fmt: skip
    assert display.axes_[0].patch.get_hatch()
    assert display.axes_[0].images[0].get_clim() == (0, 0.9)
