"""Plan which samples to request: those that a store does not contain yet."""

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from sklearn.utils import check_random_state

from dars_sklearn.store._digest import digest

__all__ = ["Plan", "Request", "draw_base_seed", "plan_requests"]


@dataclass(frozen=True, slots=True)
class Request:
    """Samples ``first`` to ``first + n - 1`` of one prompt to one model.

    Parameters
    ----------
    id : int
        Id of the request in the store. The requests for several gaps in the samples of one
        prompt have the same id.
    model : str
        Name of the model.
    prompt : str
        The prompt.
    first : int
        Number of the first sample.
    n : int
        Number of samples.
    seed : int
        Seed of the request.
    """

    id: int
    model: str
    prompt: str
    first: int
    n: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """The requests of a collection, and which of them are missing in a store.

    Parameters
    ----------
    ids : dict of str to dict of str to int
        For each model and distinct prompt, the id of the request in the store.
    missing : dict of str to list of Request
        For each model, the requests for the samples that the store does not contain.
    n_samples : int
        Number of samples of the collection, stored or missing.
    """

    ids: dict
    missing: dict
    n_samples: int

    @property
    def n_missing(self):
        """Number of samples that the store does not contain."""
        return sum(request.n for requests in self.missing.values() for request in requests)

    @property
    def n_stored(self):
        """Number of samples that the store contains."""
        return self.n_samples - self.n_missing

    @property
    def request_ids(self):
        """Ids of all requests in the store."""
        return [id for ids in self.ids.values() for id in ids.values()]


class Gap(NamedTuple):
    """Consecutive samples that are not stored: the first one, and how many there are."""

    first: int
    n: int


def draw_base_seed(random_state):
    """Draw the seed from which the seeds of all requests are derived.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        Source of the seed.

    Returns
    -------
    int
        A non-negative seed.
    """
    return int(check_random_state(random_state).randint(2**31 - 1))


def plan_requests(store, models, prompts, n_samples, base_seed):
    """Find which samples a store does not contain.

    Parameters
    ----------
    store : Store
        The store.
    models : dict of str to callable
        The backend of each model.
    prompts : sequence of str
        Distinct prompts.
    n_samples : int
        Number of samples of each prompt and model.
    base_seed : int
        Seed from which the seeds of the requests are derived.

    Returns
    -------
    Plan
        All requests, and the missing ones.
    """
    ids, missing = {}, {}
    for model, backend in models.items():
        with store.transaction():
            registered = store.register_backend(model, settings_of(backend))
            keys = [
                digest(model, registered.settings, str(base_seed), prompt) for prompt in prompts
            ]
            request_ids = store.register_requests(registered.id, keys, prompts)
        stored = store.stored_samples(registered.id, n_samples)
        ids[model] = dict(zip(prompts, request_ids, strict=True))
        missing[model] = [
            Request(id, model, prompt, gap.first, gap.n, request_seed(key, gap.first))
            for id, prompt, key in zip(request_ids, prompts, keys, strict=True)
            for gap in find_gaps(stored.get(id, ()), n_samples)
        ]
    return Plan(ids, missing, len(models) * len(prompts) * n_samples)


def settings_of(backend):
    """Return everything that is known to determine the responses of a backend."""
    return getattr(backend, "settings", {})


def find_gaps(stored, n_samples):
    """Find runs of consecutive samples that are not stored.

    Parameters
    ----------
    stored : collection of int
        Numbers of the stored samples.
    n_samples : int
        Number of samples wanted, numbered from 0.

    Returns
    -------
    list of Gap
        The gaps in increasing order.
    """
    if not stored:
        return [Gap(0, n_samples)]
    missing = [sample for sample in range(n_samples) if sample not in stored]
    # Within a run, the difference between a sample and its position is constant.
    runs = groupby(enumerate(missing), key=lambda item: item[1] - item[0])
    gaps = [[sample for _, sample in run] for _, run in runs]
    return [Gap(gap[0], len(gap)) for gap in gaps]


def request_seed(key, first):
    """Derive the seed of a request from its key and the number of its first sample.

    Parameters
    ----------
    key : bytes
        Digest that identifies the request.
    first : int
        Number of the first sample.

    Returns
    -------
    int
        A seed of 31 bits.
    """
    return int.from_bytes(digest(key.hex(), str(first))[:4], "big") >> 1
