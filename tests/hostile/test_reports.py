"""Reports show what the outcomes identify, and say why something is missing."""

import re
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_regressor import RecordingRegressor, numbered_queries, recorded_predictions
from sklearn.linear_model import Ridge

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    compare_supervision,
    cross_val_capability,
    deferral_curve,
    evaluate_router,
    plan_design,
    routing_report,
    tune_cost_weight,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import (
    DarsWarning,
    ImputationWarning,
    SeparabilityWarning,
    UndefinedMetricWarning,
)
from dars_sklearn.labels import (
    decompose_variance,
    label_flip_rate,
    probability_best,
    reliability_curve,
)
from dars_sklearn.metrics import instability, oracle_utility

NAN = float("nan")
ROUTER = DistributionalRouter(Ridge())
FAST = {"n_resamples": 50}


def ordinary_logs(n_samples=2, seed=0, n_queries=120):
    """One wording per query, few samples, and models of which one is the best for most queries."""
    data = make_routing_outcomes(
        n_queries, 4, 1, n_samples, n_features=8, interaction=0.4, random_state=seed
    )
    return data.X, data.outcomes


def sparse_logs(seed=0, n_queries=120):
    """Queries that were sent to a part of the models only, and always to the first one."""
    X, outcomes = ordinary_logs(seed=seed, n_queries=n_queries)
    scores = outcomes.to_array()
    unsent = np.random.default_rng(seed).random(scores.shape[:2]) < 0.4
    unsent[:, 0] = False
    scores[unsent] = NAN
    return X, Outcomes.from_array(scores)


def estimates(report, metric):
    rows = report.to_frame()
    return rows[rows["metric"] == metric]["estimate"].to_numpy()


def warnings_of(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [warning for warning in caught if issubclass(warning.category, DarsWarning)]


# ---- 14: parameters of labels ----------------------------------------------------------


@pytest.mark.parametrize(
    ("score_range", "prior", "is_possible"),
    [
        ((0, 1), 2.0, False),
        ((0, 1), -0.1, False),
        ((0, 1), 1.0, True),
        ((0, 100), 60, True),
        ((0, 100), 100.1, False),
        ((-1, 1), -1, True),
        (None, 2.0, True),  # no range was declared
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 1.0, "auto"])
def test_a_prior_is_within_the_range_of_scores(score_range, prior, is_possible, smoothing):
    scores = np.random.default_rng(0).random((10, 2, 2, 2))
    outcomes = Outcomes.from_array(scores, score_range=score_range)
    aggregator = OutcomeAggregator(prior=prior, smoothing=smoothing)
    message = re.escape(f"prior={prior!r} is outside the range of scores")
    for fit in (aggregator.fit, aggregator.fit_aggregate):
        with nullcontext() if is_possible else pytest.raises(ValueError, match=message):
            fit(outcomes)


@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf, True, "0.5", "1", None, [0.5]])
@pytest.mark.parametrize("name", ["prior", "smoothing"])
def test_priors_and_pseudo_counts_are_finite_numbers(name, value):
    outcomes = Outcomes.from_array([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match=f"{name} must be .*, got {re.escape(repr(value))}"):
        OutcomeAggregator(**{name: value}).fit(outcomes)


def test_labels_are_not_made_from_scores_of_another_range():
    scores = np.random.default_rng(0).random((6, 2, 2, 2))
    fitted = OutcomeAggregator(smoothing=1.0).fit(Outcomes.from_array(scores))
    with pytest.raises(ValueError, match="score_range=.0.0, 100.0., and the training outcomes"):
        fitted.aggregate(Outcomes.from_array(100 * scores, score_range=(0, 100)))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, NAN, "3", None])
@pytest.mark.parametrize("function", [label_flip_rate, probability_best])
def test_numbers_of_draws_are_counts(function, value):
    X, outcomes = ordinary_logs(n_queries=10)
    message = f"n_draws must be an int of at least 1, got {re.escape(repr(value))}"
    with pytest.raises(ValueError, match=message):
        function(outcomes, n_draws=value)


@pytest.mark.parametrize("level", [0, 1, 95, True, NAN, "0.9", None])
def test_levels_are_between_0_and_1(level):
    X, outcomes = ordinary_logs(n_queries=30)
    message = rf"level must be in \(0, 1\), got {level!r}"
    for function in (
        lambda: decompose_variance(outcomes, level=level),
        lambda: reliability_curve(outcomes, level=level),
        lambda: evaluate_router(ROUTER, X, outcomes, level=level),
        lambda: routing_report(outcomes, outcomes.models[[0] * 30], level=level),
    ):
        with pytest.raises(ValueError, match=message):
            function()


@pytest.mark.parametrize("numbers", [(1.5,), (NAN,), (True,), ("2",), (), (0,), 3, (2.0,)])
@pytest.mark.parametrize("name", ["n_paraphrases", "n_samples"])
def test_numbers_of_a_predicted_design_are_counts(name, numbers):
    outcomes = make_routing_outcomes(20, 2, 2, 2, random_state=0).outcomes
    with pytest.raises(ValueError, match=f"{name} must be ints of at least 1, got"):
        reliability_curve(outcomes, **{name: numbers})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n_resamples": 0}, "n_resamples must be an int of at least 1, got 0"),
        ({"n_resamples": 1.5}, "n_resamples must be an int of at least 1, got 1.5"),
        ({"n_resamples": True}, "n_resamples must be an int of at least 1, got True"),
        ({"horizon": NAN}, "horizon must be a finite number of at least 1, got nan"),
        ({"horizon": -5}, "horizon must be a finite number of at least 1, got -5"),
        ({"horizon": "many"}, "horizon must be a finite number of at least 1, got 'many'"),
        ({"missing": "no"}, "missing must be 'raise' or 'skip', got 'no'"),
    ],
)
def test_settings_of_a_report_are_refused_before_anything_is_trained(setting, message):
    X, outcomes = numbered_queries(10)
    router = DistributionalRouter(RecordingRegressor())
    RecordingRegressor.predictions.clear()
    with pytest.raises(ValueError, match=message):
        evaluate_router(router, X, outcomes, **setting)
    assert not RecordingRegressor.predictions
    with pytest.raises(ValueError, match=message):
        routing_report(outcomes, [0] * 10, train=outcomes, **setting)


def test_an_estimate_that_does_not_exist_is_not_nan():
    X, outcomes = ordinary_logs(n_queries=30)
    with pytest.warns(SeparabilityWarning):
        decomposition = decompose_variance(outcomes)
    with pytest.raises(ValueError, match="component must be one of .* got 'smaple'"):
        decomposition.estimate("smaple")
    with pytest.raises(ValueError, match="no components of 'model 9'; the models are model 0"):
        decomposition.estimate("sample", "model 9")


def test_tables_of_results_are_copies():
    X, outcomes = ordinary_logs(5, n_queries=40)
    report = routing_report(outcomes, outcomes.models[[0] * 40], **FAST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparabilityWarning)
        decomposition = decompose_variance(outcomes)
    for result in (report, decomposition):
        before = repr(result)
        table = result.to_frame()
        table["estimate"] = 0.0
        assert repr(result) == before


# ---- 23: what is not identifiable ------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_an_oracle_below_the_best_single_model_is_not_shown(seed):
    X, outcomes = ordinary_logs(seed=seed, n_queries=400)
    report = evaluate_router(ROUTER, X, outcomes, n_resamples=200)
    crossfitted = oracle_utility(outcomes)
    best = report.get("utility", "best_single_model")[0]
    assert crossfitted < best  # by which nobody could have won
    assert np.isnan(estimates(report, "regret")).all()
    assert np.isnan(report.get("utility", "oracle_crossfitted")).all()
    text = repr(report)
    assert "\nThe cross-fitted oracle and regret are not shown: in expectation" in text
    assert f"at {crossfitted:.4g} it is " in text
    assert "chooses by noise with 2 outcomes per (query, model) pair" in text
    assert "regret  " not in text
    assert "oracle, cross-fitted" not in text
    assert report.get("utility", "oracle_naive")[0] > best
    assert "oracle, naive (upper bound)" in text


def equal_models(seed, n_models, n_queries=200):
    """Models that are equally good on every query, so that the regret of any route is 0."""
    rng = np.random.default_rng(seed)
    scores = (rng.random((n_queries, n_models, 1, 4)) < 0.5).astype(float)
    return Outcomes.from_array(scores), rng.integers(n_models, size=n_queries)


def test_the_regrets_that_are_shown_are_not_biased_by_hiding_the_others():
    found = []
    for seed in range(60):
        outcomes, routes = equal_models(seed, 3)
        train, _ = equal_models(1000 + seed, 3)
        report = routing_report(outcomes, routes, train=train, n_resamples=200)
        found.append(report.get("regret")[0])
    shown = np.array(found)[~np.isnan(found)]
    assert len(shown) >= 50
    assert abs(shown.mean()) < 3 * shown.std() / np.sqrt(len(shown))


def test_a_baseline_that_was_lucky_in_hindsight_does_not_hide_the_oracle():
    outcomes, routes = equal_models(0, 30, 500)
    report = routing_report(outcomes, routes, n_resamples=200)
    assert report.get("utility", "best_single_model")[0] > oracle_utility(outcomes) + 0.02
    assert report.get("utility", "oracle_crossfitted")[0] == pytest.approx(oracle_utility(outcomes))
    assert not np.isnan(report.get("regret")).any()
    assert np.isnan(report.get("regret", "best_single_model")).all()
    assert "The regret of models that were chosen in hindsight is not shown" in repr(report)
    assert "by noise with" not in repr(report)


@pytest.mark.parametrize("in_hindsight", [False, True])
def test_a_report_in_which_every_regret_is_unknown_is_made(in_hindsight):
    scores = np.full((20, 3, 1, 3), NAN)
    scores[:, 0] = np.random.default_rng(0).random((20, 1, 3))
    scores[:, 2] = scores[:, 0]
    scores[:, 2, :, 1:] = NAN
    outcomes = Outcomes.from_array(scores)
    train = None if in_hindsight else Outcomes.from_array(np.tile([0.0, 1.0, 0.5], (20, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        report = routing_report(outcomes, [1] * 20, train=train, missing="skip", **FAST)
    assert np.isnan(report.get("regret")).all()
    assert "Regret is not shown: no query has both" in repr(report)
    assert not np.isnan(report.get("utility", "oracle_crossfitted")).any()


def test_an_oracle_above_every_strategy_is_shown_as_a_lower_bound():
    data = make_routing_outcomes(150, 4, 5, 5, interaction=2.5, random_state=0)
    features = np.random.default_rng(0).normal(size=(150, 3))  # from which nothing can be learned
    report = evaluate_router(ROUTER, features, data.outcomes, **FAST)
    assert (estimates(report, "regret") >= 0).all()
    oracle = report.get("utility", "oracle_crossfitted")[0]
    assert oracle == pytest.approx(oracle_utility(data.outcomes))
    text = repr(report)
    assert "oracle, cross-fitted (lower bound)" in text
    assert "In expectation, regret is at least what is shown" in text


def test_one_outcome_per_pair_shows_neither_oracle_nor_regret_nor_instability():
    X, outcomes = ordinary_logs(1)
    with pytest.warns(UndefinedMetricWarning, match="120 of 120 queries have no cross-fitted"):
        report = evaluate_router(ROUTER, X, outcomes, **FAST)
    for metric in ("regret", "instability"):
        assert np.isnan(estimates(report, metric)).all()
    text = repr(report)
    assert "they need two outcomes per (query, model) pair" in text
    assert "Instability is not shown where no (query, model) pair" in text
    assert "instability  " not in text
    routes = outcomes.models[[0] * 120]
    with pytest.warns(UndefinedMetricWarning, match="120 of 120 queries are routed to models of"):
        assert np.isnan(instability(outcomes, routes))


def test_a_router_that_beats_the_cross_fitted_oracle_has_no_negative_regret():
    """Routes of the true oracle, which the cross-fitted one cannot reach."""
    data = make_routing_outcomes(200, 4, 2, 1, interaction=2.0, random_state=0)
    routes = data.outcomes.models[data.best]
    report = routing_report(data.outcomes, {"truth": routes}, **FAST)
    assert np.isnan(report.get("regret", "truth")).all()
    assert "below what truth achieves on the same queries" in repr(report)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.booleans(),
)
def test_no_report_shows_a_regret_that_is_clearly_negative(
    seed, n_paraphrases, n_samples, interaction, costs
):
    data = make_routing_outcomes(
        30, 3, n_paraphrases, n_samples, interaction=interaction, random_state=seed % 1000
    )
    outcomes = data.outcomes if costs else Outcomes.from_array(data.outcomes.to_array())
    rng = np.random.default_rng(seed)
    routes = {name: rng.choice(outcomes.models, 30) for name in ("a", "b")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        report = routing_report(outcomes, routes, train=outcomes[:20], n_resamples=20)
    table = report.to_frame()
    regrets = table[table["metric"] == "regret"]["high"].to_numpy()
    assert (np.isnan(regrets) | (regrets >= -1e-12)).all()
    is_shown = not np.isnan(report.get("utility", "oracle_crossfitted")[0])
    assert is_shown == (not np.isnan(regrets).any())
    assert any("not shown" in note for note in report.notes) or is_shown


@pytest.mark.parametrize("difference", [0.0, 0.02, 0.5])
def test_a_gap_that_may_be_none_is_no_unit(difference):
    """Two models that score the same up to noise: a share of their gap would be noise."""
    rng = np.random.default_rng(0)
    expected = np.clip(0.5 + np.array([-difference / 2, difference / 2]), 0, 1)
    scores = (rng.random((100, 2, 1, 3)) < expected[:, None, None]).astype(float)
    outcomes = Outcomes.from_array(scores, costs=[1.0, 5.0])
    report = evaluate_router(ROUTER, rng.normal(size=(100, 3)), outcomes, **FAST)
    table = report.to_frame()
    rows = table[table["metric"].isin(["gap_recovered", "apgr", "cpt_50", "cpt_80"])]
    is_shown = rows["estimate"].notna().any()
    assert is_shown == (difference == 0.5)
    assert ("The gap recovered, APGR and CPT are not shown" in repr(report)) == (not is_shown)
    assert ("gap recovered  " in repr(report)) == is_shown


def test_a_comparison_shows_no_negative_regret():
    X, outcomes = ordinary_logs(n_queries=480)
    comparison = compare_supervision(
        ROUTER, X[:80], outcomes[:80], X_test=X[80:], outcomes_test=outcomes[80:], n_draws=3
    )
    assert comparison.to_frame().loc["regret"].isna().all()
    assert comparison.baselines.loc["oracle_crossfitted"].isna().all()
    text = repr(comparison)
    assert "The cross-fitted oracle and regret are not shown" in text
    assert "\nregret" not in text
    assert "oracle, cross-fitted" not in text


def test_a_curve_on_training_queries_says_so():
    data = make_routing_outcomes(60, 3, random_state=0)
    router = DistributionalRouter(Ridge()).fit(data.X[:30], data.outcomes[:30])
    for rows, evaluated_on in (
        (slice(0, 30), "the router's training queries"),
        (slice(30, 60), "held-out queries"),
        (slice(20, 60), "40 queries, of which the router was trained on 10"),
    ):
        curve = deferral_curve(router, data.X[rows], data.outcomes[rows])
        assert curve.evaluated_on == evaluated_on
        assert evaluated_on in repr(curve)
    choice = tune_cost_weight(ROUTER, data.X, data.outcomes, budget=50.0)
    assert "out-of-fold predictions" in repr(choice.curve)


@pytest.mark.parametrize("first", [0, 20])
def test_an_evaluation_on_training_queries_says_so(first):
    X, outcomes = ordinary_logs(5, n_queries=60)
    test = {"X_test": X[first : first + 30], "outcomes_test": outcomes[first : first + 30]}
    routes = outcomes[first : first + 30].models[[0] * 30]
    report = evaluate_router(ROUTER, X[:30], outcomes[:30], **test, **FAST)
    others = [
        routing_report(test["outcomes_test"], routes, train=outcomes[:30], **FAST),
        compare_supervision(ROUTER, X[:30], outcomes[:30], **test, n_draws=2),
    ]
    sentence = f"The training outcomes include {30 - first} of the 30 evaluated queries"
    for result in (report, *others):
        assert sentence in repr(result)
    held_out = evaluate_router(
        ROUTER, X[:30], outcomes[:30], X_test=X[30:], outcomes_test=outcomes[30:], **FAST
    )
    assert "training outcomes" not in repr(held_out)


# ---- 28: a budget, progress, warnings once ---------------------------------------------


def test_a_plan_suggests_a_budget_and_says_how():
    pilot = make_routing_outcomes(60, 3, 2, 2, interaction=2.0, random_state=0)
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, prices={"sample": 1.0}, n_repeats=2, n_resamples=20
    )
    assert f"The budget of {plan.budget:.4g} is suggested" in repr(plan)
    assert plan.to_frame().iloc[0]["price"] <= plan.budget
    gains = plan.budgets.set_index("budget")["gain"]
    assert gains[plan.budget] >= 0.95 * gains.max()


@pytest.mark.parametrize(("verbose", "is_shown"), [(True, True), (False, False), (None, False)])
def test_an_evaluation_shows_its_progress(capfd, verbose, is_shown):
    X, outcomes = ordinary_logs(n_queries=30)
    evaluate_router(ROUTER, X, outcomes, verbose=verbose, **FAST)
    cross_val_capability(ROUTER, X, outcomes, verbose=verbose)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert ("folds: 100%" in printed.err) == is_shown  # not a terminal, so None shows nothing


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_warning_of_every_fold_is_given_once(n_jobs):
    """With several processes they were printed there, past the filters of the user."""
    X, outcomes = sparse_logs()
    router = DistributionalRouter(Ridge(), risk_aversion=0.0)
    for function, unit in (
        (lambda: evaluate_router(router, X, outcomes, missing="skip", n_jobs=n_jobs, **FAST), 5),
        (lambda: cross_val_capability(router, X, outcomes, cv=4, n_jobs=n_jobs), 4),
    ):
        (warning,) = warnings_of(function)
        assert warning.category is ImputationWarning
        assert f"(in {unit} of {unit} folds" in str(warning.message)
        assert warning.filename == __file__


def test_warnings_of_different_causes_are_all_given():
    X, outcomes = ordinary_logs(1, n_queries=60)
    router = DistributionalRouter(Ridge(), aggregator=OutcomeAggregator(smoothing="auto"))
    found = warnings_of(lambda: evaluate_router(router, X, outcomes, **FAST))
    assert {warning.category for warning in found} == {SeparabilityWarning, UndefinedMetricWarning}
    assert len(found) == 2


def test_a_comparison_warns_once_and_not_once_per_draw():
    X, outcomes = sparse_logs(n_queries=80)
    _, full = ordinary_logs(n_queries=80)
    test = Outcomes.from_array(full[60:].to_array())
    found = warnings_of(
        lambda: compare_supervision(
            DistributionalRouter(Ridge(), risk_aversion=0.0), X[:60], outcomes[:60],
            X_test=X[60:], outcomes_test=test, n_draws=5,
        )
    )  # fmt: skip
    assert [warning.category for warning in found] == [ImputationWarning]


def test_a_plan_does_not_silence_warnings_of_others():
    """Filters of the warnings module are shared by threads, and were left changed by them."""
    pilot = make_routing_outcomes(30, 2, 2, 2, random_state=0)
    before = list(warnings.filters)
    plan_design(
        pilot.outcomes, pilot.X, ROUTER, 20, {"sample": 1.0}, n_repeats=4, n_resamples=5, n_jobs=2
    )
    assert list(warnings.filters) == before


def test_each_fold_predicts_its_test_queries_once():
    X, outcomes = numbered_queries(12)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    predictions = recorded_predictions(
        evaluate_router, router, X, outcomes, cv=3, inner_cv=None, **FAST
    )
    assert len(predictions) == 3 * 3  # the router and two controls


# ---- 30: flip rates --------------------------------------------------------------------


def strong_models(n_models=10):
    """Models that answer nearly everything correctly, as strong models do, without costs."""
    rng = np.random.default_rng(0)
    return Outcomes.from_array((rng.random((200, n_models, 1, 5)) < 0.98).astype(float))


def test_flip_rates_lead_with_the_rate_that_ties_do_not_inflate():
    rates = label_flip_rate(strong_models(), n_draws=100)
    assert rates.overall["ties"] > 0.95
    assert rates.overall["two_draws"] > 0.85
    assert rates.overall["disjoint"] < 0.02
    assert list(rates.overall.index)[0] == "disjoint"
    assert list(rates.to_frame())[1] == "disjoint"
    assert repr(rates).startswith("<FlipRates of 200 queries: disjoint 0.0")
    assert "with ties broken at random: two_draws 0." in repr(rates)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_copies_of_a_model_do_not_change_how_often_draws_contradict_each_other(seed, n_copies):
    """A constant model ties with its copies, which raises the other rates."""
    scores = np.random.default_rng(seed).integers(0, 2, (6, 2, 1, 3)).astype(float)
    scores[:, 0] = 1.0
    copies = np.concatenate([scores] + [scores[:, :1]] * n_copies, axis=1)
    rates, with_copies = (
        label_flip_rate(Outcomes.from_array(own), cost_weight=0.0, n_draws=20)
        for own in (scores, copies)
    )
    np.testing.assert_array_equal(rates.disjoint, 0.0)
    np.testing.assert_array_equal(with_copies.disjoint, 0.0)
    assert (with_copies.two_draws >= 1 - 1 / n_copies - 1e-9).all()
