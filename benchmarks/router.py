"""Time of a router's prediction, relative to the prediction of its estimator alone.

    python benchmarks/router.py

10,000 queries with 384 dense features, and 20 models. Each time is that of the fastest of five
runs. The seed is 0.
"""

import numpy as np
from _timing import shortest_time
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from dars_sklearn import DistributionalRouter, Outcomes

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X, X_new = rng.normal(size=(2_000, 384)), rng.normal(size=(10_000, 384))
    outcomes = Outcomes.from_array(rng.random((2_000, 20, 5)), costs=rng.random((2_000, 20, 5)))
    for estimator in (KNeighborsRegressor(16, weights="distance"), Ridge()):
        router = DistributionalRouter(estimator).fit(X, outcomes)
        alone = shortest_time(lambda router=router: router.estimators_[0].predict(X_new), 5)
        routing = shortest_time(lambda router=router: router.predict(X_new), 5)
        print(
            f"{type(estimator).__name__}: {routing:.4f} s, {routing / alone:.2f} x the estimator "
            f"alone ({alone:.4f} s)"
        )
