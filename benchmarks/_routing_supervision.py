"""Distribution labels and single-shot labels, on real outcomes with ten samples per pair."""

import warnings

import numpy as np
import pandas as pd
from _real_tables import make_vectorizer
from _routing_runs import make_table_router

from dars_sklearn.exceptions import DarsWarning

N_SAMPLES = 10


def complete_outcomes(table):
    """Return the outcomes of the models with ten samples of every query."""
    complete = (table.outcomes.counts() == N_SAMPLES).all(axis=0)
    return table.outcomes.subset(table.outcomes.models[complete])


def compare_labels(name, table, features, embeddings, seed):
    """Gains over the best single model with both kinds of labels, in one split and draw.

    Parameters
    ----------
    name : str
        Name of a router.
    table : Table
        A table with ten samples per pair.
    features : {"tfidf", "minilm"}
        Features of the texts.
    embeddings : ndarray or None
        Embeddings of the texts, for features="minilm".
    seed : int
        Seed of the draw, the split and the router.

    Returns
    -------
    dict of str to ndarray of shape (n_queries,)
        Gain with distribution labels, and with single-shot labels, over the model that is best by
        the mean of all samples of the training queries.
    """
    outcomes = complete_outcomes(table)
    labels = {"distribution": outcomes, "single-shot": outcomes.single_shot(seed)}
    mean = outcomes.to_array().mean(axis=(2, 3))
    gains = {kind: np.zeros(len(mean)) for kind in labels}
    for train, test in table.splits(seed):
        best = mean[train].mean(axis=0).argmax()
        X = embeddings
        if features == "tfidf":
            X = make_vectorizer().fit(table.texts[train]).transform(table.texts)
        for kind, own in labels.items():
            router = make_table_router(name, table, features, "text", seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DarsWarning)
                routes = router.fit(X[train], own[train]).predict(X[test])
            columns = pd.Index(outcomes.models).get_indexer(routes)
            gains[kind][test] = mean[test, columns] - mean[test, best]
    return gains
