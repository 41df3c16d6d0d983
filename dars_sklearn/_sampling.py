"""Ask backends for the samples that a store lacks: each once, each kept at once."""

import math
import queue
import time
from collections import Counter, deque
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from dars_sklearn._lanes import open_lanes
from dars_sklearn._store_file import CLAIM_SECONDS, StoreError
from dars_sklearn.generate import BackendError
from dars_sklearn.generate._protocol import ProtocolError
from dars_sklearn.store import digest

# A rate of failures means little before so many requests have been answered.
_ENOUGH_TO_JUDGE = 20
# Seconds between looks at what another process is still asking.
_POLL = 0.5


@dataclass(frozen=True, slots=True)
class Request:
    """Samples ``first`` to ``first + n - 1`` of one prompt to one model."""

    id: int
    model: str
    prompt: str
    first: int
    n: int
    seed: int


@dataclass
class Plan:
    """What a collection consists of, and what of it a store lacks.

    ``ids`` has, for each model, the request id of each distinct prompt;
    ``missing``, for each model, a list of requests; ``n_samples`` counts all
    samples, missing or not.
    """

    ids: dict
    missing: dict
    n_samples: int

    @property
    def n_missing(self):
        """Number of samples that the store lacks."""
        return sum(request.n for requests in self.missing.values() for request in requests)


def settings_of(backend):
    """All that is known to determine a backend's answers."""
    return getattr(backend, "settings", {})


def plan_requests(store, models, prompts, n_samples, base_seed):
    """Find which samples a store lacks.

    Parameters
    ----------
    store : Store
        The store.
    models : dict of str to callable
        The backend of each model.
    prompts : sequence of str
        Distinct prompts.
    n_samples : int
        Samples wanted of each.
    base_seed : int
        What the seeds of the requests are derived from.

    Returns
    -------
    Plan
        What there is and what is missing.
    """
    ids, missing = {}, {}
    for name, backend in models.items():
        with store.transaction():
            number, settings = store.register_backend(name, settings_of(backend))
            keys = [digest(name, settings, str(base_seed), prompt) for prompt in prompts]
            known = store.register_requests(number, keys, prompts)
        held = store.samples_held(number, n_samples)
        ids[name] = dict(zip(prompts, known, strict=True))
        missing[name] = [
            Request(request, name, prompt, first, n, _seed(key, first))
            for request, prompt, key in zip(known, prompts, keys, strict=True)
            for first, n in _gaps(held.get(request, ()), n_samples)
        ]
    return Plan(ids, missing, len(models) * len(prompts) * n_samples)


def _gaps(held, n_samples):
    """Runs (first, length) of the samples that are not held."""
    if not held:
        return [(0, n_samples)]
    if len(held) >= n_samples:
        return []
    lacking = [sample for sample in range(n_samples) if sample not in held]
    runs = groupby(enumerate(lacking), key=lambda place: place[1] - place[0])
    spans = [[sample for _, sample in run] for _, run in runs]
    return [(span[0], len(span)) for span in spans]


def _seed(key, first):
    """The seed of a request: from what is asked, and from its first sample, alone."""
    return int.from_bytes(digest(key.hex(), str(first))[:4], "big") >> 1


class Sampler:
    """Asks for what is missing, within limits, and keeps what arrives.

    Parameters
    ----------
    store : Store
        Where responses are kept.
    models : dict of str to callable
        The backend of each model.
    max_cost : float or None
        What all samples of the plan may cost together, those held included.
    max_failure_rate : float
        Share of requests that may fail.
    progress : tqdm
        Its bar, in samples.
    on_first : callable
        Called as ``on_first(request, response)`` with the first response.
    """

    def __init__(self, store, models, *, max_cost, max_failure_rate, progress, on_first):
        self.store = store
        self.models = models
        self.max_cost = math.inf if max_cost is None else max_cost
        self.max_failure_rate = max_failure_rate
        self.progress = progress
        self.on_first = on_first
        self.failures = Counter()  # by (model, reason)
        self.n_finished = 0
        self.n_unaffordable = 0
        self.spent = 0.0
        self._broken = False
        self._reserved = {}  # requests in flight, and what each may cost
        self._arrived = []  # what has arrived and may not be in the store yet
        self._seen_alive = -math.inf

    def run(self, plan):
        """Ask for all that is missing.

        Parameters
        ----------
        plan : Plan
            What is missing.

        Raises
        ------
        BackendError
            If too many requests fail, or a backend cannot be reached.
        StoreError
            If the store can keep no more.
        """
        if self.max_cost < math.inf:
            self.spent = self.store.spent_on(
                request for ids in plan.ids.values() for request in ids.values()
            )
        self.pending = {name: deque(requests) for name, requests in plan.missing.items()}
        self.elsewhere = []
        self._check_backends()
        done = queue.SimpleQueue()
        lanes = open_lanes({n: self.models[n] for n in self.pending if self.pending[n]}, done)
        try:
            self._loop(lanes, done)
        except BaseException as error:
            self._stop(lanes, done, keep=not isinstance(error, StoreError))
            raise
        finally:
            for lane in lanes.values():
                lane.close()
        self._judge(last=True)

    def _check_backends(self):
        for name, requests in self.pending.items():
            check = getattr(self.models[name], "check", None)
            if requests and check is not None:
                try:
                    check()
                except BackendError as error:
                    raise BackendError(f"model {name!r}: {error}") from error

    def _loop(self, lanes, done):
        while True:
            self._arrived += _drain(done, timeout=_POLL if self._reserved else 0.0)
            with self.store.transaction():
                self._stay_alive()
                for request, entry in self._arrived:
                    self._keep(request, entry)
                started = [(lane, self._claim(name, lane)) for name, lane in lanes.items()]
            self._inspect_first()
            self._arrived.clear()
            self._judge()
            for lane, requests in started:
                lane.submit(requests)
            if not self._reserved:
                if not any(self.pending.values()) and not self.elsewhere:
                    return
                if not any(requests for _, requests in started):
                    if self._cannot_afford_next():
                        return
                    self._look_elsewhere()

    def _inspect_first(self):
        answered = (pair for pair in self._arrived if not isinstance(pair[1], BaseException))
        if self.on_first is not None and (first := next(answered, None)):
            self.on_first(first[0], first[1][0])
            self.on_first = None

    def _stay_alive(self):
        if time.monotonic() - self._seen_alive > CLAIM_SECONDS / 4:
            self.store.stay_alive()
            self._seen_alive = time.monotonic()

    # ---- starting --------------------------------------------------------------

    def _claim(self, name, lane):
        """Take requests that are to start now: claimed, affordable, still missing."""
        requests, pending = [], self.pending[name]
        while pending and lane.has_room(requests, pending[0]):
            request = pending[0]
            bound = self._bound(request)
            if self.spent + sum(self._reserved.values()) + bound > self.max_cost:
                break
            pending.popleft()
            if not self.store.claim(request.id):
                self.elsewhere.append(request)
            elif self.store.lacks(request.id, request.first, request.n):
                self._reserved[request] = bound
                requests.append(request)
            else:  # another process has asked it since
                self.store.release(request.id)
                self.progress.update(request.n)
        return requests

    def _bound(self, request):
        if self.max_cost == math.inf:
            return 0.0
        return self.models[request.model].highest_price(request.prompt, request.n)

    def _cannot_afford_next(self):
        left = self.max_cost - self.spent
        waiting = [request for pending in self.pending.values() for request in pending]
        if not waiting or any(self._bound(pending[0]) <= left for pending in self.pending.values()
                              if pending):  # fmt: skip
            return False
        self.n_unaffordable = len(waiting)
        return True

    def _look_elsewhere(self):
        """Wait for what other processes have claimed; take over what they leave."""
        time.sleep(_POLL)
        waiting, self.elsewhere = self.elsewhere, []
        for request in waiting:
            self.pending[request.model].append(request)

    # ---- keeping ---------------------------------------------------------------

    def _keep(self, request, entry):
        """Keep the responses of a request, or why there are none."""
        bound = self._reserved.pop(request, 0.0)
        error = entry if isinstance(entry, BaseException) else None
        responses = list(getattr(error, "responses", ())) if error else entry
        self.store.put_responses(request.id, request.first, responses)
        self.store.put_error(request.id, None if error is None else reason_of(error))
        if not any(other.id == request.id for other in self._reserved):
            self.store.release(request.id)
        self.n_finished += 1
        self._broken |= isinstance(error, ProtocolError) and self.n_finished == 1
        if error is not None:
            self.failures[request.model, reason_of(error)] += 1
        spent = sum(response.spent for response in responses)
        # Of what is not known to have cost less, the most is what it may have cost.
        self.spent += bound if math.isnan(spent) else spent
        self.progress.update(request.n)
        self.progress.set_postfix(cost=f"{self.spent:.4g}", failed=self.failures.total(),
                                  refresh=False)  # fmt: skip

    def _judge(self, last=False):
        failed, finished = self.failures.total(), self.n_finished
        if failed == 0 or failed <= self.max_failure_rate * finished:
            return
        # One that breaks the protocol at once will do so again.
        if last or finished >= _ENOUGH_TO_JUDGE or self._broken:
            raise BackendError(
                f"{'every request' if failed == finished else f'{failed} of {finished} requests'} "
                f"failed, more than max_failure_rate={self.max_failure_rate} allows: "
                f"{most_common(self.reasons())}; what was collected is kept"
            )

    def reasons(self):
        """Count the failures by model and reason, in words."""
        return Counter(
            {f"model {model!r}: {reason}": n for (model, reason), n in self.failures.items()}
        )

    def _stop(self, lanes, done, keep):
        """Stop what is under way, but keep what has arrived by now."""
        for lane in lanes.values():
            lane.cancel()
        if keep:
            with suppress(StoreError), self.store.transaction():
                for request, entry in self._arrived + _drain(done, timeout=0.0):
                    if not isinstance(entry, CancelledError):
                        self._keep(request, entry)


def _drain(done, timeout):
    """Take all that is there; wait for the first if there is nothing yet."""
    arrived = []
    with suppress(queue.Empty):
        arrived += done.get(timeout=timeout) if timeout else done.get_nowait()
        while True:
            arrived += done.get_nowait()
    return arrived


def reason_of(error):
    """Say in a line why something failed."""
    name = "" if isinstance(error, BackendError) else f"{type(error).__name__}: "
    return f"{name}{error}"[:300]


def most_common(reasons, limit=3):
    """List the most common reasons, with their counts."""
    listed = [
        f"{reason} ({count} {'time' if count == 1 else 'times'})"
        for reason, count in reasons.most_common(limit)
    ]
    return "; ".join(listed) + ("; …" if len(reasons) > limit else "")
