"""Cost of a router at the quality of the best single model, and how it is shown."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from dars_sklearn.evaluate._cost_comparison import CostComparison, describe_max_loss
from dars_sklearn.evaluate._deferral_curve import DeferralCurve
from dars_sklearn.outcomes._validation import plural
from dars_sklearn.utils._html import html_table, html_view

__all__ = ["CostAtQuality", "CostWithinLoss"]


class CostWithinLoss(NamedTuple):
    """Cost of a router that may lose a given score relative to the best single model.

    Parameters
    ----------
    max_loss : float
        Highest loss of score, on the unit scale.
    cost_ratio, score_difference : (estimate, low, high)
        Mean cost of the router divided by that of the best single model, and mean score less its
        mean score, on held-out queries.
    cost_weights : tuple of float
        Cost weight chosen on the training queries of each fold; NaN where no weight keeps within
        the loss, so that the fold is routed to the best single model.
    single_model : object
        The cheapest single model, chosen on training queries by the same rule; the most common
        one over folds.
    single_cost_ratio, single_score_difference : (estimate, low, high)
        Its cost and score, in the same comparison.
    cost, score : float
        Mean cost and mean score of the router, in the user's unit.
    """

    max_loss: float
    cost_ratio: tuple
    score_difference: tuple
    cost_weights: tuple
    single_model: object
    single_cost_ratio: tuple
    single_score_difference: tuple
    cost: float
    score: float

    @property
    def is_within(self):
        """Whether the interval of the score difference shows no higher loss for the router."""
        return self._router().is_within(self.max_loss)

    @property
    def single_is_within(self):
        """Whether it does for the cheapest single model."""
        return self._single().is_within(self.max_loss)

    def describe(self, best_model, score_range=(0.0, 1.0)):
        """Say what the router saves, at which loss, beside the cheapest single model.

        Parameters
        ----------
        best_model : object
            Name of the best single model.
        score_range : tuple of float or None, default=(0.0, 1.0)
            Declared range of the scores.

        Returns
        -------
        str
            A sentence without its full stop.
        """
        if np.isnan(self.cost_weights).all():
            return (
                f"No saving within {describe_max_loss(self.max_loss, score_range)} of the best "
                f"single model ({best_model}): the training queries show no cost weight that keeps "
                "within it, so that all queries are routed to that model"
                + self._describe_single(best_model)
            )
        within = f"within {describe_max_loss(self.max_loss, score_range)} of"
        saving = self._router().describe_saving()
        link = " " if self.is_within else ", not shown to be "
        return (
            f"{saving[0].upper()}{saving[1:]}{link}{within} the best single model ({best_model}): "
            f"{self._router().describe_figures()} ({_verdict(self.is_within)})"
            f"{self._describe_single(best_model)}"
        )

    def _describe_single(self, best_model):
        """Say which single model keeps within the loss, if it is cheaper than the best one."""
        if self.single_model == best_model:
            return "; no cheaper single model meets the same rule"
        return (
            f"; cheapest single model by the same rule ({self.single_model}): "
            f"{self._single().describe_figures()} ({_verdict(self.single_is_within)})"
        )

    def _router(self):
        return CostComparison(self.cost_ratio, self.score_difference)

    def _single(self):
        return CostComparison(self.single_cost_ratio, self.single_score_difference)


@dataclass(frozen=True)
class CostAtQuality:
    """How much cheaper a router is at the quality of the best single model.

    Parameters
    ----------
    results : tuple of CostWithinLoss
        One per loss of score that the router may have.
    best_model : object
        The model with the best mean score on the training queries; the most common one over
        folds.
    best_cost, best_score : float
        Its mean cost and mean score on the held-out queries, in the user's unit.
    n_queries : int
        Number of held-out queries.
    level : float
        Level of the intervals, which are over queries and not over the training of the router.
    confidence : float
        Probability with which each cost weight was chosen to keep within its loss.
    curve : DeferralCurve
        Score against cost on the held-out queries, at all cost weights.
    score_range : tuple of float or None
        Declared range of the scores.
    notes : tuple of str
        What to know when reading the figures.

    See Also
    --------
    cost_at_quality : Computes it.
    DeferralCurveDisplay.from_cost_at_quality : Plots it.
    """

    results: tuple
    best_model: object
    best_cost: float
    best_score: float
    n_queries: int
    level: float
    confidence: float
    curve: DeferralCurve
    score_range: tuple | None
    notes: tuple

    @property
    def headline(self):
        """One sentence per loss of score."""
        return tuple(own.describe(self.best_model, self.score_range) for own in self.results)

    def get(self, max_loss):
        """Look up the result for a loss of score.

        Parameters
        ----------
        max_loss : float
            One of the losses that were passed to :func:`cost_at_quality`.

        Returns
        -------
        CostWithinLoss
            The result.

        Raises
        ------
        KeyError
            If it is not one of these losses.
        """
        for own in self.results:
            if own.max_loss == max_loss:
                return own
        losses = [own.max_loss for own in self.results]
        raise KeyError(f"max_loss={max_loss!r} is not one of {losses}")

    def to_frame(self):
        """Return the figures as a table.

        Returns
        -------
        DataFrame
            Two rows per loss, of the router and of the cheapest single model.
        """
        rows = []
        for own in self.results:
            for strategy, figures, is_within in (
                ("router", (own.cost_ratio, own.score_difference), own.is_within),
                (
                    str(own.single_model),
                    (own.single_cost_ratio, own.single_score_difference),
                    own.single_is_within,
                ),
            ):
                values = [value for figure in figures for value in figure]
                rows.append((own.max_loss, strategy, *values, is_within))
        names = ("cost_ratio", "score_difference")
        ends = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
        return pd.DataFrame(rows, columns=["max_loss", "strategy", *ends, "is_within"])

    def _title(self):
        return (
            f"CostAtQuality on {self.n_queries} held-out {plural('query', self.n_queries)}, "
            f"{self.level:.0%} intervals over queries; cost weights chosen on training queries for "
            f"a confidence of {self.confidence:.0%}"
        )

    def __repr__(self):
        return f"<{self._title()}>" + "".join(
            f"\n{sentence}" for sentence in (*self.headline, *self.notes)
        )

    def _repr_html_(self):
        return html_view(
            self._title(),
            html_table(self.to_frame(), float_format="{:.3f}".format, index=False),
            headline=self.headline,
            notes=self.notes,
        )


def _verdict(is_within):
    return "within" if is_within else "not shown"
