"""Cost of routers at the score of the best single model, on tables of real outcomes."""

import warnings

import numpy as np
import pandas as pd
from _real_tables import make_vectorizer
from _routing_runs import PLAIN, Interval, make_table_router
from scipy.stats import norm
from sklearn.pipeline import make_pipeline

from dars_sklearn import cost_at_quality
from dars_sklearn.exceptions import DarsWarning

MAX_LOSSES = (0.0, 0.01, 0.02)


def measure_costs(name, table, features, embeddings, seed):
    """Cost ratios and score differences of one router in one split into five folds.

    Parameters
    ----------
    name : str
        Name of a router, other than "constant".
    table : Table
        A table with costs.
    features : {"tfidf", "minilm"}
        Features of the texts.
    embeddings : ndarray or None
        Embeddings of the texts, for features="minilm".
    seed : int
        Seed of the split and of the router.

    Returns
    -------
    list of CostWithinLoss
        The figures, for each of ``MAX_LOSSES``.
    """
    router, X = make_table_router(name, table, features, "text", seed), embeddings
    if features == "tfidf":
        router, X = make_pipeline(make_vectorizer(), router), table.texts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DarsWarning)
        result = cost_at_quality(
            router, X, table.outcomes, max_loss=MAX_LOSSES, cv=table.splits(seed),
            groups=table.fit_groups, random_state=seed, verbose=False,
        )  # fmt: skip
    return [result.get(max_loss) for max_loss in MAX_LOSSES]


def has_cost_choice(router):
    """Whether the cost weight of a router can be chosen after fit."""
    return router.removesuffix(PLAIN) not in ("constant", "rm-softmax", "equirouter")


def cost_rows(router, table, features, splits):
    """Return one row per loss, from what ``measure_costs`` returned for each split."""
    rows = []
    for max_loss, own in zip(MAX_LOSSES, zip(*splits, strict=True), strict=True):
        ratio = combine_splits([split.cost_ratio for split in own])
        difference = combine_splits([split.score_difference for split in own])
        single = np.mean([split.single_cost_ratio.estimate for split in own])
        rows.append(
            {
                "table": table.name, "features": features, "router": router,
                "max_loss": max_loss, "cost_ratio": ratio, "score_difference": difference,
                "within": "within" if difference.low >= -max_loss else "not shown",
                "single_model_cost_ratio": single,
            }
        )  # fmt: skip
    return rows


def combine_splits(estimates):
    """Average intervals over splits, and add the variance of the mean over splits."""
    values = np.array([own.estimate for own in estimates])
    widths = np.array([own.high - own.low for own in estimates]) / (2 * norm.ppf(0.975))
    variance = (widths**2).mean()
    if len(values) > 1:
        variance += values.var(ddof=1) / len(values)
    margin = norm.ppf(0.975) * np.sqrt(variance)
    return Interval(values.mean(), values.mean() - margin, values.mean() + margin, np.nan)


def costs_frame(rows):
    """Return the rows as a table of numbers."""
    frame = pd.DataFrame(rows)
    for name in ("cost_ratio", "score_difference"):
        parts = pd.DataFrame(frame.pop(name).tolist())[["mean", "low", "high"]]
        frame = frame.join(parts.add_prefix(f"{name}_"))
    return frame
