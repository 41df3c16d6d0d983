import builtins
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter, OutcomeAggregator
from dars_sklearn.capability import MIRT, AvengersPro, EmbedLLM, GraphRouter, RMSoftmax
from dars_sklearn.datasets import make_routing_outcomes

NEURAL = [EmbedLLM, MIRT, GraphRouter, RMSoftmax]
BLOCK = [EmbedLLM, MIRT, GraphRouter]
SMALL = {
    EmbedLLM: {"dim": 16},
    MIRT: {"n_latent": 4, "hidden": 16},
    GraphRouter: {"dim": 8},
    RMSoftmax: {"hidden": (16,)},
}


def blocks_of(family):
    return ("quality", "cost") if family in (EmbedLLM, RMSoftmax) else ("quality", "cost", "risk")


ROWS = "a weight of 0 is not the absence of a row: rows are drawn into batches"
FLOATS = "predictions are of 32 bits, and differ by 3e-7 with the rows they are computed beside"


def expected_failures(estimator):
    failures = {}
    if isinstance(estimator, (EmbedLLM, MIRT, GraphRouter)):
        failures |= {
            "check_sample_weight_equivalence_on_dense_data": ROWS,
            "check_sample_weight_equivalence_on_sparse_data": ROWS,
        }
    if isinstance(estimator, (EmbedLLM, GraphRouter)):
        failures["check_methods_subset_invariance"] = FLOATS
    return failures


@parametrize_with_checks(
    [AvengersPro(n_clusters=8)]
    + [family(max_epochs=60, lr=0.02, **SMALL[family]) for family in NEURAL],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def tiny():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 5)).astype(np.float32)
    return X, {k: rng.random((12, 3 * k)) for k in (1, 2, 3)}


def fitted(family, X, Y, blocks, **parameters):
    settings = {"max_epochs": 3, "early_stopping": False, "random_state": 0} | parameters
    return family(**settings).fit(X, Y, blocks=blocks)


def weights(model):
    """The weights of a net by name, as float64 arrays."""
    state = model.net_.module_.state_dict()
    return {name: value.numpy().astype(np.float64) for name, value in state.items()}


def linear(w, name, x):
    return [
        sum(w[f"{name}.weight"][j][i] * x[i] for i in range(len(x))) + w[f"{name}.bias"][j]
        for j in range(len(w[f"{name}.bias"]))
    ]


def relu(values):
    return [max(value, 0.0) for value in values]


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def slow_embed_llm(w, x, n_models, blocks):
    q = linear(w, "project", x)
    rows = [[], []]
    for m in range(n_models):
        e = w["embedding.weight"][m]
        rows[0].append(sigmoid(sum(a * b for a, b in zip(q, e, strict=True)) + w["bias"][m]))
        rows[1].append(linear(w, "cost", e)[0])
    return rows


def slow_mirt(w, x, n_models, blocks):
    rows = []
    for block in range(len(blocks)):
        theta = linear(w, f"theta.{block}.2", relu(linear(w, f"theta.{block}.0", x)))
        rows.append(
            [
                sigmoid(
                    sum(t * a for t, a in zip(theta, w["a"][block][m], strict=True))
                    - w["b"][block][m]
                )
                for m in range(n_models)
            ]
        )
    return rows


def slow_graph_router(w, x, n_models, blocks):
    q = relu(linear(w, "query", x))
    columns = []
    for m in range(n_models):
        d = relu(linear(w, "model", w["descriptions"][m]))
        edge = [*q, *d]
        edge += [a * b for a, b in zip(q, d, strict=True)]
        edge += [abs(a - b) for a, b in zip(q, d, strict=True)]
        columns.append(
            linear(w, "edge.4", relu(linear(w, "edge.2", relu(linear(w, "edge.0", edge)))))
        )
    return [[column[block] for column in columns] for block in range(len(blocks))]


@pytest.mark.parametrize(
    ("family", "slow"),
    [(EmbedLLM, slow_embed_llm), (MIRT, slow_mirt), (GraphRouter, slow_graph_router)],
)
def test_predictions_are_those_of_the_papers_formulas(tiny, family, slow):
    X, targets = tiny
    blocks = blocks_of(family)
    model = fitted(family, X, targets[len(blocks)], blocks, **SMALL[family])
    expected = [slow(weights(model), x, 3, blocks) for x in X.astype(np.float64)]
    np.testing.assert_allclose(model.predict(X), np.reshape(expected, (12, -1)), atol=1e-5)


def test_the_policy_is_that_of_the_papers_formula_at_each_weight_of_cost(tiny):
    X, targets = tiny
    model = fitted(RMSoftmax, X, targets[2], ("quality", "cost"), hidden=(6, 4))
    w = weights(model)
    for cost_weight in (0.0, 0.07):
        expected = []
        for x in X.astype(np.float64):
            hidden = relu(linear(w, "layers.0", [*x, cost_weight]))
            expected.append(linear(w, "layers.4", relu(linear(w, "layers.2", hidden))))
        np.testing.assert_allclose(
            model.decision_function(X, cost_weight=cost_weight), expected, atol=1e-5
        )


def test_losses_are_those_of_the_paper(tiny):
    import torch

    from dars_sklearn.capability._modules import BlockLoss, ExpectedRegret

    rng = np.random.default_rng(1)
    output, wanted = rng.normal(size=(4, 3, 2)), rng.random((4, 3, 2))
    weight = np.array([1.0, 2.0, 0.0, 1.0])
    total = 0.0
    for i in range(4):
        p, cost, risk = sigmoid(output[i, 0]), sigmoid(output[i, 1]), sigmoid(output[i, 2])
        bce = -(wanted[i, 0] * np.log(p) + (1 - wanted[i, 0]) * np.log(1 - p)).mean()
        mse = ((cost - wanted[i, 1]) ** 2).mean(), ((risk - wanted[i, 2]) ** 2).mean()
        total += weight[i] * (bce + mse[0] + 0.5 * mse[1])
    losses, shares = MIRT()._losses.__func__(type("m", (), {"blocks_": blocks_of(MIRT)})())
    target = torch.tensor(np.column_stack([wanted.reshape(4, -1), weight]))
    got = BlockLoss(losses, shares)(torch.tensor(output), target)
    assert float(got) == pytest.approx(total / 4)

    logits, utility = rng.normal(size=(4, 3)), rng.random((4, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    regret = [sum(shares[i, m] * (max(utility[i]) - utility[i, m]) for m in range(3))
              for i in range(4)]  # fmt: skip
    got = ExpectedRegret()(torch.tensor(logits), torch.tensor(np.column_stack([utility, weight])))
    assert float(got) == pytest.approx(np.average(regret, weights=weight))


@pytest.mark.parametrize("family", BLOCK)
def test_a_tiny_set_is_learnt_by_heart(tiny, family):
    X, targets = tiny
    blocks = blocks_of(family)
    X = X[:5]  # as many as EmbedLLM, which is linear in them, can learn
    Y = targets[len(blocks)][:5].reshape(5, len(blocks), 3)
    Y[:, 1:] = Y[:, 1:].mean(axis=0)  # EmbedLLM knows one cost a model
    Y = Y.reshape(5, -1)
    settings = {"noise": 0.0} if family is EmbedLLM else {}
    model = fitted(family, X, Y, blocks, max_epochs=1500, lr=0.01, **settings)
    assert np.abs(model.predict(X) - Y).mean() < 0.02


def test_a_tiny_policy_is_learnt_by_heart(tiny):
    X, targets = tiny
    model = fitted(RMSoftmax, X, targets[2], ("quality", "cost"), max_epochs=500, lr=0.01)
    quality, cost = targets[2][:, :3], targets[2][:, 3:]
    for cost_weight in (0.0, 0.1):
        choice = model.decision_function(X, cost_weight=cost_weight).argmax(axis=1)
        utility = quality - cost_weight * cost
        assert (utility.max(axis=1) - utility[np.arange(12), choice]).mean() < 0.02


@pytest.fixture(scope="module")
def truth():
    return make_routing_outcomes(400, 3, 5, 5, n_features=8, random_state=0)


@pytest.mark.parametrize("family", [AvengersPro, *NEURAL])
def test_each_family_beats_the_mean_and_the_best_single_model(truth, family):
    train, test = slice(0, 250), slice(250, 400)
    target = "penalised" if len(blocks_of(family)) == 2 else "capability"
    router = DistributionalRouter(
        family(random_state=0), target=target, cost_weight=0.0, risk_aversion=0.0
    )
    router.fit(truth.X[train], truth.outcomes[train])
    quality = truth.quality[test]
    if family is not RMSoftmax:  # which predicts a choice, and no quality
        parts = router._predict_parts(truth.X[test])
        mean = truth.quality[train].mean(axis=0)
        assert ((parts[0] - quality) ** 2).mean() < 0.8 * ((mean - quality) ** 2).mean()
    routes = router.predict(truth.X[test])
    place = np.array([router.models_.tolist().index(route) for route in routes])
    assert quality[np.arange(150), place].mean() > quality.mean(axis=0).max()


def test_avengers_pro_is_plain_scikit_learn(truth):
    X, outcomes = truth.X[:200], truth.outcomes[:200]
    labels = OutcomeAggregator().fit(outcomes).transform(outcomes)
    kmeans = KMeans(32, n_init=10, random_state=3).fit(X)
    expected = []
    for x in truth.X[200:]:
        distance = ((kmeans.cluster_centers_ - x) ** 2).sum(axis=1)
        nearest = np.argsort(distance)[:3]
        expected.append(
            np.mean([labels[kmeans.labels_ == c].mean(axis=0) for c in nearest], axis=0)
        )
    got = AvengersPro(random_state=3).fit(X, labels).predict(truth.X[200:])
    np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize("family", NEURAL)
def test_seeds_pickles_and_sparse_features_change_nothing(tiny, family):
    X, targets = tiny
    blocks = blocks_of(family)
    model = fitted(family, X, targets[len(blocks)], blocks)
    expected = model.predict(X)
    np.testing.assert_array_equal(
        fitted(family, X, targets[len(blocks)], blocks).predict(X), expected
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)
    thin = fitted(family, sparse.csr_array(X), targets[len(blocks)], blocks)
    np.testing.assert_allclose(thin.predict(sparse.csr_array(X)), expected, atol=1e-6)
    other = fitted(family, X, targets[len(blocks)], blocks, random_state=1)
    assert not np.array_equal(other.predict(X), expected)


def test_training_stops_where_held_out_queries_no_longer_profit(truth):
    model = MIRT(max_epochs=400, patience=5, random_state=0).fit(truth.X, truth.quality)
    assert model.n_iter_ < 400
    losses = model.net_.history[:, "valid_loss"]
    assert min(losses[-5:]) > 0.999 * min(losses[:-5])  # what counts as no improvement
    assert MIRT(max_epochs=7, early_stopping=False).fit(truth.X, truth.quality).n_iter_ == 7


@pytest.mark.parametrize("family", BLOCK)
def test_targets_of_any_range_are_mapped_and_mapped_back(truth, family):
    X, Y = truth.X[:250], truth.quality[:250]
    settings = {"max_epochs": 40, "early_stopping": False, "random_state": 0}
    plain = family(**settings).fit(X, Y).predict(X)
    assert np.corrcoef(plain.ravel(), Y.ravel())[0, 1] > 0.5
    shifted = family(**settings).fit(X, 10 * Y - 3).predict(X)
    assert np.corrcoef(shifted.ravel(), Y.ravel())[0, 1] > 0.5
    assert shifted.min() < -0.5
    constant = family(**settings).fit(X, np.full_like(Y, 7.0)).predict(X)
    np.testing.assert_allclose(constant, 7.0, atol=0.6)


def test_descriptions_are_texts_or_features(truth):
    X, outcomes = truth.X, truth.outcomes
    texts = {"model 0": "small and cheap", "model 1": "middling", "model 2": "large and dear"}
    vectors = {name: [float(place), 1.0] for place, name in enumerate(texts)}
    for descriptions in (texts, vectors):
        router = DistributionalRouter(GraphRouter(descriptions=descriptions, max_epochs=3))
        assert set(router.fit(X, outcomes).predict(X)) <= set(texts)
    with pytest.raises(ValueError, match=r"descriptions lacks the models \['model 2'\]"):
        DistributionalRouter(GraphRouter(descriptions={"model 0": "a", "model 1": "b"})).fit(
            X, outcomes
        )


def test_the_cost_weight_moves_a_policy_without_a_refit(truth):
    router = DistributionalRouter(
        RMSoftmax(cost_weights=(0.0, 1.0, 5.0), random_state=0), target="penalised"
    ).fit(truth.X, truth.outcomes)
    dear = router.set_params(cost_weight=0.0).predict(truth.X) == "model 2"
    cheap = router.set_params(cost_weight=5.0).predict(truth.X) == "model 2"
    assert dear.mean() > cheap.mean() + 0.2


def test_what_a_family_cannot_learn_is_named(truth):
    for family in (EmbedLLM, RMSoftmax):
        with pytest.raises(ValueError, match="use target='penalised'"):
            DistributionalRouter(family()).fit(truth.X, truth.outcomes)
    with pytest.raises(ValueError, match="y has 3 columns, which are not 2 blocks of equal width"):
        MIRT().fit(truth.X, truth.quality, blocks=("quality", "cost"))
    with pytest.raises(ValueError, match="n_clusters must be at least 1"):
        AvengersPro(n_clusters=0).fit(truth.X, truth.quality)


def test_few_queries_and_one_model_are_enough(truth):
    X, one = truth.X[:5], truth.outcomes[:5].subset(["model 1"])
    for family in (AvengersPro, *NEURAL):
        settings = {} if family is AvengersPro else {"max_epochs": 2}
        target = "penalised" if len(blocks_of(family)) == 2 else "capability"
        router = DistributionalRouter(family(**settings), target=target).fit(X, one)
        assert set(router.predict(truth.X)) == {"model 1"}
    with pytest.raises(ValueError, match="NaN"):
        MIRT().fit(np.where(truth.X > 2, np.nan, truth.X), truth.quality)


def test_without_torch_the_extra_is_named(monkeypatch, truth):
    real = builtins.__import__

    def absent(name, *arguments, **keywords):
        if name in ("torch", "skorch"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install 'dars-sklearn\[torch\]'"):
        MIRT().fit(truth.X, truth.quality)
