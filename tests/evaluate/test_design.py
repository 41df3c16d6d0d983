"""Designs of equal price, against a plain repetition of the experiment."""

import re
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from recording_regressor import (
    RecordingRegressor,
    numbered_queries,
    recorded_predictions,
    runs_in_parallel,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn import DistributionalRouter, OutcomeAggregator, Outcomes, plan_design
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.evaluate._bootstrap import two_way_means
from dars_sklearn.evaluate._design import _add_figures
from dars_sklearn.outcomes._validation import plural

ROUTER = DistributionalRouter(Ridge(), cost_weight=0.0, risk_aversion=0.0)
FIGURES = ["utility", "low", "high", "behind", "behind_low", "behind_high", "p_best"]


@pytest.fixture(scope="module")
def pilot():
    return make_routing_outcomes(120, 3, 3, 3, interaction=1.5, random_state=0)


# ---- prices --------------------------------------------------------------------------


def test_designs_have_as_many_queries_as_the_budget_pays_for(pilot):
    prices = {"query": 2.0, "paraphrase": 1.0, "sample": 0.5}
    plan = plan_design(pilot.outcomes, pilot.X, ROUTER, 200, prices, n_repeats=2, n_resamples=50)
    rows = {
        (row.n_paraphrases, row.n_samples): (row.n_queries, row.price)
        for row in plan.to_frame().itertuples()
    }
    expected = {}
    for n_paraphrases in (1, 2, 3):
        for n_samples in (1, 2, 3):
            price = 2 + n_paraphrases * (1 + 0.5 * n_samples)
            n_queries = 0
            while (n_queries + 1) * price <= 200:
                n_queries += 1
            expected[n_paraphrases, n_samples] = (n_queries, n_queries * price)
    assert rows == expected


def test_a_query_that_the_budget_pays_for_exactly_is_not_rounded_away(pilot):
    assert int(0.3 / 0.1) == 2
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 0.3, {"sample": 0.1}, designs=[(1, 1)],
        n_repeats=1, n_resamples=20,
    )  # fmt: skip
    assert plan.recommended["n_queries"] == 3


def test_samples_cost_what_the_pilot_paid_for_one_of_every_model(pilot):
    mean = pilot.outcomes.to_array("cost").mean(axis=(0, 2, 3)).sum()
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 60 * mean, {"query": 0.0}, designs=[(1, 1), (1, 3)],
        n_repeats=1, n_resamples=20,
    )  # fmt: skip
    frame = plan.to_frame().sort_values("n_queries")
    assert frame["n_queries"].tolist() == [20, 60]
    np.testing.assert_allclose(frame["price"], 60 * mean)


def test_what_has_no_price_is_free(pilot):
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 100, {"paraphrase": 4.0, "sample": 0.0},
        designs=[(1, 1), (1, 3), (2, 1)], n_repeats=1, n_resamples=20,
    )  # fmt: skip
    rows = plan.to_frame().set_index(["n_paraphrases", "n_samples"])["n_queries"]
    assert rows.to_dict() == {(1, 1): 25, (1, 3): 25, (2, 1): 12}


def test_designs_that_need_more_than_the_pilot_come_last_without_figures(pilot):
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 168, {"sample": 1.0},
        designs=[(1, 1), (1, 2), (3, 1)], n_repeats=2, n_resamples=50,
    )  # fmt: skip
    assert plan.n_test == 36  # so that 84 queries are left to train on
    frame = plan.to_frame()
    assert frame.iloc[-1]["n_queries"] == 168
    assert frame.iloc[-1][FIGURES].isna().all()
    assert sorted(frame.iloc[:2]["n_queries"]) == [56, 84]
    assert not frame.iloc[:2][FIGURES].isna().any().any()
    assert "feasible" not in frame


def test_a_design_may_use_all_queries_that_are_not_held_out(pilot):
    options = {"designs": [(1, 1)], "n_repeats": 1, "n_resamples": 20}
    plan = plan_design(pilot.outcomes, pilot.X, ROUTER, 84, {"sample": 1.0}, **options)
    assert not np.isnan(plan.recommended["utility"])
    with pytest.raises(ValueError, match="pays for 85 to 85 queries, and the pilot can train on 2"):
        plan_design(pilot.outcomes, pilot.X, ROUTER, 85, {"sample": 1.0}, **options)
    with pytest.raises(ValueError, match="pays for 1 to 1 queries, .* on 2 to 84"):
        plan_design(pilot.outcomes, pilot.X, ROUTER, 1, {"sample": 1.0}, **options)


def test_designs_of_1_2_3_and_5_are_compared_by_default():
    pilot = make_routing_outcomes(20, 2, 2, 6, random_state=0)
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 100, {"sample": 1.0}, n_repeats=1, n_resamples=20
    )
    designs = plan.to_frame()[["n_paraphrases", "n_samples"]].to_numpy().tolist()
    assert sorted(designs) == [[p, k] for p in (1, 2) for k in (1, 2, 3, 5)]


# ---- the experiment ------------------------------------------------------------------


def test_figures_are_those_of_a_slow_repetition_of_the_experiment(pilot):
    designs, n_repeats, n_resamples = [(1, 1), (2, 2), (3, 1)], 3, 40
    router = DistributionalRouter(Ridge(), cost_weight=0.3, risk_aversion=0.4)
    plan = plan_design(
        pilot.outcomes, pilot.X, router, 60, {"sample": 1.0}, designs=designs,
        n_repeats=n_repeats, test_size=0.25, n_resamples=n_resamples, random_state=7,
    )  # fmt: skip
    outcomes, n_test = pilot.outcomes, 30
    assert plan.n_test == n_test
    limits = outcomes.cost.min(), outcomes.cost.max()
    scores, costs = outcomes.to_array(), (outcomes.to_array("cost") - limits[0]) / np.ptp(limits)
    utilities = scores.mean(axis=(2, 3)) - 0.3 * costs.mean(axis=(2, 3))
    rng = np.random.RandomState(7)
    achieved = np.full((n_repeats, 120, 3), np.nan)
    for repeat, seed in enumerate(rng.randint(2**31 - 1, size=n_repeats)):
        own = np.random.RandomState(seed)
        order = own.permutation(120)
        test, train = order[:n_test], order[n_test:]
        for number, (n_paraphrases, n_samples) in enumerate(designs):
            rows = train[: 60 // (n_paraphrases * n_samples)]
            known = outcomes[rows].subsample(n_paraphrases, n_samples, own)
            fitted = DistributionalRouter(
                Ridge(),
                aggregator=OutcomeAggregator(cost_scaling=limits),
                cost_weight=0.3,
                risk_aversion=0.0 if n_paraphrases * n_samples == 1 else 0.4,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted.fit(pilot.X[rows], known)
            for row, model in zip(test, fitted.predict(pilot.X[test]), strict=True):
                column = outcomes.models.tolist().index(model)
                achieved[repeat, row, number] = utilities[row, column]
    means = slow_two_way_means(achieved, n_resamples, rng)
    expected = slow_figures(achieved, means)
    frame = plan.to_frame().set_index(["n_paraphrases", "n_samples"])
    for number, design in enumerate(designs):
        for name in FIGURES:
            assert frame.loc[design, name] == pytest.approx(expected[name][number]), (design, name)
    assert (frame["utility"].diff().dropna() <= 0).all()


def slow_two_way_means(achieved, n_resamples, rng):
    """Average the values of resampled queries in resampled repeats, one after the other."""
    n_repeats, n_queries, n_designs = achieved.shape
    means = []
    for _ in range(n_resamples):
        repeats, queries = rng.randint(n_repeats, size=n_repeats), rng.randint(
            n_queries, size=n_queries
        )  # fmt: skip
        drawn = [achieved[repeat, query] for repeat in repeats for query in queries]
        held_out = [values for values in drawn if not np.isnan(values[0])]
        means.append(np.mean(held_out, axis=0) if held_out else [np.nan] * n_designs)
    return np.array(means)


def slow_figures(achieved, means):
    utility = np.array([np.mean(own[~np.isnan(own)]) for own in np.moveaxis(achieved, 2, 0)])
    best = int(np.argmax(utility))
    behind = means[:, best][:, None] - means
    winners = [int(np.argmax(row)) for row in means]
    return {
        "utility": utility,
        "low": np.quantile(means, 0.025, axis=0),
        "high": np.quantile(means, 0.975, axis=0),
        "behind": utility[best] - utility,
        "behind_low": np.quantile(behind, 0.025, axis=0),
        "behind_high": np.quantile(behind, 0.975, axis=0),
        "p_best": [winners.count(design) / len(winners) for design in range(len(utility))],
    }


def test_two_way_means_are_those_of_resampled_queries_and_repeats():
    rng = np.random.default_rng(0)
    achieved = rng.normal(size=(3, 8, 2))
    achieved[rng.random((3, 8)) < 0.5] = np.nan
    found = two_way_means(achieved, 50, np.random.RandomState(1))
    expected = slow_two_way_means(achieved, 50, np.random.RandomState(1))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_resamples_without_a_held_out_query_are_left_out():
    achieved = np.full((1, 6, 2), np.nan)
    achieved[0, :2] = [[0.2, 0.4], [0.6, 0.5]]
    table = pd.DataFrame({"design": ["a", "b"], "feasible": [True, True]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _add_figures(table, achieved, 200, np.random.RandomState(0))
    means = slow_two_way_means(achieved, 200, np.random.RandomState(0))
    assert np.isnan(means).any()
    expected = slow_figures(achieved, means[~np.isnan(means).any(axis=1)])
    assert found["design"].tolist() == ["b", "a"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], np.asarray(values)[::-1])


def test_routers_are_not_trained_on_held_out_queries():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    predictions = recorded_predictions(
        plan_design, outcomes, X, router, 8, {"sample": 1.0}, designs=[(1, 1), (2, 1)],
        n_repeats=3, n_resamples=20,
    )  # fmt: skip
    assert [len(own.trained_on) for own in predictions] == [8, 4] * 3
    for own in predictions:
        assert len(own.predicted) == 6
        assert not set(own.trained_on) & set(own.predicted)
        np.testing.assert_allclose(own.labels[:, 0], np.array(own.trained_on) / 20)
    # The designs of one repeat are evaluated on the same queries, and share their first queries.
    for first, second in zip(predictions[::2], predictions[1::2], strict=True):
        assert first.predicted == second.predicted
        assert first.trained_on[:4] == second.trained_on
    assert predictions[0].predicted != predictions[2].predicted


def test_twenty_splits_are_the_default():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    options = {"designs": [(1, 1)], "n_resamples": 20}
    predictions = recorded_predictions(
        plan_design, outcomes, X, router, 8, {"sample": 1.0}, **options
    )
    assert len(predictions) == 20


def test_where_only_samples_are_paid_more_queries_win():
    """As on real data: what a router lacks most is more queries."""
    pilot = make_routing_outcomes(400, 3, 3, 3, interaction=1.5, random_state=0)
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 270, {"sample": 1.0}, designs=[(1, 1), (3, 3)],
        n_repeats=20, n_resamples=500,
    )  # fmt: skip
    best = plan.recommended
    assert (best["n_paraphrases"], best["n_samples"], best["n_queries"]) == (1, 1, 270)
    assert plan.to_frame()["behind_low"][1] > 0


def test_where_queries_are_expensive_repeats_win():
    pilot = make_routing_outcomes(400, 3, 3, 3, interaction=1.5, random_state=0)
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 500, {"query": 9.0, "sample": 0.1},
        designs=[(1, 1), (3, 3)], n_repeats=20, n_resamples=500,
    )  # fmt: skip
    best = plan.recommended
    assert (best["n_paraphrases"], best["n_samples"]) == (3, 3)


def test_repeats_run_in_parallel():
    X, outcomes = numbered_queries(20)
    router = DistributionalRouter(RecordingRegressor(), calibration=None)
    assert runs_in_parallel(
        plan_design, outcomes, X, router, 8, {"sample": 1.0}, n_repeats=2, n_resamples=2
    )


def test_seeds_decide_whatever_runs_in_parallel(pilot):
    options = {"designs": [(1, 1), (2, 2)], "n_repeats": 3, "n_resamples": 30}
    arguments = pilot.outcomes, pilot.X, ROUTER, 80, {"sample": 1.0}
    first = plan_design(*arguments, **options).to_frame()
    with joblib.parallel_config("threading"):
        second = plan_design(*arguments, **options, n_jobs=2, random_state=0).to_frame()
    pd.testing.assert_frame_equal(second, first)
    other = plan_design(*arguments, **options, random_state=1).to_frame()
    assert other["utility"].tolist() != first["utility"].tolist()


def test_pipelines_and_lists_of_queries_are_accepted(pilot):
    pipeline = make_pipeline(StandardScaler(), DistributionalRouter(LinearRegression()))
    plan = plan_design(
        pilot.outcomes, pilot.X.tolist(), pipeline, 80, {"sample": 1.0}, designs=[(1, 1), (2, 2)],
        n_repeats=2, n_resamples=20,
    )  # fmt: skip
    assert not plan.to_frame()["utility"].isna().any()
    assert pipeline[-1].risk_aversion == 0.2


# ---- the plan ------------------------------------------------------------------------


def test_how_a_plan_is_shown(pilot):
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 80, {"sample": 1.0}, designs=[(1, 1), (1, 2), (2, 1)],
        n_repeats=2, n_resamples=50,
    )  # fmt: skip
    best = plan.recommended
    pd.testing.assert_series_equal(best, plan.table.iloc[0])
    text = repr(plan)
    n_paraphrases, n_samples = best["n_paraphrases"], best["n_samples"]
    assert text.startswith(
        f"<DesignPlan for 80: {best['n_queries']:.0f} queries x {n_paraphrases:.0f} "
        f"{plural('paraphrase', n_paraphrases)} x {n_samples:.0f} {plural('sample', n_samples)} "
        f"(p_best {best['p_best']:.2f})"
    )
    n_similar = sum(plan.table["behind_low"] <= 0) - 1
    assert n_similar > 0
    assert f"; {n_similar} more cannot be distinguished from it>" in text
    assert "behind_high" in text
    html = plan._repr_html_()
    assert "<th></th>" not in html  # no column of row numbers
    assert f"<td>{best['utility']:.4g}</td>" in html
    assert plan.budget == 80


def test_a_single_design_is_not_compared_with_others(pilot):
    plan = plan_design(
        pilot.outcomes, pilot.X, ROUTER, 50, {"sample": 1.0}, designs=[(1, 1)],
        n_repeats=1, n_resamples=20,
    )  # fmt: skip
    assert plan.recommended["p_best"] == 1
    assert plan.recommended["behind"] == 0
    assert "cannot be distinguished" not in repr(plan)


# ---- bad input -----------------------------------------------------------------------


def test_bad_input_is_named(pilot):
    arguments = pilot.outcomes, pilot.X, ROUTER
    with pytest.raises(ValueError, match=r"budget=0.5 pays for 0 to 0 queries"):
        plan_design(*arguments, 0.5, {"sample": 1.0})
    with pytest.raises(ValueError, match=r"'paraphrase', 'sample'\), got \['token'\]"):
        plan_design(*arguments, 100, {"token": 1.0})
    for price in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"the price of a query must be .*, got {price}"):
            plan_design(*arguments, 100, {"query": price})
    with pytest.raises(ValueError, match="every design is free, so there is nothing to plan"):
        plan_design(*arguments, 100, {"sample": 0.0})
    for design in ((0, 1), (1, 0), (True, 1), (1, 1.0), (1, "2")):
        message = "designs must be pairs of ints of at least 1, got "
        with pytest.raises(ValueError, match=message + re.escape(str(design))):
            plan_design(*arguments, 100, {"sample": 1.0}, designs=[design])
    for design in ((4, 1), (1, 4)):
        message = f"the pilot has 3 x 3 outcomes per .* pair, not {design[0]} x {design[1]}"
        with pytest.raises(ValueError, match=message):
            plan_design(*arguments, 100, {"sample": 1.0}, designs=[design])
    with pytest.raises(ValueError, match="X has 3 queries and the outcomes have 120"):
        plan_design(pilot.outcomes, pilot.X[:3], ROUTER, 100)
    for name in ("test_size", "gain_share"):
        for value in (1.0, 0, np.nan, True, "0.5"):
            with pytest.raises(ValueError, match=rf"{name} must be in \(0, 1\), got {value!r}"):
                plan_design(*arguments, 100, **{name: value})
    for name in ("n_repeats", "n_resamples"):
        for value in (0, 1.5, True, "2"):
            with pytest.raises(ValueError, match=f"{name} must be an int of at least 1, got"):
                plan_design(*arguments, 100, **{name: value})
    for budget in (-1, 0, np.nan, np.inf, True, "100"):
        with pytest.raises(ValueError, match=f"budget must be a finite .* got {budget!r}"):
            plan_design(*arguments, budget, {"sample": 1.0})
    with pytest.raises(TypeError, match="router must be a DistributionalRouter"):
        plan_design(pilot.outcomes, pilot.X, Ridge(), 100)


@pytest.mark.parametrize("costs", [None, [np.nan] * 3])
def test_a_pilot_without_costs_needs_the_price_of_a_sample(pilot, costs):
    outcomes = Outcomes.from_array(pilot.outcomes.to_array(), costs=costs)
    with pytest.raises(ValueError, match="prices must include that of a 'sample'"):
        plan_design(outcomes, pilot.X, ROUTER, 100)
    plan = plan_design(
        outcomes, pilot.X, ROUTER, 50, {"sample": 1.0}, designs=[(1, 1)], n_repeats=1,
        n_resamples=20,
    )  # fmt: skip
    assert plan.recommended["n_queries"] == 50


def test_a_pilot_must_have_the_outcomes_that_routers_choose():
    scores = np.zeros((20, 2, 1, 1))
    scores[:, 0] = 1
    scores[10:, 0] = np.nan  # the better model has outcomes for half of the queries
    outcomes = Outcomes.from_array(scores)
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match="held-out queries are routed to a model that has no"):
        plan_design(
            outcomes, X, DistributionalRouter(Ridge()), 10, {"sample": 1.0}, designs=[(1, 1)],
            n_repeats=1,
        )  # fmt: skip


def test_copies_of_a_query_are_left_out():
    pilot = make_routing_outcomes(40, 2, 2, 2, random_state=0)
    texts = [f"query {row}" for row in range(40)]
    outcomes = Outcomes.from_array(pilot.outcomes.to_array()).with_texts(texts)
    rows = np.concatenate([np.arange(40), [3, 3, 7]])
    with_copies = Outcomes.from_array(outcomes.to_array()[rows]).with_texts(
        [texts[row] for row in rows]
    )
    options = {"budget": 20, "prices": {"sample": 1.0}, "n_repeats": 2, "n_resamples": 20}
    router = DistributionalRouter(Ridge())
    plain = plan_design(outcomes, pilot.X, router, **options)
    found = plan_design(with_copies, pilot.X[rows], router, **options)
    pd.testing.assert_frame_equal(found.table, plain.table)
    assert found.n_test == plain.n_test
    assert found.notes == ("3 of the 43 queries are copies, by label or text, and left out",)
    assert plain.notes == ()
