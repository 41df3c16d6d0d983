"""Mean score against mean cost."""

from dars_sklearn.evaluate import deferral_curve
from dars_sklearn.metrics import cost_hull
from dars_sklearn.plotting._axes import DASHES, INK, SOFT, axes_for

__all__ = ["DeferralCurveDisplay"]


class DeferralCurveDisplay:
    """Mean score against mean cost, beside the single models.

    Parameters
    ----------
    curve : DeferralCurve
        The curve.
    name : str, default="router"
        Its name in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of that.
    line_, hull_ : matplotlib artist
        The curve, and its hull.

    Examples
    --------
    >>> from dars_sklearn import DeferralCurveDisplay, DistributionalRouter
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(100, 3, random_state=0)
    >>> router = DistributionalRouter().fit(data.X[:50], data.outcomes[:50])
    >>> display = DeferralCurveDisplay.from_estimator(router, data.X[50:], data.outcomes[50:])
    >>> display.ax_.get_ylabel()
    'mean score'
    """

    def __init__(self, curve, *, name="router"):
        self.curve = curve
        self.name = name

    @classmethod
    def from_estimator(cls, router, X, outcomes, *, name="router", ax=None):
        """Draw the curve of a fitted router on queries that it has not seen.

        Parameters
        ----------
        router : DistributionalRouter, or Pipeline that ends in one
            Fitted.
        X : array-like of shape (n_queries, ...)
            Queries, or their features.
        outcomes : Outcomes
            Their outcomes, with costs.
        name : str, default="router"
            Name in the legend.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display.
        """
        return cls(deferral_curve(router, X, outcomes), name=name).plot(ax=ax)

    @classmethod
    def from_predictions(cls, curve, *, name="router", ax=None):
        """Draw a curve that was computed before.

        Parameters
        ----------
        curve : DeferralCurve
            As :func:`deferral_curve` gives it, or ``tune_cost_weight(...).curve``,
            which is out of fold.
        name : str, default="router"
            Name in the legend.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display.
        """
        return cls(curve, name=name).plot(ax=ax)

    def plot(self, ax=None, *, name=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        name : str or None, default=None
            Name in the legend, if another.

        Returns
        -------
        DeferralCurveDisplay
            The display itself.
        """
        self.ax_, self.figure_ = axes_for(self, ax)
        ax = self.ax_
        n_before = len([line for line in ax.lines if line.get_gid() == "deferral"])
        dash = DASHES[n_before % len(DASHES)]
        colour = f"C{n_before}"
        (self.line_,) = ax.plot(
            self.curve.cost, self.curve.score, color=colour, linestyle=dash, linewidth=2,
            label=self.name if name is None else name, gid="deferral", zorder=3,
        )  # fmt: skip
        (self.hull_,) = ax.plot(*self.curve.hull, color=colour, linewidth=0.8, alpha=0.6, zorder=2)
        if n_before == 0:
            self._plot_models(ax)
        ax.set(xlabel="mean cost of a query", ylabel="mean score")
        ax.legend(loc="lower right", frameon=False)
        return self

    def _plot_models(self, ax):
        models = self.curve.models.dropna()
        middle = (models["cost"].min() + models["cost"].max()) / 2
        ax.plot(
            *cost_hull(models["cost"], models["score"]), color=SOFT, linewidth=0.8,
            linestyle=":", label="mixtures of single models", zorder=1,
        )  # fmt: skip
        ax.plot(models["cost"], models["score"], "x", color=INK, markersize=6, zorder=2)
        for model, row in models.iterrows():
            ax.annotate(
                str(model), (row["cost"], row["score"]), xytext=(0, -11), fontsize=8, color=INK,
                textcoords="offset points", ha="left" if row["cost"] <= middle else "right",
            )  # fmt: skip
