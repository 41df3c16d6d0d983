"""What distribution labels are worth to a router, over many single-shot draws."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from tqdm.auto import tqdm

from dars_sklearn._realised import Realised, weighted_mean
from dars_sklearn._summarise import column_means
from dars_sklearn.aggregate import cost_range
from dars_sklearn.evaluate._bootstrap import paired_interval
from dars_sklearn.evaluate._routers import final_router, with_cost_scaling
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.families import single_shot_twin
from dars_sklearn.metrics import best_single_model, oracle_name, oracle_utility

__all__ = ["SupervisionComparison", "compare_supervision"]

# Metrics, and the tables of realised values that they are means of.
_METRICS = {
    "score": "score",
    "cost": "scaled_cost",
    "utility": "utility",
    "instability": "spread",
    "regret": "utility",
}


@dataclass(frozen=True)
class SupervisionComparison:
    """What one router achieves under both supervisions.

    Parameters
    ----------
    table : DataFrame
        A row a metric: score, scaled cost, utility, instability (mean sample
        deviation of the routed model's scores), regret (to the cross-fitted
        oracle), and agreement (share of queries that two single-shot draws
        route alike).
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
        scale = {"cost_weight": cost_weight, "cost_range": self.cost_range}
        realised = Realised(outcomes_test, **scale)
        oracle = oracle_utility(outcomes_test, **scale, average=False)
        return SupervisionComparison(
            _tabulate(realised, oracle, self.routes, self.single_shot_routes, random_state),
            _baselines(realised, oracle, outcomes, outcomes_test, scale),
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
    router = with_cost_scaling(router, limits)
    twin = single_shot_twin(router)
    cost_weight = final_router(router).cost_weight
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
    with warnings.catch_warnings():
        # That one draw tells nothing of its noise is what is compared here.
        warnings.simplefilter("ignore", SeparabilityWarning)
        return clone(twin).fit(X, outcomes.single_shot(seed)).predict(X_test)


def _tabulate(realised, oracle, routes, drawn, random_state):
    columns = realised.places(routes)
    by_draw = [realised.places(of) for of in drawn]
    rows = {}
    for name, table in _METRICS.items():
        own = realised.at(table, columns)
        single = np.stack([realised.at(table, of) for of in by_draw], axis=1)  # queries x draws
        if name == "regret":
            own, single = oracle - own, oracle[:, None] - single
        difference = own - single.mean(axis=1)
        low, high = paired_interval(difference, random_state=random_state)
        rows[name] = {
            "distribution": weighted_mean(own),
            "single_shot": column_means(single).mean(),
            "single_shot_std": column_means(single).std(ddof=1) if len(drawn) > 1 else np.nan,
            "difference": weighted_mean(difference),
            "low": low,
            "high": high,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.loc["agreement", "single_shot"] = _agreement(np.array(by_draw), len(realised.models))
    table.index.name = "metric"
    return table


def _agreement(by_draw, n_models):
    """Share of queries that two different draws route to the same model."""
    n_draws = len(by_draw)
    if n_draws < 2:
        return np.nan
    counts = np.stack([(by_draw == model).sum(axis=0) for model in range(n_models)])
    return float((counts * (counts - 1)).sum(axis=0).mean() / (n_draws * (n_draws - 1)))


def _baselines(realised, oracle, outcomes, outcomes_test, scale):
    """The best single model by the training outcomes, a random choice, and oracles."""
    name = best_single_model(outcomes, **scale)
    best = realised.models.tolist().index(name)
    tables = [getattr(realised, _METRICS[metric]) for metric in ("score", "cost", "utility")]
    naive = oracle_utility(outcomes_test, **scale, crossfit=False)
    rows = {
        f"best single ({name})": [weighted_mean(table[:, best]) for table in tables],
        "random choice": [weighted_mean(table.ravel()) for table in tables],
        oracle_name(outcomes_test): [np.nan, np.nan, weighted_mean(oracle)],
        "oracle, naive": [np.nan, np.nan, naive],
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["score", "cost", "utility"])
