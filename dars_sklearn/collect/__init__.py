"""Collect outcomes: paraphrase queries, sample responses of models and grade them."""

from dars_sklearn.collect._collector import OutcomeCollector
from dars_sklearn.collect._paraphrase import ParaphraseExpander

__all__ = ["OutcomeCollector", "ParaphraseExpander"]
