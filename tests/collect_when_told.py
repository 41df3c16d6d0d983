"""Fork a process that collects for each line of standard input: path and base_url."""

import os
import sys
import warnings

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import OpenAIBackend
from dars_sklearn.grade import Contains

N_PROMPTS, N_SAMPLES, CONCURRENCY = 2_500, 2, 4


def collector(path, base_url):
    backend = OpenAIBackend("m", base_url, concurrency=CONCURRENCY, usage="all")
    return OutcomeCollector({"m": backend}, Contains(), n_samples=N_SAMPLES, store=path)


def queries():
    return [f"query {number}" for number in range(N_PROMPTS)]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            collector(*line.split()).collect(queries(), queries())
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)
