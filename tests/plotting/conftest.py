import matplotlib
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from dars_sklearn.datasets import make_routing_outcomes  # noqa: E402


@pytest.fixture(scope="session")
def data():
    return make_routing_outcomes(120, 3, 3, 2, random_state=0)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
