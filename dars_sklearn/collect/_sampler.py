"""Request the samples of a plan that are missing, and store them as they arrive."""

import math
import queue
import time
from collections import Counter, deque
from concurrent.futures import CancelledError
from contextlib import suppress
from inspect import iscoroutine
from typing import NamedTuple

from dars_sklearn.collect._budget import Budget
from dars_sklearn.collect._plan import split_at_stored
from dars_sklearn.collect._rescue import keep_answers
from dars_sklearn.collect._workers import open_workers
from dars_sklearn.generate import BackendError
from dars_sklearn.generate._loop import start
from dars_sklearn.generate._protocol import ProtocolError
from dars_sklearn.grade._reasons import format_reason, list_reasons
from dars_sklearn.store import StoreError

__all__ = ["Sampler", "SamplingSummary"]

# The failure rate is not judged before this number of requests was answered.
_MIN_FINISHED = 20
# Seconds between two attempts to claim what another process has claimed, and the longest
# wait for an answer before the claims are renewed.
_POLL_INTERVAL = 0.5


class SamplingSummary(NamedTuple):
    """What a run did, and what it could not afford.

    Parameters
    ----------
    spent : float
        Cost of all requests of the plan, by any process and at any time.
    n_finished : int
        Number of requests that were answered, or failed, in this run.
    n_unaffordable : int
        Number of requests that were not sent because they do not fit into the limit.
    sufficient_limit : float
        The limit with which they can all be sent; NaN if there are none.
    """

    spent: float
    n_finished: int
    n_unaffordable: int
    sufficient_limit: float


class Sampler:
    """Carry out a plan: coordinate the workers, the budget and the claims.

    Parameters
    ----------
    store : Store
        Where responses are stored.
    models : dict of str to callable
        The backend of each model.
    plan : Plan
        The plan.
    progress : tqdm
        A progress bar, in samples.
    max_cost : float or None, default=None
        Maximum cost of all requests of the plan, by any process and at any time.
    max_failure_rate : float, default=1.0
        Maximum share of requests that may fail.
    on_first : callable or None, default=None
        Called once, as ``on_first(request, response)``, with the first response.
    """

    def __init__(
        self, store, models, plan, progress, *, max_cost=None, max_failure_rate=1.0, on_first=None
    ):
        self._store = store
        self._progress = progress
        self._max_failure_rate = max_failure_rate
        self._on_first = on_first
        self._waiting = {name: deque(requests) for name, requests in plan.missing.items()}
        self._models = {name: models[name] for name, requests in plan.missing.items() if requests}
        self._budget = Budget(store, models, plan, max_cost)
        self._request_ids = set(plan.request_ids)
        self._in_flight = set()
        self._unsent = {}  # batches that are claimed and reserved, but not submitted yet
        self._claimed_elsewhere = []
        self._arrived = []  # answers that may not be in the store yet
        self._failures = Counter()  # by reason
        self._n_finished = 0
        self._violates_protocol = False

    def run(self):
        """Request all missing samples.

        Returns
        -------
        SamplingSummary
            What was spent, and what was not affordable.

        Raises
        ------
        BackendError
            If a backend cannot be reached, too many requests fail, or one costs more than
            its highest price although there is a limit.
        KeyboardInterrupt, SystemExit
            If a backend raises them. What has arrived is stored.
        StoreError
            If the store cannot be written. What has arrived is then kept in a new store.
        """
        _check_backends(self._models)
        answers = queue.SimpleQueue()
        workers = open_workers(self._models, answers)
        try:
            self._run_until_done(workers, answers)
        except BaseException as error:
            self._cancel(workers, answers)
            self._store.roll_back()
            if isinstance(error, StoreError):
                raise keep_answers(self._store.path, self._models, self._arrived, error) from error
            self._save_arrived()
            raise
        finally:
            for worker in workers.values():
                worker.close()
        self._check_failure_rate(is_final=True)
        return self._summarise()

    def _run_until_done(self, workers, answers):
        """Alternate between storing answers and sending requests."""
        while True:
            self._arrived += _take_answers(answers, _POLL_INTERVAL if self._in_flight else 0.0)
            with self._store.transaction():
                self._store.claims.renew()
                for answer in self._arrived:
                    self._save(answer)
                    self._account_for(answer)
                batches = {name: self._take_batch(name, workers[name]) for name in workers}
                others_work = self._others_work()
            self._unsent = batches
            self._stop_if_demanded()
            self._report_first_response()
            self._arrived.clear()
            self._check_failure_rate()
            self._budget.raise_overrun()
            while self._unsent:
                name, batch = self._unsent.popitem()
                workers[name].submit(batch)
            if self._in_flight:
                continue
            if not others_work:
                return
            self._wait_for_other_processes()

    def _take_batch(self, name, worker):
        """Claim the requests to a model that are to be sent now, and reserve their cost."""
        batch, waiting = [], self._waiting[name]
        # An answer that has arrived, but is not stored yet, still counts: a kill would lose it.
        n_in_flight = sum(request.model == name for request in self._in_flight)
        while n_in_flight + len(batch) < worker.capacity:
            self._skip_stored(waiting)
            if not waiting or not worker.has_room(batch, waiting[0]):
                break
            if not self._budget.is_affordable(waiting[0]):
                break
            request = waiting.popleft()
            if self._store.claims.claim(request.id):
                self._budget.reserve(request)
                self._in_flight.add(request)
                batch.append(request)
            else:
                self._claimed_elsewhere.append(request)
        return batch

    def _skip_stored(self, waiting):
        """Remove from the front of a queue what others have stored in the meantime."""
        while waiting:
            request = waiting.popleft()
            missing = self._split_at_stored(request)
            self._progress.update(request.n - sum(part.n for part in missing))
            waiting.extendleft(reversed(missing))
            if missing:
                return

    def _split_at_stored(self, request):
        return split_at_stored(request, self._store.sample_numbers(request.id))

    def _others_work(self):
        """Return whether to wait for what other processes have claimed.

        What they have reserved for requests of this plan may become affordable again.
        """
        if self._in_flight:
            return False
        if self._claimed_elsewhere:
            return True
        is_waiting = any(self._waiting.values())
        return is_waiting and not self._request_ids.isdisjoint(
            self._store.claims.find_claimed_elsewhere()
        )

    def _summarise(self):
        # Without any request in flight, those that wait are not affordable.
        missing = [
            part
            for waiting in self._waiting.values()
            for request in waiting
            for part in self._split_at_stored(request)
        ]
        sufficient_limit = self._budget.limit_for(missing) if missing else math.nan
        return SamplingSummary(self._budget.spent, self._n_finished, len(missing), sufficient_limit)

    def _wait_for_other_processes(self):
        """Wait, then try again what other processes had claimed; they may have died."""
        time.sleep(_POLL_INTERVAL)
        for request in self._claimed_elsewhere:
            self._waiting[request.model].append(request)
        self._claimed_elsewhere = []

    def _save(self, answer):
        """Store the responses to a request, or why there are none."""
        request, responses, error = answer
        self._store.put_responses(request.id, request.first, responses)
        self._store.put_error(request.id, None if error is None else format_reason(error))

    def _account_for(self, answer):
        """Release the claim on a request, and count its cost and outcome."""
        request, responses, error = answer
        self._in_flight.discard(request)
        if all(other.id != request.id for other in self._in_flight):
            self._store.claims.release(request.id)
        self._budget.settle(request, _amount_paid(answer))
        self._n_finished += 1
        if error is not None:
            self._failures[f"model {request.model!r}: {format_reason(error)}"] += 1
            self._violates_protocol |= isinstance(error, ProtocolError) and self._n_finished == 1
        self._progress.update(request.n)
        self._progress.set_postfix(
            cost=f"{self._budget.spent:.4g}", failed=self._failures.total(), refresh=False
        )

    def _stop_if_demanded(self):
        """Raise what a backend raised in order to end the process."""
        for answer in self._arrived:
            if isinstance(answer.error, (KeyboardInterrupt, SystemExit)):
                raise answer.error

    def _report_first_response(self):
        if self._on_first is None:
            return
        for answer in self._arrived:
            if answer.error is None:
                self._on_first(answer.request, answer.responses[0])
                self._on_first = None
                return

    def _check_failure_rate(self, is_final=False):
        n_failed, n_finished = self._failures.total(), self._n_finished
        if n_failed == 0 or n_failed <= self._max_failure_rate * n_finished:
            return
        # A backend that violates the protocol on its first request will do so again.
        if is_final or n_finished >= _MIN_FINISHED or self._violates_protocol:
            share = "all" if n_failed == n_finished else f"{n_failed} of {n_finished}"
            raise BackendError(
                f"{share} requests failed, more than max_failure_rate={self._max_failure_rate} "
                f"allows: {list_reasons(self._failures)}; the responses that arrived are kept in "
                "the store, if there is one"
            )

    def _cancel(self, workers, answers):
        """Cancel the requests in flight, and take what has arrived until now."""
        for worker in workers.values():
            worker.cancel()
        self._arrived += [
            answer
            for answer in _take_answers(answers, timeout=0.0)
            if not isinstance(answer.error, CancelledError)
        ]

    def _save_arrived(self):
        """Store what has arrived, and enter that what was not submitted cost nothing."""
        with suppress(StoreError), self._store.transaction():
            for answer in self._arrived:
                self._save(answer)
                if answer.request in self._in_flight:
                    self._budget.settle(answer.request, _amount_paid(answer))
            for batch in self._unsent.values():
                for request in batch:
                    self._budget.settle(request, 0.0)


def _amount_paid(answer):
    """Return what a request cost, NaN if that is not known."""
    paid = sum(response.spent for response in answer.responses)
    if answer.error is not None:
        try:
            paid += float(answer.error.spent)
        except Exception:  # an exception of a user's backend may have any attribute, or none
            return math.nan
    return paid if 0 <= paid < math.inf else math.nan


def _check_backends(models):
    """Raise if a backend has a ``check`` method and reports that it cannot be reached."""
    for name, backend in models.items():
        if hasattr(backend, "check"):
            try:
                checked = backend.check()
                if iscoroutine(checked):
                    start(checked).result()
            except BackendError as error:
                raise BackendError(f"model {name!r}: {error}") from error


def _take_answers(answers, timeout):
    """Take all answers from a queue; wait for the first one, but no longer than a timeout."""
    taken = []
    with suppress(queue.Empty):
        taken += answers.get(timeout=timeout) if timeout else answers.get_nowait()
        while True:
            taken += answers.get_nowait()
    return taken
