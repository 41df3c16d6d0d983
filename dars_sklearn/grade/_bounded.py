"""Calls that end in bounded time, whatever they are given."""

import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path


def call_bounded(function, *arguments, timeout):
    """Call a function of the worker process.

    Parameters
    ----------
    function : str
        Its name.
    *arguments : str
        What it is given.
    timeout : float
        Seconds after which the worker is killed.

    Returns
    -------
    object
        What it returned.

    Raises
    ------
    TimeoutError
        If it took too long, or more memory than there is.
    ValueError
        If it raised an error.
    """
    return _worker(os.getpid()).call(function, arguments, timeout)


@lru_cache(maxsize=1)  # a fork must not write into the pipe of its parent
def _worker(pid):
    return _Worker()


class _Worker:
    """The worker process; started on first use, and again after it was killed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._process = None

    def call(self, function, arguments, timeout):
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            task = json.dumps([function, arguments]) + "\n"
            line = self._exchange(task.encode(), timeout)
        result, error = json.loads(line)
        if error is not None:
            raise ValueError(error)
        return result

    def _start(self):
        self._process = subprocess.Popen(
            # By its path, so that it does not import this package, which takes seconds.
            [sys.executable, str(Path(__file__).with_name("_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # The start must not count as the time of the first task.
        self._exchange(b'["matches", ["", ""]]\n', timeout=60.0)

    def _exchange(self, task, timeout):
        """Write a task and read its line; kill the process where it takes too long."""
        alarm = threading.Timer(timeout, self._process.kill)
        alarm.start()
        try:
            self._process.stdin.write(task)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            alarm.cancel()
        if not line.endswith(b"\n"):
            self._process.kill()
            self._process.wait()
            raise TimeoutError(f"it was given up after {timeout:g} s, or for want of memory")
        return line
