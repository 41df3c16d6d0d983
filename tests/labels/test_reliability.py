"""Reliability of labels from other numbers of paraphrases and samples."""

import re

import numpy as np
import pytest
from plain_outcomes import normal_scores

from dars_sklearn import Outcomes
from dars_sklearn.datasets import make_routing_outcomes
from dars_sklearn.exceptions import SeparabilityWarning
from dars_sklearn.labels import decompose_variance, reliability_curve
from dars_sklearn.labels._components_by_name import OVERALL, estimate_components
from dars_sklearn.labels._intervals import share_interval


def normal_outcomes(seed):
    return Outcomes.from_array(normal_scores(seed), score_range=None)


def estimated(outcomes):
    """Components of the models and of the differences of outcomes."""
    components = estimate_components(outcomes)
    differences = [own for names, own in components.differences.items() if names != OVERALL]
    return list(components.models.values()), differences


def merged_outcomes():
    """Outcomes of one paraphrase, of one sample, and of both, of which components are merged."""
    scores = normal_scores(0, 30, 2, 3, 3, share=1.0)
    designs = scores[:, :, :1], scores[..., :1], scores[:, :, :1, :1]
    return [Outcomes.from_array(own, score_range=None) for own in designs]


@pytest.mark.parametrize("kind", ["difference", "model"])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_curve_follows_from_the_components(kind, level):
    outcomes = normal_outcomes(1)
    keywords = {"kind": kind, "level": level}
    if keywords == {"kind": "difference", "level": 0.95}:
        keywords = {}  # these are the defaults
    curve = reliability_curve(outcomes, (1, 3), (2, 4, 8), **keywords)
    models, differences = estimated(outcomes)
    wanted = dict(enumerate(models))
    if kind == "difference":
        wanted = {None: differences}
    rows = iter(curve.to_dict("records"))
    for model, own in wanted.items():
        own = list(own) if kind == "difference" else [own]
        query, paraphrase, sample = (
            np.mean([getattr(each, name) for each in own], axis=0)
            for name in ("query", "paraphrase", "sample")
        )
        for P in (1, 3):
            for K in (2, 4, 8):
                row = next(rows)
                assert row.get("model") == model
                assert (row["n_paraphrases"], row["n_samples"]) == (P, K)
                noise = np.maximum(paraphrase, 0) / P + sample / (P * K)
                expected = max(1 - noise[0] / (query + noise)[0], 0)
                assert row["reliability"] == pytest.approx(expected)
                interval = share_interval(noise, query + noise, 12, level)
                assert (row["low"], row["high"]) == pytest.approx(interval)
    assert next(rows, None) is None


def test_the_default_curve_covers_ten_paraphrases_and_samples():
    curve = reliability_curve(normal_outcomes(0))
    assert list(curve) == ["n_paraphrases", "n_samples", "reliability", "low", "high"]
    design = curve[["n_paraphrases", "n_samples"]].to_numpy().tolist()
    assert design == [[P, K] for P in (1, 2, 5, 10) for K in (1, 2, 5, 10)]
    by_model = reliability_curve(normal_outcomes(0), kind="model")
    assert list(by_model)[0] == "model"
    assert by_model["model"].tolist() == np.repeat([0, 1, 2], 16).tolist()


def test_a_curve_needs_identifiable_components():
    one_paraphrase, one_sample, one_outcome = merged_outcomes()
    message = (
        "with one paraphrase per query, the query component includes the paraphrase component, and "
        "the reliability of other designs cannot be predicted; collect several wordings, or use "
        "wording='fixed' and n_paraphrases=(1,) for labels of these wordings"
    )
    for outcomes in (one_paraphrase, one_outcome):
        for kind in ("difference", "model"):
            with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
                reliability_curve(outcomes, kind=kind)
    message = (
        "with one sample per paraphrase, other numbers of samples cannot be predicted; use "
        "n_samples=(1,), or collect several samples"
    )
    for n_samples in ((1, 2), (2,)):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            reliability_curve(one_sample, (1, 2), n_samples)
    curve = reliability_curve(one_sample, (1, 3), [1])
    with pytest.warns(SeparabilityWarning):
        expected = decompose_variance(one_sample).estimate("reliability")
    assert curve["reliability"][1] == pytest.approx(expected)


def test_the_effect_of_a_fixed_wording_is_no_noise():
    outcomes = normal_outcomes(1)
    _, differences = estimated(outcomes)
    query, paraphrase, sample = (
        np.mean([getattr(own, name) for own in differences], axis=0)
        for name in ("query", "paraphrase", "sample")
    )
    curve = reliability_curve(outcomes, (1, 3), (2, 4), wording="fixed")
    for row in curve.itertuples():
        noise = sample / (row.n_paraphrases * row.n_samples)
        total = query + np.maximum(paraphrase, 0) / row.n_paraphrases + noise
        assert row.reliability == pytest.approx(1 - noise[0] / total[0])
        assert (row.low, row.high) == pytest.approx(share_interval(noise, total, 12, 0.95))
    random = reliability_curve(outcomes, (1, 3), (2, 4))
    assert (curve["reliability"] >= random["reliability"]).all()


def test_outcomes_of_one_wording_identify_the_reliability_of_their_own_labels():
    one_paraphrase, one_sample, one_outcome = merged_outcomes()
    with pytest.warns(SeparabilityWarning):
        components = decompose_variance(one_paraphrase)
    signal = components.estimate("query_plus_paraphrase")
    curve = reliability_curve(one_paraphrase, (1,), (1, 4), wording="fixed")
    expected = [signal / (signal + components.estimate("sample") / K) for K in (1, 4)]
    assert curve["reliability"].tolist() == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"other numbers of paraphrases .* n_paraphrases=\(1,\)"):
        reliability_curve(one_paraphrase, (1, 2), (1, 4), wording="fixed")
    for outcomes in (one_sample, one_outcome):
        with pytest.raises(ValueError, match="labels of fixed wordings is not identifiable"):
            reliability_curve(outcomes, (1,), (1,), wording="fixed")


def test_bad_arguments_of_a_curve_are_refused():
    outcomes = normal_outcomes(0)
    with pytest.raises(ValueError, match="^wording must be 'random' or 'fixed', got 'one'$"):
        reliability_curve(outcomes, wording="one")
    with pytest.raises(ValueError, match="^kind must be 'difference' or 'model', got 'models'$"):
        reliability_curve(outcomes, kind="models")
    with pytest.raises(ValueError, match=r"^n_samples must be ints of at least 1, got \(2, 0\)$"):
        reliability_curve(outcomes, n_samples=(2, 0))
    with pytest.raises(ValueError, match=r"^n_paraphrases must be ints of at least 1, got \[\]$"):
        reliability_curve(outcomes, n_paraphrases=[])
    message = "^there is only one model, and no difference; use kind='model'$"
    with pytest.raises(ValueError, match=message):
        reliability_curve(outcomes.subset([0]))
    assert len(reliability_curve(outcomes.subset([0]), (1,), (1,), kind="model")) == 1


def test_predicted_reliability_is_that_of_the_other_design():
    data = make_routing_outcomes(20000, 2, 4, 4, random_state=1)
    curve = reliability_curve(data.outcomes, (2,), (1,))
    smaller = Outcomes.from_array(data.outcomes.to_array()[:, :, :2, :1])
    with pytest.warns(SeparabilityWarning):
        decomposition = decompose_variance(smaller)
    assert curve["reliability"][0] == pytest.approx(decomposition.estimate("reliability"), abs=0.02)
    by_model = reliability_curve(data.outcomes, (1, 4), (4,), kind="model")
    own = decompose_variance(data.outcomes).estimate("reliability", "model 0")
    assert by_model["reliability"][1] == pytest.approx(own)
