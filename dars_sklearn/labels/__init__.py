"""The science of labels: how noisy they are, and what that noise hides."""

from dars_sklearn.labels._best import probability_best
from dars_sklearn.labels._flips import FlipRates, label_flip_rate
from dars_sklearn.labels._variance import (
    VarianceDecomposition,
    decompose_variance,
    reliability_curve,
)

__all__ = [
    "FlipRates",
    "VarianceDecomposition",
    "decompose_variance",
    "label_flip_rate",
    "probability_best",
    "reliability_curve",
]
