"""Probability of being best, and flip rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dars_sklearn import Outcomes
from dars_sklearn.datasets import load_smol_outcomes, make_routing_outcomes
from dars_sklearn.exceptions import SeparabilityWarning, UndefinedMetricWarning
from dars_sklearn.labels import label_flip_rate, probability_best


def normal_scores(seed, n_queries, P, K, n_models=3, share=1.0):
    """Utilities with shared and own effects of queries and wordings; the truth beside them."""
    rng = np.random.default_rng(seed)
    truth = 0.5 * rng.normal(size=(n_queries, 1)) + 0.3 * rng.normal(size=(n_queries, n_models))
    truth += [0.1, 0.0, -0.1]
    scores = truth[:, :, None] + 0.4 * rng.normal(size=(n_queries, 1, P))
    scores = scores + 0.2 * rng.normal(size=(n_queries, n_models, P))
    scores = scores[..., None] + 0.5 * rng.normal(size=(n_queries, n_models, P, K))
    drop = rng.random(scores.shape) > share
    drop[:, 0, 0, 0] = False
    scores[drop] = np.nan
    return Outcomes.from_array(scores, score_range=None), truth


@pytest.mark.parametrize(("P", "K", "share"), [(4, 3, 1.0), (3, 2, 0.5), (3, 1, 1.0)])
def test_probabilities_are_calibrated(P, K, share):
    """Among the pairs that are given p, a share of p is best: for normal effects, exactly."""
    outcomes, truth = normal_scores(0, 6000, P, K, share=share)
    probability = probability_best(outcomes)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    best = np.eye(3)[truth.argmax(axis=1)]
    edges = np.digitize(probability, [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
    for bin_ in range(7):
        inside = edges == bin_
        error = probability[inside].mean() - best[inside].mean()
        assert abs(error) < 0.02 + 3 * np.sqrt(0.25 / inside.sum())


def test_what_models_share_makes_differences_surer_than_each_label():
    """The shared wording effect is no noise in the difference; the oracle here knows all."""
    outcomes, truth = normal_scores(1, 4000, 2, 2)
    probability = probability_best(outcomes)
    label = np.nanmean(outcomes.to_array(), axis=(2, 3))
    signal = 0.3**2 * np.eye(3) + 0.5**2
    noise = (0.4**2 + 0.2**2 * np.eye(3)) / 2 + 0.5**2 / 4 * np.eye(3)
    gain = signal @ np.linalg.inv(signal + noise)
    mean = (label - truth.mean(axis=0)) @ gain.T + truth.mean(axis=0)
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(3), signal - gain @ signal, 2000)
    for query in range(0, 4000, 40):
        best = (mean[query] + draws).argmax(axis=1)
        expected = np.bincount(best, minlength=3) / 2000
        assert probability[query] == pytest.approx(expected, abs=0.08)


def test_many_outcomes_make_sure_and_none_borrows_from_the_others():
    outcomes, truth = normal_scores(2, 300, 40, 40)
    probability = probability_best(outcomes)
    gap = np.sort(truth, axis=1)
    clear = gap[:, -1] - gap[:, -2] > 0.3
    assert (probability[clear].argmax(axis=1) == truth[clear].argmax(axis=1)).all()
    assert probability[clear].max(axis=1).min() > 0.95
    scores = outcomes.to_array()
    scores[0, 2] = np.nan
    first = probability_best(Outcomes.from_array(scores, score_range=None))[0]
    assert 0.02 < first[2] < 0.98


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_queries_does_not_matter_and_costs_count(seed):
    data = make_routing_outcomes(30, 3, 2, 2, random_state=seed)
    order = np.random.default_rng(seed).permutation(30)
    one, other = probability_best(data.outcomes), probability_best(data.outcomes[order])
    np.testing.assert_allclose(other, one[order], atol=1e-9)
    dear = probability_best(data.outcomes, cost_weight=100.0, cost_range=(0.0, 10.0))
    assert (dear.argmax(axis=1) == 0).all()


def test_blocks_of_queries_give_the_same(monkeypatch):
    outcomes, _ = normal_scores(3, 50, 3, 2, share=0.7)
    whole = probability_best(outcomes)
    monkeypatch.setattr("dars_sklearn.labels._best._BLOCK", 3000 * 7)
    np.testing.assert_allclose(probability_best(outcomes), whole, atol=1e-12)


def test_one_outcome_a_pair_is_warned_of_and_ties_share():
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 0]])
    with pytest.warns(SeparabilityWarning, match="0, 1"):
        probability = probability_best(outcomes)
    np.testing.assert_allclose(probability[[0, 1, 3]], [[1, 0], [0, 1], [1, 0]])
    assert probability[2] == pytest.approx([0.5, 0.5], abs=0.05)
    one_wording = make_routing_outcomes(50, 2, 1, 4, random_state=0).outcomes
    with pytest.warns(SeparabilityWarning, match="about that wording"):
        assert probability_best(one_wording).shape == (50, 2)
    same = Outcomes.from_array(np.ones((4, 3, 2, 2)))
    np.testing.assert_allclose(probability_best(same), np.full((4, 3), 1 / 3))
    single = Outcomes.from_array(np.random.default_rng(0).random((4, 1, 2, 2)))
    np.testing.assert_allclose(probability_best(single), 1)


def test_bad_arguments_of_probability_best():
    outcomes = Outcomes.from_array(np.ones((4, 2, 2, 2)))
    with pytest.raises(ValueError, match="at least 3 queries, got n_samples=2"):
        probability_best(outcomes[:2])
    with pytest.raises(ValueError, match="cost_weight"):
        probability_best(outcomes, cost_weight=-1)
    with pytest.raises(ValueError, match="n_draws"):
        probability_best(outcomes, n_draws=0)
    priced = Outcomes.from_array(np.ones((4, 2, 2, 2)), costs=[1.0, 2.0])
    with pytest.raises(ValueError, match="cost_range"):
        probability_best(priced, cost_weight=0.1, cost_range=(0.0, np.nan))


def slow_flips(scores):
    """Over all pairs of different outcomes of each model of one query."""
    pairs = [[(a, b) for a in m for b in m if a is not b] for m in scores]
    flips, rest_flips, disjoint, ties = [], [], [], []
    for combination in np.ndindex(*map(len, pairs)):
        chosen = [pairs[m][place] for m, place in enumerate(combination)]
        one, other = ([draw[side] for draw in chosen] for side in (0, 1))
        rest = [(sum(m) - own) / (len(m) - 1) for m, own in zip(scores, one, strict=True)]
        best = [
            {m for m, value in enumerate(of) if value > max(of) - 1e-12}
            for of in (one, other, rest)
        ]
        for of, out in ((best[1], flips), (best[2], rest_flips)):
            out.append(1 - len(best[0] & of) / len(best[0]) / len(of))
        disjoint.append(not best[0] & best[1])
        ties.append(len(best[0]) > 1)
    return [np.mean(rates) for rates in (flips, rest_flips, ties, disjoint)]


@pytest.mark.parametrize("seed", range(3))
def test_flip_rates_are_those_over_all_pairs_of_outcomes(seed):
    rng = np.random.default_rng(seed)
    scores = [[[float(rng.integers(0, 3)) / 2 for _ in range(n)] for n in (2, 3, 4)] for _ in "ab"]
    rows = [
        {"query": q, "model": m, "score": s}
        for q, models in enumerate(scores)
        for m, draws in enumerate(models)
        for s in draws
    ]
    import pandas as pd

    rates = label_flip_rate(Outcomes.from_frame(pd.DataFrame(rows)), n_draws=4000)
    for query in range(2):
        # The objects are told apart by identity, so equal draws must be distinct ones.
        distinct = [[np.float64(s) for s in model] for model in scores[query]]
        expected = slow_flips(distinct)
        found = [rates.two_draws, rates.against_rest, rates.ties, rates.disjoint]
        assert [of[query] for of in found] == pytest.approx(expected, abs=0.03)


def test_flip_rates_of_sure_and_of_lucky_models():
    sure = Outcomes.from_array([[[1, 1], [0, 0]]])
    assert label_flip_rate(sure).overall.tolist() == [0, 0, 0, 0]
    tied = label_flip_rate(Outcomes.from_array([[[1, 1], [1, 1]]]))
    assert tied.overall.tolist() == [0.5, 0.5, 1.0, 0.0]


def test_costs_break_ties():
    outcomes = Outcomes.from_array([[[1, 1], [1, 1]]], costs=[1.0, 2.0])
    assert label_flip_rate(outcomes, cost_weight=0.1).overall.tolist() == [0, 0, 0, 0]


def test_queries_with_single_outcomes_have_no_rates():
    scores = np.ones((3, 2, 2))
    scores[0, 0, 1] = np.nan
    scores[1, 0] = np.nan  # a model that was not asked takes no part
    with pytest.warns(UndefinedMetricWarning, match="1 of 3 queries"):
        rates = label_flip_rate(Outcomes.from_array(scores))
    assert np.isnan(rates.two_draws).tolist() == [True, False, False]
    assert rates.two_draws[1] == 0
    assert "3 queries" in repr(rates)


def test_flips_of_the_bundled_data_are_as_many_as_its_noise_says():
    rates = label_flip_rate(load_smol_outcomes().outcomes, n_draws=100).overall
    assert 0.05 < rates["disjoint"] < rates["two_draws"] < 0.9
    assert rates["against_rest"] < rates["two_draws"]
