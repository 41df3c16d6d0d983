"""CapabilityDisplay: quality and risk of each model on each query."""

import numpy as np

from dars_sklearn.plotting._axes import axes_and_figure
from dars_sklearn.routing._pipeline import final_step, transform_features

__all__ = ["CapabilityDisplay"]


class CapabilityDisplay:
    """Maps of the quality and the risk of each model on each query.

    Parameters
    ----------
    quality, risk : ndarray of shape (n_queries, n_models)
        Quality and risk of each (query, model) pair.
    models : array-like of shape (n_models,)
        Names of the models.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        Axes of the map of quality and of the map of risk.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    LabelNoiseDisplay : How noisy the labels are that capability is made of.

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
        """Plot the capability that a fitted router predicts.

        Parameters
        ----------
        router : DistributionalRouter or Pipeline
            Fitted router with ``target="capability"``, or a fitted pipeline that ends in one.
        X : array-like of shape (n_queries, ...)
            Features of the queries, or what the pipeline takes.
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        CapabilityDisplay
            The display, drawn.
        """
        final = final_step(router)
        capability = final.predict_capability(transform_features(router, X))
        return cls(capability.quality, capability.risk, final.models_).plot(ax=ax)

    @classmethod
    def from_predictions(cls, capability, *, models=None, ax=None):
        """Plot capability that was predicted, or aggregated from outcomes.

        Parameters
        ----------
        capability : Capability or PredictedCapability
            Returned by ``OutcomeAggregator.aggregate`` or
            ``DistributionalRouter.predict_capability``.
        models : array-like of shape (n_models,) or None, default=None
            Names of the models; None takes those of the capability, or numbers if it has none.
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        CapabilityDisplay
            The display, drawn.
        """
        if models is None:
            models = getattr(capability, "models", np.arange(capability.quality.shape[1]))
        return cls(capability.quality, capability.risk, models).plot(ax=ax)

    def plot(self, ax=None):
        """Draw one row per model and one column per query, sorted by mean quality.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        CapabilityDisplay
            The display itself.
        """
        height = 1.2 + 0.5 * len(self.models)
        self.axes_, self.figure_ = axes_and_figure(
            self, ax, nrows=2, figsize=(7, height), sharex=True
        )
        hardest_first = np.argsort(self.quality.mean(axis=1), kind="stable")
        self._plot_map(self.axes_[0], self.quality[hardest_first], "quality")
        self._plot_map(self.axes_[1], self.risk[hardest_first], "risk")
        self.axes_[1].set_xlabel("queries, hardest first")
        return self

    def _plot_map(self, ax, values, title):
        image = ax.imshow(
            values.T, aspect="auto", cmap="Greys", interpolation="nearest",
            vmin=min(0.0, values.min()), vmax=max(values.max(), 1e-9),
        )  # fmt: skip
        ax.set_yticks(range(len(self.models)), [str(model) for model in self.models])
        ax.tick_params(labelsize=8)
        ax.set_title(title, fontsize=10)
        self.figure_.colorbar(image, ax=ax, pad=0.01)
