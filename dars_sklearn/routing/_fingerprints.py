"""Whether an evaluation is on queries that a router was trained on."""

from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["describe_queries", "find_shared_queries", "fingerprint_queries", "match_queries"]


class QueryFingerprints(NamedTuple):
    """Hashes by which the queries of two tables of outcomes are compared.

    Parameters
    ----------
    labels : ndarray of uint64 of shape (n_queries,)
        Hashes of the labels.
    texts : ndarray of uint64 of shape (n_queries,) or None
        Hashes of the texts, where the outcomes have texts.
    outcomes : ndarray of uint64 of shape (n_queries,)
        Hash of all outcomes of each query.
    has_numbers : bool
        Whether the labels are numbers, which another table may give to other queries.
    """

    labels: np.ndarray
    texts: np.ndarray | None
    outcomes: np.ndarray
    has_numbers: bool

    def possible_texts(self):
        """Return hashes of the texts, or of labels that may be texts; None if neither exists."""
        return self.labels if self.texts is None and not self.has_numbers else self.texts


class SharedQueries(NamedTuple):
    """Queries of an evaluation that are among those of a training.

    Parameters
    ----------
    number : int
        How many.
    is_certain : bool
        Whether this is known: from the texts, from the outcomes of queries with equal labels, or
        because labels of one kind all differ. Otherwise, another table may give the same labels
        to other queries, or other labels to the same queries.
    """

    number: int
    is_certain: bool


def fingerprint_queries(outcomes):
    """Compute hashes of the queries and of their outcomes.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.

    Returns
    -------
    QueryFingerprints
        Hashes of labels, texts and outcomes.
    """
    columns = [outcomes.model_indices(), outcomes.paraphrase, outcomes.score]
    if outcomes.cost is not None:
        columns.append(outcomes.cost)
    by_outcome = np.zeros(len(outcomes.score), dtype=np.uint64)
    for column in columns:
        by_outcome = _combine(by_outcome, pd.util.hash_array(column))
    # Sums wrap around, as hashes may; so their order does not matter.
    sums = np.append(np.uint64(0), np.cumsum(by_outcome, dtype=np.uint64))
    ends = outcomes.offsets[:: max(outcomes.n_models, 1)]
    return QueryFingerprints(
        labels=_hash_names(outcomes.queries),
        texts=None if outcomes.texts is None else _hash_names(outcomes.texts),
        outcomes=sums[ends[1:]] - sums[ends[:-1]],
        has_numbers=_are_numbers(outcomes.queries),
    )


def find_shared_queries(training, outcomes):
    """Find the queries of some outcomes that are among those of a training.

    Texts are compared if both have them. Otherwise labels are compared: with texts on the other
    side, which they may be themselves, or else with labels, together with the outcomes.

    Parameters
    ----------
    training : QueryFingerprints
        Fingerprints of the training queries.
    outcomes : Outcomes
        Outcomes of an evaluation.

    Returns
    -------
    SharedQueries
        How many there are; 0 and not certain if the queries cannot be compared.
    """
    own = fingerprint_queries(outcomes)
    n_with_texts = (training.texts is not None) + (own.texts is not None)
    if n_with_texts > 0:
        number = _count_shared(own.possible_texts(), training.possible_texts())
        if number > 0 or n_with_texts == 2:
            return SharedQueries(number, True)
    if training.has_numbers != own.has_numbers:
        return SharedQueries(0, False)
    is_shared = np.isin(own.labels, training.labels)
    own_pairs = _combine(own.labels, own.outcomes)[is_shared]
    has_same_outcomes = np.isin(own_pairs, _combine(training.labels, training.outcomes))
    return SharedQueries(int(is_shared.sum()), bool(has_same_outcomes.all()))


def match_queries(training, outcomes):
    """Find each query of some outcomes among those of a training.

    Texts are compared if both have them. Otherwise labels are compared; where these are numbers,
    which another table may give to other queries, together with the outcomes.

    Parameters
    ----------
    training : QueryFingerprints
        Fingerprints of the training queries.
    outcomes : Outcomes
        Outcomes of queries.

    Returns
    -------
    ndarray of int of shape (n_queries,)
        Row of the training query, -1 for a query that is not found.
    """
    own = fingerprint_queries(outcomes)
    if own.texts is not None and training.texts is not None:
        wanted, known = own.texts, training.texts
    elif own.has_numbers or training.has_numbers:
        wanted = _combine(own.labels, own.outcomes)
        known = _combine(training.labels, training.outcomes)
    else:
        wanted, known = own.labels, training.labels
    order = np.argsort(known, kind="stable")
    places = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    rows = order[places]
    return np.where(known[rows] == wanted, rows, -1)


def describe_queries(router, outcomes):
    """Say whether the queries of an evaluation are those that a router was trained on.

    Parameters
    ----------
    router : DistributionalRouter
        Fitted.
    outcomes : Outcomes
        Outcomes of the evaluation.

    Returns
    -------
    str
        "held-out queries", "the router's training queries", or how many of them are; empty where
        it is not known, because the labels are numbers that another table may give to other
        queries, or there is nothing that can be compared.
    """
    shared, n = find_shared_queries(router._training_fingerprints, outcomes), len(outcomes)
    if not shared.is_certain:
        is_unknown = shared.number == 0 or _are_numbers(outcomes.queries)
        return "" if is_unknown else f"{n} queries, {shared.number} labelled like training queries"
    if shared.number == 0:
        return "held-out queries"
    if shared.number == n:
        return "the router's training queries"
    return f"{n} queries, of which the router was trained on {shared.number}"


def _are_numbers(labels):
    return labels.dtype.kind in "iu"


def _hash_names(names):
    """Hash labels or texts; white space around a text does not matter."""
    if _are_numbers(names):
        return pd.util.hash_array(names.astype(np.int64))
    # Bytes of any length, and of texts with lone surrogates.
    encoded = (str(name).strip().encode("utf-8", "surrogatepass") for name in names)
    return pd.util.hash_array(np.fromiter(encoded, dtype=object, count=len(names)))


def _count_shared(own, training):
    """Count the hashes that are among those of a training; 0 where either has none."""
    return 0 if own is None or training is None else int(np.isin(own, training).sum())


def _combine(first, second):
    """Combine hashes; an odd factor keeps equal ones from cancelling each other."""
    return pd.util.hash_array(first * np.uint64(3) + second)
