"""Copies of a query in folds and intervals, and figures over fewer queries than it seems."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from dars_sklearn import (
    DistributionalRouter,
    Outcomes,
    QueryEncoder,
    cross_val_capability,
    evaluate_router,
    routing_report,
    tune_cost_weight,
)
from dars_sklearn.evaluate._cross_val import make_splits
from dars_sklearn.exceptions import UsageWarning
from dars_sklearn.outcomes._query_identities import query_identities

pytestmark = pytest.mark.filterwarnings("ignore::dars_sklearn.exceptions.UndefinedMetricWarning")

N_TEXTS, MODELS = 60, ["a", "b", "c"]
TEXTS = [
    " ".join(f"word{number}" for number in np.random.default_rng(seed).integers(0, 400, 6))
    for seed in range(N_TEXTS)
]
# The nearest training query: a copy of the query, if there is one.
NEAREST = DistributionalRouter(KNeighborsRegressor(1), cost_weight=0.0, calibration=None)
FEATURES = np.random.default_rng(0).normal(size=(N_TEXTS, 4))
FAST = {"n_resamples": 20}


def noise_of_twins(*, with_texts=True):
    """Coin flips as scores, the same for both ids of a text: nothing can be learned."""
    flips = np.random.default_rng(0).integers(0, 2, (N_TEXTS, len(MODELS)))
    rows = [
        (f"{number}{twin}", f" {text}" if twin == "b" else text, model, flips[number, column], cost)
        for number, text in enumerate(TEXTS)
        for twin in "ab"
        for column, (model, cost) in enumerate(zip(MODELS, (1.0, 2.0, 3.0), strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["query", "text", "model", "score", "cost"])
    outcomes = Outcomes.from_frame(frame, text="text" if with_texts else None)
    return frame.drop_duplicates("query")["text"].tolist(), outcomes


def repeated_rows():
    """Features and outcomes of pure noise, each query twice with the same label."""
    scores = np.random.default_rng(0).integers(0, 2, (N_TEXTS, len(MODELS)))
    outcomes = Outcomes.from_array(scores, costs=[1.0, 2.0, 3.0])
    rows = np.r_[0:N_TEXTS, 0:N_TEXTS]
    return FEATURES[rows], outcomes[rows]


def text_router():
    return make_pipeline(QueryEncoder(TfidfVectorizer()), NEAREST)


def notes_about(words, notes):
    return [note for note in notes if words in note]


# ---- copies of a query stay in one fold ----------------------------------------------


def test_one_text_under_several_ids_stays_in_one_fold():
    X, outcomes = noise_of_twins()
    report = evaluate_router(text_router(), X, outcomes, **FAST)
    leaking = evaluate_router(text_router(), X, outcomes, cv=KFold(5, shuffle=True), **FAST)
    assert report.get("score")[0] < 0.62 < 0.7 < leaking.get("score")[0]
    texts = np.array([text.strip() for text in X])
    for train, test in make_splits(5, X, outcomes, None, 0):
        assert not set(texts[train]) & set(texts[test])


def test_one_text_under_several_ids_is_noted_where_only_X_has_texts():
    X, outcomes = noise_of_twins(with_texts=False)
    report = evaluate_router(text_router(), X, outcomes, **FAST)
    (note,) = notes_about("also among the training queries", report.notes)
    assert "outcomes that have texts (with_texts)" in note
    report = evaluate_router(text_router(), X, outcomes.with_texts(X), **FAST)
    assert not notes_about("also among the training queries", report.notes)


def test_features_of_an_encoder_remember_their_texts():
    X, outcomes = noise_of_twins(with_texts=False)
    for encoder in (TfidfVectorizer(), make_pipeline(TfidfVectorizer(), TruncatedSVD(3))):
        features = QueryEncoder(encoder).fit_transform(X)
        report = evaluate_router(NEAREST, features, outcomes, **FAST)
        assert notes_about("also among the training queries", report.notes)


def test_a_query_selected_twice_stays_in_one_fold():
    X, outcomes = repeated_rows()
    assert evaluate_router(NEAREST, X, outcomes, **FAST).get("score")[0] < 0.62
    for train, test in make_splits(4, X, outcomes, None, 1):
        assert not set(outcomes.queries[train]) & set(outcomes.queries[test])


@pytest.mark.parametrize("texts", [None, TEXTS])
def test_folds_of_different_queries_are_shuffled_as_before(texts):
    outcomes = Outcomes.from_array(np.ones((N_TEXTS, 2)))
    outcomes = outcomes if texts is None else outcomes.with_texts(texts)
    expected = KFold(4, shuffle=True, random_state=3).split(FEATURES)
    found = make_splits(4, FEATURES, outcomes, None, 3)
    assert [test.tolist() for _, test in found] == [test.tolist() for _, test in expected]


def test_more_folds_than_different_queries_are_refused():
    outcomes = Outcomes.from_array(np.ones((6, 2))).with_texts(["x", "y"] * 3)
    with pytest.raises(ValueError, match="cv=3 is more than the 2 different queries") as error:
        make_splits(3, np.ones((6, 1)), outcomes, None, 0)
    assert "groups=np.arange(6)" in str(error.value)
    assert len(make_splits(3, np.ones((6, 1)), outcomes, np.arange(6), 0)) == 3


def test_conversations_with_one_last_message_are_different_queries():
    conversations = [
        [{"role": "system", "content": text}, {"role": "user", "content": "Summarise."}]
        for text in (*TEXTS[:4], TEXTS[0])
    ]
    by_id = Outcomes.from_array(np.ones((5, 2)))
    assert len(set(query_identities(by_id, conversations))) == 4
    labelled = Outcomes.from_array(np.ones((4, 2)), queries=conversations[:4])
    assert len(set(query_identities(labelled))) == 4


def test_rows_of_the_same_categories_are_different_queries():
    X = [["maths", "easy"], ["history", "hard"]] * 6
    for table in (X, np.array(X), np.array(X, dtype=object)):
        assert len(set(query_identities(Outcomes.from_array(np.ones((12, 2))), table))) == 12
    router = make_pipeline(OneHotEncoder(), DistributionalRouter())
    outcomes = Outcomes.from_array(np.ones((12, 2)))
    assert not notes_about("training", evaluate_router(router, X, outcomes, **FAST).notes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=25))
def test_rows_that_share_a_label_or_a_text_are_one_query(rows):
    labels, texts = (np.array(column) for column in zip(*rows, strict=True))
    outcomes = Outcomes.from_array(np.ones((10, 1)))[labels]
    found = query_identities(outcomes.with_texts([f"text {number}" for number in texts]))
    group = list(range(len(rows)))
    for _ in rows:  # a label or a text that two rows share makes their groups one
        for i in range(len(rows)):
            for j in range(len(rows)):
                if labels[i] == labels[j] or texts[i] == texts[j]:
                    group[i] = group[j] = min(group[i], group[j])
    same = np.equal.outer(group, group)
    np.testing.assert_array_equal(np.equal.outer(found, found), same)
    if len(set(group)) >= 3:
        for train, test in make_splits(3, np.zeros((len(rows), 1)), outcomes, found, 0):
            assert not set(found[train]) & set(found[test])


# ---- copies that a splitter of the user's separates ----------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"cv": KFold(5, shuffle=True, random_state=0)},
        {"cv": list(KFold(5, shuffle=True, random_state=0).split(range(2 * N_TEXTS)))},
        {"cv": 5, "groups": np.arange(2 * N_TEXTS)},
    ],
)
@pytest.mark.parametrize("make", [noise_of_twins, repeated_rows])
def test_copies_in_training_and_test_folds_are_noted(options, make):
    X, outcomes = make()
    router = text_router() if make is noise_of_twins else NEAREST
    report = evaluate_router(router, X, outcomes, **options, **FAST)
    (note,) = notes_about("also among the training queries", report.notes)
    assert "of the 120 evaluated queries" in note
    assert "groups=" in note
    assert note in repr(report)
    with pytest.warns(UsageWarning, match="of the 120 evaluated queries are also among"):
        cross_val_capability(router, X, outcomes, **options)
    choice = tune_cost_weight(router, X, outcomes, budget=4.0, **options)
    assert notes_about("also among the training queries", choice.notes) == [note]


@pytest.mark.parametrize("cv", [5, GroupKFold(5)])
def test_copies_within_a_fold_are_not_noted(cv):
    X, outcomes = noise_of_twins()
    options = {"cv": cv, "groups": [text.strip() for text in X]}
    report = evaluate_router(text_router(), X, outcomes, **options, **FAST)
    assert not notes_about("also among the training queries", report.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UsageWarning)
        cross_val_capability(text_router(), X, outcomes, **options)


def test_different_queries_are_not_noted():
    outcomes = Outcomes.from_array(np.ones((N_TEXTS, 2))).with_texts(TEXTS)
    report = evaluate_router(NEAREST, FEATURES, outcomes, cv=KFold(5), **FAST)
    assert not notes_about("different", report.notes)
    assert not notes_about("training queries", report.notes)


def test_intervals_say_that_copies_count_as_independent():
    X, outcomes = noise_of_twins()
    words = "Only 60 of the 120 queries are different"
    reports = [
        evaluate_router(text_router(), X, outcomes, **FAST),
        evaluate_router(text_router(), TEXTS[:4], outcomes[:8:2], X_test=X, outcomes_test=outcomes,
                        **FAST),
        routing_report(outcomes, ["a"] * 120, **FAST),
        tune_cost_weight(text_router(), X, outcomes, budget=4.0),
    ]  # fmt: skip
    for report in reports:
        (note,) = notes_about(words, report.notes)
        assert "too narrow" in note


def test_test_queries_are_recognised_under_other_ids_by_the_texts_of_X():
    X, outcomes = noise_of_twins(with_texts=False)
    first, second = slice(0, None, 2), slice(1, None, 2)
    report = evaluate_router(
        text_router(), X[first], outcomes[first], X_test=X[second], outcomes_test=outcomes[second],
        **FAST,
    )  # fmt: skip
    assert notes_about("The training outcomes include 60 of the 60 evaluated queries", report.notes)


# ---- folds that test on training rows ------------------------------------------------


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([(np.arange(60), np.arange(60))], "60 of the 60 test rows of fold 0"),
        (
            [(np.arange(30), np.arange(30, 60)), (np.arange(29, 60), np.arange(30))],
            "1 of the 30 test rows of fold 1",
        ),
    ],
)
@pytest.mark.parametrize("function", [evaluate_router, cross_val_capability, tune_cost_weight])
def test_folds_that_test_on_training_rows_are_refused(cv, message, function):
    outcomes = Outcomes.from_array(np.ones((N_TEXTS, 2)), costs=[1.0, 2.0])
    options = {"budget": 3.0} if function is tune_cost_weight else {}
    with pytest.raises(ValueError, match=message):
        function(NEAREST, FEATURES, outcomes, cv=cv, **options)


# ---- figures over fewer queries ------------------------------------------------------


def sparse_log(score_range=(0.0, 1.0)):
    """Half of the outcomes of 80 queries, at least one for each."""
    rng = np.random.default_rng(0)
    low, high = score_range
    scores = rng.uniform(low, high, (80, 3))
    is_known = rng.random((80, 3)) < 0.5
    is_known[np.arange(80), rng.integers(0, 3, 80)] = True
    scores[~is_known] = np.nan
    outcomes = Outcomes.from_array(
        scores, models=MODELS, costs=[1.0, 2.0, 3.0], score_range=score_range
    )
    return rng.normal(size=(80, 2)), outcomes, is_known


def test_a_report_says_over_how_many_queries_each_figure_is():
    _, outcomes, is_known = sparse_log()
    report = routing_report(outcomes, ["a"] * 80, train=outcomes, missing="skip", **FAST)
    best = MODELS.index(report.names["best_single_model"])
    n_router, n_best = is_known[:, 0].sum(), is_known[:, best].sum()
    (note,) = notes_about("Not all 80 queries have an outcome of the routed model", report.notes)
    assert f"router {n_router}, best single model {n_best}, cheapest model {n_router}" in note
    (note,) = notes_about("Gains are over the queries", report.notes)
    both = (is_known[:, 0] & is_known[:, best]).sum()
    assert f"router over best single model {both}; so they are not the differences" in note
    complete = Outcomes.from_array(np.ones((5, 2)), costs=[1.0, 2.0])
    notes = routing_report(complete, [0] * 5, missing="skip", **FAST).notes
    assert not notes_about("outcome of the routed model", notes)


def test_metrics_of_a_curve_that_are_left_out_are_named():
    X, outcomes, _ = sparse_log()
    router = DistributionalRouter(KNeighborsRegressor(5), heads="model")
    report = evaluate_router(router, X, outcomes, missing="skip", **FAST)
    (note,) = notes_about("AIQ, APGR, CPT(50 %) and CPT(80 %)", report.notes)
    assert "a query is routed to a model that has no outcome for it" in note
    fixed = DistributionalRouter(KNeighborsRegressor(5), target="utility")
    complete = Outcomes.from_array(np.ones((80, 2)), costs=[1.0, 2.0])
    notes = evaluate_router(fixed, X, complete, **FAST).notes
    assert notes_about("they need the routes at every cost weight", notes)


def test_a_promise_says_on_how_many_queries_it_rests():
    X, outcomes, _ = sparse_log()
    router = DistributionalRouter(KNeighborsRegressor(5), heads="model")
    choice = tune_cost_weight(router, X, outcomes, budget=4.0, missing="skip")
    (note,) = notes_about("cost, score and the promise are over the", choice.notes)
    assert "of 80 queries with an outcome of the routed model" in note
    assert note in repr(choice)


def test_the_range_of_scores_is_shown_beside_a_minimum_and_beside_gains():
    X, outcomes, _ = sparse_log((0.0, 100.0))
    router = DistributionalRouter(KNeighborsRegressor(5), heads="model")
    choice = tune_cost_weight(router, X, outcomes, min_score=0.8, missing="skip")
    assert choice.promise == "a mean score of at least 0.8 (scores from 0 to 100)"
    report = routing_report(outcomes, ["a"] * 80, missing="skip", **FAST)
    (note,) = notes_about("regret and gains are on the unit scale", report.notes)
    assert "0 to 100" in note


def test_a_model_without_known_costs_is_named_where_costs_are_not_shown():
    costs = [1.0, 2.0, float("nan")]
    outcomes = Outcomes.from_array(np.ones((20, 3)), models=MODELS, costs=costs)
    notes = routing_report(outcomes, ["a"] * 20, cost_weight=0, **FAST).notes
    assert notes_about("Costs, and what is computed from them, are not shown", notes)
    assert notes_about("no cost of model 'c' is known", notes)
