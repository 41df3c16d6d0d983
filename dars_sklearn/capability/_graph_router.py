"""GraphRouter: an edge between a query and the description of a model."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from dars_sklearn.capability._neural import BlockRegressor, _modules

__all__ = ["GraphRouter"]


class GraphRouter(BlockRegressor):
    """Predict the edge between a query and the description of a model.

    Query and description are projected to ``dim`` each; of both, their product
    and their distance, a network predicts all blocks at once. There is no message
    passing, as there is none in the released code of the paper.

    Parameters
    ----------
    descriptions : dict or None, default=None
        For each model its description: a text, or a vector of features. None
        tells models apart, and nothing more.
    dim : int, default=128
        Length of a projection.
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
    Feng et al., "GraphRouter", arXiv 2410.03834, as section "Routers" of arXiv
    2606.06924 sets it up: squared error on quality, cost and risk.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.capability import GraphRouter
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(GraphRouter(max_epochs=5, random_state=0))
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

    def __init__(
        self,
        descriptions=None,
        dim=128,
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
        self.descriptions = descriptions
        self.dim = dim

    def _module(self):
        return _modules().GraphRouterModule

    def _module_parameters(self):
        return {"module__descriptions": self._describe(), "module__dim": self.dim}

    def _describe(self):
        """Features of the models' descriptions, a row a model."""
        if self.descriptions is None:
            return np.eye(self.n_models_, dtype=np.float32)
        missing = [name for name in self._models.tolist() if name not in self.descriptions]
        if missing:
            raise ValueError(f"descriptions lacks the models {missing}")
        described = [self.descriptions[name] for name in self._models.tolist()]
        if all(isinstance(text, str) for text in described):
            described = TfidfVectorizer().fit_transform(described).toarray()
        return np.asarray(described, dtype=np.float32)

    def _losses(self):
        return ["mse"] * len(self.blocks_), [1.0] * len(self.blocks_)
