"""Reliability by numbers of paraphrases and samples."""

from dars_sklearn.labels import reliability_curve
from dars_sklearn.plotting._axes import DASHES, MARKERS, axes_for

__all__ = ["ReliabilityDisplay"]


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
        self.ax_, self.figure_ = axes_for(self, ax)
        self.lines_ = []
        for number, (n_samples, rows) in enumerate(self.curve.groupby("n_samples")):
            label = f"{n_samples} sample" + ("s" if n_samples > 1 else "")
            (line,) = self.ax_.plot(
                rows["n_paraphrases"], rows["reliability"], label=label, color=f"C{number}",
                linestyle=DASHES[number % len(DASHES)], marker=MARKERS[number % len(MARKERS)],
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
