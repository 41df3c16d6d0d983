"""EmbedLLM: learned model embeddings that are compared with the projected query."""

import numpy as np

from dars_sklearn.routing.estimators._neural import (
    BaseBlockRegressor,
    document_training,
    torch_modules,
)

__all__ = ["EmbedLLM"]


@document_training
class EmbedLLM(BaseBlockRegressor):  # numpydoc ignore=PR04,PR07
    """Learn an embedding of each model and compare it with the projected query.

    Quality is ``sigmoid(<q, e_m> + b_m)``, where ``q`` is the query projected to ``dim``
    dimensions and ``e_m`` the embedding of model ``m``. Cost is linear in the model's embedding
    alone, so it is the same for every query. Use it with ``target="penalised"``, since it does
    not predict risk.

    Parameters
    ----------
    dim : int, default=256
        Number of dimensions of the embeddings.
    noise : float, default=0.05
        Standard deviation of the Gaussian noise added to both embeddings during training.
    clip : bool, default=False
        Whether to clip targets to [0, 1], as the paper does. Otherwise a target block with values
        outside [0, 1] is scaled to that interval, and its predictions are scaled back.
    {training_parameters}

    Attributes
    ----------
    {training_attributes}

    References
    ----------
    Zhuang et al., "EmbedLLM", arXiv 2410.02223, as configured in section "Routers" of arXiv
    2606.06924: cross entropy for quality, squared error for cost.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.routing.estimators import EmbedLLM
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(EmbedLLM(max_epochs=5, random_state=0), target="penalised")
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

    _max_blocks = 2

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

    def _train(self, X, targets, weight):
        super()._train(X, np.clip(targets, 0, 1) if self.clip else targets, weight)

    def _module_class(self):
        return torch_modules().EmbedLLMModule

    def _module_parameters(self):
        return {"module__dim": self.dim, "module__noise": self.noise}

    def _block_losses(self):
        return ["bce", "mse"][: len(self.blocks_)]
