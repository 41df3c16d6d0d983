"""What a report holds, and how it looks."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

__all__ = ["RoutingReport"]


@dataclass(frozen=True)
class RoutingReport:
    """What routes achieve, beside controls and baselines.

    Parameters
    ----------
    table : DataFrame
        A row a metric of a strategy: ``strategy``, ``metric``, ``estimate``,
        and its interval from ``low`` to ``high``, NaN where it has none.
        Strategies are the routes judged, then "shuffled labels" and "random
        features" (controls: the same router, taught nothing of the query),
        "best single model" and "cheapest model" (chosen on training outcomes),
        "random choice" and the oracles. Metrics:

        - ``score``, ``cost`` (in the user's unit), ``utility``, ``regret`` (to
          the cross-fitted oracle), ``instability``;
        - ``over best single model``, ``over shuffled labels``, ``over random
          features``: utility, less that of the other, on the same queries;
        - ``over same shares``: utility, less that of calling each model as
          often but on queries drawn by lot (of the same fold): what is learnt
          from the query;
        - ``gap recovered``: share of the score's gap between the cheapest model
          and the best-scoring one of the training outcomes;
        - ``collapse``: how often the strongest model is called needlessly;
        - ``break-even queries``, ``cost ratio``: after how many queries the
          router has paid for its training outcomes by being cheaper than the
          best single model, and what both cost together by what that one costs
          over ``horizon`` queries;
        - of a router's curve: ``aiq`` (from the cheapest model's cost to the
          dearest's), ``apgr``, ``cpt 50 %``, ``cpt 80 %``, ``neutral cost``.
    shares : DataFrame
        Share of queries that each strategy sends to each model.
    names : dict
        Names of the best single and the cheapest model: one, or the commonest
        over folds.
    n_queries : int
        Queries that the routes were judged on.
    level : float
        Level of the intervals, which are over queries: not over the training
        of the router.

    Notes
    -----
    See :func:`evaluate_router` and :func:`routing_report`.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    names: dict
    n_queries: int
    level: float

    def to_frame(self):
        """Return the metrics as a tidy table.

        Returns
        -------
        DataFrame
            A row a metric of a strategy.
        """
        return self.table

    def get(self, metric, strategy="router"):
        """Look up a metric.

        Parameters
        ----------
        metric : str
            Its name.
        strategy : str, default="router"
            Whose.

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
            raise KeyError(f"there is no {metric!r} of {strategy!r}")
        return tuple(rows[["estimate", "low", "high"]].iloc[0])

    def _wide(self):
        rows = self.table.dropna(subset="estimate")
        shown = [
            f"{row.estimate:.4g}"
            if np.isnan(row.low)
            else f"{row.estimate:.4g} [{row.low:.3g}, {row.high:.3g}]"
            for row in rows.itertuples()
        ]
        wide = rows.assign(shown=shown).pivot(index="strategy", columns="metric", values="shown")
        wide = wide.loc[rows["strategy"].unique(), rows["metric"].unique()].fillna("")
        index = [
            f"{name} ({self.names[name]})" if name in self.names else name for name in wide.index
        ]
        return wide.set_axis(index).rename_axis(None, axis=1)

    def _title(self):
        return f"RoutingReport on {self.n_queries} queries, {self.level:.0%} intervals over queries"

    def __repr__(self):
        wide = self._wide()
        main = [name for name in wide if name in ("score", "cost", "utility", "regret")]
        blocks = [wide[main], wide.drop(columns=main).replace("", np.nan).dropna(how="all").T]
        with pd.option_context("display.width", 1000, "display.max_columns", 50):
            text = "\n\n".join(block.fillna("").to_string() for block in blocks)
        shares = self.shares.to_string(float_format="{:.2f}".format)
        return f"<{self._title()}>\n{text}\n\nshares of queries\n{shares}"

    def _repr_html_(self):
        shares = self.shares.to_html(float_format="{:.2f}".format)
        return f"<p>{escape(self._title())}</p>{self._wide().to_html()}{shares}"
