"""RoutingReport: metrics of routes and baselines, and how they are shown."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from dars_sklearn.evaluate._report_columns import BEST, CHEAPEST, ORACLE, RANDOM

__all__ = ["RoutingReport"]

# Labels of the report's own strategies; routes are shown by the name that the user gave them.
_STRATEGY_LABELS = {
    "shuffled_labels": "shuffled labels",
    "random_features": "random features",
    BEST: "best single model",
    CHEAPEST: "cheapest model",
    RANDOM: "random routing",
    "oracle_naive": "oracle, naive",
}
# Labels of metrics that are not their identifier with spaces.
_METRIC_LABELS = {
    "gain_over_matched_random": "gain over matched random routing",
    "cpt_50": "CPT(50 %)",
    "cpt_80": "CPT(80 %)",
    "aiq": "AIQ",
    "apgr": "APGR",
}
_MAIN_METRICS = ("score", "cost", "utility", "regret")


@dataclass(frozen=True)
class RoutingReport:
    """Metrics of routes, beside controls and baselines.

    Parameters
    ----------
    table : DataFrame
        One row per strategy and metric: ``strategy``, ``metric``, ``estimate``, and its interval
        from ``low`` to ``high``, NaN where it has none. Strategies are the evaluated routes, then
        "shuffled_labels" and "random_features" (controls: the same router, trained without
        information about the query), "best_single_model" and "cheapest_model" (chosen on training
        outcomes), "random_routing", "oracle_crossfitted" and "oracle_naive". Metrics:

        - ``score``, ``cost`` (in the user's unit), ``utility``, ``regret`` (relative to the
          cross-fitted oracle), ``instability``;
        - ``gain_over_best_single_model``, ``gain_over_shuffled_labels``,
          ``gain_over_random_features``: difference in utility on the same queries;
        - ``gain_over_matched_random``: difference in utility from random routing with matched
          model shares (within folds), which is what was learned from the query;
        - ``gap_recovered``: share of the gap in score between the cheapest model and the
          best-scoring one of the training outcomes;
        - ``collapse_index``: how often the strongest model is called without need;
        - ``break_even_queries``, ``supervision_cost_ratio``: the number of queries after which
          the router has paid for its training outcomes by being cheaper than the best single
          model, and the cost of both together relative to the cost of that model over ``horizon``
          queries;
        - of a router's curve: ``aiq`` (from the cost of the cheapest model to that of the most
          expensive), ``apgr``, ``cpt_50``, ``cpt_80``, ``quality_neutral_cost``.
    shares : DataFrame
        Share of queries that each evaluated strategy sends to each model.
    names : dict
        Names of the best single and of the cheapest model; the most common one over folds.
    n_queries : int
        Number of queries on which the routes were evaluated.
    level : float
        Level of the intervals, which are over queries and not over the training of the router.
    oracle_label : str, default="oracle, cross-fitted"
        What the cross-fitted oracle leaves out, in words.
    in_hindsight : bool, default=False
        Whether the baselines were chosen on the outcomes of the evaluation.

    See Also
    --------
    evaluate_router, routing_report : Compute it.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    names: dict
    n_queries: int
    level: float
    oracle_label: str = "oracle, cross-fitted"
    in_hindsight: bool = False

    def to_frame(self):
        """Return the metrics as a tidy table.

        Returns
        -------
        DataFrame
            One row per strategy and metric.
        """
        return self.table

    def get(self, metric, strategy="router"):
        """Look up a metric.

        Parameters
        ----------
        metric : str
            Name of the metric.
        strategy : str, default="router"
            Name of the strategy.

        Returns
        -------
        tuple of float
            Estimate, low and high.

        Raises
        ------
        KeyError
            If the report has no such row.
        """
        rows = self.table[(self.table["strategy"] == strategy) & (self.table["metric"] == metric)]
        if rows.empty:
            raise KeyError(f"the report has no metric {metric!r} of strategy {strategy!r}")
        return tuple(rows[["estimate", "low", "high"]].iloc[0])

    def _wide(self):
        """Return the estimates with their intervals, one row per strategy."""
        rows = self.table.dropna(subset="estimate")
        rows = rows.assign(
            shown=[_format_estimate(row) for row in rows.itertuples()],
            metric=[_METRIC_LABELS.get(name, name.replace("_", " ")) for name in rows["metric"]],
        )
        wide = rows.pivot(index="strategy", columns="metric", values="shown")
        wide = wide.loc[rows["strategy"].unique(), rows["metric"].unique()].fillna("")
        # Labelled last: the user may have named routes like the label of a baseline.
        wide = wide.rename(index=self._strategy_label)
        return wide.rename_axis(None, axis=0).rename_axis(None, axis=1)

    def _strategy_label(self, strategy):
        if strategy == ORACLE:
            return self.oracle_label
        label = _STRATEGY_LABELS.get(strategy, str(strategy))
        if strategy in self.names:
            hindsight = ", in hindsight" if self.in_hindsight else ""
            label = f"{label} ({self.names[strategy]}{hindsight})"
        return label

    def _labelled_shares(self):
        return self.shares.rename(index=self._strategy_label)

    def _title(self):
        return f"RoutingReport on {self.n_queries} queries, {self.level:.0%} intervals over queries"

    def __repr__(self):
        wide = self._wide()
        main = [name for name in wide if name in _MAIN_METRICS]
        blocks = [wide[main], wide.drop(columns=main).replace("", np.nan).dropna(how="all").T]
        with pd.option_context("display.width", 1000, "display.max_columns", 50):
            text = "\n\n".join(block.fillna("").to_string() for block in blocks)
        shares = self._labelled_shares().to_string(float_format="{:.2f}".format)
        return f"<{self._title()}>\n{text}\n\nshares of queries\n{shares}"

    def _repr_html_(self):
        shares = self._labelled_shares().to_html(float_format="{:.2f}".format)
        return f"<p>{escape(self._title())}</p>{self._wide().to_html()}{shares}"


def _format_estimate(row):
    if np.isnan(row.low):
        return f"{row.estimate:.4g}"
    return f"{row.estimate:.4g} [{row.low:.3g}, {row.high:.3g}]"
