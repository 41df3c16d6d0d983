"""Plan which samples to request: those that a store does not contain yet."""

from dataclasses import dataclass, replace
from itertools import groupby
from numbers import Integral
from typing import NamedTuple

from sklearn.utils import check_random_state

from dars_sklearn.collect._queries import is_blank
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.store._digest import digest
from dars_sklearn.utils._warnings import warn_user

__all__ = [
    "Plan",
    "Request",
    "draw_base_seed",
    "plan_requests",
    "settings_of",
    "split_at_stored",
    "warn_of_new_seed",
]

# The error of a request that is not sent.
_BLANK = "the query is blank, so nothing was requested"


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
    key : bytes, default=b""
        Digest by which every store identifies the request.
    """

    id: int
    model: str
    prompt: str
    first: int
    n: int
    seed: int
    key: bytes = b""


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
        Number of samples that are stored or missing, without those of blank prompts.
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

    def of_model(self, model):
        """Return the part of the plan that belongs to one model."""
        return Plan(
            {model: self.ids[model]}, {model: self.missing[model]}, self.n_samples // len(self.ids)
        )


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
        Distinct prompts. Blank ones are never missing: their requests are failures from the start.
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
    askable = [prompt for prompt in prompts if not is_blank(prompt)]
    for model, backend in models.items():
        with store.transaction():
            registered = store.register_backend(model, settings_of(backend))
            keys = [
                digest(model, registered.settings, str(base_seed), prompt) for prompt in prompts
            ]
            request_ids = store.register_requests(registered.id, keys, prompts)
            for id, prompt in zip(request_ids, prompts, strict=True):
                if is_blank(prompt):
                    store.put_error(id, _BLANK)
        stored = store.stored_samples(registered.id, n_samples)
        ids[model] = dict(zip(prompts, request_ids, strict=True))
        missing[model] = [
            request
            for id, prompt, key in zip(request_ids, prompts, keys, strict=True)
            if not is_blank(prompt)
            for request in split_at_stored(
                Request(id, model, prompt, 0, n_samples, request_seed(key, 0), key),
                stored.get(id, ()),
            )
        ]
    return Plan(ids, missing, len(models) * len(askable) * n_samples)


def warn_of_new_seed(store, plan, random_state):
    """Warn if a random state requests again what a store contains under another seed.

    Parameters
    ----------
    store : Store
        The store.
    plan : Plan
        The plan.
    random_state : int, RandomState instance or None
        The parameter from which the seed of the plan was drawn.

    Warns
    -----
    CollectionWarning
        If the seed is a random one, and the store holds responses to the prompts under another.
    """
    if isinstance(random_state, Integral) or plan.n_missing == 0:
        return
    n_prompts = sum(store.count_answered_otherwise(ids) for ids in plan.ids.values())
    if n_prompts:
        warn_user(
            f"random_state={random_state!r} draws another seed for each run, so the stored "
            f"responses to {n_prompts} prompts under other seeds are not used, and their samples "
            "are requested and paid for again; set random_state to an int to continue an earlier "
            "run",
            CollectionWarning,
        )


def settings_of(backend):
    """Return everything that is known to determine the responses of a backend."""
    return getattr(backend, "settings", {})


def split_at_stored(request, stored):
    """Replace a request by requests for those of its samples that are not stored.

    Parameters
    ----------
    request : Request
        The request.
    stored : collection of int
        Numbers of the stored samples of its prompt.

    Returns
    -------
    list of Request
        The request itself, if none of its samples is stored; otherwise one for each gap.
    """
    gaps = find_gaps(stored, request.first, request.n)
    if gaps == [Gap(request.first, request.n)]:
        return [request]
    return [
        replace(request, first=gap.first, n=gap.n, seed=request_seed(request.key, gap.first))
        for gap in gaps
    ]


def find_gaps(stored, first, n):
    """Find runs of consecutive samples that are not stored.

    Parameters
    ----------
    stored : collection of int
        Numbers of the stored samples.
    first, n : int
        Number of the first sample that is wanted, and how many are.

    Returns
    -------
    list of Gap
        The gaps in increasing order.
    """
    if not stored:
        return [Gap(first, n)]
    missing = [sample for sample in range(first, first + n) if sample not in stored]
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
