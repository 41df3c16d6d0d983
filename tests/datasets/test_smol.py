import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dars_sklearn.datasets import load_smol_outcomes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data():
    return load_smol_outcomes()


@pytest.fixture
def scripts(monkeypatch):
    """Make the scripts importable."""
    monkeypatch.syspath_prepend(ROOT / "scripts")


def test_each_pair_has_five_samples_of_each_paraphrase(data):
    assert len(data.queries) == len(set(data.queries)) >= 400
    assert data.outcomes.queries.tolist() == data.queries.tolist()
    assert data.outcomes.n_models >= 6
    assert data.outcomes.to_array().shape[2:] == (5, 5)
    assert (data.outcomes.counts() == 25).all()


def test_the_test_outcomes_are_those_of_the_test_queries(data):
    assert data.is_test.dtype == bool
    assert 0.3 < data.is_test.mean() < 0.35
    assert data.test_outcomes.queries.tolist() == data.queries[data.is_test].tolist()
    assert data.test_outcomes.models.tolist() == data.outcomes.models.tolist()
    assert (data.test_outcomes.counts() == 25).all()
    assert set(data.kinds[data.is_test]) == set(data.kinds)


def test_a_query_is_its_first_paraphrase(data):
    assert data.paraphrases.shape == (len(data.queries), 5)
    assert (data.paraphrases[:, 0] == data.queries).all()
    assert all(len(set(row)) == 5 for row in data.paraphrases)


def test_queries_have_kinds_and_references(data):
    assert len(set(data.kinds)) >= 8
    assert data.kinds[0] == "capital"
    assert data.references[0] == "Paris"
    assert len(data.kinds) == len(data.references) == len(data.queries)
    assert "Brasilia | Brasília" in data.references


def test_almost_all_costs_are_known_and_differ_between_models(data):
    costs = data.outcomes.to_array("cost")
    assert np.isnan(costs).mean() < 0.001
    assert len(np.unique(np.nanmean(costs, axis=(0, 2, 3)).round(9))) >= 5
    assert np.isnan(data.responses["output_tokens"]).sum() == np.isnan(data.responses["cost"]).sum()


def test_the_test_outcomes_are_other_samples_from_the_same_distribution(data):
    labels = data.outcomes[data.is_test].to_array()
    test = data.test_outcomes.to_array()
    assert labels.shape == test.shape
    assert abs(labels.mean() - test.mean()) < 0.02
    mixed = (labels.mean(axis=3) % 1 > 0) | (test.mean(axis=3) % 1 > 0)
    assert (labels != test)[mixed].mean() > 0.2


def test_the_responses_are_those_of_the_outcomes(data):
    responses = data.responses
    assert responses.columns.tolist() == [
        "part", "model", "query", "paraphrase", "sample", "score", "cost", "input_tokens",
        "output_tokens", "latency", "finish_reason", "response",
    ]  # fmt: skip
    assert all(isinstance(text, str) for text in responses["response"])
    for part, outcomes in (("labels", data.outcomes), ("test", data.test_outcomes)):
        rows = responses[responses["part"] == part].sample(50, random_state=0)
        scores = outcomes.to_array()
        for row in rows.itertuples():
            query = outcomes.queries.tolist().index(row.query)
            model = outcomes.models.tolist().index(row.model)
            assert scores[query, model, row.paraphrase, row.sample] == row.score
        assert len(outcomes) == (responses["part"] == part).sum() / 150


@pytest.mark.usefixtures("scripts")
def test_scores_are_those_of_the_graders(data):
    questions = {q.paraphrases[0]: q for q in importlib.import_module("smol_questions").questions()}
    rows = data.responses.sample(2_000, random_state=0)
    for query, response, score in zip(rows["query"], rows["response"], rows["score"], strict=True):
        question = questions[query]
        assert question.grader(response, question.reference) == score


@pytest.mark.usefixtures("scripts")
def test_the_data_card_and_the_questions_are_those_that_the_script_writes(data):
    pytest.importorskip("xllamacpp")
    script = importlib.import_module("collect_smol_outcomes")
    rows = script.question_rows()
    stored = pd.read_csv(script.DATA / "smol_questions.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(pd.DataFrame(rows), stored)
    table = data.responses.rename(columns={"query": "number"})
    assert script.CARD.format(**script.card_figures(table, rows)) == data.DESCR
    assert "Known limitations" in data.DESCR
