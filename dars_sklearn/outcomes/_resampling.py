"""Random selections of outcomes: single shots, and smaller designs."""

import numpy as np

from dars_sklearn.outcomes._keys import running_numbers
from dars_sklearn.utils._validation import check_count

__all__ = ["design_mask", "random_ranks", "single_shot_indices"]


def single_shot_indices(offsets, rng):
    """Draw one outcome of each (query, model) pair that has any.

    Parameters
    ----------
    offsets : ndarray of int of shape (n_pairs + 1,)
        First outcome of each pair.
    rng : RandomState
        Source of the draws.

    Returns
    -------
    indices : ndarray of int of shape (n_drawn,)
        The outcomes drawn.
    observed : ndarray of bool of shape (n_pairs,)
        Which pairs have outcomes.
    """
    counts = np.diff(offsets)
    draws = rng.random_sample(len(counts))
    indices = offsets[:-1] + (draws * counts).astype(np.int64)
    observed = counts > 0
    return indices[observed], observed


def design_mask(outcomes, n_paraphrases, n_samples, rng):
    """Select a number of paraphrases of each query, and of samples of each paraphrase.

    Parameters
    ----------
    outcomes : Outcomes
        Outcomes.
    n_paraphrases : int or None
        Paraphrases kept of each query, the same for all models; None keeps all.
    n_samples : int or None
        Samples kept of each paraphrase and model; None keeps all.
    rng : RandomState
        Source of the selection.

    Returns
    -------
    ndarray of bool of shape (n_outcomes,)
        Which outcomes are kept.
    """
    for name, number in (("n_paraphrases", n_paraphrases), ("n_samples", n_samples)):
        if number is not None:
            check_count(number, name)
    pair = outcomes.pair_indices()
    width = int(outcomes.paraphrase.max(initial=0)) + 1
    keep = np.ones(len(pair), dtype=bool)
    if n_paraphrases is not None:
        wordings, wording = np.unique(
            pair // outcomes.n_models * width + outcomes.paraphrase, return_inverse=True
        )
        keep &= (random_ranks(wordings // width, rng) < n_paraphrases)[wording]
    if n_samples is not None:
        keep &= random_ranks(pair * width + outcomes.paraphrase, rng) < n_samples
    return keep


def random_ranks(group, rng):
    """Number the members of each group in a random order, from 0.

    Parameters
    ----------
    group : ndarray of int of shape (n,)
        Group of each member.
    rng : RandomState
        Source of the order.

    Returns
    -------
    ndarray of int of shape (n,)
        Number of each member within its group.
    """
    order = np.lexsort((rng.random_sample(len(group)), group))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = running_numbers(group[order])
    return rank
