"""ReliabilityDisplay: reliability of labels by the numbers of paraphrases and samples."""

from dars_sklearn.labels import decompose_variance, reliability_curve
from dars_sklearn.labels._decomposition import is_overall_difference
from dars_sklearn.plotting._axes import MARKERS, axes_and_figure, line_style, number_colour
from dars_sklearn.utils._warnings import collect_warnings

__all__ = ["ReliabilityDisplay"]

_CURVE_ID = "reliability"
_ONE_WORDING = (
    "one wording per query: the reliability for exactly this wording,\n"
    "an upper bound of the reliability for the query"
)
_ONE_SAMPLE = "one sample per paraphrase: other numbers of samples are not identifiable"


class ReliabilityDisplay:
    """Reliability of labels by the numbers of paraphrases and samples.

    Parameters
    ----------
    curve : DataFrame
        Predicted reliability, with intervals, as returned by
        :func:`~dars_sklearn.labels.reliability_curve`.
    note : str or None, default=None
        What limits the curve, which becomes the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the lines.
    figure_ : matplotlib Figure
        Figure of the axes.
    lines_ : list of matplotlib Line2D
        One line per number of samples; or a single line over the numbers of samples, if the
        curve has a single number of paraphrases.

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

    def __init__(self, curve, *, note=None):
        self.curve = curve
        self.note = note

    @classmethod
    def from_outcomes(
        cls, outcomes, *, n_paraphrases=(1, 2, 3, 5, 10), n_samples=(1, 2, 5, 10), ax=None
    ):
        """Plot the reliability of the differences between models, as far as it is identifiable.

        With one paraphrase per query, it is the reliability for exactly these wordings, by the
        number of samples. With one sample per paraphrase, it is for one sample. With one model,
        it is the power of labels to distinguish queries. The title says so.

        Parameters
        ----------
        outcomes : Outcomes
            Outcomes of at least three queries, with several paraphrases or samples.
        n_paraphrases, n_samples : sequence of int
            Numbers of paraphrases per query, and of samples per paraphrase, to predict for.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is one outcome per (query, model) pair, or there are fewer than three
            queries, and no reliability is identifiable.
        """
        kind = "difference" if outcomes.n_models > 1 else "model"
        components = _identifiable_components(outcomes, kind)
        notes = [] if kind == "difference" else ["one model: the power to distinguish queries"]
        keywords = {"n_paraphrases": n_paraphrases, "n_samples": n_samples, "kind": kind}
        if "query" not in components:
            keywords |= {"n_paraphrases": (1,), "wording": "fixed"}
            notes.append(_ONE_WORDING)
        elif "sample" not in components:
            keywords["n_samples"] = (1,)
            notes.append(_ONE_SAMPLE)
        curve = reliability_curve(outcomes, **keywords)
        return cls(curve, note="\n".join(notes) or None).plot(ax=ax)

    @classmethod
    def from_predictions(cls, curve, *, note=None, ax=None):
        """Plot a curve that has already been computed.

        Parameters
        ----------
        curve : DataFrame
            Returned by :func:`~dars_sklearn.labels.reliability_curve` for differences between
            models, or for one model.
        note : str or None, default=None
            What limits the curve, which becomes the title.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.
        """
        return cls(curve, note=note).plot(ax=ax)

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
        one_line = self.curve["n_paraphrases"].nunique() == 1
        x, by = ("n_samples", "n_paraphrases") if one_line else ("n_paraphrases", "n_samples")
        names = {"n_paraphrases": "paraphrases per query", "n_samples": "samples per paraphrase"}
        self.lines_ = [self._plot_line(x, *group) for group in self.curve.groupby(by)]
        self.ax_.set_xscale("log")
        drawn = [line for line in self.ax_.lines if line.get_gid() == _CURVE_ID]
        ticks = sorted({int(value) for line in drawn for value in line.get_xdata()})
        self.ax_.set_xlim(ticks[0] / 1.1, ticks[-1] * 1.1)
        self.ax_.set_xticks(ticks, map(str, ticks))
        self.ax_.set_xticks([], minor=True)
        self.ax_.set(xlabel=names[x], ylabel="reliability of the labels", ylim=(0, 1))
        if self.note is not None:
            self.ax_.set_title(self.note, fontsize=9)
        if self.curve["reliability"].isna().all():
            self.ax_.text(
                0.5, 0.5, "unknown: the scores do not vary", transform=self.ax_.transAxes,
                ha="center",
            )  # fmt: skip
        self.ax_.legend(title=names[by], frameon=False)
        return self

    def _plot_line(self, x, label, rows):
        number = sum(line.get_gid() == _CURVE_ID for line in self.ax_.lines)
        style = line_style(number) | {"color": number_colour(label)}
        (line,) = self.ax_.plot(
            rows[x], rows["reliability"], label=label, **style,
            marker=MARKERS[number % len(MARKERS)], markersize=5, gid=_CURVE_ID,
        )  # fmt: skip
        interval = {"color": line.get_color(), "alpha": 0.12}
        self.ax_.fill_between(rows[x], rows["low"], rows["high"], linewidth=0, **interval)
        if len(rows) == 1:  # a band has no width there
            self.ax_.vlines(rows[x], rows["low"], rows["high"], linewidth=5, **interval)
        return line


def _identifiable_components(outcomes, kind):
    """Return the names of the variance components that the outcomes identify."""
    with collect_warnings():  # what is not identifiable becomes the title
        table = decompose_variance(outcomes).to_frame()
    return set(table.loc[is_overall_difference(table) | (kind == "model"), "component"])
