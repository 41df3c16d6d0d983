"""Random selections of outcomes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_outcomes import grids

from dars_sklearn import Outcomes
from dars_sklearn.outcomes._resampling import design_mask, random_ranks, single_shot_indices


class FixedDraws:
    """A source of given numbers instead of random ones."""

    def __init__(self, *draws):
        self._draws = list(draws)

    def random_sample(self, size):
        draw = np.asarray(self._draws.pop(0))
        assert draw.shape == np.empty(size).shape
        return draw


def test_a_draw_selects_an_outcome_by_its_share_of_the_unit_interval():
    offsets = np.array([0, 4, 4, 5, 7])
    draws = FixedDraws([0.5, 0.9, 0.999, 0.49])
    indices, observed = single_shot_indices(offsets, draws)
    assert indices.tolist() == [2, 4, 5]
    assert observed.tolist() == [True, False, True, True]
    assert single_shot_indices(np.array([0, 4]), FixedDraws([0.999999]))[0].tolist() == [3]
    assert single_shot_indices(np.array([0, 4]), FixedDraws([0.0]))[0].tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3)), st.integers(0, 1000))
def test_ranks_number_the_members_of_each_group(groups, seed):
    ranks = random_ranks(np.array(groups, dtype=int), np.random.RandomState(seed))
    for group in set(groups):
        own = sorted(rank for rank, other in zip(ranks.tolist(), groups, strict=True)
                     if other == group)  # fmt: skip
        assert own == list(range(len(own)))


def test_ranks_are_in_the_order_of_the_draws():
    ranks = random_ranks(np.array([1, 0, 1, 0, 1]), FixedDraws([0.3, 0.2, 0.1, 0.9, 0.5]))
    assert ranks.tolist() == [1, 0, 0, 1, 2]


def test_every_member_has_every_rank_equally_often():
    rng = np.random.RandomState(0)
    ranks = np.array([random_ranks(np.zeros(3, dtype=int), rng) for _ in range(1500)])
    for member in ranks.T:
        # The standard error of a frequency is 0.012.
        np.testing.assert_allclose(np.bincount(member) / 1500, 1 / 3, atol=0.04)


@settings(max_examples=60, deadline=None)
@given(grids(), st.integers(1, 4), st.integers(1, 5), st.integers(0, 100))
def test_a_design_keeps_as_many_paraphrases_and_samples_as_there_are(grid, P, K, seed):
    outcomes = Outcomes.from_array(grid)
    keep = design_mask(outcomes, P, K, np.random.RandomState(seed))
    keys = outcomes.to_frame()[["query", "model", "paraphrase"]].to_numpy().tolist()
    kept = [tuple(key) for key, own in zip(keys, keep, strict=True) if own]
    for query in range(len(grid)):
        available = {key[2] for key in keys if key[0] == query}
        chosen = {key[2] for key in kept if key[0] == query}
        assert len(chosen) == min(P, len(available))
        for key in {tuple(key) for key in keys if key[0] == query and key[2] in chosen}:
            assert kept.count(key) == min(K, keys.count(list(key)))


def test_a_design_without_limits_keeps_everything():
    outcomes = Outcomes.from_array(np.ones((2, 2, 3, 3)))
    assert design_mask(outcomes, None, None, np.random.RandomState(0)).all()
    keep = design_mask(outcomes, 2, None, np.random.RandomState(0)).reshape(2, 2, 3, 3)
    assert (keep.sum(axis=3) % 3 == 0).all()
    assert (keep[:, 0] == keep[:, 1]).all()  # the same paraphrases for all models
    assert (keep.sum(axis=(2, 3)) == 6).all()
    keep = design_mask(outcomes, None, 1, np.random.RandomState(0)).reshape(2, 2, 3, 3)
    assert (keep.sum(axis=3) == 1).all()


def test_paraphrases_of_different_queries_are_drawn_independently():
    outcomes = Outcomes.from_array(np.ones((200, 1, 3, 1)))
    keep = design_mask(outcomes, 1, None, np.random.RandomState(0)).reshape(200, 3)
    # The standard error of a frequency is 0.033.
    np.testing.assert_allclose(keep.mean(axis=0), 1 / 3, atol=0.1)


@pytest.mark.parametrize("number", [0, -1])
def test_a_design_needs_a_paraphrase_and_a_sample(number):
    outcomes = Outcomes.from_array([[1]])
    rng = np.random.RandomState(0)
    message = f"must be an int of at least 1, got {number}$"
    with pytest.raises(ValueError, match=f"^n_paraphrases {message}"):
        design_mask(outcomes, number, None, rng)
    with pytest.raises(ValueError, match=f"^n_samples {message}"):
        design_mask(outcomes, None, number, rng)
