"""The cross-check finds what cannot be, and nothing else."""

from __future__ import annotations

import pytest
from comparison.small_plans import entry

from leo_opt.comparison import find_clashes, profiles, summarise
from leo_opt.comparison.agreement import withdraw
from leo_opt.comparison.summary import optima


def kinds(*entries) -> list[str]:
    return [clash.kind for clash in find_clashes(entries)]


def test_cells_that_agree_within_their_margins_are_left_alone() -> None:
    assert kinds(entry(), entry(solver="scip", final_bound=1.0 + 1.9e-6, incumbent=1.0)) == []
    assert kinds(entry(final_bound=1.0 - 0.9e-6), entry(solver="scip")) == []
    # Another question is another number.
    assert (
        kinds(entry(), entry(unit=1, final_bound=0.2, incumbent=0.2, confirmed=0.1, seen=0)) == []
    )
    limit = entry(solver="scip", final_bound=1.9, termination_condition="maxTimeLimit")
    assert kinds(entry(), limit) == []


@pytest.mark.parametrize("name", ["final_bound", "root_bound", "separated_bound"])
def test_a_bound_below_what_the_network_reaches_is_a_contradiction(name: str) -> None:
    low = entry(solver="scip", confirmed=None, seen=0.0, incumbent=None, **{name: 0.99})
    found = find_clashes([entry(), low])
    assert next(clash.kind for clash in found if clash.entry is low) == "contradiction"
    assert "0.99 is below 1.0" in str(found[0])
    assert "big-m with crown bounds on scip" in str(found[0])


def test_the_values_of_random_inputs_count_as_well() -> None:
    assert kinds(entry(seen=1.5, confirmed=None)) == ["contradiction"]


@pytest.mark.parametrize("word", ["infeasible", "unbounded", "infeasibleOrUnbounded"])
def test_a_feasible_model_called_infeasible_is_a_contradiction(word: str) -> None:
    wrong = entry(termination_condition=word, final_bound=None, incumbent=None, confirmed=None)
    assert kinds(wrong) == ["contradiction"]


def test_optima_that_differ_disagree() -> None:
    high = entry(solver="scip", final_bound=1.1, incumbent=1.1)
    assert kinds(entry(), high) == ["disagreement"]
    # A gap that the solver was allowed to leave is none.
    assert kinds(entry(), entry(solver="scip", final_bound=1.1, incumbent=1.0)) == []
    # A relaxation has an optimum of its own.
    relaxed = entry(formulation="triangle", exact=False, final_bound=1.1, incumbent=1.1)
    assert kinds(entry(), relaxed) == []


def test_refusals_and_failures_say_nothing() -> None:
    assert kinds(entry(), entry(solver="scip", outcome="refused", final_bound=0.0)) == []


def test_a_convicted_cell_convicts_no_other_and_solves_nothing() -> None:
    wrong = entry(solver="scip", final_bound=0.5, incumbent=0.5, confirmed=0.5)
    good = [entry(), entry(solver="gurobi"), entry(formulation="ideal")]
    assert kinds(*good, wrong) == ["contradiction"]
    withdrawn = withdraw([*good, wrong])
    assert [e.measurement.outcome for e in withdrawn] == ["answered"] * 3 + ["wrong"]
    assert "0.5 is below 1.0" in withdrawn[-1].measurement.reason
    assert withdraw(withdrawn) == withdrawn
    for entries in ([*good, wrong], withdrawn):
        lines = {line.contestant.solver: line for line in summarise(entries)}
        assert (lines["scip"].wrong, lines["scip"].solved, lines["scip"].wins) == (1, 0, 0)
        assert lines["gurobi"].solved == 1
        assert optima(withdrawn) == optima(good)
        assert not any(p.ratios.size for p in profiles(entries) if p.contestant.solver == "scip")
