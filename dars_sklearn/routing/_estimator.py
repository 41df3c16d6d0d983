"""The estimator inside a router: its default, its seeds, and the rows of its fit parameters."""

from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

from dars_sklearn.routing.estimators import NeighborsRegressorCV

__all__ = ["make_estimator", "make_seeds", "params_of_rows", "with_seed"]


def make_estimator(estimator):
    """Clone an estimator, or create the default one."""
    return NeighborsRegressorCV() if estimator is None else clone(estimator)


def make_seeds(random_state, n):
    """Draw a number of seeds; each is None without a random state."""
    if random_state is None:
        return [None] * n
    return check_random_state(random_state).randint(2**31 - 1, size=n).tolist()


def with_seed(estimator, seed):
    """Set the random states of an estimator and of the steps in it."""
    if seed is not None:
        names = [
            name
            for name in estimator.get_params()
            if name == "random_state" or name.endswith("__random_state")
        ]
        estimator.set_params(**dict.fromkeys(names, seed))
    return estimator


def params_of_rows(fit_params, n_queries, rows):
    """Select the rows of fit parameters that have one value per query."""
    selected = {}
    for name, values in fit_params.items():
        if hasattr(values, "shape"):
            n_values = values.shape[0] if values.shape else None
        else:
            n_values = len(values) if isinstance(values, (list, tuple)) else None
        selected[name] = _safe_indexing(values, rows) if n_values == n_queries else values
    return selected
