"""Real outcomes, draws of them, and intervals: shared by benchmarks of labels."""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from dars_sklearn import Outcomes
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.exceptions import DarsWarning
from dars_sklearn.routing import QueryEncoder


class Pool(NamedTuple):
    """Features of queries, and scores by query, model, wording and sample."""

    name: str
    features: np.ndarray
    scores: np.ndarray


class Draws(NamedTuple):
    """Outcomes that labels are made from, and mean scores of others to judge them by."""

    outcomes: Outcomes
    fresh: np.ndarray
    noise: np.ndarray


def bundled_pool(encode):
    """Return the bundled outcomes."""
    data = load_smol_outcomes()
    return Pool("bundled", encode(data.queries), data.outcomes.to_array())


def cruxeval_pool(folder, name, encode, open_models):
    """Return 800 queries of CRUXEval, of the models with ten samples of each."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    frame = frame[frame.groupby("model")["score"].transform("size") == 16_000]
    if open_models:
        frame = frame[~frame["model"].str.startswith("gpt")]
    texts = frame.drop_duplicates("query_id").set_index("query_id")["query"]
    chosen = texts.sample(800, random_state=0)
    frame = frame[frame["query_id"].isin(chosen.index)]
    outcomes = Outcomes.from_frame(frame, query="query_id", sample="sample")
    features = encode(chosen.loc[outcomes.queries].tolist())
    suffix = ", open" if open_models else ""
    return Pool(name + suffix, features, outcomes.to_array())


def make_encoder(model):
    """Return a function from texts to features of unit length."""

    def encode(texts):
        if model is not None:
            return normalize(QueryEncoder(model).fit_transform(list(texts)))
        vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
        return normalize(vectorizer.fit_transform(texts).toarray())

    return encode


def split_draws(scores, design, seed):
    """Draw P wordings and K samples for labels; all others judge them, wordings equally."""
    rng = np.random.default_rng(seed)
    # The samples of CRUXEval are sorted within each pair.
    scores = rng.permuted(scores, axis=3)
    n_queries, n_models, n_wordings, _ = scores.shape
    wordings = rng.permutation(n_wordings)[: design[0]]
    used = np.ix_(range(n_queries), range(n_models), wordings, range(design[1]))
    fresh = scores.copy()
    fresh[used] = np.nan
    n_fresh = (~np.isnan(fresh)).sum(axis=3)
    mean_by_wording = np.nanmean(fresh, axis=3)
    variance = np.nanvar(fresh, axis=3, ddof=1) / n_fresh
    return Draws(
        Outcomes.from_array(scores[used]),
        mean_by_wording.mean(axis=2),
        variance.mean(axis=2) / n_wordings,
    )


def designs_of(pool):
    """Numbers of wordings and samples that labels are made of."""
    if pool.scores.shape[2] == 1:
        return ((1, 1), (1, 2), (1, 3), (1, 5))
    return ((1, 1), (2, 1), (3, 1), (5, 1))


def collect(parallel, function, pool, design, seeds):
    """Call a function for every seed, and stack what it returns to (n_seeds, n_queries)."""
    rows = parallel(delayed(quietly)(function, pool, design, seed) for seed in range(seeds))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def quietly(function, *arguments):
    """Call a function without the warnings of designs that are known here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DarsWarning)
        return function(*arguments)


def interval(values, divisor=None):
    """Mean, or ratio of means, with its 95 % interval from resampled queries and seeds."""
    rng = np.random.default_rng(0)
    n_seeds, n_queries = values.shape

    def statistic(table_rows, columns):
        own = values[np.ix_(table_rows, columns)].mean()
        return own if divisor is None else own / divisor[np.ix_(table_rows, columns)].mean()

    estimates = [
        statistic(rng.integers(0, n_seeds, n_seeds), rng.integers(0, n_queries, n_queries))
        for _ in range(1000)
    ]
    low, high = np.quantile(estimates, [0.025, 0.975])
    sign, digits = ("+", 4) if divisor is None else ("", 2)
    estimate = statistic(np.arange(n_seeds), np.arange(n_queries))
    return " ".join(
        [f"{estimate:{sign}.{digits}f}", f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"]
    )
