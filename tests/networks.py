"""What the tests of the neural router families share.

Layers of networks are written in plain Python, to compare predictions with the formulas.
"""

import numpy as np

SEVERAL_BLOCKS = ("quality", "cost", "risk")
TWO_BLOCKS = ("quality", "cost")

_BATCHES = "a query of weight 0 still takes its place in a batch"
# Checks of scikit-learn that a network trained in batches fails, with the reason.
FAILED_WEIGHT_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": _BATCHES,
    "check_sample_weight_equivalence_on_sparse_data": _BATCHES,
}
FAILED_FLOAT32_CHECKS = {
    "check_methods_subset_invariance": (
        "float32 predictions differ by 3e-7 with the rows that are predicted together"
    )
}


def check_predicts_and_routes_well(predicted, split):
    """Check predicted quality against the training mean, and its routes against the best model."""
    mean, quality = split.quality_train.mean(axis=0), split.quality_test
    assert ((predicted - quality) ** 2).mean() < 0.8 * ((mean - quality) ** 2).mean()
    check_routes_well(predicted, split)


def check_routes_well(decision, split):
    """Check the models of the highest decision value against the best single model."""
    quality = split.quality_test
    routed = quality[np.arange(len(quality)), decision.argmax(axis=1)]
    assert routed.mean() > quality.mean(axis=0).max()


def fit_briefly(family, X, Y, blocks, **parameters):
    """Fit a neural family for a few epochs on all queries."""
    settings = {"max_epochs": 3, "early_stopping": False, "random_state": 0} | parameters
    return family(**settings).fit(X, Y, blocks=blocks)


def network_weights(model):
    """Return the weights of a fitted network by name, as float64 arrays."""
    state = model.net_.module_.state_dict()
    return {name: value.numpy().astype(np.float64) for name, value in state.items()}


def linear(weights, name, x):
    """Apply the linear layer of that name to one vector."""
    matrix, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return [dot(row, x) + offset for row, offset in zip(matrix, bias, strict=True)]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def relu(values):
    return [max(value, 0.0) for value in values]


def sigmoid(value):
    return 1 / (1 + np.exp(-value))
