from math import exp, log

import numpy as np
import pytest
import torch
from networks import TWO_BLOCKS, check_routes_well, fit_briefly, linear, network_weights, relu
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter, Outcomes
from dars_sklearn.metrics import routing_collapse_index
from dars_sklearn.routing.estimators import EquiRouter
from dars_sklearn.routing.estimators._modules import PairwiseRanking


@parametrize_with_checks([EquiRouter(hidden=(16,), max_epochs=60, lr=0.02)])
def test_equi_router_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def slow_ranking_loss(scores, utilities):
    """Mean of log(1 + exp(z_j - z_i)) over the ordered pairs in which i is better than j."""
    pairs = [(i, j) for i, u in enumerate(utilities) for j, v in enumerate(utilities) if u > v]
    losses = [log(1 + exp(scores[j] - scores[i])) for i, j in pairs]
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_that_of_a_slow_loop_over_pairs(seed):
    rng = np.random.default_rng(seed)
    scores, utilities, weight = rng.normal(size=(7, 4)), rng.integers(0, 3, (7, 4)), rng.random(7)
    utilities[0] = 1  # without any pair
    losses = [slow_ranking_loss(*rows) for rows in zip(scores, utilities, strict=True)]
    target = torch.as_tensor(np.column_stack([utilities, weight]))
    found = PairwiseRanking()(torch.as_tensor(scores), target)
    assert float(found) == pytest.approx(np.average(losses, weights=weight))


def test_only_differences_between_scores_count():
    rng = np.random.default_rng(0)
    scores, target = torch.as_tensor(rng.normal(size=(5, 3))), torch.as_tensor(rng.random((5, 4)))
    shift = torch.as_tensor(rng.normal(size=(5, 1)))
    loss = PairwiseRanking()
    assert float(loss(scores + shift, target)) == pytest.approx(float(loss(scores, target)))


@pytest.mark.parametrize("cost_weight", [0.0, 0.07])
def test_scores_are_those_of_the_network(tiny, cost_weight):
    model = fit_briefly(EquiRouter, tiny.X, tiny.targets[2], TWO_BLOCKS, hidden=(6, 4))
    weights = network_weights(model)
    expected = []
    for x in tiny.X.astype(np.float64):
        hidden = relu(linear(weights, "layers.0", [*x, cost_weight]))
        expected.append(linear(weights, "layers.4", relu(linear(weights, "layers.2", hidden))))
    scores = model.decision_function(tiny.X, cost_weight=cost_weight)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_twelve_orders_can_be_memorised_for_several_cost_weights(tiny):
    model = fit_briefly(
        EquiRouter, tiny.X, tiny.targets[2], TWO_BLOCKS, hidden=(64, 64), max_epochs=150, lr=0.01
    )
    quality, cost = np.hsplit(tiny.targets[2], 2)
    for cost_weight in (0.0, 0.1):
        order = np.argsort(quality - cost_weight * cost, axis=1)
        found = np.argsort(model.decision_function(tiny.X, cost_weight=cost_weight), axis=1)
        assert (order == found).mean() > 0.9


def test_of_two_equally_good_models_the_cheaper_one_is_preferred():
    X = np.linspace(-1, 1, 60)[:, None]
    outcomes = Outcomes.from_array(np.ones((60, 2)), models=["large", "small"], costs=[5.0, 1.0])
    router = DistributionalRouter(
        EquiRouter(hidden=(8,), max_epochs=30, random_state=0),
        target="penalised",
        cost_weight=0.01,
        calibration=None,
    ).fit(X, outcomes)
    routes = router.predict(X)
    assert (routes == "small").all()
    assert routing_collapse_index(outcomes, routes) == 0


def test_equi_router_routes_better_than_the_best_model(split):
    model = EquiRouter(random_state=0).fit(split.X_train, split.y_train[:, :6], blocks=TWO_BLOCKS)
    check_routes_well(model.decision_function(split.X_test), split)
