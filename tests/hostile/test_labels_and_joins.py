"""Labels that a table may have, and X, routes or weights that do not belong to the outcomes."""

import datetime
import json
import re
import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from dars_sklearn import (
    DistributionalRouter,
    Outcomes,
    QueryEncoder,
    compare_supervision,
    cross_val_capability,
    deferral_curve,
    evaluate_router,
    plan_design,
    routing_report,
    routing_scorer,
    tune_cost_weight,
)
from dars_sklearn.exceptions import DuplicateRowsWarning
from dars_sklearn.metrics import (
    best_single_model,
    instability,
    oracle_utility,
    random_utility,
    routed_cost,
    routed_regret,
    routed_score,
    routed_utility,
    routing_collapse_index,
)

# ---- item 1: integer keys ------------------------------------------------------

INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
LIBRARIES = {
    "pandas": pd.DataFrame,
    "pandas nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame,
    "polars lazy": pl.LazyFrame,
    "arrow": pa.table,
    "duckdb": lambda columns: duckdb.from_arrow(pa.table(columns)),
}


def distinct_integers(dtype):
    limits = np.iinfo(dtype)
    some = st.integers(int(limits.min), int(limits.max))
    ends = st.sampled_from([int(limits.min), int(limits.min) + 1, int(limits.max), 0, 1])
    return st.lists(st.one_of(ends, some), min_size=1, max_size=6, unique=True)


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_labels_come_back_as_they_were(dtype, library):
    @settings(max_examples=10)
    @given(distinct_integers(dtype), distinct_integers(dtype), st.randoms())
    def check(queries, models, random):
        rows = [(query, model) for query in queries for model in models]
        random.shuffle(rows)
        score_of = {row: position / len(rows) for position, row in enumerate(rows)}
        columns = {
            "query": np.array([query for query, _ in rows], dtype=dtype),
            "model": np.array([model for _, model in rows], dtype=dtype),
            "score": np.array([score_of[row] for row in rows]),
        }
        outcomes = Outcomes.from_frame(library(columns))
        found = outcomes.to_array()[:, :, 0, 0]
        assert set(outcomes.queries.tolist()) == set(queries)
        assert set(outcomes.models.tolist()) == set(models)
        expected = [
            [score_of[query, model] for model in outcomes.models.tolist()]
            for query in outcomes.queries.tolist()
        ]
        np.testing.assert_array_equal(found, expected)

    check()


@pytest.mark.parametrize(
    ("dtype", "labels"),
    [
        (np.int8, [-100, 100, 45, 1]),
        (np.int16, [-20000, 20000, -5535, 7]),
        (np.int32, [-(2**31), 2**31 - 1, 0]),
        (np.int64, [-(2**63), 2**63 - 1, hash("a text"), hash("another")]),
    ],
)
def test_labels_of_the_issue_come_back_as_they_were(dtype, labels):
    table = pd.DataFrame({"query": np.array(labels, dtype=dtype), "model": "m", "score": 1.0})
    assert Outcomes.from_frame(table).queries.tolist() == labels
    array = Outcomes.from_array(np.ones((len(labels), 1)), queries=table["query"])
    assert array.queries.tolist() == labels


# ---- item 2: X and outcomes that do not belong together --------------------------

N_QUERIES = 24
TEXTS = [f"{kind} question number {i}" for i in range(N_QUERIES // 2) for kind in ("easy", "hard")]
IDS = [f"q{i}" for i in range(N_QUERIES)]
SHUFFLED = np.random.RandomState(0).permutation(N_QUERIES)


def make_outcomes(labels):
    rng = np.random.RandomState(1)
    strong = (
        rng.random((N_QUERIES, 2, 3))
        < np.array([[0.9, 0.5], [0.2, 0.8]])[np.arange(N_QUERIES) % 2][:, :, None]
    )
    return Outcomes.from_array(
        strong.astype(float), models=["small", "large"], queries=labels, costs=[1.0, 5.0]
    )


@pytest.fixture(params=["labelled by texts", "with texts"])
def outcomes(request):
    if request.param == "labelled by texts":
        return make_outcomes(TEXTS)
    return make_outcomes(IDS).with_texts(TEXTS)


def make_encoder():
    return QueryEncoder(TfidfVectorizer())


def make_pipe():
    return Pipeline([("encode", make_encoder()), ("route", DistributionalRouter(Ridge()))])


def shuffle(texts):
    return [texts[row] for row in SHUFFLED]


WAYS_TO_MISPLACE = {
    "shuffled": shuffle,
    "shuffled array": lambda texts: np.array(shuffle(texts)),
    "shuffled series": lambda texts: pd.Series(texts).sample(frac=1, random_state=0),
    "shuffled, with spaces": lambda texts: [f" {text} \n" for text in shuffle(texts)],
    "shuffled, in capitals": lambda texts: [text.upper() for text in shuffle(texts)],
    "shuffled conversations": lambda texts: [
        [{"role": "user", "content": text}] for text in shuffle(texts)
    ],
    "reversed": lambda texts: texts[::-1],
    "two swapped": lambda texts: [texts[1], texts[0], *texts[2:]],
    "one repeated": lambda texts: [texts[0], texts[0], *texts[2:]],
}
USES_OF_TEXTS = {
    "fit": lambda X, y: make_pipe().fit(X, y),
    "score": lambda X, y: make_pipe().fit(TEXTS, y).score(X, y),
    "scorer": lambda X, y: routing_scorer()(make_pipe().fit(TEXTS, y), X, y),
    "deferral_curve": lambda X, y: deferral_curve(make_pipe().fit(TEXTS, y), X, y),
    "evaluate_router": lambda X, y: evaluate_router(make_pipe(), X, y),
    "evaluate_router, X_test": lambda X, y: evaluate_router(
        make_pipe(), TEXTS, y, X_test=X, outcomes_test=y
    ),
    "compare_supervision": lambda X, y: compare_supervision(
        make_pipe(), X, y, X_test=TEXTS, outcomes_test=y, n_draws=2
    ),
    "compare_supervision, X_test": lambda X, y: compare_supervision(
        make_pipe(), TEXTS, y, X_test=X, outcomes_test=y, n_draws=2
    ),
    "cross_val_capability": lambda X, y: cross_val_capability(make_pipe(), X, y),
    "tune_cost_weight": lambda X, y: tune_cost_weight(make_pipe(), X, y, budget=4.0),
    "plan_design": lambda X, y: plan_design(y, X, make_pipe(), budget=60, n_repeats=2),
    "router of texts": lambda X, y: DistributionalRouter(
        make_pipeline(TfidfVectorizer(), Ridge())
    ).fit(X, y),
    "cross_val_score": lambda X, y: cross_val_score(make_pipe(), X, y, cv=3, error_score="raise"),
    "cross_val_score with a scorer": lambda X, y: cross_val_score(
        make_pipe(), X, y, cv=3, scoring=routing_scorer(), error_score="raise"
    ),
    "GridSearchCV": lambda X, y: GridSearchCV(
        make_pipe(), {"route__estimator__alpha": [1.0]}, cv=3, error_score="raise"
    ).fit(X, y),
}


@pytest.mark.parametrize("use", USES_OF_TEXTS.values(), ids=USES_OF_TEXTS)
class TestTextsOfOtherRows:
    @pytest.mark.parametrize("misplace", WAYS_TO_MISPLACE.values(), ids=WAYS_TO_MISPLACE)
    def test_are_refused(self, use, misplace, outcomes):
        with pytest.raises(ValueError, match=r"X(_test)? and the outcomes .*(reindex|with_texts)"):
            use(misplace(TEXTS), outcomes)

    def test_are_accepted_in_their_order_and_with_spaces(self, use, outcomes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(TEXTS, outcomes)
            use([f" {text}\n" for text in TEXTS], outcomes)


BARE = Pipeline([("encode", TfidfVectorizer()), ("route", DistributionalRouter(Ridge()))])
USES_BEFORE_A_PIPELINE = {
    "scorer": lambda X, y: routing_scorer()(BARE.fit(TEXTS, y), X, y),
    "deferral_curve": lambda X, y: deferral_curve(BARE.fit(TEXTS, y), X, y),
    "evaluate_router": lambda X, y: evaluate_router(BARE, X, y),
    "compare_supervision": lambda X, y: compare_supervision(
        BARE, TEXTS, y, X_test=X, outcomes_test=y, n_draws=2
    ),
    "cross_val_score with a scorer": lambda X, y: cross_val_score(
        BARE, X, y, cv=3, scoring=routing_scorer(), error_score="raise"
    ),
}


@pytest.mark.parametrize("use", USES_BEFORE_A_PIPELINE.values(), ids=USES_BEFORE_A_PIPELINE)
def test_functions_of_this_package_see_the_texts_before_a_bare_vectorizer_loses_them(use, outcomes):
    with pytest.raises(
        ValueError, match=r"X(_test)? and the outcomes (do not )?have the same queries"
    ):
        use(shuffle(TEXTS), outcomes)


class KeepIndex(TransformerMixin, BaseEstimator):
    """A transformer of data frames that keeps their index, as scikit-learn's pandas output does."""

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Return the features and their squares."""
        return X.assign(squared=X["x"] ** 2)


def make_features(index):
    return pd.DataFrame({"x": np.arange(float(len(index)))}, index=index)


ROUTERS_OF_FEATURES = {
    "router": lambda: DistributionalRouter(Ridge()),
    "pipeline": lambda: make_pipeline(KeepIndex(), DistributionalRouter(Ridge())),
}


@pytest.mark.parametrize("make_router", ROUTERS_OF_FEATURES.values(), ids=ROUTERS_OF_FEATURES)
@pytest.mark.parametrize("labels", [IDS, TEXTS, (7 * np.arange(N_QUERIES) + 3).tolist()])
class TestIndexOfFeatures:
    def test_in_the_order_of_the_outcomes_is_accepted(self, make_router, labels):
        X, y = make_features(labels), make_outcomes(labels)
        make_router().fit(X, y).score(X, y)

    def test_in_another_order_is_refused(self, make_router, labels):
        X, y = make_features(labels), make_outcomes(labels)
        router = make_router().fit(X, y)
        shuffled = X.iloc[SHUFFLED]
        for use in (router.fit, router.score):
            with pytest.raises(ValueError, match=r"the index of X and the outcomes differ.*X\.loc"):
                use(shuffled, y)
        with pytest.raises(ValueError, match="the index of X and the outcomes differ"):
            deferral_curve(router, shuffled, y)
        router.fit(shuffled, y.reindex(shuffled.index))  # the remedy


ROUTES = pd.Series(["small", "large"] * (N_QUERIES // 2), index=IDS)
METRICS = [routed_score, routed_cost, routed_utility, routed_regret, instability]


@pytest.mark.parametrize("metric", [*METRICS, routing_collapse_index])
def test_routes_in_another_order_are_refused(metric):
    outcomes = make_outcomes(IDS)
    assert metric(outcomes, ROUTES) == metric(outcomes, ROUTES.to_numpy())
    with pytest.raises(ValueError, match="the index of routes and the outcomes differ"):
        metric(outcomes, ROUTES.iloc[SHUFFLED])


def test_a_report_refuses_routes_in_another_order():
    outcomes = make_outcomes(IDS)
    for routes in (ROUTES.iloc[::-1], {"mine": ROUTES.iloc[::-1]}):
        with pytest.raises(ValueError, match="the index of routes and the outcomes differ"):
            routing_report(outcomes, routes)


@pytest.mark.parametrize("metric", METRICS)
def test_weights_in_another_order_are_refused(metric):
    outcomes, weights = make_outcomes(IDS), pd.Series(np.arange(1.0, N_QUERIES + 1), index=IDS)
    weighted = metric(outcomes, ROUTES, sample_weight=weights)
    assert weighted == metric(outcomes, ROUTES, sample_weight=weights.to_numpy())
    with pytest.raises(ValueError, match="the index of sample_weight and the outcomes differ"):
        metric(outcomes, ROUTES, sample_weight=weights.iloc[SHUFFLED])


@pytest.mark.parametrize("metric", [oracle_utility, random_utility])
def test_weights_of_baselines_in_another_order_are_refused(metric):
    weights = pd.Series(np.arange(1.0, N_QUERIES + 1), index=IDS)
    metric(make_outcomes(IDS), sample_weight=weights)
    with pytest.raises(ValueError, match="the index of sample_weight and the outcomes differ"):
        metric(make_outcomes(IDS), sample_weight=weights.iloc[SHUFFLED])


def test_groups_in_another_order_are_refused():
    groups = pd.Series(np.arange(N_QUERIES) // 4, index=IDS)
    router, X, outcomes = DistributionalRouter(Ridge()), make_features(IDS), make_outcomes(IDS)
    evaluate_router(router, X, outcomes, cv=3, groups=groups)
    with pytest.raises(ValueError, match="the index of groups and the outcomes differ"):
        evaluate_router(router, X, outcomes, cv=3, groups=groups.iloc[SHUFFLED])


@pytest.mark.parametrize("rows", [SHUFFLED, slice(None, None, -1), slice(1, None)])
def test_a_comparison_refuses_outcomes_of_other_queries(rows, outcomes):
    comparison = compare_supervision(
        make_pipe(), TEXTS, outcomes, X_test=TEXTS, outcomes_test=outcomes, n_draws=2
    )
    same = comparison.on(outcomes)
    pd.testing.assert_frame_equal(same.table, comparison.table)
    with pytest.raises(ValueError, match="the outcomes"):
        comparison.on(outcomes[rows])


def test_a_report_refuses_training_outcomes_with_models_in_another_order():
    outcomes = make_outcomes(IDS)
    routing_report(outcomes, ROUTES, train=outcomes)
    with pytest.raises(ValueError, match=r"models \['large', 'small'\].*subset\(models=\)"):
        routing_report(outcomes, ROUTES, train=outcomes.subset(["large", "small"]))


def test_tables_of_ids_are_checked_by_a_column_of_texts():
    table = make_outcomes(IDS).to_frame()
    table["text"] = table["query"].map(dict(zip(IDS, TEXTS, strict=True)))
    outcomes = Outcomes.from_frame(table.sample(frac=1, random_state=0), text="text")
    texts = [dict(zip(IDS, TEXTS, strict=True))[label] for label in outcomes.queries]
    assert outcomes.texts.tolist() == texts
    make_pipe().fit(texts, outcomes)
    with pytest.raises(ValueError, match="the same queries in another order"):
        make_pipe().fit(TEXTS, outcomes)
    assert outcomes[::2].texts.tolist() == texts[::2]
    assert outcomes.reindex(IDS).texts.tolist() == TEXTS
    for derived in (outcomes.single_shot(0), outcomes.subsample(n_samples=1)):
        assert derived.texts.tolist() == texts
    assert outcomes.subset(["large"]).texts.tolist() == texts


def test_a_query_with_two_texts_is_refused():
    table = pd.DataFrame({"query": ["q", "q"], "model": ["a", "b"], "score": [1, 0]})
    with pytest.raises(ValueError, match="query 'q' has several texts, such as 'y' and 'x'|'x'"):
        Outcomes.from_frame(table.assign(text=["x", "y"]), text="text")
    with pytest.raises(ValueError, match="text of the query is missing in row 1"):
        Outcomes.from_frame(table.assign(text=["x", None]), text="text")


# ---- item 3: labels and masks ------------------------------------------------------


@pytest.mark.parametrize("labels", [[1, "1"], [True, 1], [True, "True"], [1, 1.0], [2.0, True, 2]])
@pytest.mark.parametrize("role", ["query", "model"])
def test_labels_that_differ_in_their_type_only_are_refused(labels, role):
    other = {"query": "model", "model": "query"}[role]
    table = pd.DataFrame({role: pd.Series(labels, dtype=object), other: "x", "score": 1.0})
    with pytest.raises(ValueError, match=r"differ in their type only.*astype\(str\)"):
        Outcomes.from_frame(table)
    scores = np.ones((len(labels), 1))
    given_labels = {"queries": labels} if role == "query" else {"models": labels}
    with pytest.raises(ValueError, match="differ in their type only"):
        Outcomes.from_array(scores if role == "query" else scores.T, **given_labels)


@pytest.mark.parametrize(
    "read",
    [
        lambda: Outcomes.from_array([[1, 0]], models=[b"a", b"b"]),
        lambda: Outcomes.from_array([[1, 0]], models=np.array([b"a", b"b"])),
        lambda: Outcomes.from_array([[1], [0]], queries=[b"a", "a"]),
        lambda: Outcomes.from_frame(pa.table({"query": [b"q"], "model": ["m"], "score": [1.0]})),
        lambda: Outcomes.from_frame(
            pd.DataFrame({"query": ["q"], "model": [b"m"], "score": [1.0]})
        ),
    ],
)
def test_labels_of_bytes_are_refused(read):
    with pytest.raises(ValueError, match=r"is bytes; decode"):
        read()


def test_labels_that_are_not_unicode_are_refused():
    with pytest.raises(ValueError, match=r"model 'a\\ud800' is not valid Unicode"):
        Outcomes.from_array([[1, 0]], models=["a\ud800", "b"])
    table = pd.DataFrame(
        {"query": pd.Series(["q\ud800"], dtype=object), "model": "m", "score": 1.0}
    )
    with pytest.raises(ValueError, match=r"query 'q\\ud800' is not valid Unicode"):
        Outcomes.from_frame(table)
    assert Outcomes.from_array([[1]], models=["模型🙂"]).models.tolist() == ["模型🙂"]


def test_masked_scores_are_absent():
    scores = np.ma.masked_array([[1.0, 0.5], [0.25, 0.75]], mask=[[False, True], [False, False]])
    outcomes = Outcomes.from_array(scores)
    assert outcomes.counts().tolist() == [[1, 0], [1, 1]]
    assert outcomes.score.tolist() == [1.0, 0.25, 0.75]
    integers = np.ma.masked_array([[1, 0]], mask=[[False, True]])
    assert Outcomes.from_array(integers).counts().tolist() == [[1, 0]]
    costs = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[True, True], [False, True]])
    np.testing.assert_array_equal(
        Outcomes.from_array(scores, costs=costs).cost, [np.nan, 3.0, np.nan]
    )


def test_labels_of_a_table_of_scores_are_kept():
    table = pd.DataFrame([[1, 0], [0, 1]], index=["x", "y"], columns=["a", "b"])
    outcomes = Outcomes.from_array(table)
    assert (outcomes.queries.tolist(), outcomes.models.tolist()) == (["x", "y"], ["a", "b"])
    assert Outcomes.from_array(pl.DataFrame({"a": [1], "b": [0]})).models.tolist() == ["a", "b"]
    renamed = Outcomes.from_array(table, models=["m", "n"], queries=[1, 2])
    assert (renamed.queries.tolist(), renamed.models.tolist()) == ([1, 2], ["m", "n"])
    with pytest.raises(ValueError, match="the labels of the columns of scores in another order"):
        Outcomes.from_array(table, models=["b", "a"])
    with pytest.raises(ValueError, match="the labels of the rows of scores in another order"):
        Outcomes.from_array(table, queries=["y", "x"])


def test_costs_are_found_by_their_labels():
    table = pd.DataFrame([[1, 0], [0, 1]], index=["x", "y"], columns=["a", "b"])
    by_pair = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index=["x", "y"], columns=["a", "b"])
    shuffled = by_pair.loc[["y", "x"], ["b", "a"]]
    assert Outcomes.from_array(table, costs=shuffled).cost.tolist() == [1, 2, 3, 4]
    by_model = pd.Series({"b": 7.0, "a": 5.0})
    assert Outcomes.from_array(table, costs=by_model).cost.tolist() == [5, 7, 5, 7]
    with pytest.raises(ValueError, match="unknown model 'b'; costs have models"):
        Outcomes.from_array(table, costs=by_model.rename({"b": "c"}))


# ---- item 4: two questions with one text ---------------------------------------------


def test_repeated_texts_are_refused_with_the_way_to_keep_them():
    texts = ["Summarise this.", "2 + 2?", "Summarise this."]
    with pytest.raises(ValueError, match=r"repeated: query 'Summarise this.'.*ids.*with_texts"):
        Outcomes.from_array([[1, 0], [0, 1], [1, 1]], queries=texts)
    outcomes = Outcomes.from_array([[1, 0], [0, 1], [1, 1]]).with_texts(texts)
    text_model = make_pipeline(TfidfVectorizer(), Ridge())
    DistributionalRouter(text_model, calibration=None).fit(texts, outcomes)
    table = outcomes.to_frame().assign(text=[text for text in texts for _ in range(2)])
    again = Outcomes.from_frame(table, text="text")
    assert (len(again), again.texts.tolist()) == (3, texts)


# ---- item 5: rows that are repeated --------------------------------------------------


def test_exact_duplicates_are_counted_and_warned_of():
    rng = np.random.RandomState(0)
    table = pd.DataFrame(
        {
            "query": np.repeat(np.arange(145), 10),
            "model": np.tile(["a", "b"], 725),
            "score": rng.random(1450),
        }
    )
    repeated = pd.concat([table, table.iloc[:20]])
    message = r"^20 of 1470 rows repeat another row exactly.*sample=False.*drop_duplicates\(\)"
    for frame in (repeated, pl.from_pandas(repeated), pa.Table.from_pandas(repeated)):
        with pytest.warns(DuplicateRowsWarning, match=message) as caught:
            outcomes = Outcomes.from_frame(frame)
        assert caught[0].filename == __file__
        assert len(outcomes.score) == 1470


@pytest.mark.parametrize("column", [[["a"], ["a"]], [{"a": 1}, {"a": 1}]])
def test_duplicates_are_found_beside_columns_of_lists(column):
    table = pd.DataFrame({"query": "q", "model": "m", "score": [1.0, 1.0], "other": column})
    with pytest.warns(DuplicateRowsWarning, match="^1 of 2 rows"):
        Outcomes.from_frame(table)


@pytest.mark.parametrize(
    "read",
    [
        lambda table: Outcomes.from_frame(table, sample=False),
        lambda table: Outcomes.from_frame(table.drop_duplicates()),
        lambda table: Outcomes.from_frame(table.assign(sample=[0, 1])),
        lambda table: Outcomes.from_frame(table.assign(latency=[0.5, 0.25])),
    ],
)
def test_nothing_is_warned_of_where_rows_are_declared_or_differ(read):
    table = pd.DataFrame({"query": ["q", "q"], "model": "m", "score": [1.0, 1.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(table)


# ---- item 28: outcomes put together ---------------------------------------------------


def test_concatenated_outcomes_are_those_of_the_concatenated_tables():
    outcomes = make_outcomes(IDS)
    parts = [outcomes[:9], outcomes[9:].subset(["large"]), outcomes[9:].subset(["small"])]
    together = Outcomes.concat(parts).subset(["small", "large"]).reindex(IDS)
    pd.testing.assert_frame_equal(together.to_frame(), outcomes.to_frame())


def test_the_same_outcomes_are_not_counted_twice():
    outcomes = make_outcomes(IDS)
    message = "query q0, model small, .* occurs more than once.*new_samples=True"
    with pytest.raises(ValueError, match=message):
        Outcomes.concat([outcomes, outcomes])
    doubled = Outcomes.concat([outcomes, outcomes], new_samples=True)
    assert (doubled.counts() == 6).all()
    assert best_single_model(doubled) == best_single_model(outcomes)


def test_unknown_values_of_a_part_stay_unknown():
    first = Outcomes.from_array([[1.0]], queries=["a"], costs=[2.0])
    second = Outcomes.from_array([[0.5]], queries=["b"])
    together = Outcomes.concat([first, second])
    np.testing.assert_array_equal(together.cost, [2.0, np.nan])
    assert Outcomes.concat([second]).cost is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "there are no outcomes to put together"),
        ([Outcomes.from_array([[1]], queries=["a"]),
          Outcomes.from_array([[9]], queries=["b"], score_range=(0, 10))],
         "the parts differ in score_range: ranges (0.0, 1.0), (0.0, 10.0)"),
        ([Outcomes.from_array([[1]], models=[1], queries=["q"]),
          Outcomes.from_array([[1]], models=["1"], queries=["q"])],
         "models 1 and '1' differ in their type only"),
        ([Outcomes.from_array([[1], [0]])[[0, 0]]], "there are several rows of query 0"),
        ([Outcomes.from_array([[1]], queries=["q"]).with_texts(["a"]),
          Outcomes.from_array([[1]], queries=["q"])],
         "table 1 of outcomes keeps no texts"),
        ([Outcomes.from_array([[1]]), Outcomes.from_array([[1]])],
         "parts 0, 1: the queries are only numbered"),
        ([Outcomes.from_array([[1]], queries=["q"]).with_texts([text]) for text in "ab"],
         "query 'q' has different texts, 'a' and 'b'"),
    ],
)  # fmt: skip
def test_parts_that_do_not_belong_together_are_refused(parts, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Outcomes.concat(parts)


# ---- siblings that a second hostile tester found -----------------------------------------


def test_a_series_of_texts_is_compared_with_the_queries():
    texts = pd.Series(TEXTS, index=IDS)
    assert make_outcomes(IDS).with_texts(texts).texts.tolist() == TEXTS
    with pytest.raises(ValueError, match="the index of texts and the outcomes differ"):
        make_outcomes(IDS).with_texts(texts.iloc[SHUFFLED])


def test_a_mask_of_queries_is_compared_with_the_queries():
    mask = pd.Series(np.arange(N_QUERIES) < 3, index=IDS)
    assert make_outcomes(IDS)[mask].queries.tolist() == IDS[:3]
    with pytest.raises(ValueError, match="the index of the mask and the outcomes differ"):
        make_outcomes(IDS)[mask.iloc[::-1]]


def test_ids_are_features_of_a_router_and_not_texts_for_an_encoder():
    outcomes = make_outcomes(IDS).with_texts(TEXTS)
    lookup = dict(zip(IDS, np.arange(N_QUERIES) % 2, strict=True))
    find = FunctionTransformer(lambda ids: np.array([[lookup[label]] for label in ids]))
    router = make_pipeline(find, DistributionalRouter(Ridge()))
    evaluate_router(router, IDS, outcomes, cv=3)
    with pytest.raises(ValueError, match=r"the texts of the queries are in outcomes\.texts"):
        make_pipe().fit(IDS, outcomes)
    with pytest.raises(ValueError, match="do not have the same queries|in another order"):
        evaluate_router(router, IDS[::-1], outcomes, cv=3)


def test_columns_of_categories_are_not_texts():
    outcomes = make_outcomes(IDS).with_texts(TEXTS)
    rows = [["maths", "easy"], ["history", "hard"]] * (N_QUERIES // 2)
    for X in (rows, np.array(rows), np.array(rows, dtype=object)):
        evaluate_router(make_pipeline(OneHotEncoder(), DistributionalRouter(Ridge())), X, outcomes)


def test_a_shuffled_frame_of_queries_without_labels_is_accepted():
    X = make_features(range(N_QUERIES)).sample(frac=1, random_state=0)
    scores = make_outcomes(IDS).to_array()[X.index].mean(axis=(2, 3))
    outcomes = Outcomes.from_array(scores)
    DistributionalRouter(Ridge()).fit(X, outcomes).score(X, outcomes)
    DistributionalRouter(Ridge()).fit(X, scores)
    labelled = Outcomes.from_array(scores, queries=np.arange(N_QUERIES))
    with pytest.raises(ValueError, match="the index of X and the outcomes differ"):
        DistributionalRouter(Ridge()).fit(X, labelled)


def test_an_index_of_several_levels_is_compared():
    labels = [(i // 2, "ab"[i % 2]) for i in range(N_QUERIES)]
    outcomes = make_outcomes(labels)
    X = make_features(pd.MultiIndex.from_tuples(labels))
    DistributionalRouter(Ridge()).fit(X, outcomes)
    with pytest.raises(ValueError, match=r"row 0 of X is \(11, 'b'\)"):
        DistributionalRouter(Ridge()).fit(X.iloc[::-1], outcomes)
    DistributionalRouter(Ridge()).fit(X.iloc[::-1], make_outcomes(IDS))


def test_one_query_without_a_text_does_not_end_the_comparison():
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]
    chats = [[{"role": "user", "content": text}] for text in TEXTS]
    outcomes = make_outcomes(TEXTS)
    encoder = QueryEncoder(TfidfVectorizer(), message_text=str)  # of all messages and fields
    pipe = make_pipeline(encoder, DistributionalRouter(Ridge()))
    pipe.fit([*chats[:-1], image], outcomes).score([*chats[:-1], image], outcomes)
    for use in (pipe.fit, pipe.score):
        with pytest.raises(ValueError, match="do not have the same queries"):
            use([image, *chats[:-1]], outcomes)


@pytest.mark.parametrize("as_text", [False, True])
def test_conversations_stay_comparable_when_a_table_is_written_and_read(as_text):
    chats = [[{"role": "user", "content": text}, {"role": "user", "content": ""}] for text in TEXTS]
    outcomes = Outcomes.from_array(make_outcomes(IDS).to_array(), queries=chats)
    again = Outcomes.from_frame(outcomes.to_frame())
    assert again.texts.tolist() == TEXTS
    X = [json.dumps(chat) for chat in chats] if as_text else chats
    make_pipe().fit(X, again)
    with pytest.raises(ValueError, match="in another order"):
        make_pipe().fit(X[::-1], again)


def test_the_order_of_a_messages_fields_does_not_matter():
    chats = [[{"role": "user", "content": "Hi"}], [{"content": "Hi", "role": "user"}]]
    table = pd.DataFrame({"query": chats, "model": ["a", "b"], "score": 1.0})
    assert len(Outcomes.from_frame(table)) == 1


@pytest.mark.parametrize("bad", [None, "Hi", 3, ["Hi"]])
def test_a_row_that_is_not_a_conversation_is_named(bad):
    chats = [[{"role": "user", "content": "Hi"}], bad]
    for queries in (chats, chats[::-1]):
        table = pd.DataFrame({"query": queries, "model": "a", "score": 1.0})
        with pytest.raises(ValueError, match=rf"row {queries.index(bad)} of the column of queries"):
            Outcomes.from_frame(table)


def test_rows_numbered_from_elsewhere_are_labels():
    table = pd.DataFrame({"a": [1.0, 0.0, 1.0, 0.0], "b": 0.5})
    assert Outcomes.from_array(table.iloc[2:]).queries.tolist() == [2, 3]
    assert Outcomes.from_array(table).numbered
    assert not Outcomes.from_array(table.iloc[2:]).numbered
    costs = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [10.0, 20, 30, 40]})
    by_label = Outcomes.from_array(table, costs=costs.iloc[::-1]).cost
    assert by_label.tolist() == [1, 10, 2, 20, 3, 30, 4, 40]


def test_an_iterator_of_labels_is_read_once():
    outcomes = Outcomes.from_array([[1], [0]], queries=map(str, [1, 2]))
    assert (outcomes.queries.tolist(), outcomes.texts) == (["1", "2"], None)


@pytest.mark.parametrize("labels", ["ab", {"a", "b"}, b"ab"])
def test_labels_are_lists(labels):
    with pytest.raises(TypeError, match="must be a list of labels"):
        Outcomes.from_array([[1, 0]], models=labels)
    with pytest.raises(TypeError, match="must be a list of labels"):
        Outcomes.from_array([[1, 0]], models=["a", "b"]).subset(labels)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([1, "1"], dtype=object).astype("category"),
        pd.Series([b"a", b"b"]).astype("category"),
        pd.Series([b"a", b"b"], dtype=pd.ArrowDtype(pa.binary())),
    ],
)
def test_categories_are_labels_like_others(labels):
    with pytest.raises(ValueError, match="differ in their type only|is bytes"):
        Outcomes.from_frame(pd.DataFrame({"query": labels, "model": "m", "score": 1.0}))


def test_times_keep_their_zone_and_dates_stay_dates():
    days = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]
    table = pl.DataFrame({"query": days, "model": "m", "score": [1.0, 0.0]})
    assert Outcomes.from_frame(table).queries.tolist() == days
    berlin = table.with_columns(
        pl.col("query").cast(pl.Datetime).dt.replace_time_zone("Europe/Berlin")
    )
    outcomes = Outcomes.from_frame(berlin)
    assert outcomes.reindex(berlin["query"].to_list()[::-1]).score.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_durations_are_seconds_and_dates_are_no_numbers(make):
    columns = {"query": [0, 1], "model": ["m", "m"], "score": [1.0, 0.0]}
    second = datetime.timedelta(seconds=1)
    timed = Outcomes.from_frame(make(columns | {"latency": [1.5 * second, 2 * second]}))
    assert timed.with_latency_cost().cost.tolist() == [1.5, 2.0]
    with pytest.raises(ValueError, match="column 'cost' must be numeric"):
        Outcomes.from_frame(make(columns | {"cost": [datetime.datetime(2020, 1, 1)] * 2}))


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ({"m": 10, "n": 2}, r"prices\['m'\]"),
        ({"m": "12", "n": (1, 2)}, r"prices\['m'\]"),
        ({"m": (10,), "n": (1, 2)}, r"prices\['m'\]"),
        ({"m": (1, 2), "n": (1, -50)}, r"prices\['n'\]"),
        ({"m": (None, 2), "n": (1, 2)}, r"prices\['m'\]"),
        ({"m": (1, 2, 3), "n": (1, 2)}, r"prices\['m'\]"),
    ],
)
def test_a_price_is_a_pair_of_numbers(prices, message):
    table = pd.DataFrame(
        {"query": "a", "model": ["m", "n"], "score": 1.0, "input_tokens": 10, "output_tokens": 1}
    )
    with pytest.raises(ValueError, match=message):
        Outcomes.from_frame(table).with_prices(prices)


@pytest.mark.parametrize("number", [float("nan"), 1.5, True, "2"])
def test_a_subsample_has_a_whole_number_of_draws(number):
    outcomes = Outcomes.from_array(np.ones((2, 2, 3, 3)))
    for name in ("n_paraphrases", "n_samples"):
        with pytest.raises(ValueError, match=f"{name} must be an int of at least 1"):
            outcomes.subsample(**{name: number})


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (pd.DataFrame({"id": ["q0"], "a": [1.0]}), "set_index"),
        (pa.table({"a": [1.0]}), "to_pandas"),
        (csr_array(np.eye(2)), "toarray"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), "dates or durations"),
    ],
)
def test_other_tables_of_scores_are_refused_with_the_remedy(scores, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Outcomes.from_array(scores)


def test_missing_scores_of_any_type_are_absent():
    table = pd.DataFrame({"a": [1, None], "b": [0, 1]}).convert_dtypes()
    assert Outcomes.from_array(table).counts().tolist() == [[1, 1], [0, 1]]
    assert Outcomes.from_array(
        [[1, 0]], models=["a", "b"], costs={"b": 2, "a": 1}
    ).cost.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([{"query": 1}], r"pandas\.DataFrame"),
        ("outcomes.parquet", "read the file first"),
        (np.zeros((2, 2)), "from_array"),
    ],
)
def test_what_is_not_a_table_is_refused_with_the_remedy(frame, message):
    with pytest.raises(TypeError, match=message):
        Outcomes.from_frame(frame)
