"""What a router learns, and how its predictions become utilities.

A target knows its blocks of columns (one column per model in each block), computes them from
outcomes, brings predictions back to the range of their quantity, and turns them into utilities. It
says which weights are fixed at fit time because they are part of what is learned.

Everything is learned on the unit scale of scores, so that a router is the same whatever unit
scores are given in, even if its estimator weighs the columns of quality, cost and risk together.
"""

from typing import NamedTuple

import numpy as np

from dars_sklearn.labels._probability_best import probability_best
from dars_sklearn.utility import scale_score, utility
from dars_sklearn.utility._scores import score_width

__all__ = ["TARGETS", "LabelSource", "UtilityLines"]


class LabelSource(NamedTuple):
    """What the blocks of a target are computed from.

    Parameters
    ----------
    outcomes : Outcomes
        Training outcomes.
    capability : Capability
        Their labels.
    cost_range : tuple of float
        Costs that are 0 and 1 when scaled.
    cost_weight, risk_aversion : float
        Weights of the router.
    random_state : int, RandomState instance or None
        Seed of the router.
    """

    outcomes: object
    capability: object
    cost_range: tuple
    cost_weight: float
    risk_aversion: float
    random_state: object

    def unit_capability(self):
        """Return quality, scaled cost and risk, on the unit scale of scores.

        The cost of a model of which no cost is known is 0. The router refuses to weigh it.
        """
        capability, score_range = self.capability, self.outcomes.score_range
        return {
            "quality": scale_score(capability.quality, score_range),
            "cost": np.nan_to_num(capability.scaled_cost),
            "risk": capability.risk / score_width(score_range),
        }


class UtilityLines(NamedTuple):
    """Utility as a function of the cost weight: ``intercept - cost_weight * slope``.

    Parameters
    ----------
    intercept : ndarray of shape (n_queries, n_models)
        Utility at a cost weight of zero.
    slope : ndarray of shape (n_queries, n_models)
        Utility lost per unit of cost weight, which is the scaled cost; 0 where the cost weight
        is fixed at fit time.
    """

    intercept: np.ndarray
    slope: np.ndarray

    def utilities(self, cost_weight):
        """Return the utilities at a cost weight."""
        return self.intercept - cost_weight * self.slope


class CapabilityTarget:
    """Quality and risk on the unit scale, and scaled cost; all weights can change after fit."""

    blocks = ("quality", "cost", "risk")
    fixed_weights = ()
    fills_missing_pairs = True
    weighs_risk = True

    def make_blocks(self, source):
        """Return the labels of each block, by its name."""
        return source.unit_capability()

    def constrain(self, predicted, quality_limits, cost_limits):
        """Bring predictions into the range of their quantity."""
        quality = np.clip(predicted["quality"], *quality_limits)
        risk = np.maximum(predicted["risk"], 0)
        return {"quality": quality, "cost": np.clip(predicted["cost"], *cost_limits), "risk": risk}

    def utility_lines(self, predicted, risk_aversion):
        """Return utilities as lines in the cost weight."""
        return UtilityLines(
            predicted["quality"] - risk_aversion * predicted["risk"], predicted["cost"]
        )


class PenalisedTarget:
    """Quality less weighted risk, and scaled cost; the risk aversion is fixed at fit time."""

    blocks = ("quality", "cost")
    fixed_weights = ("risk_aversion",)
    fills_missing_pairs = True
    weighs_risk = True

    def make_blocks(self, source):
        """Return the labels of each block, by its name."""
        labels = source.unit_capability()
        penalised = labels["quality"] - source.risk_aversion * labels["risk"]
        return {"quality": penalised, "cost": labels["cost"]}

    def constrain(self, predicted, quality_limits, cost_limits):
        """Bring predictions into the range of their quantity."""
        return predicted | {"cost": np.clip(predicted["cost"], *cost_limits)}

    def utility_lines(self, predicted, risk_aversion):
        """Return utilities as lines in the cost weight."""
        return UtilityLines(predicted["quality"], predicted["cost"])


class UtilityTarget:
    """Utility alone; both weights are fixed at fit time."""

    blocks = ("utility",)
    fixed_weights = ("cost_weight", "risk_aversion")
    fills_missing_pairs = True
    weighs_risk = True

    def make_blocks(self, source):
        """Return the labels of each block, by its name."""
        values = utility(
            **source.unit_capability(),
            cost_weight=source.cost_weight,
            risk_aversion=source.risk_aversion,
        )
        return {"utility": values}

    def constrain(self, predicted, quality_limits, cost_limits):
        """Bring predictions into the range of their quantity."""
        return predicted

    def utility_lines(self, predicted, risk_aversion):
        """Return utilities as lines in the cost weight."""
        return UtilityLines(predicted["utility"], np.zeros(1))


class ChoiceTarget:
    """Posterior probability of being the best model; the cost weight is fixed at fit time."""

    blocks = ("probability",)
    fixed_weights = ("cost_weight",)
    fills_missing_pairs = False
    weighs_risk = False

    def make_blocks(self, source):
        """Return the labels of each block, by its name."""
        probability = probability_best(
            source.outcomes,
            cost_weight=source.cost_weight,
            cost_range=source.cost_range,
            random_state=0 if source.random_state is None else source.random_state,
        )
        return {"probability": probability}

    def constrain(self, predicted, quality_limits, cost_limits):
        """Bring predictions into the range of their quantity."""
        probability = np.maximum(predicted["probability"], 0)
        total = probability.sum(axis=1, keepdims=True)
        uniform = 1 / probability.shape[1]
        share = np.where(total > 0, probability / np.where(total > 0, total, 1), uniform)
        return {"probability": share}

    def utility_lines(self, predicted, risk_aversion):
        """Return utilities as lines in the cost weight."""
        return UtilityLines(predicted["probability"], np.zeros(1))


TARGETS = {
    "capability": CapabilityTarget(),
    "penalised": PenalisedTarget(),
    "utility": UtilityTarget(),
    "choice": ChoiceTarget(),
}
