"""Request the samples of a plan that are missing, and store them as they arrive."""

import queue
import time
from collections import Counter, deque
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import NamedTuple

from dars_sklearn.collect._budget import Budget
from dars_sklearn.collect._workers import open_workers
from dars_sklearn.generate import BackendError
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
    """The cost of all samples of a plan, and how many requests were not affordable."""

    spent: float
    n_unaffordable: int


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
        Maximum cost of all samples of the plan, stored ones included.
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
        spent = 0.0 if max_cost is None else store.spent_on(plan.request_ids)
        self._budget = Budget(models, max_cost, spent)
        self._in_flight = set()
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
            If a backend cannot be reached, or too many requests fail.
        StoreError
            If the store cannot be written.
        """
        _check_backends(self._models)
        answers = queue.SimpleQueue()
        workers = open_workers(self._models, answers)
        try:
            n_unaffordable = self._run_until_done(workers, answers)
        except BaseException as error:
            self._cancel(workers, answers, save=not isinstance(error, StoreError))
            raise
        finally:
            for worker in workers.values():
                worker.close()
        self._check_failure_rate(is_final=True)
        return SamplingSummary(self._budget.spent, n_unaffordable)

    def _run_until_done(self, workers, answers):
        """Alternate between storing answers and sending requests.

        Returns the number of requests that were not sent because they are not affordable.
        """
        while True:
            self._arrived += _take_answers(answers, _POLL_INTERVAL if self._in_flight else 0.0)
            with self._store.transaction():
                self._store.claims.renew()
                for answer in self._arrived:
                    self._save(answer)
                    self._account_for(answer)
                batches = {name: self._take_batch(name, workers[name]) for name in workers}
            self._report_first_response()
            self._arrived.clear()
            self._check_failure_rate()
            for name, batch in batches.items():
                workers[name].submit(batch)
            if self._in_flight:
                continue
            # Without a request in flight, all that still waits is not affordable.
            n_waiting = sum(map(len, self._waiting.values()))
            if n_waiting or not self._claimed_elsewhere:
                return n_waiting
            self._wait_for_other_processes()

    def _take_batch(self, name, worker):
        """Claim the requests to a model that are to be sent now, and reserve their cost."""
        batch, waiting = [], self._waiting[name]
        while (
            waiting
            and worker.has_room(batch, waiting[0])
            and self._budget.is_affordable(waiting[0])
        ):
            request = waiting.popleft()
            if not self._store.claims.claim(request.id):
                self._claimed_elsewhere.append(request)
            elif self._store.lacks_samples(request.id, request.first, request.n):
                self._budget.reserve(request)
                self._in_flight.add(request)
                batch.append(request)
            else:  # another process has stored these samples in the meantime
                self._store.claims.release(request.id)
                self._progress.update(request.n)
        return batch

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
        self._budget.settle(request, sum(response.spent for response in responses))
        self._n_finished += 1
        if error is not None:
            self._failures[f"model {request.model!r}: {format_reason(error)}"] += 1
            self._violates_protocol |= isinstance(error, ProtocolError) and self._n_finished == 1
        self._progress.update(request.n)
        self._progress.set_postfix(
            cost=f"{self._budget.spent:.4g}", failed=self._failures.total(), refresh=False
        )

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

    def _cancel(self, workers, answers, save):
        """Cancel the requests in flight, and store what has arrived until now."""
        for worker in workers.values():
            worker.cancel()
        if save:
            with suppress(StoreError), self._store.transaction():
                for answer in self._arrived + _take_answers(answers, timeout=0.0):
                    if not isinstance(answer.error, CancelledError):
                        self._save(answer)


def _check_backends(models):
    """Raise if a backend has a ``check`` method and reports that it cannot be reached."""
    for name, backend in models.items():
        if hasattr(backend, "check"):
            try:
                backend.check()
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
