import numpy as np
import pytest
import torch
from networks import sigmoid

from dars_sklearn.routing.estimators._modules import (
    BlockLoss,
    EmbedLLMModule,
    ExpectedRegret,
    PolicyModule,
)

WEIGHT = np.array([1.0, 2.0, 0.0, 1.0])


def test_the_block_loss_is_the_weighted_sum_of_the_losses_of_the_paper():
    rng = np.random.default_rng(1)
    output, target = rng.normal(size=(4, 3, 2)), rng.random((4, 3, 2))
    expected = 0.0
    for i in range(4):
        p, cost, risk = sigmoid(output[i, 0]), output[i, 1], sigmoid(output[i, 2])
        y = target[i, 0]
        cross_entropy = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        squared_errors = ((cost - target[i, 1]) ** 2).mean(), ((risk - target[i, 2]) ** 2).mean()
        expected += WEIGHT[i] * (cross_entropy + squared_errors[0] + 0.5 * squared_errors[1])
    loss = BlockLoss(["bce", "mse", "sigmoid mse"], [1.0, 1.0, 0.5])
    columns = torch.tensor(np.column_stack([target.reshape(4, -1), WEIGHT]))
    assert float(loss(torch.tensor(output), columns)) == pytest.approx(expected / WEIGHT.sum())


@pytest.mark.parametrize("first", ["bce", "sigmoid mse", "mse"])
def test_on_held_out_queries_the_block_loss_is_the_error_of_differences_between_models(first):
    rng = np.random.default_rng(1)
    output, target = rng.normal(size=(4, 2, 3)), rng.random((4, 2, 3))
    prediction = output[:, 0] if first == "mse" else sigmoid(output[:, 0])
    expected = []
    for predicted, observed in zip(prediction, target[:, 0], strict=True):
        pairs = [(i, j) for i in range(3) for j in range(3)]
        differences = [
            (predicted[i] - predicted[j] - observed[i] + observed[j]) ** 2 for i, j in pairs
        ]
        expected.append(np.mean(differences) / 2)
    loss = BlockLoss([first, "mse"], [1.0, 1.0]).eval()
    columns = torch.tensor(np.column_stack([target.reshape(4, -1), WEIGHT]))
    found = float(loss(torch.tensor(output), columns))
    assert found == pytest.approx(np.average(expected, weights=WEIGHT))


def test_a_single_model_has_the_same_loss_on_held_out_queries():
    rng = np.random.default_rng(1)
    output, target = rng.normal(size=(4, 2, 1)), rng.random((4, 2))
    loss = BlockLoss(["bce", "mse"], [1.0, 1.0])
    columns = torch.tensor(np.column_stack([target, WEIGHT]))
    in_training = float(loss(torch.tensor(output), columns))
    assert float(loss.eval()(torch.tensor(output), columns)) == pytest.approx(in_training)


def test_the_expected_regret_is_that_of_the_softmax_policy():
    rng = np.random.default_rng(1)
    logits, utility = rng.normal(size=(4, 3)), rng.random((4, 3))
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    regret = [
        sum(policy[i, m] * (max(utility[i]) - utility[i, m]) for m in range(3)) for i in range(4)
    ]
    columns = torch.tensor(np.column_stack([utility, WEIGHT]))
    loss = float(ExpectedRegret()(torch.tensor(logits), columns))
    assert loss == pytest.approx(np.average(regret, weights=WEIGHT))


@pytest.mark.parametrize("loss", [BlockLoss(["mse"], [1.0]), ExpectedRegret()])
def test_a_batch_of_queries_without_weight_has_a_loss_of_zero(loss):
    output = torch.ones(2, 1, 3) if isinstance(loss, BlockLoss) else torch.ones(2, 3)
    columns = torch.zeros(2, 4)
    assert float(loss(output, columns)) == 0


@pytest.mark.parametrize("n_blocks", [1, 2])
def test_embed_llm_has_a_cost_only_as_second_block(n_blocks):
    module = EmbedLLMModule(5, 3, n_blocks, dim=4, noise=0.0).eval()
    output = module(torch.rand(7, 5))
    assert output.shape == (7, n_blocks, 3)
    if n_blocks == 2:
        assert (output[:, 1] == output[0, 1]).all()


def test_a_policy_without_hidden_layers_is_linear():
    module = PolicyModule(2, 3, hidden=())
    assert [type(layer) for layer in module.layers] == [torch.nn.Linear]
