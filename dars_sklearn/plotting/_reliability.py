"""ReliabilityDisplay: reliability of labels by the numbers of paraphrases and samples."""

from dars_sklearn.labels import reliability_curve
from dars_sklearn.plotting._axes import MARKERS, axes_and_figure, line_style

__all__ = ["ReliabilityDisplay"]


class ReliabilityDisplay:
    """Reliability of labels by the numbers of paraphrases and samples.

    Parameters
    ----------
    curve : DataFrame
        Predicted reliability, with intervals, as returned by
        :func:`~dars_sklearn.labels.reliability_curve`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the lines.
    figure_ : matplotlib Figure
        Figure of the axes.
    lines_ : list of matplotlib Line2D
        One line per number of samples.

    See Also
    --------
    dars_sklearn.labels.reliability_curve : Predict the reliability.

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
        """Plot the reliability of the differences between models.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes with several paraphrases per query.
        n_paraphrases, n_samples : sequence of int
            Numbers of paraphrases per query, and of samples per paraphrase, to predict for.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.
        """
        return cls(reliability_curve(outcomes, n_paraphrases, n_samples)).plot(ax=ax)

    @classmethod
    def from_predictions(cls, curve, *, ax=None):
        """Plot a curve that has already been computed.

        Parameters
        ----------
        curve : DataFrame
            Returned by :func:`~dars_sklearn.labels.reliability_curve` for differences between
            models.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.
        """
        return cls(curve).plot(ax=ax)

    def plot(self, ax=None):
        """Draw one line, with its interval, per number of samples.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        ReliabilityDisplay
            The display itself.
        """
        self.ax_, self.figure_ = axes_and_figure(self, ax)
        self.lines_ = []
        for number, (n_samples, rows) in enumerate(self.curve.groupby("n_samples")):
            (line,) = self.ax_.plot(
                rows["n_paraphrases"], rows["reliability"], label=n_samples, **line_style(number),
                marker=MARKERS[number % len(MARKERS)], markersize=5,
            )  # fmt: skip
            self.ax_.fill_between(
                rows["n_paraphrases"], rows["low"], rows["high"], color=line.get_color(), alpha=0.15
            )
            self.lines_.append(line)
        self.ax_.set(
            xlabel="paraphrases per query", ylabel="reliability of the labels", ylim=(0, 1)
        )
        self.ax_.legend(title="samples per paraphrase", frameon=False)
        return self
