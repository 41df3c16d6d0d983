"""Logs that Inspect and the LM Evaluation Harness write of a real model."""

import os
import subprocess
import sys

import pytest
from models import serve, smol_path

QUESTIONS = {"What is the capital of France?": "Paris", "What is 2 plus 2?": "4", "Say yes.": "yes"}


@pytest.fixture(scope="session")
def questions():
    """Return the accepted answer of each question."""
    return QUESTIONS


@pytest.fixture(scope="session")
def run_with_real_model():
    """Return a function that runs a Python module with the address of a server of a real model."""
    server = serve(smol_path())
    base_url = f"{server.listening_address}/v1"

    def run(folder, *arguments):
        environment = os.environ | {
            "LOCAL_API_KEY": "none", "LOCAL_BASE_URL": base_url, "OPENAI_API_KEY": "none",
            "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"),
        }  # fmt: skip
        arguments = [argument.format(base_url=base_url) for argument in arguments]
        completed = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True,
            text=True,
        )  # fmt: skip
        assert completed.returncode == 0, completed.stderr[-2000:]

    yield run
    del server  # stops it
