"""Variance decompositions."""

import re
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import normal_scores

from dars_sklearn import Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels import VarianceDecomposition, decompose_variance, reliability_curve
from dars_sklearn.labels._intervals import difference_interval, log_interval, share_interval
from dars_sklearn.labels._variance_components import (
    difference_variance_components,
    model_variance_components,
)
from dars_sklearn.outcomes._cells import make_cells

ONE_OUTCOME = "0, 1 with one outcome per query: only the total variance is identifiable"
ONE_PARAPHRASE = (
    "0, 1 with one paraphrase per query: the query component includes the paraphrase component, "
    "the reliability of labels is not identifiable, and only the sample component stands alone"
)
ONE_SAMPLE = (
    "0, 1 with one sample per paraphrase: the paraphrase component includes the sample component; "
    "the query component and the reliability of labels are valid"
)


def normal_outcomes(seed, *design, **kwargs):
    return Outcomes.from_array(normal_scores(seed, *design, **kwargs), score_range=None)


def estimated(outcomes):
    """Components of the models and of the differences of outcomes."""
    cells, shape = make_cells(outcomes), (len(outcomes), outcomes.n_models)
    return model_variance_components(cells, *shape), difference_variance_components(cells, *shape)


def by_component(decomposition, model, other=""):
    """Estimate, low and high by component, of a model or of a difference."""
    table = decomposition.table
    rows = table[(table["model"] == model) & (table["other"] == other)]
    return {row.component: (row.estimate, row.low, row.high) for row in rows.itertuples()}


# ---- the table ---------------------------------------------------------------


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_table_has_the_components_with_their_intervals(level):
    outcomes = normal_outcomes(2)  # some components of these are negative
    keywords = {} if level == 0.95 else {"level": level}  # the default is 0.95
    decomposition = decompose_variance(outcomes, **keywords)
    assert decomposition.level == level
    models, differences = estimated(outcomes)
    found = [by_component(decomposition, model) for model in range(3)]
    found += [by_component(decomposition, *pair) for pair in differences]
    for rows, own in zip(found, [*models, *differences.values()], strict=True):
        assert list(rows) == ["query", "paraphrase", "sample", "total", "icc", "reliability"]
        query, paraphrase = np.maximum(own.query, 0), np.maximum(own.paraphrase, 0)
        sample = own.sample
        assert rows["query"][0] == query[0]
        assert rows["query"][1:] == difference_interval(
            own.query_variance, own.query_noise, 12, level
        )
        assert rows["paraphrase"][0] == paraphrase[0]
        assert rows["paraphrase"][1:] == difference_interval(
            own.paraphrase_mean_square, own.paraphrase_noise, 12, level
        )
        assert rows["sample"] == (sample[0], *log_interval(sample, 12, level))
        total = query + paraphrase + sample
        assert rows["total"] == (total[0], *log_interval(total, 12, level))
        for name, noise in (("icc", paraphrase + sample), ("reliability", own.label_noise)):
            signal_and_noise = own.query + noise
            share = max(1 - noise[0] / signal_and_noise[0], 0)
            expected = (share, *share_interval(noise, signal_and_noise, 12, level))
            assert rows[name] == pytest.approx(expected), name


def test_the_table_is_sorted_by_kind_and_model():
    decomposition = decompose_variance(normal_outcomes(0))
    table = decomposition.to_frame()
    assert table.equals(decomposition.table)
    assert list(table) == ["kind", "model", "other", "component", "estimate", "low", "high"]
    keys = table[["kind", "model", "other"]].drop_duplicates().to_numpy().tolist()
    assert keys == [
        ["model", 0, ""],
        ["model", 1, ""],
        ["model", 2, ""],
        ["difference", 0, 1],
        ["difference", 0, 2],
        ["difference", 1, 2],
        ["difference", "overall", "overall"],
    ]


def test_the_overall_difference_has_the_mean_components():
    outcomes = normal_outcomes(1)
    decomposition = decompose_variance(outcomes)
    _, differences = estimated(outcomes)

    def mean(name):
        return np.mean([getattr(own, name) for own in differences.values()], axis=0)

    rows = by_component(decomposition, "overall", "overall")
    query, paraphrase = (np.maximum(mean(name), 0) for name in ("query", "paraphrase"))
    assert rows["query"] == pytest.approx(
        (query[0], *difference_interval(mean("query_variance"), mean("query_noise"), 12, 0.95))
    )
    interval = difference_interval(
        mean("paraphrase_mean_square"), mean("paraphrase_noise"), 12, 0.95
    )
    assert rows["paraphrase"] == pytest.approx((paraphrase[0], *interval))
    assert rows["sample"][0] == pytest.approx(mean("sample")[0])
    noise = mean("label_noise")
    expected = 1 - noise[0] / (mean("query")[0] + noise[0])
    assert rows["reliability"][0] == pytest.approx(expected)


def test_estimates_are_looked_up_by_component_and_model():
    decomposition = decompose_variance(normal_outcomes(0))
    for model, other in [(0, ""), (2, ""), (0, 2), (1, 2), ("overall", "overall")]:
        for component, (value, *_) in by_component(decomposition, model, other).items():
            found = decomposition.estimate(component, model, None if other == "" else other)
            assert found == value
            assert isinstance(found, float)
    total = by_component(decomposition, "overall", "overall")["total"][0]
    assert decomposition.estimate("total") == total
    assert decomposition.estimate("total", 2, 0) == decomposition.estimate("total", 0, 2)
    assert np.isnan(decomposition.estimate("query_plus_paraphrase", 0))


def test_estimates_of_what_does_not_exist_are_refused():
    decomposition = decompose_variance(normal_outcomes(0))
    with pytest.raises(ValueError, match="component must be one of .*'total'.*, got 'noise'"):
        decomposition.estimate("noise", 0)
    with pytest.raises(ValueError, match="no components of 7; the models are 0, 1, 2"):
        decomposition.estimate("total", 7)
    with pytest.raises(ValueError, match="no components of the difference of 0 and 0"):
        decomposition.estimate("total", 0, 0)


def test_a_table_of_components_is_a_copy():
    decomposition = decompose_variance(normal_outcomes(0))
    before = decomposition.estimate("total")
    decomposition.to_frame()["estimate"] = 0.0
    assert decomposition.estimate("total") == before


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_components_scale_with_the_square_of_the_scores(seed, factor):
    scores = normal_scores(seed)
    before, after = (
        decompose_variance(Outcomes.from_array(own, score_range=None)).table
        for own in (scores, factor * scores)
    )
    is_share = before["component"].isin(["icc", "reliability"])
    scale = np.where(is_share, 1, factor**2)
    for column in ("estimate", "low", "high"):
        np.testing.assert_allclose(
            after[column].to_numpy(float),
            scale * before[column].to_numpy(float),
            rtol=1e-6,
            atol=1e-9,
        )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_queries_and_models_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    outcomes = normal_outcomes(seed)
    models, queries = rng.permutation(3).tolist(), rng.permutation(12)
    before = decompose_variance(outcomes)
    after = decompose_variance(outcomes[queries].subset(models=models))
    for row in before.table.itertuples():
        found = after.estimate(row.component, row.model, row.other or None)
        assert found == pytest.approx(row.estimate, abs=1e-9)


# ---- designs that do not identify every component -----------------------------


def merged(design):
    """Scores of two models of which some component is not identifiable, and the warning."""
    scores = normal_scores(0, 30, 2, 3, 3, share=1.0)
    return {
        "one outcome": (scores[:, :, :1, :1], ONE_OUTCOME),
        "one paraphrase": (scores[:, :, :1], ONE_PARAPHRASE),
        "one sample": (scores[..., :1], ONE_SAMPLE),
    }[design]


@pytest.mark.parametrize(
    ("design", "components"),
    [
        ("one outcome", ["query_plus_paraphrase_plus_sample", "total"]),
        ("one paraphrase", ["query_plus_paraphrase", "sample", "total"]),
        ("one sample", ["query", "paraphrase_plus_sample", "total", "icc", "reliability"]),
    ],
)
def test_components_that_are_not_identifiable_are_merged_with_a_warning(design, components):
    scores, message = merged(design)
    with pytest.warns(SeparabilityWarning) as record:
        decomposition = decompose_variance(Outcomes.from_array(scores, score_range=None))
    assert [str(warning.message) for warning in record] == [message]
    for model, other in [(0, ""), (1, ""), (0, 1), ("overall", "overall")]:
        assert list(by_component(decomposition, model, other)) == components
    rows = by_component(decomposition, 1)
    variances = sum(rows[name][0] for name in components[: components.index("total")])
    assert rows["total"][0] == pytest.approx(variances)
    assert rows["total"][1] <= rows["total"][0] <= rows["total"][2]
    if design == "one outcome":
        assert rows["total"][0] == pytest.approx(scores[:, 1, 0, 0].var(ddof=1))
    assert np.isnan(decomposition.estimate("paraphrase", 1))


def test_only_the_models_concerned_are_warned_of():
    scores = normal_scores(0, 30, 3, 3, 3, share=1.0)
    scores[:, 0, 1:] = scores[:, 2, :, 1:] = np.nan
    with pytest.warns(SeparabilityWarning) as record:
        decompose_variance(Outcomes.from_array(scores, models=["a", "b", "c"], score_range=None))
    messages = sorted(str(warning.message) for warning in record)
    assert messages == [ONE_PARAPHRASE.replace("0, 1", "a"), ONE_SAMPLE.replace("0, 1", "c")]


def test_a_full_design_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decompose_variance(normal_outcomes(0))


def test_constant_scores_have_no_reliability():
    decomposition = decompose_variance(Outcomes.from_array(np.ones((5, 2, 3, 3))))
    assert decomposition.estimate("total") == 0
    for component in ("icc", "reliability"):
        assert np.isnan(by_component(decomposition, 0)[component]).all()
    curve = reliability_curve(Outcomes.from_array(np.ones((5, 2, 3, 3))), (1,), (1,))
    assert np.isnan(curve[["reliability", "low", "high"]].to_numpy()).all()


def test_a_single_model_has_no_differences():
    decomposition = decompose_variance(normal_outcomes(0, 12, 1))
    assert decomposition.table["kind"].unique().tolist() == ["model"]
    assert np.isnan(decomposition.estimate("total"))


def test_models_without_a_common_query_have_no_difference():
    scores = np.full((8, 3, 2, 2), np.nan)
    rng = np.random.default_rng(0)
    scores[:4, 0], scores[4:, 1], scores[:, 2] = *rng.random((2, 4, 2, 2)), rng.random((8, 2, 2))
    decomposition = decompose_variance(Outcomes.from_array(scores))
    assert list(by_component(decomposition, 0, 1)) == ["total"]
    assert np.isnan(by_component(decomposition, 0, 1)["total"]).all()
    with_model_2 = [decomposition.estimate("sample", model, 2) for model in (0, 1)]
    assert decomposition.estimate("sample") == pytest.approx(np.mean(with_model_2))
    message = (
        "^no two models have outcomes for at least two common queries, and no difference; use "
        "kind='model'$"
    )
    with pytest.raises(ValueError, match=message):
        reliability_curve(Outcomes.from_array(scores[:, :2]))


def test_differences_of_two_common_queries_count():
    scores = normal_scores(0, 8, 3, 3, 3, share=1.0)
    scores[2:5, 0] = np.nan
    scores[5:, 1] = np.nan  # models 0 and 1 have queries 0 and 1 in common
    decomposition = decompose_variance(Outcomes.from_array(scores, score_range=None))
    samples = [decomposition.estimate("sample", *pair) for pair in combinations(range(3), 2)]
    assert decomposition.estimate("sample") == pytest.approx(np.mean(samples))
    rows = by_component(decomposition, "overall", "overall")
    _, differences = estimated(Outcomes.from_array(scores, score_range=None))
    sample = np.mean([own.sample for own in differences.values()], axis=0)
    # The overall interval counts the queries of the difference with the most of them.
    assert rows["sample"] == pytest.approx((sample[0], *log_interval(sample, 5, 0.95)))


def test_the_overall_difference_is_as_identifiable_as_the_least_of_them():
    scores = normal_scores(0, 20, 3, 3, 3, share=1.0)
    scores[:, 0, 1:] = np.nan
    with pytest.warns(SeparabilityWarning):
        decomposition = decompose_variance(Outcomes.from_array(scores, score_range=None))
    assert "query_plus_paraphrase" in by_component(decomposition, "overall", "overall")
    assert "query" in by_component(decomposition, 1, 2)


def test_bad_arguments_of_decompositions_are_refused():
    outcomes = normal_outcomes(0)
    for function in (decompose_variance, reliability_curve):
        with pytest.raises(ValueError, match="^variance components need at least 3 queries, got 2"):
            function(outcomes[:2])
        for level in (0, 1, 95):
            with pytest.raises(ValueError, match=rf"^level must be in \(0, 1\), got {level}$"):
                function(outcomes, level=level)
    with pytest.warns(SeparabilityWarning):
        assert len(decompose_variance(np.eye(3)).table)  # three queries are enough


# ---- display -----------------------------------------------------------------


def test_the_repr_has_one_row_per_model_and_difference():
    outcomes = normal_outcomes(0)
    decomposition = decompose_variance(outcomes)
    lines = repr(decomposition).splitlines()
    assert lines[0] == "<VarianceDecomposition>"
    header = ["query", "paraphrase", "sample", "total", "icc", "reliability"]
    assert lines[1].split() == header
    assert [line[:20].split("  ")[0].strip() for line in lines[2:]] == [
        "score", "0", "1", "2", "0 - 1", "0 - 2", "1 - 2", "differences, overall",
    ]  # fmt: skip
    for line, row in ((lines[4], (1, None)), (lines[-1], (None, None))):
        expected = [f"{decomposition.estimate(name, *row):.4f}" for name in header]
        assert line.split()[-6:] == expected
    html = decomposition._repr_html_()
    assert "<table" in html
    assert f"<td>{decomposition.estimate('total', 1):.4f}</td>" in html
    assert "<th>differences, overall</th>" in html


def test_models_whose_labels_look_alike_have_rows_of_their_own():
    scores = normal_scores(0)
    models = ["1 - 1", "1", "overall"]
    outcomes = Outcomes.from_array(scores, models=models, score_range=None)
    lines = repr(decompose_variance(outcomes)).splitlines()
    expected = repr(decompose_variance(normal_outcomes(0))).splitlines()
    assert [line.split()[-6:] for line in lines] == [line.split()[-6:] for line in expected]
    assert [re.split(r" +\d\.\d{4}", line)[0] for line in lines[3:]] == [
        "1 - 1", "1", "overall", "1 - 1 - 1", "1 - 1 - overall", "1 - overall",
        "differences, overall",
    ]  # fmt: skip


def test_a_model_named_overall_is_not_the_mean_over_differences():
    named, plain = (
        decompose_variance(Outcomes.from_array(normal_scores(0), models=models, score_range=None))
        for models in (["a", "overall", ""], ["a", "b", "c"])
    )
    for names, same in (
        ((), ()),
        (("overall",), ("b",)),
        (("a", "overall"), ("a", "b")),
        (("overall", "a"), ("a", "b")),
        (("a",), ("a",)),
        (("a", ""), ("a", "c")),
        (("",), ("c",)),
    ):
        found = named.estimate("sample", *names)
        assert found == plain.estimate("sample", *same)
    assert len({named.estimate("sample", *names) for names in ((), ("overall",), ("a",))}) == 3
    with pytest.raises(ValueError, match="no components of 'overall'; the models are a, b, c"):
        plain.estimate("sample", "overall")
    with pytest.raises(ValueError, match="no components of the difference of 'a' and 'x'"):
        plain.estimate("sample", "a", "x")
    with pytest.raises(ValueError, match="other='a' needs a model"):
        plain.estimate("sample", other="a")


def test_merged_components_are_sums_in_the_repr():
    scores, _ = merged("one sample")
    with pytest.warns(SeparabilityWarning):
        decomposition = decompose_variance(Outcomes.from_array(scores, score_range=None))
    header = repr(decomposition).splitlines()[1]
    assert re.split(r"\s{2,}", header.strip()) == [
        "query", "paraphrase + sample", "total", "icc", "reliability",
    ]  # fmt: skip


@pytest.mark.parametrize(("n_models", "n_rows"), [(7, 7 + 21 + 1), (8, 8 + 1)])
def test_the_repr_of_many_models_shows_the_mean_difference_only(n_models, n_rows):
    scores = np.random.default_rng(0).random((5, n_models, 2, 2))
    decomposition = decompose_variance(Outcomes.from_array(scores))
    assert len(repr(decomposition).splitlines()) == 3 + n_rows
    differences = decomposition.to_frame().query("kind == 'difference'")
    n_differences = len(differences[["model", "other"]].drop_duplicates())
    assert n_differences == n_models * (n_models - 1) // 2 + 1
    assert isinstance(decomposition, VarianceDecomposition)


# ---- against a known truth -----------------------------------------------------


def test_intervals_cover_the_true_components_as_often_as_their_level():
    """Few repetitions here; 2,000, and strongly unbalanced ones, in benchmarks/labels.py."""
    covered = []
    for seed in range(100):
        data = make_routing_outcomes(
            100, 2, 3, 3, link="identity", difficulty=0.2, interaction=0.3,
            paraphrase_effect=0.2, sampling_noise=0.4, random_state=seed,
        )  # fmt: skip
        table = decompose_variance(data.outcomes).table
        table = table[table["model"] != "overall"]
        truth = data.variance_components
        for component in ("query", "paraphrase", "sample"):
            rows = table[table["component"] == component]
            true_values = truth[component].to_numpy()
            assert len(rows) == len(truth)
            covered.append((rows["low"] <= true_values) & (true_values <= rows["high"]))
    # 900 intervals, correlated within a repetition; the standard error is about 0.01.
    assert 0.92 < np.mean(covered) < 0.98


@pytest.mark.parametrize(
    "settings_",
    [
        {},
        {"effects": "skewed"},
        {"link": "clip", "difficulty": 0.2, "interaction": 0.2, "paraphrase_effect": 0.1,
         "sampling_noise": 0.3},
    ],
)  # fmt: skip
def test_estimates_from_many_queries_are_the_true_components(settings_):
    data = make_routing_outcomes(20000, 2, 3, 3, random_state=0, **settings_)
    decomposition = decompose_variance(data.outcomes)
    for (model, other), truth in data.variance_components.iterrows():
        for component in ("query", "paraphrase", "sample"):
            found = decomposition.estimate(component, model, other or None)
            assert found == pytest.approx(truth[component], rel=0.06, abs=0.002)


def test_reliability_is_the_squared_correlation_of_labels_with_the_truth():
    data = make_routing_outcomes(20000, 2, 3, 2, random_state=0)
    label = data.outcomes.to_array().mean(axis=(2, 3))
    decomposition = decompose_variance(data.outcomes)
    for model in range(2):
        truth = np.corrcoef(label[:, model], data.expected_quality[:, model])[0, 1] ** 2
        found = decomposition.estimate("reliability", f"model {model}")
        assert found == pytest.approx(truth, abs=0.02)
    difference = np.corrcoef(np.diff(label)[:, 0], np.diff(data.expected_quality)[:, 0])[0, 1] ** 2
    assert decomposition.estimate("reliability") == pytest.approx(difference, abs=0.02)
