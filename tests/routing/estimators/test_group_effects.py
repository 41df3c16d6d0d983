import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway

from dars_sklearn.routing.estimators._group_effects import fit_group_effects
from dars_sklearn.routing.estimators._output_parts import OutputParts

PLAIN = OutputParts.from_layout(1, None, None)


def fit(keys, labels, weight=None, parts=PLAIN):
    labels = np.asarray(labels, dtype=float).reshape(len(keys), -1)
    weight = np.ones(len(keys)) if weight is None else np.asarray(weight, dtype=float)
    return fit_group_effects(keys, labels, weight, parts)


def loop_shrinkage(keys, columns, weight):
    """Shrinkage of each level by loops, from the columns of one part."""
    levels = list(dict.fromkeys(keys))
    within = between = 0.0
    level_weights = []
    for level in levels:
        rows = [i for i, key in enumerate(keys) if key == level]
        level_weights.append(sum(weight[i] for i in rows))
    total = sum(level_weights)
    for labels in columns.T:
        overall = sum(w * y for w, y in zip(weight, labels, strict=True)) / total
        for level, level_weight in zip(levels, level_weights, strict=True):
            rows = [i for i, key in enumerate(keys) if key == level]
            mean = sum(weight[i] * labels[i] for i in rows) / level_weight
            within += sum(weight[i] * (labels[i] - mean) ** 2 for i in rows)
            between += level_weight * (mean - overall) ** 2
    n_columns = columns.shape[1]
    within /= (len(keys) - len(levels)) * n_columns
    between /= (len(levels) - 1) * n_columns
    typical = (total - sum(w**2 for w in level_weights) / total) / (len(levels) - 1)
    variance = max(between - within, 0) / typical
    return [w * variance / (w * variance + within) if variance else 0.0 for w in level_weights]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 5))
def test_effects_equal_those_of_a_loop(seed, n_levels):
    rng = np.random.default_rng(seed)
    keys = [*range(n_levels), *rng.integers(0, n_levels, 15).tolist()]
    weight = rng.random(len(keys)) + 0.1
    parts = OutputParts.from_layout(4, ("quality", "cost"), ("a", "b"))
    labels = rng.normal(size=(len(keys), 4)) + rng.normal(size=(n_levels, 4))[keys]
    found = fit(keys, labels, weight, parts)
    columns = parts.split(labels)
    for part in range(len(parts.names)):
        own = columns[:, parts.part_of_column == part]
        expected = loop_shrinkage(keys, own, weight)
        np.testing.assert_allclose(found.shrinkage[:, part], expected, atol=1e-9)
    level = [key == keys[0] for key in keys]
    mean = np.average(columns[level], axis=0, weights=weight[level])
    expected = parts.join((mean * found.shrinkage[0, parts.part_of_column])[None])
    np.testing.assert_allclose(found.predict([keys[0]]), expected)


def test_with_equal_sizes_the_shrinkage_is_one_less_the_inverse_of_f():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(6, 10)) + rng.normal(size=(6, 1))
    f = f_oneway(*labels).statistic
    assert f > 1
    found = fit(np.repeat(np.arange(6), 10).tolist(), labels.ravel())
    np.testing.assert_allclose(found.shrinkage, 1 - 1 / f)


def test_shrunk_effects_are_nearer_to_the_truth_than_plain_means_and_than_none():
    rng = np.random.default_rng(0)
    errors = np.zeros(3)
    for _ in range(30):
        truth = 0.3 * rng.normal(size=40)
        keys = np.repeat(np.arange(40), rng.integers(2, 12, 40))
        labels = truth[keys] + rng.normal(size=len(keys))
        means = np.bincount(keys, weights=labels) / np.bincount(keys)
        shrunk = fit(keys.tolist(), labels).predict(list(range(40))).ravel()
        errors += [((guess - truth) ** 2).mean() for guess in (shrunk, means, 0 * truth)]
    assert errors[0] < 0.8 * errors[1:].min()


def test_differences_between_models_are_shrunk_apart_from_their_mean():
    rng = np.random.default_rng(0)
    keys = np.repeat(np.arange(8), 10)
    difficulty = 3 * rng.normal(size=8)[keys]
    labels = difficulty[:, None] + rng.normal(size=(80, 2))
    parts = OutputParts.from_layout(2, ("quality",), ("a", "b"))
    effects = fit(keys.tolist(), labels, parts=parts)
    differences, mean = effects.shrinkage.mean(axis=0)
    assert mean > 0.9
    assert differences < 0.3


@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        (["a"] * 4, [1, 2, 3, 4]),  # one level
        (["a", "b", "c"], [1, 2, 3]),  # one query per level
        ([None, None], [1, 2]),
        (["a", "a", "b", "b"], [1, 1, 1, 1]),
    ],
)
def test_there_are_no_effects_where_variances_are_not_identifiable(keys, labels):
    labels = np.subtract(labels, np.mean(labels))
    np.testing.assert_array_equal(fit(keys, labels).predict(keys), 0)


def test_levels_that_are_missing_or_unseen_have_no_effect_and_take_no_part():
    keys = ["a", "a", "b", "b"]
    labels = [1.0, 1.1, -1.0, -1.1]
    found = fit([*keys, None], [*labels, 50.0])
    np.testing.assert_array_equal(found.effects, fit(keys, labels).effects)
    np.testing.assert_array_equal(found.predict([None, "c"]), 0)


def test_rows_of_weight_zero_take_no_part():
    keys, labels = ["a", "a", "b", "b"], [1.0, 1.1, -1.0, -1.1]
    found = fit([*keys, "a", "c"], [*labels, 50.0, 50.0], [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(found.predict(["a", "c"]), fit(keys, labels).predict(["a", "c"]))


def test_effects_without_noise_are_the_means():
    np.testing.assert_allclose(fit(["a", "a", "b", "b"], [1, 1, -1, -1]).shrinkage, 1)
