"""One event loop in a thread of its own, so that async clients serve sync code, notebooks too."""

import asyncio
import os
import threading
from functools import lru_cache


def event_loop():
    """Return the loop that this process runs its async clients in."""
    with _STARTING:
        return _loop_of(os.getpid())


_STARTING = threading.Lock()


@lru_cache(maxsize=1)  # a fork has another pid, and none of its parent's threads
def _loop_of(pid):
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="dars_sklearn", daemon=True).start()
    return loop


def start(coroutine):
    """Start a coroutine in the loop; return its ``concurrent.futures.Future``."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())
