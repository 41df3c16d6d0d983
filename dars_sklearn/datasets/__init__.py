"""Outcomes to try things on: one real data set, and draws with a known truth."""

from dars_sklearn.datasets._make import make_routing_outcomes
from dars_sklearn.datasets._smol import load_smol_outcomes

__all__ = ["load_smol_outcomes", "make_routing_outcomes"]
