"""What displays share: axes, and how lines are told apart without colour."""

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

__all__ = ["DASHES", "INK", "MARKERS", "SOFT", "axes_for"]

INK, SOFT = "0.1", "0.55"
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def axes_for(display, ax, **layout):
    """The axes given, or those of a new figure; and their figure."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained", **layout)
    axes = np.asarray(ax)
    return (ax, ax.figure) if axes.ndim == 0 else (axes, axes[0].figure)
