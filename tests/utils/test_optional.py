import sys

import pytest

from dars_sklearn.utils._optional import import_optional


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Create importable packages; those that fail to import are never cached."""
    monkeypatch.syspath_prepend(tmp_path)

    def create(name, source, submodule=None):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(source if submodule is None else "")
        if submodule is not None:
            (folder / f"{submodule}.py").write_text(source)
        return name

    yield create
    for name in [name for name in sys.modules if name.startswith("optional_")]:
        del sys.modules[name]


def import_for_test(module):
    return import_optional(module, extra="magic", needed_by="SomeBackend")


def test_an_installed_module_is_returned(package):
    package("optional_whole", "answer = 42", submodule="part")
    assert import_for_test("optional_whole").__name__ == "optional_whole"
    assert import_for_test("optional_whole.part").answer == 42


@pytest.mark.parametrize("module", ["optional_absent", "optional_absent.part"])
def test_a_module_that_is_not_installed_names_the_extra(module):
    with pytest.raises(ImportError) as caught:
        import_for_test(module)
    assert str(caught.value) == (
        "SomeBackend needs optional_absent, which is not installed: "
        "pip install 'dars-sklearn[magic]'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_module_that_is_blocked_counts_as_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "optional_blocked", None)
    with pytest.raises(ImportError, match="optional_blocked, which is not installed"):
        import_for_test("optional_blocked.part")


@pytest.mark.parametrize(
    ("source", "reported"),
    [
        ("raise OSError('libmagic.so: cannot open')", "OSError: libmagic.so: cannot open"),
        ("raise ImportError('version mismatch')", "ImportError: version mismatch"),
        ("from sys import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        (
            "import optional_dependency",
            "ModuleNotFoundError: No module named 'optional_dependency'",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
    ids=["OSError", "ImportError", "missing name", "missing dependency", "other error"],
)
@pytest.mark.parametrize("submodule", [None, "part"])
def test_an_installed_module_that_fails_to_import_reports_its_own_error(
    package, source, reported, submodule
):
    name = package("optional_broken", source, submodule)
    with pytest.raises(ImportError, match="which is installed but cannot be imported") as caught:
        import_for_test(name if submodule is None else f"{name}.{submodule}")
    assert reported in str(caught.value)
    assert "SomeBackend needs optional_broken" in str(caught.value)
    assert "pip install" not in str(caught.value)


def test_a_missing_dependency_with_a_similar_name_is_not_the_module_itself(package):
    name = package("optional_outer", "import optional_outer.missing_part")
    with pytest.raises(ImportError, match=r"installed but.* No module named 'optional_outer\.m"):
        import_for_test(name)


def test_an_interrupt_during_the_import_is_not_an_import_error(package):
    name = package("optional_slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        import_for_test(name)
