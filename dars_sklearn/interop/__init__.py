"""Outcomes from the logs of other evaluation tools."""

from dars_sklearn.interop._inspect import from_inspect
from dars_sklearn.interop._lm_eval import from_lm_eval

__all__ = ["from_inspect", "from_lm_eval"]
