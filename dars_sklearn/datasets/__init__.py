"""Data sets of outcomes: real ones, and synthetic ones with a known truth."""

from dars_sklearn.datasets._dars import fetch_dars
from dars_sklearn.datasets._make import make_routing_outcomes
from dars_sklearn.datasets._smol import load_smol_outcomes

__all__ = ["fetch_dars", "load_smol_outcomes", "make_routing_outcomes"]
