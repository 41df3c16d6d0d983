"""Labels from outcomes, and how noisy they are."""

from dars_sklearn.labels._aggregator import Capability, OutcomeAggregator
from dars_sklearn.labels._decomposition import (
    VarianceDecomposition,
    decompose_variance,
    reliability_curve,
)
from dars_sklearn.labels._flip_rate import FlipRates, label_flip_rate
from dars_sklearn.labels._probability_best import probability_best

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
