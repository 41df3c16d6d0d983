import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from dars_sklearn import DistributionalRouter, Outcomes, QueryEncoder


def test_queries_out_of_order_with_their_outcomes_are_refused():
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 1]], queries=["red", "green", "blue"])
    router = DistributionalRouter()
    pipeline = Pipeline([("encode", QueryEncoder(TfidfVectorizer())), ("route", router)])
    assert len(pipeline.fit(["red", "green", "blue"], outcomes).predict(["red"])) == 1
    with pytest.raises(ValueError, match="in another order: row 0 of X is 'green'"):
        pipeline.fit(["green", "red", "blue"], outcomes)
    pipeline.fit(["green", "red", "blue"], outcomes.reindex(["green", "red", "blue"]))


def test_missing_paraphrases_do_not_count():
    encoder = QueryEncoder(TfidfVectorizer()).fit(["red fish", "blue fish"])
    pooled = encoder.transform([["red fish", None]]).toarray()
    assert (pooled == encoder.transform(["red fish"]).toarray()).all()
