"""How backends are called: awaited, or in threads; what they give goes to one queue."""

from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

from dars_sklearn.generate import ask
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._protocol import check_entry


def open_lanes(models, done):
    """One lane a model; plain callables share one thread, since they may not be thread-safe."""
    shared = ThreadPoolExecutor(1, thread_name_prefix="dars_sklearn")
    lanes = {}
    for name, backend in models.items():
        if hasattr(backend, "sample"):
            lanes[name] = _AsyncLane(backend, done)
        elif hasattr(backend, "concurrency"):
            pool = ThreadPoolExecutor(backend.concurrency, thread_name_prefix="dars_sklearn")
            lanes[name] = _ThreadLane(backend, done, pool, backend.concurrency)
        else:
            lanes[name] = _ThreadLane(backend, done, shared, 1)
    return lanes


class _AsyncLane:
    """A backend whose ``sample`` is awaited, a prompt at a time."""

    def __init__(self, backend, done):
        self.backend, self.done = backend, done
        self.futures = set()
        # As many again wait at the backend's door, so that it never idles
        # while this thread is writing.
        self.room = 2 * getattr(backend, "concurrency", 1)

    def has_room(self, taken, request):
        return len(self.futures) + len(taken) < self.room

    def submit(self, requests):
        for request in requests:
            future = start(self.backend.sample(request.prompt, n=request.n, seed=request.seed))
            self.futures.add(future)
            future.add_done_callback(lambda f, r=request: self._finish(r, f))

    def _finish(self, request, future):
        self.futures.discard(future)
        self.done.put([(request, _entry_of(future, request.n))])

    def cancel(self):
        futures = list(self.futures)
        for future in futures:
            future.cancel()
        wait(futures, timeout=2.0)

    def close(self):
        """There is nothing to close: the loop serves the whole process."""


class _ThreadLane:
    """A plain callable, called in a thread with a batch of prompts."""

    def __init__(self, backend, done, pool, concurrency):
        self.backend, self.done, self.pool = backend, done, pool
        self.batch = getattr(backend, "batch_size", 1)
        self.room = concurrency
        self.n_calls = 0

    def has_room(self, taken, request):
        free = self.room - self.n_calls
        # One call asks for one number of samples.
        return len(taken) < free * self.batch and (not taken or taken[0].n == request.n)

    def submit(self, requests):
        for place in range(0, len(requests), self.batch):
            batch = requests[place : place + self.batch]
            self.n_calls += 1
            future = self.pool.submit(self._call, batch)
            future.add_done_callback(lambda f, b=batch: self._finish(b, f))

    def _call(self, batch):
        return ask(
            self.backend,
            [request.prompt for request in batch],
            n=batch[0].n,
            seeds=[request.seed for request in batch],
        )

    def _finish(self, batch, future):
        self.n_calls -= 1
        try:
            entries = future.result()
        except (Exception, CancelledError) as error:
            entries = [error] * len(batch)
        self.done.put(list(zip(batch, entries, strict=True)))

    def cancel(self):
        self.pool.shutdown(wait=False, cancel_futures=True)

    def close(self):
        self.pool.shutdown(wait=False)


def _entry_of(future, n):
    try:
        return check_entry(future.result(), n)
    except (Exception, CancelledError) as error:
        return error
