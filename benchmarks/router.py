"""Cost of the router's predict over its inner estimator's own, as a ratio.

    python benchmarks/router.py

10,000 queries of 384 dense features, 20 models; best of five runs; seed 0.
"""

import time

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from dars_sklearn import DistributionalRouter, Outcomes


def best_of(function, repeats=5):
    """Return the least seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X, unseen = rng.normal(size=(2_000, 384)), rng.normal(size=(10_000, 384))
    outcomes = Outcomes.from_array(rng.random((2_000, 20, 5)), costs=rng.random((2_000, 20, 5)))
    for estimator in (KNeighborsRegressor(16, weights="distance"), Ridge()):
        router = DistributionalRouter(estimator).fit(X, outcomes)
        inner = best_of(lambda router=router: router.estimators_[0].predict(unseen))
        own = best_of(lambda router=router: router.predict(unseen))
        print(
            f"{type(estimator).__name__}: {own:.4f} s, {own / inner:.2f} x its own ({inner:.4f} s)"
        )
