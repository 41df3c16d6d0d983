"""Settings of all tests: one OpenMP thread, and the same hypothesis examples in every run."""

import os

from hypothesis import settings

# Small networks are slower with several threads, which would compete with other processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
