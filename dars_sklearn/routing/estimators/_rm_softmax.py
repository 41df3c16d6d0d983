"""RM-Softmax: a softmax policy over models, trained to minimise expected regret."""

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.routing.estimators._neural import (
    BaseNeuralEstimator,
    document_training,
    to_dense,
    torch_modules,
)
from dars_sklearn.utility._costs import check_cost_weight

__all__ = ["RMSoftmax"]

_COST_WEIGHTS = tuple(round(0.01 * step, 2) for step in range(11))


@document_training
class RMSoftmax(BaseNeuralEstimator):  # numpydoc ignore=PR04,PR07
    """Learn a softmax policy over models that minimises expected regret.

    It does not predict capability but has its own decision rule: its ``decision_function`` takes
    the cost weight, and it is trained on a grid of cost weights. Use it with
    ``target="penalised"``.

    Parameters
    ----------
    hidden : tuple of int, default=(256, 256)
        Widths of the hidden layers.
    cost_weights : tuple of float, default=(0.0, 0.01, ..., 0.1)
        Cost weights to train on.
    {training_parameters}

    Attributes
    ----------
    {training_attributes}

    References
    ----------
    Section "Routers" of arXiv 2606.06924: the loss is ``sum_m softmax(z)_m (max_j u_j - u_m)``,
    and every query is repeated for 11 cost weights from 0 to 0.1.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.routing.estimators import RMSoftmax
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(RMSoftmax(max_epochs=5, random_state=0), target="penalised")
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

    _max_blocks = 2

    def __init__(
        self,
        hidden=(256, 256),
        cost_weights=_COST_WEIGHTS,
        *,
        max_epochs=500,
        lr=1e-3,
        batch_size=32,
        early_stopping=True,
        validation_fraction=0.15,
        patience=20,
        device="cpu",
        callbacks=None,
        random_state=None,
    ):
        super().__init__(
            max_epochs, lr, batch_size, early_stopping, validation_fraction, patience, device,
            callbacks, random_state,
        )  # fmt: skip
        self.hidden = hidden
        self.cost_weights = cost_weights

    def decision_function(self, X, cost_weight=0.05):
        """Return the logits of the policy.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        cost_weight : float, default=0.05
            Weight of the scaled cost in the utility.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Logits; the policy chooses the model with the highest.
        """
        check_cost_weight(cost_weight)
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return self._logits(to_dense(X), cost_weight)

    def _train(self, X, targets, weight):
        for cost_weight in self.cost_weights:
            check_cost_weight(cost_weight)
        quality = targets[:, 0]
        cost = targets[:, 1] if len(self.blocks_) > 1 else np.zeros_like(quality)
        n_repeats = len(self.cost_weights)
        self._fit_network(
            torch_modules().PolicyModule,
            torch_modules().ExpectedRegret,
            np.concatenate([_append_cost_weight(X, value) for value in self.cost_weights]),
            np.concatenate([quality - value * cost for value in self.cost_weights]),
            np.tile(weight, n_repeats),
            groups=np.tile(np.arange(len(X)), n_repeats),
            module__n_features=X.shape[1],
            module__n_models=self.n_models_,
            module__hidden=tuple(self.hidden),
        )

    def _predict_targets(self, X):
        """Return the policy at no cost weight as quality, and a cost of zero."""
        policy = softmax(self._logits(X, 0.0), axis=1)
        return np.concatenate([policy] + [np.zeros_like(policy)] * (len(self.blocks_) - 1), axis=1)

    def _logits(self, X, cost_weight):
        return self.net_.predict(_append_cost_weight(X, cost_weight)).astype(np.float64)


def _append_cost_weight(X, cost_weight):
    """Append the cost weight to the features, as a last column."""
    return np.column_stack([X, np.full(len(X), cost_weight, dtype=X.dtype)])
