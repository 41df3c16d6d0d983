"""What is not identifiable is not shown, and a sentence says why."""

import numpy as np
import pandas as pd
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.evaluate._identifiability import (
    bound_by_oracle,
    hide_unidentifiable,
    shared_query_notes,
)
from dars_sklearn.metrics._oracle import OracleUtilities

NAN = float("nan")
OUTCOMES = Outcomes.from_array(np.ones((4, 2, 1, 3)))


def oracle(*crossfitted):
    return OracleUtilities(np.array(crossfitted), np.full(len(crossfitted), 0.9))


HALF = oracle(0.5, 0.5, 0.5, 0.5)


def test_an_oracle_above_every_strategy_is_a_lower_bound():
    regrets = {"router": (0.0, -0.1, 0.1), "a": (0.1, 0.0, 0.2)}
    found = bound_by_oracle(oracle(0.5, 0.7, 0.6, 0.6), regrets, OUTCOMES)
    assert found.is_informative
    (note,) = found.notes
    assert note.startswith("In expectation, regret is at least what is shown")
    assert "below 0" not in note


@pytest.mark.parametrize("high", [0.05, 0.0, -1e-13])
def test_an_oracle_that_is_not_clearly_below_a_strategy_stays_informative(high):
    found = bound_by_oracle(HALF, {"router": (-0.02, -0.1, high)}, OUTCOMES)
    assert found.is_informative
    assert found.notes[0].endswith("an estimate below 0 is within its sampling noise")


def test_an_oracle_clearly_below_a_strategy_says_nothing():
    regrets = {
        "router": (0.05, 0.0, 0.1),
        "best_single_model": (-0.1, -0.15, -0.05),
        "mine": (-0.2, -0.5, 0.1),
        "b": (NAN, NAN, NAN),
    }
    found = bound_by_oracle(HALF, regrets, OUTCOMES)
    assert not found.is_informative
    (note,) = found.notes
    assert "at 0.5 it is 0.1 [0.05, 0.15] below what the best single model achieves" in note
    assert note.endswith("because it chooses by noise with 3 outcomes per (query, model) pair")
    found = bound_by_oracle(HALF, {"mine": (-0.02, -0.03, -0.01)}, OUTCOMES)
    assert "below what mine achieves" in found.notes[0]


def test_without_a_second_outcome_there_is_no_oracle():
    found = bound_by_oracle(oracle(NAN, NAN, NAN, NAN), {"router": (NAN, NAN, NAN)}, OUTCOMES)
    assert not found.is_informative
    assert "they need two outcomes per (query, model) pair" in found.notes[0]


@pytest.mark.parametrize("regrets", [{}, {"router": (NAN, NAN, NAN)}])
def test_an_oracle_is_known_where_every_regret_is_unknown(regrets):
    found = bound_by_oracle(HALF, regrets, OUTCOMES)
    assert found.is_informative
    assert found.notes[0].startswith("Regret is not shown: no query has both")


def test_queries_without_an_oracle_are_counted():
    found = bound_by_oracle(oracle(0.5, NAN, 0.5, NAN), {"router": (0.1, 0.0, 0.2)}, OUTCOMES)
    assert found.is_informative
    assert "over the 2 of 4 queries" in found.notes[1]


def report_table():
    """A table of a report whose figures are all 0.5."""
    metrics = ["score", "regret", "instability", "gap_recovered", "apgr", "cpt_50", "cpt_80"]
    rows = [("router", metric, 0.5, 0.4, 0.6) for metric in metrics]
    rows += [("oracle_crossfitted", "utility", 0.5, 0.4, 0.6)]
    return pd.DataFrame(rows, columns=["strategy", "metric", "estimate", "low", "high"])


def hidden_rows(table):
    is_hidden = table[["estimate", "low", "high"]].isna()
    assert is_hidden.all(axis=1).equals(is_hidden.any(axis=1))
    return is_hidden.all(axis=1)


def hidden(table):
    return table[hidden_rows(table)]["metric"].tolist()


@pytest.mark.parametrize("low", [-0.1, 0.0, NAN])
def test_a_gap_that_may_be_none_is_no_unit(low):
    table = report_table()
    notes = hide_unidentifiable(table, HALF, (0.02, low, 0.05), OUTCOMES)
    assert hidden(table) == ["gap_recovered", "apgr", "cpt_50", "cpt_80"]
    assert f"scores 0.02 [{low:.3g}, 0.05] more than the cheapest one" in notes[-1]


@pytest.mark.parametrize("gap", [(0.02, 0.01, 0.05), None])
def test_figures_that_are_identifiable_stay(gap):
    table = report_table()
    notes = hide_unidentifiable(table, HALF, gap, OUTCOMES)
    assert table.equals(report_table())
    assert len(notes) == 1


def test_regret_is_hidden_together_with_its_oracle():
    table = report_table()
    table.loc[table["metric"] == "regret", ["estimate", "low", "high"]] = [-0.2, -0.3, -0.1]
    notes = hide_unidentifiable(table, HALF, None, OUTCOMES)
    assert hidden(table) == ["regret", "utility"]
    assert "not shown" in notes[0]


@pytest.mark.parametrize("strategy", ["best_single_model", "cheapest_model"])
def test_a_model_chosen_in_hindsight_has_no_regret_and_hides_none(strategy):
    table = report_table()
    table.loc[len(table)] = (strategy, "regret", -0.2, -0.3, -0.1)
    notes = hide_unidentifiable(table, HALF, None, OUTCOMES, in_hindsight=True)
    assert table[hidden_rows(table)]["strategy"].tolist() == [strategy]
    assert notes[-1] == "The regret of models that were chosen in hindsight is not shown"


def test_an_unknown_instability_is_explained():
    table = report_table()
    table.loc[table["metric"] == "instability", ["estimate", "low", "high"]] = NAN
    notes = hide_unidentifiable(table, HALF, None, OUTCOMES)
    assert notes[-1].startswith("Instability is not shown where no")


def test_training_queries_in_an_evaluation_are_counted():
    rng = np.random.default_rng(0)
    outcomes = Outcomes.from_array(rng.random((10, 2, 1, 2)), queries=[f"q{i}" for i in range(10)])
    assert shared_query_notes(outcomes[:5], outcomes[5:]) == []
    (note,) = shared_query_notes(outcomes[:5], outcomes[3:])
    assert note.startswith("The training outcomes include 2 of the 7 evaluated queries")
    others = Outcomes.from_array(rng.random((10, 2, 1, 2)), queries=outcomes.queries)
    (note,) = shared_query_notes(outcomes[:5], others[4:5])
    assert note == "The labels of 1 of the 1 evaluated query are also in the training outcomes"
    numbered = [Outcomes.from_array(rng.random((10, 2, 1, 2))) for _ in range(2)]
    assert shared_query_notes(*numbered) == []
