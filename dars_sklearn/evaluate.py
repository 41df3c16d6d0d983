"""Honest comparisons: paired, on held-out queries, over many draws."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from dars_sklearn.aggregate import OutcomeAggregator, cost_range
from dars_sklearn.families import single_shot_twin
from dars_sklearn.metrics import oracle_utility

__all__ = ["SupervisionComparison", "compare_supervision", "paired_interval"]

_METRICS = ("score", "cost", "utility", "instability", "regret")
# Values resampled at once.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class SupervisionComparison:
    """What one router achieves under both supervisions.

    Parameters
    ----------
    table : DataFrame
        A row a metric: score, scaled cost, utility, instability (mean sample
        deviation of the routed model's scores), regret (to the oracle that is
        cross-fitted over paraphrases; to the naive one where there is only one
        paraphrase), and agreement (share of queries that two single-shot draws route alike).
        Columns: ``distribution``; ``single_shot``, the mean over draws, and
        ``single_shot_std``, their deviation; ``difference``, with the interval
        from ``low`` to ``high`` over queries.
    baselines : DataFrame
        Score, scaled cost and utility of the best single model (chosen on the
        training outcomes), of a random choice, and the utility of the oracle,
        cross-fitted over paraphrases and naive.
    routes : ndarray of shape (n_test_queries,)
        Routes under distribution labels.
    single_shot_routes : ndarray of shape (n_draws, n_test_queries)
        Routes under each single-shot draw.
    cost_range : tuple of float
        What scales costs, on the training outcomes.
    """

    table: pd.DataFrame
    baselines: pd.DataFrame
    routes: np.ndarray
    single_shot_routes: np.ndarray
    cost_range: tuple
    _fitted_on: tuple

    def on(self, outcomes_test, *, random_state=42):
        """Judge the same routes by other outcomes of the same test queries.

        Parameters
        ----------
        outcomes_test : Outcomes
            Outcomes, such as those of one wording only.
        random_state : int, default=42
            Seed of the intervals.

        Returns
        -------
        SupervisionComparison
            The comparison on these outcomes.
        """
        outcomes, cost_weight = self._fitted_on
        realised = _Realised(outcomes_test, cost_weight, self.cost_range)
        return SupervisionComparison(
            _tabulate(realised, self.routes, self.single_shot_routes, random_state),
            _baselines(realised, outcomes),
            self.routes,
            self.single_shot_routes,
            self.cost_range,
            self._fitted_on,
        )

    def to_frame(self):
        """Return the metrics as a table.

        Returns
        -------
        DataFrame
            A row a metric.
        """
        return self.table

    def __repr__(self):
        n_draws, n_queries = self.single_shot_routes.shape
        return (
            f"<SupervisionComparison on {n_queries} queries, {n_draws} single-shot draws>\n"
            f"{self.table.to_string(float_format='{:.4f}'.format)}\n"
            f"{self.baselines.to_string(float_format='{:.4f}'.format)}"
        )

    def _repr_html_(self):
        tables = (self.table, self.baselines)
        return "".join(table.to_html(float_format="{:.4f}".format) for table in tables)


def compare_supervision(
    router,
    X,
    outcomes,
    *,
    X_test,
    outcomes_test,
    n_draws=100,
    n_jobs=None,
    random_state=42,
    verbose=None,
):
    """Compare distribution labels with single-shot labels, for one router.

    The router is fitted on all outcomes, and its twin on ``n_draws`` draws of
    one outcome a pair. Costs are scaled by the range of the training outcomes
    throughout.

    Parameters
    ----------
    router : DistributionalRouter, or Pipeline that ends in one
        Not fitted; its ``cost_weight`` is that of all utilities.
    X : array-like of shape (n_queries, ...)
        Training queries, or their features.
    outcomes : Outcomes
        Their outcomes.
    X_test : array-like of shape (n_test_queries, ...)
        Queries to route.
    outcomes_test : Outcomes
        Their outcomes.
    n_draws : int, default=100
        Single-shot draws.
    n_jobs : int or None, default=None
        Draws fitted at once, by joblib.
    random_state : int, default=42
        Seed of the first draw; the others follow it, as in the paper.
    verbose : bool or None, default=None
        Whether to show a progress bar; None shows it in a terminal.

    Returns
    -------
    SupervisionComparison
        Means, spread over draws, and paired intervals over queries.

    Raises
    ------
    ValueError
        If test queries are routed to models that have no outcomes for them.

    References
    ----------
    Section "Evaluation" of arXiv 2606.06924.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter, compare_supervision
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(120, 3, random_state=0)
    >>> comparison = compare_supervision(
    ...     DistributionalRouter(), data.X[:80], data.outcomes[:80],
    ...     X_test=data.X[80:], outcomes_test=data.outcomes[80:], n_draws=10)
    >>> list(comparison.to_frame().columns[:3])
    ['distribution', 'single_shot', 'single_shot_std']
    """
    limits = cost_range(outcomes)
    router = _with_cost_scaling(router, limits)
    twin = single_shot_twin(router)
    cost_weight = _final(router).cost_weight
    routes = clone(router).fit(X, outcomes).predict(X_test)
    disable = None if verbose is None else not verbose
    jobs = (
        delayed(_fit_on_draw)(twin, X, outcomes, X_test, seed)
        for seed in range(random_state, random_state + n_draws)
    )
    draws = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    drawn = np.array(list(tqdm(draws, total=n_draws, desc="draws", disable=disable)), dtype=object)
    unjudged = SupervisionComparison(None, None, routes, drawn, limits, (outcomes, cost_weight))
    return unjudged.on(outcomes_test, random_state=random_state)


def _fit_on_draw(twin, X, outcomes, X_test, seed):
    return clone(twin).fit(X, outcomes.single_shot(seed)).predict(X_test)


def _final(router):
    return router[-1] if isinstance(router, Pipeline) else router


def _with_cost_scaling(router, limits):
    """A clone whose labels and utilities are on the scale of all that is compared."""
    router = clone(router)
    final = _final(router)
    aggregator = OutcomeAggregator() if final.aggregator is None else final.aggregator
    if limits[1] > limits[0] and isinstance(aggregator.cost_scaling, str):
        final.set_params(aggregator=clone(aggregator).set_params(cost_scaling=limits))
    return router


class _Realised:
    """What each model in fact achieves on each test query."""

    def __init__(self, outcomes, cost_weight, limits):
        self.cost_weight, self.limits = cost_weight, limits
        scaling = limits if limits[1] > limits[0] else "minmax"
        capability = OutcomeAggregator(cost_scaling=scaling).fit(outcomes).aggregate(outcomes)
        self.models = outcomes.models
        self.held = capability.n_outcomes > 0
        utility = capability.quality - cost_weight * capability.cost
        weights = {"cost_weight": cost_weight, "cost_range": limits}
        crossfit = outcomes.to_array().shape[2] > 1
        oracle = oracle_utility(outcomes, **weights, crossfit=crossfit, average=False)
        self.tables = {
            "score": capability.quality,
            "cost": capability.cost,
            "utility": utility,
            "instability": capability.risk,
            "regret": oracle[:, None] - utility,
        }
        self.oracles = {
            "oracle, cross-fitted": oracle_utility(outcomes, **weights),
            "oracle, naive": oracle_utility(outcomes, **weights, crossfit=False),
        }

    def on(self, outcomes):
        """The same of other outcomes, on the same scale."""
        return _Realised(outcomes, self.cost_weight, self.limits)

    def places(self, routes):
        """The columns of routes, which must have outcomes."""
        number = {model: place for place, model in enumerate(self.models.tolist())}
        columns = np.array([number[model] for model in np.ravel(routes).tolist()])
        columns = columns.reshape(np.shape(routes))
        absent = ~np.take_along_axis(self.held, np.atleast_2d(columns).T, axis=1)
        if absent.any():
            raise ValueError(
                f"{absent.any(axis=1).sum()} of {len(self.held)} test queries were routed to a "
                "model that has no outcome for them; collect these first"
            )
        return columns


def _tabulate(realised, routes, drawn, random_state):
    columns, by_draw = realised.places(routes), realised.places(drawn)
    rows = {}
    for name in _METRICS:
        table = realised.tables[name]
        own = np.take_along_axis(table, columns[:, None], axis=1)[:, 0]
        single = np.take_along_axis(table, by_draw.T, axis=1)  # queries x draws
        difference = own - single.mean(axis=1)
        low, high = paired_interval(difference, random_state=random_state)
        rows[name] = {
            "distribution": own.mean(),
            "single_shot": single.mean(),
            "single_shot_std": single.mean(axis=0).std(ddof=1) if len(by_draw) > 1 else np.nan,
            "difference": difference.mean(),
            "low": low,
            "high": high,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.loc["agreement", "single_shot"] = _agreement(by_draw, len(realised.models))
    table.index.name = "metric"
    return table


def _agreement(by_draw, n_models):
    """Share of queries that two different draws route to the same model."""
    n_draws = len(by_draw)
    if n_draws < 2:
        return np.nan
    counts = np.stack([(by_draw == model).sum(axis=0) for model in range(n_models)])
    return float((counts * (counts - 1)).sum(axis=0).mean() / (n_draws * (n_draws - 1)))


def _baselines(realised, outcomes):
    """The best single model by the training outcomes, a random choice, and oracles."""
    trained = realised.on(outcomes).tables["utility"].mean(axis=0)
    best = int(np.argmax(trained))
    rows = {
        f"best single ({realised.models[best]})": [
            realised.tables[name][:, best].mean() for name in _METRICS[:3]
        ],
        "random choice": [realised.tables[name].mean() for name in _METRICS[:3]],
    } | {name: [np.nan, np.nan, value] for name, value in realised.oracles.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(_METRICS[:3]))


def paired_interval(difference, *, level=0.95, n_resamples=2000, random_state=None):
    """Bootstrap interval of a mean difference, over queries.

    Parameters
    ----------
    difference : array-like of shape (n_queries,)
        Of each query, one thing less another.
    level : float, default=0.95
        Share of intervals that hold the true mean.
    n_resamples : int, default=2000
        Resamples.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    tuple of float
        Lower and upper end, by percentiles.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> from dars_sklearn.evaluate import paired_interval
    >>> low, high = paired_interval([1.0, 1.0, 1.0], random_state=0)
    >>> float(low), float(high)
    (1.0, 1.0)
    """
    difference = np.asarray(difference, dtype=np.float64)
    rng = check_random_state(random_state)
    n = len(difference)
    at_once = max(_BLOCK // n, 1)
    means = np.concatenate(
        [
            difference[rng.randint(n, size=(min(at_once, n_resamples - first), n))].mean(axis=1)
            for first in range(0, n_resamples, at_once)
        ]
    )
    tail = (1 - level) / 2
    return tuple(np.quantile(means, [tail, 1 - tail]))
