"""Processes that collect into one store at the same time, for tests of stores and budgets.

They are forked from a server process that has imported the package, so they start at once.
"""

import multiprocessing
import os
import sys
import time
import warnings
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from unittest.mock import patch

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import OpenAIBackend, Response
from dars_sklearn.grade import Contains

__all__ = ["collect_from_server", "start_processes", "wait_for"]

# Price of a token of a response, for which 1e6 tokens are priced.
TOKEN_PRICE = 1e6


def collect_from_server(path, base_url, n_queries, n_samples=1, clock_offset=0.0, **parameters):
    """Collect outcomes of queries from one server, whose output costs 1 per token.

    Parameters
    ----------
    path : str
        The store.
    base_url : str
        The server.
    n_queries, n_samples : int
        Number of queries, and of samples of each.
    clock_offset : float, default=0.0
        Seconds by which the clock of this process is wrong.
    **parameters
        ``max_cost``, and parameters of the backend.
    """
    warnings.simplefilter("ignore")
    clock = time.time
    time.time = lambda: clock() + clock_offset
    collector = make_collector(path, base_url, n_samples, **parameters)
    queries = [f"query {number}" for number in range(n_queries)]
    return collector.collect(queries, queries)


def make_collector(path, base_url, n_samples=1, *, max_cost=None, **parameters):
    """Make a collector whose backend is one server, whose output costs 1 per token."""
    parameters = {"concurrency": 2, "usage": "all", "max_tokens": 2, "max_retries": 0} | parameters
    backend = OpenAIBackend(
        "m", base_url, input_price=0.0, output_price=TOKEN_PRICE, template="{prompt}", **parameters
    )
    return OutcomeCollector(
        {"m": backend}, Contains(), n_samples, path, max_cost=max_cost, max_failure_rate=1.0
    )


class SlowBackend:
    """A backend that takes some time for each response, and notes each call in a file."""

    def __init__(self, log, seconds=0.02):
        self.log, self.seconds = log, seconds

    def __call__(self, prompts, *, n):
        with open(self.log, "a") as log:
            log.writelines(f"{prompt}\n" for prompt in prompts)
        time.sleep(self.seconds)
        return [[Response(prompt)] * n for prompt in prompts]


def collect_slowly(path, log, n_queries):
    """Collect from a backend in this process, which notes each call in a file."""
    warnings.simplefilter("ignore")
    collector = OutcomeCollector({"m": SlowBackend(log)}, Contains(), 1, path)
    queries = [f"query {number}" for number in range(n_queries)]
    return collector.collect(queries, queries)


@contextmanager
def start_processes(function, arguments, **common):
    """Call a function in several processes, which are killed at the end of the block.

    Parameters
    ----------
    function : callable
        A function of a module.
    arguments : list of dict
        Keyword arguments of each call.
    **common
        Keyword arguments of all calls.

    Yields
    ------
    list of Process
        The processes.
    """
    context = _start_server()
    processes = [context.Process(target=function, kwargs=common | own) for own in arguments]
    try:
        for process in processes:
            process.start()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join()


@cache
def _start_server():
    """Start the process from which the others are forked, with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["store_processes", "openai", "aiolimiter", "aiohttp", "pytest"])
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
        forkserver.ensure_running()
    return context


def wait_for(processes, seconds=60):
    """Wait until processes have ended; return their exit codes, None if one takes too long."""
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0))
    return [process.exitcode for process in processes]
