"""One thread for each of OpenMP's users, and the same examples of properties every time.

Small nets are slower with more threads, and fight over cores.
"""

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("same", derandomize=True)
settings.load_profile("same")
