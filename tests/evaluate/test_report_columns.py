"""Metrics of a report from column means, against metrics of each resample computed by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged import draw_ragged

from dars_sklearn.evaluate._report_columns import (
    BEST,
    CHEAPEST,
    CONTROLS,
    ORACLE,
    RANDOM,
    RESERVED,
    STRONG,
    ReportColumns,
    gain_over,
)
from dars_sklearn.metrics._realised_values import RealisedValues
from dars_sklearn.outcomes._means import column_means

NAN = float("nan")
SETTINGS = {"cost_weight": 0.3, "cost_range": (0.0, 2.0)}


class Example:
    """Routes of a router, a control and other routes, in three folds of ragged outcomes."""

    def __init__(self, seed, every_pair=True):
        rng = np.random.default_rng(seed)
        data = draw_ragged(seed, n_queries=12, share=0.5, every_pair=every_pair)
        self.realised = RealisedValues(data.outcomes(["a", "b", "c"]), **SETTINGS)
        self.oracle = rng.random(12)
        self.fold = rng.permutation(np.repeat([0, 1, 2], 4))
        names = np.array(["a", "b", "c"])
        self.routes = {name: rng.choice(names, 12) for name in ("router", "shuffled_labels", "own")}
        self.fixed = {
            name: rng.choice(names, 3)[self.fold] for name in (BEST, STRONG, CHEAPEST)
        }  # fmt: skip
        self.columns = ReportColumns(
            self.realised, self.oracle, self.routes, self.fixed, self.fold, "skip"
        )

    def values(self, table, routes, rows):
        """Value of the routed model on each row."""
        columns = ["abc".index(route) for route in routes[rows]]
        return np.array([table[row, column] for row, column in zip(rows, columns, strict=True)])

    def slow_metrics(self, rows):
        """Compute all metrics on some rows, one after the other."""
        realised, metrics = self.realised, {}
        tables = {
            "score": realised.score,
            "cost": realised.cost,
            "utility": realised.utility,
            "instability": realised.spread,
        }
        for name, routes in (self.routes | self.fixed).items():
            if name == STRONG:
                continue
            for metric, table in tables.items():
                metrics[name, metric] = known_mean(self.values(table, routes, rows))
            utility = self.values(realised.utility, routes, rows)
            metrics[name, "regret"] = known_mean(self.oracle[rows] - utility)
        for name, routes in self.routes.items():
            utility = self.values(realised.utility, routes, rows)
            for rival in (BEST, "shuffled_labels"):
                if rival != name:
                    other = (self.routes | self.fixed)[rival]
                    difference = utility - self.values(realised.utility, other, rows)
                    metrics[name, f"gain_over_{rival}"] = known_mean(difference)
            matched = self.slow_matched_random(routes, rows)
            metrics[name, "gain_over_matched_random"] = known_mean(utility) - matched
            if name not in CONTROLS:
                score, weak, strong = (
                    known_mean(self.values(realised.score, own, rows))
                    for own in (routes, self.fixed[CHEAPEST], self.fixed[STRONG])
                )
                gap = strong - weak
                metrics[name, "gap_recovered"] = (score - weak) / gap if gap > 0 else NAN
                metrics[name, "score_difference"] = score - strong
                cost, cost_of_strong = (
                    known_mean(self.values(realised.cost, own, rows))
                    for own in (routes, self.fixed[STRONG])
                )
                metrics[name, "cost_ratio"] = cost / cost_of_strong if cost_of_strong else NAN
        for metric in ("score", "cost", "utility"):
            by_model = [known_mean(column) for column in tables[metric][rows].T]
            metrics[RANDOM, metric] = known_mean(by_model)
        metrics[ORACLE, "utility"] = known_mean(self.oracle[rows])
        return metrics

    def slow_matched_random(self, routes, rows):
        """Utility of random routing that has the routes' share of each model in each fold."""
        total = 0.0
        for number in range(3):
            inside = rows[self.fold[rows] == number]
            for column, model in enumerate("abc"):
                share = np.mean([route == model for route in routes[inside]])
                if share > 0:
                    mean = known_mean(self.realised.utility[inside, column])
                    total += len(inside) / len(rows) * share * mean
        return total


def known_mean(values):
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else NAN


def assert_same_metrics(found, resample, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key][resample] == pytest.approx(value, abs=1e-12, nan_ok=True), key


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_metrics_of_resamples_are_those_of_a_slow_loop(seed):
    example = Example(seed)
    rng = np.random.default_rng(seed)
    resamples = [np.arange(12)]
    while len(resamples) < 4:
        rows = rng.integers(0, 12, 12)
        if len(set(example.fold[rows])) == 3:
            resamples.append(rows)
    means = np.array([column_means(example.columns.table[rows]) for rows in resamples])
    found = example.columns.metrics(means)
    for number, rows in enumerate(resamples):
        assert_same_metrics(found, number, example.slow_metrics(rows))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_figures_are_over_the_queries_with_outcomes_of_the_model_in_question(seed):
    example = Example(seed, every_pair=False)
    means = column_means(example.columns.table)[None]
    assert_same_metrics(example.columns.metrics(means), 0, example.slow_metrics(np.arange(12)))


def test_shares_are_those_of_the_evaluated_routes():
    example = Example(0)
    assert set(example.columns.shares) == set(example.routes)
    for name, share in example.columns.shares.items():
        expected = [np.mean(example.routes[name] == model) for model in "abc"]
        np.testing.assert_allclose(share, expected)


def test_random_routing_with_matched_shares_is_within_folds():
    # The router prefers model 0 in fold 0 and model 1 in fold 1, by the fold and not the query.
    scores = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=float)
    realised = RealisedValues(scores)
    routes = {"router": np.array([0, 0, 1, 1])}
    fixed = {BEST: np.zeros(4, dtype=int), STRONG: np.zeros(4, dtype=int)}
    for fold, gain in (([0, 0, 1, 1], 0.0), ([0, 0, 0, 0], 0.5)):
        columns = ReportColumns(realised, np.ones(4), routes, fixed, np.array(fold))
        found = columns.metrics(column_means(columns.table)[None])
        assert found["router", "gain_over_matched_random"].tolist() == [gain]
        assert found["router", "gain_over_best_single_model"].tolist() == [0.5]
        assert ("router", "gap_recovered") not in found


def test_routes_are_not_compared_with_controls_that_are_not_there():
    realised = RealisedValues(np.array([[1.0, 0.0], [1.0, 0.0]]))
    fixed = {BEST: np.zeros(2, dtype=int), STRONG: np.zeros(2, dtype=int)}
    routes = {"router": np.array([0, 1]), "random_features": np.array([1, 1])}
    columns = ReportColumns(realised, np.ones(2), routes, fixed, np.zeros(2, dtype=int))
    found = columns.metrics(column_means(columns.table)[None])
    assert ("router", "gain_over_shuffled_labels") not in found
    assert found["router", "gain_over_random_features"].tolist() == [0.5]
    assert ("random_features", "gain_over_random_features") not in found
    assert found["random_features", "gain_over_best_single_model"].tolist() == [-1.0]


def test_a_model_without_outcomes_does_not_make_random_routing_unknown():
    scores = np.array([[1.0, 0.0, NAN], [0.5, 0.5, NAN]])
    fixed = {BEST: np.zeros(2, dtype=int), STRONG: np.zeros(2, dtype=int)}
    columns = ReportColumns(
        RealisedValues(scores), np.ones(2), {"router": [1, 0]}, fixed, np.zeros(2, dtype=int)
    )
    found = columns.metrics(column_means(columns.table)[None])
    assert found[RANDOM, "score"].tolist() == [0.5]
    assert found["router", "gain_over_matched_random"].tolist() == [0.25 - 0.5]


def test_missing_outcomes_of_evaluated_routes_are_refused_and_of_fixed_ones_are_not():
    realised = RealisedValues(np.array([[1.0, NAN], [0.0, 1.0]]))
    fixed = {BEST: np.ones(2, dtype=int), STRONG: np.ones(2, dtype=int)}
    fold = np.zeros(2, dtype=int)
    ReportColumns(realised, np.ones(2), {"router": [0, 1]}, fixed, fold)
    with pytest.raises(ValueError, match="1 of 2 queries were routed to a model that has no"):
        ReportColumns(realised, np.ones(2), {"router": [1, 1]}, fixed, fold)
    columns = ReportColumns(realised, np.ones(2), {"router": [1, 1]}, fixed, fold, "skip")
    found = columns.metrics(column_means(columns.table)[None])
    assert found["router", "score"].tolist() == [1.0]


def test_names_of_the_rows_of_a_report_are_reserved():
    assert {BEST, CHEAPEST, RANDOM, STRONG, ORACLE, "oracle_naive"} == set(RESERVED)
    assert gain_over("best_single_model") == "gain_over_best_single_model"
