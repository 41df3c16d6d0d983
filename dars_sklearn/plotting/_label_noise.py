"""Variance parts and flip rates."""

import numpy as np

from dars_sklearn.labels import decompose_variance, label_flip_rate
from dars_sklearn.plotting._axes import SOFT, axes_for

__all__ = ["LabelNoiseDisplay"]

# Grey and hatch of each part.
_FILLS = (("0.15", ""), ("0.55", "///"), ("0.85", "..."))


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
        self.axes_, self.figure_ = axes_for(
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
        ax.barh(place, np.nan_to_num(values), color=SOFT, height=0.6)
        for at, value in zip(place, values, strict=True):
            text = "unknown" if np.isnan(value) else f"{value:.0%}"
            ax.text(np.nan_to_num(value) + 0.02, at, text, va="center", fontsize=9)
        ax.set_yticks(place, names.values())
        ax.invert_yaxis()
        ax.set(xlim=(0, 1.2), xlabel="share of queries")
        ax.set_xticks([0, 0.5, 1])
