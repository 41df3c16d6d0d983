"""Models x queries."""

import numpy as np

from dars_sklearn.evaluate._routers import features_of, final_router
from dars_sklearn.plotting._axes import axes_for

__all__ = ["CapabilityDisplay"]


class CapabilityDisplay:
    """Quality, and its spread, of each model on each query.

    Parameters
    ----------
    quality, risk : ndarray of shape (n_queries, n_models)
        Capability.
    models : array-like of shape (n_models,)
        Model names.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        The two maps.
    figure_ : matplotlib Figure
        The figure of them.

    Examples
    --------
    >>> from dars_sklearn import CapabilityDisplay, OutcomeAggregator
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> outcomes = make_routing_outcomes(50, 3, random_state=0).outcomes
    >>> capability = OutcomeAggregator().fit(outcomes).aggregate(outcomes)
    >>> display = CapabilityDisplay.from_predictions(capability)
    >>> display.axes_[0].get_title()
    'quality'
    """

    def __init__(self, quality, risk, models):
        self.quality = quality
        self.risk = risk
        self.models = models

    @classmethod
    def from_estimator(cls, router, X, *, ax=None):
        """Draw what a fitted router predicts.

        Parameters
        ----------
        router : DistributionalRouter, or Pipeline that ends in one
            Fitted, with ``target="capability"``.
        X : array-like of shape (n_queries, ...)
            Queries, or their features.
        ax : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        CapabilityDisplay
            The display.
        """
        final = final_router(router)
        capability = final.predict_capability(features_of(router, X))
        return cls(capability.quality, capability.risk, final.models_).plot(ax=ax)

    @classmethod
    def from_predictions(cls, capability, *, models=None, ax=None):
        """Draw capability that was predicted, or aggregated from outcomes.

        Parameters
        ----------
        capability : Capability or PredictedCapability
            From ``OutcomeAggregator.aggregate`` or ``predict_capability``.
        models : array-like of shape (n_models,), default=None
            Model names, where the capability does not tell.
        ax : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        CapabilityDisplay
            The display.
        """
        if models is None:
            models = getattr(capability, "models", np.arange(capability.quality.shape[1]))
        return cls(capability.quality, capability.risk, models).plot(ax=ax)

    def plot(self, ax=None):
        """Draw it: a row a model, a column a query, from the hardest to the easiest.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        CapabilityDisplay
            The display itself.
        """
        height = 1.2 + 0.5 * len(self.models)
        self.axes_, self.figure_ = axes_for(
            self, ax, nrows=2, ncols=1, figsize=(7, height), sharex=True
        )
        order = np.argsort(self.quality.mean(axis=1), kind="stable")
        for axes, table, title in zip(
            self.axes_, (self.quality, self.risk), ("quality", "risk"), strict=True
        ):
            image = axes.imshow(
                table[order].T, aspect="auto", cmap="Greys", interpolation="nearest",
                vmin=min(0.0, table.min()), vmax=max(table.max(), 1e-9),
            )  # fmt: skip
            axes.set_yticks(range(len(self.models)), [str(model) for model in self.models])
            axes.tick_params(labelsize=8)
            axes.set_title(title, fontsize=10)
            self.figure_.colorbar(image, ax=axes, pad=0.01)
        self.axes_[-1].set_xlabel("queries, hardest first")
        return self
