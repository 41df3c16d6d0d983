"""DeferralCurveDisplay: mean score against mean cost."""

from itertools import cycle

import numpy as np
from scipy.stats import norm

from dars_sklearn.evaluate import deferral_curve
from dars_sklearn.evaluate._cost_comparison import describe_max_loss
from dars_sklearn.metrics import cost_hull
from dars_sklearn.plotting._axes import (
    DARK_GREY,
    GREY,
    MARKERS,
    axes_and_figure,
    line_style,
    with_unit,
    written_labels,
)
from dars_sklearn.utility._scores import score_width

__all__ = ["DeferralCurveDisplay"]

_CURVE_ID = "deferral curve"
_LEVEL = 0.95
# Above this number of models, only those on the hull are named.
_MOST_NAMED_MODELS = 12
_LONGEST_MODEL_NAME = 24


class DeferralCurveDisplay:
    """Mean score of a router against its mean cost, with the single models for comparison.

    Parameters
    ----------
    curve : DeferralCurve
        Mean cost and mean score of the router at each cost weight.
    name : str, default="router"
        Name of the router in the legend.
    choice : CostWeightChoice or None, default=None
        A cost weight to mark, with the intervals of its cost and score. None marks the cost
        weight that the router of the curve has, if the curve knows it.
    cost_unit : str or None, default=None
        Unit of the costs, such as "USD".
    cost_at_quality : CostAtQuality or None, default=None
        Cost of the router at the quality of the best single model, to mark: the score of that
        model less each loss as a horizontal line, and the router's point for it with the
        intervals of both differences. These take the place of the mark of a cost weight.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the curve.
    figure_ : matplotlib Figure
        Figure of the axes.
    line_, hull_ : matplotlib Line2D
        The curve and its upper convex hull.
    band_ : matplotlib PolyCollection or None
        The 95 % interval of the mean score over queries; None if the curve has no standard
        errors.
    mark_ : matplotlib Line2D or None
        The point of the chosen or current cost weight; None if neither is known.
    quality_marks_ : list of matplotlib Line2D
        The points of the cost at quality, one per loss at which some cost weight was chosen.

    See Also
    --------
    dars_sklearn.deferral_curve : Compute the curve.
    dars_sklearn.tune_cost_weight : Choose a cost weight from an out-of-fold curve.
    dars_sklearn.cost_at_quality : Measure the cost at the quality of the best single model.

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

    def __init__(self, curve, *, name="router", choice=None, cost_unit=None, cost_at_quality=None):
        self.curve = curve
        self.name = name
        self.choice = choice
        self.cost_unit = cost_unit
        self.cost_at_quality = cost_at_quality

    @classmethod
    def from_estimator(
        cls, router, X, outcomes, *, name="router", missing="raise", cost_unit=None, ax=None
    ):
        """Plot the curve of a fitted router on held-out queries, and mark its cost weight.

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
        missing : {"raise", "skip"}, default="raise"
            Whether a routed (query, model) pair without outcomes is an error, as in
            :func:`~dars_sklearn.deferral_curve`.
        cost_unit : str or None, default=None
            Unit of the costs, such as "USD".
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display, drawn.
        """
        curve = deferral_curve(router, X, outcomes, missing=missing)
        return cls(curve, name=name, cost_unit=cost_unit).plot(ax=ax)

    @classmethod
    def from_predictions(cls, curve, *, name="router", cost_unit=None, ax=None):
        """Plot a curve that has already been computed.

        Parameters
        ----------
        curve : DeferralCurve
            Returned by :func:`~dars_sklearn.deferral_curve`.
        name : str, default="router"
            Name of the router in the legend.
        cost_unit : str or None, default=None
            Unit of the costs, such as "USD".
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display, drawn.
        """
        return cls(curve, name=name, cost_unit=cost_unit).plot(ax=ax)

    @classmethod
    def from_choice(cls, choice, *, name="router", cost_unit=None, ax=None):
        """Plot the out-of-fold curve from which a cost weight was chosen, and mark the choice.

        Parameters
        ----------
        choice : CostWeightChoice
            Returned by :func:`~dars_sklearn.tune_cost_weight`.
        name : str, default="router"
            Name of the router in the legend.
        cost_unit : str or None, default=None
            Unit of the costs, such as "USD".
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display, drawn.

        Examples
        --------
        >>> from dars_sklearn import DeferralCurveDisplay, DistributionalRouter, tune_cost_weight
        >>> from dars_sklearn.datasets import make_routing_outcomes
        >>> data = make_routing_outcomes(200, 3, random_state=0)
        >>> choice = tune_cost_weight(DistributionalRouter(), data.X, data.outcomes, budget=4.0)
        >>> display = DeferralCurveDisplay.from_choice(choice)
        >>> bool(display.mark_.get_xdata()[0] == choice.cost[0])
        True
        """
        return cls(choice.curve, name=name, choice=choice, cost_unit=cost_unit).plot(ax=ax)

    @classmethod
    def from_cost_at_quality(cls, result, *, name="router", cost_unit=None, ax=None):
        """Plot the held-out curve, and mark the cost at the quality of the best single model.

        Parameters
        ----------
        result : CostAtQuality
            Returned by :func:`~dars_sklearn.cost_at_quality`; a report of
            :func:`~dars_sklearn.evaluate_router` has it as ``cost_at_quality``.
        name : str, default="router"
            Name of the router in the legend.
        cost_unit : str or None, default=None
            Unit of the costs, such as "USD".
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        DeferralCurveDisplay
            The display, drawn.

        Examples
        --------
        >>> from dars_sklearn import DeferralCurveDisplay, DistributionalRouter, cost_at_quality
        >>> from dars_sklearn.datasets import make_routing_outcomes
        >>> data = make_routing_outcomes(200, 3, interaction=2.0, random_state=0)
        >>> result = cost_at_quality(DistributionalRouter(), data.X, data.outcomes)
        >>> display = DeferralCurveDisplay.from_cost_at_quality(result)
        >>> bool(display.quality_marks_[0].get_xdata()[0] == result.get(0.0).cost)
        True
        """
        display = cls(result.curve, name=name, cost_unit=cost_unit, cost_at_quality=result)
        return display.plot(ax=ax)

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
        label = written_labels([self.name if name is None else name])[0]
        label = f" {label}" if label.startswith("_") else label  # or matplotlib leaves it out
        if not self.ax_.get_title():
            self.ax_.set_title(self._title(), fontsize=10)
        elif self.ax_.get_title() != self._title() and self.curve.evaluated_on:
            label = f"{label} (on {self.curve.evaluated_on})"  # the title is that of another curve
        marker = {"marker": "."} if len(self.curve.cost) == 1 else {}
        (self.line_,) = self.ax_.plot(
            self.curve.cost, self.curve.score, **line_style(n_curves), linewidth=2, label=label,
            gid=_CURVE_ID, zorder=3, **marker,
        )  # fmt: skip
        known = ~np.isnan([self.curve.cost, self.curve.score]).any(axis=0)
        hull = (
            cost_hull(self.curve.cost[known], self.curve.score[known]) if known.any() else ([], [])
        )
        (self.hull_,) = self.ax_.plot(
            *hull, color=self.line_.get_color(), linewidth=0.8, alpha=0.6, zorder=2
        )
        self.band_ = self._plot_band("" if n_curves else f"{_LEVEL:.0%} interval over queries")
        self.mark_ = self._plot_mark(MARKERS[n_curves % len(MARKERS)])
        self.quality_marks_ = self._plot_quality_marks()
        if n_curves == 0:
            self._plot_models()
        self.ax_.set(xlabel=with_unit("mean cost per query", self.cost_unit), ylabel="mean score")
        self.ax_.margins(y=0.08)
        self.ax_.legend(loc="best", frameon=False, fontsize=8)
        return self

    def _title(self):
        """Return what the curve was computed from, and what was chosen from it."""
        lines = ["score against cost"]
        if self.curve.evaluated_on:
            lines[0] += f" on {self.curve.evaluated_on}"
        if self.choice is not None:
            lines.append(f"chosen for {self.choice.promise} at {self.choice.confidence:.0%}")
        return "\n".join(lines)

    def _plot_band(self, label):
        """Draw the interval of the mean score at each point, if its standard error is known."""
        curve = self.curve
        if curve.score_error is None:
            return None
        half_width = norm.ppf((1 + _LEVEL) / 2) * curve.score_error
        order = np.argsort(curve.cost, kind="stable")
        points = [
            values[order]
            for values in (curve.cost, curve.score - half_width, curve.score + half_width)
        ]
        style = {"color": self.line_.get_color(), "alpha": 0.15, "zorder": 1}
        if len(order) == 1:  # a band has no width there
            self.ax_.vlines(*points, linewidth=5, **style)
        return self.ax_.fill_between(*points, linewidth=0, label=label, **style)

    def _plot_mark(self, marker):
        """Draw the point of the chosen, or else of the router's own, cost weight."""
        if self.cost_at_quality is not None:
            return None
        if self.choice is not None:
            cost_weight = self.choice.cost_weight
            cost, cost_bars = _error_bars(*self.choice.cost)
            score, score_bars = _error_bars(*self.choice.score)
            self.ax_.errorbar(
                cost, score, xerr=cost_bars, yerr=score_bars, color=DARK_GREY, capsize=3,
                linewidth=1, zorder=4,
            )  # fmt: skip
            noun = "chosen cost weight"
        elif self.curve.current is not None:
            cost_weight, cost, score = self.curve.current
            noun = "cost weight"
        else:
            return None
        (mark,) = self.ax_.plot(
            [cost], [score], marker, markersize=9, markerfacecolor=self.line_.get_color(),
            markeredgecolor="white", zorder=5, label=f"{noun} {cost_weight:.3g}",
        )  # fmt: skip
        return mark

    def _plot_quality_marks(self):
        """Draw the lowest score that each loss allows, and the router's point for it."""
        result = self.cost_at_quality
        if result is None:
            return []
        marks = []
        for own, marker in zip(result.results, cycle(MARKERS), strict=False):
            unscaled_loss = own.max_loss * score_width(result.score_range)
            loss = describe_max_loss(own.max_loss, result.score_range)
            self.ax_.axhline(
                result.best_score - unscaled_loss, color=GREY, linewidth=0.7, linestyle="--",
                zorder=1,
            )  # fmt: skip
            if np.isnan(own.cost_weights).all():
                continue
            low, high = (
                result.best_score + end * score_width(result.score_range)
                for end in own.score_difference[1:]
            )
            self.ax_.hlines(
                own.score, *(end * result.best_cost for end in own.cost_ratio[1:]),
                color=DARK_GREY, linewidth=1, zorder=4,
            )  # fmt: skip
            self.ax_.vlines(own.cost, low, high, color=DARK_GREY, linewidth=1, zorder=4)
            verdict = "" if own.is_within else ", not shown"
            marks += self.ax_.plot(
                [own.cost], [own.score], marker, markersize=8,
                markerfacecolor=self.line_.get_color() if own.is_within else "white",
                markeredgecolor=self.line_.get_color(), zorder=5,
                label=f"cost ratio {own.cost_ratio[0]:.2f} within {loss}{verdict}",
            )  # fmt: skip
        return marks

    def _plot_models(self):
        ax, models = self.ax_, self.curve.models.dropna()
        if models.empty:
            return
        hull = cost_hull(models["cost"], models["score"])
        ax.plot(
            *hull, color=GREY, linewidth=0.8, linestyle=":", label="mixtures of single models",
            zorder=1,
        )  # fmt: skip
        ax.plot(models["cost"], models["score"], "x", color=DARK_GREY, markersize=6, zorder=2)
        named = models
        if len(models) > _MOST_NAMED_MODELS:
            on_hull = set(zip(*hull, strict=True))
            pairs = zip(models["cost"], models["score"], strict=True)
            named = models[[pair in on_hull for pair in pairs]]
        mid_cost = (models["cost"].min() + models["cost"].max()) / 2
        all_models = self.curve.models.index
        names = dict(zip(all_models, written_labels(all_models, _LONGEST_MODEL_NAME), strict=True))
        for model, cost, score in named[["cost", "score"]].itertuples():
            ax.annotate(
                names[model], (cost, score), xytext=(0, -11), fontsize=8, color=DARK_GREY,
                textcoords="offset points", ha="left" if cost <= mid_cost else "right",
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            ).set_in_layout(False)  # fmt: skip


def _error_bars(estimate, low, high):
    """Return an estimate, and the lengths of its error bars as matplotlib takes them."""
    return estimate, [[estimate - low], [high - estimate]]
