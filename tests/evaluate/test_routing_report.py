"""Reports of routes, against the metrics of the package and resamples drawn one by one."""

import warnings

import numpy as np
import pandas as pd
import pytest
from ragged import draw_ragged

from dars_sklearn import Outcomes, routing_report
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._report import RoutingReport
from dars_sklearn.evaluate._routing_report import add_supervision_costs
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    best_single_model,
    cheapest_model,
    instability,
    oracle_utility,
    performance_gap_recovered,
    random_utility,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)
from dars_sklearn.outcomes import _outcomes

NAN = float("nan")


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(120, 3, 3, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def routes(data):
    """Routes to the best model, and to a random one for every third query."""
    routes = data.outcomes.models[data.best]
    routes[::3] = np.random.default_rng(0).choice(data.outcomes.models, 40)
    return routes


def slow_intervals(outcomes, routes, metric, *, level=0.95, n_resamples=50, seed=0):
    """Percentiles of a metric of resampled queries, computed anew for each resample."""
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(n_resamples):
        rows = rng.randint(len(routes), size=len(routes))
        values.append(metric(outcomes[rows], routes[rows]))
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


# ---- figures -------------------------------------------------------------------------


def test_figures_are_those_of_the_metrics(data, routes):
    train, test, routes = data.outcomes[:60], data.outcomes[60:], routes[60:]
    found = routing_report(test, routes, train=train, cost_weight=0.2, n_resamples=20)
    scale = {"cost_weight": 0.2, "cost_range": (train.cost.min(), train.cost.max())}
    best, strong = best_single_model(train, **scale), best_single_model(train, cost_weight=0)
    weak, utility = cheapest_model(train), routed_utility(test, routes, **scale)
    alone = [routed_utility(test, [model] * 60, **scale) for model in test.models]
    shares = [(routes == model).mean() for model in test.models]
    costs = train.cost.sum(), routed_cost(test, [best] * 60), routed_cost(test, routes)
    expected = {
        "score": routed_score(test, routes),
        "cost": routed_cost(test, routes),
        "utility": utility,
        "regret": routed_regret(test, routes, **scale),
        "instability": instability(test, routes),
        "gain_over_best_single_model": utility - routed_utility(test, [best] * 60, **scale),
        "gain_over_matched_random": utility - np.dot(shares, alone),
        "gap_recovered": performance_gap_recovered(
            routed_score(test, routes),
            routed_score(test, [weak] * 60),
            routed_score(test, [strong] * 60),
        ),
        "collapse_index": routing_collapse_index(test, routes),
        "cost_ratio": routed_cost(test, routes) / routed_cost(test, [strong] * 60),
        "score_difference": routed_score(test, routes) - routed_score(test, [strong] * 60),
        "break_even_queries": supervision_break_even(*costs),
        "supervision_cost_ratio": supervision_cost_ratio(*costs, 100_000),
    }
    own = found.table[found.table["strategy"] == "router"]
    assert set(own["metric"]) == set(expected)
    for metric, value in expected.items():
        assert found.get(metric)[0] == pytest.approx(value), metric
    np.testing.assert_allclose(found.shares.loc["router"], shares)
    assert found.shares.columns.tolist() == test.models.tolist()
    for name, model in (("best_single_model", best), ("cheapest_model", weak)):
        values = {
            "score": routed_score(test, [model] * 60),
            "cost": routed_cost(test, [model] * 60),
            "utility": routed_utility(test, [model] * 60, **scale),
            "regret": routed_regret(test, [model] * 60, **scale),
            "instability": instability(test, [model] * 60),
        }
        for metric, value in values.items():
            assert found.get(metric, name)[0] == pytest.approx(value), (name, metric)
    random = found.get("utility", "random_routing")[0]
    assert random == pytest.approx(random_utility(test, **scale))
    score = found.get("score", "random_routing")[0]
    assert score == pytest.approx(random_utility(test, cost_weight=0))
    for crossfit, name in ((True, "oracle_crossfitted"), (False, "oracle_naive")):
        oracle = oracle_utility(test, **scale, crossfit=crossfit)
        assert found.get("utility", name)[0] == pytest.approx(oracle)
    assert found.names == {
        "best_single_model": best, "cheapest_model": weak, "strong_model": strong
    }  # fmt: skip
    assert (found.n_queries, found.level, found.in_hindsight) == (60, 0.95, False)
    assert found.oracle_label == "oracle, cross-fitted"


def test_the_default_scale_is_a_twentieth_and_the_range_of_the_training_outcomes(data, routes):
    train, test, routes = data.outcomes[:60], data.outcomes[60:], routes[60:]
    limits = train.cost.min(), train.cost.max()
    found = routing_report(test, routes, train=train, n_resamples=2).get("utility")[0]
    assert found == pytest.approx(routed_utility(test, routes, cost_range=limits))
    found = routing_report(test, routes, n_resamples=2).get("utility")[0]
    assert found == pytest.approx(routed_utility(test, routes))
    found = routing_report(test, routes, train=train, cost_range=(0, 1), n_resamples=2)
    assert found.get("utility")[0] == pytest.approx(
        routed_utility(test, routes, cost_weight=0.05, cost_range=(0, 1))
    )


def test_the_horizon_is_that_of_the_supervision_cost_ratio(data, routes):
    train, test, routes = data.outcomes[:60], data.outcomes[60:], routes[60:]
    found = routing_report(test, routes, train=train, horizon=500, n_resamples=2)
    best = found.names["best_single_model"]
    costs = train.cost.sum(), routed_cost(test, [best] * 60), routed_cost(test, routes)
    ratio = supervision_cost_ratio(*costs, 500)
    assert found.get("supervision_cost_ratio")[0] == pytest.approx(ratio)


# ---- intervals -----------------------------------------------------------------------


def test_intervals_are_those_of_resampled_queries(data, routes):
    outcomes, scale = data.outcomes, {"cost_weight": 0.2, "cost_range": (0, 20)}
    found = routing_report(
        outcomes, routes, **scale, n_resamples=50, level=0.8, random_state=3
    )  # fmt: skip
    best = best_single_model(outcomes, **scale)

    def utility(own, chosen):
        return routed_utility(own, chosen, **scale)

    def gain(own, chosen):
        return utility(own, chosen) - utility(own, [best] * len(own))

    def gain_over_matched_random(own, chosen):
        shares = [(chosen == model).mean() for model in own.models]
        alone = [utility(own, [model] * len(own)) for model in own.models]
        return utility(own, chosen) - np.dot(shares, alone)

    metrics = {
        "score": routed_score,
        "cost": routed_cost,
        "utility": utility,
        "gain_over_best_single_model": gain,
        "gain_over_matched_random": gain_over_matched_random,
    }
    for name, metric in metrics.items():
        expected = slow_intervals(outcomes, routes, metric, level=0.8, seed=3)
        assert found.get(name)[1:] == pytest.approx(expected), name
    assert found.get("collapse_index")[1:] == pytest.approx((NAN, NAN), nan_ok=True)


def test_intervals_have_a_level_of_95_percent_2000_resamples_and_seed_0_by_default():
    data = make_routing_outcomes(12, 2, 2, 1, random_state=0)
    routes = data.outcomes.models[data.best]
    found = routing_report(data.outcomes, routes).get("score")[1:]
    scores = np.array([routed_score(data.outcomes[[row]], routes[[row]]) for row in range(12)])
    rng = np.random.RandomState(0)
    means = [scores[rng.randint(12, size=12)].mean() for _ in range(2000)]
    assert found == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_several_routes_are_evaluated_on_the_same_resamples(data, routes):
    other = np.random.default_rng(1).choice(data.outcomes.models, 120)
    both = routing_report(data.outcomes, {"a": routes, "b": other}, n_resamples=30)
    alone = routing_report(data.outcomes, {"b": other}, n_resamples=30)
    assert both.shares.index.tolist() == ["a", "b"]
    for metric in ("score", "utility", "gain_over_matched_random", "gap_recovered"):
        assert both.get(metric, "b") == alone.get(metric, "b")
    unnamed = routing_report(data.outcomes, other.tolist(), n_resamples=30)
    assert unnamed.get("utility", "router") == alone.get("utility", "b")


def test_intervals_of_gains_cover_the_truth_at_their_rate():
    """With 100 repetitions, the standard error of the rate is 0.022; more in the benchmarks."""
    world, train = (make_routing_outcomes(n, 3, 2, 1, random_state=0).outcomes for n in (4000, 50))
    scale = {"cost_weight": 0.05, "cost_range": (0.0, 20.0)}
    world.pair_statistics()
    share = [0.6, 0.3, 0.1]  # of the models, whatever the query
    alone = [routed_utility(world, [model] * 4000, **scale) for model in world.models]
    best = train.models.tolist().index(best_single_model(train, **scale))
    truth = {
        "gain_over_matched_random": 0.0,
        "gain_over_best_single_model": np.dot(share, alone) - alone[best],
    }
    rng = np.random.default_rng(0)
    covered = {metric: [] for metric in truth}
    for _ in range(100):
        rows, routes = rng.choice(4000, 100, replace=False), rng.choice(world.models, 100, p=share)
        report = routing_report(world[rows], routes, train=train, **scale, n_resamples=150)
        for metric, gain in truth.items():
            _, low, high = report.get(metric)
            covered[metric].append(low <= gain <= high)
    for metric, own in covered.items():
        assert 0.88 < np.mean(own) < 1, metric


# ---- baselines -----------------------------------------------------------------------


def test_without_training_outcomes_baselines_are_chosen_in_hindsight(data, routes):
    found = routing_report(data.outcomes, routes, n_resamples=2)
    assert found.in_hindsight
    assert found.names["best_single_model"] == best_single_model(data.outcomes)
    assert found.names["cheapest_model"] == cheapest_model(data.outcomes)
    assert not {"break_even_queries", "supervision_cost_ratio"} & set(found.table["metric"])


def test_the_strong_model_of_the_gap_is_chosen_by_score_and_the_best_one_by_utility():
    # Model 1 scores a little more than model 0, at a much higher cost; model 2 is the cheapest.
    scores = np.tile(np.array([0.6, 0.65, 0.2])[None, :, None, None], (10, 1, 2, 1))
    train = Outcomes.from_array(scores, costs=[2.0, 10.0, 1.0])
    found = routing_report(train, [0] * 10, train=train, cost_weight=0.5, n_resamples=2)
    assert found.names == {"best_single_model": 0, "cheapest_model": 2, "strong_model": 1}
    assert found.get("gap_recovered")[0] == pytest.approx((0.6 - 0.2) / (0.65 - 0.2))
    assert "strong_model" not in set(found.table["strategy"])


@pytest.mark.parametrize("costs", [None, [NAN, NAN, NAN]])
def test_without_costs_figures_of_costs_are_left_out(data, routes, costs):
    outcomes = Outcomes.from_array(
        data.outcomes.to_array(), models=data.outcomes.models, costs=costs
    )  # fmt: skip
    found = routing_report(outcomes, routes, train=outcomes, n_resamples=5)
    assert np.isnan(found.get("cost")).all()
    assert found.get("utility") == found.get("score")
    needs_costs = {"gap_recovered", "collapse_index", "break_even_queries"}
    assert not needs_costs & set(found.table["metric"])
    assert set(found.names) == {"best_single_model", "strong_model"}
    assert "router" in repr(found)


def test_one_outcome_per_pair_leaves_regret_unknown_and_warns(data, routes):
    once = data.outcomes.single_shot(0)
    with pytest.warns(UndefinedMetricWarning, match="120 of 120 queries have no cross-"):
        found = routing_report(once, routes, n_resamples=5)
    assert np.isnan(found.get("regret")).all()
    assert np.isnan(found.get("utility", "oracle_crossfitted")[0])
    assert found.oracle_label == "oracle, cross-fitted, given the wording"


def test_undefined_metrics_are_gaps_without_a_warning():
    # The strong model is the cheapest, so that there is no gap to recover.
    scores = np.tile(np.array([1.0, 0.0])[None, :, None, None], (5, 1, 2, 1))
    outcomes = Outcomes.from_array(scores, costs=[1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = routing_report(outcomes, [0] * 5, n_resamples=5)
    assert found.get("collapse_index")[0] == 0
    assert np.isnan(found.get("gap_recovered")).all()


def test_the_cost_of_training_outcomes_is_that_of_the_known_costs():
    table = pd.DataFrame(
        [("best_single_model", "cost", 4.0, NAN, NAN), ("router", "cost", 1.0, NAN, NAN)],
        columns=["strategy", "metric", "estimate", "low", "high"],
    )
    report = RoutingReport(table, pd.DataFrame(), {}, 2, 0.95)
    train = Outcomes.from_array([[1, 0], [0, 1]], costs=[3.0, 4.0])
    found = add_supervision_costs(report, ["router"], train, 7)
    assert found.get("break_even_queries")[0] == np.ceil(14 / 3)
    assert found.get("supervision_cost_ratio")[0] == pytest.approx((14 + 7) / 28)
    assert len(found.table) == 4
    assert len(report.table) == 2
    assert found.table.index.tolist() == [0, 1, 2, 3]


# ---- ragged outcomes -----------------------------------------------------------------


def test_routed_pairs_without_outcomes_are_refused_or_left_out(data, routes):
    scores, costs = data.outcomes.to_array(), data.outcomes.to_array("cost")
    logged = np.random.default_rng(0).integers(0, 3, 120)
    scores[np.arange(3) != logged[:, None]] = np.nan  # each query was sent to one model
    log = Outcomes.from_array(scores, models=data.outcomes.models, costs=costs)
    with pytest.raises(ValueError, match="leave the queries out with missing='skip'"):
        routing_report(log, routes)
    found = routing_report(log, routes, missing="skip", n_resamples=20)
    assert found.get("score")[0] == pytest.approx(routed_score(log, routes, missing="skip"))
    assert not np.isnan(found.get("utility")).any()


def test_outcomes_are_summarised_once_per_call(monkeypatch):
    calls = []
    summarise = _outcomes.summarise_pairs

    def counting(outcomes, *, balanced):
        calls.append(outcomes)
        return summarise(outcomes, balanced=balanced)

    monkeypatch.setattr(_outcomes, "summarise_pairs", counting)
    test, train = draw_ragged(0).outcomes(), draw_ragged(1).outcomes()
    routing_report(test, np.zeros(9, dtype=int), n_resamples=2)
    assert len(calls) == 1
    test = draw_ragged(0).outcomes()
    routes = {"a": np.zeros(9, dtype=int), "b": np.ones(9, dtype=int)}
    routing_report(test, routes, train=train, n_resamples=2)
    assert len(calls) == 3
    assert sum(outcomes is test for outcomes in calls) == 1


def test_the_order_of_queries_does_not_matter_to_estimates(data, routes):
    order = np.random.default_rng(0).permutation(120)
    first = routing_report(data.outcomes, routes, n_resamples=200).to_frame()
    second = routing_report(data.outcomes[order], routes[order], n_resamples=200).to_frame()
    np.testing.assert_allclose(first["estimate"], second["estimate"])


def test_names_of_several_types_are_not_confused():
    scores = np.tile(np.array([1.0, 0.0, 0.5])[None, :, None, None], (6, 1, 2, 1))
    models = np.array(["1", 2, "a"], dtype=object)
    outcomes = Outcomes.from_array(scores, models=models, costs=[3.0, 1.0, 2.0])
    found = routing_report(outcomes, ["1", 2, "a"] * 2, n_resamples=5)
    assert found.get("score")[0] == pytest.approx(0.5)
    assert found.names == {"best_single_model": "1", "cheapest_model": 2, "strong_model": "1"}


# ---- bad input -----------------------------------------------------------------------


def test_bad_input_is_named(data, routes):
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match=rf"level must be in \(0, 1\), got {level}"):
            routing_report(data.outcomes, routes, level=level)
    with pytest.raises(ValueError, match="one model for each of the 120 queries"):
        routing_report(data.outcomes, ["model 0"])
    with pytest.raises(ValueError, match=r"routed to \['model 9'\]"):
        routing_report(data.outcomes, ["model 9"] * 120)
    for name in ("random_routing", "strong_model", "oracle_naive"):
        with pytest.raises(ValueError, match=rf"named \['{name}'\], which are names of rows"):
            routing_report(data.outcomes, {name: routes, "fine": routes})
    with pytest.raises(ValueError, match="horizon must be a finite .* of at least 1, got 0"):
        routing_report(data.outcomes, routes, train=data.outcomes, horizon=0, n_resamples=2)
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        routing_report(data.outcomes, routes, missing="drop")
