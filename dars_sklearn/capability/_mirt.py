"""MIRT: multidimensional item response theory, with queries as examinees of models."""

from dars_sklearn.capability._neural import BlockRegressor, _modules

__all__ = ["MIRT"]


class MIRT(BlockRegressor):
    """Predict each model by multidimensional item response theory.

    ``sigmoid(theta(x) . a_m - b_m)``, with the ability ``theta`` a network of the
    query, and discrimination ``a`` and difficulty ``b`` learnt for each model; a
    head of its own for quality, cost and risk.

    Parameters
    ----------
    n_latent : int, default=16
        Dimensions of the ability.
    hidden : int, default=128
        Width of the hidden layer.
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
    Reckase, "Multidimensional Item Response Theory" (2009), as section "Routers"
    of arXiv 2606.06924 sets it up: cross entropy on quality, squared error on
    cost, half the squared error on risk.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.capability import MIRT
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(MIRT(max_epochs=5, random_state=0))
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

    def __init__(
        self,
        n_latent=16,
        hidden=128,
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
        self.n_latent = n_latent
        self.hidden = hidden

    def _module(self):
        return _modules().MIRTModule

    def _module_parameters(self):
        return {"module__n_latent": self.n_latent, "module__hidden": self.hidden}

    def _losses(self):
        losses = ["bce" if block == "quality" else "sigmoid mse" for block in self.blocks_]
        return losses, [0.5 if block == "risk" else 1.0 for block in self.blocks_]
