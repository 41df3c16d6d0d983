from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from dars_sklearn import OutcomeAggregator
from dars_sklearn.datasets import make_routing_outcomes

# The tests of the core also run without the optional dependencies.
if find_spec("skorch") is None:
    collect_ignore = [
        "test_embed_llm.py",
        "test_equi_router.py",
        "test_graph_router.py",
        "test_mirt.py",
        "test_modules.py",
        "test_neural.py",
        "test_rm_softmax.py",
    ]


@pytest.fixture
def tiny():
    """Features of 12 queries, and targets of 3 models by their number of blocks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 5)).astype(np.float32)
    return SimpleNamespace(X=X, targets={k: rng.random((12, 3 * k)) for k in (1, 2, 3)})


@pytest.fixture(scope="session")
def data():
    """400 queries with outcomes of 3 models, and the true quality."""
    return make_routing_outcomes(400, 3, 5, 5, n_features=8, random_state=0)


@pytest.fixture(scope="session")
def split(data):
    """Features and labels of training queries, features and true quality of test queries."""
    train, test = slice(0, 250), slice(250, 400)
    outcomes = data.outcomes[train]
    capability = OutcomeAggregator().fit(outcomes).aggregate(outcomes)
    return SimpleNamespace(
        X_train=data.X[train],
        y_train=np.hstack([capability.quality, capability.scaled_cost, capability.risk]),
        X_test=data.X[test],
        quality_train=data.quality[train],
        quality_test=data.quality[test],
    )
