import sys
from pathlib import Path

import numpy as np
import pytest

from dars_sklearn import OutcomeAggregator
from dars_sklearn.datasets import load_smol_outcomes, make_routing_outcomes


def test_many_samples_converge_to_the_truth():
    data = make_routing_outcomes(20, 3, 5, 2000, random_state=0)
    capability = OutcomeAggregator(cost_scaling=None).fit(data.outcomes).aggregate(data.outcomes)
    np.testing.assert_allclose(capability.quality, data.quality, atol=0.02)
    np.testing.assert_allclose(capability.cost, data.cost, rtol=0.02)
    np.testing.assert_array_equal(data.best, data.quality.argmax(axis=1))


def test_each_dial_turns_off_its_own_part():
    def scores(**dials):
        return make_routing_outcomes(30, 3, random_state=1, **dials).outcomes.to_array()

    assert np.ptp(scores(sampling_noise=0), axis=3).max() == 0
    assert np.ptp(scores(sampling_noise=0, paraphrase_effect=0), axis=2).max() == 0
    still = scores(sampling_noise=0, paraphrase_effect=0, interaction=0)
    assert (np.diff(still[:, :, 0, 0], axis=1) > 0).all()  # one order of models everywhere
    still = scores(sampling_noise=0, paraphrase_effect=0, interaction=0, difficulty=0)
    assert np.ptp(still, axis=0).max() < 1e-12


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="n_models must be an int of at least 1, got 0"):
        make_routing_outcomes(n_models=0)
    with pytest.raises(ValueError, match=r"sampling_noise must be in \[0, 1\]"):
        make_routing_outcomes(sampling_noise=2)


def test_the_bundled_data_is_whole():
    data = load_smol_outcomes()
    assert len(data.queries) >= 400
    assert len(set(data.kinds)) >= 8
    assert data.outcomes.n_models >= 6
    assert data.outcomes.queries.tolist() == data.queries.tolist()
    assert (data.outcomes.counts() == 25).all()
    assert data.paraphrases.shape == (len(data.queries), 5)
    assert (data.paraphrases[:, 0] == data.queries).all()
    assert data.test_outcomes.queries.tolist() == data.queries[data.is_test].tolist()
    assert data.test_outcomes.models.tolist() == data.outcomes.models.tolist()
    assert (data.test_outcomes.counts() == 25).all()
    costs = data.outcomes.to_array("cost")
    assert np.isnan(costs).mean() < 0.001
    assert len(np.unique(np.nanmean(costs, axis=(0, 2, 3)).round(9))) >= 5
    assert "Known flaws" in data.DESCR


def test_the_test_part_shares_no_draw_with_the_labels():
    data = load_smol_outcomes()
    again = data.outcomes[data.is_test].to_array()
    fresh = data.test_outcomes.to_array()
    assert again.shape == fresh.shape
    # The same chances, and other luck: means agree, draws do not.
    assert abs(again.mean() - fresh.mean()) < 0.02
    mixed = (again.mean(axis=3) % 1 > 0) | (fresh.mean(axis=3) % 1 > 0)
    assert (again != fresh)[mixed].mean() > 0.2


def test_scores_are_what_the_graders_say_of_the_responses():
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    from smol_questions import questions

    data = load_smol_outcomes()
    rows = data.responses.sample(2_000, random_state=0)
    by_query = {wordings[0]: (reference, grader) for _, wordings, reference, grader in questions()}
    for query, response, score in zip(rows["query"], rows["response"], rows["score"], strict=True):
        reference, grader = by_query[query]
        assert grader(response, reference) == score
