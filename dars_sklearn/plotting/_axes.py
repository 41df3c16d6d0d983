"""Axes, styles and labels that the displays share."""

from collections import Counter

import numpy as np

from dars_sklearn.utils._optional import import_optional

__all__ = [
    "DARK_GREY",
    "GREY",
    "MARKERS",
    "axes_and_figure",
    "line_style",
    "number_colour",
    "set_integer_ticks",
    "with_unit",
    "written_labels",
]

DARK_GREY, GREY = "0.1", "0.55"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# The palette of Okabe and Ito, which colour-blind readers can distinguish, with a step in
# lightness between neighbours. It does not depend on matplotlib's settings.
_COLOURS = ("#0072B2", "#E69F00", "#000000", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
_DASH_PATTERNS = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_LONGEST_LABEL = 32


def axes_and_figure(display, ax, *, nrows=1, ncols=1, **layout):
    """Return the axes to draw on and their figure, which is created if there are none.

    Parameters
    ----------
    display : object
        The display, which is named in errors.
    ax : matplotlib Axes, sequence of matplotlib Axes or None
        Axes that the user passed.
    nrows, ncols : int, default=1
        Number of rows and columns of axes that the display needs.
    **layout : dict
        Further options of a new figure, passed to ``matplotlib.pyplot.subplots``.

    Returns
    -------
    axes : matplotlib Axes or ndarray of matplotlib Axes
        The axes; an array if the display needs more than one.
    figure : matplotlib Figure
        Figure of the axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If ``ax`` has another number of axes than the display needs.
    """
    name = f"{type(display).__name__}.plot"
    pyplot = import_optional("matplotlib.pyplot", extra="plot", needed_by=name)
    if ax is None:
        _, ax = pyplot.subplots(nrows, ncols, layout="constrained", **layout)
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) != nrows * ncols:
        raise ValueError(
            f"{name} draws on {nrows * ncols} axes, but ax has {len(axes)}; pass as many, or "
            "ax=None for a new figure"
        )
    return (axes if len(axes) > 1 else axes[0]), axes[0].figure


def line_style(number):
    """Return the colour and the dash pattern of a line.

    Parameters
    ----------
    number : int
        Number of the line on its axes, starting from 0.

    Returns
    -------
    dict
        Keyword arguments of ``Axes.plot``.
    """
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _DASH_PATTERNS[number % len(_DASH_PATTERNS)],
    }


def number_colour(number):
    """Return the colour of a number of samples, which is the same in every figure.

    Parameters
    ----------
    number : int
        A number of at least 1. The larger, the lighter, up to 30.

    Returns
    -------
    tuple of float
        Red, green, blue and opacity.
    """
    colormaps = import_optional("matplotlib", extra="plot", needed_by="a display").colormaps
    return colormaps["viridis"](0.85 * min(np.log(number) / np.log(30), 1.0))


def written_labels(labels, longest=_LONGEST_LABEL):
    """Return labels as matplotlib can draw them: on one line, not too long, never as a formula.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        Names of models, texts of queries.
    longest : int, default=32
        Number of characters above which a label is shortened in the middle. Different labels
        that then look the same are numbered.

    Returns
    -------
    list of str
        The labels.
    """
    labels = [str(label) for label in labels]
    written = {label: _shorten(_on_one_line(label), longest) for label in labels}
    alike = Counter(written.values())
    numbers = Counter()
    for label, text in written.items():
        if alike[text] > 1:
            numbers[text] += 1
            number = f" #{numbers[text]}"
            written[label] = _shorten(text, longest - len(number)) + number
    return [written[label].replace("$", r"\$") for label in labels]


def with_unit(quantity, unit):
    """Return the label of an axis that shows a cost, with its unit.

    Parameters
    ----------
    quantity : str
        What the axis shows.
    unit : str or None
        Unit of the costs, if it is known.

    Returns
    -------
    str
        The label.
    """
    if unit is None:
        return f"{quantity} (unit of the costs)"
    return f"{quantity} ({written_labels([unit])[0]})"


def set_integer_ticks(axis, n_positions):
    """Put the ticks of an axis at some of the positions 0, 1, 2, ….

    Parameters
    ----------
    axis : matplotlib Axis
        The axis.
    n_positions : int
        Number of positions.
    """
    ticker = import_optional("matplotlib.ticker", extra="plot", needed_by="a display")
    locator = ticker.MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True)
    ticks = locator.tick_values(0, max(n_positions - 1, 1))
    axis.set_ticks(ticks[(ticks >= 0) & (ticks < n_positions)])


def _on_one_line(text):
    """Return a text without line breaks and other characters that have no shape."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _shorten(text, longest):
    """Return a text of at most some length, with an ellipsis in place of its middle."""
    if len(text) <= longest:
        return text
    n_start = longest * 2 // 3
    return f"{text[:n_start]}…{text[n_start + 1 - longest :]}"
