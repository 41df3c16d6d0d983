"""RM-Softmax: a softmax policy over models, trained to minimise expected regret."""

from dars_sklearn.routing.estimators._neural import document_training, torch_modules
from dars_sklearn.routing.estimators._policy import BasePolicy

__all__ = ["RMSoftmax"]


@document_training
class RMSoftmax(BasePolicy):  # numpydoc ignore=PR04,PR07
    """Learn a softmax policy over models that minimises expected regret.

    It does not predict capability but has its own decision rule: its ``decision_function`` takes
    the cost weight, and it is trained on a grid of cost weights. It knows nothing beyond that
    grid, and refuses cost weights there. Use it with
    ``target="penalised"`` and ``calibration=None``.

    Parameters
    ----------
    hidden : tuple of int, default=(256, 256)
        Widths of the hidden layers.
    cost_weights : sequence of float or None, default=None
        Cost weights to train on. None uses 11 weights from 0 to 0.1, or to the cost weight that
        is passed to ``fit`` if that is higher; a ``DistributionalRouter`` passes its own.
    {training_parameters}

    Attributes
    ----------
    cost_weights_ : ndarray of float of shape (n_cost_weights,)
        Cost weights that the policy was trained on.
    {training_attributes}

    References
    ----------
    Section "Routers" of arXiv 2606.06924: the loss is ``sum_m softmax(z)_m (max_j u_j - u_m)``,
    and every query is repeated for 11 cost weights, in the released code from 0 to the larger of
    0.1 and the weight in use.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.routing.estimators import RMSoftmax
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(
    ...     RMSoftmax(max_epochs=5, random_state=0), target="penalised", calibration=None
    ... )
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)
    """

    def __init__(
        self,
        hidden=(256, 256),
        cost_weights=None,
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
            hidden, cost_weights, max_epochs, lr, batch_size, early_stopping,
            validation_fraction, patience, device, callbacks, random_state,
        )  # fmt: skip

    def _criterion(self):
        return torch_modules().ExpectedRegret
