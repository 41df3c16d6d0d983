"""RM-Softmax: a policy over models, trained to minimise expected regret."""

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.capability._neural import NeuralCapability, _dense, _modules

__all__ = ["RMSoftmax"]

_COST_WEIGHTS = tuple(round(0.01 * step, 2) for step in range(11))


class RMSoftmax(NeuralCapability):
    """Learn a softmax policy over models that minimises expected regret.

    It predicts no capability, but decides itself: its ``decision_function`` takes
    the weight of cost, for which it was trained on a grid. Used with
    ``target="penalised"``.

    Parameters
    ----------
    hidden : tuple of int, default=(256, 256)
        Widths of the hidden layers.
    cost_weights : tuple of float, default=(0.0, 0.01, ..., 0.1)
        Weights of cost that it is trained for.
    max_epochs : int, default=500
        Most passes over the queries.
    lr : float, default=1e-3
        Learning rate of Adam.
    batch_size : int, default=32
        Queries a step.
    early_stopping : bool, default=True
        Whether to stop, at the best weights, where the loss of queries held out
        has not improved for ``patience`` epochs. With fewer than 20 queries,
        none is held out.
    validation_fraction : float, default=0.15
        Share of the queries held out.
    patience : int, default=20
        Epochs without improvement.
    device : {"cpu", "cuda", "auto"}, default="cpu"
        Where to compute; "auto" takes a GPU where there is one.
    callbacks : list or None, default=None
        Further callbacks of skorch, such as ``skorch.callbacks.ProgressBar()``.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches and of what is held out.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net.
    n_iter_ : int
        Epochs trained.
    blocks_ : tuple of str
        What the blocks of y are.
    n_models_ : int
        Models, the columns of a block.
    n_features_in_ : int
        Number of features.

    References
    ----------
    Section "Routers" of arXiv 2606.06924: the loss is ``sum_m softmax(z)_m
    (max_j u_j - u_m)``, with rows repeated for 11 weights of cost from 0 to 0.1.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.capability import RMSoftmax
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(RMSoftmax(max_epochs=5, random_state=0), target="penalised")
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

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

    def decision_function(self, X, cost_weight=0.0):
        """Return the policy's logits.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features.
        cost_weight : float, default=0.0
            Quality given up for a unit of scaled cost.

        Returns
        -------
        ndarray of shape (n_queries, n_models)
            Logits; the highest is the choice.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return self._forward(_with_weight(_dense(X), cost_weight)).astype(np.float64)

    def _train(self, X, blocks, weight):
        if len(self.blocks_) > 2:
            raise ValueError(
                f"RMSoftmax learns from quality and cost, not {self.blocks_}; use "
                "target='penalised'"
            )
        quality = blocks[:, 0]
        cost = blocks[:, 1] if len(self.blocks_) > 1 else np.zeros_like(quality)
        utilities = np.concatenate([quality - value * cost for value in self.cost_weights])
        rows = np.concatenate([_with_weight(X, value) for value in self.cost_weights])
        self._fit_net(
            _modules().PolicyModule,
            _modules().ExpectedRegret,
            rows,
            utilities,
            np.tile(weight, len(self.cost_weights)),
            groups=np.tile(np.arange(len(X)), len(self.cost_weights)),
            module__n_features=X.shape[1],
            module__n_models=self.n_models_,
            module__hidden=tuple(self.hidden),
        )

    def _predict_blocks(self, X):
        logits = self._forward(_with_weight(X, 0.0)).astype(np.float64)
        policy = softmax(logits, axis=1)
        return np.concatenate([policy] + [np.zeros_like(policy)] * (len(self.blocks_) - 1), axis=1)


def _with_weight(X, cost_weight):
    return np.column_stack([X, np.full(len(X), cost_weight, dtype=X.dtype)])
