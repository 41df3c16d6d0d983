import numpy as np
from networks import (
    FAILED_FLOAT32_CHECKS,
    FAILED_WEIGHT_CHECKS,
    TWO_BLOCKS,
    check_predicts_and_routes_well,
    dot,
    fit_briefly,
    linear,
    network_weights,
    sigmoid,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn.routing.estimators import EmbedLLM


@parametrize_with_checks(
    [EmbedLLM(dim=16, max_epochs=60, lr=0.02)],
    expected_failed_checks=lambda estimator: FAILED_WEIGHT_CHECKS | FAILED_FLOAT32_CHECKS,
)
def test_embed_llm_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_predictions_follow_the_formula_of_the_paper(tiny):
    model = fit_briefly(EmbedLLM, tiny.X, tiny.targets[2], TWO_BLOCKS, dim=16)
    weights = network_weights(model)
    embeddings = weights["embedding.weight"]
    expected = []
    for x in tiny.X.astype(np.float64):
        q = linear(weights, "project", x)
        expected += [
            sigmoid(dot(q, e) + b) for e, b in zip(embeddings, weights["bias"], strict=True)
        ]
        expected += [linear(weights, "cost", embedding)[0] for embedding in embeddings]
    np.testing.assert_allclose(model.predict(tiny.X), np.reshape(expected, (12, 6)), atol=1e-5)


def test_each_block_has_the_loss_of_the_paper(tiny):
    model = fit_briefly(EmbedLLM, tiny.X, tiny.targets[2], TWO_BLOCKS)
    assert model.net_.criterion_.losses == ["bce", "mse"]
    assert model.net_.criterion_.weights == [1.0, 1.0]


def test_five_queries_can_be_memorised(tiny):
    # Quality is linear in the features, and cost is the same for every query.
    X, Y = tiny.X[:5], tiny.targets[2][:5].copy()
    Y[:, 3:] = Y[:, 3:].mean(axis=0)
    model = fit_briefly(EmbedLLM, X, Y, TWO_BLOCKS, noise=0.0, max_epochs=400, lr=0.02)
    assert np.abs(model.predict(X) - Y).mean() < 0.02


def test_noise_is_added_in_training_only(tiny):
    model = fit_briefly(EmbedLLM, tiny.X, tiny.targets[2], TWO_BLOCKS, noise=5.0)
    np.testing.assert_array_equal(model.predict(tiny.X), model.predict(tiny.X))
    without = fit_briefly(EmbedLLM, tiny.X, tiny.targets[2], TWO_BLOCKS, noise=0.0)
    assert not np.allclose(model.predict(tiny.X), without.predict(tiny.X))


def test_clipped_targets_are_cut_to_the_unit_interval(tiny):
    Y = 4 * tiny.targets[2] - 2
    clipped = fit_briefly(EmbedLLM, tiny.X, Y, TWO_BLOCKS, clip=True).predict(tiny.X)
    expected = fit_briefly(EmbedLLM, tiny.X, np.clip(Y, 0, 1), TWO_BLOCKS).predict(tiny.X)
    np.testing.assert_array_equal(clipped, expected)


def test_embed_llm_predicts_better_than_the_mean_and_routes_better_than_the_best_model(split):
    model = EmbedLLM(random_state=0).fit(split.X_train, split.y_train[:, :6], blocks=TWO_BLOCKS)
    check_predicts_and_routes_well(model.predict(split.X_test)[:, :3], split)
