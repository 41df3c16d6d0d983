"""The examples, the code of the user guide and the benchmarks keep up with the package.

The quickstart, which runs a language model, is not run here but by ``make demo``.
"""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(ROOT.glob("examples/plot_*.py"))
BENCHMARKS = sorted(ROOT.glob("benchmarks/*.py"))
PICTURES = {
    "plot_design": ["design.png"],
    "plot_does_it_help": ["cost_at_quality.png", "deferral_curve.png"],
    "plot_label_noise": ["label_noise.png", "reliability.png"],
    "plot_smoothing_search": ["smoothing_search.png"],
}


def run_script(path, folder):
    """Run a script in a folder, without a display."""
    environment = os.environ | {"MPLBACKEND": "Agg"}
    run = subprocess.run(
        [sys.executable, path], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_example_saves_pictures_that_are_not_blank(name, tmp_path):
    run_script(ROOT / "examples" / f"{name}.py", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(PICTURES[name])
    for picture in PICTURES[name]:
        assert imread(tmp_path / picture)[..., :3].std() > 0.01


def test_every_example_is_run_here_or_by_make_demo():
    assert {path.stem for path in EXAMPLES} == set(PICTURES) | {"plot_quickstart"}
    assert "examples/plot_quickstart.py" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("page", ["outcomes", "labels", "evaluation"])
def test_code_blocks_of_a_page_run_one_after_the_other(page, tmp_path):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    script = tmp_path / f"{page}.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    run_script(script, tmp_path)


def test_every_test_that_the_page_of_bad_input_names_exists():
    page = (ROOT / "docs" / "bad_input.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)::([\w:]+)", page))
    assert len(named) > 100
    missing = []
    for path, name in sorted(named):
        file = ROOT / path if path.startswith("tests/") else ROOT / "tests" / "hostile" / path
        source = file.read_text(encoding="utf-8") if file.exists() else ""
        if not all(re.search(rf"(def|class) {part}\b", source) for part in name.split("::")):
            missing.append(f"{path}::{name}")
    assert missing == []


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_imports_only_names_that_the_package_has(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "dars_sklearn"
    ]
    missing = [
        f"{node.module}.{alias.name}"
        for node in imports
        for alias in node.names
        if not hasattr(importlib.import_module(node.module), alias.name)
    ]
    assert missing == []


def test_every_benchmark_and_stored_result_is_in_the_page_on_benchmarks():
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    scripts = [path.name for path in BENCHMARKS if not path.name.startswith("_")]
    results = [path.name for path in (ROOT / "docs" / "results").iterdir()]
    assert [name for name in scripts + results if name not in page] == []
