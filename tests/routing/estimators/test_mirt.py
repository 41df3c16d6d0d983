import numpy as np
from networks import (
    FAILED_WEIGHT_CHECKS,
    SEVERAL_BLOCKS,
    check_predicts_and_routes_well,
    dot,
    fit_briefly,
    linear,
    network_weights,
    relu,
    sigmoid,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn.routing.estimators import MIRT


@parametrize_with_checks(
    [MIRT(n_latent=4, hidden=16, max_epochs=60, lr=0.02)],
    expected_failed_checks=lambda estimator: FAILED_WEIGHT_CHECKS,
)
def test_mirt_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_predictions_follow_the_formula_of_the_paper(tiny):
    model = fit_briefly(MIRT, tiny.X, tiny.targets[3], SEVERAL_BLOCKS, n_latent=4, hidden=16)
    weights = network_weights(model)
    expected = []
    for x in tiny.X.astype(np.float64):
        for block in range(3):
            hidden = relu(linear(weights, f"theta.{block}.0", x))
            ability = linear(weights, f"theta.{block}.2", hidden)
            for discrimination, difficulty in zip(
                weights["a"][block], weights["b"][block], strict=True
            ):
                expected.append(sigmoid(dot(ability, discrimination) - difficulty))
    np.testing.assert_allclose(model.predict(tiny.X), np.reshape(expected, (12, 9)), atol=1e-5)


def test_each_block_has_the_loss_and_weight_of_the_paper(tiny):
    model = fit_briefly(MIRT, tiny.X, tiny.targets[3], SEVERAL_BLOCKS)
    assert model.net_.criterion_.losses == ["bce", "sigmoid mse", "sigmoid mse"]
    assert model.net_.criterion_.weights == [1.0, 1.0, 0.5]


def test_five_queries_can_be_memorised(tiny):
    X, Y = tiny.X[:5], tiny.targets[3][:5]
    model = fit_briefly(MIRT, X, Y, SEVERAL_BLOCKS, max_epochs=400, lr=0.02)
    assert np.abs(model.predict(X) - Y).mean() < 0.02


def test_mirt_predicts_better_than_the_mean_and_routes_better_than_the_best_model(split):
    model = MIRT(random_state=0).fit(split.X_train, split.y_train, blocks=SEVERAL_BLOCKS)
    check_predicts_and_routes_well(model.predict(split.X_test)[:, :3], split)
