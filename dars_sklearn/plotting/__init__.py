"""Display classes, which follow the conventions of scikit-learn's displays.

Lines differ by dash pattern or marker as well as by colour, and maps use shades of grey, so that
the figures can be read in black and white and by colour-blind readers.
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
