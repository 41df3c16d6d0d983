"""Distribution labels against single-shot labels, in plain loops over queries and draws."""

import warnings
from typing import ClassVar

import joblib
import numpy as np
import pytest
from ragged import draw_ragged
from recording_regressor import RecordingRegressor, numbered_queries, recorded_predictions
from scipy.stats import t
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import (
    DistributionalRouter,
    OutcomeAggregator,
    Outcomes,
    compare_supervision,
    evaluate_router,
    single_shot_counterpart,
)
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._crossed_interval import compare_runs
from dars_sklearn.exceptions import SeparabilityWarning, UndefinedMetricWarning
from dars_sklearn.metrics import best_single_model, oracle_utility, random_utility
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.outcomes import _outcomes
from dars_sklearn.routing._pipeline import final_step

ROUTER = DistributionalRouter(Ridge(), cost_weight=0.2, calibration=None)
METRICS = ["score", "cost", "utility", "instability", "regret"]


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(100, 3, 3, 4, interaction=3.0, random_state=0)


def compare(data, router=ROUTER, **options):
    options = {"n_draws": 5, "random_state": 5} | options
    return compare_supervision(
        router, data.X[:60], data.outcomes[:60], X_test=data.X[60:],
        outcomes_test=data.outcomes[60:], **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def comparison(data):
    return compare(data)


# ---- table ---------------------------------------------------------------------------


def slow_values(outcomes, routes, limits):
    """Score, cost, utility, spread and regret of the routed model on each query."""
    scores, costs = outcomes.to_array(), outcomes.to_array("cost")
    oracle = oracle_utility(outcomes, cost_weight=0.2, cost_range=limits, average=False)
    rows = []
    for query, model in enumerate(routes):
        column = outcomes.models.tolist().index(model)
        draws = scores[query, column].ravel()
        score, cost = draws.mean(), costs[query, column].mean()
        utility = score - 0.2 * (cost - limits[0]) / (limits[1] - limits[0])
        rows.append((score, cost, utility, draws.std(ddof=1), oracle[query] - utility))
    return np.array(rows)


def slow_difference(first, second):
    """Difference of the means, and its interval, from sums over single values of both sides."""
    n_queries = first.shape[1]
    by_query = first.mean(axis=0) - second.mean(axis=0)
    terms = [(by_query.var(ddof=1) / n_queries, n_queries - 1)]
    for side in (first, second):
        n_runs = len(side)
        if n_runs == 1:
            continue
        squares = 0.0
        for run in range(n_runs):
            for query in range(n_queries):
                additive = side[run].mean() + side[:, query].mean() - side.mean()
                squares += (side[run, query] - additive) ** 2
        interaction = squares / ((n_runs - 1) * (n_queries - 1))
        between = n_queries * np.var([run.mean() for run in side], ddof=1)
        terms.append((max(between - interaction, 0) / (n_queries * n_runs), n_runs - 1))
    total = sum(term for term, _ in terms)
    degrees = total**2 / sum(term**2 / own for term, own in terms)
    margin = t.ppf(0.975, degrees) * np.sqrt(total)
    return by_query.mean(), by_query.mean() - margin, by_query.mean() + margin


def test_metrics_are_those_of_a_slow_loop(data, comparison):
    train, test = data.outcomes[:60], data.outcomes[60:]
    limits = train.cost.min(), train.cost.max()
    assert comparison.cost_range == limits
    own = slow_values(test, comparison.routes, limits)
    drawn = np.array([slow_values(test, own, limits) for own in comparison.single_shot_routes])
    table = comparison.to_frame()
    assert table.index.tolist() == [*METRICS, "agreement"]
    assert table.index.name == "metric"
    np.testing.assert_allclose(table["distribution"][METRICS], own.mean(axis=0))
    np.testing.assert_allclose(table["single_shot"][METRICS], drawn.mean(axis=(0, 1)))
    by_draw = drawn.mean(axis=1)
    np.testing.assert_allclose(table["single_shot_std"][METRICS], by_draw.std(axis=0, ddof=1))
    np.testing.assert_allclose(table["distribution_std"][METRICS], 0, atol=1e-12)  # no seed matters
    for number, metric in enumerate(METRICS):
        expected = slow_difference(own[None, :, number], drawn[:, :, number])
        found = table.loc[metric, ["difference", "low", "high"]].to_numpy()
        np.testing.assert_allclose(found, expected)


def test_agreement_is_the_share_of_equal_routes_over_pairs_of_draws(comparison):
    routes = comparison.single_shot_routes
    assert routes.shape == (5, 40)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    expected = np.mean([(routes[i] == routes[j]).mean() for i, j in pairs])
    row = comparison.to_frame().loc["agreement"]
    assert row["single_shot"] == pytest.approx(expected)
    assert 0 < expected < 1
    assert row["distribution"] == 1  # no seed matters to Ridge
    assert row.drop(["distribution", "single_shot"]).isna().all()


def test_baselines_are_those_of_a_slow_loop(data, comparison):
    train, test = data.outcomes[:60], data.outcomes[60:]
    scale = {"cost_weight": 0.2, "cost_range": (train.cost.min(), train.cost.max())}
    best = best_single_model(train, **scale)
    values = {
        model: slow_values(test, [model] * 40, scale["cost_range"])[:, :3].mean(axis=0)
        for model in test.models
    }
    baselines = comparison.baselines
    assert list(baselines) == ["score", "cost", "utility"]
    assert baselines.index.tolist() == [
        "best_single_model", "random_routing", "oracle_crossfitted", "oracle_naive"
    ]  # fmt: skip
    np.testing.assert_allclose(baselines.loc["best_single_model"], values[best])
    np.testing.assert_allclose(
        baselines.loc["random_routing"], np.mean(list(values.values()), axis=0)
    )
    for crossfit, name in ((True, "oracle_crossfitted"), (False, "oracle_naive")):
        expected = oracle_utility(test, **scale, crossfit=crossfit)
        assert baselines.loc[name, "utility"] == pytest.approx(expected)
        assert baselines.loc[name, ["score", "cost"]].isna().all()


def test_random_routing_weighs_models_the_same_where_outcomes_are_missing():
    scores = np.full((10, 2, 2, 1), np.nan)
    scores[:, 0], scores[0, 1] = 1, 0  # the second model has outcomes for one query only
    outcomes = Outcomes.from_array(scores)
    X = np.random.default_rng(0).normal(size=(10, 2))
    router = DistributionalRouter(Ridge(), heads="model")
    comparison = compare_supervision(
        router, X, outcomes, X_test=X, outcomes_test=outcomes, n_draws=1
    )  # fmt: skip
    assert comparison.baselines.loc["random_routing", "utility"] == random_utility(outcomes) == 0.5


def test_the_best_single_model_is_chosen_on_training_data():
    train = np.zeros((20, 2, 1, 2))
    train[:, 0] = 1  # model 0 is the best in training, and model 1 on the test
    X = np.random.default_rng(0).normal(size=(40, 2))
    comparison = compare_supervision(
        ROUTER, X[:20], Outcomes.from_array(train), X_test=X[20:],
        outcomes_test=Outcomes.from_array(1 - train), n_draws=2,
    )  # fmt: skip
    assert comparison.baselines.loc["best_single_model", "utility"] == 0.0
    assert "best single model (0)" in repr(comparison)


# ---- routes --------------------------------------------------------------------------


def test_draws_are_those_of_consecutive_seeds_on_one_scale_of_costs(data, comparison):
    train = data.outcomes[:60]
    aggregator = OutcomeAggregator(cost_scaling=(train.cost.min(), train.cost.max()))
    settings = {"aggregator": aggregator, "cost_weight": 0.2, "calibration": None}
    router = DistributionalRouter(Ridge(), **settings).fit(data.X[:60], train)
    assert comparison.routes.tolist() == router.predict(data.X[60:]).tolist()
    counterpart = DistributionalRouter(Ridge(), **settings, risk_aversion=0.0)
    for number, seed in enumerate(range(5, 10)):
        routes = counterpart.fit(data.X[:60], train.single_shot(seed)).predict(data.X[60:])
        assert comparison.single_shot_routes[number].tolist() == routes.tolist()


def test_a_hundred_draws_from_seed_42_are_the_default(data):
    router = DistributionalRouter(Ridge(), cost_weight=0.2)
    comparison = compare_supervision(
        router, data.X[:60], data.outcomes[:60], X_test=data.X[60:70],
        outcomes_test=data.outcomes[60:70],
    )  # fmt: skip
    assert comparison.single_shot_routes.shape == (100, 10)
    same = compare_supervision(
        router, data.X[:60], data.outcomes[:60], X_test=data.X[60:70],
        outcomes_test=data.outcomes[60:70], n_draws=1, random_state=141,
    )  # fmt: skip
    assert same.single_shot_routes[0].tolist() == comparison.single_shot_routes[99].tolist()


def test_draws_run_in_parallel():
    X, outcomes = numbered_queries(20)
    with joblib.parallel_config("threading"):
        predictions = recorded_predictions(
            compare_supervision, DistributionalRouter(RecordingRegressor()), X, outcomes,
            X_test=X[:5], outcomes_test=outcomes[:5], n_draws=4, n_jobs=2,
        )  # fmt: skip
    # The router on all outcomes comes first, and is fitted by the caller.
    assert [own.in_main_thread for own in predictions] == [True] + [False] * 4


def test_draws_that_run_in_parallel_give_the_same_comparison(data, comparison):
    with joblib.parallel_config("threading"):
        parallel = compare(data, n_jobs=2)
    assert (parallel.single_shot_routes == comparison.single_shot_routes).all()
    assert parallel.to_frame().equals(comparison.to_frame())


def test_one_draw_has_neither_spread_nor_agreement(data):
    table = compare(data, n_draws=1).to_frame()
    assert table["single_shot_std"].isna().all()
    assert np.isnan(table.loc["agreement", "single_shot"])
    assert not table.loc[METRICS, ["single_shot", "difference"]].isna().any().any()


def test_one_outcome_per_pair_leaves_no_difference(data):
    once = data.outcomes.single_shot(0)
    comparison = compare_supervision(
        DistributionalRouter(Ridge(), risk_aversion=0.0), data.X[:60], once[:60],
        X_test=data.X[60:], outcomes_test=data.outcomes[60:], n_draws=3,
    )  # fmt: skip
    table = comparison.to_frame()
    np.testing.assert_allclose(table["difference"].dropna(), 0, atol=1e-12)
    assert table.loc["agreement", "single_shot"] == 1.0


def test_a_pipeline_is_compared_and_left_unfitted(data):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter(Ridge()))
    comparison = compare(data, pipeline)
    assert not hasattr(pipeline[-1], "models_")
    scaler = StandardScaler().fit(data.X[:60])
    plain = compare_supervision(
        DistributionalRouter(Ridge()), scaler.transform(data.X[:60]), data.outcomes[:60],
        X_test=scaler.transform(data.X[60:]), outcomes_test=data.outcomes[60:], n_draws=5,
        random_state=5,
    )  # fmt: skip
    assert plain.routes.tolist() == comparison.routes.tolist()
    assert (plain.single_shot_routes == comparison.single_shot_routes).all()


def test_the_noise_of_single_draws_is_not_warned_of(data):
    aggregator = OutcomeAggregator(smoothing="auto")
    router = DistributionalRouter(Ridge(), aggregator=aggregator, risk_aversion=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SeparabilityWarning)
        compare(data, router, n_draws=2)


def test_test_outcomes_are_summarised_once(monkeypatch):
    calls = []
    summarise = _outcomes.summarise_pairs

    def counting(outcomes, *, balanced):
        calls.append(outcomes)
        return summarise(outcomes, balanced=balanced)

    monkeypatch.setattr(_outcomes, "summarise_pairs", counting)
    train, test = draw_ragged(0, n_queries=30).outcomes(), draw_ragged(1, n_queries=12).outcomes()
    X = np.random.default_rng(0).normal(size=(42, 2))
    compare_supervision(ROUTER, X[:30], train, X_test=X[30:], outcomes_test=test, n_draws=2)
    assert sum(outcomes is train for outcomes in calls) == 1
    assert sum(outcomes is test for outcomes in calls) == 1
    assert len(calls) == 4  # and each draw once


# ---- training seeds ------------------------------------------------------------------


class NoisyRidge(RegressorMixin, BaseEstimator):
    """Ridge regression whose coefficients are disturbed, as by the seed of a network."""

    seeds: ClassVar[list] = []

    def __init__(self, noise=0.3, random_state=None):
        self.noise = noise
        self.random_state = random_state

    def fit(self, X, y):
        self.seeds.append(self.random_state)
        self.ridge_ = Ridge().fit(X, y)
        rng = np.random.default_rng(self.random_state)
        self.ridge_.coef_ += self.noise * rng.normal(size=self.ridge_.coef_.shape)
        return self

    def predict(self, X):
        return self.ridge_.predict(X)


def head_seed(seed):
    """Seed of a router's only head."""
    return np.random.RandomState(seed).randint(2**31 - 1, size=1)[0]


def test_every_draw_and_every_repetition_has_its_own_training_seed(data):
    NoisyRidge.seeds.clear()
    router = DistributionalRouter(NoisyRidge(), cost_weight=0.2, random_state=0)
    found = compare(data, router, n_draws=3, n_training_seeds=4, random_state=7)
    # As in the paper, the first training seed is that of the first draw, and the seed of a draw is
    # that of its training; the other training seeds are not those of a draw.
    distribution, draws = [7, 10, 11, 12], [7, 8, 9]
    expected = [head_seed(seed) for seed in (*distribution, *draws)]
    assert NoisyRidge.seeds == expected
    assert router.random_state == 0
    train = data.outcomes[:60]
    router.set_params(
        calibration=None, aggregator__cost_scaling=(train.cost.min(), train.cost.max())
    )
    for number, seed in enumerate(distribution):
        routes = router.set_params(random_state=seed).fit(data.X[:60], train).predict(data.X[60:])
        assert found.distribution_routes[number].tolist() == routes.tolist()
    assert found.routes.tolist() == found.distribution_routes[0].tolist()
    counterpart = single_shot_counterpart(router)
    for number, seed in enumerate(draws):
        counterpart.set_params(random_state=seed).fit(data.X[:60], train.single_shot(seed))
        assert found.single_shot_routes[number].tolist() == (
            counterpart.predict(data.X[60:]).tolist()
        )


def test_the_table_has_the_variation_over_training_seeds(data):
    router = DistributionalRouter(NoisyRidge(), cost_weight=0.2)
    found = compare(data, router, n_training_seeds=4)
    table, limits = found.to_frame(), found.cost_range
    test = data.outcomes[60:]
    own, drawn = (
        np.array([slow_values(test, routes, limits) for routes in side])
        for side in (found.distribution_routes, found.single_shot_routes)
    )
    by_seed = own.mean(axis=1)
    assert (by_seed[:, 2] != by_seed[0, 2]).any()
    np.testing.assert_allclose(table["distribution"][METRICS], by_seed.mean(axis=0))
    np.testing.assert_allclose(table["distribution_std"][METRICS], by_seed.std(axis=0, ddof=1))
    for number, metric in enumerate(METRICS):
        expected = slow_difference(own[:, :, number], drawn[:, :, number])
        found_row = table.loc[metric, ["difference", "low", "high"]].to_numpy()
        np.testing.assert_allclose(found_row, expected)
    routes = found.distribution_routes
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    agreement = np.mean([(routes[i] == routes[j]).mean() for i, j in pairs])
    assert table.loc["agreement", "distribution"] == pytest.approx(agreement)
    assert (
        "the standard deviation of utility over 4 training seeds is "
        f"{by_seed[:, 2].std(ddof=1):.2g}, and two seeds route {agreement:.0%} of the queries alike"
    ) in repr(found)


def test_a_comparison_says_what_its_intervals_lack(data):
    router = DistributionalRouter(NoisyRidge(), cost_weight=0.2)
    found = compare(data, router, n_training_seeds=1, n_draws=1)
    assert found.distribution_routes.shape == (1, 40)
    assert found.to_frame()[["distribution_std", "single_shot_std"]].isna().all(axis=None)
    assert "The router was trained once with distribution labels, so the intervals" in repr(found)
    assert "The intervals do not contain the variation over draws" in repr(found)
    without_seed = DistributionalRouter(KNeighborsRegressor(5))
    assert "trained once" not in repr(compare(data, without_seed, n_draws=2))


@pytest.mark.parametrize(
    ("router", "n_fits"),
    [
        (DistributionalRouter(), 1),
        (DistributionalRouter(NoisyRidge()), 3),
        (make_pipeline(StandardScaler(), DistributionalRouter()), 1),
        (make_pipeline(TruncatedSVD(2), DistributionalRouter()), 3),
        (DistributionalRouter(make_pipeline(StandardScaler(), NoisyRidge())), 3),
    ],
    ids=["none", "estimator", "pipeline of none", "step before", "step within"],
)
def test_a_router_without_random_state_is_fitted_once(data, router, n_fits):
    found = compare(data, router, n_draws=2, n_training_seeds=3)
    assert found.distribution_routes.shape == (n_fits, 40)


@pytest.mark.parametrize("n_steps", [1, 2])
def test_the_router_is_not_calibrated_unless_asked(data, n_steps):
    router = DistributionalRouter(KNeighborsRegressor(5), calibration="auto")
    router = make_pipeline(StandardScaler(), router) if n_steps == 2 else router
    X = np.random.default_rng(0).normal(size=(100, 3))  # nothing to learn, but the models' means
    train, test = data.outcomes[:60], data.outcomes[60:]
    own = clone(router)
    final = final_step(own).set_params(
        random_state=3, aggregator__cost_scaling=(train.cost.min(), train.cost.max())
    )
    uncalibrated = None
    for calibration, n_seeds in ((None, 1), ("auto", 2)):
        found = compare_supervision(
            router, X[:60], train, X_test=X[60:], outcomes_test=test, n_draws=1,
            n_training_seeds=2, random_state=3, calibration=calibration,
        )  # fmt: skip
        assert found.distribution_routes.shape == (n_seeds, 40)
        final.set_params(calibration=calibration, risk_aversion=0.2)
        assert found.routes.tolist() == own.fit(X[:60], train).predict(X[60:]).tolist()
        final.set_params(risk_aversion=0.0)
        drawn = own.fit(X[:60], train.single_shot(3)).predict(X[60:])
        assert found.single_shot_routes[0].tolist() == drawn.tolist()
        assert found.routes.tolist() != uncalibrated
        uncalibrated = found.routes.tolist()


def test_the_seed_of_a_step_before_the_router_is_replaced(data):
    router = make_pipeline(TruncatedSVD(1, random_state=0), DistributionalRouter(Ridge()))
    found = compare(data, router, n_draws=2, n_training_seeds=2)
    same = compare(data, router.set_params(truncatedsvd__random_state=1), n_draws=2,
                   n_training_seeds=2)  # fmt: skip
    assert (found.distribution_routes == same.distribution_routes).all()
    assert (found.single_shot_routes == same.single_shot_routes).all()


def test_equal_labels_show_no_gain_though_single_seeds_do():
    """With one outcome per pair, both sides learn the same, and only seeds and queries differ."""
    data = make_routing_outcomes(660, 3, 1, 1, interaction=3.0, random_state=1)
    router = DistributionalRouter(NoisyRidge(0.1), risk_aversion=0.0)
    with pytest.warns(UndefinedMetricWarning, match="no cross-fitted"):
        all_runs = compare_supervision(
            router, data.X[:60], data.outcomes[:60], X_test=data.X[60:],
            outcomes_test=data.outcomes[60:], n_draws=40, n_training_seeds=60,
        )  # fmt: skip
    utility = RealisedValues(data.outcomes[60:], 0.05, all_runs.cost_range)
    distribution, single_shot = (
        np.array([utility.routed("utility", routes) for routes in side])
        for side in (all_runs.distribution_routes, all_runs.single_shot_routes)
    )

    def share_of_false_gains(n_training_seeds):
        intervals = [
            compare_runs(distribution[first : first + n_training_seeds], single_shot)
            for first in range(0, 60, n_training_seeds)
        ]
        return np.mean([not own.low <= 0 <= own.high for own in intervals])

    assert share_of_false_gains(1) > 0.3
    assert share_of_false_gains(10) <= 0.1


# ---- test outcomes are checked before the first fit -----------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda test: test.subset(models=["model 0", "model 2"]),
            r"they lack \['model 1'\]: collect outcomes of these, or leave these models out of",
        ),
        (
            lambda test: test.subset(models=["model 2", "model 1", "model 0"]),
            "use outcomes.subset",
        ),
        (
            lambda test: Outcomes.from_array(
                100 * test.to_array(), models=test.models, queries=test.queries,
                score_range=(0, 100),
            ),
            "score_range",
        ),
        (
            lambda test: Outcomes.from_array(
                test.to_array(), models=test.models, queries=test.queries
            ),
            "those of the evaluation have none",
        ),
        (
            lambda test: Outcomes.from_array(
                test.to_array(), models=test.models, queries=test.queries,
                costs=[1.0, np.nan, 2.0],
            ),
            "no cost of the model 'model 1' is known",
        ),
    ],
    ids=["lacking", "order", "scale", "costs", "one cost"],
)  # fmt: skip
def test_test_outcomes_are_checked_before_anything_is_fitted(data, comparison, change, message):
    test = change(data.outcomes[60:])
    X, outcomes = data.X, data.outcomes[:60]
    router = DistributionalRouter(RecordingRegressor())
    RecordingRegressor.predictions.clear()
    for function in (compare_supervision, evaluate_router):
        with pytest.raises(ValueError, match=message):
            function(router, X[:60], outcomes, X_test=X[60:], outcomes_test=test)
    assert not RecordingRegressor.predictions
    with pytest.raises(ValueError, match=message):
        comparison.on(test)


# ---- other outcomes, and costs -------------------------------------------------------


def test_the_same_routes_are_evaluated_on_other_outcomes(data, comparison):
    one_wording = Outcomes.from_array(
        data.outcomes[60:].to_array()[:, :, :1], models=data.outcomes.models,
        costs=data.outcomes[60:].to_array("cost")[:, :, :1], queries=data.outcomes[60:].queries,
    )  # fmt: skip
    found = comparison.on(one_wording)
    assert (found.routes == comparison.routes).all()
    assert (found.single_shot_routes == comparison.single_shot_routes).all()
    values = slow_values(one_wording, comparison.routes, comparison.cost_range)
    expected = values.mean(axis=0)
    np.testing.assert_allclose(found.to_frame()["distribution"][METRICS[:-1]], expected[:-1])
    assert "given the wording" in found.labels["oracle_crossfitted"]
    assert found.table.loc["regret", "distribution"] == pytest.approx(expected[-1])
    margin = t.ppf(0.975, 39) * values[:, -1].std(ddof=1) / np.sqrt(40)
    low, high = expected[-1] - margin, expected[-1] + margin
    assert expected[-1] < 0 < high  # so that it may be noise
    written = f"{expected[-1]:.3g} [{low:.3g}, {high:.3g}] of the router with distribution labels, "
    assert any(written in note for note in found.notes)
    drawn = [
        slow_values(one_wording, routes, comparison.cost_range)[:, 0]
        for routes in comparison.single_shot_routes
    ]
    expected = slow_difference(values[None, :, 0], np.array(drawn))
    shown = found.table.loc["score", ["difference", "low", "high"]].to_numpy()
    np.testing.assert_allclose(shown, expected)
    same = comparison.on(data.outcomes[60:])
    assert same.to_frame().equals(comparison.to_frame())


def test_without_costs_the_rows_of_costs_are_unknown(data):
    no_costs = Outcomes.from_array(data.outcomes.to_array(), models=data.outcomes.models)
    comparison = compare_supervision(
        ROUTER, data.X[:60], no_costs[:60], X_test=data.X[60:], outcomes_test=no_costs[60:],
        n_draws=2,
    )  # fmt: skip
    assert comparison.to_frame().loc["cost"].isna().all()
    assert comparison.baselines["cost"].isna().all()
    table = comparison.to_frame()
    assert table.loc["utility"].tolist() == table.loc["score"].tolist()
    assert comparison.cost_range == (0.0, 0.0)


def test_single_shot_test_outcomes_have_no_cross_fitted_oracle(data):
    with pytest.warns(UndefinedMetricWarning, match="40 of 40 queries have no cross-"):
        comparison = compare_supervision(
            ROUTER, data.X[:60], data.outcomes[:60], X_test=data.X[60:],
            outcomes_test=data.outcomes[60:].single_shot(0), n_draws=2,
        )  # fmt: skip
    assert comparison.to_frame().loc["regret"].isna().all()
    assert not np.isnan(comparison.baselines.loc["oracle_naive", "utility"])


# ---- the rest ------------------------------------------------------------------------


def test_how_a_comparison_is_shown(comparison):
    text, html = repr(comparison), comparison._repr_html_()
    title = "<SupervisionComparison on 40 queries, 10 training seeds, 5 single-shot draws>"
    assert text.startswith(title)
    for part in ("best single model (model", "random routing", "oracle, naive", "agreement"):
        assert part in text
        assert part in html
    assert "oracle, cross-fitted" in text
    assert html.count("<table") == 2
    assert comparison.to_frame().equals(comparison.table)


def test_the_single_shot_counterpart_differs_in_risk_aversion_only():
    router = DistributionalRouter(Ridge(3.0), cost_weight=0.4, risk_aversion=0.3)
    counterpart = single_shot_counterpart(router)
    assert counterpart.risk_aversion == 0.0
    assert router.risk_aversion == 0.3
    counterpart.set_params(risk_aversion=0.3)
    assert repr(counterpart) == repr(router)
    pipeline = single_shot_counterpart(make_pipeline(StandardScaler(), router))
    assert pipeline[-1].risk_aversion == 0.0
    assert isinstance(pipeline[0], StandardScaler)


def test_routes_without_outcomes_are_counted(data):
    gaps = data.outcomes[60:].to_array()
    gaps[:, 1:] = np.nan
    with pytest.raises(ValueError, match="of 40 queries were routed to a model that has no"):
        compare_supervision(
            ROUTER, data.X[:60], data.outcomes[:60], X_test=data.X[60:],
            outcomes_test=Outcomes.from_array(
                gaps, models=data.outcomes.models, costs=np.ones(data.outcomes.n_models)
            ),
            n_draws=1,
        )  # fmt: skip


def test_bad_input_is_named(data):
    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        compare(data, Ridge())
    for seed in (None, np.random.RandomState(0), 1.5):
        with pytest.raises(ValueError, match="random_state must be an int, the seed of the first"):
            compare(data, random_state=seed)
    with pytest.raises(ValueError, match="n_draws must be an int of at least 1, got 0"):
        compare(data, n_draws=0)
    with pytest.raises(ValueError, match="n_training_seeds must be an int of at least 1, got 0"):
        compare(data, n_training_seeds=0)
    with pytest.raises(ValueError, match="X_test has 39 queries and the outcomes have 40"):
        compare_supervision(
            ROUTER, data.X[:60], data.outcomes[:60], X_test=data.X[61:],
            outcomes_test=data.outcomes[60:],
        )  # fmt: skip
    with pytest.raises(ValueError, match="X has 59 queries and the outcomes have 60"):
        compare_supervision(
            ROUTER, data.X[:59], data.outcomes[:60], X_test=data.X[60:],
            outcomes_test=data.outcomes[60:],
        )  # fmt: skip
    assert compare(data, n_draws=1, random_state=np.int64(3)).routes.shape == (40,)


def test_pairs_without_outcomes_can_be_skipped(data):
    gaps, costs = data.outcomes[60:].to_array(), data.outcomes[60:].to_array("cost")
    gaps[::2, 1] = np.nan
    test = Outcomes.from_array(
        gaps, costs=costs, models=data.outcomes.models, queries=data.outcomes[60:].queries
    )
    arguments = ROUTER, data.X[:60], data.outcomes[:60]
    options = {"X_test": data.X[60:], "outcomes_test": test, "n_draws": 4}
    with pytest.raises(ValueError, match="leave the queries out with missing='skip'"):
        compare_supervision(*arguments, **options)
    found = compare_supervision(*arguments, **options, missing="skip")
    means = gaps.mean(axis=(2, 3))

    def routed(routes):
        columns = [test.models.tolist().index(model) for model in routes]
        return means[np.arange(40), columns]

    distribution = routed(found.routes)
    drawn = np.array([routed(routes) for routes in found.single_shot_routes])
    row = found.to_frame().loc["score"]
    assert row["distribution"] == pytest.approx(np.nanmean(distribution))
    assert row["single_shot"] == pytest.approx(np.nanmean(drawn, axis=1).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        difference = distribution - np.nanmean(drawn, axis=0)
    assert row["difference"] == pytest.approx(np.nanmean(difference))
    again = found.on(test)
    assert again.to_frame().equals(found.to_frame())
    with pytest.raises(ValueError, match="missing must be 'raise' or 'skip', got 'drop'"):
        compare_supervision(*arguments, **options, missing="drop")
