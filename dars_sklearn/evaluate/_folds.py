"""What routers are trained on, and the queries that they are evaluated on."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing

from dars_sklearn.evaluate._cross_val import make_splits, summarise_once
from dars_sklearn.evaluate._identifiability import shared_query_notes
from dars_sklearn.evaluate._repeated_queries import copies_notes, fold_notes, with_known_texts
from dars_sklearn.evaluate._test_outcomes import check_test_outcomes
from dars_sklearn.outcomes._alignment import check_alignment, check_labelled_order
from dars_sklearn.outcomes._outcomes import Outcomes, as_outcomes
from dars_sklearn.outcomes._query_identities import query_identities

__all__ = ["Evaluation", "Fold", "make_evaluation"]


class Fold(NamedTuple):
    """What a router is trained on, and the queries that it is evaluated on.

    Parameters
    ----------
    X : array-like of shape (n_train_queries, ...)
        Training queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    groups : ndarray of shape (n_train_queries,) or None
        Their groups.
    X_test : array-like of shape (n_test_queries, ...)
        Queries of the evaluation, or their features.
    test_rows : ndarray of int of shape (n_test_queries,)
        Their rows among all evaluated queries.
    """

    X: object
    outcomes: Outcomes
    groups: np.ndarray | None
    X_test: object
    test_rows: np.ndarray


class Evaluation(NamedTuple):
    """All folds of an evaluation.

    Parameters
    ----------
    folds : list of Fold
        The folds; each evaluated query is in one of them.
    outcomes : Outcomes
        Outcomes of all evaluated queries.
    notes : list of str
        Which evaluated queries are training queries, or copies of each other.
    """

    folds: list
    outcomes: Outcomes
    notes: list


def make_evaluation(
    router, X, outcomes, *, X_test, outcomes_test, cv, groups, cost_weight, random_state
):
    """Select the training and the test queries of each fold.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        The router.
    X : array-like of shape (n_queries, ...)
        Queries, or their features, which belong to the outcomes.
    outcomes : Outcomes
        Their outcomes.
    X_test : array-like of shape (n_test_queries, ...) or None
        Queries of the evaluation. None evaluates every query out of fold.
    outcomes_test : Outcomes or None
        Outcomes of the queries of the evaluation.
    cv : int, splitter or iterable
        Folds, if there are no test queries.
    groups : array-like of shape (n_queries,) or None
        Groups of the queries.
    cost_weight : float
        Quality given up for one unit of scaled cost, for which test outcomes need costs.
    random_state : int, RandomState instance or None
        Seed of the folds.

    Returns
    -------
    Evaluation
        The folds.

    Raises
    ------
    ValueError
        If only one of X_test and outcomes_test is given, or they do not fit each other or the
        training outcomes.
    """
    if (X_test is None) != (outcomes_test is None):
        raise ValueError("give X_test and outcomes_test together, or neither")
    if X_test is not None:
        outcomes_test = as_outcomes(outcomes_test)
        check_alignment(X_test, outcomes_test, "X_test")
        check_test_outcomes(outcomes_test, outcomes, cost_weight)
        check_labelled_order(groups, outcomes, "groups")
        fold = Fold(X, outcomes, _as_array(groups), X_test, np.arange(len(outcomes_test)))
        known, known_test = with_known_texts(X, outcomes), with_known_texts(X_test, outcomes_test)
        notes = shared_query_notes(known, known_test)
        notes += copies_notes(query_identities(outcomes_test, X_test))
        return Evaluation([fold], outcomes_test, notes)
    splits = make_splits(cv, X, outcomes, groups, random_state)
    summarise_once(router, outcomes)
    outcomes.pair_statistics()  # baselines weigh paraphrases the same, whatever the router does
    groups = _as_array(groups)
    folds = [
        Fold(
            _safe_indexing(X, train),
            outcomes[train],
            None if groups is None else groups[train],
            _safe_indexing(X, test),
            test,
        )
        for train, test in splits
    ]
    identities = query_identities(outcomes, X)
    return Evaluation(folds, outcomes, fold_notes(splits, identities) + copies_notes(identities))


def _as_array(groups):
    return None if groups is None else np.asarray(groups)
