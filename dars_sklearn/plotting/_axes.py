"""Axes and line styles that the displays share."""

import numpy as np

from dars_sklearn.utils._optional import import_optional

__all__ = ["DARK_GREY", "GREY", "MARKERS", "axes_and_figure", "line_style"]

DARK_GREY, GREY = "0.1", "0.55"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASH_PATTERNS = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


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
    return {"color": f"C{number}", "linestyle": _DASH_PATTERNS[number % len(_DASH_PATTERNS)]}
