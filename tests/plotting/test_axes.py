import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from dars_sklearn.plotting._axes import (
    axes_and_figure,
    line_style,
    number_colour,
    set_integer_ticks,
    with_unit,
    written_labels,
)


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


def lightness(colour):
    """Lightness of a colour in a black-and-white print."""
    return np.array(matplotlib.colors.to_rgb(colour)) @ (0.299, 0.587, 0.114)


def test_neighbouring_lines_differ_in_greyscale():
    shades = [lightness(line_style(number)["color"]) for number in range(7)]
    assert (np.abs(np.diff(shades)) > 0.1).all()


def test_colours_do_not_depend_on_the_settings_of_matplotlib():
    with plt.style.context("ggplot"):
        assert line_style(0)["color"] == "#0072B2"


def test_a_larger_number_has_a_lighter_colour_and_none_is_nearly_white():
    shades = [lightness(number_colour(number)) for number in (1, 2, 5, 10, 30)]
    assert (np.diff(shades) > 0.03).all()
    assert shades[-1] < 0.8
    assert number_colour(1000) == number_colour(30)


def test_labels_are_on_one_line_and_never_formulas():
    assert written_labels(["a\nb\x00c", 7, r"$\foo$"]) == ["a b c", "7", r"\$\foo\$"]


def test_a_long_label_keeps_its_start_and_its_end():
    (label,) = written_labels(["start-" + "x" * 80 + "-end"], longest=20)
    assert label.startswith("start-")
    assert label.endswith("-end")
    assert len(label) == 20
    assert "…" in label


def test_different_labels_that_look_the_same_are_numbered():
    first, second = ("x" * 40 + middle + "y" * 40 for middle in "ab")
    labels = [first, second, first, "z"]
    assert written_labels(labels, longest=10) == ["xxxx…yy #1", "xxxx…yy #2", "xxxx…yy #1", "z"]
    assert written_labels(["a b", "a\nb"]) == ["a b #1", "a b #2"]


def test_the_unit_of_costs_is_named():
    assert with_unit("cost", "USD") == "cost (USD)"
    assert with_unit("cost", "$") == r"cost (\$)"
    assert with_unit("cost", None) == "cost (unit of the costs)"


@pytest.mark.parametrize("n_positions", [1, 2, 3, 9, 10, 11, 120, 1001])
def test_integer_ticks_are_positions(n_positions):
    _, ax = plt.subplots()
    set_integer_ticks(ax.xaxis, n_positions)
    ticks = ax.get_xticks()
    assert ticks[0] == 0
    assert 1 <= len(ticks) <= 11
    assert ticks[-1] < n_positions
    assert (ticks == ticks.round()).all()
