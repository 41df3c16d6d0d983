"""What routes achieve, against plain loops over the queries."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import pair_summary
from ragged import draw_ragged, pair_means
from sklearn.metrics import make_scorer
from sklearn.model_selection import cross_val_score

from dars_sklearn import DistributionalRouter, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    best_single_model,
    cheapest_model,
    instability,
    oracle_utility,
    random_utility,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
    routing_collapse_index,
)

NAN = float("nan")
SCALE = {"cost_weight": 0.3, "cost_range": (0.0, 2.0)}
METRICS = (routed_score, routed_cost, routed_utility, routed_regret, instability)


def draw_routes(seed, n_queries=9, n_models=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_models, n_queries), rng.random(n_queries)


def weighted_average(values, weights):
    known = [(w, v) for w, v in zip(weights, values, strict=True) if not np.isnan(v)]
    return sum(w * v for w, v in known) / sum(w for w, _ in known)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_what_routes_achieve_is_what_a_slow_loop_finds(seed):
    data = draw_ragged(seed)
    outcomes, (routes, weight) = data.outcomes(), draw_routes(seed)
    score, cost = pair_means(data.scores), pair_means(data.costs)
    scores, costs, utilities = [], [], []
    for query, model in enumerate(routes):
        scores.append(score[query, model])
        costs.append(cost[query, model])
        utilities.append(score[query, model] - 0.3 * cost[query, model] / 2)
    expected = {routed_score: scores, routed_cost: costs}
    for metric, values in expected.items():
        found = metric(outcomes, routes, sample_weight=weight)
        assert found == pytest.approx(weighted_average(values, weight))
        assert metric(outcomes, routes) == pytest.approx(sum(values) / 9)
    by_query = routed_utility(outcomes, routes, **SCALE, average=False)
    np.testing.assert_allclose(by_query, utilities)
    found = routed_utility(outcomes, routes, **SCALE, sample_weight=weight)
    assert found == pytest.approx(weighted_average(utilities, weight))
    for crossfit in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            oracle = oracle_utility(outcomes, **SCALE, crossfit=crossfit, average=False)
            found = routed_regret(
                outcomes, routes, **SCALE, crossfit=crossfit, sample_weight=weight
            )
        regrets = oracle - utilities
        assert found == pytest.approx(weighted_average(regrets, weight))
        assert crossfit or (regrets >= -1e-12).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_instability_is_the_mean_spread_of_the_routed_models(seed):
    data = draw_ragged(seed, n_paraphrases=2, share=0.9)
    present = ~np.isnan(data.scores)
    data.scores[:, :, 0, :] = np.where(present.any(axis=(2, 3))[..., None], 0.5, NAN)  # two or more
    routes, weight = draw_routes(seed)
    spreads = [
        pair_summary(data.scores[query, model], "balanced")[1] for query, model in enumerate(routes)
    ]
    found = instability(data.outcomes(), routes, sample_weight=weight)
    assert found == pytest.approx(weighted_average(spreads, weight))
    assert instability(data.outcomes(), routes) == pytest.approx(np.mean(spreads))


def test_instability_of_samples_of_one_wording_is_their_standard_deviation():
    rng = np.random.default_rng(0)
    scores, routes = rng.random((8, 3, 1, 4)), rng.integers(0, 3, 8)
    expected = [np.std(scores[query, model, 0], ddof=1) for query, model in enumerate(routes)]
    assert instability(Outcomes.from_array(scores), routes) == pytest.approx(np.mean(expected))


def test_utility_and_regret_weigh_cost_by_a_twentieth_of_its_range_by_default():
    outcomes = Outcomes.from_array(np.full((1, 2, 2, 1), 0.5), costs=[4.0, 2.0])
    assert routed_utility(outcomes, [0]) == pytest.approx(0.45)
    assert routed_utility(outcomes, [1]) == pytest.approx(0.5)
    assert routed_utility(outcomes, [0], cost_weight=0.1) == pytest.approx(0.4)
    assert routed_utility(outcomes, [0], cost_range=(0, 1)) == pytest.approx(0.3)
    assert routed_regret(outcomes, [0]) == pytest.approx(0.05)
    assert routed_regret(outcomes, [0], cost_weight=0.1) == pytest.approx(0.1)
    assert routed_regret(outcomes, [0], cost_range=(0, 1)) == pytest.approx(0.1)


def test_regret_is_relative_to_the_cross_fitted_oracle_by_default():
    coin_flips = Outcomes.from_array([[[[1], [0]], [[0], [1]]]])
    assert routed_regret(coin_flips, [0]) == -0.5
    assert routed_regret(coin_flips, [0], crossfit=False) == 0.0


def test_costs_are_in_the_users_unit():
    outcomes = Outcomes.from_array([[1, 0], [1, 1]], costs=[20.0, 300.0])
    assert routed_cost(outcomes, [1, 0]) == 160.0


@pytest.mark.parametrize("metric", METRICS)
def test_routed_pairs_without_outcomes_are_refused_or_left_out(metric):
    scores = np.array([[1, NAN], [0, 1], [0.5, 0.25]])[:, :, None, None]
    outcomes = Outcomes.from_array(np.tile(scores, (1, 1, 2, 1)), costs=[1.0, 2.0])
    with pytest.raises(ValueError, match="1 of 3 queries were routed to a model that has no"):
        metric(outcomes, [1, 1, 0])
    options = {"cost_range": (1, 2)} if metric in (routed_utility, routed_regret) else {}
    found = metric(outcomes, [1, 1, 0], missing="skip", **options)
    assert found == pytest.approx(metric(outcomes[1:], [1, 0], **options))
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        metric(outcomes, [0, 1, 0], missing="drop")


@pytest.mark.parametrize("metric", METRICS)
def test_there_must_be_one_weight_per_query(metric):
    outcomes = Outcomes.from_array(np.ones((2, 2, 2, 1)), costs=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(2,\)"):
        metric(outcomes, [0, 1], sample_weight=[1])


def test_a_metric_of_routes_without_any_known_value_is_nan():
    outcomes = Outcomes.from_array([[1, NAN], [1, NAN]])
    assert np.isnan(routed_score(outcomes, [1, 1], missing="skip"))


@pytest.mark.parametrize("costs", [None, [NAN, NAN]])
def test_the_cost_of_routes_is_not_invented(costs):
    outcomes = Outcomes.from_array([[1, 0], [0, 1]], costs=costs)
    with pytest.raises(ValueError, match="no costs|all costs of these outcomes are unknown"):
        routed_cost(outcomes, [0, 1])
    assert routed_utility(outcomes, [0, 1], cost_weight=9.0, cost_range=(1, 2)) == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_arrays_of_scores_are_accepted(metric):
    scores = np.ones((2, 2, 2, 1))
    if metric is routed_cost:
        with pytest.raises(ValueError, match="no costs"):
            metric(scores, [0, 1])
    else:
        assert metric(scores, [0, 1]) == metric(Outcomes.from_array(scores), [0, 1])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_models_and_queries_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    data, (routes, weight) = draw_ragged(seed), draw_routes(seed)
    scores = 0.99 * data.scores + 1e-3 * rng.random(data.scores.shape)  # order breaks ties
    queries, models = rng.permutation(9), rng.permutation(3)
    names = np.array(["a", "b", "c"])
    routed = names[routes]
    outcomes = Outcomes.from_array(scores, costs=data.costs, models=names)
    shuffled = Outcomes.from_array(
        scores[queries][:, models], costs=data.costs[queries][:, models], models=names[models]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        for metric in METRICS:
            assert metric(outcomes, routed, sample_weight=weight) == pytest.approx(
                metric(shuffled, routed[queries], sample_weight=weight[queries])
            )
        for crossfit in (True, False):
            assert oracle_utility(outcomes, **SCALE, crossfit=crossfit) == pytest.approx(
                oracle_utility(shuffled, **SCALE, crossfit=crossfit)
            )
    assert routing_collapse_index(outcomes, routed) == pytest.approx(
        routing_collapse_index(shuffled, routed[queries]), nan_ok=True
    )
    assert best_single_model(outcomes, **SCALE) == best_single_model(shuffled, **SCALE)
    assert cheapest_model(outcomes) == cheapest_model(shuffled)
    assert random_utility(outcomes, **SCALE) == pytest.approx(random_utility(shuffled, **SCALE))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1000))
def test_the_unit_of_cost_does_not_matter_to_utilities(seed, unit):
    data, (routes, _) = draw_ragged(seed), draw_routes(seed)
    repriced = Outcomes.from_array(data.scores, costs=unit * data.costs)
    for options in ({}, {"cost_weight": 0.3}):
        assert routed_utility(data.outcomes(), routes, **options) == pytest.approx(
            routed_utility(repriced, routes, **options)
        )
    assert routed_cost(repriced, routes) == pytest.approx(
        unit * routed_cost(data.outcomes(), routes)
    )


@pytest.mark.parametrize(
    ("metric", "sign"), [(routed_score, True), (routed_cost, False), (routed_regret, False)]
)
def test_metrics_are_scorers_of_scikit_learn(metric, sign):
    data = make_routing_outcomes(30, 3, 2, 2, random_state=0)
    scorer = make_scorer(metric, greater_is_better=sign)
    scores = cross_val_score(DistributionalRouter(), data.X, data.outcomes, scoring=scorer, cv=3)
    router = DistributionalRouter().fit(data.X[10:], data.outcomes[10:])
    expected = metric(data.outcomes[:10], router.predict(data.X[:10]))
    assert scores[0] == pytest.approx(expected if sign else -expected)
