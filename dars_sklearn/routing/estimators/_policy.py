"""Base class of policies: networks that score the models at a given cost weight."""

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.routing.estimators._neural import BaseNeuralEstimator, to_dense, torch_modules
from dars_sklearn.utility._costs import check_cost_weight

__all__ = ["BasePolicy"]

_LOWEST_MAXIMUM = 0.1
_N_COST_WEIGHTS = 11


class BasePolicy(BaseNeuralEstimator):
    """Base class of policies, which have their own decision rule.

    The input of the network is the features of a query and a cost weight, its output is one score
    per model. Every query is repeated for a grid of cost weights, so that the weight can be
    changed after fit, within the grid. A subclass defines ``_criterion()``, the loss of scores
    given utilities.
    """

    _max_blocks = 2

    def __init__(
        self, hidden, cost_weights, max_epochs, lr, batch_size, early_stopping,
        validation_fraction, patience, device, callbacks, random_state,
    ):  # fmt: skip
        super().__init__(
            max_epochs, lr, batch_size, early_stopping, validation_fraction, patience, device,
            callbacks, random_state,
        )  # fmt: skip
        self.hidden = hidden
        self.cost_weights = cost_weights

    def fit(self, X, y, sample_weight=None, *, blocks=None, models=None, cost_weight=None):
        """Train the policy.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : array-like of shape (n_queries,) or (n_queries, n_blocks * n_models)
            Targets: the target blocks side by side, each with one column per model.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weight of each query in the loss.
        blocks : sequence of str or None, default=None
            Names of the target blocks, ("quality",) or ("quality", "cost"); None treats all
            columns as quality. A ``DistributionalRouter`` passes them.
        models : array-like of shape (n_models,) or None, default=None
            Names of the models. A ``DistributionalRouter`` passes them.
        cost_weight : float or None, default=None
            Cost weight that will be used, which the grid has to reach. A
            ``DistributionalRouter`` passes its own.

        Returns
        -------
        object
            The fitted estimator itself.

        Raises
        ------
        ImportError
            If torch or skorch is not installed.
        ValueError
            If the columns of y do not match blocks and models, if there is a block besides
            quality and cost, or if ``cost_weights`` does not reach the cost weight.
        """
        self.cost_weights_ = self._make_cost_weights(cost_weight)
        return super().fit(X, y, sample_weight, blocks=blocks, models=models)

    def decision_function(self, X, cost_weight=0.05):
        """Return the scores of the models.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        cost_weight : float, default=0.05
            Weight of the scaled cost in the utility.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Scores; the policy chooses the model with the highest.

        Raises
        ------
        ValueError
            If the cost weight is outside the grid that the policy was trained on.
        """
        check_cost_weight(cost_weight)
        check_is_fitted(self)
        self._check_within_grid(cost_weight)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return self._scores(to_dense(X), cost_weight)

    def _make_cost_weights(self, cost_weight):
        """Return the cost weights to train on, which have to reach the one in use."""
        if cost_weight is not None:
            check_cost_weight(cost_weight)
        if self.cost_weights is None:
            maximum = max(_LOWEST_MAXIMUM, cost_weight or 0.0)
            return np.linspace(0, maximum, _N_COST_WEIGHTS)
        if len(self.cost_weights) == 0:
            raise ValueError("cost_weights must not be empty; use None for the default grid")
        for value in self.cost_weights:
            check_cost_weight(value)
        grid = np.sort(np.asarray(self.cost_weights, dtype=float))
        if cost_weight is not None and not grid[0] <= cost_weight <= grid[-1]:
            raise ValueError(
                f"cost_weight={cost_weight:g} is outside the cost weights to train on, from "
                f"{grid[0]:g} to {grid[-1]:g}; let cost_weights reach it, or use cost_weights=None"
            )
        return grid

    def _check_within_grid(self, cost_weight):
        """Refuse cost weights to which the policy would have to be extrapolated."""
        low, high = self.cost_weights_[[0, -1]]
        if not low <= cost_weight <= high:
            raise ValueError(
                f"cost_weight={cost_weight:g} is outside the cost weights that this policy was "
                f"trained on, from {low:g} to {high:g}; fit it again with this cost weight, or "
                "with cost_weights that reach it"
            )

    def _train(self, X, targets, weight):
        quality = targets[:, 0]
        cost = targets[:, 1] if len(self.blocks_) > 1 else np.zeros_like(quality)
        n_repeats = len(self.cost_weights_)
        self._fit_network(
            torch_modules().PolicyModule,
            self._criterion(),
            np.concatenate([_append_cost_weight(X, value) for value in self.cost_weights_]),
            np.concatenate([quality - value * cost for value in self.cost_weights_]),
            np.tile(weight, n_repeats),
            groups=np.tile(np.arange(len(X)), n_repeats),
            module__n_features=X.shape[1],
            module__n_models=self.n_models_,
            module__hidden=tuple(self.hidden),
        )

    def _predict_targets(self, X):
        """Return the policy at the lowest cost weight as quality, and a cost of zero."""
        policy = softmax(self._scores(X, self.cost_weights_[0]), axis=1)
        return np.concatenate([policy] + [np.zeros_like(policy)] * (len(self.blocks_) - 1), axis=1)

    def _scores(self, X, cost_weight):
        """Return the output of the network."""
        return self.net_.predict(_append_cost_weight(X, cost_weight)).astype(np.float64)


def _append_cost_weight(X, cost_weight):
    """Append the cost weight to the features, as a last column."""
    return np.column_stack([X, np.full(len(X), cost_weight, dtype=X.dtype)])
