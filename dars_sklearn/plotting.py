"""Displays: what the numbers look like, in the manner of scikit-learn's.

Lines differ by dash and marker as well as by colour, and maps are of one hue
that darkens, so that they are read in grey and by the colour-blind.
"""

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from dars_sklearn.evaluate import deferral_curve
from dars_sklearn.evaluate._routers import features_of, final_router
from dars_sklearn.labels import decompose_variance, label_flip_rate, reliability_curve
from dars_sklearn.metrics import cost_hull

__all__ = [
    "CapabilityDisplay",
    "DeferralCurveDisplay",
    "LabelNoiseDisplay",
    "ReliabilityDisplay",
]

_INK, _SOFT = "0.1", "0.55"
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FILLS = (("0.15", ""), ("0.55", "///"), ("0.85", "..."))


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
        self.ax_, self.figure_ = _axes_for(self, ax)
        ax = self.ax_
        n_before = len([line for line in ax.lines if line.get_gid() == "deferral"])
        dash = _DASHES[n_before % len(_DASHES)]
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
            *cost_hull(models["cost"], models["score"]), color=_SOFT, linewidth=0.8,
            linestyle=":", label="mixtures of single models", zorder=1,
        )  # fmt: skip
        ax.plot(models["cost"], models["score"], "x", color=_INK, markersize=6, zorder=2)
        for model, row in models.iterrows():
            ax.annotate(
                str(model), (row["cost"], row["score"]), xytext=(0, -11), fontsize=8, color=_INK,
                textcoords="offset points", ha="left" if row["cost"] <= middle else "right",
            )  # fmt: skip


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
        self.axes_, self.figure_ = _axes_for(
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


class LabelNoiseDisplay:
    """Variance parts of scores, and how often a single draw names another best model.

    Parameters
    ----------
    shares : DataFrame
        Index model, and "differences"; columns the variance parts, as shares.
    flip_rates : Series
        Rates by kind.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        Parts and rates.
    figure_ : matplotlib Figure
        The figure of them.

    Examples
    --------
    >>> from dars_sklearn import LabelNoiseDisplay
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> outcomes = make_routing_outcomes(50, 3, random_state=0).outcomes
    >>> display = LabelNoiseDisplay.from_outcomes(outcomes)
    >>> display.axes_[0].get_xlabel()
    'share of the variance of one score'
    """

    def __init__(self, shares, flip_rates):
        self.shares = shares
        self.flip_rates = flip_rates

    @classmethod
    def from_outcomes(cls, outcomes, *, cost_weight=0.0, cost_range=None, ax=None):
        """Draw the noise of outcomes.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes.
        cost_weight : float, default=0.0
            Quality given up for a unit of scaled cost, in the choice of the
            best model.
        cost_range : tuple of float or None, default=None
            What scales costs.
        ax : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display.
        """
        flips = label_flip_rate(outcomes, cost_weight=cost_weight, cost_range=cost_range)
        return cls.from_predictions(decompose_variance(outcomes), flips, ax=ax)

    @classmethod
    def from_predictions(cls, decomposition, flip_rates, *, ax=None):
        """Draw what was computed before.

        Parameters
        ----------
        decomposition : VarianceDecomposition
            From :func:`decompose_variance`.
        flip_rates : FlipRates
            From :func:`label_flip_rate`.
        ax : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display.
        """
        table = decomposition.to_frame()
        table = table[(table["of"] == "model") | (table["model"] == "overall")]
        table = table[~table["part"].isin(["icc", "reliability"])]
        names = table["model"].where(table["of"] == "model", "differences").astype(str)
        parts = [part for part in table["part"].unique() if part != "total"]
        wide = table.assign(model=names).pivot(index="model", columns="part", values="estimate")
        wide = wide.loc[names.unique()]
        shares = wide[parts].div(wide["total"], axis=0).fillna(0.0)
        return cls(shares, flip_rates.overall).plot(ax=ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display itself.
        """
        height = 1.6 + 0.3 * len(self.shares)
        self.axes_, self.figure_ = _axes_for(
            self, ax, nrows=1, ncols=2, figsize=(9, height), width_ratios=(2, 1)
        )
        self._plot_shares(self.axes_[0])
        self._plot_rates(self.axes_[1])
        return self

    def _plot_shares(self, ax):
        place, left = np.arange(len(self.shares)), np.zeros(len(self.shares))
        for part, (colour, hatch) in zip(self.shares, _FILLS, strict=False):
            widths = self.shares[part].to_numpy()
            ax.barh(
                place, widths, left=left, color=colour, hatch=hatch, edgecolor="white", label=part
            )
            left = left + widths
        ax.set_yticks(place, self.shares.index)
        ax.invert_yaxis()
        ax.set(xlim=(0, 1), xlabel="share of the variance of one score")
        ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(self.shares.columns),
            frameon=False,
        )  # fmt: skip

    def _plot_rates(self, ax):
        names = {
            "two_draws": "two draws differ",
            "against_rest": "one differs\nfrom the rest",
            "ties": "one draw ties",
            "disjoint": "no common best",
        }
        values = [self.flip_rates[name] for name in names]
        place = np.arange(len(values))
        ax.barh(place, np.nan_to_num(values), color=_SOFT, height=0.6)
        for at, value in zip(place, values, strict=True):
            text = "unknown" if np.isnan(value) else f"{value:.0%}"
            ax.text(np.nan_to_num(value) + 0.02, at, text, va="center", fontsize=9)
        ax.set_yticks(place, names.values())
        ax.invert_yaxis()
        ax.set(xlim=(0, 1.2), xlabel="share of queries")
        ax.set_xticks([0, 0.5, 1])


class ReliabilityDisplay:
    """Reliability of labels by their numbers of paraphrases and samples.

    Parameters
    ----------
    curve : DataFrame
        As :func:`reliability_curve` gives it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of that.
    lines_ : list of matplotlib artists
        A line a number of samples.

    Examples
    --------
    >>> from dars_sklearn import ReliabilityDisplay
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> display = ReliabilityDisplay.from_outcomes(make_routing_outcomes(random_state=0).outcomes)
    >>> len(display.lines_)
    4
    """

    def __init__(self, curve):
        self.curve = curve

    @classmethod
    def from_outcomes(
        cls, outcomes, *, n_paraphrases=(1, 2, 3, 5, 10), n_samples=(1, 2, 5, 10), ax=None
    ):  # fmt: skip
        """Draw the reliability of differences between models.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes with several paraphrases.
        n_paraphrases, n_samples : sequence of int
            Numbers to predict for.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ReliabilityDisplay
            The display.
        """
        return cls(reliability_curve(outcomes, n_paraphrases, n_samples)).plot(ax=ax)

    @classmethod
    def from_predictions(cls, curve, *, ax=None):
        """Draw a curve that was computed before.

        Parameters
        ----------
        curve : DataFrame
            As :func:`reliability_curve` gives it, of differences.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ReliabilityDisplay
            The display.
        """
        return cls(curve).plot(ax=ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ReliabilityDisplay
            The display itself.
        """
        self.ax_, self.figure_ = _axes_for(self, ax)
        self.lines_ = []
        for number, (n_samples, rows) in enumerate(self.curve.groupby("n_samples")):
            label = f"{n_samples} sample" + ("s" if n_samples > 1 else "")
            (line,) = self.ax_.plot(
                rows["n_paraphrases"], rows["reliability"], label=label, color=f"C{number}",
                linestyle=_DASHES[number % len(_DASHES)], marker=_MARKERS[number % len(_MARKERS)],
                markersize=5,
            )  # fmt: skip
            self.ax_.fill_between(
                rows["n_paraphrases"], rows["low"], rows["high"], color=line.get_color(), alpha=0.15
            )
            self.lines_.append(line)
        self.ax_.set(
            xlabel="paraphrases of a query", ylabel="reliability of the label", ylim=(0, 1)
        )
        self.ax_.legend(title="of each paraphrase", frameon=False)
        return self


def _axes_for(display, ax, **layout):
    """The axes given, or those of a new figure; and their figure."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained", **layout)
    axes = np.asarray(ax)
    return (ax, ax.figure) if axes.ndim == 0 else (axes, axes[0].figure)
