"""Workers, which call the backends: in an event loop, or in threads."""

from concurrent.futures import ThreadPoolExecutor, wait
from inspect import isawaitable
from itertools import islice
from typing import NamedTuple

from dars_sklearn.collect._plan import Request
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._protocol import ProtocolError, call_backend, check_entry

__all__ = ["Answer", "open_workers"]

_THREAD_NAME = "dars_sklearn"
# Seconds to wait until requests that were cancelled have ended.
_CANCEL_TIMEOUT = 2.0


class Answer(NamedTuple):
    """What a backend returned for a request.

    Parameters
    ----------
    request : Request
        The request.
    responses : list of Response
        All samples of the request; if it failed, those that arrived before.
    error : BaseException or None
        Why the request failed, None if it succeeded.
    """

    request: Request
    responses: list
    error: BaseException | None


def open_workers(models, answers):
    """Open one worker per model.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model.
    answers : queue
        Where the workers put lists of answers.

    Returns
    -------
    dict of str to worker
        The worker of each model. Backends that do not declare their concurrency share one
        thread, since they may not be thread-safe.
    """
    shared_thread = ThreadPoolExecutor(1, thread_name_prefix=_THREAD_NAME)
    workers = {}
    for name, backend in models.items():
        if hasattr(backend, "sample"):
            workers[name] = AsyncWorker(backend, answers)
        elif hasattr(backend, "concurrency"):
            threads = ThreadPoolExecutor(backend.concurrency, thread_name_prefix=_THREAD_NAME)
            workers[name] = ThreadWorker(backend, answers, threads, backend.concurrency)
        else:
            workers[name] = ThreadWorker(backend, answers, shared_thread, 1)
    return workers


class AsyncWorker:
    """Awaits the coroutine ``sample`` of a backend, once per request.

    Parameters
    ----------
    backend : object
        The backend.
    answers : queue
        Where lists of answers are put.

    Attributes
    ----------
    capacity : int
        Maximum number of requests that were submitted, and whose answers are not stored yet.
    """

    def __init__(self, backend, answers):
        self._backend = backend
        self._answers = answers
        self._futures = set()
        # Twice the concurrency, so that the backend has requests to go on with while this
        # process writes to the store.
        self.capacity = 2 * getattr(backend, "concurrency", 1)

    def has_room(self, batch, request):
        """Return whether a request can be submitted together with a batch of others."""
        return len(self._futures) + len(batch) < self.capacity

    def submit(self, requests):
        """Start requests."""
        for request in requests:
            future = start(self._sample(request))
            self._futures.add(future)
            future.add_done_callback(lambda future, request=request: self._finish(request, future))

    async def _sample(self, request):
        """Await the responses to a request; whatever the backend raises is raised here."""
        responses = self._backend.sample(request.prompt, n=request.n, seed=request.seed)
        if not isawaitable(responses):
            raise ProtocolError(
                f"sample returned {type(responses).__name__!r}; define it with async def, and "
                "return a list of responses"
            )
        return await responses

    def _finish(self, request, future):
        self._futures.discard(future)
        try:
            entry = future.result()
        except BaseException as error:  # the main thread raises it, or counts a failed request
            entry = error
        self._answers.put([_make_answer(request, entry)])

    def cancel(self):
        """Cancel all requests in flight and wait a moment until they have ended."""
        futures = list(self._futures)
        for future in futures:
            future.cancel()
        wait(futures, timeout=_CANCEL_TIMEOUT)

    def close(self):
        """Do nothing: the event loop is shared by the whole process and stays open."""


class ThreadWorker:
    """Calls a backend in threads, with batches of prompts.

    Parameters
    ----------
    backend : callable
        The backend.
    answers : queue
        Where lists of answers are put.
    threads : ThreadPoolExecutor
        The threads.
    concurrency : int
        Maximum number of calls at the same time.

    Attributes
    ----------
    capacity : int
        Maximum number of requests that were submitted, and whose answers are not stored yet.
    """

    def __init__(self, backend, answers, threads, concurrency):
        self._backend = backend
        self._answers = answers
        self._threads = threads
        self._concurrency = concurrency
        self._batch_size = getattr(backend, "batch_size", 1)
        self.capacity = concurrency * self._batch_size
        self._n_calls = 0

    def has_room(self, batch, request):
        """Return whether a request can be submitted together with a batch of others."""
        capacity = (self._concurrency - self._n_calls) * self._batch_size
        # All prompts of one call have the same number of samples.
        return len(batch) < capacity and (not batch or batch[0].n == request.n)

    def submit(self, requests):
        """Start requests, in batches."""
        for begin in range(0, len(requests), self._batch_size):
            batch = requests[begin : begin + self._batch_size]
            self._n_calls += 1
            future = self._threads.submit(self._call, batch)
            future.add_done_callback(lambda future, batch=batch: self._finish(batch, future))

    def _call(self, batch):
        return call_backend(
            self._backend,
            [request.prompt for request in batch],
            n=batch[0].n,
            seeds=[request.seed for request in batch],
        )

    def _finish(self, batch, future):
        self._n_calls -= 1
        try:
            entries = future.result()
        except BaseException as error:  # the main thread raises it, or counts failed requests
            entries = [error] * len(batch)
        self._answers.put([_make_answer(*item) for item in zip(batch, entries, strict=True)])

    def cancel(self):
        """Cancel the calls that have not begun; those in progress cannot be cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def close(self):
        """Let the threads end after the calls in progress."""
        self._threads.shutdown(wait=False)


def _make_answer(request, entry):
    """Build an answer from what a backend returned or raised for a request.

    This is where every response passes before it reaches a store. It never raises, because a
    request without an answer would be waited for without end.
    """
    entry = _check_entry(entry, request.n)
    if not isinstance(entry, BaseException):
        return Answer(request, entry, None)
    return Answer(request, _responses_before(entry, request.n), entry)


def _check_entry(entry, n):
    """Return valid responses, or the exception why there are none."""
    try:
        return check_entry(entry, n)
    except BaseException as error:  # whatever an object of a backend may raise
        return error


def _responses_before(error, n):
    """Return the valid responses that arrived before a request failed."""
    try:
        responses = list(islice(error.responses, n))
        checked = check_entry(responses, len(responses))
        return list(getattr(checked, "responses", checked))
    except BaseException:  # most exceptions have no responses
        return []
