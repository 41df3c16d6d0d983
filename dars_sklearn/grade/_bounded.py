"""Call functions with a time limit, in a worker process that can be killed."""

import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

__all__ = ["call_with_timeout"]

_START_TIMEOUT = 60.0


def call_with_timeout(function, *arguments, timeout):
    """Call a function of the worker process.

    Parameters
    ----------
    function : str
        Name of the function, see ``_worker.py``.
    *arguments : str
        Its arguments.
    timeout : float
        Seconds after which the worker process is killed.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    TimeoutError
        If the function did not return in time, or the worker ran out of memory.
    ValueError
        If the function raised an error.
    """
    return _get_worker(os.getpid()).call(function, arguments, timeout)


@lru_cache(maxsize=1)
def _get_worker(pid):
    """Return the worker of this process; a forked process must not share its parent's."""
    return _Worker()


class _Worker:
    """The worker process, which is started on first use and again after it was killed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._process = None

    def call(self, function, arguments, timeout):
        """Call a function in the worker process."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            line = self._exchange(_encode_task(function, arguments), timeout)
        result, error = json.loads(line)
        if error is not None:
            raise ValueError(error)
        return result

    def _start(self):
        self._process = subprocess.Popen(
            # Run as a script, so that it does not import this package, which takes seconds.
            [sys.executable, str(Path(__file__).with_name("_worker.py")), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # The time that the process takes to start must not count for the first task.
        self._exchange(_encode_task("find_match", ["", "", "first"]), _START_TIMEOUT)

    def _exchange(self, task, timeout):
        """Send a task and return the answer; kill the process if it takes too long."""
        timer = threading.Timer(timeout, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(task)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        except BaseException:
            # Otherwise the next task would get the answer of the one that was interrupted.
            self._process.kill()
            self._process.wait()
            raise
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self._process.kill()
            self._process.wait()
            raise TimeoutError(
                f"the worker process was stopped: it exceeded {timeout:g} s or its memory limit"
            )
        return line


def _encode_task(function, arguments):
    return json.dumps([function, arguments]).encode() + b"\n"
