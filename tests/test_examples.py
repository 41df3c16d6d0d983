"""Every example runs by itself; the quickstart, which needs a model, is ``make demo``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[1].glob("examples/plot_*.py"))
PICTURES = {
    "plot_design": ["design.png"],
    "plot_does_it_help": ["deferral_curve.png"],
    "plot_label_noise": ["label_noise.png", "reliability.png"],
    "plot_smoothing_search": ["smoothing_search.png"],
}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_example_runs_and_draws(name, tmp_path):
    path = next(path for path in EXAMPLES if path.stem == name)
    environment = os.environ | {"MPLBACKEND": "Agg"}
    run = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    for picture in PICTURES[name]:
        assert (tmp_path / picture).stat().st_size > 5_000


def test_no_example_is_forgotten():
    assert {path.stem for path in EXAMPLES} == set(PICTURES) | {"plot_quickstart"}
