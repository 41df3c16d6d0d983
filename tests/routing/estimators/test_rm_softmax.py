import numpy as np
import pytest
from networks import TWO_BLOCKS, check_routes_well, fit_briefly, linear, network_weights, relu
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter
from dars_sklearn.routing.estimators import RMSoftmax


@parametrize_with_checks([RMSoftmax(hidden=(16,), max_epochs=60, lr=0.02)])
def test_rm_softmax_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cost_weight", [0.0, 0.07])
def test_logits_follow_the_formula_of_the_paper(tiny, cost_weight):
    model = fit_briefly(RMSoftmax, tiny.X, tiny.targets[2], TWO_BLOCKS, hidden=(6, 4))
    weights = network_weights(model)
    expected = []
    for x in tiny.X.astype(np.float64):
        hidden = relu(linear(weights, "layers.0", [*x, cost_weight]))
        expected.append(linear(weights, "layers.4", relu(linear(weights, "layers.2", hidden))))
    logits = model.decision_function(tiny.X, cost_weight=cost_weight)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_predictions_are_the_policy_at_no_cost_weight_and_zero_costs(tiny):
    model = fit_briefly(RMSoftmax, tiny.X, tiny.targets[2], TWO_BLOCKS)
    policy, cost = np.hsplit(model.predict(tiny.X), 2)
    np.testing.assert_allclose(policy.sum(axis=1), 1)
    choices = model.decision_function(tiny.X).argmax(axis=1)
    np.testing.assert_array_equal(policy.argmax(axis=1), choices)
    assert (cost == 0).all()


def test_twelve_queries_can_be_memorised_for_several_cost_weights(tiny):
    model = fit_briefly(
        RMSoftmax, tiny.X, tiny.targets[2], TWO_BLOCKS, hidden=(64, 64), max_epochs=150, lr=0.01
    )
    quality, cost = np.hsplit(tiny.targets[2], 2)
    for cost_weight in (0.0, 0.1):
        utility = quality - cost_weight * cost
        choice = model.decision_function(tiny.X, cost_weight=cost_weight).argmax(axis=1)
        regret = utility.max(axis=1) - utility[np.arange(12), choice]
        assert regret.mean() < 0.02


def test_repeats_of_a_query_are_held_out_together():
    train, held_out = RMSoftmax()._held_out_rows(11 * 40, np.tile(np.arange(40), 11), seed=0)
    assert len(train) + len(held_out) == 11 * 40
    assert len(held_out) == 11 * 6
    assert set(train % 40).isdisjoint(held_out % 40)


def test_a_higher_cost_weight_moves_the_policy_without_a_refit(data):
    router = DistributionalRouter(
        RMSoftmax(cost_weights=(0.0, 1.0, 5.0), random_state=0),
        target="penalised",
        calibration=None,
    ).fit(data.X, data.outcomes)
    n_most_expensive = [
        (router.set_params(cost_weight=cost_weight).predict(data.X) == "model 2").sum()
        for cost_weight in (0.0, 5.0)
    ]
    assert n_most_expensive[0] > n_most_expensive[1] + 80


@pytest.mark.parametrize(("cost_weight", "maximum"), [(None, 0.1), (0.05, 0.1), (0.4, 0.4)])
def test_the_grid_reaches_the_weight_in_use_and_at_least_a_tenth(tiny, cost_weight, maximum):
    model = RMSoftmax(max_epochs=1).fit(
        tiny.X, tiny.targets[2], blocks=TWO_BLOCKS, cost_weight=cost_weight
    )
    np.testing.assert_allclose(model.cost_weights_, np.linspace(0, maximum, 11))


def test_a_router_passes_its_cost_weight_to_the_grid(data):
    router = DistributionalRouter(
        RMSoftmax(max_epochs=1), target="penalised", cost_weight=0.5, calibration=None
    )
    router.fit(data.X, data.outcomes)
    (model,) = router.estimators_
    assert model.cost_weights_[-1] == 0.5
    router.set_params(cost_weight=0.2).predict(data.X)
    message = r"cost_weight=0\.7 is outside .* trained on, from 0 to 0\.5; fit it again"
    with pytest.raises(ValueError, match=message):
        router.set_params(cost_weight=0.7).predict(data.X)


def test_cost_weights_of_the_user_must_reach_the_weight_in_use(tiny):
    model = RMSoftmax(cost_weights=[0.3, 0.0], max_epochs=1)
    model.fit(tiny.X, tiny.targets[2], blocks=TWO_BLOCKS, cost_weight=0.3)
    np.testing.assert_array_equal(model.cost_weights_, [0.0, 0.3])
    settings = {"blocks": TWO_BLOCKS, "cost_weight": 0.4}
    with pytest.raises(ValueError, match=r"cost_weight=0\.4 is outside .* from 0 to 0\.3; let"):
        model.fit(tiny.X, tiny.targets[2], **settings)
    with pytest.raises(ValueError, match="must not be empty"):
        RMSoftmax(cost_weights=()).fit(tiny.X, tiny.targets[2], **settings)


def test_rm_softmax_routes_better_than_the_best_model(split):
    model = RMSoftmax(random_state=0).fit(split.X_train, split.y_train[:, :6], blocks=TWO_BLOCKS)
    check_routes_well(model.decision_function(split.X_test), split)
