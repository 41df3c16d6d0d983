"""Warnings of this package, with one class per cause so that users can filter them."""

__all__ = [
    "CollectionWarning",
    "DarsWarning",
    "DuplicateRowsWarning",
    "ImputationWarning",
    "InformativeCountsWarning",
    "ParaphraseWarning",
    "RiskAversionWarning",
    "SeparabilityWarning",
    "UndefinedMetricWarning",
    "UsageWarning",
]


class DarsWarning(UserWarning):
    """Base class of all warnings of this package."""


class CollectionWarning(DarsWarning):
    """Responses or scores are missing, or look faulty, such as empty or identical responses."""


class DuplicateRowsWarning(DarsWarning):
    """Rows of a table repeat other rows exactly, and count as further samples."""


class ParaphraseWarning(DarsWarning):
    """Some queries have fewer paraphrases than requested."""


class ImputationWarning(DarsWarning):
    """Many (query, model) pairs have no outcome, and their labels were imputed."""


class InformativeCountsWarning(DarsWarning):
    """The number of outcomes of a query is correlated with their scores."""


class RiskAversionWarning(DarsWarning):
    """With this risk aversion, a model with one correct response ranks below one with none."""


class SeparabilityWarning(DarsWarning):
    """Variance components are not identifiable from the design of the outcomes."""


class UndefinedMetricWarning(DarsWarning):
    """A metric is undefined on these outcomes, and NaN is returned."""


class UsageWarning(DarsWarning):
    """Token counts are unknown: a server does not report whether they cover one choice or all."""
