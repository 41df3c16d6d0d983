"""A table whose column means are all that a report's metrics need."""

import numpy as np

__all__ = ["BEST", "CHEAPEST", "CONTROLS", "RANDOM", "RESERVED", "STRONG", "Columns"]

BEST, CHEAPEST, RANDOM = "best single model", "cheapest model", "random choice"
STRONG = "strong model"  # the best single model by score alone
CONTROLS = ("shuffled labels", "random features")
RESERVED = (BEST, CHEAPEST, RANDOM, STRONG, "oracle", "fold")

# Metrics that are means over queries, and the tables of realised values they are of.
_MEANS = {
    "score": "score",
    "cost": "cost",
    "utility": "utility",
    "regret": "utility",
    "instability": "spread",
}


class Columns:
    """A row a query, a few columns a strategy: means of these give every metric.

    So that a resample of every metric is one product of a vector and a matrix,
    and all are on the same resample.

    Parameters
    ----------
    realised : Realised
        What each model achieves on each query.
    oracle : ndarray of shape (n_queries,)
        Utility of the oracle.
    routes, fixed : dict of str to ndarray of shape (n_queries,)
        Routes to be judged, and those that send everything to one model.
    fold : ndarray of int of shape (n_queries,)
        Fold that each query was held out in. Lots are drawn within folds: a
        router that has seen all but one fold leans to the models that do badly
        in that one, and that is no lack of skill.
    missing : {"raise", "skip"}, default="raise"
        Whether a routed pair without outcomes is an error.

    Attributes
    ----------
    table : ndarray of shape (n_queries, n_columns)
        The columns, NaN where unknown.
    shares : dict of str to ndarray of shape (n_models,)
        Share of queries that each of the routes sends to each model.
    """

    def __init__(self, realised, oracle, routes, fixed, fold, missing="raise"):
        self.routes, self.fixed = routes, fixed
        self.folds = np.unique(fold)
        places = {name: realised.places(of, missing) for name, of in routes.items()}
        places |= {name: realised.places(of, "skip") for name, of in fixed.items()}
        one_hot = {name: np.eye(len(realised.models))[places[name]] for name in routes}
        self.shares = {name: table.mean(axis=0) for name, table in one_hot.items()}
        columns = {("oracle", "utility"): oracle}
        for name, at in places.items():
            for metric, table in _MEANS.items():
                columns[name, metric] = realised.at(table, at)
            columns[name, "regret"] = oracle - columns[name, "utility"]
        for name in routes:
            for other in self._rivals(name):
                difference = columns[name, "utility"] - columns[other, "utility"]
                columns[name, f"over {other}"] = difference
        for table in ("score", "cost", "utility"):
            columns[RANDOM, table] = getattr(realised, table)
        for number in self.folds:
            inside = (fold == number)[:, None]
            columns["fold", number] = inside.astype(float)
            columns[RANDOM, number] = np.where(inside, realised.utility, np.nan)
            for name, table in one_hot.items():
                columns[name, number] = np.where(inside, table, np.nan)
        self._collect(columns)

    def _rivals(self, name):
        return [of for of in (BEST, *CONTROLS) if of != name and of in (self.routes | self.fixed)]

    def _collect(self, columns):
        blocks, self._places, start = [], {}, 0
        for key, values in columns.items():
            block = values.reshape(len(values), -1)
            self._places[key] = slice(start, start + block.shape[1])
            blocks.append(block)
            start += block.shape[1]
        self.table = np.hstack(blocks)

    def metrics(self, means):
        """Derive the metrics from column means.

        Parameters
        ----------
        means : ndarray of shape (n_resamples, n_columns)
            Means, of all queries or of resamples.

        Returns
        -------
        dict of (str, str) to ndarray of shape (n_resamples,)
            By strategy and metric.
        """
        of = {key: means[:, place] for key, place in self._places.items()}
        metrics = {}
        for name in (*self.routes, *(one for one in (BEST, CHEAPEST) if one in self.fixed)):
            for metric in _MEANS:
                metrics[name, metric] = of[name, metric][:, 0]
            if name in self.routes:
                for other in self._rivals(name):
                    metrics[name, f"over {other}"] = of[name, f"over {other}"][:, 0]
                by_lot = self._by_lot(name, of)
                metrics[name, "over same shares"] = of[name, "utility"][:, 0] - by_lot
                if CHEAPEST in self.fixed and name not in CONTROLS:
                    scores = (of[key, "score"][:, 0] for key in (name, CHEAPEST, STRONG))
                    metrics[name, "gap recovered"] = _gap_recovered(*scores)
        for metric in ("score", "cost", "utility"):
            metrics[RANDOM, metric] = of[RANDOM, metric].mean(axis=1)
        metrics["oracle", "utility"] = of["oracle", "utility"][:, 0]
        return metrics

    def _by_lot(self, name, of):
        """Utility of calling each model as often, on queries of the fold drawn by lot."""
        return sum(
            of["fold", number][:, 0] * (of[name, number] * of[RANDOM, number]).sum(axis=1)
            for number in self.folds
        )


def _gap_recovered(score, weak, strong):
    """As the metric of that name, NaN without a warning for resamples without a gap."""
    gap = strong - weak
    return (score - weak) / np.where(gap > 0, gap, np.nan)
