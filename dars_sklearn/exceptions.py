"""Warnings that the package raises, so that users can filter them by class."""

__all__ = [
    "CollectionWarning",
    "DarsWarning",
    "ImputationWarning",
    "InformativeCountsWarning",
    "ParaphraseWarning",
    "RiskAversionWarning",
    "SeparabilityWarning",
    "UndefinedMetricWarning",
    "UsageWarning",
]


class DarsWarning(UserWarning):
    """Base class of every warning this package raises."""


class CollectionWarning(DarsWarning):
    """Some requests or grades failed, so some outcomes are missing."""


class ParaphraseWarning(DarsWarning):
    """Some queries have fewer paraphrases than were asked for."""


class ImputationWarning(DarsWarning):
    """Many (query, model) pairs have no outcome and were filled with a prior mean."""


class InformativeCountsWarning(DarsWarning):
    """How often a query was asked goes with how well it was answered."""


class RiskAversionWarning(DarsWarning):
    """The risk aversion is so large that one success ranks below none."""


class SeparabilityWarning(DarsWarning):
    """The design of the outcomes cannot tell parts of the variance apart."""


class UndefinedMetricWarning(DarsWarning):
    """A metric is not defined on these outcomes, and is NaN."""


class UsageWarning(DarsWarning):
    """A server does not say how many tokens its choices have."""
