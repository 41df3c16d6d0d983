import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from dars_sklearn.routing._query_effects import (
    estimate_model_means,
    fit_slopes,
    query_effect_variance,
)


def dense_inverse(precision, ratio):
    """Inverse covariance of the values of one query that have precision, and their models."""
    models = np.flatnonzero(precision)
    covariance = np.full((len(models), len(models)), ratio)
    for i, model in enumerate(models):
        covariance[i, i] += 1 / precision[model]
    return np.linalg.inv(covariance), models


def slow_ratio(residuals, precision):
    """Mean product of two models on a query, over half their mean squared difference."""
    products, differences, variances = [], [], []
    for own, worth in zip(residuals, precision, strict=True):
        models = np.flatnonzero(worth)
        for i, j in [(i, j) for i in models for j in models if i != j]:
            products.append(own[i] * own[j])
            differences.append((own[i] - own[j]) ** 2)
            variances.append(1 / worth[i] + 1 / worth[j])
    return max(np.mean(products), 0) * np.sum(variances) / np.sum(differences)


def slow_means(values, precision):
    """Generalised least squares with the covariance of each query written out."""
    n_models = values.shape[1]
    means = np.array([np.average(values[:, m], weights=precision[:, m]) for m in range(n_models)])
    for _ in range(3):
        ratio = slow_ratio(values - means, precision)
        gram, moment = np.zeros((n_models, n_models)), np.zeros(n_models)
        for own, worth in zip(values, precision, strict=True):
            inverse, models = dense_inverse(worth, ratio)
            gram[np.ix_(models, models)] += inverse
            moment[models] += inverse @ own[models]
        means = np.linalg.solve(gram, moment)
    return means


def slow_slopes(regressors, values, precision, groups):
    """Slopes without bounds, their covariance, and the function that bounded ones minimise."""
    ratio = slow_ratio(values, precision)
    n_slopes = len(regressors)
    gram, moment = np.zeros((n_slopes, n_slopes)), np.zeros(n_slopes)
    queries = []
    for q, worth in enumerate(precision):
        inverse, models = dense_inverse(worth, ratio)
        x, y = regressors[:, q, models], values[q, models]
        gram += x @ inverse @ x.T
        moment += x @ inverse @ y
        queries.append((x, y, inverse))
    slopes = np.linalg.solve(gram, moment)
    middle = np.zeros_like(gram)
    for group in set(groups):
        score = np.zeros(n_slopes)
        for q in np.flatnonzero(groups == group):
            x, y, inverse = queries[q]
            score += x @ inverse @ (y - slopes @ x)
        middle += np.outer(score, score)
    covariance = np.linalg.inv(gram) @ middle @ np.linalg.inv(gram)

    def error(slopes):
        return sum((y - slopes @ x) @ inverse @ (y - slopes @ x) for x, y, inverse in queries)

    return slopes, covariance, error


def ragged_table(seed, n_queries=100, n_models=3, *, share=0.6):
    """Values with an effect of the query, and precisions that are 0 for some pairs."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=(n_queries, 1))
    values = np.arange(n_models) + effect + rng.normal(size=(n_queries, n_models))
    precision = rng.uniform(0.5, 2, values.shape) * (rng.random(values.shape) < share)
    precision[0] = 1  # each model has a value
    return values, precision


# ---- means of models -------------------------------------------------------------


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), worth=st.floats(0.1, 10))
def test_means_of_complete_tables_are_those_of_their_columns(seed, worth):
    values = np.random.default_rng(seed).normal(size=(7, 3))
    means = estimate_model_means(values, np.full(values.shape, worth))
    np.testing.assert_allclose(means, values.mean(axis=0), rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.3, 0.6, 1.0]))
def test_means_of_ragged_tables_are_generalised_least_squares(seed, share):
    values, precision = ragged_table(seed, share=share)
    expected = slow_means(values, precision)
    np.testing.assert_allclose(estimate_model_means(values, precision), expected, atol=1e-9)


def test_a_model_that_was_sent_the_easy_queries_does_not_look_good():
    rng = np.random.default_rng(0)
    ease = rng.normal(size=400)
    values = np.array([0.6, 0.5, 0.4]) + 0.3 * ease[:, None] + 0.1 * rng.normal(size=(400, 3))
    precision = np.ones(values.shape)
    precision[ease < 0, 2] = 0  # the worst model has the easy queries only
    by_column = [np.average(values[:, m], weights=precision[:, m]) for m in range(3)]
    assert np.argmax(by_column) == 2
    means = estimate_model_means(values, precision)
    np.testing.assert_allclose(means, values.mean(axis=0), atol=0.015)


@pytest.mark.parametrize("noise", [0.0, 1e-12])
def test_values_that_differ_by_the_query_alone_have_exact_differences(noise):
    rng = np.random.default_rng(0)
    values = np.array([0.7, 0.2]) + rng.normal(size=(20, 1)) + noise * rng.normal(size=(20, 2))
    precision = np.ones(values.shape)
    precision[:10, 1] = 0
    means = estimate_model_means(values, precision)
    assert means[0] - means[1] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_two_queries_that_both_models_answered_do_not_decide_alone(seed):
    values = (np.random.default_rng(seed).random((400, 2)) < [0.7, 0.4]).astype(float)
    precision = np.zeros(values.shape)
    precision[:200, 0] = precision[200:, 1] = 1
    precision[:2] = 1
    means = estimate_model_means(values, precision)
    np.testing.assert_allclose(means, [0.7, 0.4], atol=0.12)  # over 3 standard errors


def test_values_without_precision_are_ignored():
    values, precision = ragged_table(0)
    hidden = np.where(precision > 0, values, np.nan)
    np.testing.assert_array_equal(
        estimate_model_means(hidden, precision), estimate_model_means(values, precision)
    )


def test_a_model_without_values_has_the_mean_of_the_others():
    values, precision = ragged_table(0)
    precision[:, 1] = 0
    means = estimate_model_means(values, precision)
    others = estimate_model_means(values[:, [0, 2]], precision[:, [0, 2]])
    np.testing.assert_allclose(means, [others[0], others.mean(), others[1]])


def test_means_of_nothing_are_0():
    nothing = np.zeros((3, 2))
    assert estimate_model_means(np.full((3, 2), np.nan), nothing).tolist() == [0, 0]


# ---- variance of the query effect ------------------------------------------------


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_query_effect_is_the_mean_product_of_two_models(seed):
    values, precision = ragged_table(seed)
    residuals = values - values.mean(axis=0)
    expected = slow_ratio(residuals, precision)
    assert query_effect_variance(residuals, precision) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("residuals", "precision"),
    [
        ([[1.0, -1.0], [-1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]),  # models disagree
        ([[1.0, 5.0], [2.0, 5.0]], [[1.0, 0.0], [1.0, 0.0]]),  # one value per query
        ([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]),
    ],
)
def test_the_query_effect_can_be_0(residuals, precision):
    assert query_effect_variance(np.array(residuals), np.array(precision)) == 0


# ---- slopes ----------------------------------------------------------------------


def slope_problem(seed, n_slopes=3, *, truth=(0.8, 0.3, 0.5)):
    rng = np.random.default_rng(seed)
    values, precision = ragged_table(seed, share=0.7)
    regressors = rng.normal(size=(n_slopes, *values.shape))
    values = np.tensordot(truth, regressors, axes=1) + values - np.arange(values.shape[1])
    return regressors, values, precision, rng.integers(15, size=len(values))


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_slopes_and_their_covariance_are_those_of_generalised_least_squares(seed):
    problem = slope_problem(seed)
    unbounded, covariance, _ = slow_slopes(*problem)
    slopes = fit_slopes(*problem)
    np.testing.assert_allclose(slopes.unbounded, unbounded, atol=1e-9)
    np.testing.assert_allclose(slopes.covariance, covariance, atol=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), truth=st.tuples(*[st.floats(-1.5, 2.5)] * 3))
def test_bounded_slopes_minimise_the_error_between_0_and_1(seed, truth):
    problem = slope_problem(seed, truth=truth)
    unbounded, _, error = slow_slopes(*problem)
    slopes = fit_slopes(*problem).values
    assert ((slopes >= 0) & (slopes <= 1)).all()
    found = minimize(error, np.full(3, 0.5), bounds=[(0, 1)] * 3, options={"ftol": 1e-14})
    np.testing.assert_allclose(slopes, found.x, atol=1e-4)
    if ((unbounded >= 0) & (unbounded <= 1)).all():
        np.testing.assert_allclose(slopes, unbounded, atol=1e-9)


@pytest.mark.parametrize("truth", [(0.4, 0.6, 0.5), (-3.0, 4.0, 0.5)])
def test_the_slope_of_a_regressor_that_is_0_is_0(truth):
    regressors, *rest = slope_problem(1, truth=truth)
    regressors[1] = 0
    slopes = fit_slopes(regressors, *rest)
    others = fit_slopes(regressors[[0, 2]], *rest)
    assert slopes.values[1] == 0
    assert slopes.unbounded[1] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(slopes.covariance[1], 0, atol=1e-12)
    np.testing.assert_allclose(slopes.values[[0, 2]], others.values, atol=1e-9)


def test_without_any_regressor_all_slopes_are_0():
    regressors, *rest = slope_problem(1)
    slopes = fit_slopes(0 * regressors, *rest)
    assert slopes.values.tolist() == slopes.unbounded.tolist() == [0, 0, 0]


def test_two_equal_regressors_share_their_slope():
    regressors, *rest = slope_problem(2, truth=(0.8, 0, 0))
    regressors[1] = regressors[0]
    shared, alone = fit_slopes(regressors, *rest), fit_slopes(regressors[[0, 2]], *rest)
    assert shared.values[:2].sum() == pytest.approx(alone.values[0])


def test_copies_of_queries_in_one_group_make_slopes_no_more_precise():
    regressors, values, precision, groups = slope_problem(3)
    once = fit_slopes(regressors, values, precision, groups)
    tables = np.tile(regressors, (1, 2, 1)), np.tile(values, (2, 1)), np.tile(precision, (2, 1))
    twice = fit_slopes(*tables, np.tile(groups, 2))
    np.testing.assert_allclose(twice.values, once.values)
    np.testing.assert_allclose(twice.covariance, once.covariance)
    apart = fit_slopes(*tables, np.concatenate([groups, groups + 15]))
    np.testing.assert_allclose(apart.covariance, once.covariance / 2)
