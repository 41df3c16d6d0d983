import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, Outcomes, compare_supervision, single_shot_twin
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate import paired_interval


@pytest.fixture(scope="module")
def data():
    return make_routing_outcomes(150, 3, 3, 4, n_features=4, random_state=0)


def compare(data, router=None, **settings):
    settings = {"n_draws": 6, "random_state": 5} | settings
    return compare_supervision(
        DistributionalRouter() if router is None else router,
        data.X[:100], data.outcomes[:100],
        X_test=data.X[100:], outcomes_test=data.outcomes[100:], **settings,
    )  # fmt: skip


def test_metrics_are_those_of_a_slow_loop(data):
    comparison = compare(data)
    known, unseen = data.outcomes[:100], data.outcomes[100:]
    low, high = known.cost.min(), known.cost.max()
    scores, costs = unseen.to_array(), (unseen.to_array("cost") - low) / (high - low)

    def slow(routes):
        rows = []
        for query, model in enumerate(routes):
            place = unseen.models.tolist().index(model)
            draws = scores[query, place].ravel()
            score, cost = draws.mean(), costs[query, place].mean()
            rows.append((score, cost, score - 0.05 * cost, draws.std(ddof=1)))
        return np.array(rows)

    names = ["score", "cost", "utility", "instability"]
    own = slow(comparison.routes)
    drawn = np.array([slow(routes) for routes in comparison.single_shot_routes])
    table = comparison.to_frame().loc[names]
    np.testing.assert_allclose(table["distribution"], own.mean(axis=0))
    np.testing.assert_allclose(table["single_shot"], drawn.mean(axis=(0, 1)))
    np.testing.assert_allclose(table["single_shot_std"], drawn.mean(axis=1).std(axis=0, ddof=1))
    np.testing.assert_allclose(table["difference"], own.mean(axis=0) - drawn.mean(axis=(0, 1)))
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    regret = comparison.to_frame().loc["regret"]
    oracle = comparison.baselines.loc["oracle, cross-fitted", "utility"]
    assert regret["distribution"] == pytest.approx(oracle - own[:, 2].mean())
    pairs = [
        (a == b).mean()
        for i, a in enumerate(comparison.single_shot_routes)
        for j, b in enumerate(comparison.single_shot_routes)
        if i != j
    ]
    agreement = comparison.to_frame().loc["agreement", "single_shot"]
    assert agreement == pytest.approx(np.mean(pairs))


def test_draws_are_those_of_their_seeds_whatever_runs_at_once(data):
    comparison = compare(data, n_jobs=2)
    limits = comparison.cost_range
    twin = single_shot_twin(DistributionalRouter())
    for place, seed in enumerate(range(5, 11)):
        drawn = data.outcomes[:100].single_shot(seed)
        routes = clone(twin).fit(data.X[:100], drawn).predict(data.X[100:])
        same = (routes == comparison.single_shot_routes[place]).mean()
        assert same > 0.9  # all but what the scale of costs moves
    assert limits == (data.outcomes[:100].cost.min(), data.outcomes[:100].cost.max())
    alone = compare(data)
    assert (alone.single_shot_routes == comparison.single_shot_routes).all()
    assert alone.to_frame().equals(comparison.to_frame())


def test_one_outcome_a_pair_leaves_no_difference(data):
    once = data.outcomes.single_shot(0)
    router = DistributionalRouter(risk_aversion=0.0)
    comparison = compare_supervision(
        router, data.X[:100], once[:100], X_test=data.X[100:], outcomes_test=data.outcomes[100:],
        n_draws=3,
    )  # fmt: skip
    table = comparison.to_frame()
    np.testing.assert_allclose(table["difference"].dropna(), 0, atol=1e-12)
    assert table.loc["agreement", "single_shot"] == 1.0


def test_the_same_routes_are_judged_by_another_view(data):
    comparison = compare(data)
    view = Outcomes.from_array(
        data.outcomes[100:].to_array()[:, :, :1], models=data.outcomes.models,
        costs=data.outcomes[100:].to_array("cost")[:, :, :1],
    )  # fmt: skip
    judged = comparison.on(view)
    assert (judged.routes == comparison.routes).all()
    places = [view.models.tolist().index(model) for model in comparison.routes]
    scores = view.to_array()[np.arange(50), places].mean()
    assert judged.to_frame().loc["score", "distribution"] == pytest.approx(scores)
    assert "oracle, cross-fitted, given the wording" in judged.baselines.index


def test_the_best_single_model_is_chosen_on_training_data():
    train = np.zeros((40, 2, 1, 2))
    train[:, 0] = 1  # model 0 is best in training, and model 1 on the test
    test = 1 - train
    X = np.random.default_rng(0).normal(size=(80, 2))
    comparison = compare_supervision(
        DistributionalRouter(cost_weight=0.0), X[:40], Outcomes.from_array(train),
        X_test=X[40:], outcomes_test=Outcomes.from_array(test), n_draws=2,
    )  # fmt: skip
    assert comparison.baselines.loc["best single (0)", "utility"] == 0.0


def test_pipelines_and_looks(data):
    comparison = compare(data, make_pipeline(StandardScaler(), DistributionalRouter()))
    assert "50 queries, 6 single-shot draws" in repr(comparison)
    assert "<table" in comparison._repr_html_()


def test_routes_without_outcomes_are_named(data):
    gaps = data.outcomes[100:].to_array()
    gaps[:30, 1:] = np.nan
    with pytest.raises(ValueError, match="of 50 queries were routed to a model that has no"):
        compare_supervision(
            DistributionalRouter(), data.X[:100], data.outcomes[:100], X_test=data.X[100:],
            outcomes_test=Outcomes.from_array(gaps, models=data.outcomes.models), n_draws=2,
        )  # fmt: skip


def test_paired_intervals_hold_the_truth_at_their_rate():
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        low, high = paired_interval(rng.normal(0.3, 1.0, 80), random_state=seed, n_resamples=500)
        held += low <= 0.3 <= high
    assert 0.90 <= held / 300 <= 0.98
