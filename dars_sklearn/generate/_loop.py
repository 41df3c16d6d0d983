"""An event loop in a background thread, so that synchronous code can run async clients.

It also works where a loop is running already, as in notebooks.
"""

import asyncio
import os
import threading
from contextlib import suppress
from functools import lru_cache

__all__ = ["event_loop", "start"]

_STARTING = threading.Lock()


def event_loop():
    """Return this process's background event loop, and start it on first use."""
    with _STARTING:
        return _loop_of_process(os.getpid())


@lru_cache(maxsize=1)  # a forked process has another pid, and none of its parent's threads
def _loop_of_process(pid):
    """Return a new event loop, which runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=_run, args=(loop,), name="dars_sklearn", daemon=True).start()
    return loop


def _run(loop):
    """Run a loop until the process ends, whatever its coroutines do.

    A coroutine that raises SystemExit or KeyboardInterrupt makes ``run_forever`` raise it, too,
    and one may stop the loop. Its future has the exception, but no other would ever have a result.
    """
    while not loop.is_closed():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def start(coroutine):
    """Start a coroutine in the background loop; return its ``concurrent.futures.Future``."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())
