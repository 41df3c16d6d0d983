"""How often single-shot labels disagree."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.exceptions import UndefinedMetricWarning
from dars_sklearn.labels import FlipRates, label_flip_rate

RATES = ["disjoint", "ties", "two_draws", "against_rest"]


def slow_rates(utilities):
    """Rates of one query over all pairs of different outcomes of each model."""
    draws = [
        [(first, second) for first in range(len(own)) for second in range(len(own))
         if first != second]
        for own in utilities
    ]  # fmt: skip
    rates = []
    for combination in np.ndindex(*map(len, draws)):
        chosen = [draws[model][number] for model, number in enumerate(combination)]
        first, second = (
            [own[draw[side]] for own, draw in zip(utilities, chosen, strict=True)]
            for side in (0, 1)
        )
        rest = [
            (sum(own) - value) / (len(own) - 1) for own, value in zip(utilities, first, strict=True)
        ]
        best, second_best, rest_best = (
            {model for model, value in enumerate(values) if value > max(values) - 1e-12}
            for values in (first, second, rest)
        )
        rates.append((
            not best & second_best,
            len(best) > 1,
            1 - len(best & second_best) / len(best) / len(second_best),
            1 - len(best & rest_best) / len(best) / len(rest_best),
        ))  # fmt: skip
    return np.mean(rates, axis=0)


def from_lists(utilities):
    """Return outcomes of nested lists by query and model."""
    rows = [
        (query, model, score)
        for query, models in enumerate(utilities)
        for model, own in enumerate(models)
        for score in own
    ]
    return Outcomes.from_frame(pd.DataFrame(rows, columns=["query", "model", "score"]))


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_those_over_all_pairs_of_outcomes(seed):
    rng = np.random.default_rng(seed)
    scores = [[(rng.integers(0, 3, n) / 2).tolist() for n in (2, 3, 4)] for _ in range(2)]
    rates = label_flip_rate(from_lists(scores), n_draws=2000)
    for query in range(2):
        found = [getattr(rates, name)[query] for name in RATES]
        # The standard error of a rate is at most 0.011.
        assert found == pytest.approx(slow_rates(scores[query]), abs=0.04)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[1, 1], [0, 0]], [0, 0, 0, 0]),  # one model is always better
        ([[1, 1], [1, 1]], [0, 1, 0.5, 0.5]),  # both always tie
        ([[1, 1], [1, 1], [1, 1]], [0, 1, 2 / 3, 2 / 3]),
        ([[1, 0], [0.5, 0.5]], [1, 0, 1, 1]),  # the other draw is always the other one
        ([[1, 1 - 1e-13], [1, 1]], [0, 1, 0.5, 0.5]),  # equal to within rounding
        ([[1, 1], [1 - 1e-11, 1 - 1e-11]], [0, 0, 0, 0]),
        ([[0.5, 0.5, 0.5], [0.25, 0.25]], [0, 0, 0, 0]),
        ([[1, 1]], [0, 0, 0, 0]),  # a single model
    ],
)
def test_rates_that_do_not_depend_on_the_draws(scores, expected):
    rates = label_flip_rate(from_lists([scores]), n_draws=20)
    assert [getattr(rates, name)[0] for name in RATES] == pytest.approx(expected)


def test_a_draw_is_compared_with_the_mean_of_the_others():
    """Of 1, 0 and 0, the mean of the rest is 0 or 0.5, against a constant 0.4."""
    rates = label_flip_rate(from_lists([[[1, 0, 0], [0.4, 0.4, 0.4]]]), n_draws=10)
    assert rates.against_rest[0] == 1
    assert rates.ties[0] == 0


@pytest.mark.parametrize(
    ("arguments", "two_draws"),
    [
        ({}, 0),  # by default cost weighs 0.05
        ({"cost_weight": 0.0}, 0.5),
        ({"cost_weight": 0.1}, 0),
        ({"cost_weight": 0.1, "cost_range": (5, 5)}, 0.5),  # a range of width 0
    ],
)
def test_costs_break_ties(arguments, two_draws):
    outcomes = Outcomes.from_array([[[1, 1], [1, 1]]], costs=[1.0, 2.0])
    assert label_flip_rate(outcomes, **arguments).two_draws[0] == two_draws


def test_costs_are_scaled_by_the_range_of_single_outcomes_or_by_that_given():
    outcomes = Outcomes.from_array([[[1, 1], [0.9, 0.9]]], costs=[30.0, 10.0])
    cheap = label_flip_rate(outcomes, cost_weight=0.1)  # a tie
    assert cheap.ties[0] == 1
    assert label_flip_rate(outcomes, cost_weight=0.1, cost_range=(0, 40)).ties[0] == 0
    assert label_flip_rate(outcomes, cost_weight=0.005, cost_range=(0, 1)).ties[0] == 1
    assert label_flip_rate(outcomes).ties[0] == 0


def test_queries_with_single_outcomes_have_no_rates():
    scores = np.ones((4, 2, 2))
    scores[0, 0, 1] = np.nan  # one outcome: no second draw
    scores[1, 0] = np.nan  # a model without outcomes takes no part
    outcomes = Outcomes.from_array(scores)
    with pytest.warns(UndefinedMetricWarning) as record:
        rates = label_flip_rate(outcomes, n_draws=10)
    assert [str(warning.message) for warning in record] == [
        "1 of 4 queries have a model with fewer than two outcomes, and no flip rates; collect more "
        "samples"
    ]
    nan = np.nan
    np.testing.assert_array_equal(rates.two_draws, [nan, 0, 0.5, 0.5])
    np.testing.assert_array_equal(rates.against_rest, [nan, 0, 0.5, 0.5])
    np.testing.assert_array_equal(rates.disjoint, [nan, 0, 0, 0])
    np.testing.assert_array_equal(rates.ties, [1, 0, 1, 1])  # a single draw can tie
    assert rates.overall.tolist() == pytest.approx([0, 0.75, 1 / 3, 1 / 3])


def test_a_query_without_any_outcome_has_no_rates():
    keys = {
        "query": (np.array([0, 0, 1, 1]), np.arange(3)),
        "model": (np.zeros(4, dtype=int), np.arange(1)),
    }
    outcomes = Outcomes.from_codes(keys, np.ones(4))
    with pytest.warns(UndefinedMetricWarning, match="1 of 3 queries"):
        rates = label_flip_rate(outcomes, n_draws=5)
    for name in RATES:
        np.testing.assert_array_equal(getattr(rates, name), [0, 0, np.nan])


def test_enough_outcomes_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        label_flip_rate(Outcomes.from_array(np.ones((2, 2, 2))), n_draws=1)


def test_draws_depend_on_the_seed_and_their_number():
    outcomes = Outcomes.from_array(np.random.default_rng(0).random((5, 3, 4)))
    first = label_flip_rate(outcomes)
    pd.testing.assert_frame_equal(
        first.to_frame(), label_flip_rate(outcomes, n_draws=500, random_state=0).to_frame()
    )
    assert not first.to_frame().equals(label_flip_rate(outcomes, random_state=1).to_frame())
    single = label_flip_rate(outcomes, n_draws=1)
    assert set(single.two_draws) <= {0.0, 1.0}
    quarters = label_flip_rate(outcomes, n_draws=4).two_draws * 4
    np.testing.assert_array_equal(quarters, np.round(quarters))


def test_bad_arguments_of_flip_rates_are_refused():
    outcomes = Outcomes.from_array(np.ones((2, 2, 2)), costs=[1, 2])
    with pytest.raises(ValueError, match="^n_draws must be an int of at least 1, got 0$"):
        label_flip_rate(outcomes, n_draws=0)
    with pytest.raises(ValueError, match="^cost_weight must be a finite float >= 0, got -1$"):
        label_flip_rate(outcomes, cost_weight=-1)
    with pytest.raises(ValueError, match=re.escape("cost_range must be two finite numbers")):
        label_flip_rate(outcomes, cost_range=(1, 0))


def test_arrays_are_accepted_as_outcomes():
    assert label_flip_rate([[[5.0, 5.0], [3.0, 3.0]]], n_draws=2).two_draws.tolist() == [0]


def test_rates_are_a_table_and_have_a_mean():
    rates = FlipRates(
        queries=np.array(["a", "b"], dtype=object),
        two_draws=np.array([0.5, np.nan]),
        against_rest=np.array([0.25, 0.75]),
        ties=np.array([0.0, 1.0]),
        disjoint=np.array([0.125, 0.125]),
    )
    frame = rates.to_frame()
    assert list(frame) == ["query", *RATES]
    assert frame["query"].tolist() == ["a", "b"]
    assert frame["against_rest"].tolist() == [0.25, 0.75]
    assert list(rates.overall.index) == RATES
    assert rates.overall.tolist() == [0.125, 0.5, 0.5, 0.5]
    assert repr(rates) == (
        "<FlipRates of 2 queries: disjoint 0.125, ties 0.500; with ties broken at random: "
        "two_draws 0.500, against_rest 0.500>"
    )


def test_ties_inflate_every_rate_but_disjoint():
    """Ten models that nearly always answer correctly, as strong models do."""
    scores = np.ones((50, 10, 1, 4))
    scores[:, 0, 0, 0] = 0
    rates = label_flip_rate(Outcomes.from_array(scores)).overall
    assert rates["ties"] == 1
    assert rates["two_draws"] > 0.85
    assert rates["against_rest"] > 0.85
    assert rates["disjoint"] == 0


def test_rates_keep_the_query_labels():
    outcomes = Outcomes.from_array(np.ones((2, 1, 2)), queries=["x", "y"])
    assert label_flip_rate(outcomes, n_draws=1).queries.tolist() == ["x", "y"]


def test_single_shot_labels_of_the_bundled_data_flip_often():
    outcomes = load_smol_outcomes().outcomes
    rates = label_flip_rate(outcomes, cost_weight=0.0, n_draws=20).overall
    assert 0.05 < rates["disjoint"] < rates["two_draws"] < 0.9
    assert rates["against_rest"] < rates["two_draws"]
