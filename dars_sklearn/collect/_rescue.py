"""Keep responses that were paid for, where their store cannot be written any more."""

import math
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from dars_sklearn.collect._plan import settings_of
from dars_sklearn.store import Store, StoreError
from dars_sklearn.store._guard import new_path_beside

__all__ = ["keep_answers"]


def keep_answers(path, models, answers, error):
    """Write answers to a new store, if there are any and that is possible.

    Parameters
    ----------
    path : Path or None
        The store that cannot be written; None for one in memory.
    models : dict of str to callable
        The backend of each model.
    answers : list of Answer
        Answers that may not be stored yet.
    error : StoreError
        The error of the store.

    Returns
    -------
    StoreError
        The error to raise, which names the new store.
    """
    answers = [answer for answer in answers if answer.responses]
    if path is None or not answers:
        return error
    # The content of a store that was deleted is in a new one already.
    new_path = error.kept_in or new_path_beside(path.absolute())
    try:
        # A copy of the store has what was reserved for the requests in its ledger.
        _write(new_path, models, answers, is_charged=error.kept_in is not None)
    except StoreError:
        if error.kept_in is None:
            _remove(new_path)
        return error
    n_responses = sum(len(answer.responses) for answer in answers)
    explained = StoreError(
        f"{error}; {n_responses} responses that arrived last are kept in {str(new_path)!r}"
    )
    explained.kept_in = new_path
    return explained


def _write(path, models, answers, is_charged):
    answers = sorted(answers, key=lambda answer: answer.request.model)
    with Store(path) as store, store.transaction():
        for model, group in groupby(answers, key=lambda answer: answer.request.model):
            group = list(group)
            requests = [answer.request for answer in group]
            backend = store.register_backend(model, settings_of(models[model])).id
            ids = store.register_requests(
                backend,
                [request.key for request in requests],
                [request.prompt for request in requests],
            )
            for id, request, answer in zip(ids, requests, group, strict=True):
                store.put_responses(id, request.first, answer.responses)
                if not is_charged:
                    paid = sum(response.spent for response in answer.responses)
                    is_known = not math.isnan(paid)
                    store.ledger.add(id, paid if is_known else 0.0, 0 if is_known else request.n)


def _remove(path):
    """Remove a store that could not be written to its end."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
