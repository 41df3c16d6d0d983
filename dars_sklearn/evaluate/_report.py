"""RoutingReport: metrics of routes and baselines, and how they are shown."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dars_sklearn.evaluate._cost_at_quality import CostAtQuality
from dars_sklearn.evaluate._cost_comparison import CostComparison, EstimateWithInterval
from dars_sklearn.evaluate._report_columns import BEST, CHEAPEST, ORACLE, RANDOM, STRONG
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.utility import answer_value
from dars_sklearn.utils._html import html_table, html_view

__all__ = ["RoutingReport", "strategy_label"]

# Labels of the report's own strategies; routes are shown by the name that the user gave them.
_STRATEGY_LABELS = {
    "shuffled_labels": "shuffled labels",
    "random_features": "random features",
    BEST: "best single model",
    CHEAPEST: "cheapest model",
    RANDOM: "random routing",
    "oracle_naive": "oracle, naive (upper bound)",
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
# Differences of scores and utilities below it are rounding errors.
_NOISE = 1e-12
_CALIBRATION = "calibration: slopes of predictions, and variance of differences between models"
# Labels of the columns of the first table in HTML; further metrics have a row each.
_FIRST_COLUMNS = ("score", "cost", "utility", "gain over best single model")


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
          cross-fitted oracle, so that in expectation it is a lower bound; NaN where some
          strategy's interval is below 0, and for models chosen in hindsight), ``instability``
          (NaN where no pair has two outcomes);
        - ``gain_over_best_single_model``, ``gain_over_shuffled_labels``,
          ``gain_over_random_features``: difference in utility on the same queries;
        - ``gain_over_matched_random``: difference in utility from random routing with matched
          model shares (within folds), which is what was learned from the query;
        - ``gap_recovered``: share of the gap in score between the cheapest model and the
          best-scoring one of the training outcomes; above 1 where the router scores higher than
          that one, and NaN where the interval of the gap contains 0;
        - ``collapse_index``: share of queries on which the choice does not score the most, or is
          the most expensive model where another one scores as high;
        - ``break_even_queries``, ``supervision_cost_ratio``: the number of queries after which
          the router has paid for its training outcomes by being cheaper than the best single
          model, and the cost of both together relative to the cost of that model over ``horizon``
          queries;
        - ``cost_ratio``, ``score_difference``: mean cost divided by that of the best-scoring model
          of the training outcomes, and mean score less that of this model, on the unit scale;
        - of a router's curve: ``aiq`` (from the cost of the cheapest model to that of the most
          expensive), ``apgr``, ``cpt_50``, ``cpt_80`` (NaN like ``gap_recovered``).
    shares : DataFrame
        Share of queries that each evaluated strategy sends to each model.
    names : dict
        Names of the best single model by utility and by score alone, and of the cheapest model;
        the most common one over folds.
    n_queries : int
        Number of queries on which the routes were evaluated.
    level : float
        Level of the intervals, which are over queries and not over the training of the router.
    oracle_label : str, default="oracle, cross-fitted"
        What the cross-fitted oracle leaves out, in words.
    in_hindsight : bool, default=False
        Whether the baselines were chosen on the outcomes of the evaluation.
    cost_weight : float or None, default=None
        Quality given up for one unit of scaled cost, in all utilities.
    cost_range : tuple of float or None, default=None
        Costs that are 0 and 1 when scaled.
    notes : tuple of str, default=()
        What to know when reading the report: what the cost weight means in the unit of the
        costs, how many costs are unknown, over how many queries and on which scale figures are,
        which figures these outcomes do not identify, and whether queries of the evaluation are
        training queries or copies of each other.
    cost_at_quality : CostAtQuality or None, default=None
        Cost of the router at the quality of the best single model, at cost weights chosen on
        training queries; at the head of the report. None where costs are not known, or only
        routes are.
    score_range : tuple of float or None, default=(0.0, 1.0)
        Declared range of the scores.
    calibration : DataFrame or None, default=None
        How far the router believes its predictions, as the mean over folds: ``shared`` and
        ``own`` are the slopes, from 0 to 1, of what all models share and of the differences
        between models, and ``standard_error`` is that of ``own``. ``explained`` is the share of
        the variance of the differences that is predicted out of fold, and ``reliability`` the
        highest share that can be.

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
    cost_weight: float | None = None
    cost_range: tuple | None = None
    notes: tuple = ()
    cost_at_quality: CostAtQuality | None = None
    score_range: tuple | None = (0.0, 1.0)
    calibration: pd.DataFrame | None = None

    @property
    def headline(self):
        """What the router saves at which loss of score, in sentences; empty without costs."""
        measured = () if self.cost_at_quality is None else self.cost_at_quality.headline
        rows = self.table[self.table["metric"] == "cost_ratio"].dropna(subset=["low"])
        return (*measured, *(self._describe_cost(strategy) for strategy in rows["strategy"]))

    def _describe_cost(self, strategy):
        """Say what routes save as they are, and within which loss of score."""
        comparison = CostComparison(
            EstimateWithInterval(*self.get("cost_ratio", strategy)),
            EstimateWithInterval(*self.get("score_difference", strategy)),
        )
        suffix = f" at cost_weight={self.cost_weight:.4g}" if strategy == "router" else ""
        best = f"{self.names[STRONG]}{', in hindsight' if self.in_hindsight else ''}"
        loss = comparison.describe_loss(self.score_range)
        return (
            f"{strategy_label(strategy)}{suffix}: {comparison.describe_saving()}, {loss} the best "
            f"single model by score ({best}): {comparison.describe_figures()}"
        )

    @property
    def answer_value(self):
        """What a fully right answer is worth, in the unit of the costs."""
        return answer_value(self.cost_weight, self.cost_range)

    def to_frame(self):
        """Return the metrics as a tidy table.

        Returns
        -------
        DataFrame
            One row per strategy and metric.
        """
        return self.table.copy()

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
            raise KeyError(self._describe_missing_row(metric, strategy))
        return tuple(rows[["estimate", "low", "high"]].iloc[0])

    def _describe_missing_row(self, metric, strategy):
        """Say which names the report has instead of an unknown one."""
        message = f"the report has no metric {metric!r} of strategy {strategy!r}; "
        metrics = self.table["metric"][self.table["strategy"] == strategy]
        if metrics.empty:
            return message + f"its strategies are {self.table['strategy'].unique().tolist()}"
        return message + f"the metrics of this strategy are {metrics.tolist()}"

    def with_notes(self, notes):
        """Add notes.

        Parameters
        ----------
        notes : iterable of str
            Further notes.

        Returns
        -------
        RoutingReport
            The report with these notes after its own.
        """
        return replace(self, notes=(*self.notes, *notes))

    def _all_notes(self):
        """Return the notes, after what is special to the cost at quality."""
        special = () if self.cost_at_quality is None else self.cost_at_quality.notes
        return tuple(dict.fromkeys((*special, *self.notes)))

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
            return f"{self.oracle_label} (lower bound)"
        label = strategy_label(strategy)
        if strategy in self.names:
            hindsight = ", in hindsight" if self.in_hindsight else ""
            label = f"{label} ({self.names[strategy]}{hindsight})"
        return label

    def _labelled_shares(self):
        return self.shares.rename(index=self._strategy_label)

    def _title(self):
        queries = plural("query", self.n_queries)
        return (
            f"RoutingReport on {self.n_queries} {queries}, {self.level:.0%} intervals over queries"
        )

    def __repr__(self):
        wide = self._wide()
        main = [name for name in wide if name in _MAIN_METRICS]
        blocks = [wide[main], wide.drop(columns=main).replace("", np.nan).dropna(how="all").T]
        with pd.option_context("display.width", 1000, "display.max_columns", 50):
            text = "\n\n".join(block.fillna("").to_string() for block in blocks)
        shares = self._labelled_shares().to_string(float_format="{:.2f}".format)
        notes = "".join(f"\n{line}" for line in (*self.headline, *self._all_notes()))
        text = f"<{self._title()}>{notes}\n{text}\n\nshares of queries\n{shares}"
        if self.calibration is None:
            return text
        calibration = self.calibration.to_string(float_format="{:.3g}".format, na_rep="")
        return f"{text}\n\n{_CALIBRATION}\n{calibration}"

    def _repr_html_(self):
        # Where there is little room, a line breaks before an interval and not within it.
        wide = self._wide().replace(", ", ",\N{NO-BREAK SPACE}", regex=True)
        first = [name for name in _FIRST_COLUMNS if name in wide]
        others = wide.drop(columns=first).replace("", np.nan).dropna(how="all").T
        shares = self._labelled_shares().T
        used = shares[(shares > 0).any(axis=1)]
        caption = "shares of queries"
        if len(used) < len(shares):
            caption += f" ({len(shares) - len(used)} of {len(shares)} models receive none)"
        return html_view(
            self._title(),
            html_table(wide[first]),
            html_table(others, "further metrics"),
            html_table(used, caption, "{:.2f}".format),
            "" if self.calibration is None else html_table(self.calibration, _CALIBRATION),
            headline=self.headline,
            notes=self._all_notes(),
        )


def strategy_label(strategy):
    """Return the label of a strategy, without the model that it stands for.

    Parameters
    ----------
    strategy : str
        Identifier of a strategy of the report, or the name that the user gave to routes.

    Returns
    -------
    str
        The label.
    """
    return _STRATEGY_LABELS.get(strategy, str(strategy))


def _format_estimate(row):
    estimate, low, high = row.estimate, row.low, row.high
    if row.metric != "cost":  # in a unit of the user's, which may be large
        estimate, low, high = (_without_noise(value) for value in (estimate, low, high))
    if np.isnan(low):
        return f"{estimate:.4g}"
    return f"{estimate:.4g} [{low:.3g}, {high:.3g}]"


def _without_noise(value):
    """Return 0 for what rounding leaves of a difference between two equal numbers."""
    return 0.0 if abs(value) < _NOISE else value
