"""Effects of the levels of a category on labels, shrunk by empirical Bayes."""

from typing import NamedTuple

import numpy as np

__all__ = ["GroupEffects", "fit_group_effects"]


class GroupEffects(NamedTuple):
    """Shrunk effects of the levels of a category.

    Parameters
    ----------
    levels : dict of hashable to int
        The row of each level.
    effects : ndarray of shape (n_levels + 1, n_outputs)
        Deviation of each level's labels; the last row, of zeros, is for all other levels.
    shrinkage : ndarray of shape (n_levels, n_parts)
        What the mean residual of each level was multiplied by: 0 is no effect, 1 the plain mean.
    """

    levels: dict
    effects: np.ndarray
    shrinkage: np.ndarray

    def predict(self, keys):
        """Return the effects of levels.

        Parameters
        ----------
        keys : list of hashable
            Levels; those that were not seen in fit, and None, have no effect.

        Returns
        -------
        ndarray of shape (n_queries, n_outputs)
            The effects.
        """
        return self.effects[[self.levels.get(key, -1) for key in keys]]


def fit_group_effects(keys, residuals, weight, parts):
    """Estimate the effects of the levels of a category.

    The mean residual of a level is multiplied by W t / (W t + s), where W is the sum of its
    weights, s the variance within levels of a query of weight 1, and t the variance between levels.
    Both are estimated by the method of moments, once for each part of the outputs. Where they are
    not identifiable, because there is one level only or each query has its own, there are no
    effects.

    Parameters
    ----------
    keys : list of hashable
        Level of each query. Queries without one, where it is None, are left out.
    residuals : ndarray of shape (n_queries, n_outputs)
        What is left of the labels.
    weight : ndarray of shape (n_queries,)
        Precision of each query's labels, not negative.
    parts : OutputParts
        Parts of the outputs.

    Returns
    -------
    GroupEffects
        The effects.

    References
    ----------
    Searle, Casella and McCulloch, "Variance Components", 1992, section 3.6: analysis of variance
    of unbalanced data.
    """
    rows = [row for row, key in enumerate(keys) if key is not None and weight[row] > 0]
    levels = {}
    codes = np.array([levels.setdefault(keys[row], len(levels)) for row in rows], dtype=int)
    labels, weight = parts.split(residuals)[rows], weight[rows]
    level_weight = np.bincount(codes, weights=weight, minlength=len(levels))[:, None]
    sums = np.zeros((len(levels), labels.shape[1]))
    np.add.at(sums, codes, weight[:, None] * labels)
    means = sums / level_weight
    within, between = _variance_components(labels, codes, weight, means, level_weight, parts)
    signal = level_weight * between
    shrinkage = signal / np.where(signal > 0, signal + within, 1)
    effects = parts.join(means * shrinkage[:, parts.part_of_column])
    return GroupEffects(levels, np.vstack([effects, np.zeros((1, residuals.shape[1]))]), shrinkage)


def _variance_components(labels, codes, weight, means, level_weight, parts):
    """Return the variances within and between levels, each of shape (n_parts,)."""
    n_queries, n_levels = len(labels), len(means)
    n_parts = len(parts.names)
    if not 1 < n_levels < n_queries:
        return np.ones(n_parts), np.zeros(n_parts)
    within = (weight[:, None] * (labels - means[codes]) ** 2).sum(axis=0) / (n_queries - n_levels)
    overall = (level_weight * means).sum(axis=0) / level_weight.sum()
    mean_square = (level_weight * (means - overall) ** 2).sum(axis=0) / (n_levels - 1)
    total = level_weight.sum()
    typical_weight = (total - (level_weight**2).sum() / total) / (n_levels - 1)
    columns = parts.part_of_column
    within, mean_square = (np.bincount(columns, weights=sums) for sums in (within, mean_square))
    n_columns = np.bincount(columns)
    between = np.maximum(mean_square - within, 0) / typical_weight
    return within / n_columns, between / n_columns
