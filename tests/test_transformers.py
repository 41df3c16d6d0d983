"""The contract of text and outcome transformers, which scikit-learn's checks skip."""

import pickle

import numpy as np
import pandas as pd
import pytest
from models import smol_path
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from dars_sklearn import (
    OutcomeAggregator,
    OutcomeCollector,
    Outcomes,
    ParaphraseExpander,
    QueryEncoder,
)
from dars_sklearn.generate import LlamaCppBackend, Response
from dars_sklearn.grade import Contains

TEXTS = ["red fish", "blue fish", "green bird"]


def polite(prompts, *, n):
    return [[Response("please " * (i + 1) + p, cost=0.5) for i in range(n)] for p in prompts]


def rewrite(prompts, *, n):
    """Write two rewrites of the question that stands at the end of each prompt."""
    questions = [prompt.rpartition("Question: ")[2] for prompt in prompts]
    return [[f"1. {q}, please\n2. So: {q}"] * n for q in questions]


def needless(text, reference=None):
    return float(len(text) % 2)


needless.needs_reference = False

TRANSFORMERS = [
    ParaphraseExpander(rewrite, n_paraphrases=2),
    OutcomeCollector({"polite": polite}, needless, n_samples=2),
    QueryEncoder(TfidfVectorizer()),
]


def dense(result):
    if isinstance(result, Outcomes):
        return result.to_array()
    return result.toarray() if hasattr(result, "toarray") else result


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_text_transformers_keep_their_contract(transformer):
    before = repr(transformer.get_params(deep=False))
    first = clone(transformer).fit(TEXTS)
    expected = dense(first.transform(TEXTS))
    assert len(expected) == len(TEXTS)
    for again in (clone(first).fit(TEXTS), pickle.loads(pickle.dumps(first)), first.fit(TEXTS)):
        np.testing.assert_array_equal(dense(again.transform(TEXTS)), expected)
    for texts in (
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=[7, 8, 9]),
    ):
        np.testing.assert_array_equal(dense(first.transform(texts)), expected)
    assert repr(transformer.get_params(deep=False)) == before
    with pytest.raises((TypeError, ValueError), match="list of texts|not a text"):
        first.transform("one text")
    with pytest.raises(ValueError, match="row 1 is not a text: 3"):
        first.transform(["a", 3])


def test_transformers_that_learn_say_when_they_have_not():
    with pytest.raises(NotFittedError):
        QueryEncoder(TfidfVectorizer()).transform(TEXTS)
    with pytest.raises(NotFittedError):
        OutcomeAggregator().transform(Outcomes.from_array([[1, 0]]))


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
def test_an_opened_backend_is_cloned_and_pickled_without_its_engine():
    backend = LlamaCppBackend(smol_path(), max_tokens=4)
    collector = OutcomeCollector({"smol": backend}, needless, n_samples=2)
    opened = collector.transform(["Say hello"])
    assert len(pickle.dumps(collector)) < 10_000
    for copy in (clone(collector), pickle.loads(pickle.dumps(collector))):
        np.testing.assert_array_equal(copy.transform(["Say hello"]).score, opened.score)
