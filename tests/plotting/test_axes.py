import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dars_sklearn.plotting._axes import axes_and_figure, line_style


class LineDisplay:
    """Stands for a display in error messages."""


def test_axes_are_created_if_none_are_given():
    axes, figure = axes_and_figure(LineDisplay(), None, figsize=(3, 2))
    assert axes.figure is figure
    assert figure.get_size_inches().tolist() == [3, 2]


def test_given_axes_are_used_with_their_figure():
    figure, ax = plt.subplots()
    axes, used_figure = axes_and_figure(LineDisplay(), ax)
    assert axes is ax
    assert used_figure is figure


@pytest.mark.parametrize("container", [list, tuple, np.asarray])
def test_several_axes_can_be_given_as_any_sequence(container):
    figure, (left, right) = plt.subplots(1, 2)
    axes, used_figure = axes_and_figure(LineDisplay(), container([left, right]), ncols=2)
    assert axes.tolist() == [left, right]
    assert used_figure is figure


def test_another_number_of_axes_than_needed_is_refused():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="LineDisplay.plot draws on 2 axes, but ax has 1"):
        axes_and_figure(LineDisplay(), ax, nrows=2)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    message = r"LineDisplay.plot needs matplotlib, .* pip install 'dars-sklearn\[plot\]'"
    with pytest.raises(ImportError, match=message):
        axes_and_figure(LineDisplay(), None)


def test_neighbouring_lines_differ_in_colour_and_dash_pattern():
    styles = [line_style(number) for number in range(12)]
    for style, following in zip(styles[:-1], styles[1:], strict=True):
        assert style["color"] != following["color"]
        assert style["linestyle"] != following["linestyle"]
