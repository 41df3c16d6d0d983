"""EquiRouter: a policy over models, trained to rank them."""

from dars_sklearn.routing.estimators._neural import document_training, torch_modules
from dars_sklearn.routing.estimators._policy import BasePolicy

__all__ = ["EquiRouter"]


@document_training
class EquiRouter(BasePolicy):  # numpydoc ignore=PR04,PR07
    """Learn to rank the models by utility, from all pairs of them.

    A regression that predicts scores well may still order two good models wrongly, and the
    highest of many noisy predictions is often that of the most expensive model (routing
    collapse). Here only the order counts: of every pair of models that differ in utility, the
    better one should have the higher score. Of two models of equal quality that is the cheaper
    one, at every cost weight above 0.

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

    See Also
    --------
    RMSoftmax : The same network, trained to minimise expected regret.
    dars_sklearn.metrics.routing_collapse_index : Measures how often a router collapses.

    Notes
    -----
    The loss of a query is the mean of ``softplus(z_j - z_i)`` over all ordered pairs of models in
    which model ``i`` has the higher utility. The network and the grid of cost weights are those
    of :class:`RMSoftmax`, and not those of the publication, so that one fit serves all cost
    weights of the grid.

    References
    ----------
    Lai and Ye, "When Routing Collapses", arXiv 2602.03478: the pairwise ranking loss.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.routing.estimators import EquiRouter
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(
    ...     EquiRouter(max_epochs=5, random_state=0), target="penalised", calibration=None
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
        return torch_modules().PairwiseRanking
