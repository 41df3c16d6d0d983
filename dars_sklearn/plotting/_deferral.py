"""DeferralCurveDisplay: mean score against mean cost."""

from dars_sklearn.evaluate import deferral_curve
from dars_sklearn.metrics import cost_hull
from dars_sklearn.plotting._axes import DARK_GREY, GREY, axes_and_figure, line_style

__all__ = ["DeferralCurveDisplay"]

_CURVE_ID = "deferral curve"


class DeferralCurveDisplay:
    """Mean score of a router against its mean cost, with the single models for comparison.

    Parameters
    ----------
    curve : DeferralCurve
        Mean cost and mean score of the router at each cost weight.
    name : str, default="router"
        Name of the router in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the curve.
    figure_ : matplotlib Figure
        Figure of the axes.
    line_, hull_ : matplotlib Line2D
        The curve and its upper convex hull.

    See Also
    --------
    dars_sklearn.deferral_curve : Compute the curve.
    dars_sklearn.tune_cost_weight : Choose a cost weight from an out-of-fold curve.

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
        """Plot the curve of a fitted router on held-out queries.

        Parameters
        ----------
        router : DistributionalRouter or Pipeline
            Fitted router, or a fitted pipeline that ends in one.
        X : array-like of shape (n_queries, ...)
            Features of the held-out queries, or what the pipeline takes.
        outcomes : Outcomes
            Outcomes of the same queries, with costs.
        name : str, default="router"
            Name of the router in the legend.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display, drawn.
        """
        return cls(deferral_curve(router, X, outcomes), name=name).plot(ax=ax)

    @classmethod
    def from_predictions(cls, curve, *, name="router", ax=None):
        """Plot a curve that has already been computed.

        Parameters
        ----------
        curve : DeferralCurve
            Returned by :func:`~dars_sklearn.deferral_curve`, or the out-of-fold curve in
            ``tune_cost_weight(...).curve``.
        name : str, default="router"
            Name of the router in the legend.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display, drawn.
        """
        return cls(curve, name=name).plot(ax=ax)

    def plot(self, ax=None, *, name=None):
        """Draw the curve, and the single models if the axes do not show them yet.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on, which may show other curves already; None creates a figure.
        name : str or None, default=None
            Name of the router in the legend; None takes the name of the display.

        Returns
        -------
        DeferralCurveDisplay
            The display itself.
        """
        self.ax_, self.figure_ = axes_and_figure(self, ax)
        n_curves = sum(line.get_gid() == _CURVE_ID for line in self.ax_.lines)
        (self.line_,) = self.ax_.plot(
            self.curve.cost, self.curve.score, **line_style(n_curves), linewidth=2,
            label=self.name if name is None else name, gid=_CURVE_ID, zorder=3,
        )  # fmt: skip
        (self.hull_,) = self.ax_.plot(
            *self.curve.hull, color=self.line_.get_color(), linewidth=0.8, alpha=0.6, zorder=2
        )
        if n_curves == 0:
            self._plot_models()
        self.ax_.set(xlabel="mean cost per query", ylabel="mean score")
        self.ax_.legend(loc="lower right", frameon=False)
        return self

    def _plot_models(self):
        ax, models = self.ax_, self.curve.models.dropna()
        mid_cost = (models["cost"].min() + models["cost"].max()) / 2
        ax.plot(
            *cost_hull(models["cost"], models["score"]), color=GREY, linewidth=0.8,
            linestyle=":", label="mixtures of single models", zorder=1,
        )  # fmt: skip
        ax.plot(models["cost"], models["score"], "x", color=DARK_GREY, markersize=6, zorder=2)
        for model, row in models.iterrows():
            ax.annotate(
                str(model), (row["cost"], row["score"]), xytext=(0, -11), fontsize=8,
                color=DARK_GREY, textcoords="offset points",
                ha="left" if row["cost"] <= mid_cost else "right",
            )  # fmt: skip
