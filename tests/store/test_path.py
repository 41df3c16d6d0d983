from pathlib import Path

import pytest

from dars_sklearn.store import read_store
from dars_sklearn.store._path import resolve_path


@pytest.mark.parametrize("path", ["outcomes.sqlite", Path("outcomes.sqlite")])
def test_a_path_is_absolute(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_path(path) == tmp_path / "outcomes.sqlite"


@pytest.mark.parametrize("path", [b"outcomes.sqlite", 5, 0, True, None, ["a"]])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(TypeError, match="must be the path of a file as a str or Path, got"):
        read_store(path)


@pytest.mark.parametrize(
    "path", [":memory:", Path(":memory:"), "file:a?mode=memory", "FILE::memory:", "sqlite:///a.db"]
)
def test_addresses_of_sqlite_are_refused(path):
    with pytest.raises(ValueError, match=r"must be the path of a file, got .*use store=None"):
        read_store(path)


def test_a_file_may_have_the_name_of_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_path("./file:a") == tmp_path / "file:a"
