"""CapabilityDisplay: quality, risk and cost of each model on each query."""

import numpy as np
import pandas as pd

from dars_sklearn.outcomes import Outcomes
from dars_sklearn.outcomes._alignment import (
    check_alignment,
    check_labelled_order,
    find_texts,
    has_default_index,
)
from dars_sklearn.outcomes._keys import find_labels, label_array
from dars_sklearn.plotting._axes import (
    DARK_GREY,
    axes_and_figure,
    set_integer_ticks,
    with_unit,
    written_labels,
)
from dars_sklearn.routing._pipeline import final_step, transform_features

__all__ = ["CapabilityDisplay"]

# Above this number of queries, there is no room for their texts.
_MOST_LABELLED_QUERIES = 40
_MOST_SLANTED_LABELS = 10
_LONGEST_MODEL_NAME, _LONGEST_QUERY = 24, 40


class CapabilityDisplay:
    """Maps of the quality, the risk and the cost of each model on each query.

    Parameters
    ----------
    quality, risk : ndarray of shape (n_queries, n_models)
        Quality and risk of each (query, model) pair, NaN where unknown.
    models : array-like of shape (n_models,)
        Names of the models.
    cost : ndarray of shape (n_queries, n_models) or None, default=None
        Cost of each pair in the user's unit. None, or only NaN, draws no map of the cost.
    routes : array-like of shape (n_queries,) or None, default=None
        Names of the models that were chosen, which are marked.
    queries : Outcomes, or array-like of shape (n_queries,), or None, default=None
        Texts or labels of the queries, or outcomes, from which they are taken. None numbers the
        queries by their rows.
    cost_unit : str or None, default=None
        Unit of the costs, such as "USD".

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,) or (3,)
        Axes of the maps of quality, of risk and, if there are costs, of cost.
    figure_ : matplotlib Figure
        Figure of the axes.
    order_ : ndarray of int of shape (n_queries,)
        Rows of the queries in the order in which they are drawn, the hardest first.
    marks_ : list of matplotlib Line2D
        Marks of the chosen models, one line per map; empty without routes.

    See Also
    --------
    LabelNoiseDisplay : How noisy the labels are that capability is made of.

    Examples
    --------
    >>> from dars_sklearn import CapabilityDisplay, OutcomeAggregator
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> outcomes = make_routing_outcomes(50, 3, random_state=0).outcomes
    >>> capability = OutcomeAggregator().fit(outcomes).aggregate(outcomes)
    >>> display = CapabilityDisplay.from_predictions(capability)
    >>> display.axes_[0].get_title()
    'quality'
    """

    def __init__(
        self, quality, risk, models, *, cost=None, routes=None, queries=None, cost_unit=None
    ):
        self.quality = quality
        self.risk = risk
        self.models = models
        self.cost = cost
        self.routes = routes
        self.queries = queries
        self.cost_unit = cost_unit

    @classmethod
    def from_estimator(cls, router, X, *, queries=None, cost_unit=None, ax=None):
        """Plot the capability that a fitted router predicts, and mark its routes.

        Parameters
        ----------
        router : DistributionalRouter or Pipeline
            Fitted router with ``target="capability"``, or a fitted pipeline that ends in one.
        X : array-like of shape (n_queries, ...)
            Features of the queries, or what the pipeline takes.
        queries : Outcomes, or array-like of shape (n_queries,), or None, default=None
            Texts or labels of the queries, or outcomes, from which they are taken. None uses X
            where it is text, and the index of X where that is not 0, 1, 2, ….
        cost_unit : str or None, default=None
            Unit of the costs, such as "USD".
        ax : sequence of matplotlib Axes or None, default=None
            Axes to draw on, two, or three if there are costs; None creates a figure.

        Returns
        -------
        CapabilityDisplay
            The display, drawn.
        """
        if isinstance(queries, Outcomes):
            check_alignment(X, queries)
        final, features = final_step(router), transform_features(router, X)
        capability = final.predict_capability(features)
        return cls.from_predictions(
            capability, models=final.models_, routes=final.predict(features),
            queries=_labels_of_rows(X) if queries is None else queries, cost_unit=cost_unit, ax=ax,
        )  # fmt: skip

    @classmethod
    def from_predictions(
        cls, capability, *, models=None, routes=None, queries=None, cost_unit=None, ax=None
    ):
        """Plot capability that was predicted, or aggregated from outcomes.

        Parameters
        ----------
        capability : Capability or PredictedCapability
            Returned by ``OutcomeAggregator.aggregate`` or
            ``DistributionalRouter.predict_capability``.
        models : array-like of shape (n_models,) or None, default=None
            Names of the models; None takes those of the capability, or numbers if it has none.
        routes : array-like of shape (n_queries,) or None, default=None
            Names of the models that were chosen, which are marked.
        queries : Outcomes, or array-like of shape (n_queries,), or None, default=None
            Texts or labels of the queries, or outcomes, from which they are taken. None numbers
            the queries by their rows.
        cost_unit : str or None, default=None
            Unit of the costs, such as "USD".
        ax : sequence of matplotlib Axes or None, default=None
            Axes to draw on, two, or three if there are costs; None creates a figure.

        Returns
        -------
        CapabilityDisplay
            The display, drawn.
        """
        if models is None:
            models = getattr(capability, "models", np.arange(capability.quality.shape[1]))
        return cls(
            capability.quality, capability.risk, models, cost=getattr(capability, "cost", None),
            routes=routes, queries=queries, cost_unit=cost_unit,
        ).plot(ax=ax)  # fmt: skip

    def plot(self, ax=None):
        """Draw one row per model and one column per query, sorted by mean quality.

        Parameters
        ----------
        ax : sequence of matplotlib Axes or None, default=None
            Axes to draw on, two, or three if there are costs; None creates a figure.

        Returns
        -------
        CapabilityDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there is not one route or one label per query, or a route is not one of the models.
        """
        maps = {"quality": self.quality, "risk": self.risk}
        if self.cost is not None and not np.isnan(self.cost).all():
            maps[with_unit("cost", self.cost_unit)] = self.cost
        self.order_ = self._hardest_first()
        labels = self._written_queries()
        height = 1 + len(maps) * (0.4 + np.clip(0.25 * len(self.models), 0.8, 8))
        height += 0.06 * max(map(len, labels or [""])) * np.sin(np.radians(_rotation(labels)))
        self.axes_, self.figure_ = axes_and_figure(
            self, ax, nrows=len(maps), figsize=(7, height), sharex=True
        )
        chosen = None if self.routes is None else self._chosen_positions()
        self.marks_ = []
        for axes, (title, values) in zip(self.axes_, maps.items(), strict=True):
            self._plot_map(axes, np.asarray(values)[self.order_], title)
            if chosen is not None:
                self.marks_.append(self._mark(axes, chosen))
        if self.marks_:
            self.axes_[0].legend(
                handles=self.marks_[:1], loc="lower right", bbox_to_anchor=(1, 1), frameon=False,
                fontsize=8, borderaxespad=0.1,
            )  # fmt: skip
        self._label_queries(self.axes_[-1], labels)
        return self

    def _hardest_first(self):
        """Return the rows of the queries by mean quality, those of unknown quality first."""
        mean_quality = np.ma.masked_invalid(self.quality).mean(axis=1)
        return np.argsort(np.ma.filled(mean_quality, -np.inf), kind="stable")

    def _chosen_positions(self):
        """Return the position of the model chosen for each query, in the order drawn."""
        if isinstance(self.queries, Outcomes):
            check_labelled_order(self.routes, self.queries, "routes")
        positions = find_labels(label_array(self.models), label_array(self.routes), "route")
        self._check_one_per_query("routes", positions)
        return positions[self.order_]

    def _plot_map(self, ax, values, title):
        known = values[~np.isnan(values)]
        image = ax.imshow(
            values.T, aspect="auto", cmap="Greys", interpolation="nearest",
            vmin=known.min(initial=0.0), vmax=known.max(initial=1e-9),
        )  # fmt: skip
        ax.patch.set(hatch="xxxx", edgecolor="0.7")  # shows where a value is unknown
        height = ax.get_window_extent().height / self.figure_.dpi
        names = written_labels(self.models, _LONGEST_MODEL_NAME)
        ax.set_yticks(range(len(names)), names, fontsize=min(8, 65 * height / len(names)))
        ax.set_title(title, fontsize=10)
        colorbar = self.figure_.colorbar(image, ax=ax, pad=0.01, aspect=max(20, 10 * height))
        colorbar.ax.tick_params(labelsize=8)

    def _mark(self, ax, chosen):
        (marks,) = ax.plot(
            np.arange(len(chosen)), chosen, "o", markersize=min(6, 300 / max(len(chosen), 50)),
            markerfacecolor="white", markeredgecolor=DARK_GREY, markeredgewidth=0.8,
            label="model chosen",
        )  # fmt: skip
        return marks

    def _written_queries(self):
        """Return a label for each query in the order drawn, None if there is no room for them."""
        if len(self.quality) > _MOST_LABELLED_QUERIES:
            return None
        labels = np.arange(len(self.quality))
        if self.queries is not None:
            labels = _query_labels(self.queries)
            self._check_one_per_query("queries", labels)
        return written_labels([labels[row] for row in self.order_], _LONGEST_QUERY)

    def _label_queries(self, ax, labels):
        ax.tick_params(axis="x", labelsize=8)
        if labels is None:
            set_integer_ticks(ax.xaxis, len(self.quality))
            ax.set_xlabel("queries by rank, hardest first")
            return
        rotation = _rotation(labels)
        ax.set_xticks(
            range(len(labels)), labels, rotation=rotation, rotation_mode="anchor",
            ha="right" if rotation else "center", va="center" if rotation == 90 else "top",
        )  # fmt: skip
        rows = " (rows of X)" if self.queries is None else ""
        ax.set_xlabel(f"queries{rows}, hardest first")

    def _check_one_per_query(self, name, values):
        if len(values) != len(self.quality):
            raise ValueError(f"{name} must have {len(self.quality)} entries, got {len(values)}")


def _rotation(labels):
    """Return the angle of the labels of queries: short ones are level, many long ones upright."""
    if max(map(len, labels or [""])) <= 3:
        return 0
    return 30 if len(labels) <= _MOST_SLANTED_LABELS else 90


def _query_labels(queries):
    """Return the texts of queries, or their labels where they have no texts."""
    if isinstance(queries, Outcomes):
        return queries.queries if queries.texts is None else queries.texts
    texts = find_texts(queries)
    return list(queries) if texts is None else texts


def _labels_of_rows(X):
    """Return the texts of X, or the labels of its rows; None if it has neither."""
    texts, index = find_texts(X), getattr(X, "index", None)
    has_labels = isinstance(index, pd.Index) and not has_default_index(index)
    return index if texts is None and has_labels else texts
