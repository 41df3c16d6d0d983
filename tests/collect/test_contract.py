"""The scikit-learn contract of the transformers from queries to outcomes."""

import pickle

import numpy as np
import pytest
from models import smol_path
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from transformer_contract import TEXTS, check_text_transformer

from dars_sklearn import OutcomeCollector, ParaphraseExpander
from dars_sklearn.generate import LlamaCppBackend, Response
from dars_sklearn.grade import Contains


def polite(prompts, *, n):
    return [[Response("please " * (i + 1) + p, cost=0.5) for i in range(n)] for p in prompts]


def rewrite(prompts, *, n):
    """Write two rewrites of the question at the end of each prompt."""
    questions = [prompt.rpartition("Question: ")[2] for prompt in prompts]
    return [[f"1. {q}, please\n2. So: {q}"] * n for q in questions]


def has_odd_length(text, reference=None):
    return float(len(text) % 2)


has_odd_length.needs_reference = False


def test_paraphrase_expander_fulfils_the_scikit_learn_contract():
    check_text_transformer(ParaphraseExpander(rewrite, n_paraphrases=2))


def test_outcome_collector_fulfils_the_scikit_learn_contract():
    check_text_transformer(OutcomeCollector({"polite": polite}, has_odd_length, n_samples=2))


def test_queries_become_outcomes_in_one_pipeline():
    pipeline = Pipeline(
        [
            ("expand", ParaphraseExpander(rewrite, n_paraphrases=3)),
            ("collect", OutcomeCollector({"polite": polite}, Contains(), n_samples=2)),
        ]
    )
    outcomes = pipeline.fit_transform(TEXTS, TEXTS)
    assert outcomes.queries.tolist() == TEXTS
    assert outcomes.to_array().shape == (3, 1, 3, 2)
    assert (outcomes.score == 1).all()
    assert (outcomes.cost == 0.5).all()


@pytest.mark.real
def test_an_open_backend_is_cloned_and_pickled_without_its_engine():
    backend = LlamaCppBackend(smol_path(), max_tokens=4)
    collector = OutcomeCollector({"smol": backend}, has_odd_length, n_samples=2)
    outcomes = collector.transform(["Say hello"])
    assert len(pickle.dumps(collector)) < 10_000
    for copy in (clone(collector), pickle.loads(pickle.dumps(collector))):
        np.testing.assert_array_equal(copy.transform(["Say hello"]).score, outcomes.score)
