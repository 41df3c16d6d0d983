"""Tables of real outcomes, and features of their queries, for benchmarks of routers."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold

from dars_sklearn import OutcomeAggregator, Outcomes, QueryEncoder
from dars_sklearn.datasets import load_smol_outcomes
from dars_sklearn.utility import find_cost_range

COST_WEIGHTS = (0.0, 0.1, 0.3, 1.0)
N_FOLDS = 5
N_QUERIES_OF_MMLU_PRO = 4_000


class Table(NamedTuple):
    """Outcomes of a pool of models.

    Parameters
    ----------
    name : str
        Name of the table.
    data_set : str
        Tables of the same data set have the same queries, in the same order.
    texts : ndarray of str of shape (n_queries,)
        The queries.
    column : Series of length n_queries
        What is known beside the text, such as the task.
    outcomes : Outcomes
        Outcomes of all queries.
    score, cost : ndarray of shape (n_queries, n_models)
        Mean score and mean scaled cost of each (query, model) pair; cost is 0 where unknown.
    cost_range : tuple of float
        Costs that are scaled to 0 and 1.
    cost_weights : tuple of float
        Cost weights that routes are evaluated at.
    clusters : ndarray of shape (n_queries,)
        Queries of one cluster share a fold, and are not independent: copies of a text, or, where
        held-out queries are of kinds never seen, queries of one kind.
    fit_groups : ndarray or None
        Groups that are passed to the fit of a router, so that its calibration uses them.
    """

    name: str
    data_set: str
    texts: np.ndarray
    column: pd.Series
    outcomes: Outcomes
    score: np.ndarray
    cost: np.ndarray
    cost_range: tuple
    cost_weights: tuple
    clusters: np.ndarray
    fit_groups: np.ndarray | None = None

    @property
    def has_costs(self):
        """Whether costs are known."""
        return len(self.cost_weights) > 1

    def splits(self, seed):
        """Return training and test rows of five shuffled folds, clusters kept together."""
        splitter = GroupKFold(N_FOLDS, shuffle=True, random_state=seed)
        return list(splitter.split(self.texts, groups=self.clusters))


def _make_table(name, data_set, texts, column, outcomes, clusters=None, fit_groups=None):
    """Return a table with the means of its pairs."""
    has_costs = outcomes.cost is not None
    cost_range = find_cost_range(outcomes) if has_costs else (0.0, 1.0)
    aggregator = OutcomeAggregator(smoothing=0, cost_scaling=cost_range)
    capability = aggregator.fit_aggregate(outcomes)
    return Table(
        name=name,
        data_set=data_set,
        texts=texts,
        column=pd.Series(column, index=outcomes.queries, dtype=object),
        outcomes=outcomes,
        score=capability.quality,
        cost=capability.scaled_cost if has_costs else np.zeros_like(capability.quality),
        cost_range=cost_range,
        cost_weights=COST_WEIGHTS if has_costs else (0.0,),
        clusters=pd.factorize(texts if clusters is None else clusters)[0],
        fit_groups=fit_groups,
    )


# ---- the tables of a folder --------------------------------------------------------


def _read_frame(folder, name):
    """Return a table of outcomes with plain texts for labels."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    labels = [column for column in ("query_id", "query", "model") if column in frame]
    return frame.astype(dict.fromkeys([*labels, _column_of(frame)], str))


def _column_of(frame):
    return "task" if "task" in frame else "category"


def _table_from_frame(name, data_set, frame):
    """Return a table of the models that answered every query."""
    n_queries = frame.groupby("model")["query_id"].nunique()
    complete = n_queries.index[n_queries == frame["query_id"].nunique()]
    frame = frame[frame["model"].isin(complete)]
    outcomes = Outcomes.from_frame(frame, query="query_id", sample="sample")
    about = frame.drop_duplicates("query_id").set_index("query_id").loc[outcomes.queries]
    texts = about["query"].to_numpy(dtype=object)
    return _make_table(name, data_set, texts, about[_column_of(frame)].to_numpy(), outcomes)


def _cruxeval(folder, temperature, is_open):
    name = f"cruxeval_t{temperature}"
    frame = _read_frame(folder, name)
    if is_open:
        frame = frame[~frame["model"].str.startswith(("gpt", "claude"))]
    return _table_from_frame(f"{name}_open" if is_open else name, "CRUXEval", frame)


def _mmlu_pro(folder):
    frame = _read_frame(folder, "mmlu_pro")
    keys = pd.Series(np.sort(frame["query_id"].unique()))
    chosen = keys.sample(N_QUERIES_OF_MMLU_PRO, random_state=0)
    return _table_from_frame("mmlu_pro", "MMLU-Pro", frame[frame["query_id"].isin(chosen)])


def _zeroeval(folder, without_best):
    frame = _read_frame(folder, "zeroeval")
    if without_best:
        frame = frame[~frame["model"].str.startswith("o1-mini")]
    name = "zeroeval_no_o1_mini" if without_best else "zeroeval"
    return _table_from_frame(name, "ZeroEval", frame)


def _bundled(folder, split):
    data = load_smol_outcomes()
    clusters = None if split == "seen" else data.kinds
    fit_groups = data.kinds if split == "unseen" else None
    return _make_table(
        f"bundled_{split}", "bundled", data.queries, data.kinds, data.outcomes, clusters, fit_groups
    )


_LOADERS = {
    "cruxeval_t02": lambda folder: _cruxeval(folder, "02", False),
    "cruxeval_t02_open": lambda folder: _cruxeval(folder, "02", True),
    "cruxeval_t08": lambda folder: _cruxeval(folder, "08", False),
    "cruxeval_t08_open": lambda folder: _cruxeval(folder, "08", True),
    "mmlu_pro": _mmlu_pro,
    "zeroeval": lambda folder: _zeroeval(folder, False),
    "zeroeval_no_o1_mini": lambda folder: _zeroeval(folder, True),
    "bundled_seen": lambda folder: _bundled(folder, "seen"),
    "bundled_unseen": lambda folder: _bundled(folder, "unseen"),
    "bundled_unseen_untold": lambda folder: _bundled(folder, "unseen_untold"),
}
TABLES = tuple(_LOADERS)


def load_table(name, folder):
    """Load one of the tables.

    Parameters
    ----------
    name : str
        One of ``TABLES``.
    folder : Path
        Folder of the Parquet files; not used by the bundled tables.

    Returns
    -------
    Table
        The table.
    """
    return _LOADERS[name](folder)


# ---- features ----------------------------------------------------------------------


def encode_texts(model, texts):
    """Return the embeddings of texts by a sentence encoder."""
    return np.asarray(QueryEncoder(model).fit_transform(list(texts)), dtype=np.float64)


def make_vectorizer():
    """Return TF-IDF of single words and of two in a row."""
    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=20_000)
