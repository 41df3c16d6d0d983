"""Outcomes: the scored, priced responses that everything else is computed from."""

from copy import copy

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from dars_sklearn.outcomes._alignment import check_labelled_order
from dars_sklearn.outcomes._arrays import array_costs, array_labels, score_grid, table_labels
from dars_sklearn.outcomes._concat import concat_columns
from dars_sklearn.outcomes._frame import read_frame
from dars_sklearn.outcomes._keys import (
    Key,
    find_labels,
    label_array,
    number_within_groups,
    sort_outcomes,
    unique_labels,
)
from dars_sklearn.outcomes._messages import conversation_texts
from dars_sklearn.outcomes._pair_statistics import summarise_pairs
from dars_sklearn.outcomes._pricing import price_tables
from dars_sklearn.outcomes._resampling import design_mask, single_shot_indices
from dars_sklearn.outcomes._texts import check_texts
from dars_sklearn.outcomes._validation import (
    check_costs,
    check_every_query_has_outcomes,
    check_score_range,
    check_scores,
    list_values,
    plural,
)
from dars_sklearn.utils._html import html_table, html_view

__all__ = ["Outcomes", "as_outcomes"]


class Outcomes:
    """Scored outcomes of queries x models x paraphrases x samples.

    This is the ``y`` of the package. The number of outcomes may differ between (query, model)
    pairs, and outcomes that were not collected are absent. Outcomes are indexed by query, so a
    split never separates the paraphrases of a query. Create them with :meth:`from_frame` or
    :meth:`from_array`; they are never changed in place.

    Attributes
    ----------
    queries : ndarray of shape (n_queries,)
        Query labels, in the order of the rows of X. Indexing may repeat them.
    models : ndarray of shape (n_models,)
        Model names.
    texts : ndarray of str of shape (n_queries,) or None
        Texts of the queries, where they are kept beside the labels: with them, whatever is
        given as X is compared with the queries of the outcomes, row by row.
    numbered : bool
        Whether the query labels only number the queries, because none were given.
    score_range : tuple of float or None
        Lowest and highest possible score, or None where every finite score is allowed.
    score : ndarray of shape (n_outcomes,)
        Scores, sorted by (query, model, paraphrase, sample).
    cost : ndarray of shape (n_outcomes,) or None
        Costs in the user's unit, NaN where unknown, or None where there are none.
    paraphrase, sample : ndarray of int of shape (n_outcomes,)
        Codes of the paraphrase and of the sample of each outcome.
    offsets : ndarray of int of shape (n_queries * n_models + 1,)
        The outcomes of query i and model j are those from ``offsets[i * n_models + j]`` up to
        the next offset.
    full_grid : bool
        Whether every pair is known to have the same number of paraphrases and samples, so that
        plain and balanced means agree.

    See Also
    --------
    OutcomeAggregator : Labels for routers from outcomes.

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
    <Outcomes: 2 queries x 2 models, 4 outcomes, 0 to 2 per pair>
    >>> outcomes.counts()
    array([[2, 1],
           [0, 1]])
    """

    def __init__(
        self, score, offsets, queries, models, *, paraphrase, sample, paraphrase_labels,
        sample_labels, cost=None, extras=None, texts=None, numbered=False, score_range=(0.0, 1.0),
        full_grid=False,
    ):  # fmt: skip
        self.score = score
        self.offsets = offsets
        self.queries = queries
        self.models = models
        self.paraphrase = paraphrase
        self.sample = sample
        self.cost = cost
        self.texts = texts
        self.numbered = numbered
        self.score_range = score_range
        self.full_grid = full_grid
        self._paraphrase_labels = paraphrase_labels
        self._sample_labels = sample_labels
        self._extras = extras or {}
        self._statistics = {}

    # ---- construction --------------------------------------------------------

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
        text=None,
        score_range=(0.0, 1.0),
    ):
        """Read a tidy table with one row per outcome.

        Parameters
        ----------
        frame : data frame
            A pandas, polars, pyarrow or duckdb table. Columns named ``input_tokens``,
            ``output_tokens`` and ``latency`` are kept.
        query, model, score : str
            Names of these columns. Queries may be ids, texts or conversations (lists of messages
            with role and content); a conversation becomes a label in JSON, and its text is that
            of its last user message. Rows with the same query are outcomes of one query: where
            several questions have one text, give ``query`` a column of ids and ``text`` the
            column of the texts.
        paraphrase, sample, cost : str, False or None, default=None
            Names of these columns. None uses the column of that very name if the table has one;
            False uses none. Without samples, the rows of a (query, model, paraphrase) are
            numbered in their order, and rows that are equal in every column are warned of,
            unless ``sample=False``.
        queries, models : array-like or None, default=None
            All labels, in the order wanted. None uses the order in which they first appear.
        text : str or None, default=None
            Name of the column of the queries' texts, if their labels are ids. With it, X is
            compared with the outcomes' queries wherever both are given.
        score_range : tuple of float or None, default=(0.0, 1.0)
            Lowest and highest possible score, which become 0 and 1 in utilities. None allows
            every finite score, and utilities take scores as they are.

        Returns
        -------
        Outcomes
            The outcomes of the table.

        Raises
        ------
        ValueError
            If the table is empty or lacks a column; if a key is missing, a (query, model,
            paraphrase, sample) occurs twice, a label is not in ``queries`` or ``models``, or a
            query has no row, or several texts; if a score is missing or out of range, or a cost
            is negative or infinite.

        Warns
        -----
        DuplicateRowsWarning
            If rows are equal in every column, and nothing says that they are samples.

        Examples
        --------
        >>> import pandas as pd
        >>> from dars_sklearn import Outcomes
        >>> table = pd.DataFrame({"query": ["b", "a"], "model": ["m", "m"], "score": [0, 1]})
        >>> Outcomes.from_frame(table, queries=["a", "b"]).score
        array([1., 0.])
        """
        names = {
            "query": query,
            "model": model,
            "score": score,
            "paraphrase": paraphrase,
            "sample": sample,
            "cost": cost,
            "text": text,
        }
        table = read_frame(frame, names, queries, models)
        outcomes = cls.from_codes(
            table.keys,
            table.score,
            table.cost,
            extras=table.extras,
            texts=table.texts,
            score_range=score_range,
        )
        check_every_query_has_outcomes(outcomes.counts().sum(axis=1), outcomes.queries)
        return outcomes

    @classmethod
    def from_codes(
        cls,
        keys,
        score,
        cost=None,
        *,
        extras=None,
        texts=None,
        score_range=(0.0, 1.0),
    ):
        """Create outcomes from keys that are integer codes already, in any order.

        Unlike the other two constructors, this one accepts queries without an outcome, so that a
        collection in which some query failed keeps its row.

        Parameters
        ----------
        keys : dict
            For ``"query"`` and ``"model"``, and optionally for ``"paraphrase"`` and
            ``"sample"``: the codes, an int array of shape (n_outcomes,), and the labels that
            they number. The dict is emptied, because the codes of a large table need much
            memory.
        score : ndarray of shape (n_outcomes,)
            Scores.
        cost : ndarray of shape (n_outcomes,) or None, default=None
            Costs in the user's unit.
        extras : dict of str to ndarray of shape (n_outcomes,), default=None
            Token counts and latencies.
        texts : ndarray of str of shape (n_queries,) or None, default=None
            Texts of the queries, in the order of their labels.
        score_range : tuple of float or None, default=(0.0, 1.0)
            Lowest and highest possible score, which become 0 and 1 in utilities. None allows
            every finite score, and utilities take scores as they are.

        Returns
        -------
        Outcomes
            The outcomes, sorted.

        Raises
        ------
        ValueError
            If the same keys occur twice, or a score or a cost is out of range.
        """
        named = {role: Key(*keys.pop(role)) for role in list(keys)}
        labels = {role: key.labels for role, key in named.items()}
        check_scores(score, score_range)
        if cost is not None:
            check_costs(cost)
        ordered = sort_outcomes(named)
        labels.setdefault("paraphrase", np.arange(1))
        labels.setdefault("sample", np.arange(ordered.sample.max(initial=-1) + 1))
        n_cells = len(ordered.counts) * len(labels["paraphrase"]) * len(labels["sample"])
        return cls(
            score[ordered.order],
            np.concatenate([[0], np.cumsum(ordered.counts)]),
            labels["query"],
            labels["model"],
            paraphrase=ordered.paraphrase,
            sample=ordered.sample,
            paraphrase_labels=labels["paraphrase"],
            sample_labels=labels["sample"],
            cost=None if cost is None else cost[ordered.order],
            extras={name: values[ordered.order] for name, values in (extras or {}).items()},
            texts=texts,
            score_range=check_score_range(score_range),
            full_grid=len(score) == n_cells,
        )

    @classmethod
    def from_array(cls, scores, models=None, queries=None, costs=None, *, score_range=(0.0, 1.0)):
        """Read an array of scores.

        Parameters
        ----------
        scores : array-like of shape (n_queries, n_models[[, n_paraphrases], n_samples])
            Scores of 2 to 4 dimensions: (query, model), (query, model, sample) or (query,
            model, paraphrase, sample). NaN, or masked, where there is no outcome.
        models : array-like of shape (n_models,) or None, default=None
            Model names. None takes the columns of a data frame, and numbers the models otherwise.
        queries : array-like of shape (n_queries,) or None, default=None
            Query labels. None takes the index of a data frame, and numbers the queries otherwise.
        costs : array-like of the shape of scores, or of (n_models,), default=None
            Cost of each outcome, or of an outcome of each model, in the user's unit. Costs in a
            data frame or a Series are found by their labels, in whatever order.
        score_range : tuple of float or None, default=(0.0, 1.0)
            Lowest and highest possible score, which become 0 and 1 in utilities. None allows
            every finite score, and utilities take scores as they are.

        Returns
        -------
        Outcomes
            The outcomes of the array.

        Raises
        ------
        ValueError
            If shapes or numbers of labels disagree, a label occurs twice, a query has no
            outcome, or a score or a cost is out of range.

        Examples
        --------
        >>> from dars_sklearn import Outcomes
        >>> Outcomes.from_array([[[1, 0, 1], [0, 0, float("nan")]]])
        <Outcomes: 1 query x 2 models, 5 outcomes, 2 to 3 per pair>
        """
        queries = None if queries is None else list(queries)
        queries, models = table_labels(scores, queries, models)
        grid = score_grid(scores)
        n_queries, n_models, n_paraphrases, n_samples = grid.shape
        query_labels = array_labels(queries, n_queries, "query")
        model_labels = array_labels(models, n_models, "model")
        present = ~np.isnan(grid)
        check_every_query_has_outcomes(present.any(axis=(1, 2, 3)), query_labels)
        offsets = np.zeros(n_queries * n_models + 1, dtype=np.int64)
        np.cumsum(present.sum(axis=(2, 3)).ravel(), out=offsets[1:])
        _, _, paraphrase, sample = (codes.astype(np.int32) for codes in np.nonzero(present))
        return cls(
            check_scores(grid[present], score_range),
            offsets,
            query_labels,
            model_labels,
            paraphrase=paraphrase,
            sample=sample,
            paraphrase_labels=np.arange(n_paraphrases),
            sample_labels=np.arange(n_samples),
            cost=None
            if costs is None
            else array_costs(costs, np.shape(scores), present, query_labels, model_labels),
            texts=conversation_texts(queries),
            numbered=queries is None,
            score_range=check_score_range(score_range),
            full_grid=bool(present.all()),
        )

    @classmethod
    def concat(cls, parts, *, new_samples=False):
        """Put several outcomes together: further queries, models, paraphrases or samples.

        Parameters
        ----------
        parts : sequence of Outcomes
            Outcomes of one score range. Queries, models, paraphrases and samples with the same
            label are the same.
        new_samples : bool, default=False
            Whether outcomes of the same (query, model, paraphrase) in different parts are
            further samples, whatever their labels; samples are then numbered again.

        Returns
        -------
        Outcomes
            All outcomes; queries and models in the order in which they first appear. A cost, a
            token count or a latency that a part does not have is NaN.

        Raises
        ------
        ValueError
            If the same (query, model, paraphrase, sample) occurs twice, a part has a query
            twice, a query has different texts, or score ranges differ.

        Examples
        --------
        >>> from dars_sklearn import Outcomes
        >>> monday = Outcomes.from_array([[1, 0]], queries=["2 + 2?"], models=["a", "b"])
        >>> tuesday = Outcomes.from_array([[1, 1]], queries=["3 + 3?"], models=["a", "c"])
        >>> Outcomes.concat([monday, tuesday])
        <Outcomes: 2 queries x 3 models, 4 outcomes, 0 to 1 per pair>
        """
        return cls.from_codes(**concat_columns(list(parts), new_samples=new_samples))

    # ---- export --------------------------------------------------------------

    def to_frame(self):
        """Return a tidy table with one row per outcome.

        Returns
        -------
        pandas.DataFrame
            Columns query, model, paraphrase, sample and score, then cost, text, token counts and
            latency where there are any; and ``row``, the position of the query, where a query
            label occurs more than once.
        """
        keys, extras = self.keys_and_extras()
        columns = {role: key.labels[key.codes] for role, key in keys.items()}
        columns["score"] = self.score
        if pd.Index(self.queries).has_duplicates:
            columns = {"row": keys["query"].codes} | columns
        if self.cost is not None:
            columns["cost"] = self.cost
        if self.texts is not None:
            columns["text"] = self.texts[keys["query"].codes]
        return pd.DataFrame(columns | extras)

    def to_array(self, values="score"):
        """Return one value of each outcome as a dense array.

        Parameters
        ----------
        values : {"score", "cost", "input_tokens", "output_tokens", "latency"}
            Which value.

        Returns
        -------
        ndarray of shape (n_queries, n_models, n_paraphrases, n_samples)
            The values, NaN where there is no outcome. Where paraphrases or samples have labels
            other than 0, 1, 2, …, they are numbered within their query, or within their
            paraphrase.
        """
        available = {"score": self.score, "cost": self.cost} | self._extras
        if available.get(values) is None:
            raise ValueError(f"these outcomes have no {values!r}")
        pair = self.pair_indices()
        paraphrase, n_paraphrases = number_within_groups(
            pair // self.n_models, self.paraphrase, self._paraphrase_labels
        )
        cell = pair * max(n_paraphrases, 1) + paraphrase
        sample, n_samples = number_within_groups(cell, self.sample, self._sample_labels)
        grid = np.full((self.n_queries * self.n_models, n_paraphrases, n_samples), np.nan)
        grid[pair, paraphrase, sample] = available[values]
        return grid.reshape(self.n_queries, self.n_models, n_paraphrases, n_samples)

    # ---- sizes and positions ---------------------------------------------------

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
        """``(n_queries,)``, because scikit-learn splits outcomes by query."""
        return (self.n_queries,)

    def __len__(self):
        return self.n_queries

    def counts(self):
        """Count the outcomes of each (query, model) pair.

        Returns
        -------
        ndarray of int of shape (n_queries, n_models)
            Number of outcomes.
        """
        return np.diff(self.offsets).reshape(self.n_queries, self.n_models)

    def pair_indices(self):
        """Return the (query, model) pair of each outcome.

        Returns
        -------
        ndarray of int of shape (n_outcomes,)
            ``query * n_models + model``, by position.
        """
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def model_indices(self):
        """Return the model of each outcome.

        Returns
        -------
        ndarray of int of shape (n_outcomes,)
            Position in ``models``.
        """
        return self.pair_indices() % self.n_models

    def keys_and_extras(self):
        """Return the keys of each outcome, and what is known of it beside its score and cost.

        Returns
        -------
        keys : dict of str to Key
            Codes and labels for "query", "model", "paraphrase" and "sample".
        extras : dict of str to ndarray of shape (n_outcomes,)
            Token counts and latencies.
        """
        query, model = np.divmod(self.pair_indices(), self.n_models)
        keys = {
            "query": Key(query, self.queries),
            "model": Key(model, self.models),
            "paraphrase": Key(self.paraphrase, self._paraphrase_labels),
            "sample": Key(self.sample, self._sample_labels),
        }
        return keys, dict(self._extras)

    def pair_statistics(self, weighting="balanced"):
        """Mean score, mean cost and spread of each (query, model) pair.

        The statistics are computed once and kept: a selection of queries or models takes its
        rows and columns from them.

        Parameters
        ----------
        weighting : {"balanced", "pooled"}, default="balanced"
            Whether every paraphrase of a pair weighs the same, or every outcome.

        Returns
        -------
        PairStatistics
            A named tuple of arrays of shape (n_queries, n_models): ``mean_score``,
            ``mean_cost`` (in the user's unit), ``spread`` (standard deviation of the scores),
            ``sum_squared_weights`` and ``n_outcomes``; NaN where a pair has no outcome.

        Raises
        ------
        ValueError
            If the weighting is unknown.
        """
        if weighting not in ("balanced", "pooled"):
            raise ValueError(f"weighting must be 'balanced' or 'pooled', got {weighting!r}")
        balanced = weighting == "balanced" and not self.full_grid  # on a full grid they agree
        if balanced not in self._statistics:
            self._statistics[balanced] = _read_only(summarise_pairs(self, balanced=balanced))
        return self._statistics[balanced]

    # ---- selection -------------------------------------------------------------

    def __getitem__(self, key):
        if isinstance(key, tuple):
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError("outcomes are indexed by query only; see subset(models=)")
            key = key[0]
        check_labelled_order(key, self, "the mask")
        rows = np.atleast_1d(np.arange(self.n_queries)[key])
        if rows.ndim > 1:
            raise IndexError(
                "outcomes are indexed by one position, a slice, or a 1-D array of positions or "
                f"booleans; this index selects an array of shape {rows.shape}"
            )
        return self._select(rows, np.arange(self.n_models))

    def subset(self, models):
        """Select some models, in the order given.

        Parameters
        ----------
        models : array-like
            Names of the models.

        Returns
        -------
        Outcomes
            The outcomes of these models, for all queries.

        Raises
        ------
        ValueError
            If a model is unknown or given twice.
        """
        columns = find_labels(self.models, unique_labels(models, "model"), "model")
        if len(columns) == 0:
            raise ValueError("models is empty; select at least one model")
        return self._select(np.arange(self.n_queries), columns)

    def reindex(self, queries):
        """Put the queries in another order.

        Parameters
        ----------
        queries : array-like
            Query labels in the order of the rows of X. A label may be given several times, or
            not at all.

        Returns
        -------
        Outcomes
            The outcomes of these queries.

        Raises
        ------
        ValueError
            If a query is unknown, or has several rows in these outcomes.
        """
        index = pd.Index(self.queries)
        if index.has_duplicates:
            repeated = index[index.duplicated()].unique()
            raise ValueError(
                "reindex needs every query once, but there are several rows of "
                f"{list_values(repeated, 'query')}; index by position instead"
            )
        return self[find_labels(self.queries, label_array(queries), "query")]

    def single_shot(self, random_state=None):
        """Draw one outcome of each pair: the labels that routers are usually trained on.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Seed of the draw.

        Returns
        -------
        Outcomes
            One outcome of each (query, model) pair that has any.

        References
        ----------
        The single-shot baseline of arXiv 2606.06924.
        """
        indices, observed = single_shot_indices(self.offsets, check_random_state(random_state))
        return self._take(indices, observed, full_grid=observed.all())

    def subsample(self, n_paraphrases=None, n_samples=None, random_state=None):
        """Draw a smaller design: fewer paraphrases per query, fewer samples per paraphrase.

        Parameters
        ----------
        n_paraphrases : int or None, default=None
            Paraphrases kept of each query, the same for all models. None keeps all of them, and
            a query with no more than this number keeps all of its own.
        n_samples : int or None, default=None
            Samples kept of each paraphrase and model.
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
        <Outcomes: 50 queries x 3 models, 300 outcomes, 2 per pair>
        """
        keep = design_mask(self, n_paraphrases, n_samples, check_random_state(random_state))
        counts = np.bincount(self.pair_indices()[keep], minlength=len(self.offsets) - 1)
        return self._take(np.flatnonzero(keep), counts, full_grid=self.full_grid)

    def _select(self, rows, columns):
        pairs = (rows[:, None] * self.n_models + columns).ravel()
        counts = np.diff(self.offsets)[pairs]
        ends = np.cumsum(counts)
        shift = self.offsets[pairs] - (ends - counts)
        indices = np.arange(ends[-1] if len(ends) else 0) + np.repeat(shift, counts)
        selected = self._take(indices, counts, full_grid=self.full_grid)
        selected.queries, selected.models = self.queries[rows], self.models[columns]
        selected.texts = None if self.texts is None else self.texts[rows]
        selected._statistics = {
            balanced: _read_only(statistics.take(rows, columns))
            for balanced, statistics in self._statistics.items()
        }
        return selected

    def _take(self, indices, counts, *, full_grid):
        """Return the outcomes at some indices, with the number that each pair then has."""
        return Outcomes(
            self.score[indices],
            np.concatenate([[0], np.cumsum(counts)]),
            self.queries,
            self.models,
            paraphrase=self.paraphrase[indices],
            sample=self.sample[indices],
            paraphrase_labels=self._paraphrase_labels,
            sample_labels=self._sample_labels,
            cost=None if self.cost is None else self.cost[indices],
            extras={name: values[indices] for name, values in self._extras.items()},
            texts=self.texts,
            numbered=self.numbered,
            score_range=self.score_range,
            full_grid=bool(full_grid),
        )

    def with_texts(self, texts):
        """Keep the texts of the queries beside their labels.

        With texts, X is compared with the queries of the outcomes, row by row, wherever both are
        given.

        Parameters
        ----------
        texts : array-like of str of shape (n_queries,)
            Texts, or conversations, of the queries, in their order. Several queries may have the
            same text.

        Returns
        -------
        Outcomes
            The same outcomes with these texts.

        Raises
        ------
        ValueError
            If there is not one text per query, one is blank, or texts in a Series are labelled
            by the queries in another order.

        Examples
        --------
        >>> from dars_sklearn import Outcomes
        >>> outcomes = Outcomes.from_array([[1, 0], [0, 1]], queries=["q1", "q2"])
        >>> outcomes.with_texts(["2 + 2?", "Capital of Peru?"]).texts
        array(['2 + 2?', 'Capital of Peru?'], dtype=object)
        """
        check_labelled_order(texts, self, "texts")
        table = check_texts(texts)
        if table.shape != (self.n_queries, 1):
            raise ValueError(
                f"texts must have one text for each of the {self.n_queries} queries, got shape "
                f"{np.shape(texts)}"
            )
        labelled = copy(self)
        labelled.texts = table[:, 0]
        return labelled

    # ---- costs -----------------------------------------------------------------

    def with_prices(self, prices):
        """Replace the costs by prices of the tokens.

        Parameters
        ----------
        prices : dict of str to (float, float)
            For some or all models, the price of a million input tokens and that of a million
            output tokens, in the user's unit. The other models keep the costs they have.

        Returns
        -------
        Outcomes
            The same outcomes with other costs; those of a model with prices are NaN where its
            token counts are unknown.

        Raises
        ------
        ValueError
            If a model has neither prices nor costs; if some models have no prices and some
            prices belong to no model; if a price is negative, or there are no token counts.

        Examples
        --------
        >>> import pandas as pd
        >>> from dars_sklearn import Outcomes
        >>> table = pd.DataFrame({"query": ["a"], "model": ["m"], "score": [1.0],
        ...                       "input_tokens": [1000], "output_tokens": [500]})
        >>> Outcomes.from_frame(table).with_prices({"m": (0.5, 2.0)}).cost
        array([0.0015])
        """
        input_price, output_price, priced = price_tables(prices, self.models)
        model = self.model_indices()
        if not priced.all():
            self._check_costs_without_prices(prices, priced, model)
        if not {"input_tokens", "output_tokens"} <= set(self._extras):
            raise ValueError(
                "these outcomes have no input_tokens and output_tokens to price; where costs are "
                "known, they belong into the column of costs, 0 for a free model"
            )
        cost = self._extras["input_tokens"] * (input_price / 1e6)[model]
        cost += self._extras["output_tokens"] * (output_price / 1e6)[model]
        if not priced.all():
            cost = np.where(priced[model], cost, self.cost)
        return self._with_cost(cost)

    def _check_costs_without_prices(self, prices, priced, model):
        """Refuse models that have neither a price nor a cost, and prices that may be misnamed."""
        known = np.zeros(len(model), dtype=bool) if self.cost is None else ~np.isnan(self.cost)
        n_known, n_outcomes = (
            np.bincount(own, minlength=self.n_models) for own in (model[known], model)
        )
        without = self.models[~priced & (n_known == 0) & (n_outcomes > 0)]
        if len(without):
            raise ValueError(
                f"prices has no entry for {list_values(without, 'model')}, and no cost is known"
            )
        unknown = [name for name in prices if name not in set(self.models.tolist())]
        if unknown:
            raise ValueError(
                f"prices has no entry for {list_values(self.models[~priced], 'model')}, but for "
                f"{list_values(unknown, 'model')}, which these outcomes do not have; correct the "
                "names, or leave these prices out"
            )

    def with_latency_cost(self):
        """Replace the costs by the latencies, in seconds.

        Returns
        -------
        Outcomes
            The same outcomes with other costs.

        Raises
        ------
        ValueError
            If there are no latencies.
        """
        if "latency" not in self._extras:
            raise ValueError("these outcomes have no latency")
        return self._with_cost(self._extras["latency"])

    def _with_cost(self, cost):
        repriced = copy(self)
        repriced.cost = check_costs(cost)
        repriced._statistics = {}
        return repriced

    # ---- display ---------------------------------------------------------------

    def __array__(self, dtype=None, copy=None):
        # cross_val_predict(method="decision_function") would otherwise encode the outcomes as
        # class labels, and train on those.
        raise TypeError(
            "Outcomes are not an array; use .to_array() for one. In cross-validation and searches, "
            "leave scoring out or pass scoring=routing_scorer(); for out-of-fold predictions use "
            "cross_val_capability"
        )

    def __repr__(self):
        counts = np.diff(self.offsets)
        low, high = (counts.min(), counts.max()) if len(counts) else (0, 0)
        per_pair = f"{low}" if low == high else f"{low} to {high}"
        return (
            f"<Outcomes: {self.n_queries} {plural('query', self.n_queries)} x {self.n_models} "
            f"{plural('model', self.n_models)}, {len(self.score)} outcomes, {per_pair} per pair>"
        )

    def _repr_html_(self):
        scores = pd.Series(self.score).groupby(self.model_indices())
        columns = {
            "outcomes": self.counts().sum(axis=0),
            "mean score": scores.mean(),
            "std of score": scores.std(),
        }
        if self.cost is not None:
            columns["mean cost"] = pd.Series(self.cost).groupby(self.model_indices()).mean()
        table = pd.DataFrame(columns, index=range(self.n_models)).set_axis(self.models)
        return html_view(repr(self), html_table(table))


def _read_only(statistics):
    """Protect statistics from changes, because everybody who asks for them shares them."""
    for table in statistics:
        table.setflags(write=False)
    return statistics


def as_outcomes(y):
    """Return outcomes as they are, and an array of scores as outcomes of any range."""
    if isinstance(y, Outcomes):
        return y
    columns = getattr(y, "columns", ())
    if "model" in columns and "score" in columns:
        raise TypeError(
            "outcomes must be Outcomes, got a table with one row per outcome; use "
            "Outcomes.from_frame(table)"
        )
    return Outcomes.from_array(y, score_range=None)
