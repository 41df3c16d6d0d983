"""The science of labels: how noisy they are, and what that noise hides."""

from dars_sklearn.labels._variance import (
    VarianceDecomposition,
    decompose_variance,
    reliability_curve,
)

__all__ = ["VarianceDecomposition", "decompose_variance", "reliability_curve"]
