"""Outcomes: the scored, priced responses that everything else is made from."""

from copy import copy
from html import escape

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from dars_sklearn._tables import (
    Columns,
    array_costs,
    array_labels,
    check_costs,
    check_every_query_has_outcomes,
    check_range,
    check_scores,
    find_labels,
    label_array,
    optional_column,
    order_labels,
    random_rank,
    shown,
    sort_labels,
    sort_outcomes,
    unique_labels,
    within_group,
)

__all__ = ["Outcomes", "as_outcomes", "check_alignment", "check_length", "check_models"]

_EXTRAS = ("input_tokens", "output_tokens", "latency")


class Outcomes:
    """Scored outcomes of queries x models x paraphrases x samples.

    The ``y`` of this package: counts may differ between pairs of query and
    model, and what was not collected is simply absent. A query is the unit of
    indexing, so that no paraphrase of a query is ever on both sides of a
    split. Make one with :meth:`from_frame` or :meth:`from_array`; it is never
    changed in place.

    Attributes
    ----------
    queries : ndarray of shape (n_queries,)
        Query labels, in the order of the rows of X. Indexing may repeat them.
    models : ndarray of shape (n_models,)
        Model names.
    score_range : tuple of float or None
        Lowest and highest score possible, None where any finite one is.
    score : ndarray of shape (n_outcomes,)
        Scores, sorted by (query, model, paraphrase, sample).
    cost : ndarray of shape (n_outcomes,) or None
        Costs in the user's unit, NaN where unknown; None without any.
    paraphrase, sample : ndarray of int of shape (n_outcomes,)
        Codes of the paraphrase and the sample of each outcome.
    offsets : ndarray of int of shape (n_queries * n_models + 1,)
        The outcomes of query i and model j are those from
        ``offsets[i * n_models + j]`` to the next offset.
    full_grid : bool
        Whether every pair surely has the same number of paraphrases and
        samples, so that plain and balanced means agree.

    Examples
    --------
    >>> import pandas as pd
    >>> from dars_sklearn import Outcomes
    >>> table = pd.DataFrame({
    ...     "query": ["2 + 2?", "2 + 2?", "2 + 2?", "Capital of Peru?"],
    ...     "model": ["small", "small", "large", "large"],
    ...     "score": [1, 0, 1, 1],
    ... })
    >>> outcomes = Outcomes.from_frame(table)
    >>> outcomes
    <Outcomes: 2 queries x 2 models, 4 outcomes, 0 to 2 a pair>
    >>> outcomes.counts()
    array([[2, 1],
           [0, 1]])
    """

    def __init__(
        self, score, offsets, queries, models, *, paraphrase, sample, paraphrase_labels,
        sample_labels, cost=None, extras=None, score_range=(0.0, 1.0), full_grid=False,
    ):  # fmt: skip
        self.score = score
        self.offsets = offsets
        self.queries = queries
        self.models = models
        self.paraphrase = paraphrase
        self.sample = sample
        self.cost = cost
        self.score_range = score_range
        self.full_grid = full_grid
        self._paraphrase_labels = paraphrase_labels
        self._sample_labels = sample_labels
        self._extras = extras or {}

    # ---- in ----------------------------------------------------------------

    @classmethod
    def from_frame(
        cls,
        frame,
        query="query",
        model="model",
        score="score",
        paraphrase=None,
        sample=None,
        cost=None,
        queries=None,
        models=None,
        *,
        score_range=(0.0, 1.0),
    ):
        """Read a tidy table of one row an outcome.

        Parameters
        ----------
        frame : data frame
            A pandas, polars, pyarrow or duckdb table. Columns named
            ``input_tokens``, ``output_tokens`` and ``latency`` come along.
        query, model, score : str
            Names of these columns.
        paraphrase, sample, cost : str, False or None, default=None
            Names of these columns. None takes the column of that very name
            where the table has one; False takes none. Without samples, the
            rows of a (query, model, paraphrase) are numbered as they come.
        queries, models : array-like or None, default=None
            All labels, in the order wanted. None takes them as they first
            appear.
        score_range : tuple of float or None, default=(0.0, 1.0)
            What a score may be; None takes any finite one.

        Returns
        -------
        Outcomes
            The outcomes of the table.

        Raises
        ------
        ValueError
            If the table is empty or lacks a column; if a key is missing, a
            (query, model, paraphrase, sample) occurs twice, a label is not in
            ``queries`` or ``models``, or a query has no row; if a score is
            missing or out of range, or a cost negative or infinite.

        Examples
        --------
        >>> import pandas as pd
        >>> from dars_sklearn import Outcomes
        >>> table = pd.DataFrame({"query": ["b", "a"], "model": ["m", "m"], "score": [0, 1]})
        >>> Outcomes.from_frame(table, queries=["a", "b"]).score
        array([1., 0.])
        """
        columns = Columns(frame)
        names = {"paraphrase": paraphrase, "sample": sample, "cost": cost}
        names = {role: optional_column(columns, name, role) for role, name in names.items()}
        for role, name in (("query", query), ("model", model), ("score", score)):
            columns.require(name, role)
        if len(columns) == 0:
            raise ValueError("the table is empty: there are no outcomes in it")
        keys = {
            "query": order_labels(*columns.labels(query), queries, "query"),
            "model": order_labels(*columns.labels(model), models, "model"),
        }
        for role in ("paraphrase", "sample"):
            if names[role] is not None:
                keys[role] = sort_labels(*columns.labels(names[role]))
        outcomes = cls.from_codes(
            keys,
            columns.floats(score),
            columns.floats(names["cost"]) if names["cost"] else None,
            extras={name: columns.floats(name) for name in _EXTRAS if name in columns.names},
            score_range=score_range,
        )
        check_every_query_has_outcomes(outcomes.counts().sum(axis=1), outcomes.queries)
        return outcomes

    @classmethod
    def from_codes(cls, keys, score, cost=None, *, extras=None, score_range=(0.0, 1.0)):
        """Make outcomes from keys that are numbered already, in any order.

        Unlike the other two, it takes queries without any outcome: a
        collection in which some query failed keeps its row.

        Parameters
        ----------
        keys : dict
            For ``"query"`` and ``"model"``, and if there are any for
            ``"paraphrase"`` and ``"sample"``: a pair of the codes, an int
            array of shape (n_outcomes,), and the labels they number. It is
            emptied, since for a large table the codes need much memory.
        score : ndarray of shape (n_outcomes,)
            Scores.
        cost : ndarray of shape (n_outcomes,) or None, default=None
            Costs.
        extras : dict of str to ndarray of shape (n_outcomes,), default=None
            Token counts and latencies.
        score_range : tuple of float or None, default=(0.0, 1.0)
            What a score may be; None takes any finite one.

        Returns
        -------
        Outcomes
            The outcomes, sorted.

        Raises
        ------
        ValueError
            If keys are given twice, or a score or cost is out of range.
        """
        labels = {role: labels for role, (_, labels) in keys.items()}
        check_scores(score, score_range)
        if cost is not None:
            check_costs(cost)
        order, counts, paraphrase, sample = sort_outcomes(keys)
        labels.setdefault("paraphrase", np.arange(1))
        labels.setdefault("sample", np.arange(sample.max(initial=-1) + 1))
        n_cells = len(counts) * len(labels["paraphrase"]) * len(labels["sample"])
        return cls(
            score[order],
            np.concatenate([[0], np.cumsum(counts)]),
            labels["query"],
            labels["model"],
            paraphrase=paraphrase,
            sample=sample,
            paraphrase_labels=labels["paraphrase"],
            sample_labels=labels["sample"],
            cost=None if cost is None else cost[order],
            extras={name: values[order] for name, values in (extras or {}).items()},
            score_range=check_range(score_range),
            full_grid=len(score) == n_cells,
        )

    @classmethod
    def from_array(cls, scores, models=None, queries=None, costs=None, *, score_range=(0.0, 1.0)):
        """Read an array of scores.

        Parameters
        ----------
        scores : array-like of shape (n_queries, n_models[[, n_paraphrases], n_samples])
            Scores of 2 to 4 dimensions: (query, model), (query, model, sample)
            or (query, model, paraphrase, sample). NaN where there is none.
        models : array-like of shape (n_models,) or None, default=None
            Model names; None numbers them.
        queries : array-like of shape (n_queries,) or None, default=None
            Query labels; None numbers them.
        costs : array-like of the shape of scores, or of (n_models,), default=None
            Cost of each outcome, or one for each model.
        score_range : tuple of float or None, default=(0.0, 1.0)
            What a score may be; None takes any finite one.

        Returns
        -------
        Outcomes
            The outcomes of the array.

        Raises
        ------
        ValueError
            If shapes or numbers of labels disagree, a label occurs twice, a
            query has no outcome, or a score or a cost is out of range.

        Examples
        --------
        >>> from dars_sklearn import Outcomes
        >>> Outcomes.from_array([[[1, 0, 1], [0, 0, float("nan")]]])
        <Outcomes: 1 query x 2 models, 5 outcomes, 2 to 3 a pair>
        """
        if np.iscomplexobj(scores):
            raise ValueError("Complex data not supported: a score is a real number")
        grid = np.asarray(scores, dtype=np.float64)
        if grid.ndim not in (2, 3, 4):
            raise ValueError(
                "scores must have shape (query, model), (query, model, sample) or "
                f"(query, model, paraphrase, sample), got shape {grid.shape}"
            )
        shape = grid.shape
        grid = grid.reshape(shape[:2] + ((1, 1), (1,), ())[grid.ndim - 2] + shape[2:])
        if 0 in shape:
            raise ValueError(f"there are no outcomes in an array of shape {shape}")
        query_labels = array_labels(queries, shape[0], "query")
        model_labels = array_labels(models, shape[1], "model")
        present = ~np.isnan(grid)
        check_every_query_has_outcomes(present.any(axis=(1, 2, 3)), query_labels)
        offsets = np.zeros(shape[0] * shape[1] + 1, dtype=np.int64)
        np.cumsum(present.sum(axis=(2, 3)).ravel(), out=offsets[1:])
        _, _, paraphrase, sample = (axis.astype(np.int32) for axis in np.nonzero(present))
        return cls(
            check_scores(grid[present], score_range),
            offsets,
            query_labels,
            model_labels,
            paraphrase=paraphrase,
            sample=sample,
            paraphrase_labels=np.arange(grid.shape[2]),
            sample_labels=np.arange(grid.shape[3]),
            cost=None if costs is None else array_costs(costs, shape, present),
            score_range=check_range(score_range),
            full_grid=bool(present.all()),
        )

    # ---- out ---------------------------------------------------------------

    def to_frame(self):
        """Return a tidy table of one row an outcome.

        Returns
        -------
        pandas.DataFrame
            Columns query, model, paraphrase, sample, score, then cost and what
            else came along; and ``row``, the position of the query, where a
            query is there more than once.
        """
        pair = self.pair_of_outcome()
        row, model = np.divmod(pair, self.n_models)
        columns = {
            "query": self.queries[row],
            "model": self.models[model],
            "paraphrase": self._paraphrase_labels[self.paraphrase],
            "sample": self._sample_labels[self.sample],
            "score": self.score,
        }
        if pd.Index(self.queries).has_duplicates:
            columns = {"row": row} | columns
        if self.cost is not None:
            columns["cost"] = self.cost
        return pd.DataFrame(columns | self._extras)

    def to_array(self, values="score"):
        """Return one value of each outcome as a dense array.

        Parameters
        ----------
        values : {"score", "cost", "input_tokens", "output_tokens", "latency"}
            Which value.

        Returns
        -------
        ndarray of shape (n_queries, n_models, n_paraphrases, n_samples)
            The values, NaN where there is no outcome. Where paraphrases or
            samples have labels other than 0, 1, 2, …, they are numbered within
            their query, or within their paraphrase.
        """
        held = {"score": self.score, "cost": self.cost} | self._extras
        if held.get(values) is None:
            raise ValueError(f"these outcomes have no {values!r}")
        pair = self.pair_of_outcome()
        row = pair // self.n_models
        paraphrase, n_paraphrases = within_group(row, self.paraphrase, self._paraphrase_labels)
        cell = pair * max(n_paraphrases, 1) + paraphrase
        sample, n_samples = within_group(cell, self.sample, self._sample_labels)
        grid = np.full((self.n_queries * self.n_models, n_paraphrases, n_samples), np.nan)
        grid[pair, paraphrase, sample] = held[values]
        return grid.reshape(self.n_queries, self.n_models, n_paraphrases, n_samples)

    @property
    def n_queries(self):
        """Number of queries."""
        return len(self.queries)

    @property
    def n_models(self):
        """Number of models."""
        return len(self.models)

    @property
    def shape(self):
        """``(n_queries,)``: a query is what scikit-learn splits by."""
        return (self.n_queries,)

    def __len__(self):
        return self.n_queries

    def counts(self):
        """Count the outcomes of each pair.

        Returns
        -------
        ndarray of int of shape (n_queries, n_models)
            Number of outcomes.
        """
        return np.diff(self.offsets).reshape(self.n_queries, self.n_models)

    # ---- parts -------------------------------------------------------------

    def __getitem__(self, key):
        if isinstance(key, tuple):
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError("outcomes are indexed by query only; see subset(models=)")
            key = key[0]
        rows = np.atleast_1d(np.arange(self.n_queries)[key])
        return self._select(rows, np.arange(self.n_models))

    def subset(self, models):
        """Keep some models, in the order given.

        Parameters
        ----------
        models : array-like
            Names of the models wanted.

        Returns
        -------
        Outcomes
            The outcomes of these models, for all queries.

        Raises
        ------
        ValueError
            If a model is unknown or named twice.
        """
        columns = find_labels(self.models, unique_labels(models, "model"), "model")
        return self._select(np.arange(self.n_queries), columns)

    def reindex(self, queries):
        """Put the queries in another order.

        Parameters
        ----------
        queries : array-like
            Labels of the queries wanted, in the order of the rows of X. A
            label may be given several times, or not at all.

        Returns
        -------
        Outcomes
            The outcomes of these queries.

        Raises
        ------
        ValueError
            If a query is unknown, or is in these outcomes more than once.
        """
        index = pd.Index(self.queries)
        if index.has_duplicates:
            repeated = index[index.duplicated()].unique()
            raise ValueError(
                "reindex needs every query once, but there are several rows of "
                f"{shown(repeated, 'query')}; index by position instead"
            )
        return self[find_labels(self.queries, label_array(queries), "query")]

    def with_prices(self, prices):
        """Price the outcomes anew, by their numbers of tokens.

        Parameters
        ----------
        prices : dict of str to (float, float)
            For each model, the price of a million input tokens and that of a
            million output tokens.

        Returns
        -------
        Outcomes
            The same outcomes at other costs, NaN where tokens are unknown.

        Raises
        ------
        ValueError
            If a model has no prices, a price is negative, or tokens were not
            counted.

        Examples
        --------
        >>> import pandas as pd
        >>> from dars_sklearn import Outcomes
        >>> table = pd.DataFrame({"query": ["a"], "model": ["m"], "score": [1.0],
        ...                       "input_tokens": [1000], "output_tokens": [500]})
        >>> Outcomes.from_frame(table).with_prices({"m": (0.5, 2.0)}).cost
        array([0.0015])
        """
        missing = [model for model in self.models.tolist() if model not in prices]
        if missing:
            raise ValueError(f"prices lacks {shown(missing, 'model')}")
        if not {"input_tokens", "output_tokens"} <= set(self._extras):
            raise ValueError("these outcomes have no input_tokens and output_tokens to price")
        table = np.array([prices[model] for model in self.models.tolist()], dtype=np.float64)
        input_price, output_price = table[self.model_of_outcome()].T / 1e6
        cost = self._extras["input_tokens"] * input_price
        cost += self._extras["output_tokens"] * output_price
        return self._with_cost(cost)

    def with_latency_cost(self):
        """Take the latency of each outcome, in seconds, as its cost.

        Returns
        -------
        Outcomes
            The same outcomes at other costs.

        Raises
        ------
        ValueError
            If latencies are not known.
        """
        if "latency" not in self._extras:
            raise ValueError("these outcomes have no latency")
        return self._with_cost(self._extras["latency"])

    def pair_of_outcome(self):
        """Number the (query, model) pair of each outcome.

        Returns
        -------
        ndarray of int of shape (n_outcomes,)
            ``query * n_models + model``, by their places.
        """
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def model_of_outcome(self):
        """Number the model of each outcome.

        Returns
        -------
        ndarray of int of shape (n_outcomes,)
            Its place in ``models``.
        """
        return self.pair_of_outcome() % self.n_models

    def _with_cost(self, cost):
        twin = copy(self)
        twin.cost = check_costs(cost)
        return twin

    def single_shot(self, random_state=None):
        """Draw one outcome for each pair: what routers are usually trained on.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Seed of the draw.

        Returns
        -------
        Outcomes
            One outcome for each (query, model) that has any.

        References
        ----------
        The single-shot baseline of arXiv 2606.06924.
        """
        lengths = np.diff(self.offsets)
        draw = check_random_state(random_state).random_sample(len(lengths))
        chosen = self.offsets[:-1] + (draw * lengths).astype(np.int64)
        held = lengths > 0
        return self._take(chosen[held], held, self.queries, self.models, held.all())

    def subsample(self, n_paraphrases=None, n_samples=None, random_state=None):
        """Draw a smaller design: fewer paraphrases of each query, fewer samples of each.

        Parameters
        ----------
        n_paraphrases : int or None, default=None
            Paraphrases kept of each query, the same for all models; None keeps
            all, and so does a query that has no more.
        n_samples : int or None, default=None
            Samples kept of each model and paraphrase.
        random_state : int, RandomState instance or None, default=None
            Seed of the draw.

        Returns
        -------
        Outcomes
            The outcomes kept.

        Raises
        ------
        ValueError
            If a number is below 1.

        Examples
        --------
        >>> from dars_sklearn.datasets import make_routing_outcomes
        >>> make_routing_outcomes(50, 3, 5, 5, random_state=0).outcomes.subsample(2, 1, 0)
        <Outcomes: 50 queries x 3 models, 300 outcomes, 2 a pair>
        """
        rng = check_random_state(random_state)
        pair = self.pair_of_outcome()
        width = len(self._paraphrase_labels)
        keep = np.ones(len(pair), dtype=bool)
        for name, number in (("n_paraphrases", n_paraphrases), ("n_samples", n_samples)):
            if number is None:
                continue
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number!r}")
            if name == "n_samples":
                keep &= random_rank(pair * width + self.paraphrase, rng) < number
                continue
            keys, key = np.unique(
                pair // self.n_models * width + self.paraphrase, return_inverse=True
            )
            keep &= (random_rank(keys // width, rng) < number)[key]
        lengths = np.bincount(pair[keep], minlength=len(self.offsets) - 1)
        index = np.flatnonzero(keep)
        return self._take(index, lengths, self.queries, self.models, self.full_grid)

    def _select(self, rows, columns):
        pairs = (rows[:, None] * self.n_models + columns).ravel()
        lengths = np.diff(self.offsets)[pairs]
        ends = np.cumsum(lengths)
        shift = self.offsets[pairs] - (ends - lengths)
        index = np.arange(ends[-1] if len(ends) else 0) + np.repeat(shift, lengths)
        return self._take(index, lengths, self.queries[rows], self.models[columns], self.full_grid)

    def _take(self, index, lengths, queries, models, full_grid):
        return Outcomes(
            self.score[index],
            np.concatenate([[0], np.cumsum(lengths)]),
            queries,
            models,
            paraphrase=self.paraphrase[index],
            sample=self.sample[index],
            paraphrase_labels=self._paraphrase_labels,
            sample_labels=self._sample_labels,
            cost=None if self.cost is None else self.cost[index],
            extras={name: values[index] for name, values in self._extras.items()},
            score_range=self.score_range,
            full_grid=bool(full_grid),
        )

    # ---- looks -------------------------------------------------------------

    def __array__(self, dtype=None, copy=None):
        # cross_val_predict(method="decision_function") would otherwise encode
        # the outcomes as if they were class labels, and train on those.
        raise TypeError(
            "Outcomes are not an array; use .to_array() for one. For out-of-fold "
            "predictions use cross_val_capability"
        )

    def __repr__(self):
        counts = np.diff(self.offsets)
        queries = "query" if self.n_queries == 1 else "queries"
        models = "model" if self.n_models == 1 else "models"
        low, high = (counts.min(), counts.max()) if len(counts) else (0, 0)
        a_pair = f"{low}" if low == high else f"{low} to {high}"
        return (
            f"<Outcomes: {self.n_queries} {queries} x {self.n_models} {models}, "
            f"{len(self.score)} outcomes, {a_pair} a pair>"
        )

    def _repr_html_(self):
        frame = self.to_frame()
        table = frame.groupby("model", sort=False).agg(
            outcomes=("score", "size"),
            **{"mean score": ("score", "mean"), "std of score": ("score", "std")},
        )
        if self.cost is not None:
            table["mean cost"] = frame.groupby("model", sort=False)["cost"].mean()
        return f"<p>{escape(repr(self))}</p>{table.to_html(float_format='{:.4g}'.format)}"


def as_outcomes(y):
    """Take outcomes as they are, and an array of scores as outcomes of any range."""
    return y if isinstance(y, Outcomes) else Outcomes.from_array(y, score_range=None)


def check_length(X, outcomes):
    """Refuse features of more queries, or fewer, than there are outcomes of."""
    if _num_samples(X) != len(outcomes):
        raise ValueError(
            f"X has {_num_samples(X)} queries and the outcomes have {len(outcomes)}; they must "
            "be the same queries in the same order"
        )


def check_models(outcomes, models):
    """Refuse outcomes of other models, or in another order, than something is fitted on."""
    if not np.array_equal(outcomes.models, models):
        raise ValueError(
            f"the outcomes are of models {list(outcomes.models)}, not of those fitted on, "
            f"{list(models)}; use outcomes.subset(models=)"
        )


def check_alignment(texts, outcomes):
    """Refuse texts that are the queries of the outcomes, but in another order."""
    check_length(texts, outcomes)
    labels = outcomes.queries
    differ = np.flatnonzero(np.asarray(texts, dtype=object) != labels.astype(object))
    elsewhere = differ[np.isin(list(map(str, np.asarray(texts)[differ])), labels.astype(str))]
    if len(elsewhere):
        row = elsewhere[0]
        raise ValueError(
            f"X and the outcomes hold the same queries in another order: row {row} of X is "
            f"{texts[row]!r}, row {row} of the outcomes is {labels[row]!r} "
            f"({len(elsewhere)} rows differ); use outcomes.reindex(X)"
        )
