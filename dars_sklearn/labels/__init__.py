"""Labels from outcomes, and how noisy they are."""

from dars_sklearn.labels._aggregator import OutcomeAggregator
from dars_sklearn.labels._capability import Capability
from dars_sklearn.labels._decomposition import VarianceDecomposition, decompose_variance
from dars_sklearn.labels._flip_rate import FlipRates, label_flip_rate
from dars_sklearn.labels._probability_best import probability_best
from dars_sklearn.labels._reliability import reliability_curve

__all__ = [
    "Capability",
    "FlipRates",
    "OutcomeAggregator",
    "VarianceDecomposition",
    "decompose_variance",
    "label_flip_rate",
    "probability_best",
    "reliability_curve",
]
