"""Outcomes: the one data structure that everything else reads."""

from dars_sklearn.outcomes._outcomes import Outcomes

__all__ = ["Outcomes"]
