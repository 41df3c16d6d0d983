import sys

import pytest

from dars_sklearn.utils._progress import progress_bar


def test_a_verbose_bar_is_written_to_standard_error(capsys):
    assert list(progress_bar(range(3), verbose=True, desc="fitting")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fitting: 100%" in captured.err
    assert "3/3" in captured.err


def test_a_bar_that_is_not_verbose_writes_nothing(capsys):
    assert list(progress_bar(range(3), verbose=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_by_default_a_bar_is_shown_in_a_terminal_only(is_terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    list(progress_bar(range(3), verbose=None))
    assert ("3/3" in capsys.readouterr().err) == is_terminal


def test_a_bar_without_an_iterable_is_advanced_by_hand(capsys):
    with progress_bar(verbose=True, total=5) as bar:
        bar.update(2)
        assert bar.n == 2
        bar.update(3)
    assert "5/5" in capsys.readouterr().err
