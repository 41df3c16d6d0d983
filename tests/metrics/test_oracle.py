"""The naive and the cross-fitted oracle, against plain loops over outcomes."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged import draw_ragged

from dars_sklearn import Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.metrics import oracle_label, oracle_utility
from dars_sklearn.metrics._oracle import oracle_utilities, warn_of_undefined_oracle

NAN = float("nan")
SCALE = {"cost_weight": 0.3, "cost_range": (0.0, 2.0)}


def units_of_query(utilities):
    """Means of one query by (model, unit): paraphrases, or samples where there is only one.

    Samples are numbered within each model, in their order.
    """
    by_paraphrase = [
        {
            paraphrase: [value for value in cell if not np.isnan(value)]
            for paraphrase, cell in enumerate(cells)
            if not np.isnan(cell).all()
        }
        for cells in utilities
    ]
    if len({paraphrase for own in by_paraphrase for paraphrase in own}) > 1:
        return [{unit: sum(v) / len(v) for unit, v in own.items()} for own in by_paraphrase]
    return [dict(enumerate(next(iter(own.values()), []))) for own in by_paraphrase]


def mean_of(units, left_out=None):
    """Mean over a model's units but the one left out, minus infinity if there is none."""
    values = [value for unit, value in units.items() if unit != left_out]
    return sum(values) / len(values) if values else -np.inf


def slow_oracle(utilities, crossfit):
    """Utility of the oracle on one query, from utilities by (model, paraphrase, sample)."""
    models = units_of_query(utilities)
    if not crossfit:
        return max(mean_of(units) for units in models)
    achieved = []
    for left_out in sorted({unit for units in models for unit in units}):
        others = [mean_of(units, left_out) for units in models]
        chosen = models[others.index(max(others))]
        if np.isfinite(max(others)) and left_out in chosen:
            achieved.append(chosen[left_out])
    return sum(achieved) / len(achieved) if achieved else NAN


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]), st.booleans())
def test_oracles_are_those_of_a_slow_loop(seed, n_paraphrases, every_pair):
    data = draw_ragged(
        seed, n_paraphrases=n_paraphrases, n_samples=3, share=0.5, every_pair=every_pair
    )
    utilities = data.scores - 0.3 * data.costs / 2
    outcomes = data.outcomes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        for crossfit in (True, False):
            found = oracle_utility(outcomes, **SCALE, crossfit=crossfit, average=False)
            expected = [slow_oracle(query, crossfit) for query in utilities]
            np.testing.assert_allclose(found, expected, atol=1e-12)
            weight = np.random.default_rng(seed).random(len(found))
            mean = oracle_utility(outcomes, **SCALE, crossfit=crossfit, sample_weight=weight)
            known = ~np.isnan(expected)
            by_hand = (weight * found)[known].sum() / weight[known].sum() if known.any() else NAN
            assert mean == pytest.approx(by_hand, nan_ok=True)


def test_queries_of_one_and_of_several_paraphrases_are_treated_each_by_its_own():
    # Query 0 has two paraphrases, query 1 only the second one, with two samples.
    scores = [
        [[[1, NAN], [0, NAN]], [[0, NAN], [0.5, NAN]]],
        [[[NAN, NAN], [1, 0.5]], [[NAN, NAN], [0.75, 1]]],
    ]
    outcomes = Outcomes.from_array(scores)
    # Query 0: paraphrase 1 prefers model 1, which scores 0 on paraphrase 0; the other way round 0.
    # Query 1: sample 1 prefers model 1, 0.75 on sample 0; sample 0 prefers model 0, 0.5.
    found = oracle_utility(outcomes, average=False)
    np.testing.assert_allclose(found, [0.0, (0.75 + 0.5) / 2])
    found = oracle_utility(outcomes, crossfit=False, average=False)
    np.testing.assert_allclose(found, [0.5, 0.875])


def test_the_oracle_weighs_cost_by_a_twentieth_of_its_range_by_default():
    scores, costs = np.full((1, 2, 2, 1), 0.5), [4.0, 2.0]
    scores[:, 0] = 0.54
    outcomes = Outcomes.from_array(scores, costs=costs)
    for crossfit in (True, False):
        assert oracle_utility(outcomes, crossfit=crossfit) == pytest.approx(0.5)
        found = oracle_utility(outcomes, cost_weight=0.01, crossfit=crossfit)
        assert found == pytest.approx(0.53)
        found = oracle_utility(outcomes, cost_range=(0, 40), crossfit=crossfit)
        assert found == pytest.approx(0.54 - 0.005)
        found = oracle_utility(outcomes, cost_range=(0, 1), crossfit=crossfit)
        assert found == pytest.approx(0.5 - 0.1)


def test_an_oracle_is_cross_fitted_by_default():
    coin_flips = Outcomes.from_array([[[[1], [0]], [[0], [1]]]])
    assert oracle_utility(coin_flips) == 0.0
    assert oracle_utility(coin_flips, crossfit=False) == 0.5


@pytest.mark.parametrize(("n_paraphrases", "n_samples"), [(3, 1), (5, 5)])
def test_the_naive_oracle_is_too_high_and_the_cross_fitted_one_is_not(n_paraphrases, n_samples):
    """A few repetitions; benchmarks/labels.py measures the biases."""
    naive, crossfitted, truth = [], [], []
    for seed in range(12):
        data = make_routing_outcomes(300, 4, n_paraphrases, n_samples, random_state=seed)
        naive.append(oracle_utility(data.outcomes, cost_weight=0, crossfit=False))
        crossfitted.append(oracle_utility(data.outcomes, cost_weight=0))
        truth.append(data.expected_quality.max(axis=1).mean())
    error = np.std(np.subtract(crossfitted, truth), ddof=1) / np.sqrt(12)
    assert np.mean(naive) > np.mean(truth) + 3 * error
    assert np.mean(crossfitted) < np.mean(truth) + 2 * error


def test_queries_that_cannot_be_cross_fitted_are_counted_and_left_out():
    scores = np.ones((4, 2, 1, 2))
    scores[1:, :, :, 1] = NAN
    outcomes = Outcomes.from_array(scores)
    message = "3 of 4 queries have no cross-fitted oracle, which needs two outcomes of a model"
    with pytest.warns(UndefinedMetricWarning, match=message):
        assert oracle_utility(outcomes) == 1.0
    with pytest.warns(UndefinedMetricWarning, match=message):
        found = oracle_utility(outcomes, average=False)
    np.testing.assert_array_equal(found, [1, NAN, NAN, NAN])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert oracle_utility(outcomes, crossfit=False) == 1.0
        warn_of_undefined_oracle(oracle_utilities(outcomes[:1], 0.05, None))


def test_the_label_says_whether_the_oracle_knows_the_wording():
    label = "oracle, cross-fitted"
    assert oracle_label(Outcomes.from_array(np.ones((2, 2, 3, 1)))) == label
    assert oracle_label(Outcomes.from_array(np.ones((2, 2, 1, 3)))) == f"{label}, given the wording"
    # Here only the second query has a single paraphrase.
    scores = np.ones((2, 2, 2, 2))
    scores[1, :, 0] = NAN
    assert oracle_label(Outcomes.from_array(scores)) == f"{label}, given the wording"
    # Two models with different paraphrases of one query are two paraphrases.
    scores = np.full((1, 2, 2, 1), NAN)
    scores[0, [0, 1], [0, 1], 0] = 1
    assert oracle_label(Outcomes.from_array(scores)) == label
    assert oracle_label(np.ones((2, 2, 3, 1))) == label


def test_arrays_of_scores_are_accepted():
    assert oracle_utility([[[0, 0], [2, 2]]]) == 2.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_model_that_is_never_the_best_changes_no_oracle(seed):
    data = draw_ragged(seed)
    worse = np.concatenate([data.scores + 1, np.zeros_like(data.scores[:, :1])], axis=1)
    more_expensive = np.concatenate([data.costs, np.full_like(data.costs[:, :1], 10)], axis=1)
    without = Outcomes.from_array(data.scores + 1, costs=data.costs, score_range=None)
    with_it = Outcomes.from_array(worse, costs=more_expensive, score_range=None)
    for crossfit in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            assert oracle_utility(without, **SCALE, crossfit=crossfit) == pytest.approx(
                oracle_utility(with_it, **SCALE, crossfit=crossfit), nan_ok=True
            )
