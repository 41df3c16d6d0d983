"""Cells: the outcomes of one paraphrase of a (query, model) pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from plain_outcomes import grids

from dars_sklearn import Outcomes
from dars_sklearn.outcomes._cells import (
    CellTable,
    make_cells,
    summarise_cells,
    tabulate_cells,
)


def slow_cells(grid):
    """List (query, model, paraphrase), number, mean and sum of squares of each cell."""
    cells = []
    for key in np.ndindex(grid.shape[:3]):
        scores = [score for score in grid[key] if not np.isnan(score)]
        if scores:
            mean = sum(scores) / len(scores)
            cells.append((key, len(scores), mean, sum((own - mean) ** 2 for own in scores)))
    return cells


@settings(max_examples=60, deadline=None)
@given(grids())
def test_cells_are_those_of_a_loop(grid):
    cells = make_cells(Outcomes.from_array(grid))
    expected = slow_cells(grid)
    keys = np.stack([cells.query, cells.model, cells.paraphrase], axis=1)
    assert [tuple(key) for key in keys.tolist()] == [key for key, *_ in expected]
    assert cells.count.tolist() == [count for _, count, *_ in expected]
    assert cells.mean == pytest.approx([mean for *_, mean, _ in expected])
    assert cells.within == pytest.approx([within for *_, within in expected], abs=1e-12)


def test_cells_can_be_made_of_other_values_and_other_paraphrases():
    outcomes = Outcomes.from_array([[[[1.0, 0.0], [0.5, 0.25]]]])
    cells = make_cells(outcomes, values=np.array([1.0, 2.0, 3.0, 5.0]))
    assert cells.mean.tolist() == [1.5, 4.0]
    assert cells.within.tolist() == [0.5, 2.0]
    cells = make_cells(outcomes, paraphrase=np.array([3, 3, 3, 7]))
    assert cells.paraphrase.tolist() == [3, 7]
    assert cells.count.tolist() == [3, 1]
    assert cells.mean.tolist() == [0.5, 0.25]
    assert cells.within.tolist() == [0.5, 0.0]


def test_the_same_paraphrase_of_two_pairs_is_two_cells():
    cells = make_cells(Outcomes.from_array([[1, 0], [0.5, 0.25]]))
    assert cells.mean.tolist() == [1, 0, 0.5, 0.25]
    assert cells.query.tolist() == [0, 0, 1, 1]
    assert cells.model.tolist() == [0, 1, 0, 1]


def test_no_outcomes_have_no_cells():
    cells = make_cells(Outcomes.from_array([[1]], models=["m"])[[]])
    assert all(len(column) == 0 for column in cells)
    table = tabulate_cells(cells, 1)
    assert table.means.shape == (0, 1)
    assert summarise_cells(cells, 0, 1).mean.shape == (0, 1)


def test_cells_of_some_rows_are_taken():
    cells = make_cells(Outcomes.from_array([[1, 0], [0.5, 0.25]]))
    taken = cells.take(cells.model == 1)
    assert taken.mean.tolist() == [0, 0.25]
    assert taken.query.tolist() == [0, 1]
    assert cells.take(np.array([3, 0])).mean.tolist() == [0.25, 1]


@settings(max_examples=60, deadline=None)
@given(grids())
def test_cell_means_are_tabulated_by_wording_and_model(grid):
    n_queries, n_models, n_paraphrases, _ = grid.shape
    table = tabulate_cells(make_cells(Outcomes.from_array(grid)), n_models)
    assert isinstance(table, CellTable)
    means = {key: mean for key, _, mean, _ in slow_cells(grid)}
    wordings = sorted({(query, paraphrase) for query, _, paraphrase in means})
    assert table.query.tolist() == [query for query, _ in wordings]
    expected = [
        [means.get((query, model, paraphrase), np.nan) for model in range(n_models)]
        for query, paraphrase in wordings
    ]
    np.testing.assert_allclose(table.means, expected)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_cells_are_summarised_by_pair(grid):
    n_queries, n_models = grid.shape[:2]
    summary = summarise_cells(make_cells(Outcomes.from_array(grid)), n_queries, n_models)
    assert all(column.shape == (n_queries, n_models) for column in summary)
    cells = slow_cells(grid)
    for pair in np.ndindex(n_queries, n_models):
        own = [cell for cell in cells if cell[0][:2] == pair]
        counts, means, squares = ([cell[column] for cell in own] for column in (1, 2, 3))
        mean = sum(means) / len(own) if own else np.nan
        expected = {
            "n_cells": len(own),
            "mean": mean,
            "between": sum((cell_mean - mean) ** 2 for cell_mean in means),
            "within": sum(squares),
            "within_freedom": sum(count - 1 for count in counts),
            "mean_inverse_count": sum(1 / n for n in counts) / len(own) if own else 0,
            "sum_squared_shares": sum((n / sum(counts)) ** 2 for n in counts),
        }
        for name, value in expected.items():
            found = getattr(summary, name)[pair]
            assert found == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_paraphrases_with_gaps_in_their_numbers_are_kept_apart():
    outcomes = Outcomes.from_array([[1, 0.5], [0, 0.25]])
    cells = make_cells(outcomes, paraphrase=np.array([4, 9, 0, 9]))
    table = tabulate_cells(cells, 2)
    assert table.query.tolist() == [0, 0, 1, 1]
    nan = np.nan
    np.testing.assert_array_equal(table.means, [[1, nan], [nan, 0.5], [0, nan], [nan, 0.25]])
