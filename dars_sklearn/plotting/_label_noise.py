"""LabelNoiseDisplay: variance components of scores, and flip rates of labels."""

import numpy as np

from dars_sklearn.labels import decompose_variance, label_flip_rate
from dars_sklearn.plotting._axes import GREY, axes_and_figure

__all__ = ["LabelNoiseDisplay"]

# Shade of grey and hatch of each variance component.
_FILLS = (("0.15", ""), ("0.55", "///"), ("0.85", "..."))
_RATE_NAMES = {
    "two_draws": "two draws disagree",
    "against_rest": "one draw disagrees\nwith the rest",
    "ties": "tie within one draw",
    "disjoint": "two draws share\nno best model",
}


class LabelNoiseDisplay:
    """Variance components of scores, and how often single draws disagree on the best model.

    Parameters
    ----------
    shares : DataFrame
        Share of each variance component in the total variance. One row per model, and a row
        "differences" for the mean over the differences between models; one column per component.
    flip_rates : Series
        Mean flip rates over queries: "two_draws", "against_rest", "ties" and "disjoint".

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        Axes of the variance components and of the flip rates.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    dars_sklearn.labels.decompose_variance : Estimate the variance components.
    dars_sklearn.labels.label_flip_rate : Estimate the flip rates.

    Examples
    --------
    >>> from dars_sklearn import LabelNoiseDisplay
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> outcomes = make_routing_outcomes(50, 3, random_state=0).outcomes
    >>> display = LabelNoiseDisplay.from_outcomes(outcomes)
    >>> display.axes_[0].get_xlabel()
    'share of the variance of a single score'
    """

    def __init__(self, shares, flip_rates):
        self.shares = shares
        self.flip_rates = flip_rates

    @classmethod
    def from_outcomes(cls, outcomes, *, cost_weight=0.05, cost_range=None, ax=None):
        """Plot the noise of labels from outcomes.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes, best with several paraphrases and samples.
        cost_weight : float, default=0.05
            Weight of the scaled cost in the utility, which determines the best model.
        cost_range : tuple of float or None, default=None
            Costs that are scaled to 0 and to 1; None uses the range over single outcomes.
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display, drawn.
        """
        flip_rates = label_flip_rate(outcomes, cost_weight=cost_weight, cost_range=cost_range)
        return cls.from_predictions(decompose_variance(outcomes), flip_rates, ax=ax)

    @classmethod
    def from_predictions(cls, decomposition, flip_rates, *, ax=None):
        """Plot variance components and flip rates that have already been computed.

        Parameters
        ----------
        decomposition : VarianceDecomposition
            Returned by :func:`~dars_sklearn.labels.decompose_variance`.
        flip_rates : FlipRates
            Returned by :func:`~dars_sklearn.labels.label_flip_rate`.
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display, drawn.
        """
        return cls(_variance_shares(decomposition), flip_rates.overall).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the variance components beside the flip rates.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display itself.
        """
        height = 1.6 + 0.3 * len(self.shares)
        self.axes_, self.figure_ = axes_and_figure(
            self, ax, ncols=2, figsize=(9, height), width_ratios=(2, 1)
        )
        self._plot_shares(self.axes_[0])
        self._plot_rates(self.axes_[1])
        return self

    def _plot_shares(self, ax):
        positions, left = np.arange(len(self.shares)), np.zeros(len(self.shares))
        for component, (grey, hatch) in zip(self.shares, _FILLS, strict=False):
            widths = self.shares[component].to_numpy()
            ax.barh(
                positions, widths, left=left, color=grey, hatch=hatch, edgecolor="white",
                label=component.replace("_plus_", " + "),
            )  # fmt: skip
            left = left + widths
        ax.set_yticks(positions, self.shares.index)
        ax.invert_yaxis()
        ax.set(xlim=(0, 1), xlabel="share of the variance of a single score")
        ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(self.shares.columns),
            frameon=False,
        )  # fmt: skip

    def _plot_rates(self, ax):
        rates = self.flip_rates[list(_RATE_NAMES)].to_numpy()
        positions, widths = np.arange(len(rates)), np.nan_to_num(rates)
        ax.barh(positions, widths, color=GREY, height=0.6)
        for position, width, rate in zip(positions, widths, rates, strict=True):
            text = "unknown" if np.isnan(rate) else f"{rate:.0%}"
            ax.text(width + 0.02, position, text, va="center", fontsize=9)
        ax.set_yticks(positions, _RATE_NAMES.values())
        ax.invert_yaxis()
        ax.set(xlim=(0, 1.2), xlabel="mean probability")
        ax.set_xticks([0, 0.5, 1])


def _variance_shares(decomposition):
    """Return the shares of the components in the total variance, one row per model."""
    table = decomposition.to_frame()
    table = table[(table["kind"] == "model") | (table["model"] == "overall")]
    table = table[~table["component"].isin(["icc", "reliability"])]
    names = table["model"].where(table["kind"] == "model", "differences").astype(str)
    estimates = table.assign(model=names).pivot(
        index="model", columns="component", values="estimate"
    )
    estimates = estimates.loc[names.unique()]
    components = [name for name in table["component"].unique() if name != "total"]
    return estimates[components].div(estimates["total"], axis=0).fillna(0.0)
