import os
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes
from dars_sklearn.exceptions import ImputationWarning, RiskAversionWarning
from dars_sklearn.routing._label_warnings import warn_of_missing_pairs, warn_of_risk_aversion

MODELS = np.array(["a", "b"], dtype=object)


def counts(n_queries, n_missing):
    """Two outcomes per pair, and none of model "a" on the first queries."""
    n_outcomes = np.full((n_queries, 2), 2)
    n_outcomes[:n_missing, 0] = 0
    return n_outcomes


def one_warning(recorded):
    assert len(recorded) == 1
    return str(recorded[0].message)


# ---- missing pairs ---------------------------------------------------------------


@pytest.mark.parametrize("n_missing", [0, 1])
def test_up_to_five_percent_of_missing_pairs_are_not_worth_a_warning(n_missing):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_missing_pairs(MODELS, counts(10, n_missing), imputed=True)


def test_more_than_five_percent_of_missing_pairs_are_warned_of():
    with pytest.warns(ImputationWarning, match="6%") as recorded:
        warn_of_missing_pairs(MODELS, counts(50, 6), imputed=True)
    assert one_warning(recorded) == (
        "6% of the (query, model) pairs have no outcome, and were filled with the mean of their "
        "model, which the router learns as if it had been observed; heads='model' fits each model "
        "on the queries that have outcomes of it"
    )


def test_missing_pairs_that_are_not_imputed_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_missing_pairs(MODELS, counts(10, 9), imputed=False)


@pytest.mark.parametrize("imputed", [False, True])
@pytest.mark.parametrize(
    ("models", "without", "names"),
    [(["a", "b", "c"], [0, 2], "a, c"), ([4, 5, 6], [1], "5")],
)
def test_models_without_outcomes_are_named_and_nothing_else_is_warned_of(
    models, without, names, imputed
):
    n_outcomes = np.ones((3, 3), dtype=int)
    n_outcomes[:, without] = 0
    with pytest.warns(ImputationWarning, match="no outcomes") as recorded:
        warn_of_missing_pairs(np.array(models), n_outcomes, imputed=imputed)
    assert one_warning(recorded) == (
        f"there are no outcomes of {names}, whose labels are the mean of the other models; use "
        "outcomes.subset(models=) to leave it out"
    )


def gappy(n_missing):
    """Scores between 0 and 1 of 10 queries and 2 models; "a" lacks those of the first queries."""
    scores = np.full((10, 2, 1), 0.5)
    scores[:n_missing, 0] = np.nan
    return Outcomes.from_array(scores, models=MODELS)


@pytest.mark.parametrize(
    ("n_missing", "settings", "warned"),
    [
        (1, {}, False),
        (2, {}, True),
        (2, {"heads": "separate"}, True),
        (2, {"target": "penalised"}, True),
        (2, {"target": "utility"}, True),
        (2, {"heads": "model"}, False),
        (10, {"heads": "model"}, True),
    ],
)
def test_the_router_warns_where_it_learns_imputed_labels(n_missing, settings, warned):
    router = DistributionalRouter(DummyRegressor(), **settings)
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        router.fit(np.zeros((10, 1)), gappy(n_missing))
    assert [warning.category for warning in recorded] == [ImputationWarning] * warned


def test_the_choice_is_learned_from_posteriors_and_not_from_imputed_labels():
    router = DistributionalRouter(DummyRegressor(), target="choice")
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        router.fit(np.zeros((10, 1)), gappy(5))
    assert ImputationWarning not in [warning.category for warning in recorded]


# ---- risk aversion ---------------------------------------------------------------


def capability(n_outcomes, shrinkage=1.0):
    n_outcomes = np.array(n_outcomes)
    return SimpleNamespace(
        n_outcomes=n_outcomes, shrinkage=np.broadcast_to(shrinkage, n_outcomes.shape)
    )


def test_risk_aversion_up_to_the_bound_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_risk_aversion(0.5, capability([[4, 4]]))


def test_risk_aversion_above_the_bound_is_warned_of():
    with pytest.warns(RiskAversionWarning, match="risk_aversion") as recorded:
        warn_of_risk_aversion(0.51, capability([[4, 4]]))
    assert one_warning(recorded) == (
        "risk_aversion=0.51 is above 0.500: with binary scores and 4 outcomes per (query, model) "
        "pair, a model with one success ranks below one with none; a lower risk_aversion avoids "
        "this"
    )


def test_the_bound_is_that_of_the_largest_number_of_outcomes():
    with pytest.warns(RiskAversionWarning, match=r"above 0\.333: .* and 9 outcomes"):
        warn_of_risk_aversion(0.34, capability([[4, 9], [0, 1]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_risk_aversion(1 / 3, capability([[4, 9], [0, 1]]))


def test_smoothing_lowers_the_bound():
    shrinkage = np.array([[0.5, 0.8], [0.9, 0.1]])
    with pytest.warns(RiskAversionWarning, match=r"above 0\.400: "):
        warn_of_risk_aversion(0.41, capability([[1, 4], [4, 3]], shrinkage))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_risk_aversion(0.4, capability([[1, 4], [4, 3]], shrinkage))


def test_single_outcomes_show_no_risk_and_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_risk_aversion(2.0, capability([[1, 1]]))
    with pytest.warns(RiskAversionWarning, match=r"above 0\.707: .* and 2 outcomes"):
        warn_of_risk_aversion(2.0, capability([[1, 2]]))


@pytest.mark.parametrize(
    ("scores", "settings", "warned"),
    [
        ([1, 0, 0, 1], {"risk_aversion": 0.5}, False),
        ([1, 0, 0, 1], {"risk_aversion": 0.51}, True),
        ([1, 0, 0, 1], {"risk_aversion": 0.51, "target": "penalised"}, True),
        ([1, 0, 0, 1], {"risk_aversion": 0.51, "target": "utility"}, True),
        ([1, 0, 0, 1], {"risk_aversion": 0.51, "target": "choice"}, False),
        ([1, 0, 0, 0.9], {"risk_aversion": 0.51}, False),
        (
            [1, 0, 0, 1],
            {"risk_aversion": 0.51, "aggregator": OutcomeAggregator(risk="standard_error")},
            False,
        ),
    ],
)
def test_the_router_warns_of_binary_scores_whose_standard_deviation_weighs_too_much(
    scores, settings, warned
):
    outcomes = Outcomes.from_array(np.tile(scores, (5, 2, 1)))
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        DistributionalRouter(DummyRegressor(), **settings).fit(np.zeros((5, 1)), outcomes)
    recorded = [one for one in recorded if one.category is RiskAversionWarning]
    assert len(recorded) == warned


@pytest.mark.skipif("MUTANT_UNDER_TEST" in os.environ, reason="mutmut adds frames to every call")
def test_the_warnings_point_at_the_call_of_fit():
    scores = np.tile([1.0, 0.0], (5, 2, 1))
    scores[:2, 0] = np.nan
    with pytest.warns((ImputationWarning, RiskAversionWarning)) as recorded:
        DistributionalRouter(risk_aversion=2.0).fit(np.eye(5), Outcomes.from_array(scores))
    assert [one.category for one in recorded] == [ImputationWarning, RiskAversionWarning]
    assert [one.filename for one in recorded] == [__file__, __file__]


@pytest.mark.parametrize("n", [4, 25])
def test_utility_rises_with_successes_up_to_the_bound_on_risk_aversion(n):
    scores = np.tril(np.ones((n + 1, n)), -1)[:, None]  # row k has k successes
    outcomes = Outcomes.from_array(scores)
    labels = OutcomeAggregator().fit_aggregate(outcomes)
    for factor, rises in ((1.0, True), (1.05, False)):
        utilities = (labels.quality - factor / np.sqrt(n) * labels.risk)[:, 0]
        assert (np.diff(utilities) >= -1e-12).all() == rises
    with pytest.warns(RiskAversionWarning, match="one success ranks below"):
        DistributionalRouter(risk_aversion=1.05 / np.sqrt(n)).fit(np.eye(n + 1), outcomes)
