"""No cost is invented, no scale changes in silence, and a cost weight can be read in money."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from dars_sklearn import (
    DistributionalRouter,
    LabelNoiseDisplay,
    OutcomeAggregator,
    Outcomes,
    compare_supervision,
    deferral_curve,
    evaluate_router,
    plan_design,
    routing_report,
    routing_scorer,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.labels import label_flip_rate, probability_best
from dars_sklearn.metrics import (
    best_single_model,
    cheapest_model,
    oracle_utility,
    random_utility,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
    routing_collapse_index,
)
from dars_sklearn.utility import (
    answer_value,
    cost_weight_from_value,
    find_cost_range,
    outcome_utilities,
    utility,
)

NAN = float("nan")
TARGETS = ["capability", "penalised", "utility", "choice"]
TRAIN, TEST = np.arange(80), np.arange(80, 120)


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(120, 4, 2, 2, interaction=1.5, random_state=0)


@pytest.fixture(scope="module")
def unpriced(data):
    """The outcomes of ``data``, without a cost of the most expensive model."""
    return with_costs(data.outcomes, lambda costs: costs.__setitem__((slice(None), 3), NAN))


def with_costs(outcomes, change):
    """Return outcomes whose array of costs was changed in place by a function."""
    costs = outcomes.to_array("cost")
    change(costs)
    return Outcomes.from_array(
        outcomes.to_array(), models=outcomes.models, queries=outcomes.queries, costs=costs,
        score_range=outcomes.score_range,
    )  # fmt: skip


def routes_of(outcomes):
    return np.resize(outcomes.models, len(outcomes))


def fit(outcomes, data, **parameters):
    return DistributionalRouter(Ridge(), **parameters).fit(data.X[TRAIN], outcomes[TRAIN])


def supervise(outcomes, data, cost_weight):
    return compare_supervision(
        DistributionalRouter(Ridge(), cost_weight=cost_weight), data.X[TRAIN], outcomes[TRAIN],
        X_test=data.X[TEST], outcomes_test=outcomes[TEST], n_draws=2,
    )  # fmt: skip


def plan(outcomes, data, cost_weight, prices):
    router = DistributionalRouter(Ridge(), cost_weight=cost_weight)
    return plan_design(
        outcomes, data.X, router, budget=150, prices=prices, n_repeats=2, n_resamples=50
    )


# ---- models of which no cost is known (item 7) -------------------------------------

# What weighs costs: called with outcomes, the data and a cost weight.
WEIGHS_COST = {
    "outcome_utilities": lambda own, data, w: outcome_utilities(own, w, None),
    "routed_utility": lambda own, data, w: routed_utility(own, routes_of(own), cost_weight=w),
    "routed_regret": lambda own, data, w: routed_regret(own, routes_of(own), cost_weight=w),
    "best_single_model": lambda own, data, w: best_single_model(own, cost_weight=w),
    "random_utility": lambda own, data, w: random_utility(own, cost_weight=w),
    "oracle_utility": lambda own, data, w: oracle_utility(own, cost_weight=w),
    "label_flip_rate": lambda own, data, w: label_flip_rate(own, cost_weight=w, n_draws=5),
    "probability_best": lambda own, data, w: probability_best(own, cost_weight=w, n_draws=50),
    "LabelNoiseDisplay": lambda own, data, w: LabelNoiseDisplay.from_outcomes(own, cost_weight=w),
    "routing_report": lambda own, data, w: routing_report(
        own, routes_of(own), cost_weight=w, n_resamples=50
    ),
    "evaluate_router": lambda own, data, w: evaluate_router(
        DistributionalRouter(Ridge(), cost_weight=w), data.X, own, n_resamples=50, cv=2
    ),
    "compare_supervision": supervise,
    "plan_design": lambda own, data, w: plan(own, data, w, {"sample": 1.0}),
    "routing_scorer": lambda own, data, w: routing_scorer(cost_weight=w)(
        fit(own, data, cost_weight=0.0), data.X[TEST], own[TEST]
    ),
    **{
        f"fit {target}": lambda own, data, w, target=target: fit(
            own, data, cost_weight=w, target=target
        ).predict(data.X[TEST])
        for target in TARGETS
    },
}
# What reports or compares costs, whatever they weigh.
NEEDS_COST = {
    "routed_cost": lambda own, data: routed_cost(own, routes_of(own)),
    "cheapest_model": lambda own, data: cheapest_model(own),
    "routing_collapse_index": lambda own, data: routing_collapse_index(own, routes_of(own)),
    "tune_cost_weight, budget": lambda own, data: tune_cost_weight(
        DistributionalRouter(Ridge()), data.X, own, budget=6.0
    ),
    "tune_cost_weight, min_score": lambda own, data: tune_cost_weight(
        DistributionalRouter(Ridge(), cost_weight=0.0), data.X, own, min_score=0.4
    ),
    "deferral_curve": lambda own, data: deferral_curve(
        fit(own, data, cost_weight=0.0), data.X[TEST], own[TEST]
    ),
    "utility_lines": lambda own, data: fit(own, data, cost_weight=0.0).utility_lines(data.X[TEST]),
}


@pytest.mark.parametrize("name", WEIGHS_COST)
def test_a_model_without_a_known_cost_is_named_where_cost_weighs(name, data, unpriced):
    remedies = r"use cost_weight=0, fill in .* give prices .*with_prices\(.*subset\(models="
    with pytest.raises(ValueError, match=f"no cost of the model 'model 3' is known.*{remedies}"):
        WEIGHS_COST[name](unpriced, data, 0.05)


@pytest.mark.parametrize("name", WEIGHS_COST)
def test_with_a_cost_weight_of_zero_everything_works_without_costs(name, data, unpriced):
    WEIGHS_COST[name](unpriced, data, 0)


@pytest.mark.parametrize("name", NEEDS_COST)
def test_a_model_without_a_known_cost_is_named_where_costs_are_reported(name, data, unpriced):
    # A cost weight of zero, which would not help here, is not offered.
    remedies = r"invented; fill in .* give prices of tokens with .*with_prices\(.*subset\(models="
    with pytest.raises(ValueError, match=f"no cost of the model 'model 3' is known.*{remedies}"):
        NEEDS_COST[name](unpriced, data)


def test_a_design_is_not_planned_with_a_price_from_some_models_only(data, unpriced):
    with pytest.raises(ValueError, match="no known cost of the model 'model 3', so prices must"):
        plan(unpriced, data, 0.0, None)


@pytest.mark.parametrize("change", [{"cost_weight": 0.05}, {"cost_weight": 1e-12}])
def test_costs_that_are_unknown_are_refused_when_the_weight_is_raised_after_fit(
    change, data, unpriced
):
    router = fit(unpriced, data, cost_weight=0.0)
    assert set(router.predict(data.X)) <= set(unpriced.models)
    router.set_params(**change)
    for use in (router.predict, router.rank, router.decision_function):
        with pytest.raises(ValueError, match="no cost of the model 'model 3' is known"):
            use(data.X)
    with pytest.raises(ValueError, match="no cost of the model 'model 3' is known"):
        router.utilities_by_cost_weight(data.X, [0.0, 0.1])


def test_an_unknown_cost_is_predicted_as_unknown(data, unpriced):
    predicted = fit(unpriced, data, cost_weight=0.0).predict_capability(data.X)
    for costs in (predicted.cost, predicted.scaled_cost):
        assert np.isnan(costs[:, 3]).all()
        assert np.isfinite(costs[:, :3]).all()
    labels = OutcomeAggregator().fit_aggregate(unpriced)
    assert np.isnan(labels.cost[:, 3]).all()
    assert np.isnan(labels.scaled_cost[:, 3]).all()


def test_a_report_without_costs_of_a_model_has_no_costs(data, unpriced):
    router = DistributionalRouter(Ridge(), cost_weight=0.0)
    report = evaluate_router(router, data.X, unpriced, n_resamples=50)
    table = report.to_frame()
    assert table.loc[table["metric"] == "cost", ["estimate", "low", "high"]].isna().all(axis=None)
    assert "cheapest_model" not in set(table["strategy"])
    about_cost = {"break_even_queries", "supervision_cost_ratio", "aiq", "collapse_index"}
    assert not about_cost & set(table["metric"])
    priced = evaluate_router(router, data.X, data.outcomes, n_resamples=50)
    assert report.get("score") == priced.get("score")
    gain = "gain_over_best_single_model"
    assert report.get(gain) == pytest.approx(priced.get(gain), nan_ok=True)


@pytest.mark.parametrize("train_is_priced", [True, False])
def test_a_report_on_outcomes_without_some_costs_has_none(data, unpriced, train_is_priced):
    train = data.outcomes[TRAIN] if train_is_priced else unpriced[TRAIN]
    test = unpriced[TEST] if train_is_priced else data.outcomes[TEST]
    report = routing_report(
        test, routes_of(test), train=train, cost_weight=0.0, n_resamples=50
    )  # fmt: skip
    assert "break_even_queries" not in set(report.to_frame()["metric"])
    assert np.isnan(report.get("cost")).all() == train_is_priced


def test_a_fold_without_a_cost_of_a_model_leaves_the_cheapest_model_out_of_the_report(data):
    def keep_one(costs):
        costs[:, 3] = NAN
        costs[0, 3] = 9.0

    report = evaluate_router(
        DistributionalRouter(Ridge(), cost_weight=0.0), data.X,
        with_costs(data.outcomes, keep_one), n_resamples=50,
    )  # fmt: skip
    assert "cheapest_model" not in set(report.to_frame()["strategy"])


def test_the_remedies_that_the_error_offers_work(data, unpriced):
    """Leaving the model out, and giving its prices."""
    rest = unpriced.subset(models=unpriced.models[:3])
    assert cheapest_model(rest) == "model 0"
    frame = unpriced.to_frame().assign(input_tokens=1000, output_tokens=500)
    outcomes = Outcomes.from_frame(frame, queries=unpriced.queries, models=unpriced.models)
    priced = outcomes.with_prices({"model 3": (4000.0, 12000.0)})
    assert routed_cost(priced, np.full(len(priced), "model 3")) == pytest.approx(10.0)
    assert routed_cost(priced, np.full(len(priced), "model 0")) == pytest.approx(
        routed_cost(data.outcomes, np.full(len(priced), "model 0"))
    )
    tune_cost_weight(DistributionalRouter(Ridge()), data.X, priced, budget=8.0)


def test_what_is_spent_on_supervision_counts_unknown_costs_at_the_mean_of_their_model(data):
    """Half of the costs are unknown: a sum of the known ones would be half of what was paid."""
    rng = np.random.default_rng(0)

    def forget_half(costs):
        costs[rng.random(costs.shape) < 0.5] = NAN

    partly = with_costs(data.outcomes, forget_half)
    routes = np.full(len(TEST), "model 0")
    settings_ = {"n_resamples": 50, "horizon": 1000, "cost_weight": 0.0}
    ratios = [
        routing_report(
            data.outcomes[TEST], routes, train=own[TRAIN], **settings_
        ).get("supervision_cost_ratio")[0]
        for own in (data.outcomes, partly)
    ]  # fmt: skip
    assert ratios[1] == pytest.approx(ratios[0], rel=0.03)


def test_reports_say_how_many_costs_are_not_known(data):
    def forget_some(costs):
        costs[:5, 1, 0, 0] = NAN

    outcomes = with_costs(data.outcomes, forget_some)
    said = "5 of 1920 costs are unknown, and count as the mean cost of their model"
    report = routing_report(outcomes, routes_of(outcomes), n_resamples=50)
    assert said in report.notes
    assert said in repr(report)
    choice = tune_cost_weight(DistributionalRouter(Ridge()), data.X, outcomes, budget=6.0)
    assert said in repr(choice)
    report = routing_report(data.outcomes, routes_of(outcomes), n_resamples=50)
    assert "unknown" not in repr(report)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.6, 0.95]), st.sampled_from([0.0, 0.05, 2.0]))
def test_unknown_costs_are_refused_or_worth_the_mean_of_their_model(seed, unknown, cost_weight):
    """Costs of pairs are unknown at random: filling them by hand gives the same figures."""
    rng = np.random.default_rng(seed)
    scores, costs = rng.integers(0, 2, (6, 3)).astype(float), rng.integers(1, 9, (6, 3)) / 4
    scores[rng.random((6, 3)) < 0.2] = NAN
    scores[np.isnan(scores).all(axis=1), 0] = 1.0
    costs[rng.random((6, 3)) < unknown] = NAN
    observed = ~np.isnan(scores)
    costs[~observed] = NAN
    outcomes = Outcomes.from_array(scores, costs=costs)
    routes = np.array([rng.choice(np.flatnonzero(own)) for own in observed])
    scale = {"cost_weight": cost_weight, "cost_range": (0.0, 2.5)}
    unknown_models = [
        model for model in range(3) if observed[:, model].any() and np.isnan(costs[:, model]).all()
    ]
    has_any = not np.isnan(costs).all()
    if unknown_models and has_any:
        with pytest.raises(ValueError, match=f"no cost of the models? '?{unknown_models[0]}"):
            routed_cost(outcomes, routes)
        if cost_weight > 0:
            with pytest.raises(ValueError, match=f"no cost of the models? '?{unknown_models[0]}"):
                routed_utility(outcomes, routes, **scale)
            return
    filled = costs.copy()
    if has_any and not unknown_models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            means = np.nanmean(costs, axis=0)
        filled = np.where(np.isnan(costs), means, costs)
        expected = filled[np.arange(6), routes].mean()
        assert routed_cost(outcomes, routes) == pytest.approx(expected)
    by_hand = Outcomes.from_array(scores, costs=np.where(observed, filled, NAN))
    for metric in (routed_utility, lambda own, routes, **w: best_single_model(own, **w)):
        assert metric(outcomes, routes, **scale) == pytest.approx(metric(by_hand, routes, **scale))


def test_an_evaluation_without_costs_of_a_router_that_weighs_them_is_refused(data):
    """Cost would weigh nothing in its utilities, which would look better than they are."""
    train, X_test = data.outcomes[TRAIN], data.X[TEST]
    test = Outcomes.from_array(
        data.outcomes[TEST].to_array(), models=train.models, queries=data.outcomes.queries[TEST]
    )  # fmt: skip
    router, free = fit(data.outcomes, data), fit(data.outcomes, data, cost_weight=0.0)
    unfitted = DistributionalRouter(Ridge())
    comparison = supervise(data.outcomes, data, 0.05)
    uses = {
        "score": lambda: router.score(X_test, test),
        "routing_scorer": lambda: routing_scorer(cost_weight=0.1)(free, X_test, test),
        "routing_report": lambda: routing_report(test, routes_of(test), train=train),
        "evaluate_router": lambda: evaluate_router(
            unfitted, data.X[TRAIN], train, X_test=X_test, outcomes_test=test
        ),
        "compare_supervision": lambda: compare_supervision(
            unfitted, data.X[TRAIN], train, X_test=X_test, outcomes_test=test, n_draws=2
        ),
        "on": lambda: comparison.on(test),
    }
    for use in uses.values():
        with pytest.raises(ValueError, match="those of the evaluation have none.*cost_weight=0"):
            use()
    assert free.score(X_test, test) == pytest.approx(routed_score(test, free.predict(X_test)))


# ---- cost weights that are not numbers of at least zero (item 7) -------------------


@pytest.mark.parametrize("cost_weight", [-1e-9, -1, NAN, np.inf, "0.05"])
@pytest.mark.parametrize("name", WEIGHS_COST)
def test_a_cost_weight_below_zero_is_refused_everywhere(name, cost_weight, data):
    with pytest.raises((ValueError, TypeError), match="cost_weight must be a finite float >= 0"):
        WEIGHS_COST[name](data.outcomes, data, cost_weight)


def test_a_cost_weight_below_zero_is_refused_where_several_are_given(data):
    router = fit(data.outcomes, data)
    message = "cost_weight must be a finite float >= 0, got -0.1"
    with pytest.raises(ValueError, match=message):
        router.utilities_by_cost_weight(data.X, [0.0, -0.1])
    with pytest.raises(ValueError, match=message):
        deferral_curve(router, data.X[TEST], data.outcomes[TEST], cost_weights=[0.1, -0.1])
    with pytest.raises(ValueError, match=message):
        utility(1.0, 1.0, 0.0, cost_weight=-0.1, risk_aversion=0.0)


# ---- scores on another scale than 0 to 1 (item 8) ----------------------------------


def rescaled(outcomes, low, width):
    """Return outcomes with scores from ``low`` to ``low + width`` instead of from 0 to 1."""
    return Outcomes.from_array(
        low + width * outcomes.to_array(), models=outcomes.models, queries=outcomes.queries,
        costs=outcomes.to_array("cost"), score_range=(low, low + width),
    )  # fmt: skip


ESTIMATORS = {
    "neighbours": KNeighborsRegressor(5, weights="distance"),
    "linear": Ridge(),
    # Grows its trees on quality, cost and risk together, so that their relative scales matter.
    "forest": RandomForestRegressor(10, max_depth=4, random_state=0),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("low", "width"), [(0.0, 64.0), (-4.0, 8.0), (1.0, 4.0)])
def test_rescaling_scores_and_range_changes_no_route_and_no_utility(
    data, target, estimator, low, width
):
    """The widths are powers of two, so that rounding turns no tie."""
    first, second = data.outcomes, rescaled(data.outcomes, low, width)
    parameters = {"target": target, "cost_weight": 0.3, "random_state": 0}
    routers = [
        DistributionalRouter(ESTIMATORS[estimator], **parameters).fit(data.X[TRAIN], own[TRAIN])
        for own in (first, second)
    ]
    utilities = [router.decision_function(data.X[TEST]) for router in routers]
    np.testing.assert_allclose(utilities[1], utilities[0], atol=1e-9)
    routes = [router.predict(data.X[TEST]) for router in routers]
    np.testing.assert_array_equal(routes[1], routes[0])
    scores = [
        router.score(data.X[TEST], own[TEST])
        for router, own in zip(routers, (first, second), strict=True)
    ]
    assert scores[1] == pytest.approx(scores[0])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.floats(-100, 100), st.floats(0.01, 1000),
    st.sampled_from([0.0, 0.05, 1.0]),
)  # fmt: skip
def test_rescaling_scores_and_range_changes_no_metric(seed, low, width, cost_weight):
    rng = np.random.default_rng(seed)
    outcomes = Outcomes.from_array(rng.random((8, 3, 2, 2)), costs=rng.random((8, 3, 2, 2)))
    moved = Outcomes.from_array(
        np.clip(low + width * outcomes.to_array(), low, low + width),
        costs=outcomes.to_array("cost"), score_range=(low, low + width),
    )  # fmt: skip
    routes, scale = rng.integers(0, 3, 8), {"cost_weight": cost_weight}
    for metric in (
        lambda own: routed_utility(own, routes, **scale, average=False),
        lambda own: routed_regret(own, routes, **scale),
        lambda own: oracle_utility(own, **scale),
        lambda own: oracle_utility(own, **scale, crossfit=False),
        lambda own: random_utility(own, **scale),
        lambda own: label_flip_rate(own, **scale, n_draws=20).overall,
        lambda own: probability_best(own, **scale, n_draws=50),
    ):
        np.testing.assert_allclose(metric(moved), metric(outcomes), atol=1e-6)
    assert best_single_model(moved, **scale) == best_single_model(outcomes, **scale)
    in_users_unit = low + width * routed_score(outcomes, routes)
    assert routed_score(moved, routes) == pytest.approx(in_users_unit)


def test_rescaling_scores_and_range_changes_no_report_and_no_tuned_weight(data):
    percent = rescaled(data.outcomes, 0.0, 64.0)
    router = DistributionalRouter(Ridge(), cost_weight=0.3)
    reports = [
        evaluate_router(router, data.X, own, n_resamples=100).to_frame()
        for own in (data.outcomes, percent)
    ]
    in_units_of_score = {"score": 64.0, "instability": 64.0, "aiq": 64.0}
    factor = reports[0]["metric"].map(in_units_of_score).fillna(1.0).to_numpy()
    for column in ("estimate", "low", "high"):
        np.testing.assert_allclose(reports[1][column], factor * reports[0][column], atol=1e-9)
    for first, second in (({"budget": 5.0}, {"budget": 5.0}), ({"min_score": 0.5},
                                                              {"min_score": 32.0})):  # fmt: skip
        weights = [
            tune_cost_weight(router, data.X, own, **promise).cost_weight
            for own, promise in ((data.outcomes, first), (percent, second))
        ]
        assert weights[1] == pytest.approx(weights[0])
    curves = [
        deferral_curve(fit(own, data), data.X[TEST], own[TEST]).to_frame()
        for own in (data.outcomes, percent)
    ]
    pd.testing.assert_frame_equal(curves[1], curves[0].assign(score=64 * curves[0]["score"]))


def test_capability_is_predicted_in_the_users_unit(data):
    first, second = (
        fit(own, data).predict_capability(data.X[TEST])
        for own in (data.outcomes, rescaled(data.outcomes, -4.0, 8.0))
    )
    np.testing.assert_allclose(second.quality, -4 + 8 * first.quality)
    np.testing.assert_allclose(second.risk, 8 * first.risk)
    np.testing.assert_allclose(second.cost, first.cost)


@pytest.mark.parametrize("kind", ["declared", "undeclared"])
def test_outcomes_on_another_scale_than_those_of_training_are_refused(data, kind):
    train = data.outcomes[TRAIN]
    moved = rescaled(data.outcomes, 0.0, 100.0)
    if kind == "undeclared":
        moved = Outcomes.from_array(
            moved.to_array(), models=moved.models, queries=moved.queries,
            costs=moved.to_array("cost"), score_range=None,
        )  # fmt: skip
    moved = moved[TEST]
    router, X_test = fit(data.outcomes, data), data.X[TEST]
    unfitted = DistributionalRouter(Ridge())
    comparison = supervise(data.outcomes, data, 0.05)
    uses = {
        "score": lambda: router.score(X_test, moved),
        "routing_scorer": lambda: routing_scorer()(router, X_test, moved),
        "deferral_curve": lambda: deferral_curve(router, X_test, moved),
        "routing_report": lambda: routing_report(moved, routes_of(moved), train=train),
        "evaluate_router": lambda: evaluate_router(
            unfitted, data.X[TRAIN], train, X_test=X_test, outcomes_test=moved
        ),
        "compare_supervision": lambda: compare_supervision(
            unfitted, data.X[TRAIN], train, X_test=X_test, outcomes_test=moved, n_draws=2
        ),
        "on": lambda: comparison.on(moved),
    }
    for use in uses.values():
        with pytest.raises(ValueError, match="score_range=.*on different scales"):
            use()


def test_scores_without_a_declared_range_are_taken_as_they_are():
    outcomes = Outcomes.from_array([[80, 20]], costs=[1.0, 3.0], score_range=None)
    assert routed_utility(outcomes, [1], cost_weight=2.0) == pytest.approx(18)
    declared = Outcomes.from_array([[80, 20]], costs=[1.0, 3.0], score_range=(0, 100))
    assert routed_utility(declared, [1], cost_weight=2.0) == pytest.approx(-1.8)


def test_the_error_about_percentages_offers_what_is_right():
    """Either remedy that the message offers gives the same utilities."""
    remedies = r"divide them by 100 if they are percentages, or pass .* score_range=\(low, high\)"
    with pytest.raises(ValueError, match=remedies):
        Outcomes.from_array([[80, 20]])
    divided = Outcomes.from_array([[0.8, 0.2]], costs=[1.0, 3.0])
    declared = Outcomes.from_array([[80, 20]], costs=[1.0, 3.0], score_range=(0, 100))
    for cost_weight in (0.0, 0.05, 1.0):
        first, second = (
            routed_utility(own, [0], cost_weight=cost_weight) for own in (divided, declared)
        )
        assert first == pytest.approx(second)


# ---- what a cost weight means in money (item 10) -----------------------------------


def with_one_expensive_outcome(outcomes):
    def change(costs):
        costs[0, 3, 0, 0] = 100 * np.nanmax(costs)

    return with_costs(outcomes, change)


def test_one_expensive_outcome_changes_the_range_of_single_outcomes_but_not_the_robust_one(data):
    before, after = data.outcomes, with_one_expensive_outcome(data.outcomes)
    assert find_cost_range(after)[1] > 90 * find_cost_range(before)[1]
    assert find_cost_range(after, "robust") == find_cost_range(before, "robust")


def test_with_the_robust_range_one_expensive_outcome_changes_hardly_any_route(data):
    before, after = data.outcomes, with_one_expensive_outcome(data.outcomes)
    changed = {}
    for scaling in ("minmax", "robust"):
        parameters = {"cost_weight": 0.5, "aggregator": OutcomeAggregator(cost_scaling=scaling)}
        first, second = (
            DistributionalRouter(KNeighborsRegressor(8), **parameters)
            .fit(data.X[TRAIN], own[TRAIN])
            .predict(data.X[TEST])
            for own in (before, after)
        )
        changed[scaling] = np.mean(first != second)
    assert changed["minmax"] > 0.4
    assert changed["robust"] < 0.1


@pytest.mark.parametrize("target", ["capability", "penalised", "utility"])
def test_the_value_of_an_answer_means_the_same_on_every_scale_of_costs(data, target):
    """A right answer is worth 20: the routes do not depend on how costs are scaled."""
    routes = []
    for scaling in (None, (0.5, 40.0), "robust"):
        aggregator = OutcomeAggregator(cost_scaling=scaling)
        cost_range = aggregator.fit(data.outcomes[TRAIN]).cost_range_
        router = fit(
            data.outcomes, data, aggregator=aggregator, target=target,
            cost_weight=cost_weight_from_value(20.0, cost_range),
        )  # fmt: skip
        assert router.answer_value_ == pytest.approx(20.0)
        routes.append(router.predict(data.X[TEST]))
    np.testing.assert_array_equal(routes[1], routes[0])
    np.testing.assert_array_equal(routes[2], routes[0])


@pytest.mark.parametrize("cost_range", [None, "robust", (0.5, 40.0), (0, 1)])
def test_a_report_shows_the_cost_range_and_what_a_right_answer_is_worth(data, cost_range):
    report = routing_report(
        data.outcomes, routes_of(data.outcomes), cost_range=cost_range, n_resamples=50
    )
    low, high = report.cost_range
    assert report.answer_value == pytest.approx((high - low) / 0.05)
    said = (
        f"cost_weight=0.05: a fully right answer is worth {report.answer_value:.4g}, costs from "
        f"{low:.4g} to {high:.4g} are scaled to 0 to 1"
    )
    assert said in repr(report)
    expected = {None: find_cost_range(data.outcomes)} | {
        "robust": find_cost_range(data.outcomes, "robust")
    }
    assert report.cost_range == expected.get(cost_range, cost_range)


def test_a_tuned_weight_is_shown_with_what_a_right_answer_is_worth(data):
    choice = tune_cost_weight(DistributionalRouter(Ridge()), data.X, data.outcomes, budget=5.0)
    low, high = choice.cost_range
    assert choice.answer_value == pytest.approx((high - low) / choice.cost_weight)
    assert re.search(
        rf"cost_weight={choice.cost_weight:.4g} .*a fully right answer is worth "
        rf"{choice.answer_value:.4g}, costs from {low:.4g} to {high:.4g}", repr(choice)
    )  # fmt: skip
    router = DistributionalRouter(Ridge(), cost_weight=choice.cost_weight)
    assert router.fit(data.X, data.outcomes).answer_value_ == pytest.approx(choice.answer_value)


def test_the_value_follows_a_weight_that_is_changed_after_fit(data):
    router = fit(data.outcomes, data, cost_weight=0.1)
    value = router.answer_value_
    assert router.set_params(cost_weight=0.2).answer_value_ == pytest.approx(value / 2)
    assert router.set_params(cost_weight=0).answer_value_ == np.inf
    assert answer_value(0.1, router.aggregator_.cost_range_) == pytest.approx(value)
