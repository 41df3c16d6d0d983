"""Displays: what the numbers look like, in the manner of scikit-learn's.

Lines differ by dash and marker as well as by colour, and maps are of one hue
that darkens, so that they are read in grey and by the colour-blind.
"""

from dars_sklearn.plotting._capability import CapabilityDisplay
from dars_sklearn.plotting._deferral import DeferralCurveDisplay
from dars_sklearn.plotting._label_noise import LabelNoiseDisplay
from dars_sklearn.plotting._reliability import ReliabilityDisplay

__all__ = [
    "CapabilityDisplay",
    "DeferralCurveDisplay",
    "LabelNoiseDisplay",
    "ReliabilityDisplay",
]
