"""Every metric against a slow, plain implementation, and what must not change it."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from sklearn.metrics import make_scorer
from sklearn.model_selection import cross_val_score

from dars_sklearn import DistributionalRouter, Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import (
    aiq,
    apgr,
    best_single_model,
    call_performance_threshold,
    cheapest_model,
    cost_hull,
    instability,
    oracle_name,
    oracle_utility,
    performance_gap_recovered,
    quality_neutral_cost,
    random_utility,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
    routing_collapse_index,
    supervision_break_even,
    supervision_cost_ratio,
)

SCALE = {"cost_weight": 0.3, "cost_range": (0.0, 2.0)}


def draw(seed, n_queries=9, n_models=3, P=3, K=2, share=0.7):
    """Ragged scores, costs, routes and weights; every pair has an outcome."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, size=(n_queries, n_models, P, K)) / 4
    costs = rng.random(scores.shape) + np.arange(n_models)[:, None, None] / 2
    drop = rng.random(scores.shape) > share
    drop[:, :, 0, 0] = False
    scores[drop] = np.nan
    routes = rng.integers(0, n_models, n_queries)
    return scores, costs, routes, rng.random(n_queries)


def make(scores, costs, models=None):
    return Outcomes.from_array(scores, costs=costs, models=models)


def pair_mean(cells):
    """Every paraphrase counts the same."""
    rows = [[v for v in cell if not math.isnan(v)] for cell in cells]
    return np.mean([np.mean(row) for row in rows if row])


def slow_table(scores, costs):
    costs = np.where(np.isnan(scores), np.nan, costs)
    shape = scores.shape[:2]
    score, cost = np.empty(shape), np.empty(shape)
    for place in np.ndindex(shape):
        score[place], cost[place] = pair_mean(scores[place]), pair_mean(costs[place])
    return score, cost


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_what_routes_achieve_is_what_a_slow_loop_finds(seed):
    scores, costs, routes, weight = draw(seed)
    outcomes = make(scores, costs)
    score, cost = slow_table(scores, costs)
    total = {"score": 0.0, "cost": 0.0, "utility": 0.0}
    for query, model in enumerate(routes):
        scaled = cost[query, model] / 2.0
        total["score"] += weight[query] * score[query, model]
        total["cost"] += weight[query] * cost[query, model]
        total["utility"] += weight[query] * (score[query, model] - 0.3 * scaled)
    total = {name: value / weight.sum() for name, value in total.items()}
    args = (outcomes, routes)
    assert routed_score(*args, sample_weight=weight) == pytest.approx(total["score"])
    assert routed_cost(*args, sample_weight=weight) == pytest.approx(total["cost"])
    assert routed_cost(*args, cost_range=(0, 2)) == pytest.approx(routed_cost(*args) / 2)
    utility = routed_utility(*args, **SCALE, sample_weight=weight)
    assert utility == pytest.approx(total["utility"])
    each = routed_utility(*args, **SCALE, average=False)
    assert np.average(each, weights=weight) == pytest.approx(utility)
    oracle = oracle_utility(outcomes, **SCALE, crossfit=False, average=False)
    expected = ((oracle - each) * weight).sum() / weight.sum()
    regret = routed_regret(*args, **SCALE, crossfit=False, sample_weight=weight)
    assert regret == pytest.approx(expected)
    assert regret >= -1e-12
    assert oracle_utility(outcomes, **SCALE, crossfit=False, sample_weight=weight) == pytest.approx(
        np.average(oracle, weights=weight)
    )
    utilities = score - 0.3 * cost / 2
    assert random_utility(outcomes, **SCALE, sample_weight=weight) == pytest.approx(
        np.average(utilities.mean(axis=1), weights=weight)
    )
    assert random_utility(outcomes, **SCALE) == pytest.approx(utilities.mean())
    assert best_single_model(outcomes, **SCALE) == utilities.mean(axis=0).argmax()
    assert cheapest_model(outcomes) == cost.mean(axis=0).argmin()


def test_instability_is_the_mean_spread_of_the_chosen():
    rng = np.random.default_rng(0)
    scores = rng.random((8, 3, 1, 4))
    routes = rng.integers(0, 3, 8)
    expected = [np.std(scores[query, model, 0], ddof=1) for query, model in enumerate(routes)]
    assert instability(Outcomes.from_array(scores), routes) == pytest.approx(np.mean(expected))


def slow_oracle(scores, crossfit):
    """Of one query: (model, unit, draw)."""
    units = [u for u in range(scores.shape[1]) if not np.isnan(scores[:, u]).all()]
    means = {
        (m, u): np.nanmean(scores[m, u])
        for m in range(len(scores))
        for u in units
        if not np.isnan(scores[m, u]).all()
    }

    def over(model, wanted):
        held = [means[model, u] for u in wanted if (model, u) in means]
        return np.mean(held) if held else -np.inf

    if not crossfit:
        return max(over(m, units) for m in range(len(scores)))
    achieved = []
    for left in units:
        others = [over(m, [u for u in units if u != left]) for m in range(len(scores))]
        best = int(np.argmax(others))
        if np.isfinite(others[best]) and (best, left) in means:
            achieved.append(means[best, left])
    return np.mean(achieved) if achieved else np.nan


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]), st.booleans())
def test_oracles_are_those_of_a_slow_loop(seed, P, crossfit):
    scores, costs, *_ = draw(seed, P=P, share=0.6)
    outcomes = make(scores, costs)
    utilities = scores - 0.3 * costs / 2
    expected = []
    for query in utilities:
        held = [p for p in range(P) if not np.isnan(query[:, p]).all()]
        units = query
        if len(held) == 1:  # given the wording: each sample by itself, in order
            units = np.full((len(query), query.shape[2], 1), np.nan)
            for model, draws in enumerate(query[:, held[0]]):
                known = draws[~np.isnan(draws)]
                units[model, : len(known), 0] = known
        expected.append(slow_oracle(units, crossfit))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        found = oracle_utility(outcomes, **SCALE, crossfit=crossfit, average=False)
    if P > 1 or crossfit:
        np.testing.assert_allclose(found, expected, atol=1e-12)
    else:
        score, cost = slow_table(scores, costs)
        np.testing.assert_allclose(found, (score - 0.3 * cost / 2).max(axis=1), atol=1e-12)


@pytest.mark.parametrize(("P", "K"), [(3, 1), (5, 1), (5, 5)])
def test_the_naive_oracle_is_too_high_and_the_cross_fitted_one_never_is(P, K):
    """A few repetitions here; more, with the biases printed, in benchmarks/labels.py."""
    naive, crossfitted, truth = [], [], []
    for seed in range(40):
        data = make_routing_outcomes(200, 4, P, K, random_state=seed)
        naive.append(oracle_utility(data.outcomes, crossfit=False))
        crossfitted.append(oracle_utility(data.outcomes))
        truth.append(data.expected_quality.max(axis=1).mean())
    error = np.std(np.subtract(crossfitted, truth)) / np.sqrt(40)
    assert np.mean(naive) > np.mean(truth)
    assert np.mean(crossfitted) < np.mean(truth) + 2 * error


def test_an_oracle_that_cannot_be_cross_fitted_says_so():
    scores = np.ones((4, 2, 1, 1))
    with pytest.warns(UndefinedMetricWarning, match="4 of 4 queries have one outcome a model"):
        assert np.isnan(oracle_utility(Outcomes.from_array(scores)))
    assert oracle_utility(Outcomes.from_array(scores), crossfit=False) == 1.0
    assert oracle_name(Outcomes.from_array(np.ones((2, 2, 1, 3)))).endswith("given the wording")
    assert oracle_name(Outcomes.from_array(np.ones((2, 2, 3, 1)))) == "oracle, cross-fitted"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_models_and_queries_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    scores, costs, routes, weight = draw(seed)
    # No ties, which are broken by order.
    scores = 0.99 * scores + 1e-3 * rng.random(scores.shape)
    queries, models = rng.permutation(9), rng.permutation(3)
    names = np.array(["a", "b", "c"])
    one = make(scores, costs, names)
    other = make(scores[queries][:, models], costs[queries][:, models], names[models])
    routed = names[routes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        for metric in (routed_score, routed_cost, routed_utility, routed_regret, instability):
            assert metric(one, routed, sample_weight=weight) == pytest.approx(
                metric(other, routed[queries], sample_weight=weight[queries])
            )
        for crossfit in (True, False):
            assert oracle_utility(one, **SCALE, crossfit=crossfit) == pytest.approx(
                oracle_utility(other, **SCALE, crossfit=crossfit)
            )
        assert routing_collapse_index(one, routed) == pytest.approx(
            routing_collapse_index(other, routed[queries]), nan_ok=True
        )
    assert best_single_model(one, **SCALE) == best_single_model(other, **SCALE)
    assert cheapest_model(one) == cheapest_model(other)
    assert random_utility(one, **SCALE) == pytest.approx(random_utility(other, **SCALE))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_dominated_model_changes_nothing_but_a_random_choice(seed):
    scores, costs, routes, _ = draw(seed)
    worse = np.concatenate([scores + 1, np.zeros_like(scores[:, :1])], axis=1)
    dearer = np.concatenate([costs, 10 + costs[:, :1]], axis=1)
    one = Outcomes.from_array(scores + 1, costs=costs, score_range=None)
    other = Outcomes.from_array(worse, costs=dearer, score_range=None)
    for crossfit in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            assert oracle_utility(one, **SCALE, crossfit=crossfit) == pytest.approx(
                oracle_utility(other, **SCALE, crossfit=crossfit), nan_ok=True
            )
    assert best_single_model(one, **SCALE) == best_single_model(other, **SCALE)
    assert cheapest_model(one) == cheapest_model(other)
    assert routed_utility(one, routes, **SCALE) == routed_utility(other, routes, **SCALE)
    assert random_utility(other, **SCALE) < random_utility(one, **SCALE)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1000))
def test_the_unit_of_cost_does_not_matter_where_costs_are_scaled(seed, unit):
    scores, costs, routes, _ = draw(seed)
    one, other = make(scores, costs), make(scores, unit * costs)
    scaled = {"cost_weight": 0.3, "cost_range": (0.0, 2.0 * unit)}
    assert routed_utility(one, routes, **SCALE) == pytest.approx(
        routed_utility(other, routes, **scaled)
    )
    assert routed_cost(other, routes) == pytest.approx(unit * routed_cost(one, routes))
    cost, score = np.array([0.5, 1.0, 2.0]), np.array([0.2, 0.6, 0.7])
    ends = {"weak": (0.4, 0.1), "strong": (2.0, 0.7)}
    rated = {name: (unit * c, s) for name, (c, s) in ends.items()}
    assert aiq(cost, score, cost_range=(0.5, 2)) == pytest.approx(
        aiq(unit * cost, score, cost_range=(0.5 * unit, 2 * unit))
    )
    assert apgr(cost, score, **ends) == pytest.approx(apgr(unit * cost, score, **rated))
    assert quality_neutral_cost(cost, score, strong=ends["strong"]) == pytest.approx(
        quality_neutral_cost(unit * cost, score, strong=rated["strong"])
    )


# ---- curves ------------------------------------------------------------------------


CURVES = st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 1)), min_size=1, max_size=12).map(
    lambda points: np.array(points).T
)


def slow_hull(cost, score, at):
    """Best score of a mixture of two points that costs at most so much."""
    best = -np.inf
    for c, s in zip(cost, score, strict=True):
        for d, t in zip(cost, score, strict=True):
            low, high = min(c, d), max(c, d)
            if low <= at:
                share = 1.0 if high <= at or high == low else (at - low) / (high - low)
                cheap, dear = (s, t) if c <= d else (t, s)
                best = max(best, cheap, cheap + share * (dear - cheap))
    return best


@settings(max_examples=100, deadline=None)
@given(CURVES, st.floats(0.1, 10))
def test_the_hull_is_the_best_that_mixtures_reach(curve, at):
    cost, score = cost_hull(*curve)
    assert (np.diff(cost) > 0).all()
    assert (np.diff(score) > 0).all()
    assume(at >= cost[0])
    assert np.interp(at, cost, score) == pytest.approx(slow_hull(*curve, at), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(CURVES, st.floats(0.5, 3), st.floats(3.1, 9))
def test_aiq_is_the_mean_height_of_the_hull(curve, low, high):
    at = np.linspace(low, high, 4001)
    cheapest = curve[0].min()
    base = slow_hull(*curve, cheapest)
    heights = [slow_hull(*curve, c) if c >= cheapest else base * c / cheapest for c in at[::100]]
    expected = trapezoid(heights, at[::100]) / (high - low)
    assert aiq(*curve, cost_range=(low, high)) == pytest.approx(expected, abs=0.03)


def test_two_models_of_constant_cost_are_judged_as_in_routellm():
    """PGR against the share of strong calls, as RouteLLM defines APGR and CPT."""
    rng = np.random.default_rng(0)
    n = 400
    score = np.stack([rng.random(n) < 0.4, rng.random(n) < 0.8], axis=1).astype(float)
    win = score[:, 1] - score[:, 0] + 0.8 * rng.normal(size=n)
    order = np.argsort(-win)
    share = np.arange(n + 1) / n
    routed = np.append(0, np.cumsum((score[:, 1] - score[:, 0])[order])) + score[:, 0].sum()
    quality = routed / n
    weak, strong = quality[0], quality[-1]
    pgr = (quality - weak) / (strong - weak)
    cost = 1.0 + share * 9.0
    ends = {"weak": (1.0, weak), "strong": (10.0, strong)}
    assert apgr(cost, quality, **ends) == pytest.approx(trapezoid(pgr, share))
    for x in (0.2, 0.5, 0.8):
        first = share[np.flatnonzero(pgr >= x)[0]]
        found = call_performance_threshold(cost, quality, x, **ends)
        assert first - 1 / n <= found <= first
    assert performance_gap_recovered(quality, weak, strong) == pytest.approx(pgr)
    neutral = cost[np.flatnonzero(quality >= strong)[0]] / 10.0
    assert quality_neutral_cost(cost, quality, strong=(10.0, strong)) == pytest.approx(
        neutral, abs=0.01
    )
    # The random mixture recovers the gap at the rate of its calls.
    assert apgr([1, 10], [weak, strong], **ends) == pytest.approx(0.5)


@settings(max_examples=50, deadline=None)
@given(CURVES)
def test_adding_dominated_points_to_a_curve_does_not_change_its_hull(curve):
    cost, score = curve
    more = np.append(cost, cost.max() + 1), np.append(score, score.min())
    np.testing.assert_allclose(cost_hull(*more), cost_hull(*curve))
    assert aiq(*more, cost_range=(0.5, 12)) == pytest.approx(aiq(*curve, cost_range=(0.5, 12)))


def test_undefined_metrics_are_nan_and_warn():
    curve = [1.0, 2.0], [0.5, 0.6]
    for ends in (
        {"weak": (2.0, 0.5), "strong": (1.0, 0.9)},
        {"weak": (1.0, 0.9), "strong": (2.0, 0.5)},
    ):
        with pytest.warns(UndefinedMetricWarning, match="not dearer and better"):
            assert np.isnan(apgr(*curve, **ends))
        with pytest.warns(UndefinedMetricWarning, match="not dearer and better"):
            assert np.isnan(call_performance_threshold(*curve, 0.5, **ends))
    with pytest.warns(UndefinedMetricWarning, match="the best is 0.6"):
        assert np.isnan(quality_neutral_cost(*curve, strong=(3.0, 0.9)))
    with pytest.warns(UndefinedMetricWarning, match="no gap"):
        assert np.isnan(performance_gap_recovered(0.5, 0.7, 0.6))
    outcomes = Outcomes.from_array([[0, 1], [0, 1]], costs=[1.0, 2.0])
    with pytest.warns(UndefinedMetricWarning, match="nothing to collapse from"):
        assert np.isnan(routing_collapse_index(outcomes, [1, 1]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_collapse_index_is_that_of_a_slow_loop(seed):
    scores, costs, routes, weight = draw(seed)
    score, cost = slow_table(scores, costs)
    strong = score.mean(axis=0).argmax()
    cheap = [m for m in range(3) if cost[:, m].mean() < cost[:, strong].mean()]
    suffices = [q for q in range(9) if any(score[q, m] >= score[q, strong] for m in cheap)]
    assume(suffices)
    called = [routes[q] == strong for q in suffices]
    outcomes = make(scores, costs)
    assert routing_collapse_index(outcomes, routes) == pytest.approx(np.mean(called))
    assert routing_collapse_index(outcomes, routes, sample_weight=weight) == pytest.approx(
        np.average(called, weights=weight[suffices])
    )


def test_supervision_pays_back_at_the_break_even():
    even = supervision_break_even(1000.0, 0.7, 0.3)
    assert even == math.ceil(1000 / 0.4)
    assert supervision_cost_ratio(1000.0, 0.7, 0.3, even) <= 1
    assert supervision_cost_ratio(1000.0, 0.7, 0.3, even - 1) > 1
    assert supervision_break_even(1.0, 0.3, 0.3) == math.inf
    assert supervision_cost_ratio(0.0, 0.0, 0.0, 5) == 1.0
    assert supervision_cost_ratio(1.0, 0.0, 0.0, 5) == math.inf
    with pytest.raises(ValueError, match="-1"):
        supervision_break_even(-1, 1, 1)
    with pytest.raises(ValueError, match="horizon"):
        supervision_cost_ratio(1, 1, 1, 0)


def test_metrics_are_scorers():
    data = make_routing_outcomes(60, 3, 2, 2, random_state=0)
    router = DistributionalRouter()
    for metric, sign in ((routed_score, True), (routed_cost, False), (routed_regret, False)):
        scorer = make_scorer(metric, greater_is_better=sign)
        scores = cross_val_score(router, data.X, data.outcomes, scoring=scorer, cv=3)
        assert not np.isnan(scores).any()


def test_bad_input_is_named():
    outcomes = Outcomes.from_array([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="each of the 2 queries, got an array of shape"):
        routed_score(outcomes, [0, 0, 1])
    with pytest.raises(ValueError, match=r"routed to \['7'\]"):
        routed_score(outcomes, [0, 7])
    with pytest.raises(ValueError, match="sample_weight"):
        routed_score(outcomes, [0, 1], sample_weight=[1])
    with pytest.raises(ValueError, match="missing"):
        routed_score(outcomes, [0, 1], missing="drop")
    for metric in (lambda o: routed_cost(o, [0, 1]), cheapest_model):
        with pytest.raises(ValueError, match="no costs"):
            metric(outcomes)
    with pytest.raises(ValueError, match="no costs"):
        routing_collapse_index(outcomes, [0, 1])
    gaps = Outcomes.from_array([[1, np.nan], [0, 1]])
    with pytest.raises(ValueError, match="1 of 2 queries"):
        routed_score(gaps, [1, 1])
    assert routed_score(gaps, [1, 1], missing="skip") == 1.0
    for curve in (([], []), ([1], [1, 2]), ([np.nan], [1])):
        with pytest.raises(ValueError, match="cost and score"):
            cost_hull(*curve)
    with pytest.raises(ValueError, match="cost_range"):
        aiq([1], [1], cost_range=(2, 2))
    with pytest.raises(ValueError, match="x must be"):
        call_performance_threshold([1], [1], 80, weak=(1, 0), strong=(2, 1))
