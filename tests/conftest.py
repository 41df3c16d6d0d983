"""One thread for each of OpenMP's users: small nets are slower with more, and fight over cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
