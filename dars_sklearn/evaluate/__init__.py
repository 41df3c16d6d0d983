"""Honest evaluation: paired, on held-out queries, beside what has to be beaten."""

from dars_sklearn.evaluate._bootstrap import paired_interval
from dars_sklearn.evaluate._supervision import SupervisionComparison, compare_supervision

__all__ = ["SupervisionComparison", "compare_supervision", "paired_interval"]
