"""Collect in other processes, which the tests interrupt or kill.

Run as a script, it forks a process for each line of standard input, which contains the path
of a store and the address of a server. The process collects; its id and its exit status are
printed.
"""

import os
import sys
import warnings

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import OpenAIBackend
from dars_sklearn.grade import Contains

N_QUERIES, N_SAMPLES, CONCURRENCY = 2_500, 2, 4


def collect(path, base_url):
    """Collect outcomes of all queries from one server into a store."""
    queries = [f"query {number}" for number in range(N_QUERIES)]
    backend = OpenAIBackend("m", base_url, concurrency=CONCURRENCY, usage="all")
    collector = OutcomeCollector({"m": backend}, Contains(), n_samples=N_SAMPLES, store=path)
    return collector.collect(queries, queries)


def collect_all(path, base_url):
    """Collect, and fail unless all outcomes were collected."""
    assert len(collect(path, base_url).score) == N_QUERIES * N_SAMPLES


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            collect(*line.split())
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)
