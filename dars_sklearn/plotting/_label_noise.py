"""LabelNoiseDisplay: variance components of scores, and flip rates of labels."""

import numpy as np
import pandas as pd

from dars_sklearn.labels import decompose_variance, label_flip_rate
from dars_sklearn.labels._decomposition import is_overall_difference, pivot_components
from dars_sklearn.plotting._axes import GREY, axes_and_figure, written_labels

__all__ = ["LabelNoiseDisplay"]

# Shade of grey and hatch of each variance component, the same in every figure. A sum of
# components that are not identifiable has a style of its own.
_FILLS = {
    "query": ("0.15", ""),
    "paraphrase": ("0.55", "///"),
    "sample": ("0.85", "..."),
    "query_plus_paraphrase": ("0.3", "\\\\\\"),
    "paraphrase_plus_sample": ("0.7", "xxx"),
    "query_plus_paraphrase_plus_sample": ("0.5", "++"),
}
_RATE_NAMES = {
    "disjoint": "two draws share\nno best model",
    "ties": "tie within one draw",
    "two_draws": "two draws disagree,\nties broken at random",
    "against_rest": "one draw disagrees\nwith the rest",
}
_LONGEST_MODEL_NAME = 24


class LabelNoiseDisplay:
    """Variance components of scores, and how often single draws disagree on the best model.

    Parameters
    ----------
    shares : DataFrame or None
        Share of each variance component in the total variance. One row per model, and a row
        "differences" for the mean over the differences between models; one column per component,
        NaN where it is not identifiable. None draws the flip rates only.
    flip_rates : Series or None
        Mean flip rates over queries: "disjoint", "ties", "two_draws" and "against_rest". None
        draws the variance components only.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,) or (1,)
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
            Outcomes, best with several paraphrases and samples. Variance components need at
            least three queries, and are shown as unknown for fewer.
        cost_weight : float, default=0.05
            Weight of the scaled cost in the utility, which determines the best model.
        cost_range : tuple of float, "robust" or None, default=None
            Costs that are scaled to 0 and to 1, as in
            :func:`~dars_sklearn.labels.label_flip_rate`.
        ax : sequence of two matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display, drawn.
        """
        flip_rates = label_flip_rate(outcomes, cost_weight=cost_weight, cost_range=cost_range)
        shares = pd.DataFrame(index=outcomes.models.astype(str))
        if len(outcomes) >= 3:
            shares = _variance_shares(decompose_variance(outcomes))
        return cls(shares, flip_rates.overall).plot(ax=ax)

    @classmethod
    def from_predictions(cls, decomposition=None, flip_rates=None, *, ax=None):
        """Plot variance components and flip rates that have already been computed.

        Parameters
        ----------
        decomposition : VarianceDecomposition or None, default=None
            Returned by :func:`~dars_sklearn.labels.decompose_variance`. None draws the flip
            rates only.
        flip_rates : FlipRates or None, default=None
            Returned by :func:`~dars_sklearn.labels.label_flip_rate`. None draws the variance
            components only.
        ax : sequence of matplotlib Axes, matplotlib Axes or None, default=None
            Axes to draw on, one for each of the two that is given; None creates a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display, drawn.
        """
        shares = None if decomposition is None else _variance_shares(decomposition)
        return cls(shares, None if flip_rates is None else flip_rates.overall).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the variance components beside the flip rates.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, matplotlib Axes or None, default=None
            Axes to draw on, one for each of the two that is given; None creates a figure.

        Returns
        -------
        LabelNoiseDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are neither variance components nor flip rates.
        """
        panels = {}
        if self.shares is not None:
            panels[self._plot_shares] = 2
        if self.flip_rates is not None:
            panels[self._plot_rates] = 1
        if not panels:
            raise ValueError("give variance components, flip rates, or both")
        n_rows = max(self._n_rows(), len(_RATE_NAMES))
        axes, self.figure_ = axes_and_figure(
            self, ax, ncols=len(panels), width_ratios=list(panels.values()),
            figsize=(4.5 * len(panels), 1.6 + 0.25 * n_rows),
        )  # fmt: skip
        self.axes_ = np.atleast_1d(axes)
        for draw, own_axes in zip(panels, self.axes_, strict=True):
            draw(own_axes)
        return self

    def _n_rows(self):
        return 0 if self.shares is None else len(self.shares)

    def _plot_shares(self, ax):
        positions, left = np.arange(len(self.shares)), np.zeros(len(self.shares))
        for component in self.shares:
            grey, hatch = _FILLS[component]
            widths = np.nan_to_num(self.shares[component].to_numpy())
            ax.barh(
                positions, widths, left=left, color=grey, hatch=hatch, edgecolor="white",
                label=component.replace("_plus_", " + "),
            )  # fmt: skip
            left = left + widths
        for position in positions[left == 0]:
            ax.text(0.02, position, "unknown, or no variance", va="center", fontsize=8)
        ax.set_yticks(positions, written_labels(self.shares.index, _LONGEST_MODEL_NAME))
        ax.set(xlim=(0, 1), ylim=(len(positions) - 0.5, -0.5))
        ax.set_xlabel("share of the variance of a single score")
        if self.shares.empty:
            ax.set_title("variance components need at least 3 queries", fontsize=10)
            return
        ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(self.shares.columns),
            frameon=False,
        )  # fmt: skip

    def _plot_rates(self, ax):
        rates = self.flip_rates[list(_RATE_NAMES)].to_numpy()
        positions = np.arange(len(rates))
        ax.barh(positions, np.nan_to_num(rates), color=GREY, height=0.6)
        for position, rate in zip(positions, rates, strict=True):
            ax.annotate(
                "unknown" if np.isnan(rate) else f"{rate:.0%}", (1, position), xytext=(4, 0),
                textcoords="offset points", va="center", fontsize=9, annotation_clip=False,
            )  # fmt: skip
        ax.set_yticks(positions, _RATE_NAMES.values())
        # Beside many models, the bars stay together at the top.
        ax.set(xlim=(0, 1), ylim=(max(len(rates), self._n_rows() / 2) - 0.5, -0.5))
        ax.set(xticks=[0, 0.5, 1], xlabel="mean probability")


def _variance_shares(decomposition):
    """Return the shares of the components in the total variance, one row per model."""
    table = decomposition.to_frame()
    table = table[(table["kind"] == "model") | is_overall_difference(table)]
    estimates = pivot_components(table[~table["component"].isin(["icc", "reliability"])])
    shares = estimates.drop(columns="total").div(estimates["total"], axis=0)
    names = [str(model) if kind == "model" else "differences" for kind, model, _ in shares.index]
    return shares.set_axis(names).rename_axis("model")
