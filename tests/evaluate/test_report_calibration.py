"""The calibration of the routers of all folds in a report."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from dars_sklearn import DistributionalRouter, OutcomeAggregator, evaluate_router
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._report_calibration import calibration_table


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(100, 3, 3, 2, interaction=1.5, random_state=0)


def test_the_table_of_a_report_is_the_mean_over_the_routers_of_the_folds(data):
    splits = list(KFold(2).split(data.X))
    report = evaluate_router(
        DistributionalRouter(Ridge()), data.X, data.outcomes, cv=splits, inner_cv=None,
        n_resamples=2,
    )  # fmt: skip
    aggregator = OutcomeAggregator(
        cost_scaling=(data.outcomes.cost.min(), data.outcomes.cost.max())
    )
    calibrations = [
        DistributionalRouter(Ridge(), aggregator=aggregator)
        .fit(data.X[train], data.outcomes[train])
        .calibration_
        for train, _ in splits
    ]
    table = report.calibration
    assert table.equals(calibration_table(calibrations))
    for row in table.itertuples():
        quantity, component = row.Index
        slopes = [own.slopes.loc[(quantity, component)] for own in calibrations]
        assert row.own == pytest.approx(np.mean([slope["own"] for slope in slopes]))
        explained = [own.blocks[quantity].explained for own in calibrations]
        assert row.explained == pytest.approx(np.mean(explained))
    reliability = np.mean([own.reliability for own in calibrations])
    assert table["reliability"].dropna().tolist() == pytest.approx([reliability])
    assert "calibration: slopes of predictions" in repr(report)
    assert report._repr_html_().count("<table") == 4


def test_a_router_without_calibration_has_no_table(data):
    router = DistributionalRouter(Ridge(), calibration=None)
    report = evaluate_router(router, data.X, data.outcomes, cv=2, inner_cv=None, n_resamples=2)
    assert report.calibration is None
    assert "calibration" not in repr(report)
