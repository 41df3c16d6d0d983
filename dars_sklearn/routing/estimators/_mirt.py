"""MIRT: multidimensional item response theory for routing."""

from dars_sklearn.routing.estimators._neural import (
    BaseBlockRegressor,
    document_training,
    torch_modules,
)

__all__ = ["MIRT"]


@document_training
class MIRT(BaseBlockRegressor):  # numpydoc ignore=PR04,PR07
    """Predict capability by multidimensional item response theory.

    The prediction for query ``x`` and model ``m`` is ``sigmoid(theta(x) . a_m - b_m)``. The
    ability ``theta`` is a network of the query's features; the discrimination ``a`` and the
    difficulty ``b`` are learned for each model. Each target block has parameters of its own.

    Parameters
    ----------
    n_latent : int, default=16
        Number of dimensions of the ability.
    hidden : int, default=128
        Width of the hidden layer.
    {training_parameters}

    Attributes
    ----------
    {training_attributes}

    References
    ----------
    Reckase, "Multidimensional Item Response Theory" (2009), as configured in section "Routers"
    of arXiv 2606.06924: cross entropy for quality, squared error for cost, and half the squared
    error for risk.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.routing.estimators import MIRT
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

    def _module_class(self):
        return torch_modules().MIRTModule

    def _module_parameters(self):
        return {"module__n_latent": self.n_latent, "module__hidden": self.hidden}

    def _block_losses(self):
        return ["bce" if block == "quality" else "sigmoid mse" for block in self.blocks_]

    def _block_weights(self):
        return [0.5 if block == "risk" else 1.0 for block in self.blocks_]
