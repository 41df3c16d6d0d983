"""An event loop in a background thread, so that synchronous code can run async clients.

It also works where a loop is running already, as in notebooks.
"""

import asyncio
import os
import threading
from functools import lru_cache

_STARTING = threading.Lock()


def event_loop():
    """Return this process's background event loop, and start it on first use."""
    with _STARTING:
        return _loop_of_process(os.getpid())


@lru_cache(maxsize=1)  # a forked process has another pid, and none of its parent's threads
def _loop_of_process(pid):
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="dars_sklearn", daemon=True).start()
    return loop


def start(coroutine):
    """Start a coroutine in the background loop; return its ``concurrent.futures.Future``."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())
