"""EmbedLLM: a learned embedding of each model, and a projected query."""

import numpy as np

from dars_sklearn.capability._neural import BlockRegressor, _modules

__all__ = ["EmbedLLM"]


class EmbedLLM(BlockRegressor):
    """Learn an embedding of each model, and score it against the projected query.

    Quality is ``sigmoid(<q, e_m> + b_m)`` of the query projected to ``dim``; cost
    is linear in the model's embedding alone, so it is the same for every query.
    Used with ``target="penalised"``, since it knows no risk.

    Parameters
    ----------
    dim : int, default=256
        Length of an embedding.
    noise : float, default=0.05
        Deviation of the noise added to both embeddings in training.
    clip : bool, default=False
        Whether targets are cut to [0, 1], as the paper does, or mapped to it and
        back where they lie outside.
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
    Zhuang et al., "EmbedLLM", arXiv 2410.02223, as section "Routers" of arXiv
    2606.06924 sets it up: cross entropy on quality, squared error on cost.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.capability import EmbedLLM
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(EmbedLLM(max_epochs=5, random_state=0), target="penalised")
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

    def __init__(
        self,
        dim=256,
        noise=0.05,
        clip=False,
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
        self.dim = dim
        self.noise = noise
        self.clip = clip

    def _train(self, X, blocks, weight):
        super()._train(X, np.clip(blocks, 0, 1) if self.clip else blocks, weight)

    def _module(self):
        return _modules().EmbedLLMModule

    def _module_parameters(self):
        return {"module__dim": self.dim, "module__noise": self.noise}

    def _losses(self):
        if len(self.blocks_) > 2:
            raise ValueError(
                f"EmbedLLM learns quality and cost, not {self.blocks_}; use target='penalised'"
            )
        return ["bce", "mse"][: len(self.blocks_)], [1.0] * len(self.blocks_)
