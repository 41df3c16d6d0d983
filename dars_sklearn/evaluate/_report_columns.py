"""A table whose column means determine every metric of a report.

A resample of all metrics is then one product of a vector and a matrix, and all of them are on the
same resample of queries.
"""

import numpy as np

from dars_sklearn.evaluate._cost_comparison import compare_means, comparison_columns
from dars_sklearn.outcomes._means import column_means

__all__ = [
    "BEST",
    "CHEAPEST",
    "CONTROLS",
    "ORACLE",
    "RANDOM",
    "RESERVED",
    "STRONG",
    "ReportColumns",
    "gain_over",
]

# Identifiers of the strategies in a report.
BEST, CHEAPEST, RANDOM = "best_single_model", "cheapest_model", "random_routing"
STRONG = "strong_model"  # the best single model by score alone
CONTROLS = ("shuffled_labels", "random_features")
ORACLE = "oracle_crossfitted"
RESERVED = (BEST, CHEAPEST, RANDOM, STRONG, ORACLE, "oracle_naive")

# Metrics that are means over queries, and the tables of realised values that they are means of.
_MEANS = {
    "score": "score",
    "cost": "cost",
    "utility": "utility",
    "regret": "utility",
    "instability": "spread",
}
# Key of the columns that are not of a strategy.
_FOLD = ("fold",)


def gain_over(strategy):
    """Return the identifier of the gain in utility over a strategy."""
    return f"gain_over_{strategy}"


class ReportColumns:
    """Columns of a report: one row per query, a few columns per strategy.

    Parameters
    ----------
    realised : RealisedValues
        What each model achieves on each query.
    oracle : ndarray of shape (n_queries,)
        Utility of the oracle.
    routes, fixed : dict of str to ndarray of shape (n_queries,)
        Routes to evaluate, and those that send all queries of a fold to one model.
    fold : ndarray of int of shape (n_queries,)
        Fold in which each query was tested. Random routing with matched model shares is within
        folds: a router that was trained on all folds but one prefers the models that do badly in
        that one, which does not show a lack of skill.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed (query, model) pair without outcomes is an error.

    Attributes
    ----------
    table : ndarray of shape (n_queries, n_columns)
        The columns, NaN where unknown.
    shares : dict of str to ndarray of shape (n_models,)
        Share of queries that the evaluated routes send to each model.
    """

    def __init__(self, realised, oracle, routes, fixed, fold, missing="raise"):
        self.routes, self.fixed = routes, fixed
        self._fold_numbers = np.unique(fold)
        indices = {name: realised.column_indices(own, missing) for name, own in routes.items()}
        indices |= {name: realised.column_indices(own, "skip") for name, own in fixed.items()}
        # Costs are known where there is a cheapest model.
        self._compared = [name for name in routes if name not in CONTROLS and CHEAPEST in fixed]
        one_hot = {name: np.eye(len(realised.models))[indices[name]] for name in routes}
        self.shares = {name: table.mean(axis=0) for name, table in one_hot.items()}
        columns = {(ORACLE, "utility"): oracle}
        for name, models in indices.items():
            for metric, table in _MEANS.items():
                columns[name, metric] = realised.take(table, models)
            columns[name, "regret"] = oracle - columns[name, "utility"]
        for name in self._compared:
            columns[name, STRONG] = comparison_columns(realised, indices[name], indices[STRONG])
        for name in routes:
            for rival in self._rivals(name):
                difference = columns[name, "utility"] - columns[rival, "utility"]
                columns[name, gain_over(rival)] = difference
        for table in ("score", "cost", "utility"):
            columns[RANDOM, table] = getattr(realised, table)
        for number in self._fold_numbers:
            inside = (fold == number)[:, None]
            columns[_FOLD, number] = inside.astype(float)
            columns[RANDOM, number] = np.where(inside, realised.utility, np.nan)
            for name, table in one_hot.items():
                columns[name, number] = np.where(inside, table, np.nan)
        self._collect(columns)

    def _rivals(self, name):
        known = self.routes | self.fixed
        return [rival for rival in (BEST, *CONTROLS) if rival != name and rival in known]

    def _collect(self, columns):
        blocks, self._slices, start = [], {}, 0
        for key, values in columns.items():
            block = values.reshape(len(values), -1)
            self._slices[key] = slice(start, start + block.shape[1])
            blocks.append(block)
            start += block.shape[1]
        self.table = np.hstack(blocks)

    def metrics(self, means):
        """Compute the metrics from column means.

        Parameters
        ----------
        means : ndarray of shape (n_resamples, n_columns)
            Means over all queries, or over resamples.

        Returns
        -------
        dict of (str, str) to ndarray of shape (n_resamples,)
            By strategy and metric.
        """
        blocks = {key: means[:, columns] for key, columns in self._slices.items()}
        metrics = {}
        fixed = (name for name in (BEST, CHEAPEST) if name in self.fixed)
        for name in (*self.routes, *fixed):
            for metric in _MEANS:
                metrics[name, metric] = blocks[name, metric][:, 0]
            if name in self.routes:
                metrics |= self._gains(name, blocks)
        for metric in ("score", "cost", "utility"):
            metrics[RANDOM, metric] = column_means(blocks[RANDOM, metric].T)
        metrics[ORACLE, "utility"] = blocks[ORACLE, "utility"][:, 0]
        return metrics

    def score_gap(self, means):
        """Compute by how much the strong model scores more than the cheapest one.

        Parameters
        ----------
        means : ndarray of shape (n_resamples, n_columns)
            Means over all queries, or over resamples.

        Returns
        -------
        ndarray of shape (n_resamples,)
            The differences.
        """
        strong, weak = (means[:, self._slices[name, "score"]] for name in (STRONG, CHEAPEST))
        return (strong - weak)[:, 0]

    def _gains(self, name, blocks):
        """Metrics of evaluated routes in comparison with other strategies."""
        gains = {
            (name, gain_over(rival)): blocks[name, gain_over(rival)][:, 0]
            for rival in self._rivals(name)
        }
        matched = self._matched_random_utility(name, blocks)
        gains[name, gain_over("matched_random")] = blocks[name, "utility"][:, 0] - matched
        if name in self._compared:
            score, weak, strong = (
                blocks[strategy, "score"][:, 0] for strategy in (name, CHEAPEST, STRONG)
            )
            gains[name, "gap_recovered"] = _gap_recovered(score, weak, strong)
            ratio, difference = compare_means(blocks[name, STRONG])
            gains[name, "cost_ratio"], gains[name, "score_difference"] = ratio, difference
        return gains

    def _matched_random_utility(self, name, blocks):
        """Utility of random routing within folds, with the same share of each model."""
        total = 0.0
        for number in self._fold_numbers:
            share, utility = blocks[name, number], blocks[RANDOM, number]
            # A model without outcomes does not matter where nothing is routed to it.
            matched = np.where(share > 0, share * utility, 0).sum(axis=1)
            total = total + blocks[_FOLD, number][:, 0] * matched
        return total


def _gap_recovered(score, weak, strong):
    """Return the gap recovered, NaN without a warning for resamples without a gap."""
    gap = strong - weak
    return (score - weak) / np.where(gap > 0, gap, np.nan)
